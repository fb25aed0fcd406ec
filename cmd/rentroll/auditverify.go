package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/rentroll/rentroll"
)

type auditVerify struct {
	AuditOf

	File      string `placeholder:"FILE" help:"Verify this export (- for standard input) instead of what the server has. Needs no server."`
	Head      string `placeholder:"FILE" help:"File with a signed head, as rentroll audit head --json prints it, that the audit must contain unaltered."`
	PublicKey string `placeholder:"FILE" help:"File with the public key (PEM) by which the head, or that of the export, must be signed."`
}

// Help says what is proved.
func (c *auditVerify) Help() string {
	return `Each change holds a hash over itself and the change before it, and the tenant's account holds the hash of the last one. ` +
		`Whoever can write the whole database could make all of it anew, but not past a head that was signed and kept elsewhere: give ` +
		`that with --head and --public-key.

The exit code is 0 where the audit holds, and 1 where it does not.`
}

func (c *auditVerify) offline() bool { return c.File != "" }

// Run verifies.
func (c *auditVerify) Run(ctx context.Context, s *session) error {
	switch {
	case c.File != "" && (c.Tenant != "" || c.Platform):
		return usagef("give a tenant, --platform or --file: an export says whose it is")
	case c.File == "" && c.check() != nil:
		return c.check()
	case c.Head != "" && c.PublicKey == "":
		return usagef("--head needs --public-key, by which it was signed")
	}
	signed, err := c.signedHead()
	if err != nil {
		return err
	}
	verify := c.remotely
	if c.File != "" {
		verify = c.locally
	}
	v, err := verify(ctx, s, signed)
	if err != nil {
		return err
	}
	if signed != nil && signed.TenantID != v.TenantID {
		return errors.New("the signed head is not that of this audit, but another one's")
	}
	if err := c.checkCheckpoint(v, signed); err != nil {
		return err
	}
	if err := s.print(nil, func() error { return s.showVerification(v, signed) }); err != nil {
		return err
	}
	if v.Verdict != rentroll.AuditHolds || v.HeadPruned {
		return quietError{exitFailure}
	}
	return nil
}

// checkCheckpoint checks that the checkpoint of a pruned audit was signed by the key that was given.
func (c *auditVerify) checkCheckpoint(v *rentroll.AuditVerification, signed *rentroll.AuditHead) error {
	switch {
	case c.PublicKey == "" || v.Verdict != rentroll.AuditHolds:
		return nil
	case v.Checkpoint == nil && signed == nil && c.File == "":
		return usagef("--public-key needs --head: nothing else of this audit is signed")
	case v.Checkpoint == nil:
		return nil
	}
	key, err := readPublicKey(c.PublicKey)
	if err != nil {
		return fmt.Errorf("--public-key: %w", err)
	}
	if err := v.Checkpoint.Verify(key); err != nil {
		return fmt.Errorf("rows up to %s were pruned, and %w", number(v.Checkpoint.Sequence), err)
	}
	v.CheckpointSignature = rentroll.NullString(rentroll.CheckpointSigned)
	return nil
}

// signedHead reads the head that must be contained, and checks its signature; nil where none is given.
func (c *auditVerify) signedHead() (*rentroll.AuditHead, error) {
	if c.Head == "" {
		return nil, nil
	}
	key, err := readPublicKey(c.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("--public-key: %w", err)
	}
	data, err := os.ReadFile(filepath.Clean(c.Head))
	if err != nil {
		return nil, fmt.Errorf("--head: %w", err)
	}
	head := &rentroll.AuditHead{}
	if err := json.Unmarshal(data, head); err != nil {
		return nil, fmt.Errorf("--head: %s holds no head: %w", c.Head, err)
	}
	if err := head.Verify(key); err != nil {
		return nil, fmt.Errorf("--head: %s: %w", c.Head, err)
	}
	return head, nil
}

// remotely has the server verify what it has, call by call.
func (c *auditVerify) remotely(ctx context.Context, s *session, signed *rentroll.AuditHead) (*rentroll.AuditVerification, error) {
	progress := s.progress("verified")
	defer progress.end()
	if signed != nil && signed.Sequence == 0 {
		signed = nil // of an audit without rows: any contains it
	}
	for cursor := ""; ; {
		v, err := s.api.VerifyAudit(ctx, c.Tenant, signed, cursor)
		if err != nil || v.Verdict != rentroll.AuditUnfinished {
			return v, err
		}
		done := v.Rows
		if v.Checkpoint != nil {
			done += v.Checkpoint.Sequence
		}
		progress.at(done, v.Total)
		cursor = string(v.NextCursor)
	}
}

// locally verifies an export.
func (c *auditVerify) locally(_ context.Context, s *session, signed *rentroll.AuditHead) (*rentroll.AuditVerification, error) {
	in := s.std.in
	if c.File != "-" {
		file, err := os.Open(filepath.Clean(c.File))
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	v, end, err := verifyExport(in, signed, s.progress("verified"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	if c.Head == "" && c.PublicKey != "" {
		key, err := readPublicKey(c.PublicKey)
		if err != nil {
			return nil, fmt.Errorf("--public-key: %w", err)
		}
		if err := end.Verify(key); err != nil {
			return nil, fmt.Errorf("%s: %w", c.File, err)
		}
	}
	s.body, err = json.Marshal(v)
	return v, err
}

// exportLine is a line of an export: a row, before the first one the checkpoint where there is one, or behind the last one
// the head.
type exportLine struct {
	*rentroll.AuditRow

	Checkpoint *rentroll.AuditCheckpoint `json:"checkpoint"`
	Head       *rentroll.AuditHead       `json:"head"`
}

// verifyExport follows the rows of an export up to its head, which it returns.
func verifyExport(in io.Reader, signed *rentroll.AuditHead, progress *progress) (*rentroll.AuditVerification, *rentroll.AuditHead, error) {
	defer progress.end()
	check := rentroll.AuditCheck{Signed: signed}
	lines := json.NewDecoder(bufio.NewReaderSize(in, 1<<16))
	lines.DisallowUnknownFields()
	for n := int64(1); ; n++ {
		var line exportLine
		err := lines.Decode(&line)
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil, errors.New("the export is not complete: it does not end with a head")
		case err != nil:
			return nil, nil, fmt.Errorf("line %d: %w", n, err)
		case line.Checkpoint != nil && n == 1 && line.Head == nil && line.AuditRow == nil:
			check.Checkpoint = line.Checkpoint
			continue
		case line.Checkpoint != nil || line.Head == nil && line.AuditRow == nil:
			return nil, nil, fmt.Errorf("line %d is no row of an export", n)
		case line.Head == nil:
			check.Add(line.AuditRow)
			if n%10_000 == 0 {
				progress.at(n, 0)
			}
			continue
		}
		if err := lines.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
			return nil, nil, fmt.Errorf("line %d is behind the head, which ends an export", n+1)
		}
		return check.Verification(line.Head), line.Head, nil
	}
}

// showVerification says for people how it came out.
func (s *session) showVerification(v *rentroll.AuditVerification, signed *rentroll.AuditHead) error {
	var b strings.Builder
	if v.Broken != nil {
		fmt.Fprintf(&b, "The audit is broken at row %s: %s: %s.\n", number(v.Broken.Sequence), v.Broken.Fault, v.Broken.Detail)
	} else {
		fmt.Fprintf(&b, "The audit holds: %s.\n", counted(v.Rows, "row"))
		if signed != nil && !v.HeadPruned {
			fmt.Fprintf(&b, "It contains the signed head of row %s, of %s.\n", number(signed.Sequence), s.when(signed.At))
		}
	}
	if p := v.Checkpoint; p != nil && v.Broken == nil {
		fmt.Fprintf(&b, "Rows 1 to %s were pruned at %s; the chain goes on from the checkpoint, which is %s.\n", number(p.Sequence), s.when(p.At), signedBy(v))
	}
	if v.HeadPruned && signed != nil {
		fmt.Fprintf(&b, "The row of the signed head, %s, was pruned: whether it was the one that was signed can't be told any more.\n", number(signed.Sequence))
	}
	switch {
	case v.ChainedFrom == 0 && v.Rows > 0:
		b.WriteString("None of them are chained: they were written before there was a chain, and only their numbers are known.\n")
	case v.ChainedFrom > 1:
		fmt.Fprintf(&b, "The chain begins with row %s: of those before it, only the numbers are known.\n", number(v.ChainedFrom))
	}
	if v.Erased > 0 {
		fmt.Fprintf(&b, "The personal data of %s was erased.\n", counted(v.Erased, "row"))
	}
	_, err := io.WriteString(s.std.out, b.String())
	return err
}

// signedBy says by whom a checkpoint is signed.
func signedBy(v *rentroll.AuditVerification) string {
	switch rentroll.CheckpointSignature(v.CheckpointSignature) {
	case rentroll.CheckpointSigned:
		return "signed by " + string(v.Checkpoint.KeyID)
	case rentroll.CheckpointUnsigned:
		return "not signed"
	default:
		return "signed by another key, " + string(v.Checkpoint.KeyID) + " (give that with --public-key)"
	}
}

// counted is a number of things.
func counted(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return number(n) + " " + thing
}

// progress tells on a terminal how far something long has come; elsewhere it says nothing.
type progress struct {
	out   io.Writer // nil where nobody looks
	did   string
	noun  string // what is counted; "" is rows
	shown bool
}

func (s *session) progress(did string) *progress {
	p := &progress{did: did}
	if s.std.errTTY {
		p.out = s.std.err
	}
	return p
}

// at tells how many rows are done, of how many where that is known.
func (p *progress) at(rows, total int64) {
	if p.out == nil {
		return
	}
	noun := cmp.Or(p.noun, "rows")
	text := fmt.Sprintf("\r\x1b[K%s %s %s", p.did, number(rows), noun)
	if total > 0 {
		text = fmt.Sprintf("\r\x1b[K%s %s of %s %s", p.did, number(rows), number(total), noun)
	}
	_, _ = io.WriteString(p.out, text) // who does not see it misses nothing
	p.shown = true
}

// end takes the line away.
func (p *progress) end() {
	if p.shown {
		_, _ = io.WriteString(p.out, "\r\x1b[K")
	}
}
