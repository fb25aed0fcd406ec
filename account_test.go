package rentroll

import (
	"errors"
	"testing"
	"time"

	"github.com/rentroll/rentroll/quota"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// testAccount is an active account in UTC with its periods at noon.
func testAccount() *Account {
	a := &Account{TenantID: TenantID{1}, Status: TenantActive, Plan: PlanFree, Timezone: "UTC", AnchorDay: 1}
	a.roll(noon)
	return a
}

func testPlan(limits quota.Limits) *Plan { return &Plan{Name: PlanFree, Limits: limits} }

// What denies first, denies: every rule is broken at once, and mended one after the other.
func TestAdmissionOrder(t *testing.T) {
	t.Parallel()
	a := testAccount()
	a.Status = TenantSuspended
	a.RunsToday, a.ConcurrentRuns, a.TokensUsed, a.Workers, a.SpendUsed = 1, 1, 1, 1, 1
	expired := noon.Add(-time.Second)
	r := applicant{
		plan: testPlan(quota.Limits{
			quota.Workers: quota.Of(1), quota.RunsPerDay: quota.Of(1), quota.ConcurrentRuns: quota.Of(1), quota.TokensPerMonth: quota.Of(1),
			quota.SpendPerMonth: quota.Of(1),
		}),
		key:  &APIKey{Status: KeyActive, ExpiresAt: &expired, AllowedWorkers: []string{"other"}, MaxConcurrentRuns: new(int64(1)), MaxTokensPerMonth: new(int64(1))},
		use:  &KeyUse{ConcurrentRuns: 1, Tokens: Tally{Used: 1, Start: a.Month.Start}},
		name: "writer",
	}
	steps := []struct {
		name string
		code Code
		want *QuotaExceededError
		mend func()
	}{
		{"tenant", CodeTenantSuspended, nil, func() { a.Status = TenantActive }},
		{"key", CodeForbidden, nil, func() { r.key.ExpiresAt = nil }},
		{"worker of the key", CodeWorkerNotAllowed, nil, func() { r.key.AllowedWorkers = nil }},
		{"key's runs", CodeQuotaExceeded, &QuotaExceededError{Quota: quota.ConcurrentRuns, Scope: ScopeKey}, func() { r.use.ConcurrentRuns = 0 }},
		{"key's tokens", CodeQuotaExceeded, &QuotaExceededError{Quota: quota.TokensPerMonth, Scope: ScopeKey}, func() { r.use.Tokens.Used = 0 }},
		{"workers", CodeQuotaExceeded, &QuotaExceededError{Quota: quota.Workers, Scope: ScopeTenant}, func() { r.worker = &Worker{} }},
		{"worker disabled", CodeWorkerDisabled, nil, func() { r.worker.Enabled = true }},
		{"runs per day", CodeQuotaExceeded, &QuotaExceededError{Quota: quota.RunsPerDay, Scope: ScopeTenant}, func() { a.RunsToday = 0 }},
		{"concurrent runs", CodeQuotaExceeded, &QuotaExceededError{Quota: quota.ConcurrentRuns, Scope: ScopeTenant}, func() { a.ConcurrentRuns = 0 }},
		{"tokens", CodeQuotaExceeded, &QuotaExceededError{Quota: quota.TokensPerMonth, Scope: ScopeTenant}, func() { a.TokensUsed = 0 }},
		{"spend", CodeQuotaExceeded, &QuotaExceededError{Quota: quota.SpendPerMonth, Scope: ScopeTenant}, func() { a.SpendUsed = 0 }},
		{"nothing", "", nil, func() {}},
	}
	for _, step := range steps {
		before := *a
		_, err := a.admit(r, noon)
		if CodeOf(err) != step.code {
			t.Fatalf("%s: got %v, want code %q", step.name, err, step.code)
		}
		var q *QuotaExceededError
		if step.want != nil && (!errors.As(err, &q) || q.Quota != step.want.Quota || q.Scope != step.want.Scope || q.Limit != 1 || q.Current != 1) {
			t.Fatalf("%s: got %+v, want %+v with limit 1, current 1", step.name, q, step.want)
		}
		if a.RunsToday != before.RunsToday || a.ConcurrentRuns != before.ConcurrentRuns || a.TokensReserved != before.TokensReserved {
			t.Fatalf("%s: deciding has consumed something", step.name)
		}
		step.mend()
	}
}

func TestTokensAreDeniedByUsedAndReserved(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		used, reserved, ask, limit int64
		admitted                   bool
	}{
		{0, 0, 0, 1, true},
		{0, 0, 0, 0, false}, // a run needs room for one token at least
		{0, 1, 0, 1, false},
		{40, 50, 10, 100, true},
		{40, 50, 11, 100, false},
		{101, 0, 0, 100, false},
		{0, 0, maxAmount, maxAmount, true},
		{1, 0, maxAmount, maxAmount, false},
	} {
		a := testAccount()
		a.TokensUsed, a.TokensReserved = c.used, c.reserved
		r := applicant{
			plan: testPlan(quota.Limits{quota.TokensPerMonth: quota.Of(c.limit)}), worker: &Worker{Enabled: true}, reserve: c.ask,
		}
		_, err := a.admit(r, noon)
		if admitted := err == nil; admitted != c.admitted {
			t.Errorf("%+v: %v", c, err)
		}
		var q *QuotaExceededError
		if errors.As(err, &q) && (q.Current != c.used+c.reserved || !q.ResetsAt.Equal(a.Month.End)) {
			t.Errorf("%+v: current %d, resets at %v", c, q.Current, q.ResetsAt)
		}
	}
}

func TestSoftLimitAdmitsAndSaysSo(t *testing.T) {
	t.Parallel()
	a := testAccount()
	a.RunsToday = 5
	soft := quota.Of(5)
	soft.Mode = quota.Soft
	r := applicant{plan: testPlan(quota.Limits{quota.RunsPerDay: soft}), worker: &Worker{Enabled: true}}
	if over, err := a.admit(r, noon); err != nil || !over {
		t.Errorf("over %v, error %v; want an admission that is over its soft limit", over, err)
	}
	a.RunsToday = 4
	if over, err := a.admit(r, noon); err != nil || over {
		t.Errorf("over %v, error %v; want a plain admission", over, err)
	}
}

func TestOverrideBeatsThePlanUntilItsEnd(t *testing.T) {
	t.Parallel()
	a := testAccount()
	a.ConcurrentRuns = 5
	a.Overrides = quota.Limits{quota.ConcurrentRuns: {Max: 6, Until: noon.Add(time.Hour)}}
	r := applicant{plan: testPlan(quota.Limits{quota.ConcurrentRuns: quota.Of(5)}), worker: &Worker{Enabled: true}}
	if _, err := a.admit(r, noon); err != nil {
		t.Errorf("before its end: %v", err)
	}
	if _, err := a.admit(r, noon.Add(time.Hour)); !errors.Is(err, CodeQuotaExceeded) {
		t.Errorf("at its end: %v", err)
	}
}

func TestCountersBeginAnewAndGaugesDoNot(t *testing.T) {
	t.Parallel()
	a := testAccount()
	a.RunsToday, a.TokensUsed, a.ConcurrentRuns, a.TokensReserved = 7, 70, 3, 30
	if _, ended := a.roll(a.Day.End); ended || a.RunsToday != 0 || a.TokensUsed != 70 {
		t.Errorf("the day's end: month ended %v, runs %d, tokens %d", ended, a.RunsToday, a.TokensUsed)
	}
	month, end := a.Month, a.Month.End
	ended, rolled := a.roll(end)
	if !rolled || ended != month || a.TokensUsed != 0 || !a.Month.Start.Equal(end) {
		t.Errorf("the month's end: %v %v, tokens %d, now in %v", ended, rolled, a.TokensUsed, a.Month)
	}
	if a.ConcurrentRuns != 3 || a.TokensReserved != 30 {
		t.Errorf("gauges moved: %d runs, %d reserved", a.ConcurrentRuns, a.TokensReserved)
	}
}

func TestTokensOfClocksAheadCountInTheirMonth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		now  func(end time.Time) time.Time
		want int64
	}{
		{"in the next month", func(end time.Time) time.Time { return end }, 9},
		{"two months later", func(end time.Time) time.Time { return end.AddDate(0, 1, 0) }, 0},
	} {
		a := testAccount()
		a.spend(5, a.Month.Start)
		a.spend(9, a.Month.End)
		a.spend(100, a.Month.Start.Add(-time.Microsecond)) // a past month's tokens move no present limit
		if a.TokensUsed != 5 {
			t.Errorf("%s: %d tokens used before, want 5", c.name, a.TokensUsed)
		}
		a.roll(c.now(a.Month.End))
		if a.TokensUsed != c.want {
			t.Errorf("%s: %d tokens used, want %d", c.name, a.TokensUsed, c.want)
		}
	}
}

func TestClockNeverRunsBack(t *testing.T) {
	t.Parallel()
	a := testAccount()
	a.LastNow = noon
	if got := a.clock(noon.Add(-time.Hour)); !got.Equal(noon) {
		t.Errorf("a clock that steps back gives %v", got)
	}
	if got := a.clock(noon.Add(time.Hour)); !got.Equal(noon.Add(time.Hour)) {
		t.Errorf("a clock that runs gives %v", got)
	}
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	allowed := map[TenantStatus][]TenantStatus{
		TenantActive:     {TenantSuspended, TenantTerminated},
		TenantSuspended:  {TenantActive, TenantTerminated},
		TenantTerminated: {TenantArchived},
	}
	all := []TenantStatus{TenantActive, TenantSuspended, TenantTerminated, TenantArchived}
	for _, from := range all {
		for _, to := range all {
			want := false
			for _, s := range allowed[from] {
				want = want || s == to
			}
			if got := from.canBecome(to); got != want {
				t.Errorf("%s → %s: %v, want %v", from, to, got, want)
			}
		}
	}
}

func TestKeysOfInactiveTenants(t *testing.T) {
	t.Parallel()
	since := noon.Add(-time.Hour)
	for _, c := range []struct {
		status TenantStatus
		p      Permission
		at     time.Time
		want   Code
	}{
		{TenantActive, PermRunCreate, noon, ""},
		{TenantSuspended, PermRunCreate, noon, CodeTenantSuspended},
		{TenantSuspended, PermKeyManage, noon, CodeTenantSuspended},
		{TenantSuspended, PermRunRead, noon, ""},
		{TenantSuspended, PermRunUpdate, noon, ""},
		{TenantSuspended, PermUsageWrite, noon, ""},
		{TenantTerminated, PermRunUpdate, since.Add(terminatedGrace - time.Microsecond), ""},
		{TenantTerminated, PermRunUpdate, since.Add(terminatedGrace), CodeTenantTerminated},
		{TenantTerminated, PermRunRead, noon, CodeTenantTerminated},
		{TenantTerminated, PermUsageWrite, noon, CodeTenantTerminated},
		{TenantArchived, PermRunUpdate, noon, CodeTenantTerminated},
	} {
		everything, _ := CompilePermissions([]string{"*"})
		by := Actor{Kind: ActorAPIKey, TenantID: TenantID{1}, Permissions: everything, status: c.status, statusSince: since}
		if got := CodeOf(by.may(TenantID{1}, c.p, c.at)); got != c.want {
			t.Errorf("%s, %s at %v: %q, want %q", c.status, c.p, c.at, got, c.want)
		}
	}
	by := Actor{Kind: ActorAPIKey, TenantID: TenantID{1}}
	if got := CodeOf(by.may(TenantID{2}, PermRunRead, noon)); got != CodeNotFound {
		t.Errorf("another tenant: %q, want not_found", got)
	}
}

// However much is recorded, a counter never wraps around to where there is room again.
func TestCountersDoNotOverflow(t *testing.T) {
	t.Parallel()
	a := testAccount()
	a.TokensUsed, a.TokensAhead = mostCounted-1, mostCounted-1
	a.spend(maxAmount, noon)
	a.spend(maxAmount, a.Month.End)
	if a.TokensUsed != mostCounted || a.TokensAhead != mostCounted {
		t.Errorf("used %d, ahead %d, want both at %d", a.TokensUsed, a.TokensAhead, int64(mostCounted))
	}
	a.TokensReserved = maxAmount
	r := applicant{plan: testPlan(quota.Limits{quota.TokensPerMonth: quota.Of(maxAmount)}), worker: &Worker{Enabled: true}}
	if _, err := a.admit(r, noon); !errors.Is(err, CodeQuotaExceeded) {
		t.Errorf("beyond all counting: %v", err)
	}
}
