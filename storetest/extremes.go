package storetest

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
)

func extremeTests() []test {
	return []test{
		{"LongestTask", longestTask},
		{"LargestPayloads", largestPayloads},
		{"LargestProfile", largestProfile},
		{"LargestKey", largestKey},
		{"LargestUsageBatch", largestUsageBatch},
		{"LargestBatch", largestBatch},
		{"SumsOfAMillionEvents", sumsOfAMillionEvents},
		{"OneBucketOfAMillionEvents", oneBucketOfAMillionEvents},
		{"NumbersOfAccounts", numbers(accounts)},
		{"NumbersOfKeys", numbers(keys)},
		{"NumbersOfKeyUses", numbers(keyUses)},
		{"NumbersOfRuns", numbers(runs)},
		{"NumbersOfMeters", numbers(meters)},
		{"TimesOfMeters", times(meters)},
		{"NumbersOfSubjects", numbers(subjects)},
		{"TimesOfSubjects", times(subjects)},
		{"TimesOfAccounts", times(accounts)},
		{"TimesOfTenants", times(profiles)},
		{"TimesOfUsers", times(users)},
		{"TimesOfMembers", times(members)},
		{"TimesOfKeys", times(keys)},
		{"TimesOfKeyUses", times(keyUses)},
		{"TimesOfRuns", times(runs)},
		{"TimesOfWorkers", times(workers)},
		{"TimesOfMarks", times(marks)},
		{"TimesOfIdempotency", times(onceRecords)},
		{"TimesAreInUTC", timesAreInUTC},
		{"TimesOfEvents", timesOfEvents},
	}
}

// widest is the character that takes most bytes.
const widest = "\U0010ffff"

func longestTask(s *scene) {
	r := fullRun(s)
	r.Task, r.Error = strings.Repeat(widest, 10_000), rentroll.NullString(strings.Repeat(widest, 10_000))
	r.WorkerID = strings.Repeat("w", 100)
	runs.put(s, r)
	runs.is(s, r)
}

func largestPayloads(s *scene) {
	ref := newRunRef(s)
	want := make(map[rentroll.PayloadKind]*rentroll.Payload)
	for i, kind := range []rentroll.PayloadKind{rentroll.PayloadInput, rentroll.PayloadOutput, rentroll.PayloadReplayToken} {
		body := `"` + strings.Repeat(string(rune('a'+i)), 256<<10-2) + `"`
		want[kind] = payloadOf(ref, kind, body)
		s.putPayloads(want[kind])
	}
	same(s, "the payloads", s.payloads(ref), want)
}

func largestProfile(s *scene) {
	p := fullProfile(s)
	p.Name, p.ExternalID = strings.Repeat(widest, 255), rentroll.NullString(strings.Repeat(widest, 255))
	p.StatusReason = rentroll.NullString(strings.Repeat(widest, 500))
	p.Metadata = make(map[string]string)
	for i := range 50 {
		p.Metadata[fmt.Sprintf("%02d", i)+strings.Repeat(widest, 38)] = strings.Repeat(widest, 500)
	}
	profiles.put(s, p)
	profiles.is(s, p)
}

func largestKey(s *scene) {
	k := fullKey(s)
	k.Name, k.RevokedReason = strings.Repeat(widest, 100), rentroll.NullString(strings.Repeat(widest, 500))
	for i := range 1000 {
		k.AllowedWorkers = append(k.AllowedWorkers, fmt.Sprintf("%04d", i)+strings.Repeat("w", 96))
		k.Permissions = append(k.Permissions, fmt.Sprintf("area-%04d:action", i))
	}
	keys.put(s, k)
	keys.is(s, k)
}

func largestUsageBatch(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	s.put(func(b *rentroll.Batch) {
		for i := range rentroll.MaxUsageBatch {
			e := eventOf(s, tenant, "a", 1e12, after(i))
			e.Metadata = []byte(`{"x":"` + strings.Repeat("x", 4<<10) + `"}`)
			b.Usage = append(b.Usage, e)
			m := fullMark(s)
			m.TenantID, m.EventID, m.UsageID = tenant, fmt.Sprintf("%04d", i)+strings.Repeat(widest, 251), e.ID
			b.Marks.Put(markRef(m), m)
		}
	})
	want := map[string]rentroll.RollupSum{"a": {Total: rentroll.MaxUsageBatch * 1e12, Events: rentroll.MaxUsageBatch}}
	same(s, "the sums", s.sumUsage(tenant, instant, after(rentroll.MaxUsageBatch)), want)
}

// largestBatch inserts, loads, updates and deletes as many rows as a batch holds.
func largestBatch(s *scene) {
	const rows = 2000
	var all []*rentroll.Run
	for range rows {
		all = append(all, fullRun(s))
	}
	runs.put(s, all...)
	want := func(b *rentroll.Batch) {
		for _, r := range all {
			b.Runs.Want(runRef(r))
		}
	}
	loaded := make([]*rentroll.Run, 0, rows) // compared later: a database waits only so long for a transaction to go on
	s.change(want, func(b *rentroll.Batch) {
		for _, r := range all {
			loaded = append(loaded, b.Runs.Get(runRef(r)))
			next := *r
			next.TokensSoFar++
			b.Runs.Put(runRef(r), &next)
		}
	})
	for i, r := range all {
		same(s, "a run of many", loaded[i], r)
	}
	s.change(want, func(b *rentroll.Batch) {
		for _, r := range all {
			if b.Runs.Get(runRef(r)).TokensSoFar != r.TokensSoFar+1 {
				s.Fatal("one of many updates is not there")
			}
			b.Runs.Delete(runRef(r))
		}
	})
	left := s.load(want)
	for _, r := range all {
		if left.Runs.Get(runRef(r)) != nil {
			s.Fatal("one of many deleted rows is there")
		}
	}
}

// The largest amount of an event, and how many of them are added up here.
const (
	largestAmount = int64(1e12)
	aMillion      = int64(1e6)
)

func sumsOfAMillionEvents(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	const buckets = 1000
	sums := make(map[rentroll.RollupKey]rentroll.RollupSum)
	for i := range buckets {
		sums[totalOf(tenant, "a", bucket(i))] = rentroll.RollupSum{Total: largestAmount * aMillion / buckets, Events: aMillion / buckets}
	}
	s.addRollups(sums)
	want := map[string]rentroll.RollupSum{"a": {Total: largestAmount * aMillion, Events: aMillion}}
	same(s, "the sums", s.sumRollups(tenant, bucket(0), bucket(buckets)), want)
}

func oneBucketOfAMillionEvents(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	const adds = 100
	for range adds {
		s.addRollups(map[rentroll.RollupKey]rentroll.RollupSum{
			totalOf(tenant, "a", bucket(0)): {Total: largestAmount * aMillion / adds, Events: aMillion / adds},
		})
	}
	want := map[string]rentroll.RollupSum{"a": {Total: largestAmount * aMillion, Events: aMillion}}
	same(s, "the sums", s.sumRollups(tenant, bucket(0), bucket(1)), want)
}

// numbers checks that the largest and the smallest numbers come back from every field.
func numbers[K comparable, R any](n noun[K, R]) func(s *scene) {
	return func(s *scene) {
		for _, number := range []int64{math.MaxInt64, math.MinInt64, -1, 1 << 53, 1<<53 + 1} {
			row := n.full(s)
			each(reflect.ValueOf(row).Elem(), func(v reflect.Value) {
				if v.Type() == reflect.TypeFor[int64]() {
					v.SetInt(number)
				}
			})
			if r, ok := any(row).(*rentroll.Run); ok {
				r.SetCost(r.CostMicros) // the cents follow
			}
			n.put(s, row)
			n.is(s, row)
		}
	}
}

// times checks that far, fine and absent times come back from every field.
func times[K comparable, R any](n noun[K, R]) func(s *scene) {
	far := []time.Time{
		{}, // absent
		time.Unix(0, 1000).UTC(),
		time.Date(1999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		time.Date(2038, 1, 19, 3, 14, 8, 1000, time.UTC),
		time.Date(2262, 4, 11, 23, 47, 16, 854_776_000, time.UTC), // later ones do not fit in 64 bits of nanoseconds
		time.Date(2500, 2, 28, 0, 0, 0, 1000, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
	}
	return func(s *scene) {
		for _, at := range far {
			row := n.full(s)
			each(reflect.ValueOf(row).Elem(), func(v reflect.Value) {
				if v.Type() == reflect.TypeFor[time.Time]() {
					v.Set(reflect.ValueOf(at))
				}
			})
			n.put(s, row)
			n.is(s, row)
		}
	}
}

// each calls do with every exported field of a struct, those behind pointers and in structs of its own included.
func each(v reflect.Value, do func(v reflect.Value)) {
	do(v)
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		each(v.Elem(), do)
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				each(v.Field(i), do)
			}
		}
	}
}

// timesAreInUTC: whatever zone a time was given in, and finer parts of a second are cut.
func timesAreInUTC(s *scene) {
	r := fullRun(s)
	zone := time.FixedZone("odd", -3*60*60-25*60-45)
	r.CreatedAt = time.Date(2026, 1, 1, 0, 30, 0, 999, zone)
	r.StartedAt = new(time.Date(2026, 1, 1, 0, 30, 0, 1999, zone))
	runs.put(s, r)
	got := get(s, runRows, runRef(r))
	if want := r.CreatedAt.UTC().Truncate(time.Microsecond); got.CreatedAt != want { // == compares the zone, too
		s.Errorf("got %v, want %v", got.CreatedAt, want)
	}
	if want := r.StartedAt.UTC().Truncate(time.Microsecond); *got.StartedAt != want {
		s.Errorf("got %v, want %v", *got.StartedAt, want)
	}
}

// timesOfEvents: sums find events of any time, to the microsecond.
func timesOfEvents(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	for _, at := range []time.Time{
		time.Unix(0, 1000).UTC(), time.Date(2262, 4, 11, 23, 47, 16, 854_776_000, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_998_000, time.UTC),
	} {
		s.putUsage(bareEvent(s, tenant, "a", 1, at))
		want := map[string]rentroll.RollupSum{"a": {Total: 1, Events: 1}}
		same(s, "the event", s.sumUsage(tenant, at, at.Add(time.Microsecond)), want)
		same(s, "nothing", s.sumUsage(tenant, at.Add(time.Microsecond), at.Add(time.Second)), nil)
		same(s, "nothing", s.sumUsage(tenant, at.Add(-time.Second), at), nil)
	}
}
