package model

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// past is a month that has ended, or began before a change of zone.
type past struct {
	quota.Period

	zone string
}

const grace = 72 * time.Hour

// owner returns the period that an event is of, and the one on whose statement it stands.
func (t *tenant) owner(at, now time.Time) (of, on time.Time) {
	month := t.monthAt(now)
	switch {
	case !at.Before(month.End):
		return month.End, month.End
	case !at.Before(month.Start):
		return month.Start, month.Start
	}
	var p *past
	low, high := time.Time{}, month.Start
	for i := range t.past {
		switch q := &t.past[i]; {
		case q.Contains(at):
			p = q
		case q.Start.After(at) && q.Start.Before(high):
			high = q.Start
		case !q.End.After(at) && q.End.After(low):
			low = q.End
		}
	}
	if p == nil {
		of := quota.MonthOf(at, t.zone(), t.Anchor)
		if of.Start.Before(low) {
			of.Start = low
		}
		if of.End.After(high) {
			of.End = high
		}
		p = &past{of, t.Zone}
		t.past = append(t.past, *p)
	}
	if now.Before(p.End.Add(grace)) {
		return p.Start, p.Start
	}
	return p.Start, month.Start
}

// pass writes down the months that have ended.
func (t *tenant) pass(now time.Time) {
	for p := t.month; !now.Before(p.End); {
		t.past = append(t.past, past{p, cmp.Or(t.began, t.Zone)})
		t.began = ""
		p = quota.Period{Start: p.End, End: quota.MonthOf(p.End, t.zone(), t.Anchor).End}
	}
}

// StatementView is the statement of a period.
type StatementView struct {
	Period      string     `json:"period"`
	Start       time.Time  `json:"start"`
	End         time.Time  `json:"end"`
	Final       bool       `json:"final"`
	Lines       []LineView `json:"lines"`
	Adjustments []LineView `json:"adjustments"`
	Cost        int64      `json:"cost"`
	Events      []string   `json:"events"` // that stand on it: of which period, meter and amount, sorted
}

// LineView is a meter of a statement.
type LineView struct {
	Meter    string `json:"meter"`
	Period   string `json:"period"`
	Quantity int64  `json:"quantity"`
	Count    int64  `json:"count"`
	Price    *int64 `json:"price"`
	Amount   int64  `json:"amount"`
}

// Statements returns the statements of all periods of a tenant, newest first.
func (w *World) Statements(now time.Time, id Ref) (out []*StatementView) {
	t := w.tenants[id]
	now = t.clock(now)
	periods := slices.Clone(t.past)
	for p := t.month; ; p = (quota.Period{Start: p.End, End: quota.MonthOf(p.End, t.zone(), t.Anchor).End}) {
		zone := t.Zone
		if p == t.month {
			zone = cmp.Or(t.began, t.Zone)
		}
		periods = append(periods, past{p, zone})
		if now.Before(p.End) {
			break
		}
	}
	slices.SortFunc(periods, func(a, b past) int { return b.Start.Compare(a.Start) })
	for _, p := range periods {
		v := &StatementView{Period: p.name(), Start: p.Start, End: p.End, Final: !now.Before(p.End.Add(grace)), Cost: t.costs[p.Start]}
		v.Events = standing(t, periods, p.Start)
		for _, of := range slices.Backward(periods) {
			for _, line := range w.lines(t, of, p.Start) {
				if of.Start.Equal(p.Start) {
					v.Lines = append(v.Lines, line)
				} else {
					v.Adjustments = append(v.Adjustments, line)
				}
			}
		}
		out = append(out, v)
	}
	return out
}

// standing lists the events that stand on a statement; where any of its periods has lost events, it says so.
func standing(t *tenant, periods []past, on time.Time) (out []string) {
	for _, e := range t.events {
		i := slices.IndexFunc(periods, func(q past) bool { return q.Start.Equal(e.Of) })
		if i < 0 || !e.On.Equal(on) {
			continue
		}
		if periods[i].Start.Before(t.goneUntil) {
			return []string{"gone"}
		}
		out = append(out, fmt.Sprintf("%s %s %d", periods[i].name(), e.Meter, e.Amount))
	}
	slices.Sort(out)
	return out
}

func (p *past) name() string {
	if p.End.Before(p.Start.AddDate(0, 0, 2)) {
		return p.Start.UTC().Format("2006-01-02T15:04:05Z")
	}
	zone, err := quota.LoadZone(p.zone)
	if err != nil {
		panic("model: " + err.Error())
	}
	return p.Start.In(zone).Format(time.DateOnly)
}

// lines add up what of a period stands on a statement.
func (w *World) lines(t *tenant, of past, on time.Time) (out []LineView) {
	sums, before := map[string]LineView{}, map[string]int64{}
	for _, e := range t.events {
		if !e.Of.Equal(of.Start) {
			continue
		}
		maximum := w.meter(t, e.Meter).Aggregation == "max"
		if e.On.Before(on) && maximum {
			before[e.Meter] = max(before[e.Meter], e.Amount)
		}
		if !e.On.Equal(on) {
			continue
		}
		line := sums[e.Meter]
		line.Meter, line.Period, line.Count = e.Meter, of.name(), line.Count+1
		if maximum {
			line.Quantity = max(line.Quantity, e.Amount)
		} else {
			line.Quantity += e.Amount
		}
		sums[e.Meter] = line
	}
	for name, line := range sums {
		line.Quantity -= min(line.Quantity, before[name]) * sign(w.meter(t, name).Aggregation == "max")
		if p := w.price(t, name, of.Period); p != nil {
			line.Price = p.price
			times := line.Quantity * *p.price // histories are small
			line.Amount = (abs(times)*2 + p.per) / (2 * p.per)
			if times < 0 {
				line.Amount = -line.Amount
			}
		}
		out = append(out, line)
	}
	slices.SortFunc(out, func(a, b LineView) int { return cmp.Compare(a.Meter, b.Meter) })
	return out
}

func sign(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

func abs(n int64) int64 { return max(n, -n) }

// price is what a meter cost when a period began, or at first in it.
func (w *World) price(t *tenant, meter string, of quota.Period) *price {
	at := func(now time.Time) *price {
		for _, list := range [][]price{t.prices[meter], w.prices[meter]} {
			var last *price
			for i := range list {
				if !list[i].from.After(now) {
					last = &list[i]
				}
			}
			if last != nil && last.price != nil {
				return last
			}
		}
		return nil
	}
	if p := at(of.Start); p != nil {
		return p
	}
	var first *price
	for _, list := range [][]price{t.prices[meter], w.prices[meter]} {
		for i := range list {
			if p := &list[i]; p.price != nil && of.Contains(p.from) && p.from.After(of.Start) && (first == nil || p.from.Before(first.from)) {
				first = p
			}
		}
	}
	return first
}
