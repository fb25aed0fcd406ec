package main

import (
	"cmp"
	"context"
	"strings"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
)

type meterCmd struct {
	Remote

	List meterList `cmd:"" help:"List the meters of a tenant, or those that are defined for all."`
	Put  meterPut  `cmd:"" help:"Set what a meter is, for a tenant or for all."`
}

func meterColumns() []column[*rentroll.MeterDefinition] {
	return []column[*rentroll.MeterDefinition]{
		{"meter", false, func(m *rentroll.MeterDefinition) string { return m.Meter }},
		{"name", false, func(m *rentroll.MeterDefinition) string { return plain(m.DisplayName) }},
		{"unit", false, func(m *rentroll.MeterDefinition) string { return plain(m.Unit) }},
		{"aggregation", false, func(m *rentroll.MeterDefinition) string { return string(m.Aggregation) }},
		{"price", true, func(m *rentroll.MeterDefinition) string { return price(m.PriceMicros, m.PricePer) }},
		{"dimensions", false, func(m *rentroll.MeterDefinition) string { return strings.Join(m.Dimensions, ", ") }},
	}
}

// price is a price in a table, in the currency's unit.
func price(micros *int64, per int64) string {
	switch {
	case micros == nil:
		return ""
	case per > 1:
		return money(micros) + " / " + number(per)
	default:
		return money(micros)
	}
}

type meterList struct {
	Tenant string `arg:"" optional:"" help:"The tenant, by id or slug. Without one: what is defined for all."`
}

// Run lists meters.
func (c *meterList) Run(ctx context.Context, s *session) error {
	if c.Tenant == "" {
		return list(s, noPaging, everything(s.api.ListPlatformMeters(ctx)), meterColumns())
	}
	return list(s, noPaging, everything(s.api.ListMeters(ctx, c.Tenant)), meterColumns())
}

type meterPut struct {
	Meter       string   `arg:"" help:"Its name, such as emails_sent."`
	Tenant      string   `placeholder:"TENANT" help:"Set it for this tenant only. Default: for all."`
	Unit        string   `placeholder:"UNIT" help:"Its unit, such as pages."`
	Aggregation string   `placeholder:"HOW" help:"What events come to: sum, count or max."`
	DisplayName string   `name:"display-name" placeholder:"NAME" help:"Its name for people."`
	PriceMicros *int64   `name:"price-micros" placeholder:"N" help:"Millionths of the currency unit for --price-per units."`
	PricePer    int64    `name:"price-per" placeholder:"UNITS" help:"For how many units the price is. Default: 1."`
	Dimensions  []string `placeholder:"NAME" help:"Members of metadata to keep, up to 3."`
}

// Run sets the meter.
func (c *meterPut) Run(ctx context.Context, s *session) error {
	p := client.MeterParams{
		Unit: c.Unit, Aggregation: rentroll.Aggregation(c.Aggregation), DisplayName: c.DisplayName, PriceMicros: c.PriceMicros,
		PricePer: c.PricePer, Dimensions: c.Dimensions,
	}
	put := func() (*rentroll.MeterDefinition, error) {
		if c.Tenant == "" {
			return s.api.PutPlatformMeter(ctx, c.Meter, p)
		}
		return s.api.PutMeter(ctx, c.Tenant, c.Meter, p)
	}
	m, err := put()
	return s.print(err, func() error { return printTable(s, []*rentroll.MeterDefinition{m}, meterColumns()) })
}

type usageSeries struct {
	ofTenant

	Meter    string  `arg:"" help:"The meter."`
	Start    instant `placeholder:"TIME" help:"From then on. Default: the beginning of the present billing month."`
	End      instant `placeholder:"TIME" help:"Until then. Default: now."`
	Bucket   string  `enum:"hour,day,month" default:"day" help:"The width of a point: hour, day or month."`
	Timezone string  `placeholder:"ZONE" help:"Whose days and months. Default: the tenant's zone and billing months."`
	GroupBy  string  `name:"group-by" placeholder:"WHAT" help:"worker, key or a dimension that the meter keeps."`
	Groups   int     `default:"5" help:"How many groups to tell apart; the rest is one."`
}

// Run adds up.
func (c *usageSeries) Run(ctx context.Context, s *session) error {
	out, err := s.api.GetUsageSeries(ctx, c.Tenant, client.UsageSeriesParams{
		Meter: c.Meter, Start: c.Start.Time, End: c.End.Time, Bucket: rentroll.SeriesBucket(c.Bucket), Timezone: c.Timezone, GroupBy: c.GroupBy,
		Groups: c.Groups,
	})
	return s.print(err, func() error {
		points := make([]int, len(out.Points))
		for i := range points {
			points[i] = i
		}
		columns := []column[int]{
			{"from", false, func(i int) string { return s.when(out.Points[i].Start) }},
			{cmp.Or(out.Unit, "total"), true, func(i int) string { return number(out.Points[i].Total) }},
			{"events", true, func(i int) string { return number(out.Points[i].Count) }},
		}
		for _, g := range out.Groups {
			name := map[rentroll.SeriesGroupKind]string{rentroll.GroupOther: "(others)", rentroll.GroupNone: "(none)"}[g.Kind]
			columns = append(columns, column[int]{cmp.Or(name, plain(g.Value)), true, func(i int) string { return number(g.Totals[i]) }})
		}
		return printTable(s, points, columns)
	})
}
