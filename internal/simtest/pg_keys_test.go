package simtest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

const foreignSecret = "sk_live_of the old platform"

// foreignKey is how a key with this secret is imported.
func foreignKey(tenant rentroll.TenantID, secret string) rentroll.ImportAPIKeysParams {
	sum := sha256.Sum256([]byte(secret))
	return rentroll.ImportAPIKeysParams{TenantID: tenant, Keys: []rentroll.ImportedKey{{SHA256: hex.EncodeToString(sum[:]), Name: "old"}}}
}

// TestImportsAreKnownElsewhere: until the first import a server looks nothing up; then every server does, soon.
func TestImportsAreKnownElsewhere(t *testing.T) {
	t.Parallel()
	r := twoServers(t)
	id, other := r.tenant("acme", nil), r.also[0]
	verify := func(e *rentroll.Engine) rentroll.Verification {
		t.Helper()
		v, err := e.VerifyAPIKey(t.Context(), rentroll.VerifyAPIKeyParams{Secret: foreignSecret})
		if err != nil {
			t.Fatal(err)
		}
		return *v
	}
	for _, e := range []*rentroll.Engine{r.Engine, other} {
		if v := verify(e); v.Code != "malformed" {
			t.Errorf("before the import: %q", v.Code)
		}
	}
	if _, err := r.ImportAPIKeys(t.Context(), foreignKey(id, foreignSecret)); err != nil {
		t.Fatal(err)
	}
	if v := verify(r.Engine); !v.Valid {
		t.Errorf("on the server that imported it: %q", v.Code)
	}
	until(t, "the other server knows of it", func() bool { return verify(other).Valid })
	if _, err := other.Authenticate(t.Context(), foreignSecret); err != nil {
		t.Error(err)
	}
	if v, err := other.VerifyAPIKey(t.Context(), rentroll.VerifyAPIKeyParams{Secret: foreignSecret + "!"}); err != nil || v.Code != "not_found" {
		t.Errorf("another secret: %+v, %v", v, err)
	}
}

// TestOneSecretOneTenant: however many tenants want a secret at once, one gets it.
func TestOneSecretOneTenant(t *testing.T) {
	onEveryStore(t, func(t *testing.T, r *rig) {
		t.Helper()
		engines := append([]*rentroll.Engine{r.Engine}, r.also...)
		tenants := []rentroll.TenantID{r.tenant("a", nil), r.tenant("b", nil), r.tenant("c", nil)}
		count := map[rentroll.ImportStatus]int{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				receipt, err := engines[i%len(engines)].ImportAPIKeys(t.Context(), foreignKey(tenants[i%len(tenants)], foreignSecret))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				count[receipt.Items[0].Status]++
			})
		}
		all.Wait()
		if count[rentroll.ImportImported] != 1 || count[rentroll.ImportDuplicate] != 3 || count[rentroll.ImportRejected] != 8 {
			t.Errorf("the imports ended as %v, want one imported, three duplicates, eight rejected", count)
		}
		r.checkRows(tenants...)
	})
}

// TestRotationsAtOnce: of many rotations of one key whose answers may all be lost, one leaves a key behind.
func TestRotationsAtOnce(t *testing.T) {
	onEveryStore(t, func(t *testing.T, r *rig) {
		t.Helper()
		engines := append([]*rentroll.Engine{r.Engine}, r.also...)
		id := r.tenant("acme", quota.Limits{quota.APIKeys: quota.Of(1)})
		_, key, err := r.CreateAPIKey(t.Context(), rentroll.CreateAPIKeyParams{TenantID: id, Name: "k"})
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				if _, _, err := engines[i%len(engines)].RotateAPIKey(t.Context(), rentroll.RotateAPIKeyParams{TenantID: id, KeyID: key.ID}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		active, err := r.ListAPIKeys(t.Context(), rentroll.ListAPIKeysParams{TenantID: id})
		if err != nil {
			t.Fatal(err)
		}
		good := map[rentroll.KeyID]*rentroll.APIKey{}
		for _, k := range active.Items {
			good[k.ID] = k
		}
		if old := good[key.ID]; len(good) != 2 || old == nil || good[old.RotatedTo] == nil {
			t.Errorf("good are %+v, want the old key and its last successor", good)
		}
		if used := r.use(id, quota.APIKeys); used != 1 {
			t.Errorf("%d keys count, want 1", used)
		}
		r.checkRows(id)
	})
}
