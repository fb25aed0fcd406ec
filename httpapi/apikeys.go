package httpapi

import (
	"net/netip"
	"time"

	"github.com/rentroll/rentroll"
)

type createAPIKeyBody struct {
	Name              string          `json:"name" minLength:"1" maxLength:"100" example:"production"`
	UserID            rentroll.UserID `json:"user_id,omitempty" doc:"Whose key it is"`
	Permissions       []string        `json:"permissions,omitempty" minItems:"1" maxItems:"64" nullable:"false" example:"[\"run:*\",\"read:*\"]" doc:"Default run:* and read:*"`
	AllowedWorkers    []string        `json:"allowed_workers,omitempty" minItems:"1" maxItems:"1000" nullable:"false" example:"[\"business-builder\"]" doc:"Default all"`
	AllowedIPs        []string        `json:"allowed_ips,omitempty" minItems:"1" maxItems:"100" nullable:"false" example:"[\"192.0.2.0/24\",\"2001:db8::7\"]" doc:"Addresses and networks to use it from; default all"`
	ExpiresInDays     *int64          `json:"expires_in_days,omitempty" minimum:"1" maximum:"3650" example:"90" doc:"Default never"`
	RateLimitRPM      *int64          `json:"rate_limit_rpm,omitempty" minimum:"1" maximum:"1000000" example:"600" doc:"Requests a minute; default unlimited. Servers divide it among themselves"`
	MaxConcurrentRuns *int64          `json:"max_concurrent_runs,omitempty" minimum:"0" maximum:"1000000000000" doc:"The key's own limit, beside the tenant's"`
	MaxTokensPerMonth *int64          `json:"max_tokens_per_month,omitempty" minimum:"0" maximum:"1000000000000" doc:"The key's own limit, beside the tenant's"`
}

// keyWithSecret is the one answer that shows a secret.
type keyWithSecret struct {
	Secret rentroll.NullString `json:"secret"`
	APIKey *rentroll.APIKey    `json:"api_key"`
}

func createAPIKey(c *call, p *ofTenantOnce, b *createAPIKeyBody) (*keyWithSecret, error) {
	var bad fieldErrors
	days := bad.number("expires_in_days", b.ExpiresInDays, 1, maxExpiryDays)
	if err := invalid(bad...); err != nil {
		return nil, err
	}
	secret, key, err := c.engine.CreateAPIKey(c, rentroll.CreateAPIKeyParams{
		TenantID: c.tenant, Name: b.Name, UserID: b.UserID, Permissions: b.Permissions, AllowedWorkers: b.AllowedWorkers,
		AllowedIPs: b.AllowedIPs, ExpiresInDays: int(days), RateLimitRPM: b.RateLimitRPM, MaxConcurrentRuns: b.MaxConcurrentRuns,
		MaxTokensPerMonth: b.MaxTokensPerMonth, IdempotencyKey: p.Key,
	})
	if err != nil {
		return nil, err
	}
	c.replayed, c.object = key.Replayed, key
	c.location = "/v1/tenants/" + key.TenantID.String() + "/api-keys/" + key.ID.String()
	return &keyWithSecret{rentroll.NullString(secret), key}, nil
}

type listAPIKeysParams struct {
	Tenant         string `path:"tenant"`
	IncludeRevoked bool   `query:"include_revoked"`
	ExpiringWithin int    `query:"expiring_within_days" minimum:"1" maximum:"3650"`
	Query          string `query:"q" maxLength:"20"`
	Limit          int    `query:"limit" minimum:"1" maximum:"200" default:"20"`
	Cursor         string `query:"cursor"`
}

func (p listAPIKeysParams) tenantRef() string { return p.Tenant }

func listAPIKeys(c *call, p *listAPIKeysParams, _ *none) (*rentroll.List[*rentroll.APIKey], error) {
	if p.Query != "" {
		if p.IncludeRevoked || p.ExpiringWithin != 0 {
			return nil, invalid(alone)
		}
		return c.engine.FindAPIKeys(c, rentroll.FindAPIKeysParams{TenantID: c.tenant, Query: p.Query, Page: pageOf(p.Limit, p.Cursor)})
	}
	return c.engine.ListAPIKeys(c, rentroll.ListAPIKeysParams{
		TenantID: c.tenant, IncludeRevoked: p.IncludeRevoked, ExpiringWithinDays: p.ExpiringWithin, Page: pageOf(p.Limit, p.Cursor),
	})
}

// alone says that keys are looked for among all of them.
var alone = rentroll.FieldError{Field: "q", Message: "finds keys in whatever state: give it without include_revoked and expiring_within_days"}

type findAPIKeysParams struct {
	Query          string `query:"q" maxLength:"20"`
	ExpiringWithin int    `query:"expiring_within_days" minimum:"1" maximum:"3650"`
	Limit          int    `query:"limit" minimum:"1" maximum:"200" default:"20"`
	Cursor         string `query:"cursor"`
}

func findAPIKeys(c *call, p *findAPIKeysParams, _ *none) (*rentroll.List[*rentroll.APIKey], error) {
	switch {
	case p.Query != "" && p.ExpiringWithin != 0:
		return nil, invalid(alone)
	case p.ExpiringWithin == 0:
		return c.engine.FindAPIKeys(c, rentroll.FindAPIKeysParams{Query: p.Query, Page: pageOf(p.Limit, p.Cursor)})
	}
	return c.engine.ListExpiringAPIKeys(c, rentroll.ListExpiringAPIKeysParams{
		WithinDays: p.ExpiringWithin, Page: pageOf(p.Limit, p.Cursor),
	})
}

type ofAPIKey struct {
	Tenant string `path:"tenant"`
	Key    string `path:"key"`
}

func (p ofAPIKey) tenantRef() string { return p.Tenant }

func getAPIKey(c *call, p *ofAPIKey, _ *none) (*rentroll.APIKey, error) {
	id, err := rentroll.ParseKeyID(p.Key)
	if err != nil {
		return nil, notFound("API key")
	}
	return c.engine.GetAPIKey(c, c.tenant, id)
}

func revokeAPIKey(c *call, p *ofAPIKey, b *reasonBody) (*rentroll.APIKey, error) {
	id, err := rentroll.ParseKeyID(p.Key)
	if err != nil {
		return nil, notFound("API key")
	}
	return c.engine.RevokeAPIKey(c, rentroll.RevokeAPIKeyParams{TenantID: c.tenant, KeyID: id, Reason: b.Reason})
}

type rotateBody struct {
	OverlapSeconds *int64 `json:"overlap_seconds,omitempty" minimum:"0" maximum:"2592000" example:"3600" doc:"How long the old key stays good, 0 for no longer; default 24 hours"`
}

type ofAPIKeyOnce struct {
	Tenant  string `path:"tenant"`
	Key     string `path:"key"`
	OnceKey string `header:"Idempotency-Key"`
}

func (p ofAPIKeyOnce) tenantRef() string      { return p.Tenant }
func (p ofAPIKeyOnce) idempotencyKey() string { return p.OnceKey }

func rotateAPIKey(c *call, p *ofAPIKeyOnce, b *rotateBody) (*keyWithSecret, error) {
	id, err := rentroll.ParseKeyID(p.Key)
	if err != nil {
		return nil, notFound("API key")
	}
	params := rentroll.RotateAPIKeyParams{TenantID: c.tenant, KeyID: id, IdempotencyKey: p.OnceKey}
	if b.OverlapSeconds != nil {
		const most = int64(rentroll.MaxOverlap / time.Second)
		if *b.OverlapSeconds < 0 || *b.OverlapSeconds > most {
			return nil, invalid(rentroll.FieldError{Field: "overlap_seconds", Message: between(0, most)})
		}
		params.Overlap = new(time.Duration(*b.OverlapSeconds) * time.Second)
	}
	secret, key, err := c.engine.RotateAPIKey(c, params)
	if err != nil {
		return nil, err
	}
	c.replayed, c.object = key.Replayed, key
	return &keyWithSecret{rentroll.NullString(secret), key}, nil
}

type verifyBody struct {
	Secret     string  `json:"secret" minLength:"1" maxLength:"1024" doc:"The secret that somebody presented"`
	Permission *string `json:"permission,omitempty" example:"run:create" doc:"Also ask for this permission"`
	WorkerID   *string `json:"worker_id,omitempty" example:"business-builder" doc:"Also ask for this worker"`
	IP         *string `json:"ip,omitempty" example:"192.0.2.7" doc:"From where it was presented. A key with allowed_ips is ip_not_allowed without it"`
}

func verifyAPIKey(c *call, _ *none, b *verifyBody) (*rentroll.Verification, error) {
	var bad fieldErrors
	params := rentroll.VerifyAPIKeyParams{
		Secret: b.Secret, Permission: rentroll.Permission(bad.word("permission", b.Permission)),
		WorkerID: bad.word("worker_id", b.WorkerID),
	}
	if ip := bad.word("ip", b.IP); ip != "" {
		var err error
		if params.IP, err = netip.ParseAddr(ip); err != nil {
			bad.add("ip", "must be an IP address")
		}
	}
	if err := invalid(bad...); err != nil {
		return nil, err
	}
	return c.engine.VerifyAPIKey(c, params)
}
