package model

import (
	"cmp"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// TellApart is how many values of a kept dimension are told apart in a month.
const TellApart = 3

// MeterDef is what a meter is; the parameters of PutMeter, too.
type MeterDef struct {
	Unit, Aggregation, Display string
	Price                      *int64
	Per                        int64
	Dimensions                 []string
}

// PutMeter sets what a meter is: in a tenant, or everywhere for 0.
type PutMeter struct {
	Tenant Ref
	Meter  string
	MeterDef
}

// MeterInfo is a meter with what it inherits.
type MeterInfo struct {
	Meter string `json:"meter"`
	MeterDef
	HasEvents bool `json:"has_events"`
}

// price is a price from an instant on.
type price struct {
	from  time.Time
	price *int64
	per   int64
}

var dimensionPattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,49}$`)

func (p *PutMeter) valid() bool {
	ok := meterPattern.MatchString(p.Meter) && len(p.Dimensions) <= 3 && len(p.Unit) <= 50 &&
		slices.Contains([]string{"", "sum", "count", "max"}, p.Aggregation) && (p.Price != nil || p.Per == 0) &&
		(p.Price == nil || amounts(*p.Price) && p.Per >= 0 && p.Per <= 1_000_000_000)
	for i, d := range p.Dimensions {
		ok = ok && dimensionPattern.MatchString(d) && d != "worker" && d != "key" && !slices.Contains(p.Dimensions[:i], d)
	}
	return ok
}

// PutMeter sets what a meter is.
func (w *World) PutMeter(by Ref, now time.Time, p PutMeter) (*MeterInfo, *Refusal) {
	if bad := w.operator(by, now); bad != nil {
		return nil, bad
	}
	if !p.valid() {
		return nil, refuse(ValidationFailed)
	}
	if p.Price != nil {
		p.Per = max(p.Per, 1)
	}
	t, defs, prices := w.tenants[p.Tenant], w.meters, w.prices
	if p.Tenant != 0 {
		if t == nil {
			return nil, refuse(NotFound)
		}
		now, defs, prices = t.clock(now), t.meters, t.prices
		if fixed := t.unit(p.Meter); fixed != "" && p.Unit != "" && p.Unit != fixed {
			return nil, refuse(UnitMismatch)
		}
	} else if now.Before(w.last) {
		now = w.last
	}
	if builtin := (&tenant{}).unit(p.Meter); builtin != "" {
		if p.Unit != "" && p.Unit != builtin {
			return nil, refuse(UnitMismatch)
		}
		p.Unit = builtin
	}
	if fixed := w.fixed(t, p.Meter); fixed != "" {
		if p.Aggregation != "" && p.Aggregation != fixed {
			return nil, refuse(ValidationFailed)
		}
		p.Aggregation = fixed
	}
	if t != nil && t.unit(p.Meter) != "" {
		p.Unit = t.unit(p.Meter)
	}
	was, known := defs[p.Meter]
	if t != nil && t.units[p.Meter] != "" { // its events know of it, too
		was.Unit, was.Aggregation, known = t.units[p.Meter], t.fixedAs[p.Meter], true
	}
	if !known || text(was) != text(p.MeterDef) {
		if text(was.Price) != text(p.Price) || was.Per != p.Per {
			prices[p.Meter] = append(prices[p.Meter], price{now, p.Price, p.Per})
		}
		if t != nil {
			t.changed(now)
			t.log("meter.put")
		} else {
			w.changed(now, "meter.put")
		}
	}
	defs[p.Meter] = p.MeterDef
	return w.meter(t, p.Meter), nil
}

// fixed is the aggregation that can't be changed any more, "" where there is none.
func (w *World) fixed(t *tenant, name string) string {
	if name == tokensUsed || name == workerRuns {
		return "sum"
	}
	if t == nil || t.units[name] == "" {
		return ""
	}
	return t.fixedAs[name]
}

// meter joins what a tenant and the platform have set.
func (w *World) meter(t *tenant, name string) *MeterInfo {
	out := &MeterInfo{Meter: name, MeterDef: MeterDef{Aggregation: "sum", Per: 1, Dimensions: []string{}}}
	defs := []MeterDef{w.meters[name]}
	if t != nil {
		own := t.meters[name]
		if t.units[name] != "" {
			own.Unit, own.Aggregation = t.units[name], t.fixedAs[name]
			out.HasEvents = true
		}
		defs = append(defs, own)
	}
	for _, d := range defs {
		out.Unit, out.Aggregation = cmp.Or(d.Unit, out.Unit), cmp.Or(d.Aggregation, out.Aggregation)
		out.Display = cmp.Or(d.Display, out.Display)
		if d.Price != nil {
			out.Price, out.Per = d.Price, d.Per
		}
		if d.Dimensions != nil {
			out.Dimensions = d.Dimensions
		}
	}
	if builtin := (&tenant{}).unit(name); builtin != "" {
		out.Unit, out.Aggregation, out.HasEvents = builtin, "sum", true
	}
	return out
}

// ListMeters lists the meters of a tenant.
func (w *World) ListMeters(by Ref, now time.Time, id Ref) ([]*MeterInfo, *Refusal) {
	if bad := w.may(by, now, id, "usage:read"); bad != nil {
		return nil, bad
	}
	t := w.tenants[id]
	if t == nil {
		return nil, refuse(NotFound)
	}
	names := map[string]bool{tokensUsed: true, workerRuns: true}
	for name := range w.meters {
		names[name] = true
	}
	for name := range t.meters {
		names[name] = true
	}
	for name := range t.units {
		names[name] = true
	}
	out := []*MeterInfo{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		out = append(out, w.meter(t, name))
	}
	return out, nil
}

// keep returns the values of kept dimensions that an event has.
func (t *tenant) keep(meter string, dimensions []string, metadata string, at time.Time) map[string]string {
	if len(dimensions) == 0 {
		return nil
	}
	members := map[string]any{}
	_ = json.Unmarshal([]byte(metadata), &members)
	kept := map[string]string{}
	for _, d := range dimensions {
		value := ""
		switch v := members[d].(type) {
		case string:
			value = v
		case float64, bool:
			value = text(v)
		}
		if value != "" && value != "other" {
			month := meter + "/" + d + at.UTC().Format("/2006-01")
			if t.values[month] == nil {
				t.values[month] = map[string]bool{}
			}
			if !t.values[month][value] && len(t.values[month]) >= TellApart {
				value = "other"
			} else {
				t.values[month][value] = true
			}
		}
		kept[d] = value
	}
	return kept
}

// Series asks for a meter over time.
type Series struct {
	Tenant                         Ref
	Meter, Bucket, Zone, GroupedBy string
	Start, End                     time.Time
	Groups                         int
}

// SeriesView is a meter over time: what it came to at each point, and by group.
type SeriesView struct {
	Points []PointView           `json:"points"`
	Groups map[string][]MeterSum `json:"groups"`
}

// PointView is one point.
type PointView struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	MeterSum
}

// MeterSum is what some events come to.
type MeterSum struct {
	Total int64 `json:"total"`
	Count int64 `json:"count"`
}

// Series adds up.
func (w *World) Series(by Ref, now time.Time, p Series) (*SeriesView, *Refusal) {
	if bad := w.may(by, now, p.Tenant, "usage:read"); bad != nil {
		return nil, bad
	}
	if p.End.Before(p.Start) {
		return nil, refuse(ValidationFailed)
	}
	t := w.tenants[p.Tenant]
	if t == nil {
		return nil, refuse(NotFound)
	}
	_, own := t.meters[p.Meter]
	_, platform := w.meters[p.Meter]
	if !own && !platform && t.unit(p.Meter) == "" {
		return nil, refuse(NotFound)
	}
	meter := w.meter(t, p.Meter)
	if !slices.Contains(append([]string{"", "worker", "key"}, meter.Dimensions...), p.GroupedBy) {
		return nil, refuse(ValidationFailed)
	}
	zone, anchor := t.zone(), t.Anchor
	if p.Zone != "" {
		zone, _ = quota.LoadZone(p.Zone)
		anchor = 1
	}
	out := &SeriesView{Groups: map[string][]MeterSum{}}
	for from := p.Start; from.Before(p.End); {
		if len(out.Points) == 1000 {
			return nil, refuse(ValidationFailed)
		}
		end := quota.DayOf(from, zone).End
		if p.Bucket == "month" {
			end = quota.MonthOf(from, zone, anchor).End
		}
		if end.After(p.End) {
			end = p.End
		}
		out.Points = append(out.Points, PointView{Start: from, End: end})
		from = end
	}
	add := func(s *MeterSum, e event) {
		s.Count++
		if meter.Aggregation == "max" {
			s.Total = max(s.Total, e.Amount)
		} else {
			s.Total += e.Amount
		}
	}
	for _, e := range t.events {
		at := slices.IndexFunc(out.Points, func(v PointView) bool { return quota.Period{Start: v.Start, End: v.End}.Contains(e.Time) })
		if e.Meter != p.Meter || at < 0 {
			continue
		}
		add(&out.Points[at].MeterSum, e)
		group, in := e.group(p.GroupedBy)
		if p.GroupedBy == "" || !in && meter.Aggregation == "max" {
			continue
		}
		if out.Groups[group] == nil {
			out.Groups[group] = make([]MeterSum, len(out.Points))
		}
		add(&out.Groups[group][at], e)
	}
	return out, nil
}

// group returns the group that an event is in, and whether it is in one.
func (e *event) group(by string) (string, bool) {
	switch by {
	case "worker":
		return e.Worker, e.Worker != ""
	case "key":
		if e.Key == 0 {
			return "", false
		}
		return "key " + text(e.Key), true
	default:
		value, in := e.Kept[by]
		return value, in
	}
}
