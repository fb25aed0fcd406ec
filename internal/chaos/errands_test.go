package chaos

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/pgtest"
	"github.com/rentroll/rentroll/internal/simtest"
)

// errand is a task of many transactions, whose process is killed in each of them in turn. Whoever comes next finishes it.
type errand struct {
	day     int                                                 // on which it is done
	prepare func(s *story) error                                // what there is before
	do      func(s *story) error                                // by the process that is killed
	finish  func(s *story) error                                // by whoever comes next
	check   func(s *story, before *rentroll.UsageSummary) error // what there must be afterwards
}

var errands = map[string]errand{
	"purge": {
		prepare: func(s *story) error {
			_, err := s.Terminate(s.ctx, rentroll.TransitionParams{TenantID: s.Tenant})
			if err == nil {
				_, err = s.Archive(s.ctx, rentroll.TransitionParams{TenantID: s.Tenant})
			}
			return err
		},
		do: func(s *story) error { return s.purge() },
		finish: func(s *story) error {
			if err := s.purge(); err != nil && !errors.Is(err, rentroll.CodeNotFound) {
				return err
			}
			return nil
		},
		check: func(s *story, _ *rentroll.UsageSummary) error {
			if t, err := s.GetTenant(s.ctx, s.Tenant); !errors.Is(err, rentroll.CodeNotFound) {
				return fmt.Errorf("the tenant is still there: %+v, %w", t, err)
			}
			_, err := s.CreateTenant(s.ctx, rentroll.CreateTenantParams{Name: "Another", Slug: s.slug})
			return err
		},
	},
	"prune": {
		day:     450,
		prepare: func(*story) error { return nil },
		do:      func(s *story) error { _, err := s.Prune(s.ctx); return err },
		finish:  func(s *story) error { _, err := s.Prune(s.ctx); return err },
		check: func(s *story, before *rentroll.UsageSummary) error {
			after, err := s.anHour()
			if err != nil || after.TotalRecords != before.TotalRecords || after.Meters["pages"] != before.Meters["pages"] {
				return fmt.Errorf("there were %+v, and are %+v, %w", before, after, err)
			}
			page, err := s.ListRuns(s.ctx, rentroll.ListRunsParams{TenantID: s.Tenant})
			if err != nil || len(page.Items) > 0 {
				return fmt.Errorf("%d runs are left, %w", len(page.Items), err)
			}
			again, err := s.Prune(s.ctx)
			if err != nil || len(again) > 0 {
				return fmt.Errorf("something was left to prune: %v, %w", again, err)
			}
			return nil
		},
	},
}

// purge removes the tenant, however many calls that takes.
func (s *story) purge() error {
	for {
		if p, err := s.Purge(s.ctx, s.Tenant); err != nil || p.EndedAt != nil {
			return err
		}
	}
}

// anHour sums up what was recorded.
func (s *story) anHour() (*rentroll.UsageSummary, error) {
	return s.GetUsageSummary(s.ctx, rentroll.UsageSummaryParams{TenantID: s.Tenant, Start: at(0), End: at(3600)})
}

// date is the clock of those who do the errand.
func (s *story) date() time.Time { return at(0).AddDate(0, 0, errands[s.Errand].day) }

// TestEveryTransaction: wherever the process of a purge or a pruning is killed, it can be finished, nothing is left of what
// was to go, and everything adds up.
func TestEveryTransaction(t *testing.T) {
	t.Parallel()
	for name, errand := range errands {
		for _, moment := range moments {
			if moment == "answered" { // which is of steps
				continue
			}
			t.Run(strings.Join([]string{"sqlite", name, moment}, "/"), func(t *testing.T) {
				t.Parallel()
				died := 0
				for s := (&story{SQLite: filepath.Join(t.TempDir(), "0")}); s.fails(t, errand, name, moment, died+1); died++ {
					s = &story{SQLite: filepath.Join(t.TempDir(), fmt.Sprint(died+1))}
				}
				if died < 3 {
					t.Errorf("%d transactions are too few to say anything", died)
				}
			})
		}
		t.Run("postgres/"+name, func(t *testing.T) {
			t.Parallel()
			for n := range 3 {
				s := &story{}
				s.Postgres, s.Schema = pgtest.Database(t)
				if !s.fails(t, errand, name, "saved", n+1) {
					t.Errorf("nobody was killed in transaction %d", n+1)
				}
			}
		})
	}
}

// fails plays an errand whose process is killed in its nth transaction, and finishes it. It reports whether there was one.
func (s *story) fails(t *testing.T, e errand, name, moment string, n int) bool {
	t.Helper()
	s.ctx, s.slug = t.Context(), "acme"
	s.resume(t, at0, -1)
	s.found(t)
	if err := s.furnish(); err != nil {
		t.Fatal(err)
	}
	before, err := s.anHour()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.prepare(s); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.Errand, s.Step, s.Moment, s.Delay = name, n, moment, time.Duration(n)*100*time.Microsecond
	out, killed := s.perform(t)
	if !killed && !strings.Contains(out, "the end was reached") {
		t.Fatalf("the process ended: %s", out)
	}
	s.resume(t, s.date, -1)
	defer s.Close()
	if err := e.finish(s); err != nil {
		t.Fatalf("killed in transaction %d: finishing it: %v", n, err)
	}
	if err := simtest.Reconciled(s.ctx, s.Engine); err != nil {
		t.Errorf("killed in transaction %d: %v", n, err)
	}
	if err := e.check(s, before); err != nil {
		t.Errorf("killed in transaction %d: %v", n, err)
	}
	return killed
}

// furnish gives the tenant more rows than go in one transaction.
func (s *story) furnish() error {
	for i := range 3 {
		run, err := s.CreateRun(s.ctx, rentroll.CreateRunParams{
			TenantID: s.Tenant, APIKeyID: s.Key, WorkerID: "builder", Task: "t", Input: []byte(`{}`), IdempotencyKey: fmt.Sprint(i),
		})
		if err != nil {
			return err
		}
		if _, err := s.CompleteRun(s.ctx, rentroll.CompleteRunParams{TenantID: s.Tenant, RunID: run.ID, Success: true, TotalTokens: 7}); err != nil {
			return err
		}
	}
	var events []rentroll.UsageParams
	for i := range 1200 {
		events = append(events, rentroll.UsageParams{Meter: "pages", Amount: 2, EventID: fmt.Sprint(i), Time: at(i / 300)})
	}
	for part := range slices.Chunk(events, 600) {
		if _, err := s.RecordUsageBatch(s.ctx, rentroll.RecordUsageBatchParams{TenantID: s.Tenant, Events: part}); err != nil {
			return err
		}
	}
	return nil
}
