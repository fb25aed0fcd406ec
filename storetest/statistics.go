package storetest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

func statisticsTests() []test {
	return []test{
		{"Denial", denialRoundTrip},
		{"ListDenials", listDenials},
		{"DenialsAreTrimmed", trimDenials},
		{"DenialsAreTrimmedInOneWrite", trimDenialsAtOnce},
		{"DenialsOfOtherTenantsStay", trimDenialsPerTenant},
		{"Counts", denialCounts},
		{"Touches", keyTouches},
		{"TouchesFromManySides", keyTouchesTogether},
		{"KeysAndTouchesAreApart", keyTouchAndUpdate},
		{"Nothing", noStatistics},
		{"AllOrNothing", statisticsAreWhole},
		{"OnceUnderOneID", statisticsCountOnce},
	}
}

func denialOf(s *scene, tenant rentroll.TenantID) *rentroll.Denial {
	return &rentroll.Denial{
		ID: newID[rentroll.EventID](s), TenantID: tenant, At: after(1), Code: rentroll.CodeQuotaExceeded,
		Quota: "concurrent_runs", Scope: "key", Limit: new(int64(5)), Current: new(int64(5)), WorkerID: "writer",
		APIKeyID: newID[rentroll.KeyID](s), Reason: "used up: „5“",
	}
}

func (s *scene) newDenials(tenant rentroll.TenantID, n int) (out []*rentroll.Denial) {
	for range n {
		out = append(out, denialOf(s, tenant))
	}
	return out
}

func (s *scene) writeStatistics(stats *rentroll.Statistics) {
	s.Helper()
	s.must(s.store.WriteStatistics(s.Context(), stats))
}

func (s *scene) listDenials(f rentroll.DenialFilter) (out []*rentroll.Denial) {
	s.Helper()
	s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
		out, err = r.ListDenials(ctx, f)
		return err
	})
	return out
}

// isDenials checks that these are the denials that are kept of a tenant, given oldest first.
func (s *scene) isDenials(tenant rentroll.TenantID, want []*rentroll.Denial) {
	s.Helper()
	want = slices.Clone(want)
	slices.Reverse(want)
	same(s, "the list", s.listDenials(rentroll.DenialFilter{TenantID: tenant, Limit: 1000}), want)
}

func denialRoundTrip(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	full := denialOf(s, tenant)
	complete(s, *full)
	zero := denialOf(s, tenant)
	zero.Limit, zero.Current = new(int64(0)), new(int64(0))
	bare := &rentroll.Denial{ID: newID[rentroll.EventID](s), TenantID: tenant, At: after(2), Code: rentroll.CodeTenantSuspended}
	s.writeStatistics(&rentroll.Statistics{Denials: []*rentroll.Denial{full, zero, bare}})
	s.isDenials(tenant, []*rentroll.Denial{full, zero, bare})
}

func listDenials(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	rows := s.newDenials(tenant, 5)
	s.writeStatistics(&rentroll.Statistics{Denials: rows})
	slices.Reverse(rows)
	same(s, "the first page", s.listDenials(rentroll.DenialFilter{TenantID: tenant, Limit: 2}), rows[:2])
	next := rentroll.DenialFilter{TenantID: tenant, Before: rows[1].ID, Limit: 2}
	same(s, "the second page", s.listDenials(next), rows[2:4])
	last := rentroll.DenialFilter{TenantID: tenant, Before: rows[4].ID, Limit: 2}
	same(s, "what is behind the end", s.listDenials(last), nil)
}

func trimDenials(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	rows := s.newDenials(tenant, rentroll.KeptDenials+30)
	s.writeStatistics(&rentroll.Statistics{Denials: rows[:40]})
	s.isDenials(tenant, rows[:40])
	s.writeStatistics(&rentroll.Statistics{Denials: rows[40:rentroll.KeptDenials]})
	s.isDenials(tenant, rows[:rentroll.KeptDenials])
	s.writeStatistics(&rentroll.Statistics{Denials: rows[rentroll.KeptDenials : rentroll.KeptDenials+1]})
	s.isDenials(tenant, rows[1:rentroll.KeptDenials+1])
	s.writeStatistics(&rentroll.Statistics{Denials: rows[rentroll.KeptDenials+1:]})
	s.isDenials(tenant, rows[30:])
}

func trimDenialsAtOnce(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	rows := s.newDenials(tenant, 3*rentroll.KeptDenials)
	s.writeStatistics(&rentroll.Statistics{Denials: rows})
	s.isDenials(tenant, rows[2*rentroll.KeptDenials:])
}

func trimDenialsPerTenant(s *scene) {
	loud, quiet := newID[rentroll.TenantID](s), newID[rentroll.TenantID](s)
	few := s.newDenials(quiet, 3)
	s.writeStatistics(&rentroll.Statistics{Denials: few})
	many := s.newDenials(loud, 2*rentroll.KeptDenials)
	more := s.newDenials(quiet, 2)
	s.writeStatistics(&rentroll.Statistics{Denials: append(slices.Clone(many), more...)})
	s.isDenials(loud, many[rentroll.KeptDenials:])
	s.isDenials(quiet, append(few, more...))
}

// denialCounts are added to, again and again, and add up over a range of minutes.
func denialCounts(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	counts := map[rentroll.DenialCount]int64{
		{TenantID: tenant, Minute: bucket(0), Code: rentroll.CodeQuotaExceeded, Quota: quota.RunsPerDay}: 1,
		{TenantID: tenant, Minute: bucket(1), Code: rentroll.CodeQuotaExceeded, Quota: quota.RunsPerDay}: 1e12,
		{TenantID: tenant, Minute: bucket(0), Code: rentroll.CodeQuotaExceeded, Quota: quota.APIKeys}:    2,
		{TenantID: tenant, Minute: bucket(0), Code: rentroll.CodeTenantSuspended}:                        3,
	}
	for range 3 {
		s.writeStatistics(&rentroll.Statistics{Counts: counts})
	}
	sum := func(tenant rentroll.TenantID, from, to time.Time) (out []rentroll.DenialSum) {
		s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
			out, err = r.SumDenials(ctx, tenant, from, to)
			return err
		})
		slices.SortFunc(out, func(a, b rentroll.DenialSum) int {
			return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Quota, b.Quota))
		})
		return out
	}
	same(s, "one minute", sum(tenant, bucket(0), bucket(1)), []rentroll.DenialSum{
		{Code: rentroll.CodeQuotaExceeded, Quota: quota.APIKeys, Denials: 6},
		{Code: rentroll.CodeQuotaExceeded, Quota: quota.RunsPerDay, Denials: 3},
		{Code: rentroll.CodeTenantSuspended, Denials: 9},
	})
	same(s, "two minutes", sum(tenant, bucket(0), bucket(2))[1].Denials, int64(3e12+3))
	same(s, "no minute", sum(tenant, bucket(2), bucket(3)), nil)
	same(s, "another tenant's", sum(newID[rentroll.TenantID](s), bucket(0), bucket(3)), nil)
}

// touchOf reads what is counted of a key.
func (s *scene) touchOf(k *rentroll.APIKey) rentroll.KeyTouch {
	s.Helper()
	got := get(s, keyRows, keyRef(k))
	touch := rentroll.KeyTouch{Requests: got.TotalRequests}
	if got.LastUsedAt != nil {
		touch.LastUsedAt = *got.LastUsedAt
	}
	return touch
}

func (s *scene) touch(k *rentroll.APIKey, at int, n int64) {
	s.Helper()
	s.writeStatistics(&rentroll.Statistics{Touches: map[rentroll.KeyRef]rentroll.KeyTouch{
		keyRef(k): {LastUsedAt: after(at), Requests: n},
	}})
}

// keyTouches: requests add up, and the last use is the latest, in whatever order it is told.
func keyTouches(s *scene) {
	k, other := fullKey(s), fullKey(s)
	keys.put(s, k, other)
	same(s, "an unused key", s.touchOf(k), rentroll.KeyTouch{})
	s.touch(k, 5, 3)
	same(s, "a key used thrice", s.touchOf(k), rentroll.KeyTouch{LastUsedAt: after(5), Requests: 3})
	s.touch(k, 9, 1)
	s.touch(k, 7, 1e12)
	want := rentroll.KeyTouch{LastUsedAt: after(9), Requests: 1e12 + 4}
	same(s, "a busy key", s.touchOf(k), want)
	same(s, "another key", s.touchOf(other), rentroll.KeyTouch{})
	byHash := s.keyByHash(k.TenantID, k.Hash)
	same(s, "the key by its hash", rentroll.KeyTouch{LastUsedAt: *byHash.LastUsedAt, Requests: byHash.TotalRequests}, want)
	listed := s.listKeys(rentroll.KeyFilter{TenantID: k.TenantID, Limit: 1})[0]
	same(s, "the key in a list", rentroll.KeyTouch{LastUsedAt: *listed.LastUsedAt, Requests: listed.TotalRequests}, want)
}

func keyTouchesTogether(s *scene) {
	k := fullKey(s)
	keys.put(s, k)
	s.together(4, func(i int) error {
		for n := range 10 {
			err := s.store.WriteStatistics(s.Context(), &rentroll.Statistics{Touches: map[rentroll.KeyRef]rentroll.KeyTouch{
				keyRef(k): {LastUsedAt: after(10*i + n), Requests: 2},
			}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	same(s, "the key", s.touchOf(k), rentroll.KeyTouch{LastUsedAt: after(39), Requests: 80})
}

// keyTouchAndUpdate: what is written of a key under its account's lock, and what is counted beside it, do not overwrite
// each other.
func keyTouchAndUpdate(s *scene) {
	k := fullKey(s)
	s.touch(k, 1, 1) // even before the key is there
	keys.put(s, k)
	s.touch(k, 2, 1)
	next := *k
	keys.edit(&next)
	keys.replace(s, &next) // a row that was read before the next use
	s.touch(k, 3, 1)
	keys.is(s, &next)
	same(s, "the key", s.touchOf(k), rentroll.KeyTouch{LastUsedAt: after(3), Requests: 3})
}

// statisticsCountOnce: what may have been written may be written again under its ID, also by many at once.
func statisticsCountOnce(s *scene) {
	if !s.store.Traits().Shared {
		return // its commits never have an outcome that is unknown
	}
	k := fullKey(s)
	keys.put(s, k)
	stats := &rentroll.Statistics{
		ID: newID[rentroll.BatchID](s), Denials: s.newDenials(k.TenantID, 2),
		Touches: map[rentroll.KeyRef]rentroll.KeyTouch{keyRef(k): {LastUsedAt: instant, Requests: 3}},
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if err := s.store.WriteStatistics(s.Context(), stats); err != nil {
				s.Error(err)
			}
		})
	}
	group.Wait()
	s.writeStatistics(stats)
	same(s, "the key", s.touchOf(k), rentroll.KeyTouch{LastUsedAt: instant, Requests: 3})
	s.isDenials(k.TenantID, stats.Denials)
}

func noStatistics(s *scene) { s.writeStatistics(&rentroll.Statistics{}) }

// statisticsAreWhole: a write that fails has counted nothing, so that it can be made again.
func statisticsAreWhole(s *scene) {
	k := fullKey(s)
	keys.put(s, k)
	d := denialOf(s, k.TenantID)
	stats := &rentroll.Statistics{
		Denials: []*rentroll.Denial{d},
		Touches: map[rentroll.KeyRef]rentroll.KeyTouch{keyRef(k): {LastUsedAt: instant, Requests: 1}},
	}
	s.writeStatistics(stats)
	s.fails(s.store.WriteStatistics(s.Context(), stats), rentroll.ClassConflict) // the denial is there already
	same(s, "the key", s.touchOf(k), rentroll.KeyTouch{LastUsedAt: instant, Requests: 1})
	s.isDenials(k.TenantID, []*rentroll.Denial{d})
}
