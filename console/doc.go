// Package console is the operator's pages: who is near a limit, why a run was denied, and the button that helps.
//
// Pages are made by the server. Each is a line of the table in routes.go, a file of Go that asks the engine for what the
// page shows, and a template of the same name:
//
//	{at: "GET /console/tenants", title: "Tenants", nav: "tenants", page: (*visit).tenants, template: "tenants"}
//	page_tenants.go      func (v *visit) tenants() (any, error)
//	templates/tenants.html   {{define "main"}} … {{end}}
//
// A visit holds an engine that acts for whoever is signed in, so a page can't show more than the API would, and knows no
// other way to what it shows. What changes something is a line with act instead of page: a form posts to it, and it says
// where to go next.
//
// A page moves where its template has a block "live": the server makes that block again once a second for each address that
// somebody looks at, once for all who may see the same, and sends it where it has changed. The browser keeps one stream for
// all its tabs, and puts what comes in the place of what was there.
//
// The browser gets no script but those of web/ and assets/, and the policy forbids it any other. What of assets/ is other
// people's work is fetched by make assets.
package console
