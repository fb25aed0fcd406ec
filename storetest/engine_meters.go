package storetest

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

const (
	mailsPerDay   = quota.Name("meter:mails_per_day")
	mailsPerMonth = quota.Name("meter:mails_per_month")
)

func (h *house) consume(tenant rentroll.TenantID, items ...rentroll.ConsumeItem) (*rentroll.Consumption, error) {
	return h.Consume(h.Context(), rentroll.ConsumeParams{TenantID: tenant, Items: items})
}

// overrides sets a tenant's overrides.
func (h *house) overrides(tenant rentroll.TenantID, limits quota.Limits) {
	h.Helper()
	_, err := h.UpdateTenant(h.Context(), rentroll.UpdateTenantParams{TenantID: tenant, Change: func(t *rentroll.TenantEdit) error {
		t.LimitOverrides = limits
		return nil
	}})
	h.must(err)
}

// engineConsumes: of many callers as many get something as fit, an event id takes once, and of several items all or none.
func engineConsumes(s *scene) {
	h := s.engine()
	tenant := h.newTenant("acme", quota.Limits{mailsPerDay: quota.Of(100), mailsPerMonth: quota.Of(1000), quota.PerDay("faxes"): quota.Of(2)})
	var taken atomic.Int64
	s.together(32, func(int) error {
		for range 5 {
			_, err := h.consume(tenant, rentroll.ConsumeItem{Meter: "mails"})
			var denied *rentroll.QuotaExceededError
			switch {
			case err == nil:
				taken.Add(1)
			case !errors.As(err, &denied) || denied.Quota != mailsPerDay || denied.Limit != 100 || denied.Current != 100 || denied.ResetsAt == nil:
				return err
			}
		}
		return nil
	})
	same(s, "consumed", taken.Load(), int64(100))
	same(s, "used", h.used(tenant, mailsPerDay), int64(100))

	h.record(tenant, "", rentroll.UsageParams{Meter: "mails", Amount: 7}) // is never denied, and counts
	same(s, "used in the month", h.used(tenant, mailsPerMonth), int64(107))

	h.pass(24 * time.Hour)
	named := rentroll.ConsumeItem{Meter: "mails", Amount: 60, EventID: "once"}
	for _, want := range []rentroll.UsageStatus{rentroll.UsageRecorded, rentroll.UsageDuplicate} {
		out, err := h.consume(tenant, named)
		h.must(err)
		same(s, "what became of it", out.Items[0].Status, want)
		same(s, "what is left", *out.Quotas[0].Remaining, int64(40))
		same(s, "the quotas", []quota.Name{out.Quotas[0].Quota, out.Quotas[1].Quota}, []quota.Name{mailsPerDay, mailsPerMonth})
	}

	fax := rentroll.ConsumeItem{Meter: "faxes", Amount: 2}
	_, err := h.consume(tenant, rentroll.ConsumeItem{Meter: "mails", Amount: 40}, fax, fax)
	var denied *rentroll.QuotaExceededError
	if !errors.As(err, &denied) || denied.Quota != quota.PerDay("faxes") || denied.Current != 2 || len(denied.Fields) != 1 || denied.Fields[0].Field != "items[2]" {
		s.Fatalf("a group that does not fit: %v", err)
	}
	same(s, "used by a group that was denied", h.used(tenant, mailsPerDay), int64(60))
	_, err = h.consume(tenant, rentroll.ConsumeItem{Meter: "mails", Amount: 40}, fax, rentroll.ConsumeItem{Meter: "unlimited", Amount: 1e9})
	h.must(err)
	same(s, "used by a group", h.used(tenant, mailsPerDay), int64(100))
	h.clean()
}

// engineLimitsMeters: a limit that is set in the middle of a period knows at once what was used before, corrections give
// back where the original counts, and what lies before or behind the period stays out of it.
func engineLimitsMeters(s *scene) {
	h := s.engine()
	tenant := h.newTenant("acme", nil)
	now := time.UnixMicro(h.clock.Load()).UTC()
	day := quota.DayOf(now, time.UTC)
	month := quota.MonthOf(now, time.UTC, 1)
	mail := func(amount int64, at time.Time, id string) {
		h.record(tenant, "", rentroll.UsageParams{Meter: "mails", Amount: amount, Time: at, EventID: id})
	}
	mail(500, month.Start.Add(-time.Microsecond), "past")
	mail(3, now, "now")
	if earlier := now.Add(-48 * time.Hour); earlier.After(month.Start) {
		mail(4, earlier, "")
	} else {
		mail(4, now, "")
	}
	h.overrides(tenant, quota.Limits{mailsPerMonth: quota.Of(10)})
	same(s, "used before there was a limit", h.used(tenant, mailsPerMonth), int64(7))
	_, err := h.consume(tenant, rentroll.ConsumeItem{Meter: "mails", Amount: 4})
	if !errors.Is(err, rentroll.CodeQuotaExceeded) {
		s.Fatalf("beyond what is left: %v", err)
	}
	_, err = h.consume(tenant, rentroll.ConsumeItem{Meter: "mails", Amount: 3})
	h.must(err)

	// Without a limit nothing is said of it, and when it is back it knows of everything.
	h.overrides(tenant, nil)
	mail(90, now, "")
	h.overrides(tenant, quota.Limits{mailsPerMonth: quota.Of(100), mailsPerDay: quota.Of(1000)})
	same(s, "used while there was none", h.used(tenant, mailsPerMonth), int64(100))
	h.record(tenant, "", rentroll.UsageParams{Meter: "mails", Amount: -2, Corrects: "now", EventID: "back"})
	h.record(tenant, "", rentroll.UsageParams{Meter: "mails", Amount: -400, Corrects: "past", EventID: "back 2"})
	same(s, "after corrections", h.used(tenant, mailsPerMonth), int64(98))

	// An event ahead of its time is of the next day.
	h.clock.Store(day.End.Add(-time.Minute).UnixMicro())
	before := h.used(tenant, mailsPerDay)
	mail(11, day.End.Add(time.Minute), "")
	same(s, "of this day", h.used(tenant, mailsPerDay), before)
	h.clock.Store(day.End.UnixMicro())
	same(s, "of the next day", h.used(tenant, mailsPerDay), int64(11))
	h.clean()

	// Months without a limit go by: what was counted is given up, and made anew when it is asked for.
	h.overrides(tenant, nil)
	h.clock.Store(month.End.Add(40 * 24 * time.Hour).UnixMicro())
	mail(5, time.Time{}, "")
	h.overrides(tenant, quota.Limits{mailsPerMonth: quota.Of(100)})
	mail(6, time.Time{}, "")
	same(s, "in a later month", h.used(tenant, mailsPerMonth), int64(11))
	h.clean()

	_, err = h.PutMeter(h.Context(), rentroll.PutMeterParams{TenantID: tenant, Meter: "seats", Aggregation: rentroll.AggregateMax})
	h.must(err)
	_, err = h.UpdateTenant(h.Context(), rentroll.UpdateTenantParams{TenantID: tenant, Change: func(t *rentroll.TenantEdit) error {
		t.LimitOverrides = quota.Limits{quota.PerDay("seats"): quota.Of(1)}
		return nil
	}})
	if !errors.Is(err, rentroll.CodeValidationFailed) {
		s.Errorf("a limit on a meter that keeps maxima: %v", err)
	}
	if _, err := h.consume(tenant, rentroll.ConsumeItem{Meter: "seats"}); !errors.Is(err, rentroll.CodeValidationFailed) {
		s.Errorf("consuming maxima: %v", err)
	}
}

// engineStalePlans: a server that has not heard of a new limit records beside one that has, and nothing escapes the
// counters.
func engineStalePlans(s *scene) {
	h := s.engine()
	other := s.engine() // it learns of plans within a second
	tenant := h.newTenant("acme", nil)
	for round := range 4 {
		limits := quota.Limits{}
		if round%2 == 0 {
			limits[mailsPerMonth] = quota.Of(50)
		}
		_, _, err := h.PutPlan(h.Context(), rentroll.PutPlanParams{Name: rentroll.PlanFree, Limits: limits})
		h.must(err)
		s.together(8, func(i int) error {
			for range 5 {
				at := h
				if i%2 == 0 {
					at = other
				}
				_, err := at.RecordUsage(s.Context(), rentroll.RecordUsageParams{TenantID: tenant, UsageParams: rentroll.UsageParams{Meter: "mails", Amount: 1}})
				if err != nil {
					return err
				}
			}
			return nil
		})
		h.clean()
	}
	h.overrides(tenant, quota.Limits{mailsPerMonth: quota.Of(1000)})
	same(s, "used", h.used(tenant, mailsPerMonth), int64(160))
}

// clean checks that reconciliation finds nothing.
func (h *house) clean() {
	h.Helper()
	for cursor := ""; ; {
		r, err := h.Reconcile(h.Context(), rentroll.ReconcileParams{Cursor: cursor})
		h.must(err)
		if len(r.Differences) > 0 {
			h.Fatalf("%d differences, for instance %+v", len(r.Differences), r.Differences[0])
		}
		if cursor = string(r.NextCursor); cursor == "" {
			return
		}
	}
}
