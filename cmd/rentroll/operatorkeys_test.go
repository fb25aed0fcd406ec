package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
)

// TestRetiringTheConfiguredKey goes over from the key of the environment to named keys, and back when they are lost.
func TestRetiringTheConfiguredKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := serve(t, dir, withKey())
	made, err := p.connect(configuredKey).CreateOperatorKey(t.Context(), client.CreateOperatorKeyParams{Name: "ops"})
	if err != nil {
		t.Fatal(err)
	}
	p.stop()

	p = serve(t, dir, nil)
	if _, err := p.connect(configuredKey).ListPlans(t.Context()); !errors.Is(err, rentroll.CodeUnauthenticated) {
		t.Errorf("the retired key: %v", err)
	}
	ops := p.connect(string(made.Secret))
	if _, err := ops.ListPlans(t.Context()); err != nil {
		t.Errorf("the named key: %v", err)
	}
	if _, err := ops.RevokeOperatorKey(t.Context(), made.OperatorKey.ID, ""); !errors.Is(err, rentroll.CodeInvalidTransition) {
		t.Errorf("the last key is revoked: %v", err)
	}
	p.stop()
	if _, err := os.Stat(filepath.Join(dir, operatorKeyFile)); err == nil {
		t.Error("a first key was made where there was one")
	}

	p = serve(t, dir, withKey())
	if _, err := p.connect(configuredKey).RevokeOperatorKey(t.Context(), made.OperatorKey.ID, "lost"); err != nil {
		t.Errorf("the last key beside that of the environment: %v", err)
	}
	if _, err := p.connect(string(made.Secret)).ListPlans(t.Context()); !errors.Is(err, rentroll.CodeUnauthenticated) {
		t.Errorf("a revoked key: %v", err)
	}
	p.stop()

	p = serve(t, dir, nil)
	p.err.wait(t, "no operator key is good any more")
	p.stop()
}
