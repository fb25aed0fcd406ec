package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// grammar returns a parser of the command line that does nothing.
func grammar(t *testing.T) *kong.Kong {
	t.Helper()
	k, err := newParser(&streams{in: strings.NewReader(""), out: io.Discard, err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestEveryCommandHasAnExample(t *testing.T) {
	t.Parallel()
	k := grammar(t)
	known := map[string]bool{"": true}
	for _, leaf := range k.Model.Leaves(true) {
		path := strings.TrimPrefix(leaf.FullPath(), "rentroll ")
		known[path] = true
		if len(examples[path]) == 0 {
			t.Errorf("%s has no example", path)
		}
		if leaf.Help == "" {
			t.Errorf("%s has no help", path)
		}
		for _, group := range leaf.AllFlags(true) {
			for _, f := range group {
				if f.Help == "" {
					t.Errorf("%s --%s has no help", path, f.Name)
				}
				if want := "RENTROLL_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_")); f.Name != "help" && (len(f.Envs) != 1 || f.Envs[0] != want) {
					t.Errorf("%s --%s has the variables %q, want %s", path, f.Name, f.Envs, want)
				}
			}
		}
	}
	for path := range examples {
		if !known[path] {
			t.Errorf("there is an example of %q, which is no command", path)
		}
	}
}

// TestExamples parses every example: what help shows must be right.
func TestExamples(t *testing.T) {
	t.Setenv(keyVariable, "a key")
	for path, list := range examples {
		for _, example := range list {
			line, _, _ := strings.Cut(example, " | ")
			line, _, _ = strings.Cut(line, " && ")
			line, _, _ = strings.Cut(line, " > ")
			line = strings.TrimSuffix(strings.TrimPrefix(line, `eval "$(`), `)"`)
			args, program := strings.CutPrefix(line, "rentroll ")
			if !program || !strings.HasPrefix(args, path) {
				t.Errorf("%q is no example of %q", example, path)
			}
			if _, err := grammar(t).Parse(words(t, args)); err != nil {
				t.Errorf("%q does not parse: %v", example, err)
			}
		}
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for args, wants := range map[string][]string{
		"--help":             {"serve", "tenant", "completion", "For example:", "rentroll serve --demo"},
		"serve --help":       {"RENTROLL_DATABASE", "RENTROLL_LISTEN", "RENTROLL_OPERATOR_KEY", "RENTROLL_OPERATOR_KEY_FILE", "RENTROLL_KEY_PREFIX", "SIGTERM"},
		"tenant --help":      {"tenant create", "tenant quotas", "RENTROLL_URL", "RENTROLL_KEY"},
		"run create --help":  {"<tenant>", "<worker>", "<task>", "@FILE", "rentroll run create acme writer"},
		"key verify --help":  {"exit code is 1"},
		"plan put --help":    {"QUOTA=LIMIT", "unlimited"},
		"completion --help":  {"bash, zsh or fish"},
		"tenant list --help": {"--all", "--cursor", "--json"},
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			r := finish(t, program(t, t.TempDir(), nil, strings.Fields(args)...))
			if r.code != 0 || r.err != "" {
				t.Errorf("exit %d: %s", r.code, r.err)
			}
			for _, want := range wants {
				if !strings.Contains(strings.ToLower(r.out), strings.ToLower(want)) {
					t.Errorf("it does not say %q:\n%s", want, r.out)
				}
			}
			if strings.Contains(r.out, "__complete") {
				t.Error("it shows what is hidden")
			}
		})
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	root := grammar(t).Model.Node
	for line, want := range map[string]string{
		"":                                 "audit completion doctor event key member meter migrate operator-key plan run serve subject tenant usage user version worker",
		"te":                               "tenant",
		"tenant re":                        "resume",
		"tenant s":                         "suspend",
		"tenant list --st":                 "--status",
		"tenant list --status ":            "active archived suspended terminated",
		"tenant list --status=a":           "--status=active --status=archived",
		"tenant list --status active --al": "--all",
		"tenant --json list --cu":          "--cursor",
		"tenant --url http://x l":          "list",
		"tenant create acme --pl":          "--plan",
		"member role acme usr_1 ":          "admin member owner viewer",
		"member role acme usr_1 o":         "owner",
		"run list acme --worker-id w --s":  "--status",
		"completion ":                      "bash fish zsh",
		"serve --log-format ":              "auto json text",
		"tenant get ":                      "",
		"no such thing":                    "",
		"-":                                "--help",
	} {
		if got := strings.Join(candidates(root, strings.Split(line, " ")), " "); got != want {
			t.Errorf("%q is completed with %q, want %q", line, got, want)
		}
	}
	for shell := range completionScripts {
		var out bytes.Buffer
		if code := run([]string{"completion", shell}, &streams{out: &out, err: &out}); code != 0 || !strings.Contains(out.String(), "__complete") {
			t.Errorf("%s: exit %d: %s", shell, code, &out)
		}
	}
	r := finish(t, program(t, t.TempDir(), nil, "__complete", "--", "run", "list", "acme", "--status", "c"))
	if r.code != 0 || r.out != "canceled\ncompleted\ncrashed\n" {
		t.Errorf("the program completes with exit %d: %q %s", r.code, r.out, r.err)
	}
}
