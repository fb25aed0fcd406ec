package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/rentroll/rentroll"
)

// The targets of verifying keys.
const (
	targetVerifications = 2_000_000 // a second, on one core, of keys in memory
	targetAllocations   = 2
	targetVerifyHTTP    = 0.8  // of a bare handler
	targetForward       = 0.85 // of a bare handler
)

// verifyKeys measures verifications of keys in memory on one core, and over HTTP beside a handler that only decodes and
// encodes as much JSON, both driven by wrk.
func verifyKeys(ctx context.Context, s settings, emit func(line)) error {
	return onKeys(ctx, func(f *fixture, engine *rentroll.Engine) error {
		if err := onOneCore(ctx, s, engine, f, emit); err != nil {
			return err
		}
		return verifyOverHTTP(ctx, s, engine, f, emit)
	})
}

// onKeys opens an engine that has a key of each tenant in memory.
func onKeys(ctx context.Context, do func(*fixture, *rentroll.Engine) error) error {
	f, err := platform(ctx)
	if err != nil {
		return err
	}
	return onStagedEngine(ctx, f, platformTenants, func(_ *stage, engine *rentroll.Engine) error {
		for tenant := range platformTenants {
			if err := verifyKey(ctx, engine, f, tenant); err != nil {
				return err
			}
		}
		return do(f, engine)
	})
}

func onOneCore(ctx context.Context, s settings, engine *rentroll.Engine, f *fixture, emit func(line)) (err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	c, err := compare(ctx, settings{rounds: s.rounds, slice: s.slice}, arm{"VerifyAPIKey", 1, func(ctx context.Context, c *caller) (int, error) {
		const each = 64 // so that the measuring itself is no part of it
		for range each {
			if err := verifyKey(ctx, engine, f, c.random.IntN(platformTenants)); err != nil {
				return 0, err
			}
		}
		return each, nil
	}})
	if err != nil {
		return err
	}
	emit(line{
		what: "VerifyAPIKey, key in memory", load: load(1, platformTenants) + ", one core", figure: perSecond(c.rate(0)),
		target: "≥ 2,000,000/s", met: atLeast(c.rate(0), targetVerifications),
	})
	allocations := testing.AllocsPerRun(1000, func() { err = errors.Join(err, verifyKey(ctx, engine, f, 1)) })
	emit(line{
		what: "VerifyAPIKey, key in memory", load: load(1, 1), figure: fmt.Sprintf("%.0f allocations", allocations),
		target: fmt.Sprintf("≤ %d", targetAllocations), met: atMost(allocations, targetAllocations),
	})
	return err
}
