package rentroll

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// The bounds of a batch: what one transaction takes at most.
const (
	batchTenants = 256
	batchRows    = 2000
	batchBytes   = 4 << 20
)

// call is a command on its way through a lane. Exactly one answer is sent on done.
type call struct {
	ctx  context.Context
	cmd  command
	done chan error

	postponed bool // its accounts were busy once
}

// lane commits the commands of many callers in groups: it takes what has queued while its last commit ran, decides it in
// memory, and writes it in one transaction. There is no timer: a lone command is committed at once, and a busy lane
// commits hundreds at a time.
type lane struct {
	core  *core
	queue *queue
	ids   *rand.ChaCha8
	done  chan struct{} // closed when run has returned

	patient bool           // waits for accounts that others hold
	waiting sync.WaitGroup // the patient ones
}

func newLane(c *core, q *queue, seed [32]byte) *lane {
	return &lane{core: c, queue: q, ids: rand.NewChaCha8(seed), done: make(chan struct{})}
}

// run commits batches until the queue is closed and empty.
func (l *lane) run() {
	defer close(l.done)
	defer l.waiting.Wait()
	for {
		calls := l.queue.take()
		if calls == nil {
			return
		}
		l.commit(calls)
		l.gather(len(calls))
	}
}

// idleYields is how many times in a row a lane lets others run that bring it nothing.
const idleYields = 32

// gather lets callers run that have just been answered: many come back at once, and the more of them a batch holds the
// less each pays for the commit. It ends when as many wait as were answered or others had their turn and brought
// nothing; that is no timer, and where nobody else runs it takes some microseconds.
func (l *lane) gather(answered int) {
	last := -1
	for idle := 0; idle < idleYields; {
		runtime.Gosched()
		n := l.queue.waiting()
		switch {
		case n >= answered:
			return
		case n == last:
			idle++
		default:
			last, idle = n, 0
		}
	}
}

// commit answers all calls. A failure of the store that the commands' data caused is pinned down: the batch is tried
// again in parts, a tenant each, then a command each, so that one bad command fails alone.
func (l *lane) commit(calls []*call) {
	calls = slices.DeleteFunc(calls, func(c *call) bool {
		if err := c.ctx.Err(); err != nil {
			c.done <- err // it gave up before anything was decided
			return true
		}
		return false
	})
	if len(calls) == 0 {
		return
	}
	busy, err := l.attempt(calls)
	if err == nil {
		l.postpone(busy)
		return
	}
	if !isolates(err) || len(calls) == 1 {
		for _, c := range calls {
			c.done <- publicFailure(err)
		}
		return
	}
	l.core.metrics.isolated.Add(1)
	l.core.opts.Logger.Error("a batch failed and is tried again in parts", "error", err, "commands", len(calls))
	for _, part := range parts(calls) {
		l.commit(part)
	}
}

// postpone cares for calls whose accounts another server held: they go into the next batch, and if that finds them held
// again, they wait in a transaction of their own, a tenant each, where they keep nobody else waiting.
func (l *lane) postpone(busy []*call) {
	var stuck []*call
	for _, c := range busy {
		if c.postponed {
			stuck = append(stuck, c)
			continue
		}
		c.postponed = true
		l.queue.again(c)
	}
	for _, group := range byTenant(stuck) {
		var seed [32]byte
		_, _ = l.ids.Read(seed[:])
		patient := &lane{core: l.core, queue: l.queue, ids: rand.NewChaCha8(seed), patient: true}
		l.waiting.Go(func() {
			l.core.patient <- struct{}{} // the rest of them wait here, and not with a connection each
			defer func() { <-l.core.patient }()
			patient.commit(group)
		})
	}
}

// patientLanes bounds how many transactions wait for accounts that others hold.
const patientLanes = 3

// isolates reports whether a failure may be one command's own fault.
func isolates(err error) bool {
	var p *panicError
	return errors.As(err, &p) || classOf(err) == ClassConflict && isUnavailable(err)
}

// parts divides a failed batch: by tenant, or into single calls where all are of one tenant.
func parts(calls []*call) [][]*call {
	if groups := byTenant(calls); len(groups) > 1 {
		return groups
	}
	singles := make([][]*call, len(calls))
	for i := range calls {
		singles[i] = calls[i : i+1]
	}
	return singles
}

func byTenant(calls []*call) [][]*call {
	var groups [][]*call
	index := make(map[TenantID]int)
	for _, c := range calls {
		id := c.cmd.head().tenant
		i, known := index[id]
		if !known {
			i = len(groups)
			index[id] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], c)
	}
	return groups
}

// maxRetries bounds how often a batch is tried again after serialization failures and deadlocks.
const maxRetries = 20

// attempt commits the calls as one transaction and answers them, but for those whose accounts are busy elsewhere, which
// it returns. After an error none but the busy ones is left unanswered by mistake: the caller answers them all.
func (l *lane) attempt(calls []*call) (busy []*call, err error) {
	for try := 0; ; try++ {
		t := &transaction{core: l.core, ids: l.ids, calls: calls, wait: l.patient}
		err = t.run()
		switch {
		case err == nil:
			t.answer()
			return t.busy, nil
		case classOf(err) == ClassUnknown && isUnavailable(err):
			l.settle(t, err)
			return t.busy, nil
		}
		if classOf(err) != ClassRetry || !isUnavailable(err) || try == maxRetries {
			return nil, err
		}
		l.core.metrics.retries.Add(1)
		pause(min(time.Duration(try)*time.Millisecond, maxPause))
	}
}

// maxPause bounds how long is waited between two tries, which grows from nothing: what failed because of another
// transaction works at once, what failed because a database restarts does not.
const maxPause = 50 * time.Millisecond

func pause(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
}

// transaction is one try to commit a group of calls.
type transaction struct {
	core   *core
	ids    *rand.ChaCha8
	calls  []*call
	wait   bool
	busy   []*call
	errs   []error // of calls, in their order
	ledger *ledger
	id     BatchID // of its commit
	late   bool    // it was found out only later that it was committed
}

// panicError is a decision that panicked.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string {
	return fmt.Sprintf("a decision panicked: %v\n%s", e.value, e.stack)
}

// laneTimeout bounds one transaction. It is far above what any healthy one takes.
const laneTimeout = 30 * time.Second

func (t *transaction) run() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{v, debug.Stack()}
		}
	}()
	// The callers' contexts do not reach the store: one caller that gives up must not undo the others' work.
	ctx, cancel := context.WithTimeout(context.Background(), laneTimeout)
	defer cancel()
	tx, err := t.core.store.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()

	b := &Batch{}
	for _, c := range t.calls {
		if h := c.cmd.head(); h.once != nil {
			b.Once.Want(h.once.ref)
		}
		c.cmd.wants(b)
	}
	if err := t.claim(ctx, tx, b); err != nil {
		return err
	}
	if len(t.calls) == 0 {
		return nil
	}
	now := stamp(t.core.opts.Now()) // taken once the locks are held
	b.Now = now
	for _, a := range b.Accounts.All() {
		b.Now = a.clock(b.Now) // what is overdue for any of them is to be loaded
	}
	t.ledger = newLedger(b, t.core.plans.snapshot(), t.ids, now)
	if err := t.decide(ctx, tx); err != nil {
		return err
	}
	if !b.Changed() {
		return nil
	}
	if err := tx.Save(ctx, b); err != nil {
		return err
	}
	return t.finish(ctx, tx)
}

// claim locks the accounts of all calls and loads what they name. Calls that need an account which is busy elsewhere
// leave the transaction; what they named was read without its lock, and nobody else asks for it.
func (t *transaction) claim(ctx context.Context, tx Tx, b *Batch) error {
	var ids []TenantID
	for _, c := range t.calls {
		ids = append(append(ids, c.cmd.head().tenant), c.cmd.head().also...)
	}
	slices.SortFunc(ids, TenantID.Compare)
	ids = slices.Compact(ids)
	busy, err := tx.Claim(ctx, b, ids, t.wait)
	if err != nil || len(busy) == 0 {
		return err
	}
	t.calls = slices.Clone(t.calls)
	t.calls = slices.DeleteFunc(t.calls, func(c *call) bool {
		h := c.cmd.head()
		for _, id := range busy {
			if h.tenant == id || slices.Contains(h.also, id) {
				t.busy = append(t.busy, c)
				return true
			}
		}
		return false
	})
	return nil
}

// decide runs all commands; those that ask for more rows are asked again when the rows are there.
func (t *transaction) decide(ctx context.Context, tx Tx) error {
	t.errs = make([]error, len(t.calls))
	pending := make([]int, len(t.calls))
	for i := range pending {
		pending[i] = i
	}
	for {
		var again []int
		for _, i := range pending {
			t.errs[i] = t.ledger.run(t.calls[i].cmd)
			if errors.Is(t.errs[i], errMore) {
				again = append(again, i)
			}
		}
		if len(again) == 0 {
			return nil
		}
		if !t.ledger.Unloaded() {
			return errors.New("rentroll: a decision asked for more rows and named none")
		}
		if err := tx.Load(ctx, t.ledger.Batch); err != nil {
			return err
		}
		pending = again
	}
}

// finish commits, under a name by which it can be found.
func (t *transaction) finish(ctx context.Context, tx Tx) error {
	t.id = newBatchID(t.ids)
	return tx.Commit(ctx, t.id)
}

// settlePause is how long to wait before the outcome of a commit is asked for again.
const settlePause = 100 * time.Millisecond

// settle finds out what became of a commit whose outcome is unknown, and does not guess: where it happened its callers
// are answered, where not it is done again, and where that can't be found out in time they are told so. The lane goes on
// meanwhile, since whatever it does next begins with what the store really holds.
func (l *lane) settle(t *transaction, unknown error) {
	l.core.metrics.unknownCommits.Add(1)
	var seed [32]byte
	_, _ = l.ids.Read(seed[:])
	l.waiting.Go(func() {
		happened, err := t.happened()
		switch {
		case err != nil:
			l.core.opts.Logger.Error("the outcome of a commit could not be found out", "error", unknown, "lookup", err)
			for _, c := range t.calls {
				c.done <- publicFailure(unknown)
			}
		case happened:
			t.late = true
			t.answer()
		default:
			l.core.metrics.retries.Add(1)
			again := &lane{core: l.core, queue: l.queue, ids: rand.NewChaCha8(seed), patient: true}
			again.commit(t.calls)
			again.waiting.Wait()
		}
	})
}

// happened asks the store until it knows.
func (t *transaction) happened() (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), laneTimeout)
	defer cancel()
	var accounts []TenantID
	for _, c := range t.calls {
		accounts = append(append(accounts, c.cmd.head().tenant), c.cmd.head().also...)
	}
	for {
		happened, err := t.core.store.Committed(ctx, t.id, accounts)
		if err == nil || ctx.Err() != nil {
			return happened, err
		}
		select {
		case <-time.After(settlePause):
		case <-ctx.Done():
		}
	}
}

// answer tells every caller how it ended.
func (t *transaction) answer() {
	if t.ledger != nil {
		t.core.observe(t)
	}
	for i, c := range t.calls {
		c.done <- t.errs[i]
	}
}

// publicFailure is what callers are told of a store's failure.
func publicFailure(err error) error {
	var p *panicError
	if errors.As(err, &p) || classOf(err) == ClassConflict && isUnavailable(err) {
		return &Error{Code: CodeInternal, Message: "the command could not be decided", cause: err}
	}
	message := "the store is unavailable"
	if classOf(err) == ClassUnknown && isUnavailable(err) {
		message = "the store was lost while it committed, and it is not known whether the change was made: repeat the call with the same idempotency key"
	}
	return &Error{Code: CodeUnavailable, Message: message, cause: err}
}
