package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rentroll/rentroll"
)

// A load of usage in one go: how many events, in calls of how many, from how many callers.
const (
	loadedEvents = 20_000_000
	loadCallers  = 8
	loadTenths   = 10
	targetLoaded = 512 // MiB that the process takes meanwhile
)

// history is usage of one tenant over the last thirty days, in the order of time.
type history struct {
	events   int
	began    time.Time
	step     time.Duration
	ids      func(n int) string // the id of the n-th event
	detailed bool               // with workers, keys and metadata, whose dimension the meters keep
	key      rentroll.KeyID
}

func newHistory(events int) *history {
	return &history{
		events: events, began: time.Now().Add(-30 * 24 * time.Hour), step: 30 * 24 * time.Hour / time.Duration(events),
		ids: func(int) string { return "" },
	}
}

// The variety of a detailed history.
const (
	historyWorkers = 5
	historyModels  = 20
)

// call is the events of one call, of which from is the first.
func (h *history) call(from int) []rentroll.UsageParams {
	events := make([]rentroll.UsageParams, min(rentroll.MaxUsageBatch, h.events-from))
	for i := range events {
		n := from + i
		events[i] = rentroll.UsageParams{
			Meter: usageMeters[n%len(usageMeters)], Amount: int64(n % 1000), Time: h.began.Add(time.Duration(n) * h.step), WorkerID: worker,
			EventID: h.ids(n),
		}
		if !h.detailed {
			continue
		}
		events[i].WorkerID = fmt.Sprintf("worker-%d", n/7%historyWorkers)
		events[i].Metadata = fmt.Appendf(nil, `{"model":"m%02d"}`, n/11%historyModels)
		if n%2 == 0 {
			events[i].APIKeyID = h.key
		}
	}
	return events
}

// record records the history and tells how long each tenth of it took.
func (h *history) record(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID, tenth func(i int, took time.Duration)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	for i := range loadTenths {
		began, end := time.Now(), h.events*(i+1)/loadTenths
		var callers sync.WaitGroup
		for range loadCallers {
			callers.Go(func() {
				for ctx.Err() == nil {
					from := int(next.Add(rentroll.MaxUsageBatch)) - rentroll.MaxUsageBatch
					if from >= end {
						next.Add(-rentroll.MaxUsageBatch)
						return
					}
					if err := recordBatch(ctx, e, tenant, h.call(from)); err != nil {
						cancel(err)
					}
				}
			})
		}
		callers.Wait()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		tenth(i, time.Since(began))
	}
	return nil
}

// How programs name their events: by the time, so that new ones stand behind old ones, or at random.
var idKinds = []struct {
	name string
	of   func(n int) string
}{
	{"ids in the order of time", func(n int) string { return fmt.Sprintf("%016x-%08x", n, uint32(n)*2654435761) }},
	{"ids at random", func(int) string { return eventID() }},
}

// usageLoad loads twenty million events of one tenant into SQLite.
func usageLoad(ctx context.Context, s settings, emit func(line)) error {
	f, err := platform(ctx)
	if err != nil {
		return err
	}
	for i := range idKinds {
		err := onStagedEngine(ctx, f, platformTenants, func(st *stage, engine *rentroll.Engine) error {
			return loadInto(ctx, s, engine, st.tenants[0], i, emit)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// pgLoad is usageLoad on PostgreSQL.
func pgLoad(ctx context.Context, s settings, emit func(line)) error {
	for i := range idKinds {
		err := onPGStage(platformTenants, func(st *pgStage) error {
			name, err := st.database(ctx)
			if err != nil {
				return err
			}
			engine, err := st.engine(ctx, name, nil)
			if err != nil {
				return err
			}
			return loadInto(ctx, s, engine, st.tenants[0], i, emit)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// loadInto loads a history with one kind of ids, and tells how the rate went.
func loadInto(ctx context.Context, s settings, e *rentroll.Engine, tenant rentroll.TenantID, kind int, emit func(line)) error {
	forgetPeak()
	h := newHistory(s.scaled(loadedEvents))
	h.ids = idKinds[kind].of
	rates := make([]float64, 0, loadTenths)
	err := h.record(ctx, e, tenant, func(i int, took time.Duration) {
		rates = append(rates, float64(h.events/loadTenths)/took.Seconds())
		fmt.Fprintf(os.Stderr, "%s: tenth %d of %d: %s, %d MiB at most\n", idKinds[kind].name, i+1, loadTenths, perSecond(rates[i]), peakMemory()>>20)
	})
	if err != nil {
		return err
	}
	peak, at := float64(peakMemory()>>20), fmt.Sprintf("%s events of 1 tenant, %d callers, %s", grouped3(float64(h.events)), loadCallers, idKinds[kind].name)
	emit(rateLine(h.events, rates, at, kind == 0))
	emit(line{what: "usage in one go, memory", load: at, figure: fmt.Sprintf("peak %.0f MiB resident", peak), target: "≤ 512 MiB", met: atMost(peak, targetLoaded)})
	return nil
}

// rateLine tells the rates of the tenths of a load, and where the rate bends: the first tenth that is a fifth slower than the first.
func rateLine(events int, rates []float64, at string, targeted bool) line {
	texts := make([]string, len(rates))
	bend := "nowhere a fifth below the first tenth"
	for i, r := range rates {
		texts[i] = grouped3(r)
		if r < (1-targetFlat)*rates[0] && strings.HasPrefix(bend, "nowhere") {
			bend = "a fifth below the first tenth from " + grouped3(float64(events*i/loadTenths)) + " events on"
		}
	}
	last := rates[len(rates)-1] / rates[0]
	l := line{
		what: "usage in one go, events/s by tenths", load: at, figure: strings.Join(texts, " "), by: "the last tenth with the first; " + bend, ratio: times(last),
	}
	if targeted {
		l.target, l.met = "≥ 0.8", atLeast(last, 1-targetFlat)
	}
	return l
}

// readEvents is how many events of one tenant the sums are made of.
const readEvents = 10_000_000

// usageReads measures the totals of a month of ten million events on SQLite, recorded through the engine once.
func usageReads(ctx context.Context, s settings, emit func(line)) (err error) {
	events := s.scaled(readEvents)
	f, err := cached(ctx, fmt.Sprintf("usage-%d-%s", events, time.Now().UTC().Format(time.DateOnly)), 1, func(f *fixture) (err error) {
		engine, err := open(ctx, f.path)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, engine.Close()) }()
		return fillMonth(ctx, engine, f.tenants[0], events)
	})
	if err != nil {
		return err
	}
	engine, err := open(ctx, f.path) // and not a copy: it is large, and only read
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	return readMonth(ctx, s, engine, f.tenants[0], events, emit)
}

// pgReads is usageReads on PostgreSQL.
func pgReads(ctx context.Context, s settings, emit func(line)) error {
	return onPGStage(1, func(st *pgStage) error {
		events := s.scaled(readEvents)
		name, err := st.database(ctx)
		if err != nil {
			return err
		}
		engine, err := st.engine(ctx, name, nil)
		if err != nil {
			return err
		}
		if err := fillMonth(ctx, engine, st.tenants[0], events); err != nil {
			return err
		}
		return readMonth(ctx, s, engine, st.tenants[0], events, emit)
	})
}

// fillMonth records a month of usage of a tenant through the engine.
func fillMonth(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID, events int) error {
	for _, meter := range usageMeters {
		if _, err := e.PutMeter(ctx, rentroll.PutMeterParams{TenantID: tenant, Meter: meter, Dimensions: []string{"model"}}); err != nil {
			return err
		}
	}
	keys, err := e.ListAPIKeys(ctx, rentroll.ListAPIKeysParams{TenantID: tenant})
	if err != nil {
		return err
	}
	h := newHistory(events)
	h.detailed, h.key = true, keys.Items[0].ID
	return h.record(ctx, e, tenant, func(i int, took time.Duration) {
		fmt.Fprintf(os.Stderr, "%s events recorded, %s\n", grouped3(float64(events*(i+1)/loadTenths)), perSecond(float64(events/loadTenths)/took.Seconds()))
	})
}

// readMonth measures a summary of the month, and series of its days by each dimension and in two zones.
func readMonth(ctx context.Context, s settings, e *rentroll.Engine, tenant rentroll.TenantID, events int, emit func(line)) error {
	end := time.Now().Truncate(time.Hour)
	begin := end.Add(-30 * 24 * time.Hour)
	enough := func(count int64, of int) error {
		if count < int64(of)*9/10 {
			return fmt.Errorf("%d of %d events are known", count, of)
		}
		return nil
	}
	type question struct {
		name string
		ask  func(context.Context) error
	}
	questions := []question{{"GetUsageSummary of 30 days", func(ctx context.Context) error {
		out, err := e.GetUsageSummary(ctx, rentroll.UsageSummaryParams{TenantID: tenant, Start: begin, End: end})
		if err != nil {
			return err
		}
		return enough(out.TotalRecords, events)
	}}}
	for _, by := range []string{"", rentroll.GroupByWorker, rentroll.GroupByKey, "model"} {
		for _, zone := range []string{"UTC", "Asia/Kolkata"} {
			name := "GetUsageSeries, 30 days in " + zone
			if by != "" {
				name += ", group_by " + by
			}
			questions = append(questions, question{name, func(ctx context.Context) error {
				out, err := e.GetUsageSeries(ctx, rentroll.UsageSeriesParams{
					TenantID: tenant, Meter: usageMeters[0], Start: begin, End: end, Timezone: zone, GroupBy: by, Groups: rentroll.MaxSeriesGroups,
				})
				if err != nil {
					return err
				}
				var count int64
				for _, p := range out.Points {
					count += p.Count
				}
				return enough(count, events/len(usageMeters))
			}})
		}
	}
	for _, q := range questions {
		c, err := compare(ctx, settings{rounds: s.rounds, slice: s.slice / 2}, arm{q.name, 1, func(ctx context.Context, _ *caller) (int, error) { return 1, q.ask(ctx) }})
		if err != nil {
			return err
		}
		p50 := c.latency(0, 0.5)
		emit(line{
			what: q.name, load: "1 × 1, " + grouped3(float64(events)) + " events", figure: fmt.Sprintf("p50 %s, p99 %s", micros(p50), micros(c.latency(0, 0.99))),
			target: "≤ 20 ms", met: atMost(p50, targetReads),
		})
	}
	return nil
}
