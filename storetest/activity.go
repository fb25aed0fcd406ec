package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

func activityTests() []test {
	return []test{
		{"Activity", activityOfServers},
		{"ActivityIsForgotten", activityForgotten},
		{"LatestDenials", latestDenials},
		{"Waiting", waitingRuns},
	}
}

func (s *scene) activity(from time.Time) (out []rentroll.Activity) {
	s.Helper()
	s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
		out, err = r.ListActivity(ctx, from)
		return err
	})
	return out
}

// activityOfServers adds up over writes and over servers.
func activityOfServers(s *scene) {
	one, other := rentroll.ServerID{1}, rentroll.ServerID{2}
	write := func(minute int, server rentroll.ServerID, admitted, denied int64) {
		s.writeStatistics(&rentroll.Statistics{Activity: map[rentroll.ActivityKey]rentroll.Activity{
			{Minute: bucket(minute), Server: server}: {Admitted: admitted, Denied: denied},
		}})
	}
	write(0, one, 5, 1)
	write(0, one, 2, 0)
	write(0, other, 100, 3)
	write(1, other, 0, 7)
	all := []rentroll.Activity{{Minute: bucket(0), Admitted: 107, Denied: 4}, {Minute: bucket(1), Denied: 7}}
	same(s, "all", s.activity(bucket(0)), all)
	same(s, "the last", s.activity(bucket(1)), all[1:])
	same(s, "none", s.activity(bucket(2)), nil)
}

func activityForgotten(s *scene) {
	for _, at := range []time.Time{bucket(0), bucket(0).Add(rentroll.MaxActivity), bucket(0).Add(2 * rentroll.MaxActivity)} {
		s.writeStatistics(&rentroll.Statistics{Activity: map[rentroll.ActivityKey]rentroll.Activity{{Minute: at}: {Admitted: 1}}})
	}
	same(s, "what is left", s.activity(bucket(0)), []rentroll.Activity{
		{Minute: bucket(0).Add(rentroll.MaxActivity), Admitted: 1}, {Minute: bucket(0).Add(2 * rentroll.MaxActivity), Admitted: 1},
	})
}

// latestDenials are those of all tenants.
func latestDenials(s *scene) {
	var rows []*rentroll.Denial
	for range 3 {
		rows = append(rows, s.newDenials(newID[rentroll.TenantID](s), 2)...)
	}
	s.writeStatistics(&rentroll.Statistics{Denials: rows})
	slices.Reverse(rows)
	same(s, "all", s.listDenials(rentroll.DenialFilter{Limit: 10}), rows)
	same(s, "the second page", s.listDenials(rentroll.DenialFilter{Before: rows[1].ID, Limit: 3}), rows[2:5])
}

// waitingRuns are queued, and have been for a while.
func waitingRuns(s *scene) {
	busy, idle := newID[rentroll.TenantID](s), newID[rentroll.TenantID](s)
	put := func(tenant rentroll.TenantID, status rentroll.RunStatus, at int) {
		run := fullRun(s)
		run.TenantID, run.Status, run.CreatedAt, run.LeaseExpiresAt = tenant, status, after(at), after(1000)
		runs.put(s, run)
	}
	put(busy, rentroll.RunQueued, 5)
	put(busy, rentroll.RunQueued, 3)
	put(busy, rentroll.RunQueued, 50)
	put(busy, rentroll.RunRunning, 1)
	put(busy, rentroll.RunCompleted, 1)
	put(idle, rentroll.RunCompleted, 1)
	list := func(before, scan int) (out []rentroll.WaitingRuns) {
		s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
			out, err = r.ListWaiting(ctx, after(before), scan, 10)
			return err
		})
		return out
	}
	same(s, "before all", list(2, 100), nil)
	same(s, "before the newest", list(5, 100), []rentroll.WaitingRuns{{TenantID: busy, Runs: 2, Since: after(3)}})
	same(s, "all", list(50, 100), []rentroll.WaitingRuns{{TenantID: busy, Runs: 3, Since: after(3)}})
	if looked := list(50, 1); len(looked) > 1 || len(looked) == 1 && looked[0].Runs > 1 {
		s.Errorf("more than was to be looked at: %+v", looked)
	}
}

// engineActivity counts what is admitted and denied, by whatever operation.
func engineActivity(s *scene) {
	h := s.engine()
	ctx := h.Context()
	tenant := h.newTenant("acme", quota.Limits{quota.ConcurrentRuns: quota.Of(2)})
	key := rentroll.CreateRunParams{TenantID: tenant, WorkerID: "writer", Task: "t", IdempotencyKey: "once"}
	for range 3 { // admitted once
		_, err := h.CreateRun(ctx, key)
		h.must(err)
	}
	_, err := h.newRun(tenant)
	h.must(err)
	for range 3 {
		_, err := h.newRun(tenant)
		h.refused("a third run", err, rentroll.CodeQuotaExceeded)
	}
	h.must(h.Close()) // writes the statistics

	h = s.engine()
	list, err := h.ListActivity(ctx, h.Now().Add(-2*time.Minute))
	h.must(err)
	if last := list[len(list)-1]; len(list) != 3 || last.Admitted != 2 || last.Denied != 3 {
		h.Errorf("the activity is %+v", list)
	}
	denials, err := h.ListLatestDenials(ctx, rentroll.Page{})
	h.must(err)
	if len(denials.Items) != 3 || denials.Items[0].Slug != "acme" || denials.Items[0].Quota != "concurrent_runs" {
		h.Errorf("the denials are %+v", denials.Items)
	}
	stuck, err := h.ListStuck(ctx)
	h.must(err)
	same(s, "what is stuck at once", len(stuck), 0)
	h.pass(6 * time.Minute)
	stuck, err = h.ListStuck(ctx)
	h.must(err)
	if len(stuck) != 1 || stuck[0].Slug != "acme" || stuck[0].Queued != 2 || stuck[0].Overdue != 0 {
		h.Errorf("after six minutes: %+v", stuck)
	}
	h.pass(15 * time.Minute)
	stuck, err = h.ListStuck(ctx)
	h.must(err)
	if len(stuck) != 1 || stuck[0].Overdue != 2 {
		h.Errorf("over their leases: %+v", stuck)
	}
	_, err = h.ListActivity(ctx, h.Now().Add(-25*time.Hour))
	h.refused("too long ago", err, rentroll.CodeValidationFailed, "since")
	secret, _, err := h.CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{TenantID: tenant, Name: "k"})
	h.must(err)
	own := h.as(secret)
	_, err = own.ListActivity(ctx, h.Now())
	h.refused("a tenant's look at all activity", err, rentroll.CodeForbidden)
	_, err = own.ListLatestDenials(ctx, rentroll.Page{})
	h.refused("a tenant's look at all denials", err, rentroll.CodeForbidden)
	_, err = own.ListStuck(ctx)
	h.refused("a tenant's look at what is stuck", err, rentroll.CodeForbidden)
}
