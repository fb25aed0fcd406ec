package rentroll

import (
	"context"
	"strings"
)

// FindAPIKeysParams asks for keys by what is shown of their secrets.
type FindAPIKeysParams struct {
	TenantID TenantID // zero is all tenants

	// Query is the beginning of a secret, up to the 12 characters that are kept of it; or its last 4 characters; or both, with
	// "…" or "..." between them. Four letters and digits alone are the end: with "…" behind them they are the beginning.
	Query string
	Page
}

// FindAPIKeys lists the keys whose secrets begin or end in a way, revoked and expired ones too: by what they begin with, or
// where an end is asked for by tenant, oldest first. Imported keys, and keys that were made before their ends were kept, are
// not found by their end. For all tenants it needs an operator with key:read, for one tenant key:read.
func (e *Engine) FindAPIKeys(ctx context.Context, p FindAPIKeysParams) (*List[*APIKey], error) {
	if p.TenantID.IsZero() {
		if err := e.actor.mayOperate(PermKeyRead); err != nil {
			return nil, err
		}
	} else if err := e.may(p.TenantID, PermKeyRead); err != nil {
		return nil, err
	}
	var bad problems
	f := KeySearch{TenantID: p.TenantID}
	f.Prefix, f.Suffix = parseKeyQuery(p.Query, &bad)
	limit := pageSize(p.Page, &bad)
	scope := cursorScope("find_api_keys", p.TenantID.String(), f.Prefix, f.Suffix)
	if p.Cursor != "" {
		if position, ok := decodeCursor(scope, p.Cursor); !ok || !f.After.decode(position) {
			bad.add("cursor", "is not a cursor of this list")
		}
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	f.Limit = limit + 1
	out := &List[*APIKey]{Items: []*APIKey{}}
	read := func(r Reader) error {
		rows, err := r.SearchKeys(ctx, f)
		if len(rows) > limit {
			rows = rows[:limit]
			out.NextCursor = NullString(encodeCursor(scope, placeOf(rows[limit-1]).encode()))
		}
		for _, k := range rows {
			out.Items = append(out.Items, k.at(e.now()))
		}
		return err
	}
	if p.TenantID.IsZero() {
		return out, e.view(ctx, read)
	}
	return out, e.viewTenant(ctx, p.TenantID, func(r Reader, _ *Account) error { return read(r) })
}

// parseKeyQuery says which beginning and which end are asked for; either may be "".
func parseKeyQuery(query string, bad *problems) (prefix, suffix string) {
	query = strings.ReplaceAll(strings.TrimSpace(query), "…", "...")
	prefix, suffix, cut := strings.Cut(query, "...")
	if !cut && isKeySuffix(query) {
		prefix, suffix = "", query
	}
	switch {
	case prefix == "" && suffix == "":
		bad.add("q", "must be the beginning of a key or its last 4 characters")
	case checkPrintable(prefix, 0, displayPrefixSize) != "":
		bad.add("q", "must have at most 12 printable ASCII characters of the beginning: more is not kept")
	case suffix != "" && !isKeySuffix(suffix):
		bad.add("q", "must have exactly 4 letters and digits behind the dots: the last ones of the key")
	}
	return prefix, suffix
}

// isKeySuffix reports whether a text could be the end of a secret.
func isKeySuffix(s string) bool {
	return len(s) == displaySuffixSize && strings.Trim(s, secretDigits) == ""
}

// KeySearch finds keys by their Prefix, in its order and then by tenant and id; or, where there is a Suffix, those that end
// with it and begin with Prefix, by tenant and id.
type KeySearch struct {
	TenantID TenantID // zero for all
	Prefix   string   // "" for any
	Suffix   string   // "" for any
	After    KeyPlace // zero for the first page; its Prefix is not looked at where there is a Suffix
	Limit    int
}

// KeyPlace is the place of a key among those that a search finds.
type KeyPlace struct {
	Prefix   string
	TenantID TenantID
	KeyID    KeyID
}

func placeOf(k *APIKey) KeyPlace { return KeyPlace{k.KeyPrefix, k.TenantID, k.ID} }

func (x KeyPlace) encode() []byte {
	b := append([]byte{}, x.TenantID[:]...)
	return append(append(b, x.KeyID[:]...), x.Prefix...)
}

func (x *KeyPlace) decode(b []byte) bool {
	if len(b) < 32 || len(b) > 32+displayPrefixSize {
		return false
	}
	*x = KeyPlace{TenantID: TenantID(b[:16]), KeyID: KeyID(b[16:32]), Prefix: string(b[32:])}
	return true
}
