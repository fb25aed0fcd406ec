package rentroll_test

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
	"github.com/rentroll/rentroll/sqlite"
)

func newEngine(t *testing.T, options *rentroll.Options) *rentroll.Engine {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "rentroll.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := rentroll.New(store, options)
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// A quiet tenant's run that is over its lease is ended, its tokens are billed and its slot is free, with nobody asking.
func TestSweeperEndsWhatIsOverdue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		engine := newEngine(t, nil)
		tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
		run := value(engine.CreateRun(ctx, rentroll.CreateRunParams{
			TenantID: tenant.ID, WorkerID: "writer", Task: "draft", Lease: time.Minute, ReserveTokens: 100,
		}))
		value(engine.Heartbeat(ctx, rentroll.HeartbeatParams{TenantID: tenant.ID, RunID: run.ID, TokensSoFar: 42}))
		_, key, err := engine.CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{TenantID: tenant.ID, Name: "short", ExpiresInDays: 1})
		must(err)

		time.Sleep(time.Minute + 15*time.Second)
		synctest.Wait()
		got := value(engine.GetRun(ctx, rentroll.RunRef{TenantID: tenant.ID, RunID: run.ID}))
		if got.Status != rentroll.RunCrashed || *got.TotalTokens != 42 {
			t.Errorf("the run is %s with %v tokens, want crashed with 42", got.Status, got.TotalTokens)
		}
		// What the store says, not what a read makes of it: the sweep has written it down.
		q := usedOf(value(engine.GetQuotas(ctx, tenant.ID)))
		if q[quota.ConcurrentRuns] != 0 || q[quota.TokensPerMonth] != 42 {
			t.Errorf("in use after the sweep: %v", q)
		}

		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if k := value(engine.GetAPIKey(ctx, tenant.ID, key.ID)); k.Status != rentroll.KeyExpired {
			t.Errorf("the key is %s, want expired", k.Status)
		}
		must(engine.Close())
	})
}

func usedOf(quotas []rentroll.QuotaUse) map[quota.Name]int64 {
	used := make(map[quota.Name]int64)
	for _, q := range quotas {
		used[q.Quota] = q.Used
	}
	return used
}
