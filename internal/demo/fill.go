package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
)

// Month is how far back the platform's life begins.
const Month = 30 * 24 * time.Hour

// Rewind holds the clock at the beginning of the time that Fill fills, which is as long as a Month in all but tests. An
// engine on an empty database must be started after it, or the platform's own history begins today.
func (c *Clock) Rewind(back time.Duration) { c.Hold(c.present().Add(-back).Truncate(time.Hour)) }

// Summary is how much Fill has made.
type Summary struct {
	Tenants, Users, Keys, Runs, Events, Denials int
}

// Fill makes the platform in an empty database, from where the clock was rewound to up to now. The clock must be the
// engine's; it is released at the end. Equal seeds make equal platforms at equal times.
func Fill(ctx context.Context, engine *rentroll.Engine, clock *Clock, seed uint64) (*Platform, *Summary, error) {
	defer clock.Release()
	f := &filler{
		Platform: &Platform{engine: engine}, clock: clock, rng: rand.New(rand.NewPCG(seed, 0)),
		at: clock.Now(), until: clock.present(),
	}
	f.day = f.until.Sub(f.at) / 30
	if err := f.run(ctx); err != nil {
		return nil, nil, fmt.Errorf("demo: filling the database: %w", err)
	}
	return f.Platform, &f.sum, nil
}

// filler moves the platform through its month. Its random choices are all made one after the other, before anything
// happens at once, so that they depend on the seed only.
type filler struct {
	*Platform

	clock     *Clock
	rng       *rand.Rand
	at, until time.Time
	day       time.Duration // a thirtieth of the time to fill
	plot      []deed        // what is to come, the next first
	sum       Summary
}

// deed is something that happens once.
type deed struct {
	at time.Time
	do func(context.Context) error
}

// move sets the clock; it never goes back, nor beyond now.
func (f *filler) move(at time.Time) {
	if at.After(f.until) {
		at = f.until
	}
	if at.After(f.at) {
		f.at = at
	}
	f.clock.Hold(f.at)
}

// The ticks: moments at which tenants begin runs. They are far apart at first, to be quick, and near at the end, which
// is what people look at.
const (
	lately    = 24 * time.Hour
	longestIn = 6 * time.Minute // how long a tick may take
)

func (f *filler) step(at time.Time) time.Duration {
	if f.until.Sub(at) < lately {
		return between(f.rng, 8*time.Minute, 15*time.Minute)
	}
	return between(f.rng, 60*time.Minute, 100*time.Minute)
}

func (f *filler) run(ctx context.Context) error {
	f.write(f.until)
	end := f.until.Add(-finale)
	for at := f.at; at.Before(end); {
		for len(f.plot) > 0 && f.plot[0].at.Before(at) {
			next := f.plot[0]
			f.plot = f.plot[1:]
			f.move(next.at)
			if err := next.do(ctx); err != nil {
				return err
			}
		}
		step := f.step(at)
		if err := f.tick(ctx, at, step); err != nil {
			return err
		}
		at = at.Add(step)
	}
	return f.finish(ctx)
}

// plan puts a deed into the plot, so many days after the beginning.
func (f *filler) plan(days float64, do func(context.Context) error) {
	f.plot = append(f.plot, deed{f.at.Add(time.Duration(days * float64(f.day))), do})
}

// join brings a tenant onto the platform, with its people and keys.
func (f *filler) join(ctx context.Context, t *tenant) error {
	p := rentroll.CreateTenantParams{
		Name: t.name, Slug: t.slug, ExternalID: "org_" + strings.ReplaceAll(t.slug, "-", "_"), Plan: t.plan,
		BillingEmail: "billing@" + t.domain, Timezone: t.zone, BillingAnchorDay: t.anchor,
		Metadata: map[string]string{"industry": industry(t)},
	}
	maps.Copy(p.Metadata, t.metadata)
	if t.slug == firstSlug {
		p.Metadata[markName] = markFilling
	}
	if t.overrides != nil {
		p.LimitOverrides = t.overrides(f.until)
	}
	made, err := f.engine.CreateTenant(ctx, p)
	if err != nil {
		return err
	}
	r := &resident{tenant: t, id: made.ID}
	f.residents = append(f.residents, r)
	f.sum.Tenants++
	if err := f.hire(ctx, r); err != nil {
		return err
	}
	return f.issue(ctx, r)
}

func industry(t *tenant) string {
	_, word, _ := strings.Cut(t.slug, "-")
	return word
}

// hire makes a tenant's users and members.
func (f *filler) hire(ctx context.Context, r *resident) error {
	roles := []rentroll.Role{rentroll.RoleOwner, rentroll.RoleAdmin, rentroll.RoleMember, rentroll.RoleViewer, rentroll.RoleMember}
	for i := range r.people {
		first, last := pick(f.rng, firstNames), pick(f.rng, lastNames)
		email := strings.ToLower(fmt.Sprintf("%s.%s%d@%s", first, last, i, r.domain))
		u, err := f.engine.CreateUser(ctx, rentroll.CreateUserParams{
			Email: email, Name: first + " " + last, ExternalID: fmt.Sprintf("user_%s_%d", strings.ReplaceAll(r.slug, "-", "_"), i),
		})
		if err != nil {
			return err
		}
		f.sum.Users++
		_, err = f.engine.CreateMembership(ctx, rentroll.CreateMembershipParams{
			TenantID: r.id, UserID: u.ID, Role: roles[i%len(roles)],
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// The names of keys.
const (
	keyProduction = "production"
	keyStaging    = "staging"
	keyPartner    = "partner"
	keyCI         = "ci"
)

// issue makes a tenant's keys: one for production and one that leaked; those who pay also get one that expires soon and
// one with limits of its own.
func (f *filler) issue(ctx context.Context, r *resident) error {
	list := []rentroll.CreateAPIKeyParams{{Name: keyProduction}, {Name: keyCI}}
	if r.plan != rentroll.PlanFree {
		rpm, runs, tokens := int64(120), int64(2), int64(3_000_000)
		list = append(list,
			rentroll.CreateAPIKeyParams{Name: keyStaging, ExpiresInDays: 5 + int(f.until.Sub(f.at)/(24*time.Hour))},
			rentroll.CreateAPIKeyParams{
				Name: keyPartner, AllowedWorkers: r.workers[:1], RateLimitRPM: &rpm, MaxConcurrentRuns: &runs, MaxTokensPerMonth: &tokens,
			})
	}
	for _, p := range list {
		p.TenantID = r.id
		secret, k, err := f.engine.CreateAPIKey(ctx, p)
		if err != nil {
			return err
		}
		f.sum.Keys++
		r.keys = append(r.keys, pass{id: k.ID, secret: secret, name: k.Name, workers: k.AllowedWorkers})
	}
	return nil
}

// job is one run on its way.
type job struct {
	of      *resident
	pass    pass
	worker  *worker
	task    string
	input   json.RawMessage
	run     *rentroll.Run // nil where it was denied
	denied  bool
	started time.Time

	slow    pace
	tokens  int64
	cancels bool
	error   string
	hitches int64
}

// pace says in which wave of a tick a run ends.
type pace int

const (
	quick pace = iota
	steady
	slow
)

// draw makes up one run of a tenant.
func draw(rng *rand.Rand, r *resident, key string) *job {
	w := workers[pick(rng, r.workers)]
	k, found := r.key(key)
	if !found {
		k = r.keys[0]
	}
	if k.workers != nil {
		w = workers[k.workers[0]]
	}
	j := &job{of: r, pass: k, worker: w, task: pick(rng, w.tasks), tokens: about(rng, w.tokens)}
	j.input = json.RawMessage(fmt.Sprintf(`{"batch":%d,"priority":%d}`, rng.IntN(9000)+1000, rng.IntN(3)+1))
	switch {
	case w.span > 75*time.Second:
		j.slow = slow
	case w.span > 20*time.Second:
		j.slow = steady
	}
	chance := rng.Float64()
	switch {
	case chance < 0.006:
		j.cancels = true
	case chance < w.fails:
		j.error = pick(rng, failures)
	}
	j.hitches = int64(poisson(rng, 0.2))
	return j
}

// tick lets every tenant begin what it begins in one step, and ends it.
func (f *filler) tick(ctx context.Context, at time.Time, step time.Duration) error {
	var jobs []*job
	for _, r := range f.residents {
		n := poisson(f.rng, r.expected(at, at.Add(step)))
		if r.left {
			continue
		}
		if r.plan == rentroll.PlanFree {
			n = min(n, 2)
		}
		for i := range n {
			key := keyProduction
			switch chance := f.rng.Float64(); {
			case i == 0 && chance < 0.12:
				key = keyPartner
			case chance < 0.2:
				key = keyStaging
			}
			jobs = append(jobs, draw(f.rng, r, key))
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	return f.work(ctx, at, jobs)
}

// work takes runs from admission to their end, in waves.
func (f *filler) work(ctx context.Context, at time.Time, jobs []*job) error {
	f.move(at)
	if err := f.admit(ctx, jobs); err != nil {
		return err
	}
	f.move(f.at.Add(between(f.rng, time.Second, 5*time.Second)))
	if err := each(ctx, jobs, f.start); err != nil {
		return err
	}
	began := f.at
	waves := []struct {
		of        pace
		low, high time.Duration
	}{{quick, 5 * time.Second, 18 * time.Second}, {steady, 25 * time.Second, 75 * time.Second}, {slow, 90 * time.Second, 4 * time.Minute}}
	for _, wave := range waves {
		ending := slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j.slow != wave.of || j.denied })
		if len(ending) == 0 {
			continue
		}
		if wave.of == slow {
			f.move(began.Add(80 * time.Second))
			if err := each(ctx, ending, f.beat); err != nil {
				return err
			}
		}
		f.move(began.Add(between(f.rng, wave.low, wave.high)))
		for _, j := range ending {
			f.produce(j)
		}
		if err := each(ctx, ending, f.end); err != nil {
			return err
		}
	}
	return f.flush(ctx, batchOf)
}

// admit asks for runs; those that are denied are marked.
func (f *filler) admit(ctx context.Context, jobs []*job) error {
	err := each(ctx, jobs, func(ctx context.Context, j *job) error {
		caller, err := j.pass.caller(ctx, f.engine)
		if err != nil {
			return err
		}
		j.run, err = caller.CreateRun(ctx, rentroll.CreateRunParams{
			TenantID: j.of.id, WorkerID: j.worker.id, Task: j.task, Input: j.input, APIKeyID: j.pass.id,
			ReserveTokens: j.worker.tokens, Lease: longestIn,
		})
		if errors.Is(err, rentroll.CodeQuotaExceeded) || errors.Is(err, rentroll.CodeTenantSuspended) {
			j.denied = true
			return nil
		}
		return err
	})
	for _, j := range jobs {
		if j.denied {
			f.sum.Denials++
		} else {
			f.sum.Runs++
		}
	}
	return err
}

func (f *filler) start(ctx context.Context, j *job) error {
	if j.denied {
		return nil
	}
	_, err := f.engine.StartRun(ctx, rentroll.RunRef{TenantID: j.of.id, RunID: j.run.ID})
	j.started = f.at
	return err
}

func (f *filler) beat(ctx context.Context, j *job) error {
	_, err := f.engine.Heartbeat(ctx, rentroll.HeartbeatParams{TenantID: j.of.id, RunID: j.run.ID, TokensSoFar: j.tokens / 2})
	return err
}

// end completes or cancels a run.
func (f *filler) end(ctx context.Context, j *job) error {
	if j.cancels {
		_, err := f.engine.CancelRun(ctx, rentroll.RunRef{TenantID: j.of.id, RunID: j.run.ID})
		return err
	}
	_, err := f.engine.CompleteRun(ctx, j.report(f.at.Sub(j.started)))
	return err
}

// report is what the worker of a run says of it at its end.
func (j *job) report(took time.Duration) rentroll.CompleteRunParams {
	p := rentroll.CompleteRunParams{
		TenantID: j.of.id, RunID: j.run.ID, Success: j.error == "", Error: j.error, TotalTokens: j.tokens,
		TotalLatencyMS: max(took.Milliseconds()-j.tokens%800, 1), StagesCompleted: j.worker.stages, Recoveries: j.hitches,
		CostMicros: j.tokens * j.worker.micros / 1000,
	}
	if j.error != "" {
		p.StagesCompleted = 1 + j.tokens%j.worker.stages
		p.PolicyViolations = j.hitches / 2
		return p
	}
	p.Output = json.RawMessage(fmt.Sprintf(`{"result":"stored","pages":%d}`, 1+j.tokens/4000))
	return p
}

// batchOf is how many events of a tenant are recorded in one call.
const batchOf = 100

// produce notes what a run made beside using tokens. It is recorded later, in batches, as programs do.
func (f *filler) produce(j *job) {
	if j.worker.meter == "" || j.cancels || j.error != "" {
		return
	}
	j.of.pending = append(j.of.pending, rentroll.UsageParams{
		Meter: j.worker.meter, Unit: j.worker.unit, Amount: about(f.rng, j.worker.produces), Time: f.at, WorkerID: j.worker.id,
		APIKeyID: j.pass.id, RunID: j.run.ID, EventID: j.worker.meter + "/" + j.run.ID.String(),
	})
}

// flush records the noted events of tenants that have at least so many.
func (f *filler) flush(ctx context.Context, least int) error {
	for _, r := range f.residents {
		if n := len(r.pending); n == 0 || n < least {
			continue
		}
		if err := f.record(ctx, r, r.pending); err != nil {
			return err
		}
		r.pending = nil
	}
	return nil
}

// record records events, all of which must be good.
func (f *filler) record(ctx context.Context, r *resident, events []rentroll.UsageParams) error {
	for part := range slices.Chunk(events, rentroll.MaxUsageBatch) {
		receipt, err := f.engine.RecordUsageBatch(ctx, rentroll.RecordUsageBatchParams{TenantID: r.id, Events: part})
		if err != nil {
			return err
		}
		for _, item := range receipt.Items {
			if item.Status != rentroll.UsageRecorded {
				return fmt.Errorf("an event of %s is %s: %s", r.slug, item.Status, item.Code)
			}
		}
		f.sum.Events += len(part)
	}
	return nil
}
