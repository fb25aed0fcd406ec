package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rentroll/rentroll"
)

// The targets; a figure is a ratio unless its name says otherwise.
const (
	targetCalls    = 7.0  // CreateRun to a transaction a call, from 256 callers on
	targetBulk     = 0.8  // CreateRun to bare bulk inserts
	targetPairs    = 0.3  // create and complete to bare bulk inserts
	targetAlone    = 1.3  // the latency of one caller to that of a transaction a call
	targetFlood    = 2.0  // the p99 of others while one tenant floods
	targetDeepPage = 1.5  // page 5,000 to page 1
	targetSummary  = 5000 // microseconds
	targetMemory   = 512  // MiB
)

// section is a part of the report.
type section struct {
	name string
	run  func(ctx context.Context, s settings, emit func(line)) error
}

var sections = []section{
	{"create", func(ctx context.Context, s settings, emit func(line)) error {
		return writes(ctx, s, emit, "CreateRun", createRun, 1)
	}},
	{"alone", alone},
	{"pair", func(ctx context.Context, s settings, emit func(line)) error {
		return writes(ctx, s, emit, "create + complete", createAndComplete, targetPairs)
	}},
	{"usage", func(ctx context.Context, s settings, emit func(line)) error {
		return writes(ctx, s, emit, "RecordUsage", recordUsage, 0)
	}},
	{"usage-single", usageSingle},
	{"usage-beside", usageBeside},
	{"usage-reads", usageReads},
	{"usage-load", usageLoad},
	{"verify", verify},
	{"keys", verifyKeys},
	{"keys-forward", forwardAuth},
	{"keys-million", manyOrFew},
	{"keys-open-loop", openLoop},
	{"check", check},
	{"summary", summary},
	{"list", list},
	{"console", consoleSQLite},
	{"flood", flood},
	{"memory", memory},
}

// long are the sections that take many minutes and gigabytes: they run only where -only asks for them.
var long = []string{"usage-reads", "usage-load", "pg-usage-reads", "pg-usage-load"}

func sectionNames() []string {
	var names []string
	for _, s := range slices.Concat(sections, pgSections) {
		names = append(names, s.name)
	}
	return names
}

// The loads under which is measured.
var (
	callerCounts = []int{1, 16, 256, 1024}
	tenantCounts = []int{platformTenants, 1}
)

func load(callers, tenants int) string {
	return fmt.Sprintf("%s × %s", grouped3(float64(callers)), grouped3(float64(tenants)))
}

// writes compares one operation with itself in a transaction a call, and with bare bulk inserts, at each load. bulkTarget
// is the share of the inserts to be reached from 256 callers on; 1 stands for CreateRun, which has further targets, and 0
// for an operation that has none.
func writes(ctx context.Context, s settings, emit func(line), what string, do work, bulkTarget float64) error {
	f, err := platform(ctx)
	if err != nil {
		return err
	}
	spread := map[int]float64{}
	for _, tenants := range tenantCounts {
		for _, callers := range callerCounts {
			c, err := writesAt(ctx, s, f, what, callers, tenants, do)
			if err != nil {
				return err
			}
			busy := callers >= 256
			l := line{what: what, load: load(callers, tenants)}
			l.figure = fmt.Sprintf("%s, p50 %s, p99 %s", perSecond(c.rate(0)), micros(c.latency(0, 0.5)), micros(c.latency(0, 0.99)))
			l.by, l.ratio = "a transaction a call: "+perSecond(c.rate(1)), times(c.ratio(1))
			if busy && bulkTarget == 1 && tenants > 1 {
				l.target, l.met = "≥ 7", atLeast(c.ratio(1), targetCalls)
			}
			emit(l)
			if !busy {
				continue
			}
			l = line{what: what, load: load(callers, tenants), by: "bare bulk inserts: " + perSecond(c.rate(2)), ratio: times(c.ratio(2))}
			switch {
			case tenants > 1 && bulkTarget == 1:
				spread[callers] = c.rate(0)
				l.target, l.met = "≥ 0.8", atLeast(c.ratio(2), targetBulk)
			case tenants > 1 && bulkTarget > 0:
				l.target, l.met = "≥ 0.3", atLeast(c.ratio(2), bulkTarget)
			}
			emit(l)
			if tenants == 1 && bulkTarget == 1 {
				ratio := c.rate(0) / spread[callers]
				emit(line{
					what: what, load: load(callers, tenants), by: "the same spread over 1,000 tenants: " + perSecond(spread[callers]),
					ratio: times(ratio), target: "≥ 1", met: atLeast(ratio, 1),
				})
			}
		}
	}
	return nil
}

// writesAt compares the arms at one load: grouped, a transaction a call and, where many call, bulk inserts.
func writesAt(ctx context.Context, s settings, f *fixture, what string, callers, tenants int, do work) (c *comparison, err error) {
	st, err := newStage(f, tenants)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	grouped, err := st.grouped(ctx, callers, do)
	if err != nil {
		return nil, err
	}
	perCall, err := st.perCall(ctx, callers, do)
	if err != nil {
		return nil, err
	}
	arms := []arm{grouped, perCall}
	if callers >= 256 {
		bare, err := st.bare()
		if err != nil {
			return nil, err
		}
		arms = append(arms, bare)
	}
	if c, err = compare(ctx, s, arms...); err != nil {
		return nil, err
	}
	err = s.profile(fmt.Sprintf("%s-%d-callers-%d-tenants", fileName(what), callers, tenants), func() error {
		if s.profiles == "" {
			return nil
		}
		_, err := measure(ctx, callers, 3*time.Second, grouped.op)
		return err
	})
	return c, err
}

// alone compares one caller's admission through the lane with one that needs none.
func alone(ctx context.Context, s settings, emit func(line)) (err error) {
	f, err := platform(ctx)
	if err != nil {
		return err
	}
	st, err := newStage(f, platformTenants)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	grouped, err := st.grouped(ctx, 1, createRun)
	if err != nil {
		return err
	}
	direct, err := st.direct(ctx)
	if err != nil {
		return err
	}
	c, err := compare(ctx, s, grouped, direct)
	if err != nil {
		return err
	}
	ratio := c.over(func(row []result) float64 {
		return float64(row[0].quantile(0.5)) / float64(row[1].quantile(0.5))
	})
	emit(line{
		what: "CreateRun, latency", load: load(1, platformTenants), figure: "p50 " + micros(c.latency(0, 0.5)),
		by: "a transaction in the caller's own goroutine: p50 " + micros(c.latency(1, 0.5)), ratio: times(ratio),
		target: "≤ 1.3", met: atMost(ratio, targetAlone),
	})
	return nil
}

// reads measures an operation at each load.
func reads(ctx context.Context, s settings, emit func(line), what string, do func(context.Context, *rentroll.Engine, *fixture, int) error) error {
	f, err := platform(ctx)
	if err != nil {
		return err
	}
	return onStagedEngine(ctx, f, platformTenants, func(_ *stage, engine *rentroll.Engine) error {
		for _, tenants := range tenantCounts {
			for _, callers := range callerCounts {
				op := func(ctx context.Context, c *caller) (int, error) {
					return 1, do(ctx, engine, f, c.random.IntN(tenants))
				}
				c, err := compare(ctx, settings{rounds: 3, slice: s.slice / 2}, arm{what, callers, op})
				if err != nil {
					return err
				}
				emit(line{
					what: what, load: load(callers, tenants),
					figure: fmt.Sprintf("%s, p50 %s, p99 %s", perSecond(c.rate(0)), micros(c.latency(0, 0.5)), micros(c.latency(0, 0.99))),
				})
			}
		}
		return nil
	})
}

func verify(ctx context.Context, s settings, emit func(line)) error {
	return reads(ctx, s, emit, "VerifyAPIKey", verifyKey)
}

func verifyKey(ctx context.Context, e *rentroll.Engine, f *fixture, tenant int) error {
	v, err := e.VerifyAPIKey(ctx, rentroll.VerifyAPIKeyParams{Secret: f.secrets[tenant], Permission: rentroll.PermRunCreate})
	if err == nil && !v.Valid {
		err = fmt.Errorf("a good key is not valid: %s", v.Code)
	}
	return err
}

func check(ctx context.Context, s settings, emit func(line)) error {
	return reads(ctx, s, emit, "CheckRunQuota", func(ctx context.Context, e *rentroll.Engine, f *fixture, tenant int) error {
		return checkRunQuota(ctx, e, f.tenants[tenant])
	})
}
