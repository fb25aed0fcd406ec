package model

import (
	"maps"
	"slices"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// subject is an end user of a tenant whose runs are counted.
type subject struct {
	limits  quota.Limits
	reason  string
	entered []time.Time // runs, since it is counted
	used    []spent
}

// spent is tokens that runs of a subject used.
type spent struct {
	at     time.Time
	tokens int64
}

// SubjectView is how a subject stands.
type SubjectView struct {
	Subject string       `json:"subject"`
	Limits  quota.Limits `json:"limits"`
	Reason  string       `json:"reason"`
	Quotas  []QuotaView  `json:"quotas"`
}

// PutSubject gives a subject limits of its own.
type PutSubject struct {
	Tenant  Ref
	Subject string
	Limits  quota.Limits
	Reason  string
}

// limitsSubjects reports whether there is a limit for every subject.
func (w *World) limitsSubjects(t *tenant, now time.Time) bool {
	return slices.ContainsFunc(quota.OfSubjects(), func(name quota.Name) bool {
		return !w.limit(t, quota.ForSubjects(name), now).Unlimited
	})
}

// counted returns a subject where its runs are counted, or will be with the next one.
func (w *World) counted(t *tenant, name string, now time.Time) *subject {
	if s := t.subjects[name]; s != nil || name == "" {
		return s
	}
	if w.limitsSubjects(t, now) {
		return &subject{}
	}
	return nil
}

func (w *World) limitOf(t *tenant, s *subject, name quota.Name, now time.Time) quota.Limit {
	if l, has := s.limits[name]; has && (l.Until.IsZero() || now.Before(l.Until)) {
		return l
	}
	return w.limit(t, quota.ForSubjects(name), now)
}

// useOf counts what stands against a quota of a subject.
func (t *tenant) useOf(who string, s *subject, name quota.Name, now time.Time) (u use) {
	for _, r := range t.runs {
		if r.open() && r.Subject == who {
			if name == quota.ConcurrentRuns {
				u.used++
			}
			if name == quota.TokensPerMonth {
				u.reserved += r.Reserved
			}
		}
	}
	if name == quota.RunsPerDay {
		u.period = new(t.dayAt(now))
		for _, at := range s.entered {
			if u.period.Contains(at) {
				u.used++
			}
		}
	}
	if name == quota.TokensPerMonth {
		u.period = new(t.monthAt(now))
		for _, e := range s.used {
			if u.period.Contains(e.at) {
				u.used += e.tokens
			}
		}
	}
	return u
}

// roomOf decides whether n more of a quota of a subject fit.
func (w *World) roomOf(t *tenant, who string, name quota.Name, n int64, now time.Time) (soft bool, bad *Refusal) {
	s := w.counted(t, who, now)
	if s == nil {
		return false, nil
	}
	l, u := w.limitOf(t, s, name, now), t.useOf(who, s, name, now)
	switch current := u.used + u.reserved; {
	case l.Unlimited || current+n <= l.Max:
		return false, nil
	case l.Mode == quota.Soft:
		return true, nil
	default:
		bad = &Refusal{Code: QuotaExceeded, Quota: name, Scope: "subject", Limit: l.Max, Current: current}
		if u.period != nil {
			bad.ResetsAt = &u.period.End
		}
		return false, bad
	}
}

// admitSubject checks the limits of a run's subject.
func (w *World) admitSubject(t *tenant, p CreateRun, now time.Time) (soft bool, bad *Refusal) {
	for _, name := range quota.OfSubjects() {
		n := int64(1)
		if name == quota.TokensPerMonth {
			n = max(p.Reserve, 1)
		}
		over, bad := w.roomOf(t, p.Subject, name, n, now)
		if bad != nil {
			return false, bad
		}
		soft = soft || over
	}
	return soft, nil
}

func (w *World) subjectView(t *tenant, who string, s *subject, now time.Time) *SubjectView {
	v := &SubjectView{Subject: who, Limits: s.limits, Reason: s.reason}
	if v.Limits == nil {
		v.Limits = quota.Limits{}
	}
	for _, name := range quota.OfSubjects() {
		l, u := w.limitOf(t, s, name, now), t.useOf(who, s, name, now)
		q := QuotaView{Quota: name, Used: u.used, Reserved: u.reserved}
		if !l.Unlimited {
			q.Limit, q.Remaining = &l.Max, new(max(0, l.Max-u.used-u.reserved))
		}
		if u.period != nil {
			q.Start, q.ResetsAt = &u.period.Start, &u.period.End
		}
		v.Quotas = append(v.Quotas, q)
	}
	return v
}

// PutSubject gives a subject limits of its own.
func (w *World) PutSubject(by Ref, now time.Time, p PutSubject) (*SubjectView, *Refusal) {
	if bad := w.operator(by, now); bad != nil {
		return nil, bad
	}
	valid := p.Subject != "" && len(p.Limits) > 0 && p.Limits.Validate(true) == nil
	for name := range p.Limits {
		valid = valid && slices.Contains(quota.OfSubjects(), name)
	}
	if !valid {
		return nil, refuse(ValidationFailed)
	}
	t := w.tenants[p.Tenant]
	if t == nil {
		return nil, refuse(NotFound)
	}
	now = t.clock(now)
	s := t.subjects[p.Subject]
	if s == nil {
		s = &subject{}
	}
	if t.subjects[p.Subject] == nil || text(s.limits) != text(p.Limits) || s.reason != p.Reason {
		next := *s
		next.limits, next.reason = p.Limits, p.Reason
		s = &next
		t.subjects[p.Subject] = s
		t.changed(now)
		t.log("subject.put")
	}
	return w.subjectView(t, p.Subject, s, now), nil
}

// DeleteSubject takes a subject's own limits away.
func (w *World) DeleteSubject(by Ref, now time.Time, id Ref, who string) *Refusal {
	if bad := w.operator(by, now); bad != nil {
		return bad
	}
	t := w.tenants[id]
	if t == nil || t.subjects[who] == nil || len(t.subjects[who].limits) == 0 {
		return refuse(NotFound)
	}
	now = t.clock(now)
	t.changed(now)
	t.log("subject.delete")
	if w.limitsSubjects(t, now) {
		next := *t.subjects[who]
		next.limits, next.reason = nil, ""
		t.subjects[who] = &next
	} else {
		delete(t.subjects, who)
	}
	return nil
}

// ListSubjects returns the subjects that are counted, by their text.
func (w *World) ListSubjects(now time.Time, id Ref) []*SubjectView {
	t := w.tenants[id]
	now = t.clock(now)
	out := []*SubjectView{}
	for _, who := range slices.Sorted(maps.Keys(t.subjects)) {
		out = append(out, w.subjectView(t, who, t.subjects[who], now))
	}
	return out
}

// forget drops the subjects in which nothing stands.
func (t *tenant) forget(now time.Time) (n int64) {
	now = t.clock(now)
	for who, s := range t.subjects {
		idle := len(s.limits) == 0
		for _, name := range quota.OfSubjects() {
			idle = idle && t.useOf(who, s, name, now).used == 0
		}
		if idle {
			delete(t.subjects, who)
			n++
		}
	}
	if n > 0 {
		t.changed(now)
	}
	return n
}
