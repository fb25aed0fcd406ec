package rentroll

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCheckText(t *testing.T) {
	const size, utf, nul = "must be 1 to 5 characters", "must be valid UTF-8", "must not contain a NUL character"
	for s, want := range map[string]string{
		"":                       size,
		"a":                      "",
		"abcde":                  "",
		"abcdef":                 size,
		"ééééé":                  "",
		"éééééé":                 size,
		"🙂🙂🙂🙂🙂":                  "",
		"🙂🙂🙂🙂🙂🙂":                 size,
		strings.Repeat("a", 1e6): size,
		"a\nb\t":                 "",
		"\xff":                   utf,
		"a\xc3":                  utf,
		"\xed\xa0\x80":           utf, // half of a surrogate pair
		"\x00":                   nul,
		"ab\x00c":                nul,
		"\uFFFD":                 "",
	} {
		if got := checkText(s, 1, 5); got != want {
			t.Errorf("checkText(%.20q) = %q; want %q", s, got, want)
		}
	}
	if got := checkText("", 0, 5); got != "" {
		t.Errorf("nothing, which is allowed: %q", got)
	}
	if got, want := checkText("abcdef", 0, 5), "must be at most 5 characters"; got != want {
		t.Errorf("no minimum: %q; want %q", got, want)
	}
}

func TestCheckPrintable(t *testing.T) {
	const message = "must be 1 to 5 printable ASCII characters"
	for s, want := range map[string]string{
		"": message, "a": "", "a b~!": "", "     ": "", "abcdef": message, "é": message, "a\n": message, "\x00": message, "\x7f": message, "\xff": message,
	} {
		if got := checkPrintable(s, 1, 5); got != want {
			t.Errorf("checkPrintable(%q) = %q; want %q", s, got, want)
		}
	}
}

var (
	slugPattern     = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?$`)
	workerIDPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,99}$`)
	meterPattern    = regexp.MustCompile(`^[a-z][a-z0-9_.]{0,99}$`)
)

// requirePatterns compares the loops with the patterns they stand for.
func requirePatterns(t *testing.T, s string) {
	t.Helper()
	if got, want := checkSlug(s) == "", slugPattern.MatchString(s) && s != "me"; got != want {
		t.Fatalf("slug %q: accepted %v", s, got)
	}
	if got, want := checkWorkerID(s) == "", workerIDPattern.MatchString(s); got != want {
		t.Fatalf("worker id %q: accepted %v", s, got)
	}
	if got, want := checkMeter(s) == "", meterPattern.MatchString(s); got != want {
		t.Fatalf("meter %q: accepted %v", s, got)
	}
}

func TestCheckPatterns(t *testing.T) {
	long := strings.Repeat("a", 98)
	for _, s := range []string{
		"", "a", "0", "-", ".", "_", "me", "mee", "m", "Me", "a-", "-a", "a-b", "a--b", "a_b", "a.b", "a\n", "\na", "a\x00", "é", "a b",
		long + "a", long + "ab", long + "abc", long + "a-", long + "-", long + "a.", long + "a_", "_a", ".a", "9a", "a9",
	} {
		requirePatterns(t, s)
	}
	for c := range 256 {
		requirePatterns(t, string([]byte{byte(c)}))
		requirePatterns(t, string([]byte{'a', byte(c), 'a'}))
		requirePatterns(t, string([]byte{'a', byte(c)}))
	}
	random := rand.New(rand.NewPCG(1, 2))
	const alphabet = "aaaabmez019-._AZ \n\x00\xff"
	for range 20_000 {
		b := make([]byte, random.IntN(12))
		for i := range b {
			b[i] = alphabet[random.IntN(len(alphabet))]
		}
		requirePatterns(t, string(b))
		requirePatterns(t, strings.Repeat("a", 88+random.IntN(12))+string(b))
	}
	if got, want := checkSlug("me"), `must not be "me", which stands for the caller's own tenant`; got != want {
		t.Errorf("me: %q", got)
	}
}

func TestCheckEmail(t *testing.T) {
	const plain, long = "must be a plain e-mail address", "must be at most 254 bytes"
	for s, want := range map[string]string{
		"a@example.com":                         "",
		"first.last+tag@sub.example.com":        "",
		"o'brien@example.com":                   "",
		"jürgen@exämple.de":                     "",
		"a@localhost":                           "",
		strings.Repeat("a", 248) + "@b.com":     "",
		strings.Repeat("a", 249) + "@b.com":     long,
		"":                                      plain,
		"a":                                     plain,
		"@":                                     plain,
		"a@":                                    plain,
		"@example.com":                          plain,
		"a@@example.com":                        plain,
		"a@b@example.com":                       plain,
		".a@example.com":                        plain,
		"<a@example.com>":                       plain,
		"A <a@example.com>":                     plain,
		"a@example.com (comment)":               plain,
		"a(comment)@example.com":                plain,
		`"a b"@example.com`:                     plain,
		`"a"@example.com`:                       plain,
		"a@example.com, b@example.com":          plain,
		"a@example.com,b@example.com":           plain,
		" a@example.com":                        plain,
		"a@example.com\n":                       plain,
		"a@example.com\r\nBcc: b@c.com":         plain,
		"a\x00@example.com":                     plain,
		"a@example.com\x00":                     plain,
		"a\xff@example.com":                     plain,
		"a\u202e@example.com":                   plain, // right-to-left override
		"a\u200b@example.com":                   plain, // zero-width space
		"a\u00a0b@example.com":                  plain, // no-break space
		"=?utf-8?q?a?= <a@example.com>":         plain,
		"group: a@example.com;":                 plain,
		"mailto:a@example.com":                  plain,
		strings.Repeat("(", 100) + "a@b.com":    plain,
		strings.Repeat("a@b.com,", 1_000_000):   long,
		strings.Repeat("a", 254):                plain,
		"a@" + strings.Repeat("b.", 120) + "de": "",
	} {
		if got := checkEmail(s); got != want {
			t.Errorf("checkEmail(%.60q) = %q; want %q", s, got, want)
		}
	}
}

func TestCheckJSON(t *testing.T) {
	const invalid, utf, long = "must be valid JSON", "must be valid UTF-8", "must be at most 1000 bytes"
	const nul, deep = `must not contain the escape \u0000`, "must be at most 100 arrays and objects deep"
	nest := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for s, want := range map[string]string{
		`null`:                               "",
		`0`:                                  "",
		` {"a" : [1, 2.5e-3, "é", true]} `:   "",
		`"` + strings.Repeat("a", 998) + `"`: "",
		`"` + strings.Repeat("a", 999) + `"`: long,
		``:                                   invalid,
		` `:                                  invalid,
		`{`:                                  invalid,
		`"`:                                  invalid,
		`"\`:                                 invalid,
		`"\u00`:                              invalid,
		`"\u0000`:                            invalid,
		`\u0000`:                             invalid,
		`1 2`:                                invalid,
		`{a:1}`:                              invalid,
		`[1,]`:                               invalid,
		`NaN`:                                invalid,
		`01`:                                 invalid,
		"\"\x00\"":                           invalid,
		"\"a\nb\"":                           invalid,
		"\ufeff1":                            invalid,
		"\"\xff\"":                           utf,
		"\"\xed\xa0\x80\"":                   utf,
		`"\u0000"`:                           nul,
		`{"a\u0000":1}`:                      nul,
		`["\\\u0000"]`:                       nul,
		`"\\u0000"`:                          "",
		`"\\\\u0000"`:                        "",
		`"\"\u0000"`:                         nul,
		`"\u00001"`:                          nul,
		`"\u0001\u0010\u1000u0000"`:          "",
		`"\ud800"`:                           "", // kept as it came
		`{"a":1,"a":2}`:                      "",
		nest(100):                            "",
		nest(101):                            deep,
		strings.Repeat("[", 101):             deep,
		strings.Repeat("[", 1000):            deep,
		strings.Repeat(`{"a":`, 99) + `[]` + strings.Repeat("}", 99):   "",
		strings.Repeat(`{"a":`, 100) + `[]` + strings.Repeat("}", 100): deep,
		`"` + strings.Repeat("[", 200) + `"`:                           "",
		`"\"` + strings.Repeat("[", 200) + `"`:                         "",
		`"\\",` + strings.Repeat("[", 200):                             deep,
		`[` + strings.Repeat(`[],`, 200) + `0]`:                        "",
		strings.Repeat("]", 200) + strings.Repeat("[", 99):             invalid,
	} {
		if got := checkJSON([]byte(s), 1000); got != want {
			t.Errorf("checkJSON(%.60q) = %q; want %q", s, got, want)
		}
	}
}

func FuzzCheckSlug(f *testing.F) {
	for _, s := range []string{"acme", "me", "a-b", "-a", "worker.id_1", strings.Repeat("a", 101), "ten_01h2xcejqtf2nbrexx3vqjhp41"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		requirePatterns(t, s)
		if _, err := ParseID[tenantKind](s); err == nil && checkSlug(s) == "" {
			t.Fatalf("%q is a slug and a tenant's id", s)
		}
	})
}

func FuzzCheckText(f *testing.F) {
	f.Add("text", uint8(1), uint8(5))
	f.Add("é\x00", uint8(0), uint8(0))
	f.Fuzz(func(t *testing.T, s string, min, max uint8) {
		n := utf8.RuneCountInString(s)
		want := utf8.ValidString(s) && !strings.Contains(s, "\x00") && n >= int(min) && n <= int(max)
		if got := checkText(s, int(min), int(max)); (got == "") != want {
			t.Fatalf("checkText(%q, %d, %d) = %q", s, min, max, got)
		}
	})
}

func FuzzCheckEmail(f *testing.F) {
	f.Add("a@example.com")
	f.Add("A <a@example.com>")
	f.Fuzz(func(t *testing.T, s string) {
		if checkEmail(s) != "" {
			return
		}
		if !utf8.ValidString(s) || len(s) > 254 || strings.ContainsAny(s, " \x00\r\n<>,;\"()") || strings.Count(s, "@") != 1 {
			t.Fatalf("%q is accepted", s)
		}
	})
}

func FuzzCheckJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,"\u0000"]}`, `"\\u0000"`, strings.Repeat("[", 101), `"\ud800"`, "\"\xff\"", `{"a":{"b":[]}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		got := checkJSON(raw, 4096)
		if !bytes.Equal(raw, before) {
			t.Fatal("the value was changed")
		}
		depth, nul, err := describeJSON(raw)
		want := len(raw) <= 4096 && utf8.Valid(raw) && err == nil && depth <= 100 && !nul
		if (got == "") != want {
			t.Fatalf("%q: %q; depth %d, NUL %v, %v", raw, got, depth, nul, err)
		}
		if got == "" && checkJSON(raw, len(raw)-1) == "" {
			t.Fatalf("%q: a byte too long and accepted", raw)
		}
	})
}

// describeJSON answers by decoding what scanJSON answers by looking at bytes.
func describeJSON(raw []byte) (depth int, nul bool, err error) {
	var value json.RawMessage
	if err := json.Unmarshal(raw, &value); err != nil {
		return 0, false, err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	open := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return depth, nul, nil
		}
		if err != nil {
			return 0, false, err
		}
		switch token := token.(type) {
		case json.Delim:
			if token == '[' || token == '{' {
				open++
				depth = max(depth, open)
			} else {
				open--
			}
		case string:
			nul = nul || strings.Contains(token, "\x00")
		}
	}
}

func BenchmarkCheckWorkerID(b *testing.B) {
	for b.Loop() {
		if checkWorkerID("business-builder.v2") != "" {
			b.Fatal("refused")
		}
	}
}

func BenchmarkCheckJSON(b *testing.B) {
	raw := []byte(`{"prompt":"Write a business plan for a bakery.","options":{"pages":12,"tone":["warm","plain"]},"text":"` +
		strings.Repeat("Bread and butter. ", 200) + `"}`)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if checkJSON(raw, 1<<18) != "" {
			b.Fatal("refused")
		}
	}
}
