package main

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rentroll/rentroll"
)

const (
	consoleStreams = 200
	consoleCallers = 64              // at full speed
	consolePace    = 10_000          // admissions a second, whether or not the ones before have been answered
	consoleWaiting = 512             // of the schedule, most that wait for an answer at once
	consoleTurn    = 6 * time.Second // of an arm, at least: pages are renewed each second or two, and what they sort each ten

	targetStreams = 0.95 // admissions with open live pages to those without
)

// liveArm is a load of admissions that is measured without live pages and beside them.
type liveArm struct {
	name, load string
	run        func(ctx context.Context, turn time.Duration) (result, error)
}

// live compares admissions with many live pages open to those without, in turns whose order alternates. The first round
// warms up and does not count.
func (p *consolePlatform) live(ctx context.Context, s settings, emit func(line)) error {
	server := httptest.NewServer(p.console)
	defer server.Close()
	defer p.console.Drain()
	browsers, err := p.browsers(server.Listener.Addr().String())
	if err != nil {
		return err
	}
	turn := max(s.slice, consoleTurn)
	for _, arm := range []liveArm{
		{"CreateRun at " + perSecond(consolePace) + " beside the console", "in an open loop, 1,000 tenants", p.atPace},
		{"create + complete at full speed beside the console", fmt.Sprintf("%d callers, as many tenants", consoleCallers), p.atFullSpeed},
	} {
		var with, without []result
		var intervals []float64
		for round := range s.rounds + 1 {
			var before, beside result
			alone := func() (err error) { before, err = arm.run(ctx, turn); return err }
			watched := func() error {
				leave, err := watch(ctx, browsers)
				if err != nil {
					return err
				}
				ticks := browsers[0].ticks.Load()
				beside, err = arm.run(ctx, turn)
				ticks = browsers[0].ticks.Load() - ticks
				intervals = append(intervals, beside.elapsed.Seconds()*consoleStreams/float64(max(ticks, 1)))
				return errors.Join(err, leave())
			}
			order := []func() error{alone, watched}
			if round%2 == 1 {
				slices.Reverse(order)
			}
			for _, f := range order {
				if err := f(); err != nil {
					return fmt.Errorf("%s: %w", arm.name, err)
				}
			}
			if round > 0 {
				without, with = append(without, before), append(with, beside)
			}
		}
		emit(arm.line(with, without, median(intervals)))
		err := s.profile(fmt.Sprintf("%s-beside-the-console-%d", p.store, p.profiles), func() error {
			p.profiles++
			if s.profiles == "" {
				return nil
			}
			leave, err := watch(ctx, browsers)
			if err != nil {
				return err
			}
			_, err = arm.run(ctx, 2*turn)
			return errors.Join(err, leave())
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// line compares the rounds of an arm; interval is how many seconds there were between two ticks of a page.
func (a liveArm) line(with, without []result, interval float64) line {
	ratios := make([]float64, len(with))
	for i := range with {
		ratios[i] = with[i].rate() / without[i].rate()
	}
	ratio := median(ratios)
	return line{
		what: a.name, load: fmt.Sprintf("%s; %d open live pages, a tick each %.1f s", a.load, consoleStreams, interval),
		figure: rateAndLatency(with), by: "without: " + rateAndLatency(without), ratio: times(ratio), target: "≥ 0.95", met: atLeast(ratio, targetStreams),
	}
}

// rateAndLatency are the medians of rounds.
func rateAndLatency(rounds []result) string {
	c := comparison{}
	for _, r := range rounds {
		c.rounds = append(c.rounds, []result{r})
	}
	return fmt.Sprintf("%s, p50 %s, p99 %s", perSecond(c.rate(0)), micros(c.latency(0, 0.5)), micros(c.latency(0, 0.99)))
}

// others are the tenants that are admitted runs.
func (p *consolePlatform) others() []rentroll.TenantID { return p.tenants[2:] }

// atPace admits runs by a schedule, for tenants in turns that know no order. An admission's time counts from the moment at
// which it was due. Where the machine can't keep the pace, the rate that comes out is lower.
func (p *consolePlatform) atPace(ctx context.Context, turn time.Duration) (result, error) {
	n := int(turn.Seconds() * consolePace)
	latencies, failures := make([]time.Duration, n), make([]error, consoleWaiting)
	const between = time.Second / consolePace
	var next atomic.Int64
	var callers sync.WaitGroup
	began := time.Now()
	for caller := range consoleWaiting {
		callers.Go(func() {
			c := newCaller(caller)
			for ctx.Err() == nil {
				i := int(next.Add(1) - 1)
				if i >= n {
					return
				}
				due := began.Add(time.Duration(i) * between)
				time.Sleep(time.Until(due))
				if err := createRun(ctx, p.engine, p.others()[c.random.IntN(platformTenants)]); err != nil {
					failures[caller] = err
					return
				}
				latencies[i] = time.Since(due)
			}
		})
	}
	callers.Wait()
	took := time.Since(began)
	slices.Sort(latencies)
	return result{ops: n, elapsed: took, latencies: latencies}, errors.Join(errors.Join(failures...), ctx.Err())
}

// atFullSpeed admits and completes runs by many callers without a pause, each for a tenant of its own. What counts is the
// admissions.
func (p *consolePlatform) atFullSpeed(ctx context.Context, turn time.Duration) (result, error) {
	return measure(ctx, consoleCallers, turn, func(ctx context.Context, c *caller) (int, error) {
		return 1, createAndComplete(ctx, p.engine, p.others()[c.number])
	})
}
