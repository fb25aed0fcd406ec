package httpapi

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/rentroll/rentroll"
)

// unzip reads the files of an export, line by line, and holds them against what contents.jsonl says.
func unzip(t *testing.T, body []byte) map[string][]string {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]string{}
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if !json.Valid(lines.Bytes()) {
				t.Errorf("%s: %s is no JSON", f.Name, lines.Text())
			}
			files[f.Name] = append(files[f.Name], lines.Text())
		}
		if err := lines.Err(); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	said := files["contents.jsonl"]
	if len(said) != len(archive.File)-1 {
		t.Errorf("%d files, and the contents are %v", len(archive.File), said)
	}
	for _, line := range said {
		var row rentroll.ExportedFile
		if err := json.Unmarshal([]byte(line), &row); err != nil || int64(len(files[row.File])) != row.Rows {
			t.Errorf("%s: %d rows, %v", line, len(files[row.File]), err)
		}
	}
	return files
}

// TestExportTenant takes everything of a tenant away, and nothing of another.
func TestExportTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.furnish()
	const events = 601 // more than a page
	w.fill(events)
	for i := range 4 {
		w.operator("POST", "/v1/tenants/acme/runs", fmt.Sprintf(`{"worker_id":"builder","task":"t","input":{"number":"input-%d"}}`, i)).expect(201)
	}
	w.operator("POST", "/v1/tenants/globex/runs", `{"worker_id":"builder","task":"of another"}`).expect(201)

	res := w.operator("GET", "/v1/tenants/acme/export", nil).expect(200)
	if name := res.header.Get("Content-Disposition"); res.header.Get("Content-Type") != zipType || !strings.HasPrefix(name, `attachment; filename="acme-20261123T`) {
		t.Errorf("the headers are %v", res.header)
	}
	files := unzip(t, res.body)
	for name, rows := range map[string]int{
		"tenant": 1, "members": 2, "users": 2, "workers": 1, "api_keys": 2, "subjects": 1, "runs": 6, "usage_events": events, "statements": 1,
	} {
		if got := files[name+".jsonl"]; len(got) != rows {
			t.Errorf("%s has %d rows, want %d", name, len(got), rows)
		}
	}
	all := strings.Join(files["runs.jsonl"], "\n")
	if !strings.Contains(all, `"input":{"number":"input-3"}`) || strings.Contains(all, "of another") {
		t.Errorf("the runs are %s", all)
	}
	if !strings.Contains(strings.Join(files["users.jsonl"], ""), "grace@acme.example") || !strings.Contains(files["statements.jsonl"][0], `"meter":"emails"`) {
		t.Errorf("users %v, statements %v", files["users.jsonl"], files["statements.jsonl"])
	}
	for name, lines := range files {
		if strings.Contains(strings.Join(lines, ""), w.key) {
			t.Errorf("%s has a secret", name)
		}
	}
	holds(t, files["audit.jsonl"])
	if last := files["audit.jsonl"][len(files["audit.jsonl"])-2]; !strings.Contains(last, `"action":"tenant.export"`) {
		t.Errorf("the audit ends with %s", last)
	}

	w.operator("HEAD", "/v1/tenants/acme/export", nil).expect(200)
	unzip(t, w.operator("GET", "/v1/tenants/archived/export", nil).expect(200).body)
	w.operator("GET", "/v1/tenants/nobody/export", nil).refused(rentroll.CodeNotFound)
	w.tenantKey("GET", "/v1/tenants/me/export", nil).refused(rentroll.CodeForbidden)
}

// holds verifies the audit of an export.
func holds(t *testing.T, lines []string) {
	t.Helper()
	check := &rentroll.AuditCheck{}
	for _, line := range lines[:len(lines)-1] {
		var row rentroll.AuditRow
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		check.Add(&row)
	}
	var end struct{ Head *rentroll.AuditHead }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &end); err != nil || end.Head == nil {
		t.Fatalf("the audit ends with %s: %v", lines[len(lines)-1], err)
	}
	if v := check.Verification(end.Head); v.Verdict != rentroll.AuditHolds {
		t.Errorf("the audit does not hold: %+v", v)
	}
}

// TestTenantExportBreaksOff: an archive of which not all could be read can't be opened.
func TestTenantExportBreaksOff(t *testing.T) {
	t.Parallel()
	store := &failingStore{}
	w := newWorldOn(t, func(s rentroll.Store) rentroll.Store { store.Store = s; return store })
	w.fill(600)
	ask := func() (*http.Response, []byte, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/v1/tenants/acme/export", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+operatorSecret)
		res, err := w.client.Do(req)
		if err != nil {
			return nil, nil, err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return res, body, err
	}
	res, body, err := ask()
	if err == nil && res.StatusCode == http.StatusOK {
		t.Errorf("the answer looks whole: %d bytes", len(body))
	}
	if _, err := zip.NewReader(bytes.NewReader(body), int64(len(body))); err == nil {
		t.Error("the archive can be opened")
	}
}
