package quota

import (
	"strings"
	"time"
	"unicode/utf8"
)

// The rules for the parts of a limit, the same for one that was decoded and one
// that was made in Go. Each returns what is wrong, or "".

const maxReason = 500 // characters

func checkMax(n int64) string {
	if n < 0 || n > MaxLimit {
		return "must be null or an integer from 0 to 1000000000000"
	}
	return ""
}

func checkMode(m Mode) string {
	if m != Hard && m != Soft {
		return `must be "hard" or "soft"`
	}
	return ""
}

// checkUntil keeps out the zero time, which would turn an end long ago into
// none at all, and years that JSON can't hold.
func checkUntil(t time.Time) string {
	if y := t.UTC().Year(); y < 1970 || y > 9999 {
		return "must be in the years 1970 to 9999"
	}
	return ""
}

func checkReason(s string) string {
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return "must be valid UTF-8 without NUL"
	}
	if utf8.RuneCountInString(s) > maxReason {
		return "must be at most 500 characters"
	}
	return ""
}
