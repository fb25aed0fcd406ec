package rentroll

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The functions here check text that comes from callers, before anything is
// queued, so that no value of theirs can make a database refuse a statement. Each
// returns what is wrong, as the message of a FieldError ("must be …"), or "".
// A message never repeats the text.

const (
	maxEmailSize = 254 // bytes: the longest that mail servers accept (RFC 5321)
	maxJSONDepth = 100 // arrays and objects in each other
)

// checkText accepts any text of min to max characters (code points, not bytes)
// that is valid UTF-8 and has no NUL, which PostgreSQL can't store.
func checkText(s string, min, max int) string {
	// A character has at most four bytes, so that a huge text is refused unread.
	if len(s) > utf8.UTFMax*max {
		return sizeMessage(min, max, "characters")
	}
	if !utf8.ValidString(s) {
		return "must be valid UTF-8"
	}
	if strings.IndexByte(s, 0) >= 0 {
		return "must not contain a NUL character"
	}
	if n := utf8.RuneCountInString(s); n < min || n > max {
		return sizeMessage(min, max, "characters")
	}
	return ""
}

// checkPrintable accepts min to max printable ASCII characters, space included.
func checkPrintable(s string, min, max int) string {
	if len(s) < min || len(s) > max {
		return sizeMessage(min, max, "printable ASCII characters")
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return sizeMessage(min, max, "printable ASCII characters")
		}
	}
	return ""
}

// checkSlug accepts ^[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?$ but not "me". Where a
// tenant is named in a URL its id, its slug or "me" may stand; no slug is
// an id, because ids have an underscore.
func checkSlug(s string) string {
	const message = "must be 1 to 100 lower-case letters, digits and hyphens, with no hyphen at either end"
	if len(s) < 1 || len(s) > 100 || s[0] == '-' || s[len(s)-1] == '-' {
		return message
	}
	for i := range len(s) {
		if c := s[i]; !isLowerOrDigit(c) && c != '-' {
			return message
		}
	}
	if s == "me" {
		return `must not be "me", which stands for the caller's own tenant`
	}
	return ""
}

// checkWorkerID accepts ^[a-z0-9][a-z0-9._-]{0,99}$.
func checkWorkerID(s string) string {
	const message = "must be 1 to 100 lower-case letters, digits, dots, underscores and hyphens, beginning with a letter or digit"
	if len(s) < 1 || len(s) > 100 || !isLowerOrDigit(s[0]) {
		return message
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; !isLowerOrDigit(c) && c != '-' && c != '.' && c != '_' {
			return message
		}
	}
	return ""
}

// checkMeter accepts ^[a-z][a-z0-9_.]{0,99}$.
func checkMeter(s string) string {
	const message = "must be 1 to 100 lower-case letters, digits, underscores and dots, beginning with a letter"
	if len(s) < 1 || len(s) > 100 || s[0] < 'a' || s[0] > 'z' {
		return message
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; !isLowerOrDigit(c) && c != '_' && c != '.' {
			return message
		}
	}
	return ""
}

// checkEmail accepts a plain e-mail address of at most 254 bytes: no display
// name, comment, quotes, spaces or invisible characters. Whether mail arrives
// there is not its business.
func checkEmail(s string) string {
	if len(s) > maxEmailSize {
		return sizeMessage(0, maxEmailSize, "bytes")
	}
	const message = "must be a plain e-mail address"
	if !utf8.ValidString(s) {
		return message
	}
	for _, r := range s {
		if r == ' ' || !unicode.IsPrint(r) {
			return message
		}
	}
	if address, err := mail.ParseAddress(s); err != nil || address.Address != s {
		return message
	}
	return ""
}

// checkJSON accepts one JSON value of at most max bytes: valid UTF-8, arrays and
// objects at most 100 deep, without the escape \u0000, which PostgreSQL accepts
// in no text and no jsonb. The value is kept as it came, so that double keys and halves
// of surrogate pairs are the caller's own affair.
func checkJSON(raw []byte, max int) string {
	if len(raw) > max {
		return sizeMessage(0, max, "bytes")
	}
	if !utf8.Valid(raw) {
		return "must be valid UTF-8"
	}
	// The depth before the syntax, the escape after it: it takes valid JSON to tell
	// an escape, while too deep a value should not be parsed.
	depth, nul := scanJSON(raw)
	switch {
	case depth > maxJSONDepth:
		return fmt.Sprintf("must be at most %d arrays and objects deep", maxJSONDepth)
	case !json.Valid(raw):
		return "must be valid JSON"
	case nul:
		return `must not contain the escape \u0000`
	}
	return ""
}

// scanJSON finds how deep arrays and objects are in each other, and whether a
// string has the escape of NUL. On invalid JSON the answer is some answer.
func scanJSON(raw []byte) (depth int, nul bool) {
	open, inString := 0, false
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case c == '"':
			inString = !inString
		case inString && c == '\\':
			i++ // what follows is escaped: no quote, no second backslash
			if i+4 < len(raw) && string(raw[i:i+5]) == "u0000" {
				nul = true
			}
		case inString:
		case c == '[' || c == '{':
			open++
			depth = max(depth, open)
		case c == ']' || c == '}':
			open--
		}
	}
	return depth, nul
}

func isLowerOrDigit(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

// sizeMessage says how long a text must be; a min of 0 goes without saying.
func sizeMessage(min, max int, unit string) string {
	if min == 0 {
		return fmt.Sprintf("must be at most %d %s", max, unit)
	}
	return fmt.Sprintf("must be %d to %d %s", min, max, unit)
}
