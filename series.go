package rentroll

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// SeriesBucket is the width of a series' points.
type SeriesBucket string

// The widths: hours, days and months as clocks and calendars of a zone show them.
const (
	BucketHour  SeriesBucket = "hour"
	BucketDay   SeriesBucket = "day"
	BucketMonth SeriesBucket = "month" // the tenant's billing months or, where a zone is asked for, its calendar months
)

// The bounds of a series.
const (
	MaxSeriesPoints     = 1000
	MaxSeriesGroups     = 100
	defaultSeriesGroups = 10
)

// UsageSeriesParams asks for a meter's totals over [Start, End) in points. Zero times stand for the current billing month
// so far, the running quarter of an hour included.
type UsageSeriesParams struct {
	TenantID   TenantID
	Meter      string
	Start, End time.Time
	Bucket     SeriesBucket // "" is BucketDay
	Timezone   string       // of the days and months; "" is the tenant's
	GroupBy    string       // GroupByWorker, GroupByKey or a dimension that the meter keeps; "" is none
	Groups     int          // how many groups are told apart, the largest; 0 is 10, at most MaxSeriesGroups
}

// UsageSeries holds the totals of a meter in points that follow each other without gap. The first and the last are cut
// where the range begins and ends.
type UsageSeries struct {
	TenantID    TenantID      `json:"tenant_id"`
	Meter       string        `json:"meter"`
	Unit        string        `json:"unit"`
	Aggregation Aggregation   `json:"aggregation"`
	Period      UsagePeriod   `json:"period"`
	Bucket      SeriesBucket  `json:"bucket"`
	Timezone    string        `json:"timezone"`
	GroupBy     NullString    `json:"group_by"`
	Points      []SeriesPoint `json:"points"`
	Groups      []SeriesGroup `json:"groups"` // largest first, then the others, then what is in no group
}

// SeriesPoint is [Start, End) of a series.
type SeriesPoint struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	Total int64     `json:"total"` // by the meter's aggregation
	Count int64     `json:"count"` // events
}

// SeriesGroupKind says what a group of a series stands for.
type SeriesGroupKind string

// The kinds of groups.
const (
	GroupValue SeriesGroupKind = "value" // one value of the dimension
	GroupOther SeriesGroupKind = "other" // all further values together
	GroupNone  SeriesGroupKind = "none"  // events that have none
)

// SeriesGroup is the part of a series that belongs to a value of its dimension. Totals and Counts have a number for each
// point.
type SeriesGroup struct {
	Kind   SeriesGroupKind `json:"kind"`
	Value  NullString      `json:"value"` // "" but for GroupValue
	Total  int64           `json:"total"`
	Count  int64           `json:"count"`
	Totals []int64         `json:"totals"`
	Counts []int64         `json:"counts"`
}

func (p *UsageSeriesParams) check() (zone *time.Location, err error) {
	var bad problems
	bad.add("meter", checkMeter(p.Meter))
	if !p.Start.IsZero() && !p.End.IsZero() && p.End.Before(p.Start) {
		bad.add("end", "must not be before start")
	}
	switch p.Bucket {
	case "":
		p.Bucket = BucketDay
	case BucketHour, BucketDay, BucketMonth:
	default:
		bad.add("bucket", "must be hour, day or month")
	}
	if p.Timezone != "" {
		if zone, err = quota.LoadZone(p.Timezone); err != nil {
			bad.add("timezone", "must be the name of a time zone, such as Europe/Berlin")
		}
	}
	if p.Groups != 0 {
		bad.between("groups", int64(p.Groups), 1, MaxSeriesGroups)
	}
	return zone, bad.err()
}

// GetUsageSeries adds up a meter over time, in all and by the values of a dimension. A meter that the tenant neither has
// events of nor a definition is CodeNotFound. It needs usage:read.
func (e *Engine) GetUsageSeries(ctx context.Context, p UsageSeriesParams) (*UsageSeries, error) {
	if err := e.may(p.TenantID, PermUsageRead); err != nil {
		return nil, err
	}
	zone, err := p.check()
	if err != nil {
		return nil, err
	}
	var out *UsageSeries
	err = e.viewTenant(ctx, p.TenantID, func(r Reader, stored *Account) error {
		now := stored.clock(e.now())
		a := *stored
		a.roll(now)
		out, err = p.read(ctx, r, &a, zone, now)
		return err
	})
	return out, err
}

func (p *UsageSeriesParams) read(ctx context.Context, r Reader, a *Account, zone *time.Location, now time.Time) (*UsageSeries, error) {
	b := &Batch{}
	wantMeter(b, p.TenantID, p.Meter)
	if err := r.Load(ctx, b); err != nil {
		return nil, err
	}
	own, platform := b.Meters.Get(MeterRef{p.TenantID, p.Meter}), b.Meters.Get(MeterRef{PlatformID, p.Meter})
	meter := definition(p.TenantID, p.Meter, own, platform)
	if _, builtin := builtinUnit(p.Meter); own == nil && platform == nil && !builtin {
		return nil, notFound("meter")
	}
	dimension, err := p.dimension(meter)
	if err != nil {
		return nil, err
	}
	from, to := rangeOrMonth(a, p.Start, p.End, now)
	out := &UsageSeries{
		TenantID: p.TenantID, Meter: p.Meter, Unit: string(meter.Unit), Aggregation: meter.Aggregation,
		Period: UsagePeriod{from, to}, Bucket: p.Bucket, Timezone: p.Timezone, GroupBy: NullString(p.GroupBy),
		Points: []SeriesPoint{}, Groups: []SeriesGroup{},
	}
	calendar := calendar{zone: zone, bucket: p.Bucket, anchor: 1}
	if zone == nil {
		out.Timezone, calendar.zone, calendar.anchor = a.Timezone, a.zone(), a.AnchorDay
	}
	ranges, err := calendar.points(from, to)
	if err != nil {
		return nil, err
	}
	q := seriesQuery{Reader: r, meter: meter, tenant: p.TenantID, ranges: ranges}
	all, err := q.groups(ctx, dimensionTotal)
	if err != nil {
		return nil, err
	}
	total := all[""]
	if total == nil {
		total = q.empty()
	}
	for i, at := range ranges {
		out.Points = append(out.Points, SeriesPoint{at.Start, at.End, total.Totals[i], total.Counts[i]})
	}
	if dimension != "" {
		groups, err := q.groups(ctx, dimension)
		if err != nil {
			return nil, err
		}
		out.Groups = q.ranked(groups, total, cmp.Or(p.Groups, defaultSeriesGroups))
	}
	return out, q.fits(out)
}

// dimension returns under which dimension rollups have what is grouped by.
func (p *UsageSeriesParams) dimension(meter *MeterDefinition) (string, error) {
	switch {
	case p.GroupBy == "":
		return "", nil
	case p.GroupBy == GroupByWorker:
		return dimensionWorker, nil
	case p.GroupBy == GroupByKey:
		return dimensionKey, nil
	case slices.Contains(meter.Dimensions, p.GroupBy):
		return dimensionKept + p.GroupBy, nil
	default:
		return "", problems{{"group_by", "must be worker, key or a dimension that the meter keeps"}}.err()
	}
}

// rangeOrMonth fills in what is not given of a range: the current month so far, the running bucket included.
func rangeOrMonth(a *Account, from, to, now time.Time) (time.Time, time.Time) {
	if from.IsZero() {
		from = a.Month.Start
	}
	if to.IsZero() {
		to = now.Truncate(bucketSize).Add(bucketSize)
	}
	return stamp(from), stamp(to)
}

// zone returns the account's time zone. It was checked when it was set; a program with older zone data must still count.
func (a *Account) zone() *time.Location {
	zone, err := quota.LoadZone(a.Timezone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// calendar divides time as a zone shows it.
type calendar struct {
	zone   *time.Location
	bucket SeriesBucket
	anchor int // the day on which months begin
}

// at returns the hour, day or month that contains t.
func (c calendar) at(t time.Time) quota.Period {
	switch c.bucket {
	case BucketHour:
		return hourOf(t, c.zone)
	case BucketDay, "":
		return quota.DayOf(t, c.zone)
	default:
		return quota.MonthOf(t, c.zone, c.anchor)
	}
}

// hourOf returns the hour on a zone's clocks that contains t: it is longer or shorter where clocks change by a part of it.
func hourOf(t time.Time, zone *time.Location) quota.Period {
	const hour = 3600
	past := func(sec int64) int64 {
		_, offset := time.Unix(sec, 0).In(zone).Zone()
		return ((sec+int64(offset))%hour + hour) % hour
	}
	sec := t.Unix()
	start := sec - past(sec)
	if over := past(start); over != 0 { // clocks changed since
		start = sec - sec%(hour/4)
		for past(start) != 0 && start > sec-2*hour {
			start -= hour / 4
		}
	}
	end := start + hour/4
	for past(end) != 0 || end <= sec {
		end += hour / 4
	}
	return quota.Period{Start: time.Unix(start, 0).UTC(), End: time.Unix(end, 0).UTC()}
}

// points divides [from, to).
func (c calendar) points(from, to time.Time) (out []quota.Period, err error) {
	for from.Before(to) {
		if len(out) == MaxSeriesPoints {
			return nil, problems{{"end", fmt.Sprintf("makes more than %d points: ask for a shorter range, or for wider ones", MaxSeriesPoints)}}.err()
		}
		p := quota.Period{Start: from, End: c.at(from).End}
		if p.End.After(to) {
			p.End = to
		}
		out = append(out, p)
		from = p.End
	}
	return out, nil
}

// seriesQuery reads the parts of a series.
type seriesQuery struct {
	Reader

	meter  *MeterDefinition
	tenant TenantID
	ranges []quota.Period
}

func (q *seriesQuery) empty() *SeriesGroup {
	return &SeriesGroup{Kind: GroupValue, Totals: make([]int64, len(q.ranges)), Counts: make([]int64, len(q.ranges))}
}

// groups reads all values of a dimension: whole buckets from the rollups, what is left of one at an edge from its events.
func (q *seriesQuery) groups(ctx context.Context, dimension string) (map[string]*SeriesGroup, error) {
	var whole, cut []quota.Period
	var wholeAt, cutAt []int
	for i, p := range q.ranges {
		first, last := ceilBucket(p.Start), p.End.Truncate(bucketSize)
		if first.After(last) { // within one bucket
			cut, cutAt = append(cut, p), append(cutAt, i)
			continue
		}
		if p.Start.Before(first) {
			cut, cutAt = append(cut, quota.Period{Start: p.Start, End: first}), append(cutAt, i)
		}
		if first.Before(last) {
			whole, wholeAt = append(whole, quota.Period{Start: first, End: last}), append(wholeAt, i)
		}
		if last.Before(p.End) {
			cut, cutAt = append(cut, quota.Period{Start: last, End: p.End}), append(cutAt, i)
		}
	}
	out := make(map[string]*SeriesGroup)
	read := func(by func(context.Context, GroupFilter) ([]GroupSum, error), ranges []quota.Period, at []int) error {
		if len(ranges) == 0 {
			return nil
		}
		sums, err := by(ctx, GroupFilter{TenantID: q.tenant, Dimension: dimension, Meter: q.meter.Meter, Ranges: ranges})
		for _, s := range sums {
			q.put(out, s, at[s.Range])
		}
		return err
	}
	if err := read(q.GroupRollups, whole, wholeAt); err != nil {
		return nil, err
	}
	if q.meter.Aggregation == AggregateMax {
		if err := read(q.GroupPeaks, whole, wholeAt); err != nil {
			return nil, err
		}
	}
	return out, read(q.GroupUsage, cut, cutAt)
}

func ceilBucket(t time.Time) time.Time {
	if first := t.Truncate(bucketSize); first.Before(t) {
		return first.Add(bucketSize)
	}
	return t
}

// put adds a sum to its group.
func (q *seriesQuery) put(groups map[string]*SeriesGroup, s GroupSum, at int) {
	g := groups[s.Value]
	if g == nil {
		g = q.empty()
		g.Value = NullString(s.Value)
		groups[s.Value] = g
	}
	amount := s.Total
	if q.meter.Aggregation == AggregateMax {
		amount = s.Peak
	}
	g.Totals[at] = q.join(g.Totals[at], amount)
	g.Total = q.join(g.Total, amount)
	g.Counts[at] += s.Events
	g.Count += s.Events
}

// join makes one total of two.
func (q *seriesQuery) join(a, b int64) int64 {
	if q.meter.Aggregation == AggregateMax {
		return max(a, b)
	}
	return addTotals(a, b)
}

// ranked keeps the largest groups apart and puts the rest together. What is in no group is what the total has beyond all
// groups; of maxima that can't be told, and only events are counted that have an empty value.
func (q *seriesQuery) ranked(groups map[string]*SeriesGroup, total *SeriesGroup, most int) []SeriesGroup {
	none, other := q.empty(), q.empty()
	none.Kind, other.Kind = GroupNone, GroupOther
	merge := func(into, g *SeriesGroup) {
		into.Total, into.Count = q.join(into.Total, g.Total), into.Count+g.Count
		for i := range g.Totals {
			into.Totals[i], into.Counts[i] = q.join(into.Totals[i], g.Totals[i]), into.Counts[i]+g.Counts[i]
		}
	}
	if q.meter.Aggregation != AggregateMax {
		merge(none, total)
		for _, g := range groups {
			none.Total, none.Count = none.Total-g.Total, none.Count-g.Count
			for i := range g.Totals {
				none.Totals[i], none.Counts[i] = none.Totals[i]-g.Totals[i], none.Counts[i]-g.Counts[i]
			}
		}
	}
	out := make([]SeriesGroup, 0, len(groups))
	for value, g := range groups {
		switch value {
		case "":
			merge(none, g)
		case dimensionOther:
			merge(other, g)
		default:
			out = append(out, *g)
		}
	}
	slices.SortFunc(out, func(a, b SeriesGroup) int {
		return cmp.Or(-cmp.Compare(a.Total, b.Total), -cmp.Compare(a.Count, b.Count), strings.Compare(string(a.Value), string(b.Value)))
	})
	if len(out) > most {
		for i := range out[most:] {
			merge(other, &out[most+i])
		}
		out = out[:most]
	}
	for _, g := range []*SeriesGroup{other, none} {
		if g.Count != 0 || g.Total != 0 {
			out = append(out, *g)
		}
	}
	return out
}

// fits refuses totals that are beyond the numbers.
func (q *seriesQuery) fits(s *UsageSeries) error {
	for _, p := range s.Points {
		if beyond(p.Total) {
			return problems{{"bucket", "makes points whose total is beyond 2^63: ask for narrower ones"}}.err()
		}
	}
	for _, g := range s.Groups {
		if beyond(g.Total) {
			return problems{{"end", "makes a group whose total is beyond 2^63: ask for a shorter range"}}.err()
		}
	}
	return nil
}
