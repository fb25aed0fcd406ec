package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// PutSubjectParams gives a subject limits of its own, in the place of those that it has.
type PutSubjectParams struct {
	Limits quota.Limits `json:"limits"` // at least one of runs_per_day, concurrent_runs, tokens_per_month
	Reason string       `json:"reason,omitempty"`
}

// PutSubject gives a subject of a tenant limits of its own. It needs an operator key.
func (c *Client) PutSubject(ctx context.Context, tenant, subject string, p PutSubjectParams) (*rentroll.SubjectStanding, error) {
	return send[rentroll.SubjectStanding](ctx, c, &request{
		method: http.MethodPut, path: []string{"v1", "tenants", tenant, "subjects", subject}, body: p, repeat: true,
	})
}

// GetSubject reads how a subject stands against its limits.
func (c *Client) GetSubject(ctx context.Context, tenant, subject string) (*rentroll.SubjectStanding, error) {
	return get[rentroll.SubjectStanding](ctx, c, "v1", "tenants", tenant, "subjects", subject)
}

// DeleteSubject takes a subject's own limits away. It needs an operator key.
func (c *Client) DeleteSubject(ctx context.Context, tenant, subject string) error {
	_, err := c.do(ctx, &request{method: http.MethodDelete, path: []string{"v1", "tenants", tenant, "subjects", subject}}, nil)
	return err
}

// ListSubjects reads one page of the subjects that are counted, by their text.
func (c *Client) ListSubjects(ctx context.Context, tenant string, p rentroll.Page) (*rentroll.List[*rentroll.SubjectStanding], error) {
	return list[*rentroll.SubjectStanding](ctx, c, query{}.page(p), "v1", "tenants", tenant, "subjects")
}

// AllSubjects reads the subjects page by page.
func (c *Client) AllSubjects(ctx context.Context, tenant string, p rentroll.Page) iter.Seq2[*rentroll.SubjectStanding, error] {
	return all(p, func(page rentroll.Page) (*rentroll.List[*rentroll.SubjectStanding], error) {
		return c.ListSubjects(ctx, tenant, page)
	})
}
