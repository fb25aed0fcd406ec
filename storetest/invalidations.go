package storetest

import (
	"math"
	"slices"

	"github.com/rentroll/rentroll"
)

func invalidationTests() []test {
	return []test{
		{"InvalidationsAreLearnt", learnInvalidations},
		{"InvalidationsOfASlowTransaction", learnLate},
	}
}

// changed lists what changed since then, but for tenants of other tests.
func (s *scene) changed(since int64, among ...rentroll.TenantID) (out []rentroll.Invalidation, next int64) {
	s.Helper()
	out, next, err := s.store.Invalidated(s.Context(), since)
	s.must(err)
	return slices.DeleteFunc(out, func(i rentroll.Invalidation) bool { return !slices.Contains(among, i.TenantID) }), next
}

func (s *scene) invalidate(tenants ...rentroll.TenantID) {
	s.Helper()
	tx, b := s.claim(tenants...)
	b.Invalid = tenants
	s.must(tx.Save(s.Context(), b))
	s.must(tx.Commit(s.Context(), newID[rentroll.BatchID](s)))
}

func learnInvalidations(s *scene) {
	one, two := s.tenant(), s.tenant()
	s.invalidate(one)
	none, next := s.changed(math.MaxInt64, one, two)
	if len(none) > 0 {
		s.Errorf("asking only for the present gave %v", none)
	}
	s.invalidate(one, two)
	first, later := s.changed(next, one, two)
	if len(first) != 2 {
		s.Errorf("two tenants changed, and %v was learnt", first)
	}
	s.invalidate(one)
	second, _ := s.changed(later, one, two)
	if !slices.ContainsFunc(second, func(i rentroll.Invalidation) bool { return i.TenantID == one && !slices.Contains(first, i) }) {
		s.Errorf("a tenant changed again, and %v was learnt after %v", second, first)
	}
	last, end := s.changed(math.MaxInt64)
	if len(last) > 0 || end < later || later < next {
		s.Errorf("from %d to %d to %d", next, later, end)
	}
}

// learnLate: a transaction that began before another one and is committed after the answer is not passed over.
func learnLate(s *scene) {
	slow, quick := s.tenant(), s.tenant()
	_, next := s.changed(math.MaxInt64)
	tx, b := s.claim(slow)
	b.Invalid = []rentroll.TenantID{slow}
	s.must(tx.Save(s.Context(), b))
	s.must(tx.Load(s.Context(), wanting(slow))) // what is collected is written now
	if s.store.Traits().Shared {
		s.invalidate(quick)
		changed, later := s.changed(next, slow, quick)
		if len(changed) != 1 || changed[0].TenantID != quick {
			s.Errorf("while a transaction was open %v was learnt", changed)
		}
		next = later
	}
	s.must(tx.Commit(s.Context(), newID[rentroll.BatchID](s)))
	changed, _ := s.changed(next, slow)
	if len(changed) != 1 {
		s.Errorf("of the slow transaction %v was learnt", changed)
	}
}

// wanting is a batch that asks for the profile of a tenant.
func wanting(tenant rentroll.TenantID) *rentroll.Batch {
	b := &rentroll.Batch{}
	b.Profiles.Want(tenant)
	return b
}
