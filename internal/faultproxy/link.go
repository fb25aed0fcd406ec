package faultproxy

import (
	"bufio"
	"net"
	"sync"
	"time"
)

// link is one connection through a proxy: a client's and a server's, and the two goroutines between them.
type link struct {
	proxy  *Proxy
	client net.Conn
	done   chan struct{} // closed when the link ends
	dead   chan struct{} // closed when it is stranded

	mu      sync.Mutex
	server  net.Conn // nil until it is there
	backend uint32
	asked   int // how often the server was asked to get ready: once by the start, then by each Sync and Query
	ready   int // how often it was
	last    int // what comes up to this readiness, from the one before it on, is not passed on; 0 for none
	after   End // what happens then
}

func newLink(p *Proxy, client net.Conn) *link {
	return &link{proxy: p, client: client, done: make(chan struct{}), dead: make(chan struct{}), asked: 1}
}

// end closes both connections.
func (l *link) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.done:
		return
	default:
	}
	close(l.done)
	_ = l.client.Close()
	if l.server != nil {
		_ = l.server.Close()
	}
}

// strand lets both ends hear nothing any more.
func (l *link) strand() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stranded() {
		close(l.dead)
	}
}

func (l *link) stranded() bool { return closed(l.dead) }

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// run carries bytes until both ends have gone, or one of them where the other may learn of it.
func (l *link) run() {
	defer l.end()
	in := bufio.NewReaderSize(l.client, 64<<10)
	if !l.connect(in) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { l.leave(l.toServer(in)) })
	both.Go(func() { l.leave(l.toClient()) })
	both.Wait()
}

// leave ends the link when one side is over, unless nobody may learn of it.
func (l *link) leave(error) {
	if !l.stranded() {
		l.end()
	}
}

// connect answers what comes before the protocol proper and connects to the server. It says whether there is a session.
func (l *link) connect(in *bufio.Reader) bool {
	for {
		code, raw, err := readFirst(in)
		if err != nil || !l.pass() {
			return false
		}
		if code == codeSSL || code == codeGSS {
			if _, err := l.client.Write([]byte{'N'}); err != nil {
				return false
			}
			continue
		}
		server, err := net.Dial(l.proxy.network, l.proxy.address) //nolint:noctx // ends with the link
		if err != nil {
			return false
		}
		l.mu.Lock()
		l.server = server
		over := closed(l.done)
		l.mu.Unlock()
		if over {
			_ = server.Close()
			return false
		}
		if _, err := server.Write(raw); err != nil {
			return false
		}
		return code != codeCancel
	}
}

// pass waits until bytes may pass, and says whether they may at all.
func (l *link) pass() bool {
	l.proxy.mu.Lock()
	open, delay := l.proxy.open, l.proxy.delay
	l.proxy.mu.Unlock()
	select {
	case <-open:
	case <-l.done:
	case <-l.dead:
	}
	if delay > 0 {
		late := time.NewTimer(delay)
		defer late.Stop()
		select {
		case <-late.C:
		case <-l.done:
		case <-l.dead:
		}
	}
	return !closed(l.done) && !closed(l.dead)
}

// outlet gathers what goes to one end, and sends it when bytes may pass.
type outlet struct {
	link    *link
	conn    net.Conn
	pending []byte
}

// flushAbove is how much is gathered at most.
const flushAbove = 64 << 10

func (o *outlet) flush() error {
	pending := o.pending
	o.pending = o.pending[:0]
	if len(pending) == 0 || !o.link.pass() {
		return nil // or nobody hears it
	}
	_, err := o.conn.Write(pending)
	return err
}

// add takes a message, and sends what there is where no more is about to come.
func (o *outlet) add(m message, more bool) error {
	o.pending = append(o.pending, m...)
	if more && len(o.pending) < flushAbove {
		return nil
	}
	return o.flush()
}

// toServer carries the client's messages.
func (l *link) toServer(in *bufio.Reader) error {
	out := &outlet{link: l, conn: l.server}
	known := newTexts()
	for {
		m, err := readMessage(in)
		if err != nil {
			return err
		}
		fate := Fate{}
		if sql, runs := known.runs(m); runs {
			if hook := l.hook(); hook != nil {
				if err := out.flush(); err != nil {
					return err
				}
				fate = hook(l.statement(sql))
			}
		}
		l.meet(fate.End)
		if m.kind() == kindSync || m.kind() == kindQuery {
			l.mu.Lock()
			l.asked++
			l.mu.Unlock()
		}
		if err := out.add(m, in.Buffered() > 0 && fate.Pause == nil); err != nil {
			return err
		}
		if fate.Pause != nil {
			fate.Pause()
		}
	}
}

// meet does to the link what a statement's fate says, before the statement is sent.
func (l *link) meet(end End) {
	switch end {
	case CutBefore:
		l.end()
	case StrandBefore:
		l.strand()
	case CutAfter, StrandAfter:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.last, l.after = l.asked+1, end
	default:
	}
}

func (l *link) hook() func(Statement) Fate {
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	return l.proxy.watch
}

func (l *link) statement(sql string) Statement {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Statement{SQL: sql, Backend: l.backend, Turn: l.asked}
}

// toClient carries the server's messages.
func (l *link) toClient() error {
	in := bufio.NewReaderSize(l.server, 64<<10)
	out := &outlet{link: l, conn: l.client}
	for {
		m, err := readMessage(in)
		if err != nil {
			return err
		}
		end, heard := l.follow(m)
		switch end {
		case CutAfter:
			l.end()
		case StrandAfter:
			l.strand()
		default:
		}
		if !heard {
			m = nil
		}
		if err := out.add(m, in.Buffered() > 0); err != nil {
			return err
		}
	}
}

// follow takes note of a server's message, and says whether the client gets it and whether the link ends with it.
func (l *link) follow(m message) (end End, heard bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id := m.backend(); id != 0 {
		l.backend = id
	}
	muted := l.last > 0 && l.ready >= l.last-1
	if m.kind() != kindReady {
		return None, !muted
	}
	l.ready++
	if muted {
		return l.after, false
	}
	return None, true
}
