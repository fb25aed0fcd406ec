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

// TestKeysOfOtherServers: what one of two servers revokes the other refuses within a second, and a key that the other has
// just answered for as unknown is good there once it is made. Each verification is one that starts a second after.
func TestKeysOfOtherServers(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func() rentroll.Store{"postgres": openServers(t), "sqlite": openFileTwice(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newKeyRig(t, open(), rentroll.Options{}, nil)
			defer r.Close()
			other, err := rentroll.New(open(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			var revoked atomic.Int64 // when the revocation had been answered, since begin
			begin := time.Now()
			var group sync.WaitGroup
			for range 4 {
				group.Go(func() {
					for time.Since(begin) < time.Minute {
						started := time.Since(begin)
						got, err := code(other, r.secret)
						switch at := time.Duration(revoked.Load()); {
						case err != nil:
							t.Error(err)
							return
						case got == "revoked":
							return
						case got != "":
							t.Errorf("a verification answered %q", got)
							return
						case at != 0 && started > at+time.Second:
							t.Errorf("a verification was good that began %s after the revocation", started-at)
							return
						}
					}
					t.Error("the revocation was never seen")
				})
			}
			for hits := other.Metrics().KeyHits; other.Metrics().KeyHits < hits+100 && !t.Failed(); {
				<-time.After(time.Millisecond)
			}
			if _, err := r.RevokeAPIKey(t.Context(), rentroll.RevokeAPIKeyParams{TenantID: r.tenant, KeyID: r.key}); err != nil {
				t.Fatal(err)
			}
			revoked.Store(int64(time.Since(begin)))
			r.is(r.secret, "revoked") // here, no success begins after the answer
			group.Wait()
		})
	}
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

// openFileTwice opens one SQLite file for each of several engines.
func openFileTwice(t *testing.T) func() rentroll.Store {
	t.Helper()
	path := t.TempDir() + "/rentroll.db"
	return func() rentroll.Store { return openFile(t, path) }
}
