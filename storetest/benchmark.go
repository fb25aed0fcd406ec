package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/rentroll/rentroll"
)

// Benchmark measures a store: transactions as the engine's lanes make them, and reads. Every call of open returns a new
// and empty store. Numbers of stores are comparable on one machine only.
func Benchmark(b *testing.B, open func(b *testing.B) rentroll.Store) {
	b.Helper()
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("Admit/runs=%d", n), func(b *testing.B) { benchmarkAdmit(b, newScene(b, open(b)), n) })
	}
	b.Run("Get", func(b *testing.B) { benchmarkGet(b, newScene(b, open(b))) })
	b.Run("List", func(b *testing.B) { benchmarkList(b, newScene(b, open(b))) })
}

// benchmarkAdmit claims an account, loads what an admission looks at, and writes and commits so many runs.
func benchmarkAdmit(b *testing.B, s *scene, n int) {
	b.Helper()
	tenant := s.tenant()
	worker := &rentroll.Worker{TenantID: tenant, WorkerID: "business-builder", Enabled: true}
	workers.put(s, worker)
	b.ReportAllocs()
	for b.Loop() {
		tx, batch := s.claim(tenant)
		batch.Workers.Want(workerRef(worker))
		s.must(tx.Load(s.Context(), batch))
		a := *batch.Accounts.Get(tenant)
		for range n {
			r := runOf(s, tenant)
			a.RunsToday++
			a.ConcurrentRuns++
			batch.Runs.Put(runRef(r), r)
		}
		batch.Accounts.Put(tenant, &a)
		s.commit(tx, batch)
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}

// manyRuns puts so many runs into the store that reads are not of one page.
func manyRuns(s *scene) (tenant rentroll.TenantID, rows []*rentroll.Run) {
	tenant, rows = s.newRuns(10_000, asMade)
	return tenant, rows
}

// benchmarkGet reads single runs, from all processors.
func benchmarkGet(b *testing.B, s *scene) {
	b.Helper()
	_, rows := manyRuns(s)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			ref := runRef(rows[i*7919%len(rows)])
			if get(s, runRows, ref) == nil {
				b.Error("a run is not there")
				return
			}
		}
	})
}

// benchmarkList reads pages from within a long list, from all processors.
func benchmarkList(b *testing.B, s *scene) {
	b.Helper()
	tenant, rows := manyRuns(s)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			f := rentroll.RunFilter{TenantID: tenant, Before: rows[i*7919%len(rows)].ID, Limit: 20, Scan: 5000}
			err := s.store.View(s.Context(), func(r rentroll.Reader) error {
				_, err := r.ListRuns(context.WithoutCancel(s.Context()), f)
				return err
			})
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
}
