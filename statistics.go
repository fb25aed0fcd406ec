package rentroll

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// statistics gathers what is counted off the path: denials and the use of keys. It is written once an interval and may
// lose that much in a crash; a clean stop loses nothing. Safe for concurrent use.
type statistics struct {
	mu      sync.Mutex
	denials map[TenantID][]*Denial
	counts  map[DenialCount]int64
	touches map[KeyRef]KeyTouch
	used    []*cachedKey // since they were last counted, in no particular order

	activity map[ActivityKey]Activity

	unsettled *Statistics // what may have been written; only for flushStatistics, which runs once at a time
}

// deny counts a refused admission.
func (s *statistics) deny(d *Denial, count DenialCount) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count(count, 1)
	if s.denials == nil {
		s.denials = make(map[TenantID][]*Denial)
	}
	// Only the last hundred of a tenant are kept; a storm must not fill the memory before they are written.
	s.denials[d.TenantID] = append(s.denials[d.TenantID], d)
	if kept := s.denials[d.TenantID]; len(kept) > 2*KeptDenials {
		s.denials[d.TenantID] = slices.Clone(kept[len(kept)-KeptDenials:])
	}
}

// did counts admissions and denials of this server in the minute of now.
func (s *statistics) did(server ServerID, now time.Time, admitted, denied int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.do(ActivityKey{now.Truncate(time.Minute), server}, Activity{Admitted: admitted, Denied: denied})
}

func (s *statistics) do(k ActivityKey, more Activity) {
	if s.activity == nil {
		s.activity = make(map[ActivityKey]Activity)
	}
	a := s.activity[k]
	a.Admitted, a.Denied = a.Admitted+more.Admitted, a.Denied+more.Denied
	s.activity[k] = a
}

func (s *statistics) count(c DenialCount, n int64) {
	if s.counts == nil {
		s.counts = make(map[DenialCount]int64)
	}
	s.counts[c] += n
}

// touch counts a use of a key: in the key itself, so that verifications do not wait for each other.
func (s *statistics) touch(k *cachedKey, now time.Time) {
	k.usedAt.Store(now.UnixMicro())
	if k.uses.Add(1) == 1 {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.used = append(s.used, k)
	}
}

// touched reports whether a key was used here and that is not written yet.
func (s *statistics) touched(ref KeyRef) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, touched := s.touches[ref]
	return touched || slices.ContainsFunc(s.used, func(k *cachedKey) bool { return k.tenant == ref.TenantID && k.key.ID == ref.KeyID })
}

func (s *statistics) add(k KeyRef, more KeyTouch) {
	if s.touches == nil {
		s.touches = make(map[KeyRef]KeyTouch)
	}
	t := s.touches[k]
	t.Requests += more.Requests
	if more.LastUsedAt.After(t.LastUsedAt) {
		t.LastUsedAt = more.LastUsedAt
	}
	s.touches[k] = t
}

// swap takes all that was gathered.
func (s *statistics) swap() *Statistics {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.used {
		s.add(KeyRef{k.tenant, k.key.ID}, KeyTouch{Requests: k.uses.Swap(0), LastUsedAt: time.UnixMicro(k.usedAt.Load()).UTC()})
	}
	s.used = nil
	out := &Statistics{Counts: s.counts, Touches: s.touches, Activity: s.activity}
	for _, kept := range s.denials {
		out.Denials = append(out.Denials, kept[max(0, len(kept)-KeptDenials):]...)
	}
	s.denials, s.counts, s.touches, s.activity = nil, nil, nil, nil
	return out
}

// restore puts back what could not be written. Counts stay exact; of denials only the counts are worth keeping.
func (s *statistics) restore(old *Statistics) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c, n := range old.Counts {
		s.count(c, n)
	}
	for k, t := range old.Touches {
		s.add(k, t)
	}
	for k, a := range old.Activity {
		s.do(k, a)
	}
}

// writeStatistics writes what was gathered, an interval after the other, until the engine is closed.
func (c *core) writeStatistics() {
	ctx, cancel := c.work()
	defer cancel()
	tick := time.NewTicker(c.opts.StatisticsInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.flushStatistics(ctx)
		case <-c.stop:
			return // Close flushes when the last command has ended
		}
	}
}

// settleWithin bounds for how long the store is asked whether statistics were written: far below the time after which
// it forgets. What is older is lost rather than counted twice.
const settleWithin = 15 * time.Minute

// How often it is tried to write the last statistics before the engine is closed, and for how long: of a store that does
// not answer each try takes its time.
const (
	lastFlushes  = 5
	lastPatience = 5 * time.Second
)

// flushLast writes what was gathered before the engine is closed, if the store lets it.
func (c *core) flushLast() {
	ctx, cancel := context.WithTimeout(context.Background(), lastPatience)
	defer cancel()
	for try := 0; try < lastFlushes && !c.flushStatistics(ctx) && ctx.Err() == nil; try++ {
		pause(maxPause)
	}
}

// flushStatistics writes what was gathered. It reports whether nothing is left.
func (c *core) flushStatistics(ctx context.Context) bool {
	s := c.stats.unsettled
	if s != nil && systemClock().Sub(s.ID.time()) < settleWithin && !c.flush(ctx, s) {
		return false
	}
	s = c.stats.swap()
	if len(s.Denials)+len(s.Counts)+len(s.Touches)+len(s.Activity) == 0 {
		return true
	}
	var seed [32]byte
	if c.read(seed[:]) != nil {
		c.stats.restore(s)
		return false
	}
	s.ID = newBatchID(rand.NewChaCha8(seed))
	return c.flush(ctx, s)
}

// flush writes statistics, or keeps them: under their name where they may have been written, which the next try finds
// out, and with what comes meanwhile where they were not.
func (c *core) flush(ctx context.Context, s *Statistics) bool {
	ctx, cancel := context.WithTimeout(ctx, laneTimeout)
	defer cancel()
	again := c.stats.unsettled == s
	err := c.store.WriteStatistics(ctx, s)
	switch {
	case err == nil:
		c.stats.unsettled = nil
		return true
	case again || classOf(err) == ClassUnknown && isUnavailable(err):
		c.stats.unsettled = s
	default:
		c.stats.restore(s)
	}
	c.opts.Logger.Error("statistics could not be written; they are kept for the next try", "error", err)
	return false
}

// noteDenial counts a refused admission of a run, or what is decided in the same way. It may be given parameters that nobody
// has checked.
func (e *Engine) noteDenial(p CreateRunParams, err error) {
	now := e.now()
	if e.actor.Kind == ActorAPIKey {
		p.APIKeyID = e.actor.APIKeyID
	}
	if checkWorkerID(p.WorkerID) != "" {
		p.WorkerID = ""
	}
	d := &Denial{TenantID: p.TenantID, At: now, WorkerID: NullString(p.WorkerID), APIKeyID: p.APIKeyID, Code: CodeOf(err)}
	count := DenialCount{TenantID: p.TenantID, Minute: now.Truncate(time.Minute), Code: d.Code}
	var q *QuotaExceededError
	var plain *Error
	switch {
	case errors.As(err, &q):
		d.Quota, d.Scope, d.Reason = NullString(q.Quota), NullString(q.Scope), q.Message
		d.Limit, d.Current = &q.Limit, &q.Current
		count.Quota = q.Quota
	case !errors.As(err, &plain):
		return
	default:
		switch plain.Code {
		case CodeTenantSuspended, CodeTenantTerminated, CodeForbidden, CodeWorkerNotAllowed, CodeWorkerDisabled:
			d.Reason = plain.Message
		default:
			return // not a denial: a bad request or a failure
		}
	}
	var entropy [10]byte
	if e.core.read(entropy[:]) != nil {
		return
	}
	d.ID = newID[eventKind](now, entropy)
	e.core.stats.deny(d, count)
	e.core.stats.did(e.core.cluster.self.ID, now, 0, 1)
}
