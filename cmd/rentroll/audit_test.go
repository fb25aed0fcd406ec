package main

import (
	"archive/zip"
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
)

// writeKeys writes a pair of keys as openssl would, and returns their files.
func writeKeys(t *testing.T, dir, name string) (private, public string) {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte(name[:1]), ed25519.SeedSize))
	write := func(file, kind string, der []byte, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	private = write(name+".key", "PRIVATE KEY", der, err)
	der, err = x509.MarshalPKIXPublicKey(key.Public())
	return private, write(name+".pub", "PUBLIC KEY", der, err)
}

// auditor runs commands against a server, with files in a folder.
type auditor struct {
	*testing.T

	dir string
	env []string
}

// run runs a command line and returns what it printed. The exit code must be as wanted, and the output contain a text.
func (a *auditor) run(code int, want, line string) string {
	a.Helper()
	r := finish(a.T, program(a.T, a.dir, a.env, strings.Fields(line)...))
	if r.code != code || !strings.Contains(r.out+r.err, want) {
		a.Errorf("rentroll %s: exit %d, want %d, with %q: %s%s", line, r.code, code, want, r.out, r.err)
	}
	return r.out
}

func (a *auditor) write(name, text string) {
	a.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600); err != nil {
		a.Fatal(err)
	}
}

func TestAuditCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	private, _ := writeKeys(t, dir, "audit")
	writeKeys(t, dir, "other")
	p := serve(t, t.TempDir(), append(withKey(), "RENTROLL_AUDIT_SIGNING_KEY_FILE="+private))
	a := &auditor{t, dir, []string{"RENTROLL_URL=" + p.url, keyVariable + "=" + configuredKey}}
	a.run(0, "", "tenant create acme --name <A&B>")
	a.run(0, "", "tenant create other")
	a.run(0, "", "tenant plan acme pro")
	a.run(0, "", "plan put team workers=25")

	a.run(0, "The audit holds: 2 rows.", "audit verify acme")
	a.run(0, "The audit holds: 1 row.", "audit verify --platform")
	a.run(0, `"verdict":"holds"`, "audit verify acme --json")
	a.run(0, "signature", "audit head acme")
	a.write("head.json", a.run(0, `"sequence":2`, "audit head acme --json"))
	a.run(0, "", "tenant suspend acme")
	export := a.run(0, `{"head":{`, "audit export acme")
	a.write("acme.jsonl", export)
	a.write("platform.jsonl", a.run(0, `{"head":{"tenant_id":null`, "audit export --platform"))
	a.run(0, "signed head of row 2,", "audit verify acme --head head.json --public-key audit.pub")

	for _, wrong := range []struct{ want, line string }{
		{"name a tenant", "audit verify"},
		{"name a tenant", "audit verify acme --platform"},
		{"name a tenant", "audit head"},
		{"name a tenant", "audit export"},
		{"an export says whose it is", "audit verify acme --file acme.jsonl"},
		{"--head needs --public-key", "audit verify acme --head head.json"},
		{"--public-key needs --head", "audit verify acme --public-key audit.pub"},
	} {
		a.run(2, wrong.want, wrong.line)
	}
	for _, wrong := range []struct{ want, line string }{
		{"signed by the key", "audit verify acme --head head.json --public-key other.pub"},
		{"not that of this audit", "audit verify other --head head.json --public-key audit.pub"},
		{"no PEM block", "audit verify acme --head head.json --public-key head.json"},
		{"holds no head", "audit verify acme --head audit.pub --public-key audit.pub"},
	} {
		a.run(1, wrong.want, wrong.line)
	}
	a.prune()
	a.run(2, "give --yes", "tenant purge other")
	a.run(1, "invalid_transition", "tenant purge other --yes")
	a.run(0, "", "tenant terminate other")
	a.run(0, "", "tenant archive other")
	a.takeAway("other")
	a.run(0, "other is gone", "tenant purge other --yes")
	a.run(1, "not_found", "tenant purge other --yes")
	p.stop()
	a.env = nil // an export needs no server and no key
	a.offline(export)
	a.run(0, "signed by ", "audit verify --file pruned.jsonl --public-key audit.pub")
	a.run(1, "signed by the key", "audit verify --file pruned.jsonl --public-key other.pub")
	a.run(1, "The row of the signed head, 2, was pruned", "audit verify --file pruned.jsonl --head head.json --public-key audit.pub")
}

// takeAway exports a tenant, and verifies the audit in the archive.
func (a *auditor) takeAway(tenant string) {
	a.Helper()
	if out := a.run(0, "usage_events.jsonl", "tenant export "+tenant+" --out whole.zip"); !strings.Contains(out, "audit.jsonl") {
		a.Errorf("the export has %s", out)
	}
	archive, err := zip.OpenReader(filepath.Join(a.dir, "whole.zip"))
	if err != nil {
		a.Fatal(err)
	}
	defer archive.Close()
	audit, err := archive.Open("audit.jsonl")
	if err != nil {
		a.Fatal(err)
	}
	rows, err := io.ReadAll(audit)
	if err != nil {
		a.Fatal(err)
	}
	a.write("taken.jsonl", string(rows))
	a.run(0, "The audit holds: 4 rows.", "audit verify --file taken.jsonl --public-key audit.pub")
	a.run(1, "not_found", "tenant export nobody --out none.zip")
	if _, err := os.Stat(filepath.Join(a.dir, "none.zip")); err == nil {
		a.Error("a file without an export is there")
	}
}

// prune prunes all of a tenant's audit but the row that says so.
func (a *auditor) prune() {
	a.Helper()
	a.run(2, "name a tenant", "audit prune --before 2026-01-01")
	a.run(2, "--before", "audit prune acme")
	a.run(0, "no change is that old", "audit prune acme --before 2020-01-01")
	a.run(0, "pruned up to", "audit prune acme --before "+time.Now().Format(time.RFC3339))
	a.run(0, `"state":"done"`, "audit prune acme --before 2020-01-01 --json")
	if last := a.run(0, "The audit holds: 1 row.", "audit verify acme --public-key audit.pub"); !strings.Contains(last, "Rows 1 to 3 were pruned") {
		a.Errorf("the verification says %q", last)
	}
	a.run(1, "signed by the key", "audit verify acme --public-key other.pub")
	a.run(1, "The row of the signed head, 2, was pruned", "audit verify acme --head head.json --public-key audit.pub")
	a.write("pruned.jsonl", a.run(0, `{"checkpoint":{`, "audit export acme"))
}

// offline verifies an export of acme, whole and tampered with.
func (a *auditor) offline(export string) {
	a.Helper()
	a.run(0, "The audit holds: 3 rows.", "audit verify --file acme.jsonl")
	a.run(0, "signed head of row 2,", "audit verify --file acme.jsonl --head head.json --public-key audit.pub")
	a.run(0, "The audit holds: 1 row.", "audit verify --file platform.jsonl --public-key audit.pub")
	a.run(1, "signed by the key", "audit verify --file acme.jsonl --public-key other.pub")
	var v rentroll.AuditVerification
	if err := json.Unmarshal([]byte(a.run(0, "", "audit verify --file acme.jsonl --json")), &v); err != nil || v.Verdict != rentroll.AuditHolds || v.Rows != 3 {
		a.Errorf("an export as JSON: %+v, %v", v, err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(export, "\n"), "\n")
	if len(lines) != 4 {
		a.Fatalf("an export of %d lines: %s", len(lines), export)
	}
	for name, test := range map[string]struct {
		lines []string
		want  string
	}{
		"removed":    {[]string{lines[0], lines[2], lines[3]}, "broken at row 2: removed"},
		"altered":    {[]string{lines[0], strings.Replace(lines[1], `"plan":"pro"`, `"plan":"free"`, 1), lines[2], lines[3]}, "broken at row 2: altered"},
		"reordered":  {[]string{lines[0], lines[2], lines[1], lines[3]}, "broken at row 2: reordered"},
		"inserted":   {[]string{lines[0], lines[0], lines[1], lines[2], lines[3]}, "broken at row 1: inserted"},
		"truncated":  {[]string{lines[0], lines[1], lines[3]}, "broken at row 3: truncated"},
		"incomplete": {lines[:3], "does not end with a head"},
		"longer":     {append(slices.Clone(lines), "\n"+lines[0]), "behind the head"},
		"foreign":    {[]string{"{}\n"}, "no row"},
		"no JSON":    {[]string{lines[0], "x\n"}, "line 2"},
		"no rows":    {[]string{lines[3]}, "broken at row 1: truncated"},
	} {
		file := strings.ReplaceAll(name, " ", "-") + ".jsonl"
		a.write(file, strings.Join(test.lines, ""))
		a.run(1, test.want, "audit verify --file "+file)
	}
}

func TestAuditSigningKeyFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, public := writeKeys(t, dir, "audit")
	for _, file := range []string{public, filepath.Join(dir, "gone")} {
		r := finish(t, program(t, dir, withKey(), "serve", "--listen", "127.0.0.1:0", "--audit-signing-key-file", file))
		if r.code != 2 || !strings.Contains(r.err, "--audit-signing-key-file") {
			t.Errorf("exit %d with %s: %s", r.code, file, r.err)
		}
	}
}

// Progress is for who looks at a terminal, and leaves nothing there.
func TestProgress(t *testing.T) {
	t.Parallel()
	var terminal, log bytes.Buffer
	seen := (&session{std: &streams{err: &terminal, errTTY: true}}).progress("verified")
	seen.at(20_000, 1_000_000)
	seen.at(40_000, 0)
	seen.end()
	const line = "\r\x1b[K"
	if want := line + "verified 20,000 of 1,000,000 rows" + line + "verified 40,000 rows" + line; terminal.String() != want {
		t.Errorf("a terminal is told %q, want %q", terminal.String(), want)
	}
	unseen := (&session{std: &streams{err: &log}}).progress("verified")
	unseen.at(20_000, 0)
	unseen.end()
	if log.Len() > 0 {
		t.Errorf("a file is told %q", log.String())
	}
}
