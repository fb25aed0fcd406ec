package quota_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll/quota"
)

func TestLimitJSON(t *testing.T) {
	until := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		in   string
		want quota.Limit
		out  string // how it is written
	}{
		{`0`, quota.Limit{}, `{"limit":0}`},
		{` 100 `, quota.Of(100), `{"limit":100}`},
		{`1000000000000`, quota.Of(quota.MaxLimit), `{"limit":1000000000000}`},
		{`null`, quota.NoLimit(), `{"limit":null}`},
		{`{"limit":7}`, quota.Of(7), `{"limit":7}`},
		{` { "limit" : null } `, quota.NoLimit(), `{"limit":null}`},
		{`{"limit":7,"mode":"hard"}`, quota.Of(7), `{"limit":7}`},
		{`{"mode":"soft","limit":7}`, quota.Limit{Max: 7, Mode: quota.Soft}, `{"limit":7,"mode":"soft"}`},
		{`{"limit":7,"until":null,"reason":""}`, quota.Of(7), `{"limit":7}`},
		{
			`{"limit":7,"until":"2026-12-01T02:00:00+02:00","reason":"trial"}`,
			quota.Limit{Max: 7, Until: until, Reason: "trial"},
			`{"limit":7,"until":"2026-12-01T00:00:00Z","reason":"trial"}`,
		},
		{`{"\u006cimit":7,"reason":"\"\u00e9\n"}`, quota.Limit{Max: 7, Reason: "\"é\n"}, `{"limit":7,"reason":"\"é\n"}`},
	} {
		got := quota.Of(99)
		if err := json.Unmarshal([]byte(c.in), &got); err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if got != c.want {
			t.Errorf("%s gives %+v, want %+v", c.in, got, c.want)
		}
		if out, err := json.Marshal(got); err != nil || string(out) != c.out {
			t.Errorf("%s is written as %s (%v), want %s", c.in, out, err, c.out)
		}
	}
}

func TestLimitMarshalLeavesOutHard(t *testing.T) {
	out, err := json.Marshal(quota.Limit{Max: 1, Mode: quota.Hard})
	if err != nil || string(out) != `{"limit":1}` {
		t.Errorf("%s, %v", out, err)
	}
}

func TestLimitJSONIsStrict(t *testing.T) {
	for _, c := range []struct{ in, field string }{
		// the value itself
		{``, ""},
		{`-1`, ""},
		{`-0`, ""},
		{`+1`, ""},
		{`01`, ""},
		{`1.0`, ""},
		{`1e3`, ""},
		{`0x1`, ""},
		{`1_0`, ""},
		{`1000000000001`, ""},
		{`9223372036854775808`, ""},
		{`18446744073709551617`, ""},
		{`"1"`, ""},
		{`true`, ""},
		{`[1]`, ""},
		{`{`, ""},
		{`{"limit":1`, ""},
		{`{"limit":1,}`, ""},
		{`{"limit":1}{}`, ""},
		{"{\"limit\":1,\"reason\":\"\xff\"}", ""},
		// the members
		{`{}`, "limit"},
		{`{"mode":"soft"}`, "limit"},
		{`{"limit":1,"limit":1}`, "limit"},
		{`{"limit":1,"\u006cimit":1}`, "limit"},
		{`{"Limit":1}`, "Limit"},
		{`{"limit":1,"max":1}`, "max"},
		{`{"limit":-1}`, "limit"},
		{`{"limit":1.5}`, "limit"},
		{`{"limit":1e3}`, "limit"},
		{`{"limit":1000000000001}`, "limit"},
		{`{"limit":"1"}`, "limit"},
		{`{"limit":{"limit":1}}`, "limit"},
		{`{"limit":true}`, "limit"},
		{`{"limit":1,"mode":"HARD"}`, "mode"},
		{`{"limit":1,"mode":""}`, "mode"},
		{`{"limit":1,"mode":null}`, "mode"},
		{`{"limit":1,"mode":1}`, "mode"},
		{`{"limit":1,"until":""}`, "until"},
		{`{"limit":1,"until":0}`, "until"},
		{`{"limit":1,"until":"2026-12-01"}`, "until"},
		{`{"limit":1,"until":"2026-12-01T0:00:00Z"}`, "until"},
		{`{"limit":1,"until":"2026-12-01T00:00:00,5Z"}`, "until"},
		{`{"limit":1,"until":"2026-12-01T00:00:00+24:00"}`, "until"},
		{`{"limit":1,"until":"2026-12-01T00:00:00+00:60"}`, "until"},
		{`{"limit":1,"until":"2026-02-29T00:00:00Z"}`, "until"},
		{`{"limit":1,"until":"0001-01-01T00:00:00Z"}`, "until"},
		{`{"limit":1,"until":"9999-12-31T23:59:59-01:00"}`, "until"},
		{`{"limit":1,"reason":null}`, "reason"},
		{`{"limit":1,"reason":1}`, "reason"},
		{`{"limit":1,"reason":"\u0000"}`, "reason"},
		{`{"limit":1,"reason":"` + strings.Repeat("é", 501) + `"}`, "reason"},
	} {
		got := quota.Of(99)
		err := got.UnmarshalJSON([]byte(c.in))
		var fe *quota.FieldError
		if !errors.As(err, &fe) || fe.Field != c.field {
			t.Errorf("%s: error is %v, want one of field %q", c.in, err, c.field)
		}
		if got != quota.Of(99) {
			t.Errorf("%s: the refused limit was changed to %+v", c.in, got)
		}
	}
}

func TestLimitJSONReasonOf500(t *testing.T) {
	reason := strings.Repeat("é", 500)
	var got quota.Limit
	if err := json.Unmarshal([]byte(`{"limit":1,"reason":"`+reason+`"}`), &got); err != nil || got.Reason != reason {
		t.Errorf("%v, reason of %d bytes", err, len(got.Reason))
	}
}

func TestLimitsJSON(t *testing.T) {
	for _, c := range []struct {
		in   string
		want quota.Limits
	}{
		{`null`, nil},
		{`{}`, quota.Limits{}},
		{`{"workers":3,"api_keys":null,"runs_per_day":{"limit":1,"mode":"soft"}}`, quota.Limits{
			quota.Workers: quota.Of(3), quota.APIKeys: quota.NoLimit(), quota.RunsPerDay: {Max: 1, Mode: quota.Soft},
		}},
		{`{"of_a_later_version":3}`, quota.Limits{"of_a_later_version": quota.Of(3)}},
	} {
		got := quota.Limits{quota.Workers: quota.Of(99)}
		if err := json.Unmarshal([]byte(c.in), &got); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s gives %+v (%v), want %+v", c.in, got, err, c.want)
		}
	}
}

func TestLimitsJSONIsStrict(t *testing.T) {
	var many strings.Builder
	for i := range 101 {
		fmt.Fprintf(&many, `,"q%d":1`, i)
	}
	for _, c := range []struct{ in, field string }{
		{``, ""},
		{`1`, ""},
		{`[]`, ""},
		{`{"workers":1} {}`, ""},
		{"{\"\xff\":1}", ""},
		{`{"workers":1,"workers":1}`, "workers"},
		{`{"workers":-1}`, "workers"},
		{`{"workers":{"limit":-1}}`, "workers.limit"},
		{`{"workers":{"limit":1,"mode":"x"}}`, "workers.mode"},
		{`{` + many.String()[1:] + `}`, ""},
	} {
		got := quota.Limits{quota.Workers: quota.Of(99)}
		err := got.UnmarshalJSON([]byte(c.in))
		var fe *quota.FieldError
		if !errors.As(err, &fe) || fe.Field != c.field {
			t.Errorf("%.80s: error is %v, want one of field %q", c.in, err, c.field)
		}
		if got[quota.Workers] != quota.Of(99) {
			t.Errorf("%.80s: the refused limits were changed to %+v", c.in, got)
		}
	}
}

func TestFieldErrorText(t *testing.T) {
	for want, err := range map[string]error{
		"mode must be set":  quota.FieldError{Field: "mode", Message: "must be set"},
		"value must be set": &quota.FieldError{Message: "must be set"},
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}
