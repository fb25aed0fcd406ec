package simtest_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/simtest"
	"github.com/rentroll/rentroll/quota"
)

// bulk records so many events in one call, each with an id of its own.
func (r *rig) bulk(tenant rentroll.TenantID, call, events int) (*rentroll.UsageReceipt, error) {
	p := rentroll.RecordUsageBatchParams{TenantID: tenant}
	for i := range events {
		p.Events = append(p.Events, rentroll.UsageParams{Meter: "pages", Amount: 1, EventID: fmt.Sprintf("%d/%d", call, i)})
	}
	return r.RecordUsageBatch(r.t.Context(), p)
}

func (r *rig) pages(tenant rentroll.TenantID) int64 {
	r.t.Helper()
	s, err := r.GetUsageSummary(r.t.Context(), rentroll.UsageSummaryParams{TenantID: tenant})
	if err != nil {
		r.t.Fatal(err)
	}
	return s.Meters["pages"].Total
}

// TestAdmissionsPassBulk: whatever waits to be written in bulk, an admission of the same tenant waits for one transaction of it.
func TestAdmissionsPassBulk(t *testing.T) {
	g := newGate()
	store := g.around(openSQLite(t))
	var mu sync.Mutex
	var order []string
	store.OnSave = func(b *rentroll.Batch) simtest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if len(b.Usage) > 0 {
			order = append(order, "bulk")
		} else {
			order = append(order, "run")
		}
		return simtest.None
	}
	r := newRig(t, store, rentroll.Options{})
	id := r.tenant("acme", nil)
	const calls, events = 8, 400 // of which two are more than a transaction of bulk may have
	g.shut(t)
	order = nil
	first, answers, run := make(chan error, 1), make(chan []outcome[*rentroll.UsageReceipt], 1), make(chan error, 1)
	go func() { _, err := r.bulk(id, calls, events); first <- err }()
	g.awaitHeld(t)
	go func() {
		answers <- storm(calls, func(i int) (*rentroll.UsageReceipt, error) { return r.bulk(id, i, events) })
	}()
	until(t, "all of the bulk waits", func() bool { return r.Metrics().WaitingBulkBytes >= calls*events*512 })
	go func() { _, err := r.run(id); run <- err }()
	until(t, "the admission waits", func() bool { return r.Metrics().WaitingBytes > r.Metrics().WaitingBulkBytes })
	g.open()
	for _, answer := range []chan error{first, run} {
		if err := <-answer; err != nil {
			t.Error(err)
		}
	}
	ended(t, <-answers, map[rentroll.Code]int{"": calls})
	if len(order) != calls+2 || order[0] != "bulk" || order[1] != "run" && order[2] != "run" {
		t.Errorf("the transactions were %v", order)
	}
	if got := r.pages(id); got != (calls+1)*events {
		t.Errorf("%d pages are counted, want %d", got, (calls+1)*events)
	}
	r.checkRows(id)
}

// TestBulkLeavesRoom: what waits to be written in bulk is bounded for a tenant and in all, and leaves room for admissions.
func TestBulkLeavesRoom(t *testing.T) {
	g := newGate()
	const events, size = 32, 32 * 512
	r := newRig(t, g.around(openSQLite(t)), rentroll.Options{QueueBytes: 16 * size})
	id, second, third, other := r.tenant("acme", nil), r.tenant("second", nil), r.tenant("third", nil), r.tenant("other", nil)
	g.shut(t)
	held := make(chan error, 1)
	go func() { _, err := r.bulk(other, 0, events); held <- err }()
	g.awaitHeld(t)
	var refused sync.Map
	fill := func(tenant rentroll.TenantID) chan []outcome[*rentroll.UsageReceipt] {
		answers, count := make(chan []outcome[*rentroll.UsageReceipt], 1), new(atomic.Int64)
		refused.Store(tenant, count)
		go func() {
			answers <- storm(10, func(i int) (*rentroll.UsageReceipt, error) {
				out, err := r.bulk(tenant, i, events)
				if err != nil {
					count.Add(1)
				}
				return out, err
			})
		}()
		return answers
	}
	awaitRefused := func(tenant rentroll.TenantID, n int64) {
		until(t, "what goes beyond is refused", func() bool {
			count, _ := refused.Load(tenant)
			return count.(*atomic.Int64).Load() == n
		})
	}
	one := fill(id) // four calls are all that a tenant may have
	awaitRefused(id, 6)
	two := fill(second) // and eight are all in all
	awaitRefused(second, 6)
	three := fill(third)
	awaitRefused(third, 10)
	run := make(chan error, 1)
	go func() { _, err := r.run(id); run <- err }()
	until(t, "the admission waits", func() bool { return r.Metrics().WaitingBytes > r.Metrics().WaitingBulkBytes })
	g.open()
	for _, answer := range []chan error{held, run} {
		if err := <-answer; err != nil {
			t.Error(err)
		}
	}
	ended(t, <-one, map[rentroll.Code]int{"": 4, rentroll.CodeOverloaded: 6})
	ended(t, <-two, map[rentroll.Code]int{"": 4, rentroll.CodeOverloaded: 6})
	ended(t, <-three, map[rentroll.Code]int{rentroll.CodeUnavailable: 10})
	if m := r.Metrics(); m.WaitingBytes != 0 || m.WaitingBulkBytes != 0 {
		t.Errorf("%d bytes wait, %d of them bulk, want none", m.WaitingBytes, m.WaitingBulkBytes)
	}
	r.checkRows(id, second, third, other)
}

// TestBulkBesideAdmissions: where the lanes of several servers want the same few tenants, in bulk and one by one, all is
// counted once, and nobody starves.
func TestBulkBesideAdmissions(t *testing.T) {
	open := openServers(t)
	servers := []*rig{newRig(t, open(), rentroll.Options{}), newRig(t, open(), rentroll.Options{})}
	r := servers[0]
	tenants := []rentroll.TenantID{
		r.tenant("hot", quota.Limits{quota.RunsPerDay: quota.NoLimit(), quota.ConcurrentRuns: quota.NoLimit()}),
		r.tenant("warm", quota.Limits{quota.RunsPerDay: quota.NoLimit(), quota.ConcurrentRuns: quota.NoLimit()}),
	}
	const callers, each, events = 16, 6, 60
	all := storm(callers, func(i int) (int, error) {
		tenant, server := tenants[i%4/3], servers[i%8/4]
		for n := range each {
			var err error
			if i%2 == 0 {
				_, err = server.bulk(tenant, i*each+n, events)
			} else {
				_, err = server.run(tenant)
			}
			if err != nil {
				return n, err
			}
		}
		return each, nil
	})
	ended(t, all, map[rentroll.Code]int{"": callers})
	var pages, runs int64
	for _, id := range tenants {
		pages += r.pages(id)
		runs += r.use(id, quota.RunsPerDay)
	}
	if pages != callers/2*each*events || runs != callers/2*each {
		t.Errorf("%d pages and %d runs are counted, want %d and %d", pages, runs, callers/2*each*events, callers/2*each)
	}
	r.checkRows(tenants...)
}
