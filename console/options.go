package console

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/rentroll/rentroll"
)

// Options tune the console. Nil and the zero value are fine: every field says what it then means.
type Options struct {
	// Settings are shown to operators on the page of the system, in this order. They must have no secrets. nil is none.
	Settings []Setting

	// Database says which database the store is, for people, such as the path of a file. "" is not shown. No secrets.
	Database string

	// Logger is told of failures. nil discards them.
	Logger *slog.Logger

	// Version is shown to operators. "" is "dev".
	Version string

	// Hosts are the names, without ports, under which browsers reach the console, beside addresses and localhost: any other
	// is refused, since a page of another site could have had its name lead here. nil is none.
	Hosts []string

	// CallerAddress says where a request comes from. nil is the other end of the connection; a server behind proxies has to
	// say more.
	CallerAddress func(*http.Request) netip.Addr

	// Secure says whether a request came by TLS: then its cookies come back by TLS only. nil looks at the connection; a
	// server behind proxies has to say more.
	Secure func(*http.Request) bool

	// Idle is after how long a session that nobody uses ends. 0 is half an hour.
	Idle time.Duration

	// Lifetime is after how long a session ends in any case. 0 is twelve hours, or Idle where that is longer.
	Lifetime time.Duration
}

// Setting is something that the server was started with.
type Setting struct{ Name, Value string }

func (o *Options) withDefaults() Options {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Version == "" {
		opts.Version = "dev"
	}
	if opts.CallerAddress == nil {
		opts.CallerAddress = peer
	}
	if opts.Secure == nil {
		opts.Secure = func(r *http.Request) bool { return r.TLS != nil }
	}
	if opts.Idle == 0 {
		opts.Idle = rentroll.DefaultSessionIdle
	}
	if opts.Lifetime == 0 {
		opts.Lifetime = max(rentroll.DefaultSessionLifetime, opts.Idle)
	}
	return opts
}

// peer is the other end of a connection.
func peer(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}
