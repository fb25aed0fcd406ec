package quota_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/rentroll/rentroll/quota"
)

func FuzzLimitJSON(f *testing.F) {
	for _, seed := range []string{
		`0`, `null`, `-1`, `1e3`, `{"limit":null}`, `{"limit":1,"limit":2}`, `{"Limit":1}`,
		`{"limit":7,"mode":"soft","until":"2026-12-01T02:00:00.5+02:00","reason":"trial\n\ud83d\ude00"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var first quota.Limit
		if err := first.UnmarshalJSON(data); err != nil {
			checkFieldError(t, err)
			return
		}
		if errs := (quota.Limits{quota.Workers: first}).Validate(true); errs != nil {
			t.Fatalf("%+v was decoded, but is not valid: %v", first, errs)
		}
		checkRoundTrip(t, first)
	})
}

func FuzzLimitsJSON(f *testing.F) {
	for _, seed := range []string{
		`null`, `{}`, `{"workers":3,"api_keys":null}`, `{"workers":1,"workers":1}`, `{"other":{"limit":1,"mode":"hard"}}`, `[]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var first quota.Limits
		if err := first.UnmarshalJSON(data); err != nil {
			checkFieldError(t, err)
			return
		}
		for _, e := range first.Validate(true) {
			if e.Message != "is not a quota" {
				t.Fatalf("%+v was decoded, but is not valid: %v", first, e)
			}
		}
		checkRoundTrip(t, first)
	})
}

// checkRoundTrip checks that v comes back from its JSON unchanged.
func checkRoundTrip[T any](t *testing.T, v T) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("%+v: %v", v, err)
	}
	var again T
	if err := json.Unmarshal(data, &again); err != nil || !reflect.DeepEqual(again, v) {
		t.Fatalf("%+v is written as %s, which gives %+v (%v)", v, data, again, err)
	}
}

func checkFieldError(t *testing.T, err error) {
	t.Helper()
	var fe *quota.FieldError
	if !errors.As(err, &fe) || fe.Message == "" {
		t.Fatalf("%T: %v", err, err)
	}
}
