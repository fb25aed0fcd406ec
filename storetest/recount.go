package storetest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
)

func recountTests() []test {
	return []test{
		{"SumHeld", sumHeld},
		{"CountGauges", countGauges},
		{"CountRuns", countRuns},
		{"CountIncrements", countIncrements},
		{"SumKeyTokens", sumKeyTokens},
		{"ListSubjectRuns", listSubjectRuns},
		{"ListSubjectTokens", listSubjectTokens},
		{"ListKeyUses", listKeyUses},
		{"NextEvent", nextEvent},
		{"Rollups", compareBuckets},
		{"SumKept", sumKept},
		{"CountKept", countKept},
		{"SumRecorded", sumRecorded},
		{"SumCosts", sumCosts},
		{"SumCorrections", sumTakenBack},
		{"ListUnmarked", listUnmarked},
		{"SumHeavy", sumHeavy},
		{"RolledValues", rolledValues},
		{"ListPeriods", listPeriods},
		{"ListDirectory", listDirectory},
	}
}

// recount reads one answer.
func recount[T any](s *scene, read func(ctx context.Context, r rentroll.Reader) (T, error)) (out T) {
	s.Helper()
	s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
		out, err = read(ctx, r)
		return err
	})
	return out
}

func sumHeld(s *scene) {
	tenant, family := newID[rentroll.TenantID](s), newID[rentroll.KeyID](s)
	for i, status := range []rentroll.RunStatus{
		rentroll.RunQueued, rentroll.RunRunning, rentroll.RunRunning, rentroll.RunCompleted, rentroll.RunCrashed,
	} {
		run := runOf(s, tenant)
		run.Status, run.ReservedTokens, run.LeaseExpiresAt = status, int64(10<<i), after(100-i)
		if i == 2 {
			run.Family = family
		}
		s.put(func(b *rentroll.Batch) { b.Runs.Put(runRef(run), run) })
	}
	got := recount(s, func(ctx context.Context, r rentroll.Reader) ([]rentroll.HeldSum, error) {
		return r.SumHeld(ctx, tenant)
	})
	slices.SortFunc(got, func(a, b rentroll.HeldSum) int { return a.Family.Compare(b.Family) })
	same(s, "what is held", got, []rentroll.HeldSum{
		{Runs: 2, Reserved: 30, Lease: after(99)}, {Family: family, Runs: 1, Reserved: 40, Lease: after(98)},
	})
	none := recount(s, func(ctx context.Context, r rentroll.Reader) ([]rentroll.HeldSum, error) {
		return r.SumHeld(ctx, newID[rentroll.TenantID](s))
	})
	same(s, "what nobody holds", none, nil)
}

func countGauges(s *scene) {
	tenant := s.tenant()
	gauges := func() rentroll.Gauges {
		s.Helper()
		return recount(s, func(ctx context.Context, r rentroll.Reader) (rentroll.Gauges, error) {
			return r.CountGauges(ctx, tenant)
		})
	}
	same(s, "the gauges of nothing", gauges(), rentroll.Gauges{})
	for i, status := range []rentroll.KeyStatus{rentroll.KeyActive, rentroll.KeyActive, rentroll.KeyActive, rentroll.KeyRevoked} {
		k := keyOf(s, tenant)
		k.Status, k.InOverlap = status, i == 0
		if i > 0 {
			k.ExpiresAt = new(after(10 - i))
		}
		s.put(func(b *rentroll.Batch) { b.Keys.Put(keyRef(k), k) })
	}
	for i, role := range []rentroll.Role{rentroll.RoleOwner, rentroll.RoleAdmin, rentroll.RoleOwner} {
		m := &rentroll.Member{ID: newID[rentroll.MemberID](s), TenantID: tenant, UserID: newID[rentroll.UserID](s), Role: role, CreatedAt: after(i)}
		s.put(func(b *rentroll.Batch) { b.Members.Put(rentroll.MemberRef{TenantID: tenant, UserID: m.UserID}, m) })
	}
	for name, enabled := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		w := &rentroll.Worker{TenantID: tenant, WorkerID: name, Enabled: enabled}
		s.put(func(b *rentroll.Batch) { b.Workers.Put(rentroll.WorkerRef{TenantID: tenant, WorkerID: name}, w) })
	}
	same(s, "the gauges", gauges(), rentroll.Gauges{Workers: 3, Owners: 2, APIKeys: 2, Expiry: after(8)})
}

// countRuns: runs are found by when they were made, to the microsecond, though ids tell no more than the millisecond.
func countRuns(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	for i := range 5 {
		run := runOf(s, tenant)
		run.CreatedAt = rentrollTime(run.ID).Add(time.Duration(i) * time.Microsecond)
		s.put(func(b *rentroll.Batch) { b.Runs.Put(runRef(run), run) })
		for from, want := range map[time.Time]int64{run.CreatedAt: 1, run.CreatedAt.Add(time.Microsecond): 0} {
			got := recount(s, func(ctx context.Context, r rentroll.Reader) (int64, error) {
				return r.CountRuns(ctx, tenant, from, from.Add(time.Millisecond/2))
			})
			same(s, "the runs since then", got, want)
		}
		got := recount(s, func(ctx context.Context, r rentroll.Reader) (int64, error) {
			return r.CountRuns(ctx, tenant, run.CreatedAt.Add(-time.Hour), run.CreatedAt)
		})
		same(s, "the runs before then", got, int64(i))
	}
}

// rentrollTime is the millisecond in an id.
func rentrollTime(id rentroll.RunID) time.Time {
	milli := int64(0)
	for _, b := range id[:6] {
		milli = milli<<8 | int64(b)
	}
	return time.UnixMilli(milli).UTC()
}

func countIncrements(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	s.put(func(b *rentroll.Batch) {
		for i := range 4 {
			e := bareEvent(s, tenant, rentroll.MeterWorkerRuns, 1, after(i))
			if i == 1 {
				e.RunID = newID[rentroll.RunID](s)
			}
			b.Usage = append(b.Usage, e)
		}
	})
	got := recount(s, func(ctx context.Context, r rentroll.Reader) (int64, error) {
		return r.CountIncrements(ctx, tenant, after(0), after(3))
	})
	same(s, "the increments", got, int64(2))
}

func sumKeyTokens(s *scene) {
	tenant, key, other := newID[rentroll.TenantID](s), newID[rentroll.KeyID](s), newID[rentroll.KeyID](s)
	s.put(func(b *rentroll.Batch) {
		for i, k := range []rentroll.KeyID{key, other, key, {}, key, key} {
			e := bareEvent(s, tenant, rentroll.MeterTokensUsed, 1<<i, after(i))
			e.APIKeyID, e.RecordedAt = k, after(10+i)
			if i == 4 {
				e.Meter = "pages"
			}
			b.Usage = append(b.Usage, e)
		}
	})
	got := recount(s, func(ctx context.Context, r rentroll.Reader) ([]rentroll.KeySum, error) {
		return r.SumKeyTokens(ctx, tenant, after(0), after(5), after(11))
	})
	slices.SortFunc(got, func(a, b rentroll.KeySum) int { return cmp.Compare(a.Total, b.Total) })
	same(s, "the tokens of keys", got, []rentroll.KeySum{{KeyID: other, Total: 2}, {KeyID: key, Total: 4}})
}

func listKeyUses(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	var all []*rentroll.KeyUse
	for i := range 5 {
		use := &rentroll.KeyUse{TenantID: tenant, Family: newID[rentroll.KeyID](s)}
		use.Tokens.Used, use.Tokens.Start = int64(i), after(0)
		all = append(all, use)
		s.put(func(b *rentroll.Batch) { b.KeyUses.Put(rentroll.KeyRef{TenantID: tenant, KeyID: use.Family}, use) })
	}
	for after, want := range map[rentroll.KeyID][]*rentroll.KeyUse{{}: all[:3], all[1].Family: all[2:], all[4].Family: nil} {
		got := recount(s, func(ctx context.Context, r rentroll.Reader) ([]*rentroll.KeyUse, error) {
			return r.ListKeyUses(ctx, tenant, after, 3)
		})
		same(s, "the counters", got, want)
	}
}

// nextEvent: what happened at an instant is found from that instant on, and not behind it; another tenant's is not.
func nextEvent(s *scene) {
	tenant, other := newID[rentroll.TenantID](s), newID[rentroll.TenantID](s)
	s.put(func(b *rentroll.Batch) {
		b.Usage = append(b.Usage, bareEvent(s, tenant, "pages", 1, after(70)), bareEvent(s, tenant, "calls", 1, after(20)),
			bareEvent(s, other, "pages", 1, after(50)))
	})
	for from, want := range map[time.Time]time.Time{
		after(0): after(20), after(20): after(20), after(20).Add(time.Microsecond): after(70), after(70): after(70), after(71): {},
	} {
		got := recount(s, func(ctx context.Context, r rentroll.Reader) (time.Time, error) {
			return r.NextEvent(ctx, tenant, from)
		})
		same(s, "the next event", got, want)
	}
}

// compareBuckets: rollups that were added as events came are those that are made anew of the events.
func compareBuckets(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	keys := []rentroll.KeyID{newID[rentroll.KeyID](s), newID[rentroll.KeyID](s)}
	sums, peaks := map[rentroll.RollupKey]rentroll.RollupSum{}, map[rentroll.RollupKey]int64{}
	add := func(e *rentroll.UsageEvent, dimension, value string) {
		k := rentroll.RollupKey{TenantID: tenant, Dimension: dimension, Bucket: e.Time.Truncate(15 * time.Minute), Meter: e.Meter, Value: value}
		sums[k] = rentroll.RollupSum{Total: sums[k].Total + e.Amount, Events: sums[k].Events + 1}
		peaks[k] = max(peaks[k], e.Amount)
	}
	s.put(func(b *rentroll.Batch) {
		for i := range 40 {
			e := bareEvent(s, tenant, []string{"a", "A"}[i%2], int64(i), bucket(i/7).Add(time.Duration(i%3)*7*time.Minute))
			add(e, "", "")
			if i%3 > 0 {
				e.WorkerID = rentroll.NullString([]string{"", "w", "W"}[i%3])
				add(e, "worker", string(e.WorkerID))
			}
			if i%4 > 1 {
				e.APIKeyID = keys[i%2]
				add(e, "api_key", e.APIKeyID.String())
			}
			b.Usage = append(b.Usage, e)
		}
		b.Rollups = sums
	})
	for _, dimension := range []string{"", "worker", "api_key"} {
		f := rentroll.RollupFilter{TenantID: tenant, Dimension: dimension, From: bucket(1), To: bucket(5), Limit: 1000}
		var want, anew []rentroll.Rollup
		for k, sum := range sums {
			if k.Dimension == dimension && !k.Bucket.Before(f.From) && k.Bucket.Before(f.To) {
				want = append(want, rentroll.Rollup{RollupKey: k, RollupSum: sum})
				anew = append(anew, rentroll.Rollup{RollupKey: k, RollupSum: sum, Peak: peaks[k]})
			}
		}
		stored := recount(s, func(ctx context.Context, r rentroll.Reader) ([]rentroll.Rollup, error) { return r.ListRollups(ctx, f) })
		if !slices.IsSortedFunc(stored, func(a, b rentroll.Rollup) int { return a.Bucket.Compare(b.Bucket) }) {
			s.Errorf("the rollups of %q are not in the order of their buckets", dimension)
		}
		made := recount(s, func(ctx context.Context, r rentroll.Reader) ([]rentroll.Rollup, error) { return r.SumBuckets(ctx, f) })
		same(s, "the rollups that are stored", byKey(stored), byKey(want))
		same(s, "the rollups that are made anew", byKey(made), byKey(anew))
		f.Limit = 2
		page := recount(s, func(ctx context.Context, r rentroll.Reader) ([]rentroll.Rollup, error) { return r.ListRollups(ctx, f) })
		same(s, "the rollups on a page", len(page), 2)
	}
	s.put(func(b *rentroll.Batch) {
		theirs := totalOf(tenant, "a", bucket(60))
		theirs.Dimension = "worker"
		b.Peaks = map[rentroll.RollupKey]int64{totalOf(tenant, "a", bucket(61)): 1, theirs: 1}
	})
	for from, want := range map[time.Time]time.Time{
		bucket(-9): bucket(0), bucket(3): bucket(3), bucket(3).Add(1e9): bucket(3), bucket(60): bucket(61), bucket(62): {},
	} {
		got := recount(s, func(ctx context.Context, r rentroll.Reader) (time.Time, error) {
			return r.NextBucket(ctx, tenant, "", from)
		})
		same(s, "the next bucket", got, want)
	}
}

// sumKept: the rollups of kept dimensions are made anew of what events keep, and the dimensions can be listed.
func sumKept(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	s.put(func(b *rentroll.Batch) {
		for i, kept := range []map[string]string{{"model": "xl"}, {"model": "xl", "tier": "a"}, nil, {"model": "Ä\"{"}, {"tier": "a"}} {
			e := bareEvent(s, tenant, "pages", int64(i+1), bucket(1).Add(time.Duration(i)*time.Minute))
			e.Dimensions = kept
			b.Usage = append(b.Usage, e)
		}
		b.Rollups = map[rentroll.RollupKey]rentroll.RollupSum{}
		for _, dimension := range []string{".model", "", "worker", ".tier"} {
			b.Rollups[rentroll.RollupKey{TenantID: tenant, Dimension: dimension, Bucket: bucket(1), Meter: "pages"}] = rentroll.RollupSum{Total: 1, Events: 1}
		}
	})
	got := recount(s, func(ctx context.Context, r rentroll.Reader) ([]rentroll.Rollup, error) {
		return r.SumKept(ctx, tenant, bucket(1), bucket(1).Add(4*time.Minute))
	})
	row := func(dimension, value string, total, events, peak int64) rentroll.Rollup {
		return rentroll.Rollup{
			RollupKey: rentroll.RollupKey{TenantID: tenant, Dimension: dimension, Bucket: bucket(1), Meter: "pages", Value: value},
			RollupSum: rentroll.RollupSum{Total: total, Events: events}, Peak: peak,
		}
	}
	slices.SortFunc(got, func(a, b rentroll.Rollup) int {
		return cmp.Or(cmp.Compare(a.Dimension, b.Dimension), cmp.Compare(a.Total, b.Total))
	})
	same(s, "the kept dimensions", got, []rentroll.Rollup{row(".model", "xl", 3, 2, 2), row(".model", "Ä\"{", 4, 1, 4), row(".tier", "a", 2, 1, 2)})
	for after, want := range map[string]string{"": ".model", ".model": ".tier", ".tier": "worker", "worker": ""} {
		next := recount(s, func(ctx context.Context, r rentroll.Reader) (string, error) {
			return r.NextDimension(ctx, tenant, after)
		})
		same(s, "the dimension behind "+after, next, want)
	}
}

func sumRecorded(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	s.put(func(b *rentroll.Batch) {
		for i := range 8 { // a minute apart, each recorded i minutes late
			e := bareEvent(s, tenant, []string{"a", "b"}[i%2], int64(10-i), after(60*i))
			e.RecordedAt = after(120 * i)
			b.Usage = append(b.Usage, e)
		}
	})
	got := recount(s, func(ctx context.Context, r rentroll.Reader) ([]rentroll.MeterRecord, error) {
		return r.SumRecorded(ctx, rentroll.RecordedFilter{TenantID: tenant, From: after(60), To: after(360), Since: after(240), Until: after(600)})
	})
	slices.SortFunc(got, func(a, b rentroll.MeterRecord) int { return cmp.Compare(a.Meter, b.Meter) })
	same(s, "what was recorded", got, []rentroll.MeterRecord{
		{Meter: "a", RollupSum: rentroll.RollupSum{Total: 14, Events: 2}, Peak: 8, Latest: after(480)},
		{Meter: "b", RollupSum: rentroll.RollupSum{Total: 7, Events: 1}, Peak: 7, Latest: after(360)},
	})
}

// sumCosts: a run counts where it was reported, and once its row is gone it is missing.
func sumCosts(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	for i := range 6 {
		run := runOf(s, tenant)
		if i > 0 {
			run.CostMicros = new(int64(10 * (i - 1)))
		}
		s.put(func(b *rentroll.Batch) {
			e := bareEvent(s, tenant, rentroll.MeterWorkerRuns, 1, after(i))
			e.RunID = run.ID
			b.Usage = append(b.Usage, e)
			if i != 3 {
				b.Runs.Put(runRef(run), run)
			}
			b.Usage = append(b.Usage, bareEvent(s, tenant, rentroll.MeterWorkerRuns, 1, after(i)))
		})
	}
	got := recount(s, func(ctx context.Context, r rentroll.Reader) (rentroll.CostSum, error) {
		return r.SumCosts(ctx, tenant, after(0), after(5))
	})
	same(s, "the costs", got, rentroll.CostSum{Micros: 10 + 30, Runs: 2, Missing: 1})
}

func byKey(rows []rentroll.Rollup) []rentroll.Rollup {
	slices.SortFunc(rows, func(a, b rentroll.Rollup) int {
		return cmp.Or(a.Bucket.Compare(b.Bucket), strings.Compare(a.Meter, b.Meter), strings.Compare(a.Value, b.Value))
	})
	return rows
}

func listPeriods(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	var all []rentroll.PastPeriod
	for i := range 3 {
		all = append(all, rentroll.PastPeriod{TenantID: tenant, Start: after(10 * i), End: after(10*i + 10)})
	}
	s.put(func(b *rentroll.Batch) { b.Periods = []*rentroll.PastPeriod{&all[2], &all[0], &all[1]} })
	got := recount(s, func(ctx context.Context, r rentroll.Reader) ([]rentroll.PastPeriod, error) {
		return r.ListPeriods(ctx, tenant)
	})
	same(s, "the periods", got, all)
}

func listDirectory(s *scene) {
	var all []*rentroll.DirectoryEntry
	for _, ref := range []rentroll.DirectoryRef{
		{Kind: rentroll.DirectoryExternalID, Value: "B"},
		{Kind: rentroll.DirectoryExternalID, Value: "a"},
		{Kind: rentroll.DirectorySlug, Value: "A"},
		{Kind: rentroll.DirectorySlug, Value: "a"},
		{Kind: rentroll.DirectorySlug, Value: "ä"},
	} {
		e := &rentroll.DirectoryEntry{DirectoryRef: ref, Owner: newID[rentroll.TenantID](s)}
		all = append(all, e)
		s.put(func(b *rentroll.Batch) { b.Directory.Put(ref, e) })
	}
	for i, after := range []rentroll.DirectoryRef{{}, all[0].DirectoryRef, all[1].DirectoryRef, all[2].DirectoryRef, all[3].DirectoryRef, all[4].DirectoryRef} {
		got := recount(s, func(ctx context.Context, r rentroll.Reader) ([]*rentroll.DirectoryEntry, error) {
			return r.ListDirectory(ctx, after, 2)
		})
		same(s, "a page of the directory", got, all[i:min(i+2, len(all))])
	}
}

// byTime puts what subjects used in order.
func byTime(uses []rentroll.SubjectUse) []rentroll.SubjectUse {
	slices.SortFunc(uses, func(a, b rentroll.SubjectUse) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Amount, b.Amount)) })
	return uses
}

func listSubjectRuns(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	var first, last time.Time
	var want []rentroll.SubjectUse
	for i, subject := range []string{"ada", "", "bob", "ada", "ada"} {
		run := runOf(s, tenant)
		run.Subject, run.CreatedAt = rentroll.NullString(subject), rentrollTime(run.ID)
		s.put(func(b *rentroll.Batch) { b.Runs.Put(runRef(run), run) })
		if i == 0 {
			first = run.CreatedAt
		}
		if last = run.CreatedAt; subject != "" && i < 4 {
			want = append(want, rentroll.SubjectUse{Subject: subject, At: run.CreatedAt, Amount: 1})
		}
	}
	want = slices.DeleteFunc(want, func(u rentroll.SubjectUse) bool { return !u.At.Before(last) })
	got := recount(s, func(ctx context.Context, r rentroll.Reader) ([]rentroll.SubjectUse, error) {
		return r.ListSubjectRuns(ctx, tenant, first, last)
	})
	same(s, "the runs of subjects", byTime(got), byTime(want))
}

// listSubjectTokens: the events of a run's end are told from others of the run, by when they are of, and of late runs by how
// much they are. Those of runs that are gone are listed without a subject.
func listSubjectTokens(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	run := func(subject string, end int, late bool, soFar, total int64) rentroll.RunID {
		run := runOf(s, tenant)
		run.Subject, run.Status, run.Late = rentroll.NullString(subject), rentroll.RunCompleted, late
		run.CompletedAt, run.TokensSoFar, run.TotalTokens = new(after(end)), soFar, &total
		s.put(func(b *rentroll.Batch) { b.Runs.Put(runRef(run), run) })
		return run.ID
	}
	record := func(run rentroll.RunID, amount int64, at int, change func(e *rentroll.UsageEvent)) {
		e := bareEvent(s, tenant, rentroll.MeterTokensUsed, amount, after(at))
		e.RunID, e.RecordedAt = run, e.Time
		if change != nil {
			change(e)
		}
		s.put(func(b *rentroll.Batch) { b.Usage = append(b.Usage, e) })
	}
	ended, late, nobodys := run("ada", 10, false, 3, 8), run("bob", 30, true, 5, 12), run("", 10, false, 3, 8)
	record(ended, 8, 10, nil)
	record(ended, 100, 9, nil) // a caller's own
	record(ended, 101, 10, func(e *rentroll.UsageEvent) { e.EventID = "theirs" })
	record(ended, 102, 10, func(e *rentroll.UsageEvent) { e.RecordedAt = after(11) })
	record(ended, 103, 10, func(e *rentroll.UsageEvent) { e.Meter = "pages" })
	record(late, 5, 20, nil)
	record(late, 7, 30, nil)
	record(late, 104, 21, nil)
	record(nobodys, 8, 10, nil)
	record(newID[rentroll.RunID](s), 6, 15, nil)
	record(rentroll.RunID{}, 105, 15, nil)
	record(late, 5, 40, nil) // beyond the range
	got := recount(s, func(ctx context.Context, r rentroll.Reader) ([]rentroll.SubjectUse, error) {
		return r.ListSubjectTokens(ctx, tenant, after(0), after(40))
	})
	same(s, "the tokens of subjects", byTime(got), []rentroll.SubjectUse{
		{Subject: "ada", At: after(10), Amount: 8},
		{At: after(15), Amount: 6},
		{Subject: "bob", At: after(20), Amount: 5},
		{Subject: "bob", At: after(30), Amount: 7},
	})
}

// countKept: the months of kept dimensions are found one after the other, and their values counted.
func countKept(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	march, april := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	ref := func(meter, dimension string, month time.Time) rentroll.ValueRef {
		return rentroll.ValueRef{TenantID: tenant, Meter: meter, Dimension: dimension, Month: month}
	}
	all := []rentroll.ValueRef{
		ref("a", "model", march), ref("a", "model", april), ref("a", "tier", march), ref("b", "model", march),
	}
	s.put(func(b *rentroll.Batch) {
		for i, group := range all {
			if i != 2 {
				b.Values.Put(group, &rentroll.KeptValue{ValueRef: group, Known: int64(10 * i)})
			}
			for n := range i + 1 {
				group.Value = string(rune('p' + n))
				b.Values.Put(group, &rentroll.KeptValue{ValueRef: group})
			}
		}
	})
	var after rentroll.ValueRef
	for i, want := range append(all, rentroll.ValueRef{}) {
		next := recount(s, func(ctx context.Context, r rentroll.Reader) (rentroll.ValueRef, error) {
			return r.NextKept(ctx, tenant, after)
		})
		same(s, "the next month", next, want)
		if after = next; i == len(all) {
			break
		}
		listed := recount(s, func(ctx context.Context, r rentroll.Reader) ([]string, error) { return r.ListKept(ctx, want) })
		slices.Sort(listed)
		same(s, "the values", listed, []string{"p", "q", "r", "s"}[:i+1])
		type counts struct{ known, values int64 }
		got := recount(s, func(ctx context.Context, r rentroll.Reader) (c counts, err error) {
			c.known, c.values, err = r.CountKept(ctx, want)
			return c, err
		})
		if known := int64(10 * i); got.values != int64(i+1) || i != 2 && got.known != known || i == 2 && got.known != 0 {
			s.Errorf("%+v are counted of month %d, want %d known and %d values", got, i, known, i+1)
		}
	}
}
