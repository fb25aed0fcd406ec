package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/rentroll/rentroll"
)

// TestRunColumns keeps the bulk inserts to the columns that the engine writes.
func TestRunColumns(t *testing.T) {
	path := t.TempDir() + "/columns.db"
	engine, err := open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	var want []string
	err = query(path, "SELECT name FROM pragma_table_info('runs')", func(s *sqlite.Stmt) error {
		want = append(want, s.ColumnText(0))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(slices.Values(runColumns))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the bulk inserts write %v, the table has %v", got, want)
	}
	if values, types := len((&runRow{}).values()), len(runTypes); values != len(runColumns) || types != len(runColumns) {
		t.Errorf("PostgreSQL gets %d values of %d types for %d columns", values, types, len(runColumns))
	}
}

// TestBulkRow reads a row of the bulk inserts through the engine, so that it is one that the engine could have written.
func TestBulkRow(t *testing.T) {
	path := t.TempDir() + "/row.db"
	f := &fixture{path: path}
	if err := f.settle(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	b, err := openBulk(path, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.insertRuns(t.Context(), newCaller(0), f.tenants[:1]); err != nil {
		t.Fatal(err)
	}
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	engine, err := open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	list, err := engine.ListRuns(t.Context(), rentroll.ListRunsParams{TenantID: f.tenants[0]})
	if err != nil {
		t.Fatal(err)
	}
	admitted, err := engine.CreateRun(t.Context(), rentroll.CreateRunParams{TenantID: f.tenants[0], WorkerID: worker, Task: task})
	if err != nil {
		t.Fatal(err)
	}
	inserted := *list.Items[0]
	inserted.ID, inserted.CreatedAt, inserted.LeaseExpiresAt = admitted.ID, admitted.CreatedAt, admitted.LeaseExpiresAt
	if got, want := fmt.Sprintf("%+v", inserted), fmt.Sprintf("%+v", *admitted); got != want {
		t.Errorf("inserted\n%s\nadmitted\n%s", got, want)
	}
}

func TestMedianAndQuantile(t *testing.T) {
	if got := median([]float64{5, 1, 3}); got != 3 {
		t.Errorf("median of three: %v", got)
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median of four: %v", got)
	}
	r := result{latencies: []time.Duration{1, 2, 3, 4}}
	if got := r.quantile(0.99); got != 4 {
		t.Errorf("p99: %v", got)
	}
}

func TestTableIsReplaced(t *testing.T) {
	path := t.TempDir() + "/README.md"
	if err := os.WriteFile(path, []byte("before\n"+tableBegins+"\nold\n"+tableEnds+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tbl := &table{lines: []line{{what: "CreateRun", target: "≥ 7", met: atLeast(3.5, 7)}}}
	if err := tbl.write(path, "today"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"before\n", "today.", "**missed by 50 %**", "\nafter\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the file lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "old") {
		t.Error("the old table is still there")
	}
}

// eachLoad runs a benchmark of an operation at each number of callers and tenants.
func eachLoad(b *testing.B, do func(ctx context.Context, e *rentroll.Engine, f *fixture, tenant int) error) {
	b.Helper()
	f, err := platform(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	engine := onCopy(b, f)
	for _, tenants := range tenantCounts {
		for _, callers := range callerCounts {
			b.Run(fmt.Sprintf("tenants=%d/callers=%d", tenants, callers), func(b *testing.B) {
				spread(b, callers, func(c *caller) error { return do(b.Context(), engine, f, c.random.IntN(tenants)) })
			})
		}
	}
}

// onCopy opens an engine on a copy of a fixture.
func onCopy(b *testing.B, f *fixture) *rentroll.Engine {
	b.Helper()
	st, err := newStage(f, 1)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := st.close(); err != nil {
			b.Error(err)
		}
	})
	engine, err := st.engine(b.Context(), "bench")
	if err != nil {
		b.Fatal(err)
	}
	return engine
}

// spread does b.N operations in so many goroutines and reports the rate.
func spread(b *testing.B, callers int, op func(*caller) error) {
	b.Helper()
	var wait sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	for n := range callers {
		wait.Go(func() {
			c := newCaller(n)
			for left.Add(-1) >= 0 {
				if err := op(c); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

// eachTenant lets an operation choose its tenant by number.
func eachTenant(do work) func(context.Context, *rentroll.Engine, *fixture, int) error {
	return func(ctx context.Context, e *rentroll.Engine, f *fixture, tenant int) error {
		return do(ctx, e, f.tenants[tenant])
	}
}

func BenchmarkCreateRun(b *testing.B) { eachLoad(b, eachTenant(createRun)) }

func BenchmarkCreateAndComplete(b *testing.B) { eachLoad(b, eachTenant(createAndComplete)) }

func BenchmarkRecordUsage(b *testing.B) { eachLoad(b, eachTenant(recordUsage)) }

func BenchmarkVerifyAPIKey(b *testing.B) { eachLoad(b, verifyKey) }

func BenchmarkCheckRunQuota(b *testing.B) { eachLoad(b, eachTenant(checkRunQuota)) }

// BenchmarkCreateRunPerCall is the first baseline: the same decision, a transaction each.
func BenchmarkCreateRunPerCall(b *testing.B) {
	var turn sync.Mutex
	eachLoad(b, func(ctx context.Context, e *rentroll.Engine, f *fixture, tenant int) error {
		turn.Lock()
		defer turn.Unlock()
		return createRun(ctx, e, f.tenants[tenant])
	})
}

// BenchmarkBulkInsert is the second baseline: the same rows, 500 a transaction, and no decision. An operation is a row.
func BenchmarkBulkInsert(b *testing.B) {
	f, err := platform(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for _, tenants := range tenantCounts {
		b.Run(fmt.Sprintf("tenants=%d", tenants), func(b *testing.B) {
			path, err := f.copyTo(b.TempDir(), "bulk")
			if err != nil {
				b.Fatal(err)
			}
			bulk, err := openBulk(path, true)
			if err != nil {
				b.Fatal(err)
			}
			defer bulk.close()
			c := newCaller(0)
			b.ResetTimer()
			rows := 0
			for rows < b.N {
				n, err := bulk.insertRuns(b.Context(), c, f.tenants[:tenants])
				if err != nil {
					b.Fatal(err)
				}
				rows += n
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "ops/s")
		})
	}
}

func BenchmarkGetUsageSummary(b *testing.B) {
	f, err := archive(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	engine := onCopy(b, f)
	spread(b, 1, func(*caller) error { return sumMonth(b.Context(), engine, f.tenants[1]) })
}

func BenchmarkListRuns(b *testing.B) {
	f, err := archive(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	engine := onCopy(b, f)
	cursor, err := cursorOfPage(b.Context(), engine, f.tenants[0], 5000)
	if err != nil {
		b.Fatal(err)
	}
	for _, page := range []struct{ name, cursor string }{{"page=1", ""}, {"page=5000", cursor}} {
		b.Run(page.name, func(b *testing.B) {
			spread(b, 1, func(*caller) error { return listPage(b.Context(), engine, f.tenants[0], page.cursor) })
		})
	}
}

// BenchmarkBesideFlood measures a call of one of 999 tenants, a caller each, with and without a flood of another's.
func BenchmarkBesideFlood(b *testing.B) {
	f, err := platform(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	engine := onCopy(b, f)
	for _, flooding := range []int{0, floodCallers} {
		b.Run(fmt.Sprintf("flooding=%d", flooding), func(b *testing.B) {
			others, _, err := besideFlood(b.Context(), engine, f, time.Duration(b.N)*30*time.Microsecond, 0, flooding)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(others.quantile(0.99).Nanoseconds()), "p99-ns")
			b.ReportMetric(float64(others.elapsed.Nanoseconds())/float64(max(others.ops, 1)), "ns/op")
		})
	}
}
