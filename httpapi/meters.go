package httpapi

import (
	"time"

	"github.com/rentroll/rentroll"
)

func listMeters(c *call, _ *ofTenant, _ *none) (*rentroll.List[*rentroll.MeterDefinition], error) {
	meters, err := c.engine.ListMeters(c, c.tenant)
	if err != nil {
		return nil, err
	}
	return list(meters), nil
}

type ofMeter struct {
	Tenant string `path:"tenant"`
	Meter  string `path:"meter"`
}

func (p ofMeter) tenantRef() string { return p.Tenant }

func getMeter(c *call, p *ofMeter, _ *none) (*rentroll.MeterDefinition, error) {
	return c.engine.GetMeter(c, c.tenant, p.Meter)
}

type putMeterBody struct {
	Unit        *string              `json:"unit,omitempty" minLength:"1" maxLength:"50" example:"pages" doc:"Absent: inherited, or fixed by the first event"`
	Aggregation rentroll.Aggregation `json:"aggregation,omitempty" doc:"Absent: inherited, or sum. count takes events of amount 1 only; max takes no corrections. Fixed by the first event"`
	DisplayName *string              `json:"display_name,omitempty" minLength:"1" maxLength:"255" example:"Pages read"`
	PriceMicros *int64               `json:"price_micros,omitempty" minimum:"0" maximum:"1000000000000" doc:"Millionths of the currency unit for price_per units. Absent: inherited, or no price"`
	PricePer    *int64               `json:"price_per,omitempty" minimum:"1" maximum:"1000000000" doc:"Default 1"`
	Dimensions  []string             `json:"dimensions,omitempty" maxItems:"3" doc:"Up to 3 members of the events' metadata. Empty: none; absent: inherited"`
}

func (b *putMeterBody) params(tenant rentroll.TenantID, meter string) (rentroll.PutMeterParams, error) {
	var bad fieldErrors
	p := rentroll.PutMeterParams{
		TenantID: tenant, Meter: meter, Unit: bad.word("unit", b.Unit), Aggregation: b.Aggregation,
		DisplayName: bad.word("display_name", b.DisplayName), PriceMicros: b.PriceMicros, Dimensions: b.Dimensions,
	}
	if b.PricePer != nil {
		p.PricePer = *b.PricePer
		if p.PricePer < 1 {
			bad.add("price_per", "must be between 1 and 1000000000")
		}
	}
	return p, invalid(bad...)
}

func putMeter(c *call, p *ofMeter, b *putMeterBody) (*rentroll.MeterDefinition, error) {
	params, err := b.params(c.tenant, p.Meter)
	if err != nil {
		return nil, err
	}
	return c.engine.PutMeter(c, params)
}

func listPlatformMeters(c *call, _, _ *none) (*rentroll.List[*rentroll.MeterDefinition], error) {
	meters, err := c.engine.ListPlatformMeters(c)
	if err != nil {
		return nil, err
	}
	return list(meters), nil
}

type ofPlatformMeter struct {
	Meter string `path:"meter"`
}

func putPlatformMeter(c *call, p *ofPlatformMeter, b *putMeterBody) (*rentroll.MeterDefinition, error) {
	params, err := b.params(rentroll.TenantID{}, p.Meter)
	if err != nil {
		return nil, err
	}
	return c.engine.PutMeter(c, params)
}

type usageSeriesParams struct {
	Tenant   string                `path:"tenant"`
	Meter    string                `query:"meter" required:"true" example:"documents"`
	Start    time.Time             `query:"start"`
	End      time.Time             `query:"end"`
	Bucket   rentroll.SeriesBucket `query:"bucket" default:"day"`
	Timezone string                `query:"timezone"`
	GroupBy  string                `query:"group_by"`
	Groups   int                   `query:"groups" minimum:"1" maximum:"100" default:"10"`
}

func (p usageSeriesParams) tenantRef() string { return p.Tenant }

func getUsageSeries(c *call, p *usageSeriesParams, _ *none) (*rentroll.UsageSeries, error) {
	if err := plausibleRange(c, p.Start, p.End); err != nil {
		return nil, err
	}
	return c.engine.GetUsageSeries(c, rentroll.UsageSeriesParams{
		TenantID: c.tenant, Meter: p.Meter, Start: p.Start, End: p.End, Bucket: p.Bucket, Timezone: p.Timezone, GroupBy: p.GroupBy,
		Groups: p.Groups,
	})
}
