package rentroll

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// How a package that can't name a kind gets its parser.
var parseTenantIDForTest func(string) (TenantID, error) = ParseID

// The vectors are those of the TypeID specification (valid.yml), under our prefix.
var typeIDVectors = []struct{ text, uuid string }{
	{"ten_00000000000000000000000001", "00000000-0000-0000-0000-000000000001"},
	{"ten_0000000000000000000000000a", "00000000-0000-0000-0000-00000000000a"},
	{"ten_0000000000000000000000000g", "00000000-0000-0000-0000-000000000010"},
	{"ten_00000000000000000000000010", "00000000-0000-0000-0000-000000000020"},
	{"ten_7zzzzzzzzzzzzzzzzzzzzzzzzz", "ffffffff-ffff-ffff-ffff-ffffffffffff"},
	{"ten_0123456789abcdefghjkmnpqrs", "0110c853-1d09-52d8-d73e-1194e95b5f19"},
	{"ten_01h455vb4pex5vsknk084sn02q", "01890a5d-ac96-774b-bcce-b302099a8057"},
	{"ten_01h2xcejqtf2nbrexx3vqjhp41", "0188bac7-4afa-78aa-bc3b-bd1eef28d881"},
}

func TestIDKnownVectors(t *testing.T) {
	for _, v := range typeIDVectors {
		raw, err := hex.DecodeString(strings.ReplaceAll(v.uuid, "-", ""))
		if err != nil {
			t.Fatal(err)
		}
		want := TenantID(raw)
		got, err := parseTenantIDForTest(v.text)
		if err != nil || got != want {
			t.Errorf("ParseID(%q) = %x, %v; want %x", v.text, got, err, want)
		}
		if got := want.String(); got != v.text {
			t.Errorf("String of %s = %q; want %q", v.uuid, got, v.text)
		}
	}
}

func TestIDPrefixes(t *testing.T) {
	const body = "_01h2xcejqtf2nbrexx3vqjhp41"
	raw := [16]byte(mustTenantID(t, "ten"+body))
	for prefix, got := range map[string]string{
		"ten": TenantID(raw).String(), "usr": UserID(raw).String(), "mem": MemberID(raw).String(),
		"key": KeyID(raw).String(), "run": RunID(raw).String(), "use": UsageID(raw).String(),
		"aud": AuditID(raw).String(), "evt": EventID(raw).String(), "whk": WebhookID(raw).String(),
		"opk": OperatorKeyID(raw).String(),
	} {
		if got != prefix+body {
			t.Errorf("id of kind %s is %q", prefix, got)
		}
	}
}

func TestParseIDRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"empty":             "",
		"prefix alone":      "ten",
		"no body":           "ten_",
		"no prefix":         "01h2xcejqtf2nbrexx3vqjhp41",
		"no prefix, _":      "_01h2xcejqtf2nbrexx3vqjhp41",
		"other kind":        "run_01h2xcejqtf2nbrexx3vqjhp41",
		"upper-case prefix": "TEN_01h2xcejqtf2nbrexx3vqjhp41",
		"upper-case body":   "ten_01H2XCEJQTF2NBREXX3VQJHP41",
		"one upper case":    "ten_01h2xcejqtf2nbrexx3vqjhP41",
		"hyphen":            "ten-01h2xcejqtf2nbrexx3vqjhp41",
		"short":             "ten_01h2xcejqtf2nbrexx3vqjhp4",
		"long":              "ten_01h2xcejqtf2nbrexx3vqjhp411",
		"overflow":          "ten_8zzzzzzzzzzzzzzzzzzzzzzzzz",
		"letter i":          "ten_01h2xcejqtf2nbrexx3vqjhpi1",
		"letter l":          "ten_01h2xcejqtf2nbrexx3vqjhpl1",
		"letter o":          "ten_o1h2xcejqtf2nbrexx3vqjhp41",
		"letter u":          "ten_01h2xcejqtf2nurexx3vqjhp41",
		"space before":      " ten_01h2xcejqtf2nbrexx3vqjhp4",
		"line break after":  "ten_01h2xcejqtf2nbrexx3vqjhp4\n",
		"NUL":               "ten_01h2xcejqtf2nbrexx3vqjhp4\x00",
		"not ASCII":         "ten_01h2xcejqtf2nbrexx3vqjhpé",
		"zero id":           "ten_00000000000000000000000000",
		"uuid":              "0188bac7-4afa-78aa-bc3b-bd1eef28d881",
	} {
		if id, err := ParseID[tenantKind](text); err == nil || !id.IsZero() {
			t.Errorf("%s: ParseID(%q) = %v, %v; want an error", name, text, id, err)
		}
		if text == "" {
			continue
		}
		id := TenantID{1}
		if err := id.UnmarshalText([]byte(text)); err == nil || id != (TenantID{1}) {
			t.Errorf("%s: UnmarshalText(%q) left %v, %v; want an error and no change", name, text, id, err)
		}
	}
	_, err := ParseID[runKind]("secret")
	if want := "must be an id: run_ and 26 characters of lower-case base32"; err == nil || err.Error() != want {
		t.Errorf("error = %v; want %s", err, want)
	}
}

func TestIDZero(t *testing.T) {
	var zero RunID
	if !zero.IsZero() || zero.String() != "" {
		t.Errorf("zero id: IsZero %v, String %q", zero.IsZero(), zero)
	}
	if text, err := zero.MarshalText(); err != nil || len(text) != 0 {
		t.Errorf("MarshalText = %q, %v", text, err)
	}
	id := RunID{1}
	if err := id.UnmarshalText(nil); err != nil || !id.IsZero() {
		t.Errorf("UnmarshalText of nothing = %v, %v", id, err)
	}
}

func TestIDJSON(t *testing.T) {
	type object struct {
		ID     RunID         `json:"id"`
		Parent RunID         `json:"parent"`
		Zero   RunID         `json:"zero,omitzero"`
		Counts map[KeyID]int `json:"counts"`
	}
	const text = `{"id":"run_01h2xcejqtf2nbrexx3vqjhp41","parent":null,"counts":{"key_01h2xcejqtf2nbrexx3vqjhp41":2}}`
	raw := [16]byte(mustTenantID(t, "ten_01h2xcejqtf2nbrexx3vqjhp41"))
	made := object{ID: raw, Counts: map[KeyID]int{raw: 2}}
	if got, err := json.Marshal(made); err != nil || string(got) != text {
		t.Errorf("Marshal = %s, %v; want %s", got, err, text)
	}
	read := object{Parent: RunID{1}}
	if err := json.Unmarshal([]byte(text), &read); err != nil || read.ID != made.ID || !read.Parent.IsZero() || read.Counts[raw] != 2 {
		t.Errorf("Unmarshal = %+v, %v", read, err)
	}
	for _, bad := range []string{
		`""`, `1`, `true`, `{}`, `[]`, `"`, `"run_01h2xcejqtf2nbrexx3vqjhp4"`, `"ten_01h2xcejqtf2nbrexx3vqjhp41"`,
		`"run\u005f01h2xcejqtf2nbrexx3vqjhp41"`, `"run_00000000000000000000000000"`, `"null"`, `Null`, ``,
		`run_01h2xcejqtf2nbrexx3vqjhp41`, `'run_01h2xcejqtf2nbrexx3vqjhp41'`,
	} {
		id := RunID{1}
		if err := id.UnmarshalJSON([]byte(bad)); err == nil || id != (RunID{1}) {
			t.Errorf("UnmarshalJSON(%s) left %v, %v; want an error and no change", bad, id, err)
		}
	}
}

func TestNewIDLayout(t *testing.T) {
	ones := [10]byte(bytes.Repeat([]byte{0xff}, 10))
	for _, c := range []struct {
		name    string
		now     time.Time
		entropy [10]byte
		want    string
	}{
		// The moment of the example in RFC 9562, appendix A.6.
		{"zero entropy", time.UnixMilli(0x017F22E279B0), [10]byte{}, "017f22e279b070008000000000000000"},
		{"all entropy", time.UnixMilli(0x017F22E279B0), ones, "017f22e279b07000bfffffffffffffff"},
		{"half a millisecond", time.UnixMilli(0x017F22E279B0).Add(500 * time.Microsecond), [10]byte{}, "017f22e279b078008000000000000000"},
		{"last nanosecond", time.UnixMilli(0x017F22E279B0).Add(999_999), [10]byte{}, "017f22e279b07fff8000000000000000"},
		{"other zone", time.UnixMilli(0x017F22E279B0).In(time.FixedZone("", 3600)), [10]byte{}, "017f22e279b070008000000000000000"},
		{"before 1970", time.Unix(-1, 5), [10]byte{}, "00000000000070008000000000000000"},
		{"just before 1970", time.Unix(0, -1), [10]byte{}, "00000000000070008000000000000000"},
		{"zero time", time.Time{}, [10]byte{}, "00000000000070008000000000000000"},
		{"after 48 bits", time.UnixMilli(1 << 48), [10]byte{}, "ffffffffffff7fff8000000000000000"},
	} {
		if got := newID[runKind](c.now, c.entropy); hex.EncodeToString(got[:]) != c.want {
			t.Errorf("%s: %x; want %s", c.name, got, c.want)
		}
	}
}

func TestNewIDOrderAndTime(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("", -5*3600))
	last := newID[runKind](now, [10]byte{0xff, 0xff, 0xff, 0xff})
	for range 10_000 {
		now = now.Add(245 + time.Duration(random.Int64N(1e7)))
		id := newID[runKind](now, randomEntropy(random))
		if id.Compare(last) != 1 || last.Compare(id) != -1 || id.String() <= last.String() {
			t.Fatalf("%v, made at %v, does not sort after %v", id, now, last)
		}
		if got, want := id.Time(), now.Truncate(time.Millisecond).UTC(); got != want {
			t.Fatalf("Time = %v; want %v", got, want)
		}
		if id[6]>>4 != 7 || id[8]>>6 != 2 {
			t.Fatalf("%x is no UUIDv7", id)
		}
		if same := id; id.Compare(same) != 0 {
			t.Fatalf("%v is not itself", id)
		}
		last = id
	}
}

func TestIDAllocations(t *testing.T) {
	id := newID[runKind](time.UnixMilli(1_750_000_000_000), [10]byte{9: 1})
	text, buffer := id.String(), make([]byte, 0, 64)
	for name, c := range map[string]struct {
		want float64
		f    func()
	}{
		"ParseID":    {0, func() { _, _ = ParseID[runKind](text) }},
		"String":     {1, func() { stringSink = id.String() }},
		"AppendText": {0, func() { buffer, _ = id.AppendText(buffer[:0]) }},
	} {
		if got := testing.AllocsPerRun(100, c.f); got != c.want {
			t.Errorf("%s: %v allocations; want %v", name, got, c.want)
		}
	}
}

func FuzzParseID(f *testing.F) {
	for _, v := range typeIDVectors {
		f.Add(v.text)
	}
	f.Add("ten_80000000000000000000000000")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseID[tenantKind](s)
		var unmarshalled, fromJSON TenantID
		textErr := unmarshalled.UnmarshalText([]byte(s))
		jsonErr := fromJSON.UnmarshalJSON([]byte(`"` + s + `"`))
		if err != nil {
			if !id.IsZero() || s != "" && textErr == nil || jsonErr == nil {
				t.Fatalf("%q: refused by ParseID only: %v, %v, %v", s, err, textErr, jsonErr)
			}
			return
		}
		if id.IsZero() || id.String() != s || textErr != nil || unmarshalled != id || jsonErr != nil || fromJSON != id {
			t.Fatalf("%q: read as %v, %v (%v), %v (%v)", s, id, unmarshalled, textErr, fromJSON, jsonErr)
		}
		if _, err := ParseID[runKind](s); err == nil {
			t.Fatalf("%q is also a run's id", s)
		}
	})
}

func FuzzIDRoundTrip(f *testing.F) {
	f.Add([]byte("0123456789abcdef"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var id TenantID
		copy(id[:], raw)
		got, err := ParseID[tenantKind](id.String())
		if got != id || (err == nil) == id.IsZero() {
			t.Fatalf("%x: read back as %x, %v", id, got, err)
		}
	})
}

var stringSink string

func BenchmarkParseID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseID[tenantKind]("ten_01h2xcejqtf2nbrexx3vqjhp41"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIDString(b *testing.B) {
	id := newID[runKind](time.UnixMilli(1_750_000_000_000), [10]byte{9: 1})
	b.ReportAllocs()
	for b.Loop() {
		stringSink = id.String()
	}
}

func mustTenantID(t testing.TB, s string) TenantID {
	t.Helper()
	id, err := ParseID[tenantKind](s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return id
}

func randomEntropy(random *rand.Rand) (entropy [10]byte) {
	for i := range entropy {
		entropy[i] = byte(random.Uint32())
	}
	return entropy
}
