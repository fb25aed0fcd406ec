package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
)

// sumTakenBack: what was taken back of events is added up by their time and id, page by page, and of one instant.
func sumTakenBack(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	s.put(func(b *rentroll.Batch) {
		for i, of := range []string{"a", "b", "a", "b", "a", "c", ""} {
			e := bareEvent(s, tenant, "pages", int64(-1)<<i, after(i/3))
			e.Corrects = rentroll.NullString(of)
			b.Usage = append(b.Usage, e)
		}
		for _, id := range []string{"a", "c", "b"} {
			m := &rentroll.UsageMark{TenantID: tenant, EventID: id, UsageID: newID[rentroll.UsageID](s), RecordedAt: after(5), Time: after(0), Corrected: 5}
			b.Marks.Put(rentroll.MarkRef{TenantID: tenant, EventID: id}, m)
		}
	})
	all := []rentroll.CorrectionSum{
		{Time: after(0), EventID: "a", Total: 5},
		{Time: after(0), EventID: "b", Total: 2},
		{Time: after(1), EventID: "a", Total: 16},
		{Time: after(1), EventID: "b", Total: 8},
		{Time: after(1), EventID: "c", Total: 32},
	}
	for i := range all {
		f := rentroll.CorrectionFilter{TenantID: tenant, From: all[i].Time, To: after(2), After: all[i].EventID, Limit: 2}
		got := recount(s, func(ctx context.Context, r rentroll.Reader) ([]rentroll.CorrectionSum, error) {
			return r.SumCorrections(ctx, f)
		})
		same(s, "a page of corrections", got, slices.Concat(all[i+1:])[:min(2, len(all)-i-1)])
	}
	got := recount(s, func(ctx context.Context, r rentroll.Reader) ([]rentroll.CorrectionSum, error) {
		return r.SumTaken(ctx, tenant, after(1), "a", "b")
	})
	same(s, "the corrections of an instant", got, all[3:4])
	ids := recount(s, func(ctx context.Context, r rentroll.Reader) (ids []string, err error) {
		marks, err := r.ListMarks(ctx, tenant, "a", 5)
		for _, m := range marks {
			ids = append(ids, fmt.Sprint(m.EventID, m.Corrected))
		}
		return ids, err
	})
	same(s, "the event ids", ids, []string{"b5", "c5"})
}

// listUnmarked: events are found whose ids are not remembered, or as another event's, page by page.
func listUnmarked(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	var want []rentroll.Unmarked
	s.put(func(b *rentroll.Batch) {
		for i, id := range []string{"lost", "", "known", "taken", "old", "lost too", "late"} {
			e := bareEvent(s, tenant, "pages", 1, after(i/2))
			e.EventID, e.RecordedAt = rentroll.NullString(id), after(9)
			mark := &rentroll.UsageMark{TenantID: tenant, EventID: id, UsageID: e.ID, RecordedAt: e.RecordedAt, Time: e.Time}
			found := rentroll.Unmarked{EventID: id, ID: e.ID, Time: e.Time, RecordedAt: e.RecordedAt}
			switch id {
			case "taken":
				mark.UsageID = newID[rentroll.UsageID](s)
				found.Marked = mark.UsageID
				want = append(want, found)
			case "lost", "lost too":
				mark = nil
				want = append(want, found)
			case "old":
				e.RecordedAt, mark = after(7), nil
			case "late", "":
				mark = nil
			}
			b.Usage = append(b.Usage, e)
			if mark != nil {
				b.Marks.Put(rentroll.MarkRef{TenantID: tenant, EventID: id}, mark)
			}
		}
	})
	f := rentroll.UnmarkedFilter{TenantID: tenant, From: after(0), To: after(3), Since: after(8), Limit: 2}
	for from := range len(want) + 1 {
		got := recount(s, func(ctx context.Context, r rentroll.Reader) ([]rentroll.Unmarked, error) {
			return r.ListUnmarked(ctx, f)
		})
		same(s, "a page of events whose ids are not remembered", got, slices.Concat(want[from:])[:min(2, len(want)-from)])
		if from < len(want) {
			f.From, f.After = want[from].Time, want[from].ID
		}
	}
}

// sumHeavy: large amounts are added up by meter; of tokens it is told what runs may have used.
func sumHeavy(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	add := func(meter string, amount int64, at, recorded int, change func(e *rentroll.UsageEvent)) {
		e := bareEvent(s, tenant, meter, amount, after(at))
		e.RecordedAt = after(recorded)
		if change != nil {
			change(e)
		}
		s.put(func(b *rentroll.Batch) { b.Usage = append(b.Usage, e) })
	}
	ofRun := func(e *rentroll.UsageEvent) { e.RunID = newID[rentroll.RunID](s) }
	add("pages", 100, 5, 10, nil)
	add("pages", 300, 6, 12, ofRun)
	add("pages", 99, 6, 12, nil)    // too small
	add("pages", 1000, 6, 9, nil)   // recorded before
	add("pages", 2000, 20, 20, nil) // happened behind
	add("pages", 4000, 4, 12, nil)  // and before
	add("calls", -500, 6, 12, nil)
	add(rentroll.MeterTokensUsed, 100, 12, 12, ofRun)
	add(rentroll.MeterTokensUsed, 200, 12, 12, nil)
	add(rentroll.MeterTokensUsed, 400, 11, 12, ofRun)
	add(rentroll.MeterTokensUsed, 800, 12, 12, func(e *rentroll.UsageEvent) {
		ofRun(e)
		e.EventID = "theirs"
	})
	got := recount(s, func(ctx context.Context, r rentroll.Reader) ([]rentroll.HeavySum, error) {
		return r.SumHeavy(ctx, rentroll.HeavyFilter{TenantID: tenant, From: after(5), To: after(20), Since: after(10), AtLeast: 100})
	})
	slices.SortFunc(got, func(a, b rentroll.HeavySum) int { return strings.Compare(a.Meter, b.Meter) })
	same(s, "the large amounts", got, []rentroll.HeavySum{
		{Meter: "pages", Total: 400}, {Meter: rentroll.MeterTokensUsed, Total: 1500, OfRuns: 100},
	})
}

// rolledValues: the meters and values of the rollups of some hours are listed, but for those that were brought to nothing.
func rolledValues(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	hour := after(0).Truncate(time.Hour)
	s.put(func(b *rentroll.Batch) {
		b.Rollups = map[rentroll.RollupKey]rentroll.RollupSum{}
		for i, r := range []struct {
			dimension, meter, value string
			at                      time.Duration
			events                  int64
		}{
			{".model", "pages", "xl", 0, 2},
			{".model", "pages", "xl", 75 * time.Minute, 1},
			{".model", "pages", "s", 105 * time.Minute, 1},
			{".model", "pages", "none", 30 * time.Minute, 0},
			{".model", "pages", "later", 2 * time.Hour, 1},
			{".model", "pages", "before", -time.Minute, 1},
			{".tier", "pages", "gold", time.Minute, 1},
			{".model", "calls", "", time.Minute, 1},
			{".model", "seats", "xl", time.Minute, 0},
		} {
			k := rentroll.RollupKey{TenantID: tenant, Dimension: r.dimension, Bucket: hour.Add(r.at).Truncate(15 * time.Minute), Meter: r.meter, Value: r.value}
			b.Rollups[k] = rentroll.RollupSum{Total: int64(i), Events: r.events}
		}
	})
	f := rentroll.RollupFilter{TenantID: tenant, Dimension: ".model", From: hour, To: hour.Add(2 * time.Hour)}
	meters := recount(s, func(ctx context.Context, r rentroll.Reader) ([]string, error) { return r.RolledMeters(ctx, f) })
	slices.Sort(meters)
	same(s, "the meters", meters, []string{"calls", "pages"})
	for meter, want := range map[string][]string{"pages": {"s", "xl"}, "calls": {""}, "seats": nil} {
		got := recount(s, func(ctx context.Context, r rentroll.Reader) ([]string, error) { return r.RolledValues(ctx, f, meter) })
		slices.Sort(got)
		same(s, "the values of "+meter, got, want)
	}
}
