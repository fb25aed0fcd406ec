package main

import (
	"strings"
	"testing"
	"time"
)

func TestDays(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]days{"1d": days(24 * time.Hour), "400d": days(400 * 24 * time.Hour), "forever": -1} {
		var d days
		if err := d.UnmarshalText([]byte(text)); err != nil || d != want {
			t.Errorf("%s: %v, %v", text, d, err)
		}
	}
	for _, text := range []string{"", "d", "0d", "-1d", "1", "9h", "1.5d", "999999999d", "Forever"} {
		var d days
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %v", text, d)
		}
	}
}

// TestKeepFlags: a time that is too short is refused in the words of the flag.
func TestKeepFlags(t *testing.T) {
	t.Parallel()
	for flag, value := range map[string]string{"--keep-usage": "42d", "--keep-runs": "6d", "--keep-denials": "x"} {
		r := finish(t, program(t, t.TempDir(), nil, "serve", "--listen", "127.0.0.1:0", flag, value))
		if r.code != exitUsage || !strings.Contains(r.err, flag) {
			t.Errorf("%s %s: %+v", flag, value, r)
		}
	}
}
