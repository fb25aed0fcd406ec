package simtest

import (
	"context"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/model"
	"github.com/rentroll/rentroll/quota"
)

func subjectView(v *rentroll.SubjectStanding) *model.SubjectView {
	return &model.SubjectView{Subject: v.Subject, Limits: v.Limits, Reason: string(v.Reason), Quotas: quotaViews(v.Quotas)}
}

func putSubject(by model.Ref, p model.PutSubject) op {
	return op{
		"PutSubject", by, p,
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return w.PutSubject(by, now, p)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			v, err := e.PutSubject(ctx, rentroll.PutSubjectParams{TenantID: s.tenant(p.Tenant), Subject: p.Subject, Limits: p.Limits, Reason: p.Reason})
			if err != nil {
				return nil, err
			}
			return subjectView(v), nil
		},
	}
}

func deleteSubject(by, id model.Ref, who string) op {
	return op{
		"DeleteSubject", by, who,
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) {
			return nil, w.DeleteSubject(by, now, id, who)
		},
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			return nil, e.DeleteSubject(ctx, s.tenant(id), who)
		},
	}
}

func (s *side) subjects(ctx context.Context, id rentroll.TenantID, size int) ([]*model.SubjectView, error) {
	rows, err := pages(size, func(page rentroll.Page) (*rentroll.List[*rentroll.SubjectStanding], error) {
		return s.engine.ListSubjects(ctx, rentroll.ListSubjectsParams{TenantID: id, Page: page})
	})
	out := []*model.SubjectView{}
	for _, row := range rows {
		out = append(out, subjectView(row))
	}
	return out, err
}

func (g *generator) who() string {
	return pick(g, []string{"", "", "ada", "ada", "bob", "Bob", "käthe"})
}

// subject sets or takes away the limits of one subject.
func (g *generator) subject() op {
	id := g.somewhere()
	who := pick(g, []string{"ada", "bob", "Bob"})
	if g.chance(30) {
		return deleteSubject(g.operator(id), id, who)
	}
	p := model.PutSubject{Tenant: id, Subject: who, Limits: quota.Limits{}, Reason: pick(g, []string{"", "trial"})}
	for i, name := range quota.OfSubjects() {
		if g.chance(50) {
			p.Limits[name] = g.aLimit([]int64{6, 4, 1500}[i], true)
		}
	}
	if g.chance(4) {
		p.Limits[quota.Workers] = quota.Of(1)
	}
	return putSubject(g.operator(id), p)
}

// aLimit is a limit of so much at most.
func (g *generator) aLimit(most int64, override bool) quota.Limit {
	l := quota.Of(g.Int64N(most))
	switch g.IntN(8) {
	case 0:
		l = quota.NoLimit()
	case 1:
		l.Mode = quota.Soft
	}
	if override && g.chance(30) {
		l.Until = g.now.Add(g.upTo(30 * time.Hour)).Truncate(time.Second)
	}
	return l
}

// onSubjects adds limits for every subject.
func (g *generator) onSubjects(out quota.Limits, overrides bool) {
	for i, name := range quota.OfSubjects() {
		if g.chance(15) {
			out[quota.ForSubjects(name)] = g.aLimit([]int64{8, 5, 2500}[i], overrides)
		}
	}
}
