package storetest

import (
	"context"
	"slices"

	"github.com/rentroll/rentroll"
)

func workerRows(b *rentroll.Batch) *rentroll.Rowset[rentroll.WorkerRef, rentroll.Worker] {
	return &b.Workers
}

func workerRef(w *rentroll.Worker) rentroll.WorkerRef {
	return rentroll.WorkerRef{TenantID: w.TenantID, WorkerID: w.WorkerID}
}

var workers = noun[rentroll.WorkerRef, rentroll.Worker]{
	rows: workerRows, key: workerRef,
	full: func(s *scene) *rentroll.Worker {
		return &rentroll.Worker{TenantID: newID[rentroll.TenantID](s), WorkerID: "b.c-d_e", Enabled: true, FirstUsedAt: new(after(1))}
	},
	bare: func(s *scene) *rentroll.Worker {
		return &rentroll.Worker{TenantID: newID[rentroll.TenantID](s), WorkerID: "b"}
	},
	edit: func(w *rentroll.Worker) { w.Enabled, w.FirstUsedAt = false, nil },
}

func workerTests() []test {
	return append(workers.tests(),
		test{"ListByID", listWorkers},
		test{"ListOfNobody", listNoWorkers},
	)
}

func (s *scene) workerIDs(tenant rentroll.TenantID) (ids []string) {
	s.Helper()
	s.view(func(ctx context.Context, r rentroll.Reader) error {
		rows, err := r.ListWorkers(ctx, tenant)
		for _, w := range rows {
			same(s, "a listed worker", w, get(s, workerRows, workerRef(w)))
			ids = append(ids, w.WorkerID)
		}
		return err
	})
	return ids
}

func listWorkers(s *scene) {
	tenant := newID[rentroll.TenantID](s)
	ids := []string{"b", "a", "a-b", "a.b", "a_b", "ab", "10", "9", "z", "a--", "a-a"}
	s.put(func(b *rentroll.Batch) {
		for i, id := range ids {
			w := &rentroll.Worker{TenantID: tenant, WorkerID: id, Enabled: i%2 == 0, FirstUsedAt: new(after(i % 3))}
			b.Workers.Put(workerRef(w), w)
		}
	})
	workers.put(s, workers.full(s)) // another tenant's
	slices.Sort(ids)
	same(s, "the list", s.workerIDs(tenant), ids)
}

func listNoWorkers(s *scene) {
	workers.put(s, workers.full(s))
	same(s, "the list", s.workerIDs(newID[rentroll.TenantID](s)), nil)
}
