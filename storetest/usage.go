package storetest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/rentroll/rentroll"
)

func meterRows(b *rentroll.Batch) *rentroll.Rowset[rentroll.MeterRef, rentroll.Meter] {
	return &b.Meters
}

func meterRef(m *rentroll.Meter) rentroll.MeterRef {
	return rentroll.MeterRef{TenantID: m.TenantID, Name: m.Name}
}

func fullMeter(s *scene) *rentroll.Meter {
	return &rentroll.Meter{
		TenantID: newID[rentroll.TenantID](s), Name: "storage.gb_hours", Unit: "GB·h", Aggregation: rentroll.AggregateMax, Fixed: true,
		DisplayName: "Storage é", PriceMicros: new(int64(1 << 40)), PricePer: 1000, Dimensions: []string{"model", "region"},
		Use: rentroll.MeterUse{
			Counted: true, DayMark: 80, MonthMark: 0x164,
			Day:   rentroll.Tally{Used: 1, Ahead: 2, Start: after(3), End: after(4)},
			Month: rentroll.Tally{Used: 5, Ahead: 6, Start: after(7), End: after(8)},
		},
		Heavy: 2e18, HeavyMonth: after(9),
	}
}

// bareMeter is one of which nothing is set.
func bareMeter(s *scene) *rentroll.Meter {
	return &rentroll.Meter{TenantID: newID[rentroll.TenantID](s), Name: "emails"}
}

var prices = noun[rentroll.PriceRef, rentroll.MeterPrice]{
	rows: func(b *rentroll.Batch) *rentroll.Rowset[rentroll.PriceRef, rentroll.MeterPrice] { return &b.Prices },
	key: func(p *rentroll.MeterPrice) rentroll.PriceRef {
		return rentroll.PriceRef{TenantID: p.TenantID, Meter: p.Meter, From: p.From}
	},
	full: func(s *scene) *rentroll.MeterPrice {
		return &rentroll.MeterPrice{TenantID: newID[rentroll.TenantID](s), Meter: "emails", From: after(3), PriceMicros: new(int64(7)), PricePer: 9}
	},
	bare: func(s *scene) *rentroll.MeterPrice {
		return &rentroll.MeterPrice{TenantID: newID[rentroll.TenantID](s), Meter: "emails", From: after(3)}
	},
	edit: func(p *rentroll.MeterPrice) { p.PricePer = 10 },
}

var keptValues = noun[rentroll.ValueRef, rentroll.KeptValue]{
	rows: func(b *rentroll.Batch) *rentroll.Rowset[rentroll.ValueRef, rentroll.KeptValue] { return &b.Values },
	key:  func(v *rentroll.KeptValue) rentroll.ValueRef { return v.ValueRef },
	full: func(s *scene) *rentroll.KeptValue {
		return &rentroll.KeptValue{Known: 10_000, ValueRef: rentroll.ValueRef{
			TenantID: newID[rentroll.TenantID](s), Meter: "emails", Dimension: "model", Month: after(0), Value: "Über",
		}}
	},
	bare: func(s *scene) *rentroll.KeptValue {
		return &rentroll.KeptValue{ValueRef: rentroll.ValueRef{TenantID: newID[rentroll.TenantID](s), Meter: "emails", Dimension: "model", Month: after(0)}}
	},
	edit: func(v *rentroll.KeptValue) { v.Known = 10_001 },
}

var meters = noun[rentroll.MeterRef, rentroll.Meter]{
	rows: meterRows, key: meterRef,
	full: fullMeter, bare: bareMeter,
	edit: func(m *rentroll.Meter) { m.Unit = "other" },
}

func usageTests() []test {
	tests := []test{
		{"Sum", sumUsage},
		{"SumOfARange", sumUsageRange},
		{"SumOfNothing", sumNoUsage},
		{"ManyAtOneTime", sumUsageAtOneTime},
		{"Corrections", sumCorrections},
		{"InsertWhatIsThere", usageConflict},
		{"Load", loadUsage},
		{"List", listUsage},
		{"ListMeters", listMeters},
	}
	for _, t := range meters.tests() {
		tests = append(tests, test{"Meter" + t.name, t.run})
	}
	for _, t := range prices.tests() {
		tests = append(tests, test{"Price" + t.name, t.run})
	}
	for _, t := range keptValues.tests() {
		tests = append(tests, test{"Value" + t.name, t.run})
	}
	return tests
}

// listUsage walks over events, several of them at one time, in pages of every size.
func listUsage(s *scene) {
	tenant, other := newID[rentroll.TenantID](s), newID[rentroll.TenantID](s)
	var want []*rentroll.UsageEvent
	for i := range 12 {
		e := bareEvent(s, tenant, "emails", int64(i), after(i/4))
		if i%3 == 0 {
			e = eventOf(s, tenant, "emails", int64(i), after(i/4))
		}
		want = append(want, e)
	}
	s.putUsage(slices.Concat(want, []*rentroll.UsageEvent{bareEvent(s, other, "emails", 1, after(1))})...)
	slices.SortFunc(want, func(a, b *rentroll.UsageEvent) int {
		return cmp.Or(a.Time.Compare(b.Time), bytes.Compare(a.ID[:], b.ID[:]))
	})
	list := func(from, to int, beyond rentroll.UsageID, limit int) (page []*rentroll.UsageEvent) {
		s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
			page, err = r.ListUsage(ctx, rentroll.UsageFilter{TenantID: tenant, From: after(from), To: after(to), After: beyond, Limit: limit})
			return err
		})
		return page
	}
	for limit := 1; limit <= 13; limit++ {
		var got []*rentroll.UsageEvent
		from, last := 0, rentroll.UsageID{}
		for {
			page := list(from, 3, last, limit)
			got = append(got, page...)
			if len(page) < limit {
				break
			}
			from, last = int(page[limit-1].Time.Sub(after(0)).Microseconds()), page[limit-1].ID
		}
		same(s, "the events", got, want)
	}
	same(s, "a part", list(1, 2, rentroll.UsageID{}, 100), want[4:8])
	same(s, "an empty part", list(2, 2, rentroll.UsageID{}, 100), nil)
}

// eventOf is an event with everything that may be there.
func eventOf(s *scene, tenant rentroll.TenantID, meter string, amount int64, at time.Time) *rentroll.UsageEvent {
	return &rentroll.UsageEvent{
		ID: newID[rentroll.UsageID](s), TenantID: tenant, Meter: meter, Amount: amount, Unit: "count", Time: at, RecordedAt: after(9),
		WorkerID: "writer", APIKeyID: newID[rentroll.KeyID](s), RunID: newID[rentroll.RunID](s), EventID: "é-1",
		Metadata: json.RawMessage(`{"a": [1, "ü"]}`), Corrects: "é-0", Dimensions: map[string]string{"model": "ü"},
	}
}

// bareEvent is an event with nothing that may be absent.
func bareEvent(s *scene, tenant rentroll.TenantID, meter string, amount int64, at time.Time) *rentroll.UsageEvent {
	return &rentroll.UsageEvent{
		ID: newID[rentroll.UsageID](s), TenantID: tenant, Meter: meter, Amount: amount, Time: at, RecordedAt: after(9),
	}
}

func (s *scene) putUsage(events ...*rentroll.UsageEvent) {
	s.Helper()
	s.put(func(b *rentroll.Batch) { b.Usage = events })
}

// sums makes a map of the sums per meter: they come in no particular order.
func (s *scene) sums(rows []rentroll.MeterSum) map[string]rentroll.RollupSum {
	s.Helper()
	out := make(map[string]rentroll.RollupSum)
	for _, row := range rows {
		if _, twice := out[row.Meter]; twice {
			s.Errorf("the meter %q is summed twice", row.Meter)
		}
		out[row.Meter] = row.RollupSum
	}
	return out
}

func (s *scene) sumUsage(tenant rentroll.TenantID, from, to time.Time) (out map[string]rentroll.RollupSum) {
	s.Helper()
	s.view(func(ctx context.Context, r rentroll.Reader) error {
		rows, err := r.SumUsage(ctx, tenant, from, to)
		out = s.sums(rows)
		return err
	})
	return out
}

func sumUsage(s *scene) {
	tenant, other := newID[rentroll.TenantID](s), newID[rentroll.TenantID](s)
	complete(s, *eventOf(s, tenant, "a", 1, instant))
	s.putUsage(
		eventOf(s, tenant, "a", 1, instant), bareEvent(s, tenant, "a", 2, after(1)), eventOf(s, tenant, "b", 0, after(2)),
		eventOf(s, tenant, "A", 7, instant), eventOf(s, other, "a", 50, instant),
	)
	s.putUsage(eventOf(s, tenant, "a", 30, after(-1)))
	same(s, "the sums", s.sumUsage(tenant, after(-10), after(10)), map[string]rentroll.RollupSum{
		"a": {Total: 33, Events: 3}, "b": {Total: 0, Events: 1}, "A": {Total: 7, Events: 1},
	})
	same(s, "the other tenant's", s.sumUsage(other, after(-10), after(10)), map[string]rentroll.RollupSum{"a": {Total: 50, Events: 1}})
}

func sumUsageRange(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	for i := range 5 {
		s.putUsage(eventOf(s, tenant, "a", 1<<i, after(i)))
	}
	for _, c := range []struct{ from, to, total, events int }{
		{0, 5, 31, 5}, {1, 3, 6, 2}, {1, 2, 2, 1}, {4, 5, 16, 1}, {0, 1, 1, 1}, // the beginning belongs to a range, the end does not
	} {
		want := map[string]rentroll.RollupSum{"a": {Total: int64(c.total), Events: int64(c.events)}}
		same(s, "the sums", s.sumUsage(tenant, after(c.from), after(c.to)), want)
	}
}

func sumNoUsage(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	s.putUsage(eventOf(s, tenant, "a", 1, instant))
	for _, c := range [][2]int{{-1, 0}, {1, 2}, {0, 0}, {1, -1}} {
		same(s, "the sums", s.sumUsage(tenant, after(c[0]), after(c[1])), nil)
	}
	same(s, "another tenant's", s.sumUsage(newID[rentroll.TenantID](s), after(-1), after(1)), nil)
}

func sumUsageAtOneTime(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	var events []*rentroll.UsageEvent
	for range 50 {
		events = append(events, bareEvent(s, tenant, "a", 2, instant))
	}
	s.putUsage(events...)
	want := map[string]rentroll.RollupSum{"a": {Total: 100, Events: 50}}
	same(s, "the sums", s.sumUsage(tenant, instant, after(1)), want)
}

func sumCorrections(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	s.putUsage(eventOf(s, tenant, "a", 5, instant), eventOf(s, tenant, "a", -7, instant))
	want := map[string]rentroll.RollupSum{"a": {Total: -2, Events: 2}}
	same(s, "the sums", s.sumUsage(tenant, instant, after(1)), want)
}

func usageConflict(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	e := eventOf(s, tenant, "a", 5, instant)
	s.putUsage(e)
	s.refuse(func(b *rentroll.Batch) { b.Usage = []*rentroll.UsageEvent{eventOf(s, tenant, "a", 5, instant), e} })
	want := map[string]rentroll.RollupSum{"a": {Total: 5, Events: 1}}
	same(s, "the sums", s.sumUsage(tenant, instant, after(1)), want)
}

// loadUsage: an event is found by its tenant, time and id, and comes back as it was.
func loadUsage(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	full, bare := eventOf(s, tenant, "a", -5, after(1)), bareEvent(s, tenant, "b", 0, after(1))
	s.putUsage(full, bare, eventOf(s, tenant, "a", 1, after(2)))
	ref := func(e *rentroll.UsageEvent) rentroll.UsageRef {
		return rentroll.UsageRef{TenantID: e.TenantID, Time: e.Time, ID: e.ID}
	}
	elsewhere := ref(full)
	elsewhere.TenantID = newID[rentroll.TenantID](s)
	b := s.load(func(b *rentroll.Batch) {
		b.Events.Want(ref(full))
		b.Events.Want(ref(bare))
		b.Events.Want(elsewhere)
	})
	same(s, "the event", b.Events.Get(ref(full)), full)
	same(s, "the bare event", b.Events.Get(ref(bare)), bare)
	if b.Events.Get(elsewhere) != nil {
		s.Error("another tenant finds the event")
	}
}

func listMeters(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	names := []string{"b", "a", "a.b", "a_b", "ab", "tokens_used", "a1", "a10", "a2"}
	for _, name := range names {
		meters.put(s, &rentroll.Meter{TenantID: tenant, Name: name, Unit: "of " + name})
	}
	meters.put(s, fullMeter(s)) // another tenant's
	slices.Sort(names)
	s.view(func(ctx context.Context, r rentroll.Reader) error {
		rows, err := r.ListMeters(ctx, tenant)
		var got []string
		for _, m := range rows {
			same(s, "a listed meter", m, &rentroll.Meter{TenantID: tenant, Name: m.Name, Unit: "of " + m.Name})
			got = append(got, m.Name)
		}
		same(s, "the list", got, names)
		return err
	})
}
