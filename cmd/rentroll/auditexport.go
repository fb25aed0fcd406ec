package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"

	"github.com/rentroll/rentroll"
)

type auditHead struct{ AuditOf }

// Run shows the head.
func (c *auditHead) Run(ctx context.Context, s *session) error {
	if err := c.check(); err != nil {
		return err
	}
	h, err := s.api.AuditHead(ctx, c.Tenant)
	return s.print(err, func() error {
		err := s.printFields([]field{
			{"tenant", id(h.TenantID)},
			{"sequence", number(h.Sequence)},
			{"hash", h.Hash.String()},
			{"at", s.when(h.At)},
			{"key id", plain(h.KeyID)},
			{"signature", plain(h.Signature)},
		})
		if err == nil && h.Signature == "" {
			_, err = fmt.Fprintln(s.std.err, "It is not signed: the server has no key (serve --audit-signing-key-file).")
		}
		return err
	})
}

type auditExport struct{ AuditOf }

// Help says what comes out.
func (c *auditExport) Help() string {
	return `A line is one change as JSON. The first line is the checkpoint, where older changes were pruned; the last line is the head, so that an export which was cut is recognized. It is read page by ` +
		`page: changes that are made meanwhile are in it, and nothing else waits for it.`
}

// Run writes the export.
func (c *auditExport) Run(ctx context.Context, s *session) error {
	if err := c.check(); err != nil {
		return err
	}
	progress := s.progress("exported")
	if s.std.outTTY {
		progress.out = nil // the rows are to be seen themselves
	}
	defer progress.end()
	out := bufio.NewWriter(s.std.out)
	page, rows := rentroll.Page{Limit: rentroll.MaxPageSize}, int64(0)
	for {
		found, err := s.api.ExportAudit(ctx, c.Tenant, page)
		if err != nil {
			return err
		}
		if err := writeLines(out, s.body); err != nil {
			return err
		}
		if found.Head != nil {
			return nil
		}
		rows += int64(len(found.Items))
		progress.at(rows, 0)
		page.Cursor = string(found.NextCursor)
	}
}

// writeLines writes the rows of a page as the server wrote them, and its head if it has one.
func writeLines(out *bufio.Writer, body []byte) error {
	var page struct {
		Checkpoint json.RawMessage   `json:"checkpoint"`
		Items      []json.RawMessage `json:"items"`
		Head       json.RawMessage   `json:"head"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return err
	}
	if len(page.Checkpoint) > 0 && string(page.Checkpoint) != "null" {
		_, _ = fmt.Fprintf(out, `{"checkpoint":%s}`+"\n", page.Checkpoint) // Flush tells
	}
	for _, item := range page.Items {
		_, _ = out.Write(item) // Flush tells
		_ = out.WriteByte('\n')
	}
	if string(page.Head) != "null" {
		_, _ = fmt.Fprintf(out, `{"head":%s}`+"\n", page.Head)
	}
	return out.Flush()
}
