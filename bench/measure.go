package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// caller is one of the goroutines that call the engine, each in a loop of its own.
type caller struct {
	number int
	random *rand.Rand
}

func newCaller(n int) *caller {
	return &caller{number: n, random: rand.New(rand.NewPCG(uint64(n), 2026))}
}

// result is what one turn of an arm came to.
type result struct {
	ops       int
	elapsed   time.Duration
	latencies []time.Duration // sorted
}

// rate is operations a second.
func (r result) rate() float64 { return float64(r.ops) / r.elapsed.Seconds() }

// quantile is the latency that the share q of all operations did not exceed.
func (r result) quantile(q float64) time.Duration {
	if len(r.latencies) == 0 {
		return 0
	}
	return r.latencies[min(int(q*float64(len(r.latencies))), len(r.latencies)-1)]
}

// measure lets so many callers work for so long and waits for all of them. The elapsed time runs to the last answer.
func measure(ctx context.Context, callers int, long time.Duration, op func(context.Context, *caller) (int, error)) (result, error) {
	var wait sync.WaitGroup
	var over atomic.Bool
	turns := make([]result, callers)
	failures := make([]error, callers)
	timer := time.AfterFunc(long, func() { over.Store(true) })
	defer timer.Stop()
	began := time.Now()
	for n := range callers {
		wait.Go(func() {
			c := newCaller(n)
			for !over.Load() && ctx.Err() == nil {
				start := time.Now()
				done, err := op(ctx, c)
				if err != nil {
					failures[n] = err
					over.Store(true)
					return
				}
				turns[n].ops += done
				turns[n].latencies = append(turns[n].latencies, time.Since(start))
			}
		})
	}
	wait.Wait()
	total := result{elapsed: time.Since(began)}
	for _, turn := range turns {
		total.ops += turn.ops
		total.latencies = append(total.latencies, turn.latencies...)
	}
	slices.Sort(total.latencies)
	if err := errors.Join(failures...); err != nil {
		return total, fmt.Errorf("a caller failed: %w", err)
	}
	return total, ctx.Err()
}

// arm is one of the things that are compared: an operation, on a database of its own.
type arm struct {
	name    string
	callers int
	op      func(context.Context, *caller) (int, error) // returns how many operations it did
}

// comparison holds the results of arms, a row a round.
type comparison struct {
	arms   []arm
	rounds [][]result
}

// compare lets the arms take turns. The first round warms up and does not count; the order is turned round from round to
// round, so that no arm always follows the same one.
func compare(ctx context.Context, s settings, arms ...arm) (*comparison, error) {
	c := &comparison{arms: arms}
	for round := range s.rounds + 1 {
		row := make([]result, len(arms))
		for i := range arms {
			at := i
			if round%2 == 1 {
				at = len(arms) - 1 - i
			}
			long := s.slice
			if round == 0 {
				long /= 2
			}
			turn, err := measure(ctx, arms[at].callers, long, arms[at].op)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", arms[at].name, err)
			}
			row[at] = turn
		}
		if round > 0 {
			c.rounds = append(c.rounds, row)
		}
	}
	return c, nil
}

// median of a figure of one arm over the rounds.
func (c *comparison) median(arm int, figure func(result) float64) float64 {
	return c.over(func(row []result) float64 { return figure(row[arm]) })
}

// ratio is the median, over the rounds, of the rate of the first arm by that of another.
func (c *comparison) ratio(by int) float64 {
	return c.over(func(row []result) float64 { return row[0].rate() / row[by].rate() })
}

func (c *comparison) over(figure func(row []result) float64) float64 {
	values := make([]float64, 0, len(c.rounds))
	for _, row := range c.rounds {
		values = append(values, figure(row))
	}
	return median(values)
}

func (c *comparison) rate(arm int) float64 { return c.median(arm, result.rate) }

// latency is the median over the rounds of a quantile, in microseconds.
func (c *comparison) latency(arm int, q float64) float64 {
	return c.median(arm, func(r result) float64 { return float64(r.quantile(q).Nanoseconds()) / 1e3 })
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}

// fileName makes a name that a file may have.
func fileName(what string) string { return strings.ReplaceAll(strings.ToLower(what), " ", "") }
