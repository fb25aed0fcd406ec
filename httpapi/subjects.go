package httpapi

import (
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

type ofSubject struct {
	Tenant  string `path:"tenant"`
	Subject string `path:"subject"`
}

func (p ofSubject) tenantRef() string { return p.Tenant }

type putSubjectBody struct {
	Limits overrides `json:"limits" doc:"At least one of runs_per_day, concurrent_runs and tokens_per_month"`
	Reason string    `json:"reason,omitempty" maxLength:"500" doc:"Why the subject has limits of its own"`
}

// subjectSettings is what the ETag of a subject stands for: what operators set. What its runs use changes with each of them,
// and would leave no condition on it to hold.
type subjectSettings struct {
	Subject   string              `json:"subject"`
	Limits    quota.Limits        `json:"limits"`
	Reason    rentroll.NullString `json:"reason"`
	CreatedAt time.Time           `json:"created_at"`
}

func putSubject(c *call, p *ofSubject, b *putSubjectBody) (*rentroll.SubjectStanding, error) {
	return c.engine.PutSubject(c, rentroll.PutSubjectParams{
		TenantID: c.tenant, Subject: p.Subject, Limits: quota.Limits(b.Limits), Reason: b.Reason,
	})
}

func getSubject(c *call, p *ofSubject, _ *none) (*rentroll.SubjectStanding, error) {
	return c.engine.GetSubject(c, c.tenant, p.Subject)
}

func deleteSubject(c *call, p *ofSubject, _ *none) (nothing, error) {
	return nothing{}, c.engine.DeleteSubject(c, c.tenant, p.Subject)
}

func listSubjects(c *call, p *pageOfTenant, _ *none) (*rentroll.List[*rentroll.SubjectStanding], error) {
	return c.engine.ListSubjects(c, rentroll.ListSubjectsParams{TenantID: c.tenant, Page: p.page()})
}
