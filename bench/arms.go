package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/sqlite"
)

// stage is a folder of databases, one an arm, all copies of the same fixture.
type stage struct {
	folder  string
	fixture *fixture
	tenants []rentroll.TenantID // on whom to work
	closers []func() error
}

// newStage prepares a folder for measuring on so many of a fixture's tenants.
func newStage(f *fixture, tenants int) (*stage, error) {
	folder, err := os.MkdirTemp("", "rentroll-bench-run-")
	if err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	return &stage{folder: folder, fixture: f, tenants: f.tenants[:tenants]}, nil
}

// onStage works on a stage, which is removed afterwards.
func onStage(f *fixture, tenants int, do func(*stage) error) (err error) {
	st, err := newStage(f, tenants)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	return do(st)
}

// onStagedEngine opens an engine on a stage that it takes down afterwards.
func onStagedEngine(ctx context.Context, f *fixture, tenants int, do func(*stage, *rentroll.Engine) error) error {
	return onStage(f, tenants, func(st *stage) error {
		engine, err := st.engine(ctx, "engine")
		if err != nil {
			return err
		}
		return do(st, engine)
	})
}

// close closes all databases and removes them.
func (s *stage) close() error {
	var err error
	for _, closer := range s.closers {
		err = errors.Join(err, closer())
	}
	return errors.Join(err, os.RemoveAll(s.folder))
}

// engine opens an engine on a copy of its own.
func (s *stage) engine(ctx context.Context, name string) (*rentroll.Engine, error) {
	path, err := s.fixture.copyTo(s.folder, name)
	if err != nil {
		return nil, err
	}
	engine, err := open(ctx, path)
	if err == nil {
		s.closers = append(s.closers, engine.Close)
	}
	return engine, err
}

// work is an operation of the engine as one caller does it.
type work func(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID) error

func createRun(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID) error {
	_, err := e.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant, WorkerID: worker, Task: task})
	return err
}

func createAndComplete(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID) error {
	run, err := e.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant, WorkerID: worker, Task: task})
	if err != nil {
		return err
	}
	_, err = e.CompleteRun(ctx, rentroll.CompleteRunParams{
		TenantID: tenant, RunID: run.ID, Success: true, TotalTokens: 1234, TotalLatencyMS: 1000, StagesCompleted: 3, CostMicros: 1400,
	})
	return err
}

func recordUsage(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID) error {
	_, err := e.RecordUsage(ctx, rentroll.RecordUsageParams{
		TenantID: tenant, UsageParams: rentroll.UsageParams{Meter: "pages_read", Amount: 3, WorkerID: worker},
	})
	return err
}

func checkRunQuota(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID) error {
	d, err := e.CheckRunQuota(ctx, tenant, worker)
	if err == nil && !d.Allowed {
		err = fmt.Errorf("the quota is used up: %s", d.Reason)
	}
	return err
}

// grouped is the engine as it is: whatever has queued is one transaction.
func (s *stage) grouped(ctx context.Context, callers int, do work) (arm, error) {
	engine, err := s.engine(ctx, "grouped")
	return s.on("grouped", callers, func(ctx context.Context, tenant rentroll.TenantID) error { return do(ctx, engine, tenant) }), err
}

// perCall is the same engine, code and decision with one command a transaction: callers take turns.
func (s *stage) perCall(ctx context.Context, callers int, do work) (arm, error) {
	engine, err := s.engine(ctx, "per-call")
	var turn sync.Mutex
	return s.on("per call", callers, func(ctx context.Context, tenant rentroll.TenantID) error {
		turn.Lock()
		defer turn.Unlock()
		return do(ctx, engine, tenant)
	}), err
}

// direct is an admission as a program without lanes would write it: begin, lock, read, decide, write and commit, in the
// caller's own goroutine, through the same store and the same statements.
func (s *stage) direct(ctx context.Context) (arm, error) {
	path, err := s.fixture.copyTo(s.folder, "direct")
	if err != nil {
		return arm{}, err
	}
	store, err := sqlite.Open(ctx, path, nil)
	if err != nil {
		return arm{}, fmt.Errorf("stage: %w", err)
	}
	s.closers = append(s.closers, store.Close)
	return arm{name: "direct", callers: 1, op: func(ctx context.Context, c *caller) (int, error) {
		tenant := s.tenants[c.random.IntN(len(s.tenants))]
		now := time.Now().UTC()
		return 1, admitDirectly(ctx, store, tenant, now, runID(now, c.random))
	}}, nil
}

// admitDirectly admits one run in one transaction.
func admitDirectly(ctx context.Context, store rentroll.Store, tenant rentroll.TenantID, now time.Time, id rentroll.RunID) error {
	tx, err := store.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback()
	b := &rentroll.Batch{Now: now}
	if _, err := tx.Claim(ctx, b, []rentroll.TenantID{tenant}, true); err != nil {
		return fmt.Errorf("claim: %w", err)
	}
	ref := rentroll.WorkerRef{TenantID: tenant, WorkerID: worker}
	b.Workers.Want(ref)
	if err := tx.Load(ctx, b); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	account := *b.Accounts.Get(tenant)
	const limit = 1_000_000_000
	if account.Status != rentroll.TenantActive || !b.Workers.Get(ref).Enabled || account.RunsToday >= limit || account.ConcurrentRuns >= limit {
		return errors.New("denied")
	}
	account.RunsToday++
	account.ConcurrentRuns++
	account.LastNow = now
	b.Accounts.Put(tenant, &account)
	b.Runs.Put(rentroll.RunRef{TenantID: tenant, RunID: id}, &rentroll.Run{
		ID: id, TenantID: tenant, WorkerID: worker, Task: task, Status: rentroll.RunQueued, Attempt: 1,
		Lease: rentroll.DefaultLease, LeaseExpiresAt: now.Add(rentroll.DefaultLease), CreatedAt: now,
	})
	if err := tx.Save(ctx, b); err != nil {
		return fmt.Errorf("save: %w", err)
	}
	return tx.Commit(ctx, rentroll.BatchID(id))
}

// on makes an arm of an operation that each caller does for a random tenant.
func (s *stage) on(name string, callers int, do func(context.Context, rentroll.TenantID) error) arm {
	return arm{name: name, callers: callers, op: func(ctx context.Context, c *caller) (int, error) {
		return 1, do(ctx, s.tenants[c.random.IntN(len(s.tenants))])
	}}
}

// bare is the bulk insert of the same rows without any decision, on one connection.
func (s *stage) bare() (arm, error) {
	path, err := s.fixture.copyTo(s.folder, "bulk")
	if err != nil {
		return arm{}, err
	}
	b, err := openBulk(path, true)
	if err != nil {
		return arm{}, err
	}
	s.closers = append(s.closers, b.close)
	return arm{name: "bulk", callers: 1, op: func(ctx context.Context, c *caller) (int, error) {
		return b.insertRuns(ctx, c, s.tenants)
	}}, nil
}
