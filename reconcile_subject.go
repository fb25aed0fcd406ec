package rentroll

import (
	"context"
	"strconv"
	"time"
)

// subjects compares the rows of subjects: how many there are, what the open runs of each hold, and what it has used of its
// day and month since the row was made; and how many open runs of subjects are in none of them.
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
	b := &Batch{}
	ask(&b.OpenSubjects, c.tenant)
	if err := c.Load(ctx, b); err != nil {
		return err
	}
	open, uncounted := *b.OpenSubjects[c.tenant], int64(0)
	for _, held := range open {
		uncounted += held.Runs
	}
	for _, s := range rows {
		uncounted -= open[s.Subject].Runs
	}
	c.number("uncounted_runs", c.account.UncountedRuns, uncounted)
	if len(rows) == 0 {
		return nil
	}
	for _, s := range rows {
		held := open[s.Subject]
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

// subjectUse is what each of some subjects has used since its row was made.
type subjectUse struct {
	since          map[string]time.Time
	total, atFirst map[string]int64 // atFirst: in the very microsecond in which the row was made, be it before or after that
	gone           int64            // how many uses are of runs that are gone
}

func newSubjectUse(rows []*Subject) *subjectUse {
	u := &subjectUse{make(map[string]time.Time, len(rows)), make(map[string]int64), make(map[string]int64), 0}
	for _, s := range rows {
		u.since[s.Subject] = s.CreatedAt
	}
	return u
}

func (u *subjectUse) add(uses []SubjectUse) {
	for _, use := range uses {
		if use.Subject == "" {
			u.gone++
		}
		since, counted := u.since[use.Subject]
		if !counted || use.At.Before(since) {
			continue
		}
		u.total[use.Subject] = plus(u.total[use.Subject], use.Amount)
		if use.At.Equal(since) {
			u.atFirst[use.Subject] = plus(u.atFirst[use.Subject], use.Amount)
		}
	}
}

// subjectUsed compares what was used in a period. Where that can't be told to the last, for what came in the microsecond in
// which the row was made, anything between the least and the most is right; a mending takes the most, so that it never
// makes room for what a limit forbids.
func (c *recount) subjectUsed(s *Subject, field string, stored int64, used *subjectUse) {
	if most := used.total[s.Subject]; stored < most-used.atFirst[s.Subject] || stored > most {
		c.subject(s, field, stored, most)
	}
}

// subjectRuns compares the runs of the stored day. It needs all of them: runs that ended in it and were pruned leave
// nothing behind by which their subject could be told.
func (c *recount) subjectRuns(ctx context.Context, rows []*Subject) error {
	day := c.account.Day
	if c.missing("runs that ended", day.Start, c.runsUntil, tableSubjects, "runs_used") {
		return nil
	}
	used := newSubjectUse(rows)
	for from := day.Start; from.Before(day.End); from = from.Add(countStretch) {
		uses, err := c.ListSubjectRuns(ctx, c.tenant, from, earliest(from.Add(countStretch), day.End))
		if err != nil {
			return err
		}
		used.add(uses)
	}
	for _, s := range rows {
		c.subjectUsed(s, "runs_used", s.Runs.usedIn(day), used)
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
	used := newSubjectUse(rows)
	err := c.stretches(ctx, month.Start, month.End, func(from, to time.Time) error {
		uses, err := c.ListSubjectTokens(ctx, c.tenant, from, to)
		used.add(uses)
		return err
	})
	if err != nil {
		return err
	}
	if !c.runsUntil.IsZero() && c.ended(CostSum{Missing: used.gone}, tableSubjects, "tokens_used") {
		return nil
	}
	for _, s := range rows {
		c.subjectUsed(s, "tokens_used", s.Tokens.usedIn(month), used)
		c.subject(s, "tokens_ahead", s.Tokens.aheadOf(month), 0) // a run's tokens are counted when it ends
	}
	return nil
}
