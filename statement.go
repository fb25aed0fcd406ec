package rentroll

import (
	"context"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// defaultStatementGrace is for how long after its end a statement takes events of its period.
const defaultStatementGrace = 72 * time.Hour

// dimensionStatement is the dimension of the rollups that statements are made of: the bucket is the start of the
// statement's period, the value the start, in microseconds, of the period to which an adjustment belongs, "" for the
// statement's own.
const dimensionStatement = "statement"

// meterCost stands in a statement's rollups for the sum of its runs' cost_micros. No meter can have this name.
const meterCost = ""

// Statement is what a tenant has used in a billing period, at what price. An event's statement is fixed when it is
// written: its own period's until FinalAt, after that the one of the period in which it is recorded, as an adjustment.
// So a statement never changes once it is final.
type Statement struct {
	StatementPeriod

	TenantID    TenantID        `json:"tenant_id"`
	Lines       []StatementLine `json:"lines"`       // by meter
	Adjustments []StatementLine `json:"adjustments"` // of earlier periods, oldest first
	CostMicros  int64           `json:"cost_micros"` // what the period's runs reported
	TotalMicros int64           `json:"total_micros"`
}

// StatementPeriod is a period that has a statement.
type StatementPeriod struct {
	Period   string    `json:"period"` // its name: the date on which it starts in Timezone; if it is short, the time (see GetStatement)
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Timezone string    `json:"timezone"`
	Final    bool      `json:"final"`
	FinalAt  time.Time `json:"final_at"`
}

// StatementLine is one meter of a statement.
type StatementLine struct {
	Meter        string      `json:"meter"`
	Period       string      `json:"period"` // to which it belongs
	DisplayName  NullString  `json:"display_name"`
	Unit         string      `json:"unit"`
	Aggregation  Aggregation `json:"aggregation"`
	Quantity     int64       `json:"quantity"`
	Count        int64       `json:"count"`        // events
	PriceMicros  *int64      `json:"price_micros"` // for PricePer units; nil where the meter has no price
	PricePer     int64       `json:"price_per"`
	AmountMicros int64       `json:"amount_micros"` // quantity × price, rounded once: half a millionth away from zero
}

// graces are for how long after their end statements take events of their periods.
type graces struct {
	now   time.Duration // Options.StatementGrace: of months that begin
	first time.Duration // of accounts from before the grace was kept
}

// of returns the grace of an account's present month, and of those that end before the account sees the next one begin. It is
// fixed when a month begins: whatever the grace is by its end, and whoever looks, a statement that is final stays it.
func (g graces) of(a *Account) time.Duration {
	if a.StatementGrace != 0 {
		return a.StatementGrace
	}
	return g.first
}

// periodsOf lists the months of a tenant up to now, oldest first: those that were written down, and those that have ended
// since unseen.
func periodsOf(ctx context.Context, r Reader, stored *Account, now time.Time, g graces) ([]PastPeriod, error) {
	rows, err := r.ListPeriods(ctx, stored.TenantID)
	if err != nil {
		return nil, err
	}
	out := make([]PastPeriod, 0, len(rows)+1)
	for _, p := range rows {
		if p.Start.Before(stored.Month.Start) {
			out = append(out, p.complete(stored.Timezone, g.first))
		}
	}
	grace := g.of(stored)
	for p := stored.Month; ; p, _ = quota.Advance(p, p.End, quota.Month, stored.zone(), stored.AnchorDay) {
		at := PastPeriod{TenantID: stored.TenantID, Start: p.Start, End: p.End}
		if i := slices.IndexFunc(rows, func(q PastPeriod) bool { return q.Start.Equal(p.Start) }); i >= 0 {
			at = rows[i]
		}
		out = append(out, at.complete(stored.Timezone, grace))
		if now.Before(p.End) {
			return out, nil
		}
	}
}

// complete fills in what was not written down of a period.
func (p PastPeriod) complete(zone string, grace time.Duration) PastPeriod {
	if p.FinalAt.IsZero() {
		p.FinalAt = p.End.Add(grace)
	}
	if p.Timezone == "" {
		p.Timezone = zone
	}
	return p
}

// shortPeriod is the length below which a period is named by the time of its start. Where a tenant's zone changes, two
// periods can start on the same date, each in its own zone; but then they start less than two days apart.
const shortPeriod = 48 * time.Hour

// name tells a tenant's periods apart. One whose end is not known (at its start, then) is taken for a whole month.
func (p PastPeriod) name() string {
	if length := p.End.Sub(p.Start); length > 0 && length < shortPeriod {
		return p.Start.UTC().Format(time.RFC3339)
	}
	zone, err := quota.LoadZone(p.Timezone)
	if err != nil {
		zone = time.UTC
	}
	return p.Start.In(zone).Format(time.DateOnly)
}

// view is the period as callers see it.
func (p PastPeriod) view(now time.Time) StatementPeriod {
	return StatementPeriod{
		Period: p.name(), Start: p.Start, End: p.End, Timezone: p.Timezone, FinalAt: p.FinalAt, Final: !now.Before(p.FinalAt),
	}
}

// ListStatements lists the periods of a tenant that have a statement, newest first. It needs usage:read.
func (e *Engine) ListStatements(ctx context.Context, tenant TenantID) ([]StatementPeriod, error) {
	if err := e.may(tenant, PermUsageRead); err != nil {
		return nil, err
	}
	out := []StatementPeriod{}
	err := e.viewTenant(ctx, tenant, func(r Reader, stored *Account) error {
		now := stored.clock(e.now())
		periods, err := periodsOf(ctx, r, stored, now, e.core.graces)
		for _, p := range slices.Backward(periods) {
			out = append(out, p.view(now))
		}
		return err
	})
	return out, err
}

// GetStatement reads the statement of a period by the period's name: the date on which it starts, such as 2026-11-01. A
// period of less than two days, as a change of a tenant's zone or anchor leaves one, is named by the time at which it
// starts, in UTC as RFC 3339 has it: 2026-11-01T04:00:00Z. It needs usage:read.
//
// Each meter has the price that it had when the period began; where it had none, the first that came into force before
// the period's end. An adjustment has the price of the period to which it belongs.
func (e *Engine) GetStatement(ctx context.Context, tenant TenantID, period string) (*Statement, error) {
	if err := e.may(tenant, PermUsageRead); err != nil {
		return nil, err
	}
	var out *Statement
	err := e.viewTenant(ctx, tenant, func(r Reader, stored *Account) error {
		now := stored.clock(e.now())
		periods, err := periodsOf(ctx, r, stored, now, e.core.graces)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(periods, func(p PastPeriod) bool { return p.name() == period })
		if i < 0 {
			return notFound("statement")
		}
		s := statementReader{Reader: r, periods: periods, now: now, at: periods[i]}
		out, err = s.read(ctx)
		return err
	})
	return out, err
}

// statementReader puts one statement together.
type statementReader struct {
	Reader

	periods []PastPeriod
	now     time.Time
	at      PastPeriod

	meters map[string]*MeterDefinition
	own    []*MeterPrice
	common []*MeterPrice
	peaks  []Rollup // of maxima, from the earliest adjusted period on
}

func (s *statementReader) read(ctx context.Context) (*Statement, error) {
	out := &Statement{StatementPeriod: s.at.view(s.now), TenantID: s.at.TenantID, Lines: []StatementLine{}, Adjustments: []StatementLine{}}
	f := RollupFilter{TenantID: s.at.TenantID, Dimension: dimensionStatement, From: s.at.Start, To: s.at.Start.Add(bucketSize), Limit: allRollups}
	rows, err := s.ListRollups(ctx, f)
	if err != nil {
		return nil, err
	}
	if s.meters, err = metersOf(ctx, s, s.at.TenantID); err != nil {
		return nil, err
	}
	if s.own, err = s.ListPrices(ctx, s.at.TenantID, s.at.End); err != nil {
		return nil, err
	}
	if s.common, err = s.ListPrices(ctx, PlatformID, s.at.End); err != nil {
		return nil, err
	}
	slices.SortStableFunc(rows, func(a, b Rollup) int { return s.belongs(a.Value).Start.Compare(s.belongs(b.Value).Start) })
	earliest := s.at.Start
	for _, row := range rows {
		if p := s.belongs(row.Value); p.Start.Before(earliest) {
			earliest = p.Start
		}
	}
	if s.peaks, err = s.ListPeaks(ctx, s.at.TenantID, dimensionStatement, earliest, f.To); err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.Meter == meterCost {
			out.CostMicros = row.Total
			continue
		}
		line := s.line(row)
		out.TotalMicros = addTotals(out.TotalMicros, line.AmountMicros)
		if row.Value == "" {
			out.Lines = append(out.Lines, line)
		} else {
			out.Adjustments = append(out.Adjustments, line)
		}
	}
	return out, nil
}

// belongs returns the period of a line: the statement's own, or the one that it adjusts.
func (s *statementReader) belongs(value string) PastPeriod {
	if value == "" {
		return s.at
	}
	micros, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return s.at // nothing else was ever written
	}
	start := time.UnixMicro(micros).UTC()
	for _, p := range s.periods {
		if p.Start.Equal(start) {
			return p
		}
	}
	return PastPeriod{TenantID: s.at.TenantID, Start: start, End: start}.complete(s.at.Timezone, 0)
}

func (s *statementReader) line(row Rollup) StatementLine {
	meter := s.meters[row.Meter]
	if meter == nil {
		meter = definition(s.at.TenantID, row.Meter, nil, nil)
	}
	period := s.belongs(row.Value)
	line := StatementLine{
		Meter: row.Meter, Period: period.name(), DisplayName: meter.DisplayName, Unit: string(meter.Unit),
		Aggregation: meter.Aggregation, Quantity: row.Total, Count: row.Events, PricePer: 1,
	}
	if meter.Aggregation == AggregateMax {
		line.Quantity = s.raised(row)
	}
	if p := s.price(row.Meter, period); p != nil {
		line.PriceMicros, line.PricePer = p.PriceMicros, max(p.PricePer, 1)
		line.AmountMicros = amountOf(line.Quantity, *p.PriceMicros, line.PricePer)
	}
	return line
}

// raised returns the maximum of a line or, of an adjustment, by how much it is above what earlier statements have of it.
func (s *statementReader) raised(row Rollup) int64 {
	var peak, before int64
	belongs := s.belongs(row.Value).Start
	for _, p := range s.peaks {
		if p.Meter != row.Meter {
			continue
		}
		switch theirs := s.ownerOf(p); {
		case p.Bucket.Equal(row.Bucket) && p.Value == row.Value:
			peak = p.Peak
		case theirs.Equal(belongs) && p.Bucket.Before(row.Bucket):
			before = max(before, p.Peak)
		}
	}
	return max(peak-before, 0)
}

// ownerOf returns the start of the period to which a rollup belongs.
func (s *statementReader) ownerOf(p Rollup) time.Time {
	if p.Value == "" {
		return p.Bucket
	}
	return s.belongs(p.Value).Start
}

// price returns the price of a meter in a period; nil where there is none.
func (s *statementReader) price(meter string, p PastPeriod) *MeterPrice {
	at := func(t time.Time) *MeterPrice {
		for _, list := range [][]*MeterPrice{s.own, s.common} {
			var last *MeterPrice
			for _, price := range list {
				if price.Meter == meter && !price.From.After(t) {
					last = price
				}
			}
			if last != nil && last.PriceMicros != nil {
				return last
			}
		}
		return nil
	}
	if price := at(p.Start); price != nil {
		return price
	}
	var first *MeterPrice
	for _, list := range [][]*MeterPrice{s.own, s.common} {
		for _, price := range list {
			if price.Meter == meter && price.PriceMicros != nil && price.From.After(p.Start) && price.From.Before(p.End) &&
				(first == nil || price.From.Before(first.From)) {
				first = price
			}
		}
	}
	return first
}

// amountOf multiplies a quantity by a price for per units. It rounds once, half away from zero.
func amountOf(quantity, price, per int64) int64 {
	product := new(big.Int).Mul(big.NewInt(quantity), big.NewInt(price))
	half := big.NewInt(per / 2) // of an odd divisor less than half, which no remainder of it is
	if product.Sign() < 0 {
		half.Neg(half)
	}
	return bounded(product.Quo(product.Add(product, half), big.NewInt(per)))
}

// bounded keeps a number within an int64, at whose ends amounts are beyond.
func bounded(n *big.Int) int64 {
	switch {
	case n.IsInt64():
		return n.Int64()
	case n.Sign() < 0:
		return -1 << 63
	default:
		return 1<<63 - 1
	}
}

// bill adds an event to the statement to which it belongs.
func (l *ledger) bill(a *Account, e *UsageEvent, aggregation Aggregation) {
	k := l.statementOf(a, e.TenantID, e.Time, e.RecordedAt)
	k.Meter = e.Meter
	l.addTo(k, RollupSum{Total: e.Amount, Events: 1})
	if aggregation == AggregateMax {
		l.raiseTo(k, e.Amount)
	}
}

// billCost adds what a run cost to the statement of the present period.
func (l *ledger) billCost(a *Account, micros int64) {
	if micros > 0 {
		l.addTo(RollupKey{TenantID: a.TenantID, Dimension: dimensionStatement, Bucket: a.Month.Start, Meter: meterCost}, RollupSum{Total: micros, Events: 1})
	}
}

// statementOf decides to which statement an event belongs: its own period's while that takes events, else the present
// one's, as an adjustment.
func (l *ledger) statementOf(a *Account, tenant TenantID, at, now time.Time) RollupKey {
	k := RollupKey{TenantID: tenant, Dimension: dimensionStatement, Bucket: a.Month.Start}
	switch {
	case !at.Before(a.Month.End): // its clock runs ahead into the next period, which begins there
		k.Bucket = a.Month.End
	case at.Before(a.Month.Start):
		p := l.pastPeriod(a, at)
		if now.Before(p.FinalAt) {
			k.Bucket = p.Start
		} else {
			k.Value = strconv.FormatInt(p.Start.UnixMicro(), 10)
		}
	}
	return k
}

// pastPeriod returns the past period of a tenant that contains an instant. One from before the tenant is as the tenant's
// zone and anchor make it, and is written down, so that it stays that way.
func (l *ledger) pastPeriod(a *Account, at time.Time) *PastPeriod {
	floor, ceiling := time.Time{}, a.Month.Start
	look := func(p *PastPeriod) bool {
		switch {
		case at.Before(p.Start):
			ceiling = earliest(ceiling, p.Start)
		case at.Before(p.End):
			return true
		case p.End.After(floor):
			floor = p.End
		}
		return false
	}
	for _, p := range l.Periods {
		if p.TenantID == a.TenantID && look(p) {
			return p
		}
	}
	known := *l.RecentPeriods[a.TenantID]
	for i := range known {
		if look(&known[i]) {
			p := known[i].complete(a.Timezone, l.graces.first)
			return &p
		}
	}
	month := quota.MonthOf(at, a.zone(), a.AnchorDay)
	if month.Start.Before(floor) {
		month.Start = floor
	}
	month.End = earliest(month.End, ceiling)
	p := l.pastMonth(a, month)
	l.Periods = append(l.Periods, p)
	return p
}

// pastMonth is a month of a tenant as it is written down.
func (l *ledger) pastMonth(a *Account, month quota.Period) *PastPeriod {
	return &PastPeriod{
		TenantID: a.TenantID, Start: month.Start, End: month.End, FinalAt: month.End.Add(l.graces.of(a)), Timezone: a.Timezone,
	}
}
