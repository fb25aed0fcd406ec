package client_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
	"github.com/rentroll/rentroll/httpapi"
	"github.com/rentroll/rentroll/quota"
	"github.com/rentroll/rentroll/sqlite"
)

const operatorSecret = "an operator's secret for the tests of the client"

// serve starts a server on a new database and returns its URL.
func serve(t *testing.T) string {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "rentroll.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := rentroll.New(store, &rentroll.Options{OperatorSecret: operatorSecret})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(httpapi.New(engine, nil))
	t.Cleanup(func() {
		s.Close()
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.URL
}

func connect(t *testing.T, url, key string, options *client.Options) *client.Client {
	t.Helper()
	c, err := client.New(url, key, options)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// must returns what an operation returned, which must have no error.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func TestTenants(t *testing.T) {
	c, ctx := connect(t, serve(t), operatorSecret, nil), t.Context()
	if err := c.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	made := must(c.CreateTenant(ctx, client.CreateTenantParams{
		Name: "Acme", Slug: "acme", Plan: rentroll.PlanPro, Timezone: "Europe/Berlin", BillingAnchorDay: 15,
		LimitOverrides: quota.Limits{quota.RunsPerDay: quota.Of(7)}, Metadata: map[string]string{"tier": "gold", "old": "x"},
	}))(t)
	if got := must(c.GetTenant(ctx, "acme"))(t); got.ID != made.ID || *got.Limits[quota.RunsPerDay] != 7 {
		t.Errorf("got %+v, made %+v", got, made)
	}

	name, email, gold := "Acme Inc.", rentroll.NullString("billing@acme.example"), "platinum"
	until := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	changed := must(c.UpdateTenant(ctx, "acme", client.TenantPatch{
		Name: &name, BillingEmail: &email, Metadata: map[string]*string{"tier": &gold, "old": nil},
		LimitOverrides: map[quota.Name]*client.Override{
			quota.RunsPerDay: nil, quota.Workers: {Max: 2, Mode: quota.Soft, Until: until, Reason: "trial"},
		},
	}))(t)
	if changed.Name != name || changed.BillingEmail != email || len(changed.Metadata) != 1 || changed.Metadata["tier"] != gold {
		t.Errorf("changed to %+v", changed)
	}
	if o := changed.LimitOverrides; len(o) != 1 || o[quota.Workers].Reason != "trial" || !o[quota.Workers].Until.Equal(until) {
		t.Errorf("overrides %+v", o)
	}
	whole := must(c.UpdateTenant(ctx, "acme", client.TenantPatch{
		LimitOverrides: map[quota.Name]*client.Override{quota.Workers: {Unlimited: true}},
	}))(t)
	if o := whole.LimitOverrides[quota.Workers]; o != quota.NoLimit() {
		t.Errorf("an override that was replaced is %+v", o)
	}
	none := rentroll.NullString("")
	if got := must(c.UpdateTenant(ctx, "acme", client.TenantPatch{BillingEmail: &none}))(t); got.BillingEmail != "" {
		t.Errorf("the address is still %q", got.BillingEmail)
	}

	if got := must(c.UpdatePlan(ctx, "acme", rentroll.PlanFree))(t); got.Tenant.Plan != rentroll.PlanFree {
		t.Errorf("moved to %+v", got.Tenant)
	}
	steps := []struct {
		do   func(context.Context, string, string) (*rentroll.Tenant, error)
		want rentroll.TenantStatus
	}{
		{c.Suspend, rentroll.TenantSuspended},
		{c.Resume, rentroll.TenantActive},
		{c.Terminate, rentroll.TenantTerminated},
		{c.Archive, rentroll.TenantArchived},
	}
	for _, step := range steps {
		if got := must(step.do(ctx, "acme", "a reason"))(t); got.Status != step.want {
			t.Errorf("became %s, want %s", got.Status, step.want)
		}
	}
	if _, err := c.Resume(ctx, "acme", ""); !errors.Is(err, rentroll.CodeInvalidTransition) {
		t.Errorf("resuming an archived tenant: %v", err)
	}
}

func TestPlans(t *testing.T) {
	c, ctx := connect(t, serve(t), operatorSecret, nil), t.Context()
	made := must(c.PutPlan(ctx, rentroll.Plan{Name: "team", Limits: quota.Limits{quota.Workers: quota.Of(4)}}))(t)
	if made.Limits[quota.Workers] != quota.Of(4) || made.Retired {
		t.Errorf("made %+v", made)
	}
	if plans := must(c.ListPlans(ctx))(t); len(plans) != 4 {
		t.Errorf("%d plans, want 4", len(plans))
	}
	if err := c.DeletePlan(ctx, "team"); err != nil {
		t.Fatal(err)
	}
	if err := c.DeletePlan(ctx, "team"); !errors.Is(err, rentroll.CodeNotFound) {
		t.Errorf("deleting again: %v", err)
	}
}

func TestPeopleAndKeys(t *testing.T) {
	url, ctx := serve(t), t.Context()
	c := connect(t, url, operatorSecret, nil)
	must(c.CreateTenant(ctx, client.CreateTenantParams{Name: "Acme", Slug: "acme"}))(t)
	ada := must(c.CreateUser(ctx, client.CreateUserParams{Email: "ada@acme.example", Name: "Ada", ExternalID: "u1"}))(t)
	bob := must(c.CreateUser(ctx, client.CreateUserParams{Email: "bob@acme.example"}))(t)
	if got := must(c.GetUser(ctx, ada.ID))(t); got.Name != "Ada" {
		t.Errorf("got %+v", got)
	}
	if m := must(c.CreateMembership(ctx, "acme", client.CreateMembershipParams{UserID: ada.ID}))(t); m.Role != rentroll.RoleOwner {
		t.Errorf("joined as %s", m.Role)
	}
	must(c.CreateMembership(ctx, "acme", client.CreateMembershipParams{UserID: bob.ID, Role: rentroll.RoleViewer}))(t)
	if m := must(c.UpdateMembership(ctx, "acme", bob.ID, rentroll.RoleMember))(t); m.Role != rentroll.RoleMember {
		t.Errorf("became %s", m.Role)
	}
	if err := c.DeleteMembership(ctx, "acme", ada.ID); !errors.Is(err, rentroll.CodeLastOwner) {
		t.Errorf("removing the last owner: %v", err)
	}
	if members := must(c.ListMembers(ctx, "acme", rentroll.Page{}))(t); len(members.Items) != 2 {
		t.Errorf("%d members, want 2", len(members.Items))
	}
	if err := errors.Join(c.DeleteMembership(ctx, "acme", bob.ID), c.DeleteUser(ctx, bob.ID)); err != nil {
		t.Error(err)
	}
	if users := must(c.ListUsers(ctx, client.ListUsersParams{Email: "ada@acme.example"}))(t); len(users.Items) != 1 {
		t.Errorf("%d users, want 1", len(users.Items))
	}

	rpm := int64(60)
	made := must(c.CreateAPIKey(ctx, "acme", client.CreateAPIKeyParams{
		Name: "production", UserID: ada.ID, ExpiresInDays: 30, RateLimitRPM: &rpm, AllowedWorkers: []string{"writer"},
	}))(t)
	if made.Secret == "" || made.APIKey.ExpiresAt == nil || *made.APIKey.RateLimitRPM != 60 {
		t.Errorf("made %+v", made.APIKey)
	}
	own := connect(t, url, string(made.Secret), nil)
	if me := must(own.GetTenant(ctx, "me"))(t); me.Slug != "acme" {
		t.Errorf("me is %q", me.Slug)
	}
	if _, err := own.ListTenants(ctx, client.ListTenantsParams{}); !errors.Is(err, rentroll.CodeForbidden) {
		t.Errorf("a tenant's key lists tenants: %v", err)
	}
	v := must(c.VerifyAPIKey(ctx, client.VerifyAPIKeyParams{Secret: string(made.Secret), WorkerID: "reader"}))(t)
	if v.Valid || v.Code != rentroll.NullString(rentroll.CodeWorkerNotAllowed) {
		t.Errorf("verified as %+v", v)
	}
	next := must(c.RotateAPIKey(ctx, "acme", made.APIKey.ID, client.RotateAPIKeyParams{Overlap: new(time.Hour)}))(t)
	if next.Secret == "" || next.Secret == made.Secret || next.APIKey.Name != "production" {
		t.Errorf("rotated to %+v", next.APIKey)
	}
	if keys := must(c.ListAPIKeys(ctx, "acme", client.ListAPIKeysParams{ExpiringWithinDays: 1}))(t); len(keys.Items) != 1 ||
		keys.Items[0].ID != made.APIKey.ID || keys.Items[0].RotatedTo != next.APIKey.ID {
		t.Errorf("expiring within a day: %+v", keys.Items)
	}
	expiring := 0
	for _, err := range c.AllExpiringAPIKeys(ctx, client.ListExpiringAPIKeysParams{WithinDays: 31, Page: rentroll.Page{Limit: 1}}) {
		expiring++
		if err != nil {
			t.Fatal(err)
		}
	}
	if expiring != 2 {
		t.Errorf("%d keys expire within a month, want 2", expiring)
	}
	if k := must(c.RevokeAPIKey(ctx, "acme", next.APIKey.ID, "test"))(t); k.Status != rentroll.KeyRevoked {
		t.Errorf("revoked to %s", k.Status)
	}
	if k := must(c.RevokeAPIKey(ctx, "acme", made.APIKey.ID, "leaked"))(t); k.Status != rentroll.KeyRevoked {
		t.Errorf("revoked to %s", k.Status)
	}
	if k := must(c.GetAPIKey(ctx, "acme", made.APIKey.ID))(t); k.RevokedReason != "leaked" {
		t.Errorf("the reason is %q", k.RevokedReason)
	}
	for revoked, want := range map[bool]int{false: 0, true: 2} {
		keys := must(c.ListAPIKeys(ctx, "acme", client.ListAPIKeysParams{IncludeRevoked: revoked}))(t)
		if len(keys.Items) != want {
			t.Errorf("with revoked keys %v there are %d, want %d", revoked, len(keys.Items), want)
		}
	}
}

func TestRunsAndUsage(t *testing.T) {
	c, ctx := connect(t, serve(t), operatorSecret, nil), t.Context()
	must(c.CreateTenant(ctx, client.CreateTenantParams{Name: "Acme", Slug: "acme"}))(t)
	run := must(c.CreateRun(ctx, "acme", client.CreateRunParams{
		WorkerID: "writer", Task: "<write> & check", Input: json.RawMessage(`{"a": "<b>"}`), ReserveTokens: 100, Lease: 90 * time.Second,
	}))(t)
	if run.Task != "<write> & check" || run.ReservedTokens != 100 || run.LeaseExpiresAt.Sub(run.CreatedAt) != 90*time.Second {
		t.Errorf("admitted %+v", run)
	}
	if string(run.Input) != `{"a":"<b>"}` || run.Output != nil {
		t.Errorf("input %s, output %s", run.Input, run.Output)
	}
	if got := must(c.StartRun(ctx, "acme", run.ID))(t); got.Status != rentroll.RunRunning {
		t.Errorf("started to %s", got.Status)
	}
	if got := must(c.Heartbeat(ctx, "acme", run.ID, client.HeartbeatParams{TokensSoFar: 40, Lease: time.Minute}))(t); got.TokensSoFar != 40 {
		t.Errorf("reported %d", got.TokensSoFar)
	}
	result := client.CompleteRunParams{
		Success: true, Output: json.RawMessage(`[1]`), TotalTokens: 120, TotalLatencyMS: 50, StagesCompleted: 3, CostMicros: 12_345,
	}
	done := must(c.CompleteRun(ctx, "acme", run.ID, result))(t)
	if done.Status != rentroll.RunCompleted || *done.TotalTokens != 120 || *done.CostCents != 1 || done.Replayed {
		t.Errorf("completed to %+v", done)
	}
	if again := must(c.CompleteRun(ctx, "acme", run.ID, result))(t); !again.Replayed {
		t.Error("the same completion again is not marked as such")
	}
	result.TotalTokens++
	if _, err := c.CompleteRun(ctx, "acme", run.ID, result); !errors.Is(err, rentroll.CodeRunAlreadyEnded) {
		t.Errorf("another completion: %v", err)
	}
	other := must(c.CreateRun(ctx, "acme", client.CreateRunParams{WorkerID: "writer", Task: "stop"}))(t)
	if got := must(c.CancelRun(ctx, "acme", other.ID))(t); got.Status != rentroll.RunCanceled {
		t.Errorf("canceled to %s", got.Status)
	}
	group := must(c.CreateRuns(ctx, "acme", []client.CreateRunParams{{WorkerID: "writer", Task: "a"}, {WorkerID: "writer", Task: "b", Lease: time.Minute}}, ""))(t)
	if len(group.Items) != 2 || group.Items[1].Task != "b" || group.Items[0].Input != nil {
		t.Errorf("a group of %+v", group.Items)
	}
	if more := must(c.ReserveTokens(ctx, "acme", group.Items[1].ID, client.ReserveTokensParams{Tokens: 30}))(t); more.ReservedTokens != 30 {
		t.Errorf("reserved %d", more.ReservedTokens)
	}
	for _, run := range group.Items {
		must(c.CancelRun(ctx, "acme", run.ID))(t)
	}
	again := must(c.RetryRun(ctx, "acme", other.ID, client.RetryRunParams{ReserveTokens: new(int64(7)), Lease: time.Minute}))(t)
	if again.ParentRunID != other.ID || again.Attempt != 2 || !again.IsRetry || again.ReservedTokens != 7 || again.Task != "stop" {
		t.Errorf("retried as %+v", again)
	}
	if _, err := c.RetryRun(ctx, "acme", other.ID, client.RetryRunParams{}); !errors.Is(err, rentroll.CodeAlreadyExists) {
		t.Errorf("retried twice: %v", err)
	}
	if got := must(c.ListRuns(ctx, "acme", client.ListRunsParams{Status: rentroll.RunCompleted}))(t); len(got.Items) != 1 {
		t.Errorf("%d completed runs, want 1", len(got.Items))
	}
	if got := must(c.GetRun(ctx, "acme", run.ID))(t); string(got.Output) != `[1]` {
		t.Errorf("output %s", got.Output)
	}

	receipt := must(c.RecordUsage(ctx, "acme", client.RecordUsageParams{Events: []client.UsageParams{
		{Meter: "emails_sent", Amount: 3, EventID: "e1", Metadata: json.RawMessage(`{"to":"x"}`)},
		{Meter: "emails_sent", Amount: 3, EventID: "e1", Metadata: json.RawMessage(`{"to":"x"}`)},
		{Meter: "emails_sent", Amount: 1, Unit: "kilos"},
	}}))(t)
	want := []rentroll.UsageStatus{rentroll.UsageRecorded, rentroll.UsageDuplicate, rentroll.UsageRejected}
	for i, item := range receipt.Items {
		if item.Status != want[i] {
			t.Errorf("event %d is %s, want %s", i, item.Status, want[i])
		}
	}
	sum := must(c.GetUsageSummary(ctx, "acme", client.UsageSummaryParams{}))(t)
	if sum.Meters["emails_sent"].Total != 3 || sum.Meters[rentroll.MeterTokensUsed].Total != 120 {
		t.Errorf("summed to %+v", sum.Meters)
	}
}

func TestLimits(t *testing.T) {
	c, ctx := connect(t, serve(t), operatorSecret, nil), t.Context()
	must(c.CreateTenant(ctx, client.CreateTenantParams{
		Name: "Acme", Slug: "acme", LimitOverrides: quota.Limits{quota.RunsPerDay: quota.Of(1)},
	}))(t)
	must(c.CreateRun(ctx, "acme", client.CreateRunParams{WorkerID: "writer", Task: "one"}))(t)
	_, err := c.CreateRun(ctx, "acme", client.CreateRunParams{WorkerID: "writer", Task: "two"})
	var e *client.Error
	var denial *rentroll.QuotaExceededError
	var plain *rentroll.Error
	switch {
	case !errors.Is(err, rentroll.CodeQuotaExceeded), !errors.As(err, &e), !errors.As(err, &denial), errors.As(err, &plain):
		t.Fatalf("the denial is %#v", err)
	case e.Status != http.StatusTooManyRequests, e.Quota != quota.RunsPerDay, e.Scope != rentroll.ScopeTenant, *e.Limit != 1,
		*e.Current != 1, e.ResetsAt == nil, e.RetryAfter <= 0, e.RequestID == "":
		t.Errorf("the denial is %+v", e)
	case denial.Quota != e.Quota || denial.Limit != 1 || denial.Current != 1 || !denial.ResetsAt.Equal(*e.ResetsAt):
		t.Errorf("as the engine's it is %+v", denial)
	case rentroll.CodeOf(err) != rentroll.CodeQuotaExceeded:
		t.Errorf("its code is %s", rentroll.CodeOf(err))
	}

	if d := must(c.CheckRunQuota(ctx, "acme", "writer"))(t); d.Allowed || d.Quota != rentroll.NullString(quota.RunsPerDay) {
		t.Errorf("a run would be %+v", d)
	}
	if d := must(c.CheckTokenQuota(ctx, "acme", 5))(t); !d.Allowed {
		t.Errorf("tokens would be %+v", d)
	}
	for _, q := range must(c.GetQuotas(ctx, "acme"))(t) {
		if q.Quota == quota.RunsPerDay && (q.Used != 1 || *q.Remaining != 0) {
			t.Errorf("runs per day: %+v", q)
		}
	}
	if w := must(c.PutWorker(ctx, "acme", "writer", false))(t); w.Enabled {
		t.Error("the worker is still enabled")
	}
	if _, err = c.CreateRun(ctx, "acme", client.CreateRunParams{WorkerID: "writer", Task: "x"}); !errors.Is(err, rentroll.CodeWorkerDisabled) {
		t.Errorf("a disabled worker runs: %v", err)
	}
	if err := c.DeleteWorker(ctx, "acme", "writer"); err != nil {
		t.Error(err)
	}
	if workers := must(c.ListWorkers(ctx, "acme"))(t); len(workers) != 0 {
		t.Errorf("%d workers, want none", len(workers))
	}
	must(c.ListDenials(ctx, "acme", rentroll.Page{}))(t)
}

func TestErrors(t *testing.T) {
	url, ctx := serve(t), t.Context()
	c := connect(t, url, operatorSecret, nil)
	_, err := c.CreateTenant(ctx, client.CreateTenantParams{Name: "", Slug: "NO"})
	var e *client.Error
	if !errors.As(err, &e) || e.Code != rentroll.CodeValidationFailed || len(e.Fields) != 2 {
		t.Fatalf("a bad tenant: %v", err)
	}
	var plain *rentroll.Error
	if !errors.As(err, &plain) || len(plain.Fields) != 2 {
		t.Errorf("as the engine's it is %+v", plain)
	}
	if !strings.Contains(err.Error(), e.RequestID) || !strings.Contains(err.Error(), "slug must be") {
		t.Errorf("it reads %q", err)
	}
	for _, tenant := range []string{"nobody", "", ".", "..", "a/b", "me", "ä", "%2e"} {
		if _, err := c.GetTenant(ctx, tenant); !errors.Is(err, rentroll.CodeNotFound) {
			t.Errorf("tenant %q: %v", tenant, err)
		}
	}
	if _, err := connect(t, url, "wrong", nil).GetTenant(ctx, "me"); !errors.Is(err, rentroll.CodeUnauthenticated) {
		t.Errorf("a wrong key: %v", err)
	}
	if _, err := connect(t, url+"/elsewhere", operatorSecret, nil).ListPlans(ctx); !errors.Is(err, rentroll.CodeNotFound) {
		t.Errorf("a wrong URL: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.ListPlans(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that gave up: %v", err)
	}
	_, err = connect(t, "http://127.0.0.1:1", "", &client.Options{Retries: -1}).ListPlans(ctx)
	if !errors.As(err, &e) || e.Code != rentroll.CodeUnavailable || e.Status != 0 || errors.Unwrap(e) == nil {
		t.Errorf("no server: %v", err)
	}
}

func TestPaging(t *testing.T) {
	c, ctx := connect(t, serve(t), operatorSecret, nil), t.Context()
	const n = 23
	for i := range n {
		must(c.CreateTenant(ctx, client.CreateTenantParams{Name: "T", Slug: fmt.Sprintf("t%d", i)}))(t)
	}
	seen := map[string]bool{}
	for tenant, err := range c.AllTenants(ctx, client.ListTenantsParams{Page: rentroll.Page{Limit: 5}}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen[tenant.Slug] {
			t.Errorf("%s comes twice", tenant.Slug)
		}
		seen[tenant.Slug] = true
	}
	if len(seen) != n {
		t.Errorf("%d of %d tenants", len(seen), n)
	}
	for _, err := range c.AllTenants(ctx, client.ListTenantsParams{Page: rentroll.Page{Cursor: "nonsense"}}) {
		if !errors.Is(err, rentroll.CodeValidationFailed) {
			t.Errorf("a bad cursor: %v", err)
		}
	}
	for _, err := range c.AllAudit(ctx, "t0", client.ListAuditParams{}) {
		if err != nil {
			t.Fatal(err)
		}
		break // an iterator may be left early
	}
	for _, err := range c.AllPlatformAudit(ctx, client.ListAuditParams{}) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// deaf loses the first answers of a server.
type deaf struct{ lose atomic.Int32 }

// RoundTrip sends the request, and may act as if the connection had broken afterwards.
func (d *deaf) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && d.lose.Add(-1) >= 0 {
		return nil, errors.Join(errors.New("the connection broke"), res.Body.Close())
	}
	return res, err
}

func TestLostAnswers(t *testing.T) {
	url, ctx := serve(t), t.Context()
	line := &deaf{}
	c := connect(t, url, operatorSecret, &client.Options{HTTPClient: &http.Client{Transport: line}})
	must(c.CreateTenant(ctx, client.CreateTenantParams{Name: "Acme", Slug: "acme"}))(t)

	line.lose.Store(2)
	run := must(c.CreateRun(ctx, "acme", client.CreateRunParams{WorkerID: "writer", Task: "once"}))(t)
	if !run.Replayed {
		t.Error("the run was not found again")
	}
	line.lose.Store(1)
	key := must(c.CreateAPIKey(ctx, "acme", client.CreateAPIKeyParams{Name: "lost"}))(t)
	if key.Secret != "" || !key.APIKey.Replayed {
		t.Errorf("a repeated answer shows a secret: %v", key.Secret != "")
	}
	line.lose.Store(1)
	must(c.RecordUsage(ctx, "acme", client.RecordUsageParams{Events: []client.UsageParams{{Meter: "m", Amount: 1}}}))(t)
	if sum := must(c.GetUsageSummary(ctx, "acme", client.UsageSummaryParams{}))(t); sum.Meters["m"].Total != 1 {
		t.Errorf("an event counts %d times", sum.Meters["m"].Total)
	}
	if runs := must(c.ListRuns(ctx, "acme", client.ListRunsParams{}))(t); len(runs.Items) != 1 {
		t.Errorf("%d runs, want 1", len(runs.Items))
	}
	line.lose.Store(1)
	if _, err := c.Suspend(ctx, "acme", ""); !errors.Is(err, rentroll.CodeUnavailable) {
		t.Errorf("what can't be repeated safely was: %v", err)
	}
	line.lose.Store(4)
	if _, err := c.GetTenant(ctx, "acme"); !errors.Is(err, rentroll.CodeUnavailable) {
		t.Errorf("the tries have no end: %v", err)
	}
}

// TestImportedKeys moves a platform's keys here: what customers have stays good, where it may be used from.
func TestImportedKeys(t *testing.T) {
	url := serve(t)
	c, ctx := connect(t, url, operatorSecret, nil), t.Context()
	must(c.CreateTenant(ctx, client.CreateTenantParams{Name: "Acme", Slug: "acme"}))(t)
	const secret = "sk_live_of the old platform"
	sum := sha256.Sum256([]byte(secret))
	keys := []client.ImportedKey{
		{SHA256: hex.EncodeToString(sum[:]), Name: "old", AllowedIPs: []string{"127.0.0.0/8", "::1"}, ExpiresAt: time.Now().Add(time.Hour)},
		{SHA256: "nonsense", Name: "bad"},
	}
	receipt := must(c.ImportAPIKeys(ctx, "acme", keys))(t)
	if len(receipt.Items) != 2 || receipt.Items[0].Status != rentroll.ImportImported || receipt.Items[1].Status != rentroll.ImportRejected {
		t.Errorf("imported as %+v", receipt.Items)
	}
	if again := must(c.ImportAPIKeys(ctx, "acme", keys))(t); again.Items[0].Status != rentroll.ImportDuplicate ||
		again.Items[0].APIKeyID != receipt.Items[0].APIKeyID {
		t.Errorf("imported again as %+v", again.Items)
	}
	if me := must(connect(t, url, secret, nil).GetTenant(ctx, "me"))(t); me.Slug != "acme" {
		t.Errorf("me is %q", me.Slug)
	}
	for ip, want := range map[string]rentroll.NullString{"127.0.0.9": "", "192.0.2.1": "ip_not_allowed"} {
		v := must(c.VerifyAPIKey(ctx, client.VerifyAPIKeyParams{Secret: secret, IP: netip.MustParseAddr(ip)}))(t)
		if v.Code != want || v.Valid != (want == "") {
			t.Errorf("from %s verified as %+v", ip, v)
		}
	}
}
