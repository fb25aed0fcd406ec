package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/csvrow"
)

// ExportUsageParams asks for single usage events: those of [Start, End), or those of a statement.
type ExportUsageParams struct {
	Start, End time.Time // zero times stand for the current billing month so far
	Statement  string    // the events of the statement of this period instead
	Meter      string    // "" for all
}

func (p ExportUsageParams) query() url.Values {
	return url.Values(query{}.set("start", instant(p.Start)).set("end", instant(p.End)).set("statement", p.Statement).set("meter", p.Meter).
		set("format", FormatLines))
}

// The forms of an export.
const (
	FormatCSV   = "csv"
	FormatLines = "jsonl" // JSON Lines, at last one with the number of events
)

// errCutOff is the error of an export of which not all has come.
var errCutOff = &Error{Code: rentroll.CodeUnavailable, Message: "the export was cut off: not all events have come"}

// Export is an export on its way. Close it. It is for one goroutine.
//
// Whatever its form is to be, what comes from the server are JSON Lines: by the last of them it is known that all have come, also
// behind proxies that pass no trailers on.
type Export struct {
	Expected int64 // about how many events will come

	client *Client
	ctx    context.Context //nolint:containedctx // an export is a call that goes on
	path   []string
	query  url.Values
	csv    bool

	in    *download
	lines *bufio.Reader

	last   []byte // the line of the last event that has come
	events int64  // that have come, over all connections
	here   int64  // of them over this connection
	tries  int    // since an event has come
	ready  []byte // to be read
	end    error  // once nothing more comes
}

// OpenUsageExport begins an export of usage events, in FormatCSV or FormatLines. It may take as long as it will, but no longer
// than Options.Timeout without a byte. Where the connection breaks off, it goes on behind the last event that has come, as often
// as Options.Retries says without one more.
func (c *Client) OpenUsageExport(ctx context.Context, tenant string, p ExportUsageParams, format string) (*Export, error) {
	if format != FormatCSV && format != FormatLines {
		return nil, &Error{
			Code: rentroll.CodeValidationFailed, Message: "the form of an export is csv or jsonl",
			Fields: []rentroll.FieldError{{Field: "format", Message: "must be jsonl or csv"}},
		}
	}
	e := &Export{
		client: c, ctx: ctx, path: []string{"v1", "tenants", tenant, "usage", "events"}, query: p.query(), csv: format == FormatCSV,
	}
	if err := e.connect(); err != nil {
		if err := e.again(err); err != nil {
			return nil, err
		}
	}
	expected, start, end := e.header("Expected-Events"), e.header("Start"), e.header("End")
	e.Expected, _ = strconv.ParseInt(expected, 10, 64) // 0 where there is none
	if start != "" && end != "" {                      // what the server made of them, to ask for the same again
		e.query.Set("start", start)
		e.query.Set("end", end)
	}
	if e.csv {
		e.ready = csvrow.AppendRow(nil, csvrow.EventColumns...)
	}
	return e, nil
}

func (e *Export) header(name string) string { return e.in.header.Get("Rentroll-" + name) }

// connect asks for what has not come yet.
func (e *Export) connect() error {
	in, err := e.client.open(e.ctx, &request{method: http.MethodGet, path: e.path, query: e.query}, "application/x-ndjson")
	if err != nil {
		return err
	}
	e.in, e.lines, e.here = in, bufio.NewReaderSize(in, 64<<10), 0
	return nil
}

// again connects again after a failure, behind the last event that has come. It returns the failure where that is not to be.
func (e *Export) again(failure error) error {
	e.disconnect()
	if e.last != nil {
		place, err := placeOf(e.last)
		bounded := e.query.Has("statement") || e.query.Has("start") && e.query.Has("end")
		if err != nil || !bounded { // a server that does not say what it exports, so that more of the same can't be asked for
			return failure
		}
		e.query.Set("after", place.Time.UTC().Format(time.RFC3339Nano)+","+place.ID.String())
	}
	for {
		wait, again := e.client.again(e.ctx, &request{method: http.MethodGet}, failure, e.tries)
		if !again || !sleep(e.ctx, wait) {
			return failure
		}
		e.tries++
		err := e.connect()
		if err == nil {
			return nil
		}
		if errors.Is(err, rentroll.CodeValidationFailed) {
			return failure // a server that knows nothing of going on
		}
		failure = err
	}
}

// place is where an event stands in an export.
type place struct {
	Time time.Time        `json:"time"`
	ID   rentroll.UsageID `json:"id"`
}

func placeOf(line []byte) (p place, err error) {
	err = json.Unmarshal(line, &p)
	return p, err
}

// behind reports whether an event comes after another one.
func (p place) behind(other place) bool {
	return p.Time.After(other.Time) || p.Time.Equal(other.Time) && p.ID.String() > other.ID.String()
}

// next returns the line of the next event, until the next call; io.EOF says that all have come.
func (e *Export) next() ([]byte, error) {
	for {
		line, err := e.line()
		switch {
		case err == nil:
			e.last = append(e.last[:0], line...)
			e.events, e.here, e.tries = e.events+1, e.here+1, 0
			return e.last, nil
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		}
		if err := e.again(err); err != nil {
			return nil, err
		}
	}
}

// line reads a line of this connection. io.EOF says that it was the last, which tells how many there were.
func (e *Export) line() ([]byte, error) {
	line, err := e.lines.ReadBytes('\n')
	switch {
	case errors.Is(err, io.EOF):
		return nil, errCutOff
	case err != nil:
		return nil, err
	}
	if bytes.HasPrefix(line, []byte(`{"events":`)) {
		var last struct {
			Events int64 `json:"events"`
		}
		if json.Unmarshal(line, &last) != nil || last.Events != e.here {
			return nil, errCutOff
		}
		return nil, io.EOF
	}
	if e.here == 0 && e.last != nil { // gone on
		before, err := placeOf(e.last)
		if now, wrong := placeOf(line); err != nil || wrong != nil || !now.behind(before) {
			return nil, &Error{Code: rentroll.CodeInternal, Status: http.StatusOK, Message: "the export does not go on where it broke off"}
		}
	}
	return line, nil
}

// Read reads the export. io.EOF says that all of it has come.
func (e *Export) Read(p []byte) (int, error) {
	if len(e.ready) == 0 && e.end == nil {
		e.fill()
	}
	if len(e.ready) == 0 {
		return 0, e.end
	}
	n := copy(p, e.ready)
	e.ready = e.ready[n:]
	return n, nil
}

// fill makes ready what has come, and waits for one event at most.
func (e *Export) fill() {
	const enough = 64 << 10
	e.ready = e.ready[:0]
	for len(e.ready) == 0 || e.lines.Buffered() > 0 && len(e.ready) < enough {
		line, err := e.next()
		switch {
		case err == nil && e.csv:
			var row rentroll.ExportedUsage
			if e.end = json.Unmarshal(line, &row); e.end != nil {
				return
			}
			e.ready = csvrow.AppendEvent(e.ready, &row)
		case err == nil:
			e.ready = append(e.ready, line...)
		case errors.Is(err, io.EOF) && !e.csv:
			e.ready = append(e.ready, `{"events":`+strconv.FormatInt(e.events, 10)+"}\n"...)
			fallthrough
		default:
			e.end = err
			return
		}
	}
}

// Events is how many events have come so far.
func (e *Export) Events() int64 { return e.events }

// Close ends the export, read or not.
func (e *Export) Close() error {
	e.disconnect()
	return nil
}

func (e *Export) disconnect() {
	if e.in != nil {
		_ = e.in.Close() // which has nothing to say that Read has not said
	}
}

// ExportUsage reads single usage events, in the order of their times. The last pair has an error where not all of them have
// come.
func (c *Client) ExportUsage(ctx context.Context, tenant string, p ExportUsageParams) iter.Seq2[*rentroll.ExportedUsage, error] {
	return func(yield func(*rentroll.ExportedUsage, error) bool) {
		export, err := c.OpenUsageExport(ctx, tenant, p, FormatLines)
		if err != nil {
			yield(nil, err)
			return
		}
		defer export.Close()
		for {
			line, err := export.next()
			if errors.Is(err, io.EOF) {
				return
			}
			row := &rentroll.ExportedUsage{}
			if err == nil {
				err = json.Unmarshal(line, row)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// GetStatementCSV reads the statement of a period as CSV: a header, a row for each line and each adjustment.
func (c *Client) GetStatementCSV(ctx context.Context, tenant, period string) ([]byte, error) {
	var out text
	_, err := c.do(ctx, &request{
		method: http.MethodGet, path: []string{"v1", "tenants", tenant, "statements", period}, query: url.Values(query{}.set("format", FormatCSV)),
	}, &out)
	return out, err
}

// text is an answer that is no JSON, kept as it came.
type text []byte
