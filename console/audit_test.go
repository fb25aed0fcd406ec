package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
)

func TestAuditPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme, other := w.tenant("acme"), w.tenant("other")
	_, key, err := w.engine.CreateAPIKey(t.Context(), rentroll.CreateAPIKeyParams{TenantID: acme.ID, Name: "deploy"})
	w.must(err)
	_, err = w.engine.UpdatePlan(t.Context(), rentroll.UpdatePlanParams{TenantID: acme.ID, Plan: rentroll.PlanPro})
	w.must(err)
	_, err = w.engine.Suspend(t.Context(), rentroll.TransitionParams{TenantID: other.ID, Reason: "the other's reason"})
	w.must(err)
	b := w.signedIn(operatorSecret)
	page := b.get("/console/tenants/acme/audit")
	for _, want := range []string{"tenant.create", "api_key.create", "<del>free</del>", "<ins>pro</ins>", "Head of the chain"} {
		b.is("the audit", page, http.StatusOK, want)
	}
	if strings.Contains(page.body, "other&#39;s reason") {
		t.Error("another tenant's change is in the list")
	}
	object := b.get("/console/tenants/acme/audit?" + url.Values{"object": {key.ID.String()}}.Encode())
	b.is("by object", object, http.StatusOK, "api_key.create")
	if strings.Contains(object.body, "tenant.create") {
		t.Error("a change of something else is in the list")
	}
	b.is("by actor", b.get("/console/tenants/acme/audit?actor=program"), http.StatusOK, "tenant.create")
	b.is("by another actor", b.get("/console/tenants/acme/audit?actor=nobody"), http.StatusOK, "No change fits")
	b.is("of the future", b.get("/console/tenants/acme/audit?start=2100-01-01T00:00"), http.StatusOK, "No change fits")
	b.is("until the past", b.get("/console/tenants/acme/audit?end=2001-01-01T00:00&zone=Europe/Berlin"), http.StatusOK, "No change fits")
	b.is("no time", b.get("/console/tenants/acme/audit?end=x"), http.StatusUnprocessableEntity, "must be a date and a time")
	b.is("no zone", b.get("/console/tenants/acme/audit?end=2001-01-01T00:00&zone=x"), http.StatusUnprocessableEntity, "is not a time zone")
	b.is("the wrong way round", b.get("/console/tenants/acme/audit?start=2002-01-01T00:00&end=2001-01-01T00:00"), http.StatusUnprocessableEntity, "must be after start")
	b.is("the chain", b.get("/console/tenants/acme/audit-check"), http.StatusOK, "Chain verified")
}

func TestPlatformAudit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme := w.tenant("acme")
	b := w.signedIn(operatorSecret)
	_, _, err := w.engine.PutPlan(t.Context(), rentroll.PutPlanParams{Name: "team"})
	w.must(err)
	page := b.get("/console/audit?object=team")
	b.is("the platform's audit", page, http.StatusOK, "plan.put")
	b.is("its chain", b.get("/console/audit/check"), http.StatusOK, "Chain verified")
	tenant := w.signedIn(w.key(acme, "audit:read"))
	tenant.is("a tenant's key at the platform's", tenant.get("/console/audit"), http.StatusForbidden, "operator key")
	tenant.is("a tenant's key at its chain", tenant.get("/console/audit/check"), http.StatusForbidden, "operator key")
	tenant.is("a tenant's key at its own", tenant.get("/console/tenants/me/audit"), http.StatusOK, "tenant.create")
	w.tenant("other")
	tenant.is("a tenant's key at another's", tenant.get("/console/tenants/other/audit"), http.StatusNotFound, "Not found")
	nobody := w.signedIn(w.key(acme, "run:read"))
	nobody.is("without audit:read", nobody.get("/console/tenants/me/audit"), http.StatusForbidden, "audit:read")
}

func TestAuditPagesFollowEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme := w.tenant("acme")
	for i := range auditRows + 5 {
		_, err := w.engine.PutWorker(t.Context(), rentroll.PutWorkerParams{TenantID: acme.ID, WorkerID: "builder", Enabled: i%2 == 0})
		w.must(err)
	}
	b := w.signedIn(operatorSecret)
	first := b.get("/console/tenants/acme/audit?object=builder")
	second := b.get(linkTo(t, first.body, `rel="next"`))
	if n := strings.Count(first.body, "<code>worker.") + strings.Count(second.body, "<code>worker."); n != auditRows+5 {
		t.Errorf("two pages have %d changes, want %d", n, auditRows+5)
	}
}

func TestFieldChanges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, next, want string }{
		{`{"plan":"free","n":1}`, `{"plan":"pro","n":1}`, `[{plan free pro true false}]`},
		{`{"limits":{"workers":{"limit":3}}}`, `{"limits":{"workers":{"limit":5}}}`, `[{limits.workers.limit 3 5 true false}]`},
		{``, `{"a":"x","b":null}`, `[{a  x false false}]`},
		{`{"a":[1, 2]}`, ``, `[{a [1,2]  false true}]`},
		{`{"a":null}`, `{"a":"null"}`, `[]`},
		{`null`, `null`, `[]`},
		{``, ``, `[]`},
	} {
		if got := fmt.Sprint(slices.Clip(fieldChanges(json.RawMessage(c.old), json.RawMessage(c.next)))); got != c.want {
			t.Errorf("%s to %s: %s, want %s", c.old, c.next, got, c.want)
		}
	}
}
