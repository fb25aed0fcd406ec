package console

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"runtime/debug"

	"github.com/rentroll/rentroll"
)

// root is where the console lives.
const root = "/console/"

// Console serves the pages. Make one with New. Safe for concurrent use.
type Console struct {
	engine   *rentroll.Engine
	opts     Options
	mux      *http.ServeMux
	origin   *http.CrossOriginProtection
	attempts *attempts
	live     *hub
	pages    map[string]*template.Template
}

// New returns the console of an engine, which is to be served under /console/. nil options are fine. The engine stays the
// caller's to close, after Drain.
func New(engine *rentroll.Engine, options *Options) *Console {
	c := &Console{
		engine: engine, opts: options.withDefaults(), mux: http.NewServeMux(), origin: http.NewCrossOriginProtection(),
		attempts: newAttempts(), pages: map[string]*template.Template{},
	}
	c.live = newHub(c)
	for i := range routes {
		c.add(&routes[i])
	}
	c.pages["secret"] = parsePage("secret")
	c.mux.HandleFunc("GET "+root+"assets/{file}", serveAsset)
	c.mux.HandleFunc("GET "+root+"sign-in", c.showSignIn)
	c.mux.HandleFunc("POST "+root+"sign-in", c.signIn)
	c.mux.HandleFunc("GET "+root+"live", c.live.serve)
	c.mux.HandleFunc(root, c.notFound)
	return c
}

// add puts a route in its place.
func (c *Console) add(r *route) {
	if r.template != "" && c.pages[r.template] == nil {
		c.pages[r.template] = parsePage(r.template)
	}
	c.mux.HandleFunc(r.at, func(w http.ResponseWriter, req *http.Request) {
		if v := c.enter(w, req, r); v != nil {
			v.serve()
		}
	})
}

// Drain ends all streams, and lets nobody begin another: a server that stops would wait for them.
func (c *Console) Drain() { c.live.close() }

// ServeHTTP answers every request under /console/.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	defer func() {
		if v := recover(); v != nil {
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			c.opts.Logger.Error("the console failed", "path", r.URL.Path, "error", fmt.Sprintf("panic: %v\n%s", v, debug.Stack()))
			http.Error(w, "The console has failed; the server's log says why.", http.StatusInternalServerError)
		}
	}()
	if !c.knowsHost(r.Host) {
		refuseHost(w, r.Host)
		return
	}
	if err := c.origin.Check(r); err != nil {
		http.Error(w, "This request was made by a page of another site, and the console takes none from there. Open the console itself and try again.", http.StatusForbidden)
		return
	}
	c.mux.ServeHTTP(w, r)
}
