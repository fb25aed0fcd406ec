package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
)

const pageSize = 4096

// healthy returns the bytes of a database with a bit of everything.
func healthy(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "healthy.db")
	live(t, path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// everything opens a file and does something of everything; it returns what goes wrong at work, and in opening.
func everything(t *testing.T, data []byte) (working []error, opening error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "damaged.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := openEngine(path)
	if err != nil {
		return nil, err
	}
	for _, do := range operations() {
		if err := do(t.Context(), e); err != nil {
			working = append(working, err)
		}
	}
	_ = e.Close()
	return working, nil
}

// operations touch every table of the tenant "acme".
func operations() []func(ctx context.Context, e *rentroll.Engine) error {
	return []func(ctx context.Context, e *rentroll.Engine) error{
		func(ctx context.Context, e *rentroll.Engine) error {
			list, err := e.ListTenants(ctx, rentroll.ListTenantsParams{})
			if err != nil {
				return err
			}
			var all error
			for _, tenant := range list.Items {
				all = errors.Join(all, onTenant(ctx, e, tenant.ID))
			}
			return all
		},
		func(ctx context.Context, e *rentroll.Engine) error {
			_, err := e.GetTenantBySlug(ctx, "acme")
			return err
		},
		func(ctx context.Context, e *rentroll.Engine) error {
			u, err := e.CreateUser(ctx, rentroll.CreateUserParams{Email: "a@example.com", ExternalID: "x", IdempotencyKey: "k"})
			if err != nil {
				return err
			}
			return e.DeleteUser(ctx, u.ID)
		},
		func(ctx context.Context, e *rentroll.Engine) error {
			_, _, err := e.PutPlan(ctx, rentroll.PutPlanParams{Name: "new"})
			return errors.Join(err, e.DeletePlan(ctx, "new"))
		},
		func(ctx context.Context, e *rentroll.Engine) error {
			_, err := e.EnsureOperatorKey(ctx, "ops")
			return err
		},
	}
}

func onTenant(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID) error {
	_, _, key := e.CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{TenantID: tenant, Name: "k2"})
	_, runs := e.ListRuns(ctx, rentroll.ListRunsParams{TenantID: tenant})
	_, keys := e.ListAPIKeys(ctx, rentroll.ListAPIKeysParams{TenantID: tenant, IncludeRevoked: true})
	_, audit := e.ListAudit(ctx, rentroll.ListAuditParams{TenantID: tenant})
	_, workers := e.ListWorkers(ctx, tenant)
	_, sums := e.GetUsageSummary(ctx, rentroll.UsageSummaryParams{TenantID: tenant})
	_, usage := e.RecordUsage(ctx, rentroll.RecordUsageParams{
		TenantID: tenant, UsageParams: rentroll.UsageParams{Meter: "pages", Amount: 1, EventID: "e"},
	})
	run, created := e.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant, WorkerID: "w", Task: "t", Input: []byte("1")})
	if created == nil {
		_, created = e.CompleteRun(ctx, rentroll.CompleteRunParams{TenantID: tenant, RunID: run.ID, Output: []byte("2")})
	}
	return errors.Join(key, runs, keys, audit, workers, sums, usage, created)
}

// isClear checks that a failure of a damaged file tells the operator so, and the caller that it is not the caller's.
func isClear(t *testing.T, what string, err error) {
	t.Helper()
	damaged := strings.Contains(err.Error(), "the database file is damaged; restore it from a backup")
	if !damaged && !strings.Contains(err.Error(), "the file is not a SQLite database") {
		t.Errorf("%s: the error does not say what to do: %v", what, err)
	}
}

func isUnavailable(t *testing.T, what string, err error) {
	t.Helper()
	isClear(t, what, err)
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		err = joined.Unwrap()[0]
	}
	if !errors.Is(err, rentroll.CodeUnavailable) {
		t.Errorf("%s: got %v, want the code %s", what, err, rentroll.CodeUnavailable)
	}
}

// TestDamagedPage writes over one page after the other, and then uses the file.
func TestDamagedPage(t *testing.T) {
	t.Parallel()
	whole := healthy(t)
	if working, opening := everything(t, whole); opening != nil || len(working) > 0 {
		t.Fatal(opening, working)
	}
	refused, failed := 0, 0
	pages := len(whole) / pageSize
	for page := 1; page <= pages; page += pages / scaled(pages) {
		data := bytes.Clone(whole)
		copy(data[(page-1)*pageSize:], bytes.Repeat([]byte{0xa5}, pageSize))
		working, opening := everything(t, data)
		what := fmt.Sprintf("page %d", page)
		if opening != nil {
			refused++
			isClear(t, what, opening)
		}
		for _, err := range working {
			failed++
			isUnavailable(t, what, err)
		}
	}
	if refused == 0 || failed == 0 {
		t.Errorf("of %d damaged pages %d were seen when opening, %d operations failed: nothing was tested",
			pages, refused, failed)
	}
}

func TestTruncatedFile(t *testing.T) {
	t.Parallel()
	whole := healthy(t)
	for _, size := range []int{
		1, 99, 100, 511, 512, pageSize - 1, pageSize, pageSize + 1, 2 * pageSize, 5*pageSize + 100, len(whole) / 2,
		len(whole) - pageSize, // what is cut off within a page reads as zeros, and nobody notices
	} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			working, opening := everything(t, whole[:size])
			if opening == nil && len(working) == 0 {
				t.Error("nothing noticed that the file was cut")
			}
			if opening != nil {
				isClear(t, "opening", opening)
			}
			for _, err := range working {
				isUnavailable(t, "working", err)
			}
		})
	}
}

// TestFlippedBits: a file whose content is wrong in ways that no database can notice is answered with something, and
// never with a crash.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	whole := healthy(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range scaled(20) {
		data := bytes.Clone(whole)
		for range 1 + random.IntN(30) {
			data[random.IntN(len(data))] ^= 1 << random.IntN(8)
		}
		_, _ = everything(t, data)
	}
}
