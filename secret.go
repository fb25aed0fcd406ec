package rentroll

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"strings"
)

// The secret of an API key, 74 characters with the default prefix:
//
//	rr_ 1xQ…(65)…7Zk 0aB3dE
//	│   │            └ checksum: CRC-32 of all that stands before it
//	│   └ body: 32 random bytes, then the tenant's id, as one number
//	└ prefix, the operator's choice
//
// Body and checksum are base62 of fixed width. The body begins with random bits,
// so that displayed prefixes differ, and ends with the tenant, so that looking
// a key up reads one tenant's rows. The checksum refuses a mistyped or cut key
// without a look-up and lets scanners of leaked secrets recognize one; it
// is no protection against forgery, which the 256 random bits are.
//
// An operator's key has the prefix and "op", and a body of random bytes alone.

// DefaultKeyPrefix is what the secrets of API keys begin with unless
// the options say otherwise.
const DefaultKeyPrefix = "rr"

const (
	secretDigits         = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	secretBodySize       = 65 // of 48 bytes: 62^64 < 2^384 < 62^65
	operatorBodySize     = 43 // of 32 bytes: 62^42 < 2^256 < 62^43
	secretChecksumSize   = 6  // of 4 bytes: 62^5 < 2^32 < 62^6
	secretPrefixMin      = 2
	secretPrefixMax      = 6
	operatorPrefixSuffix = "op"
	displayPrefixSize    = 12
	displaySuffixSize    = 4

	// Ten digits are the most that fit in a word: 62^10 < 2^64 < 62^11.
	secretChunkSize = 10
	secretChunk     = 62 * 62 * 62 * 62 * 62 * 62 * 62 * 62 * 62 * 62
)

// secretDigitValues is the inverse of secretDigits; what is no digit is 0xff.
var secretDigitValues = func() (values [256]byte) {
	for i := range values {
		values[i] = 0xff
	}
	for i := range len(secretDigits) {
		values[secretDigits[i]] = byte(i)
	}
	return values
}()

// newSecret makes the secret of an API key. The prefix must be one that
// validKeyPrefix accepts and the tenant not zero, or parseSecret refuses the result.
func newSecret(prefix string, random [32]byte, tenant TenantID) string {
	var body [6]uint64
	for i := range 4 {
		body[i] = binary.BigEndian.Uint64(random[8*i:])
	}
	body[4] = binary.BigEndian.Uint64(tenant[:8])
	body[5] = binary.BigEndian.Uint64(tenant[8:])
	return writeSecret(prefix, body[:], secretBodySize)
}

// newOperatorSecret makes the secret of an operator key.
func newOperatorSecret(prefix string, random [32]byte) string {
	var body [4]uint64
	for i := range body {
		body[i] = binary.BigEndian.Uint64(random[8*i:])
	}
	return writeSecret(prefix+operatorPrefixSuffix, body[:], operatorBodySize)
}

// parseSecret takes the secret of an API key apart. ok means that it is
// well-formed, which newSecret's results are; whether there is such a key is
// another question. Every secret has one spelling.
func parseSecret(s string) (prefix string, tenant TenantID, ok bool) {
	prefix, body, ok := cutSecret(s, secretBodySize)
	if !ok || !validKeyPrefix(prefix) {
		return "", TenantID{}, false
	}
	var words [6]uint64
	if !decodeBase62(words[:], body) {
		return "", TenantID{}, false
	}
	binary.BigEndian.PutUint64(tenant[:8], words[4])
	binary.BigEndian.PutUint64(tenant[8:], words[5])
	if tenant.IsZero() {
		return "", TenantID{}, false
	}
	return prefix, tenant, true
}

// isOperatorSecret reports whether s is a well-formed result of
// newOperatorSecret. An operator key from the configuration may be any text and
// is not recognized by its form.
func isOperatorSecret(s string) bool {
	prefix, body, ok := cutSecret(s, operatorBodySize)
	if !ok {
		return false
	}
	prefix, ok = strings.CutSuffix(prefix, operatorPrefixSuffix)
	var words [4]uint64
	return ok && validKeyPrefix(prefix) && decodeBase62(words[:], body)
}

// hashSecret returns what is stored of a secret: its SHA-256. A slow hash would
// add nothing, as nobody can guess 256 random bits.
func hashSecret(s string) [32]byte {
	var space [128]byte // keeps the copy off the heap
	return sha256.Sum256(append(space[:0], s...))
}

// displayPrefix returns the start of a secret that may be shown and stored: its
// first 12 characters.
func displayPrefix(s string) string {
	characters := 0
	for i := range s {
		if characters == displayPrefixSize {
			return s[:i]
		}
		characters++
	}
	return s
}

// displaySuffix returns the end of a secret that may be shown and stored: its last 4
// characters. They are of the checksum: the random bits stay as unguessable as
// before, but for 24 of 256.
func displaySuffix(s string) NullString {
	return NullString(s[max(0, len(s)-displaySuffixSize):])
}

// validKeyPrefix reports whether API keys may have the prefix: 2 to 6 lower-case
// letters that do not end in "op", which is how operator keys are told.
func validKeyPrefix(p string) bool {
	if len(p) < secretPrefixMin || len(p) > secretPrefixMax || strings.HasSuffix(p, operatorPrefixSuffix) {
		return false
	}
	for i := range len(p) {
		if p[i] < 'a' || p[i] > 'z' {
			return false
		}
	}
	return true
}

// writeSecret joins prefix, body and checksum. It overwrites the body.
func writeSecret(prefix string, body []uint64, bodySize int) string {
	b := make([]byte, len(prefix)+1+bodySize+secretChecksumSize)
	copy(b, prefix)
	b[len(prefix)] = '_'
	checksumAt := len(b) - secretChecksumSize
	encodeBase62(b[len(prefix)+1:checksumAt], body)
	encodeBase62(b[checksumAt:], []uint64{uint64(secretChecksum(b[:checksumAt]))})
	return string(b)
}

// cutSecret splits a secret with a body of the given size and checks its checksum.
func cutSecret(s string, bodySize int) (prefix, body string, ok bool) {
	checksumAt := len(s) - secretChecksumSize
	underscore := checksumAt - bodySize - 1
	if underscore < secretPrefixMin || underscore > secretPrefixMax+len(operatorPrefixSuffix) || s[underscore] != '_' {
		return "", "", false
	}
	var sum [1]uint64
	if !decodeBase62(sum[:], s[checksumAt:]) || sum[0] != uint64(secretChecksum(s[:checksumAt])) {
		return "", "", false
	}
	return s[:underscore], s[underscore+1 : checksumAt], true
}

// secretChecksum is crc32.ChecksumIEEE, which would make its argument escape: a
// string had to be copied to the heap for it.
func secretChecksum[T string | []byte](s T) uint32 {
	sum := ^uint32(0)
	for i := range len(s) {
		sum = crc32.IEEETable[byte(sum)^s[i]] ^ sum>>8
	}
	return ^sum
}

// encodeBase62 fills dst with the digits of a number, given as words with the
// most significant one first. It divides the words down to what did not fit, zero here.
func encodeBase62(dst []byte, words []uint64) {
	for end := len(dst); end > 0; end -= secretChunkSize {
		var chunk uint64
		for i := range words {
			words[i], chunk = bits.Div64(chunk, words[i], secretChunk)
		}
		for i := end - 1; i >= max(end-secretChunkSize, 0); i-- {
			dst[i] = secretDigits[chunk%62]
			chunk /= 62
		}
	}
}

// decodeBase62 is the inverse of encodeBase62. It fails on what is no digit and
// on a number too large for the words, which must be zero at the start.
func decodeBase62(words []uint64, s string) bool {
	for s != "" {
		size := (len(s)-1)%secretChunkSize + 1 // a short chunk comes first
		chunk, scale := uint64(0), uint64(1)
		for i := range size {
			digit := secretDigitValues[s[i]]
			if digit == 0xff {
				return false
			}
			chunk = chunk*62 + uint64(digit)
			scale *= 62
		}
		for i := len(words) - 1; i >= 0; i-- { // words = words*scale + chunk
			hi, lo := bits.Mul64(words[i], scale)
			lo, carry := bits.Add64(lo, chunk, 0)
			words[i], chunk = lo, hi+carry
		}
		if chunk != 0 {
			return false
		}
		s = s[size:]
	}
	return true
}
