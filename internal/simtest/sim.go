package simtest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll/internal/model"
)

// step is one operation of a history, at an instant of the moved clock. What it makes
// is named ref.
type step struct {
	ref model.Ref
	at  time.Time
	op  op
}

// Tally counts how operations ended: "CreateRun", "CreateRun quota_exceeded tenant
// runs_per_day" and so on.
type Tally map[string]int

// Add adds up tallies.
func (t Tally) Add(more Tally) {
	for outcome, n := range more {
		t[outcome] += n
	}
}

// Simulate plays one history of so many steps on the model and on an engine for each
// store. The test fails where an answer differs, with the seed and the shortest
// history that was found to fail as well.
func Simulate(t *testing.T, seed uint64, steps int, stores ...Opener) Tally {
	t.Helper()
	history, tally, failure := explore(t, seed, steps, stores)
	if failure == nil {
		return tally
	}
	t.Logf("seed %d failed at step %d; looking for a shorter history", seed, len(history))
	history, failure = shrink(t, seed, history, failure, stores)
	t.Errorf("seed %d, %d steps left of it:\n%s\n%v", seed, len(history), describe(history), failure)
	return tally
}

// explore makes up a history while it plays it. It returns the steps up to a failure.
func explore(t *testing.T, seed uint64, steps int, stores []Opener) ([]step, Tally, error) {
	t.Helper()
	p := newPlayer(t, seed, stores)
	defer p.close()
	g := newGenerator(seed, p.world)
	var history []step
	for i := range steps {
		s := g.next(model.Ref(i+1), i == steps-1)
		history = append(history, s)
		if err := p.play(s); err != nil {
			return history, p.tally, err
		}
	}
	return history, p.tally, p.finish()
}

// replay plays a given history on new stores.
func replay(t *testing.T, seed uint64, history []step, stores []Opener) (played int, failure error) {
	t.Helper()
	p := newPlayer(t, seed, stores)
	defer p.close()
	for i, s := range history {
		if err := p.play(s); err != nil {
			return i + 1, err
		}
	}
	return len(history), p.finish()
}

// shrinkTries bounds how often a failing history is played again.
const shrinkTries = 600

// shrink takes steps out of a failing history for as long as it fails: halves, then
// quarters, at last single steps.
func shrink(t *testing.T, seed uint64, history []step, failure error, stores []Opener) ([]step, error) {
	t.Helper()
	tries := 0
	for size := len(history) / 2; size > 0 && tries < shrinkTries; {
		shorter := false
		for from := 0; from < len(history) && tries < shrinkTries; {
			rest := slices.Delete(slices.Clone(history), from, min(from+size, len(history)))
			tries++
			if played, err := replay(t, seed, rest, stores); err != nil {
				history, failure, shorter = rest[:played], err, true
				continue
			}
			from += size
		}
		if !shorter || size > 1 {
			size /= 2
		}
	}
	return history, failure
}

// describe writes a history for people.
func describe(history []step) string {
	var b strings.Builder
	for _, s := range history {
		fmt.Fprintf(&b, "%4d  %s  %s by %d  %s\n", s.ref, s.at.Format(time.RFC3339Nano), s.op.name, s.op.by, text(s.op.args))
	}
	return b.String()
}

// player plays steps on the model and on engines, side by side.
type player struct {
	t     testing.TB
	clock *Clock
	world *model.World
	sides []*side
	tally Tally
}

func newPlayer(t testing.TB, seed uint64, stores []Opener) *player {
	t.Helper()
	p := &player{t: t, clock: &Clock{}, world: model.New(), tally: Tally{}}
	p.clock.Set(beginning(seed))
	for _, open := range stores {
		p.sides = append(p.sides, newSide(t, open, p.clock, seed))
	}
	return p
}

func (p *player) close() {
	for _, s := range p.sides {
		if err := s.engine.Close(); err != nil {
			p.t.Errorf("closing an engine: %v", err)
		}
	}
}

// finish ends a history: engines that are closed have written what they count off the path.
func (p *player) finish() error {
	p.close()
	for i, s := range p.sides {
		p.tally.Add(s.met)
		if difference := compare(denialFacts(p.world.Denied()), nil, s.denied(), nil); difference != "" {
			return fmt.Errorf("the denials that store %d (%s) has counted:\n%s", i, s.store.Traits().Name, difference)
		}
	}
	return nil
}

// play plays one step and compares the answers.
//
// Before the clock steps back every tenant is changed: how far a tenant's own now has
// come by then would else depend on which denials wrote something, which is nobody's
// business.
func (p *player) play(s step) error {
	if now := p.clock.Now(); s.at.Before(now) {
		note := now.Format(time.RFC3339Nano)
		for _, id := range p.world.Known() {
			if err := p.both(step{at: now, op: updateTenant(model.Program, id, edit{Note: &note})}); err != nil {
				return err
			}
		}
	}
	p.clock.Set(s.at)
	return p.both(s)
}

func (p *player) both(s step) error {
	p.world.At = s.at
	want, bad := s.op.play(p.world, s.at, s.ref)
	p.world.Watch()
	outcome := s.op.name
	if bad != nil {
		outcome = strings.TrimRight(fmt.Sprintf("%s %s %s %s", s.op.name, bad.Code, bad.Scope, bad.Quota), " ")
	}
	p.tally[outcome]++
	for i, side := range p.sides {
		got, err := p.call(side, s)
		if difference := compare(want, bad, got, refusal(err)); difference != "" {
			return fmt.Errorf("step %d, %s, store %d (%s):\n%s", s.ref, s.op.name, i, side.store.Traits().Name, difference)
		}
	}
	return nil
}

// call lets an engine do a step. A panic is an answer, too: a wrong one.
func (p *player) call(side *side, s step) (got any, err error) {
	defer func() {
		if v := recover(); v != nil {
			got, err = fmt.Sprintf("panic: %v\n%s", v, debug.Stack()), nil
		}
	}()
	ctx := context.Background()
	e, err := side.as(ctx, s.op.by)
	if err != nil {
		return nil, err
	}
	return s.op.call(ctx, side, e, s.ref)
}

// compare says how the answers differ, "" where they don't.
func compare(want any, bad *model.Refusal, got any, gotBad *model.Refusal) string {
	if bad != nil || gotBad != nil {
		want, got = answer(want, bad), answer(got, gotBad)
	}
	wantFacts, ok := want.(facts)
	gotFacts, both := got.(facts)
	if !ok || !both {
		return unequal("", want, got)
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(wantFacts)) {
		b.WriteString(unequal(name+": ", wantFacts[name], gotFacts[name]))
	}
	if len(wantFacts) != len(gotFacts) {
		fmt.Fprintf(&b, "the model knows %d facts, the engine %d\n", len(wantFacts), len(gotFacts))
	}
	return b.String()
}

func answer(v any, bad *model.Refusal) any {
	if bad != nil {
		return bad
	}
	return v
}

func unequal(what string, want, got any) string {
	if w, g := text(want), text(got); w != g {
		return fmt.Sprintf("%smodel:  %s\n%sengine: %s\n", what, w, what, g)
	}
	return ""
}

// text is the JSON of v, in which nothing and an empty list are one.
func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return "no JSON: " + err.Error()
	}
	if string(data) == "[]" {
		return "null"
	}
	return string(data)
}
