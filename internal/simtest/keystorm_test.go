package simtest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/simtest"
)

// besideStorm lets callers call ten times a second each, or as often as they are answered, while do runs. Time is the
// bubble's: what does not wait takes none.
func besideStorm(t *testing.T, callers int, call func(caller, turn int), do func()) {
	t.Helper()
	var over atomic.Bool
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			for n := 0; !over.Load(); n++ {
				call(i, n)
				<-time.After(100 * time.Millisecond)
			}
		})
	}
	<-time.After(3 * time.Second) // until as many wait as ever will
	do()
	over.Store(true)
	group.Wait()
}

// TestInventedOperatorKeysStopNobody: who invents operator keys makes neither API keys wait that are not in memory, nor
// operator keys that are.
func TestInventedOperatorKeysStopNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newKeyRig(t, openInMemory(t), rentroll.Options{}, nil)
		defer r.Close()
		elsewhere := newKeyRig(t, openInMemory(t), rentroll.Options{}, nil)
		defer elsewhere.Close()
		invented := make([]string, 800)
		var err error
		for i := range invented {
			p := rentroll.CreateOperatorKeyParams{Name: fmt.Sprint(i)}
			if invented[i], _, err = elsewhere.CreateOperatorKey(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		operator, err := r.EnsureOperatorKey(t.Context(), "real")
		if err != nil {
			t.Fatal(err)
		}
		unknown, _ := elsewhere.newKey("unknown")
		r.learnt()
		real := func() {
			if _, err := r.Authenticate(t.Context(), operator); err != nil {
				t.Error(err)
			}
		}
		real()
		time.Sleep(time.Minute) // after which it is read again
		waits := func(what string, most time.Duration, do func()) {
			t.Helper()
			began := time.Now()
			if do(); time.Since(began) > most {
				t.Errorf("%s waited for %s", what, time.Since(began))
			}
		}
		storm := func(i, _ int) {
			switch _, err := r.Authenticate(t.Context(), invented[i]); rentroll.CodeOf(err) {
			case rentroll.CodeUnauthenticated, rentroll.CodeOverloaded:
			default:
				t.Errorf("an invented operator key: %v", err)
			}
		}
		besideStorm(t, len(invented), storm, func() {
			r.is(unknown, "not_found") // so that the next one is paced
			fresh, _ := r.newKey("fresh")
			waits("an API key that is not in memory", 20*time.Millisecond, func() { r.is(fresh, "") })
			waits("an operator key that is in memory", 0, real)
		})
	})
}

// TestInventedForeignKeys: a storm of secrets in a form of their own costs no more queries than one of well-formed keys,
// where there are imported keys that they might be.
func TestInventedForeignKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var views atomic.Int64
		r := newKeyRig(t, openInMemory(t), rentroll.Options{SweepInterval: -1}, func(f *simtest.Faults) {
			f.OnView = func() simtest.Fault {
				views.Add(1)
				return simtest.None
			}
		})
		defer r.Close()
		const foreign = "a-key-of-another-system-0001"
		sum := sha256.Sum256([]byte(foreign))
		_, err := r.ImportAPIKeys(t.Context(), rentroll.ImportAPIKeysParams{
			TenantID: r.tenant, Keys: []rentroll.ImportedKey{{SHA256: hex.EncodeToString(sum[:]), Name: "foreign"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		r.learnt()
		r.is(foreign, "")
		storm := func(i, n int) {
			if got, err := code(r.Engine, fmt.Sprintf("an-invented-secret-%d-%d", i, n)); err != nil || got != "not_found" {
				t.Errorf("an invented secret: %q, %v", got, err)
			}
		}
		besideStorm(t, 200, storm, func() {
			before, finds, began := views.Load(), r.finds.Load(), time.Now()
			time.Sleep(5 * time.Second)
			asked := views.Load() - before + r.finds.Load() - finds
			if took := time.Since(began).Seconds(); float64(asked) > 20+200*took {
				t.Errorf("%d queries in %.0f s", asked, took)
			}
			r.is(foreign, "")
		})
	})
}
