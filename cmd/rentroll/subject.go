package main

import (
	"context"
	"strings"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
	"github.com/rentroll/rentroll/quota"
)

type subjectCmd struct {
	Remote

	List   subjectList   `cmd:"" help:"List the subjects of a tenant that are counted."`
	Show   subjectShow   `cmd:"" help:"Show how a subject stands against its limits."`
	Set    subjectSet    `cmd:"" help:"Give a subject limits of its own."`
	Delete subjectDelete `cmd:"" help:"Take a subject's own limits away; those for every subject hold again."`
}

type subjectList struct {
	ofTenant
	Paging
}

// Run lists the subjects.
func (c *subjectList) Run(ctx context.Context, s *session) error {
	of := func(name quota.Name) func(*rentroll.SubjectStanding) string {
		return func(sub *rentroll.SubjectStanding) string {
			for _, q := range sub.Quotas {
				if q.Quota == name {
					return number(q.Used+q.Reserved) + " of " + limit(q.Limit)
				}
			}
			return ""
		}
	}
	return list(s, c.Paging, func(p rentroll.Page) (*rentroll.List[*rentroll.SubjectStanding], error) {
		return s.api.ListSubjects(ctx, c.Tenant, p)
	}, []column[*rentroll.SubjectStanding]{
		{"subject", false, func(sub *rentroll.SubjectStanding) string { return sub.Subject }},
		{"runs today", true, of(quota.RunsPerDay)},
		{"open runs", true, of(quota.ConcurrentRuns)},
		{"tokens this month", true, of(quota.TokensPerMonth)},
		{"own limits", false, func(sub *rentroll.SubjectStanding) string { return yesNo(len(sub.Limits) > 0) }},
		{"reason", false, func(sub *rentroll.SubjectStanding) string { return plain(sub.Reason) }},
	})
}

// ofSubject is a command on one subject.
type ofSubject struct {
	ofTenant

	Subject string `arg:"" help:"The subject, as runs name it; of runs that name none, the user's id."`
}

type (
	subjectShow   struct{ ofSubject }
	subjectDelete struct{ ofSubject }
)

// Run shows the subject.
func (c *subjectShow) Run(ctx context.Context, s *session) error {
	sub, err := s.api.GetSubject(ctx, c.Tenant, c.Subject)
	return s.print(err, func() error { return s.printQuotas(sub.Quotas) })
}

// Run takes the limits away.
func (c *subjectDelete) Run(ctx context.Context, s *session) error {
	return s.done(s.api.DeleteSubject(ctx, c.Tenant, c.Subject), "%s has no limits of its own.", c.Subject)
}

type subjectSet struct {
	ofSubject

	Limits []string `arg:"" name:"quota=limit" help:"A limit on runs_per_day, concurrent_runs or tokens_per_month: 5, 5:soft or unlimited. They replace all that it has."`
	Until  instant  `placeholder:"TIME" help:"When they end. Default: never."`
	Reason string   `placeholder:"TEXT" help:"Why."`
}

// Run sets the limits.
func (c *subjectSet) Run(ctx context.Context, s *session) error {
	limits := quota.Limits{}
	for _, entry := range c.Limits {
		name, value, found := strings.Cut(entry, "=")
		if !found {
			return usagef("%q is not of the form QUOTA=LIMIT, as in runs_per_day=5", entry)
		}
		l, err := parseLimit(value)
		if err != nil {
			return usagef("%s: %w", name, err)
		}
		l.Until = c.Until.Time
		limits[quota.Name(name)] = l
	}
	sub, err := s.api.PutSubject(ctx, c.Tenant, c.Subject, client.PutSubjectParams{Limits: limits, Reason: c.Reason})
	return s.print(err, func() error { return s.printQuotas(sub.Quotas) })
}
