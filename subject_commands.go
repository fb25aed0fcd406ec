package rentroll

import (
	"context"
	"reflect"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// SubjectStanding is a subject with how it stands against its limits.
type SubjectStanding struct {
	Subject   string       `json:"subject"`
	Limits    quota.Limits `json:"limits"` // its own
	Reason    NullString   `json:"reason"` // why it has them
	Quotas    []QuotaUse   `json:"quotas"` // with the limits in force
	CreatedAt time.Time    `json:"created_at"`
}

// PutSubjectParams gives a subject limits of its own, in the place of those that it has.
type PutSubjectParams struct {
	TenantID TenantID
	Subject  string       // 1–255 characters
	Limits   quota.Limits // at least one of runs_per_day, concurrent_runs, tokens_per_month; null is unlimited
	Reason   string       // at most 500 characters
}

// ListSubjectsParams pages subjects.
type ListSubjectsParams struct {
	TenantID TenantID
	Page
}

// standing returns how a subject stands in the account's present periods.
func (s *Subject) standing(a *Account, plan *Plan, now time.Time) *SubjectStanding {
	out := &SubjectStanding{Subject: s.Subject, Limits: s.Limits.Clone(), Reason: s.Reason, Quotas: []QuotaUse{}, CreatedAt: s.CreatedAt}
	if out.Limits == nil {
		out.Limits = quota.Limits{}
	}
	for _, name := range quota.OfSubjects() {
		used, reserved, period := s.use(a, name)
		out.Quotas = append(out.Quotas, useOfQuota(name, a.limitOfSubject(plan, s, name, now), used, reserved, period))
	}
	return out
}

// PutSubject gives a subject limits of its own. It is exact: once it has returned, nothing beyond them is admitted; runs
// that are open count. It needs an operator with tenant:manage.
func (e *Engine) PutSubject(ctx context.Context, p PutSubjectParams) (*SubjectStanding, error) {
	if err := e.actor.mayOperate(PermTenantManage); err != nil {
		return nil, err
	}
	bad := checkSubjectLimits(p.Limits)
	bad.add("subject", checkText(p.Subject, 1, 255))
	bad.add("reason", checkText(p.Reason, 0, maxReason))
	if err := bad.err(); err != nil {
		return nil, err
	}
	p.Limits = p.Limits.Clone()
	c := &putSubject{onSubject: onSubject{header{tenant: p.TenantID, by: e.actor, size: 2048, rows: 2}, p.Subject}, p: p}
	if err := e.do(ctx, c); err != nil {
		return nil, err
	}
	return c.answer, nil
}

// DeleteSubject takes the own limits of a subject away; those for every subject hold again. A subject that has none of its
// own is CodeNotFound. It needs an operator with tenant:manage.
func (e *Engine) DeleteSubject(ctx context.Context, tenant TenantID, subject string) error {
	if err := e.actor.mayOperate(PermTenantManage); err != nil {
		return err
	}
	if checkText(subject, 1, 255) != "" {
		return notFound("subject")
	}
	return e.do(ctx, &deleteSubject{onSubject{header{tenant: tenant, by: e.actor, size: 2048, rows: 2}, subject}})
}

type onSubject struct {
	header
	subject string
}

func (c *onSubject) ref() SubjectRef { return SubjectRef{c.tenant, c.subject} }

func (c *onSubject) wants(b *Batch) { b.Subjects.Want(c.ref()) }

func (c *onSubject) object(l *ledger) (any, error) {
	a, plan, now, err := l.planned(c.tenant)
	if err != nil {
		return nil, err
	}
	if was := l.Subjects.Get(c.ref()); was != nil {
		return was.standing(a, plan, now), nil
	}
	return nil, nil
}

// subjectChange is what the audit shows of a subject.
type subjectChange struct {
	Limits quota.Limits `json:"limits"`
	Reason NullString   `json:"reason"`
}

type putSubject struct {
	onSubject
	p      PutSubjectParams
	answer *SubjectStanding
}

func (c *putSubject) decide(l *ledger) error {
	a, plan, now, err := l.planned(c.tenant)
	if err != nil {
		return err
	}
	was := l.Subjects.Get(c.ref())
	row := was
	if row == nil {
		if row, err = l.newSubject(a, c.subject, now); err != nil {
			return err
		}
	}
	next := *row
	next.Limits, next.Reason = c.p.Limits, NullString(c.p.Reason)
	c.answer = next.standing(a, plan, now)
	if was != nil && reflect.DeepEqual(was.Limits, next.Limits) && was.Reason == next.Reason {
		return nil
	}
	l.touch(a, now)
	l.putSubject(a, &next)
	entry := change{action: "subject.put", kind: "subject", id: c.subject, new: subjectChange{next.Limits, next.Reason}}
	if was != nil && len(was.Limits) > 0 {
		entry.old = subjectChange{was.Limits, was.Reason}
	}
	l.audit(a, c.by, now, entry)
	return nil
}

type deleteSubject struct{ onSubject }

func (c *deleteSubject) object(l *ledger) (any, error) {
	if was := l.Subjects.Get(c.ref()); was == nil || len(was.Limits) == 0 {
		return nil, notFound("subject")
	}
	return c.onSubject.object(l)
}

func (c *deleteSubject) decide(l *ledger) error {
	a, plan, now, err := l.planned(c.tenant)
	if err != nil {
		return err
	}
	was := l.Subjects.Get(c.ref())
	if was == nil || len(was.Limits) == 0 {
		return notFound("subject")
	}
	l.touch(a, now)
	if next := *was; a.limitsSubjects(plan, now) {
		next.Limits, next.Reason = nil, ""
		l.Subjects.Put(c.ref(), &next)
	} else { // nothing limits it any more: its runs are counted nowhere
		l.dropSubject(a, was)
	}
	l.audit(a, c.by, now, change{action: "subject.delete", kind: "subject", id: c.subject, old: subjectChange{was.Limits, was.Reason}})
	return nil
}

// GetSubject reads how a subject stands. One that nothing has limited yet, or not for a while, is CodeNotFound. It needs
// quota:read.
func (e *Engine) GetSubject(ctx context.Context, tenant TenantID, subject string) (*SubjectStanding, error) {
	if err := e.may(tenant, PermQuotaRead); err != nil {
		return nil, err
	}
	if checkText(subject, 1, 255) != "" {
		return nil, notFound("subject")
	}
	var out *SubjectStanding
	err := e.viewLive(ctx, tenant, func(r Reader, a *Account, plan *Plan, now time.Time) error {
		ref, b := SubjectRef{tenant, subject}, &Batch{}
		b.Subjects.Want(ref)
		if err := r.Load(ctx, b); err != nil {
			return err
		}
		row := b.Subjects.Get(ref)
		if row == nil {
			return notFound("subject")
		}
		out = row.standing(a, plan, now)
		return nil
	})
	return out, err
}

// ListSubjects lists the subjects that are counted, by their text. It needs quota:read.
func (e *Engine) ListSubjects(ctx context.Context, p ListSubjectsParams) (*List[*SubjectStanding], error) {
	if err := e.may(p.TenantID, PermQuotaRead); err != nil {
		return nil, err
	}
	var bad problems
	scope := cursorScope("subjects", p.TenantID.String())
	limit, after := pageSize(p.Page, &bad), ""
	if p.Cursor != "" {
		position, ok := decodeCursor(scope, p.Cursor)
		if !ok {
			bad.add("cursor", "is not a cursor of this list")
		}
		after = string(position)
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	out := &List[*SubjectStanding]{Items: []*SubjectStanding{}}
	err := e.viewLive(ctx, p.TenantID, func(r Reader, a *Account, plan *Plan, now time.Time) error {
		rows, err := r.ListSubjects(ctx, p.TenantID, after, limit+1)
		for i, row := range rows {
			if i == limit {
				out.NextCursor = NullString(encodeCursor(scope, []byte(rows[i-1].Subject)))
				break
			}
			out.Items = append(out.Items, row.standing(a, plan, now))
		}
		return err
	})
	return out, err
}

// pruneSubjects removes rows in which nothing stands any more.
type pruneSubjects struct {
	header
	subjects []string
	pruned   int64
}

func (c *pruneSubjects) wants(b *Batch) {
	for _, s := range c.subjects {
		b.Subjects.Want(SubjectRef{c.tenant, s})
	}
}

func (c *pruneSubjects) decide(l *ledger) error {
	a, now, err := l.account(c.tenant)
	if err != nil {
		return err
	}
	c.pruned = 0
	l.touch(a, now)
	for _, s := range c.subjects {
		ref := SubjectRef{c.tenant, s}
		if row := l.Subjects.Get(ref); row != nil && row.idle(a) {
			l.dropSubject(a, row)
			c.pruned++
		}
	}
	return nil
}

// subjects prunes the rows of a tenant's subjects.
func (p *pruner) subjects(ctx context.Context, stored *Account) error {
	for after := ""; stored.Subjects > 0; {
		a := *stored
		a.roll(a.clock(p.now))
		var rows []*Subject
		err := p.view(ctx, func(r Reader) (err error) {
			rows, err = r.ListSubjects(ctx, a.TenantID, after, pruneChunk)
			return err
		})
		if err != nil {
			return err
		}
		if err := p.limiter.WaitN(ctx, max(len(rows), 1)); err != nil {
			return err
		}
		c := &pruneSubjects{header: header{tenant: a.TenantID, by: p.actor, rows: len(rows)}}
		for _, row := range rows {
			if after = row.Subject; row.idle(&a) {
				c.subjects = append(c.subjects, row.Subject)
			}
		}
		if len(c.subjects) > 0 {
			if err := p.do(ctx, c); err != nil {
				return err
			}
			p.pruned[PruneSubjects] += c.pruned
		}
		if len(rows) < pruneChunk {
			return nil
		}
	}
	return nil
}
