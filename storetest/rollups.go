package storetest

import (
	"context"
	"time"

	"github.com/rentroll/rentroll"
)

func rollupTests() []test {
	return []test{
		{"Add", addRollups},
		{"AddTwiceInOneTransaction", addRollupsTwice},
		{"Sum", sumRollups},
		{"DimensionsAreApart", rollupDimensions},
		{"NegativeSums", negativeRollups},
		{"AddFromManySides", addRollupsFromManySides},
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
