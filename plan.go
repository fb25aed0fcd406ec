package rentroll

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/rentroll/rentroll/quota"
)

// The plans that a new database starts with. Operators may edit and delete them like their own.
const (
	PlanFree       = "free"
	PlanPro        = "pro"
	PlanEnterprise = "enterprise"
)

// Plan is a named set of limits. Names are case-sensitive.
type Plan struct {
	Name    string       `json:"name"`    // ^[a-z0-9A-Z][a-z0-9A-Z._-]{0,49}$
	Limits  quota.Limits `json:"limits"`  // a quota that is absent is unlimited
	Retired bool         `json:"retired"` // keeps its tenants, takes no new ones

	// Thresholds are the shares of a limit, in per cent, at which an event tells of a tenant's use: 1–200, rising, at most
	// 10. Nil is 80 and 100; an empty list is none.
	Thresholds []int `json:"thresholds"`
}

// PutPlanParams makes a plan or replaces it whole.
type PutPlanParams struct {
	Name       string
	Limits     quota.Limits
	Retired    bool
	Thresholds []int // see Plan
}

// clone is for callers: decisions are made by the plans that the engine keeps, which nobody changes.
func (p *Plan) clone() *Plan {
	own := *p
	own.Limits, own.Thresholds = p.Limits.Clone(), slices.Clone(p.Thresholds)
	return &own
}

func (p *Plan) limits() quota.Limits {
	if p == nil {
		return nil
	}
	return p.Limits
}

// builtinPlans are the plans of a new database.
func builtinPlans() []*Plan {
	plan := func(name string, workers, runs, concurrent, tokens, keys int64) *Plan {
		return &Plan{Name: name, Limits: quota.Limits{
			quota.Workers:        quota.Of(workers),
			quota.RunsPerDay:     quota.Of(runs),
			quota.ConcurrentRuns: quota.Of(concurrent),
			quota.TokensPerMonth: quota.Of(tokens),
			quota.APIKeys:        quota.Of(keys),
		}}
	}
	return []*Plan{
		plan(PlanFree, 3, 100, 5, 1_000_000, 5),
		plan(PlanPro, 10, 1_000, 20, 10_000_000, 20),
		plan(PlanEnterprise, 100, 100_000, 100, 1_000_000_000, 100),
	}
}

const maxPlanName = 50

// checkPlanName says what is wrong with the name of a plan.
func checkPlanName(name string) string {
	const message = "must be 1 to 50 letters, digits, dots, dashes or underscores, beginning with a letter or digit"
	if len(name) == 0 || len(name) > maxPlanName {
		return message
	}
	for i, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && (c == '.' || c == '-' || c == '_'):
		default:
			return message
		}
	}
	return ""
}

// ListPlans lists all plans by name. A tenant's key needs plan:read.
func (e *Engine) ListPlans(ctx context.Context) ([]*Plan, error) {
	if err := e.may(e.actor.TenantID, PermPlanRead); err != nil {
		return nil, err
	}
	plans := slices.SortedFunc(maps.Values(e.core.plans.snapshot()), func(a, b *Plan) int { return strings.Compare(a.Name, b.Name) })
	for i, p := range plans {
		plans[i] = p.clone()
	}
	return plans, nil
}

// PutPlan makes a plan or replaces it whole. It needs an operator. The new limits hold on this server at once and on
// every other within a second.
func (e *Engine) PutPlan(ctx context.Context, p PutPlanParams) (plan *Plan, created bool, err error) {
	if err := e.actor.mayOperate(PermPlanManage); err != nil {
		return nil, false, err
	}
	var bad problems
	bad.add("name", checkPlanName(p.Name))
	for _, f := range p.Limits.Validate(false) {
		bad.add("limits."+f.Field, f.Message)
	}
	bad.add("thresholds", checkThresholds(p.Thresholds))
	if err := bad.err(); err != nil {
		return nil, false, err
	}
	next := &Plan{Name: p.Name, Limits: p.Limits.Clone(), Retired: p.Retired, Thresholds: slices.Clone(p.Thresholds)}
	if next.Limits == nil {
		next.Limits = quota.Limits{}
	}
	c := &putPlan{header: header{tenant: PlatformID, by: e.actor, size: 2048}, p: p, next: next}
	if err := e.do(ctx, c); err != nil {
		return nil, false, err
	}
	return c.next.clone(), c.created, nil
}

type putPlan struct {
	header
	p       PutPlanParams
	next    *Plan
	created bool
}

func (c *putPlan) wants(b *Batch) { b.Plans.Want(c.p.Name) }

func (c *putPlan) object(l *ledger) (any, error) {
	_, _, err := l.account(PlatformID)
	if was := l.Plans.Get(c.p.Name); was != nil {
		return was.clone(), err
	}
	return nil, err
}

func (c *putPlan) decide(l *ledger) error {
	a, now, err := l.account(PlatformID)
	if err != nil {
		return err
	}
	was := l.Plans.Get(c.p.Name)
	if err := l.summed("limits", PlatformID, c.next.Limits, was.limits()); err != nil {
		return err
	}
	c.created = was == nil
	if was != nil && reflect.DeepEqual(was, c.next) {
		return nil
	}
	l.touch(a, now)
	l.Plans.Put(c.p.Name, c.next)
	entry := change{action: "plan.put", kind: "plan", id: c.p.Name, new: c.next}
	if was != nil {
		entry.old = was
	}
	l.audit(a, c.by, now, entry)
	return nil
}

// DeletePlan removes a plan that no tenant uses; it needs an operator. A plan in use is CodeInvalidTransition: retire it
// with PutPlan instead.
func (e *Engine) DeletePlan(ctx context.Context, name string) error {
	if err := e.actor.mayOperate(PermPlanManage); err != nil {
		return err
	}
	if checkPlanName(name) != "" {
		return notFound("plan")
	}
	return e.do(ctx, &deletePlan{header: header{tenant: PlatformID, by: e.actor, size: 2048}, name: name})
}

type deletePlan struct {
	header
	name string
}

func (c *deletePlan) wants(b *Batch) {
	b.Plans.Want(c.name)
	ask(&b.PlanInUse, c.name)
}

func (c *deletePlan) object(l *ledger) (any, error) { return there(l.Plans.Get(c.name), "plan") }

func (c *deletePlan) decide(l *ledger) error {
	a, now, err := l.account(PlatformID)
	if err != nil {
		return err
	}
	was := l.Plans.Get(c.name)
	if was == nil {
		return notFound("plan")
	}
	// A tenant that joined the plan in this very transaction is not in the store yet.
	for _, open := range l.open {
		if open.Plan == c.name && open.TenantID != PlatformID {
			return errPlanInUse
		}
	}
	if *l.PlanInUse[c.name] {
		return errPlanInUse
	}
	l.touch(a, now)
	l.Plans.Delete(c.name)
	l.audit(a, c.by, now, change{action: "plan.delete", kind: "plan", id: c.name, old: was})
	return nil
}

var errPlanInUse = errorf(CodeInvalidTransition, "the plan is in use; retire it instead")
