package client

import (
	"context"
	"iter"
	"net/http"
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
	rentroll.Page
}

// VerifyAPIKeyParams asks whether a secret is good, and for what.
type VerifyAPIKeyParams struct {
	Secret     string              `json:"secret"`
	Permission rentroll.Permission `json:"permission,omitempty"`
	WorkerID   string              `json:"worker_id,omitempty"`
}

// CreateAPIKey makes a key. Its secret is in this answer only.
func (c *Client) CreateAPIKey(ctx context.Context, tenant string, p CreateAPIKeyParams) (*NewAPIKey, error) {
	var replayed bool
	out, err := create(ctx, c, p.IdempotencyKey, p, func(*NewAPIKey) *bool { return &replayed },
		"v1", "tenants", tenant, "api-keys")
	if err != nil {
		return nil, err
	}
	if out.APIKey == nil {
		return nil, &Error{Code: rentroll.CodeInternal, Status: http.StatusCreated, Message: "the answer has no API key"}
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
	return list[*rentroll.APIKey](ctx, c, q, "v1", "tenants", tenant, "api-keys")
}

// AllAPIKeys reads a tenant's keys page by page.
func (c *Client) AllAPIKeys(ctx context.Context, tenant string, p ListAPIKeysParams) iter.Seq2[*rentroll.APIKey, error] {
	return all(p.Page, func(page rentroll.Page) (*rentroll.List[*rentroll.APIKey], error) {
		p.Page = page
		return c.ListAPIKeys(ctx, tenant, p)
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
