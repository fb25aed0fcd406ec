package simtest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/model"
	"github.com/rentroll/rentroll/quota"
)

// cuts say how to look at a platform: into which windows its time is cut, how large
// the pages are, and for what its lists are filtered.
type cuts struct {
	Times  []time.Time // ascending
	Page   int
	Status string // of runs
	Worker string
}

// facts are what is known of a platform, by name, so that a difference can be named.
type facts map[string]any

// snapshot looks at everything that callers can see, and at the rows behind it.
func snapshot(p cuts) op {
	return op{
		"Snapshot", model.Program, p,
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			f := facts{"tenants": w.Tenants(now), "users": w.Users(), "plans": w.Plans(), "audit": w.Audit(0)}
			for _, id := range w.Known() {
				f.ofModel(w, now, id, p)
			}
			return f, nil
		},
		func(ctx context.Context, s *side, _ *rentroll.Engine, _ model.Ref) (any, error) {
			return s.facts(ctx, p)
		},
	}
}

func (f facts) ofModel(w *model.World, now time.Time, id model.Ref, p cuts) {
	of := func(what string) string { return fmt.Sprintf("%s of %d", what, id) }
	f[of("quotas")], _ = w.GetQuotas(model.Program, now, id)
	f[of("events")] = inOrder(w.ListEvents(id))
	f[of("runs")] = w.ListRuns(id, "", "", 0)
	f[of("runs filtered")] = w.ListRuns(id, p.Status, p.Worker, 0)
	f[of("keys")] = w.ListKeys(id, now, true)
	f[of("active keys")] = w.ListKeys(id, now, false)
	f[of("members")] = w.ListMembers(id)
	f[of("workers")] = w.ListWorkers(id)
	f[of("subjects")] = w.ListSubjects(now, id)
	f[of("audit")] = w.Audit(id)
	f[of("statements")] = w.Statements(now, id)
	f[of("meters")], _ = w.ListMeters(model.Program, now, id)
	f[of("this month")], _ = w.Summary(model.Program, now, id, time.Time{}, time.Time{})
	for i := 1; i < len(p.Times); i++ {
		f[of(fmt.Sprintf("window %d", i))], _ = w.Summary(model.Program, now, id, p.Times[i-1], p.Times[i])
	}
}

// pages reads a list to its end.
func pages[T any](size int, read func(rentroll.Page) (*rentroll.List[T], error)) ([]T, error) {
	var out []T
	page := rentroll.Page{Limit: size}
	for {
		list, err := read(page)
		if err != nil {
			return nil, err
		}
		if len(list.Items) > size {
			return nil, fmt.Errorf("a page of %d has %d rows", size, len(list.Items))
		}
		out = append(out, list.Items...)
		if list.NextCursor == "" {
			return out, nil
		}
		page.Cursor = string(list.NextCursor)
	}
}

// ordered checks that ids ascend, or descend, strictly: in order, and none twice.
func ordered[T any, I interface {
	~[16]byte
	Compare(other I) int
}](what string, rows []T, direction int, id func(T) I) error {
	for i := 1; i < len(rows); i++ {
		if id(rows[i-1]).Compare(id(rows[i])) != -direction {
			return fmt.Errorf("%s: row %d is out of order, or there twice", what, i)
		}
	}
	return nil
}

// views turns rows into views, in the order of the model's names.
func views[T, V any](rows []T, view func(T) V, ref func(V) model.Ref) []V {
	out := make([]V, 0, len(rows))
	for _, r := range rows {
		out = append(out, view(r))
	}
	slices.SortFunc(out, func(a, b V) int { return int(ref(a) - ref(b)) })
	return out
}

func (s *side) facts(ctx context.Context, p cuts) (facts, error) {
	e := s.engine
	tenants, err := pages(p.Page, func(page rentroll.Page) (*rentroll.List[*rentroll.Tenant], error) {
		return e.ListTenants(ctx, rentroll.ListTenantsParams{Page: page})
	})
	if err != nil {
		return nil, err
	}
	users, err := pages(p.Page, func(page rentroll.Page) (*rentroll.List[*rentroll.User], error) {
		return e.ListUsers(ctx, rentroll.ListUsersParams{Page: page})
	})
	if err != nil {
		return nil, err
	}
	plans, err := e.ListPlans(ctx)
	if err != nil {
		return nil, err
	}
	planViews := make([]model.PlanView, 0, len(plans))
	for _, plan := range plans {
		planViews = append(planViews, planView(plan))
	}
	audit, err := s.actions(ctx, rentroll.TenantID{}, p.Page)
	if err != nil {
		return nil, err
	}
	f := facts{
		"tenants": views(tenants, s.tenantView, func(v *model.TenantView) model.Ref { return v.Ref }),
		"users":   views(users, s.userView, func(v *model.UserView) model.Ref { return v.Ref }),
		"plans":   planViews, "audit": audit,
	}
	for _, t := range tenants {
		if err := s.ofTenant(ctx, f, t.ID, p); err != nil {
			return nil, fmt.Errorf("tenant %d: %w", s.ref(t.ID), err)
		}
		if err := CheckRows(ctx, s.store, t.ID); err != nil {
			return nil, fmt.Errorf("the rows of tenant %d: %w", s.ref(t.ID), err)
		}
	}
	return f, Reconciled(ctx, e)
}

// actions returns the actions of an audit, oldest first.
func (s *side) actions(ctx context.Context, id rentroll.TenantID, size int) ([]string, error) {
	rows, err := pages(size, func(page rentroll.Page) (*rentroll.List[*rentroll.AuditRow], error) {
		return s.engine.ListAudit(ctx, rentroll.ListAuditParams{TenantID: id, Page: page})
	})
	if err != nil {
		return nil, err
	}
	var out []string
	for i, row := range slices.Backward(rows) {
		if row.Sequence != int64(len(rows)-i) {
			return nil, fmt.Errorf("the audit row numbered %d should be %d", row.Sequence, len(rows)-i)
		}
		out = append(out, row.Action)
	}
	return out, nil
}

func (s *side) ofTenant(ctx context.Context, f facts, id rentroll.TenantID, p cuts) (err error) {
	of := func(what string) string { return fmt.Sprintf("%s of %d", what, s.ref(id)) }
	told, err := s.events(ctx, id, p.Page)
	if err != nil {
		return err
	}
	f[of("events")] = inOrder(told)
	use, err := s.engine.GetQuotas(ctx, id)
	if err != nil {
		return err
	}
	f[of("quotas")] = quotaViews(use)
	if f[of("runs")], err = s.runs(ctx, p.Page, rentroll.ListRunsParams{TenantID: id}); err != nil {
		return err
	}
	filtered := rentroll.ListRunsParams{TenantID: id, Status: rentroll.RunStatus(p.Status), WorkerID: p.Worker}
	if f[of("runs filtered")], err = s.runs(ctx, p.Page, filtered); err != nil {
		return err
	}
	if f[of("keys")], err = s.keys(ctx, p.Page, rentroll.ListAPIKeysParams{TenantID: id, IncludeRevoked: true}); err != nil {
		return err
	}
	if f[of("active keys")], err = s.keys(ctx, p.Page, rentroll.ListAPIKeysParams{TenantID: id}); err != nil {
		return err
	}
	members, err := pages(p.Page, func(page rentroll.Page) (*rentroll.List[*rentroll.Member], error) {
		return s.engine.ListMembers(ctx, rentroll.ListMembersParams{TenantID: id, Page: page})
	})
	if err != nil {
		return err
	}
	if err := ordered("members", members, 1, func(m *rentroll.Member) rentroll.MemberID { return m.ID }); err != nil {
		return err
	}
	f[of("members")] = views(members, s.memberView, func(v *model.MemberView) model.Ref { return v.User })
	workers, err := s.engine.ListWorkers(ctx, id)
	if err != nil {
		return err
	}
	workerViews := make([]*model.WorkerView, 0, len(workers))
	for _, w := range workers {
		workerViews = append(workerViews, workerView(w))
	}
	f[of("workers")] = workerViews
	if f[of("subjects")], err = s.subjects(ctx, id, p.Page); err != nil {
		return err
	}
	if f[of("audit")], err = s.actions(ctx, id, p.Page); err != nil {
		return err
	}
	return s.sums(ctx, f, id, p)
}

func (s *side) sums(ctx context.Context, f facts, id rentroll.TenantID, p cuts) error {
	of := func(what string) string { return fmt.Sprintf("%s of %d", what, s.ref(id)) }
	month, err := s.engine.GetUsageSummary(ctx, rentroll.UsageSummaryParams{TenantID: id})
	if err != nil {
		return err
	}
	f[of("this month")] = summaryView(month)
	if f[of("statements")], err = s.statements(ctx, id); err != nil {
		return err
	}
	meters, err := s.engine.ListMeters(ctx, id)
	if err != nil {
		return err
	}
	f[of("meters")] = meterViews(meters)
	for i := 1; i < len(p.Times); i++ {
		sum, err := s.engine.GetUsageSummary(ctx, rentroll.UsageSummaryParams{TenantID: id, Start: p.Times[i-1], End: p.Times[i]})
		if err != nil {
			return err
		}
		f[of(fmt.Sprintf("window %d", i))] = summaryView(sum)
	}
	return nil
}

func (s *side) runs(ctx context.Context, size int, p rentroll.ListRunsParams) ([]*model.RunView, error) {
	rows, err := pages(size, func(page rentroll.Page) (*rentroll.List[*rentroll.Run], error) {
		p.Page = page
		return s.engine.ListRuns(ctx, p)
	})
	if err != nil {
		return nil, err
	}
	if err := ordered("runs", rows, -1, func(r *rentroll.Run) rentroll.RunID { return r.ID }); err != nil {
		return nil, err
	}
	return views(rows, s.runView, func(v *model.RunView) model.Ref { return v.Ref }), nil
}

func (s *side) keys(ctx context.Context, size int, p rentroll.ListAPIKeysParams) ([]*model.KeyView, error) {
	rows, err := pages(size, func(page rentroll.Page) (*rentroll.List[*rentroll.APIKey], error) {
		p.Page = page
		return s.engine.ListAPIKeys(ctx, p)
	})
	if err != nil {
		return nil, err
	}
	if err := ordered("keys", rows, -1, func(k *rentroll.APIKey) rentroll.KeyID { return k.ID }); err != nil {
		return nil, err
	}
	return views(rows, s.keyView, func(v *model.KeyView) model.Ref { return v.Ref }), nil
}

// events reads what was told of a tenant, but of its keys: see model.World.Watch.
func (s *side) events(ctx context.Context, id rentroll.TenantID, size int) ([]model.EventView, error) {
	rows, err := pages(size, func(page rentroll.Page) (*rentroll.List[*rentroll.Event], error) {
		return s.engine.ListEvents(ctx, rentroll.ListEventsParams{TenantID: id, Page: page})
	})
	if err != nil {
		return nil, err
	}
	if err := ordered("events", rows, -1, func(e *rentroll.Event) rentroll.EventID { return e.ID }); err != nil {
		return nil, err
	}
	var out []model.EventView
	for _, row := range rows {
		var data rentroll.ThresholdData
		if err := json.Unmarshal(row.Data, &data); err != nil {
			return nil, err
		}
		if data.Quota == quota.APIKeys {
			continue
		}
		v := model.EventView{Type: string(row.Type), Quota: data.Quota, Limit: data.Limit, Used: data.Used, At: row.At.UTC()}
		if data.Threshold != nil {
			v.Threshold = *data.Threshold
		}
		out = append(out, v)
	}
	return out, nil
}

// inOrder sorts events: those of one instant have no order.
func inOrder(events []model.EventView) []model.EventView {
	slices.SortFunc(events, func(a, b model.EventView) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(string(a.Quota), string(b.Quota)), strings.Compare(a.Type, b.Type), a.Threshold-b.Threshold)
	})
	return events
}
