package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// A row of usage_rollups is an hour. Its quarters stand beside the whole, so that one row serves the hours, days and
// months of most zones, and the others still find theirs.
const (
	hour    = time.Hour
	quarter = 15 * time.Minute
)

// halves are the sums of a column's upper and lower half: their own sums overflow nowhere, whatever the column's does.
func halves(column string) string {
	return fmt.Sprintf("CAST(SUM(%[1]s / 4294967296) AS BIGINT), CAST(SUM(%[1]s %% 4294967296) AS BIGINT)", column)
}

// scanHalves reads halves. A sum beyond the largest or smallest number is that number.
func scanHalves(row Row) int64 { return joined(row.Int(), row.Int()) }

func joined(high, low int64) int64 {
	high, low = high+low>>32, low&(1<<32-1)
	switch {
	case high > math.MaxInt32:
		return math.MaxInt64
	case high < math.MinInt32:
		return math.MinInt64
	default:
		return high<<32 + low
	}
}

// saturating adds without going round.
func saturating(a, b int64) int64 {
	sum, _ := bits.Add64(uint64(a), uint64(b), 0)
	switch out := int64(sum); {
	case a > 0 && b > 0 && out < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && out >= 0:
		return math.MinInt64
	default:
		return out
	}
}

const inRange = " WHERE tenant_id = $1 AND dimension = $2 AND bucket >= $3 AND bucket < $4"

var (
	addRollup = adder("usage_rollups", columns(`tenant_id:id dimension:text bucket meter:text value:text total events
		total_1 events_1 total_2 events_2 total_3 events_3`), 5)
	addPeak    = peaker("usage_peaks", columns("tenant_id:id dimension:text bucket meter:text value:text peak"), 5)
	removePeak = remover("usage_peaks", columns("tenant_id:id dimension:text bucket meter:text value:text"))
	quarters   = "total - total_1 - total_2 - total_3, events - events_1 - events_2 - events_3, total_1, events_1, total_2, events_2, total_3, events_3"

	sumRollups = &Stmt{SQL: "SELECT meter, " + halves("total") + ", CAST(SUM(events) AS BIGINT) FROM usage_rollups" + inRange + " GROUP BY meter"}
	hourParts  = &Stmt{SQL: "SELECT meter, value, " + quarters + ` FROM usage_rollups
		WHERE tenant_id = $1 AND dimension = $2 AND bucket = $3 ORDER BY meter, value`}
	sumPeaks  = &Stmt{SQL: "SELECT meter, MAX(peak) FROM usage_peaks" + inRange + " GROUP BY meter"}
	sumEvents = &Stmt{SQL: `SELECT meter, ` + halves("amount") + `, COUNT(*), MAX(amount) FROM usage_events
		WHERE tenant_id = $1 AND time >= $2 AND time < $3 GROUP BY meter`}

	groupRollups = &Stmt{SQL: "SELECT CAST($6 AS BIGINT), value, " + halves("total") + ", CAST(SUM(events) AS BIGINT) FROM usage_rollups" + inRange +
		" AND meter = $5 GROUP BY value"}
	groupHours = &Stmt{SQL: "SELECT bucket, value, total, events FROM usage_rollups" + inRange + " AND meter = $5"}
	groupParts = &Stmt{SQL: "SELECT CAST($5 AS BIGINT), value, " + quarters + ` FROM usage_rollups
		WHERE tenant_id = $1 AND dimension = $2 AND bucket = $3 AND meter = $4`}
	groupPeaks = &Stmt{SQL: "SELECT CAST($6 AS BIGINT), value, MAX(peak) FROM usage_peaks" + inRange + " AND meter = $5 GROUP BY value"}

	listPeaks = &Stmt{SQL: "SELECT bucket, meter, value, peak FROM usage_peaks" + inRange + " ORDER BY bucket, meter, value"}
)

// Sums of events by what they have in a column.
var (
	groupEvents         = &Stmt{SQL: eventsBy("''")}
	groupEventsByWorker = &Stmt{SQL: eventsBy("worker_id")}
	groupEventsByKey    = &Stmt{SQL: eventsBy("api_key_id")}
	groupEventsByKept   = &Stmt{SQL: eventsBy("dimensions")}
)

func eventsBy(column string) string {
	return "SELECT CAST($5 AS BIGINT), " + column + ", " + halves("amount") + `, COUNT(*), MAX(amount) FROM usage_events
		WHERE tenant_id = $1 AND time >= $2 AND time < $3 AND meter = $4 GROUP BY 2`
}

// hourSum is what is added to a row.
type hourSum struct{ total, events [4]int64 }

func (h *hourSum) whole() (s rentroll.RollupSum) {
	for i := range h.total {
		s.Total, s.Events = saturating(s.Total, h.total[i]), s.Events+h.events[i]
	}
	return s
}

// quarterOf returns the hour of a bucket and which of its quarters it is.
func quarterOf(bucket time.Time) (start time.Time, i int) {
	start = bucket.Truncate(hour)
	return start, int(bucket.Sub(start) / quarter)
}

// saveRollups adds to the buckets, in the order of their keys.
func saveRollups(sums map[rentroll.RollupKey]rentroll.RollupSum, requests []*Request) []*Request {
	if len(sums) == 0 {
		return requests
	}
	hours := make(map[rentroll.RollupKey]hourSum, len(sums))
	for k, sum := range sums {
		var i int
		k.Bucket, i = quarterOf(k.Bucket)
		h := hours[k]
		h.total[i] += sum.Total
		h.events[i] += sum.Events
		hours[k] = h
	}
	keys := sortedKeys(hours)
	return append(requests, &Request{Stmt: addRollup, Rows: len(keys), Bind: func(i int, a Args) {
		h := hours[keys[i]]
		whole := h.whole()
		bindRollupKey(a, keys[i])
		a.Int(whole.Total)
		a.Int(whole.Events)
		for q := 1; q < len(h.total); q++ {
			a.Int(h.total[q])
			a.Int(h.events[q])
		}
	}})
}

// savePeaks raises the buckets' largest amounts.
func savePeaks(peaks map[rentroll.RollupKey]int64, requests []*Request) []*Request {
	if len(peaks) == 0 {
		return requests
	}
	keys := sortedKeys(peaks)
	return append(requests, &Request{Stmt: addPeak, Rows: len(keys), Bind: func(i int, a Args) {
		bindRollupKey(a, keys[i])
		a.Int(peaks[keys[i]])
	}})
}

// sinkPeaks removes largest amounts.
func sinkPeaks(keys []rentroll.RollupKey, requests []*Request) []*Request {
	if len(keys) == 0 {
		return requests
	}
	return append(requests, &Request{Stmt: removePeak, Rows: len(keys), Bind: func(i int, a Args) { bindRollupKey(a, keys[i]) }})
}

func bindRollupKey(a Args, k rentroll.RollupKey) {
	a.ID(k.TenantID)
	a.Text(k.Dimension)
	a.Int(k.Bucket.UnixMicro())
	a.Text(k.Meter)
	a.Text(k.Value)
}

func sortedKeys[V any](of map[rentroll.RollupKey]V) []rentroll.RollupKey {
	keys := make([]rentroll.RollupKey, 0, len(of))
	for k := range of {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b rentroll.RollupKey) int {
		return cmp.Or(a.TenantID.Compare(b.TenantID), strings.Compare(a.Dimension, b.Dimension), a.Bucket.Compare(b.Bucket),
			strings.Compare(a.Meter, b.Meter), strings.Compare(a.Value, b.Value))
	})
	return keys
}

// span is a range of whole quarters, as rows of hours see it: whole hours, and parts of the hours at its ends.
type span struct {
	from, to time.Time // whole hours
	parts    []part
}

// part is some of an hour's quarters, from low on and before high.
type part struct {
	hour      time.Time
	low, high int
}

func spanOf(from, to time.Time) (s span) {
	s.from, s.to = from.Truncate(hour), to.Truncate(hour)
	if !from.Before(to) {
		s.to = s.from
		return s
	}
	first, last := int(from.Sub(s.from)/quarter), int(to.Sub(s.to)/quarter)
	if s.from.Equal(s.to) {
		s.parts = []part{{s.from, first, last}}
		return s
	}
	if first > 0 {
		s.parts = append(s.parts, part{s.from, first, 4})
		s.from = s.from.Add(hour)
	}
	if last > 0 {
		s.parts = append(s.parts, part{s.to, 0, last})
	}
	return s
}

// scanPart adds up the quarters of a row that belong to a part.
func (p part) scan(row Row) (s rentroll.RollupSum) {
	for i := range 4 {
		total, events := row.Int(), row.Int()
		if i >= p.low && i < p.high {
			s.Total, s.Events = saturating(s.Total, total), s.Events+events
		}
	}
	return s
}

// SumRollups adds up the buckets that begin in [from, to).
func (r *reader) SumRollups(ctx context.Context, tenant rentroll.TenantID, from, to time.Time) ([]rentroll.MeterSum, error) {
	sums := make(map[string]rentroll.RollupSum)
	add := func(meter string, s rentroll.RollupSum) {
		if s == (rentroll.RollupSum{}) {
			return
		}
		was := sums[meter]
		sums[meter] = rentroll.RollupSum{Total: saturating(was.Total, s.Total), Events: was.Events + s.Events}
	}
	s := spanOf(from, to)
	requests := []*Request{{
		Stmt: sumRollups, Rows: 1, Bind: bindRange(tenant, "", s.from, s.to),
		Scan: func(row Row) error {
			meter, total := row.Text(), scanHalves(row)
			add(meter, rentroll.RollupSum{Total: total, Events: row.Int()})
			return nil
		},
	}}
	for _, p := range s.parts {
		requests = append(requests, &Request{
			Stmt: hourParts, Rows: 1,
			Bind: func(_ int, a Args) {
				a.ID(tenant)
				a.Text("")
				a.Int(p.hour.UnixMicro())
			},
			Scan: func(row Row) error {
				meter := row.Text()
				row.Text()
				add(meter, p.scan(row))
				return nil
			},
		})
	}
	err := r.session.Run(ctx, requests...)
	out := make([]rentroll.MeterSum, 0, len(sums))
	for meter, sum := range sums {
		out = append(out, rentroll.MeterSum{Meter: meter, RollupSum: sum})
	}
	return out, err
}

func bindRange(tenant rentroll.TenantID, dimension string, from, to time.Time) func(int, Args) {
	return func(_ int, a Args) {
		a.ID(tenant)
		a.Text(dimension)
		a.Int(from.UnixMicro())
		a.Int(to.UnixMicro())
	}
}

// SumPeaks finds the largest amounts of the buckets that begin in [from, to).
func (r *reader) SumPeaks(ctx context.Context, tenant rentroll.TenantID, from, to time.Time) (out []rentroll.MeterSum, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: sumPeaks, Rows: 1, Bind: bindRange(tenant, "", from, to),
		Scan: func(row Row) error {
			out = append(out, rentroll.MeterSum{Meter: row.Text(), Peak: row.Int()})
			return nil
		},
	})
	return out, err
}

// SumUsage adds up the events whose time is in [from, to).
func (r *reader) SumUsage(ctx context.Context, tenant rentroll.TenantID, from, to time.Time) (out []rentroll.MeterSum, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: sumEvents, Rows: 1,
		Bind: func(_ int, a Args) {
			a.ID(tenant)
			a.Int(from.UnixMicro())
			a.Int(to.UnixMicro())
		},
		Scan: func(row Row) error {
			s := rentroll.MeterSum{Meter: row.Text()}
			s.Total, s.Events, s.Peak = scanHalves(row), row.Int(), row.Int()
			out = append(out, s)
			return nil
		},
	})
	return out, err
}

// GroupRollups adds up, for each range, the buckets of one meter by the values of a dimension.
func (r *reader) GroupRollups(ctx context.Context, f rentroll.GroupFilter) (out []rentroll.GroupSum, err error) {
	if hourly(f.Ranges) {
		return r.groupHours(ctx, f)
	}
	var requests []*Request
	spans := make([]span, len(f.Ranges))
	for i, p := range f.Ranges {
		spans[i] = spanOf(p.Start, p.End)
	}
	requests = append(requests, &Request{
		Stmt: groupRollups, Rows: len(spans),
		Bind: func(i int, a Args) {
			bindRange(f.TenantID, f.Dimension, spans[i].from, spans[i].to)(i, a)
			a.Text(f.Meter)
			a.Int(int64(i))
		},
		Scan: func(row Row) error {
			s := rentroll.GroupSum{Range: int(row.Int()), Value: row.Text()}
			s.Total, s.Events = scanHalves(row), row.Int()
			out = append(out, s)
			return nil
		},
	})
	for i, s := range spans {
		for _, p := range s.parts {
			requests = append(requests, &Request{
				Stmt: groupParts, Rows: 1,
				Bind: func(_ int, a Args) {
					a.ID(f.TenantID)
					a.Text(f.Dimension)
					a.Int(p.hour.UnixMicro())
					a.Text(f.Meter)
					a.Int(int64(i))
				},
				Scan: func(row Row) error {
					s := rentroll.GroupSum{Range: int(row.Int()), Value: row.Text()}
					s.RollupSum = p.scan(row)
					if s.RollupSum != (rentroll.RollupSum{}) {
						out = append(out, s)
					}
					return nil
				},
			})
		}
	}
	return out, r.session.Run(ctx, requests...)
}

// hourly reports whether ranges are one hour after the other.
func hourly(ranges []quota.Period) bool {
	for i, p := range ranges {
		if !p.Start.Equal(p.Start.Truncate(hour)) || p.End.Sub(p.Start) != hour || i > 0 && !p.Start.Equal(ranges[i-1].End) {
			return false
		}
	}
	return len(ranges) > 0
}

// groupHours reads hours one after the other, by one statement.
func (r *reader) groupHours(ctx context.Context, f rentroll.GroupFilter) (out []rentroll.GroupSum, err error) {
	first := f.Ranges[0].Start
	err = r.session.Run(ctx, &Request{
		Stmt: groupHours, Rows: 1,
		Bind: func(i int, a Args) {
			bindRange(f.TenantID, f.Dimension, first, f.Ranges[len(f.Ranges)-1].End)(i, a)
			a.Text(f.Meter)
		},
		Scan: func(row Row) error {
			at := time.UnixMicro(row.Int())
			s := rentroll.GroupSum{Range: int(at.Sub(first) / hour), Value: row.Text()}
			s.Total, s.Events = row.Int(), row.Int()
			out = append(out, s)
			return nil
		},
	})
	return out, err
}

// GroupPeaks finds, for each range, the largest amounts of one meter by the values of a dimension.
func (r *reader) GroupPeaks(ctx context.Context, f rentroll.GroupFilter) (out []rentroll.GroupSum, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: groupPeaks, Rows: len(f.Ranges),
		Bind: func(i int, a Args) {
			bindRange(f.TenantID, f.Dimension, f.Ranges[i].Start, f.Ranges[i].End)(i, a)
			a.Text(f.Meter)
			a.Int(int64(i))
		},
		Scan: func(row Row) error {
			out = append(out, rentroll.GroupSum{Range: int(row.Int()), Value: row.Text(), Peak: row.Int()})
			return nil
		},
	})
	return out, err
}

// GroupUsage adds up, for each range, the events of one meter by what they have in a dimension. Events that have no value
// in it are in no group, but in that of "" where the dimension is kept from metadata.
func (r *reader) GroupUsage(ctx context.Context, f rentroll.GroupFilter) (out []rentroll.GroupSum, err error) {
	kept, stmt := "", groupEvents
	switch name, is := strings.CutPrefix(f.Dimension, keptPrefix); {
	case is:
		kept, stmt = name, groupEventsByKept
	case f.Dimension == "worker":
		stmt = groupEventsByWorker
	case f.Dimension == "api_key":
		stmt = groupEventsByKey
	}
	err = r.session.Run(ctx, &Request{
		Stmt: stmt, Rows: len(f.Ranges),
		Bind: func(i int, a Args) {
			a.ID(f.TenantID)
			a.Int(f.Ranges[i].Start.UnixMicro())
			a.Int(f.Ranges[i].End.UnixMicro())
			a.Text(f.Meter)
			a.Int(int64(i))
		},
		Scan: func(row Row) error {
			s := rentroll.GroupSum{Range: int(row.Int())}
			has := !row.Null()
			switch {
			case f.Dimension == "api_key":
				s.Value = rentroll.KeyID(row.ID()).String()
			case kept != "":
				var dimensions map[string]string
				if err := scanValue(row, &dimensions); err != nil {
					return err
				}
				s.Value, has = dimensions[kept]
			default:
				s.Value = row.Text()
			}
			s.Total, s.Events, s.Peak = scanHalves(row), row.Int(), row.Int()
			if has {
				out = append(out, s)
			}
			return nil
		},
	})
	return out, err
}

// ListPeaks lists the largest amounts of the buckets of a dimension that begin in [from, to), by bucket, meter and value.
func (r *reader) ListPeaks(ctx context.Context, tenant rentroll.TenantID, dimension string, from, to time.Time) (out []rentroll.Rollup, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: listPeaks, Rows: 1, Bind: bindRange(tenant, dimension, from, to),
		Scan: func(row Row) error {
			k := rentroll.RollupKey{TenantID: tenant, Dimension: dimension, Bucket: scanTime(row), Meter: row.Text(), Value: row.Text()}
			out = append(out, rentroll.Rollup{RollupKey: k, Peak: row.Int()})
			return nil
		},
	})
	return out, err
}
