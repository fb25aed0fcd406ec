package console

import (
	"net/url"

	"github.com/rentroll/rentroll"
)

// tenantsPage is the list of tenants.
type tenantsPage struct {
	Query, Status, Plan, Order string

	Plans []*rentroll.Plan
	Rows  []standingRow
	Next  string // the address of the next page; "" on the last
	First string // the address of the first page, on others
	Empty bool   // there is no tenant at all, whatever the filters
}

// tenantsRows is how many tenants a page shows.
const tenantsRows = 50

func (v *visit) tenants() (any, error) {
	p := &tenantsPage{Query: v.query("q"), Status: v.query("status"), Plan: v.query("plan"), Order: v.query("order")}
	if p.Order == "" {
		p.Order = string(rentroll.StandingNearest)
	}
	list, err := v.engine.ListStandings(v, rentroll.ListStandingsParams{
		Status: rentroll.TenantStatus(p.Status), Plan: p.Plan, Query: p.Query, Order: rentroll.StandingOrder(p.Order),
		Page: rentroll.Page{Limit: tenantsRows, Cursor: v.query("cursor")},
	})
	if err != nil {
		return nil, err
	}
	if p.Plans, err = v.engine.ListPlans(v); err != nil {
		return nil, err
	}
	p.Rows = standingRows(list.Items)
	if list.NextCursor != "" {
		p.Next = v.withCursor(string(list.NextCursor))
	}
	if v.query("cursor") != "" {
		p.First = v.withCursor("")
	}
	p.Empty = len(p.Rows) == 0 && p.Query+p.Status+p.Plan == ""
	return p, nil
}

// withCursor is the address of this page with another place in its list; "" is the beginning.
func (v *visit) withCursor(cursor string) string {
	query := v.r.URL.Query()
	query.Del("cursor")
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	at := url.URL{Path: v.r.URL.Path, RawQuery: query.Encode()}
	return at.String()
}
