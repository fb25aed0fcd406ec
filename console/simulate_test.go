package console

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// busy is a tenant that was admitted four runs of today, one after the other.
func (w *world) busy(slug string) (*rentroll.Tenant, []*rentroll.Run) {
	w.Helper()
	t := w.tenant(slug)
	var runs []*rentroll.Run
	for range 4 {
		run, err := w.engine.CreateRun(w.Context(), rentroll.CreateRunParams{TenantID: t.ID, WorkerID: "writer", Task: "Write"})
		w.must(err)
		_, err = w.engine.CancelRun(w.Context(), rentroll.RunRef{TenantID: t.ID, RunID: run.ID})
		w.must(err)
		runs = append(runs, run)
	}
	return t, runs
}

func TestSimulatePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	_, runs := w.busy("acme")
	w.tenant("quiet")
	_, _, err := w.engine.PutPlan(t.Context(), rentroll.PutPlanParams{Name: "tiny", Limits: quota.Limits{quota.RunsPerDay: quota.Of(3)}})
	w.must(err)
	b := w.signedIn(operatorSecret)
	b.is("the plans", b.get("/console/plans"), http.StatusOK, `href="/console/plans/simulate?name=tiny"`)
	b.is("the preview of a change", b.get("/console/tenants/acme/plan-preview?plan=tiny"), http.StatusOK, `href="/console/plans/simulate?name=tiny&amp;tenant=acme"`)
	b.is("the form", b.get("/console/plans/simulate?name=tiny"), http.StatusOK, "Choose a tenant.")
	page := b.get("/console/plans/simulate?name=tiny&tenant=acme")
	for _, want := range []string{
		`<option value="acme">Tenant acme</option>`, `<option value="tiny" selected>`,
		"Of <strong>4</strong> runs that were admitted, <strong>1</strong> would have been denied", "1 by runs per day (first <time",
		"needs at least <strong>4</strong> runs per day", "more than the limit", "1 by runs per day</td>", "3 of 3",
		`href="/console/tenants/acme/runs/` + runs[3].ID.String(),
	} {
		b.is("the answer", page, http.StatusOK, want)
	}
	if strings.Contains(page.body, runs[2].ID.String()) {
		t.Error("a run is shown that would not have been denied")
	}
	drawn := html.UnescapeString(regexp.MustCompile(`data-chart="([^"]+)"`).FindStringSubmatch(page.body)[1])
	for _, want := range []string{`"label":"Admitted","color":"fill","values":[0,`, `0,4]}`, `"label":"Of them denied","color":"bad","values":[0,`, `0,1]}`, `"line":3`} {
		if !strings.Contains(drawn, want) {
			t.Errorf("the chart has no %s: %s", want, drawn)
		}
	}
	b.is("a plan that denies nothing", b.get("/console/plans/simulate?name=free&tenant=acme&range=month"), http.StatusOK, "<strong>none</strong> would have been denied")
	b.is("a tenant without runs", b.get("/console/plans/simulate?name=free&tenant=quiet"), http.StatusOK, "No run was admitted in this range.")
	today := w.engine.Now().UTC().Format("2006-01-02")
	b.is("days that were chosen", b.get("/console/plans/simulate?name=tiny&tenant=acme&range=custom&start="+today+"&end="+today), http.StatusOK, "<strong>1</strong> would have been denied")
	b.is("a day before", b.get("/console/plans/simulate?name=tiny&tenant=acme&range=custom&start=2026-01-01&end=2026-01-02"), http.StatusOK, "No run was admitted in this range.")
}

// TestLongSimulation: where there is much to replay the page comes at once, and fetches the answer; who has no scripts can wait
// for it.
func TestLongSimulation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme, _ := w.busy("acme")
	_, _, err := w.engine.PutPlan(t.Context(), rentroll.PutPlanParams{Name: "tiny", Limits: quota.Limits{quota.RunsPerDay: quota.Of(3)}})
	w.must(err)
	events := make([]rentroll.UsageParams, rentroll.MaxUsageBatch)
	for i := range events {
		events[i] = rentroll.UsageParams{Meter: rentroll.MeterTokensUsed, Amount: 1}
	}
	for range 1 + simulatedAtOnce/len(events) {
		_, err := w.engine.RecordUsageBatch(t.Context(), rentroll.RecordUsageBatchParams{TenantID: acme.ID, Events: events})
		w.must(err)
	}
	const answered = "<strong>1</strong> would have been denied"
	b := w.signedIn(operatorSecret)
	page := b.get("/console/plans/simulate?name=tiny&tenant=acme")
	b.is("the page", page, http.StatusOK, `<form class="filters simulate"`)
	b.is("what is going on", page, http.StatusOK, "The answer comes here by itself.")
	if strings.Contains(page.body, answered) {
		t.Error("the page has waited for the answer")
	}
	part := b.get(html.UnescapeString(regexp.MustCompile(`hx-get="([^"]+)"`).FindStringSubmatch(page.body)[1]))
	b.is("the answer", part, http.StatusOK, answered)
	b.is("what is needed", part, http.StatusOK, `<a href="/console/plans/simulate?`)
	if strings.Contains(part.body, "<form") || strings.Contains(part.body, "<html") {
		t.Error("the answer comes with the page around it")
	}
	whole := b.get(html.UnescapeString(regexp.MustCompile(`<a href="([^"]+)">Wait for the answer`).FindStringSubmatch(page.body)[1]))
	b.is("the page that waits", whole, http.StatusOK, answered)
	b.is("its form", whole, http.StatusOK, `<form class="filters simulate"`)
	b.is("a part that can't be answered", b.get("/console/plans/simulate/answer?name=tiny&tenant=nobody"), http.StatusNotFound, "Not found")
	own := w.signedIn(w.key(acme, "read:*"))
	own.is("a tenant's key", own.get("/console/plans/simulate/answer?name=tiny&tenant=acme"), http.StatusForbidden, "operator")
}

// TestSimulateRefusals: what can't be answered leaves the form to be corrected, and who may not know is told nothing.
func TestSimulateRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme, _ := w.busy("acme")
	b := w.signedIn(operatorSecret)
	for _, c := range []struct {
		query  string
		status int
		says   string
	}{
		{"tenant=nobody", http.StatusNotFound, "Not found"},
		{"tenant=acme&until=soon", http.StatusUnprocessableEntity, "must be an instant"},
		{"tenant=acme&range=decade", http.StatusUnprocessableEntity, "must be 30d, month or custom"},
		{"tenant=acme&range=custom", http.StatusUnprocessableEntity, "<code>start</code> must be a day"},
		{"tenant=acme&range=custom&start=2026-02-30", http.StatusUnprocessableEntity, "<code>start</code> must be a day"},
		{"tenant=acme&range=custom&start=0001-01-01", http.StatusUnprocessableEntity, "<code>start</code> must be a day"},
		{"tenant=acme&range=custom&start=2026-01-02&end=2026-01-00", http.StatusUnprocessableEntity, "<code>end</code> must be a day"},
		{"tenant=acme&range=custom&start=2026-01-05&end=2026-01-02", http.StatusUnprocessableEntity, "must be after start"},
		{"tenant=acme&range=custom&start=1980-01-01&end=2026-01-02", http.StatusUnprocessableEntity, "at most 366 days"},
		{"tenant=acme&range=custom&start=9000-01-01", http.StatusUnprocessableEntity, "must be in the past"},
	} {
		page := b.get("/console/plans/simulate?name=free&" + c.query)
		b.is(c.query, page, c.status, c.says)
		b.is(c.query+": its form", page, c.status, `<form class="filters simulate"`)
	}
	for _, query := range []string{"", "?name=nothing", "?name=nothing&tenant=acme"} {
		b.is("no plan"+query, b.get("/console/plans/simulate"+query), http.StatusNotFound, "Not found")
	}
	own := w.signedIn(w.key(acme, "read:*"))
	own.is("a tenant's key", own.get("/console/plans/simulate?name=free&tenant=acme"), http.StatusForbidden, "operator")
	if seen := own.get("/console/plans"); strings.Contains(seen.body, "plans/simulate") {
		t.Error("a tenant's key is offered a simulation")
	}
}

// TestTryLimits: limits are tried before they are saved, and lead on to the form and to what changes.
func TestTryLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme, _ := w.busy("acme")
	b := w.signedIn(operatorSecret)
	b.is("the form", b.get("/console/plans/edit?name=free"), http.StatusOK, `formaction="/console/plans/simulate"`)
	limits := quota.Limits{quota.RunsPerDay: quota.Of(1), quota.Workers: {Max: 0, Mode: quota.Soft}}
	fields := limitFields(limits)
	back, err := limitsOfForm(fields)
	if err != nil || len(back) != 2 || back[quota.RunsPerDay] != limits[quota.RunsPerDay] || back[quota.Workers] != limits[quota.Workers] {
		t.Errorf("the fields of %v are those of %v, %v", limits, back, err)
	}
	for more, name := range []string{"free", "to-be-made"} {
		page := b.get(planAt("simulate", name, with(fields, "tenant", "acme")))
		for _, want := range []string{
			"Nothing is saved by trying them", fmt.Sprintf("<strong>%d</strong> would have been denied", 3+more), `type="hidden" name="runs_per_day" value="1"`, "0 soft",
			"would have been passed: workers", "plans/change?", "Try that",
		} {
			b.is("trying "+name, page, http.StatusOK, want)
		}
		raised := html.UnescapeString(regexp.MustCompile(`<a href="([^"]+)">Try that`).FindStringSubmatch(page.body)[1])
		_, err := w.engine.CreateRun(t.Context(), rentroll.CreateRunParams{TenantID: acme.ID, WorkerID: "writer", Task: "Write meanwhile"})
		w.must(err)
		enough := b.get(raised)
		b.is("what was needed until then", enough, http.StatusOK, "<strong>none</strong> would have been denied")
		now := html.UnescapeString(regexp.MustCompile(`<a href="([^"]+)">Look again`).FindStringSubmatch(enough.body)[1])
		b.is("and until now", b.get(now), http.StatusOK, "<strong>1</strong> would have been denied")
	}
	b.is("editing them on", b.get(planAt("edit", "free", fields)), http.StatusOK, `name="runs_per_day" value="1"`)
	b.is("the way back from what changes", b.get(planAt("change", "free", fields)), http.StatusOK, `runs_per_day=1&amp;`)
	b.is("no number", b.get(planAt("simulate", "free", url.Values{"workers": {"x"}, "workers_mode": {"hard"}})), http.StatusUnprocessableEntity, "must be a whole number")
	plans, err := w.engine.ListPlans(t.Context())
	w.must(err)
	for _, p := range plans {
		if p.Name == "to-be-made" || p.Name == rentroll.PlanFree && p.Limits[quota.RunsPerDay].Max == 1 {
			t.Errorf("trying has saved %s: %v", p.Name, p.Limits)
		}
	}
}
