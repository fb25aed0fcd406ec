package csvrow

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzRow writes rows that a reader of CSV reads as they were, but for what would be a formula.
func FuzzRow(f *testing.F) {
	f.Add("a", "b")
	f.Add("=1+1", "a\"b,\r\n")
	f.Add("'x", "\tx")
	f.Add("＝1+1", "＋－＠")
	f.Fuzz(func(t *testing.T, a, b string) {
		row := AppendRow(nil, inert(a), inert(b), "end")
		reader := csv.NewReader(bytes.NewReader(row))
		got, err := reader.Read()
		if err != nil || len(got) != 3 {
			t.Fatalf("%q is %q, %v", row, got, err)
		}
		for i, want := range []string{a, b} {
			if first, _ := utf8.DecodeRuneInString(got[i]); strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
				t.Errorf("%q is a formula", got[i])
			}
			// The reader makes one line break of two characters.
			if back := strings.TrimPrefix(got[i], "'"); back != strings.ReplaceAll(want, "\r\n", "\n") {
				t.Errorf("%q is read as %q", want, back)
			}
		}
	})
}
