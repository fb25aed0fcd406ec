package sqlstore

import (
	"context"
	"errors"
	"slices"

	"github.com/rentroll/rentroll"
)

// Store is a rentroll.Store on a SQL database.
type Store struct {
	dialect       Dialect
	presence      presence
	invalidations invalidations
	hot           hot // only with sessions that are Sole
}

// New makes a store of a database whose migrations have been applied. The store owns the dialect and closes it.
func New(d Dialect) *Store {
	stamp, horizon := d.Stamps()
	return &Store{dialect: d, presence: newPresence(d.Clock()), invalidations: newInvalidations(stamp, horizon)}
}

// Traits say what kind of store it is.
func (s *Store) Traits() rentroll.Traits { return s.dialect.Traits() }

// Close closes the database.
func (s *Store) Close() error { return s.dialect.Close() }

// Begin opens a write transaction.
func (s *Store) Begin(ctx context.Context) (rentroll.Tx, error) {
	session, sole, err := s.write(ctx)
	if err != nil {
		return nil, err
	}
	return &tx{reader: reader{session: session}, store: s, sole: sole}, nil
}

// write opens a write session; sole is nil where others write to the database as well.
func (s *Store) write(ctx context.Context) (session Session, sole Sole, err error) {
	if session, err = s.dialect.Write(ctx); err != nil {
		return nil, nil, err
	}
	if sole, _ = session.(Sole); sole != nil && !sole.Untouched() {
		s.hot.forget()
	}
	return session, sole, nil
}

// View calls read with one snapshot.
func (s *Store) View(ctx context.Context, read func(rentroll.Reader) error) error {
	session, err := s.dialect.Read(ctx)
	if err != nil {
		return err
	}
	defer session.Rollback()
	return read(&reader{session: session})
}

var (
	findBatch = &Stmt{SQL: "SELECT id FROM batches WHERE id = $1"}
	addBatch  = &Stmt{SQL: "INSERT INTO batches (id) VALUES ($1)"}
	nameBatch = &Stmt{SQL: "INSERT INTO batches (id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id"}
)

// Committed says whether a transaction was committed. Locking its accounts waits for its end.
func (s *Store) Committed(ctx context.Context, id rentroll.BatchID, ids []rentroll.TenantID) (bool, error) {
	session, _, err := s.write(ctx)
	if err != nil {
		return false, err
	}
	defer session.Rollback()
	found := false
	lock := accounts.fetch(sorted(ids), func(rentroll.TenantID, *rentroll.Account) {})
	lock.Lock = LockWait
	if err := session.Run(ctx, lock); err != nil {
		return false, err
	}
	err = session.Run(ctx, &Request{ // only now: a statement that waited sees what was there before
		Stmt: findBatch, Rows: 1,
		Bind: func(_ int, a Args) { a.ID(id) },
		Scan: func(Row) error { found = true; return nil },
	})
	return found, err
}

// WriteStatistics adds to what is counted off the path of admissions.
func (s *Store) WriteStatistics(ctx context.Context, stats *rentroll.Statistics) error {
	session, _, err := s.write(ctx)
	if err != nil {
		return err
	}
	defer session.Rollback()
	if s.dialect.Remote() && stats.ID != (rentroll.BatchID{}) {
		written := true
		err := session.Run(ctx, &Request{ // which waits for the end of one that writes the same
			Stmt: nameBatch, Rows: 1,
			Bind: func(_ int, a Args) { a.ID(stats.ID) },
			Scan: func(Row) error { written = false; return nil },
		})
		if err != nil || written {
			return err
		}
	}
	if err := session.Run(ctx, statistics(stats)...); err != nil {
		return err
	}
	return session.Commit(ctx)
}

func sorted(ids []rentroll.TenantID) []rentroll.TenantID {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, rentroll.TenantID.Compare)
	return slices.Compact(ids)
}

// reader reads in a session.
type reader struct{ session Session }

// Load reads all that b names.
func (r *reader) Load(ctx context.Context, b *rentroll.Batch) error { return r.run(ctx, loads(b, nil)) }

func (r *reader) run(ctx context.Context, requests []*Request) error {
	if len(requests) == 0 {
		return nil
	}
	return r.session.Run(ctx, requests...)
}

// loads asks for all that b names.
func loads(b *rentroll.Batch, requests []*Request) []*Request {
	requests = accounts.load(&b.Accounts, requests)
	requests = profiles.load(&b.Profiles, requests)
	requests = plans.load(&b.Plans, requests)
	requests = directory.load(&b.Directory, requests)
	requests = users.load(&b.Users, requests)
	requests = members.load(&b.Members, requests)
	requests = keys.load(&b.Keys, requests)
	requests = keyUses.load(&b.KeyUses, requests)
	requests = operatorKeys.load(&b.Operators, requests)
	requests = runs.load(&b.Runs, requests)
	requests = workers.load(&b.Workers, requests)
	requests = meters.load(&b.Meters, requests)
	requests = prices.load(&b.Prices, requests)
	requests = values.load(&b.Values, requests)
	requests = marks.load(&b.Marks, requests)
	requests = usage.load(&b.Events, requests)
	requests = once.load(&b.Once, requests)
	requests = checkpoints.load(&b.Checkpoints, requests)
	requests = chores.load(&b.Chores, requests)
	requests = askRuns(b, requests)
	requests = askPeriods(b, requests)
	requests = askKeys(b, requests)
	requests = askMemberships(b, requests)
	requests = askPlans(b, requests)
	requests = askHashes(b, requests)
	requests = sessions.load(&b.Sessions, requests)
	requests = askSessions(b, requests)
	requests = askMeterSums(b, requests)
	requests = subjects.load(&b.Subjects, requests)
	requests = askSubjects(b, requests)
	return askOperatorKeys(b, requests)
}

// tx is a write transaction.
type tx struct {
	reader
	store *Store
	sole  Sole
	batch *rentroll.Batch // that the accounts were claimed for
}

// Claim locks and loads accounts, then loads what else b names: in statements of their own, which see what the last
// holder of a lock has left, and still in one go.
func (t *tx) Claim(ctx context.Context, b *rentroll.Batch, ids []rentroll.TenantID, wait bool) ([]rentroll.TenantID, error) {
	ids = sorted(ids)
	for _, id := range ids {
		b.Accounts.Want(id)
	}
	b.Accounts.TakeWanted() // they are read here, with their locks
	t.batch = b
	if t.sole != nil {
		ids = t.store.hot.accounts.serve(&b.Accounts, ids)
	}
	request := accounts.fetch(ids, b.Accounts.Found)
	request.Lock = LockSkip
	if wait {
		request.Lock = LockWait
	}
	requests := append(make([]*Request, 0, 16), request)
	if err := t.run(ctx, t.loads(b, requests)); err != nil {
		return nil, err
	}
	return t.busy(ctx, b, ids, wait)
}

// busy finds out which of the accounts that could not be claimed exist, and so are held by others.
func (t *tx) busy(ctx context.Context, b *rentroll.Batch, ids []rentroll.TenantID, wait bool) (busy []rentroll.TenantID, err error) {
	if !t.store.dialect.Remote() {
		return nil, nil // the whole database is locked
	}
	var missing []rentroll.TenantID
	for _, id := range ids {
		if b.Accounts.Get(id) == nil {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	err = t.session.Run(ctx, accounts.fetch(missing, func(id rentroll.TenantID, _ *rentroll.Account) { busy = append(busy, id) }))
	if err == nil && wait && len(busy) > 0 { // made while this transaction waited for the others
		return nil, &rentroll.StoreError{Class: rentroll.ClassRetry, Op: "claim", Err: errors.New("an account came into being meanwhile")}
	}
	return busy, err
}

// Load reads all that b names.
func (t *tx) Load(ctx context.Context, b *rentroll.Batch) error { return t.run(ctx, t.loads(b, nil)) }

// loads asks for all that b names and is not kept.
func (t *tx) loads(b *rentroll.Batch, requests []*Request) []*Request {
	if t.sole != nil {
		if missing := t.store.hot.workers.serve(&b.Workers, b.Workers.TakeWanted()); len(missing) > 0 {
			requests = append(requests, workers.fetch(missing, b.Workers.Found))
		}
	}
	return loads(b, requests)
}

// Save writes all changes of b.
func (t *tx) Save(ctx context.Context, b *rentroll.Batch) error {
	t.remember(b)
	requests := make([]*Request, 0, 16)
	requests = accounts.save(&b.Accounts, requests)
	requests = profiles.save(&b.Profiles, requests)
	requests = plans.save(&b.Plans, requests)
	requests = directory.save(&b.Directory, requests)
	requests = users.save(&b.Users, requests)
	requests = members.save(&b.Members, requests)
	requests = keys.save(&b.Keys, requests)
	requests = keyUses.save(&b.KeyUses, requests)
	requests = subjects.save(&b.Subjects, requests)
	requests = workers.save(&b.Workers, requests)
	requests = runs.save(&b.Runs, requests)
	requests = payloads.add(b.Payloads, requests)
	requests = meters.save(&b.Meters, requests)
	requests = prices.save(&b.Prices, requests)
	requests = values.save(&b.Values, requests)
	requests = usage.add(b.Usage, requests)
	requests = marks.save(&b.Marks, requests)
	requests = saveRollups(b.Rollups, requests)
	requests = sinkPeaks(b.Sunk, requests)
	requests = savePeaks(b.Peaks, requests)
	requests = keepPeriods(b.Periods, requests)
	requests = events.add(b.Told, requests)
	requests = once.save(&b.Once, requests)
	requests = audit.add(b.Audit, requests)
	requests = removePayloads(b.Gone, requests)
	requests = savePruned(b.Pruned, requests)
	requests = checkpoints.save(&b.Checkpoints, requests)
	requests = chores.save(&b.Chores, requests)
	requests = trimAudits(b.Trim, requests)
	requests = operatorKeys.save(&b.Operators, requests)
	requests = sessions.save(&b.Sessions, requests)
	requests = t.store.invalidations.save(b.Invalid, requests)
	return t.session.Run(ctx, requests...)
}

// remember has what b will have read and written kept, once it is durable.
func (t *tx) remember(b *rentroll.Batch) {
	if t.sole == nil {
		return
	}
	t.sole.AfterCommit(func() {
		if b == t.batch {
			t.store.hot.keep(b)
		} else {
			t.store.hot.forget() // two batches in one transaction: neither has the whole
		}
	})
}

// Commit makes the changes durable.
func (t *tx) Commit(ctx context.Context, id rentroll.BatchID) error {
	if t.store.dialect.Remote() {
		err := t.session.Run(ctx, &Request{Stmt: addBatch, Rows: 1, Bind: func(_ int, a Args) { a.ID(id) }})
		if err != nil {
			return err
		}
	}
	return t.session.Commit(ctx)
}

// Rollback ends the transaction without effect.
func (t *tx) Rollback() { t.session.Rollback() }
