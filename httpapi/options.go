package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"
)

// Options tune the API. Nil and the zero value are fine: every field says what it then means.
type Options struct {
	// Logger gets one record a request, without bodies and secrets. nil discards them.
	Logger *slog.Logger

	// MaxBody bounds the body of a request, in bytes. 0 is 1 MiB.
	MaxBody int64

	// Timeout bounds how long a request may wait for the engine; then it is answered 503. 0 is 30 seconds.
	Timeout time.Duration

	// Ready says whether the server should get traffic, for /readyz. nil is Engine.Ready.
	Ready func(ctx context.Context) error

	// TrustedProxies are the networks of proxies whose X-Forwarded-For is believed. nil is none: whoever calls is then the
	// other end of the connection. An address is in here when nobody but a proxy of one's own can call from it.
	TrustedProxies []netip.Prefix

	// Version is shown in the OpenAPI document, at /livez and in the metrics. "" is "dev".
	Version string
}

const (
	defaultMaxBody = 1 << 20
	defaultTimeout = 30 * time.Second
)

// withDefaults returns a complete copy, but for Ready, whose default needs the engine.
func (o *Options) withDefaults() Options {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.MaxBody <= 0 {
		opts.MaxBody = defaultMaxBody
	}
	if opts.Timeout <= 0 {
		opts.Timeout = defaultTimeout
	}
	if opts.Version == "" {
		opts.Version = "dev"
	}
	return opts
}

// NewServer returns an HTTP server for a handler of New with time limits under which no slow client can hold a
// connection for long. The caller serves with it and shuts it down.
func NewServer(addr string, handler http.Handler) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute, // of a whole request: a megabyte over a very slow line
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
}
