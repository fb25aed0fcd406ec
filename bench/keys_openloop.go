package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rentroll/rentroll"
)

const (
	openLoopRate    = 5_000 // verifications a second, whether or not the ones before have been answered
	openLoopCallers = 256   // of the admissions beside it
	targetOpenLoop  = 2.0   // the p99 beside admissions to that alone
)

// openLoop measures verifications that come at a fixed rate, in the process: alone, and while admissions run at half the
// most that as many callers get. A verification's time counts from the moment at which it was due, so that one which could not
// begin because the machine was busy has waited.
func openLoop(ctx context.Context, s settings, emit func(line)) error {
	return onKeys(ctx, func(f *fixture, engine *rentroll.Engine) error {
		admit := func(ctx context.Context, c *caller) (int, error) {
			return 1, createRun(ctx, engine, f.tenants[c.random.IntN(len(f.tenants))])
		}
		var ratios, quiet, loud, rates []float64
		for range s.rounds {
			most, err := measure(ctx, openLoopCallers, s.slice, admit)
			if err != nil {
				return err
			}
			alone, err := verifyAtRate(ctx, engine, f, 2*s.slice)
			if err != nil {
				return err
			}
			var beside, admitted result
			var admissionErr error
			var group sync.WaitGroup
			group.Go(func() {
				admitted, admissionErr = measure(ctx, openLoopCallers, 2*s.slice, atRate(most.rate()/2, admit))
			})
			beside, err = verifyAtRate(ctx, engine, f, 2*s.slice)
			group.Wait()
			if err := errors.Join(err, admissionErr); err != nil {
				return err
			}
			quiet = append(quiet, float64(alone.quantile(0.99).Nanoseconds())/1e3)
			loud = append(loud, float64(beside.quantile(0.99).Nanoseconds())/1e3)
			ratios = append(ratios, float64(beside.quantile(0.99))/float64(alone.quantile(0.99)))
			rates = append(rates, admitted.rate())
		}
		ratio := median(ratios)
		emit(line{
			what:   "VerifyAPIKey at a fixed rate, beside admissions",
			load:   fmt.Sprintf("%s/s in an open loop, beside %s admissions", grouped3(openLoopRate), perSecond(median(rates))),
			figure: "p99 " + nanos(median(loud)), by: "alone: p99 " + nanos(median(quiet)), ratio: times(ratio),
			target: "≤ 2", met: atMost(ratio, targetOpenLoop),
		})
		return nil
	})
}

// atRate spreads the calls of an operation's callers evenly: together they make so many a second, if they can.
func atRate(rate float64, op func(context.Context, *caller) (int, error)) func(context.Context, *caller) (int, error) {
	began := time.Now()
	turns := make([]int, openLoopCallers)
	each := float64(openLoopCallers) / rate * float64(time.Second) // between two calls of one caller
	return func(ctx context.Context, c *caller) (int, error) {
		at := float64(turns[c.number]) + float64(c.number)/openLoopCallers
		turns[c.number]++
		time.Sleep(time.Until(began.Add(time.Duration(at * each))))
		return op(ctx, c)
	}
}

// verifyAtRate starts a verification whenever one is due. The one that gives the time starts all that have become due while
// it slept, each in a goroutine of its own, as a server would.
func verifyAtRate(ctx context.Context, engine *rentroll.Engine, f *fixture, long time.Duration) (result, error) {
	n := int(long.Seconds() * openLoopRate)
	latencies, failures := make([]time.Duration, n), make([]error, n)
	const between = time.Second / openLoopRate
	var group sync.WaitGroup
	began := time.Now()
	for i := range n {
		due := began.Add(time.Duration(i) * between)
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		group.Go(func() {
			failures[i] = verifyKey(ctx, engine, f, i%platformTenants)
			latencies[i] = time.Since(due)
		})
	}
	group.Wait()
	slices.Sort(latencies)
	for _, err := range failures {
		if err != nil {
			return result{}, err
		}
	}
	return result{ops: n, elapsed: time.Since(began), latencies: latencies}, ctx.Err()
}
