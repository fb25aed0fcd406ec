package rentroll

import (
	"crypto/ed25519"
	"fmt"
)

// AuditFault says in what way a chain of audit rows does not hold.
type AuditFault string

// The faults, by what is found in the place where it ought to go on.
const (
	AuditRemoved      AuditFault = "removed"       // a row is missing
	AuditAltered      AuditFault = "altered"       // a row does not say what it said when it was written
	AuditReordered    AuditFault = "reordered"     // another row stands there, and the right one stands elsewhere
	AuditInserted     AuditFault = "inserted"      // a row stands there that the chain knows nothing of
	AuditTruncated    AuditFault = "truncated"     // the end is missing
	AuditHeadMismatch AuditFault = "head_mismatch" // the last row is not the one that the account remembers
	AuditHeadReplaced AuditFault = "head_replaced" // the row of a signed head is not the one that was signed

	AuditCheckpointForged  AuditFault = "checkpoint_forged"  // the signature of the checkpoint is wrong
	AuditCheckpointUnknown AuditFault = "checkpoint_unknown" // no row says that those up to the checkpoint were pruned
)

// AuditBreak is the first place where a chain does not hold.
type AuditBreak struct {
	Sequence int64      `json:"sequence"`
	Fault    AuditFault `json:"fault"`
	Detail   string     `json:"detail"` // for people
}

// AuditCheck follows a chain of audit rows, oldest first, and finds the first place where it does not hold. It keeps a few
// rows at most, however long the chain. The zero value begins with the first row of an account; use it for rows from any
// source: a store, an export, a backup.
type AuditCheck struct {
	Signed *AuditHead // a head that the chain must contain; nil for none. Its signature is the caller's to verify.

	// Checkpoint is behind what the chain begins, where its oldest rows were pruned; nil for the first row. It must not be
	// changed after the first Add.
	Checkpoint *AuditCheckpoint

	// Key is the key whose signature of the checkpoint is verified. nil for none: whether the checkpoint is the one that was
	// signed is then the caller's to verify.
	Key ed25519.PublicKey

	begun  bool
	state  auditState
	broken *AuditBreak
	behind []*AuditRow // the first row that does not fit, and some after it, by which to say what happened
	done   bool        // it needs no more rows
	ended  bool        // it was told that there are no more
}

// auditState is all that has to be known of the rows that held.
type auditState struct {
	last        int64     // the sequence of the last row
	hash        AuditHash // of that row
	before      AuditHash // of the row before it
	chainedFrom int64     // the sequence of the first chained row; 0 for none yet
	erased      int64     // rows without their personal data
	pruned      int64     // the sequence of the checkpoint, 0 for none
	attested    bool      // a row says that those up to the checkpoint were pruned
}

// begin begins behind the checkpoint.
func (c *AuditCheck) begin() {
	if c.begun {
		return
	}
	c.begun = true
	p := c.Checkpoint
	if p == nil {
		return
	}
	c.state = auditState{last: p.Sequence, hash: p.Hash, chainedFrom: p.ChainedFrom, pruned: p.Sequence}
	switch {
	case p.Sequence < 1:
		c.failf(p.Sequence, AuditCheckpointUnknown, "a checkpoint says that no row was pruned")
	case c.signature() == CheckpointForged:
		c.failf(p.Sequence, AuditCheckpointForged, "the signature of the checkpoint is wrong")
	case c.Signed != nil && c.Signed.Sequence == p.Sequence && c.Signed.Hash != p.Hash:
		c.failf(p.Sequence, AuditHeadReplaced, "the row before which all were pruned is another one than that of the signed head")
	}
}

// CheckpointSignature says what is known of the signature of a checkpoint.
type CheckpointSignature string

// What is known of it.
const (
	CheckpointSigned     CheckpointSignature = "valid"
	CheckpointUnsigned   CheckpointSignature = "unsigned"
	CheckpointUnverified CheckpointSignature = "unverified" // it was signed by another key than the one at hand
	CheckpointForged     CheckpointSignature = "wrong"
)

// signature verifies the signature of the checkpoint, as far as there is a key for it; "" where there is no checkpoint.
func (c *AuditCheck) signature() CheckpointSignature {
	switch p := c.Checkpoint; {
	case p == nil:
		return ""
	case p.Signature == "" && p.KeyID == "":
		return CheckpointUnsigned
	default:
		if id, err := AuditKeyID(c.Key); err != nil || id != string(p.KeyID) {
			return CheckpointUnverified
		}
		if p.Verify(c.Key) != nil {
			return CheckpointForged
		}
		return CheckpointSigned
	}
}

// auditLookahead is how many rows behind a break are looked at.
const auditLookahead = 256

// Add takes the next row. It returns false once it needs no more of them.
func (c *AuditCheck) Add(r *AuditRow) bool {
	c.begin()
	switch {
	case c.done:
		return false
	case len(c.behind) > 0 || !c.state.fits(r):
		c.behind = append(c.behind, r)
		c.done = len(c.behind) > auditLookahead
		return !c.done
	}
	c.state.take(r)
	c.state.attested = c.state.attested || c.Checkpoint.saidBy(r)
	if h := c.Signed; h != nil && h.Sequence == r.Sequence && h.Hash != r.Hash {
		c.failf(r.Sequence, AuditHeadReplaced, "the row is another one than that of the signed head")
	}
	return !c.done
}

func (c *AuditCheck) failf(sequence int64, fault AuditFault, format string, args ...any) {
	c.broken, c.done = &AuditBreak{sequence, fault, fmt.Sprintf(format, args...)}, true
}

// Rows returns how many rows held, from the first on, or from the checkpoint.
func (c *AuditCheck) Rows() int64 { return c.state.last - c.state.pruned }

// ChainedFrom returns the sequence of the first chained row, 0 for none yet. Nothing is known of the rows before it but
// that none is missing.
func (c *AuditCheck) ChainedFrom() int64 { return c.state.chainedFrom }

// Erased returns how many rows had their personal data erased.
func (c *AuditCheck) Erased() int64 { return c.state.erased }

// Hash returns the hash of the last row that held.
func (c *AuditCheck) Hash() AuditHash { return c.state.hash }

// End is told that there are no more rows and where the account, or the head that ends an export, says that the chain
// ends; nil where nothing says it. It returns the first place where the chain does not hold, nil where it holds.
func (c *AuditCheck) End(head *AuditHead) *AuditBreak {
	c.begin()
	c.done, c.ended = true, true
	switch {
	case c.broken != nil:
	case len(c.behind) > 0:
		c.diagnose(head)
	case head != nil && c.state.last < head.Sequence:
		c.failf(c.state.last+1, AuditTruncated, "the rows end with %d, and the account has written %d", c.state.last, head.Sequence)
	case head != nil && c.state.last > head.Sequence:
		c.failf(head.Sequence+1, AuditInserted, "the account has written %d rows, and there are more", head.Sequence)
	case head != nil && c.state.hash != head.Hash:
		c.failf(head.Sequence, AuditHeadMismatch, "the last row has another hash than the account remembers")
	case head != nil && c.Checkpoint != nil && !c.state.attested:
		c.failf(c.Checkpoint.Sequence, AuditCheckpointUnknown, "no row says that the rows up to %d were pruned, or it says so otherwise", c.Checkpoint.Sequence)
	}
	if c.broken == nil && c.Signed != nil && c.state.last < c.Signed.Sequence {
		c.failf(c.state.last+1, AuditTruncated, "the rows end with %d, and the signed head is of row %d", c.state.last, c.Signed.Sequence)
	}
	return c.broken
}

// fits reports whether a row goes on where the last one ended. Rows from before there was a chain have only their
// numbers.
func (s *auditState) fits(r *AuditRow) bool {
	switch {
	case r.Sequence != s.last+1 || r.PreviousHash != s.hash:
		return false
	case s.chainedFrom == 0 && r.Hash.IsZero():
		return r.Salt.IsZero() && r.PersonalHash.IsZero()
	default:
		return r.whole()
	}
}

func (s *auditState) take(r *AuditRow) {
	s.last, s.before, s.hash = r.Sequence, s.hash, r.Hash
	if s.chainedFrom == 0 && !r.Hash.IsZero() {
		s.chainedFrom = r.Sequence
	}
	if r.Erased() {
		s.erased++
	}
}

// diagnose says what happened where a row did not fit. Rows remember the hash before them, and what number they were
// written under can be told from their own: so the right row is recognized wherever it stands now.
func (c *AuditCheck) diagnose(head *AuditHead) {
	due, r := c.state.last+1, c.behind[0]
	if head != nil && due > head.Sequence {
		c.failf(r.Sequence, AuditInserted, "the account has written %d rows, and there are more", head.Sequence)
		return
	}
	rightful := c.rightful(due)
	switch {
	case r.Sequence < due: // those were all there already
		c.failf(r.Sequence, AuditInserted, "there is a row %d where row %d comes next", r.Sequence, due)
	case rightful != nil && rightful != r && (r.Sequence > due || c.movedFrom(r, due)):
		c.failf(due, AuditReordered, "row %d stands where row %d was written", due, rightful.Sequence)
	case r.Sequence > due:
		c.failf(due, AuditRemoved, "after row %d comes row %d", c.state.last, r.Sequence)
	case rightful != nil && rightful != r:
		c.failf(due, AuditInserted, "the row was never written; the right one stands at %d", rightful.Sequence)
	default:
		c.diagnoseInPlace(due, r)
	}
}

// diagnoseInPlace says what is wrong with a row that has the right number, where the right row is nowhere else.
func (c *AuditCheck) diagnoseInPlace(due int64, r *AuditRow) {
	switch from := writtenAs(r, due); {
	case from > due:
		c.failf(due, AuditRemoved, "the row that stands there was written as row %d", from)
	case from == due-1 && from > 0 && r.PreviousHash == c.state.before && !c.state.hash.IsZero():
		c.failf(from, AuditInserted, "the row that was written as row %d stands at %d", from, due)
	case from == due && due > 1 && !r.PreviousHash.IsZero():
		c.failf(due-1, AuditAltered, "row %d remembers another hash of it", due)
	default:
		c.failf(due, AuditAltered, "its hash is not that of what it says")
	}
}

// rightful returns the row that was written under the number due and follows what held, wherever it stands now; nil where
// it is nowhere near. Without a chain yet there is no telling.
func (c *AuditCheck) rightful(due int64) *AuditRow {
	for _, r := range c.behind {
		if r.PreviousHash == c.state.hash && r.isAt(due) {
			return r
		}
		if c.state.chainedFrom == 0 && r.Sequence == due && r.Hash.IsZero() && r.PreviousHash.IsZero() {
			return r
		}
	}
	return nil
}

// movedFrom reports whether a row was written under a later number and is not there twice: it changed places then, and
// is no copy.
func (c *AuditCheck) movedFrom(r *AuditRow, due int64) bool {
	if writtenAs(r, due) <= due {
		return false
	}
	for _, other := range c.behind[1:] {
		if other.Hash == r.Hash {
			return false
		}
	}
	return true
}

// writtenAs returns the number near due under which a row was written, 0 for none: it was never written so.
func writtenAs(r *AuditRow, due int64) int64 {
	for distance := range int64(auditLookahead) {
		for _, at := range []int64{due + distance, due - distance} {
			if at > 0 && r.isAt(at) {
				return at
			}
		}
	}
	return 0
}
