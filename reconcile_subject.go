package rentroll

import (
	"context"
	"strconv"
	"time"
)

// subjects compares the rows of subjects: how many there are, what the open runs of each hold, and what it has used of its
// day and month since the row was made.
func (c *recount) subjects(ctx context.Context) error {
	var rows []*Subject
	for after := ""; ; {
		page, err := c.ListSubjects(ctx, c.tenant, after, countedUses)
		if err != nil {
			return err
		}
		if rows = append(rows, page...); len(page) < countedUses {
			break
		}
		after = page[len(page)-1].Subject
	}
	c.number("subjects", c.account.Subjects, int64(len(rows)))
	if len(rows) == 0 {
		return nil
	}
	b := &Batch{}
	ask(&b.OpenSubjects, c.tenant)
	if err := c.Load(ctx, b); err != nil {
		return err
	}
	for _, s := range rows {
		held := (*b.OpenSubjects[c.tenant])[s.Subject]
		c.subject(s, "concurrent_runs", s.ConcurrentRuns, held.Runs)
		c.subject(s, "tokens_reserved", s.TokensReserved, held.Reserved)
	}
	if err := c.subjectRuns(ctx, rows); err != nil {
		return err
	}
	return c.subjectTokens(ctx, rows)
}

func (c *recount) subject(s *Subject, field string, stored, computed int64) {
	if stored != computed {
		c.add(tableSubjects, s.Subject, field, strconv.FormatInt(stored, 10), strconv.FormatInt(computed, 10),
			mending{by: RollupSum{Total: computed - stored}, whose: SubjectRef{c.tenant, s.Subject}, at: s.CreatedAt})
	}
}

// usedBySubject is what one subject has used since its row was made. What of it came in the very microsecond in which that
// was, at first, may have come before the row did and not be counted in it.
type usedBySubject struct {
	since          time.Time
	total, atFirst int64
}

// subjectUse adds up what subjects have used since their rows were made, of what one call lists at a time. It also returns
// how many uses were of runs that are gone.
func (c *recount) subjectUse(
	ctx context.Context, rows []*Subject, from, to time.Time,
	list func(ctx context.Context, tenant TenantID, from, to time.Time) ([]SubjectUse, error),
) (used map[string]*usedBySubject, gone int64, err error) {
	used = make(map[string]*usedBySubject, len(rows))
	for _, s := range rows {
		used[s.Subject] = &usedBySubject{since: s.CreatedAt}
	}
	err = c.stretches(from, to, func(from, to time.Time) error {
		uses, err := list(ctx, c.tenant, from, to)
		for _, use := range uses {
			if use.Subject == "" {
				gone++
			}
			u := used[use.Subject]
			if u == nil || use.At.Before(u.since) {
				continue
			}
			u.total = plus(u.total, use.Amount)
			if use.At.Equal(u.since) {
				u.atFirst = plus(u.atFirst, use.Amount)
			}
		}
		return err
	})
	return used, gone, err
}

// subjectUsed compares what was used in a period. Where that can't be told to the last, for what came in the microsecond in
// which the row was made, anything between the least and the most is right; a mending takes the most, so that it never
// makes room for what a limit forbids.
func (c *recount) subjectUsed(s *Subject, field string, stored int64, used *usedBySubject) {
	if stored < used.total-used.atFirst || stored > used.total {
		c.subject(s, field, stored, used.total)
	}
}

// subjectRuns compares the runs of the stored day. It needs all of them: runs that ended in it and were pruned leave
// nothing behind by which their subject could be told.
func (c *recount) subjectRuns(ctx context.Context, rows []*Subject) error {
	day := c.account.Day
	if c.missing("runs that ended", day.Start, c.runsUntil, tableSubjects, "runs_used") {
		return nil
	}
	used, _, err := c.subjectUse(ctx, rows, day.Start, day.End, c.ListSubjectRuns)
	if err != nil {
		return err
	}
	for _, s := range rows {
		c.subjectUsed(s, "runs_used", s.Runs.usedIn(day), used[s.Subject])
		c.subject(s, "runs_ahead", s.Runs.aheadOf(day), 0) // runs are counted when they are made
	}
	return nil
}

// subjectTokens compares the tokens that runs used which ended in the stored month. It needs the events of the month, and
// all the runs that they are of: an event does not know its run's subject, and so can't be counted once the run was pruned.
func (c *recount) subjectTokens(ctx context.Context, rows []*Subject) error {
	month := c.account.Month
	if c.missing("events", month.Start, c.usageUntil, tableSubjects, "tokens_used") {
		return nil
	}
	used, gone, err := c.subjectUse(ctx, rows, month.Start, month.End, c.ListSubjectTokens)
	if err != nil {
		return err
	}
	if !c.runsUntil.IsZero() && c.ended(CostSum{Missing: gone}, tableSubjects, "tokens_used") {
		return nil
	}
	for _, s := range rows {
		c.subjectUsed(s, "tokens_used", s.Tokens.usedIn(month), used[s.Subject])
		c.subject(s, "tokens_ahead", s.Tokens.aheadOf(month), 0) // a run's tokens are counted when it ends
	}
	return nil
}
