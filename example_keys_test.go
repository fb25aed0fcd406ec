package rentroll_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

func ExampleEngine_RotateAPIKey() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	oldSecret, old, err := engine.CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{TenantID: tenant.ID, Name: "production"})
	must(err)
	overlap := time.Hour
	newSecret, next, err := engine.RotateAPIKey(ctx, rentroll.RotateAPIKeyParams{TenantID: tenant.ID, KeyID: old.ID, Overlap: &overlap})
	must(err)
	fmt.Println(next.Name, next.ID == old.ID)

	// Both are good for the overlap, in one place of api_keys.
	for _, secret := range []string{oldSecret, newSecret} {
		fmt.Println(value(engine.VerifyAPIKey(ctx, rentroll.VerifyAPIKeyParams{Secret: secret})).Valid)
	}
	quotas := value(engine.GetQuotas(ctx, tenant.ID))
	keys := quotas[slices.IndexFunc(quotas, func(q rentroll.QuotaUse) bool { return q.Quota == quota.APIKeys })]
	fmt.Println(keys.Quota, keys.Used)

	expiring := value(engine.ListAPIKeys(ctx, rentroll.ListAPIKeysParams{TenantID: tenant.ID, ExpiringWithinDays: 1}))
	for _, k := range expiring.Items {
		fmt.Println(k.ExpiresAt.Format(time.TimeOnly), k.RotatedTo == next.ID)
	}
	// Output:
	// production false
	// true
	// true
	// api_keys 1
	// 13:00:00 true
}

func ExampleEngine_ImportAPIKeys() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	const secret = "sk_live_4f2a9c0b17e3d58a" // that a customer has, and only its hash is known here
	hash := sha256.Sum256([]byte(secret))
	p := rentroll.ImportAPIKeysParams{TenantID: tenant.ID, Keys: []rentroll.ImportedKey{
		{SHA256: hex.EncodeToString(hash[:]), Name: "production", AllowedIPs: []string{"192.0.2.0/24"}},
	}}
	fmt.Println(value(engine.ImportAPIKeys(ctx, p)).Items[0].Status)
	fmt.Println(value(engine.ImportAPIKeys(ctx, p)).Items[0].Status)

	for _, from := range []string{"192.0.2.7", "203.0.113.1"} {
		_, err := engine.AuthenticateFrom(ctx, secret, netip.MustParseAddr(from))
		fmt.Println(from, err == nil)
	}
	// Output:
	// imported
	// duplicate
	// 192.0.2.7 true
	// 203.0.113.1 false
}
