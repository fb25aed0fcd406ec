package rentroll_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
	"github.com/rentroll/rentroll/sqlite"
)

// open starts an engine on a new file, with a clock that stands still so that the output does not change.
func open() (context.Context, *rentroll.Engine, func()) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "rentroll")
	must(err)
	store, err := sqlite.Open(ctx, filepath.Join(dir, "rentroll.db"), nil)
	must(err)
	engine, err := rentroll.New(store, &rentroll.Options{
		Now: func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) },
	})
	must(err)
	return ctx, engine, func() {
		must(engine.Close())
		must(os.RemoveAll(dir))
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// value stops the example where there is an error.
func value[T any](v T, err error) T {
	must(err)
	return v
}

func Example() {
	ctx := context.Background()
	dir := value(os.MkdirTemp("", "rentroll"))
	defer os.RemoveAll(dir)

	store, err := sqlite.Open(ctx, filepath.Join(dir, "rentroll.db"), nil)
	must(err)
	engine, err := rentroll.New(store, nil)
	must(err)
	defer engine.Close()

	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	run := value(engine.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "writer", Task: "draft the offer"}))
	run = value(engine.CompleteRun(ctx, rentroll.CompleteRunParams{
		TenantID: tenant.ID, RunID: run.ID, Success: true, TotalTokens: 1200,
	}))
	fmt.Println(tenant.Plan, run.Status, *run.TotalTokens)
	// Output: free completed 1200
}

func ExampleEngine_CreateTenant() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{
		Name: "Acme", Slug: "acme", Plan: rentroll.PlanPro, Timezone: "Europe/Berlin", BillingAnchorDay: 15,
		LimitOverrides: quota.Limits{quota.RunsPerDay: quota.Of(5000)},
	}))
	fmt.Println(tenant.Slug, tenant.Plan, tenant.Status, *tenant.Limits[quota.RunsPerDay], *tenant.Limits[quota.ConcurrentRuns])

	_, err := engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Another Acme", Slug: "acme"})
	fmt.Println(rentroll.CodeOf(err))
	// Output:
	// acme pro active 5000 20
	// already_exists
}

func ExampleEngine_UpdateTenant() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	// Twice the tokens until Friday.
	tenant = value(engine.UpdateTenant(ctx, rentroll.UpdateTenantParams{
		TenantID: tenant.ID,
		Change: func(t *rentroll.TenantEdit) error {
			t.LimitOverrides[quota.TokensPerMonth] = quota.Limit{
				Max: 2_000_000, Until: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC), Reason: "launch week",
			}
			return nil
		},
	}))
	fmt.Println(*tenant.Limits[quota.TokensPerMonth])
	// Output: 2000000
}

func ExampleEngine_UpdatePlan() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme", Plan: rentroll.PlanPro}))
	for range 7 {
		value(engine.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "writer", Task: "draft"}))
	}
	result := value(engine.UpdatePlan(ctx, rentroll.UpdatePlanParams{TenantID: tenant.ID, Plan: rentroll.PlanFree}))
	for _, over := range result.OverLimit {
		fmt.Println(over.Quota, "limit", over.Limit, "current", over.Current)
	}
	// Output: concurrent_runs limit 5 current 7
}

func ExampleEngine_Suspend() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	tenant = value(engine.Suspend(ctx, rentroll.TransitionParams{TenantID: tenant.ID, Reason: "invoice overdue"}))
	_, err := engine.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "writer", Task: "draft"})
	fmt.Println(tenant.Status, tenant.StatusReason, rentroll.CodeOf(err))

	tenant = value(engine.Resume(ctx, rentroll.TransitionParams{TenantID: tenant.ID}))
	fmt.Println(tenant.Status)
	// Output:
	// suspended invoice overdue tenant_suspended
	// active
}

func ExampleEngine_Terminate() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	value(engine.Terminate(ctx, rentroll.TransitionParams{TenantID: tenant.ID, Reason: "contract ended"}))
	_, err := engine.Resume(ctx, rentroll.TransitionParams{TenantID: tenant.ID})
	fmt.Println(rentroll.CodeOf(err))
	tenant = value(engine.Archive(ctx, rentroll.TransitionParams{TenantID: tenant.ID}))
	fmt.Println(tenant.Status)
	// Output:
	// invalid_transition
	// archived
}

func ExampleEngine_GetTenantBySlug() {
	ctx, engine, done := open()
	defer done()
	made := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	found := value(engine.GetTenantBySlug(ctx, "acme"))
	again := value(engine.GetTenant(ctx, found.ID))
	fmt.Println(found.ID == made.ID, again.Name)
	// Output: true Acme
}

func ExampleEngine_ListTenants() {
	ctx, engine, done := open()
	defer done()
	for _, slug := range []string{"acme", "birch", "cedar"} {
		value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: slug, Slug: slug}))
	}
	p := rentroll.ListTenantsParams{Page: rentroll.Page{Limit: 2}}
	n := 0
	for {
		page := value(engine.ListTenants(ctx, p))
		n += len(page.Items)
		if page.NextCursor == "" {
			break
		}
		p.Cursor = string(page.NextCursor)
	}
	fmt.Println(n, "tenants")
	// Output: 3 tenants
}

func ExampleEngine_PutPlan() {
	ctx, engine, done := open()
	defer done()
	plan, created, err := engine.PutPlan(ctx, rentroll.PutPlanParams{
		Name: "starter", Limits: quota.Limits{quota.RunsPerDay: quota.Of(20), quota.Workers: quota.NoLimit()},
	})
	must(err)
	fmt.Println(plan.Name, created)
	for _, p := range value(engine.ListPlans(ctx)) {
		fmt.Println(p.Name)
	}
	fmt.Println(engine.DeletePlan(ctx, "starter"))
	// Output:
	// starter true
	// enterprise
	// free
	// pro
	// starter
	// <nil>
}

func ExampleEngine_CreateMembership() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	ada := value(engine.CreateUser(ctx, rentroll.CreateUserParams{Email: "ada@acme.example", ExternalID: "auth0|ada"}))
	member := value(engine.CreateMembership(ctx, rentroll.CreateMembershipParams{TenantID: tenant.ID, UserID: ada.ID}))
	ada = value(engine.GetUser(ctx, ada.ID))
	fmt.Println(member.Role, ada.DefaultTenantID == tenant.ID)

	err := engine.DeleteMembership(ctx, tenant.ID, ada.ID)
	fmt.Println(rentroll.CodeOf(err))
	// Output:
	// owner true
	// last_owner
}

func ExampleEngine_UpdateMembership() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	for _, email := range []string{"ada@acme.example", "bob@acme.example"} {
		user := value(engine.CreateUser(ctx, rentroll.CreateUserParams{Email: email}))
		value(engine.CreateMembership(ctx, rentroll.CreateMembershipParams{TenantID: tenant.ID, UserID: user.ID}))
	}
	members := value(engine.ListMembers(ctx, rentroll.ListMembersParams{TenantID: tenant.ID}))
	bob := value(engine.UpdateMembership(ctx, rentroll.UpdateMembershipParams{
		TenantID: tenant.ID, UserID: members.Items[1].UserID, Role: rentroll.RoleViewer,
	}))
	fmt.Println(bob.Role)
	must(engine.DeleteUser(ctx, bob.UserID))
	fmt.Println(len(value(engine.ListUsers(ctx, rentroll.ListUsersParams{})).Items), "user left")
	// Output:
	// viewer
	// 1 user left
}

func ExampleEngine_CreateAPIKey() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	secret, key, err := engine.CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{
		TenantID: tenant.ID, Name: "production", Permissions: []string{"run:*"}, AllowedWorkers: []string{"writer"}, ExpiresInDays: 90,
	})
	must(err)
	fmt.Println(secret[:3], len(secret), key.Status, key.ExpiresAt.Format(time.DateOnly))

	// Who presents the secret may do what the key may, in its own tenant.
	actor := value(engine.Authenticate(ctx, secret))
	_, err = engine.As(actor).CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "painter", Task: "a portrait"})
	fmt.Println(rentroll.CodeOf(err))
	// Output:
	// rr_ 74 active 2027-02-21
	// worker_not_allowed
}

func ExampleEngine_VerifyAPIKey() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	secret, key, err := engine.CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{TenantID: tenant.ID, Name: "production"})
	must(err)
	answer := value(engine.VerifyAPIKey(ctx, rentroll.VerifyAPIKeyParams{Secret: secret, Permission: rentroll.PermRunCreate}))
	fmt.Println(answer.Valid, answer.TenantID == tenant.ID, answer.Plan)

	value(engine.RevokeAPIKey(ctx, rentroll.RevokeAPIKeyParams{TenantID: tenant.ID, KeyID: key.ID, Reason: "leaked"}))
	answer = value(engine.VerifyAPIKey(ctx, rentroll.VerifyAPIKeyParams{Secret: secret}))
	fmt.Println(answer.Valid, answer.Code)

	keys := value(engine.ListAPIKeys(ctx, rentroll.ListAPIKeysParams{TenantID: tenant.ID, IncludeRevoked: true}))
	fmt.Println(len(keys.Items), keys.Items[0].RevokedReason)
	// Output:
	// true true free
	// false revoked
	// 1 leaked
}

func ExampleEngine_CreateRun() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"})) // free: five at once
	for range 5 {
		value(engine.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "writer", Task: "draft", ReserveTokens: 1000}))
	}
	_, err := engine.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "writer", Task: "draft"})
	if denied, ok := errors.AsType[*rentroll.QuotaExceededError](err); ok {
		fmt.Println(denied.Quota, denied.Scope, denied.Limit, denied.Current)
	}
	// Output: concurrent_runs tenant 5 5
}

func ExampleEngine_CreateRun_idempotent() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	p := rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "writer", Task: "draft", IdempotencyKey: "order-4711"}
	first := value(engine.CreateRun(ctx, p))
	again := value(engine.CreateRun(ctx, p)) // the first answer was lost on its way
	fmt.Println(again.ID == first.ID, again.Replayed)

	p.Task = "something else"
	_, err := engine.CreateRun(ctx, p)
	fmt.Println(rentroll.CodeOf(err))
	// Output:
	// true true
	// idempotency_mismatch
}

func ExampleEngine_CompleteRun() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	run := value(engine.CreateRun(ctx, rentroll.CreateRunParams{
		TenantID: tenant.ID, WorkerID: "writer", Task: "draft", ReserveTokens: 5000,
	}))
	run = value(engine.StartRun(ctx, rentroll.RunRef{TenantID: tenant.ID, RunID: run.ID}))
	fmt.Println(run.Status)
	run = value(engine.Heartbeat(ctx, rentroll.HeartbeatParams{TenantID: tenant.ID, RunID: run.ID, TokensSoFar: 800}))
	fmt.Println(run.TokensSoFar, run.CancelRequested)

	p := rentroll.CompleteRunParams{
		TenantID: tenant.ID, RunID: run.ID, Success: true, Output: []byte(`{"words":350}`), TotalTokens: 1234, CostMicros: 25_000,
	}
	run = value(engine.CompleteRun(ctx, p))
	fmt.Println(run.Status, *run.TotalTokens, *run.CostCents, run.Replayed)
	run = value(engine.CompleteRun(ctx, p)) // counts nothing
	fmt.Println(run.Status, *run.TotalTokens, *run.CostCents, run.Replayed)
	// Output:
	// running
	// 800 false
	// completed 1234 3 false
	// completed 1234 3 true
}

func ExampleEngine_RetryRun() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	run := value(engine.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "writer", Task: "Write"}))
	value(engine.CompleteRun(ctx, rentroll.CompleteRunParams{TenantID: tenant.ID, RunID: run.ID, Error: "the model timed out"}))

	again := value(engine.RetryRun(ctx, rentroll.RetryRunParams{TenantID: tenant.ID, RunID: run.ID}))
	fmt.Println(again.Status, again.Attempt, again.ParentRunID == run.ID)
	// Output: queued 2 true
}

func ExampleEngine_CancelRun() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	run := value(engine.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "writer", Task: "draft"}))
	value(engine.CancelRun(ctx, rentroll.RunRef{TenantID: tenant.ID, RunID: run.ID}))
	run = value(engine.GetRun(ctx, rentroll.RunRef{TenantID: tenant.ID, RunID: run.ID}))
	fmt.Println(run.Status)
	// Output: canceled
}

func ExampleEngine_ListRuns() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	for _, worker := range []string{"writer", "painter", "writer"} {
		value(engine.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: worker, Task: "draft"}))
	}
	page := value(engine.ListRuns(ctx, rentroll.ListRunsParams{TenantID: tenant.ID, WorkerID: "writer"}))
	fmt.Println(len(page.Items), page.Items[0].WorkerID)
	// Output: 2 writer
}

func ExampleEngine_CheckRunQuota() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{
		Name: "Acme", Slug: "acme", LimitOverrides: quota.Limits{quota.RunsPerDay: quota.Of(1)},
	}))
	fmt.Println(value(engine.CheckRunQuota(ctx, tenant.ID, "writer")).Allowed)
	value(engine.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "writer", Task: "draft"}))
	d := value(engine.CheckRunQuota(ctx, tenant.ID, "writer"))
	fmt.Println(d.Allowed, d.Quota, *d.Limit, *d.Current, d.ResetsAt.Format(time.RFC3339))
	// Output:
	// true
	// false runs_per_day 1 1 2026-11-24T00:00:00Z
}

func ExampleEngine_CheckTokenQuota() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	value(engine.CreateRun(ctx, rentroll.CreateRunParams{
		TenantID: tenant.ID, WorkerID: "writer", Task: "draft", ReserveTokens: 400_000,
	}))
	fmt.Println(value(engine.CheckTokenQuota(ctx, tenant.ID, 600_000)).Allowed)
	d := value(engine.CheckTokenQuota(ctx, tenant.ID, 600_001))
	fmt.Println(d.Allowed, *d.Current)
	// Output:
	// true
	// false 400000
}

func ExampleEngine_GetQuotas() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	value(engine.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "writer", Task: "draft", ReserveTokens: 500}))
	for _, q := range value(engine.GetQuotas(ctx, tenant.ID)) {
		if q.Limit != nil {
			fmt.Println(q.Quota, *q.Limit, q.Used, q.Reserved, *q.Remaining)
		}
	}
	// Output:
	// workers 3 1 0 2
	// runs_per_day 100 1 0 99
	// concurrent_runs 5 1 0 4
	// tokens_per_month 1000000 0 500 999500
	// api_keys 5 0 0 5
}

func ExampleEngine_PutWorker() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	value(engine.PutWorker(ctx, rentroll.PutWorkerParams{TenantID: tenant.ID, WorkerID: "painter", Enabled: false}))
	_, err := engine.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "painter", Task: "a portrait"})
	fmt.Println(rentroll.CodeOf(err))
	for _, w := range value(engine.ListWorkers(ctx, tenant.ID)) {
		fmt.Println(w.WorkerID, w.Enabled)
	}
	must(engine.DeleteWorker(ctx, tenant.ID, "painter"))
	// Output:
	// worker_disabled
	// painter false
}

func ExampleEngine_RecordUsageBatch() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	receipt := value(engine.RecordUsageBatch(ctx, rentroll.RecordUsageBatchParams{
		TenantID: tenant.ID,
		Events: []rentroll.UsageParams{
			{Meter: "emails_sent", Amount: 40, EventID: "batch-1"},
			{Meter: "emails_sent", Amount: 40, EventID: "batch-1"}, // sent twice, counts once
			{Meter: "emails_sent", Amount: -1},
		},
	}))
	for _, item := range receipt.Items {
		fmt.Printf("%s %q\n", item.Status, item.Code)
	}
	summary := value(engine.GetUsageSummary(ctx, rentroll.UsageSummaryParams{TenantID: tenant.ID}))
	fmt.Println(summary.Meters["emails_sent"].Total)
	// Output:
	// recorded ""
	// duplicate ""
	// rejected "validation_failed"
	// 40
}

func ExampleEngine_RecordUsage() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	result := value(engine.RecordUsage(ctx, rentroll.RecordUsageParams{
		TenantID: tenant.ID, UsageParams: rentroll.UsageParams{Meter: "storage", Amount: 512, Unit: "MiB"},
	}))
	fmt.Println(result.Status)
	_, err := engine.RecordUsage(ctx, rentroll.RecordUsageParams{
		TenantID: tenant.ID, UsageParams: rentroll.UsageParams{Meter: "storage", Amount: 1, Unit: "GiB"},
	})
	fmt.Println(rentroll.CodeOf(err))
	// Output:
	// recorded
	// unit_mismatch
}

func ExampleEngine_IncrementUsage() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	must(engine.IncrementUsage(ctx, rentroll.IncrementUsageParams{TenantID: tenant.ID, Tokens: 250}))
	summary := value(engine.GetUsageSummary(ctx, rentroll.UsageSummaryParams{TenantID: tenant.ID}))
	fmt.Println(summary.Meters[rentroll.MeterWorkerRuns].Total, summary.Meters[rentroll.MeterTokensUsed].Total)
	// Output: 1 250
}

func ExampleEngine_ListAudit() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	value(engine.UpdatePlan(ctx, rentroll.UpdatePlanParams{TenantID: tenant.ID, Plan: rentroll.PlanPro}))
	for _, row := range value(engine.ListAudit(ctx, rentroll.ListAuditParams{TenantID: tenant.ID})).Items {
		fmt.Println(row.Sequence, row.Actor, row.Action)
	}
	// Output:
	// 2 program tenant.plan
	// 1 program tenant.create
}

func ExampleEngine_VerifyAudit() {
	ctx, engine, done := open()
	defer done()
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	head := value(engine.AuditHead(ctx, tenant.ID)) // to be kept elsewhere
	value(engine.UpdatePlan(ctx, rentroll.UpdatePlanParams{TenantID: tenant.ID, Plan: rentroll.PlanPro}))

	audit := value(engine.VerifyAudit(ctx, rentroll.VerifyAuditParams{TenantID: tenant.ID, Contains: head}))
	fmt.Println(audit.Verdict, audit.Rows)
	// Output: holds 2
}
