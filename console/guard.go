package console

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"
)

// policy lets pages run the scripts of this server and nothing else. Pico draws the marks of its form fields from data.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// protect sets the headers that every answer has.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// knowsHost reports whether a request's Host is one of this server's. A page of another site can have its own name lead to
// this machine, and would then be at home here; but not to a name that is not its own. An address is nobody's name.
func (c *Console) knowsHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost") ||
		slices.ContainsFunc(c.opts.Hosts, func(own string) bool { return strings.EqualFold(own, name) })
}

func refuseHost(w http.ResponseWriter, host string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusMisdirectedRequest)
	_, _ = fmt.Fprintf(w, "The console does not know the name %q. If it is this server's, start it with --console-hosts and that name.\n", host) //nolint:gosec // plain text
}

// Forms repeat a token that only the console's own pages know. It follows from the session's, and is masked so that no two
// pages hold the same text: what is compressed must not tell a secret by its length.
func formToken(session string) string {
	sum := formSum(session)
	var masked [2 * sha256.Size]byte
	pad := masked[:sha256.Size]
	_, _ = rand.Read(pad) // never fails
	subtle.XORBytes(masked[sha256.Size:], pad, sum)
	return base64.RawURLEncoding.EncodeToString(masked[:])
}

func formSum(session string) []byte {
	mac := hmac.New(sha256.New, []byte(session))
	mac.Write([]byte("rentroll console form"))
	return mac.Sum(nil)
}

// isFormToken reports whether a form was made for the session.
func isFormToken(given, session string) bool {
	masked, err := base64.RawURLEncoding.DecodeString(given)
	if err != nil || len(masked) != 2*sha256.Size {
		return false
	}
	sum := make([]byte, sha256.Size)
	subtle.XORBytes(sum, masked[:sha256.Size], masked[sha256.Size:])
	return subtle.ConstantTimeCompare(sum, formSum(session)) == 1
}

// attempts bounds how often somebody may try to sign in: ten at once from an address, then one every six seconds.
type attempts struct {
	from *otter.Cache[netip.Prefix, *rate.Limiter]
}

const (
	attemptsAtOnce  = 10
	attemptInterval = 6 * time.Second
	attemptsKept    = 10_000 // addresses
)

func newAttempts() *attempts {
	return &attempts{otter.Must(&otter.Options[netip.Prefix, *rate.Limiter]{MaximumSize: attemptsKept})}
}

// allow counts an attempt. Of IPv6 a whole network counts as one, since that is what people are given.
func (a *attempts) allow(from netip.Addr, now time.Time) bool {
	bits := 32
	if from.Is6() {
		bits = 64
	}
	network, err := from.Prefix(bits)
	if err != nil {
		network = netip.Prefix{} // nobody that can be named: all of them together
	}
	limiter, ok := a.from.GetIfPresent(network)
	if !ok {
		limiter, _ = a.from.SetIfAbsent(network, rate.NewLimiter(rate.Every(attemptInterval), attemptsAtOnce))
	}
	return limiter.AllowN(now, 1)
}
