package console

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

func TestPlansPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme := w.tenant("acme")
	b := w.signedIn(operatorSecret)
	page := b.get("/console/plans")
	for _, want := range []string{"enterprise", "1,000,000,000", "Requests per minute", `<a href="/console/tenants?plan=free">1</a>`, `href="/console/plans/edit?name=pro"`} {
		b.is("the plans", page, http.StatusOK, want)
	}
	reader := w.signedIn(w.key(acme, "plan:read"))
	seen := reader.get("/console/plans")
	reader.is("a tenant's key", seen, http.StatusOK, "1,000,000,000")
	for _, more := range []string{"/console/plans/edit", "/console/plans/retire", "?plan=free"} {
		if strings.Contains(seen.body, more) {
			t.Errorf("a tenant's key sees %s", more)
		}
	}
	reader.is("editing with a tenant's key", reader.get("/console/plans/edit?name=pro"), http.StatusForbidden, "plan:manage")
	reader.is("saving with a tenant's key", reader.act("/console/plans/save", planForm("pro", "1")), http.StatusForbidden, "plan:manage")
	nobody := w.signedIn(w.key(acme, "run:read"))
	nobody.is("without plan:read", nobody.get("/console/plans"), http.StatusForbidden, "plan:read")
}

// planForm limits a plan to so many workers and nothing else.
func planForm(name, workers string) url.Values {
	form := url.Values{"name": {name}, "workers": {workers}, "workers_mode": {"soft"}}
	for _, d := range quota.Definitions() {
		if d.Name != quota.Workers {
			form.Set(string(d.Name)+"_unlimited", "yes")
		}
	}
	return form
}

var wasField = regexp.MustCompile(`name="was" value="([^"]+)"`)

// changePlan looks at what a form changes, and returns it as it is then saved.
func (b *browser) changePlan(form url.Values) (saved url.Values, page answer) {
	b.Helper()
	page = b.get("/console/plans/change?" + form.Encode())
	found := wasField.FindStringSubmatch(page.body)
	if found == nil {
		b.Fatalf("the page has nothing to save: %d %s", page.status, page.body)
	}
	form.Set("was", found[1])
	return form, page
}

func TestEditPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.tenant("acme")
	b := w.signedIn(operatorSecret)
	b.is("the form", b.get("/console/plans/edit?name=free"), http.StatusOK, `name="tokens_per_month" value="1,000,000"`)
	form, page := b.changePlan(planForm("free", "2"))
	for _, want := range []string{"<del>3</del>", "<ins>2 soft</ins>", "<ins>unlimited</ins>", "<strong>1</strong> active or suspended", "A limit becomes lower"} {
		b.is("what changes", page, http.StatusOK, want)
	}
	b.refusesWithoutToken("/console/plans/save", form)
	b.leads("saving", b.act("/console/plans/save", form), "/console/plans")
	b.is("the plans then", b.get("/console/plans"), http.StatusOK, "The plan free is changed")
	plans, err := w.engine.ListPlans(t.Context())
	w.must(err)
	for _, p := range plans {
		if p.Name == rentroll.PlanFree && (len(p.Limits) != 1 || p.Limits[quota.Workers] != quota.Limit{Max: 2, Mode: quota.Soft}) {
			t.Errorf("the plan is %v", p.Limits)
		}
	}
	b.is("saving what somebody has changed meanwhile", b.act("/console/plans/save", form), http.StatusConflict, "reload the page")
	b.is("saving the same", b.get("/console/plans/change?"+planForm("free", "2").Encode()), http.StatusOK, "Nothing changes")
	b.is("no number", b.get("/console/plans/change?"+planForm("free", "two").Encode()), http.StatusUnprocessableEntity, "must be a whole number")
	b.is("beyond all limits", b.act("/console/plans/save", with(form, "workers", "999999999999999")), http.StatusUnprocessableEntity, "limits.workers.limit")
}

func with(form url.Values, name, value string) url.Values {
	out := url.Values{}
	for n := range form {
		out.Set(n, form.Get(n))
	}
	out.Set(name, value)
	return out
}

func TestNewAndRetiredPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	b := w.signedIn(operatorSecret)
	b.is("the form", b.get("/console/plans/edit?name=team&like=pro"), http.StatusOK, `name="tokens_per_month" value="10,000,000"`)
	b.is("without a name", b.get("/console/plans/edit?name=+"), http.StatusUnprocessableEntity, "is what the new plan is called")
	form, _ := b.changePlan(planForm("team", "1,000"))
	b.leads("saving", b.act("/console/plans/save", form), "/console/plans")
	page := b.get("/console/plans")
	b.is("the plans then", page, http.StatusOK, "There is a plan team now")
	_, row, _ := strings.Cut(page.body, `<th scope="row">team`)
	retire := url.Values{"name": {"team"}, "was": {wasField.FindStringSubmatch(row)[1]}, "retired": {"yes"}}
	b.refusesWithoutToken("/console/plans/retire", retire)
	b.leads("retiring", b.act("/console/plans/retire", retire), "/console/plans")
	b.is("then", b.get("/console/plans"), http.StatusOK, "<small>retired</small>")
	b.is("again", b.act("/console/plans/retire", retire), http.StatusConflict, "reload the page")
	_, err := w.engine.CreateTenant(t.Context(), rentroll.CreateTenantParams{Name: "A", Slug: "a", Plan: "team"})
	if rentroll.CodeOf(err) == "" {
		t.Error("a retired plan takes a tenant")
	}
}

// TestRetireKeepsThresholds: retiring a plan leaves all else of it as it was.
func TestRetireKeepsThresholds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	plan, _, err := w.engine.PutPlan(t.Context(), rentroll.PutPlanParams{Name: "team", Limits: quota.Limits{quota.Workers: quota.Of(7)}, Thresholds: []int{50, 90}})
	w.must(err)
	b := w.signedIn(operatorSecret)
	b.leads("retiring", b.act("/console/plans/retire", url.Values{"name": {"team"}, "was": {sumOf(plan)}, "retired": {"yes"}}), "/console/plans")
	plans, err := w.engine.ListPlans(t.Context())
	w.must(err)
	for _, p := range plans {
		if p.Name == "team" && (!p.Retired || !slices.Equal(p.Thresholds, plan.Thresholds) || p.Limits[quota.Workers] != quota.Of(7)) {
			t.Errorf("retired, the plan is %+v, and was %+v", p, plan)
		}
	}
}
