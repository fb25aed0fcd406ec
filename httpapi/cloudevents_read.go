package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/rentroll/rentroll"
)

// The media types of CloudEvents 1.0 as JSON.
const (
	cloudEventType  = "application/cloudevents+json"
	cloudEventsType = "application/cloudevents-batch+json"
)

// The attributes of CloudEvents that mean something here, and what holds the data.
const (
	ceVersion     = "specversion"
	ceID          = "id"
	ceSource      = "source"
	ceType        = "type"
	ceSubject     = "subject"
	ceTime        = "time"
	ceContentType = "datacontenttype"
	ceSchema      = "dataschema"
	ceData        = "data"
	ceBase64      = "data_base64"
)

// ceHeader is what the names of attributes in headers begin with.
const ceHeader = "Ce-"

// maxAttribute is the most characters of an id or a source.
const maxAttribute = 1000

// cloudEvents is the body of a request, in any of the three modes of the HTTP binding, read on its own: each event is
// answered for itself, so one that is wrong must not keep the others from being read.
type cloudEvents struct {
	events []cloudEvent
	single bool
}

// cloudEvent is one event, or what is wrong with it.
type cloudEvent struct {
	subject string // "" for none
	usage   rentroll.UsageParams
	err     error
}

// read takes the events of a request.
func (b *cloudEvents) read(h http.Header, body []byte) error {
	media, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	utf8Only := params["charset"] == "" || strings.EqualFold(params["charset"], "utf-8")
	switch {
	case err == nil && utf8Only && media == cloudEventsType:
		return b.readBatch(body)
	case err == nil && utf8Only && media == cloudEventType:
		if len(bytes.TrimSpace(body)) == 0 {
			return malformed("the request needs a body: a CloudEvents event")
		}
		b.events, b.single = []cloudEvent{structuredEvent(body)}, true
		return nil
	case !strings.HasPrefix(media, "application/cloudevents") && isBinary(h):
		b.events, b.single = []cloudEvent{binaryEvent(h, body)}, true
		return nil
	default:
		return unsupported("a body must be " + cloudEventType + " or " + cloudEventsType + ", or the data of an event whose attributes stand in headers that begin with ce-")
	}
}

// isBinary reports whether attributes of an event stand in headers.
func isBinary(h http.Header) bool {
	for name := range h {
		if strings.HasPrefix(name, ceHeader) {
			return true
		}
	}
	return false
}

func (b *cloudEvents) readBatch(body []byte) error {
	if !utf8.Valid(body) {
		return malformed("the body is not valid UTF-8")
	}
	var list []jsontext.Value
	var syntax *jsontext.SyntacticError
	switch err := json.Unmarshal(body, &list, twice); {
	case errors.As(err, &syntax):
		return malformed("the body is not valid JSON: see byte " + strconv.FormatInt(syntax.ByteOffset, 10))
	case err != nil || list == nil:
		return invalid(rentroll.FieldError{Field: "body", Message: "must be a list of events"})
	}
	if err := tooMany(len(list)); err != nil {
		return err
	}
	b.events = make([]cloudEvent, len(list))
	for i, raw := range list {
		b.events[i] = structuredEvent(raw)
	}
	return nil
}

// twice leaves it to members to tell of names that come twice, where it matters.
var twice = jsontext.AllowDuplicateNames(true)

// members calls do with each member of a JSON object, in order.
func members(raw []byte, field string, do func(name string, value jsontext.Value)) error {
	unreadable := func(message string) error {
		return malformed("the event can't be read", rentroll.FieldError{Field: field, Message: message})
	}
	if !utf8.Valid(raw) {
		return unreadable("must be valid UTF-8")
	}
	dec := jsontext.NewDecoder(bytes.NewReader(raw), twice)
	syntax := func(err error) error {
		if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
			return unreadable("is not valid JSON: see byte " + strconv.FormatInt(e.ByteOffset, 10))
		}
		return unreadable("is not valid JSON")
	}
	whole, err := dec.ReadValue()
	if err != nil {
		return syntax(err)
	}
	whole = whole.Clone()
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return unreadable("must be one JSON value")
	}
	if whole.Kind() != '{' {
		return invalid(rentroll.FieldError{Field: field, Message: "must be an object"})
	}
	dec = jsontext.NewDecoder(bytes.NewReader(whole), twice)
	if _, err := dec.ReadToken(); err != nil {
		return syntax(err)
	}
	seen := map[string]bool{}
	for dec.PeekKind() != '}' {
		token, err := dec.ReadToken()
		if err != nil {
			return syntax(err)
		}
		name := token.String()
		if seen[name] {
			at := clip(name)
			if field == ceData {
				at = join(ceData, at)
			}
			return malformed("an object has a name twice", rentroll.FieldError{Field: at, Message: "is there twice"})
		}
		seen[name] = true
		value, err := dec.ReadValue()
		if err != nil {
			return syntax(err)
		}
		do(name, value.Clone())
	}
	return nil
}

// structuredEvent reads an event as JSON.
func structuredEvent(raw []byte) cloudEvent {
	attributes := map[string]string{}
	var bad fieldErrors
	var data []byte
	err := members(raw, "body", func(name string, value jsontext.Value) {
		switch {
		case name == ceData:
			data = value
		case name == ceBase64:
			bad.add(ceBase64, "must not be there: the data must be a JSON object in data")
		case !isAttribute(name):
			bad.add(clip(name), "is not the name of an attribute, which has lower case letters and digits only")
		case value.Kind() == 'n': // as if it were absent
		case value.Kind() == '"':
			var text string
			if json.Unmarshal(value, &text) != nil {
				bad.add(name, "must be a string")
			} else if attributes[name] = text; text == "" {
				bad.add(name, "must not be empty")
			}
		case isKnown(name):
			bad.add(name, "must be a string")
		case value.Kind() == '{' || value.Kind() == '[':
			bad.add(clip(name), "must be a string, an integer or a boolean")
		}
	})
	if err != nil {
		return cloudEvent{err: err}
	}
	return eventOf(attributes, data, bad)
}

// binaryEvent reads an event whose attributes are headers and whose data is the body.
func binaryEvent(h http.Header, body []byte) cloudEvent {
	attributes := map[string]string{}
	var bad fieldErrors
	for header, values := range h {
		name, ok := strings.CutPrefix(header, ceHeader)
		if !ok {
			continue
		}
		name = strings.ToLower(name)
		text := decodeHeader(values[0])
		switch {
		case len(values) > 1:
			bad.add(clip(name), "must be given once")
		case name == ceData || name == ceBase64 || name == ceContentType:
			bad.add(name, "must not be a header: the body is the data, and Content-Type its type")
		case !isAttribute(name):
			bad.add(clip(name), "is not the name of an attribute, which has lower case letters and digits only")
		case !utf8.ValidString(text):
			bad.add(name, "must be valid UTF-8, percent-encoded")
		case text == "":
			bad.add(name, "must not be empty")
		default:
			attributes[name] = text
		}
	}
	slices.SortFunc(bad, func(a, b rentroll.FieldError) int { return strings.Compare(a.Field, b.Field) })
	if given := h.Values("Content-Type"); len(given) > 1 {
		bad.add(ceContentType, "must be given once")
	} else if len(given) == 1 {
		attributes[ceContentType] = given[0]
	} else if len(body) > 0 {
		bad.add(ceContentType, "must be application/json")
	}
	if len(body) == 0 {
		body = nil
	}
	return eventOf(attributes, body, bad)
}

// decodeHeader undoes what the HTTP binding (CloudEvents 1.0.2, 3.1.3.2) lets a sender do to an attribute: put it in double
// quotes, and percent-encode characters of it. What only looks encoded stays as it is.
func decodeHeader(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		var b strings.Builder
		for quoted := s[1 : len(s)-1]; quoted != ""; quoted = quoted[1:] {
			if quoted[0] == '\\' && len(quoted) > 1 {
				quoted = quoted[1:]
			}
			b.WriteByte(quoted[0])
		}
		s = b.String()
	}
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				out = append(out, c[0])
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}

// isAttribute reports whether CloudEvents has attributes of this name.
func isAttribute(name string) bool {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return name != "" && len(name) <= 64
}

func isKnown(name string) bool {
	switch name {
	case ceVersion, ceID, ceSource, ceType, ceSubject, ceTime, ceContentType, ceSchema:
		return true
	default:
		return false
	}
}

// eventOf makes the usage event of an event's attributes and data; nil data is none. Attributes that mean nothing here are
// let pass.
func eventOf(attributes map[string]string, data []byte, bad fieldErrors) cloudEvent {
	out := cloudEvent{subject: attributes[ceSubject], usage: rentroll.UsageParams{Meter: attributes[ceType], Amount: 1}}
	missing := func(name string) bool {
		named := slices.ContainsFunc(bad, func(f rentroll.FieldError) bool { return f.Field == name })
		if attributes[name] == "" && !named {
			bad.add(name, "is required")
		}
		return attributes[name] == ""
	}
	if !missing(ceVersion) && attributes[ceVersion] != "1.0" {
		bad.add(ceVersion, `must be "1.0"`)
	}
	missing(ceType)
	noID, noSource := missing(ceID), missing(ceSource)
	if !noID {
		bad.identity(ceID, attributes[ceID])
	}
	if !noSource {
		bad.identity(ceSource, attributes[ceSource])
		if _, err := url.Parse(attributes[ceSource]); err != nil || strings.ContainsAny(attributes[ceSource], " \t\r\n") {
			bad.add(ceSource, "must be a URI reference")
		}
	}
	if text := attributes[ceTime]; text != "" {
		out.usage.Time = bad.instant(text)
	}
	var err error
	if given := attributes[ceContentType]; given != "" && !isJSON(given) {
		bad.add(ceContentType, "must be application/json") // what the data then is need not be found out
	} else if data != nil {
		err = out.takeData(data, &bad)
	}
	if !noID && !noSource {
		out.usage.EventID = eventIDOf(attributes[ceSource], attributes[ceID])
	}
	if out.err = err; err == nil {
		out.err = invalid(bad...)
	}
	return out
}

// eventIDOf joins the two attributes that together name an event. No source has a space in it, so that the first one in the
// event id stands between them. A pair that is too long for an event id is named by its hash, which has none.
func eventIDOf(source, id string) string {
	joined := source + " " + id
	if utf8.RuneCountInString(joined) <= 255 {
		return joined
	}
	sum := sha256.Sum256([]byte(joined))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// identity checks an attribute by which events are told apart.
func (f *fieldErrors) identity(name, text string) {
	switch {
	case utf8.RuneCountInString(text) > maxAttribute:
		f.add(name, "must be at most "+strconv.Itoa(maxAttribute)+" characters")
	case strings.ContainsRune(text, 0):
		f.add(name, "must not contain a NUL character")
	}
}

// instant reads the time of an event.
func (f *fieldErrors) instant(text string) (t time.Time) {
	quoted, err := jsontext.AppendQuote(nil, strings.ToUpper(text)) // RFC 3339 knows t and z in lower case, too
	if err != nil || json.Unmarshal(quoted, &t) != nil {
		f.add(ceTime, "must be an RFC 3339 time, such as 2026-01-31T12:00:00Z")
		return time.Time{}
	}
	if t.Before(time.Unix(0, 0)) {
		return time.Unix(0, 0) // too old either way, but year 1 would stand for none
	}
	return t
}

// isJSON reports whether a media type is one of JSON in UTF-8.
func isJSON(given string) bool {
	media, params, err := mime.ParseMediaType(given)
	return err == nil && (strings.HasSuffix(media, "/json") || strings.HasSuffix(media, "+json")) &&
		(params["charset"] == "" || strings.EqualFold(params["charset"], "utf-8"))
}

// takeData takes amount and unit out of the data of an event. All else in it is the event's metadata, as it came.
func (e *cloudEvent) takeData(data []byte, bad *fieldErrors) error {
	const amount, unit = "amount", "unit"
	var rest []byte
	err := members(data, ceData, func(name string, value jsontext.Value) {
		switch name {
		case amount:
			if value.Kind() != '0' || json.Unmarshal(value, &e.usage.Amount) != nil {
				bad.add("data.amount", "must be an integer")
			}
		case unit:
			if value.Kind() != '"' || json.Unmarshal(value, &e.usage.Unit) != nil {
				bad.add("data.unit", "must be a string")
			} else if e.usage.Unit == "" {
				bad.add("data.unit", "must not be empty; leave it out for the default")
			}
		default:
			rest = append(rest, ',')
			rest, _ = jsontext.AppendQuote(rest, name) // valid UTF-8, or it would not have come here
			rest = append(append(rest, ':'), value...)
		}
	})
	if err == nil && rest != nil {
		rest[0] = '{'
		rest = append(rest, '}')
		e.usage.Metadata = rest
	}
	return err
}
