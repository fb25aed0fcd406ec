package main

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/httpapi"
)

// TestUsageColumns keeps the bulk inserts of usage to what the engine writes: nothing that must be there is left out.
func TestUsageColumns(t *testing.T) {
	f := &fixture{path: t.TempDir() + "/columns.db"}
	if err := f.settle(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for table, columns := range map[string][]string{"usage_events": usageColumns, "usage_marks": markColumns} {
		var all []string
		err := query(f.path, "SELECT name, \"notnull\" FROM pragma_table_info('"+table+"')", func(s *sqlite.Stmt) error {
			name := s.ColumnText(0)
			all = append(all, name)
			if s.ColumnBool(1) && !slices.Contains(columns, name) {
				t.Errorf("%s.%s is not written", table, name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range columns {
			if !slices.Contains(all, name) {
				t.Errorf("%s has no column %s", table, name)
			}
		}
	}
	if len(usageColumns) != len(usageTypes) || len(markColumns) != len(markTypes) {
		t.Error("there are more columns than types, or fewer")
	}
}

// TestUsageLoads records with each of the loads, and looks for all of it.
func TestUsageLoads(t *testing.T) {
	ctx := t.Context()
	f := &fixture{path: t.TempDir() + "/usage.db"}
	if err := f.settle(ctx, 2); err != nil {
		t.Fatal(err)
	}
	engine, err := open(ctx, f.path)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	address, stop, err := listen(ctx, httpapi.New(engine, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	to, want := newPoster(address, f, 1), int64(0)
	for _, ids := range []bool{true, false} {
		n, err := to.post(ctx, 0, ids)
		if err != nil {
			t.Fatal(err)
		}
		want += int64(n)
	}
	for i := range idKinds {
		of := recordOne{idKinds[i].name, idKinds[i].of, new(atomic.Int64)}
		of.made.Store(1 << 30) // not those of the histories below
		if err := of.record(ctx, engine, f.tenants[0]); err != nil {
			t.Fatal(err)
		}
		want++
	}
	for i := range idKinds {
		h := newHistory(3500) // whose last calls are not full
		h.ids = idKinds[i].of
		tenths := 0
		if err := h.record(ctx, engine, f.tenants[0], func(int, time.Duration) { tenths++ }); err != nil {
			t.Fatal(err)
		}
		if tenths != loadTenths {
			t.Errorf("%d tenths", tenths)
		}
		want += 3500
	}
	if err := fillMonth(ctx, engine, f.tenants[1], 10_000); err != nil {
		t.Fatal(err)
	}
	for i, records := range []int64{want, 10_000} {
		now := time.Now()
		out, err := engine.GetUsageSummary(ctx, rentroll.UsageSummaryParams{
			TenantID: f.tenants[i], Start: now.Add(-31 * 24 * time.Hour), End: now.Add(time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
		records++ // the run of each tenant
		if out.TotalRecords != records {
			t.Errorf("%d events are known of tenant %d, want %d", out.TotalRecords, i, records)
		}
	}
	err = readMonth(ctx, settings{rounds: 1, slice: time.Millisecond}, engine, f.tenants[1], 10_000, func(line) {})
	if err != nil {
		t.Error(err)
	}
	b := besideLoad{engine: engine, runs: f.tenants, bulk: f.tenants, long: 10 * time.Millisecond}
	if l, err := b.compare(ctx, 1); err != nil || l.ratio == "" {
		t.Errorf("admissions beside a load: %+v, %v", l, err)
	}
}
