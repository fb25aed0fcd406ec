package console

import (
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

// tenantCharts draws the meters whose limits people pay for.
func (v *visit) tenantCharts(p *tenantPage) ([]chart, error) {
	zone, err := quota.LoadZone(p.Tenant.Timezone)
	if err != nil {
		zone = time.UTC
	}
	tokens := chart{ID: "tokens", Title: "Tokens by day", Unit: "tokens", LineName: "limit of the month, spread evenly"}
	runs := chart{ID: "runs", Title: "Completed runs by day", Unit: "runs", LineName: "runs that may start in a day"}
	runs.Line = p.Tenant.Limits[quota.RunsPerDay]
	if monthly := p.Tenant.Limits[quota.TokensPerMonth]; monthly != nil {
		tokens.Line = new(*monthly / chartDays)
	}
	today := quota.DayOf(v.now, zone)
	for i := chartDays - 1; i >= 0; i-- {
		day := quota.DayOf(today.Start.In(zone).AddDate(0, 0, -i).Add(time.Hour), zone)
		sum, err := v.engine.GetUsageSummary(v, rentroll.UsageSummaryParams{TenantID: p.Tenant.ID, Start: day.Start, End: earlier(day.End, v.now)})
		if err != nil {
			return nil, err
		}
		at := day.Start.In(zone)
		tokens.add(at, sum.Meters[rentroll.MeterTokensUsed].Total)
		runs.add(at, sum.Meters[rentroll.MeterWorkerRuns].Total)
	}
	return []chart{tokens, runs}, nil
}

func (c *chart) add(day time.Time, total int64) {
	c.Days = append(c.Days, chartDay{day, total})
	c.Total += total
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
