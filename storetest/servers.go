package storetest

import (
	"time"

	"github.com/rentroll/rentroll"
)

func serverTests() []test {
	return []test{
		{"Alone", serverAlone},
		{"Together", serversTogether},
		{"Silent", serverSilent},
		{"Withdrawn", serverWithdrawn},
		{"Described", storeDescribed},
		{"KeepsBatches", serverKeepsBatches},
	}
}

// server is a server with an id that ends in n.
func server(n byte) rentroll.Server {
	return rentroll.Server{ID: rentroll.ServerID{15: n}, Name: "server", StartedAt: instant}
}

func (s *scene) announce(server rentroll.Server, silence time.Duration) rentroll.Cluster {
	s.Helper()
	c, err := s.store.Announce(s.Context(), server, silence)
	s.must(err)
	return c
}

func serverAlone(s *scene) {
	first := s.announce(server(1), time.Hour)
	if first.Servers != 1 || first.Rank != 0 {
		s.Errorf("a lone server is told %+v", first)
	}
	second := s.announce(server(1), time.Hour)
	if second.Servers != 1 || second.Now.Before(first.Now) || first.Now.Before(instant.AddDate(-1, 0, 0)) {
		s.Errorf("announced again, it is told %+v after %+v", second, first)
	}
}

// Each of the servers that live has a rank of its own.
func serversTogether(s *scene) {
	for _, n := range []byte{2, 3, 1} {
		s.announce(server(n), time.Hour)
	}
	for n := range byte(3) {
		if c := s.announce(server(n+1), time.Hour); c.Servers != 3 || c.Rank != int(n) {
			s.Errorf("server %d of 3 is told %+v", n+1, c)
		}
	}
}

// storeDescribed: a store tells its version and size, and the servers that live.
func storeDescribed(s *scene) {
	describe := func(silence time.Duration) rentroll.StoreDescription {
		d, err := s.store.Describe(s.Context(), silence)
		s.must(err)
		if d.Version == "" || d.Bytes <= 0 {
			s.Errorf("the store is described as %q, of %d bytes", d.Version, d.Bytes)
		}
		return d
	}
	same(s, "nobody", describe(time.Hour).Servers, nil)
	s.announce(server(1), time.Hour)
	same(s, "one server", describe(time.Hour).Servers, []rentroll.Server{server(1)})
	s.announce(server(2), time.Hour)
	if d := describe(time.Hour); len(d.Servers) != 2 {
		s.Errorf("two servers live, and the store tells of %+v", d.Servers)
	}
	same(s, "those that were heard of in no time", describe(-time.Hour).Servers, nil)
}

// A server that has not been heard of for so long does not count, the one that asks always does.
func serverSilent(s *scene) {
	s.announce(server(1), time.Hour)
	if c := s.announce(server(2), -time.Hour); c.Servers != 1 || c.Rank != 0 {
		s.Errorf("beside a silent server one is told %+v", c)
	}
	if c := s.announce(server(2), time.Hour); c.Servers != 2 || c.Rank != 1 {
		s.Errorf("with more patience one is told %+v", c)
	}
}

func serverWithdrawn(s *scene) {
	s.announce(server(1), time.Hour)
	s.announce(server(2), time.Hour)
	s.must(s.store.Withdraw(s.Context(), server(1).ID))
	s.must(s.store.Withdraw(s.Context(), server(1).ID)) // twice does nothing
	if c := s.announce(server(2), time.Hour); c.Servers != 1 || c.Rank != 0 {
		s.Errorf("after the other has left, one is told %+v", c)
	}
}

// What Announce removes is old: a commit of just now can still be looked up.
func serverKeepsBatches(s *scene) {
	at := s.announce(server(1), time.Hour).Now
	young, old := batchAt(at), batchAt(at.Add(-48*time.Hour))
	tenant := s.tenant()
	for _, id := range []rentroll.BatchID{young, old} {
		tx, b := s.claim(tenant)
		changed := *b.Accounts.Get(tenant)
		changed.RunsToday++
		b.Accounts.Put(tenant, &changed)
		s.must(tx.Save(s.Context(), b))
		s.must(tx.Commit(s.Context(), id))
	}
	s.announce(server(1), time.Hour)
	if !s.store.Traits().Shared {
		return // commits are never unknown
	}
	for id, want := range map[rentroll.BatchID]bool{young: true, old: false} {
		got, err := s.store.Committed(s.Context(), id, []rentroll.TenantID{tenant})
		s.must(err)
		if got != want {
			s.Errorf("a commit is found: %v, want %v", got, want)
		}
	}
}

// batchAt is an id that was made at this time.
func batchAt(at time.Time) (id rentroll.BatchID) {
	ms := at.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id
}
