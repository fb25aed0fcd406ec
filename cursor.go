package rentroll

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// A cursor tells a list where its next page begins. To callers it is an opaque
// text; it is base64 (URL alphabet, no padding) of
//
//	version (1 byte, 1) | position | checksum (8 bytes)
//
// The position is what the list wants to be told. The checksum is also over the
// scope, a text that names the list, the tenant and the filters: a cursor
// that was cut, mistyped, or taken from another list is refused instead of
// showing a wrong page. It is not a signature. Whoever reads the code can make a
// cursor with any position, so a position must never grant access: the
// list's query has the tenant in it anyway.

const (
	cursorVersion      = 1
	cursorChecksumSize = 8
	cursorMaxSize      = 512 // characters: a position has at most 375 bytes
)

// cursorEncoding refuses the stray bits that a last character can have, so that
// a cursor has one spelling.
var cursorEncoding = base64.RawURLEncoding.Strict()

// encodeCursor returns the cursor of a position, which may have 375 bytes; a
// longer one is not accepted back.
func encodeCursor(scope string, position []byte) string {
	b := make([]byte, 0, 1+len(position)+cursorChecksumSize)
	b = append(b, cursorVersion)
	b = append(b, position...)
	sum := cursorChecksum(scope, position)
	return cursorEncoding.EncodeToString(append(b, sum[:]...))
}

// decodeCursor returns the position of a cursor that encodeCursor made for the
// same scope; anything else is not ok.
func decodeCursor(scope, s string) (position []byte, ok bool) {
	// The decoder skips line breaks.
	if len(s) > cursorMaxSize || strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	b, err := cursorEncoding.DecodeString(s)
	if err != nil || len(b) < 1+cursorChecksumSize || b[0] != cursorVersion {
		return nil, false
	}
	checksumAt := len(b) - cursorChecksumSize
	position = b[1:checksumAt:checksumAt]
	sum := cursorChecksum(scope, position)
	if !bytes.Equal(sum[:], b[checksumAt:]) {
		return nil, false
	}
	return position, true
}

func cursorChecksum(scope string, position []byte) [cursorChecksumSize]byte {
	const label = "rentroll cursor"
	b := make([]byte, 0, len(label)+1+len(scope)+1+len(position))
	b = append(b, label...)
	b = append(b, 0)
	b = append(b, scope...)
	b = append(b, 0)
	b = append(b, position...)
	sum := sha256.Sum256(b)
	return [cursorChecksumSize]byte(sum[:cursorChecksumSize])
}
