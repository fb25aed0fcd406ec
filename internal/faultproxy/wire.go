package faultproxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// The kinds of messages that matter here. Those of clients and servers overlap.
const (
	// From a client.
	kindQuery   = 'Q'
	kindParse   = 'P'
	kindBind    = 'B'
	kindExecute = 'E'
	kindClose   = 'C'
	kindSync    = 'S'

	// From a server.
	kindBackendKey = 'K'
	kindReady      = 'Z'
)

// What a connection may begin with, in place of a version of the protocol.
const (
	codeCancel = 80877102
	codeSSL    = 80877103
	codeGSS    = 80877104
)

// maxMessage is far above what any client here sends.
const maxMessage = 1 << 28

// message is one message as it came: its kind, four bytes of length, its body.
type message []byte

func (m message) kind() byte   { return m[0] }
func (m message) body() []byte { return m[5:] }

// readMessage reads a message.
func readMessage(r *bufio.Reader) (message, error) {
	head, err := r.Peek(5)
	if err != nil {
		return nil, err
	}
	return readSized(r, 1, head[1:])
}

// readFirst reads what a connection begins with: a message without a kind.
func readFirst(r *bufio.Reader) (code uint32, raw []byte, err error) {
	head, err := r.Peek(8)
	if err != nil {
		return 0, nil, err
	}
	code = binary.BigEndian.Uint32(head[4:])
	raw, err = readSized(r, 0, head)
	return code, raw, err
}

// readSized reads a message whose length stands in its bytes behind the first few, and counts from there.
func readSized(r *bufio.Reader, before int, length []byte) ([]byte, error) {
	n := binary.BigEndian.Uint32(length)
	if n < 4 || n > maxMessage {
		return nil, fmt.Errorf("faultproxy: a message of %d bytes", n)
	}
	raw := make([]byte, before+int(n))
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, err
	}
	return raw, nil
}

// backend returns the process id in a server's BackendKeyData.
func (m message) backend() uint32 {
	if m.kind() != kindBackendKey || len(m.body()) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(m.body())
}

// texts knows the statements of one connection by their names.
type texts struct {
	prepared map[string]string
	portals  map[string]string
}

func newTexts() *texts {
	return &texts{prepared: make(map[string]string), portals: make(map[string]string)}
}

// runs follows a client's message, and returns the statement that it has the server run.
func (t *texts) runs(m message) (sql string, runs bool) {
	body := m.body()
	switch m.kind() {
	case kindQuery:
		sql, _ = text(body)
		return sql, true
	case kindParse:
		name, rest := text(body)
		t.prepared[name], _ = text(rest)
	case kindBind:
		portal, rest := text(body)
		name, _ := text(rest)
		t.portals[portal] = t.prepared[name]
	case kindExecute:
		portal, _ := text(body)
		return t.portals[portal], true
	case kindClose:
		if len(body) > 0 {
			name, _ := text(body[1:])
			delete(map[byte]map[string]string{'S': t.prepared, 'P': t.portals}[body[0]], name)
		}
	}
	return "", false
}

// text takes a text that ends in a zero byte.
func text(b []byte) (s string, rest []byte) {
	before, after, _ := bytes.Cut(b, []byte{0})
	return string(before), after
}

// Statement is a statement on its way to the server.
type Statement struct {
	SQL     string
	Backend uint32 // the server's process that will run it
	Turn    int    // of its connection: what is sent before the client waits for the server is one
}

// Commits reports whether the statement commits a transaction, alone or with others in one text.
func (s Statement) Commits() bool {
	for part := range strings.SplitSeq(s.SQL, ";") {
		words := strings.Fields(part)
		if len(words) == 0 {
			continue
		}
		if first := words[0]; (strings.EqualFold(first, "COMMIT") || strings.EqualFold(first, "END")) &&
			(len(words) < 2 || !strings.EqualFold(words[1], "PREPARED")) {
			return true
		}
	}
	return false
}
