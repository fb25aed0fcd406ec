package rentroll

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// Retention says for how long rows are kept that nothing is counted from any more. Totals do not depend on them: rollups,
// months, statements and the audit stay. The zero value keeps for as long as each field says of 0.
type Retention struct {
	// Usage is how long raw usage events are kept, by their time, 43 days at least. 0 is 400 days, less than 0 for ever.
	// Ranges of time that cut a quarter of an hour whose events are gone can't be summed up any more.
	Usage time.Duration

	// Runs is how long ended runs are kept with their payloads, from their end on, 7 days at least. 0 is 400 days, less
	// than 0 for ever. A run that is gone is CodeNotFound, and so is what an idempotency key would have it replayed by.
	Runs time.Duration

	// Denials is how long the last denials of a tenant and the counts of them are kept, a day at least. 0 is 90 days, less
	// than 0 for ever.
	Denials time.Duration

	// Interval is how often old rows are looked for. 0 is an hour, less than 0 never.
	Interval time.Duration

	// Rate is how many rows a second a server looks at for that, at most. 0 is 5,000.
	Rate int
}

// What the fields of Retention are where they are 0, and what they must be at least.
const (
	defaultKeepUsage     = 400 * day
	defaultKeepRuns      = 400 * day
	defaultKeepDenials   = 90 * day
	defaultPruneInterval = time.Hour
	defaultPruneRate     = 5000

	leastKeepUsage   = keepMarks + day
	leastKeepRuns    = 7 * day
	leastKeepDenials = day

	// keepMarks is how long event ids are kept: longer than events are accepted, so that one that has a time never counts
	// again.
	keepMarks = UsageWindow + 7*day
	// keepOnce is how long idempotency records are kept; those of runs stay.
	keepOnce = 7 * day
)

// complete fills in the defaults and says what is wrong.
func (r *Retention) complete(bad *problems) {
	for _, f := range []struct {
		name       string
		keep       *time.Duration
		usual, min time.Duration
	}{
		{"Retention.Usage", &r.Usage, defaultKeepUsage, leastKeepUsage},
		{"Retention.Runs", &r.Runs, defaultKeepRuns, leastKeepRuns},
		{"Retention.Denials", &r.Denials, defaultKeepDenials, leastKeepDenials},
	} {
		switch {
		case *f.keep == 0:
			*f.keep = f.usual
		case *f.keep > 0 && *f.keep < f.min:
			bad.add(f.name, fmt.Sprintf("must be at least %dd", f.min/(24*time.Hour)))
		}
	}
	if r.Interval == 0 {
		r.Interval = defaultPruneInterval
	}
	if r.Rate <= 0 {
		r.Rate = defaultPruneRate
	}
}

// Pruned says how many rows of each kind were deleted.
type Pruned map[PruneKind]int64

// pruneChunk is how many rows one step looks at and one transaction deletes. The smaller, the shorter whatever waits for
// it; five hundred take some milliseconds.
const pruneChunk = 500

// runOperations are the idempotent operations that make runs: their records stay, so that the key of a run that is gone
// never makes another one.
var runOperations = []string{runOperation, "run.retry"}

// Prune deletes what is older than Options.Retention says, once through all tenants, and returns how much it was. The
// engine does so by itself once an interval. It needs an operator with tenant:manage.
func (e *Engine) Prune(ctx context.Context) (Pruned, error) {
	if err := e.actor.mayOperate(PermTenantManage); err != nil {
		return nil, err
	}
	return e.pruneAll(ctx, rate.NewLimiter(rate.Inf, 0), func(TenantID) bool { return true })
}

// pruneLoop prunes once an interval until the engine is closed.
func (e *Engine) pruneLoop() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-e.core.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	keep := e.core.opts.Retention
	limiter := rate.NewLimiter(rate.Limit(keep.Rate), max(keep.Rate, pruneChunk))
	tick := time.NewTicker(keep.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		pruned, err := e.pruneAll(ctx, limiter, e.core.cluster.mine)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			e.core.opts.Logger.Error("pruning failed; the next time goes on", "error", err, "pruned", pruned)
		case len(pruned) > 0:
			e.core.opts.Logger.Info("pruned", "rows", pruned)
		}
	}
}

// pruneAll prunes the tenants that are this server's, the newest first, and the platform.
func (e *Engine) pruneAll(ctx context.Context, limiter *rate.Limiter, mine func(TenantID) bool) (Pruned, error) {
	p := &pruner{Engine: e, limiter: limiter, now: e.now(), pruned: Pruned{}}
	if mine(PlatformID) {
		if err := p.tenant(ctx, PlatformID); err != nil {
			return p.pruned, err
		}
	}
	for before := (TenantID{}); ; {
		var rows []TenantRow
		err := e.view(ctx, func(r Reader) (err error) {
			rows, err = r.ListTenants(ctx, TenantFilter{Before: before, Limit: sweepPage})
			return err
		})
		if err != nil {
			return p.pruned, err
		}
		for _, row := range rows {
			before = row.Profile.TenantID
			if mine(before) {
				if err := p.tenant(ctx, before); err != nil {
					return p.pruned, err
				}
				if err := p.subjects(ctx, row.Account); err != nil {
					return p.pruned, err
				}
			}
		}
		if len(rows) < sweepPage {
			return p.pruned, nil
		}
	}
}

// pruner is one way through the tenants.
type pruner struct {
	*Engine

	limiter *rate.Limiter
	now     time.Time
	pruned  Pruned
}

// cutoffs says before when the rows of each kind are old.
func (p *pruner) cutoffs() map[PruneKind]time.Time {
	keep, out := p.core.opts.Retention, make(map[PruneKind]time.Time)
	for kind, d := range map[PruneKind]time.Duration{
		PruneUsage: keep.Usage, PruneRuns: keep.Runs, PruneDenials: keep.Denials, PruneDenialCounts: keep.Denials,
		PruneMarks: keepMarks, PruneOnce: keepOnce,
	} {
		if d > 0 {
			out[kind] = p.now.Add(-d)
		}
	}
	if at, prunes := out[PruneUsage]; prunes {
		out[PruneUsage] = at.Truncate(bucketSize) // whole buckets
	}
	return out
}

// pruneOrder is the order in which the kinds of a tenant's rows are looked at.
var pruneOrder = []PruneKind{PruneRuns, PruneUsage, PruneMarks, PruneOnce, PruneDenials, PruneDenialCounts}

// tenant prunes one tenant.
func (p *pruner) tenant(ctx context.Context, id TenantID) error {
	cutoffs := p.cutoffs()
	for _, kind := range pruneOrder {
		before, prunes := cutoffs[kind]
		for f := (OldFilter{TenantID: id, Kind: kind, Before: before, Limit: pruneChunk}); prunes; {
			next, more, err := p.step(ctx, f)
			if err != nil {
				return err
			}
			f.After, prunes = next, more
		}
	}
	return nil
}

// step looks at one chunk of rows and deletes those that are old.
func (p *pruner) step(ctx context.Context, f OldFilter) (next OldRow, more bool, err error) {
	var found OldRows
	err = p.view(ctx, func(r Reader) (err error) {
		found, err = r.ListOld(ctx, f)
		return err
	})
	if err != nil {
		return next, false, err
	}
	if err := p.limiter.WaitN(ctx, max(found.Looked, 1)); err != nil {
		return next, false, err
	}
	next, more = found.Next, found.Looked == f.Limit
	rows := found.Rows
	if f.Kind == PruneOnce {
		rows = slices.DeleteFunc(rows, func(r OldRow) bool { return slices.Contains(runOperations, r.Text) })
		if slices.Contains(runOperations, next.Text) {
			next = OldRow{Text: next.Text + "\x01"} // they all stay: on to the next operation
		}
	}
	if len(rows) == 0 {
		return next, more, nil
	}
	if f.Kind == PruneRuns {
		c := &pruneRuns{
			header: header{tenant: f.TenantID, by: p.actor, rows: 2 * len(rows), size: rowOverhead * len(rows)},
			old:    rows, before: f.Before,
		}
		if err := p.do(ctx, c); err != nil {
			return next, false, err
		}
		p.pruned[f.Kind] += c.pruned
		return next, more, nil
	}
	mark := PrunedMark{TenantID: f.TenantID, Kind: f.Kind}
	if f.Kind == PruneUsage {
		mark.Until = f.Before
	}
	if err := p.prune(ctx, mark, rows); err != nil {
		return next, false, err
	}
	p.pruned[f.Kind] += int64(len(rows))
	return next, more, nil
}

// prune deletes rows; where another transaction was in the way, again.
func (p *pruner) prune(ctx context.Context, mark PrunedMark, rows []OldRow) error {
	for try := 0; ; try++ {
		ctx, cancel := context.WithTimeout(ctx, laneTimeout)
		err := p.core.store.Prune(ctx, mark, rows)
		cancel()
		if err == nil || !isUnavailable(err) || try == maxRetries || classOf(err) != ClassRetry && classOf(err) != ClassUnknown {
			return err
		}
		pause(min(time.Duration(try)*time.Millisecond, maxPause))
	}
}

// pruneRuns deletes ended runs. It is a command, unlike the rest of pruning: a run that ended long ago may just be
// completed late, or retried.
type pruneRuns struct {
	header
	old    []OldRow
	before time.Time
	pruned int64
}

func (c *pruneRuns) wants(b *Batch) {
	for _, r := range c.old {
		b.Runs.Want(RunRef{c.tenant, r.ID})
	}
}

func (c *pruneRuns) decide(l *ledger) error {
	a, now, err := l.account(c.tenant)
	if err != nil {
		return err
	}
	l.touch(a, now)
	c.pruned = 0
	until := time.Time{}
	for _, r := range c.old {
		ref := RunRef{c.tenant, r.ID}
		run := l.Runs.Get(ref)
		if run == nil || run.Status.Open() || run.CompletedAt == nil || !run.CompletedAt.Before(c.before) {
			continue
		}
		for _, kind := range []PayloadKind{PayloadInput, PayloadOutput, PayloadReplayToken} {
			if run.Payloads&kind != 0 {
				l.Gone = append(l.Gone, PayloadRef{ref, kind})
			}
		}
		l.Runs.Delete(ref)
		c.pruned++
		until = c.before
	}
	if !until.IsZero() {
		l.Pruned = append(l.Pruned, &PrunedMark{TenantID: c.tenant, Kind: PruneRuns, Until: until})
	}
	return nil
}

// prunedUntil returns before when rows of a kind may be missing; zero where none is.
func prunedUntil(ctx context.Context, r Reader, tenant TenantID, kind PruneKind) (time.Time, error) {
	marks, err := r.ListPruned(ctx, tenant)
	for _, m := range marks {
		if m.Kind == kind {
			return m.Until, err
		}
	}
	return time.Time{}, err
}

// summable refuses a range that cuts a bucket whose events may be gone.
func summable(ctx context.Context, r Reader, tenant TenantID, from, to time.Time) error {
	if isBucket(from) && isBucket(to) || from.Equal(to) {
		return nil
	}
	until, err := prunedUntil(ctx, r, tenant, PruneUsage)
	if err != nil {
		return err
	}
	var bad problems
	for _, end := range []struct {
		field string
		at    time.Time
	}{{"start", from}, {"end", to}} {
		if !isBucket(end.at) && end.at.Before(until) {
			bad.add(end.field, "must be at a whole quarter of an hour: the single events of that time are not kept any more")
		}
	}
	return bad.err()
}

func isBucket(t time.Time) bool { return t.Equal(t.Truncate(bucketSize)) }
