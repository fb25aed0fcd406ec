package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/pgtest"
	"github.com/rentroll/rentroll/internal/simtest"
	"github.com/rentroll/rentroll/postgres"
	"github.com/rentroll/rentroll/quota"
	"github.com/rentroll/rentroll/sqlite"
)

// A run's life, and what is recorded and loaded behind it, is played by a process that kills itself at one moment of one step, for every moment of every step. Then
// somebody else goes on, or nobody does and the lease runs out.

// step is one call in the life of a run.
type step struct {
	name string
	do   func(s *story) error

	// What the tenant has once the step has been committed.
	tokens, spend, pages int64
}

var steps = []step{
	{name: "nothing"}, // what there is before the first
	{name: "admit", do: func(s *story) error {
		run, err := s.CreateRun(s.ctx, rentroll.CreateRunParams{
			TenantID: s.Tenant, APIKeyID: s.Key, WorkerID: "builder", Task: "t", ReserveTokens: 100, Lease: time.Minute, IdempotencyKey: "admit",
		})
		if err == nil {
			s.run = rentroll.RunRef{TenantID: s.Tenant, RunID: run.ID}
		}
		return err
	}},
	{name: "start", do: func(s *story) error { _, err := s.StartRun(s.ctx, s.run); return err }},
	{name: "heartbeat", tokens: 30, do: func(s *story) error {
		_, err := s.Heartbeat(s.ctx, rentroll.HeartbeatParams{TenantID: s.Tenant, RunID: s.run.RunID, TokensSoFar: 30})
		return err
	}},
	{name: "extend", tokens: 30, do: func(s *story) error {
		_, err := s.ReserveTokens(s.ctx, rentroll.ReserveTokensParams{TenantID: s.Tenant, RunID: s.run.RunID, Tokens: 50, IdempotencyKey: "extend"})
		return err
	}},
	{name: "complete", tokens: 140, spend: 900, do: func(s *story) error {
		_, err := s.CompleteRun(s.ctx, rentroll.CompleteRunParams{
			TenantID: s.Tenant, RunID: s.run.RunID, Success: true, TotalTokens: 140, CostMicros: 900, IdempotencyKey: "complete",
		})
		return err
	}},
	{name: "record", tokens: 140, spend: 900, pages: 12, do: func(s *story) error {
		_, err := s.RecordUsageBatch(s.ctx, rentroll.RecordUsageBatchParams{TenantID: s.Tenant, Events: []rentroll.UsageParams{
			{Meter: "pages", Amount: 5, EventID: "first", RunID: s.run.RunID}, {Meter: "pages", Amount: 7, EventID: "second"},
		}})
		return err
	}},
	{name: "load", tokens: 140, spend: 900, pages: 12 + loadPages, do: func(s *story) error {
		return s.load(rentroll.RecordUsageBatchParams{Events: load(), IdempotencyKey: "load"}, loadEvents-loadRepeats, loadEvents-loadRepeats)
	}},
	{name: "load more", tokens: 140, spend: 900, pages: 12 + loadPages + morePages, do: func(s *story) error {
		var events []rentroll.UsageParams
		for _, e := range load() {
			if e.EventID != "" { // by which alone nothing counts twice
				events = append(events, e)
			}
		}
		for i := range morePages / 2 {
			events = append(events, rentroll.UsageParams{Meter: "pages", Amount: 2, EventID: fmt.Sprint("more ", i)})
		}
		return s.load(rentroll.RecordUsageBatchParams{Events: events}, 0, morePages/2)
	}},
}

// What is loaded in bulk, in the lane that is for that.
const (
	loadEvents  = 400
	loadRepeats = 100 // of them, under the id of the event in front
	loadPages   = 100*(1+3) + 100*2
	morePages   = 300
)

// load is one call's events: every fourth one repeats the one in front of it, and every fourth one has no id.
func load() (events []rentroll.UsageParams) {
	for i := range loadEvents / 4 {
		first := rentroll.UsageParams{Meter: "pages", Amount: 1, EventID: fmt.Sprint("load ", i)}
		events = append(events, first, first, rentroll.UsageParams{Meter: "pages", Amount: 2},
			rentroll.UsageParams{Meter: "pages", Amount: 3, EventID: fmt.Sprint("load, too, ", i)})
	}
	return events
}

// completes is the number of the step that ends the run.
const completes = 5

// moments are where in a step the process ends. While it commits, nobody knows whether it did.
var moments = []string{"begin", "claimed", "saved", "committing", "committed", "answered"}

// story is one life of a run, and where it ends. The exported fields tell a process what to play.
type story struct {
	*rentroll.Engine `json:"-"`

	SQLite, Postgres, Schema string // where
	Tenant                   rentroll.TenantID
	Key                      rentroll.KeyID
	Step                     int // which kills, at Moment
	Moment                   string
	Delay                    time.Duration // of the kill while it commits
	Errand                   string        // what to do instead of the steps; Step then is a transaction

	ctx  context.Context
	slug string
	run  rentroll.RunRef
	now  int // the step under way

	begun bool // the errand
}

// at0 is the clock of the process that is killed.
func at0() time.Time { return at(0) }

const storyVariable = "RENTROLL_TEST_STORY"

func TestMain(m *testing.M) {
	text := os.Getenv(storyVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	s := &story{}
	err := json.Unmarshal([]byte(text), s)
	if err == nil {
		err = s.play()
	}
	fmt.Println("not killed:", err)
	os.Exit(1)
}

// load records events in one call, of which either of two numbers must be recorded: as many as are new where the call came
// before and where it did not. The others are duplicates.
func (s *story) load(p rentroll.RecordUsageBatchParams, again, first int64) error {
	p.TenantID = s.Tenant
	receipt, err := s.RecordUsageBatch(s.ctx, p)
	if err != nil {
		return err
	}
	told := make(map[rentroll.UsageStatus]int64)
	for _, item := range receipt.Items {
		told[item.Status]++
	}
	recorded, duplicates := told[rentroll.UsageRecorded], told[rentroll.UsageDuplicate]
	if all := int64(len(p.Events)); recorded+duplicates != all || recorded != again && recorded != first {
		return fmt.Errorf("of %d events %v, want %d recorded or %d, and the others duplicates", all, told, again, first)
	}
	return nil
}

// open opens the story's store.
func (s *story) open(ctx context.Context) (rentroll.Store, error) {
	if s.SQLite != "" {
		return sqlite.Open(ctx, s.SQLite, nil)
	}
	return postgres.Open(ctx, s.Postgres, &postgres.Options{Schema: s.Schema, Connections: 4})
}

// play plays the steps, up to the end of this process.
func (s *story) play() (err error) {
	s.ctx = context.Background()
	store, err := s.open(s.ctx)
	if err != nil {
		return err
	}
	options := &rentroll.Options{SweepInterval: -1, Now: at0}
	if s.Errand != "" {
		options.Now, options.Retention.Interval = s.date, -1
	}
	if s.Engine, err = rentroll.New(&deadly{store, s}, options); err != nil {
		return err
	}
	if s.Errand != "" {
		s.begun = true
		if err := errands[s.Errand].do(s); err != nil {
			return err
		}
		return errors.New("the end was reached")
	}
	for s.now = 1; s.now < len(steps); s.now++ {
		if err := steps[s.now].do(s); err != nil {
			return fmt.Errorf("%s: %w", steps[s.now].name, err)
		}
		fmt.Println(steps[s.now].name)
		s.die("answered")
	}
	return errors.New("the end was reached")
}

// die ends the process if this is the moment, as kill -9 does.
func (s *story) die(moment string) {
	if s.now == s.Step && moment == s.Moment {
		s.kill()
	}
}

// dieDuring ends the process a moment later, if it is to end while it commits.
func (s *story) dieDuring() {
	if s.now == s.Step && s.Moment == "committing" {
		time.AfterFunc(s.Delay, s.kill)
	}
}

func (s *story) kill() {
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL) // nothing comes after it
	select {}
}

// deadly is a store in which the process ends at the moment of its story.
type deadly struct {
	rentroll.Store

	*story
}

func (d *deadly) Begin(ctx context.Context) (rentroll.Tx, error) {
	if d.begun {
		d.now++
	}
	d.die("begin")
	tx, err := d.Store.Begin(ctx)
	return &deadlyTx{tx, d.story}, err
}

// Prune is a transaction of its own.
func (d *deadly) Prune(ctx context.Context, mark rentroll.PrunedMark, rows []rentroll.OldRow) error {
	d.now++
	for _, moment := range []string{"begin", "claimed", "saved"} {
		d.die(moment)
	}
	d.dieDuring()
	err := d.Store.Prune(ctx, mark, rows)
	d.die("committed")
	d.die("committing")
	return err
}

type deadlyTx struct {
	rentroll.Tx

	*story
}

func (t *deadlyTx) Claim(ctx context.Context, b *rentroll.Batch, ids []rentroll.TenantID, wait bool) ([]rentroll.TenantID, error) {
	busy, err := t.Tx.Claim(ctx, b, ids, wait)
	t.die("claimed")
	return busy, err
}

func (t *deadlyTx) Save(ctx context.Context, b *rentroll.Batch) error {
	err := t.Tx.Save(ctx, b)
	t.die("saved")
	return err
}

func (t *deadlyTx) Commit(ctx context.Context, id rentroll.BatchID) error {
	t.dieDuring()
	err := t.Tx.Commit(ctx, id)
	t.die("committed")
	t.die("committing")
	return err
}

// TestEveryStep: wherever between or within the steps of a run its process is killed, no slot and no reservation leaks,
// what was answered has happened, what is asked again happens once, and everything adds up.
func TestEveryStep(t *testing.T) {
	t.Parallel()
	url, schema := pgtest.Database(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("the kills come as seed %d has it", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	delay := func() time.Duration { return time.Duration(rng.Int64N(int64(2 * time.Millisecond))) }
	var stories []story
	for i := range steps[1:] {
		for _, moment := range moments {
			stories = append(stories,
				story{SQLite: "rentroll.db", Step: i + 1, Moment: moment, Delay: delay()},
				story{Postgres: url, Schema: schema, Step: i + 1, Moment: moment, Delay: delay()})
		}
	}
	for _, s := range stories {
		for then, goOn := range map[string]func(t *testing.T, s *story){"asked again": askAgain, "left alone": leaveAlone} {
			store := "postgres"
			if s.SQLite != "" {
				store = "sqlite"
			}
			t.Run(strings.Join([]string{store, steps[s.Step].name, s.Moment, then}, "/"), func(t *testing.T) {
				t.Parallel()
				s := s
				s.slug = strings.ReplaceAll(fmt.Sprintf("%d-%s-%s", s.Step, s.Moment, then), " ", "-")
				s.ctx = t.Context()
				if s.SQLite != "" {
					s.SQLite = filepath.Join(t.TempDir(), s.SQLite)
				}
				answered := s.live(t)
				want := s.Step - 1
				if s.Moment == "answered" {
					want = s.Step
				}
				if len(answered) != want {
					t.Fatalf("%d steps were answered, want %d: %v", len(answered), want, answered)
				}
				goOn(t, &s)
			})
		}
	}
}

// done is how many steps the database has, at least.
func (s *story) done() int {
	if s.Moment == "committed" || s.Moment == "answered" {
		return s.Step
	}
	return s.Step - 1
}

var migrating sync.Mutex // the stories on PostgreSQL share a schema

// live makes the tenant, lets a process play the story, and returns what that was answered before it died.
func (s *story) live(t *testing.T) (answered []string) {
	t.Helper()
	s.resume(t, at0, -1)
	s.found(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	out, killed := s.perform(t)
	if !killed {
		t.Fatalf("the process was not killed:\n%s", out)
	}
	for line := range strings.Lines(out) {
		name := strings.TrimSpace(line)
		if slices.ContainsFunc(steps, func(s step) bool { return s.name == name }) {
			answered = append(answered, name)
		}
	}
	return answered
}

// found makes the tenant and its key.
func (s *story) found(t *testing.T) {
	t.Helper()
	tenant, err := s.CreateTenant(s.ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: s.slug})
	if err != nil {
		t.Fatal(err)
	}
	_, key, err := s.CreateAPIKey(s.ctx, rentroll.CreateAPIKeyParams{
		TenantID: tenant.ID, Name: "k", MaxConcurrentRuns: new(int64(1)), MaxTokensPerMonth: new(int64(1000)),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Tenant, s.Key = tenant.ID, key.ID
}

// perform lets a process play the story, and returns what it said and whether it was killed.
func (s *story) perform(t *testing.T) (out string, killed bool) {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), storyVariable+"="+string(text))
	said, err := cmd.CombinedOutput()
	exit, failed := errors.AsType[*exec.ExitError](err)
	if !failed {
		t.Fatalf("the process: %v\n%s", err, said)
	}
	return string(said), exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
}

// resume opens an engine on the story's database, with a sweeper or without.
func (s *story) resume(t *testing.T, now func() time.Time, sweep time.Duration) {
	t.Helper()
	migrating.Lock()
	store, err := s.open(s.ctx)
	migrating.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if s.Engine, err = rentroll.New(store, &rentroll.Options{SweepInterval: sweep, Now: now}); err != nil {
		t.Fatal(err)
	}
}

// askAgain: whoever was not answered asks for everything again. It happens once.
func askAgain(t *testing.T, s *story) {
	t.Helper()
	s.resume(t, at0, -1)
	defer s.Close()
	for _, step := range steps[1:] {
		err := step.do(s)
		if ended := s.Step >= completes && errors.Is(err, rentroll.CodeRunAlreadyEnded); err != nil && !ended {
			t.Fatalf("%s, asked again: %v", step.name, err)
		}
	}
	s.adds(t, steps[len(steps)-1])
	run, err := s.GetRun(s.ctx, s.run)
	if err != nil || run.Status != rentroll.RunCompleted || *run.TotalTokens != 140 {
		t.Errorf("the run is %+v, %v", run, err)
	}
}

// leaveAlone: nobody comes back. The lease runs out, and what was reported until then is billed: by the sweeper or, on the
// database that the stories share, by the next admission, which needs the slot.
func leaveAlone(t *testing.T, s *story) {
	t.Helper()
	later := func() time.Time { return at(120) }
	if s.SQLite != "" {
		s.resume(t, later, 5*time.Millisecond)
		defer s.Close()
		s.swept(t)
	} else {
		s.resume(t, later, -1)
		defer s.Close()
		s.next(t)
	}
	if at := s.done(); s.Moment != "committing" || s.same(t, steps[at]) {
		s.adds(t, steps[at])
	} else {
		s.adds(t, steps[at+1])
	}
}

// swept waits until no run is open.
func (s *story) swept(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for open := true; open; <-tick.C {
		list, err := s.ListRuns(s.ctx, rentroll.ListRunsParams{TenantID: s.Tenant})
		if err != nil {
			t.Fatal(err)
		}
		open = slices.ContainsFunc(list.Items, func(r *rentroll.Run) bool { return r.Status.Open() })
	}
}

// next admits one more run under the key, which has one slot, and gives it up.
func (s *story) next(t *testing.T) {
	t.Helper()
	run, err := s.CreateRun(s.ctx, rentroll.CreateRunParams{TenantID: s.Tenant, APIKeyID: s.Key, WorkerID: "builder", Task: "next"})
	if err != nil {
		t.Fatalf("the key's one slot is not free: %v", err)
	}
	if _, err := s.CancelRun(s.ctx, rentroll.RunRef{TenantID: s.Tenant, RunID: run.ID}); err != nil {
		t.Error(err)
	}
}

// same reports whether the tenant has what it has after a step.
func (s *story) same(t *testing.T, want step) bool {
	t.Helper()
	tokens, spend, pages := s.has(t)
	return tokens == want.tokens && spend == want.spend && pages == want.pages
}

// has reads what the tenant has used.
func (s *story) has(t *testing.T) (tokens, spend, pages int64) {
	t.Helper()
	quotas, err := s.GetQuotas(s.ctx, s.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range quotas {
		switch {
		case q.Quota == quota.TokensPerMonth:
			tokens = q.Used
		case q.Quota == quota.SpendPerMonth:
			spend = q.Used
		case q.Quota == quota.ConcurrentRuns && q.Used != 0:
			t.Errorf("%d slots are held by nobody", q.Used)
		}
		if q.Reserved != 0 {
			t.Errorf("%d of %s are reserved by nobody", q.Reserved, q.Quota)
		}
	}
	usage, err := s.GetUsageSummary(s.ctx, rentroll.UsageSummaryParams{
		TenantID: s.Tenant, Start: at(-3600), End: at(3600),
	})
	if err != nil {
		t.Fatal(err)
	}
	return tokens, spend, usage.Meters["pages"].Total
}

// adds fails the test where the tenant has anything else than after a step, or what is stored contradicts itself.
func (s *story) adds(t *testing.T, want step) {
	t.Helper()
	if tokens, spend, pages := s.has(t); tokens != want.tokens || spend != want.spend || pages != want.pages {
		t.Errorf("used %d tokens, %d of spend and %d pages; want %d, %d and %d", tokens, spend, pages, want.tokens, want.spend, want.pages)
	}
	all, err := s.Reconcile(s.ctx, rentroll.ReconcileParams{TenantID: s.Tenant})
	if err != nil || len(all.Differences) > 0 || len(all.Unchecked) > 0 || all.NextCursor != "" {
		t.Errorf("reconciled: %+v, %v", all, err)
	}
	if s.SQLite != "" {
		if err := simtest.Reconciled(s.ctx, s.Engine); err != nil {
			t.Error(err)
		}
	}
	s.next(t)
}
