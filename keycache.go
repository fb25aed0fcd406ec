package rentroll

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	"github.com/rentroll/rentroll/quota"
)

// Verifying a key is on the path of every request of a platform. So what a verification needs is kept in memory, and three
// rules keep it right:
//
// What a server changes itself it forgets before the change is answered. What others change it learns from the store, four
// times a second. And while it has not learnt anything for longer than staleAfter it trusts nothing that it keeps: then
// each verification asks the store.

const (
	defaultCachedKeys = 100_000
	unknownKeys       = 10_000 // secrets of which it is kept that there is no such key
	unknownFor        = time.Second
	knownFor          = time.Minute // after which a key is read again, should somebody have changed its row by hand

	invalidationInterval = 250 * time.Millisecond
	invalidationTimeout  = 5 * time.Second
	staleAfter           = 900 * time.Millisecond

	// Keys that are not kept are looked up together, a query at a time. Whoever invents keys causes no more queries than
	// these a second: those that found nothing are paced.
	lookupsPerSecond = 200
	lookupBurst      = 20
	lookupSize       = 1000
	lookupTimeout    = 10 * time.Second
	lookupTries      = 3

	// Tenants share this many generations: what changes one of them forgets the keys of all that share its.
	generationCount = 1 << 14
)

// cachedKey is an API key as it was read, with what a verification needs of its tenant. Only its counters ever change.
type cachedKey struct {
	tenant      TenantID
	key         *APIKey      // nil: there is no such key
	operator    *OperatorKey // of an operator key, which has nothing of the rest
	permissions PermissionSet
	unreadable  bool // the key has permissions that this program does not know

	status    TenantStatus
	since     time.Time // of the status
	plan      string
	overrides quota.Limits
	lastNow   time.Time // the tenant's, when this was read

	generation uint64    // of the tenant, when this was read
	readAt     time.Time // of the process

	rate   atomic.Pointer[tenantRate]
	uses   atomic.Int64 // that are not counted yet
	usedAt atomic.Int64 // microseconds since 1970
}

// clock is now as it counts for the tenant.
func (k *cachedKey) clock(now time.Time) time.Time {
	if now.Before(k.lastNow) {
		return k.lastNow
	}
	return now
}

// keyCache keeps keys by the SHA-256 of their secrets. Safe for concurrent use.
type keyCache struct {
	store   Store
	known   *otter.Cache[[32]byte, *cachedKey] // nil where nothing is kept
	unknown *otter.Cache[[32]byte, *cachedKey] // apart, so that invented keys push out no real ones

	generations [generationCount]atomic.Uint64
	start       time.Time
	learnt      atomic.Int64 // when the last successful question for changes was asked, nanoseconds since start

	queries  atomic.Uint64
	pace     *rate.Limiter
	mu       sync.Mutex
	next     *lookup // gathers what is to be looked up next
	running  bool
	invented bool // the last query found nothing

	inventedOperator atomic.Bool // nor did the last one for an operator key

	open context.Context // ends when the engine is closed
	shut context.CancelFunc
	runs sync.WaitGroup
}

func newKeyCache(store Store, size int) *keyCache {
	k := &keyCache{store: store, start: systemClock(), pace: rate.NewLimiter(lookupsPerSecond, lookupBurst)}
	k.open, k.shut = context.WithCancel(context.Background())
	k.learnt.Store(-int64(time.Hour))
	if size == 0 {
		size = defaultCachedKeys
	}
	if size > 0 {
		k.known = otter.Must(&otter.Options[[32]byte, *cachedKey]{MaximumSize: size})
		k.unknown = otter.Must(&otter.Options[[32]byte, *cachedKey]{MaximumSize: min(size, unknownKeys)})
	}
	return k
}

func (k *keyCache) generation(id TenantID) *atomic.Uint64 {
	return &k.generations[binary.BigEndian.Uint32(id[12:])%generationCount]
}

// forget makes worthless what is kept of tenants, and what is being read of them at this moment.
func (k *keyCache) forget(ids []TenantID) {
	for _, id := range ids {
		k.generation(id).Add(1)
	}
}

func (k *keyCache) forgetAll() {
	for i := range k.generations {
		k.generations[i].Add(1)
	}
}

// silence is for how long nothing has been learnt of others' changes.
func (k *keyCache) silence(at time.Time) time.Duration {
	return at.Sub(k.start) - time.Duration(k.learnt.Load())
}

// kept returns what is kept of a secret; nil where there is nothing, or something has changed since. sure says that it
// can be relied on.
func (k *keyCache) kept(hash [32]byte) (entry *cachedKey, sure bool) {
	if k.known == nil {
		return nil, false
	}
	entry, ok := k.known.GetIfPresent(hash)
	most := knownFor
	if !ok {
		entry, ok = k.unknown.GetIfPresent(hash)
		most = unknownFor
	}
	if !ok || entry.generation != k.generation(entry.tenant).Load() {
		return nil, false
	}
	at := systemClock()
	return entry, at.Sub(entry.readAt) < most && k.silence(at) <= staleAfter
}

// keep takes what was read.
func (k *keyCache) keep(hash [32]byte, entry *cachedKey) {
	switch {
	case k.known == nil:
	case entry.key == nil && entry.operator == nil:
		k.unknown.Set(hash, entry)
	default:
		k.known.Set(hash, entry)
	}
}

// lookup is one query, for all the keys that were wanted while the one before it ran.
type lookup struct {
	asked []KeyHash
	index map[KeyHash]int
	done  chan struct{} // closed when found or err is there
	found []*cachedKey  // for each that was asked for
	err   error
}

// lookUp reads a key.
func (k *keyCache) lookUp(ctx context.Context, h KeyHash) (*cachedKey, error) {
	l, i, err := k.join(h)
	if err != nil {
		return nil, err
	}
	select {
	case <-l.done:
		if l.err != nil {
			return nil, l.err
		}
		return l.found[i], nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// join adds a key to the next query.
func (k *keyCache) join(h KeyHash) (l *lookup, i int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open.Err() != nil {
		return nil, 0, errorf(CodeUnavailable, "the engine is closed")
	}
	if k.next == nil {
		k.next = &lookup{index: make(map[KeyHash]int), done: make(chan struct{})}
	}
	l = k.next
	i, asked := l.index[h]
	switch {
	case asked:
	case len(l.asked) == lookupSize:
		return nil, 0, errorf(CodeOverloaded, "too many keys that are not in memory are being asked for")
	default:
		i = len(l.asked)
		l.index[h] = i
		l.asked = append(l.asked, h)
	}
	if !k.running {
		k.running = true
		k.runs.Go(k.run)
	}
	return l, i, nil
}

// run looks up what is gathered, until nothing is.
func (k *keyCache) run() {
	for {
		k.mu.Lock()
		k.running = k.next != nil
		running, invented := k.running, k.invented
		k.mu.Unlock()
		if !running {
			return
		}
		var err error
		if invented {
			err = k.pace.Wait(k.open) // while more may come
		}
		k.mu.Lock()
		l := k.next
		k.next = nil
		k.mu.Unlock()
		if err == nil {
			invented = !k.query(l)
		} else {
			l.err = errorf(CodeUnavailable, "the engine is closed")
		}
		k.mu.Lock()
		k.invented = invented
		k.mu.Unlock()
		close(l.done)
	}
}

// close ends what runs.
func (k *keyCache) close() {
	k.mu.Lock()
	k.shut()
	k.mu.Unlock()
	k.runs.Wait()
}

// query reads what is asked for. It reports whether there was any of it.
func (k *keyCache) query(l *lookup) (some bool) {
	k.queries.Add(1)
	ctx, cancel := context.WithTimeout(k.open, lookupTimeout)
	defer cancel()
	generations := make([]uint64, len(l.asked))
	for i, h := range l.asked {
		generations[i] = k.generation(h.TenantID).Load()
	}
	var found []FoundKey
	for range lookupTries {
		if found, l.err = k.store.FindKeys(ctx, l.asked); l.err == nil || classOf(l.err) != ClassRetry || !isUnavailable(l.err) {
			break
		}
	}
	if l.err != nil {
		l.err = &Error{Code: CodeUnavailable, Message: "the store is unavailable", cause: l.err}
		return false
	}
	l.found = make([]*cachedKey, len(l.asked))
	for i, f := range found {
		entry := cached(f)
		entry.tenant, entry.generation, entry.readAt = l.asked[i].TenantID, generations[i], systemClock()
		some = some || f.Key != nil
		l.found[i] = entry
		k.keep(l.asked[i].Hash, entry)
	}
	return some
}

// cached takes of what was read all that a verification needs.
func cached(f FoundKey) *cachedKey {
	if f.Key == nil {
		return &cachedKey{}
	}
	permissions, wrong := CompilePermissions(f.Key.Permissions)
	return &cachedKey{
		key: f.Key, permissions: permissions, unreadable: len(wrong) > 0,
		status: f.Account.Status, since: f.Account.Since, lastNow: f.Account.LastNow,
		plan: f.Account.Plan, overrides: f.Account.Overrides,
	}
}

// invalid lists the tenants of which others must forget what they keep: a key of theirs has changed, or the generation of
// the account says so. That a key expired needs no telling.
func (b *Batch) invalid() []TenantID {
	var out []TenantID
	named := make(map[TenantID]bool)
	add := func(id TenantID) {
		if !named[id] {
			named[id] = true
			out = append(out, id)
		}
	}
	for _, ref := range b.Keys.order {
		was, is := b.Keys.stored[ref], b.Keys.rows[ref]
		if was == nil || is == nil || is.Status != KeyExpired {
			add(ref.TenantID)
		}
	}
	if b.Operators.changed() {
		add(PlatformID)
	}
	for _, id := range b.Accounts.order {
		was, is := b.Accounts.stored[id], b.Accounts.rows[id]
		if was != nil && is != nil && was.Generation != is.Generation {
			add(id)
		}
	}
	return out
}

// watcher learns what other servers change.
type watcher struct {
	cache *keyCache
	since int64
	seen  map[TenantID]int64 // the changes of the last answer: they may come again
}

// learn asks for changes once. What was kept before the first answer is not covered by it, and forgotten.
func (w *watcher) learn(ctx context.Context) error {
	asked := systemClock().Sub(w.cache.start)
	changed, next, err := w.cache.store.Invalidated(ctx, w.since)
	if err != nil {
		return err
	}
	if w.since == math.MaxInt64 || next < w.since {
		w.cache.forgetAll()
	}
	seen := make(map[TenantID]int64, len(changed))
	for _, c := range changed {
		if w.seen[c.TenantID] != c.Stamp {
			w.cache.forget([]TenantID{c.TenantID})
		}
		seen[c.TenantID] = c.Stamp
	}
	w.since, w.seen = next, seen
	w.cache.learnt.Store(int64(asked))
	return nil
}

// watchChanges learns what other servers change, until the engine is closed.
func (c *core) watchChanges() {
	w := &watcher{cache: c.keys, since: math.MaxInt64}
	tick := time.NewTicker(invalidationInterval)
	defer tick.Stop()
	failing := false
	for {
		ctx, cancel := context.WithTimeout(context.Background(), invalidationTimeout)
		err := w.learn(ctx)
		cancel()
		if err != nil && !failing {
			c.opts.Logger.Warn("others' changes can't be learnt; keys are verified by the store until they can", "error", err)
		}
		failing = err != nil
		select {
		case <-c.stop:
			return
		case <-tick.C:
		}
	}
}

// keyOf returns what there is to know of a well-formed secret, from memory or the store. stale says that it may be
// outdated, which happens only where the options allow it while the store does not answer.
func (e *Engine) keyOf(ctx context.Context, secret string) (k *cachedKey, stale bool, err error) {
	cache := e.core.keys
	hash := hashSecret(secret)
	kept, sure := cache.kept(hash)
	if kept != nil && kept.tenant == PlatformID {
		return nil, false, errMalformed // an operator's
	}
	if sure {
		e.core.metrics.keyHits.Add(1)
		return kept, false, nil
	}
	k, err = e.lookUp(ctx, secret, hash)
	if err != nil && kept != nil && ctx.Err() == nil && cache.silence(systemClock()) <= staleAfter+e.core.opts.StaleFor {
		e.core.metrics.keyStale.Add(1)
		return kept, true, nil
	}
	return k, false, err
}

// keyByHash returns what there is to know of a tenant's key by the SHA-256 of its secret, as keyOf does by the secret.
func (e *Engine) keyByHash(ctx context.Context, h KeyHash) (*cachedKey, error) {
	cache := e.core.keys
	kept, sure := cache.kept(h.Hash)
	if sure {
		e.core.metrics.keyHits.Add(1)
		return kept, nil
	}
	k, err := cache.lookUp(ctx, h)
	if err != nil && kept != nil && ctx.Err() == nil && cache.silence(systemClock()) <= staleAfter+e.core.opts.StaleFor {
		e.core.metrics.keyStale.Add(1)
		return kept, nil
	}
	return k, err
}

// operatorKeyOf returns an operator key, from memory or the store; nil where there is none.
func (e *Engine) operatorKeyOf(ctx context.Context, hash [32]byte) (*OperatorKey, error) {
	cache := e.core.keys
	kept, sure := cache.kept(hash)
	if sure {
		e.core.metrics.keyHits.Add(1)
		return kept.operator, nil
	}
	if cache.inventedOperator.Load() {
		if err := cache.pace.Wait(ctx); err != nil {
			return nil, &Error{Code: CodeUnavailable, Message: "too many operator keys that there are not are being tried", cause: err}
		}
	}
	entry := &cachedKey{tenant: PlatformID, generation: cache.generation(PlatformID).Load(), readAt: systemClock()}
	cache.queries.Add(1)
	err := e.view(ctx, func(r Reader) (err error) {
		entry.operator, err = r.OperatorKeyByHash(ctx, hash)
		return err
	})
	switch {
	case err == nil:
		cache.inventedOperator.Store(entry.operator == nil)
		cache.keep(hash, entry)
	case kept != nil && ctx.Err() == nil && cache.silence(systemClock()) <= staleAfter+e.core.opts.StaleFor:
		e.core.metrics.keyStale.Add(1)
		return kept.operator, nil
	}
	return entry.operator, err
}

// lookUp asks the store for a key.
func (e *Engine) lookUp(ctx context.Context, secret string, hash [32]byte) (*cachedKey, error) {
	_, tenant, own := parseSecret(secret)
	if !own {
		unknown := &cachedKey{generation: e.core.keys.generation(TenantID{}).Load(), readAt: systemClock()}
		var err error
		if tenant, err = e.importedBy(ctx, secret, hash); err != nil {
			return nil, err
		}
		if tenant.IsZero() {
			e.core.keys.keep(hash, unknown)
			return unknown, nil
		}
	}
	return e.core.keys.lookUp(ctx, KeyHash{tenant, hash})
}

// errMalformed says that a text can't be a secret.
var errMalformed = errors.New("rentroll: the secret is malformed")
