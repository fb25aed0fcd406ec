package sqlstore

import (
	"context"

	"github.com/rentroll/rentroll"
)

// invalidations holds the statements by which servers tell each other that a tenant has changed. They are made for each
// dialect: only the database knows the order of its transactions.
type invalidations struct{ mark, since, horizon *Stmt }

func newInvalidations(stamp, horizon string) invalidations {
	return invalidations{
		mark: &Stmt{SQL: "INSERT INTO invalidations (tenant_id, stamp) VALUES ($1, " + stamp + `)
			ON CONFLICT (tenant_id) DO UPDATE SET stamp = excluded.stamp`},
		since:   &Stmt{SQL: "SELECT tenant_id, stamp FROM invalidations WHERE stamp >= $1 ORDER BY stamp"},
		horizon: &Stmt{SQL: "SELECT " + horizon},
	}
}

// save marks tenants as changed.
func (i invalidations) save(tenants []rentroll.TenantID, requests []*Request) []*Request {
	if len(tenants) == 0 {
		return requests
	}
	return append(requests, &Request{Stmt: i.mark, Rows: len(tenants), Bind: func(n int, a Args) { a.ID(tenants[n]) }})
}

// Invalidated lists the tenants that changed in transactions from since on, and from where to ask the next time.
func (s *Store) Invalidated(ctx context.Context, since int64) (changed []rentroll.Invalidation, next int64, err error) {
	err = s.dialect.Ask(ctx,
		&Request{Stmt: s.invalidations.since, Rows: 1, Bind: func(_ int, a Args) { a.Int(since) }, Scan: func(row Row) error {
			changed = append(changed, rentroll.Invalidation{TenantID: row.ID(), Stamp: row.Int()})
			return nil
		}},
		&Request{Stmt: s.invalidations.horizon, Rows: 1, Bind: func(int, Args) {}, Scan: func(row Row) error {
			next = row.Int()
			return nil
		}},
	)
	if err != nil {
		return nil, 0, err
	}
	return changed, next, nil
}

// FindKeys reads keys by their hashes, and the accounts of all their tenants.
func (s *Store) FindKeys(ctx context.Context, asked []rentroll.KeyHash) ([]rentroll.FoundKey, error) {
	found := make(map[rentroll.KeyHash]*rentroll.APIKey, len(asked))
	owners := make(map[rentroll.TenantID]*rentroll.Account)
	var tenants []rentroll.TenantID
	for _, h := range asked {
		tenants = append(tenants, h.TenantID)
	}
	err := s.dialect.Ask(ctx,
		&Request{
			Stmt: keysByHash, Rows: len(asked),
			Bind: func(i int, a Args) {
				a.ID(asked[i].TenantID)
				a.Bytes(asked[i].Hash[:])
			},
			Scan: keys.found(func(_ rentroll.KeyRef, k *rentroll.APIKey) {
				found[rentroll.KeyHash{TenantID: k.TenantID, Hash: k.Hash}] = k
			}),
		},
		accounts.fetch(sorted(tenants), func(id rentroll.TenantID, a *rentroll.Account) { owners[id] = a }),
	)
	if err != nil {
		return nil, err
	}
	out := make([]rentroll.FoundKey, len(asked))
	for i, h := range asked {
		if k, a := found[h], owners[h.TenantID]; k != nil && a != nil {
			out[i] = rentroll.FoundKey{Key: k, Account: a}
		}
	}
	return out, nil
}
