package storetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rentroll/rentroll"
)

func pruneTests() []test {
	return []test{
		{"Usage", pruneUsage},
		{"Runs", pruneRuns},
		{"Payloads", prunePayloads},
		{"Marks", pruneMarks},
		{"Idempotency", pruneOnce},
		{"Denials", pruneDenials},
		{"WhatIsGone", pruneGone},
		{"LaterTimesStay", prunedTimes},
	}
}

// listOld reads what is old, in pages of so many rows.
func (s *scene) listOld(f rentroll.OldFilter) (out []rentroll.OldRow) {
	s.Helper()
	for range 1000 {
		page := recount(s, func(ctx context.Context, r rentroll.Reader) (rentroll.OldRows, error) { return r.ListOld(ctx, f) })
		if page.Looked > f.Limit || len(page.Rows) > page.Looked {
			s.Fatalf("a page of %d rows looked at %d and has %d", f.Limit, page.Looked, len(page.Rows))
		}
		out = append(out, page.Rows...)
		if page.Looked < f.Limit {
			return out
		}
		if f.After = page.Next; f.Kind != rentroll.PruneRuns && f.Kind != rentroll.PruneMarks && f.Kind != rentroll.PruneOnce {
			s.prune(rentroll.PrunedMark{TenantID: f.TenantID, Kind: f.Kind}, page.Rows) // their lists begin with the first row there is
		}
	}
	s.Fatal("the list has no end")
	return nil
}

func (s *scene) prune(mark rentroll.PrunedMark, rows []rentroll.OldRow) {
	s.Helper()
	s.must(s.store.Prune(s.Context(), mark, rows))
}

func pruneUsage(s *scene) {
	tenant, other := newID[rentroll.TenantID](s), newID[rentroll.TenantID](s)
	for i := range 7 {
		s.putUsage(bareEvent(s, tenant, "a", 1<<i, after(i)), bareEvent(s, other, "a", 1, after(i)))
	}
	old := s.listOld(rentroll.OldFilter{TenantID: tenant, Kind: rentroll.PruneUsage, Before: after(5), Limit: 2})
	same(s, "how many are old", len(old), 5)
	s.prune(rentroll.PrunedMark{TenantID: tenant, Kind: rentroll.PruneUsage, Until: after(5)}, old)
	same(s, "what is left", s.sumUsage(tenant, after(0), after(99)), map[string]rentroll.RollupSum{"a": {Total: 1<<5 + 1<<6, Events: 2}})
	same(s, "what another has", s.sumUsage(other, after(0), after(99)), map[string]rentroll.RollupSum{"a": {Total: 7, Events: 7}})
	marks := recount(s, func(ctx context.Context, r rentroll.Reader) ([]rentroll.PrunedMark, error) {
		return r.ListPruned(ctx, tenant)
	})
	same(s, "what is noted", marks, []rentroll.PrunedMark{{TenantID: tenant, Kind: rentroll.PruneUsage, Until: after(5)}})
}

// pruneRuns: old are runs that ended before a time. Those that go on are looked at and left out.
func pruneRuns(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	var want []rentroll.OldRow
	for i, status := range runStates {
		for _, ended := range []time.Time{after(1), after(9)} {
			run := runOf(s, tenant)
			run.Status, run.Payloads = status, rentroll.PayloadKind(i)
			if !status.Open() {
				run.CompletedAt = &ended
			}
			s.put(func(b *rentroll.Batch) { b.Runs.Put(runRef(run), run) })
			if !status.Open() && ended.Before(after(9)) {
				want = append(want, rentroll.OldRow{ID: run.ID, Payloads: run.Payloads})
			}
		}
	}
	// Ids tell when runs were made, those of these tests later than their ends.
	all := s.listOld(rentroll.OldFilter{TenantID: tenant, Kind: rentroll.PruneRuns, Before: instant.Add(time.Second), Limit: 3})
	same(s, "those that ended", len(all), 2*len(want))
	for _, row := range want {
		if !slices.Contains(all, row) {
			s.Errorf("%+v is not among the old ones", row)
		}
	}
	early := recount(s, func(ctx context.Context, r rentroll.Reader) (rentroll.OldRows, error) {
		return r.ListOld(ctx, rentroll.OldFilter{TenantID: tenant, Kind: rentroll.PruneRuns, Before: instant.Add(-time.Hour), Limit: 100})
	})
	same(s, "runs made before any was", early, rentroll.OldRows{})
}

func prunePayloads(s *scene) {
	run := runOf(s, newID[rentroll.TenantID](s))
	run.Payloads = rentroll.PayloadInput | rentroll.PayloadOutput
	s.put(func(b *rentroll.Batch) {
		b.Runs.Put(runRef(run), run)
		for _, kind := range []rentroll.PayloadKind{rentroll.PayloadInput, rentroll.PayloadOutput} {
			b.Payloads = append(b.Payloads, &rentroll.Payload{TenantID: run.TenantID, RunID: run.ID, Kind: kind, Body: []byte("{}")})
		}
	})
	s.put(func(b *rentroll.Batch) {
		b.Gone = []rentroll.PayloadRef{{RunRef: runRef(run), Kind: rentroll.PayloadInput}}
	})
	left := recount(s, func(ctx context.Context, r rentroll.Reader) ([]*rentroll.Payload, error) {
		return r.LoadPayloads(ctx, runRef(run))
	})
	if len(left) != 1 || left[0].Kind != rentroll.PayloadOutput {
		s.Errorf("%d payloads are left: %+v", len(left), left)
	}
}

// another is what was listed if it were not what is there: it was pruned meanwhile, and its keys are used anew.
func another(rows []rentroll.OldRow) []rentroll.OldRow {
	rows = slices.Clone(rows)
	for i := range rows {
		rows[i].At = rows[i].At.Add(-time.Microsecond)
	}
	return rows
}

func pruneMarks(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	for i := range 9 {
		m := fullMark(s)
		m.TenantID, m.EventID, m.RecordedAt = tenant, fmt.Sprintf("e-%d", i), after(i%3)
		s.put(func(b *rentroll.Batch) { b.Marks.Put(markRef(m), m) })
	}
	old := s.listOld(rentroll.OldFilter{TenantID: tenant, Kind: rentroll.PruneMarks, Before: after(1), Limit: 2})
	same(s, "the old marks", old, []rentroll.OldRow{{Text: "e-0", At: after(0)}, {Text: "e-3", At: after(0)}, {Text: "e-6", At: after(0)}})
	s.prune(rentroll.PrunedMark{TenantID: tenant, Kind: rentroll.PruneMarks}, another(old))
	if get(s, markRows, rentroll.MarkRef{TenantID: tenant, EventID: "e-3"}) == nil {
		s.Error("a mark was deleted that was made anew since it was listed")
	}
	s.prune(rentroll.PrunedMark{TenantID: tenant, Kind: rentroll.PruneMarks}, old)
	if get(s, markRows, rentroll.MarkRef{TenantID: tenant, EventID: "e-3"}) != nil || get(s, markRows, rentroll.MarkRef{TenantID: tenant, EventID: "e-4"}) == nil {
		s.Error("another mark was deleted than the old ones")
	}
}

func pruneOnce(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	var refs []rentroll.OnceRef
	for i, operation := range []string{"a", "b", "a", "c"} {
		ref := rentroll.OnceRef{TenantID: tenant, Operation: operation, Key: fmt.Sprint(i)}
		refs = append(refs, ref)
		s.put(func(b *rentroll.Batch) { b.Once.Put(ref, &rentroll.OnceRecord{OnceRef: ref, CreatedAt: after(i % 2)}) })
	}
	old := s.listOld(rentroll.OldFilter{TenantID: tenant, Kind: rentroll.PruneOnce, Before: after(1), Limit: 1})
	same(s, "the old records", old, []rentroll.OldRow{{Text: "a", More: "0", At: after(0)}, {Text: "a", More: "2", At: after(0)}})
	s.prune(rentroll.PrunedMark{TenantID: tenant, Kind: rentroll.PruneOnce}, another(old))
	if get(s, onceRows, refs[2]) == nil {
		s.Error("a record was deleted that was made anew since it was listed")
	}
	s.prune(rentroll.PrunedMark{TenantID: tenant, Kind: rentroll.PruneOnce}, old)
	for i, ref := range refs {
		if gone := get(s, onceRows, ref) == nil; gone != (i == 0 || i == 2) {
			s.Errorf("record %d is gone: %t", i, gone)
		}
	}
}

func pruneDenials(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	var ids []rentroll.EventID
	stats := &rentroll.Statistics{Counts: map[rentroll.DenialCount]int64{}}
	for i := range 4 {
		ids = append(ids, newID[rentroll.EventID](s))
		stats.Denials = append(stats.Denials, &rentroll.Denial{TenantID: tenant, ID: ids[i], At: after(i), Code: rentroll.CodeQuotaExceeded, Reason: "full"})
		stats.Counts[rentroll.DenialCount{TenantID: tenant, Minute: instant.Truncate(time.Minute).Add(time.Duration(i) * time.Minute), Code: "c"}] = 1
	}
	s.must(s.store.WriteStatistics(s.Context(), stats))
	at := instant.Truncate(time.Minute).Add(2 * time.Minute)
	counts := s.listOld(rentroll.OldFilter{TenantID: tenant, Kind: rentroll.PruneDenialCounts, Before: at, Limit: 10})
	same(s, "the old counts", len(counts), 2)
	s.prune(rentroll.PrunedMark{TenantID: tenant, Kind: rentroll.PruneDenialCounts}, counts)
	same(s, "the old counts afterwards", len(s.listOld(rentroll.OldFilter{TenantID: tenant, Kind: rentroll.PruneDenialCounts, Before: at, Limit: 10})), 0)
	old := s.listOld(rentroll.OldFilter{TenantID: tenant, Kind: rentroll.PruneDenials, Before: instant.Add(3 * time.Millisecond), Limit: 10})
	s.prune(rentroll.PrunedMark{TenantID: tenant, Kind: rentroll.PruneDenials}, old)
	left := recount(s, func(ctx context.Context, r rentroll.Reader) ([]*rentroll.Denial, error) {
		return r.ListDenials(ctx, rentroll.DenialFilter{TenantID: tenant, Limit: 10})
	})
	if len(old)+len(left) != 4 || len(old) == 0 || slices.ContainsFunc(left, func(d *rentroll.Denial) bool { return d.ID == ids[0] }) {
		s.Errorf("%d denials were old, and %d are left", len(old), len(left))
	}
}

// pruneGone: what is deleted twice is gone, and no error.
func pruneGone(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	s.putUsage(bareEvent(s, tenant, "a", 1, after(0)))
	old := s.listOld(rentroll.OldFilter{TenantID: tenant, Kind: rentroll.PruneUsage, Before: after(5), Limit: 5})
	for range 2 {
		s.prune(rentroll.PrunedMark{TenantID: tenant, Kind: rentroll.PruneUsage, Until: after(5)}, old)
	}
	same(s, "what is left", s.sumUsage(tenant, after(0), after(9)), nil)
}

func prunedTimes(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	for _, micros := range []int{5, 9, 7} {
		s.prune(rentroll.PrunedMark{TenantID: tenant, Kind: rentroll.PruneUsage, Until: after(micros)}, nil)
		s.put(func(b *rentroll.Batch) {
			b.Pruned = []*rentroll.PrunedMark{{TenantID: tenant, Kind: rentroll.PruneRuns, Until: after(micros + 1)}}
		})
	}
	got := recount(s, func(ctx context.Context, r rentroll.Reader) ([]rentroll.PrunedMark, error) {
		return r.ListPruned(ctx, tenant)
	})
	slices.SortFunc(got, func(a, b rentroll.PrunedMark) int { return a.Until.Compare(b.Until) })
	same(s, "what is noted", got, []rentroll.PrunedMark{
		{TenantID: tenant, Kind: rentroll.PruneUsage, Until: after(9)}, {TenantID: tenant, Kind: rentroll.PruneRuns, Until: after(10)},
	})
}
