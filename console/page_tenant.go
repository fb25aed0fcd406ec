package console

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// tenantPage is all of one tenant. What the visitor may not read stays nil.
type tenantPage struct {
	Tenant    *rentroll.Tenant
	Gauges    []gauge
	Overrides []override
	Runs      []*rentroll.Run // queued and running
	MoreRuns  bool
	Denials   []*rentroll.Denial

	// Of the page, and not of its news.
	Plans   []*rentroll.Plan
	Charts  []chart
	Keys    *rentroll.List[*rentroll.APIKey]
	Members []person
	Workers []*rentroll.Worker
	Audit   []*rentroll.AuditRow
	Quotas  []quotaChoice // that can have another limit

	Statements []rentroll.StatementPeriod // the newest
	Actions    tenantActions
}

// tenantActions says which buttons there are.
type tenantActions struct{ Manage, Suspend, Resume, Terminate, Keys, Cancel bool }

// choice is a line of a field that offers some.
type choice struct{ Value, Label string }

// quotaChoice is a quota to choose.
type quotaChoice struct {
	choice

	Chosen bool // at first
}

// override is a limit that beats the plan's.
type override struct {
	Name   quota.Name
	Limit  quota.Limit
	Active bool
}

// person is a member with what is known of the user.
type person struct {
	*rentroll.Member

	User *rentroll.User // nil where the visitor may not read users
}

// How many lines the tables of a tenant's page have.
const (
	tenantRuns    = 20
	tenantDenials = 8
	tenantKeys    = 20
	tenantMembers = 20
	tenantAudit   = 12

	tenantStatements = 4
)

func (v *visit) showTenant() (any, error) {
	id, err := v.tenant()
	if err != nil {
		return nil, err
	}
	p := &tenantPage{}
	if p.Tenant, err = v.engine.GetTenant(v, id); err != nil {
		return nil, err
	}
	v.title = p.Tenant.Name
	if err := v.tenantNews(p); err != nil || v.news {
		return p, err
	}
	return p, v.tenantRest(p)
}

// tenantNews fills in what moves.
func (v *visit) tenantNews(p *tenantPage) error {
	id := p.Tenant.ID
	quotas, err := v.engine.GetQuotas(v, id)
	if err := allowed(err); err != nil {
		return err
	}
	for _, q := range quotas {
		p.Gauges = append(p.Gauges, newGauge(q))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Tenant.LimitOverrides)) {
		limit := p.Tenant.LimitOverrides[name]
		p.Overrides = append(p.Overrides, override{name, limit, limit.Active(v.now)})
	}
	for _, status := range []rentroll.RunStatus{rentroll.RunRunning, rentroll.RunQueued} {
		runs, err := v.engine.ListRuns(v, rentroll.ListRunsParams{TenantID: id, Status: status, Page: rentroll.Page{Limit: tenantRuns}})
		if err := allowed(err); err != nil {
			return err
		}
		if runs != nil {
			p.Runs, p.MoreRuns = append(p.Runs, runs.Items...), p.MoreRuns || runs.NextCursor != ""
		}
	}
	denials, err := v.engine.ListDenials(v, rentroll.ListDenialsParams{TenantID: id, Page: rentroll.Page{Limit: tenantDenials}})
	if denials != nil {
		p.Denials = denials.Items
	}
	p.Actions = v.tenantActions(p.Tenant)
	return allowed(err)
}

// tenantRest fills in what does not move.
func (v *visit) tenantRest(p *tenantPage) (err error) {
	id := p.Tenant.ID
	for _, d := range quota.Definitions() {
		label := quotaName(d.Name)
		if d.Name == quota.SpendPerMonth {
			label += " (in millionths)"
		}
		p.Quotas = append(p.Quotas, quotaChoice{choice: choice{string(d.Name), label}})
	}
	for _, g := range p.Gauges { // those that are in no list: on meters
		if !slices.ContainsFunc(p.Quotas, func(c quotaChoice) bool { return c.Value == string(g.Quota) }) {
			p.Quotas = append(p.Quotas, quotaChoice{choice: choice{string(g.Quota), g.Name()}})
		}
	}
	markFullest(p.Quotas, p.Gauges)
	p.Plans, err = v.engine.ListPlans(v)
	if err := allowed(err); err != nil {
		return err
	}
	p.Keys, err = v.engine.ListAPIKeys(v, rentroll.ListAPIKeysParams{TenantID: id, Page: rentroll.Page{Limit: tenantKeys}})
	if err := allowed(err); err != nil {
		return err
	}
	p.Workers, err = v.engine.ListWorkers(v, id)
	if err := allowed(err); err != nil {
		return err
	}
	members, err := v.engine.ListMembers(v, rentroll.ListMembersParams{TenantID: id, Page: rentroll.Page{Limit: tenantMembers}})
	if err := allowed(err); err != nil {
		return err
	}
	if members != nil {
		for _, m := range members.Items {
			user, err := v.engine.GetUser(v, m.UserID)
			if err := allowed(err); err != nil {
				return err
			}
			p.Members = append(p.Members, person{m, user})
		}
	}
	audit, err := v.engine.ListAudit(v, rentroll.ListAuditParams{TenantID: id, Page: rentroll.Page{Limit: tenantAudit}})
	if err := allowed(err); err != nil {
		return err
	}
	if audit != nil {
		p.Audit = audit.Items
	}
	statements, err := v.engine.ListStatements(v, id)
	if err := allowed(err); err != nil {
		return err
	}
	p.Statements = statements[:min(len(statements), tenantStatements)]
	p.Charts, err = v.tenantCharts(p)
	return allowed(err)
}

// markFullest says beside each quota how it stands, since a dialog hides the page, and chooses the one nearest to its limit.
func markFullest(quotas []quotaChoice, gauges []gauge) {
	fullest, percent := 0, int64(-1)
	for i := range quotas {
		at := slices.IndexFunc(gauges, func(g gauge) bool { return string(g.Quota) == quotas[i].Value })
		if at < 0 {
			continue
		}
		g := gauges[at]
		if g.Limit == nil {
			quotas[i].Label += fmt.Sprintf(": %s, no limit", g.Text(g.Taken()))
			continue
		}
		quotas[i].Label += fmt.Sprintf(": %s of %s", g.Text(g.Taken()), g.Text(*g.Limit))
		if g.Percent > percent {
			fullest, percent = i, g.Percent
		}
	}
	if len(quotas) > 0 {
		quotas[fullest].Chosen = true
	}
}

func (v *visit) tenantActions(t *rentroll.Tenant) tenantActions {
	manage := !v.isTenant() && v.can(rentroll.PermTenantManage)
	active, suspended := t.Status == rentroll.TenantActive, t.Status == rentroll.TenantSuspended
	return tenantActions{
		Manage: manage && (active || suspended), Suspend: manage && active, Resume: manage && suspended, Terminate: manage && (active || suspended),
		Keys: v.can(rentroll.PermKeyManage), Cancel: v.can(rentroll.PermRunUpdate),
	}
}

// Tomorrow is the default end of an override, as a form field wants it: the viewer's midnight after next.
func (v *visit) Tomorrow() string {
	now := v.now.In(v.zone)
	return time.Date(now.Year(), now.Month(), now.Day()+1, 23, 59, 0, 0, v.zone).Format(fieldTime)
}

// Once is a key under which what a form does is done once, however often it is sent.
func (v *visit) Once() string { return rand.Text() }

// Zone is the name of the viewer's time zone.
func (v *visit) Zone() string { return v.zone.String() }

// fieldTime is how a browser's field for a time writes it.
const fieldTime = "2006-01-02T15:04"
