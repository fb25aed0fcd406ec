package rentroll

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"
)

// AuditHead is where the chain of an account ends at an instant. Signed and kept where the database's writers can't reach
// it, it proves later that everything up to it is still there and unaltered.
type AuditHead struct {
	TenantID  TenantID   `json:"tenant_id"` // null for the platform
	Sequence  int64      `json:"sequence"`  // of the last row; 0 where there is none
	Hash      AuditHash  `json:"hash"`      // of that row; null where it is not chained
	At        time.Time  `json:"at"`        // when this was said
	KeyID     NullString `json:"key_id"`    // of the key that signed it; null where none did
	Signature NullString `json:"signature"` // Ed25519, in base64; null where there is no key
}

// Statement returns the text that is signed. It says no more than the fields do, in lines that another program can write,
// too.
func (h *AuditHead) Statement() []byte {
	return fmt.Appendf(nil, "rentroll audit head v1\n%s\n%d\n%s\n%s\n", auditName(h.TenantID), h.Sequence, h.Hash, h.At.UTC().Format(time.RFC3339Nano))
}

// sign signs the head with an Ed25519 key.
func (h *AuditHead) sign(key crypto.Signer) (err error) {
	h.KeyID, h.Signature, err = signStatement(h.Statement(), key)
	return err
}

// Verify returns an error unless the head was signed by the private half of the key.
func (h *AuditHead) Verify(key ed25519.PublicKey) error {
	return verifyStatement("head", h.Statement(), h.KeyID, h.Signature, key)
}

// publicKeyInfo begins the SubjectPublicKeyInfo (RFC 8410) of every Ed25519 key; the key itself ends it.
var publicKeyInfo = []byte{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00}

// AuditKeyID names an Ed25519 public key: the first 32 hexadecimal digits of the SHA-256 of its SubjectPublicKeyInfo.
func AuditKeyID(key crypto.PublicKey) (string, error) {
	public, ok := key.(ed25519.PublicKey)
	if !ok || len(public) != ed25519.PublicKeySize {
		return "", errors.New("is not an Ed25519 key")
	}
	sum := sha256.Sum256(append(slices.Clip(publicKeyInfo), public...))
	return hex.EncodeToString(sum[:16]), nil
}
