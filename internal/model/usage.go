package model

import (
	"regexp"
	"time"

	"github.com/rentroll/rentroll/quota"
)

const (
	tokensUsed = "tokens_used"
	workerRuns = "worker_runs"
)

const rejected = "rejected"

// event is one record of a meter.
type event struct {
	Meter  string
	Amount int64
	Time   time.Time
	Worker string
	Key    Ref
	Run    Ref
	Kept   map[string]string // of dimensions that the meter keeps

	Recorded time.Time

	Of, On time.Time // the starts of the period that it is of, and of the one whose statement has it
}

// marked is an event that is known by its id.
type marked struct {
	event

	corrects bool  // something else
	left     int64 // of its amount, not taken back
	at       time.Time
}

// used keeps an event.
func (t *tenant) used(e event, now time.Time) event {
	e.Of, e.On = t.owner(e.Time, now)
	e.Recorded = now
	t.events = append(t.events, e)
	if e.Meter != tokensUsed && e.Meter != workerRuns {
		t.moved[e.Meter] = true
	}
	return e
}

// UsageEvent describes an event to record. A zero Time is the arrival.
type UsageEvent struct {
	Meter    string
	Amount   int64
	Unit     string
	Time     time.Time
	Worker   string
	Key      Ref
	Run      Ref
	EventID  string
	Metadata string
	Corrects string
}

// RecordUsage records events. Where Single is set there is one, and its refusal is the call's.
type RecordUsage struct {
	Tenant Ref
	Events []UsageEvent
	Single bool   `json:"-"`
	Once   string `json:"-"`
}

// UsageView is what became of an event.
type UsageView struct {
	EventID string `json:"event_id"`
	Status  string `json:"status"`
	Code    string `json:"code"`
}

// ReceiptView is what became of a batch.
type ReceiptView struct {
	Items    []UsageView `json:"items"`
	Replayed bool        `json:"replayed"`
}

var meterPattern = regexp.MustCompile(`^[a-z][a-z0-9_.]{0,99}$`)

func (e *UsageEvent) valid() bool {
	if e.Corrects != "" {
		bare := e.Time.IsZero() && e.Worker == "" && e.Key == 0 && e.Run == 0
		return meterPattern.MatchString(e.Meter) && e.Meter != workerRuns && e.Amount < 0 && amounts(-e.Amount) && bare &&
			len(e.Unit) <= 50 && e.EventID != e.Corrects && len(e.EventID) <= 255 && len(e.Corrects) <= 255
	}
	return meterPattern.MatchString(e.Meter) && e.Meter != workerRuns && amounts(e.Amount) && len(e.Unit) <= 50 &&
		(e.Worker == "" || workerPattern.MatchString(e.Worker)) && len(e.EventID) <= 255
}

// RecordUsage records a batch of events, each for itself.
func (w *World) RecordUsage(by Ref, now time.Time, p RecordUsage) (*ReceiptView, *Refusal) {
	if bad := w.may(by, now, p.Tenant, "usage:write"); bad != nil {
		return nil, bad
	}
	if len(p.Events) == 0 || len(p.Events) > 1000 {
		return nil, refuse(ValidationFailed)
	}
	for _, e := range p.Events {
		if e.Corrects == "" {
			continue
		}
		if bad := w.may(by, now, p.Tenant, "usage:correct"); bad != nil {
			return nil, bad
		}
	}
	scope := onceKey{p.Tenant, "usage.record", p.Once}
	if earlier, done, bad := w.before(scope, p); bad != nil {
		return nil, bad
	} else if done {
		items, _ := earlier.([]UsageView)
		if p.Single && items[0].Status == rejected {
			return nil, refuse(items[0].Code)
		}
		return &ReceiptView{Items: items, Replayed: true}, nil
	}
	t := w.tenants[p.Tenant]
	if t == nil {
		return nil, refuse(NotFound)
	}
	now = t.clock(now)
	if t.dead(now) {
		return nil, refuse(TenantTerminated)
	}
	out, corrected := &ReceiptView{}, false
	for _, e := range p.Events {
		status, code := w.record(t, e, by, now)
		if p.Single && status == rejected {
			return nil, refuse(code)
		}
		out.Items = append(out.Items, UsageView{e.EventID, status, code})
		corrected = corrected || e.Corrects != "" && status == "recorded"
	}
	if corrected {
		t.log("usage.correct")
	}
	w.remember(scope, p, out.Items)
	return out, nil
}

// record decides one event.
func (w *World) record(t *tenant, e UsageEvent, by Ref, now time.Time) (status, code string) {
	if !e.valid() || by != Program && e.Key != 0 && e.Key != by {
		return rejected, ValidationFailed
	}
	if by != Program && e.Corrects == "" {
		e.Key = by
	}
	id := e.EventID
	e.EventID = ""
	if content, seen := t.marks[id]; id != "" && seen {
		if content != text(e) {
			return rejected, EventIDConflict
		}
		return "duplicate", ""
	}
	if e.Corrects != "" {
		return w.correct(t, id, e, now)
	}
	at := e.Time
	switch {
	case at.IsZero():
		at = now
	case at.Before(now.AddDate(0, 0, -35)):
		return rejected, EventTooOld
	case at.After(now.Add(5 * time.Minute)):
		return rejected, ValidationFailed
	}
	meter := w.meter(t, e.Meter)
	unit := meter.Unit
	switch {
	case meter.Aggregation == "count" && e.Amount != 1:
		return rejected, ValidationFailed
	case unit == "" && e.Unit == "":
		unit = "count"
	case unit == "":
		unit = e.Unit
	case e.Unit != "" && e.Unit != unit:
		return rejected, UnitMismatch
	}
	t.changed(now)
	if t.unit(e.Meter) == "" {
		t.units[e.Meter], t.fixedAs[e.Meter] = unit, meter.Aggregation
	}
	kept := t.keep(e.Meter, meter.Dimensions, e.Metadata, at)
	used := t.used(event{Meter: e.Meter, Amount: e.Amount, Time: at, Worker: e.Worker, Key: e.Key, Run: e.Run, Kept: kept}, now)
	if id != "" {
		t.marks[id] = text(e)
		t.marked[id] = marked{event: used, left: e.Amount, at: now}
	}
	return "recorded", ""
}

// correct takes back what is left of an event at most, in the periods in which the event stands.
func (w *World) correct(t *tenant, id string, e UsageEvent, now time.Time) (status, code string) {
	original, known := t.marked[e.Corrects]
	switch {
	case !known || original.corrects || original.Time.Before(t.goneUntil) || original.Meter != e.Meter || w.meter(t, e.Meter).Aggregation == "max":
		return rejected, ValidationFailed
	case e.Unit != "" && e.Unit != t.unit(e.Meter):
		return rejected, UnitMismatch
	case -e.Amount > original.left:
		return rejected, ValidationFailed
	}
	t.changed(now)
	original.left += e.Amount
	t.marked[e.Corrects] = original
	back := original.event
	back.Amount, back.Recorded = e.Amount, now
	back.Of, back.On = t.owner(back.Time, now)
	t.events = append(t.events, back)
	if back.Meter != tokensUsed {
		t.moved[back.Meter] = true
	}
	if id != "" {
		t.marks[id] = text(e)
		t.marked[id] = marked{event: back, corrects: true, at: now}
	}
	return "recorded", ""
}

// unit returns the unit of a meter, "" where it is not fixed yet.
func (t *tenant) unit(meter string) string {
	switch meter {
	case tokensUsed:
		return "tokens"
	case workerRuns:
		return "count"
	default:
		return t.units[meter]
	}
}

// IncrementUsage counts a run and its tokens that were not admitted here.
type IncrementUsage struct {
	Tenant Ref
	Tokens int64
	Once   string `json:"-"`
}

// IncrementUsage counts a run and its tokens.
func (w *World) IncrementUsage(by Ref, now time.Time, p IncrementUsage) *Refusal {
	if bad := w.may(by, now, p.Tenant, "usage:write"); bad != nil {
		return bad
	}
	if !amounts(p.Tokens) {
		return refuse(ValidationFailed)
	}
	scope := onceKey{p.Tenant, "usage.increment", p.Once}
	if _, done, bad := w.before(scope, p); bad != nil || done {
		return bad
	}
	t := w.tenants[p.Tenant]
	if t == nil {
		return refuse(NotFound)
	}
	now = t.clock(now)
	if t.dead(now) {
		return refuse(TenantTerminated)
	}
	t.changed(now)
	t.increments = append(t.increments, now)
	t.used(event{Meter: workerRuns, Amount: 1, Time: now, Key: by}, now)
	if p.Tokens > 0 {
		t.used(event{Meter: tokensUsed, Amount: p.Tokens, Time: now, Key: by}, now)
	}
	w.remember(scope, p, true)
	return nil
}

// MeterView is the sum of a meter.
type MeterView struct {
	Total int64  `json:"total"`
	Unit  string `json:"unit"`
	Count int64  `json:"count"`

	Aggregation string `json:"aggregation"`
}

// SummaryView holds the sums of a range of time.
type SummaryView struct {
	Start   time.Time            `json:"start"`
	End     time.Time            `json:"end"`
	Meters  map[string]MeterView `json:"meters"`
	Records int64                `json:"records"`
}

// Summary adds up the events of [start, end). Without a start it begins with the
// month, without an end it ends with the running quarter of an hour.
func (w *World) Summary(by Ref, now time.Time, id Ref, start, end time.Time) (*SummaryView, *Refusal) {
	if bad := w.may(by, now, id, "usage:read"); bad != nil {
		return nil, bad
	}
	if !start.IsZero() && !end.IsZero() && end.Before(start) {
		return nil, refuse(ValidationFailed)
	}
	t := w.tenants[id]
	if t == nil {
		return nil, refuse(NotFound)
	}
	now = t.clock(now)
	if start.IsZero() {
		start = t.monthAt(now).Start
	}
	if end.IsZero() {
		const quarter = 15 * 60
		end = time.Unix(now.Unix()-now.Unix()%quarter+quarter, 0).UTC()
	}
	if !start.Equal(end) && !end.Before(start) && (t.cuts(start) || t.cuts(end)) {
		return nil, refuse(ValidationFailed)
	}
	v := &SummaryView{Start: start, End: end, Meters: map[string]MeterView{}}
	for _, e := range t.events {
		if !(quota.Period{Start: start, End: end}).Contains(e.Time) {
			continue
		}
		m, meter := v.Meters[e.Meter], w.meter(t, e.Meter)
		m.Count, m.Unit, m.Aggregation = m.Count+1, meter.Unit, meter.Aggregation
		if meter.Aggregation == "max" {
			m.Total = max(m.Total, e.Amount)
		} else {
			m.Total += e.Amount
		}
		v.Meters[e.Meter] = m
		v.Records++
	}
	return v, nil
}
