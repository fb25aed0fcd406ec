package rentroll_test

import (
	"errors"
	"testing"

	"github.com/rentroll/rentroll"
)

// A refusal is no result: the same key may be used again when what was wrong has been mended.
func TestRefusedEventLeavesNoIdempotencyRecord(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	engine := newEngine(t, nil)
	tenant := value(engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"}))
	p := rentroll.RecordUsageParams{
		TenantID: tenant.ID, IdempotencyKey: "k", UsageParams: rentroll.UsageParams{Meter: "storage", Amount: -1},
	}
	for range 2 {
		_, err := engine.RecordUsage(ctx, p)
		e, ok := errors.AsType[*rentroll.Error](err)
		if !ok || e.Code != rentroll.CodeValidationFailed || len(e.Fields) != 1 || e.Fields[0].Field != "amount" {
			t.Fatalf("got %v, want validation_failed of the amount", err)
		}
	}
	p.Amount = 1
	first, again := value(engine.RecordUsage(ctx, p)), value(engine.RecordUsage(ctx, p))
	if first.Replayed || !again.Replayed || again.Status != rentroll.UsageRecorded {
		t.Errorf("first %+v, again %+v", first, again)
	}
	must(engine.Close())
}
