package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
	"github.com/rentroll/rentroll/internal/simtest"
	"github.com/rentroll/rentroll/postgres"
	"github.com/rentroll/rentroll/quota"
)

// everything is more rows than any load makes.
const everything = 1 << 30

// settle ends every run that is still open, whoever has left it so.
func (w *work) settle(ctx context.Context) {
	w.t.Helper()
	c := w.servers[0].client(operatorKey)
	for _, params := range tenants {
		tenant, err := c.GetTenant(ctx, params.Slug)
		if err != nil {
			w.t.Fatal(err)
		}
		if tenant.Status == rentroll.TenantSuspended {
			if _, err := c.Resume(ctx, params.Slug, ""); err != nil {
				w.t.Errorf("resuming %s: %v", params.Slug, err)
			}
		}
		for _, status := range []rentroll.RunStatus{rentroll.RunQueued, rentroll.RunRunning} {
			for run, err := range c.AllRuns(ctx, params.Slug, client.ListRunsParams{Status: status}) {
				if err != nil {
					w.t.Fatal(err)
				}
				if _, err := c.CancelRun(ctx, params.Slug, run.ID); err != nil {
					w.t.Errorf("canceling %s: %v", run.ID, err)
				}
			}
		}
	}
}

// repeat asks for some of the runs again, under their idempotency keys, and must get the same.
func (w *work) repeat(ctx context.Context) (repeated int) {
	w.t.Helper()
	var mine []*job
	for _, j := range w.jobs {
		if j.run != nil && j.as == "" { // another's key may be revoked
			mine = append(mine, j)
		}
	}
	for i, j := range mine {
		if i%max(1, len(mine)/100) != 0 {
			continue
		}
		run, err := w.servers[i%len(w.servers)].client(operatorKey).CreateRun(ctx, j.tenant, client.CreateRunParams{
			WorkerID: "builder", Task: j.key, ReserveTokens: j.reserve, Lease: j.lease, IdempotencyKey: j.key,
		})
		if err != nil || run.ID != j.run.ID || !run.Replayed {
			w.t.Errorf("%s asked for again: %v, %v", j.key, run, err)
		}
		repeated++
	}
	return repeated
}

// audit compares what is stored with what was answered, past all servers.
func (w *work) audit(ctx context.Context) {
	w.t.Helper()
	store, err := postgres.Open(ctx, w.cluster.URL(), &postgres.Options{Schema: schema})
	if err != nil {
		w.t.Fatal(err)
	}
	defer store.Close()
	for _, params := range tenants {
		a := &audit{work: w, params: params, id: w.ids[params.Slug]}
		err := errors.Join(simtest.CheckRows(ctx, store, a.id), store.View(ctx, func(r rentroll.Reader) error { return a.read(ctx, r) }))
		if err == nil {
			err = errors.Join(a.held(), a.answered(), a.metered(), a.limits(), a.suspensions())
		}
		if err != nil {
			w.t.Errorf("tenant %s: %v", params.Slug, err)
		}
	}
	w.doctor(ctx)
}

// doctor asks the program itself whether every counter and rollup is what its rows come to.
func (w *work) doctor(ctx context.Context) {
	w.t.Helper()
	said, err := exec.CommandContext(ctx, w.program, "doctor", "--reconcile", "--database", w.cluster.URL(), "--database-schema", schema).CombinedOutput()
	if err != nil || !strings.Contains(string(said), "nothing differs") {
		w.t.Errorf("the doctor: %v\n%s", err, said)
	}
}

// audit is the rows of one tenant.
type audit struct {
	*work

	params  client.CreateTenantParams
	id      rentroll.TenantID
	account *rentroll.Account
	runs    []*rentroll.Run
	keys    []*rentroll.APIKey
	sums    map[string]rentroll.RollupSum
	changes []*rentroll.AuditRow // oldest first
}

func (a *audit) read(ctx context.Context, r rentroll.Reader) error {
	b := &rentroll.Batch{}
	b.Accounts.Want(a.id)
	if err := r.Load(ctx, b); err != nil {
		return err
	}
	a.account = b.Accounts.Get(a.id)
	page, err := r.ListRuns(ctx, rentroll.RunFilter{TenantID: a.id, Limit: everything, Scan: everything})
	if err != nil {
		return err
	}
	a.runs = page.Runs
	if a.keys, err = r.ListKeys(ctx, rentroll.KeyFilter{TenantID: a.id, Limit: everything}); err != nil {
		return err
	}
	sums, err := r.SumUsage(ctx, a.id, time.Unix(0, 0).UTC(), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		return err
	}
	a.sums = make(map[string]rentroll.RollupSum)
	for _, s := range sums {
		a.sums[s.Meter] = s.RollupSum
	}
	a.changes, err = r.ListAudit(ctx, rentroll.AuditFilter{TenantID: a.id, Before: 1 << 62, Limit: everything})
	slices.Reverse(a.changes)
	return err
}

// faulty gathers what is wrong.
type faulty []error

func (f *faulty) sayf(format string, args ...any) { *f = append(*f, fmt.Errorf(format, args...)) }

func (f *faulty) err() error {
	if len(*f) > 10 {
		return errors.Join(append((*f)[:10:10], fmt.Errorf("and %d more", len(*f)-10))...)
	}
	return errors.Join(*f...)
}

// held checks that nothing is held when every run has ended.
func (a *audit) held() error {
	var bad faulty
	if a.account.ConcurrentRuns != 0 || a.account.TokensReserved != 0 {
		bad.sayf("every run has ended, and %d places and %d tokens are held", a.account.ConcurrentRuns, a.account.TokensReserved)
	}
	return bad.err()
}

// answered checks that every run and key that was answered is there, as it was answered, and none else.
func (a *audit) answered() error {
	var bad faulty
	stored := make(map[string]*rentroll.Run)
	for _, run := range a.runs {
		if stored[run.Task] != nil {
			bad.sayf("%s is stored twice", run.Task)
		}
		stored[run.Task] = run
	}
	for _, j := range a.jobs {
		if j.tenant != a.params.Slug {
			continue
		}
		run := stored[j.key]
		delete(stored, j.key)
		switch {
		case j.run == nil && run != nil && !j.unsure:
			bad.sayf("%s was refused by %s and is stored", j.key, j.refused)
		case j.run == nil:
		case run == nil || run.ID != j.run.ID:
			bad.sayf("%s was answered with %s and is stored as %v", j.key, j.run.ID, run)
		default:
			j.check(run, &bad)
		}
	}
	for task := range stored {
		bad.sayf("%s is stored, and nobody asked for it", task)
	}
	byID := make(map[rentroll.KeyID]*rentroll.APIKey)
	for _, k := range a.keys {
		byID[k.ID] = k
	}
	for _, k := range a.work.keys {
		if k.tenant != a.params.Slug {
			continue
		}
		if row := byID[k.id]; row == nil || k.gone && row.Status != rentroll.KeyRevoked {
			bad.sayf("key %s, revoked %t, is %v", k.id, k.gone, row)
		}
	}
	return bad.err()
}

// check compares a run with how it was ended. One that was left open was canceled in the end, or is over its lease.
func (j *job) check(run *rentroll.Run, bad *faulty) {
	switch {
	case !j.ended:
		heard := run.TokensSoFar == j.tokens || run.TokensSoFar == j.unheard
		if run.Status != rentroll.RunCanceled && run.Status != rentroll.RunCrashed || !heard {
			bad.sayf("%s was left with %d tokens and is %s with %d", j.key, j.tokens, run.Status, run.TokensSoFar)
		}
	case j.ends == "complete":
		if run.Status != rentroll.RunCompleted || run.TotalTokens == nil || *run.TotalTokens != j.tokens {
			bad.sayf("%s was completed with %d tokens and is %s", j.key, j.tokens, run.Status)
		}
	case run.Status != rentroll.RunCanceled:
		bad.sayf("%s was canceled and is %s", j.key, run.Status)
	}
}

// metered checks that every end of a run and every event that was answered is billed once.
func (a *audit) metered() error {
	var bad faulty
	var tokens, completed int64
	for _, run := range a.runs {
		if run.Status == rentroll.RunCompleted {
			completed++
			tokens += *run.TotalTokens
		} else {
			tokens += run.TokensSoFar
		}
	}
	if got := a.sums[rentroll.MeterTokensUsed].Total; got != tokens {
		bad.sayf("%d tokens are metered, and the runs used %d", got, tokens)
	}
	if got := a.sums[rentroll.MeterWorkerRuns]; got.Total != completed || got.Events != completed {
		bad.sayf("%d runs are metered, and %d were completed", got.Total, completed)
	}
	var events, pages int64
	for _, e := range a.events {
		if e.tenant == a.params.Slug {
			events++
			pages += e.amount
		}
	}
	if got := a.sums["pages"]; got.Events != events || got.Total != pages {
		bad.sayf("%d events of %d pages are stored, and %d of %d were answered", got.Events, got.Total, events, pages)
	}
	return bad.err()
}

// limits checks, over all the time, that nothing was admitted beyond the limit that was in force at that moment.
func (a *audit) limits() error {
	var bad faulty
	var runs, keys []span
	days := make(map[string]int64)
	for _, run := range slices.Backward(a.runs) { // oldest first
		until := run.CompletedAt
		if run.Late {
			until = &run.LeaseExpiresAt // when it crashed, at the earliest
		}
		runs = append(runs, span{run.CreatedAt, until})
		day := run.CreatedAt.Format(time.DateOnly)
		days[day]++
		if most := a.limit(quota.RunsPerDay, run.CreatedAt); days[day] > most {
			bad.sayf("%s is run %d of %s, and %d were allowed", run.ID, days[day], day, most)
		}
	}
	for _, k := range a.keys {
		keys = append(keys, span{k.CreatedAt, k.RevokedAt})
	}
	for name, spans := range map[quota.Name][]span{quota.ConcurrentRuns: runs, quota.APIKeys: keys} {
		for at, n := range admitted(spans) {
			if most := a.limit(name, at); n > most {
				bad.sayf("%s: something was admitted at %s as number %d, and %d were allowed", name, at, n, most)
			}
		}
	}
	return bad.err()
}

// span is for how long something was there; until is nil for what still is.
type span struct {
	from  time.Time
	until *time.Time
}

// admitted returns how many there were at each moment at which something came.
func admitted(spans []span) map[time.Time]int64 {
	type change struct {
		at time.Time
		by int64
	}
	var changes []change
	for _, s := range spans {
		changes = append(changes, change{s.from, 1})
		switch {
		case s.until == nil:
		case s.until.After(s.from):
			changes = append(changes, change{*s.until, -1})
		default: // it came and went in one instant: after it
			changes = append(changes, change{s.until.Add(1), -1})
		}
	}
	slices.SortFunc(changes, func(a, b change) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return int(a.by - b.by) // of one instant, what goes makes room for what comes
	})
	out := make(map[time.Time]int64)
	var n int64
	for _, c := range changes {
		n += c.by
		if c.by > 0 {
			out[c.at] = n
		}
	}
	return out
}

// limit returns the limit in force at a moment: the larger one, where it changed in that very instant.
func (a *audit) limit(name quota.Name, at time.Time) int64 {
	if l, is := a.params.LimitOverrides[name]; is {
		return l.Max
	}
	of := func(plan string) int64 {
		if l, is := plans[plan][name]; is {
			return l.Max
		}
		return 1 << 62
	}
	now, before := of(a.params.Plan), int64(0)
	for _, row := range a.changes {
		if row.Action != "tenant.plan" || row.At.After(at) {
			continue
		}
		var change struct {
			Plan string `json:"plan"`
		}
		if err := json.Unmarshal(row.New, &change); err != nil {
			panic("chaos: an audit row without a plan: " + string(row.New))
		}
		if row.At.Equal(at) {
			before = max(before, now)
		}
		now = of(change.Plan)
	}
	return max(now, before)
}

// suspensions checks that nothing was admitted between a suspension and its end.
func (a *audit) suspensions() error {
	var bad faulty
	var since time.Time
	for _, row := range a.changes {
		switch row.Action {
		case "tenant.suspend":
			since = row.At
		case "tenant.resume":
			for _, run := range a.runs {
				if run.CreatedAt.After(since) && run.CreatedAt.Before(row.At) {
					bad.sayf("%s was admitted at %s, between %s and %s", run.ID, run.CreatedAt, since, row.At)
				}
			}
		}
	}
	return bad.err()
}
