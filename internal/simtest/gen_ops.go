package simtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/rentroll/rentroll/internal/model"
)

// operation makes up an operation.
func (g *generator) operation() op {
	if len(g.world.Known()) == 0 {
		return g.tenant()
	}
	return weighted(g, []choice[op]{
		{26, g.admission},
		{13, g.completion},
		{15, g.onRun},
		{6, g.retry},
		{20, g.usage},
		{4, g.increment},
		{12, g.consumption},
		{4, g.subject},
		{4, g.sums},
		{2, g.series},
		{2, g.meter},
		{6, g.newKey},
		{3, g.revocation},
		{9, g.rotation},
		{4, g.question},
		{5, g.workers},
		{9, g.look},
		{2, g.tenant},
		{4, g.change},
		{3, g.life},
		{3, g.plan},
		{2, prune},
		{4, g.whatIf},
		{2, g.person},
		{8, g.membership},
	})
}

// someone is who acts: mostly the program, else a key of the tenant, seldom another's.
func (g *generator) someone(id model.Ref) model.Ref {
	if g.chance(75) {
		return model.Program
	}
	if g.chance(15) {
		id = pick(g, g.world.Known())
	}
	return pick(g, g.keysOf(id))
}

// nowhere is a tenant that does not exist.
const nowhere model.Ref = 9999

// somewhere is a tenant, mostly an active one.
func (g *generator) somewhere() model.Ref {
	if g.chance(1) {
		return nowhere
	}
	all := g.world.Known()
	active := slices.DeleteFunc(slices.Clone(all), func(id model.Ref) bool { return g.world.Status(id) != model.Active })
	if len(active) > 0 && g.chance(75) {
		return pick(g, active)
	}
	return pick(g, all)
}

// keysOf, runsOf are those of a tenant that may not exist.
func (g *generator) keysOf(id model.Ref) []model.Ref {
	if !slices.Contains(g.world.Known(), id) {
		return nil
	}
	return g.world.Keys(id)
}

func (g *generator) runsOf(id model.Ref, all bool) []model.Ref {
	if !slices.Contains(g.world.Known(), id) {
		return nil
	}
	return g.world.Runs(id, all)
}

func (g *generator) tokens() int64 {
	return pick(g, []int64{0, 1, g.Int64N(50), g.Int64N(400), g.Int64N(400), g.Int64N(2000)})
}

func (g *generator) lease() time.Duration {
	return pick(g, []time.Duration{0, time.Second, 10 * time.Second, time.Minute, 5 * time.Minute, time.Hour, 24 * time.Hour})
}

func (g *generator) admission() op {
	id := g.somewhere()
	by := g.someone(id)
	if g.chance(15) {
		p := model.CreateRuns{Tenant: id, Once: g.once()}
		for range g.IntN(5) {
			one := g.aNewRun(id, by)
			one.Once = ""
			p.Runs = append(p.Runs, one)
		}
		return createRuns(by, p)
	}
	return createRun(by, g.aNewRun(id, by))
}

// aNewRun describes a run to be admitted.
func (g *generator) aNewRun(id, by model.Ref) model.CreateRun {
	p := model.CreateRun{
		Tenant: id, Worker: g.worker(), Task: pick(g, []string{"build", "ship", "test"}), Reserve: g.tokens(), Lease: g.lease(), Subject: g.who(),
		Once: g.once(),
	}
	if g.chance(20) {
		p.Input = fmt.Sprintf(`{"n": %d}`, g.IntN(3))
	}
	if by == model.Program && g.chance(30) {
		p.Key = pick(g, g.keysOf(id))
	}
	if g.chance(2) {
		p = pick(g, []model.CreateRun{
			{Tenant: id, Worker: "Alpha", Task: "x"},
			{Tenant: id, Worker: "alpha"},
			{Tenant: id, Worker: "alpha", Task: "x", Reserve: -1},
			{Tenant: id, Worker: "alpha", Task: "x", Lease: time.Millisecond},
			{Tenant: id, Worker: "alpha", Task: "x", Key: 9998},
		})
	}
	return p
}

// aRun is a run of a tenant, mostly an open one.
func (g *generator) aRun(id model.Ref) runOf {
	run := pick(g, g.runsOf(id, g.chance(30)))
	if run == 0 || g.chance(2) {
		run = pick(g, g.runsOf(pick(g, g.world.Known()), true)) // of any tenant
	}
	return runOf{id, max(run, 1)}
}

// retry is of a run that ended, or not.
func (g *generator) retry() op {
	id := g.somewhere()
	by := g.someone(id)
	p := model.RetryRun{Tenant: id, Run: max(1, pick(g, g.runsOf(id, true))), Once: g.once()}
	if g.chance(5) {
		p.Run = max(1, pick(g, g.runsOf(pick(g, g.world.Known()), true))) // of any tenant
	}
	if g.chance(30) {
		p.Reserve = new(g.tokens())
	}
	if g.chance(20) {
		p.Lease = g.lease()
	}
	if by == model.Program && g.chance(20) {
		p.Key = pick(g, g.keysOf(id))
	}
	if g.chance(2) {
		p.Lease = time.Millisecond
	}
	if g.chance(30) {
		again := p
		if p.Once != "" && g.chance(50) {
			again.Lease += time.Second
		}
		g.plan1(retryRun(by, again))
	}
	return retryRun(by, p)
}

func (g *generator) completion() op {
	id := g.somewhere()
	r := g.aRun(id)
	p := model.CompleteRun{
		Tenant: id, Run: r.Run, Success: g.chance(70), Tokens: g.tokens(), Latency: g.Int64N(5000), CostMicros: g.Int64N(100_000),
		Once: g.once(),
	}
	if !p.Success {
		p.Error = "it broke"
	}
	if g.chance(20) {
		p.Output = `{"done":true}`
	}
	if g.chance(2) {
		p.Tokens = -5
	}
	return completeRun(g.someone(id), p)
}

func (g *generator) onRun() op {
	id := g.somewhere()
	r, by := g.aRun(id), g.someone(id)
	return weighted(g, []choice[op]{
		{4, func() op { return startRun(by, r) }},
		{6, func() op {
			var tokens int64
			if g.chance(60) {
				tokens = g.tokens()
			}
			var lease time.Duration
			if g.chance(20) {
				lease = g.lease()
			}
			return heartbeat(by, r, tokens, lease)
		}},
		{3, func() op { return cancelRun(by, r) }},
		{12, func() op {
			p := model.ReserveTokens{Tenant: r.Tenant, Run: r.Run, Tokens: g.tokens() * int64(1+g.IntN(4)), Once: g.once()}
			if g.chance(3) {
				p.Tokens = 1_000_000_000_000
			}
			if id := r.Tenant; id != nowhere && g.chance(40) {
				if bounded := g.world.Bounded(id); len(bounded) > 0 {
					p.Run = pick(g, bounded)
					p.Tokens *= 3
				}
			}
			return reserveTokens(by, p)
		}},
		{2, func() op { return getRun(by, r) }},
	})
}

// eventTime is when something was used: now, lately, at the edges of what is accepted,
// or around the end of a period.
func (g *generator) eventTime(id model.Ref) time.Time {
	return weighted(g, []choice[time.Time]{
		{40, func() time.Time { return time.Time{} }},
		{20, func() time.Time { return g.now.Add(-g.upTo(2 * time.Hour)) }},
		{10, func() time.Time { return g.now.Add(-g.upTo(36 * 24 * time.Hour)) }},
		{15, func() time.Time { return g.now.Add(g.upTo(5 * time.Minute)) }},
		{4, func() time.Time { return g.near(g.now.Add(-35 * 24 * time.Hour)) }},
		{4, func() time.Time { return g.near(g.now.Add(5 * time.Minute)) }},
		{4, func() time.Time {
			if id == nowhere {
				return g.now
			}
			return g.near(g.world.Month(id, g.now).Start)
		}},
	})
}

func (g *generator) event(id model.Ref) model.UsageEvent {
	e := model.UsageEvent{
		Meter: pick(g, []string{"tokens_used", "tokens_used", "emails", "storage.gb"}), Amount: g.tokens(), Time: g.eventTime(id),
	}
	if g.chance(30) {
		e.EventID = fmt.Sprintf("event-%d", g.IntN(8))
		if g.chance(50) {
			e.Amount, e.Meter, e.Time = 7, "emails", time.Time{} // likely to be the same again
		}
	}
	if g.chance(20) {
		e.Unit = pick(g, []string{"count", "tokens", "GB"})
	}
	if g.chance(25) {
		e.Worker = g.worker()
	}
	if g.chance(20) {
		e.Key = pick(g, g.keysOf(id))
	}
	if g.chance(10) {
		e.Metadata = `{"a": 1, "b": "x"}`
	}
	if g.chance(30) {
		e.Metadata = fmt.Sprintf(`{"model": %s, "n": 5}`, pick(g, []string{`"s"`, `"m"`, `"l"`, `"xl"`, `"other"`, `true`, `null`, `7`, `["s"]`}))
	}
	if g.chance(10) {
		e.Meter, e.Amount = pick(g, []string{"calls", "seats"}), pick(g, []int64{1, 1, 1, e.Amount})
	}
	if g.chance(12) {
		e = g.correction(id)
	}
	if g.chance(3) {
		e = pick(g, []model.UsageEvent{
			{Meter: "worker_runs", Amount: 1}, {Meter: "Emails", Amount: 1}, {Meter: "emails", Amount: -1}, {Meter: "emails", Worker: "No Worker"},
		})
	}
	return e
}

// correction takes something back of an event that mostly exists, mostly not too much.
func (g *generator) correction(id model.Ref) model.UsageEvent {
	e := model.UsageEvent{
		Meter: "emails", Amount: -1 - g.Int64N(5), EventID: fmt.Sprintf("back-%d", g.IntN(3)), Corrects: fmt.Sprintf("event-%d", g.IntN(8)),
	}
	if id != nowhere {
		if known := pick(g, g.world.Marked(id)); known.EventID != "" && g.chance(85) {
			e.Corrects, e.Meter = known.EventID, known.Meter
			if known.Left > 0 {
				e.Amount = -1 - g.Int64N(known.Left)
			}
		}
	}
	switch g.IntN(12) {
	case 0:
		e.Amount = -1_000_000
	case 1:
		e.EventID = ""
	case 2:
		e.Worker = "alpha"
	case 3, 4, 5:
		e.Unit = "GB"
	}
	return e
}

func (g *generator) usage() op {
	id := g.somewhere()
	p := model.RecordUsage{Tenant: id, Once: g.once()}
	if g.chance(40) {
		p.Events = []model.UsageEvent{g.event(id)}
		by := g.someone(id)
		alone, batch := recordOne(by, p), recordUsage(by, p) // the same request, said in two ways
		if p.Once != "" {
			g.plan1(pick(g, []op{alone, batch}))
		}
		return pick(g, []op{alone, alone, alone, batch})
	}
	for range g.IntN(5) {
		p.Events = append(p.Events, g.event(id))
	}
	return recordUsage(g.someone(id), p)
}

func (g *generator) increment() op {
	id := g.somewhere()
	return incrementUsage(g.someone(id), model.IncrementUsage{Tenant: id, Tokens: g.tokens(), Once: g.once()})
}

func (g *generator) sums() op {
	id := g.somewhere()
	p := window{Tenant: id}
	if g.chance(60) {
		c := g.cuts()
		p.Start, p.End = c.Times[0], c.Times[len(c.Times)-1]
	}
	switch g.IntN(8) {
	case 0:
		p.Start = time.Time{}
	case 1:
		p.End = time.Time{}
	case 2:
		p.Start, p.End = p.End, p.Start
	}
	return summary(g.someone(id), p)
}

func (g *generator) newKey() op {
	id := g.somewhere()
	p := model.CreateKey{
		Tenant: id, Name: fmt.Sprintf("key %d", g.IntN(4)), Once: g.once(),
		Permissions: pick(g, [][]string{nil, nil, {"*"}, {"*"}, {"run:create", "usage:write"}, {"run:*", "key:manage", "key:verify"}, {"read:*"}}),
	}
	if g.chance(25) {
		p.AllowedWorkers = []string{"alpha", "beta"}
	}
	if g.chance(35) {
		p.Days = 1 + g.IntN(3)
	}
	if g.chance(40) {
		p.MaxRuns = new(g.Int64N(4))
	}
	if g.chance(40) {
		p.MaxTokens = new(g.Int64N(1500))
	}
	if g.chance(10) {
		p.RPM = new(10_000 + g.Int64N(100)) // out of reach: rates go by the time of this machine
	}
	if g.chance(10) {
		p.User = pick(g, append(g.world.People(), 9997))
	}
	if g.chance(3) {
		p = pick(g, []model.CreateKey{
			{Tenant: id},
			{Tenant: id, Name: "x", Permissions: []string{}},
			{Tenant: id, Name: "x", AllowedWorkers: []string{}},
			{Tenant: id, Name: "x", Days: 4000},
			{Tenant: id, Name: "x", Permissions: []string{"run:*", "run:*"}},
		})
	}
	if parent := pick(g, g.keysOf(id)); parent != 0 && g.chance(35) {
		return createKey(parent, g.child(p, parent))
	}
	return createKey(g.someone(id), p)
}

// child changes a new key to one that its parent may just, or just not, make.
func (g *generator) child(p model.CreateKey, parent model.Ref) model.CreateKey {
	k := g.world.Key(parent, g.now)
	about := func(of, own *int64) *int64 {
		if of == nil || g.chance(10) {
			return own
		}
		return new(max(0, *of+pick(g, []int64{0, 0, 0, 0, -1, 1})))
	}
	p.RPM, p.MaxRuns, p.MaxTokens = about(k.RPM, p.RPM), about(k.MaxRuns, p.MaxRuns), about(k.MaxTokens, p.MaxTokens)
	if p.RPM != nil {
		p.RPM = new(max(1, *p.RPM))
	}
	if k.Expires != nil && g.chance(85) {
		p.Days = max(1, int(k.Expires.Sub(g.now)/(24*time.Hour))+pick(g, []int{0, 0, 0, 1}))
	}
	if k.AllowedWorkers != nil && g.chance(80) {
		p.AllowedWorkers = pick(g, [][]string{k.AllowedWorkers, k.AllowedWorkers[:1], {"alpha", "gamma"}})
	}
	if g.chance(70) {
		p.Permissions = pick(g, [][]string{k.Permissions, k.Permissions[:1]})
	}
	return p
}

func (g *generator) aKey(id model.Ref) model.Ref {
	if g.chance(4) {
		return 9998
	}
	return max(1, pick(g, g.keysOf(id)))
}

func (g *generator) revocation() op {
	id := g.somewhere()
	k := keyOf{id, g.aKey(id)}
	if g.chance(30) {
		return getKey(g.someone(id), k)
	}
	return revokeKey(g.someone(id), k, pick(g, []string{"", "leaked", "gone"}))
}

// rotation is of an active key, of one that was rotated and whose successor may be lost, or of such a successor.
func (g *generator) rotation() op {
	id := g.somewhere()
	if len(g.keysOf(id)) == 0 && g.chance(90) {
		return g.newKey()
	}
	p := model.RotateKey{
		Tenant: id, Key: g.aKey(id), Once: g.once(),
		Overlap: pick(g, []time.Duration{0, time.Second, 10 * time.Minute, 24 * time.Hour, 24 * time.Hour, 30 * 24 * time.Hour}),
	}
	active, rotated, successors := g.keysByRotation(id)
	for _, aim := range []struct {
		keys    []model.Ref
		percent int
	}{{active, 70}, {rotated, 25}, {successors, 40}} {
		if len(aim.keys) > 0 && g.chance(aim.percent) {
			p.Key = pick(g, aim.keys)
		}
	}
	if g.chance(2) {
		p.Overlap = pick(g, []time.Duration{-time.Second, 31 * 24 * time.Hour})
	}
	by := g.someone(id)
	if g.chance(15) && slices.Contains(active, p.Key) {
		by = p.Key // rotates itself
	}
	return rotateKey(by, p)
}

// keysByRotation are the active keys of a tenant, those that have a successor, and the active successors.
func (g *generator) keysByRotation(id model.Ref) (active, rotated, successors []model.Ref) {
	for _, ref := range g.keysOf(id) {
		k := g.world.Key(ref, g.now)
		if k.Status == model.KeyActive {
			active = append(active, ref)
		}
		if k.RotatedTo == 0 {
			continue
		}
		rotated = append(rotated, ref)
		if k.Status == model.KeyActive && g.world.Key(k.RotatedTo, g.now).Status == model.KeyActive {
			successors = append(successors, k.RotatedTo)
		}
	}
	return active, rotated, successors
}

func (g *generator) question() op {
	id := g.somewhere()
	return verify(g.someone(id), question{
		Key: g.aKey(id), Permission: pick(g, []string{"", "", "run:create", "key:manage", "read:*"}), Worker: pick(g, []string{"", "", g.worker()}),
	})
}

func (g *generator) workers() op {
	id := g.somewhere()
	w, by := workerOf{id, g.worker()}, g.someone(id)
	if g.chance(30) {
		return deleteWorker(by, w)
	}
	return putWorker(by, w, g.chance(60))
}

func (g *generator) look() op {
	id := g.somewhere()
	by := g.someone(id)
	return weighted(g, []choice[op]{
		{3, func() op { return getQuotas(by, id) }},
		{3, func() op { return checkRun(by, workerOf{id, pick(g, []string{"", g.worker()})}) }},
		{2, func() op { return checkTokens(by, id, g.tokens()) }},
		{1, func() op { return getTenant(by, id) }},
	})
}
