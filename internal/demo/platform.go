package demo

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/rentroll/rentroll"
)

// Platform is the cast at work in a database. Fill makes one, Open finds one again.
type Platform struct {
	engine    *rentroll.Engine
	residents []*resident
}

// resident is a tenant of the cast with what it got in the database.
type resident struct {
	*tenant

	id      rentroll.TenantID
	keys    []pass // its active keys
	left    bool   // suspended or terminated
	pending []rentroll.UsageParams
}

// pass is an API key. Its secret is known to whoever made it, "" to whoever comes later.
type pass struct {
	id      rentroll.KeyID
	secret  string
	name    string
	workers []string // nil for all
}

// What the metadata of the first tenant says of the database.
const (
	markName    = "rentroll_demo"
	markFilling = "filling"
	markDone    = "filled"
)

// ErrNotEmpty says that a database holds tenants that the demo did not make.
var ErrNotEmpty = errors.New("the database has tenants or users of its own, and the demo must not mix with them")

// ErrInterrupted says that a database was not filled to the end.
var ErrInterrupted = errors.New("the demo was interrupted while it filled the database; delete the file and start again")

// IsEmpty reports whether a store has no tenants and no users, so that the demo may fill it. It is asked before an
// engine is started, whose clock must then begin a month ago: see Clock.Rewind.
func IsEmpty(ctx context.Context, store rentroll.Store) (bool, error) {
	empty := false
	err := store.View(ctx, func(r rentroll.Reader) error {
		tenants, err := r.ListTenants(ctx, rentroll.TenantFilter{Limit: 1})
		if err != nil {
			return fmt.Errorf("demo: looking for tenants: %w", err)
		}
		users, err := r.ListUsers(ctx, rentroll.UserFilter{Limit: 1})
		if err != nil {
			return fmt.Errorf("demo: looking for users: %w", err)
		}
		empty = len(tenants)+len(users) == 0
		return nil
	})
	return empty, err
}

// Open finds the platform in a database that Fill has filled before.
func Open(ctx context.Context, engine *rentroll.Engine) (*Platform, error) {
	p := &Platform{engine: engine}
	for _, t := range cast(engine.Now()) {
		found, err := engine.GetTenantBySlug(ctx, t.slug)
		switch {
		case errors.Is(err, rentroll.CodeNotFound) && t.slug == firstSlug:
			return nil, ErrNotEmpty
		case errors.Is(err, rentroll.CodeNotFound):
			continue // somebody has cleaned up
		case err != nil:
			return nil, fmt.Errorf("demo: looking for the tenant %s: %w", t.slug, err)
		}
		if t.slug == firstSlug {
			switch found.Metadata[markName] {
			case markDone:
			case markFilling:
				return nil, ErrInterrupted
			default:
				return nil, ErrNotEmpty
			}
		}
		r := &resident{tenant: t, id: found.ID, left: found.Status != rentroll.TenantActive}
		if err := r.findKeys(ctx, engine); err != nil {
			return nil, err
		}
		p.residents = append(p.residents, r)
	}
	return p, nil
}

func (r *resident) findKeys(ctx context.Context, engine *rentroll.Engine) error {
	keys, err := engine.ListAPIKeys(ctx, rentroll.ListAPIKeysParams{TenantID: r.id})
	if err != nil {
		return fmt.Errorf("demo: listing the keys of %s: %w", r.slug, err)
	}
	for _, k := range keys.Items {
		r.keys = append(r.keys, pass{id: k.ID, name: k.Name, workers: k.AllowedWorkers})
	}
	return nil
}

// caller returns a handle that acts for a key, or for the program on its behalf where its secret is not known.
func (p pass) caller(ctx context.Context, engine *rentroll.Engine) (*rentroll.Engine, error) {
	if p.secret == "" {
		return engine, nil
	}
	actor, err := engine.Authenticate(ctx, p.secret)
	if err != nil {
		return nil, fmt.Errorf("demo: authenticating the key %s: %w", p.name, err)
	}
	return engine.As(actor), nil
}

// key returns one of the tenant's keys by name.
func (r *resident) key(name string) (pass, bool) {
	for _, k := range r.keys {
		if k.name == name {
			return k, true
		}
	}
	return pass{}, false
}

// each does something with all items at once, as many programs would, and returns the first error.
func each[T any](ctx context.Context, items []T, do func(context.Context, T) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, item := range items {
		g.Go(func() error { return do(ctx, item) })
	}
	return g.Wait()
}

const atOnce = 48
