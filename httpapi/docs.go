package httpapi

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"

	"github.com/swaggest/swgui/v5emb"

	"github.com/rentroll/rentroll"
)

//go:embed web
var web embed.FS

// docsPolicy lets the pages run the scripts of this server and nothing else: they work without the internet. Swagger UI
// draws its icons from data.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// publishDocs adds the pages for people.
func (s *server) publishDocs() {
	page := func(at, contentType string, body []byte) {
		h := fixed(contentType, body)
		s.mux.HandleFunc("GET "+at, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Security-Policy", docsPolicy)
			h.ServeHTTP(w, r)
		})
	}
	const html, css, script = "text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8"
	page("/docs", html, asset("docs.html"))
	page("/docs/docs.css", css, asset("docs.css"))
	page("/docs/docs.js", script, asset("docs.js"))
	page(errorsPage, html, errorCodes())

	// The library's own page has scripts in it, which the policy forbids; its files are all that is taken of it.
	ui := v5emb.New("", "", "/docs/")
	for _, file := range []string{"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"} {
		s.mux.Handle("GET /docs/"+file, ui)
	}
}

func asset(name string) []byte {
	data, err := web.ReadFile("web/" + name)
	if err != nil {
		panic(fmt.Errorf("httpapi: an embedded file is missing: %w", err))
	}
	return data
}

// errorCodes returns the page that a problem's type leads to.
func errorCodes() []byte {
	type line struct {
		Code   rentroll.Code
		Status int
		Title  string
		Help   string
	}
	lines := make([]line, 0, len(outcomes))
	for _, o := range outcomes {
		lines = append(lines, line{o.code, o.status, o.title, o.help})
	}
	var b bytes.Buffer
	if err := template.Must(template.New("errors").Parse(string(asset("errors.html")))).Execute(&b, lines); err != nil {
		panic(fmt.Errorf("httpapi: the page of codes: %w", err))
	}
	return b.Bytes()
}
