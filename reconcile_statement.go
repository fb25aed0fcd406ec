package rentroll

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// spend compares what the runs of the stored month cost.
func (c *recount) spend(ctx context.Context) error {
	month := c.account.Month
	if c.missing("events", month.Start, c.usageUntil, tableAccounts, "spend_used") {
		return nil
	}
	sum, err := c.costs(ctx, month.Start, month.End)
	if err != nil || c.ended(sum, tableAccounts, "spend_used") {
		return err
	}
	c.number("spend_used", c.account.SpendUsed, min(sum.Micros, mostCounted))
	return nil
}

// costs adds up what runs cost that were reported in [from, to).
func (c *recount) costs(ctx context.Context, from, to time.Time) (all CostSum, err error) {
	err = c.stretches(ctx, from, to, func(from, to time.Time) error {
		sum, err := c.SumCosts(ctx, c.tenant, from, to)
		all.Micros += sum.Micros
		all.Runs += sum.Runs
		all.Missing += sum.Missing
		return err
	})
	return all, err
}

// ended reports whether runs are missing from a sum of costs, and then says so.
func (c *recount) ended(sum CostSum, table, field string) bool {
	if sum.Missing == 0 {
		return false
	}
	c.unchecked = append(c.unchecked, Unchecked{
		TenantID: c.tenant, Table: table, Field: field, Reason: strconv.FormatInt(sum.Missing, 10) + " runs that ended were pruned",
	})
	return true
}

// statements compares the lines of one period, the first that does not begin before from, in its own statement and in
// those that came after it. It returns where to go on; zero where there is no more.
func (c *recount) statements(ctx context.Context, from time.Time) (time.Time, error) {
	if err := c.kept(ctx); err != nil {
		return time.Time{}, err
	}
	periods, err := periodsOf(ctx, c, c.account, c.account.clock(c.now), c.graces)
	if err != nil {
		return time.Time{}, err
	}
	if periods, err = c.unknownPeriods(ctx, periods); err != nil {
		return time.Time{}, err
	}
	last := periods[len(periods)-1]
	next, _ := quota.Advance(quota.Period{Start: last.Start, End: last.End}, last.End, quota.Month, c.account.zone(), c.account.AnchorDay)
	periods = append(periods, PastPeriod{TenantID: c.tenant, Start: next.Start, End: next.End}.complete("", c.graces.of(c.account))) // what is ahead
	at := slices.IndexFunc(periods, func(p PastPeriod) bool { return !p.Start.Before(from) })
	if at < 0 {
		return time.Time{}, nil
	}
	if err := c.statement(ctx, periods, at); err != nil || at+1 == len(periods) {
		return time.Time{}, err
	}
	return periods[at+1].Start, nil
}

// unknownPeriods adds those periods that nobody has written down and of which there are events: from before the tenant
// kept its periods, or where a row of them was lost. They are as the tenant's zone and anchor make them now, like those of
// events from before the tenant: see pastPeriod.
func (c *recount) unknownPeriods(ctx context.Context, known []PastPeriod) (all []PastPeriod, err error) {
	floor := c.usageUntil // what is behind it was pruned
	for _, p := range known {
		for floor.Before(p.Start) {
			first, err := c.NextEvent(ctx, c.tenant, floor)
			if err != nil {
				return nil, err
			}
			if first.IsZero() || !first.Before(p.Start) {
				break
			}
			month := quota.MonthOf(first, c.account.zone(), c.account.AnchorDay)
			if n := len(all); n > 0 && month.Start.Before(all[n-1].End) {
				month.Start = all[n-1].End
			}
			month.End = earliest(month.End, p.Start)
			unknown := PastPeriod{TenantID: c.tenant, Start: month.Start, End: month.End, Timezone: c.account.Timezone}.complete("", c.graces.of(c.account))
			all, floor = append(all, unknown), month.End
			c.unknown[month.Start.UnixMicro()] = true
		}
		if all = append(all, p); p.End.After(floor) {
			floor = p.End
		}
	}
	return all, nil
}

// statement compares the lines of one of some periods. An event is in its own period's statement until that is final, and
// then in that of the period in which it was recorded.
func (c *recount) statement(ctx context.Context, periods []PastPeriod, at int) error {
	own, value := periods[at], strconv.FormatInt(periods[at].Start.UnixMicro(), 10)
	f := RollupFilter{TenantID: c.tenant, Dimension: dimensionStatement, From: own.Start, To: periods[len(periods)-1].End, Limit: allRollups}
	stored, err := c.ListRollups(ctx, f)
	if err != nil {
		return err
	}
	peaks, err := c.ListPeaks(ctx, c.tenant, dimensionStatement, f.From, f.To)
	if err != nil {
		return err
	}
	others := func(r Rollup) bool { return !belongsTo(r.RollupKey, own, value, periods[:at]) }
	stored, peaks = slices.DeleteFunc(stored, others), slices.DeleteFunc(peaks, others)
	if c.missing("events", own.Start, c.usageUntil, tableRollups, "statement of "+timeText(own.Start)) {
		return nil
	}
	if c.unknown[own.Start.UnixMicro()] {
		c.add(tablePeriods, timeText(own.Start), "end_at", "", timeText(own.End), mending{period: &own})
	}
	computed, err := c.lines(ctx, periods[at:], value)
	if err != nil {
		return err
	}
	if stored, computed, err = c.statementCost(ctx, own, stored, computed); err != nil {
		return err
	}
	c.compareRollups(f, stored, computed)
	return c.peaks(ctx, peaks, computed)
}

// belongsTo reports whether a line is of a period: of its statement, of another's that adjusts it, or of none that there
// is while it lies in the period.
func belongsTo(k RollupKey, own PastPeriod, value string, earlier []PastPeriod) bool {
	if k.Value == value {
		return true
	}
	adjusts := slices.ContainsFunc(earlier, func(p PastPeriod) bool { return strconv.FormatInt(p.Start.UnixMicro(), 10) == k.Value })
	return k.Bucket.Before(own.End) && (!adjusts || !k.Bucket.Equal(own.Start))
}

// lines makes the lines of the first of some periods anew: in its own statement, and in those of the others.
func (c *recount) lines(ctx context.Context, periods []PastPeriod, value string) (out []Rollup, err error) {
	own := periods[0]
	f := RecordedFilter{TenantID: c.tenant, From: own.Start, To: own.End, Until: time.UnixMicro(endOfAllEvents)}
	all, latest, err := c.recorded(ctx, f)
	if err != nil {
		return nil, err
	}
	add := func(k RollupKey, lines []Rollup) {
		for _, line := range lines {
			k.TenantID, k.Dimension, k.Meter = c.tenant, dimensionStatement, line.Meter
			line.RollupKey = k
			out = append(out, line)
		}
	}
	if latest.Before(own.FinalAt) {
		add(RollupKey{Bucket: own.Start}, all)
		return out, nil
	}
	f.Until = own.FinalAt
	if all, _, err = c.recorded(ctx, f); err != nil {
		return nil, err
	}
	add(RollupKey{Bucket: own.Start}, all)
	for _, p := range periods[1:] {
		f.Since, f.Until = p.Start, p.End
		if own.FinalAt.After(p.Start) {
			f.Since = own.FinalAt
		}
		if !f.Since.Before(f.Until) || f.Since.After(latest) {
			continue
		}
		late, _, err := c.recorded(ctx, f)
		if err != nil {
			return nil, err
		}
		add(RollupKey{Bucket: p.Start, Value: value}, late)
	}
	return out, nil
}

// statementCost adds what a period's runs cost to the lines that were computed, or, where that can't be told any more,
// leaves it out of both.
func (c *recount) statementCost(ctx context.Context, own PastPeriod, stored, computed []Rollup) (s, d []Rollup, err error) {
	sum, err := c.costs(ctx, own.Start, own.End)
	if err != nil {
		return nil, nil, err
	}
	if c.ended(sum, tableRollups, "cost in the statement of "+timeText(own.Start)) {
		return slices.DeleteFunc(stored, func(r Rollup) bool { return r.Meter == meterCost }), computed, nil
	}
	if sum.Runs > 0 {
		computed = append(computed, Rollup{
			RollupKey: RollupKey{TenantID: c.tenant, Dimension: dimensionStatement, Bucket: own.Start, Meter: meterCost},
			RollupSum: RollupSum{Total: sum.Micros, Events: sum.Runs},
		})
	}
	return stored, computed, nil
}

// recorded adds up events by when they happened and when they were recorded, a meter each, and finds the latest recording.
func (c *recount) recorded(ctx context.Context, f RecordedFilter) (lines []Rollup, latest time.Time, err error) {
	sums := make(map[string]Rollup)
	err = c.stretches(ctx, f.From, f.To, func(from, to time.Time) error {
		f.From, f.To = from, to
		part, err := c.SumRecorded(ctx, f)
		for _, r := range part {
			sum := sums[r.Meter]
			sum.Meter, sum.Total, sum.Events, sum.Peak = r.Meter, sum.Total+r.Total, sum.Events+r.Events, max(sum.Peak, r.Peak)
			sums[r.Meter] = sum
			if r.Latest.After(latest) {
				latest = r.Latest
			}
		}
		return err
	})
	return slices.Collect(maps.Values(sums)), latest, err
}

// keptRollups compares the rollups of all kept dimensions with the events, from a bucket on, for a stretch. It returns
// where to go on; zero where there is no more.
func (c *recount) keptRollups(ctx context.Context, from time.Time) (time.Time, error) {
	if err := c.kept(ctx); err != nil {
		return time.Time{}, err
	}
	if from.Before(c.usageUntil) {
		from = c.usageUntil
	}
	dimensions, begin, err := c.keptDimensions(ctx, from)
	if err != nil || begin.IsZero() {
		return time.Time{}, err
	}
	end := begin.Add(bucketsAtOnce * bucketSize)
	made, err := c.SumKept(ctx, c.tenant, begin, end)
	if err != nil {
		return time.Time{}, err
	}
	computed := make(map[string][]Rollup)
	for _, r := range made {
		computed[r.Dimension] = append(computed[r.Dimension], r)
		dimensions[r.Dimension] = true
	}
	for _, dimension := range slices.Sorted(maps.Keys(dimensions)) {
		f := RollupFilter{TenantID: c.tenant, Dimension: dimension, From: begin, To: end, Limit: allRollups}
		stored, err := c.ListRollups(ctx, f)
		if err != nil {
			return time.Time{}, err
		}
		c.compareRollups(f, stored, computed[dimension])
		peaks, err := c.ListPeaks(ctx, c.tenant, dimension, begin, end)
		if err != nil {
			return time.Time{}, err
		}
		if err := c.peaks(ctx, peaks, computed[dimension]); err != nil {
			return time.Time{}, err
		}
	}
	return end, nil
}

// keptDimensions lists the kept dimensions of which there are rollups, and the first bucket behind an instant that any of
// them or any event falls into.
func (c *recount) keptDimensions(ctx context.Context, from time.Time) (all map[string]bool, begin time.Time, err error) {
	all = make(map[string]bool)
	if begin, err = c.NextBucket(ctx, c.tenant, dimensionTotal, from); err != nil {
		return nil, begin, err
	}
	for after := ""; ; {
		next, err := c.NextDimension(ctx, c.tenant, after)
		if err != nil || next == "" {
			return all, begin, err
		}
		if after = next; !strings.HasPrefix(next, dimensionKept) {
			continue
		}
		all[next] = true
		bucket, err := c.NextBucket(ctx, c.tenant, next, from)
		if err != nil {
			return nil, begin, err
		}
		begin = earliest(begin, bucket)
	}
}

// peaks compares largest amounts, of those meters that aggregate by them. It is asked only about buckets and statements all
// of whose events are kept.
func (c *recount) peaks(ctx context.Context, stored, computed []Rollup) error {
	meters, err := metersOf(ctx, c, c.tenant)
	if err != nil {
		return err
	}
	type pair struct{ stored, computed int64 }
	pairs := make(map[RollupKey]pair)
	for _, r := range stored {
		pairs[r.RollupKey] = pair{stored: r.Peak}
	}
	for _, r := range computed {
		if m := meters[r.Meter]; m != nil && m.Aggregation == AggregateMax {
			pairs[r.RollupKey] = pair{pairs[r.RollupKey].stored, r.Peak}
		}
	}
	maps.DeleteFunc(pairs, func(_ RollupKey, p pair) bool { return p.stored == p.computed })
	for _, k := range slices.SortedFunc(maps.Keys(pairs), func(a, b RollupKey) int {
		return cmp.Or(a.Bucket.Compare(b.Bucket), strings.Compare(a.Meter, b.Meter), strings.Compare(a.Value, b.Value))
	}) {
		p := pairs[k]
		c.add(tablePeaks, rollupText(k), "peak", strconv.FormatInt(p.stored, 10), strconv.FormatInt(p.computed, 10),
			mending{by: RollupSum{Total: p.computed}, rollup: k, lowers: p.computed < p.stored})
	}
	return nil
}
