package storetest

import (
	"context"

	"github.com/rentroll/rentroll"
)

func operatorKeyTests() []test {
	return []test{
		{"RoundTrip", operatorKeyRoundTrip},
		{"None", operatorKeyNone},
		{"Count", operatorKeyCount},
		{"InsertWhatIsThere", operatorKeyConflict},
	}
}

// newOperatorKeys puts two operator keys: one that is good and one that is revoked.
func (s *scene) newOperatorKeys() (good, revoked *rentroll.OperatorKey) {
	s.Helper()
	good = &rentroll.OperatorKey{ID: newID[rentroll.OperatorKeyID](s), Name: "ops", Hash: s.hash(), CreatedAt: after(1)}
	revoked = &rentroll.OperatorKey{
		ID: newID[rentroll.OperatorKeyID](s), Name: "née „ops“", Hash: s.hash(), CreatedAt: after(2), RevokedAt: new(after(3)),
	}
	s.put(func(b *rentroll.Batch) { b.NewOperatorKeys = []*rentroll.OperatorKey{good, revoked} })
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

func operatorKeyRoundTrip(s *scene) {
	good, revoked := s.newOperatorKeys()
	for _, k := range []*rentroll.OperatorKey{good, revoked} {
		same(s, "the key", s.operatorKey(k.Hash), k)
	}
	same(s, "no key", s.operatorKey(s.hash()), nil)
	complete(s, *revoked)
}

func operatorKeyNone(s *scene) {
	if s.hasOperatorKey() {
		s.Error("a new store has an operator key")
	}
	same(s, "no key", s.operatorKey([32]byte{}), nil)
	same(s, "the number of keys", s.countOperatorKeys(), 0)
}

func (s *scene) countOperatorKeys() int64 {
	s.Helper()
	b := s.load(func(b *rentroll.Batch) { b.OperatorKeys = map[struct{}]*int64{{}: nil} })
	return *b.OperatorKeys[struct{}{}]
}

func operatorKeyCount(s *scene) {
	s.newOperatorKeys()
	if !s.hasOperatorKey() {
		s.Error("the keys that are there are not seen")
	}
	same(s, "the number of keys", s.countOperatorKeys(), 2)
	s.newOperatorKeys()
	same(s, "the number of keys", s.countOperatorKeys(), 4)
}

func operatorKeyConflict(s *scene) {
	good, _ := s.newOperatorKeys()
	again := *good
	again.Name, again.Hash = "other", s.hash()
	s.refuse(func(b *rentroll.Batch) { b.NewOperatorKeys = []*rentroll.OperatorKey{&again} })
	same(s, "the key", s.operatorKey(good.Hash), good)
	same(s, "no key", s.operatorKey(again.Hash), nil)
}
