package httpapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// readBody returns the body of a request, which must be one of the media types; "" where there is none.
func (s *server) readBody(w http.ResponseWriter, r *http.Request, types []string) ([]byte, error) {
	body, err := s.readWhole(w, r)
	if body == nil || err != nil {
		return nil, err
	}
	given := r.Header.Get("Content-Type")
	if slices.Contains(types, given) {
		return body, nil // as nearly all write it
	}
	media, params, err := mime.ParseMediaType(given)
	if err != nil || !slices.Contains(types, media) || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
		return nil, unsupported("a body must be " + strings.Join(types, " or "))
	}
	return body, nil
}

// readWhole returns the body of a request, of whatever media type; nil where there is none.
func (s *server) readWhole(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > s.opts.MaxBody {
		return nil, s.tooLarge()
	}
	body, err := readAll(w, r, s.opts.MaxBody)
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, s.tooLarge()
	case err != nil:
		return nil, malformed("the body could not be read to its end")
	case len(body) == 0:
		return nil, nil
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, unsupported("a body must not be compressed")
	}
	return body, nil
}

// smallBody is the most bytes that a request gets memory for by merely announcing them.
const smallBody = 4096

// readAll reads at most so many bytes. One that says that it is small is read into what it needs.
func readAll(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	if n := r.ContentLength; 0 <= n && n <= min(smallBody, most) {
		body := make([]byte, n)
		_, err := io.ReadFull(r.Body, body)
		return body, err
	}
	return io.ReadAll(http.MaxBytesReader(w, r.Body, most))
}

func (s *server) tooLarge() error {
	return &rentroll.Error{
		Code: rentroll.CodePayloadTooLarge, Message: "the body is larger than " + strconv.FormatInt(s.opts.MaxBody, 10) + " bytes",
	}
}

func unsupported(message string) error {
	return &rentroll.Error{Code: rentroll.CodeUnsupportedMediaType, Message: message}
}

// decode reads one JSON value, strictly: no name twice or in another case, no unknown name, no invalid UTF-8, nothing
// behind it, no number that is not exactly what the field holds. What is no such JSON is malformed; what is JSON but
// does not fit is not valid.
func decode(body []byte, into any) error {
	if !utf8.Valid(body) {
		return malformed("the body is not valid UTF-8")
	}
	err := json.Unmarshal(body, into, strict)
	var shape *json.SemanticError
	if errors.As(err, &shape) {
		// The decoder stops where something does not fit. Whether what is behind it is JSON at all comes first.
		if broken := json.Unmarshal(body, new(jsontext.Value), lax); broken != nil {
			err = broken
		}
	}
	var syntax *jsontext.SyntacticError
	var refused *rentroll.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		return unreadable(reflect.TypeOf(into), syntax)
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &shape):
		return invalid(misfit(reflect.TypeOf(into), shape))
	default:
		return malformed("the body is not valid JSON")
	}
}

// strict is what the bodies of requests must be.
var strict = json.RejectUnknownMembers(true)

// lax lets pass what is JSON by its grammar.
var lax = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// unreadable says where a body is no strict JSON.
func unreadable(root reflect.Type, e *jsontext.SyntacticError) error {
	if errors.Is(e, jsontext.ErrDuplicateName) {
		twice := rentroll.FieldError{Field: fieldPath(root, e.JSONPointer), Message: "is there twice"}
		return malformed("an object has a name twice", twice)
	}
	return malformed("the body is not valid JSON: see byte " + strconv.FormatInt(e.ByteOffset, 10))
}

// misfit says what is wrong with a value that does not fit its field.
func misfit(root reflect.Type, e *json.SemanticError) rentroll.FieldError {
	f := rentroll.FieldError{Field: fieldPath(root, e.JSONPointer), Message: mustBe(e)}
	var limit *quota.FieldError
	switch {
	case errors.As(e.Err, &limit):
		f.Field, f.Message = join(f.Field, limit.Field), limit.Message
	case f.Field == "":
		f.Field = "body"
	}
	return f
}

func join(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}

// mustBe says what the value should have been, by the type that it was to become.
func mustBe(e *json.SemanticError) string {
	if errors.Is(e.Err, json.ErrUnknownName) {
		return "is not a field of this request"
	}
	switch e.GoType {
	case reflect.TypeFor[rentroll.TenantID](), reflect.TypeFor[rentroll.UserID](), reflect.TypeFor[rentroll.KeyID](),
		reflect.TypeFor[rentroll.RunID]():
		return e.Err.Error() // the ids' own words
	}
	switch kindOf(e.GoType) {
	case reflect.String:
		return "must be a string"
	case reflect.Bool:
		return "must be true or false"
	case reflect.Int, reflect.Int64:
		if errors.Is(e.Err, strconv.ErrRange) {
			return "must be an integer that is not so large"
		}
		return "must be an integer"
	case reflect.Slice:
		return "must be a list"
	case reflect.Struct:
		if e.GoType == timeType {
			return "must be an RFC 3339 time, such as 2026-01-31T12:00:00Z"
		}
		return "must be an object"
	case reflect.Map:
		return "must be an object"
	default:
		return "is not valid"
	}
}

func kindOf(t reflect.Type) reflect.Kind {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil {
		return reflect.Invalid
	}
	return t.Kind()
}

// fieldPath turns the pointer to a place in a JSON value into the way in which problems name fields: events[3].amount.
// The type tells the index of a list from a name in an object that looks like a number.
func fieldPath(t reflect.Type, pointer jsontext.Pointer) string {
	path := ""
	for token := range pointer.Tokens() {
		for t != nil && t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t != nil && t.Kind() == reflect.Slice {
			path += "[" + token + "]"
		} else {
			path = join(path, clip(token))
		}
		t = member(t, token)
	}
	return path
}

// member returns the type of a member of a JSON value of type t; nil where it is not known.
func member(t reflect.Type, name string) reflect.Type {
	if t == nil {
		return nil
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Map:
		return t.Elem()
	case reflect.Struct:
		for _, f := range reflect.VisibleFields(t) {
			tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if tag == name {
				return f.Type
			}
		}
		return nil
	default:
		return nil
	}
}

// payload is JSON of a caller's own, kept as it came: whatever is JSON, double names included, is allowed in it.
type payload []byte

// UnmarshalJSONFrom takes the value unread.
func (p *payload) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return json.UnmarshalDecode(dec, (*jsontext.Value)(p), lax)
}
