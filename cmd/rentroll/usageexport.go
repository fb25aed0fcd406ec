package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/rentroll/rentroll/client"
)

type usageExport struct {
	ofTenant

	Start     instant `placeholder:"TIME" help:"From then on. Default: the beginning of the present billing month."`
	End       instant `placeholder:"TIME" help:"Until then. Default: now."`
	Statement string  `placeholder:"PERIOD" help:"The events that stand on the statement of this period instead, adjustments included, such as 2026-11-01."`
	Meter     string  `placeholder:"METER" help:"Only events of this meter."`
	Format    string  `enum:"csv,jsonl" default:"jsonl" help:"csv, or jsonl for JSON Lines. Default: ${default}."`
	Out       string  `placeholder:"FILE" type:"path" help:"Where to write. The file appears when all of it is there. Default: standard output."`
}

// Help says how to tell that an export is whole.
func (c *usageExport) Help() string {
	return `The events come as a stream, in the order of their times. Where the connection breaks off, it goes on behind the last event that has come; ` +
		`if it can't, the exit code is not 0, and no FILE is left. The last line of JSON Lines is the number of events. In CSV one leading apostrophe of a text is to be taken away: it keeps spreadsheets from running formulas.`
}

// Run exports.
func (c *usageExport) Run(ctx context.Context, s *session) error {
	export, err := s.api.OpenUsageExport(ctx, c.Tenant, client.ExportUsageParams{
		Start: c.Start.Time, End: c.End.Time, Statement: c.Statement, Meter: c.Meter,
	}, c.Format)
	if err != nil {
		return err
	}
	defer export.Close()
	progress := s.progress("exported")
	progress.noun = "events"
	if c.Out == "" && s.std.outTTY {
		progress.out = nil // the events are to be seen themselves
	}
	defer progress.end()
	watched := &watchedExport{export, progress}
	if c.Out == "" {
		_, err := io.Copy(s.std.out, watched)
		return err
	}
	return writeWhole(c.Out, watched, nil)
}

// watchedExport tells how many events have been read.
type watchedExport struct {
	*client.Export

	progress *progress
}

// Read reads on.
func (w *watchedExport) Read(p []byte) (int, error) {
	n, err := w.Export.Read(p)
	w.progress.share(w.Events(), w.Expected)
	return n, err
}

// writeWhole writes a file that is there only when all of it is, and check, if there is one, finds it good.
func writeWhole(path string, in io.Reader, check func(*os.File) error) (err error) {
	part, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".part-*")
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	defer func() {
		if err != nil {
			_ = part.Close()
			_ = os.Remove(part.Name())
		}
	}()
	if _, err = io.Copy(part, in); err != nil {
		return err
	}
	if check != nil {
		err = check(part)
	}
	if err == nil {
		err = part.Sync()
	}
	if err == nil {
		err = part.Close()
	}
	if err == nil {
		err = os.Rename(part.Name(), path)
	}
	return err
}

// share tells how much of so many rows is done, with a bar where it is known how many there are.
func (p *progress) share(rows, total int64) {
	if total <= 0 || p.out == nil {
		p.at(rows, 0)
		return
	}
	const width = 30
	done := int(min(rows, total) * width / total)
	text := fmt.Sprintf("\r\x1b[K%s [%s%s] %d %% of %s %s", p.did, strings.Repeat("#", done), strings.Repeat(" ", width-done),
		min(rows, total)*100/total, number(total), p.noun)
	_, _ = io.WriteString(p.out, text) // who does not see it misses nothing
	p.shown = true
}
