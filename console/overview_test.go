package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

func TestDenialsAreTogetherByTenantAndRule(t *testing.T) {
	t.Parallel()
	denial := func(tenant rentroll.TenantID, code rentroll.Code, quota string) *rentroll.TenantDenial {
		return &rentroll.TenantDenial{TenantID: tenant, Denial: &rentroll.Denial{Code: code, Quota: rentroll.NullString(quota)}}
	}
	w := newWorld(t, nil)
	loud, quiet := w.tenant("loud").ID, w.tenant("quiet").ID
	list := []*rentroll.TenantDenial{
		denial(loud, rentroll.CodeQuotaExceeded, "runs_per_day"), denial(loud, rentroll.CodeQuotaExceeded, "workers"),
		denial(loud, rentroll.CodeQuotaExceeded, "runs_per_day"), denial(quiet, rentroll.CodeTenantSuspended, ""),
	}
	rows := denialRows(list)
	if len(rows) != 3 || rows[0].Times != 2 || rows[0].TenantDenial != list[0] || rows[1].Times != 1 || rows[2].TenantID != quiet {
		t.Errorf("the rows are %+v", rows)
	}
}

// Enter in a field does what the first button of its form does: it must set the limit, and never take one away.
func TestLimitDialog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme := w.tenant("acme")
	b := w.signedIn(operatorSecret)
	page := b.get("/console/tenants/acme")
	b.is("the page", page, http.StatusOK, "Set the limit")
	if strings.Contains(page.body, `name="remove"`) {
		t.Error("the plan's limit is offered where it holds")
	}
	said := b.act("/console/tenants/acme/limit", url.Values{"quota": {string(quota.RunsPerDay)}, "limit": {"1,234"}})
	b.leads("a new limit", said, "/console/tenants/acme")
	page = b.get("/console/tenants/acme")
	b.is("what was done", page, http.StatusOK, "the new limit holds from now on, 1,234.")
	b.is("how it stands", page, http.StatusOK, "Runs today: 0 of 1,234")
	if set, remove := strings.Index(page.body, "Set the limit"), strings.Index(page.body, `name="remove"`); set < 0 || remove < set {
		t.Errorf("the buttons are at %d and %d: the first is not the one that sets the limit", set, remove)
	}
	if got, err := w.engine.GetTenant(t.Context(), acme.ID); err != nil || got.LimitOverrides[quota.RunsPerDay].Max != 1234 {
		t.Errorf("the overrides are %v, %v", got, err)
	}
}
