package main

import (
	"context"

	"github.com/rentroll/rentroll"
)

type workerCmd struct {
	Remote

	List    workerList    `cmd:"" help:"List the workers that a tenant has enabled or disabled."`
	Enable  workerEnable  `cmd:"" help:"Enable a worker; it takes a place of the quota workers."`
	Disable workerDisable `cmd:"" help:"Disable a worker: its runs are denied."`
	Remove  workerRemove  `cmd:"" help:"Forget a worker: its next run enables it again, if there is room."`
}

func workerColumns(s *session) []column[*rentroll.Worker] {
	return []column[*rentroll.Worker]{
		{"worker", false, func(w *rentroll.Worker) string { return w.WorkerID }},
		{"enabled", false, func(w *rentroll.Worker) string { return yesNo(w.Enabled) }},
		{"first used", false, func(w *rentroll.Worker) string { return s.agoOr(w.FirstUsedAt, "never") }},
	}
}

type workerList struct{ ofTenant }

// Run lists the workers.
func (c *workerList) Run(ctx context.Context, s *session) error {
	return list(s, noPaging, everything(s.api.ListWorkers(ctx, c.Tenant)), workerColumns(s))
}

// ofWorker is a command on one worker.
type ofWorker struct {
	ofTenant

	Worker string `arg:"" help:"The worker's id."`
}

type (
	workerEnable  struct{ ofWorker }
	workerDisable struct{ ofWorker }
	workerRemove  struct{ ofWorker }
)

// Run enables the worker.
func (c *workerEnable) Run(ctx context.Context, s *session) error { return c.put(ctx, s, true) }

// Run disables the worker.
func (c *workerDisable) Run(ctx context.Context, s *session) error { return c.put(ctx, s, false) }

func (c *ofWorker) put(ctx context.Context, s *session, enabled bool) error {
	w, err := s.api.PutWorker(ctx, c.Tenant, c.Worker, enabled)
	return s.print(err, func() error { return printTable(s, []*rentroll.Worker{w}, workerColumns(s)) })
}

// Run forgets the worker.
func (c *workerRemove) Run(ctx context.Context, s *session) error {
	return s.done(s.api.DeleteWorker(ctx, c.Tenant, c.Worker), "%s is forgotten.", c.Worker)
}
