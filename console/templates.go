package console

import (
	"html/template"
	"net/http"
	"time"
)

// The templates that belong to no route.
var (
	signInTemplate  = parsePage("sign-in")
	failureTemplate = parsePage("failure")
)

// parsePage reads the template of a page, with those that all pages share.
func parsePage(name string) *template.Template {
	return template.Must(template.New(name).Funcs(functions).ParseFS(files, "templates/layout.html", "templates/parts.html", "templates/"+name+".html"))
}

// theme is what the viewer has chosen; "" follows the system.
func theme(r *http.Request) string {
	switch chosen := cookieValue(r, themeCookie); chosen {
	case "light", "dark":
		return chosen
	default:
		return ""
	}
}

// zone is the viewer's time zone, as the browser has told it.
func zone(r *http.Request) *time.Location {
	name := cookieValue(r, zoneCookie)
	if name == "" || name == "Local" || len(name) > 64 {
		return time.UTC
	}
	if loc, err := time.LoadLocation(name); err == nil {
		return loc
	}
	return time.UTC
}
