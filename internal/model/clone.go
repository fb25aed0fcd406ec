package model

import (
	"maps"
	"slices"
)

// Clone returns a copy that shares nothing that an operation changes.
func (w *World) Clone() *World {
	c := &World{
		tenants: map[Ref]*tenant{}, users: map[Ref]*user{}, plans: maps.Clone(w.plans), keys: map[Ref]*key{}, runs: map[Ref]*run{},
		once: maps.Clone(w.once), meters: maps.Clone(w.meters), prices: maps.Clone(w.prices), audit: slices.Clip(w.audit), last: w.last, At: w.At,
		denied: maps.Clone(w.denied),
	}
	for ref, u := range w.users {
		c.users[ref] = copied(u)
	}
	for ref, t := range w.tenants {
		t := t.clone()
		c.tenants[ref] = t
		for _, k := range t.keys {
			c.keys[k.Ref] = k
		}
		for _, r := range t.runs {
			c.runs[r.Ref] = r
		}
	}
	return c
}

func copied[T any](v *T) *T {
	c := *v
	return &c
}

func (t *tenant) clone() *tenant {
	c := copied(t)
	c.runs, c.keys = slices.Clone(t.runs), slices.Clone(t.keys)
	for i, r := range c.runs {
		c.runs[i] = copied(r)
	}
	for i, k := range c.keys {
		c.keys[i] = copied(k)
	}
	c.increments, c.events, c.audit, c.spent = slices.Clip(t.increments), slices.Clip(t.events), slices.Clip(t.audit), slices.Clip(t.spent)
	c.units, c.marks, c.marked = maps.Clone(t.units), maps.Clone(t.marks), maps.Clone(t.marked)
	c.told, c.notices = maps.Clone(t.told), slices.Clip(t.notices)
	c.fixedAs, c.meters, c.prices, c.values = maps.Clone(t.fixedAs), maps.Clone(t.meters), maps.Clone(t.prices), maps.Clone(t.values)
	c.moved, c.subjects = maps.Clone(t.moved), maps.Clone(t.subjects)
	for who, s := range c.subjects {
		next := *s
		next.entered, next.used = slices.Clip(s.entered), slices.Clip(s.used)
		c.subjects[who] = &next
	}
	c.past, c.costs = slices.Clip(t.past), maps.Clone(t.costs)
	for name, values := range c.values {
		c.values[name] = maps.Clone(values)
	}
	for name, prices := range c.prices {
		c.prices[name] = slices.Clip(prices)
	}
	c.members, c.workers = maps.Clone(t.members), maps.Clone(t.workers)
	for ref, m := range c.members {
		c.members[ref] = copied(m)
	}
	for name, have := range c.workers {
		c.workers[name] = copied(have)
	}
	return c
}
