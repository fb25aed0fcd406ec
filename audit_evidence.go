package rentroll

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"math"
)

// How much of a chain one snapshot reads, and how much one call of VerifyAudit follows: whoever verifies holds up nobody,
// and nobody waits long for an answer.
const (
	auditPage        = 1000
	auditPagesAtOnce = 20
)

// AuditVerdict says how a verification stands.
type AuditVerdict string

// The verdicts.
const (
	AuditHolds      AuditVerdict = "holds"
	AuditBroken     AuditVerdict = "broken"
	AuditUnfinished AuditVerdict = "unfinished" // it holds so far, and NextCursor goes on
)

// AuditVerification is the answer of VerifyAudit.
type AuditVerification struct {
	TenantID    TenantID     `json:"tenant_id"` // null for the platform
	Verdict     AuditVerdict `json:"verdict"`
	Broken      *AuditBreak  `json:"broken"`       // the first place where the chain does not hold; null where it does
	Rows        int64        `json:"rows"`         // how many rows held, from the first on that was not pruned, those of earlier pages included
	Total       int64        `json:"total"`        // how many the account has written
	ChainedFrom int64        `json:"chained_from"` // the first chained row: of those before it, only the numbers are known; 0 for none
	Erased      int64        `json:"erased"`       // rows whose personal data was erased
	Hash        AuditHash    `json:"hash"`         // of the last row that held
	NextCursor  NullString   `json:"next_cursor"`  // null where the verification is finished

	Checkpoint          *AuditCheckpoint `json:"checkpoint"`           // the rows up to it were pruned; null where none were
	CheckpointSignature NullString       `json:"checkpoint_signature"` // valid, unsigned, or unverified: signed by another key than the one at hand; null where there is no checkpoint
	HeadPruned          bool             `json:"head_pruned"`          // the row of the head that was asked for was pruned: nobody can say whether it was the right one
}

// VerifyAuditParams asks whether a chain holds.
type VerifyAuditParams struct {
	TenantID TenantID   // zero for the platform
	Contains *AuditHead // a head that the chain must contain as well; its Sequence and Hash count. nil for none
	Cursor   string     // NextCursor of the call before; "" to begin
}

// VerifyAudit follows the chain of a tenant's audit, or the platform's, up to the account, and says where it does not
// hold, and how. A long chain takes several calls. The platform's needs an operator, a tenant's needs audit:read.
func (e *Engine) VerifyAudit(ctx context.Context, p VerifyAuditParams) (*AuditVerification, error) {
	account, err := e.auditOf(p.TenantID)
	if err != nil {
		return nil, err
	}
	var contained []byte
	if p.Contains != nil {
		contained = binary.BigEndian.AppendUint64(p.Contains.Hash[:], uint64(p.Contains.Sequence))
	}
	scope := cursorScope("audit/verify", account.String(), string(contained))
	walk := newAuditWalk(e, account, p.Contains)
	if p.Cursor != "" {
		position, ok := decodeCursor(scope, p.Cursor)
		if !ok || !walk.check.state.decode(position) {
			return nil, problems{{Field: "cursor", Message: "is not a cursor of this verification"}}.err()
		}
		walk.check.begun, walk.after = true, walk.check.state.last
	}
	for page := 0; !walk.check.ended && (page < auditPagesAtOnce || len(walk.check.behind) > 0); page++ {
		rows, more, err := walk.next(ctx)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			walk.check.Add(row)
		}
		if walk.check.done || !more {
			walk.check.End(walk.head)
		}
	}
	out := walk.check.verification()
	out.TenantID, out.Total = p.TenantID, walk.head.Sequence
	if !walk.check.ended {
		out.NextCursor = NullString(encodeCursor(scope, walk.check.state.encode()))
	}
	return out, nil
}

// auditWalk reads a chain, a page and a snapshot after the other.
type auditWalk struct {
	engine  *Engine
	account TenantID
	signed  *AuditHead
	check   *AuditCheck
	after   int64
	head    *AuditHead // of the last snapshot, so that rows which are written meanwhile confuse nobody
}

func newAuditWalk(e *Engine, account TenantID, signed *AuditHead) *auditWalk {
	return &auditWalk{engine: e, account: account, signed: signed, check: &AuditCheck{Signed: signed}, after: math.MinInt64}
}

// next reads the next page. Where rows were pruned since the last one, it begins anew behind the checkpoint.
func (w *auditWalk) next(ctx context.Context) (rows []*AuditRow, more bool, err error) {
	var now *AuditCheckpoint
	read := func(r Reader, a *Account, pruned *AuditCheckpoint) (err error) {
		w.head, now = headOf(a), pruned.public()
		w.meet(now)
		rows, err = r.AuditAfter(ctx, w.account, w.after, auditPage)
		return err
	}
	if err := w.engine.viewChain(ctx, w.account, read); err != nil {
		return nil, false, err
	}
	more = len(rows) == auditPage
	if len(rows) > 0 {
		w.after = rows[len(rows)-1].Sequence
	}
	rows, leftover := now.rest(rows)
	if leftover {
		w.after = max(w.after, now.Sequence)
		more = true
	}
	return rows, more, nil
}

// meet takes note of the checkpoint, which may be nil.
func (w *auditWalk) meet(now *AuditCheckpoint) {
	sequence := int64(0)
	if now != nil {
		sequence = now.Sequence
	}
	if w.check.begun && w.check.state.pruned != sequence {
		w.check, w.after = &AuditCheck{Signed: w.signed}, math.MinInt64
	}
	w.check.Checkpoint = now
	if key := w.engine.core.opts.AuditSigner; key != nil {
		w.check.Key, _ = key.Public().(ed25519.PublicKey)
	}
}

// read reads rows behind a sequence, but for those that were pruned and are not gone yet.
func (c *AuditCheckpoint) read(ctx context.Context, r Reader, account TenantID, after int64, limit int) ([]*AuditRow, error) {
	rows, err := r.AuditAfter(ctx, account, after, limit)
	if err != nil {
		return nil, err
	}
	rows, leftover := c.rest(rows)
	if !leftover {
		return rows, nil
	}
	after = max(after, c.Sequence)
	if len(rows) > 0 {
		after = max(after, rows[len(rows)-1].Sequence)
	}
	behind, err := r.AuditAfter(ctx, account, after, limit)
	rows = append(rows, behind...)
	return rows[:min(len(rows), limit)], err
}

// rest leaves out the rows that were pruned and are not gone yet. It reports whether there were any.
func (c *AuditCheckpoint) rest(rows []*AuditRow) (out []*AuditRow, leftover bool) {
	if c == nil || c.Removed >= c.Sequence {
		return rows, false
	}
	for _, r := range rows {
		if r.Sequence > c.Removed && r.Sequence <= c.Sequence {
			leftover = true
			continue
		}
		out = append(out, r)
	}
	return out, leftover
}

// Verification ends the check like End, and says how it came out.
func (c *AuditCheck) Verification(head *AuditHead) *AuditVerification {
	c.End(head)
	v := c.verification()
	v.TenantID, v.Total = head.TenantID, head.Sequence
	return v
}

// verification says how the check stands.
func (c *AuditCheck) verification() *AuditVerification {
	s := &c.state
	v := &AuditVerification{
		Broken: c.broken, Rows: c.Rows(), ChainedFrom: s.chainedFrom, Erased: s.erased, Hash: s.hash,
		Checkpoint: c.Checkpoint, CheckpointSignature: NullString(c.signature()),
		HeadPruned: c.Checkpoint != nil && c.Signed != nil && c.Signed.Sequence > 0 && c.Signed.Sequence < c.Checkpoint.Sequence,
	}
	switch {
	case c.broken != nil:
		v.Verdict = AuditBroken
	case c.ended:
		v.Verdict = AuditHolds
	default:
		v.Verdict = AuditUnfinished
	}
	return v
}

// auditStateSize is how long an encoded state is: five numbers and two hashes.
const auditStateSize = 5*8 + 2*len(AuditHash{})

// encode writes the state for a cursor.
func (s *auditState) encode() []byte {
	attested := int64(0)
	if s.attested {
		attested = 1
	}
	b := make([]byte, 0, auditStateSize)
	for _, n := range []int64{s.last, s.chainedFrom, s.erased, s.pruned, attested} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	b = append(b, s.hash[:]...)
	return append(b, s.before[:]...)
}

// decode reads what encode wrote.
func (s *auditState) decode(b []byte) bool {
	if len(b) != auditStateSize {
		return false
	}
	var attested int64
	for _, n := range []*int64{&s.last, &s.chainedFrom, &s.erased, &s.pruned, &attested} {
		*n, b = int64(binary.BigEndian.Uint64(b)), b[8:]
	}
	s.attested = attested == 1
	s.hash, s.before = AuditHash(b[:32]), AuditHash(b[32:])
	return s.last >= 0 && s.pruned >= 0
}

// headOf is where the account says that its chain ends.
func headOf(a *Account) *AuditHead {
	h := &AuditHead{TenantID: a.TenantID, Sequence: a.AuditSequence, Hash: a.AuditHash}
	if h.TenantID == PlatformID {
		h.TenantID = TenantID{}
	}
	return h
}

// AuditHead returns where the chain of a tenant's audit, or for the zero id the platform's, ends now, signed where the
// engine has a key for it. The platform's needs an operator, a tenant's needs audit:read.
func (e *Engine) AuditHead(ctx context.Context, tenant TenantID) (h *AuditHead, err error) {
	account, err := e.auditOf(tenant)
	if err != nil {
		return nil, err
	}
	err = e.viewAudit(ctx, account, func(_ Reader, a *Account) error {
		h, err = e.head(a)
		return err
	})
	return h, err
}

// head says where an account's chain ends now, signed where there is a key.
func (e *Engine) head(a *Account) (*AuditHead, error) {
	h := headOf(a)
	h.At = e.now()
	if key := e.core.opts.AuditSigner; key != nil {
		if err := h.sign(key); err != nil {
			return nil, &Error{Code: CodeInternal, Message: "the head of the audit could not be signed", cause: err}
		}
	}
	return h, nil
}

// AuditExport is one page of an export: rows, and behind the last of them the head.
type AuditExport struct {
	Checkpoint *AuditCheckpoint `json:"checkpoint"` // of the first page: the rows up to it were pruned; null where none were, and on other pages
	Items      []*AuditRow      `json:"items"`
	NextCursor NullString       `json:"next_cursor"` // null on the last page
	Head       *AuditHead       `json:"head"`        // where the chain ended when the last page was read; null before that
}

// ExportAuditParams pages a tenant's audit rows, oldest first. The zero TenantID is the platform.
type ExportAuditParams struct {
	TenantID TenantID
	Page
}

// ExportAudit reads the audit rows of a tenant, or of the platform, oldest first, with all that is needed to verify them
// elsewhere: see AuditCheck. The platform's need an operator, a tenant's need audit:read.
func (e *Engine) ExportAudit(ctx context.Context, p ExportAuditParams) (*AuditExport, error) {
	account, err := e.auditOf(p.TenantID)
	if err != nil {
		return nil, err
	}
	var bad problems
	scope := cursorScope("audit/export", account.String())
	limit, position := pageOf[[16]byte](p.Page, scope, &bad)
	if err := bad.err(); err != nil {
		return nil, err
	}
	after := int64(binary.BigEndian.Uint64(position[8:]))
	if p.Cursor == "" {
		after = math.MinInt64 // rows that should not be there are part of the evidence
	}
	out := &AuditExport{}
	page := &List[*AuditRow]{Items: []*AuditRow{}}
	err = e.viewChain(ctx, account, func(r Reader, a *Account, pruned *AuditCheckpoint) error {
		switch {
		case p.Cursor == "":
			out.Checkpoint = pruned.public()
		case pruned != nil && after < pruned.Sequence:
			return errorf(CodeInvalidTransition, "rows were pruned while the audit was exported: begin again")
		}
		rows, err := pruned.read(ctx, r, account, after, limit)
		if err != nil {
			return err
		}
		page.Items = append(page.Items, public(trim(page, rows, limit, scope, auditPosition))...)
		if page.NextCursor == "" {
			out.Head, err = e.head(a)
		}
		return err
	})
	out.Items, out.NextCursor = page.Items, page.NextCursor
	return out, err
}
