package rentroll

import (
	"context"
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
	Rows        int64        `json:"rows"`         // how many rows held, from the first on, those of earlier pages included
	Total       int64        `json:"total"`        // how many the account has written
	ChainedFrom int64        `json:"chained_from"` // the first chained row: of those before it, only the numbers are known; 0 for none
	Erased      int64        `json:"erased"`       // rows whose personal data was erased
	Hash        AuditHash    `json:"hash"`         // of the last row that held
	NextCursor  NullString   `json:"next_cursor"`  // null where the verification is finished
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
	check, after := &AuditCheck{Signed: p.Contains}, int64(math.MinInt64)
	if p.Cursor != "" {
		position, ok := decodeCursor(scope, p.Cursor)
		if !ok || !check.state.decode(position) {
			return nil, problems{{Field: "cursor", Message: "is not a cursor of this verification"}}.err()
		}
		after = check.state.last
	}
	var head *AuditHead
	for page := 0; !check.ended && (page < auditPagesAtOnce || len(check.behind) > 0); page++ {
		var rows []*AuditRow // and the head of the same snapshot, so that rows which are written meanwhile confuse nobody
		err := e.viewAudit(ctx, account, func(r Reader, a *Account) (err error) {
			head = headOf(a)
			rows, err = r.AuditAfter(ctx, account, after, auditPage)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			after = row.Sequence
			check.Add(row)
		}
		if check.done || len(rows) < auditPage {
			check.End(head)
		}
	}
	out := check.verification()
	out.TenantID, out.Total = p.TenantID, head.Sequence
	if !check.ended {
		out.NextCursor = NullString(encodeCursor(scope, check.state.encode()))
	}
	return out, nil
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
	v := &AuditVerification{Broken: c.broken, Rows: s.last, ChainedFrom: s.chainedFrom, Erased: s.erased, Hash: s.hash}
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

// encode writes the state for a cursor.
func (s *auditState) encode() []byte {
	b := make([]byte, 0, 3*8+2*len(s.hash))
	b = binary.BigEndian.AppendUint64(b, uint64(s.last))
	b = binary.BigEndian.AppendUint64(b, uint64(s.chainedFrom))
	b = binary.BigEndian.AppendUint64(b, uint64(s.erased))
	b = append(b, s.hash[:]...)
	return append(b, s.before[:]...)
}

// decode reads what encode wrote.
func (s *auditState) decode(b []byte) bool {
	if len(b) != 3*8+2*len(s.hash) {
		return false
	}
	s.last, s.chainedFrom, s.erased = int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:])), int64(binary.BigEndian.Uint64(b[16:]))
	s.hash, s.before = AuditHash(b[24:56]), AuditHash(b[56:])
	return s.last >= 0
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
	Items      []*AuditRow `json:"items"`
	NextCursor NullString  `json:"next_cursor"` // null on the last page
	Head       *AuditHead  `json:"head"`        // where the chain ended when the last page was read; null before that
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
	err = e.viewAudit(ctx, account, func(r Reader, a *Account) error {
		rows, err := r.AuditAfter(ctx, account, after, limit)
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
