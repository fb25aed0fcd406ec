package csvrow

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rentroll/rentroll"
)

// TestEventThatWasRead: an event that came as JSON has the row that it had at the server.
func TestEventThatWasRead(t *testing.T) {
	t.Parallel()
	sent := &rentroll.ExportedUsage{}
	sent.Meter, sent.Amount = "mails", 3
	text, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	read := &rentroll.ExportedUsage{}
	if err := json.Unmarshal(text, read); err != nil {
		t.Fatal(err)
	}
	if want, got := AppendEvent(nil, sent), AppendEvent(nil, read); !bytes.Equal(got, want) {
		t.Errorf("the row is %s, of the event as it was sent %s", got, want)
	}
}

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
