package sqlstore

import (
	"context"
	"time"

	"github.com/rentroll/rentroll"
)

var meters = prepare(table[rentroll.MeterRef, rentroll.Meter]{
	name: "meters",
	columns: columns("tenant_id:id name:text unit:text aggregation:text fixed display_name:text price_micros price_per dimensions:text" +
		" counted day_used day_ahead day_start day_end day_mark month_used month_ahead month_start month_end month_mark heavy heavy_month"),
	keys: 2,
	bindKey: func(a Args, k rentroll.MeterRef) {
		a.ID(k.TenantID)
		a.Text(k.Name)
	},
	bind: func(a Args, r *rentroll.Meter) {
		a.ID(r.TenantID)
		a.Text(r.Name)
		a.Text(r.Unit)
		a.Text(string(r.Aggregation))
		bindBool(a, r.Fixed)
		bindNullText(a, r.DisplayName)
		bindNullInt(a, r.PriceMicros)
		a.Int(r.PricePer)
		bindNullList(a, r.Dimensions)
		bindBool(a, r.Use.Counted)
		bindTally(a, r.Use.Day)
		a.Int(int64(r.Use.DayMark))
		bindTally(a, r.Use.Month)
		a.Int(int64(r.Use.MonthMark))
		a.Int(r.Heavy)
		bindTime(a, r.HeavyMonth)
	},
	scan: func(row Row) (rentroll.MeterRef, *rentroll.Meter, error) {
		r := &rentroll.Meter{
			TenantID: row.ID(), Name: row.Text(), Unit: row.Text(), Aggregation: rentroll.Aggregation(row.Text()), Fixed: scanBool(row),
			DisplayName: rentroll.NullString(row.Text()), PriceMicros: scanNullInt(row), PricePer: row.Int(),
		}
		err := scanValue(row, &r.Dimensions)
		r.Use.Counted = scanBool(row)
		r.Use.Day = scanTally(row)
		r.Use.DayMark = uint16(row.Int())
		r.Use.Month = scanTally(row)
		r.Use.MonthMark = uint16(row.Int())
		r.Heavy, r.HeavyMonth = row.Int(), scanTime(row)
		return rentroll.MeterRef{TenantID: r.TenantID, Name: r.Name}, r, err
	},
})

func bindTally(a Args, t rentroll.Tally) {
	a.Int(t.Used)
	a.Int(t.Ahead)
	bindTime(a, t.Start)
	bindTime(a, t.End)
}

func scanTally(row Row) rentroll.Tally {
	return rentroll.Tally{Used: row.Int(), Ahead: row.Int(), Start: scanTime(row), End: scanTime(row)}
}

var prices = prepare(table[rentroll.PriceRef, rentroll.MeterPrice]{
	name:    "meter_prices",
	columns: columns("tenant_id:id meter:text from_at price_micros price_per"),
	keys:    3,
	bindKey: func(a Args, k rentroll.PriceRef) {
		a.ID(k.TenantID)
		a.Text(k.Meter)
		bindTime(a, k.From)
	},
	bind: func(a Args, r *rentroll.MeterPrice) {
		a.ID(r.TenantID)
		a.Text(r.Meter)
		bindTime(a, r.From)
		bindNullInt(a, r.PriceMicros)
		a.Int(r.PricePer)
	},
	scan: func(row Row) (rentroll.PriceRef, *rentroll.MeterPrice, error) {
		r := &rentroll.MeterPrice{TenantID: row.ID(), Meter: row.Text(), From: scanTime(row), PriceMicros: scanNullInt(row), PricePer: row.Int()}
		return rentroll.PriceRef{TenantID: r.TenantID, Meter: r.Meter, From: r.From}, r, nil
	},
})

var values = prepare(table[rentroll.ValueRef, rentroll.KeptValue]{
	name:    "usage_values",
	columns: columns("tenant_id:id meter:text dimension:text month value:text known"),
	keys:    5,
	bindKey: func(a Args, k rentroll.ValueRef) {
		a.ID(k.TenantID)
		a.Text(k.Meter)
		a.Text(k.Dimension)
		bindTime(a, k.Month)
		a.Text(k.Value)
	},
	bind: func(a Args, r *rentroll.KeptValue) {
		a.ID(r.TenantID)
		a.Text(r.Meter)
		a.Text(r.Dimension)
		bindTime(a, r.Month)
		a.Text(r.Value)
		a.Int(r.Known)
	},
	scan: func(row Row) (rentroll.ValueRef, *rentroll.KeptValue, error) {
		r := &rentroll.KeptValue{ValueRef: rentroll.ValueRef{
			TenantID: row.ID(), Meter: row.Text(), Dimension: row.Text(), Month: scanTime(row), Value: row.Text(),
		}}
		r.Known = row.Int()
		return r.ValueRef, r, nil
	},
})

var (
	listMeters = meters.query("WHERE tenant_id = $1 ORDER BY name")
	listPrices = prices.query("WHERE tenant_id = $1 AND from_at < $2 ORDER BY meter, from_at")
)

// ListMeters lists the meters of a tenant, by name.
func (r *reader) ListMeters(ctx context.Context, tenant rentroll.TenantID) (out []*rentroll.Meter, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: listMeters, Rows: 1, Bind: func(_ int, a Args) { a.ID(tenant) },
		Scan: meters.found(func(_ rentroll.MeterRef, m *rentroll.Meter) { out = append(out, m) }),
	})
	return out, err
}

// ListPrices lists the prices that were set before an instant, by meter and time.
func (r *reader) ListPrices(ctx context.Context, tenant rentroll.TenantID, before time.Time) (out []*rentroll.MeterPrice, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: listPrices, Rows: 1,
		Bind: func(_ int, a Args) {
			a.ID(tenant)
			bindTime(a, before)
		},
		Scan: prices.found(func(_ rentroll.PriceRef, p *rentroll.MeterPrice) { out = append(out, p) }),
	})
	return out, err
}

// askMeterSums answers what the rollups of meters come to: whole hours by one statement for all, and the parts of hours.
func askMeterSums(b *rentroll.Batch, requests []*Request) []*Request {
	var refs []rentroll.MeterSumRef
	var totals []*int64
	for ref, answer := range b.MeterSums {
		if answer == nil {
			refs, totals = append(refs, ref), append(totals, new(int64))
		}
	}
	if len(refs) == 0 {
		return requests
	}
	spans := make([]span, len(refs))
	for i, ref := range refs {
		b.MeterSums[ref] = totals[i]
		spans[i] = spanOf(ref.From, ref.To)
	}
	requests = append(requests, &Request{
		Stmt: groupRollups, Rows: len(refs),
		Bind: func(i int, a Args) {
			bindRange(refs[i].TenantID, "", spans[i].from, spans[i].to)(i, a)
			a.Text(refs[i].Meter)
			a.Int(int64(i))
		},
		Scan: func(row Row) error {
			i := row.Int()
			row.Text()
			*totals[i] = saturating(*totals[i], scanHalves(row))
			row.Int()
			return nil
		},
	})
	for i, s := range spans {
		for _, p := range s.parts {
			requests = append(requests, &Request{
				Stmt: groupParts, Rows: 1,
				Bind: func(_ int, a Args) {
					a.ID(refs[i].TenantID)
					a.Text("")
					a.Int(p.hour.UnixMicro())
					a.Text(refs[i].Meter)
					a.Int(int64(i))
				},
				Scan: func(row Row) error {
					row.Int()
					row.Text()
					*totals[i] = saturating(*totals[i], p.scan(row).Total)
					return nil
				},
			})
		}
	}
	return requests
}
