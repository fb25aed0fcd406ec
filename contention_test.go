package rentroll_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
	"github.com/rentroll/rentroll/sqlite"
)

// Commands of one batch that ask for the same further rows must each get them: two that decided on a row which was named
// and not loaded yet took it for absent, and lost what it counted.
func TestOneBatchSharesWhatItLoadsLater(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	engine := newEngine(t, nil)
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{
		Name: "Acme", Slug: "acme", LimitOverrides: quota.Limits{quota.ConcurrentRuns: quota.NoLimit(), quota.RunsPerDay: quota.NoLimit()},
	}))
	const room = 7
	_, key, err := engine.CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{
		TenantID: tenant.ID, Name: "counted", MaxConcurrentRuns: new(int64(room)), MaxTokensPerMonth: new(int64(1_000_000)),
	})
	must(err)
	p := rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "writer", Task: "draft", APIKeyID: key.ID, ReserveTokens: 10}
	var admitted atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for range 20 {
				run, err := engine.CreateRun(ctx, p)
				if errors.Is(err, rentroll.CodeQuotaExceeded) {
					continue
				}
				must(err)
				admitted.Add(1)
				value(engine.CompleteRun(ctx, rentroll.CompleteRunParams{
					TenantID: tenant.ID, RunID: run.ID, Success: true, TotalTokens: 3,
				}))
			}
		})
	}
	wg.Wait()
	if n := engine.Metrics().Isolated; n != 0 {
		t.Errorf("%d batches had to be repeated in parts", n)
	}
	// Nothing has leaked: there is room for exactly as many as before.
	for range room {
		value(engine.CreateRun(ctx, p))
	}
	_, err = engine.CreateRun(ctx, p)
	denied, ok := errors.AsType[*rentroll.QuotaExceededError](err)
	if !ok || denied.Scope != rentroll.ScopeKey || denied.Current != room {
		t.Errorf("beyond the room: %v", err)
	}
	summary := value(engine.GetUsageSummary(ctx, rentroll.UsageSummaryParams{TenantID: tenant.ID}))
	if got := summary.Meters[rentroll.MeterTokensUsed].Total; got != 3*admitted.Load() {
		t.Errorf("%d tokens were counted of %d runs, want 3 each", got, admitted.Load())
	}
	must(engine.Close())
}

// Many that are denied at once because of runs over their lease: the runs end once, and exactly as many get in.
func TestOneBatchEndsOverdueRunsOnce(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	var clock atomic.Int64
	clock.Store(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).UnixMicro())
	engine := newEngine(t, &rentroll.Options{Now: func() time.Time { return time.UnixMicro(clock.Load()) }, SweepInterval: -1})
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"})) // five at once
	p := rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "writer", Task: "draft", Lease: time.Minute}
	for range 5 {
		value(engine.CreateRun(ctx, p))
	}
	clock.Add(time.Minute.Microseconds())
	var admitted atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			_, err := engine.CreateRun(ctx, p)
			if err == nil {
				admitted.Add(1)
			} else if !errors.Is(err, rentroll.CodeQuotaExceeded) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if admitted.Load() != 5 {
		t.Errorf("%d runs were admitted, want 5", admitted.Load())
	}
	crashed := value(engine.ListRuns(ctx, rentroll.ListRunsParams{TenantID: tenant.ID, Status: rentroll.RunCrashed}))
	if len(crashed.Items) != 5 {
		t.Errorf("%d runs have crashed, want 5", len(crashed.Items))
	}
	if q := usedOf(value(engine.GetQuotas(ctx, tenant.ID))); q[quota.ConcurrentRuns] != 5 || q[quota.RunsPerDay] != 10 {
		t.Errorf("in use: %v", q)
	}
	if n := engine.Metrics().Isolated; n != 0 {
		t.Errorf("%d batches had to be repeated in parts", n)
	}
	must(engine.Close())
}

// givesUp is a store whose transactions begin with somebody giving up.
type givesUp struct {
	rentroll.Store

	cancel atomic.Pointer[context.CancelFunc]
}

func (s *givesUp) Begin(ctx context.Context) (rentroll.Tx, error) {
	if cancel := s.cancel.Load(); cancel != nil {
		(*cancel)()
	}
	return s.Store.Begin(ctx)
}

// Who gives up while a decision is being made reads nothing of it: what the decision leaves in its command is not for him.
// The race detector tells.
func TestGivingUpReadsNoDecision(t *testing.T) {
	t.Parallel()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "rentroll.db"), nil)
	must(err)
	begun := &givesUp{Store: store}
	engine, err := rentroll.New(begun, &rentroll.Options{SweepInterval: -1})
	must(err)
	tenant := value(engine.CreateTenant(t.Context(), rentroll.CreateTenantParams{
		Name: "Acme", Slug: "acme", LimitOverrides: quota.Limits{quota.RunsPerDay: quota.NoLimit(), quota.ConcurrentRuns: quota.NoLimit()},
	}))
	asks := rentroll.CreateRunParams{WorkerID: "writer", Task: "draft"}
	first := asks
	first.TenantID = tenant.ID
	open := value(engine.CreateRun(t.Context(), first))
	ended := value(engine.CreateRun(t.Context(), first))
	value(engine.CancelRun(t.Context(), rentroll.RunRef{TenantID: tenant.ID, RunID: ended.ID}))
	for what, call := range map[string]func(ctx context.Context) error{
		"Consume": func(ctx context.Context) error {
			_, err := engine.Consume(ctx, rentroll.ConsumeParams{TenantID: tenant.ID, Items: []rentroll.ConsumeItem{{Meter: "mails"}, {Meter: "faxes"}}})
			return err
		},
		"CreateRuns": func(ctx context.Context) error {
			_, err := engine.CreateRuns(ctx, rentroll.CreateRunsParams{TenantID: tenant.ID, Runs: []rentroll.CreateRunParams{asks, asks}})
			return err
		},
		"ReserveTokens": func(ctx context.Context) error {
			_, err := engine.ReserveTokens(ctx, rentroll.ReserveTokensParams{TenantID: tenant.ID, RunID: open.ID, Tokens: 1})
			return err
		},
		"RetryRun": func(ctx context.Context) error {
			_, err := engine.RetryRun(ctx, rentroll.RetryRunParams{TenantID: tenant.ID, RunID: ended.ID})
			return err
		},
	} {
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			begun.cancel.Store(&cancel)
			if err := call(ctx); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, rentroll.CodeAlreadyExists) {
				t.Errorf("%s: %v", what, err)
			}
			begun.cancel.Store(nil)
			cancel()
		}
	}
	must(engine.Close())
}

// What an engine answers is the caller's own: to write into it changes no limit, and no worker.
func TestAnswersAreTheCallers(t *testing.T) {
	t.Parallel()
	ctx, engine := t.Context(), newEngine(t, &rentroll.Options{SweepInterval: -1})
	put, _, err := engine.PutPlan(ctx, rentroll.PutPlanParams{Name: "small", Limits: quota.Limits{quota.ConcurrentRuns: quota.Of(1)}})
	must(err)
	put.Limits[quota.ConcurrentRuns] = quota.Of(9)
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme", Plan: "small"}))
	for _, p := range value(engine.ListPlans(ctx)) {
		if p.Name == "small" && p.Limits[quota.ConcurrentRuns] != quota.Of(1) {
			t.Errorf("the plan has become %+v", p)
		}
		p.Limits[quota.ConcurrentRuns] = quota.Of(9)
	}
	worker := value(engine.PutWorker(ctx, rentroll.PutWorkerParams{TenantID: tenant.ID, WorkerID: "writer", Enabled: true}))
	worker.Enabled = false
	asks := rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "writer", Task: "draft"}
	value(engine.CreateRun(ctx, asks))
	if _, err := engine.CreateRun(ctx, asks); !errors.Is(err, rentroll.CodeQuotaExceeded) {
		t.Errorf("beyond the limit: %v", err)
	}
	must(engine.Close())
}

// countsQuestions is a store that counts how often a transaction looks at all open runs of a tenant.
type countsQuestions struct {
	rentroll.Store

	asked atomic.Int64
}

func (s *countsQuestions) Begin(ctx context.Context) (rentroll.Tx, error) {
	tx, err := s.Store.Begin(ctx)
	return &countedTx{tx, s}, err
}

type countedTx struct {
	rentroll.Tx

	of *countsQuestions
}

func (t *countedTx) Load(ctx context.Context, b *rentroll.Batch) error {
	for _, answer := range b.OpenSubjects {
		if answer == nil {
			t.of.asked.Add(1)
		}
	}
	return t.Tx.Load(ctx, b)
}

// The first run of a subject looks at all runs that its tenant has open only while some of them are counted in no row of a
// subject: else a tenant with many of them would have each of its new subjects pay for all the others.
func TestNewSubjectsDoNotLookAtAllRuns(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	store, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "rentroll.db"), nil)
	must(err)
	counting := &countsQuestions{Store: store}
	engine, err := rentroll.New(counting, &rentroll.Options{SweepInterval: -1})
	must(err)
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{
		Name: "Acme", Slug: "acme", LimitOverrides: quota.Limits{quota.ConcurrentRuns: quota.NoLimit()},
	}))
	admit := func(subject string) *rentroll.Run {
		return value(engine.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "writer", Task: "draft", Subject: subject}))
	}
	before := []*rentroll.Run{admit("ada"), admit("ada"), admit("bob")} // nothing limits them: they are counted nowhere
	value(engine.UpdateTenant(ctx, rentroll.UpdateTenantParams{TenantID: tenant.ID, Change: func(edit *rentroll.TenantEdit) error {
		edit.LimitOverrides[quota.ForSubjects(quota.ConcurrentRuns)] = quota.Of(3)
		return nil
	}}))
	admit("ada")
	admit("cyd")
	if _, err := engine.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "writer", Task: "draft", Subject: "ada"}); !errors.Is(err, rentroll.CodeQuotaExceeded) {
		t.Errorf("a fourth run of one subject: %v", err)
	}
	if n := counting.asked.Load(); n != 2 {
		t.Errorf("while bob's run was counted nowhere, %d transactions looked at all open runs, want 2", n)
	}
	for _, run := range before {
		value(engine.CancelRun(ctx, rentroll.RunRef{TenantID: tenant.ID, RunID: run.ID}))
	}
	for _, subject := range []string{"dan", "eve", "fay"} {
		admit(subject)
	}
	if n := counting.asked.Load(); n != 2 {
		t.Errorf("%d transactions looked at all open runs, want none since all of them are counted", n-2)
	}
	if found := value(engine.Reconcile(ctx, rentroll.ReconcileParams{})).Differences; len(found) > 0 {
		t.Errorf("differences: %+v", found)
	}
	must(engine.Close())
}
