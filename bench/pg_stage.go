package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/pgtest"
	"github.com/rentroll/rentroll/postgres"
)

// pgConnections is how many connections the arms have that need one a call, and callers share.
const pgConnections = 32

// pgPlatform is a PostgreSQL server at full durability with a prepared database, which each arm gets a copy of.
type pgPlatform struct {
	server  *pgtest.Cluster
	tenants []rentroll.TenantID
	secrets []string // an API key's of each
	copies  atomic.Int64
}

// Settings that a dedicated server of this size would have; durability is as it comes: fsync and synchronous_commit on.
var pgSettings = []string{"shared_buffers=1GB", "max_wal_size=8GB", "checkpoint_timeout=15min", "max_connections=200"}

var preparePlatform = sync.OnceValues(func() (*pgPlatform, error) { return newPGPlatform(context.Background()) })

func newPGPlatform(ctx context.Context) (*pgPlatform, error) {
	began := time.Now()
	fmt.Fprintln(os.Stderr, "preparing a PostgreSQL server …")
	server, err := pgtest.Start(pgSettings...)
	if err != nil {
		return nil, err
	}
	p := &pgPlatform{server: server}
	if err := p.admin(ctx, "CREATE DATABASE platform"); err != nil {
		return nil, err
	}
	if err := p.fill(ctx); err != nil {
		return nil, fmt.Errorf("postgres fixture: %w", err)
	}
	fmt.Fprintf(os.Stderr, "prepared in %s\n", time.Since(began).Round(time.Second))
	return p, nil
}

// fill makes the tenants through an engine and the completed runs of a month in one statement.
func (p *pgPlatform) fill(ctx context.Context) (err error) {
	engine, err := p.open(ctx, "platform", nil)
	if err != nil {
		return err
	}
	f := &fixture{}
	if err := f.tenantsOf(ctx, engine, platformTenants); err != nil {
		return errors.Join(err, engine.Close())
	}
	p.tenants, p.secrets = f.tenants, f.secrets
	if err := engine.Close(); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, p.url("platform"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if _, err = conn.CopyFrom(ctx, pgx.Identifier{"rentroll", "runs"}, runColumns, p.endedRuns()); err != nil {
		return err
	}
	if _, err = conn.Exec(ctx, "VACUUM ANALYZE"); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "CHECKPOINT")
	return err
}

// endedRuns gives completed runs of all tenants in the order of time, as they would have come.
func (p *pgPlatform) endedRuns() pgx.CopyFromSource {
	random := rand.New(rand.NewPCG(1, 2))
	at, n := time.Now().Add(-30*24*time.Hour), 0
	return pgx.CopyFromFunc(func() ([]any, error) {
		n++
		if n > platformRuns {
			return nil, nil
		}
		at = at.Add(30 * 24 * time.Hour / platformRuns)
		row := newRunRow(p.tenants[random.IntN(len(p.tenants))], runID(at, random), at)
		row.end()
		return row.values(), nil
	})
}

func (p *pgPlatform) url(database string) string {
	u, err := url.Parse(p.server.URL())
	if err != nil {
		panic(err)
	}
	u.Path = "/" + database
	return u.String()
}

func (p *pgPlatform) admin(ctx context.Context, statement string) (err error) {
	conn, err := pgx.Connect(ctx, p.server.URL())
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

func (p *pgPlatform) open(ctx context.Context, database string, options *postgres.Options) (*rentroll.Engine, error) {
	store, err := postgres.Open(ctx, p.url(database), options)
	if err != nil {
		return nil, err
	}
	engine, err := rentroll.New(store, &rentroll.Options{SweepInterval: -1})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return engine, nil
}

// pgStage holds the databases of the arms that are compared.
type pgStage struct {
	*pgPlatform

	tenants []rentroll.TenantID // on whom to work
	closers []func() error
}

func newPGStage(tenants int) (*pgStage, error) {
	p, err := preparePlatform()
	if err != nil {
		return nil, err
	}
	return &pgStage{pgPlatform: p, tenants: p.tenants[:tenants]}, nil
}

func (s *pgStage) close() (err error) {
	for _, end := range slices.Backward(s.closers) {
		err = errors.Join(err, end())
	}
	return err
}

// database makes a copy of the platform's.
func (s *pgStage) database(ctx context.Context) (string, error) {
	name := fmt.Sprintf("arm_%d", s.copies.Add(1))
	if err := s.admin(ctx, "CREATE DATABASE "+name+" TEMPLATE platform STRATEGY file_copy"); err != nil {
		return "", err
	}
	s.closers = append(s.closers, func() error {
		return s.admin(context.WithoutCancel(ctx), "DROP DATABASE "+name+" WITH (FORCE)")
	})
	return name, nil
}

// engine opens an engine on a database.
func (s *pgStage) engine(ctx context.Context, database string, options *postgres.Options) (*rentroll.Engine, error) {
	engine, err := s.open(ctx, database, options)
	if err == nil {
		s.closers = append(s.closers, engine.Close)
	}
	return engine, err
}

// pool opens connections to a copy of the platform's database.
func (s *pgStage) pool(ctx context.Context) (*pgxpool.Pool, error) {
	name, err := s.database(ctx)
	if err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(s.url(name))
	if err != nil {
		return nil, err
	}
	config.MaxConns = pgConnections
	config.ConnConfig.RuntimeParams["search_path"] = "rentroll"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, func() error {
		pool.Close()
		return nil
	})
	return pool, nil
}

// on makes an arm of an operation that each caller does for a random tenant.
func (s *pgStage) on(name string, callers int, do func(context.Context, *caller, rentroll.TenantID) error) arm {
	return arm{name: name, callers: callers, op: func(ctx context.Context, c *caller) (int, error) {
		return 1, do(ctx, c, s.tenants[c.random.IntN(len(s.tenants))])
	}}
}

// grouped is the engine as it is.
func (s *pgStage) grouped(ctx context.Context, callers int, do work) (arm, error) {
	name, err := s.database(ctx)
	if err != nil {
		return arm{}, err
	}
	engine, err := s.engine(ctx, name, nil)
	return s.on("grouped", callers, func(ctx context.Context, _ *caller, t rentroll.TenantID) error { return do(ctx, engine, t) }), err
}
