package httpapi

import (
	"encoding/json"
	"testing"

	"github.com/rentroll/rentroll"
)

func TestVerifyAudit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.operator("POST", "/v1/tenants/acme/suspend", `{"reason":"r"}`).expect(200)
	at := "/v1/tenants/acme/audit"
	head := w.operator("GET", at+"/head", nil).expect(200).has("tenant_id", w.tenant.ID, "key_id", nil, "signature", nil)
	sequence := head.value("sequence")
	w.tenantKey("GET", "/v1/tenants/me/audit/verify", nil).expect(200).has("verdict", "holds", "broken", nil, "next_cursor", nil,
		"rows", sequence, "total", sequence, "chained_from", 1, "hash", head.text("hash"), "tenant_id", w.tenant.ID)
	w.operator("GET", "/v1/audit/verify", nil).expect(200).has("verdict", "holds", "tenant_id", nil)
	w.operator("GET", "/v1/audit/head", nil).expect(200).has("tenant_id", nil)

	w.operator("GET", at+"/verify?sequence=2&hash="+head.text("hash"), nil).expect(200).has(
		"verdict", "broken", "broken.sequence", 2, "broken.fault", "head_replaced")
	w.operator("GET", at+"/verify?sequence=900&hash="+head.text("hash"), nil).expect(200).has("verdict", "broken", "broken.fault", "truncated")
	w.operator("GET", at+"/verify?sequence=2", nil).refused(rentroll.CodeValidationFailed, "hash")
	w.operator("GET", at+"/verify?sequence=2&hash=x", nil).refused(rentroll.CodeValidationFailed, "hash")
	w.operator("GET", at+"/verify?hash="+head.text("hash"), nil).refused(rentroll.CodeValidationFailed, "sequence")
	w.operator("GET", at+"/verify?cursor=x", nil).refused(rentroll.CodeValidationFailed, "cursor")
}

// TestExportAudit: what comes over the wire, in pages of any size, can be verified by whoever gets it.
func TestExportAudit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.operator("PATCH", "/v1/tenants/acme", `{"name":"A & B <c> \u2028","metadata":{"k":"v"}}`).expect(200)
	w.operator("POST", "/v1/tenants/acme/suspend", `{"reason":"r"}`).expect(200)
	w.operator("PUT", "/v1/plans/x", `{"limits":{}}`).expect(201)
	for _, at := range []string{"/v1/tenants/acme/audit/export", "/v1/audit/export"} {
		for _, size := range []string{"1", "2", "200"} {
			check := rentroll.AuditCheck{}
			var page rentroll.AuditExport
			for cursor := ""; page.Head == nil; cursor = "&cursor=" + string(page.NextCursor) {
				page = rentroll.AuditExport{}
				answer := w.operator("GET", at+"?limit="+size+cursor, nil).expect(200)
				if err := json.Unmarshal(answer.body, &page); err != nil {
					t.Fatal(err)
				}
				for _, row := range page.Items {
					check.Add(row)
				}
			}
			if broken := check.End(page.Head); broken != nil || check.Rows() < 1 || page.NextCursor != "" {
				t.Errorf("%s in pages of %s: %d rows, %+v", at, size, check.Rows(), broken)
			}
		}
		w.operator("GET", at+"?limit=201", nil).refused(rentroll.CodeValidationFailed, "limit")
		w.operator("GET", at+"?cursor=x", nil).refused(rentroll.CodeValidationFailed, "cursor")
	}
}
