package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

const (
	looks     = time.Minute // how often the rates follow what is left of the limits
	perTenant = 0.9         // runs a second of a tenant at most
	knocks    = 1.0 / 20    // how often a second a tenant tries that is denied
	patience  = 5 * time.Second
	liveLease = 30 * time.Second
)

// Traffic lets the platform work in real time, a few runs a second over all tenants, until the context ends; then it
// ends the runs that are open. Every tenant goes as fast as its day's limit lasts. Failures are logged and change
// nothing.
func (p *Platform) Traffic(ctx context.Context, logger *slog.Logger, seed uint64) {
	t := &traffic{Platform: p, logger: logger, rng: rand.New(rand.NewPCG(seed, 1))}
	t.run(ctx)
	t.open.Wait()
}

// traffic makes all random choices in one goroutine; runs live in goroutines of their own.
type traffic struct {
	*Platform

	logger *slog.Logger
	rng    *rand.Rand
	rates  []float64 // runs a second, a resident each
	total  float64
	open   sync.WaitGroup
}

func (t *traffic) run(ctx context.Context) {
	look := time.NewTicker(looks)
	defer look.Stop()
	t.look(ctx)
	next := time.NewTimer(t.pause())
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			t.look(ctx)
		case <-next.C:
			l := t.draw()
			t.open.Go(func() { l.live(ctx) })
			next.Reset(t.pause())
		}
	}
}

// pause draws the time to the next run.
func (t *traffic) pause() time.Duration {
	if t.total == 0 {
		return looks
	}
	return time.Duration(t.rng.ExpFloat64() / t.total * float64(time.Second))
}

// look sets each tenant's rate by what is left of its day.
func (t *traffic) look(ctx context.Context) {
	t.rates, t.total = make([]float64, len(t.residents)), 0
	for i, r := range t.residents {
		rate, err := t.rate(ctx, r)
		if err != nil && ctx.Err() == nil {
			t.logger.Warn("the demo could not look at a tenant", "tenant", r.slug, "error", err)
		}
		t.rates[i] = rate
		t.total += rate
	}
}

func (t *traffic) rate(ctx context.Context, r *resident) (float64, error) {
	if r.slug == terminated {
		return 0, nil
	}
	found, err := t.engine.GetTenant(ctx, r.id)
	if err != nil {
		return 0, fmt.Errorf("demo: %w", err)
	}
	if found.Status != rentroll.TenantActive || len(r.keys) == 0 {
		return knocks / 3, nil
	}
	uses, err := t.engine.GetQuotas(ctx, r.id)
	if err != nil {
		return 0, fmt.Errorf("demo: %w", err)
	}
	for _, u := range uses {
		if u.Quota != quota.RunsPerDay || u.Remaining == nil {
			continue
		}
		left := u.ResetsAt.Sub(t.engine.Now()).Seconds()
		rate := 0.7 * float64(*u.Remaining) / max(left, 60)
		if *u.Remaining == 0 {
			rate = knocks
		}
		return min(rate, perTenant), nil
	}
	return perTenant, nil
}

// life is one run in real time, with everything about it that is left to chance.
type life struct {
	*job

	traffic *traffic
	waits   time.Duration
	spans   time.Duration
	silent  bool
}

func (t *traffic) draw() *life {
	at, chosen := t.rng.Float64()*t.total, t.residents[0]
	for i, r := range t.residents {
		if at -= t.rates[i]; at < 0 {
			chosen = r
			break
		}
	}
	var j *job
	if len(chosen.keys) > 0 {
		j = draw(t.rng, chosen, keyProduction)
	} else {
		w := workers[chosen.workers[0]]
		j = &job{of: chosen, worker: w, task: w.tasks[0], tokens: w.tokens}
	}
	return &life{
		job: j, traffic: t, waits: between(t.rng, 100*time.Millisecond, 2*time.Second),
		spans: between(t.rng, 2*time.Second, 20*time.Second), silent: t.rng.Float64() < 0.003,
	}
}

// live takes the run to its end. When the demo stops it ends at once.
func (l *life) live(ctx context.Context) {
	err := l.try(ctx)
	denied := rentroll.CodeOf(err) == rentroll.CodeQuotaExceeded || errors.Is(err, rentroll.CodeTenantSuspended)
	if err != nil && !denied && ctx.Err() == nil {
		l.traffic.logger.Warn("a run of the demo failed", "tenant", l.of.slug, "error", err)
	}
}

func (l *life) try(ctx context.Context) error {
	engine := l.traffic.engine
	caller, err := l.pass.caller(ctx, engine)
	if err != nil {
		return err
	}
	l.run, err = caller.CreateRun(ctx, rentroll.CreateRunParams{
		TenantID: l.of.id, WorkerID: l.worker.id, Task: l.task, Input: l.input, APIKeyID: l.pass.id,
		ReserveTokens: l.worker.tokens, Lease: liveLease,
	})
	if err != nil {
		return err
	}
	pause(ctx, l.waits)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.spans+patience)
	defer cancel()
	ref := rentroll.RunRef{TenantID: l.of.id, RunID: l.run.ID}
	if _, err := engine.StartRun(end, ref); err != nil {
		return err
	}
	pause(ctx, l.spans/2)
	if _, err := engine.Heartbeat(end, rentroll.HeartbeatParams{TenantID: ref.TenantID, RunID: ref.RunID, TokensSoFar: l.tokens / 2}); err != nil {
		return err
	}
	pause(ctx, l.spans/2)
	switch {
	case l.silent && ctx.Err() == nil:
		return nil // its lease runs out, and the sweeper finds it
	case l.cancels:
		_, err = engine.CancelRun(end, ref)
		return err
	}
	if _, err = engine.CompleteRun(end, l.report(l.spans)); err != nil || l.worker.meter == "" || l.error != "" {
		return err
	}
	_, err = engine.RecordUsage(end, rentroll.RecordUsageParams{TenantID: ref.TenantID, UsageParams: rentroll.UsageParams{
		Meter: l.worker.meter, Unit: l.worker.unit, Amount: l.worker.produces, WorkerID: l.worker.id, APIKeyID: l.pass.id,
		RunID: ref.RunID, EventID: l.worker.meter + "/" + ref.RunID.String(),
	}})
	return err
}

// pause waits, unless the demo stops.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
