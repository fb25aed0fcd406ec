package faultproxy

import (
	"errors"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Proxy is one address that leads to a server. Make it with New. All methods are safe for concurrent use.
type Proxy struct {
	url      string
	network  string // of the server
	address  string
	listener net.Listener
	ended    sync.WaitGroup

	mu     sync.Mutex
	links  map[*link]struct{}
	refuse bool
	closed bool
	open   chan struct{} // closed while bytes may pass
	delay  time.Duration
	watch  func(Statement) Fate
}

// Fate is what becomes of a statement and of its connection. The zero value lets both be.
type Fate struct {
	End End

	// Pause is called when the server has got the statement and nothing that comes behind it, such as the end of its
	// pipeline: the server has done what it says, and has not said so yet.
	Pause func()
}

// End is how a connection ends at a statement.
type End int

// The ends of a connection.
const (
	None         End = iota // it goes on
	CutBefore               // it is cut, and the server does not get the statement
	CutAfter                // it is cut when the server has answered, and the client does not get the answer
	StrandBefore            // as CutBefore, but neither end learns of it
	StrandAfter             // as CutAfter, but neither end learns of it
)

// New starts a proxy for the server of a database's URL. It ends with the test.
func New(tb testing.TB, databaseURL string) *Proxy {
	tb.Helper()
	config, err := pgconn.ParseConfig(databaseURL)
	if err != nil {
		tb.Fatalf("faultproxy: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it lives as long as the test
	if err != nil {
		tb.Fatalf("faultproxy: %v", err)
	}
	p := &Proxy{listener: l, links: make(map[*link]struct{}), open: make(chan struct{})}
	close(p.open)
	p.network, p.address = pgconn.NetworkAddress(config.Host, config.Port)
	if p.url, err = through(databaseURL, l.Addr().String()); err != nil {
		tb.Fatalf("faultproxy: %v", err)
	}
	p.ended.Go(p.serve)
	tb.Cleanup(p.close)
	return p
}

// through is a database's URL with another address of the server.
func through(databaseURL, address string) (string, error) {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return "", err
	}
	u.Host = address
	q := u.Query()
	q.Del("host")
	q.Del("port")
	q.Set("sslmode", "disable")
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// URL is the database's URL through the proxy.
func (p *Proxy) URL() string { return p.url }

// Addr is where the proxy listens: host and port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Cut ends all connections that are open now, and returns how many those were.
func (p *Proxy) Cut() int {
	links := p.current()
	for _, l := range links {
		l.end()
	}
	return len(links)
}

// Strand lets the two ends of each open connection hear nothing of each other any more, not even that one of them ends.
// It returns how many those were.
func (p *Proxy) Strand() int {
	links := p.current()
	for _, l := range links {
		l.strand()
	}
	return len(links)
}

// Links returns how many connections are open, stranded ones too.
func (p *Proxy) Links() int { return len(p.current()) }

// Stranded returns how many connections are open whose ends hear nothing of each other any more.
func (p *Proxy) Stranded() (n int) {
	for _, l := range p.current() {
		if l.stranded() {
			n++
		}
	}
	return n
}

// Refuse lets every new connection end before it is made. Those that are open stay.
func (p *Proxy) Refuse() { p.set(func() { p.refuse = true }) }

// Accept takes new connections again.
func (p *Proxy) Accept() { p.set(func() { p.refuse = false }) }

// Delay lets whatever is sent arrive later by d, in each direction. 0 is at once.
func (p *Proxy) Delay(d time.Duration) { p.set(func() { p.delay = d }) }

// Watch has every statement shown to hook before the server gets it, and lets its fate befall it. Where hook waits, the
// statement does. It is called for all connections at once; nil ends it.
func (p *Proxy) Watch(hook func(Statement) Fate) { p.set(func() { p.watch = hook }) }

// Hold lets nothing through in either direction until Release. New connections are taken, and hear nothing.
func (p *Proxy) Hold() {
	p.set(func() {
		select {
		case <-p.open:
			p.open = make(chan struct{})
		default: // already
		}
	})
}

// Release ends Hold: whatever was sent meanwhile arrives.
func (p *Proxy) Release() { p.set(p.release) }

func (p *Proxy) release() {
	select {
	case <-p.open: // already
	default:
		close(p.open)
	}
}

func (p *Proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *Proxy) current() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*link, 0, len(p.links))
	for l := range p.links {
		all = append(all, l)
	}
	return all
}

// serve takes connections until the proxy is closed.
func (p *Proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the caller has gone already
		}
		l := newLink(p, client)
		p.mu.Lock()
		refused := p.refuse || p.closed
		if !refused {
			p.links[l] = struct{}{}
		}
		p.mu.Unlock()
		if refused {
			_ = client.Close()
			continue
		}
		p.ended.Go(func() {
			l.run()
			p.mu.Lock()
			defer p.mu.Unlock()
			delete(p.links, l)
		})
	}
}

// close ends everything and waits for it.
func (p *Proxy) close() {
	p.set(func() {
		p.closed, p.watch = true, nil
		p.release()
	})
	_ = p.listener.Close()
	p.Cut()
	p.ended.Wait()
}
