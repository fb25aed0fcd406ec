package console

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
)

// maxPage is how many bytes a page may cost a browser that comes for the first time: the page, its styles and its scripts.
const maxPage = 150_000

var assetOf = regexp.MustCompile(`(?:src|href|data-worker)="(/console/assets/[^"]+)"`)

// TestPagesAreSmall adds up what each page and all that it fetches comes to, compressed.
func TestPagesAreSmall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	acme := w.tenant("acme")
	for range 60 { // more than a page of the list shows
		_, err := w.engine.CreateRun(t.Context(), rentroll.CreateRunParams{TenantID: acme.ID, WorkerID: "writer", Task: strings.Repeat("a long task ", 100)})
		if err != nil && rentroll.CodeOf(err) != rentroll.CodeQuotaExceeded {
			t.Fatal(err)
		}
	}
	list, err := w.engine.ListRuns(t.Context(), rentroll.ListRunsParams{TenantID: acme.ID})
	w.must(err)
	statements, err := w.engine.ListStatements(t.Context(), acme.ID)
	w.must(err)
	name := strings.NewReplacer("{$}", "", "{tenant}", "acme", "{run}", list.Items[0].ID.String(), "{period}", statements[0].Period)
	b := w.signedIn(operatorSecret)
	b.header.Set("Accept-Encoding", "gzip") // asked for by hand, it is not undone
	size := map[string]int{}
	fetch := func(path string) int {
		if size[path] == 0 {
			a := b.get(path)
			if a.status != http.StatusOK {
				t.Fatalf("%s: %d", path, a.status)
			}
			size[path] = len(a.body)
		}
		return size[path]
	}
	for _, r := range routes {
		path, isPage := strings.CutPrefix(r.at, "GET ")
		if !isPage || r.page == nil || r.part {
			continue
		}
		switch path = name.Replace(path); path {
		case "/console/plans/edit":
			path += "?name=free"
		case "/console/plans/simulate":
			path += "?name=free&tenant=acme"
		case "/console/plans/change":
			path += "?" + planForm("free", "2").Encode()
		}
		sum := fetch(path)
		delete(b.header, "Accept-Encoding")
		plain := b.get(path)
		b.header.Set("Accept-Encoding", "gzip")
		assets := assetOf.FindAllStringSubmatch(plain.body, -1)
		if len(assets) < 5 {
			t.Errorf("%s has only %d assets: the test does not see them", path, len(assets))
		}
		for _, a := range assets {
			sum += fetch(a[1])
		}
		t.Logf("%s: %d bytes", path, sum)
		if sum > maxPage {
			t.Errorf("%s costs %d bytes, more than %d", path, sum, maxPage)
		}
	}
}
