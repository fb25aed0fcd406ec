package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rentroll/rentroll"
)

func profileRows(b *rentroll.Batch) *rentroll.Rowset[rentroll.TenantID, rentroll.Profile] {
	return &b.Profiles
}

func fullProfile(s *scene) *rentroll.Profile {
	id := newID[rentroll.TenantID](s)
	return &rentroll.Profile{
		TenantID: id, Slug: strings.ReplaceAll(id.String(), "_", "-"), Name: "Åkesson & Söhne", ExternalID: "org_2aBc",
		BillingEmail: "billing@example.com", StatusReason: "unpaid since „March“",
		Metadata:  map[string]string{"region": "eu", "": "empty", "Region": "EU", "quote\"": "\\ \n\t"},
		CreatedAt: after(1), UpdatedAt: after(2),
	}
}

func bareProfile(s *scene) *rentroll.Profile {
	return &rentroll.Profile{TenantID: newID[rentroll.TenantID](s)}
}

var profiles = noun[rentroll.TenantID, rentroll.Profile]{
	rows: profileRows,
	key:  func(p *rentroll.Profile) rentroll.TenantID { return p.TenantID },
	full: fullProfile, bare: bareProfile,
	edit: func(p *rentroll.Profile) {
		p.Name, p.ExternalID, p.StatusReason, p.Metadata = "Other", "", "", map[string]string{}
		p.UpdatedAt = after(99)
	},
}

func tenantTests() []test {
	return append(profiles.tests(),
		test{"ListNewestFirst", listTenantsNewestFirst},
		test{"ListIsOfBothRows", listTenantsBothRows},
		test{"ListLeavesOutThePlatform", listTenantsWithoutPlatform},
		test{"ListWithFilters", listTenantsFilters},
		test{"Search", searchTenants},
		test{"SearchFollowsTheRow", searchFollows},
		test{"ListAccounts", listAccounts},
	)
}

// newTenant puts both rows of a tenant.
func (s *scene) newTenant(edit func(p *rentroll.Profile, a *rentroll.Account)) rentroll.TenantRow {
	s.Helper()
	p, a := fullProfile(s), fullAccount(s)
	a.TenantID = p.TenantID
	edit(p, a)
	s.put(func(b *rentroll.Batch) {
		b.Accounts.Put(a.TenantID, a)
		b.Profiles.Put(p.TenantID, p)
	})
	return rentroll.TenantRow{Profile: p, Account: a}
}

func (s *scene) listTenants(f rentroll.TenantFilter) (out []rentroll.TenantRow) {
	s.Helper()
	s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
		out, err = r.ListTenants(ctx, f)
		return err
	})
	return out
}

func asIs(*rentroll.Profile, *rentroll.Account) {}

func listTenantsNewestFirst(s *scene) {
	var rows []rentroll.TenantRow
	for range 5 {
		rows = append(rows, s.newTenant(asIs))
	}
	slices.Reverse(rows)
	same(s, "the list", s.listTenants(rentroll.TenantFilter{Limit: 10}), rows)
	same(s, "its first page", s.listTenants(rentroll.TenantFilter{Limit: 2}), rows[:2])
	next := rentroll.TenantFilter{Limit: 2, Before: rows[1].Profile.TenantID}
	same(s, "its second page", s.listTenants(next), rows[2:4])
	last := rentroll.TenantFilter{Limit: 2, Before: rows[4].Profile.TenantID}
	same(s, "what is behind the end", s.listTenants(last), nil)
}

func listTenantsBothRows(s *scene) {
	bare := s.newTenant(func(p *rentroll.Profile, a *rentroll.Account) {
		*p, *a = rentroll.Profile{TenantID: p.TenantID}, rentroll.Account{TenantID: p.TenantID}
	})
	full := s.newTenant(asIs)
	same(s, "the list", s.listTenants(rentroll.TenantFilter{Limit: 10}), []rentroll.TenantRow{full, bare})
}

func listTenantsWithoutPlatform(s *scene) {
	s.put(func(b *rentroll.Batch) {
		b.Accounts.Put(rentroll.PlatformID, &rentroll.Account{TenantID: rentroll.PlatformID, Status: rentroll.TenantActive})
	})
	row := s.newTenant(asIs)
	same(s, "the list", s.listTenants(rentroll.TenantFilter{Limit: 10}), []rentroll.TenantRow{row})
}

// listTenantsFilters compares every combination of filters, page by page, with the same choice made in Go.
func listTenantsFilters(s *scene) {
	var rows []rentroll.TenantRow
	statuses := []rentroll.TenantStatus{rentroll.TenantActive, rentroll.TenantSuspended, rentroll.TenantArchived}
	plans := []string{"pro", "Pro", "pro "}
	names := []string{"Acme", "acme labs", "Other"}
	for i := range 36 {
		rows = append(rows, s.newTenant(func(p *rentroll.Profile, a *rentroll.Account) {
			a.Status, a.Plan, p.Name = statuses[i%3], plans[i/3%3], names[i/9%3]
		}))
	}
	slices.Reverse(rows)
	for _, status := range append(statuses, "", rentroll.TenantTerminated) {
		for _, plan := range append(plans, "", "none") {
			for _, search := range []string{"", "acme", "none at all"} {
				f := rentroll.TenantFilter{Status: status, Plan: plan, Search: search, Limit: 4}
				want := slices.DeleteFunc(slices.Clone(rows), func(r rentroll.TenantRow) bool {
					return status != "" && r.Account.Status != status || plan != "" && r.Account.Plan != plan ||
						!strings.Contains(r.Profile.Search(), search)
				})
				same(s, fmt.Sprintf("the list for %+v", f), s.pageTenants(f), want)
			}
		}
	}
}

// pageTenants follows a list to its end.
func (s *scene) pageTenants(f rentroll.TenantFilter) (out []rentroll.TenantRow) {
	s.Helper()
	for {
		page := s.listTenants(f)
		if len(page) > f.Limit {
			s.Fatalf("a page of %d rows, at most %d were asked for", len(page), f.Limit)
		}
		out = append(out, page...)
		if len(page) < f.Limit {
			return out
		}
		f.Before = page[len(page)-1].Profile.TenantID
	}
}

// searchTenants: a search finds the text as it is. No character has a meaning of its own, and only the names' case is
// made lower, by the engine and not by the database.
func searchTenants(s *scene) {
	names := []string{
		"100% Limited", "under_score", "bang!", `back\slash`, "Straße", "STRASSE", "İstanbul", "ISTANBUL", "Ünïcode",
		"un\u0308icode", "a.b", "a?b", "a*b", "[a-z]", "it's", `"quoted"`, "two  spaces", "😀 smile", "ΣΊΣΥΦΟΣ",
	}
	for _, name := range names {
		s.newTenant(func(p *rentroll.Profile, _ *rentroll.Account) { p.Name, p.Slug, p.ExternalID = name, "", "" })
	}
	for _, search := range []string{
		"%", "_", "!", `\`, "0%", "100% limited", "r_s", "!%", "!_", "!!", "%%", "__", "ß", "strasse", "straße", "ü", "u\u0308",
		"istanbul", strings.ToLower("İstanbul"), ".", "?", "*", "[a-z]", "'", `"`, "  ", "😀", "σίσυφο", "a_b", "a%b", "\n", " ",
	} {
		var want []string
		for _, name := range slices.Backward(names) {
			if p := (rentroll.Profile{Name: name}); strings.Contains(p.Search(), search) {
				want = append(want, name)
			}
		}
		var got []string
		for _, row := range s.listTenants(rentroll.TenantFilter{Search: search, Limit: 100}) {
			got = append(got, row.Profile.Name)
		}
		same(s, fmt.Sprintf("what is found for %q", search), got, want)
	}
}

func searchFollows(s *scene) {
	row := s.newTenant(func(p *rentroll.Profile, _ *rentroll.Account) {
		p.Name, p.Slug, p.ExternalID = "The Name", "the-slug", "The-External"
	})
	found := func(search string) bool {
		return len(s.listTenants(rentroll.TenantFilter{Search: search, Limit: 1})) == 1
	}
	for _, search := range []string{"the name", "the-slug", "the-external"} {
		if !found(search) {
			s.Errorf("the tenant is not found for %q", search)
		}
	}
	next := *row.Profile
	next.Name = "Renamed"
	profiles.replace(s, &next)
	if found("the name") || !found("renamed") {
		s.Error("the search does not follow the row's change")
	}
}

// listAccounts lists accounts by id, from the one behind another.
func listAccounts(s *scene) {
	var rows []*rentroll.Account
	for range 5 {
		rows = append(rows, s.newTenant(asIs).Account)
	}
	list := func(after rentroll.TenantID, limit int) (out []*rentroll.Account) {
		s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
			out, err = r.ListAccounts(ctx, after, limit)
			return err
		})
		return out
	}
	same(s, "all accounts", list(rentroll.TenantID{}, 10), rows)
	same(s, "the first two", list(rentroll.TenantID{}, 2), rows[:2])
	same(s, "the two behind them", list(rows[1].TenantID, 2), rows[2:4])
	same(s, "what is behind the end", list(rows[4].TenantID, 2), nil)
}
