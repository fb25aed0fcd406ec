package console

import (
	"github.com/rentroll/rentroll"
)

// overviewPage is the state of the platform.
type overviewPage struct {
	Near    []standingRow
	Metrics rentroll.Metrics
}

// overviewRows is how many lines each table of the overview has.
const overviewRows = 8

func (v *visit) overview() (any, error) {
	if v.isTenant() { // its own page is all of the platform that it sees
		return nil, elsewhere(root + "tenants/me")
	}
	p := &overviewPage{Metrics: v.engine.Metrics()}
	near, err := v.engine.ListStandings(v, rentroll.ListStandingsParams{
		Status: rentroll.TenantActive, Order: rentroll.StandingNearest, AtLeast: near, Page: rentroll.Page{Limit: overviewRows},
	})
	if err != nil {
		return nil, err
	}
	p.Near = standingRows(near.Items)
	return p, nil
}
