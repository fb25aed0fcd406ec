package httpapi

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rentroll/rentroll"
)

const aboutCloudEvents = "[CloudEvents 1.0](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md) over HTTP in all of its modes: structured (`application/cloudevents+json`), binary (attributes in `ce-` headers, the body is the data) and batch (`application/cloudevents-batch+json`, up to 1,000 events). " +
	"`type` is the meter, `subject` the tenant: its id or slug; with a tenant's own key it may be left out, and must else name that tenant. `time` is when it was used, default its arrival. Of `data`, a JSON object, `amount` is the amount (default 1) and `unit` the unit; the rest is kept as metadata. Other attributes are let pass and not kept.\n\n" +
	"`source` and `id` together name an event, which counts once: its event id is the two with a space between them, or, where that is longer than 255 characters, `sha256:` and the hash of it in hexadecimal. So an event may always be sent again, with the same key: which key told of it is a part of what it says.\n\n" +
	"Of a batch, which may have events of several tenants where the caller is an operator, each event is answered for itself, in order, and the good ones are stored; the refusal of a single one is the answer itself. The errors name attributes. Answered only when it is durable. " +
	"Where a part of a batch could not be tried, because the database is away, the whole batch is refused, to be sent again."

// cloudEventsRoute adds the route and what is said of its three forms.
func (s *server) cloudEventsRoute() {
	r := route{
		at: "POST /v1/events", id: "recordCloudEvents", does: "Record usage that is told in CloudEvents", more: aboutCloudEvents,
		needs: rentroll.PermUsageWrite, body: mayHaveBody,
		codes: codes{rentroll.CodeNotFound, rentroll.CodeUnitMismatch, rentroll.CodeEventTooOld, rentroll.CodeEventIDConflict},
	}
	add(s, r, recordCloudEvents)
	op := operationAt(s.api.OpenAPI(), r)
	op.Tags = []string{"Usage"}
	schemas := s.api.OpenAPI().Components.Schemas
	event := schemas.Schema(reflect.TypeFor[cloudEvent](), true, "")
	most := rentroll.MaxUsageBatch
	op.RequestBody = &huma.RequestBody{Content: map[string]*huma.MediaType{
		cloudEventType:  {Schema: event},
		cloudEventsType: {Schema: &huma.Schema{Type: huma.TypeArray, Items: event, MaxItems: &most}},
		jsonType:        {Schema: cloudEventData()},
	}}
	for _, h := range []struct{ name, words string }{
		{ceVersion, "`1.0`."},
		{ceID, "Names the event, together with the source."},
		{ceSource, "Where the event comes from."},
		{ceType, "The meter."},
		{ceSubject, "The tenant."},
		{ceTime, "When it was used."},
		{ceSchema, "Let pass."},
	} {
		op.Parameters = append(op.Parameters, headerParam(http.CanonicalHeaderKey(ceHeader+h.name), "In binary mode. "+h.words))
	}
}

// Schema describes one event.
func (cloudEvent) Schema(huma.Registry) *huma.Schema {
	text := func(words, example string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Description: words, Examples: []any{example}, MinLength: new(1)}
	}
	name := func(words, example string) *huma.Schema {
		s := text(words, example)
		s.MaxLength = new(maxAttribute)
		return s
	}
	return &huma.Schema{
		Type: huma.TypeObject, Description: "One event as JSON.", Required: []string{ceVersion, ceID, ceSource, ceType},
		Properties: map[string]*huma.Schema{
			ceVersion:     {Type: huma.TypeString, Pattern: `^1\.0$`, Examples: []any{"1.0"}},
			ceID:          name("Names the event, together with the source", "4711"),
			ceSource:      name("A URI reference", "/mailer/eu"),
			ceType:        {Type: huma.TypeString, Description: "The meter", Pattern: "^[a-z][a-z0-9_.]{0,99}$", Examples: []any{"emails_sent"}},
			ceSubject:     text("Id or slug of a tenant; an API key may leave it out", "acme"),
			ceTime:        {Type: huma.TypeString, Format: "date-time", Description: "Default its arrival; from 35 days back to 5 minutes ahead"},
			ceContentType: text("Of the data", "application/json"),
			ceSchema:      text("Let pass", "https://example.com/emails.json"),
			ceData:        cloudEventData(),
		},
		AdditionalProperties: &huma.Schema{Description: "Extensions are let pass: lower case letters and digits"},
	}
}

func cloudEventData() *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, Description: "All but amount and unit is kept as the event's metadata, up to 16 KiB",
		Properties: map[string]*huma.Schema{
			"amount": {Type: huma.TypeInteger, Format: "int64", Minimum: new(0.0), Maximum: new(1e12), Default: 1},
			"unit":   {Type: huma.TypeString, MinLength: new(1), MaxLength: new(50), Description: "Fixed by the meter's first event; default the meter's, count for a new one"},
		},
		AdditionalProperties: true,
		Examples:             []any{map[string]any{"amount": 3, "unit": "mails", "campaign": "spring"}},
	}
}
