package rentroll

import (
	"context"
	"encoding/binary"
	"time"
)

const actionPrune = "audit.prune"

// How much of what was pruned goes in one transaction, and in one call of PruneAudit.
const (
	trimRows    = 1000
	trimsAtOnce = 20
)

// PruneAuditParams takes the oldest rows of an audit away.
type PruneAuditParams struct {
	TenantID TenantID  // zero for the platform
	Before   time.Time // rows that were written before it go; not in the future
	Unsigned bool      // do so although the engine has no key to sign the checkpoint with
	Cursor   string    // NextCursor of the call before; "" to begin
}

// PruningState says how a pruning stands.
type PruningState string

// The states of a pruning. Only the last one needs no further call.
const (
	PruningVerifies PruningState = "verifying" // that the rows hold which are to go: nothing was changed yet
	PruningRemoves  PruningState = "removing"  // the checkpoint stands, and not all rows before it are gone
	PruningDone     PruningState = "done"
)

// AuditPruning is how a pruning stands.
type AuditPruning struct {
	TenantID   TenantID         `json:"tenant_id"` // null for the platform
	State      PruningState     `json:"state"`
	Verified   int64            `json:"verified"`    // rows that held, of those that this pruning looks at, while it verifies
	Remaining  int64            `json:"remaining"`   // rows that were pruned and are not gone yet
	Checkpoint *AuditCheckpoint `json:"checkpoint"`  // the rows up to it were pruned; null where none were
	NextCursor NullString       `json:"next_cursor"` // to go on with; null where the next call needs none, or there is nothing more to do
}

// PruneAudit takes the rows of a tenant's audit, or the platform's, that were written before some time away, and puts a
// checkpoint in their place from which the chain goes on. It follows the chain first: what was tampered with is not
// pruned, and is CodeInvalidTransition. A long audit takes several calls; they may be repeated, and what was begun is
// brought to its end by the sweep where nobody asks again. The checkpoint is signed with the engine's key; without one it
// has to be told that it may be unsigned. It needs an operator with audit:prune.
func (e *Engine) PruneAudit(ctx context.Context, p PruneAuditParams) (*AuditPruning, error) {
	if err := e.actor.mayOperate(PermAuditPrune); err != nil {
		return nil, err
	}
	account := p.TenantID
	if account.IsZero() {
		account = PlatformID
	}
	before := stamp(p.Before)
	var bad problems
	if p.Before.IsZero() || before.After(e.now()) {
		bad.add("before", "must be a time that is not in the future")
	}
	w := &pruningWalk{auditWalk: newAuditWalk(e, account, nil), before: before}
	scope := cursorScope("audit/prune", account.String(), before.Format(time.RFC3339Nano))
	if position, ok := decodeCursor(scope, p.Cursor); p.Cursor != "" && (!ok || !w.decode(position)) {
		bad.add("cursor", "is not a cursor of this pruning")
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	if e.core.opts.AuditSigner == nil && !p.Unsigned {
		return nil, errorf(CodeInvalidTransition, "the server has no key to sign the checkpoint with: give it one, or say that the checkpoint may be unsigned")
	}
	out := &AuditPruning{TenantID: p.TenantID}
	if err := w.follow(ctx); err != nil {
		return nil, err
	}
	if !w.check.ended {
		out.State, out.Verified, out.NextCursor = PruningVerifies, w.check.Rows(), NullString(encodeCursor(scope, w.encode()))
		return out, nil
	}
	if err := e.prune(ctx, w); err != nil {
		return nil, err
	}
	pruned, err := e.trim(ctx, account)
	if err != nil {
		return nil, err
	}
	out.State, out.Checkpoint = PruningDone, pruned.public()
	if pruned != nil && pruned.Removed < pruned.Sequence {
		out.State, out.Remaining = PruningRemoves, pruned.Sequence-pruned.Removed
	}
	return out, nil
}

// pruningWalk follows a whole chain and finds the last row before which all are older than a time, itself included.
type pruningWalk struct {
	*auditWalk

	before time.Time
	last   auditPlace
}

// auditPlace is a row of the chain.
type auditPlace struct {
	sequence, chainedFrom int64
	hash                  AuditHash
}

// follow follows the chain for as far as one call goes. A chain that does not hold is an error.
func (w *pruningWalk) follow(ctx context.Context) error {
	for page := 0; !w.check.ended && (page < auditPagesAtOnce || len(w.check.behind) > 0); page++ {
		rows, more, err := w.next(ctx)
		if err != nil {
			return err
		}
		for _, row := range rows {
			w.take(row)
		}
		if w.check.done || !more {
			w.check.End(w.head)
		}
	}
	if b := w.check.broken; b != nil {
		return errorf(CodeInvalidTransition, "the audit is broken at row %d (%s: %s): nothing was pruned", b.Sequence, b.Fault, b.Detail)
	}
	return nil
}

func (w *pruningWalk) take(row *AuditRow) {
	w.check.begin()
	s := &w.check.state
	if w.last.sequence < s.pruned { // it began anew: another pruning came first
		w.last = auditPlace{s.pruned, s.chainedFrom, s.hash}
	}
	w.check.Add(row)
	if s.last == row.Sequence && w.last.sequence == row.Sequence-1 && row.At.Before(w.before) {
		w.last = auditPlace{s.last, s.chainedFrom, s.hash}
	}
}

func (w *pruningWalk) encode() []byte {
	b := w.check.state.encode()
	b = binary.BigEndian.AppendUint64(b, uint64(w.last.sequence))
	b = binary.BigEndian.AppendUint64(b, uint64(w.last.chainedFrom))
	return append(b, w.last.hash[:]...)
}

func (w *pruningWalk) decode(b []byte) bool {
	if len(b) != auditStateSize+2*8+len(AuditHash{}) || !w.check.state.decode(b[:auditStateSize]) {
		return false
	}
	b = b[auditStateSize:]
	w.last.sequence, w.last.chainedFrom = int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))
	w.last.hash = AuditHash(b[16:])
	w.check.begun, w.after = true, w.check.state.last
	return true
}

// prune puts a checkpoint in the place of the rows up to the one that was found, unless it stands there already.
func (e *Engine) prune(ctx context.Context, w *pruningWalk) error {
	from := w.check.state.pruned
	if w.last.sequence <= from {
		return nil
	}
	next := &AuditCheckpoint{
		TenantID: w.account, Sequence: w.last.sequence, Hash: w.last.hash, ChainedFrom: w.last.chainedFrom,
		Rows: w.last.sequence - from, Before: w.before, At: e.now(),
	}
	if key := e.core.opts.AuditSigner; key != nil {
		if err := next.sign(key); err != nil {
			return &Error{Code: CodeInternal, Message: "the checkpoint of the audit could not be signed", cause: err}
		}
	}
	return e.do(ctx, &pruneAudit{header: header{tenant: w.account, by: e.actor, size: 2048}, next: next})
}

// pruneAudit writes a checkpoint. What it says was read without the lock: rows are never changed but to be erased, which
// their hashes bear, and so it still holds unless another pruning came first.
type pruneAudit struct {
	header
	next *AuditCheckpoint
}

func (c *pruneAudit) wants(b *Batch) {
	b.Checkpoints.Want(c.tenant)
	b.Chores.Want(ChoreRef{c.tenant, ChoreTrim})
}

func (c *pruneAudit) decide(l *ledger) error {
	a, now, err := l.account(c.tenant)
	if err != nil {
		return err
	}
	next := *c.next
	from := int64(0)
	if was := l.Checkpoints.Get(c.tenant); was != nil {
		from, next.Removed = was.Sequence, was.Removed
	}
	switch {
	case from >= next.Sequence:
		return nil
	case from != next.Sequence-next.Rows:
		return errorf(CodeInvalidTransition, "another pruning came first: ask again")
	}
	l.touch(a, now)
	l.Checkpoints.Put(c.tenant, &next)
	if ref := (ChoreRef{c.tenant, ChoreTrim}); l.Chores.Get(ref) == nil {
		l.Chores.Put(ref, &Chore{ChoreRef: ref, BeganAt: now})
	}
	id := c.tenant.String()
	if c.tenant == PlatformID {
		id = auditName(c.tenant)
	}
	l.audit(a, c.by, now, change{action: actionPrune, kind: "audit", id: id, new: next.public()})
	return nil
}

// trim removes rows that were pruned, step by step, and returns the checkpoint as it is then; nil where there is none.
func (e *Engine) trim(ctx context.Context, account TenantID) (*AuditCheckpoint, error) {
	for step := 0; ; step++ {
		c := &trimAudit{header: header{tenant: account, size: trimRows * 16, rows: trimRows}, dry: step == trimsAtOnce}
		if err := e.do(ctx, c); err != nil {
			return nil, err
		}
		if c.dry || c.answer == nil || c.answer.Removed >= c.answer.Sequence {
			return c.answer, nil
		}
	}
}

// trimAudit removes some of the rows that were pruned.
type trimAudit struct {
	header
	dry    bool // only look
	answer *AuditCheckpoint
}

func (c *trimAudit) wants(b *Batch) {
	b.Checkpoints.Want(c.tenant)
	b.Chores.Want(ChoreRef{c.tenant, ChoreTrim})
}

func (c *trimAudit) decide(l *ledger) error {
	if _, _, err := l.account(c.tenant); err != nil {
		return err
	}
	c.answer = l.Checkpoints.Get(c.tenant)
	if c.answer == nil || c.dry {
		return nil
	}
	next := *c.answer
	if next.Removed < next.Sequence {
		next.Removed = min(next.Removed+trimRows, next.Sequence)
		l.Trim = append(l.Trim, AuditRange{TenantID: c.tenant, After: c.answer.Removed, To: next.Removed})
		l.Checkpoints.Put(c.tenant, &next)
	}
	if ref := (ChoreRef{c.tenant, ChoreTrim}); next.Removed >= next.Sequence && l.Chores.Get(ref) != nil {
		l.Chores.Delete(ref)
	}
	c.answer = &next
	return nil
}
