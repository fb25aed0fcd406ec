package sqlstore_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// elsewhere names the fields that are not kept in the row of their noun, and why. Every other exported field of a noun
// is: a field that somebody adds and forgets here or in the store fails the tests.
var elsewhere = map[reflect.Type]map[string]string{
	reflect.TypeFor[rentroll.APIKey](): {
		"LastUsedAt":    "a statistic, in a row of its own",
		"TotalRequests": "a statistic, in a row of its own",
		"Replayed":      "of one answer",
	},
	reflect.TypeFor[rentroll.Run](): {
		"Input": "a payload", "Output": "a payload", "ReplayToken": "a payload",
		"CostCents": "follows from CostMicros",
		"Replayed":  "of one answer",
	},
	reflect.TypeFor[rentroll.OperatorKey](): {
		"Status":   "follows from the times",
		"Replayed": "of one answer",
	},
	reflect.TypeFor[rentroll.User]():   {"Replayed": "of one answer"},
	reflect.TypeFor[rentroll.Member](): {"Replayed": "of one answer"},
}

// fill sets every exported field that belongs into the row, to values that all differ.
func fill(row any) {
	n := 0
	fillStruct(reflect.ValueOf(row).Elem(), &n)
	settle(row)
}

func fillStruct(v reflect.Value, n *int) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if _, skip := elsewhere[v.Type()][field.Name]; field.IsExported() && !skip {
			fillValue(v.Field(i), n)
		}
	}
}

// valid are the values of types that do not take anything.
var valid = map[reflect.Type]func(n int) any{
	reflect.TypeFor[time.Time](): func(n int) any {
		return time.Date(2026, 1, 1, 0, 0, n, 123456000, time.UTC)
	},
	reflect.TypeFor[time.Duration]():   func(n int) any { return time.Duration(n) * time.Microsecond },
	reflect.TypeFor[json.RawMessage](): func(n int) any { return json.RawMessage(fmt.Sprintf(`{"n": %d }`, n)) },
	reflect.TypeFor[rentroll.RunStatus](): func(n int) any {
		return []rentroll.RunStatus{rentroll.RunCrashed, rentroll.RunQueued, rentroll.RunFailed}[n%3]
	},
	reflect.TypeFor[rentroll.PayloadKind](): func(n int) any { return rentroll.PayloadKind(n%7 + 1) },
	reflect.TypeFor[quota.Limits]():         func(n int) any { return quota.Limits{quota.APIKeys: limit(n), quota.Workers: quota.NoLimit()} },
	reflect.TypeFor[quota.Name]():           func(n int) any { return quota.Definitions()[n%5].Name },
	reflect.TypeFor[rentroll.DirectoryKind](): func(n int) any {
		return []rentroll.DirectoryKind{rentroll.DirectoryExternalID, rentroll.DirectorySlug, rentroll.DirectoryUserExternal}[n%3]
	},
}

func limit(n int) quota.Limit {
	return quota.Limit{Max: int64(n), Mode: quota.Soft, Until: time.Date(2027, 1, 1, 0, 0, n, 1000, time.UTC), Reason: "r" + fmt.Sprint(n)}
}

func fillValue(v reflect.Value, n *int) {
	*n++
	if value := valid[v.Type()]; value != nil {
		v.Set(reflect.ValueOf(value(*n)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d ü", *n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint16:
		v.SetUint(uint64(*n))
	case reflect.Uint8:
		v.SetUint(uint64(*n % 256))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillValue(v.Elem(), n)
	case reflect.Struct:
		fillStruct(v, n)
	case reflect.Array:
		for i := range v.Len() {
			fillValue(v.Index(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fillValue(v.Index(i), n)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fillValue(key, n)
		fillValue(value, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	default:
		panic("nobody has said how a " + v.Type().String() + " is filled")
	}
}

// settle makes a row of random fields one that an engine could have made, and clears what is kept elsewhere.
func settle(row any) {
	v := reflect.ValueOf(row).Elem()
	for name := range elsewhere[v.Type()] {
		v.FieldByName(name).SetZero()
	}
	switch r := row.(type) {
	case *rentroll.Run:
		r.SetCost(r.CostMicros)
	case *rentroll.AuditRow:
		r.Sequence = min(r.Sequence, 1<<62) // a list begins below the largest number
	}
}

// draw makes rows of random fields. What is between the extremes of a type comes from rapid.
func draw[R any]() *rapid.Generator[*R] {
	text := rapid.Custom(func(t *rapid.T) string { return strings.ReplaceAll(rapid.String().Draw(t, "text"), "\x00", "") })
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "absent") {
			return time.Time{}
		}
		return time.UnixMicro(rapid.Int64Range(1, 253402300799999999).Draw(t, "micros")).UTC()
	})
	limits := rapid.MapOf(rapid.SampledFrom([]quota.Name{quota.APIKeys, quota.RunsPerDay}), rapid.Custom(func(t *rapid.T) quota.Limit {
		l := quota.Limit{Max: rapid.Int64Range(0, quota.MaxLimit).Draw(t, "max"), Until: instant.Draw(t, "until"), Reason: text.Draw(t, "reason")}
		if rapid.Bool().Draw(t, "soft") {
			l.Mode = quota.Soft
		}
		if rapid.Bool().Draw(t, "unlimited") {
			l.Unlimited, l.Max = true, 0
		}
		return l
	}))
	raw := rapid.Custom(func(t *rapid.T) json.RawMessage {
		data, err := json.Marshal(text.Draw(t, "json"))
		if err != nil || rapid.Bool().Draw(t, "absent") {
			return nil
		}
		return data
	})
	types := map[reflect.Type]*rapid.Generator[any]{
		reflect.TypeFor[string]():               text.AsAny(),
		reflect.TypeFor[rentroll.NullString]():  rapid.Map(text, func(s string) rentroll.NullString { return rentroll.NullString(s) }).AsAny(),
		reflect.TypeFor[time.Time]():            instant.AsAny(),
		reflect.TypeFor[time.Duration]():        rapid.Map(rapid.Int64Range(0, 1e15), func(n int64) time.Duration { return time.Duration(n) * 1000 }).AsAny(),
		reflect.TypeFor[json.RawMessage]():      raw.AsAny(),
		reflect.TypeFor[quota.Limits]():         rapid.Map(limits, func(m map[quota.Name]quota.Limit) quota.Limits { return m }).AsAny(),
		reflect.TypeFor[rentroll.PayloadKind](): rapid.Map(rapid.IntRange(1, 7), func(n int) rentroll.PayloadKind { return rentroll.PayloadKind(n) }).AsAny(),
		reflect.TypeFor[rentroll.RunStatus](): rapid.SampledFrom([]rentroll.RunStatus{
			rentroll.RunQueued, rentroll.RunRunning, rentroll.RunCompleted, rentroll.RunFailed, rentroll.RunCanceled, rentroll.RunCrashed,
		}).AsAny(),
	}
	for _, kind := range []reflect.Type{
		reflect.TypeFor[rentroll.TenantStatus](), reflect.TypeFor[rentroll.KeyStatus](), reflect.TypeFor[rentroll.Role](),
		reflect.TypeFor[rentroll.DirectoryKind](), reflect.TypeFor[rentroll.Code](),
	} {
		types[kind] = rapid.Map(text, func(s string) any { return reflect.ValueOf(s).Convert(kind).Interface() })
	}
	return rapid.Map(rapid.MakeCustom[R](rapid.MakeConfig{Types: types}), func(r R) *R {
		settle(&r)
		return &r
	})
}

// same fails where two rows differ; nil and empty are the same.
func same(t rapid.TB, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("the row is not as it was put (-want +got):\n%s", diff)
	}
}

// TestFill proves that fill leaves nothing out.
func TestFill(t *testing.T) {
	t.Parallel()
	for _, row := range []any{
		&rentroll.Account{}, &rentroll.Profile{}, &rentroll.Plan{}, &rentroll.DirectoryEntry{}, &rentroll.User{}, &rentroll.Member{},
		&rentroll.APIKey{}, &rentroll.KeyUse{}, &rentroll.Subject{}, &rentroll.OperatorKey{}, &rentroll.Run{}, &rentroll.Payload{}, &rentroll.Worker{},
		&rentroll.Meter{}, &rentroll.UsageEvent{}, &rentroll.UsageMark{}, &rentroll.OnceRecord{}, &rentroll.AuditRow{}, &rentroll.Denial{},
		&rentroll.AuditCheckpoint{}, &rentroll.Chore{},
	} {
		fill(row)
		v := reflect.ValueOf(row).Elem()
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			_, skip := elsewhere[v.Type()][name]
			if v.Field(i).IsZero() != skip && name != "CostCents" {
				t.Errorf("%s.%s: zero is %v, kept elsewhere is %v", v.Type(), name, v.Field(i).IsZero(), skip)
			}
		}
	}
}
