package rentroll

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"
)

// heavy compares the large amounts that were recorded of each meter in the present month of UTC. What runs used is written
// as events, too, and not weighed; where an event of tokens may be a run's or a caller's own, either sum is right.
//
// Events that were recorded in the month may be as old as events are accepted. Where some of that time were pruned, what is
// left of them is the least that it can be, and more than that can't be told any more.
func (c *recount) heavy(ctx context.Context) error {
	if err := c.kept(ctx); err != nil {
		return err
	}
	meters, err := c.ListMeters(ctx, c.tenant)
	if err != nil {
		return err
	}
	now := c.account.clock(c.now)
	month := heavyMonth(now)
	from := month.Add(-UsageWindow)
	least, most := make(map[string]int64), make(map[string]int64)
	err = c.stretches(ctx, from, now.Add(UsageAhead+time.Microsecond), func(from, to time.Time) error {
		sums, err := c.SumHeavy(ctx, HeavyFilter{TenantID: c.tenant, From: from, To: to, Since: month, AtLeast: heavyAmount})
		for _, s := range sums {
			least[s.Meter] = addTotals(least[s.Meter], s.Total-s.OfRuns)
			most[s.Meter] = addTotals(most[s.Meter], s.Total)
		}
		return err
	})
	if err != nil {
		return err
	}
	stored := make(map[string]int64)
	for _, m := range meters {
		if m.HeavyMonth.Equal(month) {
			stored[m.Name] = m.Heavy
		}
	}
	all := maps.Clone(stored)
	maps.Copy(all, most)
	pruned := len(all) > 0 && c.missing("events", from, c.usageUntil, tableMeters, fieldHeavy)
	for _, meter := range slices.Sorted(maps.Keys(all)) {
		least, most, stored := least[meter], most[meter], stored[meter]
		if pruned {
			most = max(least, stored)
		}
		if stored < least || stored > most {
			c.add(tableMeters, meter, fieldHeavy, strconv.FormatInt(stored, 10), strconv.FormatInt(most, 10),
				mending{by: RollupSum{Total: most - stored}, meter: MeterRef{c.tenant, meter}, at: month})
		}
	}
	return nil
}

// weighAgain adds what was missing, or takes off what was too much, of the large amounts of a month, which is the present one.
func (l *ledger) weighAgain(ref MeterRef, by int64, month time.Time) {
	next := &Meter{TenantID: ref.TenantID, Name: ref.Name}
	if m := l.Meters.Get(ref); m != nil {
		*next = *m
	}
	if !next.HeavyMonth.Equal(month) {
		next.Heavy, next.HeavyMonth = 0, month
	}
	next.Heavy += by
	l.Meters.Put(ref, next)
}
