package console

import "github.com/rentroll/rentroll"

// routes has every page and every form. To add a page: a line here, page_NAME.go, templates/NAME.html.
var routes = []route{
	{at: "GET /console/{$}", title: "Overview", nav: "overview", page: (*visit).overview, template: "overview"},
	{at: "GET /console/tenants", title: "Tenants", nav: "tenants", page: (*visit).tenants, template: "tenants"},
	{at: "POST /console/sign-out", act: (*visit).signOut},
}

// menu is the navigation. An entry is shown to who has its permission; operator entries are about the whole platform, and
// tenant entries about the one tenant whose key is signed in.
var menu = []menuEntry{
	{name: "overview", label: "Overview", icon: "layout-dashboard", path: root, needs: rentroll.PermTenantRead, operators: true},
	{name: "tenants", label: "Tenants", icon: "building-2", path: root + "tenants", needs: rentroll.PermTenantRead, operators: true},
}

type menuEntry struct {
	name, label, icon, path string
	needs                   rentroll.Permission
	operators               bool // not for tenants
	tenants                 bool // not for operators
}

// navItem is an entry of the menu as a visitor sees it.
type navItem struct {
	Label, Icon, Path string
	Here              bool
}

// nav returns the visitor's menu.
func (v *visit) nav() []navItem {
	var items []navItem
	for _, m := range menu {
		wrong := m.operators
		if !v.isTenant() {
			wrong = m.tenants
		}
		if v.can(m.needs) && !wrong {
			items = append(items, navItem{m.label, m.icon, m.path, m.name == v.route.nav})
		}
	}
	return items
}
