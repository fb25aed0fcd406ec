package storetest

import (
	"context"
	"slices"

	"github.com/rentroll/rentroll"
)

var operatorKeys = noun[rentroll.OperatorKeyID, rentroll.OperatorKey]{
	rows: func(b *rentroll.Batch) *rentroll.Rowset[rentroll.OperatorKeyID, rentroll.OperatorKey] {
		return &b.Operators
	},
	key: func(k *rentroll.OperatorKey) rentroll.OperatorKeyID { return k.ID },
	full: func(s *scene) *rentroll.OperatorKey {
		return &rentroll.OperatorKey{
			ID: newID[rentroll.OperatorKeyID](s), Name: "née „ops“", KeyPrefix: "rrop_1aB2c3D", Hash: s.hash(),
			Permissions: []string{"tenant:manage", "read:*"}, ExpiresAt: new(after(4)), CreatedAt: after(2),
			RevokedAt: new(after(3)), RevokedReason: "found in a repository",
		}
	},
	bare: func(s *scene) *rentroll.OperatorKey {
		return &rentroll.OperatorKey{ID: newID[rentroll.OperatorKeyID](s), Hash: s.hash()}
	},
	edit: func(k *rentroll.OperatorKey) { k.RevokedAt, k.RevokedReason = new(after(5)), "again" },

	elsewhere: []string{"Status", "Replayed"},
}

func operatorKeyTests() []test {
	return append(operatorKeys.tests(),
		test{"ByHash", operatorKeyByHash},
		test{"None", operatorKeyNone},
		test{"All", operatorKeyAll},
		test{"ListNewestFirst", listOperatorKeys},
		test{"ListActive", listActiveOperatorKeys},
		test{"TwoOfOneHash", operatorKeyTwice},
	)
}

// newOperatorKeys puts two operator keys: one that is good and one that is revoked.
func (s *scene) newOperatorKeys() (good, revoked *rentroll.OperatorKey) {
	s.Helper()
	good = &rentroll.OperatorKey{ID: newID[rentroll.OperatorKeyID](s), Name: "ops", Hash: s.hash(), CreatedAt: after(1)}
	revoked = operatorKeys.full(s)
	operatorKeys.put(s, good, revoked)
	return good, revoked
}

func (s *scene) operatorKey(hash [32]byte) (out *rentroll.OperatorKey) {
	s.Helper()
	s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
		out, err = r.OperatorKeyByHash(ctx, hash)
		return err
	})
	return out
}

func (s *scene) hasOperatorKey() (has bool) {
	s.Helper()
	s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
		has, err = r.HasOperatorKey(ctx)
		return err
	})
	return has
}

func (s *scene) listOperatorKeys(f rentroll.OperatorKeyFilter) (out []*rentroll.OperatorKey) {
	s.Helper()
	s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
		out, err = r.ListOperatorKeys(ctx, f)
		return err
	})
	return out
}

func operatorKeyByHash(s *scene) {
	good, revoked := s.newOperatorKeys()
	for _, k := range []*rentroll.OperatorKey{good, revoked} {
		same(s, "the key", s.operatorKey(k.Hash), k)
	}
	same(s, "no key", s.operatorKey(s.hash()), nil)
}

func operatorKeyNone(s *scene) {
	if s.hasOperatorKey() {
		s.Error("a new store has an operator key")
	}
	same(s, "no key", s.operatorKey([32]byte{}), nil)
	same(s, "the list", s.listOperatorKeys(rentroll.OperatorKeyFilter{Limit: 9}), nil)
	same(s, "the number of keys", len(s.allOperatorKeys()), 0)
}

// allOperatorKeys are the keys that a transaction learns of which asks for all.
func (s *scene) allOperatorKeys() (out []*rentroll.OperatorKey) {
	s.Helper()
	b := s.load(func(b *rentroll.Batch) { b.OperatorKeys = map[struct{}]*int{{}: nil} })
	for _, k := range b.Operators.All() {
		out = append(out, k)
	}
	same(s, "the number of keys", *b.OperatorKeys[struct{}{}], len(out))
	slices.SortFunc(out, func(x, y *rentroll.OperatorKey) int { return x.ID.Compare(y.ID) })
	return out
}

func operatorKeyAll(s *scene) {
	good, revoked := s.newOperatorKeys()
	if !s.hasOperatorKey() {
		s.Error("the keys that are there are not seen")
	}
	same(s, "all keys", s.allOperatorKeys(), []*rentroll.OperatorKey{good, revoked})
	third, fourth := s.newOperatorKeys()
	same(s, "all keys", s.allOperatorKeys(), []*rentroll.OperatorKey{good, revoked, third, fourth})
}

func listOperatorKeys(s *scene) {
	var rows []*rentroll.OperatorKey
	for range 5 {
		rows = append(rows, operatorKeys.full(s))
	}
	operatorKeys.put(s, rows...)
	slices.Reverse(rows)
	same(s, "the list", s.listOperatorKeys(rentroll.OperatorKeyFilter{Limit: 10}), rows)
	same(s, "its first page", s.listOperatorKeys(rentroll.OperatorKeyFilter{Limit: 2}), rows[:2])
	same(s, "its second page", s.listOperatorKeys(rentroll.OperatorKeyFilter{Limit: 2, Before: rows[1].ID}), rows[2:4])
	same(s, "what is behind the end", s.listOperatorKeys(rentroll.OperatorKeyFilter{Limit: 2, Before: rows[4].ID}), nil)
}

func listActiveOperatorKeys(s *scene) {
	good, revoked := s.newOperatorKeys()
	expiring := operatorKeys.full(s)
	expiring.RevokedAt, expiring.RevokedReason = nil, ""
	operatorKeys.put(s, expiring)
	end := *expiring.ExpiresAt
	active := func(f rentroll.OperatorKeyFilter) []*rentroll.OperatorKey { return s.listOperatorKeys(f) }
	same(s, "before the end", active(rentroll.OperatorKeyFilter{ActiveAt: end.Add(-1000), Limit: 9}), []*rentroll.OperatorKey{expiring, good})
	same(s, "at the end", active(rentroll.OperatorKeyFilter{ActiveAt: end, Limit: 9}), []*rentroll.OperatorKey{good})
	same(s, "the second page", active(rentroll.OperatorKeyFilter{ActiveAt: end.Add(-1000), Limit: 1, Before: revoked.ID}), []*rentroll.OperatorKey{good})
}

func operatorKeyTwice(s *scene) {
	good, _ := s.newOperatorKeys()
	again := operatorKeys.full(s)
	again.Hash = good.Hash
	s.refuse(func(b *rentroll.Batch) { b.Operators.Put(again.ID, again) })
	same(s, "the key", s.operatorKey(good.Hash), good)
}
