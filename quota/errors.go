package quota

import "strings"

// FieldError says what is wrong with one field of a caller's input. Both parts
// may be shown to the caller.
type FieldError struct {
	// Field is the path of the field from the value that was checked, e.g.
	// "mode" in a [Limit], "runs_per_day.mode" in [Limits]. It is empty when the
	// value itself is wrong.
	Field string
	// Message goes on after the field's name: "must be …". It has no full stop.
	Message string
}

// Error returns the field and the message in one phrase.
func (e FieldError) Error() string {
	if e.Field == "" {
		return "value " + e.Message
	}
	return e.Field + " " + e.Message
}

// maxFieldLen bounds, in bytes, the names from callers that errors repeat.
const maxFieldLen = 64

// clip shortens a name that a caller made up, so that an error doesn't repeat
// a megabyte of it.
func clip(name string) string {
	if len(name) <= maxFieldLen {
		return name
	}
	return strings.ToValidUTF8(name[:maxFieldLen], "") + "…"
}
