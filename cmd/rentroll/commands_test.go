package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shell runs commands against a server, in this process, and writes down what they say.
type shell struct {
	t       *testing.T
	remote  []string // the flags that name the server and the key
	dir     string
	script  strings.Builder
	last    map[string]string // the first id of each kind in the latest output that had one
	numbers map[string]string // ids as they are written down
}

func newShell(t *testing.T, url, key string) *shell {
	t.Helper()
	s := &shell{t: t, dir: t.TempDir(), last: map[string]string{}, numbers: map[string]string{}}
	s.remote = []string{"--url", url, "--key-file", s.file("key", key)}
	return s
}

// file writes a file and returns its path.
func (s *shell) file(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// call runs a command and returns what it says.
func (s *shell) call(stdin string, args ...string) result {
	var out, errs bytes.Buffer
	code := run(append(args, s.remote...), &streams{in: strings.NewReader(stdin), out: &out, err: &errs})
	return result{code, out.String(), errs.String()}
}

// do runs a command and writes it down. In its words {run} is the last run's id, and likewise for the other kinds; $DIR
// is the folder of files.
func (s *shell) do(stdin, line string) {
	s.t.Helper()
	for kind, id := range s.last {
		line = strings.ReplaceAll(line, "{"+kind+"}", id)
	}
	args := words(s.t, line)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "$DIR", s.dir)
	}
	r := s.call(stdin, append(args, "--utc")...)
	for _, id := range ids.FindAllString(r.out, -1) {
		kind, _, _ := strings.Cut(id, "_")
		if _, known := s.numbers[id]; !known {
			s.last[kind] = id
		}
		s.number(id)
	}
	fmt.Fprintf(&s.script, "$ rentroll %s\n%s%s", s.tidy(line), s.tidy(r.out), s.tidy(r.err))
	if r.code != 0 {
		fmt.Fprintf(&s.script, "[exit %d]\n", r.code)
	}
	s.script.WriteString("\n")
}

// words splits a command line as a shell would, as far as quotes go.
func words(t *testing.T, line string) []string {
	t.Helper()
	var out []string
	var word strings.Builder
	quote, open := rune(0), false
	for _, r := range line {
		switch {
		case r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, open = r, true
		case quote == 0 && r == ' ':
			if open {
				out = append(out, word.String())
				word.Reset()
			}
			open = false
		default:
			word.WriteRune(r)
			open = true
		}
	}
	if quote != 0 {
		t.Fatalf("an open quote in %s", line)
	}
	if open {
		out = append(out, word.String())
	}
	return out
}

var (
	ids      = regexp.MustCompile(`\b(ten|usr|mem|key|run|use|aud|evt|opk)_[0-9a-z]{26}\b`)
	times    = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ`)
	isoTimes = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	secrets  = regexp.MustCompile(`\b(rr_[0-9A-Za-z]{71}|rrop_[0-9A-Za-z]{49})\b`)
	prefixes = regexp.MustCompile(`\b(rr_[0-9A-Za-z]{9}|rrop_[0-9A-Za-z]{7})\b`)
	suffixes = regexp.MustCompile(`((?:ends with +|rr_PREFIX\.\.\. +|"key_suffix":"))[0-9A-Za-z]{4}((?: +(?:active|revoked|expired)\b|"|\n))`)
	requests = regexp.MustCompile(`\(request [0-9A-Z]+\)`)
	cursors  = regexp.MustCompile(`(--cursor |"next_cursor":")[0-9A-Za-z_-]+`)
)

// number gives an id a name that is the same every time, and as wide.
func (s *shell) number(id string) {
	if _, known := s.numbers[id]; !known {
		kind, _, _ := strings.Cut(id, "_")
		s.numbers[id] = fmt.Sprintf("%s_%026d", kind, len(s.numbers)+1)
	}
}

// tidy replaces what differs from run to run by something as wide.
func (s *shell) tidy(text string) string {
	text = strings.ReplaceAll(text, s.dir, "$DIR")
	text = ids.ReplaceAllStringFunc(text, func(id string) string {
		s.number(id)
		return s.numbers[id]
	})
	text = times.ReplaceAllString(text, "YYYY-MM-DD hh:mm:ssZ")
	text = isoTimes.ReplaceAllString(text, "TIME")
	text = secrets.ReplaceAllString(text, "rr_SECRET")
	text = prefixes.ReplaceAllString(text, "rr_PREFIX...")
	text = suffixes.ReplaceAllString(text, "${1}LAST${2}")
	text = requests.ReplaceAllString(text, "(request ID)")
	return cursors.ReplaceAllString(text, "${1}CURSOR")
}

// golden compares what was written down with the file that holds what it should be.
func (s *shell) golden(name string) {
	s.t.Helper()
	path, got := filepath.Join("testdata", name), s.script.String()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		s.t.Errorf("%s (go test ./cmd/rentroll -update rewrites it):\n%s", path, diff)
	}
}

func TestTenantCommands(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), withKey())
	s := newShell(t, p.url, configuredKey)
	for _, line := range []string{
		`tenant list`,
		`tenant create acme --name "Acme Inc." --plan pro --timezone Europe/Berlin --billing-anchor-day 15 --external-id org_1 --billing-email pay@acme.example --override runs_per_day=2 --override workers=1:soft --until 2099-01-01 --reason 'a trial' --metadata tier=gold --metadata note="a, b; c=d"`,
		`tenant create globex`,
		`tenant list`,
		`tenant list --limit 1`,
		`tenant list --query ACM --plan pro --status active`,
		`tenant get acme`,
		`tenant get acme --json`,
		`tenant update acme --name Acme --external-id "" --override runs_per_day=unlimited --remove-override workers --metadata tier=silver --remove-metadata note`,
		`tenant update acme --override concurrent_runs=7:soft --reason 'peak season'`,
		`tenant plan acme free`,
		`tenant quotas acme`,
		`tenant quotas globex --json`,
		`tenant suspend acme --reason 'Invoice 1042 is unpaid'`,
		`tenant list --status suspended`,
		`tenant suspend acme`,
		`tenant resume acme`,
		`tenant terminate globex --reason 'Contract ended'`,
		`tenant archive globex`,
		`tenant get globex`,
		`tenant denials acme`,
		`audit list acme --limit 4`,
		`audit list --platform`,
		`plan put team workers=25 runs_per_day=5_000 tokens_per_month=60000000:soft concurrent_runs=unlimited`,
		`plan list`,
		`plan put team --retired`,
		`plan put team workers=30`,
		`plan put team --no-retired`,
		`plan put nothing`,
		`plan delete team`,
		`plan delete free`,
		`tenant get nobody`,
		`tenant create acme`,
		`tenant create Ac,me --timezone Mars/Olympus`,
		`tenant create other --plan gold`,
		`tenant update acme --override runs=1`,
		`tenant update acme --override runs_per_day=many`,
		`tenant update acme --until 2099-01-01`,
		`tenant update acme --until soon`,
		`tenant list --status lost`,
		`tenant list --cursor nonsense`,
		`plan put team workers`,
		`audit list`,
	} {
		s.do("", line)
	}
	s.golden("tenants.txt")
	p.stop()
}

func TestPeopleCommands(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), withKey())
	s := newShell(t, p.url, configuredKey)
	s.file("not-a-secret", "rr_nonsense\n")
	s.file("imported", "a secret of the old platform\n")
	s.file("keys.csv", "sha256,name,key_prefix,permissions,allowed_ips,rate_limit_rpm,expires_at\n"+
		"ac2c47b7f36bc8fd31e1d4c9d57fa9ef4fe8b25f3b0c4bdb2a26e4a1d4b4a9c5,first,sk_live_4f2a,run:* read:*,192.0.2.0/24,60,\n"+
		"nonsense,second,,,,0,\n")
	s.file("keys.jsonl", `{"sha256":"e7cd6ee3ee0e3b8d08ca0d93353a20b3afef32f0273476b8750731b800b505db","name":"old","allowed_ips":["192.0.2.0/24"]}`+"\n\n"+`{"sha256":"e7cd6ee3ee0e3b8d08ca0d93353a20b3afef32f0273476b8750731b800b505db","name":"again"}`+"\n")
	s.file("bad.csv", "sha256,name,color\nx,y,z\n")
	s.file("bad.jsonl", `{"sha256":"x","color":"red"}`)
	for _, line := range []string{
		`tenant create acme`,
		`user create bob@acme.example`,
		`member add acme {usr} --role viewer --no-default`,
		`user create ada@acme.example --name "Ada Lovelace" --external-id user_2bYm`,
		`member add acme {usr}`,
		`user get {usr}`,
		`user list`,
		`user list --email bob@acme.example --json`,
		`member list acme`,
		`member list acme --for-user external:user_2bYm`,
		`tenant list --for-user {usr}`,
		`member list acme --for-user nobody`,
		`member role acme {usr} member`,
		`member remove acme {usr}`,
		`user delete {usr}`,
		`user create not-an-address`,
		`member role acme {usr} king`,
		`member add acme key_00000000000000000000000001`,
		`key create acme --name production`,
		`key find rr_ --tenant acme`,
		`key create acme --name partner --allowed-workers writer,reader --permissions run:create --permissions run:read --expires-in-days 90 --rate-limit-rpm 60 --max-concurrent-runs 2 --max-tokens-per-month 1000000`,
		`key list acme`,
		`key get acme {key}`,
		`key revoke acme {key} --reason 'Found in a repository'`,
		`key create acme --name office --allowed-ips 192.0.2.77/24 --allowed-ips 2001:db8::7`,
		`key rotate acme {key} --overlap 1h`,
		`key list acme --expiring 1`,
		`key list --expiring 1`,
		`key list`,
		`key find rr_...0000`,
		`key find rr_more-than-is-kept`,
		`key rotate acme {key} --overlap 1ms`,
		`key rotate acme {key} --overlap 721h`,
		`key import acme $DIR/keys.csv`,
		`key import acme $DIR/keys.csv --json`,
		`key import acme $DIR/keys.jsonl`,
		`key import acme $DIR/bad.csv`,
		`key import acme $DIR/bad.jsonl`,
		`key import acme $DIR/gone.csv`,
		`key list acme --include-revoked`, // before a key is used: that is shown when it has been written
		`key verify @$DIR/imported --ip 192.0.2.7`,
		`key verify @$DIR/imported --ip nowhere`,
		`key verify @$DIR/not-a-secret`,
		`key verify rr_nonsense`,
		`key create acme`,
		`worker list acme`,
		`worker enable acme writer`,
		`worker disable acme writer`,
		`worker list acme`,
		`worker remove acme writer`,
		`worker enable acme NO`,
	} {
		s.do("", line)
	}
	s.golden("people.txt")
	p.stop()
}

func TestOperatorKeyCommands(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), withKey())
	s := newShell(t, p.url, configuredKey)
	for _, line := range []string{
		`operator-key list`,
		`operator-key create ops`,
		`operator-key create support --permissions tenant:manage,read:* --expires-in-days 90 --idempotency-key one`,
		`operator-key create support --permissions tenant:manage,read:* --expires-in-days 90 --idempotency-key one`,
		`operator-key create support`,
		`operator-key create other --permissions tenant:fly`,
		`operator-key list`,
		`operator-key revoke {opk} --reason 'Left the company'`,
		`operator-key list`,
		`operator-key list --include-revoked`,
		`operator-key list --include-revoked --limit 1 --json`,
		`operator-key revoke opk_00000000000000000000000001`,
		`operator-key revoke key_00000000000000000000000001`,
		`audit list --platform`,
	} {
		s.do("", line)
	}
	s.golden("operators.txt")
	p.stop()
}

func TestRunCommands(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), withKey())
	s := newShell(t, p.url, configuredKey)
	s.file("input.json", `{"pages": [1, 2]}`)
	s.file("events.json", `[{"meter":"emails_sent","amount":12,"event_id":"e1"},{"meter":"emails_sent","amount":3}]`)
	s.file("broken.json", `{`)
	s.do("", `tenant create acme --override runs_per_day=3 --override tokens_per_month=50000`)
	s.do("", `run create acme writer "Write a business plan" --reserve-tokens 20000 --lease 5m --input @$DIR/input.json`)
	s.do("", `run start acme {run}`)
	s.do("", `run heartbeat acme {run} --tokens-so-far 9000 --lease 1h`)
	s.do(`{"result": "done"}`, `run complete acme {run} --tokens 18500 --latency 42s --stages 7 --recoveries 1 --cost-micros 1370000 --output -`)
	s.do("", `run get acme {run}`)
	s.do("", `run complete acme {run} --tokens 1`)
	s.do("", `run create acme reader "Read <all> of \n it"`)
	s.do("", `run complete acme {run} --failed --error "the model timed out" --tokens 900`)
	s.do("", `run retry acme {run} --reserve-tokens 5`)
	s.do("", `run reserve acme {run} 20`)
	s.do("", `run reserve acme {run} 1000000000`)
	s.do(`[{"worker_id":"writer","task":"Part 1"},{"worker_id":"writer","task":"Part 2"}]`, `run group acme -`)
	s.do(`[{"worker":"writer"}]`, `run group acme -`)
	s.do("", `run cancel acme {run}`)
	s.do("", `run list acme`)
	s.do("", `run list acme --status failed --json`)
	s.do("", `run list acme --limit 1`)
	s.do("", `run list acme --all --limit 1`)
	s.do("", `run check acme`)
	s.do("", `run check acme --tokens 1000`)
	s.do("", `run check acme --tokens 40000 --json`)
	s.do("", `run create acme writer "Too much"`)
	s.do("", `run create acme writer "x" --input @$DIR/broken.json`)
	s.do("", `run create acme writer "x" --input @$DIR/gone.json`)
	s.do("", `run check acme --tokens 1 --worker-id writer`)
	s.do("", `run get acme run_00000000000000000000000001`)
	s.do("", `run get acme 17`)
	s.do("", `usage record acme documents_processed 3 --unit documents --worker-id writer --event-id 2026-01/1 --metadata '{"source":"scan"}'`)
	s.do("", `usage record acme documents_processed 3 --unit kilos`)
	s.do("", `usage record acme --events @$DIR/events.json`)
	s.do(`[{"meter":"emails_sent","amount":12,"event_id":"e1"},{"meter":"No","amount":3}]`, `usage record acme --events -`)
	s.do("", `usage summary acme`)
	s.do("", `usage summary acme --start 2026-01-01 --end 2026-02-01`)
	s.do("", `usage record acme`)
	s.do("", `usage record acme emails_sent 1 --events []`)
	s.do("", `audit list acme`)
	s.golden("runs.txt")
	p.stop()
}

// TestJSON checks that --json prints one JSON object, the same that the API answers.
func TestJSON(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), withKey())
	s := newShell(t, p.url, configuredKey)
	field := func(out string, path ...string) string {
		var v any
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Fatalf("no JSON: %v: %s", err, out)
		}
		for _, name := range path {
			object, ok := v.(map[string]any)
			if !ok {
				t.Fatalf("no object holds %s: %s", name, out)
			}
			v = object[name]
		}
		text, _ := v.(string)
		return text
	}
	object := func(stdin string, args ...string) string {
		r := s.call(stdin, append(args, "--json")...)
		var v map[string]json.RawMessage
		if err := json.Unmarshal([]byte(r.out), &v); err != nil || r.err != "" || strings.Count(r.out, "\n") != 1 {
			t.Errorf("%v: no JSON object in one line: %v: %s%s", args, err, r.out, r.err)
		}
		return r.out
	}
	user := field(object("", "user", "create", "ada@acme.example"), "id")
	for i := range 7 {
		object("", "tenant", "create", fmt.Sprintf("t%d", i))
	}
	secret := field(object("", "key", "create", "t0", "--name", "a"), "secret")
	key := field(object("", "key", "list", "t0"), "next_cursor")
	if key != "" {
		t.Errorf("a list of one has a next page %q", key)
	}
	if got := field(object(secret, "key", "verify", "-"), "plan"); got != "free" {
		t.Errorf("a secret verifies to the plan %q", got)
	}
	id := field(object("", "run", "create", "t0", "writer", "x", "--input", `{"b": 1, "a": "<>"}`), "id")
	if out := object("", "run", "get", "t0", id); !strings.Contains(out, `"input":{"b":1,"a":"<>"}`) {
		t.Errorf("the input comes back otherwise: %s", out)
	}
	for _, line := range []string{
		"tenant list", "tenant get t0", "tenant quotas t0", "tenant denials t0", "tenant plan t0 pro", "tenant update t0 --name T",
		"tenant suspend t1", "tenant resume t1", "tenant terminate t1", "tenant archive t1", "plan list", "plan put x workers=1",
		"plan delete x", "user list", "user get " + user, "member add t0 " + user, "member list t0", "member role t0 " + user + " owner",
		"run list t0", "run check t0", "run start t0 " + id, "run heartbeat t0 " + id, "run complete t0 " + id, "usage summary t0",
		"usage record t0 m 1", "worker list t0", "worker disable t0 writer", "worker remove t0 writer", "audit list t0", "audit list --platform",
		"key list t0 --include-revoked", "operator-key create ops", "operator-key list",
	} {
		object("", strings.Fields(line)...)
	}
	var all struct {
		Items []struct {
			Slug string `json:"slug"`
		} `json:"items"`
		NextCursor *string `json:"next_cursor"`
	}
	if err := json.Unmarshal([]byte(object("", "tenant", "list", "--all", "--limit", "2")), &all); err != nil || len(all.Items) != 7 || all.NextCursor != nil {
		t.Errorf("all pages: %+v, %v", all, err)
	}
	if out := object("", "tenant", "list", "--all", "--status", "suspended"); out != `{"items":[],"next_cursor":null}`+"\n" {
		t.Errorf("no tenants are %s", out)
	}
	p.stop()
}

func TestRemoteMistakes(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), withKey())
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte(configuredKey+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	url, key := "RENTROLL_URL="+p.url, keyVariable+"="+configuredKey
	tests := []struct {
		name string
		code int
		want string
		env  []string
		args string
	}{
		{"by the environment", 0, "There is nothing", []string{url, key}, "tenant list"},
		{"by a file", 0, "There is nothing", []string{url}, "tenant list --key-file key"},
		{"by a file in the environment", 0, "There is nothing", []string{url, "RENTROLL_KEY_FILE=key", keyVariable + "="}, "tenant list"},
		{"every flag has a variable", 0, `{"items":[]`, []string{url, key, "RENTROLL_JSON=true"}, "tenant list"},
		{"no key", 2, "no key", []string{url}, "tenant list"},
		{"two keys", 2, "which one", []string{url, key}, "tenant list --key-file key"},
		{"no key file", 2, "--key-file", []string{url}, "tenant list --key-file gone"},
		{"a wrong key", 1, "unauthenticated", []string{url, keyVariable + "=wrong"}, "tenant list"},
		{"no server", 1, "is the server running", []string{key}, "tenant list --url http://127.0.0.1:1"},
		{"no URL", 2, "http://127.0.0.1:8080", []string{key}, "tenant list --url 127.0.0.1:8080"},
		{"a bad variable", 2, "RENTROLL_UTC", []string{url, key, "RENTROLL_UTC=perhaps"}, "tenant list"},
		{"help", 0, "Usage: rentroll", nil, ""},
		{"a misspelled command", 2, `did you mean one of "list", "get"`, nil, "tenant lst"},
		{"version", 0, "rentroll dev (go", nil, "version"},
		{"version for programs", 0, `"version":"dev"`, nil, "version --json"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := finish(t, program(t, dir, test.env, strings.Fields(test.args)...))
			if r.code != test.code || !strings.Contains(r.out+r.err, test.want) {
				t.Errorf("exit %d, want %d, with %q: %s%s", r.code, test.code, test.want, r.out, r.err)
			}
			if strings.Contains(r.out+r.err, configuredKey) {
				t.Error("the key is told")
			}
		})
	}
}
