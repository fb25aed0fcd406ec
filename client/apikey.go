package client

import (
	"context"
	"iter"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/rentroll/rentroll"
)

// CreateAPIKeyParams describes a new API key. Name is required.
type CreateAPIKeyParams struct {
	Name              string          `json:"name"`
	UserID            rentroll.UserID `json:"user_id,omitzero"`
	Permissions       []string        `json:"permissions,omitempty"`     // nil is run:* and read:*
	AllowedWorkers    []string        `json:"allowed_workers,omitempty"` // nil is all
	AllowedIPs        []string        `json:"allowed_ips,omitempty"`     // addresses and networks; nil is all
	ExpiresInDays     int             `json:"expires_in_days,omitempty"` // 0 is never
	RateLimitRPM      *int64          `json:"rate_limit_rpm,omitempty"`
	MaxConcurrentRuns *int64          `json:"max_concurrent_runs,omitempty"`
	MaxTokensPerMonth *int64          `json:"max_tokens_per_month,omitempty"`
	IdempotencyKey    string          `json:"-"` // "" is one of the client's own
}

// NewAPIKey is a key that was just made.
type NewAPIKey struct {
	Secret rentroll.NullString `json:"secret"` // shown this once; "" where the answer repeats an earlier one
	APIKey *rentroll.APIKey    `json:"api_key"`
}

// ListAPIKeysParams pages a tenant's keys, newest first.
type ListAPIKeysParams struct {
	IncludeRevoked bool // revoked and expired ones too

	// ExpiringWithinDays asks for the active ones that expire within so many days, the earliest first; 0 is all.
	ExpiringWithinDays int
	rentroll.Page
}

// ListExpiringAPIKeysParams pages the keys of all tenants that expire within some days, the earliest first.
type ListExpiringAPIKeysParams struct {
	WithinDays int
	rentroll.Page
}

// FindAPIKeysParams asks for keys by what is shown of their secrets.
type FindAPIKeysParams struct {
	// Tenant is one tenant's id or slug, or "me"; "" is all tenants, which needs an operator.
	Tenant string

	// Query is the beginning of a secret, up to its first 12 characters, or its last 4, or both with "..." between them.
	// Never a whole secret: it is a part of the address, and those are written to logs.
	Query string
	rentroll.Page
}

// RotateAPIKeyParams replaces a key.
type RotateAPIKeyParams struct {
	Overlap        *time.Duration // how long the old key stays good, in whole seconds; nil is 24 hours, 0 ends it at once
	IdempotencyKey string         // "" is one of the client's own
}

// ImportedKey is a key of another system, known by the SHA-256 of its secret. SHA256 and Name are required.
type ImportedKey struct {
	SHA256            string          `json:"sha256"` // in hex
	Name              string          `json:"name"`
	KeyPrefix         string          `json:"key_prefix,omitempty"` // the start of the secret, to show
	UserID            rentroll.UserID `json:"user_id,omitzero"`
	Permissions       []string        `json:"permissions,omitempty"`     // nil is run:* and read:*
	AllowedWorkers    []string        `json:"allowed_workers,omitempty"` // nil is all
	AllowedIPs        []string        `json:"allowed_ips,omitempty"`     // nil is all
	RateLimitRPM      *int64          `json:"rate_limit_rpm,omitempty"`
	MaxConcurrentRuns *int64          `json:"max_concurrent_runs,omitempty"`
	MaxTokensPerMonth *int64          `json:"max_tokens_per_month,omitempty"`
	ExpiresAt         time.Time       `json:"expires_at,omitzero"` // zero is never
}

// VerifyAPIKeyParams asks whether a secret is good, and for what.
type VerifyAPIKeyParams struct {
	Secret     string              `json:"secret"`
	Permission rentroll.Permission `json:"permission,omitempty"`
	WorkerID   string              `json:"worker_id,omitempty"`
	IP         netip.Addr          `json:"ip,omitzero"` // from where it was presented
}

// CreateAPIKey makes a key. Its secret is in this answer only.
func (c *Client) CreateAPIKey(ctx context.Context, tenant string, p CreateAPIKeyParams) (*NewAPIKey, error) {
	return c.newAPIKey(ctx, p.IdempotencyKey, p, http.StatusCreated, "v1", "tenants", tenant, "api-keys")
}

func (c *Client) newAPIKey(ctx context.Context, once string, body any, status int, path ...string) (*NewAPIKey, error) {
	var replayed bool
	out, err := create(ctx, c, once, body, func(*NewAPIKey) *bool { return &replayed }, path...)
	if err != nil {
		return nil, err
	}
	if out.APIKey == nil {
		return nil, &Error{Code: rentroll.CodeInternal, Status: status, Message: "the answer has no API key"}
	}
	out.APIKey.Replayed = replayed
	return out, nil
}

// GetAPIKey reads a key, never its secret.
func (c *Client) GetAPIKey(ctx context.Context, tenant string, key rentroll.KeyID) (*rentroll.APIKey, error) {
	return get[rentroll.APIKey](ctx, c, "v1", "tenants", tenant, "api-keys", key.String())
}

// ListAPIKeys reads one page of a tenant's keys.
func (c *Client) ListAPIKeys(ctx context.Context, tenant string, p ListAPIKeysParams) (*rentroll.List[*rentroll.APIKey], error) {
	q := query{}.page(p.Page)
	if p.IncludeRevoked {
		q.set("include_revoked", strconv.FormatBool(true))
	}
	if p.ExpiringWithinDays != 0 {
		q.set(expiringWithin, strconv.Itoa(p.ExpiringWithinDays))
	}
	return list[*rentroll.APIKey](ctx, c, q, "v1", "tenants", tenant, "api-keys")
}

// AllAPIKeys reads a tenant's keys page by page.
func (c *Client) AllAPIKeys(ctx context.Context, tenant string, p ListAPIKeysParams) iter.Seq2[*rentroll.APIKey, error] {
	return all(p.Page, func(page rentroll.Page) (*rentroll.List[*rentroll.APIKey], error) {
		p.Page = page
		return c.ListAPIKeys(ctx, tenant, p)
	})
}

const expiringWithin = "expiring_within_days"

// ListExpiringAPIKeys reads one page of the keys of all tenants that are about to expire.
func (c *Client) ListExpiringAPIKeys(ctx context.Context, p ListExpiringAPIKeysParams) (*rentroll.List[*rentroll.APIKey], error) {
	return list[*rentroll.APIKey](ctx, c, query{}.page(p.Page).set(expiringWithin, strconv.Itoa(p.WithinDays)), "v1", "api-keys")
}

// AllExpiringAPIKeys reads them page by page.
func (c *Client) AllExpiringAPIKeys(ctx context.Context, p ListExpiringAPIKeysParams) iter.Seq2[*rentroll.APIKey, error] {
	return all(p.Page, func(page rentroll.Page) (*rentroll.List[*rentroll.APIKey], error) {
		p.Page = page
		return c.ListExpiringAPIKeys(ctx, p)
	})
}

// FindAPIKeys reads one page of the keys whose secrets begin or end in a way, revoked and expired ones too.
func (c *Client) FindAPIKeys(ctx context.Context, p FindAPIKeysParams) (*rentroll.List[*rentroll.APIKey], error) {
	path := []string{"v1", "api-keys"}
	if p.Tenant != "" {
		path = []string{"v1", "tenants", p.Tenant, "api-keys"}
	}
	return list[*rentroll.APIKey](ctx, c, query{}.page(p.Page).set("q", p.Query), path...)
}

// AllFoundAPIKeys reads them page by page.
func (c *Client) AllFoundAPIKeys(ctx context.Context, p FindAPIKeysParams) iter.Seq2[*rentroll.APIKey, error] {
	return all(p.Page, func(page rentroll.Page) (*rentroll.List[*rentroll.APIKey], error) {
		p.Page = page
		return c.FindAPIKeys(ctx, p)
	})
}

// RotateAPIKey replaces a key by a new one, whose secret is in this answer only. The old one stays good for the overlap.
// Where the secret was lost, rotate the old key again: the key that nobody got is revoked.
func (c *Client) RotateAPIKey(ctx context.Context, tenant string, key rentroll.KeyID, p RotateAPIKeyParams) (*NewAPIKey, error) {
	var body struct {
		OverlapSeconds *int64 `json:"overlap_seconds,omitempty"`
	}
	if p.Overlap != nil {
		seconds := int64(*p.Overlap / time.Second)
		body.OverlapSeconds = &seconds
	}
	return c.newAPIKey(ctx, p.IdempotencyKey, body, http.StatusOK, "v1", "tenants", tenant, "api-keys", key.String(), "rotate")
}

// ImportAPIKeys takes over up to rentroll.MaxImport keys that customers have already. A key that is refused is no error:
// see the receipt. Importing again changes nothing.
func (c *Client) ImportAPIKeys(ctx context.Context, tenant string, keys []ImportedKey) (*rentroll.ImportReceipt, error) {
	body := struct {
		Keys []ImportedKey `json:"keys"`
	}{keys}
	return send[rentroll.ImportReceipt](ctx, c, &request{
		method: http.MethodPost, path: []string{"v1", "tenants", tenant, "api-keys", "import"}, body: body, repeat: true,
	})
}

// RevokeAPIKey ends a key at once. Revoking again changes nothing.
func (c *Client) RevokeAPIKey(ctx context.Context, tenant string, key rentroll.KeyID, why string) (*rentroll.APIKey, error) {
	return send[rentroll.APIKey](ctx, c, &request{
		method: http.MethodPost, path: []string{"v1", "tenants", tenant, "api-keys", key.String(), "revoke"}, body: reason{why},
		repeat: true,
	})
}

// VerifyAPIKey asks whether a secret is good. An answer that it is not is no error.
func (c *Client) VerifyAPIKey(ctx context.Context, p VerifyAPIKeyParams) (*rentroll.Verification, error) {
	v, _, err := c.verify(ctx, p)
	return v, err
}

// verify is VerifyAPIKey, and says when the server answered by its own clock.
func (c *Client) verify(ctx context.Context, p VerifyAPIKeyParams) (*rentroll.Verification, time.Time, error) {
	v := &rentroll.Verification{}
	a, err := c.do(ctx, &request{method: http.MethodPost, path: []string{"v1", "api-keys", "verify"}, body: p, repeat: true}, v)
	if err != nil {
		return nil, time.Time{}, err
	}
	return v, a.date, nil
}
