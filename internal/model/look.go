package model

import (
	"maps"
	"slices"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// The functions of this file look into a world for whoever makes up a history, so
// that it can aim at what is about to happen. They are no operations.

// Known returns the tenants, oldest first.
func (w *World) Known() []Ref { return slices.Sorted(maps.Keys(w.tenants)) }

// Status returns the state of a tenant.
func (w *World) Status(id Ref) string { return w.tenants[id].status }

// Counted returns the active keys of a tenant that have limits of their own.
func (w *World) Counted(id Ref, now time.Time) []*KeyView {
	return slices.DeleteFunc(w.ListKeys(id, now, false), func(k *KeyView) bool { return k.MaxRuns == nil && k.MaxTokens == nil })
}

// Key returns a key as it is now.
func (w *World) Key(id Ref, now time.Time) *KeyView {
	k := w.keys[id]
	return k.view(w.tenants[k.Tenant].clock(now))
}

// Runs returns the runs of a tenant, oldest first: all, or the open ones.
func (w *World) Runs(id Ref, all bool) []Ref {
	var out []Ref
	for _, r := range w.tenants[id].runs {
		if all || r.open() {
			out = append(out, r.Ref)
		}
	}
	return out
}

// Bounded returns the open runs of a tenant whose keys have a limit of tokens of their own.
func (w *World) Bounded(id Ref) []Ref {
	return slices.DeleteFunc(w.Runs(id, false), func(ref Ref) bool {
		k := w.keys[w.runs[ref].Key]
		return k == nil || k.MaxTokens == nil
	})
}

// Keys returns the keys of a tenant, oldest first.
func (w *World) Keys(id Ref) []Ref {
	var out []Ref
	for _, k := range w.tenants[id].keys {
		out = append(out, k.Ref)
	}
	return out
}

// People returns the users, oldest first.
func (w *World) People() []Ref { return slices.Sorted(maps.Keys(w.users)) }

// Month returns the month that a tenant is in.
func (w *World) Month(id Ref, now time.Time) quota.Period {
	t := w.tenants[id]
	return t.monthAt(t.clock(now))
}

// Day returns the day that a tenant is in.
func (w *World) Day(id Ref, now time.Time) quota.Period {
	t := w.tenants[id]
	return t.dayAt(t.clock(now))
}

// Deadlines returns when something of a tenant comes to its end by itself: leases of
// open runs, keys, overrides, the last day of a terminated tenant's keys.
func (w *World) Deadlines(id Ref) []time.Time {
	t := w.tenants[id]
	var out []time.Time
	for _, r := range t.runs {
		if r.open() {
			out = append(out, r.LeaseExpires)
		}
	}
	for _, k := range t.keys {
		if k.Status == KeyActive && k.Expires != nil {
			out = append(out, *k.Expires)
		}
	}
	for _, l := range t.Overrides {
		if !l.Until.IsZero() {
			out = append(out, l.Until)
		}
	}
	if t.status == Terminated {
		out = append(out, t.since.Add(24*time.Hour))
	}
	slices.SortFunc(out, time.Time.Compare)
	return out
}

// MarkedEvent is an event that can be corrected, or could.
type MarkedEvent struct {
	EventID, Meter string
	Left           int64 // of its amount
}

// Marked returns the events of a tenant that have ids, by id.
func (w *World) Marked(id Ref) (out []MarkedEvent) {
	t := w.tenants[id]
	for _, name := range slices.Sorted(maps.Keys(t.marked)) {
		m := t.marked[name]
		out = append(out, MarkedEvent{name, m.Meter, m.left})
	}
	return out
}

// Admitted returns when the runs of a tenant that are kept were admitted.
func (w *World) Admitted(id Ref) (out []time.Time) {
	for _, r := range w.tenants[id].runs {
		out = append(out, r.Created)
	}
	return out
}
