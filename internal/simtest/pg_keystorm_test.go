package simtest_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/faultproxy"
	"github.com/rentroll/rentroll/internal/pgtest"
	"github.com/rentroll/rentroll/postgres"
)

// TestMissIsOneRoundTrip: a key that is not in memory costs PostgreSQL one round trip, and nothing before or behind it.
func TestMissIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	url, schema := pgtest.Database(t)
	proxy := faultproxy.New(t, url)
	store, err := postgres.Open(t.Context(), proxy.URL(), &postgres.Options{Schema: schema, Connections: 8})
	if err != nil {
		t.Fatal(err)
	}
	r := newKeyRig(t, store, rentroll.Options{CachedKeys: -1, SweepInterval: -1}, nil)
	defer r.Close()
	const misses = 50
	for range 4 * misses { // until each connection has prepared what it needs
		r.is(r.secret, "")
	}
	var mu sync.Mutex
	turns := map[uint32]map[int]string{} // of each connection, with what was asked for in them
	proxy.Watch(func(s faultproxy.Statement) faultproxy.Fate {
		mu.Lock()
		defer mu.Unlock()
		if turns[s.Backend] == nil {
			turns[s.Backend] = map[int]string{}
		}
		turns[s.Backend][s.Turn] += s.SQL + ";"
		return faultproxy.Fate{}
	})
	before := r.Metrics().KeyQueries
	for range misses {
		r.is(r.secret, "")
	}
	proxy.Watch(nil)
	mu.Lock()
	defer mu.Unlock()
	reads := 0
	for _, all := range turns {
		numbers := slices.Sorted(maps.Keys(all))
		for i, turn := range numbers {
			text := all[turn]
			read := strings.Contains(text, "api_keys.hash")
			switch {
			case read && i > 0 && numbers[i-1] != turn-1:
				t.Error("a round trip without a statement comes before the one that reads the key")
			case read:
				reads++
			case i > 0 && numbers[i-1] == turn-1 && strings.Contains(all[turn-1], "api_keys.hash") &&
				!strings.Contains(text, "FROM ") && !strings.Contains(text, "INTO ") && !strings.Contains(text, "UPDATE "):
				t.Errorf("a round trip that only ends the reading of a key: %s", text)
			}
		}
	}
	if n := r.Metrics().KeyQueries - before; n != misses || reads != misses {
		t.Errorf("%d misses made %d queries in %d round trips", misses, n, reads)
	}
}

// inventedKeys are well-formed secrets of another platform.
func inventedKeys(t *testing.T, n int) []string {
	t.Helper()
	elsewhere := newKeyRig(t, openInMemory(t), rentroll.Options{}, nil)
	defer elsewhere.Close()
	if _, _, err := elsewhere.PutPlan(t.Context(), rentroll.PutPlanParams{Name: "unlimited"}); err != nil {
		t.Fatal(err)
	}
	if _, err := elsewhere.UpdatePlan(t.Context(), rentroll.UpdatePlanParams{TenantID: elsewhere.tenant, Plan: "unlimited"}); err != nil {
		t.Fatal(err)
	}
	out := make([]string, n)
	for i := range out {
		out[i], _ = elsewhere.newKey(fmt.Sprint(i))
	}
	return out
}

// TestInventedKeysOnPostgreSQL: a storm of well-formed keys that do not exist makes at most 200 queries a second, and those of
// the burst, and does not push out the key that is in memory.
func TestInventedKeysOnPostgreSQL(t *testing.T) {
	t.Parallel()
	invented := inventedKeys(t, 500)
	r := newKeyRig(t, openServers(t)(), rentroll.Options{}, nil)
	defer r.Close()
	r.learnt()
	storming, end := context.WithTimeout(t.Context(), 3*time.Second)
	defer end()
	before, began := r.finds.Load(), time.Now()
	var group sync.WaitGroup
	var asked atomic.Int64
	for i := range 64 {
		group.Go(func() {
			for n := i; storming.Err() == nil || asked.Load() < int64(len(invented)); n += 64 {
				got, err := code(r.Engine, invented[n%len(invented)])
				if err != nil || got != "not_found" {
					t.Errorf("an invented key: %q, %v", got, err)
					return
				}
				asked.Add(1)
			}
		})
	}
	group.Wait()
	queries, took := r.finds.Load()-before, time.Since(began)
	if float64(queries) > 20+200*took.Seconds()+2 { // and the known key, which its own making forgets once
		t.Errorf("%d queries in %s", queries, took)
	}
	if queries == 0 {
		t.Errorf("the storm was none: %d verifications, %d queries", asked.Load(), queries)
	}
	// Where a poll is late, the key is read, though it is kept: then it is in memory the next time.
	until(t, "the known key is in memory", func() bool {
		finds := r.finds.Load()
		r.is(r.secret, "")
		return r.finds.Load() == finds
	})
}
