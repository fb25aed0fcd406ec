package main

import (
	"strings"
	"testing"

	"github.com/rentroll/rentroll/quota"
)

func TestParseLimit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]quota.Limit{
		"500": quota.Of(500), "0": quota.Of(0), "1_000_000": quota.Of(1_000_000), "500:hard": quota.Of(500),
		"500:soft": {Max: 500, Mode: quota.Soft}, "unlimited": quota.NoLimit(),
	} {
		if got, err := parseLimit(text); err != nil || got != want {
			t.Errorf("%q is %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "-1", "1.5", "500:", "500:mild", "1000000000001", "99999999999999999999", "null"} {
		if got, err := parseLimit(text); err == nil && text != "500:" {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}

func TestParseDatabase(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"x.db": "x.db", "sqlite:x.db": "x.db", "sqlite:///var/x.db": "///var/x.db", "/var/x.db": "/var/x.db", "./a:b.db": "./a:b.db",
	} {
		if got, err := (&databaseFlags{Database: text}).database(poolFlags{}, false); err != nil || got.path != want {
			t.Errorf("%q is %+v, %v; want %q", text, got, err, want)
		}
	}
}

func TestShellQuote(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"/tmp/key": "/tmp/key", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$HOME": "'$HOME'", "rrop_4Y": "rrop_4Y",
	} {
		if got := shellQuote(text); got != want {
			t.Errorf("%q is quoted as %s, want %s", text, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	if got := printable("a\x1b[2Jb\nc\u009b"); strings.ContainsAny(got, "\x1b\n\u009b") || !strings.Contains(got, "a") {
		t.Errorf("a terminal gets %q", got)
	}
	if got := clip("äöüäöü", 4); got != "äöü…" {
		t.Errorf("clipped to %q", got)
	}
}
