package console

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/csvrow"
)

// TestStatementPages: what was used is on the period's statement, on its page and in its CSV, and for its own tenant only.
func TestStatementPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme, other := w.tenant("acme"), w.tenant("other")
	_, err := w.engine.RecordUsage(t.Context(), rentroll.RecordUsageParams{
		TenantID: acme.ID, UsageParams: rentroll.UsageParams{Meter: "emails_sent", Amount: 12_345, Unit: "mail"},
	})
	w.must(err)
	periods, err := w.engine.ListStatements(t.Context(), acme.ID)
	w.must(err)
	operator, own := w.signedIn(operatorSecret), w.signedIn(w.key(acme, "read:*"))
	for _, b := range []struct {
		*browser
		at string
	}{{operator, "/console/tenants/acme"}, {own, "/console/tenants/me"}} {
		page := b.get(b.at)
		b.is("the tenant's page", page, http.StatusOK, "statements/"+periods[0].Period)
		b.is("its chart of the meter", page, http.StatusOK, "Emails sent by day")
		b.is("the list", b.get(b.at+"/statements"), http.StatusOK, "may still change")
		b.is("the statement", b.get(b.at+"/statements/"+periods[0].Period), http.StatusOK, "12,345")
		file := b.get(b.at + "/statements/" + periods[0].Period + "/csv")
		b.is("the file", file, http.StatusOK, strings.Join(csvrow.StatementColumns, ",")+"\r\n"+periods[0].Period+","+acme.ID.String()+",false,line,"+periods[0].Period+",emails_sent,,sum,12345,mail,1,")
		if kind, name := file.header.Get("Content-Type"), file.header.Get("Content-Disposition"); !strings.HasPrefix(kind, "text/csv") || !strings.Contains(name, periods[0].Period+".csv") {
			t.Errorf("the file is %q, %q", kind, name)
		}
	}
	foreign := w.signedIn(w.key(other, "read:*"))
	for _, path := range []string{"", "/" + periods[0].Period, "/" + periods[0].Period + "/csv"} {
		foreign.is("another's "+path, foreign.get("/console/tenants/acme/statements"+path), http.StatusNotFound, "Not found")
	}
	operator.is("no period", operator.get("/console/tenants/acme/statements/2001-01-01"), http.StatusNotFound, "Not found")
	blind := w.signedIn(w.key(acme, "tenant:read"))
	blind.is("without usage:read", blind.get("/console/tenants/me/statements"), http.StatusForbidden, "usage:read")
	blind.is("the page without", blind.get("/console/tenants/me"), http.StatusOK, "Tenant acme")
}
