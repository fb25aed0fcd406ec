package client_test

import (
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
	"github.com/rentroll/rentroll/quota"
)

// TestAuditEvidence: an export that was read page by page holds, the server agrees, and its head is contained in what is
// written later.
func TestAuditEvidence(t *testing.T) {
	t.Parallel()
	c, ctx := connect(t, serve(t), operatorSecret, nil), t.Context()
	must(c.CreateTenant(ctx, client.CreateTenantParams{Name: "Acme", Slug: "acme"}))(t)
	must(c.UpdatePlan(ctx, "acme", rentroll.PlanPro))(t)
	must(c.PutPlan(ctx, rentroll.Plan{Name: "x", Limits: quota.Limits{}}))(t)
	for _, tenant := range []string{"acme", ""} {
		check := rentroll.AuditCheck{}
		page := &rentroll.AuditExport{}
		for page.Head == nil {
			page = must(c.ExportAudit(ctx, tenant, rentroll.Page{Limit: 1, Cursor: string(page.NextCursor)}))(t)
			for _, row := range page.Items {
				check.Add(row)
			}
		}
		if broken := check.End(page.Head); broken != nil || check.Rows() == 0 {
			t.Errorf("the export of %q: %d rows, %+v", tenant, check.Rows(), broken)
		}
		head := must(c.AuditHead(ctx, tenant))(t)
		if head.Hash != page.Head.Hash || head.Sequence != check.Rows() {
			t.Errorf("the head %+v after an export up to %+v", head, page.Head)
		}
		must(c.UpdatePlan(ctx, "acme", rentroll.PlanFree))(t)
		if v := must(c.VerifyAudit(ctx, tenant, head, ""))(t); v.Verdict != rentroll.AuditHolds {
			t.Errorf("the chain of %q: %+v", tenant, v)
		}
		head.Hash[0]++
		if v := must(c.VerifyAudit(ctx, tenant, head, ""))(t); v.Verdict != rentroll.AuditBroken || v.Broken.Fault != rentroll.AuditHeadReplaced {
			t.Errorf("the chain of %q with another head: %+v", tenant, v)
		}
	}
}
