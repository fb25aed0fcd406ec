package rentroll

import (
	"context"
	"time"
)

// The id of an event is remembered for longer than events are accepted, in a row of its own. Where that row was lost, and the
// event sent again, it counted twice. So for each event whose sender may still repeat it there must be a row, and the
// row must be this event's.

// twiceCounted is the note of an event whose id another one has, too.
const twiceCounted = "two events were counted under this id: take one of them back with a correction by an id of its own, or a smaller amount"

// lost looks for events whose ids are not remembered, from an instant on, for a stretch. It returns where to go on; zero
// where there is no more.
func (c *recount) lost(ctx context.Context, from time.Time) (time.Time, error) {
	now := c.account.clock(c.now)
	since := now.Add(-UsageWindow) // rows from before are kept as well, but nobody could repeat what they are about
	if from.IsZero() {
		from = since.Add(-UsageWindow)
	}
	begin, err := c.NextEvent(ctx, c.tenant, from)
	if err != nil || begin.IsZero() {
		return time.Time{}, err
	}
	f := UnmarkedFilter{TenantID: c.tenant, From: begin, To: begin.Add(bucketsAtOnce * bucketSize), Since: since, Limit: markPage}
	for {
		events, err := c.ListUnmarked(ctx, f)
		if err != nil {
			return time.Time{}, err
		}
		for _, e := range events {
			c.unmarked(e)
		}
		if len(events) < f.Limit {
			return f.To, nil
		}
		last := events[len(events)-1]
		f.From, f.After = last.Time, last.ID
	}
}

func (c *recount) unmarked(e Unmarked) {
	mark := UsageMark{TenantID: c.tenant, EventID: e.EventID, UsageID: e.ID, RecordedAt: e.RecordedAt, Time: e.Time}
	if e.Marked.IsZero() {
		c.add(tableMarks, e.EventID, fieldUsageID, "", e.ID.String(), mending{event: mark})
		return
	}
	c.add(tableMarks, e.EventID, fieldUsageID, e.Marked.String(), e.ID.String(), mending{event: mark})
	c.found[len(c.found)-1].Note = twiceCounted
}

// mendMark puts what is remembered of an event id right. It reports whether it could.
func (l *ledger) mendMark(d *Difference) bool {
	if d.Field == fieldUsageID {
		return l.remember(d.mend.event)
	}
	ref := MarkRef{d.mend.event.TenantID, d.mend.event.EventID}
	m := l.Marks.Get(ref)
	if m == nil || m.UsageID != d.mend.event.UsageID {
		return false // the id was forgotten since, and may be another event's
	}
	next := *m
	next.Corrected += d.mend.by.Total
	l.Marks.Put(ref, &next)
	return true
}

// remember makes a lost mark anew, if the id was not used again since. What its sender said of the event is not known any more:
// whatever comes with the id is taken for the same.
func (l *ledger) remember(mark UsageMark) bool {
	ref := MarkRef{mark.TenantID, mark.EventID}
	if l.Marks.Get(ref) != nil {
		return false
	}
	l.Marks.Put(ref, &mark)
	return true
}
