package rentroll_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/sqlite"
)

// counted is a store that counts what is read of it on the way of a credential.
type counted struct {
	rentroll.Store
	views, finds, found atomic.Int64
}

func (c *counted) View(ctx context.Context, read func(rentroll.Reader) error) error {
	c.views.Add(1)
	return c.Store.View(ctx, read)
}

func (c *counted) FindKeys(ctx context.Context, asked []rentroll.KeyHash) ([]rentroll.FoundKey, error) {
	c.finds.Add(1)
	c.found.Add(int64(len(asked)))
	return c.Store.FindKeys(ctx, asked)
}

// reads is how often each thing was read while do did.
func (c *counted) reads(do func()) [3]int64 {
	views, finds, found := c.views.Load(), c.finds.Load(), c.found.Load()
	do()
	return [3]int64{c.views.Load() - views, c.finds.Load() - finds, c.found.Load() - found}
}

// TestBadKeysCostTheSame: a key that there is not, one of a tenant that there is not and one that was revoked take the
// same reads, so that the time of an answer does not tell which it was.
func TestBadKeysCostTheSame(t *testing.T) {
	ctx := t.Context()
	open := func() (*rentroll.Engine, *counted) {
		store, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "rentroll.db"), nil)
		if err != nil {
			t.Fatal(err)
		}
		c := &counted{Store: store}
		engine, err := rentroll.New(c, &rentroll.Options{SweepInterval: -1}) // nobody else reads
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := engine.Close(); err != nil {
				t.Error(err)
			}
		})
		return engine, c
	}
	key := func(engine *rentroll.Engine, tenant rentroll.TenantID) (string, rentroll.KeyID) {
		secret, key, err := engine.CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{TenantID: tenant, Name: "k"})
		if err != nil {
			t.Fatal(err)
		}
		return secret, key.ID
	}
	here, store := open()
	there, _ := open()
	tenant, err := here.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "T", Slug: "t"})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := there.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "T", Slug: "t"})
	if err != nil {
		t.Fatal(err)
	}
	good, _ := key(here, tenant.ID)
	revoked, id := key(here, tenant.ID)
	if _, err := here.RevokeAPIKey(ctx, rentroll.RevokeAPIKeyParams{TenantID: tenant.ID, KeyID: id}); err != nil {
		t.Fatal(err)
	}
	foreign, _ := key(there, stranger.ID)
	foreignAgain, _ := key(there, stranger.ID)

	verify := func(secret, code string) [3]int64 {
		return store.reads(func() {
			v, err := here.VerifyAPIKey(ctx, rentroll.VerifyAPIKeyParams{Secret: secret})
			if err != nil || string(v.Code) != code {
				t.Errorf("verified as %+v, %v; want %q", v, err, code)
			}
		})
	}
	authenticate := func(secret, code string) [3]int64 {
		return store.reads(func() {
			if _, err := here.Authenticate(ctx, secret); rentroll.CodeOf(err) != rentroll.CodeUnauthenticated {
				t.Errorf("%q: authenticated with %v", code, err)
			}
		})
	}
	verify(good, "")
	if store.finds.Load() == 0 {
		t.Fatal("nothing was counted")
	}
	for _, ask := range []func(secret, code string) [3]int64{verify, authenticate} {
		absent, again := ask(foreign, "not_found"), ask(foreignAgain, "not_found")
		if dead := ask(revoked, "revoked"); dead != absent || dead != again {
			t.Errorf("snapshots, look-ups and keys in them: %v for a key that was revoked, %v and %v for keys that there are not", dead, absent, again)
		}
	}
}
