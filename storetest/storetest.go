// Package storetest is the definition of a store: the tests that every [rentroll.Store] passes. The test of a store is
// little more than
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) rentroll.Store { … })
//	}
//
// The suite has a file a noun (runs.go, keys.go …), whose rows are put, read back, changed, refused and listed, and files
// for what concerns all nouns:
//
//	transactions.go   claim, load, save, commit, and that a rollback leaves nothing
//	snapshots.go      what a View sees while others write
//	concurrency.go    locks, lost updates, waiting and giving up, closing
//	text.go           that texts which differ are different keys, whatever they look like
//	extremes.go       the longest texts, the largest rows and batches, the largest numbers, the farthest times
//	engine.go         a few histories of the whole engine, so that a new store proves the engine on it
//	benchmark.go      what Benchmark measures
//
// A bug that is found in one store becomes a test here first, so that every store is asked.
package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rentroll/rentroll"
)

// test is one test of the suite.
type test struct {
	name string
	run  func(s *scene)
}

// group is the tests of one noun or one promise.
type group struct {
	name  string
	tests []test
}

func groups() []group {
	return []group{
		{"Accounts", accountTests()},
		{"Tenants", tenantTests()},
		{"Plans", planTests()},
		{"Directory", directoryTests()},
		{"Users", userTests()},
		{"Members", memberTests()},
		{"Keys", keyTests()},
		{"OperatorKeys", operatorKeyTests()},
		{"Sessions", sessionTests()},
		{"Activity", activityTests()},
		{"Runs", runTests()},
		{"Payloads", payloadTests()},
		{"Workers", workerTests()},
		{"Subjects", subjectTests()},
		{"Usage", usageTests()},
		{"Rollups", rollupTests()},
		{"Marks", markTests()},
		{"Idempotency", onceTests()},
		{"Audit", auditTests()},
		{"Checkpoints", checkpointTests()},
		{"Chores", choreTests()},
		{"Periods", periodTests()},
		{"Recount", recountTests()},
		{"Events", eventTests()},
		{"Prune", pruneTests()},
		{"Statistics", statisticsTests()},
		{"Invalidations", invalidationTests()},
		{"Servers", serverTests()},
		{"Transactions", transactionTests()},
		{"Snapshots", snapshotTests()},
		{"Concurrency", concurrencyTests()},
		{"Text", textTests()},
		{"Extremes", extremeTests()},
		{"Engine", engineTests()},
	}
}

// Run checks a store. Every call of open returns a new and empty one, migrated and ready for use; the suite closes it.
// It is called for each test, from tests that run in parallel, and t is that test's own.
func Run(t *testing.T, open func(t *testing.T) rentroll.Store) {
	t.Helper()
	for _, g := range groups() {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range g.tests {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(newScene(t, open(t)))
				})
			}
		})
	}
}

// scene is what a test plays on: a store of its own, and a source of ids.
type scene struct {
	testing.TB

	store rentroll.Store

	mu     sync.Mutex // guards what follows
	random *rand.Rand // the same for each run of a test
	made   uint64     // how many ids
}

func newScene(t testing.TB, store rentroll.Store) *scene {
	t.Helper()
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	return &scene{TB: t, store: store, random: rand.New(rand.NewChaCha8(sha256.Sum256([]byte(t.Name()))))}
}

// instant is when the tests play: a time with microseconds and nothing below.
var instant = time.Date(2026, 3, 14, 15, 9, 26, 535897*1000, time.UTC)

// after returns an instant so many microseconds later.
func after(micros int) time.Time { return instant.Add(time.Duration(micros) * time.Microsecond) }

// newID returns an id that is larger than those before it, as those of a real clock are.
func newID[I ~[16]byte](s *scene) (id I) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	binary.BigEndian.PutUint64(id[:8], (uint64(instant.UnixMilli())+s.made)<<16|7<<12)
	binary.BigEndian.PutUint64(id[8:], 2<<62|s.random.Uint64()>>2)
	return id
}

// hash returns 32 random bytes.
func (s *scene) hash() (h [32]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range h {
		h[i] = byte(s.random.Uint32())
	}
	return h
}

// must ends the test on an error.
func (s *scene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// fails ends the test unless err is a store's, of this class.
func (s *scene) fails(err error, class rentroll.Class) {
	s.Helper()
	var e *rentroll.StoreError
	if !errors.As(err, &e) || e.Class != class {
		s.Fatalf("got the error %v, want a StoreError of class %d", err, class)
	}
}

// same ends the test where got is not what is wanted. Fields that are named are not compared.
func same[T any](s *scene, what string, got, want T, ignore ...string) {
	s.Helper()
	notEmpty := func(a, b json.RawMessage) bool { return len(a)+len(b) > 0 }
	options := cmp.Options{
		cmpopts.EquateEmpty(), // nil and empty are the same, but where a test says otherwise
		cmp.FilterValues(notEmpty, cmp.Comparer(func(a, b json.RawMessage) bool { return string(a) == string(b) })),
	}
	if len(ignore) > 0 {
		var row T
		options = append(options, cmpopts.IgnoreFields(element(row), ignore...))
	}
	if diff := cmp.Diff(want, got, options); diff != "" {
		s.Fatalf("%s is not as it was put (-want +got):\n%s", what, diff)
	}
}

// begin opens a write transaction, which ends with the test at the latest.
func (s *scene) begin() rentroll.Tx {
	s.Helper()
	tx, err := s.store.Begin(s.Context())
	s.must(err)
	s.Cleanup(tx.Rollback)
	return tx
}

// claim begins a transaction that holds accounts.
func (s *scene) claim(accounts ...rentroll.TenantID) (rentroll.Tx, *rentroll.Batch) {
	s.Helper()
	tx, b := s.begin(), &rentroll.Batch{Now: instant}
	if _, err := tx.Claim(s.Context(), b, accounts, true); err != nil {
		s.Fatal(err)
	}
	return tx, b
}

// commit saves a batch and commits.
func (s *scene) commit(tx rentroll.Tx, b *rentroll.Batch) {
	s.Helper()
	s.must(tx.Save(s.Context(), b))
	s.must(tx.Commit(s.Context(), newID[rentroll.BatchID](s)))
}

// change commits a transaction that loads what want names and then writes what then puts.
func (s *scene) change(want, then func(b *rentroll.Batch)) {
	s.Helper()
	tx, b := s.claim()
	want(b)
	s.must(tx.Load(s.Context(), b))
	then(b)
	s.commit(tx, b)
}

// put commits new rows.
func (s *scene) put(fill func(b *rentroll.Batch)) {
	s.Helper()
	s.change(func(*rentroll.Batch) {}, fill)
}

// refuse checks that new rows are refused for a conflict, and that nothing is left of the transaction.
func (s *scene) refuse(fill func(b *rentroll.Batch)) {
	s.Helper()
	witness := rentroll.OnceRef{TenantID: rentroll.PlatformID, Operation: "refused", Key: newID[rentroll.RunID](s).String()}
	tx, b := s.claim()
	b.Once.Put(witness, &rentroll.OnceRecord{OnceRef: witness, CreatedAt: instant})
	fill(b)
	err := tx.Save(s.Context(), b)
	if err == nil { // the store collects its writes
		err = tx.Commit(s.Context(), newID[rentroll.BatchID](s))
	}
	s.fails(err, rentroll.ClassConflict)
	tx.Rollback()
	if get(s, onceRows, witness) != nil {
		s.Fatal("a row of the refused transaction is there")
	}
}

// maxTries bounds how often a transaction is repeated after ClassRetry.
const maxTries = 100

// transact commits a transaction that holds accounts and makes the changes of then; it is tried again where the store
// asks for that. Unlike commit it may be called from any goroutine.
func (s *scene) transact(accounts []rentroll.TenantID, then func(b *rentroll.Batch)) error {
	for try := 0; ; try++ {
		err := s.tryTransact(accounts, then)
		var e *rentroll.StoreError
		if !errors.As(err, &e) || e.Class != rentroll.ClassRetry || try == maxTries {
			return err
		}
	}
}

func (s *scene) tryTransact(accounts []rentroll.TenantID, then func(b *rentroll.Batch)) error {
	ctx, b := s.Context(), &rentroll.Batch{Now: instant}
	tx, err := s.store.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.Claim(ctx, b, accounts, true); err != nil {
		return err
	}
	then(b)
	if err := tx.Save(ctx, b); err != nil {
		return err
	}
	return tx.Commit(ctx, newID[rentroll.BatchID](s))
}

// together calls do n times at once, and waits for the end of all.
func (s *scene) together(n int, do func(i int) error) {
	s.Helper()
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- do(i) }()
	}
	for range n {
		if err := <-errs; err != nil {
			s.Error(err)
		}
	}
}

// view reads one snapshot.
func (s *scene) view(read func(ctx context.Context, r rentroll.Reader) error) {
	s.Helper()
	s.must(s.store.View(s.Context(), func(r rentroll.Reader) error { return read(s.Context(), r) }))
}

// load reads what want names.
func (s *scene) load(want func(b *rentroll.Batch)) *rentroll.Batch {
	s.Helper()
	b := &rentroll.Batch{Now: instant}
	want(b)
	s.view(func(ctx context.Context, r rentroll.Reader) error { return r.Load(ctx, b) })
	if b.Unloaded() {
		s.Fatal("something that was named is not loaded")
	}
	return b
}

// rowsOf finds the rows of one kind in a batch.
type rowsOf[K comparable, R any] func(b *rentroll.Batch) *rentroll.Rowset[K, R]

// get reads one row; nil where there is none.
func get[K comparable, R any](s *scene, rows rowsOf[K, R], key K) *R {
	s.Helper()
	return rows(s.load(func(b *rentroll.Batch) { rows(b).Want(key) })).Get(key)
}

// tenant puts an account with nothing in it, for rows that belong to one.
func (s *scene) tenant() rentroll.TenantID {
	s.Helper()
	a := bareAccount(s)
	s.put(func(b *rentroll.Batch) { b.Accounts.Put(a.TenantID, a) })
	return a.TenantID
}
