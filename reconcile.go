package rentroll

import (
	"strconv"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// Difference is a place where what is stored is not what the rows come to. Counters, gauges, bounds, rollups and the
// directory say again what other rows say; a difference between the two is damage, by whatever has done it.
type Difference struct {
	TenantID TenantID `json:"tenant_id"` // null for what belongs to no tenant
	Table    string   `json:"table"`
	Key      string   `json:"key"`      // which row of the tenant, where it has several; "" else
	Field    string   `json:"field"`    // the column
	Stored   string   `json:"stored"`   // a number, a time, an id; "" for none
	Computed string   `json:"computed"` // likewise
	Mended   bool     `json:"mended"`

	// Note says why the difference can't be mended, where it can't: what the rows themselves say contradicts itself.
	Note NullString `json:"note"`

	mend mending
}

// mending is what puts a difference right. What is counted is mended by what is missing or too much, so that changes
// which come between the finding and the mending stay.
type mending struct {
	by        RollupSum // to add; Total alone for counters
	at        time.Time // of bounds: no later than this; of subjects: when the row was made; of heavy: its month
	rollup    RollupKey
	lowers    bool // of largest amounts and values
	use       KeyRef
	meter     MeterRef
	whose     SubjectRef
	value     ValueRef
	event     UsageMark // which it was: another event may have its id by now
	quota     quota.Name
	was, mark uint16      // what was told, as it was and as it is to be
	period    *PastPeriod // to be written down
	entry     DirectoryRef
	owner     [16]byte // of the entry; zero for nobody: it goes
}

// Unchecked is what could not be compared, and why.
type Unchecked struct {
	TenantID TenantID `json:"tenant_id"`
	Table    string   `json:"table"`
	Field    string   `json:"field"`
	Reason   string   `json:"reason"`
}

// ReconcileParams asks for a comparison of what is stored with the rows that it was made from.
type ReconcileParams struct {
	TenantID TenantID // zero for all tenants and the directory
	Repair   bool     // mend what differs; each mending is audited
	Cursor   string   // NextCursor of the call before; "" to begin
}

// Reconciliation is what one call has compared.
type Reconciliation struct {
	Tenants     int64        `json:"tenants"` // whose comparison this call has finished
	Differences []Difference `json:"differences"`
	Unchecked   []Unchecked  `json:"unchecked"`   // what can't be compared any more: its rows were pruned
	NextCursor  NullString   `json:"next_cursor"` // null where everything was compared
}

// Clean reports whether nothing differs any more.
func (r *Reconciliation) Clean() bool {
	for _, d := range r.Differences {
		if !d.Mended {
			return false
		}
	}
	return true
}

// MaxDifferences is how many differences one call returns before it stops, to be gone on with by its cursor.
const MaxDifferences = 1000

// tenantDiff gathers the differences of one tenant.
type tenantDiff struct {
	tenant    TenantID
	found     []Difference
	unchecked []Unchecked
}

func (d *tenantDiff) add(table, key, field, stored, computed string, mend mending) {
	d.found = append(d.found, Difference{
		TenantID: d.tenant, Table: table, Key: key, Field: field, Stored: stored, Computed: computed, mend: mend,
	})
}

// number compares a counter.
func (d *tenantDiff) number(field string, stored, computed int64) {
	if stored != computed {
		d.add(tableAccounts, "", field, strconv.FormatInt(stored, 10), strconv.FormatInt(computed, 10),
			mending{by: RollupSum{Total: computed - stored}})
	}
}

// bound compares a lower bound: it may be early, and must not be late.
func (d *tenantDiff) bound(field string, stored, earliest time.Time) {
	if earliest.IsZero() || !stored.IsZero() && !stored.After(earliest) {
		return
	}
	d.add(tableAccounts, "", field, timeText(stored), timeText(earliest), mending{at: earliest})
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// The tables that are compared, and the fields of accounts.
const (
	tableAccounts  = "accounts"
	tableKeyUses   = "key_uses"
	tableMeters    = "meters"
	tableSubjects  = "subjects"
	tableMarks     = "usage_marks"
	tableRollups   = "usage_rollups"
	tablePeaks     = "usage_peaks"
	tableValues    = "usage_values"
	tablePeriods   = "periods"
	tableDirectory = "directory"

	fieldNextLease = "next_lease_expiry"
	fieldNextKey   = "next_key_expiry"
	fieldMarks     = "marks"

	// Those of meters.
	fieldHeavy     = "heavy"
	fieldDayMark   = "day_mark"
	fieldMonthMark = "month_mark"

	fieldUsageID   = "usage_id"  // of marks
	fieldCorrected = "corrected" // likewise
)

// counters are the fields of an account that are numbers, by their columns.
var counters = map[string]func(a *Account) *int64{
	"runs_today":      func(a *Account) *int64 { return &a.RunsToday },
	"tokens_used":     func(a *Account) *int64 { return &a.TokensUsed },
	"tokens_ahead":    func(a *Account) *int64 { return &a.TokensAhead },
	"concurrent_runs": func(a *Account) *int64 { return &a.ConcurrentRuns },
	"tokens_reserved": func(a *Account) *int64 { return &a.TokensReserved },
	"spend_used":      func(a *Account) *int64 { return &a.SpendUsed },
	"workers":         func(a *Account) *int64 { return &a.Workers },
	"api_keys":        func(a *Account) *int64 { return &a.APIKeys },
	"owners":          func(a *Account) *int64 { return &a.Owners },
	"subjects":        func(a *Account) *int64 { return &a.Subjects },
	"uncounted_runs":  func(a *Account) *int64 { return &a.UncountedRuns },
}

// useCounters are those of a key family.
var useCounters = map[string]func(u *KeyUse) *int64{
	"concurrent_runs": func(u *KeyUse) *int64 { return &u.ConcurrentRuns },
	"tokens_reserved": func(u *KeyUse) *int64 { return &u.TokensReserved },
	"tokens_used":     func(u *KeyUse) *int64 { return &u.Tokens.Used },
	"tokens_ahead":    func(u *KeyUse) *int64 { return &u.Tokens.Ahead },
}

// meterCounters are those of a meter that has quotas.
var meterCounters = map[string]func(u *MeterUse) *int64{
	"day_used":    func(u *MeterUse) *int64 { return &u.Day.Used },
	"day_ahead":   func(u *MeterUse) *int64 { return &u.Day.Ahead },
	"month_used":  func(u *MeterUse) *int64 { return &u.Month.Used },
	"month_ahead": func(u *MeterUse) *int64 { return &u.Month.Ahead },
}

// subjectCounters are those of a subject.
var subjectCounters = map[string]func(s *Subject) *int64{
	"concurrent_runs": func(s *Subject) *int64 { return &s.ConcurrentRuns },
	"tokens_reserved": func(s *Subject) *int64 { return &s.TokensReserved },
	"runs_used":       func(s *Subject) *int64 { return &s.Runs.Used },
	"runs_ahead":      func(s *Subject) *int64 { return &s.Runs.Ahead },
	"tokens_used":     func(s *Subject) *int64 { return &s.Tokens.Used },
	"tokens_ahead":    func(s *Subject) *int64 { return &s.Tokens.Ahead },
}
