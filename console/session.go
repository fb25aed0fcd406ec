package console

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/rentroll/rentroll"
)

const (
	sessionCookie = "rentroll_session"
	themeCookie   = "rentroll_theme" // set by app.js: "light" or "dark"; none follows the system
	zoneCookie    = "rentroll_zone"  // set by app.js: the viewer's time zone
	flashCookie   = "rentroll_said"  // what the next page is to say, once
)

func (c *Console) setCookie(w http.ResponseWriter, r *http.Request, name, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // by TLS only where the request came by TLS: else it would never come back
		Name: name, Value: value, Path: root, MaxAge: seconds, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: c.opts.Secure(r),
	})
}

func cookieValue(r *http.Request, name string) string {
	cookie, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return cookie.Value
}

// signInPage is what the sign-in page shows.
type signInPage struct {
	Next  string // where to go afterwards
	Error string
	Ended bool // a session has ended
}

func (c *Console) showSignIn(w http.ResponseWriter, r *http.Request) {
	c.renderSignIn(w, r, http.StatusOK, signInPage{Next: nextPath(r.URL.Query().Get("next")), Ended: r.URL.Query().Has("ended")})
}

func (c *Console) renderSignIn(w http.ResponseWriter, r *http.Request, status int, p signInPage) {
	c.render(w, r, status, signInTemplate, "sign-in", &frame{Title: "Sign in", Theme: theme(r), Version: c.opts.Version, Data: p})
}

// signIn opens a session for who knows a key.
func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	next := nextPath(r.PostFormValue("next"))
	refuse := func(status int, message string) {
		c.renderSignIn(w, r, status, signInPage{Next: next, Error: message})
	}
	from := c.opts.CallerAddress(r)
	if !c.attempts.allow(from, c.engine.Now()) {
		w.Header().Set("Retry-After", "6")
		refuse(http.StatusTooManyRequests, "Too many attempts from your address. Wait a minute, then try again.")
		return
	}
	token, _, err := c.engine.SignIn(r.Context(), rentroll.SignInParams{
		Secret: pastedKey(r.PostFormValue("key")), From: from, Idle: c.opts.Idle, Lifetime: c.opts.Lifetime, UserAgent: userAgent(r),
	})
	switch code := rentroll.CodeOf(err); code {
	case "":
	case rentroll.CodeUnauthenticated:
		refuse(http.StatusUnauthorized, "This key lets nobody in. Check that it is whole, and that it was not revoked and has not expired.")
		return
	case rentroll.CodeRateLimited:
		refuse(http.StatusTooManyRequests, "This key has used up its requests for the moment. Try again in a minute.")
		return
	default:
		c.opts.Logger.Error("signing in failed", "error", err)
		refuse(http.StatusServiceUnavailable, "The database does not answer, so nobody can be let in. Try again in a moment; rentroll doctor says more.")
		return
	}
	if old := cookieValue(r, sessionCookie); old != "" {
		if err := c.engine.SignOut(r.Context(), old); err != nil {
			c.opts.Logger.Warn("an old session could not be ended", "error", err)
		}
	}
	c.setCookie(w, r, sessionCookie, token, 0)
	http.Redirect(w, r, next, http.StatusSeeOther) //nolint:gosec // nextPath lets no other site be next
}

// pastedKey is the key in what was pasted: alone, or in the line for a shell with which commands and servers show it.
func pastedKey(s string) string {
	s = strings.TrimSpace(s)
	if _, key, found := strings.Cut(s, "RENTROLL_KEY="); found && (s[0] == 'R' || strings.HasPrefix(s, "export ")) {
		return strings.Trim(key, `'"`)
	}
	return s
}

// signOut ends the visitor's session.
func (v *visit) signOut() (*outcome, error) {
	if err := v.engine.SignOut(v, v.token); err != nil {
		return nil, err
	}
	v.setCookie(v.w, v.r, sessionCookie, "", -1)
	return &outcome{to: root + "sign-in"}, nil
}

// askToSignIn sends somebody without a session to the page where to get one, and back here then.
func (c *Console) askToSignIn(w http.ResponseWriter, r *http.Request, ended bool) {
	// A link from another site, a chat for one, is followed without cookies that are meant for this site alone. Coming from
	// here once more they are sent.
	if cookieValue(r, sessionCookie) == "" && r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Method == http.MethodGet {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Refresh", "0")
		_, _ = w.Write([]byte("<!doctype html><title>Rentroll</title>"))
		return
	}
	if ended {
		c.setCookie(w, r, sessionCookie, "", -1)
	}
	query := url.Values{}
	if r.Method == http.MethodGet && r.URL.Path != root {
		query.Set("next", r.URL.RequestURI())
	}
	if ended {
		query.Set("ended", "1")
	}
	to := root + "sign-in"
	if len(query) > 0 {
		to += "?" + query.Encode()
	}
	leave(w, r, to)
}

// leave sends the browser elsewhere: also from a request that htmx made, whose answer would else land in the page.
func leave(w http.ResponseWriter, r *http.Request, to string) {
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Redirect", to)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// nextPath returns a path of the console, whatever was asked for: never another site's.
func nextPath(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(u.Path, root) || strings.ContainsAny(s, "\\\r\n") ||
		strings.HasPrefix(u.Path, root+"sign-in") || strings.HasPrefix(u.Path, root+"live") {
		return root
	}
	return u.RequestURI()
}

// userAgent brings a header that may hold any bytes to text that the audit can keep.
func userAgent(r *http.Request) string {
	const most = 256
	s := r.UserAgent()
	return strings.ToValidUTF8(s[:min(len(s), most)], "")
}
