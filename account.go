package rentroll

import (
	"fmt"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// Account is the row of one tenant that holds its live counters: the thing that is locked, and all that a decision
// about the tenant's limits needs. The methods of this file decide; they do no I/O, read no clock and draw no random
// number.
//
// Counters (RunsToday, TokensUsed) belong to the stored period. Once now has reached a period's end the counter is zero
// and the next period has begun, whether or not anything has written that down: see roll. Gauges (ConcurrentRuns,
// TokensReserved, Workers, APIKeys, Owners) never roll over.
type Account struct {
	TenantID  TenantID
	Status    TenantStatus
	Since     time.Time // when it got this status
	Plan      string
	Overrides quota.Limits
	Timezone  string
	AnchorDay int

	Day         quota.Period
	RunsToday   int64
	Month       quota.Period
	TokensUsed  int64
	TokensAhead int64 // of events whose time lies behind the month's end already: the next month begins with them
	SpendUsed   int64 // millionths of the currency unit; runs tell their cost when they end, so that none is ahead of its month

	ConcurrentRuns int64 // queued and running
	TokensReserved int64
	Workers        int64 // enabled
	APIKeys        int64 // active
	Subjects       int64 // that have a row; zero where no subject is counted
	UncountedRuns  int64 // open ones that name a subject which has no row
	Owners         int64

	// Lower bounds of the earliest lease of an open run and of the earliest expiry of an active key; zero where there
	// is none. Before they have passed nothing can be overdue.
	NextLeaseExpiry time.Time
	NextKeyExpiry   time.Time

	// StatementGrace is for how long after their end the statements of the present month, and of months that end before the
	// next begins here, take events. Zero is what the platform's account has: see graces.
	StatementGrace time.Duration

	Marks Marks // what was told of the quotas' use in the present periods

	CancelBefore  time.Time // open runs made at or before it should stop; zero for none
	AuditSequence int64     // of the last audit row
	AuditHash     AuditHash // of the last audit row; zero where that is not chained
	Generation    int64     // grows with every change that a cached verification must not outlive
	LastNow       time.Time // the latest now of any decision
}

// clock returns the now of a decision: never earlier than the last one of this account, so that clocks which differ or
// step back move no period back.
func (a *Account) clock(now time.Time) time.Time {
	if now.Before(a.LastNow) {
		return a.LastNow
	}
	return now
}

// roll brings the periods to now and zeroes the counters of those that have ended. It returns the month that ended, if
// one did.
func (a *Account) roll(now time.Time) (ended quota.Period, rolled bool) {
	if now.Before(a.Day.End) && now.Before(a.Month.End) {
		return quota.Period{}, false
	}
	zone, err := quota.LoadZone(a.Timezone)
	if err != nil {
		zone = time.UTC // the zone was checked when it was set; a program with older zone data must still count
	}
	if day, changed := quota.Advance(a.Day, now, quota.Day, zone, a.AnchorDay); changed {
		a.Day, a.RunsToday = day, 0
		a.Marks.begin(quota.Day)
	}
	month, changed := quota.Advance(a.Month, now, quota.Month, zone, a.AnchorDay)
	if !changed {
		return quota.Period{}, false
	}
	ended = a.Month
	a.TokensUsed, a.SpendUsed = 0, 0
	if !ended.IsZero() {
		if next, _ := quota.Advance(ended, ended.End, quota.Month, zone, a.AnchorDay); next.Contains(now) {
			a.TokensUsed = a.TokensAhead
		}
	}
	a.Month, a.TokensAhead = month, 0
	a.Marks.begin(quota.Month)
	return ended, !ended.IsZero()
}

// use returns what stands against a quota, the period it counts over (zero for gauges), and what of it is reserved.
func (a *Account) use(name quota.Name) (current, reserved int64, period quota.Period) {
	switch name {
	case quota.Workers:
		return a.Workers, 0, quota.Period{}
	case quota.RunsPerDay:
		return a.RunsToday, 0, a.Day
	case quota.ConcurrentRuns:
		return a.ConcurrentRuns, 0, quota.Period{}
	case quota.TokensPerMonth:
		return a.TokensUsed, a.TokensReserved, a.Month
	case quota.SpendPerMonth:
		return a.SpendUsed, 0, a.Month
	case quota.APIKeys:
		return a.APIKeys, 0, quota.Period{}
	default:
		return 0, 0, quota.Period{}
	}
}

// take decides whether n more of a quota fit. It changes nothing. A soft limit lets them pass and says so.
func (a *Account) take(plan *Plan, name quota.Name, n int64, now time.Time) (overSoft bool, denied *QuotaExceededError) {
	limit := quota.Effective(plan.limits(), a.Overrides, name, now)
	used, reserved, period := a.use(name)
	current := used + reserved
	if limit.Fits(current, n) {
		return false, nil
	}
	if limit.IsSoft() {
		return true, nil
	}
	return false, exceeded(name, ScopeTenant, limit.Max, current, period.End)
}

func exceeded(name quota.Name, scope Scope, limit, current int64, end time.Time) *QuotaExceededError {
	e := &QuotaExceededError{Quota: name, Scope: scope, Limit: limit, Current: current}
	whose := "the tenant's"
	switch scope {
	case ScopeKey:
		whose = "the API key's"
	case ScopeSubject:
		whose = "the subject's"
	case ScopeTenant:
	}
	e.Message = fmt.Sprintf("%s quota %s is used up: limit %d, current %d", whose, name, limit, current)
	if !end.IsZero() {
		e.ResetsAt = &end
		e.Message += ", resets at " + end.Format(time.RFC3339)
	}
	return e
}

// active refuses what only an active tenant may do.
func (a *Account) active() error {
	switch a.Status {
	case TenantActive:
		return nil
	case TenantSuspended:
		return errTenantSuspended
	default:
		return errTenantTerminated
	}
}

// applicant is a run that asks for admission.
type applicant struct {
	plan    *Plan
	key     *APIKey  // nil where no key is involved
	use     *KeyUse  // of a key with limits of its own
	subject *Subject // nil where it is not counted
	worker  *Worker  // nil where the tenant has not used it yet
	name    string   // the worker's
	reserve int64
}

// admit is the admission: one decision over every rule, in the order in which they are documented. Nothing is consumed
// here; see hold. A nil error admits.
func (a *Account) admit(r applicant, now time.Time) (overSoft bool, err error) {
	if err := a.active(); err != nil {
		return false, err
	}
	if r.key != nil {
		if err := a.admitKey(r, now); err != nil {
			return false, err
		}
	}
	soft, err := a.admitSubject(r, now)
	if err != nil {
		return false, err
	}
	check := func(name quota.Name, n int64) *QuotaExceededError {
		over, denied := a.take(r.plan, name, n, now)
		soft = soft || over
		return denied
	}
	switch {
	case r.worker == nil:
		if denied := check(quota.Workers, 1); denied != nil {
			return false, denied
		}
	case !r.worker.Enabled:
		return false, errorf(CodeWorkerDisabled, "the worker %q is disabled for this tenant", r.name)
	}
	if denied := check(quota.RunsPerDay, 1); denied != nil {
		return false, denied
	}
	if denied := check(quota.ConcurrentRuns, 1); denied != nil {
		return false, denied
	}
	if denied := check(quota.TokensPerMonth, max(r.reserve, 1)); denied != nil {
		return false, denied
	}
	if denied := check(quota.SpendPerMonth, 1); denied != nil { // what a run will cost nobody knows yet
		return false, denied
	}
	return soft, nil
}

// admitKey checks the key of a run: that it is active, may run this worker, and has room under its own limits.
func (a *Account) admitKey(r applicant, now time.Time) error {
	if k := r.key.at(now); k.Status != KeyActive {
		return errorf(CodeForbidden, "the API key is %s", k.Status)
	}
	if !r.key.allowsWorker(r.name) {
		return errorf(CodeWorkerNotAllowed, "the API key may not run the worker %q", r.name)
	}
	if r.use == nil {
		return nil
	}
	if m := r.key.MaxConcurrentRuns; m != nil && !quota.Of(*m).Fits(r.use.ConcurrentRuns, 1) {
		return exceeded(quota.ConcurrentRuns, ScopeKey, *m, r.use.ConcurrentRuns, time.Time{})
	}
	return a.takeOfKey(r.key, r.use, max(r.reserve, 1))
}

// takeOfKey decides whether a key has room for n more tokens in its own month.
func (a *Account) takeOfKey(key *APIKey, use *KeyUse, n int64) error {
	m := key.MaxTokensPerMonth
	if m == nil {
		return nil
	}
	current := use.Tokens.usedIn(a.Month) + use.TokensReserved
	if quota.Of(*m).Fits(current, n) {
		return nil
	}
	return exceeded(quota.TokensPerMonth, ScopeKey, *m, current, a.Month.End)
}

// hold takes what an admitted run takes: a slot, one of the day's runs, its reservation.
func (a *Account) hold(run *Run) {
	a.RunsToday++
	a.ConcurrentRuns++
	a.TokensReserved += run.ReservedTokens
	a.expectLease(run.LeaseExpiresAt)
}

// release gives back the slot and the reservation of a run that ends.
func (a *Account) release(run *Run) {
	a.ConcurrentRuns--
	a.TokensReserved -= run.ReservedTokens
}

// expectLease keeps NextLeaseExpiry a lower bound.
func (a *Account) expectLease(at time.Time) { a.NextLeaseExpiry = earliest(a.NextLeaseExpiry, at) }

// expectExpiry keeps NextKeyExpiry a lower bound.
func (a *Account) expectExpiry(at *time.Time) {
	if at != nil {
		a.NextKeyExpiry = earliest(a.NextKeyExpiry, *at)
	}
}

// leasesDue reports whether a run may be overdue, keysDue whether a key may have expired unnoticed.
func (a *Account) leasesDue(now time.Time) bool { return due(a.NextLeaseExpiry, now) }
func (a *Account) keysDue(now time.Time) bool   { return due(a.NextKeyExpiry, now) }

// spend counts tokens used at an instant: in the present month, in the next where the event's clock runs ahead over the
// month's end, and nowhere where the month is past and its limit with it.
func (a *Account) spend(tokens int64, at time.Time) {
	switch {
	case at.Before(a.Month.Start):
	case at.Before(a.Month.End):
		a.TokensUsed = plus(a.TokensUsed, tokens)
	default:
		a.TokensAhead = plus(a.TokensAhead, tokens)
	}
}

// mostCounted is where a counter stays: far above every limit, and so far below the largest number that adding what is
// reserved can't wrap it around to nothing.
const mostCounted = 1 << 61

func plus(counter, n int64) int64 { return min(counter+n, mostCounted) }

// stops reports whether an open run should stop because its tenant was suspended or terminated after it began.
func (a *Account) stops(run *Run) bool {
	return run.CancelRequested || run.Status.Open() && !a.CancelBefore.IsZero() && !run.CreatedAt.After(a.CancelBefore)
}

// overLimits lists the quotas whose use is above its limit.
func (a *Account) overLimits(plan *Plan, now time.Time) []OverLimit {
	over := []OverLimit{}
	for _, d := range quota.Definitions() {
		limit := quota.Effective(plan.limits(), a.Overrides, d.Name, now)
		used, reserved, _ := a.use(d.Name)
		if !limit.Fits(used+reserved, 0) {
			over = append(over, OverLimit{Quota: d.Name, Limit: limit.Max, Current: used + reserved})
		}
	}
	return over
}

// earliest returns the earlier of two instants; a zero one is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// due reports whether an instant has come; a zero one never does.
func due(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }
