package rentroll

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"time"

	"github.com/rentroll/rentroll/quota"
)

const (
	maxMetadata       = 50
	maxReason         = 500
	maxAmount   int64 = 1_000_000_000_000
)

// CreateTenant makes an active tenant. It needs an operator. A slug or external id that is taken is CodeAlreadyExists, a
// plan that does not exist CodeUnknownPlan.
func (e *Engine) CreateTenant(ctx context.Context, p CreateTenantParams) (*Tenant, error) {
	if err := e.actor.mayOperate(PermTenantManage); err != nil {
		return nil, err
	}
	if p.Plan == "" {
		p.Plan = PlanFree
	}
	if p.Timezone == "" {
		p.Timezone = "UTC"
	}
	if p.BillingAnchorDay == 0 {
		p.BillingAnchorDay = 1
	}
	edit := TenantEdit{
		Name: p.Name, ExternalID: NullString(p.ExternalID), BillingEmail: NullString(p.BillingEmail),
		Timezone: p.Timezone, BillingAnchorDay: p.BillingAnchorDay, LimitOverrides: p.LimitOverrides, Metadata: p.Metadata,
	}
	bad := edit.check()
	bad.add("slug", checkSlug(p.Slug))
	bad.add("plan", checkPlanName(p.Plan))
	if err := bad.err(); err != nil {
		return nil, err
	}
	key := p.IdempotencyKey
	p.IdempotencyKey = ""
	once, err := newOnce(PlatformID, "tenant.create", key, p)
	if err != nil {
		return nil, err
	}
	c := &createTenant{header: header{tenant: PlatformID, by: e.actor, once: once, size: 4096}, p: p, edit: edit}
	if err := e.do(ctx, c); err != nil {
		return nil, err
	}
	if once != nil && once.replayed {
		return replay(once.result, func(id TenantID) (*Tenant, error) { return e.getTenant(ctx, id) },
			func(t *Tenant) *bool { return &t.Replayed })
	}
	return c.answer, nil
}

// replay rebuilds the answer of an operation that was done before from the id in its record.
func replay[K idKind, T any](id string, get func(ID[K]) (*T, error), flag func(*T) *bool) (*T, error) {
	parsed, err := ParseID[K](id)
	if err != nil {
		return nil, fmt.Errorf("rentroll: an idempotency record holds a bad id: %w", err)
	}
	answer, err := get(parsed)
	if err != nil {
		return nil, err
	}
	*flag(answer) = true
	return answer, nil
}

// check says what is wrong with the fields of a tenant.
func (t *TenantEdit) check() problems {
	var bad problems
	bad.add("name", checkText(t.Name, 1, 255))
	bad.add("external_id", checkText(string(t.ExternalID), 0, 255))
	if t.BillingEmail != "" {
		bad.add("billing_email", checkEmail(string(t.BillingEmail)))
	}
	if _, err := quota.LoadZone(t.Timezone); err != nil {
		bad.add("timezone", "must be an IANA time zone, such as Europe/Berlin")
	}
	bad.between("billing_anchor_day", int64(t.BillingAnchorDay), 1, 28)
	for _, f := range t.LimitOverrides.Validate(true) {
		bad.add("limit_overrides."+f.Field, f.Message)
	}
	if len(t.Metadata) > maxMetadata {
		bad.add("metadata", fmt.Sprintf("must have at most %d entries", maxMetadata))
		return bad
	}
	for k, v := range t.Metadata {
		if message := checkText(k, 1, 40); message != "" {
			bad.add("metadata", "a name "+message)
		} else if message := checkText(v, 0, 500); message != "" {
			bad.add("metadata."+k, message)
		}
	}
	return bad
}

type createTenant struct {
	header
	p      CreateTenantParams
	edit   TenantEdit
	answer *Tenant
}

func (c *createTenant) wants(b *Batch) {
	b.Directory.Want(DirectoryRef{DirectorySlug, c.p.Slug})
	if c.p.ExternalID != "" {
		b.Directory.Want(DirectoryRef{DirectoryExternalID, c.p.ExternalID})
	}
	b.Plans.Want(c.p.Plan)
}

func (c *createTenant) decide(l *ledger) error {
	if _, _, err := l.account(PlatformID); err != nil {
		return err
	}
	if taken := l.taken(DirectoryRef{DirectorySlug, c.p.Slug}, TenantID{}, "slug"); taken != nil {
		return taken
	}
	external := DirectoryRef{DirectoryExternalID, c.p.ExternalID}
	if c.p.ExternalID != "" {
		if taken := l.taken(external, TenantID{}, "external_id"); taken != nil {
			return taken
		}
	}
	plan, err := l.offered(c.p.Plan)
	if err != nil {
		return err
	}
	if err := l.summed("limit_overrides", PlatformID, c.edit.LimitOverrides, nil); err != nil {
		return err
	}
	now := l.now
	a := &Account{
		TenantID: newID[tenantKind](now, l.entropy()), Status: TenantActive, Since: now, Plan: plan.Name,
		Overrides: c.edit.LimitOverrides.Clone(), Timezone: c.edit.Timezone, AnchorDay: c.edit.BillingAnchorDay, LastNow: now,
		StatementGrace: l.graces.now,
	}
	a.roll(now)
	l.open[a.TenantID] = a
	l.touch(a, now)
	p := &Profile{TenantID: a.TenantID, Slug: c.p.Slug, CreatedAt: now, UpdatedAt: now}
	p.apply(&c.edit)
	l.Profiles.Put(a.TenantID, p)
	l.Directory.Put(DirectoryRef{DirectorySlug, p.Slug}, &DirectoryEntry{DirectoryRef{DirectorySlug, p.Slug}, a.TenantID})
	if p.ExternalID != "" {
		l.Directory.Put(external, &DirectoryEntry{external, a.TenantID})
	}
	c.answer = tenantOf(p, a, plan, now)
	l.audit(a, c.by, now, change{action: "tenant.create", kind: "tenant", id: a.TenantID.String(), new: c.answer})
	if c.once != nil {
		c.once.result = a.TenantID.String()
	}
	return nil
}

// taken refuses a value that is unique across tenants and belongs to another than owner.
func (l *ledger) taken(ref DirectoryRef, owner [16]byte, field string) error {
	entry := l.Directory.Get(ref)
	if entry == nil || entry.Owner == owner {
		return nil
	}
	return &Error{Code: CodeAlreadyExists, Message: "the " + field + " is taken", Fields: []FieldError{{field, "is taken"}}}
}

// offered returns a plan that takes tenants, as it is in the store and not as it is cached.
func (l *ledger) offered(name string) (*Plan, error) {
	plan := l.Plans.Get(name)
	if plan == nil {
		return nil, &Error{Code: CodeUnknownPlan, Message: fmt.Sprintf("there is no plan %q", name), Fields: []FieldError{{"plan", "is unknown"}}}
	}
	if plan.Retired {
		return nil, problems{{"plan", "is retired and takes no new tenants"}}.err()
	}
	return plan, nil
}

func (p *Profile) apply(edit *TenantEdit) {
	p.Name, p.ExternalID, p.BillingEmail, p.Metadata = edit.Name, edit.ExternalID, edit.BillingEmail, maps.Clone(edit.Metadata)
}

// UpdateTenant changes a tenant's descriptive fields and overrides. It needs an operator. Overrides are exact: once it
// has returned, nothing beyond them is admitted. A change of zone or anchor takes effect when the present periods end.
func (e *Engine) UpdateTenant(ctx context.Context, p UpdateTenantParams) (*Tenant, error) {
	if err := e.actor.mayOperate(PermTenantManage); err != nil {
		return nil, err
	}
	c := &updateTenant{header: header{tenant: p.TenantID, also: []TenantID{PlatformID}, by: e.actor, size: 4096}, p: p}
	if err := e.do(ctx, c); err != nil {
		return nil, err
	}
	return c.answer, nil
}

// tenant returns a tenant whose profile was asked for.
func (l *ledger) tenant(id TenantID) (*Tenant, error) {
	a, plan, now, err := l.planned(id)
	if err != nil {
		return nil, err
	}
	return tenantOf(l.Profiles.Get(id), a, plan, now), nil
}

type updateTenant struct {
	header
	p      UpdateTenantParams
	answer *Tenant
}

func (c *updateTenant) wants(b *Batch) { b.Profiles.Want(c.tenant) }

func (c *updateTenant) object(l *ledger) (any, error) { return l.tenant(c.tenant) }

func (c *updateTenant) decide(l *ledger) error {
	a, plan, now, err := l.planned(c.tenant)
	if err != nil {
		return err
	}
	p := l.Profiles.Get(c.tenant)
	before := tenantOf(p, a, plan, now)
	edit := TenantEdit{
		Name: p.Name, ExternalID: p.ExternalID, BillingEmail: p.BillingEmail, Timezone: a.Timezone,
		BillingAnchorDay: a.AnchorDay, LimitOverrides: before.LimitOverrides.Clone(), Metadata: maps.Clone(before.Metadata),
	}
	if err := c.p.Change(&edit); err != nil {
		return err
	}
	if err := edit.check().err(); err != nil {
		return err
	}
	if err := l.summed("limit_overrides", c.tenant, edit.LimitOverrides, a.Overrides); err != nil {
		return err
	}
	if err := c.claimExternal(l, p.ExternalID, edit.ExternalID); err != nil {
		return err
	}
	next := *p
	next.apply(&edit)
	next.UpdatedAt = now
	changed := *a
	changed.Overrides, changed.Timezone, changed.AnchorDay = edit.LimitOverrides.Clone(), edit.Timezone, edit.BillingAnchorDay
	c.answer = tenantOf(&next, &changed, plan, now)
	was, is := difference(before, c.answer)
	if len(is) == 0 {
		c.answer = before
		return nil
	}
	l.touch(a, now)
	if a.Timezone != changed.Timezone { // the present period goes by the name that it has in the zone in which it began
		l.Periods = append(l.Periods, l.pastMonth(a, a.Month))
	}
	delete(l.watches, c.tenant)
	a.Overrides, a.Timezone, a.AnchorDay = changed.Overrides, changed.Timezone, changed.AnchorDay
	a.Generation++
	l.Profiles.Put(c.tenant, &next)
	if p.ExternalID != edit.ExternalID {
		l.moveExternal(c.tenant, p.ExternalID, edit.ExternalID)
	}
	l.audit(a, c.by, now, change{action: "tenant.update", kind: "tenant", id: c.tenant.String(), old: was, new: is})
	return nil
}

// claimExternal checks that a changed external id is free, and loads the directory rows of both.
func (c *updateTenant) claimExternal(l *ledger, old, next NullString) error {
	if old == next {
		return nil
	}
	for _, id := range []NullString{old, next} {
		if ref := (DirectoryRef{DirectoryExternalID, string(id)}); id != "" && !l.Directory.Knows(ref) {
			l.Directory.Want(ref)
		}
	}
	if l.Directory.unloaded() {
		return errMore
	}
	if next == "" {
		return nil
	}
	return l.taken(DirectoryRef{DirectoryExternalID, string(next)}, c.tenant, "external_id")
}

// moveExternal gives a tenant another external id; "" is none.
func (l *ledger) moveExternal(tenant TenantID, old, next NullString) {
	if old != "" {
		l.Directory.Delete(DirectoryRef{DirectoryExternalID, string(old)})
	}
	if next != "" {
		ref := DirectoryRef{DirectoryExternalID, string(next)}
		l.Directory.Put(ref, &DirectoryEntry{ref, tenant})
	}
}

// difference returns the fields of two values of one struct type that differ, by their JSON names, UpdatedAt excepted.
func difference(before, after any) (was, is map[string]any) {
	was, is = map[string]any{}, map[string]any{}
	x, y := reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem()
	for i := range x.NumField() {
		name := x.Type().Field(i).Tag.Get("json")
		if name == "" || name == "-" || name == "updated_at" || reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			continue
		}
		was[name], is[name] = x.Field(i).Interface(), y.Field(i).Interface()
	}
	return was, is
}

// UpdatePlan moves a tenant to another plan. It needs an operator. What is then above a limit stays and is reported;
// once it has returned, nothing beyond the new limits is admitted.
func (e *Engine) UpdatePlan(ctx context.Context, p UpdatePlanParams) (*UpdatePlanResult, error) {
	if err := e.actor.mayOperate(PermTenantManage); err != nil {
		return nil, err
	}
	var bad problems
	bad.add("plan", checkPlanName(p.Plan))
	if err := bad.err(); err != nil {
		return nil, err
	}
	c := &updatePlan{header: header{tenant: p.TenantID, also: []TenantID{PlatformID}, by: e.actor, size: 2048}, p: p}
	if err := e.do(ctx, c); err != nil {
		return nil, err
	}
	return &c.answer, nil
}

type updatePlan struct {
	header
	p      UpdatePlanParams
	answer UpdatePlanResult
}

func (c *updatePlan) wants(b *Batch) {
	b.Profiles.Want(c.tenant)
	b.Plans.Want(c.p.Plan)
}

func (c *updatePlan) object(l *ledger) (any, error) { return l.tenant(c.tenant) }

func (c *updatePlan) decide(l *ledger) error {
	a, now, err := l.account(c.tenant)
	if err != nil {
		return err
	}
	present, err := l.plan(a.Plan)
	if err != nil {
		return err
	}
	p := l.Profiles.Get(c.tenant)
	if a.Plan == c.p.Plan {
		over, err := l.overLimits(a, present, now)
		c.answer = UpdatePlanResult{tenantOf(p, a, present, now), over}
		return err
	}
	plan, err := l.offered(c.p.Plan)
	if err != nil {
		return err
	}
	over, err := l.overLimits(a, plan, now)
	if err != nil {
		return err
	}
	next := *p
	next.UpdatedAt = now
	l.touch(a, now)
	was := a.Plan
	a.Plan = plan.Name
	a.Generation++
	l.Profiles.Put(c.tenant, &next)
	l.audit(a, c.by, now, change{
		action: "tenant.plan", kind: "tenant", id: c.tenant.String(),
		old: map[string]any{"plan": was}, new: map[string]any{"plan": plan.Name},
	})
	c.answer = UpdatePlanResult{tenantOf(&next, a, plan, now), over}
	return nil
}

// Suspend stops admissions, new keys and verifications of a tenant at once, and asks its open runs to stop.
func (e *Engine) Suspend(ctx context.Context, p TransitionParams) (*Tenant, error) {
	return e.transition(ctx, p, TenantSuspended, "tenant.suspend")
}

// Resume makes a suspended tenant active again and clears the reason.
func (e *Engine) Resume(ctx context.Context, p TransitionParams) (*Tenant, error) {
	return e.transition(ctx, p, TenantActive, "tenant.resume")
}

// Terminate ends a tenant for good: as Suspend, and its keys are dead but for completing runs, for 24 hours.
func (e *Engine) Terminate(ctx context.Context, p TransitionParams) (*Tenant, error) {
	return e.transition(ctx, p, TenantTerminated, "tenant.terminate")
}

// Archive puts a terminated tenant away.
func (e *Engine) Archive(ctx context.Context, p TransitionParams) (*Tenant, error) {
	return e.transition(ctx, p, TenantArchived, "tenant.archive")
}

func (e *Engine) transition(ctx context.Context, p TransitionParams, to TenantStatus, action string) (*Tenant, error) {
	if err := e.actor.mayOperate(PermTenantManage); err != nil {
		return nil, err
	}
	var bad problems
	bad.add("reason", checkText(p.Reason, 0, maxReason))
	if err := bad.err(); err != nil {
		return nil, err
	}
	c := &transition{
		header: header{tenant: p.TenantID, by: e.actor, size: 2048}, reason: p.Reason, to: to, action: action,
	}
	if err := e.do(ctx, c); err != nil {
		return nil, err
	}
	return c.answer, nil
}

type transition struct {
	header
	reason, action string
	to             TenantStatus
	answer         *Tenant
}

func (c *transition) wants(b *Batch) { b.Profiles.Want(c.tenant) }

func (c *transition) object(l *ledger) (any, error) { return l.tenant(c.tenant) }

func (c *transition) decide(l *ledger) error {
	a, plan, now, err := l.planned(c.tenant)
	if err != nil {
		return err
	}
	if !a.Status.canBecome(c.to) {
		return errorf(CodeInvalidTransition, "a tenant that is %s can't become %s", a.Status, c.to)
	}
	if c.to == TenantActive && !now.After(a.CancelBefore) {
		now = a.CancelBefore.Add(time.Microsecond) // what is admitted from now on is told by its time from what should stop
	}
	p := *l.Profiles.Get(c.tenant)
	old := map[string]any{"status": a.Status, "status_reason": p.StatusReason}
	l.touch(a, now)
	a.Status, a.Since = c.to, now
	a.Generation++
	p.UpdatedAt = now
	if c.reason != "" || c.to != TenantArchived { // archived without a word, it is still told why it ended
		p.StatusReason = NullString(c.reason)
	}
	switch c.to {
	case TenantActive:
		p.StatusReason = ""
	case TenantSuspended, TenantTerminated:
		a.CancelBefore = now
	case TenantArchived, tenantPurging: // nothing is open any more
	}
	l.Profiles.Put(c.tenant, &p)
	l.audit(a, c.by, now, change{
		action: c.action, kind: "tenant", id: c.tenant.String(), old: old,
		new: map[string]any{"status": a.Status, "status_reason": p.StatusReason, "reason": c.reason},
	})
	c.answer = tenantOf(&p, a, plan, now)
	return nil
}

// GetTenant returns a tenant; its limits are those in force now.
func (e *Engine) GetTenant(ctx context.Context, id TenantID) (*Tenant, error) {
	if err := e.may(id, PermTenantRead); err != nil {
		return nil, err
	}
	return e.getTenant(ctx, id)
}

func (e *Engine) getTenant(ctx context.Context, id TenantID) (*Tenant, error) {
	var out *Tenant
	err := e.view(ctx, func(r Reader) (err error) {
		out, err = e.readTenant(ctx, r, id)
		return err
	})
	return out, err
}

func (e *Engine) readTenant(ctx context.Context, r Reader, id TenantID) (*Tenant, error) {
	b := &Batch{}
	b.Accounts.Want(id)
	b.Profiles.Want(id)
	if err := r.Load(ctx, b); err != nil {
		return nil, err
	}
	a, p := b.Accounts.Get(id), b.Profiles.Get(id)
	if a.gone() || p == nil {
		return nil, notFound("tenant")
	}
	plan, err := e.planOf(ctx, r, a)
	if err != nil {
		return nil, err
	}
	return tenantOf(p, a, plan, a.clock(e.now())), nil
}

// planOf returns the plan of an account for a read: as it is cached, else as it is in the snapshot.
func (e *Engine) planOf(ctx context.Context, r Reader, a *Account) (*Plan, error) {
	if p := e.core.plans.snapshot()[a.Plan]; p != nil {
		return p, nil
	}
	b := &Batch{}
	b.Plans.Want(a.Plan)
	if err := r.Load(ctx, b); err != nil {
		return nil, err
	}
	if p := b.Plans.Get(a.Plan); p != nil {
		return p, nil
	}
	return nil, errorf(CodeInternal, "the tenant's plan %q does not exist", a.Plan)
}

// GetTenantBySlug returns the tenant with a slug.
func (e *Engine) GetTenantBySlug(ctx context.Context, slug string) (*Tenant, error) {
	id, err := e.ResolveTenant(ctx, slug)
	if err != nil {
		return nil, err
	}
	return e.GetTenant(ctx, id)
}

// ResolveTenant returns the id of the tenant that ref names: an id, a slug, or "me" for the tenant of the calling API
// key. What the caller may not see is CodeNotFound, as what does not exist is. An id is not looked up.
func (e *Engine) ResolveTenant(ctx context.Context, ref string) (TenantID, error) {
	id, parseErr := ParseID[tenantKind](ref)
	switch {
	case ref == "me" && !e.actor.TenantID.IsZero():
		return e.actor.TenantID, nil
	case parseErr == nil:
		if id == PlatformID || !e.actor.privileged() && id != e.actor.TenantID {
			return TenantID{}, notFound("tenant")
		}
		return id, nil
	case checkSlug(ref) != "":
		return TenantID{}, notFound("tenant")
	}
	slug := DirectoryRef{DirectorySlug, ref}
	b := &Batch{}
	b.Directory.Want(slug)
	err := e.view(ctx, func(r Reader) error { return r.Load(ctx, b) })
	if err != nil {
		return TenantID{}, err
	}
	entry := b.Directory.Get(slug)
	if entry == nil || !e.actor.privileged() && entry.Owner != e.actor.TenantID {
		return TenantID{}, notFound("tenant")
	}
	return entry.Owner, nil
}

// ListTenants lists tenants, newest first. It needs an operator.
func (e *Engine) ListTenants(ctx context.Context, p ListTenantsParams) (*List[*Tenant], error) {
	if err := e.actor.mayOperate(PermTenantRead); err != nil {
		return nil, err
	}
	var bad problems
	f := tenantFilter(p.Status, p.Plan, p.Query, &bad)
	scope := cursorScope("tenants", string(p.Status), p.Plan, f.Search)
	f.Limit, f.Before = pageOf[TenantID](p.Page, scope, &bad)
	if err := bad.err(); err != nil {
		return nil, err
	}
	out := &List[*Tenant]{Items: []*Tenant{}}
	err := e.view(ctx, func(r Reader) (err error) {
		var rows []TenantRow
		if id, bad := ParseTenantID(p.Query); bad == nil {
			rows, err = tenantNamed(ctx, r, id, f)
		} else {
			rows, err = r.ListTenants(ctx, f)
		}
		if err != nil {
			return err
		}
		for _, row := range trim(out, rows, f.Limit, scope, func(r TenantRow) TenantID { return r.Profile.TenantID }) {
			a := row.Account
			plan, err := e.planOf(ctx, r, a)
			if err != nil {
				return err
			}
			out.Items = append(out.Items, tenantOf(row.Profile, a, plan, a.clock(e.now())))
		}
		return nil
	})
	return out, err
}
