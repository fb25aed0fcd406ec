package simtest_test

import (
	"flag"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rentroll/rentroll/internal/simtest"
)

var (
	seedFlag      = flag.Uint64("seed", 1, "the seed of the first history; the next ones have the next seeds")
	stepsFlag     = flag.Int("steps", 250, "the steps of a history")
	historiesFlag = flag.Int("histories", everydayHistories, "how many histories to play")
)

// met are outcomes that the everyday histories must have among them: a simulation that
// meets no denial tests none.
var met = []string{
	"CreateRun", "CreateRun quota_exceeded tenant workers", "CreateRun quota_exceeded tenant runs_per_day",
	"CreateRun quota_exceeded tenant concurrent_runs", "CreateRun quota_exceeded tenant tokens_per_month",
	"CreateRun quota_exceeded tenant spend_per_month", "CreateRun quota_exceeded key concurrent_runs", "CreateRun quota_exceeded key tokens_per_month", "CreateRun worker_not_allowed",
	"CreateRun worker_disabled", "CreateRun tenant_suspended", "CreateRun tenant_terminated", "CreateRun forbidden",
	"CreateRun idempotency_mismatch", "CreateRun unauthenticated", "CreateRun not_found", "CreateRun validation_failed",
	"CompleteRun", "CompleteRun run_already_ended", "CancelRun", "CancelRun run_already_ended", "Heartbeat", "StartRun",
	"CreateRuns", "CreateRuns quota_exceeded tenant concurrent_runs", "CreateRuns quota_exceeded tenant workers",
	"CreateRuns quota_exceeded key tokens_per_month", "CreateRuns worker_disabled",
	"ReserveTokens", "ReserveTokens quota_exceeded tenant tokens_per_month", "ReserveTokens quota_exceeded key tokens_per_month",
	"ReserveTokens run_already_ended", "ReserveTokens tenant_suspended", "ReserveTokens validation_failed", "RetryRun", "RetryRun already_exists", "RetryRun invalid_transition", "RetryRun not_found", "RetryRun quota_exceeded tenant concurrent_runs",
	"RetryRun tenant_suspended", "RetryRun idempotency_mismatch", "StartRun tenant_suspended", "CreateAPIKey", "CreateAPIKey quota_exceeded tenant api_keys", "CreateAPIKey forbidden",
	"RotateAPIKey", "RotateAPIKey forbidden", "RotateAPIKey invalid_transition", "RotateAPIKey quota_exceeded tenant api_keys",
	"PutWorker quota_exceeded tenant workers", "RecordUsage unit_mismatch", "RecordUsage event_too_old",
	"RecordUsage event_id_conflict", "RecordUsage validation_failed", "RecordUsage tenant_terminated", "IncrementUsage",
	"RecordCorrection", "RecordCorrection validation_failed", "RecordCorrection unit_mismatch", "RecordCorrection event_id_conflict",
	"RecordCorrection forbidden",
	"CreateRun quota_exceeded subject runs_per_day", "CreateRun quota_exceeded subject concurrent_runs",
	"CreateRun quota_exceeded subject tokens_per_month", "CreateRuns quota_exceeded subject concurrent_runs",
	"PutSubject", "PutSubject validation_failed", "DeleteSubject", "DeleteSubject not_found",
	"Consume", "Consume quota_exceeded tenant meter:emails_per_day", "Consume quota_exceeded tenant meter:emails_per_month",
	"Consume quota_exceeded tenant meter:calls_per_day", "Consume event_id_conflict", "Consume unit_mismatch", "Consume validation_failed",
	"Consume tenant_suspended", "Consume idempotency_mismatch",
	"DeleteMembership last_owner", "UpdateMembership last_owner", "DeleteUser last_owner", "CreateTenant already_exists",
	"SimulatePlan", "SimulatePlan denied workers", "SimulatePlan denied runs_per_day", "SimulatePlan denied concurrent_runs",
	"SimulatePlan denied tokens_per_month", "SimulatePlan denied spend_per_month",
	"CreateTenant unknown_plan", "UpdatePlan", "UpdateTenant", "Transition invalid_transition", "DeletePlan invalid_transition",
}

func TestSimulation(t *testing.T) {
	var mu sync.Mutex
	all := simtest.Tally{}
	t.Run("histories", func(t *testing.T) {
		for i := range *historiesFlag {
			seed := *seedFlag + uint64(i)
			t.Run("seed="+strconv.FormatUint(seed, 10), func(t *testing.T) {
				t.Parallel()
				tally := simtest.Simulate(t, seed, *stepsFlag, openInMemory)
				mu.Lock()
				defer mu.Unlock()
				all.Add(tally)
			})
		}
	})
	if *historiesFlag < 100 {
		return
	}
	for _, outcome := range met {
		if all[outcome] == 0 {
			t.Errorf("no history had this outcome: %s", outcome)
		}
	}
}

// TestSimulationOnEveryStore plays histories on several stores at once: SQLite, PostgreSQL, and one that fails all the
// time in ways that callers must not see.
func TestSimulationOnEveryStore(t *testing.T) {
	t.Parallel()
	for i := range max(1, *historiesFlag/10) {
		seed := *seedFlag + 1_000_000 + uint64(i)
		t.Run("seed="+strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			simtest.Simulate(t, seed, *stepsFlag, openInMemory, openPostgres, unreliable(openInMemory, seed))
		})
	}
}

// TestSimulationForLong plays new histories for as long as SIM_DURATION says ("10m"),
// every fourth of them on an unreliable store, every sixteenth on PostgreSQL as well.
// SIM_SEED is where it begins; without it, somewhere new.
func TestSimulationForLong(t *testing.T) {
	duration, err := time.ParseDuration(os.Getenv("SIM_DURATION"))
	if err != nil {
		return // not asked for
	}
	seed := seedGiven(t)
	histories, end := 0, time.Now().Add(duration)
	for ; time.Now().Before(end) && !t.Failed(); histories++ {
		stores := []simtest.Opener{openInMemory}
		if seed%4 == 0 {
			stores[0] = unreliable(openInMemory, seed)
		}
		if seed%16 == 1 {
			stores = append(stores, openPostgres)
		}
		t.Run("seed="+strconv.FormatUint(seed, 10), func(t *testing.T) { simtest.Simulate(t, seed, *stepsFlag, stores...) })
		seed++
	}
	t.Logf("%d histories of %d steps", histories, *stepsFlag)
}

// TestSimulationCounted plays as many new histories as SIM_HISTORIES says, each on SQLite and on PostgreSQL, from
// SIM_SEED on.
func TestSimulationCounted(t *testing.T) {
	t.Parallel()
	histories, err := strconv.Atoi(os.Getenv("SIM_HISTORIES"))
	if err != nil {
		return // not asked for
	}
	first := seedGiven(t)
	for i := range histories {
		seed := first + uint64(i)
		t.Run("seed="+strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			simtest.Simulate(t, seed, *stepsFlag, openInMemory, openPostgres)
		})
	}
}

// seedGiven returns the first seed of a simulation that was asked for.
func seedGiven(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv("SIM_SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("SIM_SEED: %v", err)
		}
	}
	t.Logf("SIM_SEED=%d", seed)
	return seed
}
