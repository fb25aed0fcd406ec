package console

import (
	"slices"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// chart is a meter's use by day. The browser draws it, and the table beside it has the same numbers.
type chart struct {
	ID, Title, Unit string
	Days            []chartDay
	Line            *int64 // what the plan allows a day; nil for no limit
	LineName        string
	Total           int64
}

type chartDay struct {
	Day   time.Time
	Total int64
}

// Data is what the browser draws: days since 1970 in seconds, totals, and the line.
func (c *chart) Data() map[string]any {
	days, totals := make([]int64, len(c.Days)), make([]int64, len(c.Days))
	for i, d := range c.Days {
		// Where the viewer's calendar differs from the tenant's, the day is the tenant's.
		y, m, day := d.Day.Date()
		days[i], totals[i] = time.Date(y, m, day, 12, 0, 0, 0, time.UTC).Unix(), d.Total
	}
	return map[string]any{"days": days, "totals": totals, "line": c.Line, "lineName": c.LineName, "unit": c.Unit}
}

// chartDays is how many days a chart shows.
const chartDays = 30

// chartsMost is how many meters are drawn.
const chartsMost = 6

// tenantCharts draws meters by day, each with one question: those that every tenant has, then those of its own.
func (v *visit) tenantCharts(p *tenantPage) ([]chart, error) {
	zone, err := quota.LoadZone(p.Tenant.Timezone)
	if err != nil {
		zone = time.UTC
	}
	meters, err := v.engine.ListMeters(v, p.Tenant.ID)
	if err != nil {
		return nil, err
	}
	names := []string{rentroll.MeterTokensUsed, rentroll.MeterWorkerRuns}
	for _, m := range meters {
		if !slices.Contains(names, m.Meter) && len(names) < chartsMost {
			names = append(names, m.Meter)
		}
	}
	today := quota.DayOf(v.now, zone)
	start := quota.DayOf(today.Start.In(zone).AddDate(0, 0, 1-chartDays).Add(time.Hour), zone).Start
	charts := make([]chart, 0, len(names))
	for _, name := range names {
		series, err := v.engine.GetUsageSeries(v, rentroll.UsageSeriesParams{
			TenantID: p.Tenant.ID, Meter: name, Start: start, End: today.End, Bucket: rentroll.BucketDay,
		})
		if err != nil {
			return nil, err
		}
		c := newChart(p, series)
		for _, point := range series.Points {
			c.add(point.Start.In(zone), point.Total)
		}
		charts = append(charts, c)
	}
	return charts, nil
}

// newChart is an empty chart of a meter, with the line of the limit that it runs up to.
func newChart(p *tenantPage, s *rentroll.UsageSeries) chart {
	c := chart{ID: strings.ReplaceAll(s.Meter, ".", "-"), Title: sentenceCase(words(s.Meter)) + " by day", Unit: s.Unit}
	daily, monthly := quota.Name("meter:"+s.Meter+"_per_day"), quota.Name("meter:"+s.Meter+"_per_month")
	switch s.Meter {
	case rentroll.MeterTokensUsed:
		c.Title, monthly = "Tokens by day", quota.TokensPerMonth
	case rentroll.MeterWorkerRuns:
		c.Title, c.Unit, daily = "Completed runs by day", "runs", quota.RunsPerDay
	}
	for _, g := range p.Gauges {
		switch {
		case g.Limit == nil:
		case g.Quota == daily:
			c.Line, c.LineName = g.Limit, "limit of a day"
		case g.Quota == monthly && c.Line == nil:
			c.Line, c.LineName = new(*g.Limit/chartDays), "limit of the month, spread evenly"
		}
	}
	return c
}

func (c *chart) add(day time.Time, total int64) {
	c.Days = append(c.Days, chartDay{day, total})
	c.Total += total
}
