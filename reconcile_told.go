package rentroll

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// What was told of a quota in a period is remembered in a mark, and again in the events that told it. A mark never says more
// than was told: it rises with an event and falls when a limit was raised or use was taken back, so that the threshold is
// armed again. So a mark that is above all events of its period is damage, by which a threshold would not be told.
//
// A mark below them is not: limits of plans, and overrides that end, change without a look at the accounts, and what that
// arms, or leaves to be told, shows with the account's next change. Whatever lowers a mark can only have something told
// once more, then. Concurrent runs alone are not armed again before the next day: their mark is just what was told.

// eventPage is how many events are read at once.
const eventPage = 500

// remembered is a mark to be compared.
type remembered struct {
	mark   uint16
	exact  bool
	period quota.Period // of a counter; zero for gauges
	since  time.Time    // earlier events are not about it; zero for all events
	mend   mending
	table  string
	key    string
	field  string

	percent int // what the events say
	soft    bool
}

// toldBy reports whether an event is about the mark's period.
func (r *remembered) toldBy(at time.Time, data *ThresholdData) bool {
	if at.Before(r.since) {
		return false
	}
	return r.period.IsZero() || data.PeriodStart != nil && data.PeriodStart.Equal(r.period.Start)
}

// backed reports whether the events that were seen say all that the mark does.
func (r *remembered) backed() bool {
	return r.percent >= int(r.mark&markPercent) && (r.soft || r.mark&markSoft == 0)
}

// right returns what the mark is to be.
func (r *remembered) right() uint16 {
	percent, soft := r.percent, r.soft
	if !r.exact {
		percent, soft = min(percent, int(r.mark&markPercent)), soft && r.mark&markSoft != 0
	}
	if soft {
		return uint16(percent) | markSoft
	}
	return uint16(percent)
}

// told compares the marks of the account's quotas, and of those on meters, with the events.
func (c *recount) told(ctx context.Context) error {
	all, err := c.remembered(ctx)
	if err != nil || len(all) == 0 {
		return err
	}
	for f := (EventFilter{TenantID: c.tenant, Limit: eventPage}); ; {
		page, err := c.ListEvents(ctx, f)
		if err != nil {
			return err
		}
		for _, e := range page {
			e.tells(all)
		}
		if len(page) < f.Limit || settled(all, page[len(page)-1].At) {
			break
		}
		f.Before = page[len(page)-1].ID
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		r := all[name]
		if right := r.right(); right != r.mark {
			r.mend.quota, r.mend.was, r.mend.mark = name, r.mark, right
			c.add(r.table, r.key, r.field, markText(r.mark), markText(right), r.mend)
		}
	}
	return nil
}

// tells has the mark that an event is about know of it.
func (e *Event) tells(all map[quota.Name]*remembered) {
	var data ThresholdData
	if e.Type != EventThreshold && e.Type != EventSoftLimit || json.Unmarshal(e.Data, &data) != nil {
		return
	}
	r := all[data.Quota]
	switch {
	case r == nil || !r.toldBy(e.At, &data):
	case e.Type == EventSoftLimit:
		r.soft = true
	case data.Threshold != nil:
		r.percent = max(r.percent, *data.Threshold)
	}
}

// settled reports whether no event before an instant can say more. Events of one millisecond are in any order.
func settled(all map[quota.Name]*remembered, at time.Time) bool {
	for _, r := range all {
		if !at.Before(r.since.Truncate(time.Millisecond)) && (r.exact || !r.backed()) {
			return false
		}
	}
	return true
}

// remembered lists the marks that say anything, and those that must say what the events do.
func (c *recount) remembered(ctx context.Context) (map[quota.Name]*remembered, error) {
	all := make(map[quota.Name]*remembered)
	for i, d := range watched {
		r := &remembered{mark: c.account.Marks[i], table: tableAccounts, key: string(d.Name), field: fieldMarks}
		_, _, r.period = c.account.use(d.Name)
		switch {
		case d.Name == quota.ConcurrentRuns:
			r.exact, r.since = true, c.account.Day.Start
		case d.Span == quota.Rate || r.mark == 0:
			continue
		default:
			r.since = r.period.Start
		}
		all[d.Name] = r
	}
	meters, err := c.ListMeters(ctx, c.tenant)
	for _, m := range meters {
		for _, span := range meterSpans {
			tally, mark, present, field := m.Use.Day, m.Use.DayMark, c.account.Day, fieldDayMark
			if span == quota.Month {
				tally, mark, present, field = m.Use.Month, m.Use.MonthMark, c.account.Month, fieldMonthMark
			}
			if !m.Use.Counted || mark == 0 || !tally.Start.Equal(present.Start) { // what was told of an earlier period is forgotten
				continue
			}
			all[onMeter(m.Name, span)] = &remembered{
				mark: mark, period: present, since: present.Start, table: tableMeters, key: m.Name, field: field,
				mend: mending{meter: MeterRef{c.tenant, m.Name}},
			}
		}
	}
	return all, err
}

// markText names what was told; "" for nothing.
func markText(mark uint16) string {
	text := ""
	if percent := mark & markPercent; percent > 0 {
		text = strconv.Itoa(int(percent)) + " %"
	}
	switch {
	case mark&markSoft == 0:
		return text
	case text == "":
		return "soft limit"
	default:
		return text + ", soft limit"
	}
}

// markOf returns the mark that a difference is about. It is only to be read where it is a meter's; nil is none.
func (l *ledger) markOf(a *Account, d *Difference) *uint16 {
	if d.Table == tableAccounts {
		i := slices.IndexFunc(watched, func(w quota.Definition) bool { return w.Name == d.mend.quota })
		return &a.Marks[i]
	}
	m := l.Meters.Get(d.mend.meter)
	switch {
	case m == nil || !m.Use.Counted:
		return nil
	case d.Field == fieldDayMark:
		return &m.Use.DayMark
	default:
		return &m.Use.MonthMark
	}
}

// forget puts the mark of a meter right. What that leaves to be told is told behind this command.
func (l *ledger) forget(a *Account, d *Difference) {
	next := *l.Meters.Get(d.mend.meter)
	if d.Field == fieldDayMark {
		next.Use.DayMark = d.mend.mark
	} else {
		next.Use.MonthMark = d.mend.mark
	}
	l.Meters.Put(d.mend.meter, &next)
	plan, err := l.plan(a.Plan)
	if err != nil {
		return // a plan that does not exist has no limits to tell of
	}
	limits, limited := a.metered(plan, a.LastNow)[d.mend.meter.Name]
	if !limited {
		limits = meterLimits{quota.NoLimit(), quota.NoLimit()}
	}
	if l.moved == nil {
		l.moved = make(map[MeterRef]meterLimits)
	}
	l.moved[d.mend.meter] = limits
}
