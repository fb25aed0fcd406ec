package storetest

import (
	"context"
	"math"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

func rollupTests() []test {
	return []test{
		{"Add", addRollups},
		{"AddTwiceInOneTransaction", addRollupsTwice},
		{"Sum", sumRollups},
		{"DimensionsAreApart", rollupDimensions},
		{"NegativeSums", negativeRollups},
		{"Quarters", rollupQuarters},
		{"SumsBeyondNumbers", rollupsBeyond},
		{"FullBucket", rollupsFull},
		{"Peaks", rollupPeaks},
		{"Groups", rollupGroups},
		{"AddFromManySides", addRollupsFromManySides},
		{"SumsOfMeters", sumsOfMeters},
	}
}

// bucket is the start of a bucket of the rollups, so many buckets later.
func bucket(n int) time.Time {
	const width = 15 * time.Minute
	return instant.Truncate(width).Add(time.Duration(n) * width)
}

func totalOf(tenant rentroll.TenantID, meter string, at time.Time) rentroll.RollupKey {
	return rentroll.RollupKey{TenantID: tenant, Bucket: at, Meter: meter}
}

func (s *scene) addRollups(sums map[rentroll.RollupKey]rentroll.RollupSum) {
	s.Helper()
	s.put(func(b *rentroll.Batch) { b.Rollups = sums })
}

func (s *scene) sumRollups(tenant rentroll.TenantID, from, to time.Time) (out map[string]rentroll.RollupSum) {
	s.Helper()
	s.view(func(ctx context.Context, r rentroll.Reader) error {
		rows, err := r.SumRollups(ctx, tenant, from, to)
		out = s.sums(rows)
		return err
	})
	return out
}

func addRollups(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	key := totalOf(tenant, "a", bucket(0))
	for range 3 {
		s.addRollups(map[rentroll.RollupKey]rentroll.RollupSum{key: {Total: 10, Events: 2}})
	}
	want := map[string]rentroll.RollupSum{"a": {Total: 30, Events: 6}}
	same(s, "the sums", s.sumRollups(tenant, bucket(0), bucket(1)), want)
}

func addRollupsTwice(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	tx, b := s.claim()
	for range 2 {
		more := &rentroll.Batch{Rollups: map[rentroll.RollupKey]rentroll.RollupSum{totalOf(tenant, "a", bucket(0)): {Total: 4, Events: 1}}}
		s.must(tx.Save(s.Context(), more))
	}
	s.commit(tx, b)
	want := map[string]rentroll.RollupSum{"a": {Total: 8, Events: 2}}
	same(s, "the sums", s.sumRollups(tenant, bucket(0), bucket(1)), want)
}

func sumRollups(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	sums := map[rentroll.RollupKey]rentroll.RollupSum{
		totalOf(newID[rentroll.TenantID](s), "a", bucket(1)): {Total: 1e6, Events: 1e6}, // another tenant's
	}
	for i := range 5 {
		sums[totalOf(tenant, "a", bucket(i))] = rentroll.RollupSum{Total: 1 << i, Events: 1}
		sums[totalOf(tenant, "A", bucket(i))] = rentroll.RollupSum{Total: 100 << i, Events: 2}
	}
	s.addRollups(sums)
	for _, c := range []struct{ from, to, total, events int }{
		{0, 5, 31, 5}, {1, 3, 6, 2}, {4, 9, 16, 1}, {-3, 1, 1, 1}, // buckets are named by their beginning
	} {
		same(s, "the sums", s.sumRollups(tenant, bucket(c.from), bucket(c.to)), map[string]rentroll.RollupSum{
			"a": {Total: int64(c.total), Events: int64(c.events)},
			"A": {Total: int64(100 * c.total), Events: int64(2 * c.events)},
		})
	}
	same(s, "the sums of nothing", s.sumRollups(tenant, bucket(5), bucket(9)), nil)
	same(s, "the sums of no time", s.sumRollups(tenant, bucket(2), bucket(2)), nil)
}

// rollupDimensions: what is kept per worker or key is not added to the total a second time.
func rollupDimensions(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	total, worker := totalOf(tenant, "a", bucket(0)), totalOf(tenant, "a", bucket(0))
	worker.Dimension, worker.Value = "worker", "writer"
	other, key := worker, worker
	other.Value, key.Dimension = "Writer", "api_key"
	s.addRollups(map[rentroll.RollupKey]rentroll.RollupSum{
		total: {Total: 7, Events: 3}, worker: {Total: 4, Events: 2}, other: {Total: 3, Events: 1}, key: {Total: 7, Events: 3},
	})
	want := map[string]rentroll.RollupSum{"a": {Total: 7, Events: 3}}
	same(s, "the sums", s.sumRollups(tenant, bucket(0), bucket(1)), want)
}

func negativeRollups(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	key := totalOf(tenant, "a", bucket(0))
	s.addRollups(map[rentroll.RollupKey]rentroll.RollupSum{key: {Total: -5, Events: 1}})
	s.addRollups(map[rentroll.RollupKey]rentroll.RollupSum{key: {Total: 3, Events: 1}})
	want := map[string]rentroll.RollupSum{"a": {Total: -2, Events: 2}}
	same(s, "the sums", s.sumRollups(tenant, bucket(0), bucket(1)), want)
}

// addRollupsFromManySides: nothing that is added at once is lost, be it under one account's lock or another's.
func addRollupsFromManySides(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	key := totalOf(tenant, "a", bucket(0))
	s.together(4, func(int) error {
		for range 10 {
			err := s.transact(nil, func(b *rentroll.Batch) {
				b.Rollups = map[rentroll.RollupKey]rentroll.RollupSum{key: {Total: 2, Events: 1}}
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	want := map[string]rentroll.RollupSum{"a": {Total: 80, Events: 40}}
	same(s, "the sums", s.sumRollups(tenant, bucket(0), bucket(1)), want)
}

// rollupQuarters: whatever quarters of hours a range is made of, it has those and no others.
func rollupQuarters(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	sums := map[rentroll.RollupKey]rentroll.RollupSum{}
	var wantList []rentroll.Rollup
	for i := range 12 {
		k := totalOf(tenant, "a", bucket(i))
		sums[k] = rentroll.RollupSum{Total: 1 << i, Events: 1}
		wantList = append(wantList, rentroll.Rollup{RollupKey: k, RollupSum: sums[k]})
	}
	s.addRollups(sums)
	for from := range 13 {
		for to := from; to <= 12; to++ {
			var want map[string]rentroll.RollupSum
			if from < to {
				want = map[string]rentroll.RollupSum{"a": {Total: 1<<to - 1<<from, Events: int64(to - from)}}
			}
			same(s, "the sums", s.sumRollups(tenant, bucket(from), bucket(to)), want)
		}
	}
	s.view(func(ctx context.Context, r rentroll.Reader) error {
		list, err := r.ListRollups(ctx, rentroll.RollupFilter{TenantID: tenant, From: bucket(0), To: bucket(12), Limit: 100})
		same(s, "the list", list, wantList)
		s.must(err)
		list, err = r.ListRollups(ctx, rentroll.RollupFilter{TenantID: tenant, From: bucket(2), To: bucket(7), Limit: 100})
		same(s, "the list", list, wantList[2:7])
		return err
	})
}

// rollupsBeyond: a sum that no int64 holds is the largest one, whatever database adds.
func rollupsBeyond(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	s.addRollups(map[rentroll.RollupKey]rentroll.RollupSum{
		totalOf(tenant, "up", bucket(0)): {Total: 1 << 62, Events: 1}, totalOf(tenant, "up", bucket(9)): {Total: 1 << 62, Events: 1},
		totalOf(tenant, "down", bucket(0)): {Total: -1 << 62, Events: 1}, totalOf(tenant, "down", bucket(9)): {Total: -1<<62 - 1, Events: 1},
		totalOf(tenant, "even", bucket(0)): {Total: 1 << 62, Events: 1}, totalOf(tenant, "even", bucket(9)): {Total: 1 - 1<<62, Events: 1},
	})
	same(s, "the sums", s.sumRollups(tenant, bucket(0), bucket(10)), map[string]rentroll.RollupSum{
		"up": {Total: math.MaxInt64, Events: 2}, "down": {Total: math.MinInt64, Events: 2}, "even": {Total: 1, Events: 2},
	})
}

// rollupsFull: a bucket takes no more than the largest number, and keeps what it counts.
func rollupsFull(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	for _, amount := range []int64{math.MaxInt64 - 3, 2, 5, 1e12} {
		s.addRollups(map[rentroll.RollupKey]rentroll.RollupSum{totalOf(tenant, "full", bucket(0)): {Total: amount, Events: 1}})
	}
	s.addRollups(map[rentroll.RollupKey]rentroll.RollupSum{totalOf(tenant, "less", bucket(0)): {Total: 7, Events: 1}})
	s.addRollups(map[rentroll.RollupKey]rentroll.RollupSum{totalOf(tenant, "less", bucket(0)): {Total: -7, Events: 1}})
	same(s, "the sums", s.sumRollups(tenant, bucket(0), bucket(4)), map[string]rentroll.RollupSum{
		"full": {Total: math.MaxInt64, Events: 4}, "less": {Total: 0, Events: 2},
	})
}

// rollupPeaks: what is larger replaces what was, what is smaller does not.
func rollupPeaks(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	key, other := totalOf(tenant, "a", bucket(0)), totalOf(tenant, "a", bucket(3))
	for _, peak := range []int64{5, 9, 2} {
		s.put(func(b *rentroll.Batch) { b.Peaks = map[rentroll.RollupKey]int64{key: peak, other: 7} })
	}
	s.view(func(ctx context.Context, r rentroll.Reader) error {
		sums, err := r.SumPeaks(ctx, tenant, bucket(0), bucket(1))
		same(s, "the peak", sums, []rentroll.MeterSum{{Meter: "a", Peak: 9}})
		s.must(err)
		list, err := r.ListPeaks(ctx, tenant, "", bucket(0), bucket(9))
		same(s, "the list", list, []rentroll.Rollup{{RollupKey: key, Peak: 9}, {RollupKey: other, Peak: 7}})
		s.must(err)
		groups, err := r.GroupPeaks(ctx, rentroll.GroupFilter{
			TenantID: tenant, Meter: "a", Ranges: []quota.Period{{Start: bucket(4), End: bucket(9)}, {Start: bucket(0), End: bucket(4)}},
		})
		same(s, "the groups", groups, []rentroll.GroupSum{{Range: 1, Peak: 9}})
		return err
	})
	s.put(func(b *rentroll.Batch) { // what goes is not what an event raises in the same transaction
		b.Sunk, b.Peaks = []rentroll.RollupKey{key, other, totalOf(tenant, "nothing", bucket(0))}, map[rentroll.RollupKey]int64{key: 4}
	})
	s.view(func(ctx context.Context, r rentroll.Reader) error {
		list, err := r.ListPeaks(ctx, tenant, "", bucket(0), bucket(9))
		same(s, "what is left", list, []rentroll.Rollup{{RollupKey: key, Peak: 4}})
		return err
	})
}

// rollupGroups: ranges of any quarters find what belongs to them, by value.
func rollupGroups(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	sums := map[rentroll.RollupKey]rentroll.RollupSum{}
	for i := range 16 {
		for _, value := range []string{"x", "y"} {
			k := totalOf(tenant, "a", bucket(i))
			k.Dimension, k.Value = "worker", value
			sums[k] = rentroll.RollupSum{Total: int64(len(value)) << i, Events: 1}
			k.Meter = "b"
			sums[k] = rentroll.RollupSum{Total: 1e6, Events: 1}
		}
	}
	s.addRollups(sums)
	for _, cuts := range [][]int{{0, 4, 8, 12, 16}, {1, 3, 4, 9}, {2, 14}, {5, 6, 7}} {
		f := rentroll.GroupFilter{TenantID: tenant, Dimension: "worker", Meter: "a"}
		want := map[string][]rentroll.RollupSum{}
		for i := 1; i < len(cuts); i++ {
			f.Ranges = append(f.Ranges, quota.Period{Start: bucket(cuts[i-1]), End: bucket(cuts[i])})
			for _, value := range []string{"x", "y"} {
				want[value] = append(want[value], rentroll.RollupSum{Total: 1<<cuts[i] - 1<<cuts[i-1], Events: int64(cuts[i] - cuts[i-1])})
			}
		}
		s.view(func(ctx context.Context, r rentroll.Reader) error {
			rows, err := r.GroupRollups(ctx, f)
			got := map[string][]rentroll.RollupSum{"x": make([]rentroll.RollupSum, len(f.Ranges)), "y": make([]rentroll.RollupSum, len(f.Ranges))}
			for _, row := range rows {
				got[row.Value][row.Range].Total += row.Total
				got[row.Value][row.Range].Events += row.Events
			}
			same(s, "the groups", got, want)
			return err
		})
	}
}

// sumsOfMeters asks for several meters and ranges at once, in a transaction and in a snapshot.
func sumsOfMeters(s *scene) {
	tenant, other := newID[rentroll.TenantID](s), newID[rentroll.TenantID](s)
	worker := totalOf(tenant, "a", bucket(1))
	worker.Dimension, worker.Value = "worker", "writer"
	sums := map[rentroll.RollupKey]rentroll.RollupSum{worker: {Total: 1e9, Events: 1}, totalOf(other, "a", bucket(2)): {Total: 500, Events: 1}}
	for i := range 40 { // ten hours, each bucket in a quarter of its own
		sums[totalOf(tenant, "a", bucket(i))] = rentroll.RollupSum{Total: int64(i + 1), Events: 1}
		sums[totalOf(tenant, "A", bucket(i))] = rentroll.RollupSum{Total: -1, Events: 2}
	}
	s.addRollups(sums)
	want := map[rentroll.MeterSumRef]int64{}
	for _, c := range []struct {
		tenant   rentroll.TenantID
		meter    string
		from, to int
		total    int64
	}{
		{tenant, "a", 0, 40, 820},
		{tenant, "a", 3, 7, 22},
		{tenant, "a", 2, 3, 3},
		{tenant, "a", 7, 31, 468},
		{tenant, "a", 40, 50, 0},
		{tenant, "a", 5, 5, 0},
		{tenant, "A", 1, 11, -10},
		{tenant, "b", 0, 40, 0},
		{other, "a", 0, 40, 500},
	} {
		want[rentroll.MeterSumRef{TenantID: c.tenant, Meter: c.meter, From: bucket(c.from), To: bucket(c.to)}] = c.total
	}
	check := func(load func(b *rentroll.Batch) error) {
		b := &rentroll.Batch{MeterSums: map[rentroll.MeterSumRef]*int64{}}
		for ref := range want {
			b.MeterSums[ref] = nil
		}
		s.must(load(b))
		for ref, total := range want {
			switch answer := b.MeterSums[ref]; {
			case answer == nil:
				s.Errorf("%+v is not answered", ref)
			case *answer != total:
				s.Errorf("%+v comes to %d, want %d", ref, *answer, total)
			}
		}
	}
	s.view(func(ctx context.Context, r rentroll.Reader) error {
		check(func(b *rentroll.Batch) error { return r.Load(ctx, b) })
		return nil
	})
	tx, _ := s.claim()
	check(func(b *rentroll.Batch) error { return tx.Load(s.Context(), b) })
	tx.Rollback()
}
