package client

import (
	"bufio"
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
)

// ExportUsageParams asks for single usage events: those of [Start, End), or those of a statement.
type ExportUsageParams struct {
	Start, End time.Time // zero times stand for the current billing month so far
	Statement  string    // the events of the statement of this period instead
	Meter      string    // "" for all
}

func (p ExportUsageParams) query(format string) url.Values {
	return url.Values(query{}.set("start", instant(p.Start)).set("end", instant(p.End)).set("statement", p.Statement).set("meter", p.Meter).
		set("format", format))
}

// The forms of an export.
const (
	FormatCSV   = "csv"
	FormatLines = "jsonl" // JSON Lines, at last one with the number of events
)

// errCutOff is the error of an export of which not all has come.
var errCutOff = &Error{Code: rentroll.CodeUnavailable, Message: "the export was cut off: not all events have come"}

// Export is an export on its way. Close it.
type Export struct {
	Expected int64 // about how many events will come

	answer  *http.Response
	idle    *time.Timer
	timeout time.Duration
	stop    context.CancelFunc
}

// OpenUsageExport begins an export of usage events, in FormatCSV or FormatLines. It may take as long as it will, but no longer
// than Options.Timeout without a byte. Nothing of it is sent again: who is cut off begins anew.
func (c *Client) OpenUsageExport(ctx context.Context, tenant string, p ExportUsageParams, format string) (*Export, error) {
	target, err := c.target(&request{path: []string{"v1", "tenants", tenant, "usage", "events"}, query: p.query(format)})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		stop()
		return nil, &Error{Code: rentroll.CodeMalformedRequest, Message: "the request can't be made", cause: err}
	}
	c.header(req.Header, &request{method: http.MethodGet}, nil)
	req.Header.Set("Accept", "text/csv, application/x-ndjson, application/problem+json")
	out := &Export{stop: stop, timeout: c.opts.Timeout, idle: time.AfterFunc(c.opts.Timeout, stop)}
	if out.answer, err = c.opts.HTTPClient.Do(req); err != nil { //nolint:bodyclose // Export.Close does it
		out.idle.Stop()
		stop()
		return nil, lost(err)
	}
	if out.answer.StatusCode != http.StatusOK {
		defer out.Close()
		body, err := io.ReadAll(io.LimitReader(out.answer.Body, maxAnswer))
		if err != nil {
			return nil, lost(err)
		}
		return nil, refused(out.answer, body)
	}
	out.Expected, _ = strconv.ParseInt(out.answer.Header.Get("Rentroll-Expected-Events"), 10, 64) // 0 where there is none
	return out, nil
}

// Read reads the export. io.EOF says that all of it has come.
func (e *Export) Read(p []byte) (int, error) {
	e.idle.Reset(e.timeout)
	n, err := e.answer.Body.Read(p)
	if errors.Is(err, io.EOF) && e.answer.Trailer.Get("Rentroll-Events") == "" {
		return n, errCutOff
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return n, lost(err)
	}
	return n, err
}

// Close ends the export, read or not.
func (e *Export) Close() error {
	e.idle.Stop()
	err := e.answer.Body.Close()
	e.stop()
	return err
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
		lines := bufio.NewReader(export)
		for {
			line, err := lines.ReadBytes('\n')
			if errors.Is(err, io.EOF) {
				return
			}
			var row struct {
				rentroll.ExportedUsage

				Events *int64 `json:"events"` // of the last line
			}
			if err == nil {
				err = json.Unmarshal(line, &row)
			}
			switch {
			case err != nil:
				yield(nil, err)
				return
			case row.Events == nil && !yield(&row.ExportedUsage, nil):
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
