package storetest

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/rentroll/rentroll"
)

func keyRows(b *rentroll.Batch) *rentroll.Rowset[rentroll.KeyRef, rentroll.APIKey] { return &b.Keys }

func keyRef(k *rentroll.APIKey) rentroll.KeyRef {
	return rentroll.KeyRef{TenantID: k.TenantID, KeyID: k.ID}
}

func fullKey(s *scene) *rentroll.APIKey {
	k := keyOf(s, s.tenant())
	k.UserID, k.Family, k.RotatedTo = newID[rentroll.UserID](s), newID[rentroll.KeyID](s), newID[rentroll.KeyID](s)
	k.AllowedWorkers, k.AllowedIPs = []string{"writer", "b.c-d_e", "writer"}, []string{"192.0.2.0/24", "2001:db8::/32"}
	k.RotatedFrom, k.InOverlap = newID[rentroll.KeyID](s), true
	k.RateLimitRPM, k.MaxConcurrentRuns, k.MaxTokensPerMonth = new(int64(1)), new(int64(0)), new(int64(1e12))
	k.ExpiresAt, k.RevokedAt, k.RevokedReason = new(after(2)), new(after(3)), "leaked on „GitHub“"
	k.Status, k.KeySuffix = rentroll.KeyRevoked, "7Zk0"
	return k
}

// keyOf is a key with nothing that may be absent.
func keyOf(s *scene, tenant rentroll.TenantID) *rentroll.APIKey {
	id := newID[rentroll.KeyID](s)
	return &rentroll.APIKey{
		ID: id, TenantID: tenant, Family: id, Name: "CI", KeyPrefix: "rr_7Qd0fK1aB", Permissions: []string{"run:*", "read:*"},
		Status: rentroll.KeyActive, CreatedAt: after(1), Hash: s.hash(),
	}
}

var keys = noun[rentroll.KeyRef, rentroll.APIKey]{
	rows: keyRows, key: keyRef,
	full: fullKey,
	bare: func(s *scene) *rentroll.APIKey { return keyOf(s, s.tenant()) },
	edit: func(k *rentroll.APIKey) {
		k.Name, k.Permissions, k.ExpiresAt, k.Status = "CD", []string{"*"}, nil, rentroll.KeyActive
		k.Hash[0]++
	},
	elsewhere: []string{"LastUsedAt", "TotalRequests", "Replayed"},
}

var keyUses = noun[rentroll.KeyRef, rentroll.KeyUse]{
	rows: func(b *rentroll.Batch) *rentroll.Rowset[rentroll.KeyRef, rentroll.KeyUse] { return &b.KeyUses },
	key: func(u *rentroll.KeyUse) rentroll.KeyRef {
		return rentroll.KeyRef{TenantID: u.TenantID, KeyID: u.Family}
	},
	full: func(s *scene) *rentroll.KeyUse {
		return &rentroll.KeyUse{
			TenantID: newID[rentroll.TenantID](s), Family: newID[rentroll.KeyID](s),
			ConcurrentRuns: 1, TokensReserved: 2,
			Tokens: rentroll.Tally{Used: 3, Start: after(4), Ahead: 5, End: after(6)},
		}
	},
	bare: func(s *scene) *rentroll.KeyUse {
		return &rentroll.KeyUse{TenantID: newID[rentroll.TenantID](s), Family: newID[rentroll.KeyID](s)}
	},
	edit: func(u *rentroll.KeyUse) { u.ConcurrentRuns, u.Tokens.Start = 7, after(8) },
}

func keyTests() []test {
	tests := append(keys.tests(),
		test{"Statuses", keyStatuses},
		test{"AllIsNil", keyForAll},
		test{"ByHash", keyByHash},
		test{"ManyByHash", findManyKeys},
		test{"WhoHasAHash", whoHasAHash},
		test{"ListNewestFirst", listKeys},
		test{"ListActive", listActiveKeys},
		test{"CountExpired", countExpiredKeys},
		test{"ListExpiring", listExpiringKeys},
		test{"ListExpiringOfAll", listAllExpiringKeys},
		test{"SearchByBeginning", searchKeysByBeginning},
		test{"SearchByEnd", searchKeysByEnd},
		test{"Overdue", overdueKeys},
		test{"OverdueNone", overdueNoKeys},
		test{"OverdueMany", overdueManyKeys},
		test{"OverdueAndChanges", overdueChangedKeys},
	)
	for _, t := range keyUses.tests() {
		tests = append(tests, test{"Use" + t.name, t.run})
	}
	return tests
}

func keyStatuses(s *scene) {
	for _, status := range []rentroll.KeyStatus{rentroll.KeyActive, rentroll.KeyRevoked, rentroll.KeyExpired} {
		k := fullKey(s)
		k.Status = status
		keys.put(s, k)
		keys.is(s, k)
	}
}

// keyForAll: no list of workers or addresses allows all of them. It must not come back as a list that allows none.
func keyForAll(s *scene) {
	k := keyOf(s, s.tenant())
	keys.put(s, k)
	if got := get(s, keyRows, keyRef(k)); got.AllowedWorkers != nil || got.AllowedIPs != nil {
		s.Errorf("the absent lists came back as %#v and %#v", got.AllowedWorkers, got.AllowedIPs)
	}
}

func (s *scene) findKeys(asked ...rentroll.KeyHash) []rentroll.FoundKey {
	s.Helper()
	out, err := s.store.FindKeys(s.Context(), asked)
	s.must(err)
	if len(out) != len(asked) {
		s.Fatalf("%d answers to %d questions", len(out), len(asked))
	}
	return out
}

func (s *scene) keyByHash(tenant rentroll.TenantID, hash [32]byte) *rentroll.APIKey {
	s.Helper()
	return s.findKeys(rentroll.KeyHash{TenantID: tenant, Hash: hash})[0].Key
}

// findManyKeys asks for keys of several tenants at once, also twice and for those that are not there.
func findManyKeys(s *scene) {
	var asked []rentroll.KeyHash
	want := make(map[rentroll.KeyHash]*rentroll.APIKey)
	for range 5 {
		k := fullKey(s)
		other := keyOf(s, k.TenantID)
		keys.put(s, k, other)
		none := rentroll.KeyHash{TenantID: k.TenantID, Hash: sha256.Sum256(k.ID[:])}
		asked = append(asked, keyHash(k), none, keyHash(other), keyHash(k))
		want[keyHash(k)], want[keyHash(other)] = k, other
	}
	asked = append(asked, rentroll.KeyHash{TenantID: newID[rentroll.TenantID](s), Hash: asked[0].Hash})
	for i, f := range s.findKeys(asked...) {
		same(s, "the key", f.Key, want[asked[i]])
		if (f.Account != nil) != (f.Key != nil) || f.Account != nil && f.Account.TenantID != asked[i].TenantID {
			s.Errorf("with the key %v came the account %v", f.Key, f.Account)
		}
	}
	s.findKeys()
}

func keyHash(k *rentroll.APIKey) rentroll.KeyHash {
	return rentroll.KeyHash{TenantID: k.TenantID, Hash: k.Hash}
}

func keyByHash(s *scene) {
	one, two := fullKey(s), fullKey(s)
	second := keyOf(s, one.TenantID)
	two.Hash = one.Hash // in another tenant: a hash is looked for in one tenant only
	keys.put(s, one, two, second)
	same(s, "the key", s.keyByHash(one.TenantID, one.Hash), one)
	same(s, "the other tenant's key", s.keyByHash(two.TenantID, one.Hash), two)
	same(s, "the second key", s.keyByHash(one.TenantID, second.Hash), second)
	same(s, "no key", s.keyByHash(two.TenantID, second.Hash), nil)
	same(s, "no key", s.keyByHash(one.TenantID, [32]byte{}), nil)
}

func whoHasAHash(s *scene) {
	one, two := fullKey(s), fullKey(s)
	two.Hash = one.Hash // in another tenant
	keys.put(s, one, two)
	ask := map[rentroll.KeyHash]*rentroll.KeyID{
		{TenantID: one.TenantID, Hash: one.Hash}:   nil,
		{TenantID: two.TenantID, Hash: two.Hash}:   nil,
		{TenantID: one.TenantID, Hash: s.hash()}:   nil,
		{TenantID: one.TenantID, Hash: [32]byte{}}: nil,
	}
	b := s.load(func(b *rentroll.Batch) { b.KeyHashes = ask })
	for ref, id := range b.KeyHashes {
		want := rentroll.KeyID{}
		switch {
		case ref.Hash != one.Hash:
		case ref.TenantID == one.TenantID:
			want = one.ID
		default:
			want = two.ID
		}
		same(s, "the key with a hash", *id, want)
	}
}

func (s *scene) listKeys(f rentroll.KeyFilter) (out []*rentroll.APIKey) {
	s.Helper()
	s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
		out, err = r.ListKeys(ctx, f)
		return err
	})
	return out
}

func listKeys(s *scene) {
	tenant := s.tenant()
	var rows []*rentroll.APIKey
	for i := range 5 {
		k := keyOf(s, tenant)
		k.Status = []rentroll.KeyStatus{rentroll.KeyActive, rentroll.KeyRevoked, rentroll.KeyExpired}[i%3]
		rows = append(rows, k)
	}
	keys.put(s, rows...)
	keys.put(s, fullKey(s)) // of another tenant
	slices.Reverse(rows)
	same(s, "the list", s.listKeys(rentroll.KeyFilter{TenantID: tenant, Limit: 10}), rows)
	same(s, "its first page", s.listKeys(rentroll.KeyFilter{TenantID: tenant, Limit: 2}), rows[:2])
	next := rentroll.KeyFilter{TenantID: tenant, Before: rows[1].ID, Limit: 2}
	same(s, "its second page", s.listKeys(next), rows[2:4])
	last := rentroll.KeyFilter{TenantID: tenant, Before: rows[4].ID, Limit: 2}
	same(s, "what is behind the end", s.listKeys(last), nil)
}

// newKey puts a key with a state and an expiry.
func (s *scene) newKey(tenant rentroll.TenantID, status rentroll.KeyStatus, expires *time.Time) *rentroll.APIKey {
	s.Helper()
	k := keyOf(s, tenant)
	k.Status, k.ExpiresAt = status, expires
	keys.put(s, k)
	return k
}

func listActiveKeys(s *scene) {
	tenant := s.tenant()
	s.newKey(tenant, rentroll.KeyActive, new(instant)) // expires at the very instant: not active any more
	s.newKey(tenant, rentroll.KeyActive, new(after(-1)))
	later := s.newKey(tenant, rentroll.KeyActive, new(after(1)))
	s.newKey(tenant, rentroll.KeyRevoked, nil)
	never := s.newKey(tenant, rentroll.KeyActive, nil)
	s.newKey(tenant, rentroll.KeyExpired, nil)
	f := rentroll.KeyFilter{TenantID: tenant, ActiveAt: instant, Limit: 10}
	same(s, "the list", s.listKeys(f), []*rentroll.APIKey{never, later})
	f.Limit = 1
	same(s, "its first page", s.listKeys(f), []*rentroll.APIKey{never})
	f.Before = never.ID
	same(s, "its second page", s.listKeys(f), []*rentroll.APIKey{later})
	f.Before = later.ID
	same(s, "what is behind the end", s.listKeys(f), nil)
}

func countExpiredKeys(s *scene) {
	tenant := s.tenant()
	for _, at := range []*time.Time{new(after(-1)), new(instant), new(after(1)), nil} {
		s.newKey(tenant, rentroll.KeyActive, at)
		s.newKey(tenant, rentroll.KeyExpired, at)
		s.newKey(tenant, rentroll.KeyRevoked, at)
	}
	s.newKey(s.tenant(), rentroll.KeyActive, new(instant))
	beside := keyOf(s, tenant) // counts for nothing while it is good, and so not when it has expired
	beside.ExpiresAt, beside.InOverlap = new(instant), true
	keys.put(s, beside)
	for at, want := range map[time.Time]int64{after(-2): 0, after(-1): 1, instant: 2, after(1): 3, after(1e9): 3} {
		s.view(func(ctx context.Context, r rentroll.Reader) error {
			n, err := r.CountExpiredKeys(ctx, tenant, at)
			if n != want {
				s.Errorf("%d keys have expired at %s, want %d", n, at, want)
			}
			return err
		})
	}
}

func (s *scene) expiringKeys(f rentroll.ExpiryFilter) (out []*rentroll.APIKey) {
	s.Helper()
	s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
		out, err = r.ListExpiringKeys(ctx, f)
		return err
	})
	return out
}

func behind(k *rentroll.APIKey) rentroll.KeyExpiry {
	return rentroll.KeyExpiry{At: *k.ExpiresAt, TenantID: k.TenantID, KeyID: k.ID}
}

func listExpiringKeys(s *scene) {
	tenant := s.tenant()
	third := s.newKey(tenant, rentroll.KeyActive, new(after(7)))
	fourth := s.newKey(tenant, rentroll.KeyActive, new(after(7))) // at the same instant
	first := s.newKey(tenant, rentroll.KeyActive, new(after(-5)))
	second := s.newKey(tenant, rentroll.KeyActive, new(after(1)))
	s.newKey(tenant, rentroll.KeyActive, new(after(8)))
	s.newKey(tenant, rentroll.KeyActive, nil)
	s.newKey(tenant, rentroll.KeyRevoked, new(after(2)))
	s.newKey(tenant, rentroll.KeyExpired, new(after(3)))
	s.newKey(s.tenant(), rentroll.KeyActive, new(after(4)))
	all := []*rentroll.APIKey{first, second, third, fourth}
	f := rentroll.ExpiryFilter{TenantID: tenant, Until: after(7), Limit: 10}
	same(s, "the list", s.expiringKeys(f), all)
	f.Limit = 2
	same(s, "its first page", s.expiringKeys(f), all[:2])
	for i, k := range all {
		f.After = behind(k)
		same(s, "what is behind a row", s.expiringKeys(f), all[i+1:min(i+3, len(all))])
	}
}

func listAllExpiringKeys(s *scene) {
	one, two := s.tenant(), s.tenant()
	var all []*rentroll.APIKey
	for _, tenant := range []rentroll.TenantID{one, two} { // at one instant, in order of their tenants
		for range 2 {
			all = append(all, s.newKey(tenant, rentroll.KeyActive, new(after(3))))
		}
	}
	all = append(all, s.newKey(one, rentroll.KeyActive, new(after(5))))
	s.newKey(two, rentroll.KeyActive, new(after(6)))
	s.newKey(two, rentroll.KeyRevoked, new(after(4)))
	f := rentroll.ExpiryFilter{Until: after(5), Limit: 10}
	same(s, "the list", s.expiringKeys(f), all)
	f.Limit = 2
	for i, k := range all {
		f.After = behind(k)
		same(s, "what is behind a row", s.expiringKeys(f), all[i+1:min(i+3, len(all))])
	}
}

func (s *scene) overdueKeys(tenant rentroll.TenantID) (*rentroll.OverdueKeys, *rentroll.Batch) {
	s.Helper()
	b := s.load(func(b *rentroll.Batch) { b.OverdueKeys = map[rentroll.TenantID]*rentroll.OverdueKeys{tenant: nil} })
	return b.OverdueKeys[tenant], b
}

func overdueKeys(s *scene) {
	tenant := s.tenant()
	s.newKey(tenant, rentroll.KeyActive, new(after(9)))
	second := s.newKey(tenant, rentroll.KeyActive, new(instant))
	s.newKey(tenant, rentroll.KeyActive, new(after(5)))
	first := s.newKey(tenant, rentroll.KeyActive, new(after(-7)))
	s.newKey(tenant, rentroll.KeyActive, nil)
	s.newKey(tenant, rentroll.KeyRevoked, new(after(-8)))
	s.newKey(tenant, rentroll.KeyExpired, new(after(-9)))
	s.newKey(s.tenant(), rentroll.KeyActive, new(after(-9)))
	answer, b := s.overdueKeys(tenant)
	want := &rentroll.OverdueKeys{Keys: []*rentroll.APIKey{first, second}, Next: after(5)}
	same(s, "the answer", answer, want)
	for _, k := range want.Keys {
		same(s, "the key in the batch", b.Keys.Get(keyRef(k)), k)
	}
}

func overdueNoKeys(s *scene) {
	tenant := s.tenant()
	answer, _ := s.overdueKeys(tenant)
	same(s, "the answer without keys", answer, &rentroll.OverdueKeys{})
	s.newKey(tenant, rentroll.KeyActive, new(after(1)))
	answer, _ = s.overdueKeys(tenant)
	same(s, "the answer without expired keys", answer, &rentroll.OverdueKeys{Next: after(1)})
}

func overdueManyKeys(s *scene) {
	tenant := s.tenant()
	s.put(func(b *rentroll.Batch) {
		for i := range rentroll.MaxOverdue + 3 {
			k := keyOf(s, tenant)
			k.ExpiresAt = new(after(-2000 + i))
			b.Keys.Put(keyRef(k), k)
		}
	})
	answer, _ := s.overdueKeys(tenant)
	if n := len(answer.Keys); n != rentroll.MaxOverdue {
		s.Fatalf("got %d keys, want the first %d", n, rentroll.MaxOverdue)
	}
	for i, k := range answer.Keys {
		same(s, "the expiry in its order", *k.ExpiresAt, after(-2000+i))
	}
	same(s, "the next expiry", answer.Next, after(-2000+rentroll.MaxOverdue))
}

// overdueChangedKeys: rows that the batch has changed stay as it changed them.
func overdueChangedKeys(s *scene) {
	k := s.newKey(s.tenant(), rentroll.KeyActive, new(instant))
	tx, b := s.claim()
	b.Keys.Want(keyRef(k))
	s.must(tx.Load(s.Context(), b))
	revoked := *k
	revoked.Status = rentroll.KeyRevoked
	b.Keys.Put(keyRef(k), &revoked)
	b.OverdueKeys = map[rentroll.TenantID]*rentroll.OverdueKeys{k.TenantID: nil}
	s.must(tx.Load(s.Context(), b))
	same(s, "the answer", b.OverdueKeys[k.TenantID], &rentroll.OverdueKeys{Keys: []*rentroll.APIKey{k}})
	if b.Keys.Get(keyRef(k)) != &revoked {
		s.Error("the answer has undone a change of the batch")
	}
}
