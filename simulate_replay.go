package rentroll

import (
	"cmp"
	"container/heap"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// planReplay is the simulation of a plan as a function of rows: it is given events and runs, in the order in which they were
// recorded and admitted, and knows neither a store nor a clock. It keeps two accounts, of what was and of what would have
// been, and decides on the latter by the rules of every admission (Account.admit).
//
// Where rows do not tell the order of what happened in one transaction, the order is taken that denies least: a slot is free
// before a run is admitted, and tokens are used after it. So what would be denied is never more than it could have been.
type planReplay struct {
	out  *Simulation
	plan *Plan
	days int // the day of out.Days that it is in

	was, would standIn
	known      pending
	denied     map[RunID]bool
}

// standIn is an account in the replay.
type standIn struct {
	Account

	enabled map[string]bool
	open    endings
}

func newReplay(plan *Plan, stored *Account, from, to time.Time) *planReplay {
	a := Account{
		TenantID: stored.TenantID, Status: TenantActive, Overrides: stored.Overrides, Timezone: stored.Timezone, AnchorDay: stored.AnchorDay,
	}
	r := &planReplay{
		plan: plan, denied: map[RunID]bool{},
		was: standIn{Account: a, enabled: map[string]bool{}}, would: standIn{Account: a, enabled: map[string]bool{}},
		out: &Simulation{
			TenantID: stored.TenantID, Plan: plan.Name, Start: from, End: to, Complete: true, Days: []SimulatedDay{}, Sample: []SimulatedDenial{},
			counts: map[quota.Name]*SimulatedQuota{},
		},
	}
	for day := quota.DayOf(from, stored.zone()); ; day, _ = quota.Advance(day, day.End, quota.Day, stored.zone(), stored.AnchorDay) {
		d := SimulatedDay{Start: day.Start, End: day.End, DeniedBy: map[quota.Name]int64{}}
		if d.Start.Before(from) {
			d.Start = from
		}
		if d.End = earliest(d.End, to); d.Start.Before(d.End) {
			r.out.Days = append(r.out.Days, d)
		}
		if !day.End.Before(to) {
			return r
		}
	}
}

// enable counts a worker that was enabled before the start.
func (r *planReplay) enable(worker string) {
	for _, s := range []*standIn{&r.was, &r.would} {
		s.enabled[worker] = true
		s.Workers++
	}
}

// expect takes note of an event, which counts when the replay comes to the time at which it was recorded.
func (r *planReplay) expect(ev *UsageEvent) {
	e := happening{recorded: ev.RecordedAt, at: ev.Time, run: ev.RunID}
	switch {
	case ev.Meter == MeterTokensUsed:
		e.tokens = ev.Amount
	case ev.Meter == MeterWorkerRuns && ev.RunID.IsZero():
		e.runs = ev.Amount
	case ev.Meter == MeterWorkerRuns:
		var told struct {
			Cost int64 `json:"cost_micros"`
		}
		if json.Unmarshal(ev.Metadata, &told) != nil || told.Cost == 0 {
			return
		}
		e.cost = told.Cost
	default:
		return
	}
	heap.Push(&r.known, e)
}

// settle counts what was recorded before an instant.
func (r *planReplay) settle(until time.Time) {
	for len(r.known) > 0 && r.known[0].recorded.Before(until) {
		e, ok := heap.Pop(&r.known).(happening)
		if !ok {
			return
		}
		if day := r.dayOf(e.recorded); day != nil {
			day.Tokens += e.tokens
		}
		r.was.happen(e)
		if !r.denied[e.run] {
			r.would.happen(e)
		}
	}
}

func (s *standIn) happen(e happening) {
	s.roll(e.recorded)
	s.spend(e.tokens, e.at)
	s.RunsToday += e.runs
	s.SpendUsed = plus(s.SpendUsed, e.cost)
}

// dayOf returns the day of an instant, which is never before an earlier one's; nil outside of the range.
func (r *planReplay) dayOf(at time.Time) *SimulatedDay {
	for r.days < len(r.out.Days) && !at.Before(r.out.Days[r.days].End) {
		r.days++
	}
	if r.days == len(r.out.Days) || at.Before(r.out.Days[r.days].Start) {
		return nil
	}
	return &r.out.Days[r.days]
}

// run replays an admission.
func (r *planReplay) run(run *Run) {
	now := run.CreatedAt
	r.settle(now)
	r.was.pass(now)
	r.would.pass(now)
	day := r.dayOf(now)
	if day == nil { // before the start: nobody asks
		r.was.begin(run)
		r.would.begin(run)
		return
	}
	r.out.Runs++
	day.Runs++
	r.need(run)
	r.was.begin(run)
	day.PeakConcurrent = max(day.PeakConcurrent, r.was.ConcurrentRuns)
	_, err := r.would.admit(r.would.asks(r.plan, run), now)
	if denied, ok := errors.AsType[*QuotaExceededError](err); ok {
		r.deny(day, run, denied)
		return
	}
	r.would.begin(run)
}

// asks is the run as it asked for admission. Its key has let it pass already.
func (s *standIn) asks(plan *Plan, run *Run) applicant {
	ask := applicant{plan: plan, name: run.WorkerID, reserve: run.ReservedTokens}
	if s.enabled[run.WorkerID] {
		ask.worker = &Worker{TenantID: run.TenantID, WorkerID: run.WorkerID, Enabled: true}
	}
	return ask
}

// pass brings the account to an instant.
func (s *standIn) pass(now time.Time) {
	s.roll(now)
	for len(s.open) > 0 && !s.open[0].at.After(now) {
		if e, ok := heap.Pop(&s.open).(ending); ok {
			s.release(&Run{ReservedTokens: e.reserved})
		}
	}
}

// begin lets a run hold what it held.
func (s *standIn) begin(run *Run) {
	if !s.enabled[run.WorkerID] {
		s.enabled[run.WorkerID] = true
		s.Workers++
	}
	s.hold(run)
	// A run over its lease stands in nobody's way: who would be denied for it ends it.
	end := run.LeaseExpiresAt
	if run.CompletedAt != nil && run.CompletedAt.Before(end) {
		end = *run.CompletedAt
	}
	heap.Push(&s.open, ending{end, run.ReservedTokens})
}

// simulated reports whether admissions look at a quota.
func simulated(name quota.Name) bool {
	switch name {
	case quota.Workers, quota.RunsPerDay, quota.ConcurrentRuns, quota.TokensPerMonth, quota.SpendPerMonth:
		return true
	default:
		return false
	}
}

// need notes what limits would have let the run pass as things were.
func (r *planReplay) need(run *Run) {
	for _, d := range quota.Definitions() {
		n := int64(1)
		switch {
		case !simulated(d.Name):
			continue
		case d.Name == quota.Workers && r.was.enabled[run.WorkerID]:
			n = 0
		case d.Name == quota.TokensPerMonth:
			n = max(run.ReservedTokens, 1)
		}
		used, reserved, _ := r.was.use(d.Name)
		c := r.count(d.Name)
		c.Needed = max(c.Needed, used+reserved+n)
	}
}

func (r *planReplay) count(name quota.Name) *SimulatedQuota {
	c := r.out.counts[name]
	if c == nil {
		c = &SimulatedQuota{Quota: name}
		r.out.counts[name] = c
	}
	return c
}

func (r *planReplay) deny(day *SimulatedDay, run *Run, denied *QuotaExceededError) {
	at, c := run.CreatedAt, r.count(denied.Quota)
	r.denied[run.ID] = true
	r.out.Denied++
	day.Denied++
	day.DeniedBy[denied.Quota]++
	c.Denied++
	if c.Last = &at; c.First == nil {
		c.First = &at
	}
	if len(r.out.Sample) < MaxSimulatedSample {
		r.out.Sample = append(r.out.Sample, SimulatedDenial{
			RunID: run.ID, At: at, WorkerID: run.WorkerID, Quota: denied.Quota, Limit: denied.Limit, Current: denied.Current,
		})
	}
}

// finish puts the answer in order.
func (r *planReplay) finish() *Simulation {
	r.out.Quotas = []SimulatedQuota{}
	for _, d := range quota.Definitions() {
		if !simulated(d.Name) {
			continue
		}
		c := r.count(d.Name)
		limit := quota.Effective(r.plan.limits(), r.would.Overrides, d.Name, r.out.End)
		if c.Soft = limit.IsSoft(); !limit.Unlimited {
			c.Limit = &limit.Max
		}
		r.out.Quotas = append(r.out.Quotas, *c)
	}
	for i := range r.out.Days { // what was not looked at is not there
		if !r.out.Days[i].Start.Before(r.out.End) {
			r.out.Days = r.out.Days[:i]
			break
		}
		r.out.Days[i].End = earliest(r.out.Days[i].End, r.out.End)
	}
	r.out.counts = nil
	return r.out
}

// happening is what an event does to an account.
type happening struct {
	recorded, at       time.Time
	tokens, cost, runs int64
	run                RunID
}

// pending are events that were not recorded yet, by when they will be.
type pending []happening

// Len is for heap.
func (p pending) Len() int { return len(p) }

// Less is for heap.
func (p pending) Less(i, j int) bool { return p[i].recorded.Before(p[j].recorded) }

// Swap is for heap.
func (p pending) Swap(i, j int) { p[i], p[j] = p[j], p[i] }

// Push is for heap.
func (p *pending) Push(x any) {
	if e, ok := x.(happening); ok {
		*p = append(*p, e)
	}
}

// Pop is for heap.
func (p *pending) Pop() any {
	last := len(*p) - 1
	e := (*p)[last]
	*p = (*p)[:last]
	return e
}

// ending is the end of what a run holds.
type ending struct {
	at       time.Time
	reserved int64
}

// endings are ends, the earliest first.
type endings []ending

// Len is for heap.
func (p endings) Len() int { return len(p) }

// Less is for heap.
func (p endings) Less(i, j int) bool { return p[i].at.Before(p[j].at) }

// Swap is for heap.
func (p endings) Swap(i, j int) { p[i], p[j] = p[j], p[i] }

// Push is for heap.
func (p *endings) Push(x any) {
	if e, ok := x.(ending); ok {
		*p = append(*p, e)
	}
}

// Pop is for heap.
func (p *endings) Pop() any {
	last := len(*p) - 1
	e := (*p)[last]
	*p = (*p)[:last]
	return e
}

// inOrder sorts runs by when they were admitted.
func inOrder(runs []*Run) []*Run {
	slices.SortStableFunc(runs, func(a, b *Run) int { return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), slices.Compare(a.ID[:], b.ID[:])) })
	return runs
}

// firstRunOf is below the ids of all runs that were made at an instant or later.
func firstRunOf(at time.Time) (id RunID) {
	milli := uint64(max(at.UnixMilli(), 0))
	for i := range 6 {
		id[i] = byte(milli >> (40 - 8*i))
	}
	return id
}
