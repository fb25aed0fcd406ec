package rentroll

import (
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/rentroll/rentroll/quota"
)

// RateLimit is how a caller stands against one limit of requests a minute, on the server that answers: each server
// enforces its share of a limit, so that over several servers it is approximate.
type RateLimit struct {
	Scope     Scope         // whose limit it is
	Limit     int64         // requests a minute, over all servers
	Remaining int64         // how many would be let through now
	Reset     time.Duration // until as many as ever would be
	Retry     time.Duration // until the next one would be let through; zero when one would be now
}

// Requests a minute are limited by the generic cell rate algorithm (ITU-T Recommendation I.371, as a virtual schedule):
// one number, the time at which the limiter would be full again. A caller that was quiet may send a minute's worth at
// once; after that requests come at the limit's pace.

const rateWindow = time.Minute

// gcra is one limiter. Safe for concurrent use; the zero value is full.
type gcra struct {
	tat atomic.Int64 // the theoretical arrival time, nanoseconds since the process began to count
}

// take asks for one request of so many a minute.
func (g *gcra) take(share int64, now time.Duration) (remaining int64, reset, retry time.Duration) {
	interval := max(rateWindow/time.Duration(share), 1)
	for {
		was := g.tat.Load()
		next := max(time.Duration(was), now) + interval
		if wait := next - now - rateWindow; wait > 0 {
			return 0, next - interval - now, wait
		}
		if g.tat.CompareAndSwap(was, int64(next)) {
			return int64((rateWindow - (next - now)) / interval), next - now, 0
		}
	}
}

// rateLimiter counts requests. It is where servers that share their counts would come in: such a limiter divides nothing,
// and gets its share ahead of the requests, in the background, since take is on the path of every request and never waits.
type rateLimiter interface {
	// take counts one request of a holder that has so many a minute, at least 1, over all servers. A request that is
	// refused, with a retry above zero, changes nothing. Safe for concurrent use.
	take(h holder, limit int64) (remaining int64, reset, retry time.Duration)
}

// holder is who has a limit: a family of keys, or a tenant.
type holder struct {
	scope Scope
	id    [16]byte
}

// ownLimiter enforces this server's share of each limit, and knows nothing of what others count.
type ownLimiter struct {
	servers func() int           // that share the limits, at least 1
	now     func() time.Duration // of a clock that never steps back
	keys    *otter.Cache[holder, *gcra]
	tenants *otter.Cache[holder, *gcra] // apart, so that no number of keys pushes them out
}

const limitersKept = 100_000 // of either kind; one that is pushed out begins anew

func newOwnLimiter(servers func() int, now func() time.Duration) *ownLimiter {
	room := &otter.Options[holder, *gcra]{MaximumSize: limitersKept}
	return &ownLimiter{servers: servers, now: now, keys: otter.Must(room), tenants: otter.Must(room)}
}

// take counts one request.
func (l *ownLimiter) take(h holder, limit int64) (remaining int64, reset, retry time.Duration) {
	all := l.tenants
	if h.scope == ScopeKey {
		all = l.keys
	}
	g, known := all.GetIfPresent(h)
	if !known {
		g, _ = all.ComputeIfAbsent(h, func() (*gcra, bool) { return &gcra{}, false })
	}
	return g.take(max(1, limit/int64(l.servers())), l.now())
}

// rates counts one request of a key against its own limit and its tenant's, and returns how it stands against those that
// it has. A request that is over one of them is refused by the last of the list.
func (c *core) rates(k *cachedKey, now time.Time) (list []RateLimit, refused bool) {
	count := func(h holder, limit int64) {
		if limit == 0 { // none are allowed, ever
			list, refused = append(list, RateLimit{Scope: h.scope, Reset: rateWindow, Retry: rateWindow}), true
			return
		}
		r := RateLimit{Scope: h.scope, Limit: limit}
		r.Remaining, r.Reset, r.Retry = c.limiter.take(h, limit)
		list, refused = append(list, r), r.Retry > 0
	}
	if k.key.RateLimitRPM != nil {
		count(holder{ScopeKey, k.key.Family}, *k.key.RateLimitRPM)
	}
	if refused {
		return list, true
	}
	if limit := k.tenantRate(c.plans.plans.Load(), now); !limit.Unlimited && !limit.IsSoft() {
		count(holder{ScopeTenant, k.tenant}, limit.Max)
	}
	return list, refused
}

// tenantRate is the limit of requests a minute of a key's tenant. It is worked out once for each state of the plans, but
// for overrides that end.
func (k *cachedKey) tenantRate(plans *map[string]*Plan, now time.Time) quota.Limit {
	if r := k.rate.Load(); r != nil && r.plans == plans {
		return r.limit
	}
	limit := quota.Effective((*plans)[k.plan].limits(), k.overrides, quota.RequestsPerMinute, now)
	if k.overrides[quota.RequestsPerMinute].Until.IsZero() {
		k.rate.Store(&tenantRate{plans, limit})
	}
	return limit
}

// tenantRate is a limit as one state of the plans has it.
type tenantRate struct {
	plans *map[string]*Plan
	limit quota.Limit
}

// info is how a verification tells of the rate limits: the one that leaves the least.
func (k *cachedKey) info(list []RateLimit, now time.Time) *RateLimitInfo {
	if len(list) == 0 {
		return nil
	}
	least := list[0]
	for _, r := range list[1:] {
		if r.Remaining < least.Remaining || r.Retry > 0 {
			least = r
		}
	}
	return &RateLimitInfo{Limit: least.Limit, Remaining: least.Remaining, ResetsAt: stamp(now.Add(least.Reset))}
}

func errRateLimited(list []RateLimit) *Error {
	r := list[len(list)-1]
	whose := "the tenant's"
	if r.Scope == ScopeKey {
		whose = "the API key's"
	}
	return errorf(CodeRateLimited, "%s rate limit of %d requests a minute is used up", whose, r.Limit)
}
