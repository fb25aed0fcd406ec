package rentroll

import (
	"bytes"
	"encoding/binary"
	"time"
)

// An ID names one object: 128 bits that are a UUIDv7 (RFC 9562), so that they
// begin with the time they were made at. A database stores the 16 bytes, id[:];
// everywhere else an id is text in the TypeID form, a prefix that tells the kind
// and 26 characters of lower-case Crockford base32:
//
//	ten_01h2xcejqtf2nbrexx3vqjhp41
//
// The kind is part of the type, so a run's id can't be passed for a tenant's.
//
// The zero id means "none". It is null in JSON, empty as text, and ParseID
// refuses its written form: no object ever has it.
type ID[K idKind] [16]byte

// An idKind is an empty type that exists to tell one ID from another. Its zero
// value knows the prefix.
type idKind interface{ prefix() string }

// The ids of the nouns.
type (
	// TenantID names a tenant, with the prefix ten.
	TenantID = ID[tenantKind]
	// UserID names a user, with the prefix usr.
	UserID = ID[userKind]
	// MemberID names a membership, with the prefix mem.
	MemberID = ID[memberKind]
	// KeyID names an API key, with the prefix key.
	KeyID = ID[keyKind]
	// RunID names a run, with the prefix run.
	RunID = ID[runKind]
	// UsageID names a record of usage, with the prefix use.
	UsageID = ID[usageKind]
	// AuditID names a row of the audit, with the prefix aud.
	AuditID = ID[auditKind]
	// EventID names an event, with the prefix evt.
	EventID = ID[eventKind]
	// WebhookID names the endpoint of a webhook, with the prefix whk.
	WebhookID = ID[webhookKind]
	// OperatorKeyID names an operator key, with the prefix opk.
	OperatorKeyID = ID[operatorKeyKind]
)

type (
	tenantKind      struct{}
	userKind        struct{}
	memberKind      struct{}
	keyKind         struct{}
	runKind         struct{}
	usageKind       struct{}
	auditKind       struct{}
	eventKind       struct{}
	webhookKind     struct{}
	operatorKeyKind struct{}
)

func (tenantKind) prefix() string      { return "ten" }
func (userKind) prefix() string        { return "usr" }
func (memberKind) prefix() string      { return "mem" }
func (keyKind) prefix() string         { return "key" }
func (runKind) prefix() string         { return "run" }
func (usageKind) prefix() string       { return "use" }
func (auditKind) prefix() string       { return "aud" }
func (eventKind) prefix() string       { return "evt" }
func (webhookKind) prefix() string     { return "whk" }
func (operatorKeyKind) prefix() string { return "opk" }

const (
	idDigits    = "0123456789abcdefghjkmnpqrstvwxyz" // Crockford's: no i, l, o, u
	idBodySize  = 26                                 // 130 bits, of which the first two are 0
	idTextSpace = 32                                 // room for any prefix, the underscore and the body
)

// idDigitValues is the inverse of idDigits; what is no digit has a high bit set.
var idDigitValues = func() (values [256]byte) {
	for i := range values {
		values[i] = 0xff
	}
	for i := range len(idDigits) {
		values[idDigits[i]] = byte(i)
	}
	return values
}()

// ParseID reads the text form of an id. It is strict, so that an id has one
// spelling: the kind's own prefix, lower case, no overflow, not the zero id. The
// UUID's version and variant are not looked at.
//
// K is inferred where the function is used as a value, which is how packages
// that can't name a kind use it:
//
//	var parseTenantID func(string) (rentroll.TenantID, error) = rentroll.ParseID
func ParseID[K idKind](s string) (ID[K], error) {
	id, ok := parseIDText[K](s)
	if !ok {
		return ID[K]{}, idSyntaxError[K]{}
	}
	return id, nil
}

// newID returns the UUIDv7 of a moment: 48 bits of milliseconds since 1970, the
// version, 12 bits of the fraction of the millisecond (RFC 9562, section 6.2,
// method 3), the variant and 62 random bits, the last ones of entropy.
//
// Ids made at a later time sort after those made before it; the resolution is a
// 4096th of a millisecond (244 ns), and ids of one such step are in random
// order. A time outside of 48 bits is moved to the nearest end: to 1970 or to the year 10889.
func newID[K idKind](now time.Time, entropy [10]byte) ID[K] {
	const maxMilli = 1<<48 - 1
	milli := now.UnixMilli()
	fraction := uint64(now.Nanosecond()%1e6) * 4096 / 1e6
	switch {
	case milli < 0:
		milli, fraction = 0, 0
	case milli > maxMilli:
		milli, fraction = maxMilli, 4095
	}
	random := binary.BigEndian.Uint64(entropy[2:]) &^ (3 << 62)

	var id ID[K]
	binary.BigEndian.PutUint64(id[:8], uint64(milli)<<16|7<<12|fraction)
	binary.BigEndian.PutUint64(id[8:], 2<<62|random)
	return id
}

// IsZero reports whether the id names nothing.
func (i ID[K]) IsZero() bool { return i == ID[K]{} }

// Compare orders ids by their bytes, which is by the time they were made at.
// It returns -1, 0 or 1.
func (i ID[K]) Compare(other ID[K]) int { return bytes.Compare(i[:], other[:]) }

// Time returns the time that the id was made at, in UTC and cut to the
// millisecond. It means nothing for the zero id.
func (i ID[K]) Time() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(i[:8]) >> 16)).UTC()
}

// String returns the text form, "" for the zero id.
func (i ID[K]) String() string {
	var text [idTextSpace]byte
	return string(i.appendText(text[:0]))
}

// AppendText appends what String returns. It never fails.
func (i ID[K]) AppendText(b []byte) ([]byte, error) { return i.appendText(b), nil }

// MarshalText returns what String returns. It never fails.
func (i ID[K]) MarshalText() ([]byte, error) {
	return i.appendText(make([]byte, 0, idTextSpace)), nil
}

// UnmarshalText reads what ParseID reads; empty text is the zero id.
func (i *ID[K]) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*i = ID[K]{}
		return nil
	}
	id, ok := parseIDText[K](text)
	if !ok {
		return idSyntaxError[K]{}
	}
	*i = id
	return nil
}

// MarshalJSON returns the text form as a JSON string, null for the zero id.
func (i ID[K]) MarshalJSON() ([]byte, error) {
	if i.IsZero() {
		return []byte("null"), nil
	}
	b := append(make([]byte, 0, idTextSpace), '"')
	return append(i.appendText(b), '"'), nil
}

// UnmarshalJSON reads a JSON string of what ParseID reads, written without
// escapes, or null, the zero id. Anything else is an error, "" too.
func (i *ID[K]) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*i = ID[K]{}
		return nil
	}
	if len(data) < 2 || data[0] != '"' || data[len(data)-1] != '"' {
		return idSyntaxError[K]{}
	}
	id, ok := parseIDText[K](data[1 : len(data)-1])
	if !ok {
		return idSyntaxError[K]{}
	}
	*i = id
	return nil
}

func (i ID[K]) appendText(b []byte) []byte {
	if i.IsZero() {
		return b
	}
	var kind K
	b = append(b, kind.prefix()...)
	b = append(b, '_')

	// 128 bits are 26 digits: 13 digits of the upper 63 bits, one that has a
	// bit of the upper and four of the lower half, 12 of the lower 60 bits.
	hi, lo := binary.BigEndian.Uint64(i[:8]), binary.BigEndian.Uint64(i[8:])
	var body [idBodySize]byte
	for n, rest := 12, hi>>1; n >= 0; n-- {
		body[n] = idDigits[rest&31]
		rest >>= 5
	}
	body[13] = idDigits[(hi&1)<<4|lo>>60]
	for n, rest := 25, lo; n >= 14; n-- {
		body[n] = idDigits[rest&31]
		rest >>= 5
	}
	return append(b, body[:]...)
}

func parseIDText[K idKind, T string | []byte](s T) (ID[K], bool) {
	var kind K
	prefix := kind.prefix()
	if len(s) != len(prefix)+1+idBodySize || string(s[:len(prefix)]) != prefix || s[len(prefix)] != '_' {
		return ID[K]{}, false
	}
	body := s[len(prefix)+1:]

	var upper, lower uint64
	var invalid byte
	for n := range 13 {
		digit := idDigitValues[body[n]]
		invalid |= digit
		upper = upper<<5 | uint64(digit)
	}
	middle := idDigitValues[body[13]]
	invalid |= middle
	for n := 14; n < idBodySize; n++ {
		digit := idDigitValues[body[n]]
		invalid |= digit
		lower = lower<<5 | uint64(digit)
	}
	if invalid > 31 || body[0] > '7' {
		return ID[K]{}, false
	}

	var id ID[K]
	binary.BigEndian.PutUint64(id[:8], upper<<1|uint64(middle)>>4)
	binary.BigEndian.PutUint64(id[8:], uint64(middle)<<60|lower)
	return id, !id.IsZero()
}

// An idSyntaxError does not repeat the text it is about: that came from outside
// and may be anything.
type idSyntaxError[K idKind] struct{}

func (idSyntaxError[K]) Error() string {
	var kind K
	return "must be an id: " + kind.prefix() + "_ and 26 characters of lower-case base32"
}

// ParseTenantID reads a tenant's id.
func ParseTenantID(s string) (TenantID, error) { return ParseID[tenantKind](s) }

// ParseUserID reads a user's id.
func ParseUserID(s string) (UserID, error) { return ParseID[userKind](s) }

// ParseKeyID reads an API key's id.
func ParseKeyID(s string) (KeyID, error) { return ParseID[keyKind](s) }

// ParseOperatorKeyID reads an operator key's id.
func ParseOperatorKeyID(s string) (OperatorKeyID, error) { return ParseID[operatorKeyKind](s) }

// ParseRunID reads a run's id.
func ParseRunID(s string) (RunID, error) { return ParseID[runKind](s) }
