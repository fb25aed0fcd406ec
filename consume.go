package rentroll

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// MaxConsume is how many items one call may consume.
const MaxConsume = 100

// ConsumeItem is something that a tenant wants to use up.
type ConsumeItem struct {
	Meter    string          // ^[a-z][a-z0-9_.]{0,99}$, of a meter that adds up; not tokens_used or worker_runs, which runs use
	Amount   int64           // 1–10^12; 0 is 1
	Unit     string          // 1–50 characters; "" is the meter's unit, "count" for a new meter
	WorkerID string          // "" for none
	APIKeyID KeyID           // zero for none; an API key's own events carry its id
	EventID  string          // 1–255 characters; an event id counts once. Without one a retry counts again
	Metadata json.RawMessage // a JSON object of at most 16 KiB; nil for none
}

// ConsumeParams asks for all items, or none.
type ConsumeParams struct {
	TenantID       TenantID
	Items          []ConsumeItem // 1–MaxConsume
	IdempotencyKey string
}

// Consumption is what was consumed, and what is left.
type Consumption struct {
	Allowed       bool          `json:"allowed"`         // true: a denial is an error
	OverSoftLimit bool          `json:"over_soft_limit"` // a soft limit would have denied it
	Items         []UsageResult `json:"items"`           // recorded, or duplicate, in the order in which they were asked for
	Quotas        []QuotaUse    `json:"quotas"`          // those on the items' meters, afterwards, by name

	Replayed bool `json:"-"` // the answer repeats an earlier one with the same idempotency key; Quotas are as they stand now
}

// Consume decides whether a tenant may use something up, and records it: one decision, in which the quotas on all meters
// are checked and the events written, together or not at all. What RecordUsage would refuse is refused here in the same
// way, and an event id that was recorded before consumes nothing again. A denial is a *QuotaExceededError and leaves no
// trace but in the statistics of denials, as any refusal because of a rule does.
//
// Like an admission it needs an active tenant. A meter without a quota is recorded, and nothing denied. It needs
// usage:write, as RecordUsage does: a denial is nothing that the caller could not also learn from its own records, and a
// key that may write down use without a limit may do so within one.
func (e *Engine) Consume(ctx context.Context, p ConsumeParams) (*Consumption, error) {
	c, err := e.consumption(p)
	if err != nil {
		return nil, err
	}
	if err := e.do(ctx, c); err != nil {
		if decided(err) {
			stuck := c.items[c.stuck]
			e.noteDenial(CreateRunParams{TenantID: p.TenantID, WorkerID: stuck.WorkerID, APIKeyID: stuck.APIKeyID}, err)
		}
		return nil, err
	}
	if c.once == nil || !c.once.replayed {
		return &c.result, nil
	}
	letters, soft := strings.CutSuffix(c.once.result, overSoft)
	events := make([]UsageParams, len(c.items))
	for i := range c.items {
		events[i] = c.items[i].UsageParams
	}
	receipt, err := rebuildReceipt(events, letters)
	if err != nil {
		return nil, err
	}
	out := &Consumption{Allowed: true, OverSoftLimit: soft, Items: receipt.Items, Quotas: []QuotaUse{}, Replayed: true}
	all, err := e.quotasOnMeters(ctx, p.TenantID)
	for _, u := range all {
		if meter, _, _ := u.Quota.Meter(); slices.ContainsFunc(p.Items, func(in ConsumeItem) bool { return in.Meter == meter }) {
			out.Quotas = append(out.Quotas, u)
		}
	}
	return out, err
}

// overSoft ends the idempotency record of what went over a soft limit.
const overSoft = "+"

// consumption checks the parameters and makes the command.
func (e *Engine) consumption(p ConsumeParams) (*consume, error) {
	first := CreateRunParams{TenantID: p.TenantID}
	if len(p.Items) > 0 {
		first.WorkerID, first.APIKeyID = p.Items[0].WorkerID, p.Items[0].APIKeyID
	}
	if err := e.mayTake(first, PermUsageWrite); err != nil {
		return nil, err
	}
	if n := len(p.Items); n == 0 || n > MaxConsume {
		return nil, problems{{"items", fmt.Sprintf("must be 1 to %d items", MaxConsume)}}.err()
	}
	c := &consume{recordUsage: recordUsage{header: header{tenant: p.TenantID, by: e.actor, rows: len(p.Items)}, single: true}}
	same := make([]UsageParams, len(p.Items))
	units, ids := map[string]string{}, map[string]bool{}
	var bad problems
	for i, item := range p.Items {
		in, wrong := e.usageItem(item.event())
		switch {
		case in.Meter == MeterTokensUsed:
			wrong.add("meter", "is used by runs: reserve the tokens with one")
		case item.Amount < 0:
			wrong = slices.DeleteFunc(wrong, func(f FieldError) bool { return f.Field == "amount" })
			wrong.between("amount", item.Amount, 1, maxAmount)
		}
		if in.EventID != "" && ids[in.EventID] {
			wrong.add("event_id", "is there twice")
		}
		if unit, before := units[in.Meter]; before && unit != in.Unit {
			wrong.add("unit", "must be that of the other items of this meter")
		}
		ids[in.EventID], units[in.Meter] = true, in.Unit
		for _, f := range wrong {
			bad.add(c.field(len(p.Items), i, f.Field), f.Message)
		}
		same[i] = in
		same[i].Metadata = canonicalJSON(in.Metadata)
		c.items = append(c.items, usageItem{UsageParams: in, fingerprint: usageFingerprint(in)})
		c.size += rowOverhead + len(in.Metadata)
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	var err error
	c.once, err = newOnce(p.TenantID, "usage.consume", p.IdempotencyKey, same)
	return c, err
}

func (in *ConsumeItem) event() UsageParams {
	amount := in.Amount
	if amount == 0 {
		amount = 1
	}
	return UsageParams{
		Meter: in.Meter, Amount: amount, Unit: in.Unit, WorkerID: in.WorkerID, APIKeyID: in.APIKeyID, EventID: in.EventID,
		Metadata: in.Metadata,
	}
}

// quotasOnMeters returns how a tenant stands against its quotas on meters.
func (e *Engine) quotasOnMeters(ctx context.Context, tenant TenantID) (out []QuotaUse, err error) {
	err = e.viewLive(ctx, tenant, func(r Reader, a *Account, plan *Plan, now time.Time) (err error) {
		out, err = meterQuotas(ctx, r, a, plan, now)
		return err
	})
	return out, err
}

// consume is recordUsage with a decision in front of it.
type consume struct {
	recordUsage

	stuck  int // the first item that was refused
	result Consumption
}

// field names a field of an item, where there are several.
func (c *consume) field(items, i int, name string) string {
	if items == 1 {
		return name
	}
	return fmt.Sprintf("items[%d].%s", i, name)
}

func (c *consume) decide(l *ledger) error {
	c.stuck = 0
	a, now, err := l.account(c.tenant)
	if err != nil {
		return err
	}
	if err := a.active(); err != nil {
		return err
	}
	plan, err := l.plan(a.Plan)
	if err != nil {
		return err
	}
	c.limits = a.metered(plan, now)
	if err := c.load(l, a, now); err != nil {
		return err
	}
	soft, err := c.try(l, a)
	if err != nil {
		return err
	}
	c.result = Consumption{Allowed: true, OverSoftLimit: soft, Items: make([]UsageResult, 0, len(c.items))}
	letters := make([]byte, 0, len(c.items)+1)
	touched := metered{}
	for _, in := range c.items {
		item := c.one(l, a, in, now)
		c.result.Items = append(c.result.Items, item)
		letters = append(letters, receiptLetter(item))
		if limits, limited := c.limits[in.Meter]; limited {
			touched[in.Meter] = limits
		}
	}
	c.result.Quotas, _ = l.meterUses(a, touched, false)
	if c.result.Quotas == nil {
		c.result.Quotas = []QuotaUse{}
	}
	if c.once != nil {
		c.once.result = string(letters)
		if soft {
			c.once.result += overSoft
		}
	}
	return nil
}

// try decides on all items without changing anything, each beside those in front of it.
func (c *consume) try(l *ledger, a *Account) (soft bool, err error) {
	taken := make(map[string]int64)
	for i, in := range c.items {
		c.stuck = i
		if l.definition(c.tenant, in.Meter).Aggregation == AggregateMax {
			return false, problems{{c.field(len(c.items), i, "meter"), "keeps maxima: nothing is used up there"}}.err()
		}
		item, _ := c.judge(l, in, a.clock(l.now))
		switch item.Status {
		case UsageRejected:
			for j := range item.Errors {
				item.Errors[j].Field = c.field(len(c.items), i, item.Errors[j].Field)
			}
			return false, refusedEvent(item)
		case UsageDuplicate:
			continue
		case UsageRecorded:
		}
		if !l.bears(c.tenant, in.Meter, taken[in.Meter]+in.Amount, a.clock(l.now)) {
			return false, problems{{c.field(len(c.items), i, "amount"), tooHeavy}}.err()
		}
		over, denied := c.take(l, a, in, taken[in.Meter])
		if denied != nil {
			if len(c.items) > 1 {
				denied.Fields = []FieldError{{fmt.Sprintf("items[%d]", i), "did not fit"}}
			}
			return false, denied
		}
		soft = soft || over
		taken[in.Meter] += in.Amount
	}
	return soft, nil
}

// take decides whether an item fits beside what those in front of it take.
func (c *consume) take(l *ledger, a *Account, in usageItem, before int64) (soft bool, denied *QuotaExceededError) {
	limits, limited := c.limits[in.Meter]
	if !limited {
		return false, nil
	}
	t, _ := l.tallies(a, in.Meter) // they were loaded
	for _, span := range meterSpans {
		limit, tally := *limits.of(span), t.of(span)
		current := plus(tally.Used, before)
		switch {
		case limit.Fits(current, in.Amount):
		case limit.IsSoft():
			soft = true
		default:
			return false, exceeded(onMeter(in.Meter, span), ScopeTenant, limit.Max, current, tally.End)
		}
	}
	return soft, nil
}
