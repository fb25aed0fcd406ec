package simtest_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rentroll/rentroll"
)

// The instants at which sums may come apart, a microsecond before and behind them: quarters and whole hours, days and
// months of zones far from Greenwich and between the hours.
var partitionZones = []string{"UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe"}

// TestSumsOfPartitions: however a range of time is cut into windows that follow each other, the sums over the windows come
// to the sum over the range, in summaries and in series, in total and by group.
func TestSumsOfPartitions(t *testing.T) {
	onEveryStore(t, func(t *testing.T, r *rig) {
		t.Helper()
		acme := r.tenant("acme", nil)
		begin := noon.Add(-30 * 24 * time.Hour)
		times := recordPages(t, r, acme, begin)
		rapid.Check(t, func(rt *rapid.T) {
			instant := rapid.Custom(func(rt *rapid.T) time.Time {
				if rapid.Bool().Draw(rt, "at an event") {
					return rapid.SampledFrom(times).Draw(rt, "event").Add(time.Duration(rapid.IntRange(-1, 1).Draw(rt, "off")) * time.Microsecond)
				}
				at := begin.Add(time.Duration(rapid.IntRange(0, 30*96).Draw(rt, "quarter")) * 15 * time.Minute)
				return at.Add(time.Duration(rapid.IntRange(-1, 1).Draw(rt, "off")) * time.Microsecond)
			})
			cuts := rapid.SliceOfNDistinct(instant, 2, 12, time.Time.UnixMicro).Draw(rt, "cuts")
			slices.SortFunc(cuts, time.Time.Compare)
			whole := r.window(rt, acme, cuts[0], cuts[len(cuts)-1])
			var parts rentroll.MeterTotal
			for i := range cuts[1:] {
				part := r.window(rt, acme, cuts[i], cuts[i+1])
				parts.Total += part.Total
				parts.Count += part.Count
			}
			if parts.Total != whole.Total || parts.Count != whole.Count {
				rt.Fatalf("%d events of %d in all, and %d of %d in the windows", whole.Count, whole.Total, parts.Count, parts.Total)
			}
			r.seriesSums(rt, acme, cuts[0], cuts[len(cuts)-1], whole)
		})
	})
}

// recordPages records events of a month, some of them in pairs a microsecond apart, and returns their times.
func recordPages(t *testing.T, r *rig, tenant rentroll.TenantID, begin time.Time) (times []time.Time) {
	t.Helper()
	if _, err := r.PutMeter(t.Context(), rentroll.PutMeterParams{TenantID: tenant, Meter: "pages", Dimensions: []string{"model"}}); err != nil {
		t.Fatal(err)
	}
	const seed = 17
	rng := rand.New(rand.NewPCG(seed, 0))
	var events []rentroll.UsageParams
	for range 400 {
		at := begin.Add(time.Duration(rng.Int64N(int64(noon.Sub(begin)/time.Microsecond))) * time.Microsecond)
		if rng.IntN(2) == 0 {
			at = at.Truncate(15 * time.Minute) // on the edge, or a microsecond beside it
		}
		for _, off := range []time.Duration{0, -time.Microsecond} {
			e := rentroll.UsageParams{Meter: "pages", Amount: rng.Int64N(1000), Time: at.Add(off)}
			if rng.IntN(3) > 0 {
				e.WorkerID = []string{"alpha", "beta"}[rng.IntN(2)]
			}
			if rng.IntN(3) > 0 {
				e.Metadata = []byte([]string{`{"model":"xl"}`, `{"model":"m"}`}[rng.IntN(2)])
			}
			if !e.Time.Before(begin) {
				events, times = append(events, e), append(times, e.Time)
			}
		}
	}
	for part := range slices.Chunk(events, 200) {
		receipt, err := r.RecordUsageBatch(t.Context(), rentroll.RecordUsageBatchParams{TenantID: tenant, Events: part})
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range receipt.Items {
			if item.Status != rentroll.UsageRecorded {
				t.Fatalf("not recorded: %+v", item)
			}
		}
	}
	return times
}

// window sums up a window.
func (r *rig) window(rt *rapid.T, tenant rentroll.TenantID, start, end time.Time) rentroll.MeterTotal {
	out, err := r.GetUsageSummary(r.t.Context(), rentroll.UsageSummaryParams{TenantID: tenant, Start: start, End: end})
	if err != nil {
		rt.Fatal(err)
	}
	return out.Meters["pages"]
}

// seriesSums: the points of a series, and those of its groups, come to the sum over the range.
func (r *rig) seriesSums(rt *rapid.T, tenant rentroll.TenantID, start, end time.Time, whole rentroll.MeterTotal) {
	p := rentroll.UsageSeriesParams{
		TenantID: tenant, Meter: "pages", Start: start, End: end,
		Bucket:   rapid.SampledFrom([]rentroll.SeriesBucket{rentroll.BucketHour, rentroll.BucketDay, rentroll.BucketMonth}).Draw(rt, "bucket"),
		Timezone: rapid.SampledFrom(partitionZones).Draw(rt, "zone"),
		GroupBy:  rapid.SampledFrom([]string{"", rentroll.GroupByWorker, "model"}).Draw(rt, "group by"),
	}
	if p.Bucket == rentroll.BucketHour && end.Sub(start) > 10*24*time.Hour {
		p.Bucket = rentroll.BucketDay
	}
	series, err := r.GetUsageSeries(r.t.Context(), p)
	if err != nil {
		rt.Fatal(err)
	}
	at, points, groups := start, rentroll.MeterTotal{}, rentroll.MeterTotal{}
	for _, point := range series.Points {
		if !point.Start.Equal(at) {
			rt.Fatalf("a point begins at %s, and the one before it ends at %s", point.Start, at)
		}
		at = point.End
		points.Total += point.Total
		points.Count += point.Count
	}
	for _, group := range series.Groups {
		for i := range group.Totals {
			groups.Total += group.Totals[i]
			groups.Count += group.Counts[i]
		}
	}
	if !at.Equal(end) || points.Total != whole.Total || points.Count != whole.Count {
		rt.Fatalf("the points end at %s with %d events of %d; in all there are %d of %d", at, points.Count, points.Total, whole.Count, whole.Total)
	}
	if p.GroupBy != "" && groups != points {
		rt.Fatalf("%d events of %d in the groups, and %d of %d in all", groups.Count, groups.Total, points.Count, points.Total)
	}
}
