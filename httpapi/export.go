package httpapi

import (
	"bufio"
	"context"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/csvrow"
)

// The media types of exports, and what their headers are called.
const (
	linesType      = "application/x-ndjson"
	csvType        = "text/csv"
	expectedHeader = "Rentroll-Expected-Events"
	startHeader    = "Rentroll-Start"
	endHeader      = "Rentroll-End"
	eventsHeader   = "Rentroll-Events"
)

const aboutExportUsage = "The single events of a range of time or, with `statement`, those that stand on the statement of a period, adjustments included: what the statement's lines are the sums of. In the order of their times. `format=csv`, or `Accept: text/csv`, gives CSV (RFC 4180) with a header row, else it is JSON Lines.\n\n" +
	"The answer is a stream of any length. `" + expectedHeader + "` says about how many events will come. That all of them have come is told at the end: by the trailer `" + eventsHeader + "`, and in JSON Lines by the last line, `{\"events\":…}`; a stream that breaks off also ends without the last chunk, which HTTP clients report. " +
	"Proxies often drop trailers, and HTTP/1.0 has no last chunk: CSV is refused there. " +
	"Events that are recorded meanwhile may be in it or not; of a final statement there can be none. What was cut off goes on with `after`, behind the last event that has come whole: `time` and `id` of it, with a comma between them, beside the `statement`, or the `start` and `end` that the headers `" + startHeader + "` and `" + endHeader + "` told. A range or a statement whose single events were deleted already is refused.\n\n" +
	"In CSV a text that begins with one of `= + - @` (of full width, too), `'`, a tab or a line break has an apostrophe put in front, so that no spreadsheet takes it for a formula: readers take away one leading apostrophe."

type exportUsageParams struct {
	Tenant    string `path:"tenant"`
	Start     string `query:"start"`
	End       string `query:"end"`
	Statement string `query:"statement"`
	Meter     string `query:"meter"`
	After     string `query:"after"`
	Format    string `query:"format"`
}

func (p exportUsageParams) tenantRef() string { return p.Tenant }

func (s *server) exportUsage(c *call, p *exportUsageParams, _ *none) (nothing, error) {
	var bad fieldErrors
	req := exchangeOf(c).request
	csv := bad.format(req, p.Format)
	if csv && !req.ProtoAtLeast(1, 1) {
		return nothing{}, malformed("CSV needs HTTP/1.1, by which a caller can tell that it is whole: have the proxy use it (in nginx, proxy_http_version 1.1), or take JSON Lines")
	}
	params := rentroll.ExportUsageParams{
		TenantID: c.tenant, Start: bad.bound("start", p.Start), End: bad.bound("end", p.End), Statement: p.Statement, Meter: p.Meter,
	}
	params.AfterTime, params.AfterID = bad.place("after", p.After)
	if err := invalid(bad...); err != nil {
		return nothing{}, err
	}
	export, err := c.engine.ExportUsage(c, params)
	if err != nil {
		return nothing{}, err
	}
	c.stream = func(w http.ResponseWriter, r *http.Request) error {
		out := &eventStream{csv: csv}
		out.pieces = &pieces{server: s, w: w, headers: out.headers}
		out.buffer = bufio.NewWriterSize(out, 64<<10)
		return out.send(exchangeOf(c).Context, r, export)
	}
	return nothing{}, nil
}

// format reads which form of an export is asked for.
func (f *fieldErrors) format(r *http.Request, name string) (csv bool) {
	switch name {
	case "csv":
		return true
	case "jsonl":
		return false
	case "":
		for accepted := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
			switch media, _, err := mime.ParseMediaType(accepted); {
			case err != nil:
			case media == csvType:
				return true
			case media == linesType || media == "application/jsonl":
				return false
			}
		}
		return false
	default:
		f.add("format", "must be jsonl or csv")
		return false
	}
}

// bound reads an end of a range of time; "" is none.
func (f *fieldErrors) bound(name, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	switch {
	case err != nil:
		f.add(name, "must be an RFC 3339 time, such as 2026-01-31T12:00:00Z")
	case t.Year() < 1970 || t.Year() > 9999:
		f.add(name, "must be a time from 1970 to 9999")
	}
	return t
}

// place reads where an event stands in an export; "" is none.
func (f *fieldErrors) place(name, text string) (at time.Time, id rentroll.UsageID) {
	if text == "" {
		return at, id
	}
	before, behind, _ := strings.Cut(text, ",")
	if err := id.UnmarshalText([]byte(behind)); err != nil || id.IsZero() {
		f.add(name, "must be the time and the id of an event, with a comma between them")
		return at, id
	}
	return f.bound(name, before), id
}

// eventStream writes an export of usage.
type eventStream struct {
	*pieces

	csv    bool
	buffer *bufio.Writer
}

// headers are those of the answer.
func (s *eventStream) headers(h http.Header) {
	h.Set("Content-Type", linesType)
	h.Set("Content-Disposition", `attachment; filename="usage.jsonl"`)
	if s.csv {
		h.Set("Content-Type", csvType+"; charset=utf-8; header=present")
		h.Set("Content-Disposition", `attachment; filename="usage.csv"`)
	}
	h.Set("Trailer", eventsHeader)
}

// send writes all events. ctx has no end but that of the connection.
func (s *eventStream) send(ctx context.Context, r *http.Request, export *rentroll.UsageExport) error {
	h := s.w.Header()
	h.Set(expectedHeader, strconv.FormatInt(export.Expected, 10))
	if !export.End.IsZero() {
		h.Set(startHeader, export.Start.Format(time.RFC3339Nano))
		h.Set(endHeader, export.End.Format(time.RFC3339Nano))
	}
	err := s.pieces.send(ctx, r, func() error {
		events, err := s.all(ctx, export)
		if err == nil {
			err = s.buffer.Flush()
		}
		if err == nil {
			h.Set(eventsHeader, strconv.FormatInt(events, 10))
		}
		return err
	})
	if err != nil {
		for _, name := range []string{expectedHeader, startHeader, endHeader} {
			h.Del(name)
		}
	}
	return err
}

func (s *eventStream) all(ctx context.Context, export *rentroll.UsageExport) (events int64, err error) {
	var line []byte
	if s.csv {
		_, _ = s.buffer.Write(csvrow.AppendRow(nil, csvrow.EventColumns...)) // here and below: Flush tells
	}
	for e, err := range export.Events(ctx) {
		if err != nil {
			return events, err
		}
		if s.csv {
			line = csvrow.AppendEvent(line[:0], e)
		} else {
			if line, err = marshal(e); err != nil {
				return events, err
			}
			line = append(line, '\n')
		}
		if _, err := s.buffer.Write(line); err != nil {
			return events, err
		}
		events++
	}
	if !s.csv {
		_, _ = s.buffer.WriteString(`{"events":` + strconv.FormatInt(events, 10) + "}\n")
	}
	return events, nil
}

// exportRoute adds the route and what is said of its two forms.
func (s *server) exportRoute() {
	r := route{
		at: "GET /v1/tenants/{tenant}/usage/events", id: "exportUsage", does: "Export single usage events", more: aboutExportUsage,
		needs: rentroll.PermUsageRead, status: http.StatusOK,
	}
	add(s, r, s.exportUsage)
	op := operationAt(s.api.OpenAPI(), r)
	answer := op.Responses["200"]
	answer.Content = map[string]*huma.MediaType{
		linesType: {Schema: &huma.Schema{Type: huma.TypeObject, Description: "A line: an event, and at the end how many there were", AdditionalProperties: true}},
		csvType:   {Schema: csvSchema(csvrow.EventColumns)},
	}
	answer.Headers[expectedHeader] = header("How many events there were when the export began.")
	answer.Headers[startHeader] = header("Where the range begins; not of a statement.")
	answer.Headers[endHeader] = header("Where the range ends; not of a statement.")
	answer.Headers[eventsHeader] = header("A trailer: how many events have come. Without it the export was cut off.")
	for _, p := range op.Parameters {
		switch p.Name {
		case "statement":
			p.Description = "The events of the statement of this period, instead of a range, by its name."
		case "meter":
			p.Description = "Only events of this meter."
		case "after":
			p.Description = "Only what comes behind an event: its `time` and `id`, with a comma between them."
		}
	}
}

func csvSchema(columns []string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: "The columns: " + strings.Join(columns, ", ") + ". New ones come at the end."}
}
