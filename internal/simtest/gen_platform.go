package simtest

import (
	"fmt"
	"time"

	"github.com/rentroll/rentroll/internal/model"
)

// operator is who does what operators do: nearly always one who may.
func (g *generator) operator(id model.Ref) model.Ref {
	if g.chance(4) {
		return g.someone(id)
	}
	return model.Program
}

func (g *generator) planName() string {
	return pick(g, []string{"tiny", "small", "tiny", "small", "free", "Free", "gone"})
}

func (g *generator) tenant() op {
	n := g.IntN(5) // few names, so that some are taken
	p := model.CreateTenant{Slug: fmt.Sprintf("tenant-%d", n), Plan: pick(g, []string{"", "tiny", "small", g.planName()}), Once: g.once()}
	p.Name = fmt.Sprintf("Tenant %d", n)
	p.Zone = pick(g, append([]string{""}, zones...))
	p.Anchor = pick(g, []int{0, 1, 1 + g.IntN(28), 28, g.now.Day() % 29})
	if g.chance(30) {
		p.ExternalID = fmt.Sprintf("org-%d", g.IntN(4))
	}
	if g.chance(30) {
		p.Overrides = g.limits(true)
	}
	if g.chance(3) {
		p.Zone = pick(g, []string{"Local", "Mars/Olympus"})
	}
	return createTenant(g.operator(0), p)
}

// change changes a tenant's fields or its plan.
func (g *generator) change() op {
	id := g.somewhere()
	by := g.operator(id)
	var e edit
	switch g.IntN(9) {
	case 0:
		e.Zone = new(pick(g, zones))
	case 1:
		e.Anchor = new(1 + g.IntN(28))
	case 2:
		e.Name, e.Note = new(fmt.Sprintf("Name %d", g.IntN(3))), new("a note")
	case 3:
		e.ExternalID = new(pick(g, []string{"", "org-0", "org-1", "org-2"}))
	case 4, 5:
		e.Overrides = g.limits(true)
	case 6:
		e.Anchor = new(g.IntN(40)) // may be wrong
	default:
		g.plan1(getQuotas(0, id))
		return updatePlan(by, id, pick(g, []string{"tiny", "small", g.planName()}))
	}
	g.plan1(getQuotas(0, id))
	return updateTenant(by, id, e)
}

func (g *generator) life() op {
	id := g.somewhere()
	to := pick(g, []string{
		model.Suspended, model.Suspended, model.Suspended, model.Active, model.Active, model.Active, model.Active, model.Active, model.Active,
	})
	if g.chance(12) {
		to = pick(g, []string{model.Terminated, model.Archived})
	}
	for range 3 { // what may its keys still do?
		by := pick(g, g.keysOf(id))
		g.plan1(pick(g, []op{
			startRun(by, g.aRun(id)), heartbeat(by, g.aRun(id), g.tokens(), 0), cancelRun(by, g.aRun(id)),
			completeRun(by, model.CompleteRun{Tenant: id, Run: g.aRun(id).Run, Tokens: g.tokens()}),
			recordOne(by, model.RecordUsage{Tenant: id, Events: []model.UsageEvent{g.event(id)}}), getQuotas(by, id), verify(by, question{Key: by}),
			createRun(by, model.CreateRun{Tenant: id, Worker: g.worker(), Task: "late"}),
		}))
	}
	return transition(g.operator(id), id, to, pick(g, []string{"", "unpaid", "abuse"}))
}

func (g *generator) plan() op {
	by := g.operator(0)
	if g.chance(15) {
		return deletePlan(by, g.planName())
	}
	return putPlan(by, model.PlanView{
		Name: pick(g, []string{"tiny", "small", "extra"}), Limits: g.limits(false), Retired: g.chance(10),
		Thresholds: pick(g, [][]int{nil, nil, {}, {50}, {20, 80, 100, 120}}),
	})
}

func (g *generator) person() op {
	n := g.IntN(1000)
	p := model.CreateUser{Email: fmt.Sprintf("user%d-%d@example.com", g.size, n), Name: "A User", Once: g.once()}
	if g.chance(50) {
		p.ExternalID = fmt.Sprintf("person-%d", g.IntN(4))
	}
	if g.chance(4) {
		p.Email = "nobody"
	}
	return createUser(g.operator(0), p)
}

func (g *generator) membership() op {
	id := g.somewhere()
	m := membership{id, max(1, pick(g, g.world.People()))}
	role := pick(g, []string{model.Owner, model.Admin, model.Member, model.Viewer, model.Owner})
	by := g.someone(id)
	return weighted(g, []choice[op]{
		{4, func() op {
			p := model.CreateMembership{Tenant: id, User: m.User, Role: pick(g, []string{"", role}), Once: g.once()}
			if by != model.Program || g.chance(20) {
				p.User, p.ExternalID = 0, fmt.Sprintf("person-%d", g.IntN(4))
			}
			if g.chance(20) {
				p.Default = new(g.chance(50))
			}
			if g.chance(3) {
				p.Role = "king"
			}
			return createMembership(by, p)
		}},
		{3, func() op { return updateMembership(by, m, role) }},
		{3, func() op { return deleteMembership(by, m) }},
		{1, func() op { return deleteUser(g.operator(id), m.User) }},
	})
}

// monthEnd plans what happens around the end of a tenant's month: tokens used on
// either side of it, by a clock that runs ahead, and admissions after it.
func (g *generator) monthEnd() []planned {
	id := g.somewhere()
	if id == nowhere || id == 0 {
		return nil
	}
	end := g.world.Month(id, g.now).End
	var key model.Ref
	if counted := g.world.Counted(id, end); len(counted) > 0 {
		key = pick(g, counted).Ref
	}
	before, after := end.Add(-g.upTo(4*time.Minute)), end.Add(g.upTo(time.Minute))
	later := after
	if g.chance(25) {
		later = after.Add(28*24*time.Hour + g.upTo(60*24*time.Hour)) // a month or two go by unseen
	}
	meter := pick(g, []string{"tokens_used", "emails"})
	event := func(at time.Time) op {
		e := model.UsageEvent{Meter: meter, Amount: g.Int64N(900), Time: at, Key: key}
		return recordOne(model.Program, model.RecordUsage{Tenant: id, Events: []model.UsageEvent{e}})
	}
	admission := createRun(model.Program, model.CreateRun{Tenant: id, Worker: "alpha", Task: "close", Key: key, Reserve: g.Int64N(900)})
	return []planned{
		{before, event(end.Add(-time.Microsecond))},
		{before, event(end)},
		{before, event(after)},
		{before, getQuotas(0, id)},
		{before, admission},
		{later, admission},
		{later, getQuotas(0, id)},
		{later, event(time.Time{})},
		{later, consumeOne(id, "emails", 1+g.Int64N(300))},
		{later, admission},
	}
}

// atDeadline plans what happens at the very instant at which a lease, a key or an
// override ends, and a microsecond before.
func (g *generator) atDeadline() []planned {
	id := g.somewhere()
	if id == nowhere || id == 0 {
		return nil
	}
	at := g.nextDeadline(id)
	var out []planned
	for _, at := range []time.Time{at.Add(-time.Microsecond), at} {
		out = append(out,
			planned{at, getQuotas(0, id)}, planned{at, getTenant(0, id)}, planned{at, checkRun(0, workerOf{id, g.worker()})},
			planned{at, verify(0, question{Key: g.aKey(id)})},
			planned{at, createRun(0, model.CreateRun{Tenant: id, Worker: g.worker(), Task: "now", Reserve: g.tokens()})},
		)
	}
	return out
}
