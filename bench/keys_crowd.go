package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/rentroll/rentroll"
	store "github.com/rentroll/rentroll/sqlite"
)

// The keys of the two tenants on whom is measured what a number of keys costs. The newer half of them are revoked, so that a
// list of the good ones has to get past those, and every tenth of the others will expire.
const (
	manyKeys = 1_000_000
	fewKeys  = 100

	targetManyKeys = 1.5 // the latency with many keys to that with few
)

// crowd is the fixture of a tenant with a million keys and one with a hundred.
func crowd(ctx context.Context) (*fixture, error) {
	return cached(ctx, "keys", 2, func(f *fixture) (err error) {
		b, err := openBulk(f.path, false)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.close()) }()
		for i, n := range []int{manyKeys, fewKeys} {
			if err := b.insertKeys(f.tenants[i], n); err != nil {
				return fmt.Errorf("fixture: %w", err)
			}
		}
		return sqlitex.ExecuteScript(b.conn, `
			UPDATE accounts SET
				api_keys = (SELECT COUNT(*) FROM api_keys WHERE tenant_id = accounts.tenant_id AND status = 'active'),
				next_key_expiry = (SELECT MIN(expires_at) FROM api_keys WHERE tenant_id = accounts.tenant_id AND status = 'active')
			WHERE tenant_id IN (SELECT tenant_id FROM tenants);`, nil)
	})
}

// insertKeys gives a tenant so many copies of its one key, different in all that tells keys apart.
func (b *bulk) insertKeys(tenant rentroll.TenantID, n int) error {
	var names []string
	err := sqlitex.Execute(b.conn, "SELECT name FROM pragma_table_info('api_keys')", &sqlitex.ExecOptions{
		ResultFunc: func(s *sqlite.Stmt) error {
			names = append(names, s.ColumnText(0))
			return nil
		},
	})
	if err != nil {
		return err
	}
	different := map[string]string{"id": "?2", "family": "?2", "hash": "?3", "created_at": "?4", "status": "?5", "revoked_at": "?6", "expires_at": "?7"}
	values := slices.Clone(names)
	for i, name := range names {
		if value, ok := different[name]; ok {
			values[i] = value
		}
	}
	insert, err := b.conn.Prepare("INSERT INTO api_keys (" + strings.Join(names, ", ") + ") SELECT " + strings.Join(values, ", ") +
		" FROM api_keys WHERE tenant_id = ?1 ORDER BY id LIMIT 1")
	if err != nil {
		return err
	}
	random, began := rand.New(rand.NewPCG(3, 4)), time.Now()
	const perTransaction = 50_000
	for from := 0; from < n; from += perTransaction {
		err := b.transaction(func() error {
			for i := from; i < min(from+perTransaction, n); i++ {
				if err := insertKey(insert, tenant, began.Add(time.Duration(i)*10*time.Microsecond), i, n, random); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// insertKey inserts key i of n.
func insertKey(s *sqlite.Stmt, tenant rentroll.TenantID, at time.Time, i, n int, random *rand.Rand) error {
	id := runID(at, random)
	var hash [32]byte
	for j := range hash {
		hash[j] = byte(random.Uint32())
	}
	s.BindBytes(1, tenant[:])
	s.BindBytes(2, id[:])
	s.BindBytes(3, hash[:])
	s.BindInt64(4, at.UnixMicro())
	s.BindText(5, "active")
	s.BindNull(6)
	s.BindNull(7)
	switch {
	case i >= n/2:
		s.BindText(5, "revoked")
		s.BindInt64(6, at.UnixMicro())
	case i%10 == 0:
		s.BindInt64(7, at.Add(300*24*time.Hour+time.Duration(i)*time.Second).UnixMicro())
	}
	_, err := s.Step()
	return errors.Join(err, s.Reset())
}

// manyOrFew compares what is done with the keys of a tenant that has a million with the same for one that has a hundred.
func manyOrFew(ctx context.Context, s settings, emit func(line)) (err error) {
	f, err := crowd(ctx)
	if err != nil {
		return err
	}
	st, err := newStage(f, 2)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	path, err := f.copyTo(st.folder, "keys")
	if err != nil {
		return err
	}
	for _, cachedKeys := range []int{0, -1} {
		err := onEngine(ctx, path, &rentroll.Options{SweepInterval: -1, CachedKeys: cachedKeys}, func(e *rentroll.Engine) error {
			for _, o := range crowdOperations(f, cachedKeys < 0) {
				if err := manyOrFewAt(ctx, s, emit, e, o); err != nil {
					return fmt.Errorf("%s: %w", o.what, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// crowdOperation is something that is done for the tenant with many keys, 0, or with few, 1.
type crowdOperation struct {
	what string
	do   func(ctx context.Context, e *rentroll.Engine, tenant int) error
}

func crowdOperations(f *fixture, uncached bool) []crowdOperation {
	verification := func(ctx context.Context, e *rentroll.Engine, tenant int) error { return verifyKey(ctx, e, f, tenant) }
	if uncached {
		return []crowdOperation{{"VerifyAPIKey, key not in memory", verification}}
	}
	page := func(all bool) func(context.Context, *rentroll.Engine, int) error {
		return func(ctx context.Context, e *rentroll.Engine, tenant int) error {
			out, err := e.ListAPIKeys(ctx, rentroll.ListAPIKeysParams{TenantID: f.tenants[tenant], IncludeRevoked: all})
			if err == nil && len(out.Items) != rentroll.DefaultPageSize {
				err = fmt.Errorf("a page of %d keys", len(out.Items))
			}
			return err
		}
	}
	return []crowdOperation{
		{"VerifyAPIKey, key in memory", verification},
		{"ListAPIKeys, first page", page(false)},
		{"ListAPIKeys, first page, revoked ones too", page(true)},
		{"GetQuotas", func(ctx context.Context, e *rentroll.Engine, tenant int) error {
			_, err := e.GetQuotas(ctx, f.tenants[tenant])
			return err
		}},
		{"CreateAPIKey and RevokeAPIKey", func(ctx context.Context, e *rentroll.Engine, tenant int) error {
			_, key, err := e.CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{TenantID: f.tenants[tenant], Name: "short-lived"})
			if err != nil {
				return err
			}
			_, err = e.RevokeAPIKey(ctx, rentroll.RevokeAPIKeyParams{TenantID: f.tenants[tenant], KeyID: key.ID})
			return err
		}},
	}
}

func manyOrFewAt(ctx context.Context, s settings, emit func(line), e *rentroll.Engine, o crowdOperation) error {
	on := func(name string, tenant int) arm {
		return arm{name: name, callers: 1, op: func(ctx context.Context, _ *caller) (int, error) { return 1, o.do(ctx, e, tenant) }}
	}
	c, err := compare(ctx, settings{rounds: s.rounds, slice: s.slice / 2}, on("many keys", 0), on("few keys", 1))
	if err != nil {
		return err
	}
	ratio := c.over(func(row []result) float64 { return float64(row[0].quantile(0.5)) / float64(row[1].quantile(0.5)) })
	emit(line{
		what: o.what, load: "1 × 1, 1,000,000 keys, half of them revoked", figure: "p50 " + nanos(c.latency(0, 0.5)),
		by: "100 keys: p50 " + nanos(c.latency(1, 0.5)), ratio: times(ratio),
		target: fmt.Sprintf("≤ %g", targetManyKeys), met: atMost(ratio, targetManyKeys),
	})
	return nil
}

// nanos writes a latency that may be below a microsecond.
func nanos(micro float64) string {
	if micro < 10 {
		return fmt.Sprintf("%.0f ns", micro*1000)
	}
	return micros(micro)
}

// onEngine opens an engine on a file for a while.
func onEngine(ctx context.Context, path string, o *rentroll.Options, do func(*rentroll.Engine) error) (err error) {
	opened, err := store.Open(ctx, path, nil)
	if err != nil {
		return err
	}
	engine, err := rentroll.New(opened, o)
	if err != nil {
		return errors.Join(err, opened.Close())
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	return do(engine)
}
