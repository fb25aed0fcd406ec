package console

import (
	"slices"
	"time"

	"github.com/rentroll/rentroll"
)

// overviewPage is the state of the platform.
type overviewPage struct {
	Near     []standingRow
	Denials  []denialRow
	Stuck    []*rentroll.StuckTenant
	Busy     []standingRow // by runs of the day
	Metrics  rentroll.Metrics
	Ready    error
	Answers  time.Duration // how long the database took
	Activity activity
	CanDeny  bool // may read denials
	CanRun   bool // may read runs
}

// activity is what the platform did in the last hour.
type activity struct {
	Admitted, Denied       int64 // in the hour
	LastAdmitted, LastDeny int64 // in the last whole minute
	Minutes                []rentroll.Activity
}

// Data is what the browser draws.
func (a *activity) Data() map[string]any {
	times, admitted, denied := make([]int64, len(a.Minutes)), make([]int64, len(a.Minutes)), make([]int64, len(a.Minutes))
	for i, m := range a.Minutes {
		times[i], admitted[i], denied[i] = m.Minute.Unix(), m.Admitted, m.Denied
	}
	return map[string]any{"times": times, "unit": "runs", "series": []map[string]any{
		{"label": "admitted", "color": "fill", "values": admitted}, {"label": "denied", "color": "bad", "values": denied},
	}}
}

const (
	overviewRows   = 8  // lines of each table
	overviewDenied = 48 // denials that those of its table are put together from
	overviewWindow = time.Hour
)

func (v *visit) overview() (any, error) {
	if v.isTenant() { // its own page is all of the platform that it sees
		return nil, elsewhere(root + "tenants/me")
	}
	p := &overviewPage{Metrics: v.engine.Metrics(), CanDeny: v.can(rentroll.PermDenialRead), CanRun: v.can(rentroll.PermRunRead)}
	began := v.engine.Now()
	p.Ready = v.engine.Ready(v)
	p.Answers = v.engine.Now().Sub(began)
	nearest, err := v.engine.ListStandings(v, rentroll.ListStandingsParams{
		Status: rentroll.TenantActive, Order: rentroll.StandingNearest, AtLeast: near, Page: rentroll.Page{Limit: overviewRows},
	})
	if err != nil {
		return nil, err
	}
	p.Near = standingRows(nearest.Items)
	busiest, err := v.engine.ListStandings(v, rentroll.ListStandingsParams{Order: rentroll.StandingBusiest, Page: rentroll.Page{Limit: overviewRows}})
	if err != nil {
		return nil, err
	}
	p.Busy = standingRows(busiest.Items)
	denials, err := v.engine.ListLatestDenials(v, rentroll.Page{Limit: overviewDenied})
	if err := allowed(err); err != nil {
		return nil, err
	}
	if denials != nil {
		p.Denials = denialRows(denials.Items)
	}
	p.Stuck, err = v.engine.ListStuck(v)
	if err := allowed(err); err != nil {
		return nil, err
	}
	return p, v.activity(&p.Activity)
}

// denialRow is the last denial of a tenant by a rule, and how many there were.
type denialRow struct {
	*rentroll.TenantDenial

	Times int
}

// denialRows puts together what one rule denied one tenant, newest first: a tenant that tries on and on hides no other.
func denialRows(list []*rentroll.TenantDenial) []denialRow {
	var rows []denialRow
	for _, d := range list {
		at := slices.IndexFunc(rows, func(r denialRow) bool {
			return r.TenantID == d.TenantID && r.Code == d.Code && r.Quota == d.Quota && r.Scope == d.Scope
		})
		if at < 0 {
			rows, at = append(rows, denialRow{TenantDenial: d}), len(rows)
		}
		rows[at].Times++
	}
	return rows[:min(len(rows), overviewRows)]
}

func (v *visit) activity(a *activity) (err error) {
	if a.Minutes, err = v.engine.ListActivity(v, v.now.Add(-overviewWindow)); err != nil {
		return err
	}
	for i, m := range a.Minutes {
		a.Admitted, a.Denied = a.Admitted+m.Admitted, a.Denied+m.Denied
		if i == len(a.Minutes)-2 {
			a.LastAdmitted, a.LastDeny = m.Admitted, m.Denied
		}
	}
	return nil
}
