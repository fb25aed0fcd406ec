package sqlstore

import (
	"context"
	"time"

	"github.com/rentroll/rentroll"
)

const fromUses = " FROM api_key_uses WHERE api_key_uses.tenant_id = api_keys.tenant_id AND api_key_uses.id = api_keys.id"

var keys = prepare(table[rentroll.KeyRef, rentroll.APIKey]{
	name: "api_keys",
	columns: columns(`tenant_id:id id:id name:text key_prefix:text hash:bytes family:id user_id:id permissions:text
		allowed_workers:text rate_limit_rpm max_concurrent_runs max_tokens_per_month expires_at status:text created_at
		revoked_at revoked_reason:text rotated_to:id allowed_ips:text rotated_from:id in_overlap
		key_suffix:text begins:bytes`),
	keys:    2,
	bindKey: bindKeyRef,
	bind: func(a Args, r *rentroll.APIKey) {
		a.ID(r.TenantID)
		a.ID(r.ID)
		a.Text(r.Name)
		a.Text(r.KeyPrefix)
		bindHash(a, r.Hash)
		a.ID(r.Family)
		bindNullID(a, r.UserID)
		bindValue(a, r.Permissions)
		bindNullList(a, r.AllowedWorkers)
		bindNullInt(a, r.RateLimitRPM)
		bindNullInt(a, r.MaxConcurrentRuns)
		bindNullInt(a, r.MaxTokensPerMonth)
		bindNullTime(a, r.ExpiresAt)
		a.Text(string(r.Status))
		bindTime(a, r.CreatedAt)
		bindNullTime(a, r.RevokedAt)
		bindNullText(a, r.RevokedReason)
		bindNullID(a, r.RotatedTo)
		bindNullList(a, r.AllowedIPs)
		bindNullID(a, r.RotatedFrom)
		bindBool(a, r.InOverlap)
		bindNullText(a, r.KeySuffix)
		a.Bytes([]byte(r.KeyPrefix)) // once more, in an order that no collation changes
	},
	// Not a join: there a planner that thinks little of a tenant would read all uses of the tenant for each key.
	extra: ", (SELECT last_used_at" + fromUses + "), COALESCE((SELECT total_requests" + fromUses + "), 0)",
	scan: func(row Row) (rentroll.KeyRef, *rentroll.APIKey, error) {
		r := &rentroll.APIKey{TenantID: row.ID(), ID: row.ID()}
		r.Name = row.Text()
		r.KeyPrefix = row.Text()
		r.Hash = scanHash(row)
		r.Family = row.ID()
		r.UserID = row.ID()
		err := scanValue(row, &r.Permissions)
		if workers := scanValue(row, &r.AllowedWorkers); err == nil {
			err = workers
		}
		r.RateLimitRPM = scanNullInt(row)
		r.MaxConcurrentRuns = scanNullInt(row)
		r.MaxTokensPerMonth = scanNullInt(row)
		r.ExpiresAt = scanNullTime(row)
		r.Status = rentroll.KeyStatus(row.Text())
		r.CreatedAt = scanTime(row)
		r.RevokedAt = scanNullTime(row)
		r.RevokedReason = rentroll.NullString(row.Text())
		r.RotatedTo = row.ID()
		if ips := scanValue(row, &r.AllowedIPs); err == nil {
			err = ips
		}
		r.RotatedFrom = row.ID()
		r.InOverlap = scanBool(row)
		r.KeySuffix = rentroll.NullString(row.Text())
		row.Bytes()
		r.LastUsedAt = scanNullTime(row)
		r.TotalRequests = row.Int()
		return rentroll.KeyRef{TenantID: r.TenantID, KeyID: r.ID}, r, err
	},
})

func bindKeyRef(a Args, k rentroll.KeyRef) {
	a.ID(k.TenantID)
	a.ID(k.KeyID)
}

var keyUses = prepare(table[rentroll.KeyRef, rentroll.KeyUse]{
	name:    "key_uses",
	columns: columns("tenant_id:id family:id concurrent_runs tokens_reserved tokens_used month_start tokens_ahead month_end"),
	keys:    2,
	bindKey: bindKeyRef,
	bind: func(a Args, r *rentroll.KeyUse) {
		a.ID(r.TenantID)
		a.ID(r.Family)
		a.Int(r.ConcurrentRuns)
		a.Int(r.TokensReserved)
		a.Int(r.Tokens.Used)
		bindTime(a, r.Tokens.Start)
		a.Int(r.Tokens.Ahead)
		bindTime(a, r.Tokens.End)
	},
	scan: func(row Row) (rentroll.KeyRef, *rentroll.KeyUse, error) {
		r := &rentroll.KeyUse{TenantID: row.ID(), Family: row.ID()}
		r.ConcurrentRuns = row.Int()
		r.TokensReserved = row.Int()
		r.Tokens.Used = row.Int()
		r.Tokens.Start = scanTime(row)
		r.Tokens.Ahead = row.Int()
		r.Tokens.End = scanTime(row)
		return rentroll.KeyRef{TenantID: r.TenantID, KeyID: r.Family}, r, nil
	},
})

// An active key that expires is found by its expiry; "active" here is what the row says.
const expiring = "WHERE api_keys.tenant_id = $1 AND api_keys.status = 'active' AND api_keys.expires_at IS NOT NULL"

var (
	// In order of the hash only the index on it will do; the primary key would else seem as good for a tenant of one key.
	keysByHash = &Stmt{
		SQL: keys.selects() + ` WHERE api_keys.tenant_id = $1 AND api_keys.hash >= $2 AND api_keys.hash <= $2
			ORDER BY api_keys.hash`,
		Bulk: &Bulk{Op: OpFirst, Table: keys.name, Columns: columns("tenant_id:id hash:bytes"), Keys: 2, Select: keys.selects()},
	}
	overdueKeys      = keys.query(expiring + " ORDER BY api_keys.expires_at LIMIT $2")
	countExpiredKeys = &Stmt{SQL: "SELECT COUNT(*) FROM api_keys " + expiring + " AND api_keys.expires_at <= $2 AND api_keys.in_overlap = 0"}
	listKeys         = keys.query(`WHERE api_keys.tenant_id = $1 AND api_keys.id < $2
		ORDER BY api_keys.id DESC LIMIT $3`)
	listActiveKeys = keys.query(`WHERE api_keys.tenant_id = $1 AND api_keys.id < $2 AND api_keys.status = 'active'
		AND api_keys.created_at >= 0
		AND (api_keys.expires_at IS NULL OR api_keys.expires_at > $4) ORDER BY api_keys.id DESC LIMIT $3`)
)

// Keys that will expire, by when they do. A tenant's own index has its rows in order; all tenants' has a condition more.
var (
	listExpiring = keys.query(expiring + ` AND (api_keys.expires_at, api_keys.id) > ($2, $3) AND api_keys.expires_at <= $4
		ORDER BY api_keys.expires_at, api_keys.id LIMIT $5`)
	listAllExpiring = keys.query(`WHERE api_keys.status = 'active' AND api_keys.expires_at IS NOT NULL
		AND api_keys.created_at >= 0
		AND (api_keys.expires_at, api_keys.tenant_id, api_keys.id) > ($1, $2, $3)
		AND api_keys.expires_at <= $4 ORDER BY api_keys.expires_at, api_keys.tenant_id, api_keys.id LIMIT $5`)
)

// ListExpiringKeys lists keys by expiry.
func (r *reader) ListExpiringKeys(ctx context.Context, f rentroll.ExpiryFilter) (out []*rentroll.APIKey, err error) {
	request := &Request{
		Stmt: listExpiring, Rows: 1,
		Bind: func(_ int, a Args) {
			a.ID(f.TenantID)
			bindTime(a, f.After.At)
			a.ID(f.After.KeyID)
			bindTime(a, f.Until)
			a.Int(int64(f.Limit))
		},
		Scan: keys.found(func(_ rentroll.KeyRef, k *rentroll.APIKey) { out = append(out, k) }),
	}
	if f.TenantID.IsZero() {
		request.Stmt = listAllExpiring
		request.Bind = func(_ int, a Args) {
			bindTime(a, f.After.At)
			a.ID(f.After.TenantID)
			a.ID(f.After.KeyID)
			bindTime(a, f.Until)
			a.Int(int64(f.Limit))
		}
	}
	err = r.session.Run(ctx, request)
	return out, err
}

// askKeys loads what has expired and is still marked active, and the first that has not.
func askKeys(b *rentroll.Batch, requests []*Request) []*Request {
	for tenant, answer := range b.OverdueKeys {
		if answer != nil {
			continue
		}
		overdue := &rentroll.OverdueKeys{}
		b.OverdueKeys[tenant] = overdue
		requests = append(requests, &Request{
			Stmt: overdueKeys, Rows: 1,
			Bind: func(_ int, a Args) {
				a.ID(tenant)
				a.Int(rentroll.MaxOverdue + 1)
			},
			Scan: keys.found(func(ref rentroll.KeyRef, k *rentroll.APIKey) {
				switch {
				case !k.ExpiresAt.After(b.Now) && len(overdue.Keys) < rentroll.MaxOverdue:
					b.Keys.Found(ref, k)
					overdue.Keys = append(overdue.Keys, k)
				case overdue.Next.IsZero():
					overdue.Next = *k.ExpiresAt
				}
			}),
		})
	}
	return requests
}

var findHash = &Stmt{SQL: `SELECT id FROM api_keys WHERE tenant_id = $1 AND hash >= $2 AND hash <= $2 ORDER BY hash`}

// askHashes finds the keys that have hashes.
func askHashes(b *rentroll.Batch, requests []*Request) []*Request {
	for ref, answer := range b.KeyHashes {
		if answer != nil {
			continue
		}
		id := &rentroll.KeyID{}
		b.KeyHashes[ref] = id
		requests = append(requests, &Request{
			Stmt: findHash, Rows: 1,
			Bind: func(_ int, a Args) {
				a.ID(ref.TenantID)
				bindHash(a, ref.Hash)
			},
			Scan: func(row Row) error { *id = row.ID(); return nil },
		})
	}
	return requests
}

// count is a request whose result is one number.
func count(stmt *Stmt, into *int64, bind func(int, Args)) *Request {
	return &Request{Stmt: stmt, Rows: 1, Bind: bind, Scan: func(row Row) error {
		*into = row.Int()
		return nil
	}}
}

// CountExpiredKeys counts the keys that have expired, are still marked active and are not in overlap.
func (r *reader) CountExpiredKeys(ctx context.Context, tenant rentroll.TenantID, now time.Time) (n int64, err error) {
	err = r.session.Run(ctx, count(countExpiredKeys, &n, func(_ int, a Args) {
		a.ID(tenant)
		bindTime(a, now)
	}))
	return n, err
}

// ListKeys lists API keys, newest first.
func (r *reader) ListKeys(ctx context.Context, f rentroll.KeyFilter) (out []*rentroll.APIKey, err error) {
	request := &Request{
		Stmt: listKeys, Rows: 1,
		Bind: func(_ int, a Args) {
			a.ID(f.TenantID)
			a.ID(before(f.Before))
			a.Int(int64(f.Limit))
			if !f.ActiveAt.IsZero() {
				bindTime(a, f.ActiveAt)
			}
		},
		Scan: keys.found(func(_ rentroll.KeyRef, k *rentroll.APIKey) { out = append(out, k) }),
	}
	if !f.ActiveAt.IsZero() {
		request.Stmt = listActiveKeys
	}
	err = r.session.Run(ctx, request)
	return out, err
}
