package storetest

import (
	"context"
	"time"

	"github.com/rentroll/rentroll"
)

func periodTests() []test {
	return []test{
		{"Insert", insertPeriods},
		{"WhatIsThereStays", periodStays},
	}
}

func periodOf(tenant rentroll.TenantID, month time.Month) *rentroll.PastPeriod {
	start := time.Date(2026, month, 1, 0, 0, 0, 0, time.UTC)
	return &rentroll.PastPeriod{TenantID: tenant, Start: start, End: start.AddDate(0, 1, 0), FinalAt: start.AddDate(0, 1, 3), Timezone: "Europe/Berlin"}
}

func (s *scene) putPeriods(rows ...*rentroll.PastPeriod) {
	s.Helper()
	s.put(func(b *rentroll.Batch) { b.Periods = rows })
}

func insertPeriods(s *scene) {
	one, two := newID[rentroll.TenantID](s), newID[rentroll.TenantID](s)
	complete(s, *periodOf(one, 1))
	s.putPeriods(periodOf(one, 1), periodOf(one, 2), periodOf(two, 1))
	s.putPeriods(periodOf(two, 2))
}

// periodStays: what was written down of a period is not changed by what comes later.
func periodStays(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	s.putPeriods(periodOf(tenant, 1))
	longer := periodOf(tenant, 1)
	longer.End, longer.Timezone = longer.End.AddDate(0, 1, 0), "UTC"
	s.putPeriods(periodOf(tenant, 2), longer)
	b := s.load(func(b *rentroll.Batch) { b.RecentPeriods = map[rentroll.TenantID]*[]rentroll.PastPeriod{tenant: nil} })
	same(s, "the recent periods", *b.RecentPeriods[tenant], []rentroll.PastPeriod{*periodOf(tenant, 2), *periodOf(tenant, 1)})
	s.view(func(ctx context.Context, r rentroll.Reader) error {
		rows, err := r.ListPeriods(ctx, tenant)
		same(s, "the list", rows, []rentroll.PastPeriod{*periodOf(tenant, 1), *periodOf(tenant, 2)})
		return err
	})
}
