package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/postgres"
)

const (
	pgTargetQueries = 200 // a second, for keys that there are not
	pgTargetKnown   = 1.5 // the p50 of a known key's verification in the storm to that without it
	inventedSecrets = 2000
)

// pgKeys measures verifications on PostgreSQL: of keys that are not in memory, and of one that is while a storm asks for keys
// that there are not.
func pgKeys(ctx context.Context, s settings, emit func(line)) error {
	return onPGStage(platformTenants, func(st *pgStage) error {
		if err := st.misses(ctx, s, emit); err != nil {
			return err
		}
		return st.storm(ctx, s, emit)
	})
}

// keyEngine opens an engine on a copy of the platform's database that keeps so many keys.
func (s *pgStage) keyEngine(ctx context.Context, cached int) (*rentroll.Engine, error) {
	name, err := s.database(ctx)
	if err != nil {
		return nil, err
	}
	store, err := postgres.Open(ctx, s.url(name), nil)
	if err != nil {
		return nil, err
	}
	engine, err := rentroll.New(store, &rentroll.Options{SweepInterval: -1, CachedKeys: cached})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	s.closers = append(s.closers, engine.Close)
	return engine, nil
}

// misses compares a verification that asks the database with a statement that reads a row by its key in one round trip.
func (s *pgStage) misses(ctx context.Context, set settings, emit func(line)) error {
	engine, err := s.keyEngine(ctx, -1)
	if err != nil {
		return err
	}
	f := &fixture{tenants: s.tenants, secrets: s.secrets}
	pool, err := s.pool(ctx)
	if err != nil {
		return err
	}
	before := engine.Metrics().KeyQueries
	var done atomic.Int64
	miss := arm{"miss", 1, func(ctx context.Context, c *caller) (int, error) {
		done.Add(1)
		return 1, verifyKey(ctx, engine, f, c.random.IntN(len(f.tenants)))
	}}
	row := arm{"one row by its key", 1, func(ctx context.Context, c *caller) (int, error) {
		var status string
		tenant := s.tenants[c.random.IntN(len(s.tenants))]
		return 1, pool.QueryRow(ctx, "SELECT status FROM accounts WHERE tenant_id = $1", tenant[:]).Scan(&status)
	}}
	c, err := compare(ctx, set, miss, row)
	if err != nil {
		return err
	}
	each := float64(engine.Metrics().KeyQueries-before) / float64(done.Load())
	ratio := c.over(func(r []result) float64 { return float64(r[0].quantile(0.5)) / float64(r[1].quantile(0.5)) })
	emit(line{
		what: "VerifyAPIKey, key not in memory", load: load(1, len(s.tenants)), figure: "p50 " + micros(c.latency(0, 0.5)),
		by: "one row by its key, one round trip: p50 " + micros(c.latency(1, 0.5)), ratio: times(ratio),
	})
	emit(line{
		what: "VerifyAPIKey, key not in memory", load: load(1, len(s.tenants)), figure: fmt.Sprintf("%.2f queries each", each),
		target: "≤ 1", met: atMost(each, 1),
	})
	return nil
}

// storm lets 64 callers ask for invented keys while one asks for a key that is in memory.
func (s *pgStage) storm(ctx context.Context, set settings, emit func(line)) error {
	engine, err := s.keyEngine(ctx, 0)
	if err != nil {
		return err
	}
	invented, err := s.invented(ctx)
	if err != nil {
		return err
	}
	f := &fixture{tenants: s.tenants, secrets: s.secrets}
	known := func(ctx context.Context, _ *caller) (int, error) { return 1, verifyKey(ctx, engine, f, 0) }
	var ratios, quiet, loud, queries, asked []float64
	for range set.rounds {
		calm, err := measure(ctx, 1, set.slice, known)
		if err != nil {
			return err
		}
		before, began := engine.Metrics().KeyQueries, time.Now()
		var storming result
		var stormErr error
		var group sync.WaitGroup
		group.Go(func() {
			storming, stormErr = measure(ctx, 64, 3*set.slice, func(ctx context.Context, c *caller) (int, error) {
				v, err := engine.VerifyAPIKey(ctx, rentroll.VerifyAPIKeyParams{Secret: invented[c.random.IntN(len(invented))]})
				if err == nil && v.Valid {
					err = errors.New("an invented key is good")
				}
				time.Sleep(time.Millisecond) // leaves the two cores to the one that is measured
				return 1, err
			})
		})
		busy, err := measure(ctx, 1, 3*set.slice, known)
		group.Wait()
		if err := errors.Join(err, stormErr); err != nil {
			return err
		}
		queries = append(queries, float64(engine.Metrics().KeyQueries-before)/time.Since(began).Seconds())
		asked = append(asked, storming.rate())
		ratios = append(ratios, float64(busy.quantile(0.5))/float64(calm.quantile(0.5)))
		quiet = append(quiet, float64(calm.quantile(0.5).Nanoseconds())/1e3)
		loud = append(loud, float64(busy.quantile(0.5).Nanoseconds())/1e3)
	}
	at := fmt.Sprintf("64 callers invent keys, %s", perSecond(median(asked)))
	emit(line{
		what: "VerifyAPIKey, keys that there are not", load: at, figure: fmt.Sprintf("%.0f queries/s", median(queries)),
		target: "≤ 200/s", met: atMost(median(queries), pgTargetQueries),
	})
	emit(line{
		what: "VerifyAPIKey, key in memory", load: "1, while " + at, figure: "p50 " + nanos(median(loud)),
		by: "without them: p50 " + nanos(median(quiet)), ratio: times(median(ratios)),
		target: fmt.Sprintf("≤ %g", pgTargetKnown), met: atMost(median(ratios), pgTargetKnown),
	})
	return nil
}

// invented are well-formed keys of another platform, made on a database of its own.
func (s *pgStage) invented(ctx context.Context) ([]string, error) {
	engine, err := s.keyEngine(ctx, -1)
	if err != nil {
		return nil, err
	}
	out, failures := make([]string, inventedSecrets), make([]error, inventedSecrets)
	var group sync.WaitGroup
	for i := range out {
		group.Go(func() {
			out[i], _, failures[i] = engine.CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{TenantID: s.tenants[i%len(s.tenants)], Name: "invented"})
		})
	}
	group.Wait()
	return out, errors.Join(failures...)
}
