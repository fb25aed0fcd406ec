package rentroll

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// Thresholds are shares of a limit, in per cent, at which an event tells that a tenant's use has come so far: see
// EventThreshold. A plan has its own, or these.
var defaultThresholds = []int{80, 100}

// The bounds of a plan's thresholds: how many, and how far above a (soft) limit.
const (
	MaxThresholds = 10
	MaxThreshold  = 200 // per cent
)

// thresholds returns those of a plan, lowest first.
func (p *Plan) thresholds() []int {
	if p.Thresholds == nil {
		return defaultThresholds
	}
	return p.Thresholds
}

// checkThresholds says what is wrong with a list of thresholds.
func checkThresholds(list []int) string {
	if len(list) > MaxThresholds {
		return fmt.Sprintf("must be at most %d", MaxThresholds)
	}
	for i, percent := range list {
		if percent < 1 || percent > MaxThreshold {
			return fmt.Sprintf("must be between 1 and %d per cent", MaxThreshold)
		}
		if i > 0 && percent <= list[i-1] {
			return "must rise from one to the next"
		}
	}
	return ""
}

// maxMarks is how many quotas an account has marks for; a quota is known by its place in quota.Definitions, which only
// ever grows at its end.
const maxMarks = 8

// Marks remember of each quota what has been told of it in the present period: the highest threshold, in per cent, and
// whether its soft limit was passed. The zero value is nothing.
type Marks [maxMarks]uint16

const (
	markPercent = 0xff
	markSoft    = 0x100
)

// begin forgets what was told of the counters of a span that begins anew. Concurrent runs come and go all day; of them
// is told once a day.
func (m *Marks) begin(span quota.Span) {
	for i, d := range watched {
		if d.Span == span || span == quota.Day && d.Name == quota.ConcurrentRuns {
			m[i] = 0
		}
	}
}

// watched are the quotas by the place of their marks. Rates count nothing.
var watched = func() []quota.Definition {
	all := quota.Definitions()
	if len(all) > maxMarks {
		panic("rentroll: there are more quotas than marks")
	}
	return all
}()

// band is where a quota's use may be without anything to tell: low ≤ use < high.
type band struct{ low, high int64 }

// watch is what has to be known of an account to see by comparisons alone that nothing has to be told.
type watch struct {
	plan  *Plan
	marks Marks
	bands [maxMarks]band
}

// thresholdAt is the use at which a threshold is reached: of a limit of zero, the first use.
func thresholdAt(limit int64, percent int) int64 { return max(1, (limit*int64(percent)+99)/100) }

// watch works out the bands of an account.
func (a *Account) watch(plan *Plan, now time.Time) *watch {
	w, thresholds := &watch{plan: plan, marks: a.Marks}, plan.thresholds()
	for i, d := range watched {
		w.bands[i] = band{math.MinInt64, math.MaxInt64}
		if d.Span == quota.Rate {
			continue
		}
		limit := quota.Effective(plan.limits(), a.Overrides, d.Name, now)
		w.bands[i] = bandOf(limit, thresholds, a.Marks[i], d.Name != quota.ConcurrentRuns)
	}
	return w
}

func bandOf(limit quota.Limit, thresholds []int, mark uint16, rearms bool) band {
	b := band{math.MinInt64, math.MaxInt64}
	told := int(mark & markPercent)
	if limit.Unlimited {
		if mark != 0 && rearms {
			b.low = math.MaxInt64
		}
		return b
	}
	for _, percent := range thresholds {
		if percent > told {
			b.high = thresholdAt(limit.Max, percent)
			break
		}
	}
	if limit.IsSoft() && mark&markSoft == 0 {
		b.high = min(b.high, limit.Max+1)
	}
	if !rearms {
		return b
	}
	if told > 0 {
		b.low = thresholdAt(limit.Max, told)
	}
	if mark&markSoft != 0 {
		b.low = max(b.low, limit.Max+1)
	}
	return b
}

// quiet reports whether there is nothing to tell, and nothing to arm again.
func (w *watch) quiet(a *Account) bool {
	for i := range watched {
		used, _, _ := a.use(watched[i].Name)
		if b := w.bands[i]; used < b.low || used >= b.high {
			return false
		}
	}
	return true
}

// passed is something that has to be told.
type passed struct {
	definition quota.Definition
	limit      quota.Limit
	used       int64
	percent    int          // 0: the soft limit was passed
	period     quota.Period // of a counter
}

// tell moves the marks to where the use is now, and returns what has to be told. A threshold that is not reached any
// more, because its limit was raised or use was taken back, is armed again; those of concurrent runs are with the next
// day only.
func (a *Account) tell(plan *Plan, now time.Time) (out []passed) {
	for i, d := range watched {
		if d.Span == quota.Rate {
			continue
		}
		limit := quota.Effective(plan.limits(), a.Overrides, d.Name, now)
		used, _, period := a.use(d.Name)
		var told []passed
		told, a.Marks[i] = tellOf(d, limit, plan.thresholds(), used, a.Marks[i], d.Name != quota.ConcurrentRuns)
		for _, p := range told {
			p.period = period
			out = append(out, p)
		}
	}
	return out
}

// tellOf is tell of one quota: what has to be told, and the mark from then on. Where it does not rearm, what was told is
// told no more in the period.
func tellOf(d quota.Definition, limit quota.Limit, thresholds []int, used int64, mark uint16, rearms bool) (out []passed, next uint16) {
	told, soft := int(mark&markPercent), mark&markSoft != 0
	if rearms {
		told, soft = armed(limit, thresholds, used, told), soft && !limit.Unlimited && used > limit.Max
	}
	if !limit.Unlimited {
		for _, percent := range thresholds {
			if percent > told && used >= thresholdAt(limit.Max, percent) {
				out = append(out, passed{definition: d, limit: limit, used: used, percent: percent})
				told = percent
			}
		}
		if limit.IsSoft() && !soft && used > limit.Max {
			out = append(out, passed{definition: d, limit: limit, used: used})
			soft = true
		}
	}
	next = uint16(told)
	if soft {
		next |= markSoft
	}
	return out, next
}

// armed returns the highest threshold, up to one that was told, that is still reached.
func armed(limit quota.Limit, thresholds []int, used int64, told int) int {
	switch {
	case told == 0 || limit.Unlimited:
		return 0
	case used >= thresholdAt(limit.Max, told):
		return told
	}
	for _, percent := range slices.Backward(thresholds) {
		if percent < told && used >= thresholdAt(limit.Max, percent) {
			return percent
		}
	}
	return 0
}

// event writes down what has to be told.
func (p passed) event(l *ledger, a *Account, now time.Time) *Event {
	e := &Event{ID: newID[eventKind](now, l.entropy()), TenantID: a.TenantID, At: now, Type: EventThreshold}
	data := ThresholdData{Quota: p.definition.Name, Limit: p.limit.Max, Used: p.used, Mode: quota.Hard}
	if p.limit.IsSoft() {
		data.Mode = quota.Soft
	}
	if p.percent == 0 {
		e.Type = EventSoftLimit
	} else {
		data.Threshold = &p.percent
	}
	if !p.period.IsZero() {
		data.PeriodStart, data.ResetsAt = &p.period.Start, &p.period.End
	}
	text, err := json.Marshal(data)
	if err != nil {
		panic("rentroll: an event has no JSON form: " + err.Error())
	}
	e.Data = text
	return e
}

// know makes sure that the plans of the accounts which a command changes are there: once it has decided, nothing may ask
// for more.
func (l *ledger) know(h *header) error {
	err := l.knowPlanOf(h.tenant)
	for _, id := range h.also {
		if more := l.knowPlanOf(id); more != nil {
			err = more
		}
	}
	return err
}

func (l *ledger) knowPlanOf(id TenantID) error {
	a := l.open[id]
	if a == nil && id != PlatformID && l.Accounts.Knows(id) {
		a = l.Accounts.Get(id)
	}
	if a == nil || id == PlatformID {
		return nil
	}
	if _, err := l.plan(a.Plan); errors.Is(err, errMore) {
		return err
	}
	return nil
}

// watch returns the bands of an account. Accounts of a plan that have nothing of their own share them.
func (l *ledger) watch(a *Account, plan *Plan) *watch {
	if a.Marks == (Marks{}) && len(a.Overrides) == 0 {
		w := l.plain[plan]
		if w == nil {
			w = a.watch(plan, a.LastNow)
			l.plain[plan] = w
		}
		return w
	}
	w := l.watches[a.TenantID]
	if w == nil || w.plan != plan || w.marks != a.Marks {
		w = a.watch(plan, a.LastNow)
		l.watches[a.TenantID] = w
	}
	return w
}

// tellAll writes the events of what the last command has passed.
func (l *ledger) tellAll() {
	for _, id := range l.touched {
		a := l.Accounts.Get(id)
		plan, err := l.plan(a.Plan)
		if err != nil {
			continue // a plan that does not exist has no limits to tell of
		}
		if l.watch(a, plan).quiet(a) {
			continue
		}
		for _, p := range a.tell(plan, a.LastNow) {
			l.Told = append(l.Told, p.event(l, a, a.LastNow))
		}
		delete(l.watches, id)
	}
	l.touched = l.touched[:0]
	l.tellOfMeters()
}
