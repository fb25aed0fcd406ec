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

// settings are what the server was started with, without secrets: of those only whether they are there.
func (s *server) settings() []console.Setting {
	given := func(is bool) string {
		if is {
			return "given"
		}
		return "none"
	}
	networks := make([]string, 0, len(s.TrustedProxies))
	for _, n := range plainNetworks(s.TrustedProxies) {
		networks = append(networks, n.String())
	}
	duration := func(d time.Duration) string { // 30m and 12h, not 30m0s and 12h0m0s
		return strings.Replace(strings.Replace(d.String(), "m0s", "m", 1), "h0m", "h", 1)
	}
	list := func(items []string) string {
		if len(items) == 0 {
			return "none"
		}
		return strings.Join(items, ", ")
	}
	return []console.Setting{
		{Name: "Listens on", Value: s.Listen},
		{Name: "Operator key of the configuration", Value: given(s.secret != "")},
		{Name: "Key that signs the audit", Value: given(s.signer != nil)},
		{Name: "Prefix of API keys", Value: s.KeyPrefix},
		{Name: "Keys in memory stay good without the database for", Value: duration(s.KeysStaleFor)},
		{Name: "Trusted proxies", Value: list(networks)},
		{Name: "Names of the console", Value: list(s.ConsoleHosts)},
		{Name: "Idle sessions of the console end after", Value: duration(s.ConsoleIdle)},
		{Name: "Sessions of the console end after", Value: duration(s.ConsoleLifetime)},
		{Name: "A stop waits for", Value: duration(s.DrainTimeout)},
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
		Logger: s.logger, Version: programVersion(), Database: s.database.name, Settings: s.settings(), Hosts: s.ConsoleHosts, Idle: s.ConsoleIdle, Lifetime: s.ConsoleLifetime,
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
