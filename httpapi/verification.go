package httpapi

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/rentroll/rentroll"
)

// An answer about a key is on the path of every request of a platform, so its JSON is written by hand. Tests hold it
// against what an encoder makes of the same value.

// appendVerification appends the JSON of an answer about a key.
func appendVerification(b []byte, v *rentroll.Verification) []byte {
	b = strconv.AppendBool(append(b, `{"valid":`...), v.Valid)
	b = appendNullText(append(b, `,"code":`...), v.Code)
	b = appendID(append(b, `,"tenant_id":`...), v.TenantID)
	b = appendNullText(append(b, `,"tenant_status":`...), v.TenantStatus)
	b = appendID(append(b, `,"api_key_id":`...), v.APIKeyID)
	b = appendNullText(append(b, `,"plan":`...), v.Plan)
	b = appendTexts(append(b, `,"permissions":`...), v.Permissions)
	b = appendTexts(append(b, `,"allowed_workers":`...), v.AllowedWorkers)
	b = append(b, `,"rate_limit":`...)
	if l := v.RateLimit; l == nil {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendInt(append(b, `{"limit":`...), l.Limit, 10)
		b = strconv.AppendInt(append(b, `,"remaining":`...), l.Remaining, 10)
		b = l.ResetsAt.AppendFormat(append(b, `,"resets_at":"`...), time.RFC3339Nano)
		b = append(b, `"}`...)
	}
	b = strconv.AppendBool(append(b, `,"stale":`...), v.Stale)
	return append(b, '}')
}

// appendID appends an id, null for none.
func appendID[I interface {
	IsZero() bool
	AppendText(b []byte) ([]byte, error)
}](b []byte, id I) []byte {
	if id.IsZero() {
		return append(b, "null"...)
	}
	b, _ = id.AppendText(append(b, '"')) // it never fails
	return append(b, '"')
}

// appendNullText appends a text, null where it is empty.
func appendNullText(b []byte, s rentroll.NullString) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return appendText(b, s)
}

// appendTexts appends a list of texts, null where there is none.
func appendTexts(b []byte, list []string) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, s)
	}
	return append(b, ']')
}

// appendText appends a text. What no name in Rentroll has in it is left to the encoder.
func appendText[S ~string](b []byte, s S) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c >= utf8.RuneSelf, c == '"', c == '\\', c == '<', c == '>', c == '&':
			written, err := marshal(s)
			if err != nil {
				panic(err) // every text has a JSON form
			}
			return append(b, written...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
