package simtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
)

// TestOperatorKeysOfOtherServers: an operator key that is in the memory of one server and revoked on another is refused by
// it within a second, and is no tenant's key meanwhile.
func TestOperatorKeysOfOtherServers(t *testing.T) {
	t.Parallel()
	open := openServers(t)
	r := newKeyRig(t, open(), rentroll.Options{}, nil)
	defer r.Close()
	other, err := rentroll.New(open(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := r.EnsureOperatorKey(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	secret, key, err := r.CreateOperatorKey(t.Context(), rentroll.CreateOperatorKeyParams{Name: "second"})
	if err != nil {
		t.Fatal(err)
	}
	good := func() bool {
		_, err := other.Authenticate(context.Background(), secret)
		if err != nil && rentroll.CodeOf(err) != rentroll.CodeUnauthenticated {
			t.Fatal(err)
		}
		return err == nil
	}
	for before := other.Metrics().KeyHits; other.Metrics().KeyHits == before; <-time.After(time.Millisecond) {
		if !good() {
			t.Fatal("a good operator key was refused")
		}
	}
	if got, err := code(other, secret); err != nil || got != "malformed" {
		t.Errorf("as an API key it is %q, %v", got, err)
	}
	if _, err := r.RevokeOperatorKey(t.Context(), rentroll.RevokeOperatorKeyParams{KeyID: key.ID}); err != nil {
		t.Fatal(err)
	}
	answered := time.Now()
	if _, err := r.Authenticate(t.Context(), secret); rentroll.CodeOf(err) != rentroll.CodeUnauthenticated {
		t.Errorf("on the server that revoked it: %v", err)
	}
	for {
		started := time.Now()
		if !good() {
			break
		}
		if started.Sub(answered) > time.Second {
			t.Fatal("it was good more than a second after it was revoked")
		}
	}
}
