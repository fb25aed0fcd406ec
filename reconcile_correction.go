package rentroll

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"
)

// How much of an event was taken back stands in the mark of its event id, and again in its corrections. Those are events
// of the very same time, so that they are pruned together with it; and what is pruned can't be corrected any more. So what
// can be compared is all that matters, and it is compared exactly.

// markPage is how many event ids, or sums of corrections, are read at once.
const markPage = 1000

// marks compares the event ids behind one that say that something was taken back with the corrections that there are. It
// returns the last id that it has looked at, "" where there is no more, and the earliest event of all that has an id.
func (c *recount) marks(ctx context.Context, after string, begin time.Time) (last string, earliestOfAll time.Time, err error) {
	if err := c.kept(ctx); err != nil {
		return "", begin, err
	}
	page, err := c.ListMarks(ctx, c.tenant, after, markPage)
	if err != nil || len(page) == 0 {
		return "", begin, err
	}
	last = page[len(page)-1].EventID
	byTime := make(map[time.Time][]*UsageMark)
	for _, m := range page {
		if m.Time.IsZero() || m.Time.Before(c.usageUntil) { // it can't be corrected
			continue
		}
		begin = earliest(begin, m.Time)
		if m.Corrected != 0 {
			byTime[m.Time] = append(byTime[m.Time], m)
		}
	}
	for _, at := range slices.SortedFunc(maps.Keys(byTime), time.Time.Compare) {
		sums, err := c.SumTaken(ctx, c.tenant, at, after, last)
		if err != nil {
			return "", begin, err
		}
		taken := make(map[string]int64, len(sums))
		for _, s := range sums {
			taken[s.EventID] = s.Total
		}
		for _, m := range byTime[at] {
			c.corrected(m, taken[m.EventID])
		}
	}
	if len(page) < markPage {
		last = ""
	}
	return last, begin, nil
}

func (c *recount) corrected(m *UsageMark, taken int64) {
	if m.Corrected != taken {
		c.add(tableMarks, m.EventID, fieldCorrected, strconv.FormatInt(m.Corrected, 10), strconv.FormatInt(taken, 10),
			mending{by: RollupSum{Total: taken - m.Corrected}, event: *m})
	}
}

// corrections looks for events that were corrected and whose event ids know nothing of it, from an instant on, for a
// stretch. It returns where to go on; zero where there is no more. The other event ids are compared by marks.
func (c *recount) corrections(ctx context.Context, from time.Time) (time.Time, error) {
	if err := c.kept(ctx); err != nil {
		return time.Time{}, err
	}
	if from.Before(c.usageUntil) {
		from = c.usageUntil
	}
	begin, err := c.NextEvent(ctx, c.tenant, from)
	if err != nil || begin.IsZero() {
		return time.Time{}, err
	}
	f := CorrectionFilter{TenantID: c.tenant, From: begin, To: begin.Add(bucketsAtOnce * bucketSize), Limit: markPage}
	for {
		sums, err := c.SumCorrections(ctx, f)
		if err != nil || len(sums) == 0 {
			return f.To, err
		}
		b := &Batch{}
		for _, s := range sums {
			b.Marks.Want(MarkRef{c.tenant, s.EventID})
		}
		if err := c.Load(ctx, b); err != nil {
			return time.Time{}, err
		}
		for _, s := range sums {
			// Where there is no mark it was forgotten; where it is of another time the id was, and is another event's now.
			if m := b.Marks.Get(MarkRef{c.tenant, s.EventID}); m != nil && m.Time.Equal(s.Time) && m.Corrected == 0 {
				c.corrected(m, s.Total)
			}
		}
		if len(sums) < f.Limit {
			return f.To, nil
		}
		f.From, f.After = sums[len(sums)-1].Time, sums[len(sums)-1].EventID
	}
}
