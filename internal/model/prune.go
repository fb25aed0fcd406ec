package model

import (
	"slices"
	"time"
)

// Keep says for how long things are kept.
type Keep struct{ Usage, Runs time.Duration }

// How long event ids and idempotency keys are kept.
const (
	keepMarks = 42 * 24 * time.Hour
	keepOnce  = 7 * 24 * time.Hour
)

const quarter = 15 * time.Minute

// PruneView says how much was forgotten.
type PruneView struct{ Runs, Marks, Once, Subjects int64 }

// Prune forgets what is old. What was counted stays counted.
func (w *World) Prune(now time.Time, keep Keep) (v PruneView) {
	for _, t := range w.tenants {
		old := func(r *run) bool { return !r.open() && r.Ended.Before(now.Add(-keep.Runs)) }
		if slices.ContainsFunc(t.runs, old) {
			t.changed(t.clock(now))
			t.runsGoneUntil = latest(t.runsGoneUntil, now.Add(-keep.Runs))
		}
		for _, r := range t.runs {
			if old(r) {
				delete(w.runs, r.Ref)
				v.Runs++
			}
		}
		t.runs = slices.DeleteFunc(t.runs, old)
		v.Subjects += t.forget(now)
		gone := now.Add(-keep.Usage).Truncate(quarter)
		for _, e := range t.events {
			if e.Time.Before(gone) && !e.Time.Before(t.goneUntil) {
				t.goneUntil = gone
			}
		}
		for id, m := range t.marked {
			if m.at.Before(now.Add(-keepMarks)) {
				delete(t.marked, id)
				delete(t.marks, id)
				v.Marks++
			}
		}
	}
	for k, record := range w.once {
		if !slices.Contains([]string{"run.create", "run.retry"}, k.operation) && record.at.Before(now.Add(-keepOnce)) {
			delete(w.once, k)
			v.Once++
		}
	}
	return v
}

// cuts reports whether an instant divides a quarter of an hour of which the single events are gone.
func (t *tenant) cuts(at time.Time) bool {
	return !at.Equal(at.Truncate(quarter)) && at.Before(t.goneUntil)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
