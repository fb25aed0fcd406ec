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
