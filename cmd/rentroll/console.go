package main

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/console"
	"github.com/rentroll/rentroll/httpapi"
)

// checkConsole says what is wrong with the flags of the console.
func (c *serveCmd) checkConsole() error {
	switch {
	case c.ConsoleIdle < time.Minute || c.ConsoleIdle > rentroll.MaxSession:
		return usagef("--console-idle must be between 1m and 720h")
	case c.ConsoleLifetime < c.ConsoleIdle || c.ConsoleLifetime > rentroll.MaxSession:
		return usagef("--console-lifetime must be between --console-idle and 720h")
	default:
		return nil
	}
}

// withConsole puts the console beside the API, and has browsers that ask for nothing in particular find it. drain ends its
// pages' streams, which a server that stops would else wait for.
func (s *server) withConsole(api http.Handler) (handler http.Handler, drain func()) {
	if s.NoConsole {
		return api, func() {}
	}
	trusted := plainNetworks(s.TrustedProxies)
	pages := console.New(s.engine, &console.Options{
		Logger: s.logger, Version: programVersion(), Hosts: s.ConsoleHosts, Idle: s.ConsoleIdle, Lifetime: s.ConsoleLifetime,
		CallerAddress: func(r *http.Request) netip.Addr { return httpapi.CallerAddress(r, trusted) },
		Secure:        func(r *http.Request) bool { return httpapi.CameByTLS(r, trusted) },
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/console/"):
			pages.ServeHTTP(w, r)
		case r.URL.Path == "/console", r.URL.Path == "/" && r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html"):
			http.Redirect(w, r, "/console/", http.StatusSeeOther)
		default:
			api.ServeHTTP(w, r)
		}
	}), pages.Drain
}
