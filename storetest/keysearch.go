package storetest

import (
	"context"

	"github.com/rentroll/rentroll"
)

func (s *scene) searchKeys(f rentroll.KeySearch) (out []*rentroll.APIKey) {
	s.Helper()
	s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
		out, err = r.SearchKeys(ctx, f)
		return err
	})
	return out
}

// walkKeys checks what a search finds, and that it goes on behind each row.
func (s *scene) walkKeys(what string, f rentroll.KeySearch, want ...*rentroll.APIKey) {
	s.Helper()
	f.Limit = 10
	same(s, what, s.searchKeys(f), want)
	for i, k := range want {
		f.Limit, f.After = 2, rentroll.KeyPlace{Prefix: k.KeyPrefix, TenantID: k.TenantID, KeyID: k.ID}
		same(s, what+", behind a row", s.searchKeys(f), want[i+1:min(i+3, len(want))])
	}
}

func (s *scene) keyShown(tenant rentroll.TenantID, prefix string, suffix rentroll.NullString) *rentroll.APIKey {
	s.Helper()
	k := keyOf(s, tenant)
	k.KeyPrefix, k.KeySuffix = prefix, suffix
	keys.put(s, k)
	return k
}

// searchKeysByBeginning: the order is that of bytes, whatever the database's own order of texts is.
func searchKeysByBeginning(s *scene) {
	tenant, other := s.tenant(), s.tenant() // whose id is greater
	lower := s.keyShown(tenant, "rr_aa", "")
	upper := s.keyShown(tenant, "rr_A_", "")
	digit := s.keyShown(tenant, "rr_A0", "")
	theirs := s.keyShown(other, "rr_A_", "")
	again := s.keyShown(tenant, "rr_A_", "0000")
	foreign := s.keyShown(other, "s%_\\'", "")
	s.keyShown(tenant, "", "")
	s.walkKeys("all of a beginning", rentroll.KeySearch{Prefix: "rr_A"}, digit, upper, again, theirs)
	s.walkKeys("of one tenant", rentroll.KeySearch{TenantID: tenant, Prefix: "rr_"}, digit, upper, again, lower)
	s.walkKeys("of the other", rentroll.KeySearch{TenantID: other, Prefix: "rr_"}, theirs)
	s.walkKeys("the whole of what is shown", rentroll.KeySearch{Prefix: "rr_aa"}, lower)
	s.walkKeys("more than it", rentroll.KeySearch{Prefix: "rr_aaa"})
	s.walkKeys("another case", rentroll.KeySearch{Prefix: "RR_"})
	s.walkKeys("marks that are no patterns", rentroll.KeySearch{Prefix: "s%_\\"}, foreign)
	s.walkKeys("a pattern", rentroll.KeySearch{Prefix: "r%"})
}

func searchKeysByEnd(s *scene) {
	tenant, other := s.tenant(), s.tenant()
	one := s.keyShown(tenant, "rr_A", "7Zk0")
	two := s.keyShown(tenant, "rr_B", "7Zk0")
	theirs := s.keyShown(other, "rr_A", "7Zk0")
	s.keyShown(tenant, "rr_A", "7ZK0")
	s.keyShown(tenant, "7Zk0", "")
	s.walkKeys("all of an end", rentroll.KeySearch{Suffix: "7Zk0"}, one, two, theirs)
	s.walkKeys("of one tenant", rentroll.KeySearch{TenantID: tenant, Suffix: "7Zk0"}, one, two)
	s.walkKeys("with a beginning", rentroll.KeySearch{Prefix: "rr_A", Suffix: "7Zk0"}, one, theirs)
	s.walkKeys("with a beginning, of one tenant", rentroll.KeySearch{TenantID: tenant, Prefix: "rr_B", Suffix: "7Zk0"}, two)
	s.walkKeys("a part of an end", rentroll.KeySearch{Suffix: "7Zk"})
}
