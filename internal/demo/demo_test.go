package demo_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/demo"
	"github.com/rentroll/rentroll/quota"
	"github.com/rentroll/rentroll/sqlite"
)

// week is how much the tests fill, for speed.
const week = 7 * 24 * time.Hour

// hardest is a moment at which everything that can begin has just begun: a month, a day, a Sunday.
var hardest = time.Date(2026, time.March, 1, 0, 2, 0, 0, time.UTC)

func open(t *testing.T, path string) rentroll.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func start(t *testing.T, store rentroll.Store, clock *demo.Clock) *rentroll.Engine {
	t.Helper()
	engine, err := rentroll.New(store, &rentroll.Options{Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine
}

// fill makes a platform and returns what can be seen of it.
func fill(t *testing.T, path string) (*rentroll.Engine, *demo.Platform, map[string]any) {
	t.Helper()
	store := open(t, path)
	if empty, err := demo.IsEmpty(t.Context(), store); err != nil || !empty {
		t.Fatalf("a new database is empty: %v, %v", empty, err)
	}
	clock := demo.NewClock(func() time.Time { return hardest })
	clock.Rewind(week)
	engine := start(t, store, clock)
	p, sum, err := demo.Fill(t.Context(), engine, clock, 7)
	if err != nil {
		t.Fatal(err)
	}
	if got := clock.Now(); !got.Equal(hardest) {
		t.Errorf("the clock is left at %v", got)
	}
	return engine, p, look(t, engine, sum)
}

// look gathers what must be the same whenever equal seeds are played at equal times.
func look(t *testing.T, engine *rentroll.Engine, sum *demo.Summary) map[string]any {
	t.Helper()
	ctx := t.Context()
	seen := map[string]any{"summary": *sum}
	tenants, err := engine.ListTenants(ctx, rentroll.ListTenantsParams{Page: rentroll.Page{Limit: rentroll.MaxPageSize}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tenant := range tenants.Items {
		usage, err := engine.GetUsageSummary(ctx, rentroll.UsageSummaryParams{TenantID: tenant.ID, Start: hardest.AddDate(0, 0, -40), End: hardest.AddDate(0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		seen[tenant.Slug+" usage"] = fmt.Sprint(usage.Meters)
		states := map[rentroll.RunStatus]int{}
		page := rentroll.ListRunsParams{TenantID: tenant.ID, Page: rentroll.Page{Limit: rentroll.MaxPageSize}}
		for {
			runs, err := engine.ListRuns(ctx, page)
			if err != nil {
				t.Fatal(err)
			}
			for _, run := range runs.Items {
				states[run.Status]++
				if run.CreatedAt.After(hardest) || run.CompletedAt != nil && run.CompletedAt.After(hardest) {
					t.Errorf("a run of %s is of the future", tenant.Slug)
				}
			}
			if page.Cursor = string(runs.NextCursor); page.Cursor == "" {
				break
			}
		}
		seen[tenant.Slug+" runs"] = fmt.Sprint(states)
		seen[tenant.Slug] = fmt.Sprint(tenant.Plan, tenant.Status, tenant.StatusReason, tenant.CreatedAt)
	}
	return seen
}

func use(t *testing.T, engine *rentroll.Engine, slug string, name quota.Name) rentroll.QuotaUse {
	t.Helper()
	tenant, err := engine.GetTenantBySlug(t.Context(), slug)
	if err != nil {
		t.Fatal(err)
	}
	uses, err := engine.GetQuotas(t.Context(), tenant.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uses {
		if u.Quota == name {
			return u
		}
	}
	t.Fatalf("%s has no quota %s", slug, name)
	return rentroll.QuotaUse{}
}

func TestFill(t *testing.T) {
	var one, two map[string]any
	t.Run("twice", func(t *testing.T) {
		t.Run("looked at", func(t *testing.T) {
			t.Parallel()
			engine, platform, seen := fill(t, filepath.Join(t.TempDir(), "one.db"))
			one = seen
			story(t, engine)
			traffic(t, engine, platform)
			if _, err := demo.Open(t.Context(), engine); err != nil {
				t.Errorf("it is not found again: %v", err)
			}
		})
		t.Run("compared", func(t *testing.T) {
			t.Parallel()
			_, _, two = fill(t, filepath.Join(t.TempDir(), "two.db"))
		})
	})
	if diff := cmp.Diff(one, two); diff != "" {
		t.Errorf("equal seeds make different platforms:\n%s", diff)
	}
}

// story checks what people are told to look at.
func story(t *testing.T, engine *rentroll.Engine) {
	t.Helper()
	ctx := t.Context()
	if u := use(t, engine, demo.NearLimit, quota.TokensPerMonth); u.Used*100 / *u.Limit != 95 {
		t.Errorf("%s is not near its limit: %d of %d", demo.NearLimit, u.Used, *u.Limit)
	}
	if u := use(t, engine, demo.OutOfRuns, quota.RunsPerDay); *u.Remaining != 0 {
		t.Errorf("%s may still run %d times", demo.OutOfRuns, *u.Remaining)
	}
	denied, err := engine.GetTenantBySlug(ctx, demo.OutOfRuns)
	if err != nil {
		t.Fatal(err)
	}
	denials, err := engine.ListDenials(ctx, rentroll.ListDenialsParams{TenantID: denied.ID})
	if err != nil || len(denials.Items) < 5 {
		t.Fatalf("%d denials, %v", len(denials.Items), err)
	}
	for _, d := range denials.Items {
		if d.Quota != rentroll.NullString(quota.RunsPerDay) || hardest.Sub(d.At) > 30*time.Minute {
			t.Errorf("denied %v ago by %s", hardest.Sub(d.At), d.Quota)
		}
	}
	for status, want := range map[rentroll.TenantStatus]int{rentroll.TenantSuspended: 1, rentroll.TenantTerminated: 1} {
		list, err := engine.ListTenants(ctx, rentroll.ListTenantsParams{Status: status})
		if err != nil || len(list.Items) != want || list.Items[0].StatusReason == "" {
			t.Errorf("%s tenants: %+v, %v", status, list, err)
		}
	}
	first, err := engine.GetTenantBySlug(ctx, "brightwater-health")
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []rentroll.RunStatus{rentroll.RunCompleted, rentroll.RunFailed, rentroll.RunCrashed} {
		runs, err := engine.ListRuns(ctx, rentroll.ListRunsParams{TenantID: first.ID, Status: status})
		if err != nil || len(runs.Items) == 0 {
			t.Errorf("no run of the first tenant is %s (%v)", status, err)
		}
	}
	keys, err := engine.ListAPIKeys(ctx, rentroll.ListAPIKeysParams{TenantID: first.ID, IncludeRevoked: true})
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, k := range keys.Items {
		kinds[string(k.Status)] = true
		kinds["expires"] = kinds["expires"] || k.ExpiresAt != nil
		kinds["limited"] = kinds["limited"] || k.MaxConcurrentRuns != nil
		kinds["used"] = kinds["used"] || k.TotalRequests > 0
	}
	for _, kind := range []string{"active", "revoked", "expires", "limited", "used"} {
		if !kinds[kind] {
			t.Errorf("the first tenant has no key that is %s", kind)
		}
	}
}

// traffic checks that the platform works on, and leaves nothing open when it stops.
func traffic(t *testing.T, engine *rentroll.Engine, platform *demo.Platform) {
	t.Helper()
	before := engine.Metrics().Commands
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		platform.Traffic(ctx, slog.New(slog.DiscardHandler), 1)
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for engine.Metrics().Commands < before+3 {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("nothing happens")
		}
	}
	cancel()
	<-stopped
	tenants, err := engine.ListTenants(t.Context(), rentroll.ListTenantsParams{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tenant := range tenants.Items {
		if open := use(t, engine, tenant.Slug, quota.ConcurrentRuns).Used; open != 0 {
			t.Errorf("%d runs of %s are left open", open, tenant.Slug)
		}
	}
}

func TestForeignDatabases(t *testing.T) {
	clock := demo.NewClock(time.Now)
	store := open(t, filepath.Join(t.TempDir(), "rentroll.db"))
	engine := start(t, store, clock)
	if _, err := engine.CreateTenant(t.Context(), rentroll.CreateTenantParams{Name: "Mine", Slug: "mine"}); err != nil {
		t.Fatal(err)
	}
	if empty, err := demo.IsEmpty(t.Context(), store); err != nil || empty {
		t.Errorf("a database with a tenant is empty: %v, %v", empty, err)
	}
	if _, err := demo.Open(t.Context(), engine); !errors.Is(err, demo.ErrNotEmpty) {
		t.Errorf("it is taken for a demo: %v", err)
	}
	for mark, want := range map[string]error{"": demo.ErrNotEmpty, "filling": demo.ErrInterrupted} {
		fresh := start(t, open(t, filepath.Join(t.TempDir(), "other.db")), clock)
		_, err := fresh.CreateTenant(t.Context(), rentroll.CreateTenantParams{
			Name: "B", Slug: "brightwater-health", Metadata: map[string]string{"rentroll_demo": mark},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := demo.Open(t.Context(), fresh); !errors.Is(err, want) {
			t.Errorf("marked %q it is %v, want %v", mark, err, want)
		}
	}
}
