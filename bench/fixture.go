package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
	"github.com/rentroll/rentroll/sqlite"
)

// The platform on which is measured: big enough that no index fits on a few pages, small enough to be copied for each
// arm.
const (
	platformTenants = 1000
	platformRuns    = 500_000 // completed, spread over all tenants and thirty days
	listedRuns      = 1_000_000
	summedEvents    = 1_000_000 // of one tenant, over thirty days
	worker          = "business-builder"
	task            = "Draft the quarterly report for the board and send it for review"

	fixtureVersion = "4" // change it with anything that this file puts into a database
)

// fixture is a database that was prepared once, with what a caller needs to know of it.
type fixture struct {
	path    string
	tenants []rentroll.TenantID
	secrets []string // an API key's of each tenant
}

// platform is the fixture of a thousand tenants with half a million runs.
func platform(ctx context.Context) (*fixture, error) {
	return cached(ctx, "platform", platformTenants, func(f *fixture) error {
		return prefill(f, platformRuns, func(_ int, r *rand.Rand) rentroll.TenantID { return f.tenants[r.IntN(len(f.tenants))] })
	})
}

// archive is the fixture of one tenant with a million runs, and one with a million usage events of the last thirty days.
func archive(ctx context.Context) (*fixture, error) {
	return cached(ctx, "archive-"+time.Now().UTC().Format("2006-01-02"), 2, func(f *fixture) error {
		if err := prefill(f, listedRuns, func(int, *rand.Rand) rentroll.TenantID { return f.tenants[0] }); err != nil {
			return err
		}
		return recordMonth(ctx, f.path, f.tenants[1])
	})
}

// cached returns a fixture from an earlier run, or makes it. It is kept under the name of the schema, so that a change of
// the schema makes it anew.
func cached(ctx context.Context, name string, tenants int, fill func(*fixture) error) (*fixture, error) {
	schema, err := schemaHash(ctx)
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(os.TempDir(), "rentroll-bench-"+schema)
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return nil, fmt.Errorf("fixture: %w", err)
	}
	f := &fixture{path: filepath.Join(folder, name+".db")}
	if _, err := os.Stat(f.path); err == nil {
		return f, f.read(ctx)
	}
	began := time.Now()
	fmt.Fprintf(os.Stderr, "preparing %s, once …\n", f.path)
	f.path += ".part"
	for _, ending := range []string{"", "-wal", "-shm", ".secrets"} {
		if err := os.Remove(f.path + ending); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("fixture: %w", err)
		}
	}
	if err := f.settle(ctx, tenants); err != nil {
		return nil, err
	}
	if err := fill(f); err != nil {
		return nil, err
	}
	final := strings.TrimSuffix(f.path, ".part")
	if err := errors.Join(os.Rename(f.path+".secrets", final+".secrets"), os.Rename(f.path, final)); err != nil {
		return nil, fmt.Errorf("fixture: %w", err)
	}
	f.path = final
	fmt.Fprintf(os.Stderr, "prepared in %s\n", time.Since(began).Round(time.Second))
	return f, nil
}

// schemaHash identifies the schema of a new database.
func schemaHash(ctx context.Context) (hash string, err error) {
	folder, err := os.MkdirTemp("", "rentroll-bench-schema-")
	if err != nil {
		return "", fmt.Errorf("fixture: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	path := filepath.Join(folder, "empty.db")
	engine, err := open(ctx, path)
	if err != nil {
		return "", err
	}
	if err := engine.Close(); err != nil {
		return "", fmt.Errorf("fixture: %w", err)
	}
	text, err := schemaOf(path)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(fixtureVersion + text))
	return hex.EncodeToString(sum[:6]), nil
}

// open opens an engine on a file with the settings that users get, but for the sweeper: it comes every 15 seconds and
// would fall on one arm, in the turn of another.
func open(ctx context.Context, path string) (*rentroll.Engine, error) {
	store, err := sqlite.Open(ctx, path, nil)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	engine, err := rentroll.New(store, &rentroll.Options{SweepInterval: -1})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the engine: %w", err), store.Close())
	}
	return engine, nil
}

// settle makes the tenants, each with a key and a worker that has been used, and writes down their secrets.
func (f *fixture) settle(ctx context.Context, tenants int) (err error) {
	engine, err := open(ctx, f.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	if err := f.tenantsOf(ctx, engine, tenants); err != nil {
		return err
	}
	var text strings.Builder
	for n := range tenants {
		fmt.Fprintf(&text, "%s %s\n", f.tenants[n], f.secrets[n])
	}
	return os.WriteFile(f.path+".secrets", []byte(text.String()), 0o600)
}

// tenantsOf makes the tenants of a fixture in an engine.
func (f *fixture) tenantsOf(ctx context.Context, engine *rentroll.Engine, tenants int) (err error) {
	limits := quota.Limits{} // there are limits, so that they are decided on, and none is ever reached
	for _, d := range quota.Definitions() {
		if d.Span == quota.Rate {
			continue // which nothing here is to run into
		}
		limits[d.Name] = quota.Of(quota.MaxLimit)
	}
	if _, _, err := engine.PutPlan(ctx, rentroll.PutPlanParams{Name: "bench", Limits: limits}); err != nil {
		return fmt.Errorf("fixture: %w", err)
	}
	f.tenants = make([]rentroll.TenantID, tenants)
	f.secrets = make([]string, tenants)
	var lines sync.WaitGroup
	var mu sync.Mutex
	for n := range tenants {
		lines.Go(func() {
			tenantErr := f.tenant(ctx, engine, n)
			mu.Lock()
			defer mu.Unlock()
			err = errors.Join(err, tenantErr)
		})
	}
	lines.Wait()
	return err
}

func (f *fixture) tenant(ctx context.Context, engine *rentroll.Engine, n int) error {
	name := fmt.Sprintf("tenant-%04d", n)
	t, err := engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: name, Slug: name, Plan: "bench"})
	if err != nil {
		return fmt.Errorf("fixture: %w", err)
	}
	f.tenants[n] = t.ID
	if f.secrets[n], _, err = engine.CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{
		TenantID: t.ID, Name: "bench", Permissions: []string{"run:*", "read:*", string(rentroll.PermUsageWrite)},
	}); err != nil {
		return fmt.Errorf("fixture: %w", err)
	}
	run, err := engine.CreateRun(ctx, rentroll.CreateRunParams{TenantID: t.ID, WorkerID: worker, Task: task})
	if err != nil {
		return fmt.Errorf("fixture: %w", err)
	}
	if _, err := engine.CompleteRun(ctx, rentroll.CompleteRunParams{TenantID: t.ID, RunID: run.ID, Success: true}); err != nil {
		return fmt.Errorf("fixture: %w", err)
	}
	return nil
}

// read finds the tenants and secrets of a fixture that was made earlier.
func (f *fixture) read(context.Context) error {
	text, err := os.ReadFile(f.path + ".secrets")
	if err != nil {
		return fmt.Errorf("fixture: %w", err)
	}
	for row := range strings.Lines(string(text)) {
		id, secret, _ := strings.Cut(strings.TrimSpace(row), " ")
		tenant, err := rentroll.ParseTenantID(id)
		if err != nil {
			return fmt.Errorf("fixture: %s.secrets: %w", f.path, err)
		}
		f.tenants = append(f.tenants, tenant)
		f.secrets = append(f.secrets, secret)
	}
	return nil
}

// prefill inserts completed runs in the order of time, as they would have come.
func prefill(f *fixture, rows int, whose func(i int, r *rand.Rand) rentroll.TenantID) (err error) {
	b, err := openBulk(f.path, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	const perTransaction = 20_000
	random := rand.New(rand.NewPCG(1, 2))
	step := 30 * 24 * time.Hour / time.Duration(rows)
	at := time.Now().Add(-30 * 24 * time.Hour)
	for from := 0; from < rows; from += perTransaction {
		err := b.transaction(func() error {
			for i := from; i < min(from+perTransaction, rows); i++ {
				at = at.Add(step)
				if err := b.run(whose(i, random), runID(at, random), at, true); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("fixture: %w", err)
		}
	}
	return nil
}

// recordMonth records a million events of three meters through the engine.
func recordMonth(ctx context.Context, path string, tenant rentroll.TenantID) (err error) {
	engine, err := open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	meters := []string{rentroll.MeterTokensUsed, "pages_read", "minutes_spoken"}
	began := time.Now().Add(-30 * 24 * time.Hour)
	step := 30 * 24 * time.Hour / summedEvents
	batch := func(from int) error {
		events := make([]rentroll.UsageParams, rentroll.MaxUsageBatch)
		for i := range events {
			n := from + i
			events[i] = rentroll.UsageParams{
				Meter: meters[n%len(meters)], Amount: int64(n % 1000), Time: began.Add(time.Duration(n) * step), WorkerID: worker,
			}
		}
		_, err := engine.RecordUsageBatch(ctx, rentroll.RecordUsageBatchParams{TenantID: tenant, Events: events})
		return err
	}
	const writers = 4
	failures := make([]error, writers)
	var wait sync.WaitGroup
	for w := range writers {
		wait.Go(func() {
			for from := w * rentroll.MaxUsageBatch; from < summedEvents && failures[w] == nil; from += writers * rentroll.MaxUsageBatch {
				failures[w] = batch(from)
			}
		})
	}
	wait.Wait()
	return errors.Join(failures...)
}

// copyTo copies a fixture for one arm into a folder that the caller removes.
func (f *fixture) copyTo(folder, name string) (path string, err error) {
	from, err := os.Open(f.path)
	if err != nil {
		return "", fmt.Errorf("fixture: %w", err)
	}
	defer from.Close()
	path = filepath.Join(folder, name+".db")
	to, err := os.Create(path) //nolint:gosec // in a folder that was just made
	if err != nil {
		return "", fmt.Errorf("fixture: %w", err)
	}
	_, err = io.Copy(to, from)
	return path, errors.Join(err, to.Sync(), to.Close())
}
