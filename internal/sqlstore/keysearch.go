package sqlstore

import (
	"context"

	"github.com/rentroll/rentroll"
)

// Keys by parts of their secrets. The end of a secret is compared as a range, so that only the index on it has the rows in
// order; the primary key would else seem as good. What is true of all rows is a condition of the indexes by the beginning,
// which so serve nothing else.
var (
	keysBeginning = keys.query(`WHERE (api_keys.begins, api_keys.tenant_id, api_keys.id) > ($1, $2, $3) AND api_keys.begins < $4
		AND api_keys.created_at >= 0 ORDER BY api_keys.begins, api_keys.tenant_id, api_keys.id LIMIT $5`)
	keysBeginningOf = keys.query(`WHERE api_keys.tenant_id = $1 AND (api_keys.begins, api_keys.id) > ($2, $3) AND api_keys.begins < $4
		AND api_keys.created_at >= 0 ORDER BY api_keys.begins, api_keys.id LIMIT $5`)
	keysEnding = keys.query(`WHERE (api_keys.key_suffix, api_keys.tenant_id, api_keys.id) > ($1, $2, $3) AND api_keys.key_suffix <= $1
		AND api_keys.begins >= $4 AND api_keys.begins < $5
		ORDER BY api_keys.key_suffix, api_keys.tenant_id, api_keys.id LIMIT $6`)
	keysEndingOf = keys.query(`WHERE api_keys.tenant_id = $2 AND (api_keys.key_suffix, api_keys.id) > ($1, $3) AND api_keys.key_suffix <= $1
		AND api_keys.begins >= $4 AND api_keys.begins < $5 ORDER BY api_keys.key_suffix, api_keys.id LIMIT $6`)
)

// SearchKeys finds keys by the beginning of what is shown of them, or by their end.
func (r *reader) SearchKeys(ctx context.Context, f rentroll.KeySearch) (out []*rentroll.APIKey, err error) {
	least, beyond := []byte(f.Prefix), append([]byte(f.Prefix), 0xff) // which no text has
	after := []byte(max(f.Prefix, f.After.Prefix))
	all := f.TenantID.IsZero()
	request := &Request{Rows: 1, Scan: keys.found(func(_ rentroll.KeyRef, k *rentroll.APIKey) { out = append(out, k) })}
	switch {
	case f.Suffix != "":
		request.Stmt = keysEndingOf
		if all {
			request.Stmt = keysEnding
		}
		request.Bind = func(_ int, a Args) {
			a.Text(f.Suffix)
			if all {
				a.ID(f.After.TenantID)
			} else {
				a.ID(f.TenantID)
			}
			a.ID(f.After.KeyID)
			a.Bytes(least)
			a.Bytes(beyond)
			a.Int(int64(f.Limit))
		}
	default:
		request.Stmt = keysBeginningOf
		if all {
			request.Stmt = keysBeginning
		}
		request.Bind = func(_ int, a Args) {
			if all {
				a.Bytes(after)
				a.ID(f.After.TenantID)
			} else {
				a.ID(f.TenantID)
				a.Bytes(after)
			}
			a.ID(f.After.KeyID)
			a.Bytes(beyond)
			a.Int(int64(f.Limit))
		}
	}
	err = r.session.Run(ctx, request)
	return out, err
}
