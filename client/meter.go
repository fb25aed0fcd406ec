package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rentroll/rentroll"
)

// MeterParams sets what a meter is. What is absent is inherited or, for all tenants, not set.
type MeterParams struct {
	Unit        string               `json:"unit,omitempty"`
	Aggregation rentroll.Aggregation `json:"aggregation,omitempty"`
	DisplayName string               `json:"display_name,omitempty"`
	PriceMicros *int64               `json:"price_micros,omitempty"` // for PricePer units
	PricePer    int64                `json:"price_per,omitempty"`    // 0 is 1
	Dimensions  []string             `json:"dimensions,omitzero"`    // empty is none, nil inherited
}

// ListMeters reads the meters of a tenant, by name.
func (c *Client) ListMeters(ctx context.Context, tenant string) ([]*rentroll.MeterDefinition, error) {
	meters, err := list[*rentroll.MeterDefinition](ctx, c, query{}, "v1", "tenants", tenant, "meters")
	if err != nil {
		return nil, err
	}
	return meters.Items, nil
}

// GetMeter reads what a meter of a tenant is.
func (c *Client) GetMeter(ctx context.Context, tenant, meter string) (*rentroll.MeterDefinition, error) {
	return send[rentroll.MeterDefinition](ctx, c, &request{method: http.MethodGet, path: []string{"v1", "tenants", tenant, "meters", meter}})
}

// PutMeter sets what a meter of a tenant is, whole. It needs an operator key.
func (c *Client) PutMeter(ctx context.Context, tenant, meter string, p MeterParams) (*rentroll.MeterDefinition, error) {
	return send[rentroll.MeterDefinition](ctx, c, &request{
		method: http.MethodPut, path: []string{"v1", "tenants", tenant, "meters", meter}, body: p, repeat: true,
	})
}

// ListPlatformMeters reads the meters that are defined for all tenants, by name. It needs an operator key.
func (c *Client) ListPlatformMeters(ctx context.Context) ([]*rentroll.MeterDefinition, error) {
	meters, err := list[*rentroll.MeterDefinition](ctx, c, query{}, "v1", "meters")
	if err != nil {
		return nil, err
	}
	return meters.Items, nil
}

// PutPlatformMeter sets what a meter is for all tenants, whole. It needs an operator key.
func (c *Client) PutPlatformMeter(ctx context.Context, meter string, p MeterParams) (*rentroll.MeterDefinition, error) {
	return send[rentroll.MeterDefinition](ctx, c, &request{method: http.MethodPut, path: []string{"v1", "meters", meter}, body: p, repeat: true})
}

// UsageSeriesParams asks for a meter over time. Zero times stand for the current billing month so far; see
// rentroll.UsageSeriesParams for the other defaults.
type UsageSeriesParams struct {
	Meter      string
	Start, End time.Time
	Bucket     rentroll.SeriesBucket
	Timezone   string
	GroupBy    string
	Groups     int
}

// GetUsageSeries adds up a meter of a tenant over time.
func (c *Client) GetUsageSeries(ctx context.Context, tenant string, p UsageSeriesParams) (*rentroll.UsageSeries, error) {
	q := query{}.set("meter", p.Meter).set("start", instant(p.Start)).set("end", instant(p.End)).set("bucket", string(p.Bucket)).
		set("timezone", p.Timezone).set("group_by", p.GroupBy)
	if p.Groups != 0 {
		q.set("groups", strconv.Itoa(p.Groups))
	}
	return send[rentroll.UsageSeries](ctx, c, &request{
		method: http.MethodGet, path: []string{"v1", "tenants", tenant, "usage", "series"}, query: url.Values(q),
	})
}
