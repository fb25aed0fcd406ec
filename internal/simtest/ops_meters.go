package simtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/model"
)

func putMeter(by model.Ref, p model.PutMeter) op {
	return op{
		"PutMeter", by, p,
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) { return w.PutMeter(by, now, p) },
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			d, err := e.PutMeter(ctx, rentroll.PutMeterParams{
				TenantID: s.tenant(p.Tenant), Meter: p.Meter, Unit: p.Unit, Aggregation: rentroll.Aggregation(p.Aggregation),
				DisplayName: p.Display, PriceMicros: p.Price, PricePer: p.Per, Dimensions: p.Dimensions,
			})
			if err != nil {
				return nil, err
			}
			return meterView(d), nil
		},
	}
}

func meterView(d *rentroll.MeterDefinition) *model.MeterInfo {
	return &model.MeterInfo{Meter: d.Meter, HasEvents: d.HasEvents, MeterDef: model.MeterDef{
		Unit: string(d.Unit), Aggregation: string(d.Aggregation), Display: string(d.DisplayName), Price: d.PriceMicros, Per: d.PricePer,
		Dimensions: d.Dimensions,
	}}
}

func meterViews(list []*rentroll.MeterDefinition) (out []*model.MeterInfo) {
	for _, d := range list {
		out = append(out, meterView(d))
	}
	return out
}

func series(by model.Ref, p model.Series) op {
	return op{
		"GetUsageSeries", by, p,
		func(w *model.World, now time.Time, _ model.Ref) (any, *model.Refusal) { return w.Series(by, now, p) },
		func(ctx context.Context, s *side, e *rentroll.Engine, _ model.Ref) (any, error) {
			out, err := e.GetUsageSeries(ctx, rentroll.UsageSeriesParams{
				TenantID: s.tenant(p.Tenant), Meter: p.Meter, Start: p.Start, End: p.End, Bucket: rentroll.SeriesBucket(p.Bucket),
				Timezone: p.Zone, GroupBy: p.GroupedBy, Groups: rentroll.MaxSeriesGroups,
			})
			if err != nil {
				return nil, err
			}
			return s.seriesView(out), nil
		},
	}
}

func (s *side) seriesView(u *rentroll.UsageSeries) *model.SeriesView {
	v := &model.SeriesView{Groups: map[string][]model.MeterSum{}}
	for _, p := range u.Points {
		v.Points = append(v.Points, model.PointView{Start: p.Start.UTC(), End: p.End.UTC(), MeterSum: model.MeterSum{Total: p.Total, Count: p.Count}})
	}
	for _, g := range u.Groups {
		name := string(g.Value)
		switch {
		case g.Kind == rentroll.GroupOther:
			name = "other"
		case u.GroupBy == rentroll.GroupByKey && name != "":
			name = "key " + text(s.ref(must(rentroll.ParseKeyID(name))))
		}
		for i := range g.Totals {
			v.Groups[name] = append(v.Groups[name], model.MeterSum{Total: g.Totals[i], Count: g.Counts[i]})
		}
	}
	return v
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// meter defines a meter, for a tenant or for all.
func (g *generator) meter() op {
	p := model.PutMeter{Meter: pick(g, []string{"emails", "calls", "calls", "seats", "seats", "storage.gb", "tokens_used"})}
	by := g.operator(0)
	if g.chance(60) {
		p.Tenant = g.somewhere()
		by = g.operator(p.Tenant)
	}
	if g.chance(70) {
		p.Aggregation = map[string]string{"calls": "count", "seats": "max"}[p.Meter]
	}
	if g.chance(10) {
		p.Aggregation = pick(g, []string{"sum", "count", "max", "mean"})
	}
	if g.chance(20) {
		p.Unit = pick(g, []string{"count", "tokens", "GB"})
	}
	if g.chance(40) {
		p.Price, p.Per = new(g.Int64N(5000)), pick(g, []int64{0, 1, 7, 1000})
	}
	if g.chance(60) {
		p.Dimensions = pick(g, [][]string{{"model"}, {"model", "n"}, {}, {"n"}, {"worker"}, {"a", "b", "c", "d"}})
	}
	if g.chance(20) {
		p.Display = "A name"
	}
	return putMeter(by, p)
}

func (g *generator) series() op {
	id := g.somewhere()
	c := g.cuts()
	p := model.Series{
		Tenant: id, Meter: pick(g, []string{"tokens_used", "worker_runs", "emails", "calls", "seats", "storage.gb"}), Bucket: pick(g, []string{"day", "day", "month"}),
		Zone: pick(g, append([]string{""}, zones...)), GroupedBy: pick(g, []string{"", "worker", "key", "model", "n"}),
		Start: c.Times[0], End: c.Times[len(c.Times)-1],
	}
	return series(g.someone(id), p)
}

func lineViews(lines []rentroll.StatementLine) (out []model.LineView) {
	for _, l := range lines {
		out = append(out, model.LineView{
			Meter: l.Meter, Period: l.Period, Quantity: l.Quantity, Count: l.Count, Price: l.PriceMicros, Amount: l.AmountMicros,
		})
	}
	return out
}

// statements reads the statements of all periods.
func (s *side) statements(ctx context.Context, id rentroll.TenantID) (out []*model.StatementView, err error) {
	periods, err := s.engine.ListStatements(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, p := range periods {
		st, err := s.engine.GetStatement(ctx, id, p.Period)
		if err != nil {
			return nil, err
		}
		events, err := s.standing(ctx, id, st)
		if err != nil {
			return nil, err
		}
		out = append(out, &model.StatementView{
			Period: st.Period, Start: st.Start.UTC(), End: st.End.UTC(), Final: st.Final, Cost: st.CostMicros, Events: events,
			Lines: lineViews(st.Lines), Adjustments: lineViews(st.Adjustments),
		})
	}
	return out, nil
}

// standing exports the events of a statement.
func (s *side) standing(ctx context.Context, id rentroll.TenantID, st *rentroll.Statement) (out []string, err error) {
	export, err := s.engine.ExportUsage(ctx, rentroll.ExportUsageParams{TenantID: id, Statement: st.Period})
	if errors.Is(err, rentroll.CodeValidationFailed) { // some were deleted
		return []string{"gone"}, nil
	}
	if err != nil {
		return nil, err
	}
	for e, err := range export.Events(ctx) {
		if err != nil {
			return nil, err
		}
		if e.Statement != st.Period {
			return nil, fmt.Errorf("an event of the statement %s stands on %s", st.Period, e.Statement)
		}
		out = append(out, fmt.Sprintf("%s %s %d", cmp.Or(string(e.Adjusts), e.Statement), e.Meter, e.Amount))
	}
	if int64(len(out)) != export.Expected {
		return nil, fmt.Errorf("the statement %s has %d events, and %d were expected", st.Period, len(out), export.Expected)
	}
	slices.Sort(out)
	return out, nil
}
