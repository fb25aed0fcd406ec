package sqlstore

import (
	"context"
	"math"

	"github.com/rentroll/rentroll"
)

var operatorKeys = prepare(table[rentroll.OperatorKeyID, rentroll.OperatorKey]{
	name:    "operator_keys",
	columns: columns("id:id name:text hash:bytes created_at revoked_at key_prefix:text permissions:text expires_at revoked_reason:text"),
	keys:    1,
	bindKey: func(a Args, k rentroll.OperatorKeyID) { a.ID(k) },
	bind: func(a Args, r *rentroll.OperatorKey) {
		a.ID(r.ID)
		a.Text(r.Name)
		bindHash(a, r.Hash)
		bindTime(a, r.CreatedAt)
		bindNullTime(a, r.RevokedAt)
		bindNullText(a, r.KeyPrefix)
		if r.Permissions == nil {
			a.Null()
		} else {
			bindValue(a, r.Permissions)
		}
		bindNullTime(a, r.ExpiresAt)
		bindNullText(a, r.RevokedReason)
	},
	scan: func(row Row) (rentroll.OperatorKeyID, *rentroll.OperatorKey, error) {
		r := &rentroll.OperatorKey{ID: row.ID()}
		r.Name = row.Text()
		r.Hash = scanHash(row)
		r.CreatedAt = scanTime(row)
		r.RevokedAt = scanNullTime(row)
		r.KeyPrefix = rentroll.NullString(row.Text())
		err := scanValue(row, &r.Permissions)
		r.ExpiresAt = scanNullTime(row)
		r.RevokedReason = rentroll.NullString(row.Text())
		return r.ID, r, err
	},
})

var (
	operatorKeyByHash      = operatorKeys.query("WHERE hash = $1")
	countOperatorKeys      = &Stmt{SQL: "SELECT COUNT(*) FROM operator_keys"}
	listOperatorKeys       = operatorKeys.query("WHERE id < $1 ORDER BY id DESC LIMIT $2")
	listActiveOperatorKeys = operatorKeys.query(`WHERE id < $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3)
		ORDER BY id DESC LIMIT $2`)
)

// askOperatorKeys loads all operator keys.
func askOperatorKeys(b *rentroll.Batch, requests []*Request) []*Request {
	for k, answer := range b.OperatorKeys {
		if answer != nil {
			continue
		}
		n := 0
		b.OperatorKeys[k] = &n
		requests = append(requests, operatorKeyPage(rentroll.OperatorKeyFilter{Limit: math.MaxInt32}, func(r *rentroll.OperatorKey) {
			n++
			b.Operators.Found(r.ID, r)
		}))
	}
	return requests
}

// operatorKeyPage reads operator keys, newest first.
func operatorKeyPage(f rentroll.OperatorKeyFilter, found func(*rentroll.OperatorKey)) *Request {
	request := &Request{
		Stmt: listOperatorKeys, Rows: 1,
		Bind: func(_ int, a Args) {
			a.ID(before(f.Before))
			a.Int(int64(f.Limit))
			if !f.ActiveAt.IsZero() {
				bindTime(a, f.ActiveAt)
			}
		},
		Scan: operatorKeys.found(func(_ rentroll.OperatorKeyID, k *rentroll.OperatorKey) { found(k) }),
	}
	if !f.ActiveAt.IsZero() {
		request.Stmt = listActiveOperatorKeys
	}
	return request
}

// OperatorKeyByHash returns the operator key with this hash.
func (r *reader) OperatorKeyByHash(ctx context.Context, hash [32]byte) (out *rentroll.OperatorKey, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: operatorKeyByHash, Rows: 1, Bind: func(_ int, a Args) { bindHash(a, hash) },
		Scan: operatorKeys.found(func(_ rentroll.OperatorKeyID, k *rentroll.OperatorKey) { out = k }),
	})
	return out, err
}

// HasOperatorKey reports whether there has ever been an operator key.
func (r *reader) HasOperatorKey(ctx context.Context) (bool, error) {
	n := int64(0)
	err := r.session.Run(ctx, count(countOperatorKeys, &n, func(int, Args) {}))
	return n > 0, err
}

// ListOperatorKeys lists operator keys, newest first.
func (r *reader) ListOperatorKeys(ctx context.Context, f rentroll.OperatorKeyFilter) (out []*rentroll.OperatorKey, err error) {
	err = r.session.Run(ctx, operatorKeyPage(f, func(k *rentroll.OperatorKey) { out = append(out, k) }))
	return out, err
}
