package rentroll

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
)

func TestCursorRoundTrip(t *testing.T) {
	for _, position := range [][]byte{nil, {0}, []byte("position"), bytes.Repeat([]byte{0xff}, 375)} {
		cursor := encodeCursor("runs ten_1", position)
		got, ok := decodeCursor("runs ten_1", cursor)
		if !ok || !bytes.Equal(got, position) {
			t.Errorf("%x: %q read as %x, %v", position, cursor, got, ok)
		}
		if strings.ContainsAny(cursor, "+/=") {
			t.Errorf("%q must be escaped in URLs", cursor)
		}
		for _, scope := range []string{"", "runs", "runs ten_2", "runs ten_1 ", "runs ten_1\x00"} {
			if _, ok := decodeCursor(scope, cursor); ok {
				t.Errorf("%q is also a cursor of %q", cursor, scope)
			}
		}
	}
	if got := len(encodeCursor("", make([]byte, 375))); got != cursorMaxSize {
		t.Errorf("the longest cursor has %d characters", got)
	}
	if _, ok := decodeCursor("", encodeCursor("", make([]byte, 376))); ok {
		t.Error("a cursor of 513 characters is accepted")
	}
}

// The format is pinned, so that a list can be paged through across an upgrade.
func TestCursorFormat(t *testing.T) {
	sum := sha256.Sum256([]byte("rentroll cursor\x00scope\x00position"))
	want := base64.RawURLEncoding.EncodeToString([]byte("\x01position" + string(sum[:8])))
	if got := encodeCursor("scope", []byte("position")); got != want {
		t.Errorf("encodeCursor = %q; want %q", got, want)
	}
}

func TestDecodeCursorRefuses(t *testing.T) {
	const scope = "runs"
	cursor := encodeCursor(scope, []byte("position!")) // 18 bytes: no stray bits
	stray := encodeCursor(scope, []byte("position"))   // 17 bytes: four of them
	raw, _ := base64.RawURLEncoding.DecodeString(cursor)
	raw[0] = 2
	otherVersion := base64.RawURLEncoding.EncodeToString(raw)
	last := strings.IndexByte(base64URLAlphabet, stray[len(stray)-1])

	for name, s := range map[string]string{
		"empty":         "",
		"version only":  "AQ",
		"no text":       "\x00\xff",
		"cut":           cursor[:len(cursor)-1],
		"longer":        cursor + "A",
		"padded":        cursor + "==",
		"line break":    cursor[:4] + "\n" + cursor[4:],
		"break at end":  cursor + "\r\n",
		"space":         " " + cursor,
		"other version": otherVersion,
		"stray bits":    stray[:len(stray)-1] + base64URLAlphabet[last+1:last+2],
		"huge":          strings.Repeat("A", 1<<20),
	} {
		if position, ok := decodeCursor(scope, s); ok || position != nil {
			t.Errorf("%s: %.80q is accepted: %x", name, s, position)
		}
	}
	for i := range cursor {
		for c := range 256 {
			if changed := cursor[:i] + string([]byte{byte(c)}) + cursor[i+1:]; changed != cursor {
				if _, ok := decodeCursor(scope, changed); ok {
					t.Errorf("%q is accepted for %q", changed, cursor)
				}
			}
		}
	}
}

func FuzzDecodeCursor(f *testing.F) {
	f.Add("runs", encodeCursor("runs", []byte("position")))
	f.Add("runs", encodeCursor("usage", nil))
	f.Add("", "")
	f.Fuzz(func(t *testing.T, scope, s string) {
		if position, ok := decodeCursor(scope, s); ok {
			if again := encodeCursor(scope, position); again != s {
				t.Fatalf("%q is another spelling of %q", s, again)
			}
			if _, ok := decodeCursor(scope+"x", s); ok {
				t.Fatalf("%q is a cursor of two scopes", s)
			}
		}
		// The text as a position.
		position, ok := decodeCursor(scope, encodeCursor(scope, []byte(s)))
		if ok != (len(s) <= 375) || ok && string(position) != s {
			t.Fatalf("position %q read back as %q, %v", s, position, ok)
		}
	})
}

const base64URLAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
