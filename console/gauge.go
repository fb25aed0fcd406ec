package console

import (
	"fmt"
	"strings"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// gauge is a bar that shows how much of a limit is taken.
type gauge struct {
	rentroll.QuotaUse

	Level         string // "ok", "near" from 80 %, "full" at the limit, "open" without one
	UsedShare     float64
	ReservedShare float64
	Percent       int64
	Label         string // for who does not see it
}

// near is from how many percent of a limit on a tenant is near to it.
const near = 80

var quotaNames = map[quota.Name]string{
	quota.Workers: "Workers", quota.RunsPerDay: "Runs today", quota.ConcurrentRuns: "Runs at once",
	quota.TokensPerMonth: "Tokens this month", quota.APIKeys: "API keys", quota.SpendPerMonth: "Spend this month",
	quota.RequestsPerMinute: "Requests per minute",
}

// quotaName is what people call a quota.
func quotaName(n quota.Name) string {
	if name, ok := quotaNames[n]; ok {
		return name
	}
	on, isMeter := strings.CutPrefix(string(n), "meter:")
	if !isMeter {
		return string(n)
	}
	name := words(on)
	for program, people := range map[string]string{" per day": " today", " per month": " this month"} {
		if before, ok := strings.CutSuffix(name, program); ok {
			return sentenceCase(before) + people
		}
	}
	return sentenceCase(name)
}

func sentenceCase(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func newGauge(q rentroll.QuotaUse) gauge {
	g := gauge{QuotaUse: q, Level: "open"}
	if q.Limit == nil {
		g.Label = fmt.Sprintf("%s: %s, no limit", quotaName(q.Quota), amount(q.Quota, q.Used+q.Reserved))
		return g
	}
	taken, limit := float64(q.Used+q.Reserved), float64(*q.Limit)
	g.Level, g.Percent = "full", 100
	if limit > 0 {
		g.Percent = int64(taken / limit * 100)
		g.UsedShare = round(min(float64(q.Used)/limit*100, 100))
		g.ReservedShare = round(min(float64(q.Reserved)/limit*100, 100-g.UsedShare))
		switch {
		case taken >= limit:
		case g.Percent >= near:
			g.Level = "near"
		default:
			g.Level = "ok"
		}
	}
	g.Label = fmt.Sprintf("%s: %s of %s, %d percent", quotaName(q.Quota), amount(q.Quota, q.Used+q.Reserved), amount(q.Quota, *q.Limit), g.Percent)
	return g
}

// round keeps drawings short.
func round(f float64) float64 { return float64(int64(f*100)) / 100 }

// Name is what people call the quota.
func (g gauge) Name() string { return quotaName(g.Quota) }

// Text writes a number of the quota's.
func (g gauge) Text(n int64) string { return amount(g.Quota, n) }

// amount writes a number of a quota: what is spent is money, in millionths.
func amount(name any, n int64) string {
	if fmt.Sprint(name) == string(quota.SpendPerMonth) {
		return money(&n)
	}
	return grouped(n)
}

// Taken is what counts against the limit.
func (g gauge) Taken() int64 { return g.Used + g.Reserved }

// standingRow is a tenant in a table, with the gauges that fit into it.
type standingRow struct {
	*rentroll.Standing

	Gauge *gauge // of the quota that is nearest to its limit; nil where nothing is limited
	Of    map[string]gauge
}

func standingRows(list []*rentroll.Standing) []standingRow {
	rows := make([]standingRow, 0, len(list))
	for _, s := range list {
		row := standingRow{Standing: s, Of: map[string]gauge{}}
		for _, q := range s.Quotas {
			g := newGauge(q)
			row.Of[string(q.Quota)] = g
			if string(q.Quota) == string(s.Nearest) {
				row.Gauge = &g
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// LimitValue is the limit; 0 where there is none.
func (g gauge) LimitValue() int64 {
	if g.Limit == nil {
		return 0
	}
	return *g.Limit
}
