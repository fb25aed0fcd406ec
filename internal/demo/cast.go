package demo

import (
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// worker is a kind of job, and what a run of it typically takes.
type worker struct {
	id       string
	tokens   int64         // of a typical run
	span     time.Duration // of a typical run
	stages   int64
	fails    float64 // share of runs that fail
	micros   int64   // cost per thousand tokens, in millionths of the currency unit
	meter    string  // what it produces beside tokens; "" for nothing
	unit     string
	produces int64 // of the meter, typically
	tasks    []string
}

// tenant is one organization of the cast.
type tenant struct {
	slug, name, plan, zone string

	domain    string
	anchor    int
	pace      float64 // runs on a working day
	workers   []string
	people    int
	joins     int // days after the beginning
	overrides func(now time.Time) quota.Limits
	metadata  map[string]string
}

// The tenants that the story needs by name.
const (
	NearLimit  = "atlas-robotics" // at 95 % of its tokens
	OutOfRuns  = "corner-bakery"  // has used up its runs of today
	suspended  = "ledger-lane"
	terminated = "old-mill-media"
	promoted   = "paper-crane" // moves from free to pro
	firstSlug  = "brightwater-health"
)

// teamPlan is a plan of the operator's own, between pro and enterprise.
const teamPlan = "team"

func teamLimits() quota.Limits {
	return quota.Limits{
		quota.Workers: quota.Of(25), quota.RunsPerDay: quota.Of(5_000), quota.ConcurrentRuns: quota.Of(40),
		quota.TokensPerMonth: {Max: 60_000_000, Mode: quota.Soft}, quota.APIKeys: quota.Of(40),
	}
}

var workers = named(map[string]*worker{
	"business-builder": {
		tokens: 42_000, span: 150 * time.Second, stages: 7, fails: 0.05, micros: 9_000,
		tasks: []string{"Business plan for a bakery in Lisbon", "Go-to-market plan for a bike rental", "Pricing study for a yoga studio"},
	},
	"support-triage": {
		tokens: 2_400, span: 8 * time.Second, stages: 2, fails: 0.01, micros: 1_500,
		meter: "tickets_sorted", unit: "tickets", produces: 3,
		tasks: []string{"Sort the morning's tickets", "Route tickets with attachments", "Find duplicates in the queue"},
	},
	"invoice-reader": {
		tokens: 6_200, span: 18 * time.Second, stages: 3, fails: 0.02, micros: 2_000,
		meter: "documents_processed", unit: "documents", produces: 4,
		tasks: []string{"Read the scans of today", "Match invoices to orders", "Extract line items of supplier 4711"},
	},
	"code-review": {
		tokens: 18_000, span: 60 * time.Second, stages: 4, fails: 0.03, micros: 6_000,
		tasks: []string{"Review pull request 1204", "Check the migration for locks", "Review the retry logic"},
	},
	"lead-scout": {
		tokens: 9_500, span: 40 * time.Second, stages: 5, fails: 0.04, micros: 3_000,
		meter: "emails_sent", unit: "emails", produces: 12,
		tasks: []string{"Find buyers in the Nordics", "Follow up on the fair's contacts", "Rank the new sign-ups"},
	},
	"newsletter-writer": {
		tokens: 12_500, span: 50 * time.Second, stages: 4, fails: 0.02, micros: 4_000,
		meter: "emails_sent", unit: "emails", produces: 240,
		tasks: []string{"Write the weekly letter", "Announce the spring menu", "Letter to dormant customers"},
	},
	"contract-summary": {
		tokens: 26_000, span: 80 * time.Second, stages: 5, fails: 0.03, micros: 7_000,
		meter: "documents_processed", unit: "documents", produces: 1,
		tasks: []string{"Summarize the lease of hall 3", "Compare both drafts", "List the notice periods"},
	},
	"meeting-notes": {
		tokens: 11_000, span: 30 * time.Second, stages: 3, fails: 0.01, micros: 3_000,
		tasks: []string{"Notes of the planning round", "Action items of Monday's call", "Minutes of the board meeting"},
	},
	"translation": {
		tokens: 5_200, span: 14 * time.Second, stages: 2, fails: 0.01, micros: 2_000,
		meter: "documents_processed", unit: "documents", produces: 2,
		tasks: []string{"Translate the manual to Portuguese", "Translate product pages 40–60", "Localize the release notes"},
	},
	"report-builder": {
		tokens: 31_000, span: 120 * time.Second, stages: 6, fails: 0.04, micros: 8_000,
		tasks: []string{"Weekly figures for the board", "Report on sensor drift", "Quarterly usage per region"},
	},
})

// named tells the workers their names.
func named(list map[string]*worker) map[string]*worker {
	for id, w := range list {
		w.id = id
	}
	return list
}

// cast returns all tenants, the first to join first. now decides where the tenant that is denied lives: where it is
// afternoon, so that its day has gone by and is not over yet.
func cast(now time.Time) []*tenant {
	limit := func(name quota.Name, l quota.Limit) func(time.Time) quota.Limits {
		return func(now time.Time) quota.Limits {
			if l.Until.IsZero() && l.Reason == "peak season" {
				l.Until = now.AddDate(0, 0, 20).Truncate(time.Hour)
			}
			return quota.Limits{name: l}
		}
	}
	return []*tenant{
		{
			slug: firstSlug, name: "Brightwater Health", plan: rentroll.PlanEnterprise, zone: "America/New_York", domain: "brightwater.example",
			anchor: 1, pace: 70, people: 5, workers: []string{"invoice-reader", "support-triage", "meeting-notes", "report-builder"},
		},
		{
			slug: "kestrel-logistics", name: "Kestrel Logistics", plan: rentroll.PlanEnterprise, zone: "Europe/Berlin", domain: "kestrel.example",
			anchor: 1, pace: 80, people: 5, workers: []string{"support-triage", "invoice-reader", "translation", "code-review"},
			overrides: limit(quota.RunsPerDay, quota.Limit{Max: 150_000, Reason: "contract 2026-118"}),
		},
		{
			slug: "sakura-mobile", name: "Sakura Mobile", plan: rentroll.PlanEnterprise, zone: "Asia/Tokyo", domain: "sakura-mobile.example",
			anchor: 21, pace: 60, people: 4, workers: []string{"support-triage", "translation", "code-review", "newsletter-writer"},
		},
		{
			slug: NearLimit, name: "Atlas Robotics", plan: rentroll.PlanPro, zone: "UTC", domain: "atlas-robotics.example",
			anchor: 1, pace: 9, people: 3, workers: []string{"report-builder", "code-review"},
			metadata: map[string]string{"account_manager": "Priya"},
		},
		{
			slug: "monsoon-travel", name: "Monsoon Travel", plan: rentroll.PlanPro, zone: "Asia/Kolkata", domain: "monsoon.example",
			anchor: 5, pace: 24, people: 3, workers: []string{"support-triage", "newsletter-writer", "translation"},
			overrides: limit(quota.ConcurrentRuns, quota.Limit{Max: 40, Reason: "peak season"}),
		},
		{
			slug: "harbor-legal", name: "Harbor & Finch Legal", plan: rentroll.PlanPro, zone: "Australia/Sydney", domain: "harborfinch.example",
			anchor: 12, pace: 10, people: 4, workers: []string{"contract-summary", "meeting-notes"},
			overrides: limit(quota.TokensPerMonth, quota.Limit{Max: 25_000_000, Reason: "contract 2026-073"}),
		},
		{
			slug: "cafe-ipanema", name: "Café Ipanema", plan: rentroll.PlanPro, zone: "America/Sao_Paulo", domain: "ipanema.example",
			anchor: 1, pace: 14, people: 2, workers: []string{"newsletter-writer", "lead-scout"},
		},
		{
			slug: OutOfRuns, name: "Corner Bakery", plan: rentroll.PlanFree, zone: afternoon(now), domain: "cornerbakery.example",
			anchor: 1, pace: 5, people: 2, workers: []string{"support-triage", "translation"},
		},
		{
			slug: suspended, name: "Ledger Lane", plan: rentroll.PlanPro, zone: "America/Chicago", domain: "ledgerlane.example",
			anchor: 1, pace: 12, people: 2, workers: []string{"invoice-reader", "report-builder"},
		},
		{
			slug: terminated, name: "Old Mill Media", plan: rentroll.PlanFree, zone: "Europe/Paris", domain: "oldmill.example",
			anchor: 1, pace: 5, people: 1, workers: []string{"translation"},
		},
		{
			slug: promoted, name: "Paper Crane Studio", plan: rentroll.PlanFree, zone: "Asia/Singapore", domain: "papercrane.example",
			anchor: 1, pace: 7, people: 1, joins: 3, workers: []string{"translation", "lead-scout"},
		},
		{
			slug: "fjord-energy", name: "Fjord Energy", plan: teamPlan, zone: "Europe/Oslo", domain: "fjord-energy.example",
			anchor: 15, pace: 30, people: 3, joins: 6, workers: []string{"report-builder", "contract-summary", "code-review"},
		},
		{
			slug: "quokka-games", name: "Quokka Games", plan: rentroll.PlanFree, zone: "Australia/Perth", domain: "quokka.example",
			anchor: 1, pace: 6, people: 1, joins: 11, workers: []string{"support-triage", "translation", "meeting-notes"},
		},
		{
			slug: "prairie-seeds", name: "Prairie Seeds", plan: rentroll.PlanPro, zone: "America/Denver", domain: "prairie-seeds.example",
			anchor: 28, pace: 8, people: 2, joins: 17, workers: []string{"business-builder", "lead-scout"},
		},
	}
}

var (
	firstNames = []string{
		"Ada", "Bruno", "Chiara", "Daichi", "Elif", "Farid", "Greta", "Hana", "Ivan", "Jaya", "Karim", "Lena", "Mateus", "Noor",
		"Olu", "Priya", "Quentin", "Rosa", "Sven", "Tala", "Uma", "Viktor", "Wen", "Ximena", "Yuki", "Zola",
	}
	lastNames = []string{
		"Almeida", "Berg", "Castillo", "Dubois", "Ekwueme", "Fischer", "Gupta", "Haas", "Ito", "Jansen", "Kovacs", "Lindqvist",
		"Moreau", "Nakamura", "Okafor", "Petrov", "Rossi", "Silva", "Tanaka", "Usman", "Varga", "Weber", "Yamada", "Zhang",
	}
	failures = []string{
		"the model answered no valid JSON three times", "the source document is encrypted", "a tool call timed out after 30 s",
		"the mail server refused the sender", "a policy check stopped the run",
	}
)
