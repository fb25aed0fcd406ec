package console

import (
	"strconv"
	"strings"

	"github.com/rentroll/rentroll"
)

// keysPage is the keys that a part of the secret finds, or those that are about to expire: of all tenants, or of the one
// whose key is signed in.
type keysPage struct {
	Query  string // what is looked for; "" for the keys about to expire
	Within int    // days
	Rows   []listedKey
	All    bool   // of all tenants
	Next   string // the address of the next page; "" on the last
	First  string // the address of the first page, on others
}

// listedKey is a key in the table.
type listedKey struct {
	*rentroll.APIKey

	Tenant string // its name; "" where the visitor may not read it
}

const (
	keysRows        = 25
	expiringDefault = 30 // days
)

func (v *visit) keys() (any, error) {
	p := &keysPage{Query: shown(v.query("q")), Within: expiringDefault, All: !v.isTenant()}
	var err error
	if days := v.query("days"); days != "" {
		if p.Within, err = strconv.Atoi(days); err != nil {
			return nil, wrong("days", "must be a number of days")
		}
	}
	page := rentroll.Page{Limit: keysRows, Cursor: v.query("cursor")}
	var list *rentroll.List[*rentroll.APIKey]
	switch {
	case p.Query != "":
		list, err = v.engine.FindAPIKeys(v, rentroll.FindAPIKeysParams{TenantID: v.actor.TenantID, Query: p.Query, Page: page})
	case p.All:
		list, err = v.engine.ListExpiringAPIKeys(v, rentroll.ListExpiringAPIKeysParams{WithinDays: p.Within, Page: page})
	case p.Within == 0: // which the engine takes for all keys
		return nil, wrong("days", "must be between 1 and 3650")
	default:
		list, err = v.engine.ListAPIKeys(v, rentroll.ListAPIKeysParams{TenantID: v.actor.TenantID, ExpiringWithinDays: p.Within, Page: page})
	}
	if err != nil {
		return nil, err
	}
	names := map[rentroll.TenantID]string{}
	for _, key := range list.Items {
		name, known := names[key.TenantID]
		if !known && p.All {
			t, err := v.engine.GetTenant(v, key.TenantID)
			if err := allowed(err); err != nil {
				return nil, err
			}
			if t != nil {
				name = t.Name
			}
			names[key.TenantID] = name
		}
		p.Rows = append(p.Rows, listedKey{key, name})
	}
	if list.NextCursor != "" {
		p.Next = v.withCursor(string(list.NextCursor))
	}
	if v.query("cursor") != "" {
		p.First = v.withCursor("")
	}
	return p, nil
}

// shown leaves of what was typed, or pasted, what is kept of a secret: a whole one finds its key, too. The field takes no
// more than it needs for that, so that a secret stays out of addresses.
func shown(query string) string {
	const kept = 12
	if len(query) > kept && !strings.Contains(query, "…") && !strings.Contains(query, "...") {
		return query[:kept]
	}
	return query
}

// WithinText is the field's value.
func (p *keysPage) WithinText() string { return strconv.Itoa(p.Within) }
