package console

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rentroll/rentroll"
)

// route is a page, or something that a form does.
type route struct {
	at       string                           // method and path, as net/http's router takes them
	title    string                           // of the page
	nav      string                           // which line of the menu it belongs to
	template string                           // which template shows it
	part     bool                             // shows its block "main" alone, which htmx puts into a page
	page     func(v *visit) (any, error)      // asks for what the template shows
	file     func(v *visit) (*file, error)    // instead of page: makes something to keep
	act      func(v *visit) (*outcome, error) // instead of page: does something
	every    time.Duration                    // how often a page with a block "live" is made anew; 0 is a second
}

// file is what a browser keeps instead of showing it.
type file struct {
	name, contentType string
	body              []byte
}

// outcome is where to go when something was done.
type outcome struct {
	to   string // a path of the console
	said string // what the page there says once
	page string // instead of to: a template to show now, with data
	data any
}

// visit is a request of somebody who is signed in, on its way through a route.
type visit struct {
	context.Context
	*Console

	w     http.ResponseWriter
	r     *http.Request
	route *route
	token string // of the session

	engine *rentroll.Engine // acts for whoever is signed in
	actor  rentroll.Actor
	zone   *time.Location // the viewer's
	now    time.Time
	title  string // of this page, where it is not the route's
	status int    // of the answer, where it is not 200
	news   bool   // only the block "live" is wanted
}

// tokenHeader is where requests of htmx have the token of forms: blocks that move are made for many sessions, and have none.
const tokenHeader = "X-Form-Token" //nolint:gosec // a header's name

// maxForm bounds the body of a form, in bytes.
const maxForm = 64 << 10

// enter finds out who visits; nil where nobody may, who has then been told.
func (c *Console) enter(w http.ResponseWriter, r *http.Request, at *route) *visit {
	token := cookieValue(r, sessionCookie)
	actor, err := c.engine.ResumeSession(r.Context(), token, c.opts.CallerAddress(r), true)
	switch code := rentroll.CodeOf(err); code {
	case "":
	case rentroll.CodeUnauthenticated:
		c.askToSignIn(w, r, token != "")
		return nil
	default:
		c.opts.Logger.Error("a session could not be looked up", "error", err)
		http.Error(w, "The database does not answer. Try again in a moment; rentroll doctor says more.", http.StatusServiceUnavailable)
		return nil
	}
	actor.UserAgent = userAgent(r)
	return c.visitOf(w, r, at, token, actor)
}

func (c *Console) visitOf(w http.ResponseWriter, r *http.Request, at *route, token string, actor rentroll.Actor) *visit {
	return &visit{
		Context: r.Context(), Console: c, w: w, r: r, route: at, token: token,
		engine: c.engine.As(actor), actor: actor, zone: zone(r), now: c.engine.Now(),
	}
}

// elsewhere is how a page says that the visitor should look at another one.
type elsewhere string

func (e elsewhere) Error() string { return "see " + string(e) }

// serve answers the visit.
func (v *visit) serve() {
	if v.route.act != nil {
		v.serveAction()
		return
	}
	if v.route.file != nil {
		v.serveFile()
		return
	}
	data, err := v.route.page(v)
	if to, ok := errors.AsType[elsewhere](err); ok {
		leave(v.w, v.r, string(to))
		return
	}
	if err != nil {
		v.fail(err)
		return
	}
	v.show(cmp.Or(v.status, http.StatusOK), v.route.template, data)
}

func (v *visit) serveFile() {
	f, err := v.route.file(v)
	if err != nil {
		v.fail(err)
		return
	}
	v.w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.name}))
	v.w.Header().Set("Content-Type", f.contentType)
	v.w.Header().Set("Content-Length", strconv.Itoa(len(f.body)))
	_, _ = v.w.Write(f.body) // nobody is left to tell that the client went away
}

func (v *visit) serveAction() {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	if err := v.r.ParseForm(); err != nil {
		v.fail(&rentroll.Error{Code: rentroll.CodeMalformedRequest, Message: "the form can't be read"})
		return
	}
	given := v.r.PostFormValue("token")
	if given == "" {
		given = v.r.Header.Get(tokenHeader) // of what htmx sends
	}
	if !isFormToken(given, v.token) {
		v.fail(&rentroll.Error{Code: rentroll.CodeForbidden, Message: "the form is not of this session: reload the page and try again"})
		return
	}
	out, err := v.route.act(v)
	switch {
	case err != nil:
		v.fail(err)
	case out.page != "":
		v.show(http.StatusOK, out.page, out.data)
	default:
		if out.said != "" {
			v.setCookie(v.w, v.r, flashCookie, url.QueryEscape(out.said), 60)
		}
		leave(v.w, v.r, out.to)
	}
}

// query returns a parameter of the address.
func (v *visit) query(name string) string { return v.r.URL.Query().Get(name) }

// can reports whether the visitor has a permission.
func (v *visit) can(p rentroll.Permission) bool { return v.actor.Permits(p) == nil }

// isTenant reports whether the visitor is a tenant's, and sees that one only.
func (v *visit) isTenant() bool { return v.actor.Kind == rentroll.ActorAPIKey }

// frame is what the layout shows around a page.
type frame struct {
	Title   string
	Nav     []navItem
	Who     string // is signed in
	Theme   string // "light", "dark" or "" for the system's
	Version string
	Said    string // what was just done
	Token   string // for forms
	Live    string // the address to ask news for; "" where nothing moves
	Data    any
	V       *visit
}

// show renders a page in the layout.
func (v *visit) show(status int, name string, data any) {
	block := "layout"
	switch {
	case v.route.part:
		block = "main"
	case v.r.Header.Get("HX-Request") != "": // what a dialog has come to takes the place of its page
		block = "main"
		v.w.Header().Set("HX-Retarget", "#main")
		v.w.Header().Set("HX-Reswap", "innerHTML show:window:top")
	}
	v.render(v.w, v.r, status, v.pages[name], block, v.frame(name, data))
}

func (v *visit) frame(name string, data any) *frame {
	f := &frame{
		Title: v.title, Nav: v.nav(), Who: v.actor.String(), Theme: theme(v.r), Version: v.opts.Version, Data: data, V: v,
		Token: formToken(v.token),
	}
	if f.Title == "" {
		f.Title = v.route.title
	}
	if t := v.pages[name]; t != nil && t.Lookup("live") != nil {
		f.Live = v.r.URL.RequestURI()
	}
	if said, err := url.QueryUnescape(cookieValue(v.r, flashCookie)); err == nil && said != "" {
		f.Said = said
		v.setCookie(v.w, v.r, flashCookie, "", -1)
	}
	return f
}

// part renders one block of a page's template.
func (v *visit) part(block string, data any) ([]byte, error) {
	var b bytes.Buffer
	err := v.pages[v.route.template].ExecuteTemplate(&b, block, &frame{Data: data, V: v})
	return b.Bytes(), err
}

// render answers with one block of a template.
func (c *Console) render(w http.ResponseWriter, r *http.Request, status int, t *template.Template, block string, f *frame) {
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, block, f); err != nil {
		panic(fmt.Errorf("console: the template %s: %w", t.Name(), err))
	}
	send(w, r, status, b.Bytes())
}

// send answers with HTML.
func send(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Vary", "Accept-Encoding, HX-Request")
	if len(body) > 1024 && takesGzip(r) {
		h.Set("Content-Encoding", "gzip")
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(body) // to memory: never fails
		_ = z.Close()
		body = b.Bytes()
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // nobody is left to tell that the client went away
}

// failure is what the page of an error shows.
type failure struct {
	Status  int
	Title   string
	Message string
	Fields  []rentroll.FieldError
	Help    string // what to do
}

// failureOf says what happened in words for people, and what they can do.
func failureOf(err error) failure {
	f := failure{Status: http.StatusUnprocessableEntity, Title: "That did not work"}
	if e, ok := errors.AsType[*rentroll.Error](err); ok {
		f.Message, f.Fields = sentence(e.Message), e.Fields
	}
	switch rentroll.CodeOf(err) {
	case rentroll.CodeNotFound:
		f.Status, f.Title = http.StatusNotFound, "Not found"
		f.Help = "It may have been removed, or the address is mistyped. The list it was in shows what there is."
	case rentroll.CodeForbidden, rentroll.CodeTenantSuspended, rentroll.CodeTenantTerminated:
		f.Status, f.Title = http.StatusForbidden, "Not allowed"
		f.Help = "Sign in with a key that has the permission, or have somebody do it who has one."
	case rentroll.CodeValidationFailed, rentroll.CodeUnknownPlan, rentroll.CodeMalformedRequest:
		f.Help = "Go back, correct what is named above and try again. Nothing was changed."
	case rentroll.CodeInvalidTransition, rentroll.CodePreconditionFailed, rentroll.CodeAlreadyExists, rentroll.CodeRunAlreadyEnded:
		f.Status = http.StatusConflict
		f.Help = "Somebody may have been faster: reload the page to see how things stand. Nothing was changed."
	case rentroll.CodeQuotaExceeded:
		f.Status, f.Message = http.StatusTooManyRequests, sentence(err.Error())
		f.Help = "Raise the limit or change the plan on the tenant's page, then try again."
	case rentroll.CodeUnavailable, rentroll.CodeOverloaded:
		f.Status, f.Title = http.StatusServiceUnavailable, "Not available at the moment"
		f.Message = "The database does not answer, or is not able to take this."
		f.Help = "Try again in a moment. rentroll doctor says what is wrong with the database."
	case rentroll.CodeInternal:
		f.Status, f.Title = http.StatusInternalServerError, "The server has failed"
		f.Message, f.Help = "The reason is in the server's log.", "Try again; where it keeps failing, look into the log."
	default: // the message says it
	}
	return f
}

// sentence makes a sentence of a message.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	return sentenceCase(s) + "."
}

// fail shows an error: in the page where htmx asked, else as a page.
func (v *visit) fail(err error) {
	f := failureOf(err)
	if f.Status >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		v.opts.Logger.Error("a page of the console failed", "path", v.r.URL.Path, "error", err)
	}
	v.title = f.Title
	block := "layout"
	if v.r.Header.Get("HX-Request") != "" {
		block = "failure"
	}
	v.render(v.w, v.r, f.Status, failureTemplate, block, v.frame("", f))
}

// notFound answers where no route leads.
func (c *Console) notFound(w http.ResponseWriter, r *http.Request) {
	v := c.enter(w, r, &route{})
	if v != nil {
		v.fail(&rentroll.Error{Code: rentroll.CodeNotFound, Message: "there is no such page"})
	}
}
