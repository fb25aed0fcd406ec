package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
)

func TestParseKeys(t *testing.T) {
	t.Parallel()
	user, err := rentroll.ParseUserID("usr_01kaqt41n2f4tbnk2x8m6zr0ce")
	if err != nil {
		t.Fatal(err)
	}
	want := []client.ImportedKey{
		{
			SHA256: "ab", Name: "the first, of two", KeyPrefix: "sk_", UserID: user, Permissions: []string{"run:*", "read:*"},
			AllowedWorkers: []string{"a", "b"}, AllowedIPs: []string{"::1"}, RateLimitRPM: new(int64(60)), MaxConcurrentRuns: new(int64(0)),
			MaxTokensPerMonth: new(int64(1000)), ExpiresAt: time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC),
		},
		{SHA256: "cd", Name: "second"},
	}
	for name, text := range map[string]string{
		"CSV": "sha256,name,key_prefix,user_id,permissions,allowed_workers,allowed_ips,rate_limit_rpm,max_concurrent_runs,max_tokens_per_month,expires_at\r\n" +
			"ab,\"the first, of two\",sk_,usr_01kaqt41n2f4tbnk2x8m6zr0ce,run:* read:*,a b,::1,60,0,1000,2027-01-31T12:00:00Z\r\n" +
			"cd, second ,,,,,,,,,\r\n",
		"CSV of a spreadsheet": "\ufeffname,sha256\nsecond,cd\n",
		"JSON Lines": `{"sha256":"ab","name":"the first, of two","key_prefix":"sk_","user_id":"usr_01kaqt41n2f4tbnk2x8m6zr0ce",` +
			`"permissions":["run:*","read:*"],"allowed_workers":["a","b"],"allowed_ips":["::1"],"rate_limit_rpm":60,` +
			`"max_concurrent_runs":0,"max_tokens_per_month":1000,"expires_at":"2027-01-31T12:00:00Z"}` + "\n\n" + `{"sha256":"cd","name":"second"}`,
	} {
		want := want
		if strings.Contains(name, "spreadsheet") {
			want = want[1:]
		}
		got, err := parseKeys([]byte(text))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	for text, why := range map[string]string{
		"":                                    "no keys",
		"sha256,name\n":                       "no keys",
		"sha256,name\nx\n":                    "wrong number of fields",
		"sha256,color\nx,y\n":                 "color",
		"sha256,rate_limit_rpm\nx,many\n":     "line 2",
		"sha256,expires_at\nx,soon\n":         "soon",
		"sha256,user_id\nx,ada\n":             "user_id",
		"sha256,name\n\"x,y\n":                "neither CSV nor JSON Lines",
		`{"sha256":"x","rate_limit_rpm":"y"}`: "line 1",
		"{\"sha256\":\"x\"}\n{\"Sha\":1}":     "line 2",
		`{"sha256":"x"} {"sha256":"y"}`:       "more than one",
	} {
		if keys, err := parseKeys([]byte(text)); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, %v, want %q", text, keys, err, why)
		}
	}
}
