package rentroll

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func testSigner() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
}

func testHead() *AuditHead {
	return &AuditHead{TenantID: TenantID{1, 15: 2}, Sequence: 7, Hash: AuditHash{3, 31: 4}, At: noon.Add(123456 * time.Microsecond)}
}

// What is signed must not change: heads out there would not verify any more.
func TestAuditHeadFormat(t *testing.T) {
	t.Parallel()
	h := testHead()
	const want = "rentroll audit head v1\nten_01000000000000000000000002\n7\n" +
		"0300000000000000000000000000000000000000000000000000000000000004\n2026-11-23T12:00:00.123456Z\n"
	if diff := cmp.Diff(want, string(h.Statement())); diff != "" {
		t.Error(diff)
	}
	if err := h.sign(testSigner()); err != nil {
		t.Fatal(err)
	}
	if want := NullString("324be2dea8bc44461b0233e51fa48902"); h.KeyID != want {
		t.Errorf("the key id is %s, and was %s", h.KeyID, want)
	}
	if want := NullString("X8ENMOLYMX+7aFZwXVRTnZ7mE6LJ6o3XkN5cb3SxzIJOG/6oIVjYXjOUpmi1O8zbPAZyILmSE74A8eNIiS5GAQ=="); h.Signature != want {
		t.Errorf("the signature is %s, and was %s", h.Signature, want)
	}
	none := &AuditHead{TenantID: PlatformID, At: noon}
	if diff := cmp.Diff("rentroll audit head v1\nplatform\n0\n\n2026-11-23T12:00:00Z\n", string(none.Statement())); diff != "" {
		t.Error(diff)
	}
}

// A signed head verifies after a trip through JSON, and not with anything else in it.
func TestAuditHeadVerify(t *testing.T) {
	t.Parallel()
	key := testSigner()
	public := key.Public().(ed25519.PublicKey)
	signed := func() *AuditHead {
		h := testHead()
		if err := h.sign(key); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		out := &AuditHead{}
		if err := json.Unmarshal(text, out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if err := signed().Verify(public); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*AuditHead){
		"TenantID":  func(h *AuditHead) { h.TenantID[15]++ },
		"Sequence":  func(h *AuditHead) { h.Sequence++ },
		"Hash":      func(h *AuditHead) { h.Hash[0]++ },
		"At":        func(h *AuditHead) { h.At = h.At.Add(time.Microsecond) },
		"KeyID":     func(h *AuditHead) { h.KeyID += "0" },
		"Signature": func(h *AuditHead) { h.Signature = "A" + h.Signature[1:] },
	} {
		h := signed()
		change(h)
		if h.Verify(public) == nil {
			t.Errorf("a head with another %s verifies", what)
		}
	}
	if fields := fieldsOf[AuditHead](); len(fields) != 6 {
		t.Errorf("a head has %v: sign them all", fields)
	}
	h := signed()
	h.Signature = ""
	if h.Verify(public) == nil {
		t.Error("a head that is not signed verifies")
	}
	other := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public().(ed25519.PublicKey)
	if signed().Verify(other) == nil || signed().Verify(nil) == nil {
		t.Error("a head verifies with another key, or with none")
	}
}

// brokenSigner is a device that does not sign.
type brokenSigner struct{ ed25519.PrivateKey }

func (brokenSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the device is locked")
}

func TestAuditSigner(t *testing.T) {
	t.Parallel()
	if err := testHead().sign(brokenSigner{testSigner()}); err == nil {
		t.Error("a head was signed by a device that does not sign")
	}
	curve, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	for _, signer := range []crypto.Signer{curve, ed25519.PrivateKey(make([]byte, 64))} {
		_, err := (&Options{AuditSigner: signer}).withDefaults()
		if _, isCurve := signer.(*ecdsa.PrivateKey); isCurve != errors.Is(err, CodeValidationFailed) {
			t.Errorf("with a %T: %v", signer, err)
		}
	}
}

func TestAuditHashJSON(t *testing.T) {
	t.Parallel()
	digits := string(bytes.Repeat([]byte("a0"), 32))
	h, err := ParseAuditHash(digits)
	if err != nil || h.String() != digits {
		t.Errorf("%s is read as %s, %v", digits, h, err)
	}
	for _, bad := range []string{"", "a0", digits[1:], digits + "a0", "A" + digits[1:], "g" + digits[1:]} {
		if _, err := ParseAuditHash(bad); err == nil {
			t.Errorf("%q is read as a hash", bad)
		}
	}
	var s AuditSalt
	if err := s.UnmarshalJSON([]byte(`{}`)); err == nil {
		t.Error("an object is read as a salt")
	}
}

// A cursor carries the whole state of a verification.
func TestAuditStateRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Min(0)
		hash := rapid.SliceOfN(rapid.Byte(), 32, 32)
		s := auditState{
			last: n.Draw(t, "last"), chainedFrom: n.Draw(t, "chained from"), erased: n.Draw(t, "erased"),
			hash: AuditHash(hash.Draw(t, "hash")), before: AuditHash(hash.Draw(t, "before")),
		}
		var got auditState
		if !got.decode(s.encode()) || got != s {
			t.Fatalf("%+v comes back as %+v", s, got)
		}
		if got.decode(s.encode()[1:]) {
			t.Fatal("a state that was cut is read")
		}
	})
}
