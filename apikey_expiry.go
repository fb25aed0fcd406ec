package rentroll

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"
)

// ListExpiringAPIKeysParams pages the active keys of all tenants that expire within some days, the earliest first.
type ListExpiringAPIKeysParams struct {
	WithinDays int // 1–3,650
	Page
}

// ListExpiringAPIKeys lists the active keys of all tenants that are about to expire, the earliest first. One that was
// rotated expires with its overlap, and names its successor. It needs an operator; see ListAPIKeys for one tenant.
func (e *Engine) ListExpiringAPIKeys(ctx context.Context, p ListExpiringAPIKeysParams) (*List[*APIKey], error) {
	if err := e.actor.mayOperate(PermKeyRead); err != nil {
		return nil, err
	}
	var bad problems
	expiring := expiringPage(TenantID{}, p.WithinDays, p.Page, &bad)
	if err := bad.err(); err != nil {
		return nil, err
	}
	var out *List[*APIKey]
	err := e.view(ctx, func(r Reader) (err error) {
		out, err = expiring(ctx, r, e.now())
		return err
	})
	return out, err
}

// listExpiring is ListAPIKeys of those that are about to expire.
func (e *Engine) listExpiring(ctx context.Context, p ListAPIKeysParams) (*List[*APIKey], error) {
	var bad problems
	if p.IncludeRevoked {
		bad.add("include_revoked", "must not be given with expiring_within_days: those keys are active")
	}
	expiring := expiringPage(p.TenantID, p.ExpiringWithinDays, p.Page, &bad)
	if err := bad.err(); err != nil {
		return nil, err
	}
	var out *List[*APIKey]
	err := e.viewTenant(ctx, p.TenantID, func(r Reader, a *Account) (err error) {
		out, err = expiring(ctx, r, a.clock(e.now()))
		return err
	})
	return out, err
}

// expiringPage checks what is asked for, and returns how to read it. The zero tenant is all of them.
func expiringPage(tenant TenantID, days int, p Page, bad *problems) func(context.Context, Reader, time.Time) (*List[*APIKey], error) {
	bad.between("expiring_within_days", int64(days), 1, maxExpiryDays)
	bad.between("limit", int64(p.Limit), 0, MaxPageSize)
	limit := p.Limit
	if limit == 0 {
		limit = DefaultPageSize
	}
	scope := cursorScope("expiring_api_keys", tenant.String(), fmt.Sprint(days))
	var from KeyExpiry
	if p.Cursor != "" {
		position, ok := decodeCursor(scope, p.Cursor)
		if !ok || !from.decode(position) {
			bad.add("cursor", "is not a cursor of this list")
		}
	}
	return func(ctx context.Context, r Reader, now time.Time) (*List[*APIKey], error) {
		f := ExpiryFilter{TenantID: tenant, Until: now.Add(time.Duration(days) * day), After: from, Limit: limit + 1}
		if f.After.At.Before(now) { // what has expired since the page before is not about to
			f.After = KeyExpiry{At: now, TenantID: lastID[TenantID](), KeyID: lastID[KeyID]()}
		}
		rows, err := r.ListExpiringKeys(ctx, f)
		if err != nil {
			return nil, err
		}
		out := &List[*APIKey]{Items: []*APIKey{}}
		if len(rows) > limit {
			rows = rows[:limit]
			out.NextCursor = NullString(encodeCursor(scope, expiryOf(rows[limit-1]).encode()))
		}
		out.Items = append(out.Items, rows...)
		return out, nil
	}
}

// KeyExpiry is the place of a key among those that expire.
type KeyExpiry struct {
	At       time.Time
	TenantID TenantID
	KeyID    KeyID
}

func expiryOf(k *APIKey) KeyExpiry { return KeyExpiry{*k.ExpiresAt, k.TenantID, k.ID} }

func (x KeyExpiry) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(x.At.UnixMicro()))
	return append(append(b, x.TenantID[:]...), x.KeyID[:]...)
}

func (x *KeyExpiry) decode(b []byte) bool {
	if len(b) != 8+16+16 {
		return false
	}
	x.At = time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC()
	copy(x.TenantID[:], b[8:])
	copy(x.KeyID[:], b[24:])
	return true
}

// lastID is behind all ids.
func lastID[I ~[16]byte]() (id I) {
	for i := range id {
		id[i] = 0xff
	}
	return id
}
