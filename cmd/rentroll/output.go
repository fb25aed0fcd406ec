package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/rentroll/rentroll"
)

// column is one column of a table of T.
type column[T any] struct {
	title string
	right bool // as numbers are read
	cell  func(T) string
}

// printTable prints rows for people; no rows are said so.
func printTable[T any](s *session, items []T, columns []column[T]) error {
	if len(items) == 0 {
		_, err := fmt.Fprintln(s.std.err, "There is nothing to show.")
		return err
	}
	w := newTable()
	header := make(table.Row, len(columns))
	configs := make([]table.ColumnConfig, len(columns))
	for i, c := range columns {
		header[i] = c.title
		configs[i] = table.ColumnConfig{Number: i + 1}
		if c.right {
			configs[i].Align, configs[i].AlignHeader = text.AlignRight, text.AlignRight
		}
	}
	w.AppendHeader(header)
	w.SetColumnConfigs(configs)
	for _, item := range items {
		row := make(table.Row, len(columns))
		for i, c := range columns {
			row[i] = printable(c.cell(item))
		}
		w.AppendRow(row)
	}
	return s.render(w)
}

// field is one line about an object.
type field struct{ name, value string }

// printFields prints an object for people; fields without a value are left out.
func (s *session) printFields(fields []field) error {
	w := newTable()
	for _, f := range fields {
		if f.value != "" {
			w.AppendRow(table.Row{f.name, printable(f.value)})
		}
	}
	return s.render(w)
}

// newTable returns a table without lines: columns with two spaces between them.
func newTable() table.Writer {
	w := table.NewWriter()
	style := table.StyleDefault
	style.Box = table.BoxStyle{PaddingRight: "  "}
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header = text.FormatUpper
	w.SetStyle(style)
	return w
}

func (s *session) render(w table.Writer) error {
	var b strings.Builder
	for line := range strings.SplitSeq(w.Render(), "\n") {
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := fmt.Fprint(s.std.out, b.String())
	return err
}

// printable keeps what callers made up from moving the cursor of a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

// clip shortens text that would make a table too wide.
func clip(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most-1]) + "…"
}

// number groups the digits of a number.
func number(n int64) string { return humanize.Comma(n) }

// maybe is a number that may be unknown.
func maybe(n *int64) string {
	if n == nil {
		return ""
	}
	return number(*n)
}

// limit is a limit, nil for none.
func limit(n *int64) string {
	if n == nil {
		return "unlimited"
	}
	return number(*n)
}

// ago is an instant in a table: how long ago it was, or will be.
func (s *session) ago(t time.Time) string {
	if s.utc {
		return t.UTC().Format("2006-01-02 15:04:05Z")
	}
	return humanize.RelTime(t, s.now, "ago", "from now")
}

// agoOr is an instant that may not have come.
func (s *session) agoOr(t *time.Time, none string) string {
	if t == nil {
		return none
	}
	return s.ago(*t)
}

// when is an instant where there is room for all of it.
func (s *session) when(t time.Time) string {
	if s.utc {
		return s.ago(t)
	}
	return fmt.Sprintf("%s (%s)", t.Local().Format("2006-01-02 15:04:05 MST"), s.ago(t))
}

func (s *session) whenOr(t *time.Time) string {
	if t == nil {
		return ""
	}
	return s.when(*t)
}

// id is an id that may be none.
func id[T interface {
	IsZero() bool
	String() string
}](v T) string {
	if v.IsZero() {
		return ""
	}
	return v.String()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// money is a cost in millionths of the currency unit.
func money(micros *int64) string {
	if micros == nil {
		return ""
	}
	const unit = 1_000_000
	return fmt.Sprintf("%s.%04d", number(*micros/unit), *micros%unit/100)
}

// milliseconds is a span of time.
func milliseconds(ms *int64) string {
	if ms == nil {
		return ""
	}
	return (time.Duration(*ms) * time.Millisecond).Round(10 * time.Millisecond).String()
}

// plain is a string that may be none.
func plain(s rentroll.NullString) string { return string(s) }
