package postgres_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/faultproxy"
	"github.com/rentroll/rentroll/internal/pgtest"
	"github.com/rentroll/rentroll/internal/simtest"
	"github.com/rentroll/rentroll/postgres"
	"github.com/rentroll/rentroll/quota"
)

// The tests of the files faults_*_test.go break what is between an engine and its database, or the database, and ask of
// the engine what is promised: callers are answered in time, what was answered is stored, nothing is stored half or
// twice, limits hold, and when the fault is over the engine works again without anybody's help.

var faultSeed = flag.Uint64("faultseed", 0, "the seed of the faults; 0 is a new one")

// stand is an engine that reaches its database through a proxy, and what looks on from beside it.
type stand struct {
	*rentroll.Engine

	t       *testing.T
	rng     *rand.Rand         // of the test's own goroutine
	store   rentroll.Store     // of the engine
	also    []*rentroll.Engine // further servers, for the load
	proxy   *faultproxy.Proxy
	url     string // past the proxy
	schema  string
	admin   *pgxpool.Pool // past the proxy
	tenants []rentroll.TenantID
}

// standOptions tune a stand. The zero value is fine.
type standOptions struct {
	store    postgres.Options
	engine   rentroll.Options
	settings string // of the engine's sessions, as the end of a URL: &name=value
	past     bool   // the engine goes past the proxy
}

// The tenants of a stand, and what limits them.
var standLimits = []quota.Limits{
	{quota.RunsPerDay: quota.Of(60)},
	{quota.ConcurrentRuns: quota.Of(4)},
	{},
}

// newStand starts an engine on a database of the server that all tests share.
func newStand(t *testing.T, o standOptions) *stand {
	t.Helper()
	url, schema := pgtest.Database(t)
	return newStandAt(t, url, url, schema, o)
}

// newStandOn starts an engine on a cluster that is the test's own.
func newStandOn(t *testing.T, c *pgtest.Cluster, o standOptions) *stand {
	t.Helper()
	return newStandAt(t, c.URL(), c.URL(), "rentroll", o)
}

// newStandAt starts an engine on the database at one URL, and looks at it through another.
func newStandAt(t *testing.T, url, beside, schema string, o standOptions) *stand {
	t.Helper()
	seed := *faultSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-faultseed=%d", seed)
	s := &stand{t: t, rng: rand.New(rand.NewPCG(seed, 0)), url: beside, schema: schema}
	s.proxy = faultproxy.New(t, url)
	o.store.Schema = schema
	if o.store.Connections == 0 {
		o.store.Connections = 6
	}
	if !o.past {
		url = s.proxy.URL()
	}
	s.Engine, s.store = s.start(url+"&application_name="+schema+o.settings, o)
	var err error
	if s.admin, err = pgxpool.New(t.Context(), beside); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.admin.Close)
	for i, limits := range standLimits {
		limits = limits.Clone()
		for _, d := range quota.Definitions() {
			if _, limited := limits[d.Name]; !limited {
				limits[d.Name] = quota.NoLimit()
			}
		}
		slug := fmt.Sprintf("tenant-%d", i)
		tenant, err := s.CreateTenant(t.Context(), rentroll.CreateTenantParams{Name: slug, Slug: slug, LimitOverrides: limits})
		if err != nil {
			t.Fatal(err)
		}
		s.tenants = append(s.tenants, tenant.ID)
	}
	return s
}

// start starts an engine on the stand's database, at a URL that leads there.
func (s *stand) start(url string, o standOptions) (*rentroll.Engine, rentroll.Store) {
	s.t.Helper()
	o.store.Schema = s.schema
	store, err := postgres.Open(s.t.Context(), url, &o.store)
	if err != nil {
		s.t.Fatal(err)
	}
	e, err := rentroll.New(store, &o.engine)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		s.proxy.Watch(nil)
		s.proxy.Release()
		s.proxy.Cut() // the engine has nobody to wait for
		if err := e.Close(); err != nil {
			s.t.Errorf("closing an engine: %v", err)
		}
	})
	return e, store
}

// server returns one of the servers.
func (s *stand) server(n int) *rentroll.Engine {
	if i := n % (len(s.also) + 1); i > 0 {
		return s.also[i-1]
	}
	return s.Engine
}

// sql runs a statement beside the engine.
func (s *stand) sql(text string, args ...any) {
	s.t.Helper()
	if _, err := s.admin.Exec(s.t.Context(), text, args...); err != nil {
		s.t.Fatalf("%s: %v", text, err)
	}
}

// until waits for a condition that others bring about.
func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(3 * time.Minute)
	for !met() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// slack is how much later than it is meant to something may happen on a busy machine: far less than what it would take if
// nobody had an eye on the time.
const slack = 15 * time.Second

// within runs a call that has a deadline, and fails the test where it is answered later than a little after.
func within(t *testing.T, d time.Duration, call func(ctx context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	begin := time.Now()
	err := call(ctx)
	if took := time.Since(begin); took > d+slack {
		t.Errorf("a caller with a deadline of %s was answered after %s: %v", d, took, err)
	}
	return err
}

// job is the work that one caller asks for: a run, perhaps its end, and an event. Each step is repeated until it is
// answered, and must have its effect once.
type job struct {
	tenant rentroll.TenantID
	key    string // of idempotency, and the run's task
	tokens int64  // of the completion; 0 leaves the run open

	run       *rentroll.Run // nil until it is answered
	denied    bool
	unsure    bool // a call was not answered before it was denied, and may have happened all the same
	completed bool
	recorded  bool
}

// step asks for what is not answered yet.
func (j *job) step(ctx context.Context, e *rentroll.Engine) (err error) {
	if j.run == nil && !j.denied {
		j.run, err = e.CreateRun(ctx, rentroll.CreateRunParams{
			TenantID: j.tenant, WorkerID: "builder", Task: j.key, ReserveTokens: 5, IdempotencyKey: j.key,
		})
		if errors.Is(err, rentroll.CodeQuotaExceeded) {
			j.denied, err = true, nil
		}
		if err != nil {
			j.unsure = true
			return err
		}
	}
	if !j.denied && !j.completed && j.tokens > 0 {
		_, err := e.CompleteRun(ctx, rentroll.CompleteRunParams{TenantID: j.tenant, RunID: j.run.ID, Success: true, TotalTokens: j.tokens})
		if err != nil {
			return err
		}
		j.completed = true
	}
	if !j.recorded {
		item, err := e.RecordUsage(ctx, rentroll.RecordUsageParams{
			TenantID: j.tenant, UsageParams: rentroll.UsageParams{Meter: "pages", Amount: 3, EventID: j.key},
		})
		if err != nil {
			return err
		}
		j.recorded = item.Status == rentroll.UsageRecorded || item.Status == rentroll.UsageDuplicate
	}
	return nil
}

// load is many callers at work.
type load struct {
	*stand

	stop    chan struct{}
	callers sync.WaitGroup

	mu      sync.Mutex
	jobs    []*job
	good    int              // steps that were answered
	refused map[string]int   // calls that were not, by code
	wrong   map[string]error // those whose code says that somebody is at fault
}

// patience is the deadline of the callers of a load.
const patience = 5 * time.Second

// begin lets callers work until the load is ended.
func (s *stand) begin(callers int) *load {
	l := &load{stand: s, stop: make(chan struct{}), refused: map[string]int{}, wrong: map[string]error{}}
	for i := range callers {
		l.callers.Go(func() {
			for n := 0; !l.ended(0); n++ {
				j := &job{tenant: s.tenants[(i+n)%len(s.tenants)], key: fmt.Sprintf("job-%d-%d", i, n)}
				if (i+n)%len(s.tenants) == 1 || n%2 == 0 { // all of the one whose runs at a time are limited
					j.tokens = int64(1 + n)
				}
				l.mu.Lock()
				l.jobs = append(l.jobs, j)
				l.mu.Unlock()
				err := within(s.t, patience, func(ctx context.Context) error { return j.step(ctx, s.server(i+n/2)) })
				l.note(err)
				if err != nil {
					l.ended(10 * time.Millisecond) // as a caller does who was refused
				}
			}
		})
	}
	return l
}

// ended waits a while for the load's end, and says whether it has come.
func (l *load) ended(wait time.Duration) bool {
	select {
	case <-l.stop:
		return true
	case <-time.After(wait):
		return false
	}
}

// note counts how a caller's work ended.
func (l *load) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch code := rentroll.CodeOf(err); {
	case err == nil:
		l.good++
	case code == rentroll.CodeUnavailable, code == rentroll.CodeOverloaded:
		l.refused[string(code)]++
	case errors.Is(err, context.DeadlineExceeded):
		l.refused["deadline"]++
	default:
		l.wrong[string(code)] = err
	}
}

// answered returns how many jobs were done without a failure.
func (l *load) answered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.good
}

// more waits until so many more jobs were done.
func (l *load) more(n int) {
	l.t.Helper()
	want := l.answered() + n
	until(l.t, fmt.Sprintf("%d more jobs", n), func() bool { return l.answered() >= want })
}

// end ends the load, repeats what was not answered until it is, and checks what is stored.
func (l *load) end() {
	l.t.Helper()
	close(l.stop)
	l.callers.Wait()
	left := make(chan *job, len(l.jobs))
	for _, j := range l.jobs {
		left <- j
	}
	close(left)
	var repeating sync.WaitGroup
	for range 8 {
		repeating.Go(func() {
			for j := range left {
				if err := within(l.t, time.Minute, func(ctx context.Context) error { return j.step(ctx, l.server(len(j.key))) }); err != nil {
					l.t.Errorf("%s, after the fault: %v", j.key, err)
				}
			}
		})
	}
	repeating.Wait()
	m := l.Metrics()
	l.t.Logf("%d jobs, %d answered at once, refused %v; %d retries, %d unknown commits", len(l.jobs), l.good, l.refused, m.Retries, m.UnknownCommits)
	for code, err := range l.wrong {
		l.t.Errorf("a caller was told %q: %v", code, err)
	}
	l.audit()
}

// audit checks that what is stored is exactly what was answered.
func (l *load) audit() {
	l.t.Helper()
	jobs := map[rentroll.TenantID]map[string]*job{}
	for _, j := range l.jobs {
		if jobs[j.tenant] == nil {
			jobs[j.tenant] = map[string]*job{}
		}
		jobs[j.tenant][j.key] = j
	}
	store, err := postgres.Open(l.t.Context(), l.url, &postgres.Options{Schema: l.schema})
	if err != nil {
		l.t.Fatal(err)
	}
	defer store.Close()
	for i, tenant := range l.tenants {
		if err := l.auditTenant(store, tenant, standLimits[i], jobs[tenant]); err != nil {
			l.t.Errorf("tenant %d: %v", i, err)
		}
	}
}

func (l *load) auditTenant(store rentroll.Store, tenant rentroll.TenantID, limits quota.Limits, jobs map[string]*job) error {
	ctx := context.Background()
	errs := []error{simtest.CheckRows(ctx, store, tenant)}
	complain := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	var runs []*rentroll.Run
	var sums []rentroll.MeterSum
	err := store.View(ctx, func(r rentroll.Reader) error {
		page, err := r.ListRuns(ctx, rentroll.RunFilter{TenantID: tenant, Limit: 1 << 20, Scan: 1 << 20})
		if err != nil {
			return err
		}
		runs = page.Runs
		sums, err = r.SumUsage(ctx, tenant, time.Unix(0, 0), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
		return err
	})
	if err != nil {
		return err
	}
	stored := map[string]*rentroll.Run{}
	for _, run := range runs {
		if strings.HasPrefix(run.Task, probe) {
			continue
		}
		if stored[run.Task] != nil {
			complain("%s has two runs", run.Task)
		}
		stored[run.Task] = run
	}
	for key, j := range jobs {
		run := stored[key]
		delete(stored, key)
		switch {
		case j.run != nil && run == nil, j.denied && run != nil && !j.unsure:
			complain("%s was denied: %t, and its run is %v", key, j.denied, run)
		case run == nil:
		case j.run == nil: // never answered: reported before
		case run.ID != j.run.ID:
			complain("%s was answered with %s and is stored as %s", key, j.run.ID, run.ID)
		case j.completed && (run.Status != rentroll.RunCompleted || *run.TotalTokens != j.tokens):
			complain("%s was completed with %d tokens and is %s", key, j.tokens, run.Status)
		case !j.completed && !run.Status.Open():
			complain("%s was not completed and is %s", key, run.Status)
		}
	}
	for key := range stored {
		complain("%s is stored, and nobody asked for it", key)
	}
	for _, sum := range sums {
		if sum.Meter == "pages" && (sum.Events != int64(len(jobs)) || sum.Total != 3*sum.Events) {
			complain("%d events of %d pages, want %d", sum.Events, sum.Total, len(jobs))
		}
	}
	days := map[string]int64{}
	for _, run := range runs {
		days[run.CreatedAt.Format(time.DateOnly)]++
	}
	for day, n := range days {
		if limit, is := limits[quota.RunsPerDay]; is && n > limit.Max {
			complain("%d runs on %s, and %d are allowed", n, day, limit.Max)
		}
	}
	if limit, is := limits[quota.ConcurrentRuns]; is {
		if n := mostAtOnce(runs); n > limit.Max {
			complain("%d runs at once, and %d are allowed", n, limit.Max)
		}
	}
	return errors.Join(errs...)
}

// mostAtOnce returns how many of the runs were open at the same time, by their rows.
func mostAtOnce(runs []*rentroll.Run) (most int64) {
	type change struct {
		at time.Time
		by int64
	}
	var changes []change
	for _, r := range runs {
		changes = append(changes, change{r.CreatedAt, 1})
		if r.CompletedAt != nil {
			changes = append(changes, change{*r.CompletedAt, -1})
		}
	}
	slices.SortFunc(changes, func(a, b change) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return int(a.by - b.by) // of one instant, what ends makes room for what begins
	})
	var open int64
	for _, c := range changes {
		open += c.by
		most = max(most, open)
	}
	return most
}
