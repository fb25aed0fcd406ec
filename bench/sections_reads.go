package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
)

// summary measures the totals of a month of a million events.
func summary(ctx context.Context, s settings, emit func(line)) error {
	return onArchive(ctx, func(f *fixture, e *rentroll.Engine) error {
		c, err := compare(ctx, s, arm{"GetUsageSummary", 1, func(ctx context.Context, _ *caller) (int, error) {
			return 1, sumMonth(ctx, e, f.tenants[1])
		}})
		if err != nil {
			return err
		}
		p50 := c.latency(0, 0.5)
		emit(line{
			what: "GetUsageSummary", load: "1 × 1, 1,000,000 events of 31 days", figure: fmt.Sprintf("p50 %s, p99 %s", micros(p50), micros(c.latency(0, 0.99))),
			target: "≤ 5 ms", met: atMost(p50, targetSummary),
		})
		return nil
	})
}

func sumMonth(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID) error {
	end := time.Now().Truncate(15 * time.Minute)
	out, err := e.GetUsageSummary(ctx, rentroll.UsageSummaryParams{TenantID: tenant, Start: end.Add(-31 * 24 * time.Hour), End: end})
	if err == nil && out.TotalRecords < summedEvents*9/10 {
		err = fmt.Errorf("the summary knows %d of %d events", out.TotalRecords, summedEvents)
	}
	return err
}

// list compares the first page of a million runs with page 5,000.
func list(ctx context.Context, s settings, emit func(line)) error {
	return onArchive(ctx, func(f *fixture, e *rentroll.Engine) error {
		cursor, err := cursorOfPage(ctx, e, f.tenants[0], 5000)
		if err != nil {
			return err
		}
		page := func(name, cursor string) arm {
			return arm{name, 1, func(ctx context.Context, _ *caller) (int, error) { return 1, listPage(ctx, e, f.tenants[0], cursor) }}
		}
		c, err := compare(ctx, s, page("page 5,000", cursor), page("page 1", ""))
		if err != nil {
			return err
		}
		ratio := c.over(func(row []result) float64 { return float64(row[0].quantile(0.5)) / float64(row[1].quantile(0.5)) })
		emit(line{
			what: "ListRuns, page 5,000", load: "1 × 1, 1,000,000 runs, pages of 20", figure: "p50 " + micros(c.latency(0, 0.5)),
			by: "page 1: p50 " + micros(c.latency(1, 0.5)), ratio: times(ratio), target: "≤ 1.5", met: atMost(ratio, targetDeepPage),
		})
		return nil
	})
}

func listPage(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID, cursor string) error {
	out, err := e.ListRuns(ctx, rentroll.ListRunsParams{TenantID: tenant, Page: rentroll.Page{Cursor: cursor}})
	if err == nil && len(out.Items) != rentroll.DefaultPageSize {
		err = fmt.Errorf("a page of %d runs", len(out.Items))
	}
	return err
}

// cursorOfPage follows the list, ten pages at a time, to the cursor of a page.
func cursorOfPage(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID, page int) (cursor string, err error) {
	const stride = 10
	for at := 1; at+stride <= page; at += stride {
		out, err := e.ListRuns(ctx, rentroll.ListRunsParams{
			TenantID: tenant, Page: rentroll.Page{Limit: stride * rentroll.DefaultPageSize, Cursor: cursor},
		})
		if err != nil {
			return "", err
		}
		cursor = string(out.NextCursor)
	}
	return cursor, nil
}

func onArchive(ctx context.Context, do func(*fixture, *rentroll.Engine) error) error {
	f, err := archive(ctx)
	if err != nil {
		return err
	}
	return onStagedEngine(ctx, f, 1, func(_ *stage, engine *rentroll.Engine) error {
		return do(f, engine)
	})
}

// floodCallers is how many goroutines of one tenant call without a pause while others are measured.
const floodCallers = 1024

// flood measures what 999 tenants, a caller each, notice of one that floods: once while all of them call without a pause
// themselves, once at a gentle rate.
func flood(ctx context.Context, s settings, emit func(line)) error {
	f, err := platform(ctx)
	if err != nil {
		return err
	}
	return onStagedEngine(ctx, f, platformTenants, func(_ *stage, engine *rentroll.Engine) error {
		for _, load := range []struct {
			name  string
			pause time.Duration
		}{{"without a pause", 0}, {"a call each 250 ms", 250 * time.Millisecond}} {
			var ratios, quiet, loud, rate []float64
			for range s.rounds {
				calm, _, err := besideFlood(ctx, engine, f, 2*s.slice, load.pause, 0)
				if err != nil {
					return err
				}
				stormy, flooded, err := besideFlood(ctx, engine, f, 2*s.slice, load.pause, floodCallers)
				if err != nil {
					return err
				}
				ratios = append(ratios, float64(stormy.quantile(0.99))/float64(calm.quantile(0.99)))
				quiet = append(quiet, float64(calm.quantile(0.99).Microseconds()))
				loud = append(loud, float64(stormy.quantile(0.99).Microseconds()))
				rate = append(rate, flooded.rate())
			}
			ratio := median(ratios)
			emit(line{
				what: "CreateRun of 999 tenants, " + load.name, load: fmt.Sprintf("999 × 999, and %s × 1 flooding at %s", grouped3(floodCallers), perSecond(median(rate))),
				figure: "p99 " + micros(median(loud)), by: "without the flood: p99 " + micros(median(quiet)), ratio: times(ratio),
				target: "≤ 2", met: atMost(ratio, targetFlood),
			})
		}
		return nil
	})
}

// besideFlood lets all tenants but the first call, and so many callers of the first one flood.
func besideFlood(ctx context.Context, e *rentroll.Engine, f *fixture, long, pause time.Duration, flooding int) (others, flooded result, err error) {
	done := make(chan error, 1)
	go func() {
		var err error
		if flooding > 0 {
			flooded, err = measure(ctx, flooding, long, func(ctx context.Context, _ *caller) (int, error) {
				return 1, createRun(ctx, e, f.tenants[0])
			})
		}
		done <- err
	}()
	others.elapsed = long
	latencies := make([][]time.Duration, len(f.tenants)-1)
	began := time.Now()
	_, err = measure(ctx, len(f.tenants)-1, long, func(ctx context.Context, c *caller) (int, error) {
		start := time.Now()
		if pause > 0 { // its turn, evenly spread; a call that comes late because the one before was slow has waited, too
			turns := float64(len(latencies[c.number])) + float64(c.number)/float64(len(latencies))
			start = began.Add(time.Duration(turns * float64(pause)))
			time.Sleep(time.Until(start))
		}
		err := createRun(ctx, e, f.tenants[c.number+1])
		latencies[c.number] = append(latencies[c.number], time.Since(start))
		return 1, err
	})
	for _, l := range latencies {
		others.latencies = append(others.latencies, l...)
	}
	others.ops = len(others.latencies)
	slices.Sort(others.latencies)
	return others, flooded, errors.Join(err, <-done)
}

// memory runs a child that puts one engine under every load, and takes the peak of its memory.
func memory(ctx context.Context, _ settings, emit func(line)) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	child := exec.CommandContext(ctx, program, "-child-memory") //nolint:gosec // it is this program itself
	child.Stderr = os.Stderr
	out, err := child.Output()
	if err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	var resident, heap float64
	if _, err := fmt.Sscan(strings.TrimSpace(string(out)), &resident, &heap); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	emit(line{
		what: "memory", load: "all of the above, 1,024 callers", figure: fmt.Sprintf("peak %.0f MiB resident, Go heap %.0f MiB", resident, heap),
		target: "≤ 512 MiB", met: atMost(resident, targetMemory),
	})
	return nil
}

// memoryChild puts one engine under every load in turn and prints, in MiB, its peak of resident memory and the memory
// that its heap took from the system.
func memoryChild(ctx context.Context, out io.Writer) error {
	f, err := platform(ctx)
	if err != nil {
		return err
	}
	st, err := newStage(f, platformTenants)
	if err != nil {
		return err
	}
	engine, err := st.engine(ctx, "memory")
	if err != nil {
		return errors.Join(err, st.close())
	}
	loads := []work{createRun, createAndComplete, recordUsage, checkRunQuota, createRun}
	for i, do := range loads {
		tenants := st.tenants
		if i == len(loads)-1 {
			tenants = tenants[:1]
		}
		_, err := measure(ctx, 1024, 2*time.Second, func(ctx context.Context, c *caller) (int, error) {
			return 1, do(ctx, engine, tenants[c.random.IntN(len(tenants))])
		})
		if err != nil {
			return errors.Join(err, st.close())
		}
	}
	_, err = measure(ctx, 1024, time.Second, func(ctx context.Context, c *caller) (int, error) {
		return 1, verifyKey(ctx, engine, f, c.random.IntN(len(f.secrets)))
	})
	if err := errors.Join(err, st.close()); err != nil {
		return err
	}
	err = onArchive(ctx, func(f *fixture, e *rentroll.Engine) error {
		return errors.Join(sumMonth(ctx, e, f.tenants[1]), listPage(ctx, e, f.tenants[0], ""))
	})
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	_, printErr := fmt.Fprintf(out, "%d %d\n", peakMemory()>>20, m.HeapSys>>20)
	return errors.Join(err, printErr)
}
