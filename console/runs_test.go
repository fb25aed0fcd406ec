package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
)

func (w *world) run(t *rentroll.Tenant, worker, task string) *rentroll.Run {
	w.Helper()
	run, err := w.engine.CreateRun(w.Context(), rentroll.CreateRunParams{
		TenantID: t.ID, WorkerID: worker, Task: task, Input: json.RawMessage(`{"who":"<b>me</b>"}`), ReserveTokens: 2000,
	})
	w.must(err)
	return run
}

func (w *world) key(t *rentroll.Tenant, permissions ...string) string {
	w.Helper()
	secret, _, err := w.engine.CreateAPIKey(w.Context(), rentroll.CreateAPIKeyParams{TenantID: t.ID, Name: "k", Permissions: permissions})
	w.must(err)
	return secret
}

// refusesWithoutToken checks that a form does nothing where it is not of this session.
func (b *browser) refusesWithoutToken(path string, form url.Values) {
	b.Helper()
	b.is(path+" without a token", b.post(path, form), http.StatusForbidden, "not of this session")
}

func TestRunsPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme, other := w.tenant("acme"), w.tenant("other")
	b := w.signedIn(operatorSecret)
	b.is("no runs", b.get("/console/tenants/acme/runs"), http.StatusOK, "rentroll run create acme")
	w.must(finish(w, w.run(acme, "builder", "Build a house")))
	writing := w.run(acme, "writer", "Write a <book>")
	w.run(other, "builder", "Another's work")
	all := b.get("/console/tenants/acme/runs")
	b.is("all runs", all, http.StatusOK, "Write a &lt;book&gt;")
	b.is("all runs", all, http.StatusOK, "Build a house")
	if strings.Contains(all.body, "Another") {
		t.Error("another tenant's run is in the list")
	}
	filtered := b.get("/console/tenants/acme/runs?status=queued&worker=writer")
	b.is("filtered", filtered, http.StatusOK, writing.ID.String())
	if strings.Contains(filtered.body, "Build a house") {
		t.Error("the filter lets another worker's run through")
	}
	b.is("nothing fits", b.get("/console/tenants/acme/runs?status=crashed"), http.StatusOK, "No run fits")
	b.is("no such key", b.get("/console/tenants/acme/runs?key=x"), http.StatusUnprocessableEntity, "is not the id of a key")
	b.is("no such status", b.get("/console/tenants/acme/runs?status=x"), http.StatusUnprocessableEntity, "must be queued")
	b.is("no such tenant", b.get("/console/tenants/nobody/runs"), http.StatusNotFound, "Not found")
}

func TestRunsPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme := w.tenant("acme")
	for range runsRows + 1 {
		w.must(finish(w, w.run(acme, "builder", "Build")))
	}
	b := w.signedIn(operatorSecret)
	first := b.get("/console/tenants/acme/runs?worker=builder")
	next := linkTo(t, first.body, `rel="next"`)
	second := b.get(next)
	b.is("the second page", second, http.StatusOK, "First page")
	if n := strings.Count(first.body, `id="row-`) + strings.Count(second.body, `id="row-`); n != runsRows+1 {
		t.Errorf("two pages have %d rows, want %d", n, runsRows+1)
	}
	if strings.Contains(second.body, `rel="next"`) {
		t.Error("there is a page behind the last")
	}
}

func finish(w *world, run *rentroll.Run) error {
	_, err := w.engine.CompleteRun(w.Context(), rentroll.CompleteRunParams{
		TenantID: run.TenantID, RunID: run.ID, Success: true, Output: json.RawMessage(`{"answer":42}`), TotalTokens: 1234, CostMicros: 1_250_500,
	})
	return err
}

// linkTo returns the address of the link that has the attribute.
func linkTo(t *testing.T, body, attribute string) string {
	t.Helper()
	before, _, ok := strings.Cut(body, attribute)
	if !ok {
		t.Fatalf("there is no link with %s in\n%s", attribute, body)
	}
	at, _, _ := strings.Cut(before[strings.LastIndex(before, `href="`)+len(`href="`):], `"`)
	return strings.ReplaceAll(at, "&amp;", "&")
}

func TestRunPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme := w.tenant("acme")
	run := w.run(acme, "builder", "Build a house")
	path := "/console/tenants/acme/runs/" + run.ID.String()
	b := w.signedIn(operatorSecret)
	for _, want := range []string{"Admitted", "Not started yet", "Lease ends", "2,000", "&#34;who&#34;: &#34;&lt;b&gt;me", `data-opens="cancel-run"`} {
		b.is("a queued run", b.get(path), http.StatusOK, want)
	}
	w.must(finish(w, run))
	for _, want := range []string{"Completed", "1,234", "1.2505", "&#34;answer&#34;: 42"} {
		b.is("a completed run", b.get(path), http.StatusOK, want)
	}
	if body := b.get(path).body; strings.Contains(body, `data-opens="cancel-run"`) || strings.Contains(body, `data-opens="retry-run"`) {
		t.Error("a completed run has a button to cancel or retry it")
	}
	b.is("no such run", b.get("/console/tenants/acme/runs/x"), http.StatusNotFound, "Not found")
}

func TestCancelAndRetryRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme := w.tenant("acme")
	run := w.run(acme, "builder", "Build a house")
	path := "/console/tenants/acme/runs/" + run.ID.String()
	b := w.signedIn(operatorSecret)
	b.refusesWithoutToken(path+"/cancel", url.Values{"confirm": {"cancel"}})
	b.refusesWithoutToken(path+"/retry", nil)
	b.is("not confirmed", b.act(path+"/cancel", url.Values{"confirm": {"yes"}}), http.StatusUnprocessableEntity, "must be the word cancel")
	b.is("an open run", b.act(path+"/retry", nil), http.StatusConflict, "Only a failed, crashed or canceled run is retried")
	b.leads("canceling", b.act(path+"/cancel", url.Values{"confirm": {"cancel"}}), path)
	b.is("after that", b.get(path), http.StatusOK, "The run is canceled")
	again := b.act(path+"/retry", nil)
	if again.status != http.StatusSeeOther || again.header.Get("Location") == path {
		t.Fatalf("retrying: %d to %q: %s", again.status, again.header.Get("Location"), again.body)
	}
	b.is("the retry", b.get(again.header.Get("Location")), http.StatusOK, "This is attempt 2")
	b.is("its chain", b.get(again.header.Get("Location")), http.StatusOK, `<a href="`+path+`">Attempt 1</a>`)
	b.is("the chain of the first", b.get(path), http.StatusOK, `<a href="`+again.header.Get("Location")+`">Attempt 2</a>`)
}

func TestRunsOfATenantsKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme, other := w.tenant("acme"), w.tenant("other")
	run, foreign := w.run(acme, "builder", "Build a house"), w.run(other, "builder", "Another's work")
	reader, worker := w.signedIn(w.key(acme, "run:read")), w.signedIn(w.key(acme, "run:*"))
	path := "/console/tenants/me/runs/" + run.ID.String()
	for name, b := range map[string]*browser{"a reader": reader, "a worker": worker} {
		b.is(name+"'s list", b.get("/console/tenants/me/runs"), http.StatusOK, "Build a house")
		b.is(name+"'s run", b.get(path), http.StatusOK, "Build a house")
		b.is(name+" at another tenant", b.get("/console/tenants/other/runs"), http.StatusNotFound, "Not found")
		b.is(name+" at another's run", b.get("/console/tenants/other/runs/"+foreign.ID.String()), http.StatusNotFound, "Not found")
		b.is(name+" at another's run of his own", b.get("/console/tenants/me/runs/"+foreign.ID.String()), http.StatusNotFound, "Not found")
	}
	b := reader.get(path)
	if strings.Contains(b.body, "&#34;who&#34;") || !strings.Contains(b.body, "input and output are not shown") || strings.Contains(b.body, `data-opens="cancel-run"`) {
		t.Errorf("who only reads runs sees\n%s", b.body)
	}
	worker.is("the payload", worker.get(path), http.StatusOK, "&#34;who&#34;")
	worker.leads("canceling", worker.act(path+"/cancel", url.Values{"confirm": {"cancel"}}), path)
	reader.is("retrying without permission", reader.act(path+"/retry", nil), http.StatusForbidden, "run:update")
	nobody := w.signedIn(w.key(acme, "quota:read"))
	nobody.is("without run:read", nobody.get("/console/tenants/me/runs"), http.StatusForbidden, "run:read")
}

func TestPretty(t *testing.T) {
	t.Parallel()
	if text, left := pretty(json.RawMessage(`{"a":["ä"]}`), 100); text != "{\n  \"a\": [\n    \"ä\"\n  ]\n}" || left != 0 {
		t.Errorf("%q, %d left", text, left)
	}
	if text, left := pretty(json.RawMessage(`"ää"`), 2); text != `"` || left != 5 {
		t.Errorf("a cut within a letter: %q, %d left", text, left)
	}
}

func TestSpanAndMoney(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0 ms", 820 * time.Millisecond: "820 ms", 4200 * time.Millisecond: "4.2 s", 30 * time.Second: "30 s", 59990 * time.Millisecond: "59.9 s", time.Minute: "1 min", 200 * time.Second: "3 min 20 s",
		5*time.Hour + 12*time.Minute: "5 h 12 min", 50 * time.Hour: "2 d 2 h",
	} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0.00", 1: "0.000001", 1_250_000: "1.25", -1_234_500_000: "−1,234.50"} {
		if got := money(&n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}
