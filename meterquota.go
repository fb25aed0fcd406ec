package rentroll

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// A quota on a meter is a line in a plan's limits or a tenant's overrides: see quota.PerDay and quota.PerMonth. No code
// knows its name. What counts against it stands in the tenant's row of the meter, which every event of the meter loads
// anyway, and is kept only while such a quota is in force.
//
// Whether it is kept is written in that row, under the account's lock, and not concluded from the limits that a server
// knows: while Counted is set, every event moves the counters, on every server, whatever plan it has in its memory. So
// the counters are exact from the moment at which they are made, and they are made from the rollups, which are exact.

// MeterUse counts what a meter's events come to in the tenant's present day and month. The zero value counts nothing.
type MeterUse struct {
	Counted    bool // the tallies are exact, and every event moves them
	Day, Month Tally

	DayMark, MonthMark uint16 // what was told in the periods of the tallies; as in Marks
}

// MeterSumRef asks for what the rollups of a meter come to over [From, To), whole quarters of an hour.
type MeterSumRef struct {
	TenantID TenantID
	Meter    string
	From, To time.Time
}

// meterLimits are the limits on one meter.
type meterLimits struct{ day, month quota.Limit }

// metered are the limits on meters that are in force in a tenant. Nil is none.
type metered map[string]meterLimits

func (a *Account) metered(plan *Plan, now time.Time) metered {
	names := quota.OnMeters(plan.limits(), a.Overrides, now)
	if names == nil {
		return nil
	}
	out := make(metered, len(names))
	for _, name := range names {
		meter, span, _ := name.Meter()
		limits, known := out[meter]
		if !known {
			limits = meterLimits{quota.NoLimit(), quota.NoLimit()}
		}
		*limits.of(span) = quota.Effective(plan.limits(), a.Overrides, name, now)
		out[meter] = limits
	}
	return out
}

func (m *meterLimits) of(span quota.Span) *quota.Limit {
	if span == quota.Day {
		return &m.day
	}
	return &m.month
}

// meterSpans are the spans of quotas on meters, in the order in which they are checked.
var meterSpans = [...]quota.Span{quota.Day, quota.Month}

// onMeter names the quota of a meter and a span.
func onMeter(meter string, span quota.Span) quota.Name {
	if span == quota.Day {
		return quota.PerDay(meter)
	}
	return quota.PerMonth(meter)
}

// meterTallies are the counters of a meter in a tenant's present day and month.
type meterTallies struct{ day, month Tally }

func (t *meterTallies) of(span quota.Span) *Tally {
	if span == quota.Day {
		return &t.day
	}
	return &t.month
}

// tallies returns the counters of a meter whose row is loaded. Where they are not kept they are made from the rollups,
// those of this transaction included; false says that these are asked for and not there yet.
func (b *Batch) tallies(a *Account, meter string) (t meterTallies, loaded bool) {
	own := b.Meters.Get(MeterRef{a.TenantID, meter})
	if own != nil && own.Use.Counted {
		return meterTallies{own.Use.Day.in(a.Day), own.Use.Month.in(a.Month)}, true
	}
	var none Tally
	t, loaded = meterTallies{none.in(a.Day), none.in(a.Month)}, true
	if own == nil || !own.Fixed {
		return t, true // it has no events
	}
	sum := func(from, to time.Time) int64 {
		total, known := b.meterSum(MeterSumRef{a.TenantID, meter, from, to})
		loaded = loaded && known
		return total
	}
	for _, c := range []*Tally{&t.day, &t.month} {
		c.Used = sum(c.Start, c.End)
		c.Ahead = sum(c.End, c.End.Add(bucketSize)) // no event is further ahead
	}
	return t, loaded
}

// meterSum adds up the rollups of a meter, and asks for what is stored of them.
func (b *Batch) meterSum(ref MeterSumRef) (total int64, known bool) {
	ask(&b.MeterSums, ref)
	stored := b.MeterSums[ref]
	if stored == nil {
		return 0, false
	}
	total = *stored
	for k, sum := range b.Rollups {
		if k.TenantID == ref.TenantID && k.Dimension == dimensionTotal && k.Meter == ref.Meter &&
			!k.Bucket.Before(ref.From) && k.Bucket.Before(ref.To) {
			total = addTotals(total, sum.Total)
		}
	}
	return min(total, mostCounted), true
}

// count moves the counters of a meter by an event that is about to be written, where it has any or needs them from now
// on. The meter's row is there, and what its counters are made from was loaded.
func (l *ledger) count(a *Account, limits metered, e *UsageEvent) {
	ref := MeterRef{e.TenantID, e.Meter}
	own := l.Meters.Get(ref)
	on, limited := limits[e.Meter]
	if own == nil || own.Aggregation == AggregateMax || !limited && !own.Use.Counted {
		return
	}
	next := *own
	if limited || own.Use.Month.Start.Equal(a.Month.Start) {
		t, loaded := l.tallies(a, e.Meter)
		if !loaded {
			panic("rentroll: an event of a limited meter was decided without the meter's counters")
		}
		next.Use = MeterUse{Counted: true, Day: t.day, Month: t.month}
		if own.Use.Day.Start.Equal(t.day.Start) {
			next.Use.DayMark = own.Use.DayMark
		}
		if own.Use.Month.Start.Equal(t.month.Start) {
			next.Use.MonthMark = own.Use.MonthMark
		}
		next.Use.Day.add(a.Day, e.Amount, e.Time)
		next.Use.Month.add(a.Month, e.Amount, e.Time)
	} else { // nothing has limited it since its month ended
		next.Use = MeterUse{}
	}
	l.Meters.Put(ref, &next)
	if !limited {
		on = meterLimits{quota.NoLimit(), quota.NoLimit()}
	}
	if l.moved == nil {
		l.moved = make(map[MeterRef]meterLimits)
	}
	l.moved[ref] = on
}

// tellOfMeters writes the events of what the last command has passed on meters.
func (l *ledger) tellOfMeters() {
	for ref, limits := range l.moved {
		a := l.Accounts.Get(ref.TenantID)
		plan, err := l.plan(a.Plan)
		if err != nil {
			continue
		}
		next := *l.Meters.Get(ref)
		for _, span := range meterSpans {
			limit, tally, mark := *limits.of(span), &next.Use.Day, &next.Use.DayMark
			definition := quota.Definition{Name: onMeter(ref.Name, span), Span: span}
			if span == quota.Month {
				tally, mark = &next.Use.Month, &next.Use.MonthMark
			}
			var out []passed
			out, *mark = tellOf(definition, limit, plan.thresholds(), tally.Used, *mark, true)
			for _, p := range out {
				p.period = quota.Period{Start: tally.Start, End: tally.End}
				l.Told = append(l.Told, p.event(l, a, a.LastNow))
			}
		}
		l.Meters.Put(ref, &next)
	}
	clear(l.moved)
}

// wantMetered names the rows of all meters that have a quota in force.
func (b *Batch) wantMetered(a *Account, limits metered) {
	for meter := range limits {
		wantMeter(b, a.TenantID, meter)
	}
}

// knowsMetered reports whether they are loaded.
func (b *Batch) knowsMetered(a *Account, limits metered) bool {
	for meter := range limits {
		if !b.Meters.Knows(MeterRef{a.TenantID, meter}) || !b.Meters.Knows(MeterRef{PlatformID, meter}) {
			return false
		}
	}
	return true
}

// meterUses returns how a tenant stands against the quotas on meters, in the order of their names; the meters' rows must
// be loaded. False says that something is asked for and not there yet; rough takes nothing for what is.
func (b *Batch) meterUses(a *Account, limits metered, rough bool) (out []QuotaUse, loaded bool) {
	loaded = true
	for meter, on := range limits {
		if b.definition(a.TenantID, meter).Aggregation == AggregateMax {
			continue // nothing adds up
		}
		if own := b.Meters.Get(MeterRef{a.TenantID, meter}); rough && own != nil && own.Fixed && !own.Use.Counted {
			continue
		}
		t, known := b.tallies(a, meter)
		loaded = loaded && known
		for _, span := range meterSpans {
			if limit := *on.of(span); !limit.Unlimited {
				tally := t.of(span)
				out = append(out, useOfQuota(onMeter(meter, span), limit, tally.Used, 0, quota.Period{Start: tally.Start, End: tally.End}))
			}
		}
	}
	slices.SortFunc(out, func(a, b QuotaUse) int { return strings.Compare(string(a.Quota), string(b.Quota)) })
	return out, loaded
}

// meterQuotas returns how a tenant stands against the quotas on meters.
func meterQuotas(ctx context.Context, r Reader, a *Account, plan *Plan, now time.Time) ([]QuotaUse, error) {
	limits := a.metered(plan, now)
	if limits == nil {
		return nil, nil
	}
	b := &Batch{}
	b.wantMetered(a, limits)
	if err := r.Load(ctx, b); err != nil {
		return nil, err
	}
	out, loaded := b.meterUses(a, limits, false)
	if loaded {
		return out, nil
	}
	err := r.Load(ctx, b)
	out, _ = b.meterUses(a, limits, false)
	return out, err
}

// overMeters lists the quotas on meters whose use is above its limit.
func (l *ledger) overMeters(a *Account, plan *Plan, now time.Time) ([]OverLimit, error) {
	limits := a.metered(plan, now)
	if !l.knowsMetered(a, limits) {
		l.wantMetered(a, limits)
		return nil, errMore
	}
	uses, loaded := l.meterUses(a, limits, false)
	if !loaded {
		return nil, errMore
	}
	return overOf(uses), nil
}

// overOf picks those of which more is used than the limit allows.
func overOf(uses []QuotaUse) (over []OverLimit) {
	for _, u := range uses {
		if u.Limit != nil && u.Used+u.Reserved > *u.Limit {
			over = append(over, OverLimit{Quota: u.Quota, Limit: *u.Limit, Current: u.Used + u.Reserved})
		}
	}
	return over
}

// summed refuses new quotas on meters that keep maxima: nothing adds up there. The platform's rows of the meters are
// named where they are not loaded, and the tenant's, where there is one.
func (l *ledger) summed(field string, tenant TenantID, next, was quota.Limits) error {
	var bad problems
	var missing error
	for _, name := range next.Names() {
		meter, _, ok := name.Meter()
		if _, before := was[name]; before || !ok {
			continue
		}
		for _, id := range []TenantID{PlatformID, tenant} {
			if ref := (MeterRef{id, meter}); !l.Meters.Knows(ref) {
				l.Meters.Want(ref)
				missing = errMore
			}
		}
		if missing == nil && l.definition(tenant, meter).Aggregation == AggregateMax {
			bad.add(field+"."+string(name), "is on a meter that keeps maxima: of these nothing adds up to a limit")
		}
	}
	if missing != nil {
		return missing
	}
	return bad.err()
}
