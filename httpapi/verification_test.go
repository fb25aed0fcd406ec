package httpapi

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rentroll/rentroll"
)

// TestVerificationsAreWrittenAsAnEncoderWould compares the JSON that is written by hand with that of an encoder.
func TestVerificationsAreWrittenAsAnEncoderWould(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.Just(""), rapid.SampledFrom([]string{"run:*", "a\"b", `\`, "<&>", "\u2028", "é", "\x00\x1f\x7f", "\xff"}), rapid.String())
		texts := rapid.OneOf(rapid.Just([]string(nil)), rapid.SliceOf(text))
		id := func(name string) (out [16]byte) {
			if rapid.Bool().Draw(t, name+" is there") {
				copy(out[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, name))
			}
			return out
		}
		v := &rentroll.Verification{
			Valid: rapid.Bool().Draw(t, "valid"), Code: rentroll.NullString(text.Draw(t, "code")), TenantID: id("tenant"),
			TenantStatus: rentroll.NullString(text.Draw(t, "status")), APIKeyID: id("key"), Plan: rentroll.NullString(text.Draw(t, "plan")),
			Permissions: texts.Draw(t, "permissions"), AllowedWorkers: texts.Draw(t, "workers"), Stale: rapid.Bool().Draw(t, "stale"),
		}
		if rapid.Bool().Draw(t, "limited") {
			v.RateLimit = &rentroll.RateLimitInfo{
				Limit: rapid.Int64().Draw(t, "limit"), Remaining: rapid.Int64().Draw(t, "remaining"),
				ResetsAt: time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "reset")).UTC(),
			}
		}
		want, err := marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := encode(v)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("by hand\n%s\nby an encoder\n%s", got, want)
		}
	})
}

// asked is a context that counts how often somebody wanted to know when it ends.
type asked struct {
	context.Context

	times atomic.Int64
}

func (a *asked) Done() <-chan struct{} {
	a.times.Add(1)
	return a.Context.Done()
}

// TestKeysInMemoryWaitForNothing holds that a request about a key in memory never gets as far as to need a time limit, and
// that one about another key does.
func TestKeysInMemoryWaitForNothing(t *testing.T) {
	t.Parallel()
	for _, kept := range []bool{true, false} {
		w := newWorld(t, func(o *rentroll.Options, _ *Options) {
			if !kept {
				o.CachedKeys = -1
			}
		})
		verify := func() int64 {
			ctx := &asked{Context: t.Context()}
			r := httptest.NewRequestWithContext(ctx, "POST", "/v1/api-keys/verify", strings.NewReader(`{"secret":"`+w.key+`"}`))
			r.Header.Set("Authorization", "Bearer "+operatorSecret)
			r.Header.Set("Content-Type", jsonType)
			answer := httptest.NewRecorder()
			w.server.ServeHTTP(answer, r)
			if answer.Code != 200 || !strings.HasPrefix(answer.Body.String(), `{"valid":true,`) {
				t.Fatalf("status %d: %s", answer.Code, answer.Body)
			}
			return ctx.times.Load()
		}
		verify() // into memory
		times := verify()
		// What was read before the engine first learnt of others' changes is read again.
		for end := time.Now().Add(10 * time.Second); kept && times > 0 && time.Now().Before(end); {
			times = verify()
		}
		if kept != (times == 0) {
			t.Errorf("kept in memory %t: the request asked %d times when it ends", kept, times)
		}
	}
}

// TestPatienceEnds holds the context of requests to what contexts promise.
func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	p := &patience{Context: t.Context(), long: time.Hour}
	if _, limited := p.Deadline(); !limited || p.Err() != nil {
		t.Error("it has no end, or has ended")
	}
	child, cancel := context.WithCancel(p)
	defer cancel()
	p.end()
	<-p.Done()
	<-child.Done()
	if !errors.Is(p.Err(), context.Canceled) || !errors.Is(child.Err(), context.Canceled) {
		t.Errorf("it ended with %v, what is derived of it with %v", p.Err(), child.Err())
	}
	late := &patience{Context: t.Context(), long: 1}
	<-late.Done()
	if !errors.Is(late.Err(), context.DeadlineExceeded) {
		t.Errorf("it ended with %v", late.Err())
	}
	never := &patience{Context: t.Context(), long: time.Hour}
	never.end()
	if never.timed.Load() != nil {
		t.Error("a timer was made to be stopped")
	}
}

// TestDirectRoutes names a few of the routes that must not go through huma, and one that must.
func TestDirectRoutes(t *testing.T) {
	t.Parallel()
	for _, params := range []any{none{}, once{}, ofTenant{}, ofTenantOnce{}, ofAPIKeyOnce{}, forwardAuthParams{}} {
		if _, direct := textsOf(reflect.TypeOf(params)); !direct {
			t.Errorf("%T is not read directly", params)
		}
	}
	for _, params := range []any{page{}, listAPIKeysParams{}, struct {
		Status string `query:"status" enum:"a,b"`
	}{}, struct {
		Token string `cookie:"token"`
	}{}} {
		if _, direct := textsOf(reflect.TypeOf(params)); direct {
			t.Errorf("%T is read directly: its rules would be lost", params)
		}
	}
}

// TestNamesOfRequestsDiffer draws names on several servers at once.
func TestNamesOfRequestsDiffer(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var wait sync.WaitGroup
	seen := map[string]bool{}
	for range 4 {
		n := newNames()
		for range 2 {
			wait.Go(func() {
				for range 5000 {
					name := n.next()
					mu.Lock()
					if len(name) != 26 || seen[name] {
						t.Errorf("the name %q is no name, or there twice", name)
					}
					seen[name] = true
					mu.Unlock()
				}
			})
		}
	}
	wait.Wait()
}
