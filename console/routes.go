package console

import (
	"strings"
	"time"

	"github.com/rentroll/rentroll"
)

// routes has every page and every form. To add a page: a line here, page_NAME.go, templates/NAME.html.
var routes = []route{
	{at: "GET /console/{$}", title: "Overview", nav: "overview", page: (*visit).overview, template: "overview", every: 2 * time.Second},
	{at: "GET /console/tenants", title: "Tenants", nav: "tenants", page: (*visit).tenants, template: "tenants"},
	{at: "GET /console/tenants/{tenant}", title: "Tenant", nav: "tenants", page: (*visit).showTenant, template: "tenant"},
	{at: "GET /console/tenants/{tenant}/plan-preview", page: (*visit).previewPlan, template: "plan-preview", part: true},
	{at: "GET /console/tenants/{tenant}/audit-check", page: (*visit).checkAudit, template: "audit-check", part: true},
	{at: "POST /console/tenants/{tenant}/plan", act: (*visit).changePlan},
	{at: "POST /console/tenants/{tenant}/limit", act: (*visit).overrideLimit},
	{at: "POST /console/tenants/{tenant}/suspend", act: transition((*rentroll.Engine).Suspend, " is suspended: nothing is admitted, and its open runs are asked to stop.")},
	{at: "POST /console/tenants/{tenant}/resume", act: transition((*rentroll.Engine).Resume, " is active again.")},
	{at: "POST /console/tenants/{tenant}/terminate", act: transition((*rentroll.Engine).Terminate, " is terminated. Its keys can complete runs for 24 hours more.")},
	{at: "POST /console/tenants/{tenant}/keys", act: (*visit).createKey},
	{at: "POST /console/tenants/{tenant}/keys/rotate", act: (*visit).rotateKey},
	{at: "POST /console/tenants/{tenant}/keys/revoke", act: (*visit).revokeKey},
	{at: "POST /console/tenants/{tenant}/runs/cancel", act: (*visit).cancelRun},
	{at: "GET /console/tenants/{tenant}/runs", title: "Runs", nav: "runs", page: (*visit).runs, template: "runs"},
	{at: "GET /console/tenants/{tenant}/runs/{run}", title: "Run", nav: "runs", page: (*visit).run, template: "run"},
	{at: "POST /console/tenants/{tenant}/runs/{run}/cancel", act: (*visit).stopRun},
	{at: "POST /console/tenants/{tenant}/runs/{run}/retry", act: (*visit).retryRun},
	{at: "GET /console/tenants/{tenant}/statements", title: "Statements", nav: "tenants", page: (*visit).statements, template: "statements"},
	{at: "GET /console/tenants/{tenant}/statements/{period}", title: "Statement", nav: "tenants", page: (*visit).statement, template: "statement"},
	{at: "GET /console/tenants/{tenant}/statements/{period}/csv", file: (*visit).statementCSV},
	{at: "GET /console/tenants/{tenant}/audit", title: "Audit", nav: "audit", page: (*visit).tenantAudit, template: "audit"},
	{at: "GET /console/audit", title: "Audit", nav: "audit", page: (*visit).platformAudit, template: "audit"},
	{at: "GET /console/audit/check", page: (*visit).checkPlatformAudit, template: "audit-check", part: true},
	{at: "GET /console/plans", title: "Plans", nav: "plans", page: (*visit).plans, template: "plans"},
	{at: "GET /console/plans/edit", title: "Plan", nav: "plans", page: (*visit).editPlan, template: "plan-edit"},
	{at: "GET /console/plans/change", title: "Plan", nav: "plans", page: (*visit).changedPlan, template: "plan-change"},
	{at: "GET /console/plans/simulate", title: "Simulation", nav: "plans", page: (*visit).simulatePlan, template: "plan-simulate"},
	{at: "GET /console/plans/simulate/answer", title: "Simulation", nav: "plans", page: (*visit).answerSimulation, template: "plan-simulate", part: true},
	{at: "POST /console/plans/save", act: (*visit).savePlan},
	{at: "POST /console/plans/retire", act: (*visit).retirePlan},
	{at: "GET /console/keys", title: "Keys", nav: "keys", page: (*visit).keys, template: "keys"},
	{at: "GET /console/system", title: "System", nav: "system", page: (*visit).system, template: "system", every: 2 * time.Second},
	{at: "POST /console/sign-out", act: (*visit).signOut},
}

// menu is the navigation. An entry is shown to who has its permission; operator entries are about the whole platform, and
// tenant entries about the one tenant whose key is signed in.
var menu = []menuEntry{
	{name: "overview", label: "Overview", icon: "layout-dashboard", path: root, needs: rentroll.PermTenantRead, operators: true},
	{name: "tenants", label: "Tenants", icon: "building-2", path: root + "tenants", needs: rentroll.PermTenantRead, operators: true},
	{name: "tenants", label: "Tenant", icon: "building-2", path: root + "tenants/me", needs: rentroll.PermTenantRead, tenants: true},
	{name: "runs", label: "Runs", icon: "play", path: root + "tenants/me/runs", needs: rentroll.PermRunRead, tenants: true},
	{name: "plans", label: "Plans", icon: "sliders-horizontal", path: root + "plans", needs: rentroll.PermPlanRead},
	{name: "audit", label: "Audit", icon: "scroll-text", path: root + "audit", needs: rentroll.PermAuditRead, operators: true},
	{name: "audit", label: "Audit", icon: "scroll-text", path: root + "tenants/me/audit", needs: rentroll.PermAuditRead, tenants: true},
	{name: "keys", label: "Keys", icon: "key-round", path: root + "keys", needs: rentroll.PermKeyRead},
	{name: "system", label: "System", icon: "server", path: root + "system", needs: rentroll.PermOperatorRead, operators: true},
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

// nav returns the visitor's menu. To an operator, all pages of a tenant are below the tenants.
func (v *visit) nav() []navItem {
	here := v.route.nav
	if !v.isTenant() && strings.HasPrefix(v.r.URL.Path, root+"tenants/") {
		here = "tenants"
	}
	var items []navItem
	for _, m := range menu {
		wrong := m.operators
		if !v.isTenant() {
			wrong = m.tenants
		}
		if v.can(m.needs) && !wrong {
			items = append(items, navItem{m.label, m.icon, m.path, m.name == here})
		}
	}
	return items
}
