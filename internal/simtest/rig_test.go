package simtest_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/simtest"
	"github.com/rentroll/rentroll/quota"
)

// rig is an engine on a real store, with a clock that only the test moves.
type rig struct {
	*rentroll.Engine

	t     *testing.T
	store rentroll.Store
	clock *simtest.Clock
	also  []*rentroll.Engine // further servers on the same database
	turn  atomic.Int64
}

// any returns one server after the other.
func (r *rig) any() *rentroll.Engine {
	if i := int(r.turn.Add(1)) % (len(r.also) + 1); i > 0 {
		return r.also[i-1]
	}
	return r.Engine
}

var noon = time.Date(2026, 3, 7, 12, 0, 0, 0, time.UTC)

// newRig starts an engine. The store is closed with it, at the end of the test or before.
func newRig(t *testing.T, store rentroll.Store, options rentroll.Options) *rig {
	t.Helper()
	r := &rig{t: t, store: store, clock: &simtest.Clock{}}
	r.clock.Set(noon)
	r.Engine = r.start(store, options)
	return r
}

// start starts an engine that has the rig's clock.
func (r *rig) start(store rentroll.Store, options rentroll.Options) *rentroll.Engine {
	r.t.Helper()
	options.Now, options.StatisticsInterval = r.clock.Now, time.Hour
	if options.SweepInterval == 0 {
		options.SweepInterval = -1
	}
	if options.Retention.Interval == 0 {
		options.Retention.Interval = -1
	}
	engine, err := rentroll.New(store, &options)
	if err != nil {
		r.t.Fatalf("starting an engine: %v", err)
	}
	r.t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			r.t.Errorf("closing an engine: %v", err)
		}
	})
	return engine
}

// tenant makes a tenant with these limits and no others.
func (r *rig) tenant(slug string, limits quota.Limits) rentroll.TenantID {
	r.t.Helper()
	for _, d := range quota.Definitions() {
		if _, given := limits[d.Name]; !given {
			if limits == nil {
				limits = quota.Limits{}
			}
			limits[d.Name] = quota.NoLimit()
		}
	}
	t, err := r.CreateTenant(r.t.Context(), rentroll.CreateTenantParams{Name: slug, Slug: slug, LimitOverrides: limits})
	if err != nil {
		r.t.Fatalf("creating a tenant: %v", err)
	}
	return t.ID
}

// owners makes users and gives each the role owner in a tenant.
func (r *rig) owners(tenant rentroll.TenantID, n int) []rentroll.UserID {
	r.t.Helper()
	var users []rentroll.UserID
	for i := range n {
		u, err := r.CreateUser(r.t.Context(), rentroll.CreateUserParams{Email: fmt.Sprintf("owner%d@example.com", i)})
		if err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.CreateMembership(r.t.Context(), rentroll.CreateMembershipParams{TenantID: tenant, UserID: u.ID}); err != nil {
			r.t.Fatal(err)
		}
		users = append(users, u.ID)
	}
	return users
}

// run asks for a run as simple as can be.
func (r *rig) run(tenant rentroll.TenantID) (*rentroll.Run, error) {
	return r.any().CreateRun(r.t.Context(), rentroll.CreateRunParams{TenantID: tenant, WorkerID: "builder", Task: "build"})
}

// consume uses up some of a meter.
func (r *rig) consume(tenant rentroll.TenantID, meter string, amount int64) error {
	_, err := r.any().Consume(r.t.Context(), rentroll.ConsumeParams{TenantID: tenant, Items: []rentroll.ConsumeItem{{Meter: meter, Amount: amount}}})
	return err
}

// mustRun admits a run.
func (r *rig) mustRun(tenant rentroll.TenantID) *rentroll.Run {
	r.t.Helper()
	run, err := r.run(tenant)
	if err != nil {
		r.t.Fatalf("creating a run: %v", err)
	}
	return run
}

// checkRows checks that the counters of tenants equal their rows.
func (r *rig) checkRows(tenants ...rentroll.TenantID) {
	r.t.Helper()
	for _, id := range tenants {
		if err := simtest.CheckRows(context.Background(), r.store, id); err != nil {
			r.t.Errorf("tenant %s: %v", id, err)
		}
	}
}

// use returns what is used of a quota.
func (r *rig) use(tenant rentroll.TenantID, name quota.Name) int64 {
	r.t.Helper()
	rows, err := r.GetQuotas(r.t.Context(), tenant)
	if err != nil {
		r.t.Fatalf("reading quotas: %v", err)
	}
	for _, row := range rows {
		if row.Quota == name {
			return row.Used
		}
	}
	r.t.Fatalf("there is no quota %s", name)
	return 0
}

// total returns the sum and the number of events of a meter.
func (r *rig) total(tenant rentroll.TenantID, meter string) (total, events int64) {
	r.t.Helper()
	s, err := r.GetUsageSummary(r.t.Context(), rentroll.UsageSummaryParams{TenantID: tenant})
	if err != nil {
		r.t.Fatalf("reading usage: %v", err)
	}
	m := s.Meters[meter]
	return m.Total, m.Count
}

// outcome is how one of many calls ended.
type outcome[T any] struct {
	value T
	err   error
}

// storm makes n calls at once and waits for all of them.
func storm[T any](n int, call func(i int) (T, error)) []outcome[T] {
	out := make([]outcome[T], n)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			out[i].value, out[i].err = call(i)
		})
	}
	close(start)
	wg.Wait()
	return out
}

// good returns the values of the calls that succeeded.
func good[T any](all []outcome[T]) []T {
	var out []T
	for _, o := range all {
		if o.err == nil {
			out = append(out, o.value)
		}
	}
	return out
}

// codes counts the calls by how they ended; "" is success.
func codes[T any](all []outcome[T]) map[rentroll.Code]int {
	out := map[rentroll.Code]int{}
	for _, o := range all {
		out[rentroll.CodeOf(o.err)]++
	}
	return out
}

// ended fails the test where the calls did not end as the codes say.
func ended[T any](t *testing.T, all []outcome[T], want map[rentroll.Code]int) {
	t.Helper()
	got := codes(all)
	if fmt.Sprint(got) == fmt.Sprint(want) {
		return
	}
	t.Errorf("the calls ended as %v, want %v", got, want)
	for _, o := range all {
		if code := rentroll.CodeOf(o.err); o.err != nil && want[code] == 0 {
			t.Errorf("one of them: %v", o.err)
			return
		}
	}
}

// until waits for a condition that other goroutines bring about.
func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	tick := time.NewTicker(200 * time.Microsecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute)
	for !met() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
