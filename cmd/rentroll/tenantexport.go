package main

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rentroll/rentroll"
)

type tenantExport struct {
	ofTenant

	Out string `placeholder:"FILE" type:"path" help:"Where to write, such as acme.zip. The file appears when all of it is there. Default: standard output."`
}

// Help says what is in it.
func (c *tenantExport) Help() string {
	return `A zip archive of JSON Lines, one file a kind: tenant, quotas, members, users, workers, api_keys (never secrets), subjects, meters, runs, usage_events, statements, events, denials, audit, ` +
		`and contents, which says how many rows each has. It needs an operator key with tenant:export. "rentroll audit verify --file" verifies the audit of it.`
}

// Run exports.
func (c *tenantExport) Run(ctx context.Context, s *session) error {
	if c.Out == "" && s.std.outTTY {
		return usagef("an archive is nothing to look at: name a file with --out")
	}
	archive, err := s.api.OpenTenantExport(ctx, c.Tenant)
	if err != nil {
		return err
	}
	defer archive.Close()
	progress := s.progress("exported")
	progress.noun = "KiB"
	defer progress.end()
	in := &watchedArchive{in: archive, tell: progress}
	if c.Out == "" {
		_, err := io.Copy(s.std.out, in)
		return err
	}
	var contents []rentroll.ExportedFile
	err = writeWhole(c.Out, in, func(f *os.File) (err error) {
		contents, err = contentsOf(f)
		return err
	})
	if err != nil {
		return err
	}
	progress.end()
	return list(s, noPaging, everything(contents, nil), []column[rentroll.ExportedFile]{
		{"file", false, func(f rentroll.ExportedFile) string { return f.File }},
		{"rows", true, func(f rentroll.ExportedFile) string { return number(f.Rows) }},
	})
}

// contentsOf reads what an archive says of itself: only one that is whole does.
func contentsOf(f *os.File) (out []rentroll.ExportedFile, err error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	archive, err := zip.NewReader(f, size)
	if err != nil {
		return nil, fmt.Errorf("the export was cut off: %w", err)
	}
	contents, err := archive.Open("contents.jsonl")
	if err != nil {
		return nil, fmt.Errorf("the export is not whole: %w", err)
	}
	defer contents.Close()
	for rows := json.NewDecoder(contents); ; {
		var row rentroll.ExportedFile
		switch err := rows.Decode(&row); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("the export is not whole: %w", err)
		}
		out = append(out, row)
	}
}

// watchedArchive tells how much was read.
type watchedArchive struct {
	in   io.Reader
	all  int64
	tell *progress
}

// Read reads on.
func (w *watchedArchive) Read(p []byte) (int, error) {
	n, err := w.in.Read(p)
	w.all += int64(n)
	w.tell.at(w.all>>10, 0)
	return n, err
}
