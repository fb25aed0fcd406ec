package sqlstore

import (
	"context"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

var accounts = prepare(table[rentroll.TenantID, rentroll.Account]{
	name: "accounts",
	columns: columns(`tenant_id:id status:text since plan:text overrides:text timezone:text anchor_day
		day_start day_end runs_today month_start month_end tokens_used tokens_ahead
		concurrent_runs tokens_reserved workers api_keys owners
		next_lease_expiry next_key_expiry cancel_before audit_sequence generation last_now audit_hash:bytes spend_used marks:bytes subjects uncounted_runs statement_grace`),
	keys:    1,
	bindKey: func(a Args, id rentroll.TenantID) { a.ID(id) },
	bind: func(a Args, r *rentroll.Account) {
		a.ID(r.TenantID)
		a.Text(string(r.Status))
		bindTime(a, r.Since)
		a.Text(r.Plan)
		if len(r.Overrides) == 0 {
			a.Text("") // by far the most: nothing to write as JSON, nothing to read
		} else {
			bindValue(a, r.Overrides)
		}
		a.Text(r.Timezone)
		a.Int(int64(r.AnchorDay))
		bindTime(a, r.Day.Start)
		bindTime(a, r.Day.End)
		a.Int(r.RunsToday)
		bindTime(a, r.Month.Start)
		bindTime(a, r.Month.End)
		a.Int(r.TokensUsed)
		a.Int(r.TokensAhead)
		a.Int(r.ConcurrentRuns)
		a.Int(r.TokensReserved)
		a.Int(r.Workers)
		a.Int(r.APIKeys)
		a.Int(r.Owners)
		bindTime(a, r.NextLeaseExpiry)
		bindTime(a, r.NextKeyExpiry)
		bindTime(a, r.CancelBefore)
		a.Int(r.AuditSequence)
		a.Int(r.Generation)
		bindTime(a, r.LastNow)
		bindNullHash(a, r.AuditHash)
		a.Int(r.SpendUsed)
		bindMarks(a, r.Marks)
		a.Int(r.Subjects)
		a.Int(r.UncountedRuns)
		a.Int(r.StatementGrace.Microseconds())
	},
	scan: scanAccount,
})

func scanAccount(row Row) (rentroll.TenantID, *rentroll.Account, error) {
	r := &rentroll.Account{TenantID: row.ID()}
	r.Status = rentroll.TenantStatus(row.Text())
	r.Since = scanTime(row)
	r.Plan = row.Text()
	err := scanValue(row, &r.Overrides)
	r.Timezone = row.Text()
	r.AnchorDay = int(row.Int())
	r.Day = quota.Period{Start: scanTime(row), End: scanTime(row)}
	r.RunsToday = row.Int()
	r.Month = quota.Period{Start: scanTime(row), End: scanTime(row)}
	r.TokensUsed = row.Int()
	r.TokensAhead = row.Int()
	r.ConcurrentRuns = row.Int()
	r.TokensReserved = row.Int()
	r.Workers = row.Int()
	r.APIKeys = row.Int()
	r.Owners = row.Int()
	r.NextLeaseExpiry = scanTime(row)
	r.NextKeyExpiry = scanTime(row)
	r.CancelBefore = scanTime(row)
	r.AuditSequence = row.Int()
	r.Generation = row.Int()
	r.LastNow = scanTime(row)
	r.AuditHash = scanAuditHash(row)
	r.SpendUsed = row.Int()
	r.Marks = scanMarks(row)
	r.Subjects = row.Int()
	r.UncountedRuns = row.Int()
	r.StatementGrace = time.Duration(row.Int()) * time.Microsecond
	return r.TenantID, r, err
}

var profiles = prepare(table[rentroll.TenantID, rentroll.Profile]{
	name: "tenants",
	columns: columns(`tenant_id:id slug:text name:text external_id:text billing_email:text status_reason:text
		metadata:text search:text created_at updated_at`),
	keys:    1,
	bindKey: func(a Args, id rentroll.TenantID) { a.ID(id) },
	bind: func(a Args, r *rentroll.Profile) {
		a.ID(r.TenantID)
		a.Text(r.Slug)
		a.Text(r.Name)
		bindNullText(a, r.ExternalID)
		bindNullText(a, r.BillingEmail)
		bindNullText(a, r.StatusReason)
		bindValue(a, r.Metadata)
		a.Text(r.Search())
		bindTime(a, r.CreatedAt)
		bindTime(a, r.UpdatedAt)
	},
	scan: scanProfile,
})

func scanProfile(row Row) (rentroll.TenantID, *rentroll.Profile, error) {
	r := &rentroll.Profile{TenantID: row.ID()}
	r.Slug = row.Text()
	r.Name = row.Text()
	r.ExternalID = rentroll.NullString(row.Text())
	r.BillingEmail = rentroll.NullString(row.Text())
	r.StatusReason = rentroll.NullString(row.Text())
	err := scanValue(row, &r.Metadata)
	row.Text() // search is for the database only
	r.CreatedAt = scanTime(row)
	r.UpdatedAt = scanTime(row)
	return r.TenantID, r, err
}

var plans = prepare(table[string, rentroll.Plan]{
	name:    "plans",
	columns: columns("name:text limits:text retired thresholds:text"),
	keys:    1,
	bindKey: func(a Args, name string) { a.Text(name) },
	bind: func(a Args, r *rentroll.Plan) {
		a.Text(r.Name)
		bindValue(a, r.Limits)
		bindBool(a, r.Retired)
		if r.Thresholds == nil {
			a.Null()
		} else {
			bindValue(a, r.Thresholds)
		}
	},
	scan: func(row Row) (string, *rentroll.Plan, error) {
		r := &rentroll.Plan{Name: row.Text()}
		err := scanValue(row, &r.Limits)
		r.Retired = scanBool(row)
		if thresholds := scanValue(row, &r.Thresholds); err == nil {
			err = thresholds
		}
		return r.Name, r, err
	},
})

var directory = prepare(table[rentroll.DirectoryRef, rentroll.DirectoryEntry]{
	name:    "directory",
	columns: columns("kind:text value:text owner:id"),
	keys:    2,
	bindKey: func(a Args, k rentroll.DirectoryRef) {
		a.Text(string(k.Kind))
		a.Text(k.Value)
	},
	bind: func(a Args, r *rentroll.DirectoryEntry) {
		a.Text(string(r.Kind))
		a.Text(r.Value)
		a.ID(r.Owner)
	},
	scan: func(row Row) (rentroll.DirectoryRef, *rentroll.DirectoryEntry, error) {
		r := &rentroll.DirectoryEntry{}
		r.Kind = rentroll.DirectoryKind(row.Text())
		r.Value = row.Text()
		r.Owner = row.ID()
		return r.DirectoryRef, r, nil
	},
})

var hasDirectory = &Stmt{SQL: "SELECT kind FROM directory WHERE kind = $1 LIMIT 1"}

// HasDirectory reports whether the directory has any entry of a kind.
func (r *reader) HasDirectory(ctx context.Context, kind rentroll.DirectoryKind) (has bool, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: hasDirectory, Rows: 1, Bind: func(_ int, a Args) { a.Text(string(kind)) },
		Scan: func(Row) error { has = true; return nil },
	})
	return has, err
}

var periods = prepare(table[rentroll.PastPeriod, rentroll.PastPeriod]{
	name:    "periods",
	columns: columns("tenant_id:id start_at end_at final_at timezone:text"),
	keys:    2,
	bind: func(a Args, r *rentroll.PastPeriod) {
		a.ID(r.TenantID)
		bindTime(a, r.Start)
		bindTime(a, r.End)
		bindTime(a, r.FinalAt)
		a.Text(r.Timezone)
	},
})

var (
	keepPeriod    = keeper(periods.name, periods.columns, periods.keys)
	recentPeriods = periods.query("WHERE tenant_id = $1 ORDER BY start_at DESC LIMIT 40")
)

// keepPeriods writes periods down; those that are there stay as they are.
func keepPeriods(rows []*rentroll.PastPeriod, requests []*Request) []*Request {
	if len(rows) == 0 {
		return requests
	}
	return append(requests, &Request{Stmt: keepPeriod, Rows: len(rows), Bind: func(i int, a Args) { periods.bind(a, rows[i]) }})
}

func scanPeriod(row Row) rentroll.PastPeriod {
	return rentroll.PastPeriod{TenantID: row.ID(), Start: scanTime(row), End: scanTime(row), FinalAt: scanTime(row), Timezone: row.Text()}
}

// askPeriods reads the latest periods that were written down.
func askPeriods(b *rentroll.Batch, requests []*Request) []*Request {
	for tenant, answer := range b.RecentPeriods {
		if answer != nil {
			continue
		}
		found := []rentroll.PastPeriod{}
		b.RecentPeriods[tenant] = &found
		requests = append(requests, &Request{
			Stmt: recentPeriods, Rows: 1,
			Bind: func(_ int, a Args) { a.ID(tenant) },
			Scan: func(row Row) error { found = append(found, scanPeriod(row)); return nil },
		})
	}
	return requests
}

var planInUse = &Stmt{SQL: "SELECT plan FROM accounts WHERE plan = $1 LIMIT 1"}

// askPlans answers whether plans are in use.
func askPlans(b *rentroll.Batch, requests []*Request) []*Request {
	for name, answer := range b.PlanInUse {
		if answer != nil {
			continue
		}
		used := false
		b.PlanInUse[name] = &used
		requests = append(requests, &Request{
			Stmt: planInUse, Rows: 1,
			Bind: func(_ int, a Args) { a.Text(name) },
			Scan: func(Row) error { used = true; return nil },
		})
	}
	return requests
}

var listOverdue = &Stmt{SQL: `SELECT tenant_id FROM accounts WHERE tenant_id > $1
	AND (next_lease_expiry > 0 AND next_lease_expiry <= $2 OR next_key_expiry > 0 AND next_key_expiry <= $2)
	ORDER BY tenant_id LIMIT $3`}

// ListOverdue lists accounts that may have something overdue.
func (r *reader) ListOverdue(ctx context.Context, now time.Time, after rentroll.TenantID, limit int) (out []rentroll.TenantID, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: listOverdue, Rows: 1,
		Bind: func(_ int, a Args) {
			a.ID(after)
			bindTime(a, now)
			a.Int(int64(limit))
		},
		Scan: func(row Row) error {
			out = append(out, row.ID())
			return nil
		},
	})
	return out, err
}

var listPlans = plans.query("ORDER BY name")

// ListPlans lists all plans by name.
func (r *reader) ListPlans(ctx context.Context) (out []*rentroll.Plan, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: listPlans, Rows: 1, Bind: func(int, Args) {},
		Scan: plans.found(func(_ string, p *rentroll.Plan) { out = append(out, p) }),
	})
	return out, err
}

// listTenants walks the primary key backwards. An empty text asks for no filter. Each tenant has an account: the join is a
// left one so that no planner begins with the accounts, of which nothing says where the page ends.
var listTenants = &Stmt{SQL: "SELECT " +
	list(profiles.columns, ", ", func(_ int, c Column) string { return "tenants." + c.Name }) + ", " +
	list(accounts.columns, ", ", func(_ int, c Column) string { return "accounts." + c.Name }) + `
	FROM tenants LEFT JOIN accounts ON accounts.tenant_id = tenants.tenant_id
	WHERE tenants.tenant_id < $1
	AND ($2 = '' OR accounts.status = $2) AND ($3 = '' OR accounts.plan = $3)
	AND ($4 = '' OR tenants.search LIKE $4 ESCAPE '!')
	ORDER BY tenants.tenant_id DESC LIMIT $5`}

// ListTenants lists tenants, newest first.
func (r *reader) ListTenants(ctx context.Context, f rentroll.TenantFilter) (out []rentroll.TenantRow, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: listTenants, Rows: 1,
		Bind: func(_ int, a Args) {
			a.ID(before(f.Before))
			a.Text(string(f.Status))
			a.Text(f.Plan)
			a.Text(containing(f.Search))
			a.Int(int64(f.Limit))
		},
		Scan: func(row Row) error {
			_, p, err := scanProfile(row)
			if err != nil {
				return err
			}
			_, a, err := scanAccount(row)
			out = append(out, rentroll.TenantRow{Profile: p, Account: a})
			return err
		},
	})
	return out, err
}

var listAccounts = accounts.query("WHERE tenant_id > $1 ORDER BY tenant_id LIMIT $2")

// ListAccounts lists accounts by id.
func (r *reader) ListAccounts(ctx context.Context, after rentroll.TenantID, limit int) (out []*rentroll.Account, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: listAccounts, Rows: 1,
		Bind: func(_ int, a Args) {
			a.ID(after)
			a.Int(int64(limit))
		},
		Scan: accounts.found(func(_ rentroll.TenantID, a *rentroll.Account) { out = append(out, a) }),
	})
	return out, err
}

// containing makes the pattern of LIKE for text that contains s.
func containing(s string) string {
	if s == "" {
		return ""
	}
	return "%" + strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(s) + "%"
}

// before returns the id at which a list that runs backwards begins: the one given, or the largest there is.
func before[I ~[16]byte](id I) I {
	if id == (I{}) {
		for i := range id {
			id[i] = 0xff
		}
	}
	return id
}
