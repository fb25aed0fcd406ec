package rentroll

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// How much is read at once. No statement adds up more than a stretch of time; no answer is longer than a page.
const (
	countStretch   = 6 * time.Hour
	countedUses    = 500
	rollupPage     = 20_000
	bucketsAtOnce  = 96 // a day
	allRollups     = 1 << 31
	endOfAllEvents = 1 << 53 // microseconds: in the year 2255
)

// recount compares one tenant's account with its rows, all of one snapshot.
type recount struct {
	Reader
	*tenantDiff

	account *Account // as it is stored
	now     time.Time
	graces  graces // of statements

	usageUntil, runsUntil time.Time // before when events, and ended runs, may be missing

	unknown map[int64]bool // the starts of periods that have events and are not written down, in microseconds
}

// kept finds out what was pruned.
func (c *recount) kept(ctx context.Context) error {
	marks, err := c.ListPruned(ctx, c.tenant)
	for _, m := range marks {
		switch m.Kind {
		case PruneUsage:
			c.usageUntil = m.Until
		case PruneRuns:
			c.runsUntil = m.Until
		case PruneMarks, PruneDenials, PruneDenialCounts, PruneOnce, PruneSubjects: // nothing is counted from them
		}
	}
	return err
}

// missing reports whether a sum needs rows from an instant on of which some were pruned, and then says so.
func (c *recount) missing(what string, from, until time.Time, table, field string) bool {
	if !from.Before(until) {
		return false
	}
	c.unchecked = append(c.unchecked, Unchecked{
		TenantID: c.tenant, Table: table, Field: field, Reason: what + " before " + timeText(until) + " were pruned",
	})
	return true
}

// counters compares everything that stands in the account, and the counters of key families.
func (c *recount) counters(ctx context.Context) error {
	for _, compare := range []func(context.Context) error{c.kept, c.held, c.gauges, c.day, c.month, c.spend, c.meters, c.subjects, c.periods} {
		if err := compare(ctx); err != nil {
			return err
		}
	}
	return nil
}

// held compares what open runs hold.
func (c *recount) held(ctx context.Context) error {
	sums, err := c.SumHeld(ctx, c.tenant)
	if err != nil {
		return err
	}
	var all HeldSum
	families := make(map[KeyID]HeldSum, len(sums))
	for _, s := range sums {
		all.Runs += s.Runs
		all.Reserved += s.Reserved
		all.Lease = earliest(all.Lease, s.Lease)
		families[s.Family] = s
	}
	delete(families, KeyID{})
	c.number("concurrent_runs", c.account.ConcurrentRuns, all.Runs)
	c.number("tokens_reserved", c.account.TokensReserved, all.Reserved)
	c.bound(fieldNextLease, c.account.NextLeaseExpiry, all.Lease)
	return c.families(ctx, families)
}

// families compares the counters of key families. What is left in held when all rows were seen belongs to families
// that have none.
func (c *recount) families(ctx context.Context, held map[KeyID]HeldSum) error {
	var tokens, ahead map[KeyID]int64
	month, told := c.account.Month, false
	for after := (KeyID{}); ; {
		uses, err := c.ListKeyUses(ctx, c.tenant, after, countedUses)
		if err != nil {
			return err
		}
		for _, use := range uses {
			if tokens == nil && !told {
				if told = c.missing("events", month.Start, c.usageUntil, tableKeyUses, "tokens_used"); !told {
					if tokens, err = c.familyTokens(ctx, month.Start, month.End); err != nil {
						return err
					}
					if ahead, err = c.familyTokens(ctx, month.End, c.account.LastNow.Add(UsageAhead+time.Microsecond)); err != nil {
						return err
					}
				}
			}
			h := held[use.Family]
			delete(held, use.Family)
			c.use(use.Family, "concurrent_runs", use.ConcurrentRuns, h.Runs)
			c.use(use.Family, "tokens_reserved", use.TokensReserved, h.Reserved)
			if tokens != nil {
				c.use(use.Family, "tokens_used", use.Tokens.usedIn(month), min(tokens[use.Family], mostCounted))
				c.use(use.Family, "tokens_ahead", use.Tokens.aheadOf(month), min(ahead[use.Family], mostCounted))
			}
		}
		if len(uses) < countedUses {
			break
		}
		after = uses[len(uses)-1].Family
	}
	for family, h := range held {
		c.use(family, "concurrent_runs", 0, h.Runs)
		c.use(family, "tokens_reserved", 0, h.Reserved)
	}
	return nil
}

func (c *recount) use(family KeyID, field string, stored, computed int64) {
	if stored != computed {
		c.add(tableKeyUses, family.String(), field, strconv.FormatInt(stored, 10), strconv.FormatInt(computed, 10),
			mending{by: RollupSum{Total: computed - stored}, use: KeyRef{c.tenant, family}})
	}
}

// familyTokens adds up the tokens that key families used in [begin, end).
func (c *recount) familyTokens(ctx context.Context, begin, end time.Time) (map[KeyID]int64, error) {
	perKey := map[KeyID]int64{}
	err := c.stretches(ctx, begin, end, func(from, to time.Time) error {
		sums, err := c.SumKeyTokens(ctx, c.tenant, from, to, time.Time{})
		for _, s := range sums {
			perKey[s.KeyID] += s.Total
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	b := &Batch{}
	for key := range perKey {
		b.Keys.Want(KeyRef{c.tenant, key})
	}
	if err := c.Load(ctx, b); err != nil {
		return nil, err
	}
	families := make(map[KeyID]int64)
	for key, total := range perKey {
		if k := b.Keys.Get(KeyRef{c.tenant, key}); k != nil {
			families[k.Family] += total
		}
	}
	return families, nil
}

// stretches cuts the part of [from, to) in which there are events into pieces that one statement may add up. Where there
// are none it goes on at the next, so that a quiet tenant's year costs no more than what it holds.
func (c *recount) stretches(ctx context.Context, from, to time.Time, sum func(from, to time.Time) error) error {
	for from.Before(to) {
		next, err := c.NextEvent(ctx, c.tenant, from)
		if err != nil {
			return err
		}
		if next.IsZero() || !next.Before(to) {
			return nil
		}
		end := next.Add(countStretch)
		if end.After(to) {
			end = to
		}
		if err := sum(next, end); err != nil {
			return err
		}
		from = end
	}
	return nil
}

// gauges compares what of a tenant exists.
func (c *recount) gauges(ctx context.Context) error {
	g, err := c.CountGauges(ctx, c.tenant)
	if err != nil {
		return err
	}
	c.number("workers", c.account.Workers, g.Workers)
	c.number("owners", c.account.Owners, g.Owners)
	c.number("api_keys", c.account.APIKeys, g.APIKeys)
	c.bound(fieldNextKey, c.account.NextKeyExpiry, g.Expiry)
	return nil
}

// day compares the runs of the stored day.
func (c *recount) day(ctx context.Context) error {
	day := c.account.Day
	if c.missing("runs that ended", day.Start, c.runsUntil, tableAccounts, "runs_today") ||
		c.missing("events", day.Start, c.usageUntil, tableAccounts, "runs_today") {
		return nil
	}
	made, err := c.CountRuns(ctx, c.tenant, day.Start, day.End)
	if err != nil {
		return err
	}
	err = c.stretches(ctx, day.Start, day.End, func(from, to time.Time) error {
		n, err := c.CountIncrements(ctx, c.tenant, from, to)
		made += n
		return err
	})
	c.number("runs_today", c.account.RunsToday, made)
	return err
}

// month compares the tokens of the stored month, and those behind its end.
func (c *recount) month(ctx context.Context) error {
	tokens := func(from, to time.Time) (total int64, err error) {
		sums, err := c.SumUsage(ctx, c.tenant, from, to)
		for _, s := range sums {
			if s.Meter == MeterTokensUsed {
				total = s.Total
			}
		}
		return total, err
	}
	month := c.account.Month
	if c.missing("events", month.Start, c.usageUntil, tableAccounts, "tokens_used") {
		return nil
	}
	var used int64
	err := c.stretches(ctx, month.Start, month.End, func(from, to time.Time) error {
		n, err := tokens(from, to)
		used += n
		return err
	})
	if err != nil {
		return err
	}
	ahead, err := tokens(month.End, time.UnixMicro(endOfAllEvents))
	c.number("tokens_used", c.account.TokensUsed, min(used, mostCounted))
	c.number("tokens_ahead", c.account.TokensAhead, min(ahead, mostCounted))
	return err
}

// meters compares the counters of the meters that have quotas.
func (c *recount) meters(ctx context.Context) error {
	all, err := c.ListMeters(ctx, c.tenant)
	all = slices.DeleteFunc(all, func(m *Meter) bool { return !m.Use.Counted })
	if err != nil || len(all) == 0 {
		return err
	}
	day, month := c.account.Day, c.account.Month
	for _, p := range []struct {
		period      quota.Period
		used, ahead string
	}{{day, "day_used", "day_ahead"}, {month, "month_used", "month_ahead"}} {
		if c.missing("events", p.period.Start, c.usageUntil, tableMeters, p.used) {
			continue
		}
		for _, r := range []struct {
			field    string
			from, to time.Time
		}{{p.used, p.period.Start, p.period.End}, {p.ahead, p.period.End, p.period.End.Add(bucketSize)}} {
			sums, err := c.meterSums(ctx, r.from, r.to)
			if err != nil {
				return err
			}
			for _, m := range all {
				use := MeterUse{Day: m.Use.Day.in(day), Month: m.Use.Month.in(month)}
				if stored, computed := *meterCounters[r.field](&use), min(sums[m.Name], mostCounted); stored != computed {
					c.add(tableMeters, m.Name, r.field, strconv.FormatInt(stored, 10), strconv.FormatInt(computed, 10),
						mending{by: RollupSum{Total: computed - stored}, meter: MeterRef{c.tenant, m.Name}})
				}
			}
		}
	}
	return nil
}

// meterSums adds up the events in [begin, end), by meter.
func (c *recount) meterSums(ctx context.Context, begin, end time.Time) (map[string]int64, error) {
	out := make(map[string]int64)
	err := c.stretches(ctx, begin, end, func(from, to time.Time) error {
		sums, err := c.SumUsage(ctx, c.tenant, from, to)
		for _, s := range sums {
			out[s.Meter] = addTotals(out[s.Meter], s.Total)
		}
		return err
	})
	return out, err
}

// periods looks whether the months that have ended are in order. They can't be made anew: the zones and anchors by which
// they were made have changed since.
func (c *recount) periods(ctx context.Context) error {
	rows, err := c.ListPeriods(ctx, c.tenant)
	const note = "periods can't be made anew: a tenant's zone and anchor at that time are known from its audit only"
	for i, p := range rows {
		next := c.account.Month.Start
		if !p.Start.Before(next) { // the present one is written down when the zone changes
			next = c.account.Month.End
		}
		if i+1 < len(rows) {
			next = rows[i+1].Start
		}
		switch {
		case !p.Start.Before(p.End):
			c.add(tablePeriods, timeText(p.Start), "end_at", timeText(p.End), "", mending{})
		case p.End.After(next):
			c.add(tablePeriods, timeText(p.Start), "end_at", timeText(p.End), timeText(next), mending{})
		default:
			continue
		}
		c.found[len(c.found)-1].Note = note
	}
	return err
}

// rollups compares the rollups of one dimension with the events, from a bucket on, for as long as one step may take. It
// returns where to go on; zero where there is no more.
func (c *recount) rollups(ctx context.Context, dimension string, from time.Time) (time.Time, error) {
	if err := c.kept(ctx); err != nil {
		return time.Time{}, err
	}
	if from.Before(c.usageUntil) {
		if dimension == dimensionTotal {
			c.missing("events", from, c.usageUntil, tableRollups, "total")
		}
		from = c.usageUntil
	}
	begin, err := c.NextBucket(ctx, c.tenant, dimension, from)
	if err != nil || begin.IsZero() {
		return time.Time{}, err
	}
	f := RollupFilter{TenantID: c.tenant, Dimension: dimension, From: begin, To: begin.Add(bucketsAtOnce * bucketSize), Limit: rollupPage}
	rows, err := c.ListRollups(ctx, f)
	if err != nil {
		return time.Time{}, err
	}
	if len(rows) == rollupPage { // as many whole buckets as there are, one at least
		if f.To = rows[len(rows)-1].Bucket; f.To.Equal(begin) {
			f.To, f.Limit = begin.Add(bucketSize), allRollups
			if rows, err = c.ListRollups(ctx, f); err != nil {
				return time.Time{}, err
			}
		}
	}
	events, err := c.SumBuckets(ctx, f)
	if err != nil {
		return time.Time{}, err
	}
	c.compareRollups(f, rows, events)
	peaks, err := c.ListPeaks(ctx, c.tenant, dimension, f.From, f.To)
	if err != nil {
		return time.Time{}, err
	}
	return f.To, c.peaks(ctx, peaks, events)
}

// rollupText names a rollup.
func rollupText(k RollupKey) string {
	text := strings.TrimRight(timeText(k.Bucket)+" "+k.Meter, " ")
	switch {
	case k.Dimension == dimensionTotal:
		return text
	case k.Value == "":
		return text + " " + k.Dimension
	default:
		return text + " " + k.Dimension + "=" + k.Value
	}
}

// compareRollups compares the stored rollups of a stretch with those made anew.
func (c *recount) compareRollups(f RollupFilter, stored, computed []Rollup) {
	type pair struct{ stored, computed RollupSum }
	pairs := make(map[RollupKey]pair, len(stored))
	for _, r := range stored {
		if r.Bucket.Before(f.To) {
			pairs[r.RollupKey] = pair{stored: r.RollupSum}
		}
	}
	for _, r := range computed {
		p := pairs[r.RollupKey]
		p.computed = r.RollupSum
		pairs[r.RollupKey] = p
	}
	var wrong []RollupKey
	for k, p := range pairs {
		if p.stored != p.computed {
			wrong = append(wrong, k)
		}
	}
	slices.SortFunc(wrong, func(a, b RollupKey) int {
		return cmp.Or(a.Bucket.Compare(b.Bucket), strings.Compare(a.Meter, b.Meter), strings.Compare(a.Value, b.Value))
	})
	for _, k := range wrong {
		p := pairs[k]
		key := rollupText(k)
		d := RollupSum{Total: p.computed.Total - p.stored.Total, Events: p.computed.Events - p.stored.Events}
		if d.Total != 0 {
			c.add(tableRollups, key, "total", strconv.FormatInt(p.stored.Total, 10), strconv.FormatInt(p.computed.Total, 10),
				mending{by: RollupSum{Total: d.Total}, rollup: k})
		}
		if d.Events != 0 {
			c.add(tableRollups, key, "events", strconv.FormatInt(p.stored.Events, 10), strconv.FormatInt(p.computed.Events, 10),
				mending{by: RollupSum{Events: d.Events}, rollup: k})
		}
	}
}
