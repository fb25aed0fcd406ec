package rentroll

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
)

// The rows of an account's audit form a chain: each holds the hash of the one before it, and its own hash is over that
// and everything else it says. The account holds the hash of the last one. Whoever changes a row, or takes one away, has
// to change all that come after it, up to the account, and still can't reach a head that was signed and kept elsewhere.
//
// Personal data is not hashed as it stands. It enters as one salted hash a row, so that it can be erased later, with its
// salt, and the chain still holds: see AuditRow.Erase. docs/audit.md has the format.

// AuditHash is the hash of an audit row. The zero hash is none; in JSON it is 64 hexadecimal digits, or null.
type AuditHash [32]byte

// AuditSalt keeps what is personal in a row from being guessed by its hash once it is erased. The zero salt is none; in
// JSON it is 32 hexadecimal digits, or null.
type AuditSalt [16]byte

// IsZero reports whether there is no hash.
func (h AuditHash) IsZero() bool { return h == AuditHash{} }

// IsZero reports whether there is no salt.
func (s AuditSalt) IsZero() bool { return s == AuditSalt{} }

// String returns the hexadecimal digits, "" for none.
func (h AuditHash) String() string {
	if h.IsZero() {
		return ""
	}
	return hex.EncodeToString(h[:])
}

// MarshalJSON returns the hexadecimal digits as a JSON string, null for none.
func (h AuditHash) MarshalJSON() ([]byte, error) { return hexJSON(h[:], h.IsZero()), nil }

// MarshalJSON returns the hexadecimal digits as a JSON string, null for none.
func (s AuditSalt) MarshalJSON() ([]byte, error) { return hexJSON(s[:], s.IsZero()), nil }

// UnmarshalJSON reads what MarshalJSON writes, and nothing else.
func (h *AuditHash) UnmarshalJSON(data []byte) error {
	*h = AuditHash{}
	return readHexJSON(h[:], data)
}

// UnmarshalJSON reads what MarshalJSON writes, and nothing else.
func (s *AuditSalt) UnmarshalJSON(data []byte) error {
	*s = AuditSalt{}
	return readHexJSON(s[:], data)
}

// ParseAuditHash reads 64 lower-case hexadecimal digits.
func ParseAuditHash(s string) (h AuditHash, err error) {
	err = h.UnmarshalJSON([]byte(`"` + s + `"`))
	return h, err
}

func hexJSON(value []byte, none bool) []byte {
	if none {
		return []byte("null")
	}
	return append(hex.AppendEncode([]byte{'"'}, value), '"')
}

var errNotHex = errors.New("is not a hash in lower-case hexadecimal digits")

func readHexJSON(value, data []byte) error {
	if string(data) == "null" {
		return nil
	}
	if len(data) != 2*len(value)+2 || data[0] != '"' || data[len(data)-1] != '"' || bytes.ContainsAny(data, "ABCDEF") {
		return errNotHex
	}
	if _, err := hex.Decode(value, data[1:len(data)-1]); err != nil {
		return errNotHex
	}
	return nil
}

// The names under which the first version of the format hashes. Another format has other names; rows keep theirs.
const (
	auditRowFormat      = "rentroll audit row v1\x00"
	auditPersonalFormat = "rentroll audit personal v1\x00"
)

// auditPersonal are the members of Old and New, at any depth, that may say who somebody is, or what somebody wrote about them. The list
// belongs to the format: with another, old rows would not hold.
var auditPersonal = []string{
	"billing_email", "email", "external_id", "metadata", "name", "reason", "revoked_reason", "status_reason",
}

// chain puts a new row behind the one that has the hash previous, none for the first.
func (r *AuditRow) chain(previous AuditHash, salt AuditSalt) {
	r.PreviousHash, r.Salt, r.PersonalHash = previous, salt, AuditHash{}
	r.Hash = r.digest()
}

// whole reports whether the row is as it was when it was chained, or rightly erased since.
func (r *AuditRow) whole() bool { return r.isAt(r.Sequence) }

// isAt reports whether the row is what was chained under the given number.
func (r *AuditRow) isAt(sequence int64) bool {
	if r.Hash.IsZero() || r.Salt.IsZero() == r.PersonalHash.IsZero() {
		return false
	}
	if r.Erased() && r.hasPersonal() {
		return false // put beside the hash of what was there
	}
	at := *r
	at.Sequence = sequence
	return at.digest() == r.Hash
}

// digest is the hash of the row: over the one before it, and all that the row says.
func (r *AuditRow) digest() AuditHash {
	tenant, personal := r.TenantID, r.PersonalHash
	if tenant.IsZero() {
		tenant = PlatformID
	}
	before, beforePersonal := redact(r.Old)
	after, afterPersonal := redact(r.New)
	if !r.Salt.IsZero() {
		personal = r.personal(beforePersonal, afterPersonal)
	}
	b := make([]byte, 0, 512)
	b = append(b, auditRowFormat...)
	b = append(b, r.PreviousHash[:]...)
	b = append(b, tenant[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Sequence))
	b = append(b, r.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.At.UnixMicro()))
	b = appendSized(b, r.Actor)
	b = appendSized(b, r.Action)
	b = appendSized(b, r.ResourceType)
	b = appendSized(b, r.ResourceID)
	b = appendSized(b, before)
	b = appendSized(b, after)
	b = appendSized(b, r.RequestID)
	b = append(b, personal[:]...)
	return sha256.Sum256(b)
}

// personal is the salted hash of what is personal in the row.
func (r *AuditRow) personal(before, after []personalValue) (h AuditHash) {
	b := make([]byte, 0, 256)
	b = append(b, auditPersonalFormat...)
	b = appendSized(b, r.IP)
	b = appendSized(b, r.UserAgent)
	for _, values := range [][]personalValue{before, after} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(values)))
		for _, v := range values {
			b = appendSized(b, v.name)
			b = appendSized(b, v.value)
		}
	}
	mac := hmac.New(sha256.New, r.Salt[:])
	_, _ = mac.Write(b) // a hash never fails
	return AuditHash(mac.Sum(nil))
}

// appendSized appends a text behind its length, so that no two lists of texts look alike.
func appendSized[S ~string | ~[]byte](b []byte, s S) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}

// Erased reports whether the personal data of a chained row was erased.
func (r *AuditRow) Erased() bool { return !r.PersonalHash.IsZero() }

// Erase takes what is personal out of a chained row: address and program of the caller, and in Old and New the names,
// e-mail addresses and free texts, which become null. The chain holds as before. A row that is not chained, or was erased
// before, stays as it is.
func (r *AuditRow) Erase() {
	if r.Hash.IsZero() || r.Erased() {
		return
	}
	var before, after []personalValue
	r.Old, before = redact(r.Old)
	r.New, after = redact(r.New)
	r.PersonalHash = r.personal(before, after)
	r.Salt, r.IP, r.UserAgent = AuditSalt{}, "", ""
}

// hasPersonal reports whether there is anything that Erase would take out.
func (r *AuditRow) hasPersonal() bool {
	filled := func(v personalValue) bool { return string(v.value) != "null" }
	_, before := redact(r.Old)
	_, after := redact(r.New)
	return r.IP != "" || r.UserAgent != "" || slices.ContainsFunc(before, filled) || slices.ContainsFunc(after, filled)
}

// personalValue is a member of Old or New that is personal.
type personalValue struct {
	name  string
	value json.RawMessage
}

// redact returns JSON with null in the place of each personal member, at any depth, and everything else to the byte as it
// was, and what it took out. What is no JSON is returned as it is, and null, which is nothing, as nothing.
func redact(text json.RawMessage) (json.RawMessage, []personalValue) {
	if string(text) == "null" {
		return nil, nil
	}
	r := redactor{Decoder: json.NewDecoder(bytes.NewReader(text)), text: text}
	if err := r.value(0); err != nil || r.taken == nil {
		return text, nil
	}
	return append(r.out, text[r.kept:]...), r.taken
}

// maxAuditDepth is far more than any audited object has; only somebody's hands make more.
const maxAuditDepth = 100

var errTooDeep = errors.New("the JSON is nested too deeply")

// redactor walks over JSON and takes out what is personal.
type redactor struct {
	*json.Decoder

	text  json.RawMessage
	out   json.RawMessage
	kept  int64 // how much of text is in out
	taken []personalValue
}

// value walks over the next value.
func (r *redactor) value(depth int) error {
	t, err := r.Token()
	open, nested := t.(json.Delim)
	if err != nil || !nested {
		return err
	}
	if depth == maxAuditDepth {
		return errTooDeep
	}
	for r.More() {
		if open == '{' {
			taken, err := r.member()
			if err != nil {
				return err
			}
			if taken {
				continue
			}
		}
		if err := r.value(depth + 1); err != nil {
			return err
		}
	}
	_, err = r.Token() // the end of it
	return err
}

// member reads the name of a member and, where that is personal, takes its value out.
func (r *redactor) member() (taken bool, err error) {
	t, err := r.Token()
	name, _ := t.(string) // names of members are strings
	if err != nil || !slices.Contains(auditPersonal, name) {
		return false, err
	}
	var value json.RawMessage
	if err := r.Decode(&value); err != nil {
		return false, err
	}
	end := r.InputOffset()
	r.out = append(append(r.out, r.text[r.kept:end-int64(len(value))]...), "null"...)
	r.kept, r.taken = end, append(r.taken, personalValue{name, value})
	return true, nil
}
