package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

func engineTests() []test {
	return []test{
		{"AdmitsUpToTheLimit", engineAdmits},
		{"AdmitsTheDaysRuns", engineAdmitsDay},
		{"CompletesOnce", engineCompletesOnce},
		{"RepeatsWithTheEffectOfOnce", engineRepeats},
		{"OneOfManyTakesASlug", engineSlug},
		{"RollupsEqualEvents", engineRollups},
		{"CrashesOverdueRuns", engineCrashes},
		{"ExpiresKeys", engineExpiresKeys},
		{"DeletesAUser", engineDeletesUser},
		{"TakesAnyText", engineTakesText},
		{"KeepsPayloads", enginePayloads},
		{"StartsAgain", engineStartsAgain},
		{"ManyTenants", engineManyTenants},
		{"OperatorKeys", engineOperatorKeys},
		{"OperatorKeysReachNoFurther", engineOperatorKeysReach},
		{"Standings", engineStandings},
		{"Activity", engineActivity},
		{"PlanTenants", engineCountPlanTenants},
		{"SearchesAudit", engineSearchAudit},
		{"PlanPreview", enginePlanPreview},
		{"SimulatesPlans", engineSimulates},
		{"Sessions", engineSessions},
		{"SessionsDieWithTheirKeys", engineSessionsDie},
		{"OneOperatorKeyRemains", engineLastOperatorKey},
		{"ActsForUsers", engineForUser},
		{"MembersActAsTheyAre", engineMembersAct},
		{"Purges", enginePurges},
		{"CorrectsUsage", engineCorrects},
		{"Consumes", engineConsumes},
		{"LimitsMetersAnyTime", engineLimitsMeters},
		{"CountsMetersThroughStalePlans", engineStalePlans},
		{"RefusesWhatNoBucketHolds", engineHeavy},
	}
}

// house is an engine with a clock that the test moves.
type house struct {
	*scene
	*rentroll.Engine

	clock atomic.Int64 // microseconds
}

// kept is a store that outlives the engine on it.
type kept struct{ rentroll.Store }

// Close leaves the store open.
func (kept) Close() error { return nil }

func (s *scene) engine() *house {
	s.Helper()
	h := &house{scene: s}
	h.clock.Store(instant.UnixMicro())
	e, err := rentroll.New(kept{s.store}, &rentroll.Options{
		Now: func() time.Time { return time.UnixMicro(h.clock.Load()) },
	})
	s.must(err)
	s.Cleanup(func() { _ = e.Close() })
	h.Engine = e
	return h
}

func (h *house) pass(d time.Duration) { h.clock.Add(d.Microseconds()) }

func (h *house) newTenant(slug string, limits quota.Limits) rentroll.TenantID {
	h.Helper()
	t, err := h.CreateTenant(h.Context(), rentroll.CreateTenantParams{Name: slug, Slug: slug, LimitOverrides: limits})
	h.must(err)
	return t.ID
}

func (h *house) newRun(tenant rentroll.TenantID) (*rentroll.Run, error) {
	return h.CreateRun(h.Context(), rentroll.CreateRunParams{TenantID: tenant, WorkerID: "writer", Task: "t", ReserveTokens: 10})
}

// used returns what stands against a quota.
func (h *house) used(tenant rentroll.TenantID, name quota.Name) int64 {
	h.Helper()
	list, err := h.GetQuotas(h.Context(), tenant)
	h.must(err)
	for _, q := range list {
		if q.Quota == name {
			return q.Used
		}
	}
	h.Fatalf("there is no quota %s", name)
	return 0
}

// runsOf lists all runs of a tenant, over all pages.
func (h *house) runsOf(p rentroll.ListRunsParams) (out []*rentroll.Run) {
	h.Helper()
	for {
		page, err := h.ListRuns(h.Context(), p)
		h.must(err)
		out = append(out, page.Items...)
		if page.NextCursor == "" {
			return out
		}
		p.Cursor = string(page.NextCursor)
	}
}

// admitTogether asks for runs from many goroutines at once and returns how many were admitted; all others must be
// denied by the quota.
func (h *house) admitTogether(tenant rentroll.TenantID, callers, each int, denies quota.Name) int64 {
	h.Helper()
	var admitted atomic.Int64
	h.together(callers, func(int) error {
		for range each {
			_, err := h.newRun(tenant)
			var denied *rentroll.QuotaExceededError
			switch {
			case err == nil:
				admitted.Add(1)
			case !errors.As(err, &denied) || denied.Quota != denies:
				return err
			}
		}
		return nil
	})
	return admitted.Load()
}

func engineAdmits(s *scene) {
	h := s.engine()
	tenant := h.newTenant("acme", quota.Limits{quota.ConcurrentRuns: quota.Of(17)})
	same(s, "the number of admitted runs", h.admitTogether(tenant, 8, 10, quota.ConcurrentRuns), 17)
	same(s, "the number of stored runs", len(h.runsOf(rentroll.ListRunsParams{TenantID: tenant})), 17)
	same(s, "the concurrent runs", h.used(tenant, quota.ConcurrentRuns), 17)
	same(s, "the day's runs", h.used(tenant, quota.RunsPerDay), 17)
}

func engineAdmitsDay(s *scene) {
	h := s.engine()
	tenant := h.newTenant("acme", quota.Limits{quota.RunsPerDay: quota.Of(9), quota.ConcurrentRuns: quota.NoLimit()})
	same(s, "the number of admitted runs", h.admitTogether(tenant, 4, 5, quota.RunsPerDay), 9)
	h.pass(24 * time.Hour)
	same(s, "the number of the next day", h.admitTogether(tenant, 4, 5, quota.RunsPerDay), 9)
	same(s, "the number of stored runs", len(h.runsOf(rentroll.ListRunsParams{TenantID: tenant})), 18)
}

func engineCompletesOnce(s *scene) {
	h := s.engine()
	tenant := h.newTenant("acme", nil)
	run, err := h.newRun(tenant)
	s.must(err)
	var first atomic.Int64
	done := rentroll.CompleteRunParams{TenantID: tenant, RunID: run.ID, Success: true, TotalTokens: 25, Output: json.RawMessage(`[1]`)}
	s.together(8, func(int) error {
		r, err := h.CompleteRun(s.Context(), done)
		if err == nil && !r.Replayed {
			first.Add(1)
		}
		return err
	})
	same(s, "the completions that counted", first.Load(), 1)
	same(s, "the tokens used", h.used(tenant, quota.TokensPerMonth), 25)
	same(s, "the concurrent runs", h.used(tenant, quota.ConcurrentRuns), 0)
	summary, err := h.GetUsageSummary(s.Context(), rentroll.UsageSummaryParams{TenantID: tenant})
	s.must(err)
	same(s, "the summary", summary.Meters, map[string]rentroll.MeterTotal{
		rentroll.MeterTokensUsed: {Total: 25, Unit: "tokens", Count: 1, Aggregation: rentroll.AggregateSum},
		rentroll.MeterWorkerRuns: {Total: 1, Unit: "count", Count: 1, Aggregation: rentroll.AggregateSum},
	})
	done.TotalTokens++
	if _, err := h.CompleteRun(s.Context(), done); !errors.Is(err, rentroll.CodeRunAlreadyEnded) {
		s.Errorf("another completion: got %v, want %v", err, rentroll.CodeRunAlreadyEnded)
	}
}

func engineRepeats(s *scene) {
	h := s.engine()
	tenant := h.newTenant("acme", nil)
	p := rentroll.CreateRunParams{TenantID: tenant, WorkerID: "writer", Task: "t", IdempotencyKey: "once, please"}
	var mu sync.Mutex
	ids := make(map[rentroll.RunID]bool)
	s.together(8, func(int) error {
		r, err := h.CreateRun(s.Context(), p)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			ids[r.ID] = true
		}
		return err
	})
	same(s, "the number of runs that were answered", len(ids), 1)
	same(s, "the number of stored runs", len(h.runsOf(rentroll.ListRunsParams{TenantID: tenant})), 1)
	p.Task = "other"
	if _, err := h.CreateRun(s.Context(), p); !errors.Is(err, rentroll.CodeIdempotencyMismatch) {
		s.Errorf("other parameters: got %v, want %v", err, rentroll.CodeIdempotencyMismatch)
	}
}

func engineSlug(s *scene) {
	h := s.engine()
	var made atomic.Int64
	s.together(8, func(int) error {
		_, err := h.CreateTenant(s.Context(), rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"})
		switch {
		case err == nil:
			made.Add(1)
		case !errors.Is(err, rentroll.CodeAlreadyExists):
			return err
		}
		return nil
	})
	same(s, "the tenants that were made", made.Load(), 1)
	list, err := h.ListTenants(s.Context(), rentroll.ListTenantsParams{})
	s.must(err)
	same(s, "the tenants that are there", len(list.Items), 1)
}

// engineRollups adds up the same usage over whole buckets, which is read from rollups, and over their parts, which is
// read from events.
func engineRollups(s *scene) {
	h := s.engine()
	tenant := h.newTenant("acme", nil)
	p := rentroll.RecordUsageBatchParams{TenantID: tenant}
	for i := range rentroll.MaxUsageBatch {
		p.Events = append(p.Events, rentroll.UsageParams{
			Meter: "pages", Amount: int64(i), Time: instant.Add(-time.Duration(i) * time.Minute), WorkerID: "w" + fmt.Sprint(i%7),
			EventID: fmt.Sprint("e", i),
		})
	}
	for range 2 { // the second time all of them are duplicates
		_, err := h.RecordUsageBatch(s.Context(), p)
		s.must(err)
	}
	for _, cut := range []time.Duration{0, 15 * time.Minute, 17 * time.Minute, 16 * time.Hour, 400*time.Minute + time.Microsecond} {
		middle := instant.Truncate(15 * time.Minute).Add(-cut)
		var total, count int64
		for _, span := range [][2]time.Time{{instant.Add(-2000 * time.Minute), middle}, {middle, instant.Add(time.Minute)}} {
			sum, err := h.GetUsageSummary(s.Context(), rentroll.UsageSummaryParams{TenantID: tenant, Start: span[0], End: span[1]})
			s.must(err)
			total, count = total+sum.Meters["pages"].Total, count+sum.TotalRecords
		}
		same(s, fmt.Sprintf("the total, cut %v back", cut), total, rentroll.MaxUsageBatch*(rentroll.MaxUsageBatch-1)/2)
		same(s, fmt.Sprintf("the number of events, cut %v back", cut), count, rentroll.MaxUsageBatch)
	}
}

// engineCrashes fills a tenant's slots with runs that fall silent, more than one transaction ends at once.
func engineCrashes(s *scene) {
	h := s.engine()
	const slots = rentroll.MaxOverdue + 100
	tenant := h.newTenant("acme", quota.Limits{quota.ConcurrentRuns: quota.Of(slots), quota.RunsPerDay: quota.NoLimit()})
	same(s, "the number of admitted runs", h.admitTogether(tenant, 16, slots/16+1, quota.ConcurrentRuns), slots)
	h.pass(rentroll.DefaultLease)
	same(s, "the concurrent runs", h.used(tenant, quota.ConcurrentRuns), 0)
	same(s, "the number of runs admitted anew", h.admitTogether(tenant, 16, slots/16+1, quota.ConcurrentRuns), slots)
	crashed := h.runsOf(rentroll.ListRunsParams{TenantID: tenant, Status: rentroll.RunCrashed})
	same(s, "the crashed runs", len(crashed), slots)
}

func engineExpiresKeys(s *scene) {
	h := s.engine()
	tenant := h.newTenant("acme", quota.Limits{quota.APIKeys: quota.Of(2)})
	p := rentroll.CreateAPIKeyParams{TenantID: tenant, Name: "k", ExpiresInDays: 1}
	for range 2 {
		_, _, err := h.CreateAPIKey(s.Context(), p)
		s.must(err)
	}
	if _, _, err := h.CreateAPIKey(s.Context(), p); !errors.Is(err, rentroll.CodeQuotaExceeded) {
		s.Errorf("a third key: got %v, want %v", err, rentroll.CodeQuotaExceeded)
	}
	h.pass(24 * time.Hour)
	same(s, "the keys in use", h.used(tenant, quota.APIKeys), 0)
	secret, _, err := h.CreateAPIKey(s.Context(), p)
	s.must(err)
	same(s, "the keys in use", h.used(tenant, quota.APIKeys), 1)
	v, err := h.VerifyAPIKey(s.Context(), rentroll.VerifyAPIKeyParams{Secret: secret})
	s.must(err)
	if !v.Valid {
		s.Errorf("the new key is %s", v.Code)
	}
}

func engineDeletesUser(s *scene) {
	h := s.engine()
	u, err := h.CreateUser(s.Context(), rentroll.CreateUserParams{Email: "a@example.com", ExternalID: "x"})
	s.must(err)
	other, err := h.CreateUser(s.Context(), rentroll.CreateUserParams{Email: "b@example.com"})
	s.must(err)
	for i := range 5 {
		tenant := h.newTenant(fmt.Sprint("t", i), nil)
		for _, id := range []rentroll.UserID{u.ID, other.ID} {
			_, err := h.CreateMembership(s.Context(), rentroll.CreateMembershipParams{TenantID: tenant, UserID: id})
			s.must(err)
		}
	}
	s.must(h.DeleteUser(s.Context(), u.ID))
	if n := *s.memberships(u.ID).Memberships[u.ID]; n != 0 {
		s.Errorf("the deleted user has %d memberships", n)
	}
	_, err = h.CreateUser(s.Context(), rentroll.CreateUserParams{Email: "a@example.com", ExternalID: "x"}) // it is free again
	s.must(err)
}

// engineTakesText: what the engine lets through, the store takes; nobody else's command fails with it.
func engineTakesText(s *scene) {
	h := s.engine()
	tenant := h.newTenant("acme", quota.Limits{quota.ConcurrentRuns: quota.NoLimit(), quota.RunsPerDay: quota.NoLimit()})
	s.together(len(lookalikes), func(i int) error {
		text := lookalikes[i]
		r, err := h.CreateRun(s.Context(), rentroll.CreateRunParams{TenantID: tenant, WorkerID: "w", Task: text})
		if err != nil {
			return fmt.Errorf("a run of %q: %w", text, err)
		}
		if r, err = h.GetRun(s.Context(), rentroll.RunRef{TenantID: tenant, RunID: r.ID}); err != nil || r.Task != text {
			return fmt.Errorf("the run of %q came back as %q: %w", text, r.Task, err)
		}
		_, err = h.CreateTenant(s.Context(), rentroll.CreateTenantParams{
			Name: text, Slug: fmt.Sprint("s", i), ExternalID: text, Metadata: map[string]string{text: text},
		})
		if err != nil {
			return fmt.Errorf("a tenant called %q: %w", text, err)
		}
		receipt, err := h.RecordUsageBatch(s.Context(), rentroll.RecordUsageBatchParams{
			TenantID: tenant, Events: []rentroll.UsageParams{{Meter: "m", Amount: 1, EventID: text}, {Meter: "m", Amount: 1, EventID: text}},
		})
		if err == nil && (receipt.Items[0].Status != rentroll.UsageRecorded || receipt.Items[1].Status != rentroll.UsageDuplicate) {
			err = fmt.Errorf("the events were answered %s and %s", receipt.Items[0].Status, receipt.Items[1].Status)
		}
		if err != nil {
			return fmt.Errorf("two events %q: %w", text, err)
		}
		return nil
	})
}

func enginePayloads(s *scene) {
	h := s.engine()
	tenant := h.newTenant("acme", nil)
	large := func(c string) json.RawMessage {
		return json.RawMessage(` "` + strings.Repeat(c, 256<<10-4) + `" `)
	}
	run, err := h.CreateRun(s.Context(), rentroll.CreateRunParams{TenantID: tenant, WorkerID: "w", Task: "t", Input: large("i")})
	s.must(err)
	run, err = h.CompleteRun(s.Context(), rentroll.CompleteRunParams{
		TenantID: tenant, RunID: run.ID, Success: true, Output: large("o"), ReplayToken: large("r"),
	})
	s.must(err)
	again, err := h.GetRun(s.Context(), rentroll.RunRef{TenantID: tenant, RunID: run.ID})
	s.must(err)
	for _, r := range []*rentroll.Run{run, again} {
		if string(r.Input) != string(large("i")) || string(r.Output) != string(large("o")) || string(r.ReplayToken) != string(large("r")) {
			s.Error("the payloads are not as they came")
		}
	}
}

// engineStartsAgain: a second engine on the same store finds all that the first has answered, and what it counted
// beside.
func engineStartsAgain(s *scene) {
	h := s.engine()
	tenant := h.newTenant("acme", quota.Limits{quota.ConcurrentRuns: quota.Of(3)})
	const asked = rentroll.KeptDenials + 53
	same(s, "the number of admitted runs", h.admitTogether(tenant, 4, asked/4, quota.ConcurrentRuns), 3)
	secret, _, err := h.CreateAPIKey(s.Context(), rentroll.CreateAPIKeyParams{TenantID: tenant, Name: "k"})
	s.must(err)
	_, err = h.Authenticate(s.Context(), secret)
	s.must(err)
	s.must(h.Close()) // writes the statistics

	h = s.engine()
	same(s, "the concurrent runs", h.used(tenant, quota.ConcurrentRuns), 3)
	same(s, "the number of runs admitted anew", h.admitTogether(tenant, 2, 2, quota.ConcurrentRuns), 0)
	denials, err := h.ListDenials(s.Context(), rentroll.ListDenialsParams{TenantID: tenant, Page: rentroll.Page{Limit: 200}})
	s.must(err)
	same(s, "the denials that are kept", len(denials.Items), rentroll.KeptDenials)
	list, err := h.ListAPIKeys(s.Context(), rentroll.ListAPIKeysParams{TenantID: tenant})
	s.must(err)
	same(s, "the requests of the key", list.Items[0].TotalRequests, 1)
}

// engineManyTenants: batches of many tenants' commands keep each tenant's numbers apart.
func engineManyTenants(s *scene) {
	h := s.engine()
	var tenants []rentroll.TenantID
	for i := range 20 {
		tenants = append(tenants, h.newTenant(fmt.Sprint("t", i), nil)) // on plan free: 5 at once
	}
	s.together(60, func(i int) error {
		for n := range 7 {
			r, err := h.newRun(tenants[(i+n)%20])
			if errors.Is(err, rentroll.CodeQuotaExceeded) {
				continue
			}
			if err != nil {
				return err
			}
			if n%2 == 0 {
				_, err = h.CompleteRun(s.Context(), rentroll.CompleteRunParams{TenantID: r.TenantID, RunID: r.ID, TotalTokens: 3})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	for _, tenant := range tenants {
		var open, ended int64
		for _, r := range h.runsOf(rentroll.ListRunsParams{TenantID: tenant}) {
			if r.Status.Open() {
				open++
			} else {
				ended++
			}
		}
		same(s, "the concurrent runs", h.used(tenant, quota.ConcurrentRuns), open)
		same(s, "the day's runs", h.used(tenant, quota.RunsPerDay), open+ended)
		same(s, "the tokens used", h.used(tenant, quota.TokensPerMonth), 3*ended)
	}
}
