package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// whole checks that what is stored of a tenant fits together: counters equal rows, rollups equal events, every run has
// its payloads, and the audit has no gap. It knows what the tests' runs look like: see newRun and completeRun.
func whole(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID) error {
	runs, err := allRuns(ctx, e, tenant)
	if err != nil {
		return err
	}
	var open, ended, tokens, reserved int64
	for _, r := range runs {
		if r.Status.Open() {
			open++
			reserved += r.ReservedTokens
		} else {
			ended++
			tokens += *r.TotalTokens
		}
		if err := hasPayloads(ctx, e, r); err != nil {
			return err
		}
	}
	quotas, err := e.GetQuotas(ctx, tenant)
	if err != nil {
		return err
	}
	for _, q := range quotas {
		want := map[quota.Name]int64{
			quota.ConcurrentRuns: open, quota.RunsPerDay: open + ended, quota.TokensPerMonth: tokens, quota.Workers: min(1, open+ended),
		}
		if q.Used != want[q.Quota] || q.Quota == quota.TokensPerMonth && q.Reserved != reserved {
			err = errors.Join(err, fmt.Errorf("%+v, want %d", q, want[q.Quota]))
		}
	}
	return errors.Join(err, wholeUsage(ctx, e, tenant, ended, tokens), wholeAudit(ctx, e, tenant))
}

func allRuns(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID) (out []*rentroll.Run, err error) {
	p := rentroll.ListRunsParams{TenantID: tenant, Page: rentroll.Page{Limit: rentroll.MaxPageSize}}
	for {
		page, err := e.ListRuns(ctx, p)
		if err != nil {
			return nil, err
		}
		out = append(out, page.Items...)
		if p.Cursor = string(page.NextCursor); p.Cursor == "" {
			return out, nil
		}
	}
}

// hasPayloads checks that a run has the payloads that its row names.
func hasPayloads(ctx context.Context, e *rentroll.Engine, row *rentroll.Run) error {
	r, err := e.GetRun(ctx, rentroll.RunRef{TenantID: row.TenantID, RunID: row.ID})
	if err != nil {
		return err
	}
	if len(r.Input) == 0 || (len(r.Output) > 0) != (r.Status == rentroll.RunCompleted) {
		return fmt.Errorf("run %s is %s, has %d bytes of input and %d of output", r.ID, r.Status, len(r.Input), len(r.Output))
	}
	return nil
}

// wholeUsage checks that every ended run was metered once, by the rollups as by the events: a range that is cut within a
// bucket is read from events at the cut.
func wholeUsage(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID, ended, tokens int64) error {
	from := time.Now().Add(-24 * time.Hour).Truncate(time.Hour)
	to := from.Add(48 * time.Hour)
	cut := time.Now().Truncate(time.Microsecond)
	for _, parts := range [][]time.Time{{from, to}, {from, cut, to}, {from, cut.Add(-time.Second), to}} {
		meters := make(map[string]rentroll.MeterTotal)
		for i := range parts[1:] {
			sum, err := e.GetUsageSummary(ctx, rentroll.UsageSummaryParams{TenantID: tenant, Start: parts[i], End: parts[i+1]})
			if err != nil {
				return err
			}
			for name, m := range sum.Meters {
				m.Total, m.Count = m.Total+meters[name].Total, m.Count+meters[name].Count
				meters[name] = m
			}
		}
		if n := meters[rentroll.MeterWorkerRuns]; n.Total != ended || n.Count != ended {
			return fmt.Errorf("%d runs are metered, %d have ended", n.Total, ended)
		}
		if n := meters[rentroll.MeterTokensUsed]; n.Total != tokens {
			return fmt.Errorf("%d tokens are metered, the runs used %d", n.Total, tokens)
		}
		if n := meters["pages"]; n.Total != 3*n.Count {
			return fmt.Errorf("%d events of 3 pages each make %d", n.Count, n.Total)
		}
	}
	return nil
}

func wholeAudit(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID) error {
	p := rentroll.ListAuditParams{TenantID: tenant, Page: rentroll.Page{Limit: rentroll.MaxPageSize}}
	next := int64(0)
	for {
		page, err := e.ListAudit(ctx, p)
		if err != nil {
			return err
		}
		for _, row := range page.Items {
			if next != 0 && row.Sequence != next {
				return fmt.Errorf("the audit goes from %d to %d", next+1, row.Sequence)
			}
			next = row.Sequence - 1
		}
		if p.Cursor = string(page.NextCursor); p.Cursor == "" {
			break
		}
	}
	if next != 0 {
		return fmt.Errorf("the audit begins with %d", next+1)
	}
	return nil
}

// newRun admits a run as whole knows them.
func newRun(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID, input []byte) (*rentroll.Run, error) {
	return e.CreateRun(ctx, rentroll.CreateRunParams{
		TenantID: tenant, WorkerID: "w", Task: "t", Input: input, ReserveTokens: 10, Lease: rentroll.MaxLease,
	})
}

// completeRun ends a run as whole knows them.
func completeRun(ctx context.Context, e *rentroll.Engine, run *rentroll.Run, tokens int64) error {
	_, err := e.CompleteRun(ctx, rentroll.CompleteRunParams{
		TenantID: run.TenantID, RunID: run.ID, Success: true, TotalTokens: tokens, Output: []byte(`{"done": true}`),
	})
	return err
}
