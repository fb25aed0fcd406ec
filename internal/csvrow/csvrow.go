// Package csvrow writes usage and statements as CSV, with the same columns wherever they are to be had.
package csvrow

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rentroll/rentroll"
)

// The columns of exports. They keep their names and their order; new ones come at the end.
var (
	EventColumns = []string{
		"id", "tenant_id", "meter", "amount", "unit", "time", "recorded_at", "statement", "adjusts", "worker_id", "api_key_id", "run_id",
		"event_id", "corrects", "dimensions", "metadata",
	}
	StatementColumns = []string{
		"statement", "tenant_id", "final", "kind", "period", "meter", "display_name", "aggregation", "quantity", "unit", "events",
		"price_micros", "price_per", "amount_micros",
	}
)

// AppendRow appends a row of CSV by RFC 4180, of fields that are written as they are.
func AppendRow(b []byte, fields ...string) []byte {
	for i, f := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		if !strings.ContainsAny(f, "\",\r\n") {
			b = append(b, f...)
			continue
		}
		b = append(b, '"')
		b = append(b, strings.ReplaceAll(f, `"`, `""`)...)
		b = append(b, '"')
	}
	return append(b, '\r', '\n')
}

// special is what a formula may begin with, in East Asian spreadsheets also in full width, and the apostrophe, so that inert can
// be undone.
const special = "=+-@'\t\r\n＝＋－＠"

// inert keeps a text that callers made up from being a formula to a spreadsheet. It can be undone: a reader takes away one
// leading apostrophe.
func inert[T ~string](text T) string {
	first, size := utf8.DecodeRuneInString(string(text))
	if size > 0 && strings.ContainsRune(special, first) {
		return "'" + string(text)
	}
	return string(text)
}

func stampOf(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func number(n int64) string { return strconv.FormatInt(n, 10) }

// AppendEvent appends the row of an event.
func AppendEvent(b []byte, e *rentroll.ExportedUsage) []byte {
	dimensions := ""
	if len(e.Dimensions) > 0 {
		text, err := json.Marshal(e.Dimensions) // with its names in order
		if err != nil {
			panic("csvrow: texts have no JSON form: " + err.Error())
		}
		dimensions = string(text)
	}
	metadata := string(e.Metadata)
	if metadata == "null" { // as a client has it that has read JSON
		metadata = ""
	}
	name := func(id interface {
		IsZero() bool
		String() string
	},
	) string {
		if id.IsZero() {
			return ""
		}
		return id.String()
	}
	return AppendRow(b,
		e.ID.String(), e.TenantID.String(), e.Meter, number(e.Amount), inert(e.Unit), stampOf(e.Time), stampOf(e.RecordedAt), e.Statement,
		string(e.Adjusts), inert(e.WorkerID), name(e.APIKeyID), name(e.RunID), inert(e.EventID), inert(e.Corrects), dimensions,
		metadata,
	)
}

// Statement is a statement as CSV: a row for each line and each adjustment, whose amounts add up to its total.
func Statement(st *rentroll.Statement) []byte {
	b := AppendRow(nil, StatementColumns...)
	add := func(kind string, lines []rentroll.StatementLine) {
		for _, l := range lines {
			price := ""
			if l.PriceMicros != nil {
				price = number(*l.PriceMicros)
			}
			b = AppendRow(b, st.Period, st.TenantID.String(), strconv.FormatBool(st.Final), kind, l.Period, l.Meter, inert(l.DisplayName),
				string(l.Aggregation), number(l.Quantity), inert(l.Unit), number(l.Count), price, number(l.PricePer), number(l.AmountMicros))
		}
	}
	add("line", st.Lines)
	add("adjustment", st.Adjustments)
	return b
}
