package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rentroll/rentroll"
)

const (
	besideCallers = 256 // who admit
	besideBulk    = 8   // who send usage in calls of 100 events, each as soon as it is answered
)

// usageBeside measures admissions on SQLite while usage is loaded in bulk.
func usageBeside(ctx context.Context, s settings, emit func(line)) error {
	f, err := platform(ctx)
	if err != nil {
		return err
	}
	return onStagedEngine(ctx, f, platformTenants, func(st *stage, engine *rentroll.Engine) error {
		return besideAll(ctx, s, engine, st.tenants, emit)
	})
}

// pgBeside is usageBeside on PostgreSQL.
func pgBeside(ctx context.Context, s settings, emit func(line)) error {
	return onPGStage(platformTenants, func(st *pgStage) error {
		name, err := st.database(ctx)
		if err != nil {
			return err
		}
		engine, err := st.engine(ctx, name, nil)
		if err != nil {
			return err
		}
		return besideAll(ctx, s, engine, st.tenants, emit)
	})
}

// besideAll compares admissions with and without a load in bulk: of the same tenant, of another one, and of all tenants; once
// at a gentle rate, once without a pause.
func besideAll(ctx context.Context, s settings, e *rentroll.Engine, tenants []rentroll.TenantID, emit func(line)) error {
	for _, whose := range []struct {
		name       string
		runs, bulk []rentroll.TenantID
	}{
		{name: "of the same tenant", runs: tenants[:1], bulk: tenants[:1]},
		{name: "of another tenant", runs: tenants[1:], bulk: tenants[:1]},
		{name: "of all tenants", runs: tenants, bulk: tenants},
	} {
		for _, pace := range []struct {
			name  string
			pause time.Duration
		}{{"a call each 100 ms", 100 * time.Millisecond}, {"without a pause", 0}} {
			b := besideLoad{engine: e, runs: whose.runs, bulk: whose.bulk, pause: pace.pause, long: 2 * s.slice}
			l, err := b.compare(ctx, s.rounds)
			if err != nil {
				return err
			}
			l.what = "CreateRun, " + pace.name + ", beside a load in bulk " + whose.name
			emit(l)
		}
	}
	return nil
}

// besideLoad is admissions beside usage in bulk.
type besideLoad struct {
	engine     *rentroll.Engine
	runs, bulk []rentroll.TenantID
	pause      time.Duration // between an admission of a caller and the next one; 0 for none
	long       time.Duration
}

func (b *besideLoad) compare(ctx context.Context, rounds int) (l line, err error) {
	var ratios, quiet, loud, rate, beside []float64
	for range rounds {
		calm, _, err := b.measure(ctx, 0)
		if err != nil {
			return l, err
		}
		stormy, events, err := b.measure(ctx, besideBulk)
		if err != nil {
			return l, err
		}
		ratios = append(ratios, float64(stormy.quantile(0.99))/float64(calm.quantile(0.99)))
		quiet = append(quiet, float64(calm.quantile(0.99).Microseconds()))
		loud = append(loud, float64(stormy.quantile(0.99).Microseconds()))
		rate, beside = append(rate, events.rate()), append(beside, stormy.rate()/calm.rate())
	}
	ratio := median(ratios)
	return line{
		load:   fmt.Sprintf("%s, and %d × %s of 100 events each at %s events/s", load(besideCallers, len(b.runs)), besideBulk, grouped3(float64(len(b.bulk))), grouped3(median(rate))),
		figure: fmt.Sprintf("p99 %s, at %s of the rate without", micros(median(loud)), times(median(beside))),
		by:     "without the load: p99 " + micros(median(quiet)), ratio: times(ratio), target: "≤ 2", met: atMost(ratio, targetBeside),
	}, nil
}

// measure lets the callers admit, and so many load beside them.
func (b *besideLoad) measure(ctx context.Context, loading int) (runs, events result, err error) {
	done := make(chan error, 1)
	go func() {
		var err error
		if loading > 0 {
			events, err = measure(ctx, loading, b.long, func(ctx context.Context, c *caller) (int, error) {
				return batchEvents, recordBatch(ctx, b.engine, b.bulk[c.random.IntN(len(b.bulk))], usageEvents(batchEvents, true))
			})
		}
		done <- err
	}()
	latencies := make([][]time.Duration, besideCallers)
	began := time.Now()
	runs, err = measure(ctx, besideCallers, b.long, func(ctx context.Context, c *caller) (int, error) {
		start := time.Now()
		if b.pause > 0 { // its turn, evenly spread; a call that comes late because the one before was slow has waited, too
			turns := float64(len(latencies[c.number])) + float64(c.number)/besideCallers
			start = began.Add(time.Duration(turns * float64(b.pause)))
			time.Sleep(time.Until(start))
		}
		err := createRun(ctx, b.engine, b.runs[c.random.IntN(len(b.runs))])
		latencies[c.number] = append(latencies[c.number], time.Since(start))
		return 1, err
	})
	runs.latencies = slices.Concat(latencies...)
	slices.Sort(runs.latencies)
	if loadErr := <-done; err == nil {
		err = loadErr
	}
	return runs, events, err
}
