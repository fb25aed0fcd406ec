package rentroll

import (
	"slices"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// A subject is an end user of a tenant, or whatever else its runs are on behalf of: a free text that a run names. Limits
// for every subject stand in the plan's limits and the tenant's overrides (see quota.ForSubjects); one subject may have
// limits of its own, which beat them.
//
// What a subject has open and has used stands in a row of its own, which exists from the moment on at which something
// limits the subject. While it exists every run of the subject is counted in it, whatever the plan says by then: what is
// open is counted from the runs when the row is made, so that the row always equals the runs, and limits may come and go
// without a slot being lost or counted twice. The runs of the day and the tokens of the month count from when it is made.

// Subject is the row of one subject of a tenant. It lives under the account's lock.
type Subject struct {
	TenantID       TenantID
	Subject        string       // 1–255 characters
	Limits         quota.Limits // its own, by the names runs_per_day, concurrent_runs and tokens_per_month; nil where it has none
	Reason         NullString   // why it has them
	ConcurrentRuns int64
	TokensReserved int64
	Runs           Tally // of the day
	Tokens         Tally // of the month, of runs as they end
	CreatedAt      time.Time
}

// SubjectRef names a subject of a tenant.
type SubjectRef struct {
	TenantID TenantID
	Subject  string
}

// with returns the counters with one more run.
func (s *Subject) with(a *Account, run *Run) *Subject {
	next := *s
	next.ConcurrentRuns++
	next.TokensReserved += run.ReservedTokens
	next.Runs.add(a.Day, 1, a.Day.Start)
	return &next
}

// use returns what stands against one of a subject's quotas, what of it is reserved, and over which period it counts.
func (s *Subject) use(a *Account, name quota.Name) (used, reserved int64, period quota.Period) {
	switch name {
	case quota.RunsPerDay:
		return s.Runs.usedIn(a.Day), 0, a.Day
	case quota.TokensPerMonth:
		return s.Tokens.usedIn(a.Month), s.TokensReserved, a.Month
	default:
		return s.ConcurrentRuns, 0, quota.Period{}
	}
}

// idle reports whether nothing stands in a row that would be missed.
func (s *Subject) idle(a *Account) bool {
	return len(s.Limits) == 0 && s.ConcurrentRuns == 0 && s.Runs.usedIn(a.Day) == 0 && s.Tokens.usedIn(a.Month) == 0
}

// limitOfSubject is the limit of a subject in force: its own while that holds, else the one for every subject.
func (a *Account) limitOfSubject(plan *Plan, s *Subject, name quota.Name, now time.Time) quota.Limit {
	if own, has := s.Limits[name]; has && own.Active(now) {
		return own
	}
	return quota.Effective(plan.limits(), a.Overrides, quota.ForSubjects(name), now)
}

// limitsSubjects reports whether there is a limit for every subject.
func (a *Account) limitsSubjects(plan *Plan, now time.Time) bool {
	for _, name := range quota.OfSubjects() {
		if !quota.Effective(plan.limits(), a.Overrides, quota.ForSubjects(name), now).Unlimited {
			return true
		}
	}
	return false
}

// takeOfSubject decides whether n more of one of a subject's quotas fit.
func (a *Account) takeOfSubject(plan *Plan, s *Subject, name quota.Name, n int64, now time.Time) (soft bool, err error) {
	limit := a.limitOfSubject(plan, s, name, now)
	used, reserved, period := s.use(a, name)
	switch {
	case limit.Fits(used+reserved, n):
		return false, nil
	case limit.IsSoft():
		return true, nil
	default:
		return false, exceeded(name, ScopeSubject, limit.Max, used+reserved, period.End)
	}
}

// admitSubject checks the limits of a run's subject.
func (a *Account) admitSubject(r applicant, now time.Time) (soft bool, err error) {
	if r.subject == nil {
		return false, nil
	}
	for _, name := range quota.OfSubjects() {
		n := int64(1)
		if name == quota.TokensPerMonth {
			n = max(r.reserve, 1)
		}
		over, err := a.takeOfSubject(r.plan, r.subject, name, n, now)
		if err != nil {
			return false, err
		}
		soft = soft || over
	}
	return soft, nil
}

// subject returns the row in which the runs of a subject are counted, nil where there is none and nothing limits it. One
// that is not there yet is made, and not written. It asks for what it needs.
func (l *ledger) subject(a *Account, plan *Plan, name string, now time.Time) (*Subject, error) {
	if name == "" {
		return nil, nil
	}
	limited := a.limitsSubjects(plan, now)
	if a.Subjects == 0 && !limited {
		return nil, nil
	}
	ref := SubjectRef{a.TenantID, name}
	if !l.Subjects.Knows(ref) {
		l.Subjects.Want(ref)
		return nil, errMore
	}
	if row := l.Subjects.Get(ref); row != nil || !limited {
		return row, nil
	}
	return l.newSubject(a, name, now)
}

// newSubject makes the row of a subject, with what its runs hold.
func (l *ledger) newSubject(a *Account, name string, now time.Time) (*Subject, error) {
	s := &Subject{TenantID: a.TenantID, Subject: name, CreatedAt: now}
	if a.UncountedRuns == 0 { // to look at all that are open is dear
		return s, nil
	}
	ask(&l.OpenSubjects, a.TenantID)
	stored := l.OpenSubjects[a.TenantID]
	if stored == nil {
		return nil, errMore
	}
	s.ConcurrentRuns, s.TokensReserved = (*stored)[name].Runs, (*stored)[name].Reserved
	count := func(run *Run, sign int64) {
		if run != nil && run.TenantID == a.TenantID && string(run.Subject) == name && run.Status.Open() {
			s.ConcurrentRuns += sign
			s.TokensReserved += sign * run.ReservedTokens
		}
	}
	for ref, was := range l.Runs.stored { // what this transaction has changed is not stored yet
		count(was, -1)
		count(l.Runs.rows[ref], 1)
	}
	return s, nil
}

// subjectOf returns the row in which a run is counted, nil where it is in none; it asks for what is not loaded.
func (l *ledger) subjectOf(a *Account, run *Run) (*Subject, error) {
	if run.Subject == "" || a.Subjects == 0 {
		return nil, nil
	}
	ref := SubjectRef{a.TenantID, string(run.Subject)}
	if !l.Subjects.Knows(ref) {
		l.Subjects.Want(ref)
		return nil, errMore
	}
	return l.Subjects.Get(ref), nil
}

// putSubject writes the row of a subject, which the account counts. What a new row holds is counted from now on.
func (l *ledger) putSubject(a *Account, s *Subject) {
	ref := SubjectRef{s.TenantID, s.Subject}
	if l.Subjects.Get(ref) == nil {
		a.Subjects++
		a.UncountedRuns -= s.ConcurrentRuns
	}
	l.Subjects.Put(ref, s)
}

// countIn counts an admitted run, which was counted in no row, in that of its subject.
func (l *ledger) countIn(a *Account, s *Subject, run *Run) {
	if l.Subjects.Get(SubjectRef{s.TenantID, s.Subject}) != nil {
		a.UncountedRuns--
	}
	l.putSubject(a, s.with(a, run))
}

// dropSubject deletes the row of a subject. What it holds is counted in no row any more.
func (l *ledger) dropSubject(a *Account, s *Subject) {
	l.Subjects.Delete(SubjectRef{s.TenantID, s.Subject})
	a.Subjects--
	a.UncountedRuns += s.ConcurrentRuns
}

// countersOf makes sure that the rows in which a run is counted beside the account are loaded.
func (l *ledger) countersOf(a *Account, run *Run) error {
	_, err := l.useOf(run)
	if _, more := l.subjectOf(a, run); more != nil {
		err = more
	}
	return err
}

// checkSubjectLimits says what is wrong with the own limits of a subject.
func checkSubjectLimits(limits quota.Limits) problems {
	var bad problems
	for _, f := range limits.Validate(true) {
		bad.add("limits."+f.Field, f.Message)
	}
	for name := range limits {
		if _, known := quota.Lookup(name); known && !slices.Contains(quota.OfSubjects(), name) {
			bad.add("limits."+string(name), "is no quota of a subject: runs_per_day, concurrent_runs and tokens_per_month are")
		}
	}
	if len(limits) == 0 {
		bad.add("limits", "must have a limit")
	}
	return bad
}
