package console

import (
	"strconv"

	"github.com/rentroll/rentroll"
)

// keysPage is the keys that are about to expire: of all tenants, or of the one whose key is signed in.
type keysPage struct {
	Within int // days
	Rows   []expiringKey
	All    bool   // of all tenants
	Next   string // the address of the next page; "" on the last
	First  string // the address of the first page, on others
}

// expiringKey is a key in the table.
type expiringKey struct {
	*rentroll.APIKey

	Tenant string // its name; "" where the visitor may not read it
}

const (
	keysRows        = 25
	expiringDefault = 30 // days
)

func (v *visit) keys() (any, error) {
	p := &keysPage{Within: expiringDefault, All: !v.isTenant()}
	var err error
	if days := v.query("days"); days != "" {
		if p.Within, err = strconv.Atoi(days); err != nil {
			return nil, wrong("days", "must be a number of days")
		}
	}
	page := rentroll.Page{Limit: keysRows, Cursor: v.query("cursor")}
	var list *rentroll.List[*rentroll.APIKey]
	switch {
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
		p.Rows = append(p.Rows, expiringKey{key, name})
	}
	if list.NextCursor != "" {
		p.Next = v.withCursor(string(list.NextCursor))
	}
	if v.query("cursor") != "" {
		p.First = v.withCursor("")
	}
	return p, nil
}

// WithinText is the field's value.
func (p *keysPage) WithinText() string { return strconv.Itoa(p.Within) }
