package simtest_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/simtest"
)

// keyRig is an engine with a tenant and a key, on a store whose reading of keys is watched.
type keyRig struct {
	*rentroll.Engine

	t      *testing.T
	store  *simtest.Faults
	finds  atomic.Int64
	tenant rentroll.TenantID
	secret string
	key    rentroll.KeyID
}

func newKeyRig(t *testing.T, store rentroll.Store, o rentroll.Options, prepare func(*simtest.Faults)) *keyRig {
	t.Helper()
	r := &keyRig{t: t, store: &simtest.Faults{Store: store}}
	if prepare != nil {
		prepare(r.store)
	}
	given := r.store.OnFind
	r.store.OnFind = func() simtest.Fault {
		r.finds.Add(1)
		if given != nil {
			return given()
		}
		return simtest.None
	}
	var err error
	if r.Engine, err = rentroll.New(r.store, &o); err != nil {
		t.Fatal(err)
	}
	tenant, err := r.CreateTenant(t.Context(), rentroll.CreateTenantParams{Name: "T", Slug: "t"})
	if err != nil {
		t.Fatal(err)
	}
	r.tenant = tenant.ID
	r.secret, r.key = r.newKey("k")
	return r
}

func (r *keyRig) newKey(name string) (string, rentroll.KeyID) {
	r.t.Helper()
	secret, key, err := r.CreateAPIKey(r.t.Context(), rentroll.CreateAPIKeyParams{TenantID: r.tenant, Name: name})
	if err != nil {
		r.t.Fatal(err)
	}
	return secret, key.ID
}

// code is what a verification answers: "" for a good key.
func code(e *rentroll.Engine, secret string) (string, error) {
	v, err := e.VerifyAPIKey(context.Background(), rentroll.VerifyAPIKeyParams{Secret: secret})
	if err != nil {
		return "", err
	}
	return string(v.Code), nil
}

func (r *keyRig) is(secret, want string) {
	r.t.Helper()
	if got, err := code(r.Engine, secret); err != nil || got != want {
		r.t.Errorf("a verification answered %q, want %q, %v", got, want, err)
	}
}

// learnt waits until the engine trusts its memory.
func (r *keyRig) learnt() {
	r.t.Helper()
	before := r.Metrics().KeyHits
	for range 100_000 {
		r.is(r.secret, "")
		if r.Metrics().KeyHits > before {
			return
		}
		<-time.After(time.Millisecond) // of the bubble's clock, or of the time that a poll takes
	}
	r.t.Fatal("nothing is kept in memory")
}

// TestKeysAreKept: a key that is good again and again is read once, a change is seen at once, and what is told of a key
// that does not exist ends when it is made.
func TestKeysAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newKeyRig(t, openInMemory(t), rentroll.Options{}, nil)
		defer r.Close()
		r.learnt()
		before := r.finds.Load()
		for range 1000 {
			r.is(r.secret, "")
		}
		if n := r.finds.Load() - before; n != 0 {
			t.Errorf("a key that is kept was read %d times", n)
		}
		time.Sleep(time.Minute)
		for range 10 {
			r.is(r.secret, "")
		}
		if n := r.finds.Load() - before; n != 1 && n != 2 { // its own making may come back to it once
			t.Errorf("after a minute a key was read %d times", n)
		}
		for name, change := range map[string]struct {
			do, undo func() error
			want     string
		}{
			"suspended": {
				do: func() error {
					_, err := r.Suspend(t.Context(), rentroll.TransitionParams{TenantID: r.tenant})
					return err
				},
				undo: func() error {
					_, err := r.Resume(t.Context(), rentroll.TransitionParams{TenantID: r.tenant})
					return err
				},
				want: "tenant_suspended",
			},
		} {
			if err := change.do(); err != nil {
				t.Fatal(name, err)
			}
			r.is(r.secret, change.want)
			if err := change.undo(); err != nil {
				t.Fatal(name, err)
			}
			r.is(r.secret, "")
		}
		if _, err := r.UpdatePlan(t.Context(), rentroll.UpdatePlanParams{TenantID: r.tenant, Plan: "pro"}); err != nil {
			t.Fatal(err)
		}
		if v, err := r.VerifyAPIKey(t.Context(), rentroll.VerifyAPIKeyParams{Secret: r.secret}); err != nil || v.Plan != "pro" {
			t.Errorf("after a change of the plan: %+v, %v", v, err)
		}
		if _, err := r.RevokeAPIKey(t.Context(), rentroll.RevokeAPIKeyParams{TenantID: r.tenant, KeyID: r.key}); err != nil {
			t.Fatal(err)
		}
		r.is(r.secret, "revoked")
	})
}

// TestLateFill: a key is read, then revoked, and only then does what was read arrive. It must not be kept.
func TestLateFill(t *testing.T) {
	t.Parallel()
	read, proceed := make(chan struct{}), make(chan struct{})
	var armed atomic.Bool
	r := newKeyRig(t, openSQLite(t), rentroll.Options{}, func(f *simtest.Faults) {
		f.OnFound = func() {
			if armed.CompareAndSwap(true, false) {
				close(read)
				<-proceed
			}
		}
	})
	defer r.Close()
	r.learnt()
	secret, key := r.newKey("late") // which is not in memory
	armed.Store(true)
	answer := make(chan string, 1)
	go func() {
		got, err := code(r.Engine, secret)
		if err != nil {
			got = err.Error()
		}
		answer <- got
	}()
	<-read
	if _, err := r.RevokeAPIKey(t.Context(), rentroll.RevokeAPIKeyParams{TenantID: r.tenant, KeyID: key}); err != nil {
		t.Fatal(err)
	}
	close(proceed)
	if got := <-answer; got != "" {
		t.Errorf("the verification that began before the revocation answered %q", got)
	}
	r.is(secret, "revoked")
}

// TestRevocationIsSeenByAllServers: while three servers verify a key without a pause, it is revoked on one of them. There no
// verification is good that starts after the revocation was answered, on the two others none that starts a second later.
func TestRevocationIsSeenByAllServers(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func() rentroll.Store{"postgres": openServers(t), "sqlite": openOneFile(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newKeyRig(t, open(), rentroll.Options{}, nil)
			defer r.Close()
			servers := []*rentroll.Engine{r.Engine}
			for range 2 {
				other, err := rentroll.New(open(), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer other.Close()
				servers = append(servers, other)
			}
			s := &onslaught{t: t, secret: r.secret, begin: time.Now()}
			var group sync.WaitGroup
			for i, server := range servers {
				grace := time.Second
				if i == 0 {
					grace = 0
				}
				for range 3 {
					group.Go(func() { s.verify(server, grace) })
				}
			}
			for _, server := range servers { // each is sure of what it keeps
				for hits := server.Metrics().KeyHits; server.Metrics().KeyHits < hits+100 && !t.Failed(); {
					<-time.After(time.Millisecond)
				}
			}
			if _, err := r.RevokeAPIKey(t.Context(), rentroll.RevokeAPIKeyParams{TenantID: r.tenant, KeyID: r.key}); err != nil {
				t.Error(err)
			}
			s.revoked.Store(int64(time.Since(s.begin)))
			group.Wait()
		})
	}
}

// onslaught verifies a key that is going to be revoked.
type onslaught struct {
	t       *testing.T
	secret  string
	begin   time.Time
	revoked atomic.Int64 // when the revocation had been answered, since begin; 0 before
}

// verify verifies the key until it is revoked. It must not be good in a verification that starts so long after.
func (s *onslaught) verify(server *rentroll.Engine, grace time.Duration) {
	for time.Since(s.begin) < time.Minute {
		started := time.Since(s.begin)
		got, err := code(server, s.secret)
		switch at := time.Duration(s.revoked.Load()); {
		case err != nil:
			s.t.Error(err)
			return
		case got == "revoked":
			return
		case got != "":
			s.t.Errorf("a verification answered %q", got)
			return
		case at != 0 && started > at+grace:
			s.t.Errorf("a verification was good that began %s after the revocation, more than %s", started-at, grace)
			return
		}
	}
	s.t.Error("the revocation was never seen")
}

// TestSilentStore: while others' changes can't be learnt, keys are verified by the store; and if that does not answer
// either, they are refused, or good for a stated time where the options say so.
func TestSilentStore(t *testing.T) {
	for name, staleFor := range map[string]time.Duration{"closed": 0, "open": 10 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var changes, finds atomic.Bool
				fault := func(on *atomic.Bool) func() simtest.Fault {
					return func() simtest.Fault {
						if on.Load() {
							return simtest.Down
						}
						return simtest.None
					}
				}
				r := newKeyRig(t, openInMemory(t), rentroll.Options{StaleFor: staleFor}, func(f *simtest.Faults) {
					f.OnChanges, f.OnFind = fault(&changes), fault(&finds)
				})
				defer r.Close()
				r.learnt()
				changes.Store(true)
				time.Sleep(2 * time.Second)
				before := r.finds.Load()
				r.is(r.secret, "")
				if r.finds.Load() == before {
					t.Error("a key was good by what was kept two seconds after the last change was learnt")
				}
				finds.Store(true)
				v, err := r.VerifyAPIKey(t.Context(), rentroll.VerifyAPIKeyParams{Secret: r.secret})
				if staleFor == 0 {
					if rentroll.CodeOf(err) != rentroll.CodeUnavailable {
						t.Errorf("without the store: %+v, %v", v, err)
					}
				} else {
					if err != nil || !v.Valid || !v.Stale || r.Metrics().KeyStale != 1 {
						t.Errorf("without the store: %+v, %v, %d stale", v, err, r.Metrics().KeyStale)
					}
					time.Sleep(staleFor)
					if _, err := code(r.Engine, r.secret); rentroll.CodeOf(err) != rentroll.CodeUnavailable {
						t.Errorf("without the store for long: %v", err)
					}
				}
				changes.Store(false)
				finds.Store(false)
				r.learnt()
				if v, err := r.VerifyAPIKey(t.Context(), rentroll.VerifyAPIKeyParams{Secret: r.secret}); err != nil || v.Stale {
					t.Errorf("with the store again: %+v, %v", v, err)
				}
			})
		})
	}
}

// TestInventedKeys: a storm of well-formed keys that do not exist costs a bounded number of queries.
func TestInventedKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newKeyRig(t, openInMemory(t), rentroll.Options{}, nil)
		defer r.Close()
		elsewhere := newKeyRig(t, openInMemory(t), rentroll.Options{}, nil)
		defer elsewhere.Close()
		r.learnt()
		time.Sleep(time.Second) // the key's own making is learnt, too, and it is read once more
		r.is(r.secret, "")
		invented := make([]string, 4)
		for i := range invented {
			invented[i], _ = elsewhere.newKey("k")
		}
		before, began := r.finds.Load(), time.Now()
		var group sync.WaitGroup
		for i := range 64 {
			group.Go(func() {
				for n := range 200 {
					got, err := code(r.Engine, invented[(i+n)%len(invented)])
					if err != nil || got != "not_found" {
						t.Errorf("an invented key: %q, %v", got, err)
						return
					}
					time.Sleep(20 * time.Millisecond)
				}
			})
		}
		group.Wait()
		took := time.Since(began)
		if n := r.finds.Load() - before; float64(n) > 20+200*took.Seconds() || n > 4*int64(took.Seconds()+2) {
			t.Errorf("%d queries in %s", n, took)
		}
		hits := r.finds.Load()
		r.is(r.secret, "")
		if r.finds.Load() != hits {
			t.Error("the known key was pushed out")
		}
	})
}

// TestUsesAreCounted: each use of a key counts, from however many callers, also across changes that make it be read anew.
func TestUsesAreCounted(t *testing.T) {
	t.Parallel()
	open := openServers(t)
	r := newKeyRig(t, open(), rentroll.Options{StatisticsInterval: time.Millisecond}, nil)
	var used atomic.Int64
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 500 {
				if _, err := r.Authenticate(t.Context(), r.secret); err != nil {
					t.Error(err)
					return
				}
				used.Add(1)
			}
		})
	}
	for range 20 {
		_, err := r.Suspend(t.Context(), rentroll.TransitionParams{TenantID: r.tenant})
		_, again := r.Resume(t.Context(), rentroll.TransitionParams{TenantID: r.tenant})
		if err := errors.Join(err, again); err != nil {
			t.Fatal(err)
		}
	}
	group.Wait()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := rentroll.New(open(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if k, err := again.GetAPIKey(t.Context(), r.tenant, r.key); err != nil || k.TotalRequests != used.Load() {
		t.Errorf("%d uses are counted, want %d, %v", k.TotalRequests, used.Load(), err)
	}
}

// openOneFile opens one SQLite file for each of several engines.
func openOneFile(t *testing.T) func() rentroll.Store {
	t.Helper()
	path := t.TempDir() + "/rentroll.db"
	return func() rentroll.Store { return openFile(t, path) }
}
