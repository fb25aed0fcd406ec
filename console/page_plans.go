package console

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"strconv"
	"strings"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// plansPage is the matrix of plans and quotas.
type plansPage struct {
	Quotas []quota.Definition
	Rows   []planRow
	Counts bool // whether the visitor may know how many tenants there are
	Manage bool

	Simulate bool
}

// planRow is a plan with its limits in the order of the quotas.
type planRow struct {
	*rentroll.Plan

	Limits  []limitCell
	Tenants rentroll.PlanTenants
	Edit    string // the address where it is edited
	Try     string // the address where it is simulated
	Listed  string // the address of its tenants
}

// limitCell is a limit in the matrix.
type limitCell struct {
	Limit quota.Limit
}

// Text is the limit in words.
func (c limitCell) Text() string {
	switch {
	case c.Limit.Unlimited:
		return "unlimited"
	case c.Limit.IsSoft():
		return grouped(c.Limit.Max) + " soft"
	default:
		return grouped(c.Limit.Max)
	}
}

// definitionsOf are all quotas, and those on meters that any of the plans limits.
func definitionsOf(plans ...*rentroll.Plan) []quota.Definition {
	all := quota.Limits{}
	for _, p := range plans {
		if p != nil {
			maps.Copy(all, p.Limits)
		}
	}
	return append(quota.Definitions(), definitionsOn(all)...)
}

// definitionsOn are the quotas on meters among limits.
func definitionsOn(limits quota.Limits) (out []quota.Definition) {
	for _, name := range limits.Names() {
		if d, known := quota.Lookup(name); known {
			out = append(out, d)
		}
	}
	return out
}

// limitOf is a limit of a plan: what is not there is unlimited.
func limitOf(p *rentroll.Plan, name quota.Name) quota.Limit {
	if limit, ok := p.Limits[name]; ok {
		return limit
	}
	return quota.NoLimit()
}

func (v *visit) plans() (any, error) {
	plans, err := v.engine.ListPlans(v)
	if err != nil {
		return nil, err
	}
	counts, err := v.planTenants()
	if err != nil {
		return nil, err
	}
	p := &plansPage{Quotas: definitionsOf(plans...), Counts: counts != nil, Manage: v.managesPlans(), Simulate: v.simulates()}
	for _, plan := range plans {
		row := planRow{Plan: plan, Tenants: counts[plan.Name], Listed: at("tenants", "plan", plan.Name)}
		row.Edit, row.Try = at("plans/edit", "name", plan.Name), at("plans/simulate", "name", plan.Name)
		for _, d := range p.Quotas {
			row.Limits = append(row.Limits, limitCell{limitOf(plan, d.Name)})
		}
		p.Rows = append(p.Rows, row)
	}
	return p, nil
}

// at is an address of the console with a parameter.
func at(path, name, value string) string {
	return root + path + "?" + url.Values{name: {value}}.Encode()
}

// planTenants counts the tenants of plans; nil where the visitor may not know.
func (v *visit) planTenants() (map[string]rentroll.PlanTenants, error) {
	counts, err := v.engine.CountPlanTenants(v)
	return counts, allowed(err)
}

// simulates reports whether the visitor may simulate plans.
func (v *visit) simulates() bool { return !v.isTenant() && v.can(rentroll.PermQuotaRead) }

func (v *visit) managesPlans() bool { return !v.isTenant() && v.can(rentroll.PermPlanManage) }

// plan returns the plan of a name; nil where there is none.
func (v *visit) plan(name string) (*rentroll.Plan, error) {
	if !v.managesPlans() {
		return nil, v.actorLacks(rentroll.PermPlanManage)
	}
	plans, err := v.engine.ListPlans(v)
	if err != nil {
		return nil, err
	}
	for _, p := range plans {
		if p.Name == name {
			return p, nil
		}
	}
	return nil, nil
}

// actorLacks is the error for who asks for a page of something that others do.
func (v *visit) actorLacks(p rentroll.Permission) error {
	if err := v.actor.Permits(p); err != nil {
		return err
	}
	return &rentroll.Error{Code: rentroll.CodeForbidden, Message: "this needs an operator key"}
}

// planEditPage is the form of a plan's limits.
type planEditPage struct {
	Name   string
	New    bool
	Like   string // the plan whose limits the form of a new one begins with
	Fields []limitField

	Simulate bool
}

// limitField is one quota in the form.
type limitField struct {
	quota.Definition

	Limit quota.Limit
}

// Value is the number in the field.
func (f limitField) Value() string {
	if f.Limit.Unlimited {
		return ""
	}
	return grouped(f.Limit.Max)
}

func (v *visit) editPlan() (any, error) {
	p := &planEditPage{Name: strings.TrimSpace(v.query("name")), Like: v.query("like"), Simulate: v.simulates()}
	plan, err := v.plan(p.Name)
	if err != nil {
		return nil, err
	}
	v.title = "Plan " + p.Name
	if p.New = plan == nil; p.New {
		if p.Name == "" {
			return nil, wrong("name", "is what the new plan is called")
		}
		if plan, err = v.plan(p.Like); err != nil {
			return nil, err
		}
		if plan == nil {
			plan = &rentroll.Plan{}
		}
	}
	if typed := v.r.URL.Query(); hasLimits(typed) { // that somebody has tried, or comes back to
		limits, err := limitsOfForm(typed)
		if err != nil {
			return nil, err
		}
		plan = &rentroll.Plan{Limits: limits}
	}
	for _, d := range definitionsOf(plan) {
		p.Fields = append(p.Fields, limitField{d, limitOf(plan, d.Name)})
	}
	return p, nil
}

// planChangePage is what saving a plan would change.
type planChangePage struct {
	Name    string
	New     bool
	Changes []limitChange
	Lowered bool // a limit that holds becomes lower
	Counts  bool
	Tenants rentroll.PlanTenants
	Fields  url.Values // of the form, to send again
	Was     string     // the sum of the plan that was compared with
	Back    string     // the address of the form
}

// limitChange is a limit that becomes another.
type limitChange struct {
	Title    string
	Old, New limitCell
	Up, Down bool
}

func (v *visit) changedPlan() (any, error) {
	fields := v.r.URL.Query()
	p := &planChangePage{Name: strings.TrimSpace(fields.Get("name")), Fields: url.Values{}}
	old, err := v.plan(p.Name)
	if err != nil {
		return nil, err
	}
	limits, err := limitsOfForm(fields)
	if err != nil {
		return nil, err
	}
	v.title = "Plan " + p.Name
	p.New, p.Was = old == nil, sumOf(old)
	if p.New {
		old = &rentroll.Plan{}
	}
	next := &rentroll.Plan{Limits: limits}
	for _, d := range definitionsOf(old, next) {
		for _, name := range fieldNames(d.Name) {
			if value := fields.Get(name); value != "" {
				p.Fields.Set(name, value)
			}
		}
		p.compare(d, limitOf(old, d.Name), limitOf(next, d.Name))
	}
	p.Back = planAt("edit", p.Name, p.Fields)
	counts, err := v.planTenants()
	p.Counts, p.Tenants = counts != nil, counts[p.Name]
	return p, err
}

// compare adds what changes of a quota.
func (p *planChangePage) compare(d quota.Definition, old, next quota.Limit) {
	c := limitChange{Title: d.Title, Old: limitCell{old}, New: limitCell{next}}
	if c.Old.Text() == c.New.Text() {
		return
	}
	switch {
	case old.Unlimited:
		c.Down = true
	case next.Unlimited:
		c.Up = true
	default:
		c.Up, c.Down = next.Max > old.Max, next.Max < old.Max
	}
	p.Lowered = p.Lowered || c.Down && !p.New
	p.Changes = append(p.Changes, c)
}

// fieldNames are the fields of a quota in the form.
func fieldNames(name quota.Name) [3]string {
	return [3]string{string(name), string(name) + "_unlimited", string(name) + "_mode"}
}

// hasLimits reports whether the fields of limits are among others.
func hasLimits(fields url.Values) bool {
	for field := range fields {
		if strings.HasSuffix(field, "_mode") || strings.HasSuffix(field, "_unlimited") {
			return true
		}
	}
	return false
}

// limitFields are limits as the form sends them: limitsOfForm reads them again.
func limitFields(limits quota.Limits) url.Values {
	plan, fields := &rentroll.Plan{Limits: limits}, url.Values{}
	for _, d := range definitionsOf(plan) {
		names, limit := fieldNames(d.Name), limitOf(plan, d.Name)
		if limit.Unlimited {
			fields.Set(names[1], "yes")
			continue
		}
		mode := quota.Hard
		if limit.IsSoft() {
			mode = quota.Soft
		}
		fields.Set(names[0], strconv.FormatInt(limit.Max, 10))
		fields.Set(names[2], string(mode))
	}
	return fields
}

// limitsOfForm reads the limits of a plan as they were typed. Those on meters have fields where the plan had them when the
// form was made.
func limitsOfForm(fields url.Values) (quota.Limits, error) {
	limits, typed := quota.Limits{}, quota.Limits{}
	for field := range fields {
		if name, of := strings.CutSuffix(field, "_mode"); of {
			typed[quota.Name(name)] = quota.Limit{}
		}
	}
	for _, d := range append(quota.Definitions(), definitionsOn(typed)...) {
		names := fieldNames(d.Name)
		if fields.Get(names[1]) != "" {
			continue // absent is unlimited
		}
		typed := strings.NewReplacer(",", "", " ", "", "_", "", "'", "").Replace(fields.Get(names[0]))
		n, err := strconv.ParseInt(typed, 10, 64)
		if err != nil || n < 0 {
			return nil, wrong(names[0], "must be a whole number, zero or more, or unlimited")
		}
		limit := quota.Of(n)
		if fields.Get(names[2]) == string(quota.Soft) {
			limit.Mode = quota.Soft
		}
		limits[d.Name] = limit
	}
	return limits, nil
}

// sumOf names a plan as it is, so that nobody saves over what somebody else has saved meanwhile. There may be none.
func sumOf(p *rentroll.Plan) string {
	data, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Errorf("console: a plan has no JSON form: %w", err))
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (v *visit) savePlan() (*outcome, error) {
	limits, err := limitsOfForm(v.r.PostForm)
	if err != nil {
		return nil, err
	}
	name, was, retired := v.form("name"), v.form("was"), false
	var thresholds []int
	created, err := v.putPlan(name, was, func(now *rentroll.Plan) rentroll.PutPlanParams {
		if now != nil {
			retired, thresholds = now.Retired, now.Thresholds
		}
		return rentroll.PutPlanParams{Name: name, Limits: limits, Retired: retired, Thresholds: thresholds}
	})
	if err != nil {
		return nil, err
	}
	said := "The plan " + name + " is changed: its limits hold from now on, and within a second on every server."
	if created {
		said = "There is a plan " + name + " now."
	}
	return &outcome{to: root + "plans", said: said}, nil
}

// putPlan writes a plan, if it still is what the form was made for.
func (v *visit) putPlan(name, was string, change func(*rentroll.Plan) rentroll.PutPlanParams) (created bool, err error) {
	now, err := v.plan(name)
	if err != nil {
		return false, err
	}
	unchanged := v.engine.If(func(object any) bool {
		current, _ := object.(*rentroll.Plan) // nil for none
		return sumOf(current) == was
	})
	_, created, err = unchanged.PutPlan(v, change(now))
	return created, err
}

// retirePlan has a plan take no new tenants, or take them again.
func (v *visit) retirePlan() (*outcome, error) {
	name, retire := v.form("name"), v.form("retired") == "yes"
	_, err := v.putPlan(name, v.form("was"), func(now *rentroll.Plan) rentroll.PutPlanParams {
		p := rentroll.PutPlanParams{Name: name, Retired: retire}
		if now != nil {
			p.Limits, p.Thresholds = now.Limits, now.Thresholds
		}
		return p
	})
	if err != nil {
		return nil, err
	}
	said := "The plan " + name + " is retired: it keeps its tenants and takes no new ones."
	if !retire {
		said = "The plan " + name + " takes tenants again."
	}
	return &outcome{to: root + "plans", said: said}, nil
}

// Sum names the plan as it is, for forms.
func (r planRow) Sum() string { return sumOf(r.Plan) }
