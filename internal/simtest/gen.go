package simtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rentroll/rentroll/internal/model"
	"github.com/rentroll/rentroll/quota"
)

// beginnings are instants shortly before something happens to clocks and calendars.
var beginnings = []string{
	"2026-03-08T03:00:00Z", // New York and Havana go forward, Havana over midnight
	"2026-11-01T03:00:00Z", // and back
	"2026-04-04T12:00:00Z", // Lord Howe goes back, by half an hour
	"2026-10-03T12:00:00Z", // and forward
	"2011-12-29T12:00:00Z", // Apia leaves a day out
	"2028-02-28T20:00:00Z", // a leap day
	"2027-02-27T10:00:00Z", // none
	"2026-12-31T08:00:00Z", // a year ends, in Kiritimati first
	"2026-01-31T18:00:00Z", // a month ends, in Kolkata at half past
	"2026-06-15T12:34:56.789012Z",
}

var zones = []string{
	"UTC", "America/New_York", "America/Havana", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe", "Pacific/Kiritimati",
}

// beginning returns when the history of a seed begins.
func beginning(seed uint64) time.Time {
	t, err := time.Parse(time.RFC3339Nano, beginnings[seed%uint64(len(beginnings))])
	if err != nil {
		panic("simtest: " + err.Error())
	}
	return t
}

// generator makes up steps. It looks at the model to aim: at runs that are open, at
// deadlines, at the ends of periods.
type generator struct {
	*rand.Rand

	world   *model.World
	now     time.Time
	recent  []op      // that may be played again
	planned []planned // to be played next
	size    int       // steps made
}

// planned is an operation to come, at a time of its own or (zero) at the present one.
type planned struct {
	at time.Time
	op op
}

func newGenerator(seed uint64, w *model.World) *generator {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0)), world: w, now: beginning(seed)}
	for _, name := range []string{"tiny", "small"} {
		g.plan1(putPlan(0, model.PlanView{Name: name, Limits: g.limits(false)}))
	}
	g.plan1(g.tenant())
	g.plan1(g.person())
	return g
}

func (g *generator) plan1(o op) { g.planned = append(g.planned, planned{op: o}) }

// snapshotEvery is after how many steps everything is compared.
const snapshotEvery = 40

// next makes up the next step; the last one looks at everything.
func (g *generator) next(ref model.Ref, last bool) step {
	g.size++
	if len(g.planned) == 0 {
		g.now = g.tick()
	}
	if len(g.planned) == 0 {
		switch g.IntN(60) {
		case 0:
			g.planned = g.monthEnd()
		case 1, 2:
			g.planned = g.atDeadline()
		}
	}
	var o op
	switch {
	case last || g.size%snapshotEvery == 0:
		o = snapshot(g.cuts())
	case len(g.planned) > 0:
		o = g.planned[0].op
		if at := g.planned[0].at; at.After(g.now) {
			g.now = at
		}
		g.planned = g.planned[1:]
	case len(g.recent) > 0 && g.chance(6):
		o = pick(g, g.recent[max(0, len(g.recent)-20):])
	default:
		o = g.operation()
		g.recent = append(g.recent, o)
	}
	return step{ref, g.now, o}
}

// chance is true in so many of a hundred cases.
func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g *generator, from []T) (none T) {
	if len(from) == 0 {
		return none
	}
	return from[g.IntN(len(from))]
}

// weighted picks one of several makers by weight.
func weighted[T any](g *generator, choices []choice[T]) T {
	sum := 0
	for _, c := range choices {
		sum += c.weight
	}
	at := g.IntN(sum)
	for _, c := range choices {
		if at -= c.weight; at < 0 {
			return c.make()
		}
	}
	panic("simtest: weights that do not add up")
}

type choice[T any] struct {
	weight int
	make   func() T
}

func (g *generator) upTo(d time.Duration) time.Duration {
	return time.Duration(g.Int64N(int64(d))).Truncate(time.Microsecond)
}

// near moves an instant by nothing, or by very little.
func (g *generator) near(t time.Time) time.Time {
	return t.Add(pick(g, []time.Duration{0, 0, time.Microsecond, -time.Microsecond, time.Second, -time.Second}))
}

// tick moves the clock.
func (g *generator) tick() time.Time {
	after := func(d time.Duration) func() time.Time {
		return func() time.Time { return g.now.Add(time.Microsecond + g.upTo(d)) }
	}
	at := weighted(g, []choice[time.Time]{
		{16, func() time.Time { return g.now }},
		{30, after(3 * time.Second)},
		{20, after(4 * time.Minute)},
		{8, after(20 * time.Minute)},
		{4, after(9 * time.Hour)},
		{1, after(40 * 24 * time.Hour)},
		{1, after(400 * 24 * time.Hour)},
		{8, func() time.Time { return g.near(g.deadline()) }},
		{7, func() time.Time { return g.near(g.periodEnd(g.world.Day)) }},
		{3, func() time.Time { return g.near(g.periodEnd(g.world.Month)) }},
		{3, func() time.Time { return g.periodEnd(g.world.Month).Add(-g.upTo(6 * time.Minute)) }},
	})
	if at.Before(g.now) {
		at = g.now
	}
	if g.chance(2) {
		at = g.now.Add(-g.upTo(2 * time.Hour))
	}
	return at
}

func (g *generator) deadline() time.Time {
	id := pick(g, g.world.Known())
	if id == 0 {
		return g.now
	}
	return g.nextDeadline(id)
}

// nextDeadline is the next deadline of a tenant, now if there is none.
func (g *generator) nextDeadline(id model.Ref) time.Time {
	ahead := slices.DeleteFunc(g.world.Deadlines(id), func(t time.Time) bool { return t.Before(g.now) || t.After(g.now.AddDate(1, 0, 0)) })
	if len(ahead) == 0 {
		return g.now
	}
	return ahead[0]
}

func (g *generator) periodEnd(of func(model.Ref, time.Time) quota.Period) time.Time {
	if id := pick(g, g.world.Known()); id != 0 {
		return of(id, g.now).End
	}
	return g.now
}

// cuts divides the last weeks into adjacent windows, at whole quarters of an hour and elsewhere.
func (g *generator) cuts() cuts {
	c := cuts{
		Page:   1 + g.IntN(7),
		Status: pick(g, []string{"", model.Queued, model.Running, model.Completed, model.Failed, model.Canceled, model.Crashed}),
		Worker: pick(g, []string{"", "", g.worker()}),
	}
	for range 3 + g.IntN(3) {
		at := g.now.Add(10*time.Minute - g.upTo(pick(g, []time.Duration{30 * time.Minute, 24 * time.Hour, 40 * 24 * time.Hour})))
		if g.chance(40) {
			at = at.Truncate(15 * time.Minute)
		}
		c.Times = append(c.Times, at)
	}
	slices.SortFunc(c.Times, time.Time.Compare)
	return c
}

func (g *generator) worker() string {
	return pick(g, []string{"alpha", "beta", "gamma", "delta.2", "e"})
}

// once is an idempotency key, mostly none.
func (g *generator) once() string {
	if g.chance(15) {
		return fmt.Sprintf("once-%d", g.IntN(6))
	}
	return ""
}

// limits makes limits small enough to be hit.
func (g *generator) limits(overrides bool) quota.Limits {
	out := quota.Limits{}
	largest := map[quota.Name]int64{
		quota.Workers: 4, quota.RunsPerDay: 12, quota.ConcurrentRuns: 5, quota.TokensPerMonth: 3000, quota.APIKeys: 5,
		quota.SpendPerMonth: 400_000,
	}
	for _, d := range quota.Definitions() {
		if d.Span == quota.Rate || g.chance(40) { // a rate is no count, and goes by the time of this machine
			continue
		}
		l := quota.Of(1 + g.Int64N(largest[d.Name]))
		if g.chance(8) {
			l = quota.Of(0)
		}
		switch g.IntN(6) {
		case 0:
			l = quota.NoLimit()
		case 1:
			l.Mode = quota.Soft
		}
		if overrides && g.chance(30) {
			l.Until = g.now.Add(g.upTo(30 * time.Hour)).Truncate(time.Second)
		}
		out[d.Name] = l
	}
	g.onMeters(out, overrides)
	return out
}

// onMeters adds limits on meters.
func (g *generator) onMeters(out quota.Limits, overrides bool) {
	for _, of := range []struct {
		meter string
		most  int64
	}{{"emails", 900}, {"calls", 6}, {"storage.gb", 2000}} {
		for _, name := range []quota.Name{quota.PerDay(of.meter), quota.PerMonth(of.meter)} {
			if g.chance(60) {
				continue
			}
			l := quota.Of(g.Int64N(of.most))
			switch g.IntN(8) {
			case 0:
				l = quota.NoLimit()
			case 1, 2:
				l.Mode = quota.Soft
			}
			if overrides && g.chance(30) {
				l.Until = g.now.Add(g.upTo(30 * time.Hour)).Truncate(time.Second)
			}
			out[name] = l
		}
	}
	if g.chance(3) {
		out[pick(g, []quota.Name{quota.PerDay("seats"), quota.PerDay("seats"), "meter:emails", "meter:tokens_used_per_month"})] = quota.Of(5)
	}
}
