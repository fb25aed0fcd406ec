package rentroll

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// AuditCheckpoint stands in the place of the oldest rows of an audit once they were pruned: the chain goes on behind it. A
// row of the chain says the same, so that nobody puts another in its place unnoticed; signed and kept elsewhere, it proves
// where the chain began.
type AuditCheckpoint struct {
	TenantID    TenantID   `json:"tenant_id"`    // null for the platform
	Sequence    int64      `json:"sequence"`     // of the last row that was pruned
	Hash        AuditHash  `json:"hash"`         // of that row; null where it is not chained
	ChainedFrom int64      `json:"chained_from"` // the first chained row of those that were pruned; 0 for none
	Rows        int64      `json:"rows"`         // how many rows this pruning took, those of earlier ones not counted
	Before      time.Time  `json:"before"`       // all rows that were pruned are older than this
	At          time.Time  `json:"at"`           // when they were pruned
	KeyID       NullString `json:"key_id"`       // of the key that signed it; null where none did
	Signature   NullString `json:"signature"`    // Ed25519, in base64; null where there was no key

	// Removed is up to which row those that were pruned are gone by now. They go in small steps.
	Removed int64 `json:"-"`
}

// Statement returns the text that is signed.
func (c *AuditCheckpoint) Statement() []byte {
	return fmt.Appendf(nil, "rentroll audit checkpoint v1\n%s\n%d\n%s\n%d\n%d\n%s\n%s\n", auditName(c.TenantID), c.Sequence, c.Hash,
		c.ChainedFrom, c.Rows, c.Before.UTC().Format(time.RFC3339Nano), c.At.UTC().Format(time.RFC3339Nano))
}

// Verify returns an error unless the checkpoint was signed by the private half of the key.
func (c *AuditCheckpoint) Verify(key ed25519.PublicKey) error {
	return verifyStatement("checkpoint", c.Statement(), c.KeyID, c.Signature, key)
}

// sign signs the checkpoint with an Ed25519 key.
func (c *AuditCheckpoint) sign(key crypto.Signer) (err error) {
	c.KeyID, c.Signature, err = signStatement(c.Statement(), key)
	return err
}

// public returns the checkpoint as callers, and rows of the audit, know it: the platform has no id.
func (c *AuditCheckpoint) public() *AuditCheckpoint {
	if c == nil || c.TenantID != PlatformID {
		return c
	}
	known := *c
	known.TenantID = TenantID{}
	return &known
}

// saidBy reports whether a row of the audit says that the rows up to the checkpoint were pruned.
func (c *AuditCheckpoint) saidBy(r *AuditRow) bool {
	if c == nil || r.Action != actionPrune || r.Hash.IsZero() {
		return false
	}
	text, err := json.Marshal(c.public())
	return err == nil && bytes.Equal(text, r.New)
}

// auditName is how signed texts name whose audit they are about.
func auditName(tenant TenantID) string {
	if tenant.IsZero() || tenant == PlatformID {
		return "platform"
	}
	return tenant.String()
}

// signStatement signs a text with an Ed25519 key.
func signStatement(statement []byte, key crypto.Signer) (id, signature NullString, err error) {
	signed, err := key.Sign(nil, statement, crypto.Hash(0))
	if err != nil {
		return "", "", fmt.Errorf("rentroll: signing the audit: %w", err)
	}
	name, err := AuditKeyID(key.Public())
	return NullString(name), NullString(base64.StdEncoding.EncodeToString(signed)), err
}

// verifyStatement returns an error unless what was signed is the text, and by the private half of the key.
func verifyStatement(what string, statement []byte, keyID, signature NullString, key ed25519.PublicKey) error {
	if signature == "" {
		return errors.New("the " + what + " is not signed")
	}
	id, err := AuditKeyID(key)
	if err != nil {
		return err
	}
	if string(keyID) != id {
		return fmt.Errorf("the %s was signed by the key %s, and this is %s", what, keyID, id)
	}
	signed, err := base64.StdEncoding.Strict().DecodeString(string(signature))
	if err != nil || !ed25519.Verify(key, statement, signed) {
		return errors.New("the signature of the " + what + " is wrong")
	}
	return nil
}
