package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// line is one figure of the table.
type line struct {
	what   string // the operation
	load   string // callers and tenants
	figure string // what was measured
	by     string // what it is compared with
	ratio  string
	target string // "" where there is none
	met    verdict
}

// verdict says how a figure stands to its target.
type verdict struct {
	ok     bool
	missed string // by how much
}

// atLeast and atMost judge a figure.
func atLeast(value, target float64) verdict {
	return verdict{value >= target, fmt.Sprintf("missed by %.0f %%", 100*(target-value)/target)}
}

func atMost(value, target float64) verdict {
	return verdict{value <= target, fmt.Sprintf("missed by %.0f %%", 100*(value-target)/target)}
}

func (v verdict) String() string {
	if v.ok {
		return "met"
	}
	return "**" + v.missed + "**"
}

func (l line) markdown() string {
	met := ""
	if l.target != "" {
		met = l.met.String()
	}
	return "| " + strings.Join([]string{l.what, l.load, l.figure, l.by, l.ratio, l.target, met}, " | ") + " |"
}

// table is what the program writes.
type table struct{ lines []line }

func (*table) header() string {
	return "| operation | callers × tenants | figure | compared with | ratio | target | |\n|---|---|---|---|---|---|---|"
}

// The table stands between these in the file.
const (
	tableBegins = "<!-- table: written by go run ./bench -readme bench/README.md -->"
	tableEnds   = "<!-- end of table -->"
)

// write replaces the table in a file.
func (t *table) write(path, caption string) error {
	text, err := os.ReadFile(path) //nolint:gosec // the file is a flag
	if err != nil {
		return fmt.Errorf("table: %w", err)
	}
	head, rest, found := strings.Cut(string(text), tableBegins)
	_, tail, closed := strings.Cut(rest, tableEnds)
	if !found || !closed {
		return errors.New("table: " + path + " has no place for the table: " + tableBegins + " … " + tableEnds)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s\n%s.\n\n%s\n", head, tableBegins, caption, t.header())
	for _, l := range t.lines {
		b.WriteString(l.markdown() + "\n")
	}
	b.WriteString(tableEnds + tail)
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("table: %w", err)
	}
	return nil
}

// perSecond, micros and times write figures for people.
func perSecond(v float64) string { return grouped3(v) + "/s" }

func micros(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%.1f ms", v/1000)
	}
	return fmt.Sprintf("%.0f µs", v)
}

func times(v float64) string { return fmt.Sprintf("%.2f×", v) }

// grouped3 writes a whole number with its digits in groups of three.
func grouped3(v float64) string {
	digits := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
