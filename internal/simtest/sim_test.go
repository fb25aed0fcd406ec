package simtest_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/simtest"
	"github.com/rentroll/rentroll/sqlite"
)

var (
	seedFlag      = flag.Uint64("seed", 1, "the seed of the first history; the next ones have the next seeds")
	stepsFlag     = flag.Int("steps", 250, "the steps of a history")
	historiesFlag = flag.Int("histories", everydayHistories, "how many histories to play")
)

// openSQLite opens an empty SQLite store that lives as long as the test.
func openSQLite(t testing.TB) rentroll.Store {
	t.Helper()
	return openFile(t, filepath.Join(t.TempDir(), "rentroll.db"))
}

// openInMemory opens an empty SQLite store whose file is in memory, where the machine has
// a folder for that: histories of thousands of commits else wait for the disk most of the time.
func openInMemory(t testing.TB) rentroll.Store {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "rentroll") //nolint:usetesting // the test's own folder is on a disk
	if err != nil {
		return openSQLite(t)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Errorf("removing the store: %v", err)
		}
	})
	return openFile(t, filepath.Join(folder, "rentroll.db"))
}

// unreliable opens a store that fails all the time in ways that callers must not see.
func unreliable(seed uint64) simtest.Opener {
	return func(t testing.TB) rentroll.Store {
		t.Helper()
		return simtest.Unreliable(openInMemory(t), seed)
	}
}

// openFile opens a SQLite store in a file.
func openFile(t testing.TB, path string) rentroll.Store {
	t.Helper()
	store, err := sqlite.Open(context.Background(), path, nil)
	if err != nil {
		t.Fatalf("opening a store: %v", err)
	}
	return store
}

// met are outcomes that the everyday histories must have among them: a simulation that
// meets no denial tests none.
var met = []string{
	"CreateRun", "CreateRun quota_exceeded tenant workers", "CreateRun quota_exceeded tenant runs_per_day",
	"CreateRun quota_exceeded tenant concurrent_runs", "CreateRun quota_exceeded tenant tokens_per_month",
	"CreateRun quota_exceeded key concurrent_runs", "CreateRun quota_exceeded key tokens_per_month", "CreateRun worker_not_allowed",
	"CreateRun worker_disabled", "CreateRun tenant_suspended", "CreateRun tenant_terminated", "CreateRun forbidden",
	"CreateRun idempotency_mismatch", "CreateRun unauthenticated", "CreateRun not_found", "CreateRun validation_failed",
	"CompleteRun", "CompleteRun run_already_ended", "CancelRun", "CancelRun run_already_ended", "Heartbeat", "StartRun",
	"StartRun tenant_suspended", "CreateAPIKey", "CreateAPIKey quota_exceeded tenant api_keys", "CreateAPIKey forbidden",
	"PutWorker quota_exceeded tenant workers", "RecordUsage unit_mismatch", "RecordUsage event_too_old",
	"RecordUsage event_id_conflict", "RecordUsage validation_failed", "RecordUsage tenant_terminated", "IncrementUsage",
	"DeleteMembership last_owner", "UpdateMembership last_owner", "DeleteUser last_owner", "CreateTenant already_exists",
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

// TestSimulationOfTwo plays the same histories on two stores at once, one of which fails all the time in ways that
// callers must not see.
func TestSimulationOfTwo(t *testing.T) {
	t.Parallel()
	for i := range max(1, *historiesFlag/4) {
		seed := *seedFlag + 1_000_000 + uint64(i)
		t.Run("seed="+strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			simtest.Simulate(t, seed, *stepsFlag, openInMemory, unreliable(seed))
		})
	}
}

// TestSimulationForLong plays new histories for as long as SIM_DURATION says ("10m"),
// every fourth of them on an unreliable store. SIM_SEED is where it begins; without
// it, somewhere new.
func TestSimulationForLong(t *testing.T) {
	duration, err := time.ParseDuration(os.Getenv("SIM_DURATION"))
	if err != nil {
		return // not asked for
	}
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv("SIM_SEED"); given != "" {
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("SIM_SEED: %v", err)
		}
	}
	t.Logf("SIM_SEED=%d", seed)
	histories, end := 0, time.Now().Add(duration)
	for ; time.Now().Before(end) && !t.Failed(); histories++ {
		open := openInMemory
		if seed%4 == 0 {
			open = unreliable(seed)
		}
		t.Run("seed="+strconv.FormatUint(seed, 10), func(t *testing.T) { simtest.Simulate(t, seed, *stepsFlag, open) })
		seed++
	}
	t.Logf("%d histories of %d steps", histories, *stepsFlag)
}
