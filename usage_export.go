package rentroll

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// exportPage is how many events an export reads at once, each page from a snapshot of its own: however long an export takes,
// it holds up nothing, and needs the memory of one page.
const exportPage = 500

// ExportUsageParams asks for single usage events: those of a range of time, or those of a statement.
type ExportUsageParams struct {
	TenantID   TenantID
	Start, End time.Time // [Start, End) of the events' times; zero times stand for the current billing month so far
	Statement  string    // the events that stand on the statement of this period, adjustments included; "" for a range
	Meter      string    // only this meter; "" for all

	// AfterTime and AfterID are those of an event: the export goes on behind it. They go with the Start and the End, or the
	// Statement, of the export in which it came. Zero is from the beginning.
	AfterTime time.Time
	AfterID   UsageID
}

// UsageExport is an export that is ready to be read. What is recorded while it is read may or may not be in it; of a final
// statement nothing can be.
type UsageExport struct {
	TenantID   TenantID
	Expected   int64     // how many events there were when it began, to the quarter of an hour where a range cuts one; also those before After
	Start, End time.Time // the range; zero for a statement

	engine *Engine
	meter  string
	after  UsageFilter    // From and After: where to go on
	on     time.Time      // the start of the period of the statement; zero for a range
	ranges []quota.Period // of the events' times, oldest first
}

// ExportedUsage is a usage event with the statement on which it stands.
type ExportedUsage struct {
	UsageEvent

	Statement string     `json:"statement"` // the name of the period
	Adjusts   NullString `json:"adjusts"`   // of an adjustment: the period to which the event belongs
}

// ExportUsage begins an export of usage events, in the order of their times. A range or a statement of which single events
// were deleted already is CodeValidationFailed: no export is silently short. It needs usage:read.
func (e *Engine) ExportUsage(ctx context.Context, p ExportUsageParams) (*UsageExport, error) {
	if err := e.may(p.TenantID, PermUsageRead); err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	out := &UsageExport{TenantID: p.TenantID, engine: e, meter: p.Meter, after: UsageFilter{From: stamp(p.AfterTime), After: p.AfterID}}
	err := e.viewTenant(ctx, p.TenantID, func(r Reader, stored *Account) error {
		now := stored.clock(e.now())
		var err error
		if p.Statement != "" {
			err = out.ofStatement(ctx, r, stored, p.Statement, now)
		} else {
			err = out.ofRange(ctx, r, stored, p, now)
		}
		if err != nil || len(out.ranges) == 0 {
			return err
		}
		kept, err := prunedUntil(ctx, r, p.TenantID, PruneUsage)
		if err == nil && out.ranges[0].Start.Before(kept) {
			field := "start"
			if p.Statement != "" {
				field = "statement"
			}
			err = problems{{field, "single events from before " + timeText(kept) + " are not kept any more"}}.err()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (p *ExportUsageParams) check() error {
	var bad problems
	if p.Meter != "" {
		bad.add("meter", checkMeter(p.Meter))
	}
	if !p.Start.IsZero() && !p.End.IsZero() && p.End.Before(p.Start) {
		bad.add("end", "must not be before start")
	}
	if p.Statement != "" && (!p.Start.IsZero() || !p.End.IsZero()) {
		bad.add("statement", "must stand alone, without start and end")
	}
	switch {
	case p.AfterTime.IsZero() && p.AfterID.IsZero():
	case p.AfterTime.IsZero() || p.AfterID.IsZero():
		bad.add("after", "must be the time and the id of an event")
	case p.Statement != "":
	case p.Start.IsZero() || p.End.IsZero(): // by now they may stand for another range
		bad.add("after", "must go with the start and the end, or the statement, of the export in which the event came")
	case p.AfterTime.Before(p.Start) || !p.AfterTime.Before(p.End):
		bad.add("after", "must be an event of the range")
	}
	return bad.err()
}

// ofRange takes the events of a range of time.
func (x *UsageExport) ofRange(ctx context.Context, r Reader, stored *Account, p ExportUsageParams, now time.Time) error {
	live := *stored
	live.roll(now)
	from, to := rangeOrMonth(&live, p.Start, p.End, now)
	x.Start, x.End = from, to
	if !from.Before(to) {
		return nil
	}
	x.ranges = []quota.Period{{Start: from, End: to}}
	first, last := from.Truncate(bucketSize), to.Add(bucketSize-time.Microsecond).Truncate(bucketSize)
	sums, err := r.SumRollups(ctx, x.TenantID, first, last)
	for _, s := range sums {
		if x.meter == "" || s.Meter == x.meter {
			x.Expected += s.Events
		}
	}
	return err
}

// ofStatement takes the events of a statement: of its own period and, as the lines of the statement tell, of those that it
// adjusts.
func (x *UsageExport) ofStatement(ctx context.Context, r Reader, stored *Account, name string, now time.Time) error {
	periods, err := periodsOf(ctx, r, stored, now, x.engine.core.graces)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(periods, func(p PastPeriod) bool { return p.name() == name })
	if i < 0 {
		return notFound("statement")
	}
	x.on = periods[i].Start
	rows, err := r.ListRollups(ctx, RollupFilter{
		TenantID: x.TenantID, Dimension: dimensionStatement, From: x.on, To: x.on.Add(bucketSize), Limit: allRollups,
	})
	if err != nil {
		return err
	}
	owners := map[time.Time]bool{}
	for _, row := range rows {
		if row.Meter == meterCost || x.meter != "" && row.Meter != x.meter {
			continue
		}
		x.Expected += row.Events
		owner := x.on
		if micros, err := strconv.ParseInt(row.Value, 10, 64); err == nil {
			owner = time.UnixMicro(micros).UTC()
		}
		owners[owner] = true
	}
	for _, p := range periods {
		if owners[p.Start] {
			x.ranges = append(x.ranges, quota.Period{Start: p.Start, End: p.End})
		}
	}
	return nil
}

// Events reads the events, page by page. It stops at the first error, and may be called again.
func (x *UsageExport) Events(ctx context.Context) iter.Seq2[*ExportedUsage, error] {
	return func(yield func(*ExportedUsage, error) bool) {
		for _, within := range x.ranges {
			f := UsageFilter{TenantID: x.TenantID, From: within.Start, To: within.End, Limit: exportPage}
			if !x.after.From.Before(within.Start) {
				f.From, f.After = x.after.From, x.after.After
			}
			for more := f.From.Before(f.To); more; {
				rows, err := x.page(ctx, &f)
				if err != nil {
					yield(nil, err)
					return
				}
				for _, row := range rows {
					if !yield(row, nil) {
						return
					}
				}
				more = f.Limit > 0
			}
		}
	}
}

// page reads the next page of a range, and moves the filter behind it; a limit of 0 says that there is no more.
func (x *UsageExport) page(ctx context.Context, f *UsageFilter) (out []*ExportedUsage, err error) {
	err = x.engine.viewTenant(ctx, x.TenantID, func(r Reader, stored *Account) error {
		periods, err := periodsOf(ctx, r, stored, stored.clock(x.engine.now()), x.engine.core.graces)
		if err != nil {
			return err
		}
		events, err := r.ListUsage(ctx, *f)
		if err != nil {
			return err
		}
		for _, ev := range events {
			of, on := statementsOf(periods, ev.Time, ev.RecordedAt)
			if x.meter != "" && ev.Meter != x.meter || !x.on.IsZero() && !on.Start.Equal(x.on) {
				continue
			}
			row := &ExportedUsage{UsageEvent: *ev, Statement: on.name()}
			if !of.Start.Equal(on.Start) {
				row.Adjusts = NullString(of.name())
			}
			out = append(out, row)
		}
		if len(events) < f.Limit {
			f.Limit = 0
		} else {
			f.From, f.After = events[len(events)-1].Time, events[len(events)-1].ID
		}
		return nil
	})
	return out, err
}

// statementsOf returns the period that an event is of, and the one on whose statement it stands: what was decided when it was
// written, made out again from when that was (see ledger.statementOf).
func statementsOf(periods []PastPeriod, at, recorded time.Time) (of, on PastPeriod) {
	of = periodWith(periods, at)
	if recorded.Before(of.FinalAt) {
		return of, of
	}
	return of, periodWith(periods, recorded)
}

// periodWith returns the period that contains an instant. Behind the last one begins the next; before the first one was
// nothing that statements know of, which is then a period of its own.
func periodWith(periods []PastPeriod, at time.Time) PastPeriod {
	for _, p := range slices.Backward(periods) {
		switch {
		case !at.Before(p.End):
			next := PastPeriod{TenantID: p.TenantID, Start: p.End, End: p.End, Timezone: p.Timezone}
			next.FinalAt = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) // once it has ended, it is a period like the others
			return next
		case !at.Before(p.Start):
			return p
		}
	}
	first := periods[0]
	return PastPeriod{TenantID: first.TenantID, Start: at, End: at, FinalAt: first.FinalAt, Timezone: first.Timezone}
}
