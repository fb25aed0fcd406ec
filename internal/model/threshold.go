package model

import (
	"slices"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// EventView is something that was told.
type EventView struct {
	Type      string     `json:"type"`
	Quota     quota.Name `json:"quota"`
	Threshold int        `json:"threshold"`
	Limit     int64      `json:"limit"`
	Used      int64      `json:"used"`
	At        time.Time  `json:"at"`
}

// told is what is known of a quota's use in a period.
type told struct {
	period  time.Time // its start
	percent int
	soft    bool
}

// Watch tells of every tenant that has changed what its use has come to. It belongs behind each operation.
func (w *World) Watch() {
	for _, t := range w.tenants {
		if t.touched {
			t.touched = false
			w.watch(t)
		}
	}
}

func (w *World) watch(t *tenant) {
	percents := []int{80, 100}
	if list := w.plans[t.plan].Thresholds; list != nil {
		percents = list
	}
	names := slices.Clone(quotas)
	for meter := range t.moved { // those on meters are told of with the meter's events
		if w.meter(t, meter).Aggregation != "max" {
			names = append(names, quota.PerDay(meter), quota.PerMonth(meter))
		}
	}
	clear(t.moved)
	for _, name := range names {
		if name == quota.APIKeys {
			continue // the engine counts an expired key until somebody looks at it: see its own tests
		}
		have := t.told[name]
		u := t.use(name, t.last)
		begin := time.Time{}
		switch {
		case u.period != nil:
			begin = u.period.Start
		case name == quota.ConcurrentRuns:
			begin = t.dayAt(t.last).Start
		}
		if !have.period.Equal(begin) {
			have = told{period: begin}
		}
		l := w.limit(t, name, t.last)
		reached := func(percent int) bool {
			return !l.Unlimited && u.used >= 1 && u.used*100 >= l.Max*int64(percent)
		}
		if name != quota.ConcurrentRuns {
			if !reached(have.percent) {
				lower := slices.DeleteFunc(slices.Clone(percents), func(p int) bool { return p >= have.percent || !reached(p) })
				have.percent = slices.Max(append(lower, 0))
			}
			have.soft = have.soft && !l.Unlimited && u.used > l.Max
		}
		for _, p := range percents {
			if p > have.percent && reached(p) {
				have.percent = p
				t.notices = append(t.notices, EventView{"quota.threshold_reached", name, p, l.Max, u.used, t.last})
			}
		}
		if !l.Unlimited && l.Mode == quota.Soft && u.used > l.Max && !have.soft {
			have.soft = true
			t.notices = append(t.notices, EventView{"quota.soft_limit_passed", name, 0, l.Max, u.used, t.last})
		}
		t.told[name] = have
	}
}

// ListEvents returns what was told of a tenant.
func (w *World) ListEvents(id Ref) []EventView { return slices.Clone(w.tenants[id].notices) }
