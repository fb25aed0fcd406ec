package storetest

import (
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// record records one event; code is what refuses it, "" where it must be taken.
func (h *house) record(tenant rentroll.TenantID, code rentroll.Code, e rentroll.UsageParams) {
	h.Helper()
	_, err := h.RecordUsage(h.Context(), rentroll.RecordUsageParams{TenantID: tenant, UsageParams: e})
	if got := rentroll.CodeOf(err); got != code {
		h.Fatalf("%+v: %v, want code %q", e, err, code)
	}
}

// engineCorrects: what is corrected counts less where it counted, up to nothing and not below, and once.
func engineCorrects(s *scene) {
	h := s.engine()
	tenant := h.newTenant("acme", nil)
	h.record(tenant, "", rentroll.UsageParams{Meter: rentroll.MeterTokensUsed, Amount: 100, EventID: "original"})
	then := time.UnixMicro(h.clock.Load())
	h.pass(2 * time.Hour)
	back := func(id string, amount int64) rentroll.UsageParams {
		return rentroll.UsageParams{Meter: rentroll.MeterTokensUsed, Amount: amount, EventID: id, Corrects: "original"}
	}
	h.record(tenant, "", back("a", -30))
	h.record(tenant, "", back("a", -30)) // the same again counts once
	h.record(tenant, rentroll.CodeEventIDConflict, back("a", -31))
	h.record(tenant, rentroll.CodeValidationFailed, back("b", -71))
	h.record(tenant, rentroll.CodeValidationFailed, rentroll.UsageParams{Meter: rentroll.MeterTokensUsed, Amount: -1, EventID: "c", Corrects: "a"})
	h.record(tenant, rentroll.CodeValidationFailed, rentroll.UsageParams{Meter: rentroll.MeterTokensUsed, Amount: -1, EventID: "c", Corrects: "unknown"})
	h.record(tenant, rentroll.CodeValidationFailed, rentroll.UsageParams{Meter: "other", Amount: -1, EventID: "c", Corrects: "original"})
	same(s, "the token month", h.used(tenant, quota.TokensPerMonth), int64(70))
	h.record(tenant, "", back("b", -70))
	same(s, "the token month", h.used(tenant, quota.TokensPerMonth), int64(0))
	sum, err := h.GetUsageSummary(h.Context(), rentroll.UsageSummaryParams{TenantID: tenant, Start: then, End: then.Add(time.Microsecond)})
	h.must(err)
	same(s, "where it counted", sum.Meters, map[string]rentroll.MeterTotal{rentroll.MeterTokensUsed: {Unit: "tokens", Count: 3, Aggregation: rentroll.AggregateSum}})

	// All in one batch: the correction finds what stands before it, and nothing behind it.
	receipt, err := h.RecordUsageBatch(h.Context(), rentroll.RecordUsageBatchParams{TenantID: tenant, Events: []rentroll.UsageParams{
		{Meter: "pages", Amount: -1, EventID: "e", Corrects: "late"},
		{Meter: "pages", Amount: 5, EventID: "late"},
		{Meter: "pages", Amount: -5, EventID: "f", Corrects: "late"},
		{Meter: "pages", Amount: -1, EventID: "g", Corrects: "late"},
	}})
	h.must(err)
	var got []rentroll.UsageStatus
	for _, item := range receipt.Items {
		got = append(got, item.Status)
	}
	same(s, "the batch", got, []rentroll.UsageStatus{
		rentroll.UsageRejected, rentroll.UsageRecorded, rentroll.UsageRecorded, rentroll.UsageRejected,
	})
}

// engineHeavy: of a meter no more can be recorded in a month than a bucket holds, whatever is corrected meanwhile. What is
// beyond is refused alone, and names its field.
func engineHeavy(s *scene) {
	h := s.engine()
	tenant := h.newTenant("acme", nil)
	const most, amount = 2_000_000_000_000_000_000, 1_000_000_000_000
	y, m, _ := time.UnixMicro(h.clock.Load()).UTC().Date()
	month := time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
	s.put(func(b *rentroll.Batch) {
		for meter, unit := range map[string]string{"bytes": "bytes", rentroll.MeterTokensUsed: ""} {
			b.Meters.Put(rentroll.MeterRef{TenantID: tenant, Name: meter}, &rentroll.Meter{
				TenantID: tenant, Name: meter, Unit: unit, Fixed: unit != "", Aggregation: rentroll.AggregateSum, Heavy: most - amount - 2_000_000, HeavyMonth: month,
			})
		}
	})
	one := func(meter string, amount int64, id string) rentroll.UsageParams {
		return rentroll.UsageParams{Meter: meter, Amount: amount, EventID: id}
	}
	receipt, err := h.RecordUsageBatch(h.Context(), rentroll.RecordUsageBatchParams{TenantID: tenant, Events: []rentroll.UsageParams{
		one("bytes", amount, "a"), one("bytes", amount, "b"), one("bytes", 2_000_000, "c"), one("bytes", 1_000_000, "d"), one("bytes", 999_999, "e"),
		one("others", amount, "f"),
		{Meter: "bytes", Amount: -amount, EventID: "g", Corrects: "a"},
		one("bytes", amount, "h"),
	}})
	h.must(err)
	var got []string
	for _, item := range receipt.Items {
		field := ""
		if len(item.Errors) == 1 {
			field = item.Errors[0].Field
		}
		got = append(got, string(item.Status)+string(item.Code)+field)
	}
	const refused = "rejectedvalidation_failedamount"
	same(s, "the batch", got, []string{"recorded", refused, "recorded", refused, "recorded", "recorded", "recorded", refused})
	increment := func(tokens int64) rentroll.Code {
		return rentroll.CodeOf(h.IncrementUsage(h.Context(), rentroll.IncrementUsageParams{TenantID: tenant, Tokens: tokens}))
	}
	same(s, "increments", []rentroll.Code{increment(amount), increment(amount), increment(999_999)}, []rentroll.Code{"", rentroll.CodeValidationFailed, ""})
	same(s, "the token month", h.used(tenant, quota.TokensPerMonth), int64(amount+999_999))
	same(s, "the runs of the day", h.used(tenant, quota.RunsPerDay), int64(2))
	_, err = h.PutMeter(h.Context(), rentroll.PutMeterParams{TenantID: tenant, Meter: "bytes", DisplayName: "Bytes"})
	h.must(err) // which is no way around it
	h.record(tenant, rentroll.CodeValidationFailed, one("bytes", amount, "i"))
	h.pass(month.AddDate(0, 1, 0).Sub(time.UnixMicro(h.clock.Load())))
	h.record(tenant, "", one("bytes", amount, "j"))
	sum, err := h.GetUsageSummary(h.Context(), rentroll.UsageSummaryParams{TenantID: tenant, Start: month, End: month.AddDate(0, 2, 0)})
	h.must(err)
	same(s, "the bytes", sum.Meters["bytes"], rentroll.MeterTotal{Total: amount + 2_999_999, Unit: "bytes", Count: 5, Aggregation: rentroll.AggregateSum})
}
