package client

import (
	"context"
	"iter"
	"net/http"
	"strconv"

	"github.com/rentroll/rentroll"
)

// CreateOperatorKeyParams describes a new operator key. Name is required.
type CreateOperatorKeyParams struct {
	Name           string   `json:"name"`                      // how the audit calls who uses the key
	Permissions    []string `json:"permissions,omitempty"`     // nil is everything
	ExpiresInDays  int      `json:"expires_in_days,omitempty"` // 0 is never
	IdempotencyKey string   `json:"-"`                         // "" is one of the client's own
}

// NewOperatorKey is an operator key that was just made.
type NewOperatorKey struct {
	Secret      rentroll.NullString   `json:"secret"` // shown this once; "" where the answer repeats an earlier one
	OperatorKey *rentroll.OperatorKey `json:"operator_key"`
}

// ListOperatorKeysParams pages the operator keys, newest first.
type ListOperatorKeysParams struct {
	IncludeRevoked bool // revoked and expired ones too
	rentroll.Page
}

// CreateOperatorKey makes an operator key, which may do no more than the calling one. Its secret is in this answer only.
func (c *Client) CreateOperatorKey(ctx context.Context, p CreateOperatorKeyParams) (*NewOperatorKey, error) {
	var replayed bool
	out, err := create(ctx, c, p.IdempotencyKey, p, func(*NewOperatorKey) *bool { return &replayed }, "v1", "operator-keys")
	if err != nil {
		return nil, err
	}
	if out.OperatorKey == nil {
		return nil, &Error{Code: rentroll.CodeInternal, Status: http.StatusCreated, Message: "the answer has no operator key"}
	}
	out.OperatorKey.Replayed = replayed
	return out, nil
}

// GetOperatorKey reads an operator key, never its secret.
func (c *Client) GetOperatorKey(ctx context.Context, key rentroll.OperatorKeyID) (*rentroll.OperatorKey, error) {
	return get[rentroll.OperatorKey](ctx, c, "v1", "operator-keys", key.String())
}

// ListOperatorKeys reads one page of the operator keys.
func (c *Client) ListOperatorKeys(ctx context.Context, p ListOperatorKeysParams) (*rentroll.List[*rentroll.OperatorKey], error) {
	q := query{}.page(p.Page)
	if p.IncludeRevoked {
		q.set("include_revoked", strconv.FormatBool(true))
	}
	return list[*rentroll.OperatorKey](ctx, c, q, "v1", "operator-keys")
}

// AllOperatorKeys reads the operator keys page by page.
func (c *Client) AllOperatorKeys(ctx context.Context, p ListOperatorKeysParams) iter.Seq2[*rentroll.OperatorKey, error] {
	return all(p.Page, func(page rentroll.Page) (*rentroll.List[*rentroll.OperatorKey], error) {
		p.Page = page
		return c.ListOperatorKeys(ctx, p)
	})
}

// RevokeOperatorKey ends an operator key at once. Revoking again changes nothing.
func (c *Client) RevokeOperatorKey(ctx context.Context, key rentroll.OperatorKeyID, why string) (*rentroll.OperatorKey, error) {
	return send[rentroll.OperatorKey](ctx, c, &request{
		method: http.MethodPost, path: []string{"v1", "operator-keys", key.String(), "revoke"}, body: reason{why}, repeat: true,
	})
}
