package rentroll

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
	_ "time/tzdata" // zones must not depend on the machine
)

// Engine holds tenants, admits their runs against hard limits, completes, meters and audits them. Make one with New and
// Close it. All methods are safe for concurrent use.
//
// A method that changes something returns when the change is durable. When its context ends first it returns the
// context's error, and the change may still happen: whoever must know repeats the call with the same idempotency key.
type Engine struct {
	core  *core
	actor Actor
	holds func(object any) bool // see If; nil for none
}

// core is what all the handles of one engine share.
type core struct {
	store   Store
	opts    Options
	lanes   []*lane
	bulk    *lane         // for what many rows are written by
	active  atomic.Int32  // how many of the lanes are used: this server's share
	pace    pace          // of the one for bulk
	writers chan struct{} // holds a token for each lane that may write at once; nil where all may
	cluster cluster
	plans   planCache
	keys    *keyCache
	limiter rateLimiter
	imports atomic.Bool // whether there are imported keys, whose secrets have any form
	stats   statistics
	metrics metrics
	graces  graces

	standings   standings
	ownOperator [32]byte // the SHA-256 of opts.OperatorSecret

	random     sync.Mutex // guards opts.Random
	stop       chan struct{}
	background sync.WaitGroup // the sweeper and the writer of statistics
	closed     sync.Once
}

// New starts an engine on a store, which it closes when it is closed. nil options are fine.
func New(store Store, options *Options) (*Engine, error) {
	opts, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &core{store: store, opts: opts, stop: make(chan struct{})}
	c.keys = newKeyCache(store, opts.CachedKeys)
	c.limiter = newOwnLimiter(
		func() int { return c.cluster.peers().servers },
		func() time.Duration { return systemClock().Sub(c.keys.start) },
	)
	c.ownOperator = hashSecret(opts.OperatorSecret)
	if err := c.openLanes(); err != nil {
		return nil, err
	}
	var id ServerID
	if err := c.read(id[:]); err != nil {
		return nil, err
	}
	c.cluster.self = newServer(id, opts.Now())
	if err := c.bootstrap(context.Background()); err != nil {
		return nil, err
	}
	for l := range c.allLanes {
		go l.run()
	}
	e := &Engine{core: c}
	c.background.Go(c.writeStatistics)
	c.background.Go(c.watchChanges)
	if store.Traits().Shared {
		c.background.Go(c.watchPlans)
		c.background.Go(c.join)
	}
	if opts.SweepInterval > 0 {
		c.background.Go(e.sweepLoop)
	}
	if opts.Retention.Interval > 0 {
		c.background.Go(e.pruneLoop)
	}
	return e, nil
}

// As returns a handle on the same engine that acts for a caller: it may do what the caller may, and the audit names the
// caller. The handle that New returns acts for the program itself, which may do everything.
func (e *Engine) As(actor Actor) *Engine { return &Engine{core: e.core, actor: actor} }

// If returns a handle for the same caller whose changes are made only where holds says so of the object that is to be changed,
// as it is under its tenant's lock: what a read would answer, a *Tenant, *Plan, *User, *Member, *Worker, *MeterDefinition,
// *SubjectStanding, *APIKey, *OperatorKey or, without its payloads, *Run; nil where the change makes it. Where it does not hold
// the change is refused as CodePreconditionFailed. So a caller changes what it has read, and not what others have made of it
// since. What a holds says must depend on the object alone: it may be asked more than once, from another goroutine, and must
// not change it. Operations that are no change of one object are CodeMalformedRequest.
func (e *Engine) If(holds func(object any) bool) *Engine {
	return &Engine{core: e.core, actor: e.actor, holds: holds}
}

// Actor returns for whom this handle acts.
func (e *Engine) Actor() Actor { return e.actor }

// Close finishes what was accepted, refuses what comes, and closes the store. Closing twice does nothing.
func (e *Engine) Close() error {
	var err error
	e.core.closed.Do(func() {
		close(e.core.stop)
		e.core.keys.close()
		e.core.standings.close()
		e.core.background.Wait()
		for l := range e.core.allLanes {
			l.queue.close()
		}
		for l := range e.core.allLanes {
			<-l.done
		}
		e.core.flushLast() // the statistics of the last commands too
		if e.core.store.Traits().Shared {
			e.core.leave()
		}
		err = e.core.store.Close()
	})
	return err
}

// work returns the context of background work: it ends a while after the engine begins to close, so that a store that
// does not answer keeps nobody who closes it. What is returned releases it.
func (c *core) work() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-c.stop:
			late := time.AfterFunc(lastPatience, cancel)
			<-ctx.Done()
			late.Stop()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// stopping reports whether the engine is being closed.
func (c *core) stopping() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

// Ping reports whether the store answers.
func (e *Engine) Ping(ctx context.Context) error {
	return e.core.store.View(ctx, func(r Reader) error {
		_, err := r.HasOperatorKey(ctx)
		return err
	})
}

// Store returns what the store is called: "sqlite", "postgres".
func (e *Engine) Store() string { return e.core.store.Traits().Name }

// Latency asks the store for a row and returns how long the answer took.
func (e *Engine) Latency(ctx context.Context) (time.Duration, error) {
	began := systemClock()
	err := e.Ping(ctx)
	return systemClock().Sub(began), err
}

// bootstrap makes the platform's account and the built-in plans in a new database, and reads the plans.
func (c *core) bootstrap(ctx context.Context) error {
	for try := 0; ; try++ {
		err := c.prepare(ctx)
		if err == nil {
			break
		}
		// Another server may be doing the same at this moment; then its work is found on the next try.
		if class := classOf(err); !isUnavailable(err) || class == ClassUnavailable || try == maxRetries {
			return err
		}
	}
	if err := c.lookForImports(ctx); err != nil {
		return err
	}
	return c.plans.refresh(ctx, c.store)
}

func (c *core) prepare(ctx context.Context) error {
	tx, err := c.store.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	b := &Batch{Now: stamp(c.opts.Now())}
	if _, err := tx.Claim(ctx, b, []TenantID{PlatformID}, true); err != nil {
		return err
	}
	c.graces = graces{now: c.opts.StatementGrace, first: c.opts.StatementGrace}
	switch platform := b.Accounts.Get(PlatformID); {
	case platform == nil:
		b.Accounts.Put(PlatformID, &Account{
			TenantID: PlatformID, Status: TenantActive, Timezone: "UTC", AnchorDay: 1, LastNow: b.Now, Since: b.Now,
			StatementGrace: c.graces.first,
		})
		for _, p := range builtinPlans() {
			b.Plans.Put(p.Name, p)
		}
	case platform.StatementGrace != 0:
		c.graces.first = platform.StatementGrace
		return nil
	default: // from before the grace was kept
		known := *platform
		known.StatementGrace = c.graces.first
		b.Accounts.Put(PlatformID, &known)
	}
	if err := tx.Save(ctx, b); err != nil {
		return err
	}
	var seed [32]byte
	if err := c.read(seed[:]); err != nil {
		return err
	}
	return tx.Commit(ctx, newBatchID(rand.NewChaCha8(seed)))
}

// do sends a command through its tenant's lane and waits for the end.
func (e *Engine) do(ctx context.Context, cmd command) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h := cmd.head()
	h.holds = e.holds
	h.rows = max(h.rows, 1)
	c := &call{ctx: ctx, cmd: cmd, done: make(chan error, 1)}
	if err := e.core.laneOf(h).queue.put(c); err != nil {
		return err
	}
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// decided reports whether an error of do is an answer. Else the caller has given up, and the command may just be decided behind
// its back: nothing that a decision writes may be read then.
func decided(err error) bool {
	var refused *Error
	var denied *QuotaExceededError
	return errors.As(err, &refused) || errors.As(err, &denied)
}

// view reads one snapshot and returns the store's failures as callers should see them.
func (e *Engine) view(ctx context.Context, read func(Reader) error) error {
	err := e.core.store.View(ctx, read)
	if err != nil && isUnavailable(err) {
		return &Error{Code: CodeUnavailable, Message: "the store is unavailable", cause: err}
	}
	return err
}

func (e *Engine) now() time.Time { return stamp(e.core.opts.Now()) }

// may checks that the caller may do p in the tenant.
func (e *Engine) may(tenant TenantID, p Permission) error { return e.actor.may(tenant, p, e.now()) }

func (c *core) read(p []byte) error {
	c.random.Lock()
	defer c.random.Unlock()
	if _, err := io.ReadFull(c.opts.Random, p); err != nil {
		return fmt.Errorf("rentroll: reading random bytes: %w", err)
	}
	return nil
}

// newOnce makes a command idempotent under a key; "" makes it not so. params must hold everything that the caller asked
// for, the key excepted.
func newOnce(tenant TenantID, operation, key string, params any) (*once, error) {
	if key == "" {
		return nil, nil
	}
	if message := checkPrintable(key, 1, 255); message != "" {
		return nil, problems{{"idempotency_key", message}}.err()
	}
	return &once{ref: OnceRef{tenant, operation, key}, fingerprint: fingerprint(params)}, nil
}

// fingerprint is the SHA-256 of the JSON of parameters; raw JSON in them must be canonical.
func fingerprint(v any) [32]byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("rentroll: parameters have no JSON form: " + err.Error())
	}
	return sha256.Sum256(data)
}

// canonicalJSON brings JSON to one form per value: members sorted, no insignificant space, numbers as they came. What is
// not JSON becomes a JSON string of itself.
func canonicalJSON(data json.RawMessage) json.RawMessage {
	if len(data) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil || dec.More() {
		v = string(data)
	}
	out, err := json.Marshal(v) // maps are written with sorted keys
	if err != nil {
		panic("rentroll: a decoded JSON value has no JSON form: " + err.Error())
	}
	return out
}

// metrics are the engine's own counters.
type metrics struct {
	batches, commands, retries, isolated, unknownCommits, keyHits, keyStale, sweeps, failedSweeps atomic.Uint64

	committing atomic.Int64 // nanoseconds
	lately     lately
}

// Metrics are counters of an engine since its start, for monitoring.
type Metrics struct {
	Batches          uint64        // transactions committed by lanes
	Commands         uint64        // commands decided in them
	Retries          uint64        // transactions repeated after a serialization failure or deadlock
	Isolated         uint64        // batches that failed on one command's data and were repeated in parts
	UnknownCommits   uint64        // commits whose outcome had to be looked up
	Lately           Lately        // what of it was in the last minute
	CommitTime       time.Duration // how long those transactions took, from their beginning to their commit, all together
	Sweeps           uint64        // rounds of looking for what is overdue in quiet tenants
	FailedSweeps     uint64        // those of them that did not come to their end
	WaitingCalls     int           // commands in a queue now
	WaitingTenants   int           // tenants with commands in a queue now
	WaitingBytes     int           // what waiting commands hold now
	WaitingBulkBytes int           // those of them that write in bulk
	Lanes            int           // this server's share of the store's transactions
	Servers          int           // how many servers share the store, this one included
	KeyHits          uint64        // API keys that were found in memory
	KeyQueries       uint64        // queries for those that were not
	KeyStale         uint64        // verifications that may have been outdated, because the store did not answer
	ClockSkew        time.Duration // by how much this server's clock is ahead of the store's, as far as that is certain
}

// Metrics returns the engine's counters.
func (e *Engine) Metrics() Metrics {
	m := &e.core.metrics
	out := Metrics{
		Batches: m.batches.Load(), Commands: m.commands.Load(), Retries: m.retries.Load(),
		KeyHits: m.keyHits.Load(), KeyStale: m.keyStale.Load(), KeyQueries: e.core.keys.queries.Load(),
		Isolated: m.isolated.Load(), UnknownCommits: m.unknownCommits.Load(), CommitTime: time.Duration(m.committing.Load()),
		Lately: m.lately.sum(systemClock()),
		Sweeps: m.sweeps.Load(), FailedSweeps: m.failedSweeps.Load(),
	}
	for l := range e.core.allLanes {
		out.WaitingTenants += l.queue.depth()
		out.WaitingCalls += l.queue.waiting()
	}
	out.WaitingBytes = int(e.core.lanes[0].queue.room.used.Load())
	out.WaitingBulkBytes = int(e.core.bulk.queue.room.used.Load())
	p := e.core.cluster.peers()
	out.Lanes, out.Servers, out.ClockSkew = int(e.core.active.Load()), p.servers, p.skew
	return out
}
