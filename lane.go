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

// wants names the rows that the call needs.
func (c *call) wants(b *Batch) {
	if h := c.cmd.head(); h.once != nil {
		b.Once.Want(h.once.ref)
	}
	if by := c.cmd.head().by; by.Kind == ActorUser {
		b.Members.Want(MemberRef{by.TenantID, by.UserID})
	}
	c.cmd.wants(b)
}

// lane commits the commands of many callers in groups: it takes what has queued while its last commit ran, decides it in
// memory, and writes it in one transaction. There is no timer: a lone command is committed at once, and a busy lane
// commits hundreds at a time.
type lane struct {
	core  *core
	queue *queue
	bulk  bool // what it writes keeps out of the others' way
	ids   *rand.ChaCha8
	done  chan struct{} // closed when run has returned

	patience chan struct{}  // holds a token for each transaction that waits for accounts which others hold
	patient  bool           // waits for accounts that others hold
	held     *TenantID      // whose line it takes its commands from, and not in turns; nil for none
	waiting  sync.WaitGroup // the patient ones
}

func newLane(c *core, q *queue, bulk bool, patience chan struct{}, seed [32]byte) *lane {
	return &lane{core: c, queue: q, bulk: bulk, patience: patience, ids: rand.NewChaCha8(seed), done: make(chan struct{})}
}

// patiently returns a lane for what waits for its accounts, beside this one.
func (l *lane) patiently(held *TenantID) *lane {
	var seed [32]byte
	_, _ = l.ids.Read(seed[:])
	return &lane{core: l.core, queue: l.queue, bulk: l.bulk, patience: l.patience, ids: rand.NewChaCha8(seed), patient: true, held: held}
}

// run commits batches until the queue is closed and empty.
func (l *lane) run() {
	defer close(l.done)
	defer l.waiting.Wait()
	for l.queue.await() {
		if l.bulk {
			pause(l.core.pace.rest(systemClock()))
		}
		end := l.core.permit()
		calls := l.queue.take(l.rows())
		n, tenants := len(calls), tenantsOf(calls)
		l.commit(calls)
		l.queue.hands.pass(tenants)
		end()
		l.gather(n, l.queue.waiting)
	}
}

// rows is what a batch holds at most, about.
func (l *lane) rows() int {
	if l.bulk {
		return l.core.pace.rows(systemClock())
	}
	return batchRows
}

// tenantsOf returns the tenants of a batch, in which the commands of each stand together.
func tenantsOf(calls []*call) []TenantID {
	var ids []TenantID
	for _, c := range calls {
		if id := c.cmd.head().tenant; len(ids) == 0 || ids[len(ids)-1] != id {
			ids = append(ids, id)
		}
	}
	return ids
}

// idleYields is how many times in a row a lane lets others run that bring it nothing.
const idleYields = 32

// gather lets callers run that have just been answered: many come back at once, and the more of them a batch holds the
// less each pays for the commit. It ends when as many wait as were answered or others had their turn and brought
// nothing; that is no timer, and where nobody else runs it takes some microseconds.
func (l *lane) gather(answered int, waiting func() int) {
	last := -1
	for idle := 0; idle < idleYields; {
		runtime.Gosched()
		n := waiting()
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
	calls = stillWanted(calls)
	if len(calls) == 0 {
		return
	}
	calls, busy, err := l.attempt(calls)
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

// stillWanted answers the calls that gave up before anything was decided, and returns the others.
func stillWanted(calls []*call) []*call {
	return slices.DeleteFunc(calls, func(c *call) bool {
		err := c.ctx.Err()
		if err != nil {
			c.done <- err
		}
		return err != nil
	})
}

// postpone cares for calls whose accounts another server held: they go into the next batch, and if that finds them held
// again, their tenant's line leaves the queue's turns for a while and is served by transactions that wait for the account,
// where they keep nobody else waiting.
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
		if l.queue.hold(group) {
			l.waiting.Go(l.patiently(&group[0].cmd.head().tenant).serve)
		}
	}
}

// Patience: how many transactions at once wait for accounts that others hold, and how many batches in a row a tenant gets
// in that way. Where several servers want one tenant without pause, they take turns by the store's locks; to begin anew
// with finding the account busy costs the more, the less often it is done.
const (
	patientLanes = 3
	patientBulk  = 1
	patientTurns = 32
)

// serve commits what waits in the line that the lane holds, until nothing does.
func (l *lane) serve() {
	defer l.waiting.Wait()
	l.patience <- struct{}{} // the rest of them wait here, and not with a connection each
	defer func() { <-l.patience }()
	defer l.queue.release(*l.held)
	for range patientTurns {
		calls := l.queue.takeHeld(*l.held, l.rows(), batchBytes, false)
		if len(calls) == 0 {
			return
		}
		l.commit(calls)
		l.gather(len(calls), func() int { return l.queue.waitingHeld(*l.held) })
	}
}

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
// it returns. After an error it has answered none, and returns all: a lane that holds a line may have taken more.
func (l *lane) attempt(calls []*call) (all, busy []*call, err error) {
	for try := 0; ; try++ {
		t := &transaction{core: l.core, ids: l.ids, calls: calls, rows: l.rows(), wait: l.patient}
		if l.held != nil {
			t.more = func(rows, bytes int) []*call { return l.queue.takeHeld(*l.held, rows, bytes, true) }
		}
		began := systemClock()
		err = t.run()
		switch {
		case err == nil:
			l.committed(t, began, systemClock())
			t.answer()
			return nil, t.busy, nil
		case classOf(err) == ClassUnknown && isUnavailable(err):
			l.settle(t, err)
			return nil, t.busy, nil
		}
		calls = append(calls, t.late...)
		if classOf(err) != ClassRetry || !isUnavailable(err) || try == maxRetries {
			return calls, nil, err
		}
		l.core.metrics.retries.Add(1)
		pause(min(time.Duration(try)*time.Millisecond, maxPause))
	}
}

// committed takes down how long a transaction took.
func (l *lane) committed(t *transaction, began, ended time.Time) {
	l.core.metrics.committing.Add(int64(ended.Sub(began)))
	l.core.metrics.lately.add(ended, len(t.calls), ended.Sub(began))
	switch {
	case l.patient: // most of the time it waited
	case l.bulk:
		rows := 0
		for _, c := range t.calls {
			rows += c.cmd.head().rows
		}
		l.core.pace.wrote(rows, began, ended)
	default:
		l.core.pace.others(began, ended)
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
	core    *core
	ids     *rand.ChaCha8
	calls   []*call
	rows    int // what it holds at most, about
	wait    bool
	more    func(rows, bytes int) []*call // calls of the same tenant that came while its account was waited for; may be nil
	late    []*call                       // those, which calls has too
	busy    []*call
	errs    []error // of calls, in their order
	ledger  *ledger
	id      BatchID // of its commit
	settled bool    // it was found out only later that it was committed
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
		c.wants(b)
	}
	if err := t.claim(ctx, tx, b); err != nil {
		return err
	}
	if len(t.calls) == 0 {
		return nil
	}
	if err := t.join(ctx, tx, b); err != nil {
		return err
	}
	now := stamp(t.core.opts.Now()) // taken once the locks are held
	b.Now = now
	for _, a := range b.Accounts.All() {
		b.Now = a.clock(b.Now) // what is overdue for any of them is to be loaded
	}
	t.ledger = newLedger(b, t.core.plans.snapshot(), t.ids, now)
	t.ledger.values, t.ledger.graces = t.core.opts.DimensionValues, t.core.graces
	if err := t.decide(ctx, tx); err != nil {
		return err
	}
	if !b.Changed() {
		return nil
	}
	b.Invalid = b.invalid()
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

// join takes in the calls that came while the account was waited for. They would else wait for the next time that it is
// this server's turn, and that is what makes the turns of servers which share a busy tenant worth their while.
func (t *transaction) join(ctx context.Context, tx Tx, b *Batch) error {
	if t.more == nil {
		return nil
	}
	rows, bytes := t.rows, batchBytes
	for _, c := range t.calls {
		rows, bytes = rows-c.cmd.head().rows, bytes-c.cmd.head().size
	}
	if rows <= 0 || bytes <= 0 {
		return nil
	}
	t.late = stillWanted(t.more(rows, bytes))
	for _, c := range t.late {
		c.wants(b)
	}
	t.calls = append(t.calls, t.late...)
	if !b.Unloaded() {
		return nil
	}
	return tx.Load(ctx, b)
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
	again := l.patiently(nil)
	l.waiting.Go(func() {
		happened, err := t.happened()
		switch {
		case err != nil:
			l.core.opts.Logger.Error("the outcome of a commit could not be found out", "error", unknown, "lookup", err)
			for _, c := range t.calls {
				c.done <- publicFailure(unknown)
			}
		case happened:
			t.settled = true
			t.answer()
		default:
			l.core.metrics.retries.Add(1)
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
