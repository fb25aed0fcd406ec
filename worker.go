package rentroll

import (
	"context"

	"github.com/rentroll/rentroll/quota"
)

// PutWorker enables or disables a worker of a tenant. Enabling takes a place of the quota workers. It needs
// worker:manage.
func (e *Engine) PutWorker(ctx context.Context, p PutWorkerParams) (*Worker, error) {
	if err := e.may(p.TenantID, PermWorkerManage); err != nil {
		return nil, err
	}
	var bad problems
	bad.add("worker_id", checkWorkerID(p.WorkerID))
	if err := bad.err(); err != nil {
		return nil, err
	}
	c := &putWorker{header: header{tenant: p.TenantID, by: e.actor, size: 1024}, p: p}
	if err := e.do(ctx, c); err != nil {
		return nil, err
	}
	own := *c.answer // the store may keep the row
	return &own, nil
}

type putWorker struct {
	header
	p      PutWorkerParams
	answer *Worker
}

func (c *putWorker) wants(b *Batch) { b.Workers.Want(WorkerRef{c.tenant, c.p.WorkerID}) }

func (c *putWorker) object(l *ledger) (any, error) {
	_, _, err := l.account(c.tenant)
	if w := l.Workers.Get(WorkerRef{c.tenant, c.p.WorkerID}); w != nil {
		return w, err
	}
	return nil, err
}

func (c *putWorker) decide(l *ledger) error {
	a, plan, now, err := l.planned(c.tenant)
	if err != nil {
		return err
	}
	ref := WorkerRef{c.tenant, c.p.WorkerID}
	w := l.Workers.Get(ref)
	enabled := w != nil && w.Enabled
	if w != nil && enabled == c.p.Enabled {
		c.answer = w
		return nil
	}
	if c.p.Enabled {
		if _, denied := a.take(plan, quota.Workers, 1, now); denied != nil {
			return denied
		}
	}
	next := &Worker{TenantID: c.tenant, WorkerID: c.p.WorkerID}
	if w != nil {
		*next = *w
	}
	next.Enabled = c.p.Enabled
	l.touch(a, now)
	entry := change{action: "worker.disable", kind: "worker", id: c.p.WorkerID, new: next}
	if w != nil {
		entry.old = w
	}
	switch {
	case c.p.Enabled:
		a.Workers++
		entry.action = "worker.enable"
	case enabled:
		a.Workers--
	}
	l.Workers.Put(ref, next)
	l.audit(a, c.by, now, entry)
	c.answer = next
	return nil
}

// DeleteWorker forgets a worker of a tenant: its next run enables it again, if there is room. It needs worker:manage.
func (e *Engine) DeleteWorker(ctx context.Context, tenant TenantID, worker string) error {
	if err := e.may(tenant, PermWorkerManage); err != nil {
		return err
	}
	if checkWorkerID(worker) != "" {
		return notFound("worker")
	}
	return e.do(ctx, &deleteWorker{header: header{tenant: tenant, by: e.actor, size: 1024}, worker: worker})
}

type deleteWorker struct {
	header
	worker string
}

func (c *deleteWorker) wants(b *Batch) { b.Workers.Want(WorkerRef{c.tenant, c.worker}) }

func (c *deleteWorker) object(l *ledger) (any, error) {
	if _, _, err := l.account(c.tenant); err != nil {
		return nil, err
	}
	return there(l.Workers.Get(WorkerRef{c.tenant, c.worker}), "worker")
}

func (c *deleteWorker) decide(l *ledger) error {
	a, now, err := l.account(c.tenant)
	if err != nil {
		return err
	}
	ref := WorkerRef{c.tenant, c.worker}
	w := l.Workers.Get(ref)
	if w == nil {
		return notFound("worker")
	}
	l.touch(a, now)
	if w.Enabled {
		a.Workers--
	}
	l.Workers.Delete(ref)
	l.audit(a, c.by, now, change{action: "worker.delete", kind: "worker", id: c.worker, old: w})
	return nil
}

// ListWorkers lists the workers that a tenant has enabled or disabled, by id. It needs worker:read.
func (e *Engine) ListWorkers(ctx context.Context, tenant TenantID) ([]*Worker, error) {
	if err := e.may(tenant, PermWorkerRead); err != nil {
		return nil, err
	}
	out := []*Worker{}
	err := e.viewTenant(ctx, tenant, func(r Reader, _ *Account) error {
		rows, err := r.ListWorkers(ctx, tenant)
		out = append(out, rows...)
		return err
	})
	return out, err
}
