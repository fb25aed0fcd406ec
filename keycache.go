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
	// these a second: after one that did not find all that was asked for, the next is paced. Operator keys are paced apart,
	// and not at all where one is known: nobody waits for who invents keys of the other kind.
	lookupsPerSecond = 200
	lookupBurst      = 20
	lookupSize       = 1000        // of keys that may be invented; as many again that are known find room
	operatorPatience = time.Second // for which an operator key that is not known waits
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
	invented bool // the last query did not find all that it asked for

	operatorPace     *rate.Limiter
	inventedOperator atomic.Bool // the last query for an operator key found nothing

	open context.Context // ends when the engine is closed
	shut context.CancelFunc
	runs sync.WaitGroup
}

func newKeyCache(store Store, size int) *keyCache {
	k := &keyCache{
		store: store, start: systemClock(), pace: rate.NewLimiter(lookupsPerSecond, lookupBurst),
		operatorPace: rate.NewLimiter(lookupsPerSecond, lookupBurst),
	}
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
// can be relied on, known that there was such a key when last it was read, whatever has changed since.
func (k *keyCache) kept(hash [32]byte) (entry *cachedKey, sure, known bool) {
	if k.known == nil {
		return nil, false, false
	}
	entry, known = k.known.GetIfPresent(hash)
	most := knownFor
	if !known {
		entry, _ = k.unknown.GetIfPresent(hash)
		most = unknownFor
	}
	if entry == nil || entry.generation != k.generation(entry.tenant).Load() {
		return nil, false, known
	}
	at := systemClock()
	return entry, at.Sub(entry.readAt) < most && k.silence(at) <= staleAfter, known
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

// lookUp reads a key: of the tenant that is named or, where it is zero, of the one that imported it. known says that there
// was such a key when last it was read.
func (k *keyCache) lookUp(ctx context.Context, h KeyHash, known bool) (*cachedKey, error) {
	l, i, err := k.join(h, known)
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
func (k *keyCache) join(h KeyHash, known bool) (l *lookup, i int, err error) {
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
	case len(l.asked) >= 2*lookupSize, len(l.asked) >= lookupSize && !known:
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

// query reads what is asked for. It reports whether there was all of it.
func (k *keyCache) query(l *lookup) (all bool) {
	k.queries.Add(1)
	ctx, cancel := context.WithTimeout(k.open, lookupTimeout)
	defer cancel()
	nobodys := k.generation(TenantID{}).Load()
	asked, at, err := k.owned(ctx, l.asked)
	generations := make([]uint64, len(asked))
	for i, h := range asked {
		generations[i] = k.generation(h.TenantID).Load()
	}
	var found []FoundKey
	for try := 0; err == nil && len(asked) > 0 && try < lookupTries; try++ {
		if found, l.err = k.store.FindKeys(ctx, asked); l.err == nil || classOf(l.err) != ClassRetry || !isUnavailable(l.err) {
			break
		}
	}
	if err = errors.Join(err, l.err); err != nil {
		l.err = &Error{Code: CodeUnavailable, Message: "the store is unavailable", cause: err}
		return false
	}
	all = len(asked) == len(l.asked)
	l.found = make([]*cachedKey, len(l.asked))
	for i, f := range found {
		entry := cached(f)
		entry.tenant, entry.generation, entry.readAt = asked[i].TenantID, generations[i], systemClock()
		all = all && f.Key != nil
		l.found[at[i]] = entry
	}
	for i, h := range l.asked {
		if l.found[i] == nil {
			l.found[i] = &cachedKey{generation: nobodys, readAt: systemClock()}
		}
		k.keep(h.Hash, l.found[i])
	}
	return all
}

// owned finds the tenants of the keys that were asked for without one, among the imported keys. Keys that nobody has
// imported are left out; at says where the others stand.
func (k *keyCache) owned(ctx context.Context, list []KeyHash) (asked []KeyHash, at []int, err error) {
	b := &Batch{}
	for _, h := range list {
		if h.TenantID.IsZero() {
			b.Directory.Want(hashRef(h.Hash))
		}
	}
	if len(b.Directory.wanted) > 0 {
		if err := k.store.View(ctx, func(r Reader) error { return r.Load(ctx, b) }); err != nil {
			return nil, nil, err
		}
	}
	for i, h := range list {
		if h.TenantID.IsZero() {
			entry := b.Directory.Get(hashRef(h.Hash))
			if entry == nil {
				continue
			}
			h.TenantID = entry.Owner
		}
		asked, at = append(asked, h), append(at, i)
	}
	return asked, at, nil
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
// outdated, which happens only while the store does not answer: for as long as the options allow, and for as long as what
// others change is still being learnt, where a key is due to be read again.
func (e *Engine) keyOf(ctx context.Context, secret string) (k *cachedKey, stale bool, err error) {
	hash := hashSecret(secret)
	kept, sure, known := e.core.keys.kept(hash)
	if kept != nil && kept.tenant == PlatformID {
		return nil, false, errMalformed // an operator's
	}
	if sure {
		e.core.metrics.keyHits.Add(1)
		return kept, false, nil
	}
	_, tenant, own := parseSecret(secret)
	if own && tenant == PlatformID || !own && !e.mayBeImported(secret) {
		return nil, false, errMalformed
	}
	return e.readKey(ctx, KeyHash{tenant, hash}, kept, known)
}

// keyByHash returns what there is to know of a tenant's key by the SHA-256 of its secret, as keyOf does by the secret.
func (e *Engine) keyByHash(ctx context.Context, h KeyHash) (*cachedKey, error) {
	kept, sure, known := e.core.keys.kept(h.Hash)
	if sure {
		e.core.metrics.keyHits.Add(1)
		return kept, nil
	}
	k, _, err := e.readKey(ctx, h, kept, known)
	return k, err
}

// readKey asks the store for a key. Where it does not answer, what is kept will do for a while.
func (e *Engine) readKey(ctx context.Context, h KeyHash, kept *cachedKey, known bool) (k *cachedKey, stale bool, err error) {
	cache := e.core.keys
	k, err = cache.lookUp(ctx, h, known)
	if err != nil && kept != nil && ctx.Err() == nil && cache.silence(systemClock()) <= staleAfter+e.core.opts.StaleFor {
		e.core.metrics.keyStale.Add(1)
		return kept, true, nil
	}
	return k, false, err
}

// operatorKeyOf returns an operator key, from memory or the store; nil where there is none.
func (e *Engine) operatorKeyOf(ctx context.Context, hash [32]byte) (*OperatorKey, error) {
	cache := e.core.keys
	kept, sure, known := cache.kept(hash)
	if sure {
		e.core.metrics.keyHits.Add(1)
		return kept.operator, nil
	}
	if cache.inventedOperator.Load() && !known {
		if err := cache.paceOperator(ctx); err != nil {
			return nil, err
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

// paceOperator waits until an operator key that is not known may be asked for.
func (k *keyCache) paceOperator(ctx context.Context) error {
	soon, cancel := context.WithTimeout(ctx, operatorPatience)
	defer cancel()
	if err := k.operatorPace.Wait(soon); err != nil {
		return errorf(CodeOverloaded, "too many operator keys that there are not are being tried")
	}
	return nil
}

// errMalformed says that a text can't be a secret.
var errMalformed = errors.New("rentroll: the secret is malformed")
