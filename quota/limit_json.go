package quota

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"time"
	"unicode/utf8"
)

// limitJSON is the object form of a [Limit]. Only encoding uses it: decoding
// goes member by member, since encoding/json lets duplicates and differently
// cased names pass.
type limitJSON struct {
	Limit  *int64    `json:"limit"`
	Mode   Mode      `json:"mode,omitempty"`
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason,omitempty"`
}

// MarshalJSON writes
//
//	{"limit": 100, "mode": "soft", "until": "2026-12-01T00:00:00Z", "reason": "trial"}
//
// with null for an unlimited limit, and without the mode when it is hard, until
// when it is zero, and the reason when it is empty.
func (l Limit) MarshalJSON() ([]byte, error) {
	j := limitJSON{Mode: l.Mode, Until: l.Until.UTC(), Reason: l.Reason}
	if !l.Unlimited {
		j.Limit = &l.Max
	}
	if j.Mode == Hard {
		j.Mode = ""
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what [Limit.MarshalJSON] writes. A bare number n is short
// for {"limit": n}, and null for {"limit": null}, which is unlimited. (A field
// of type *Limit never sees that null: encoding/json makes it a nil pointer.)
//
// It is strict: "limit" must be there; members that are unknown, duplicate or
// differently cased are refused, and so are values of a wrong type or range.
// Every error is a *[FieldError]. On an error l keeps its value.
func (l *Limit) UnmarshalJSON(data []byte) error {
	var decoded Limit
	data = bytes.TrimSpace(data)
	if !bytes.HasPrefix(data, []byte("{")) {
		if err := decoded.setMax("", data); err != nil {
			return err
		}
		*l = decoded
		return nil
	}
	hasLimit := false
	err := eachMember(data, func(name string, value []byte) error {
		hasLimit = hasLimit || name == "limit"
		return decoded.setMember(name, value)
	})
	if err != nil {
		return err
	}
	if !hasLimit {
		return &FieldError{"limit", "is required"}
	}
	*l = decoded
	return nil
}

func (l *Limit) setMember(name string, value []byte) error {
	switch name {
	case "limit":
		return l.setMax(name, value)
	case "mode":
		return l.setMode(name, value)
	case "until":
		return l.setUntil(name, value)
	case "reason":
		return l.setReason(name, value)
	}
	return &FieldError{clip(name), "is not a member of a limit"}
}

// setMax takes null and digits only: no sign, fraction or exponent.
func (l *Limit) setMax(field string, value []byte) error {
	if string(value) == "null" {
		l.Unlimited = true
		return nil
	}
	n, err := strconv.ParseUint(string(value), 10, 63)
	leadingZero := len(value) > 1 && value[0] == '0' // not JSON, but ParseUint takes it
	if err != nil || leadingZero {
		n = MaxLimit + 1
	}
	if message := checkMax(int64(n)); message != "" {
		return &FieldError{field, message}
	}
	l.Max = int64(n)
	return nil
}

func (l *Limit) setMode(field string, value []byte) error {
	s, ok := decodeString(value)
	if !ok {
		s = "" // never valid
	}
	if message := checkMode(Mode(s)); message != "" {
		return &FieldError{field, message}
	}
	if Mode(s) == Soft {
		l.Mode = Soft // and Hard stays empty, so that limits that mean the same are equal
	}
	return nil
}

// rfc3339 is what time.Parse should take: it lets hours of one digit, commas
// and offsets of 24 hours pass.
var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

func (l *Limit) setUntil(field string, value []byte) error {
	if string(value) == "null" {
		return nil
	}
	s, ok := decodeString(value)
	t, err := time.Parse(time.RFC3339, s)
	if !ok || err != nil || !rfc3339.MatchString(s) {
		return &FieldError{field, "must be null or an RFC 3339 time"}
	}
	if message := checkUntil(t); message != "" {
		return &FieldError{field, message}
	}
	l.Until = t.UTC()
	return nil
}

func (l *Limit) setReason(field string, value []byte) error {
	s, ok := decodeString(value)
	if !ok {
		return &FieldError{field, "must be a string"}
	}
	if message := checkReason(s); message != "" {
		return &FieldError{field, message}
	}
	l.Reason = s
	return nil
}

// UnmarshalJSON reads an object of quota names and limits, or null for nil. It
// is as strict as [Limit.UnmarshalJSON], with the quota's name before the field
// of an error, but takes any names: [Limits.Validate] tells which are unknown.
func (l *Limits) UnmarshalJSON(data []byte) error {
	data = bytes.TrimSpace(data)
	if string(data) == "null" {
		*l = nil
		return nil
	}
	decoded := make(Limits)
	err := eachMember(data, func(name string, value []byte) error {
		if len(decoded) == maxLimits {
			return &FieldError{"", "must hold fewer quotas"}
		}
		var limit Limit
		if err := limit.UnmarshalJSON(value); err != nil {
			return within(clip(name), err)
		}
		decoded[Name(name)] = limit
		return nil
	})
	if err != nil {
		return err
	}
	*l = decoded
	return nil
}

// maxLimits is far above the number of quotas. It bounds the work and the list
// of errors that one body can cause.
const maxLimits = 100

// within returns err with name before its field.
func within(name string, err error) error {
	var e *FieldError
	if !errors.As(err, &e) {
		return err
	}
	if e.Field == "" {
		return &FieldError{name, e.Message}
	}
	return &FieldError{name + "." + e.Field, e.Message}
}

// eachMember calls f with the members of the JSON object data, in order, and
// stops at the first error. It refuses names that come twice. Values come
// without space around them.
func eachMember(data []byte, f func(name string, value []byte) error) error {
	if !utf8.Valid(data) {
		return &FieldError{"", "must be valid UTF-8"}
	}
	if !json.Valid(data) || data[0] != '{' {
		return &FieldError{"", "must be a JSON object"}
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if _, err := dec.Token(); err != nil {
		return &FieldError{"", "must be a JSON object"}
	}
	seen := make(map[string]bool)
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		var value json.RawMessage
		if err != nil || !ok || dec.Decode(&value) != nil {
			return &FieldError{"", "must be a JSON object"}
		}
		if seen[name] {
			return &FieldError{clip(name), "is there twice"}
		}
		seen[name] = true
		if err := f(name, value); err != nil {
			return err
		}
	}
	return nil
}

// decodeString decodes a JSON string, and reports whether value is one.
func decodeString(value []byte) (string, bool) {
	var s string
	if len(value) == 0 || value[0] != '"' || json.Unmarshal(value, &s) != nil {
		return "", false
	}
	return s, true
}
