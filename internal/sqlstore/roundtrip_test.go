package sqlstore_test

import (
	"context"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/sqlite"
)

func open(t *testing.T) rentroll.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "rentroll.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// kind is a kind of row with its way through a store: put one, read it back.
type kind[R any] struct {
	put func(b *rentroll.Batch, row *R)
	get func(ctx context.Context, tx rentroll.Tx, row *R) (*R, error)
}

// test puts rows and reads them in one transaction, which is then rolled back: a bare one, one with every field set,
// and any that rapid draws.
func (k kind[R]) test(t *testing.T) {
	t.Helper()
	t.Parallel()
	store := open(t)
	var full R
	fill(&full)
	k.roundTrip(t, store, &full)
	rows := draw[R]()
	rapid.Check(t, func(rt *rapid.T) { k.roundTrip(rt, store, rows.Draw(rt, "row")) })
}

func (k kind[R]) roundTrip(t rapid.TB, store rentroll.Store, row *R) {
	t.Helper()
	ctx := context.Background()
	tx, err := store.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	b := &rentroll.Batch{}
	k.put(b, row)
	if err := tx.Save(ctx, b); err != nil {
		t.Fatal(err)
	}
	got, err := k.get(ctx, tx, row)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, row)
}

// reader is what a transaction on this core can do, too: the lists see what it has written.
func reader(tx rentroll.Tx) rentroll.Reader { return tx.(rentroll.Reader) }

// inRowset is a kind of row that a Rowset holds.
func inRowset[K comparable, R any](rows func(b *rentroll.Batch) *rentroll.Rowset[K, R], key func(r *R) K) kind[R] {
	return kind[R]{
		put: func(b *rentroll.Batch, row *R) { rows(b).Put(key(row), row) },
		get: func(ctx context.Context, tx rentroll.Tx, row *R) (*R, error) {
			b := &rentroll.Batch{}
			rows(b).Want(key(row))
			err := tx.Load(ctx, b)
			return rows(b).Get(key(row)), err
		},
	}
}

// owned also puts the account that a foreign key asks for.
func (k kind[R]) owned(owner func(r *R) rentroll.TenantID) kind[R] {
	put := k.put
	k.put = func(b *rentroll.Batch, row *R) {
		b.Accounts.Put(owner(row), &rentroll.Account{TenantID: owner(row)})
		put(b, row)
	}
	return k
}

func TestAccounts(t *testing.T) {
	inRowset(func(b *rentroll.Batch) *rentroll.Rowset[rentroll.TenantID, rentroll.Account] { return &b.Accounts },
		func(r *rentroll.Account) rentroll.TenantID { return r.TenantID }).test(t)
}

func TestProfiles(t *testing.T) {
	inRowset(func(b *rentroll.Batch) *rentroll.Rowset[rentroll.TenantID, rentroll.Profile] { return &b.Profiles },
		func(r *rentroll.Profile) rentroll.TenantID { return r.TenantID }).test(t)
}

func TestPlans(t *testing.T) {
	inRowset(func(b *rentroll.Batch) *rentroll.Rowset[string, rentroll.Plan] { return &b.Plans },
		func(r *rentroll.Plan) string { return r.Name }).test(t)
}

func TestDirectory(t *testing.T) {
	inRowset(func(b *rentroll.Batch) *rentroll.Rowset[rentroll.DirectoryRef, rentroll.DirectoryEntry] {
		return &b.Directory
	},
		func(r *rentroll.DirectoryEntry) rentroll.DirectoryRef { return r.DirectoryRef }).test(t)
}

func TestUsers(t *testing.T) {
	inRowset(func(b *rentroll.Batch) *rentroll.Rowset[rentroll.UserID, rentroll.User] { return &b.Users },
		func(r *rentroll.User) rentroll.UserID { return r.ID }).test(t)
}

func TestMembers(t *testing.T) {
	inRowset(func(b *rentroll.Batch) *rentroll.Rowset[rentroll.MemberRef, rentroll.Member] { return &b.Members },
		func(r *rentroll.Member) rentroll.MemberRef {
			return rentroll.MemberRef{TenantID: r.TenantID, UserID: r.UserID}
		}).owned(func(r *rentroll.Member) rentroll.TenantID { return r.TenantID }).test(t)
}

func TestKeys(t *testing.T) {
	inRowset(func(b *rentroll.Batch) *rentroll.Rowset[rentroll.KeyRef, rentroll.APIKey] { return &b.Keys },
		func(r *rentroll.APIKey) rentroll.KeyRef { return rentroll.KeyRef{TenantID: r.TenantID, KeyID: r.ID} },
	).owned(func(r *rentroll.APIKey) rentroll.TenantID { return r.TenantID }).test(t)
}

func TestKeyUses(t *testing.T) {
	inRowset(func(b *rentroll.Batch) *rentroll.Rowset[rentroll.KeyRef, rentroll.KeyUse] { return &b.KeyUses },
		func(r *rentroll.KeyUse) rentroll.KeyRef {
			return rentroll.KeyRef{TenantID: r.TenantID, KeyID: r.Family}
		}).test(t)
}

func TestRuns(t *testing.T) {
	inRowset(func(b *rentroll.Batch) *rentroll.Rowset[rentroll.RunRef, rentroll.Run] { return &b.Runs },
		func(r *rentroll.Run) rentroll.RunRef { return rentroll.RunRef{TenantID: r.TenantID, RunID: r.ID} }).test(t)
}

func TestWorkers(t *testing.T) {
	inRowset(func(b *rentroll.Batch) *rentroll.Rowset[rentroll.WorkerRef, rentroll.Worker] { return &b.Workers },
		func(r *rentroll.Worker) rentroll.WorkerRef {
			return rentroll.WorkerRef{TenantID: r.TenantID, WorkerID: r.WorkerID}
		}).test(t)
}

func TestSubjects(t *testing.T) {
	inRowset(func(b *rentroll.Batch) *rentroll.Rowset[rentroll.SubjectRef, rentroll.Subject] { return &b.Subjects },
		func(r *rentroll.Subject) rentroll.SubjectRef {
			return rentroll.SubjectRef{TenantID: r.TenantID, Subject: r.Subject}
		}).test(t)
}

func TestMeters(t *testing.T) {
	inRowset(func(b *rentroll.Batch) *rentroll.Rowset[rentroll.MeterRef, rentroll.Meter] { return &b.Meters },
		func(r *rentroll.Meter) rentroll.MeterRef {
			return rentroll.MeterRef{TenantID: r.TenantID, Name: r.Name}
		}).test(t)
}

func TestMarks(t *testing.T) {
	inRowset(func(b *rentroll.Batch) *rentroll.Rowset[rentroll.MarkRef, rentroll.UsageMark] { return &b.Marks },
		func(r *rentroll.UsageMark) rentroll.MarkRef {
			return rentroll.MarkRef{TenantID: r.TenantID, EventID: r.EventID}
		}).test(t)
}

func TestOnce(t *testing.T) {
	inRowset(func(b *rentroll.Batch) *rentroll.Rowset[rentroll.OnceRef, rentroll.OnceRecord] { return &b.Once },
		func(r *rentroll.OnceRecord) rentroll.OnceRef { return r.OnceRef }).test(t)
}

// first is the only row of a list.
func first[R any](rows []*R, err error) (*R, error) {
	if err != nil || len(rows) != 1 {
		return nil, err
	}
	return rows[0], nil
}

func TestPayloads(t *testing.T) {
	kind[rentroll.Payload]{
		put: func(b *rentroll.Batch, r *rentroll.Payload) { b.Payloads = append(b.Payloads, r) },
		get: func(ctx context.Context, tx rentroll.Tx, r *rentroll.Payload) (*rentroll.Payload, error) {
			return first(reader(tx).LoadPayloads(ctx, rentroll.RunRef{TenantID: r.TenantID, RunID: r.RunID}))
		},
	}.test(t)
}

func TestAudit(t *testing.T) {
	kind[rentroll.AuditRow]{
		put: func(b *rentroll.Batch, r *rentroll.AuditRow) { b.Audit = append(b.Audit, r) },
		get: func(ctx context.Context, tx rentroll.Tx, r *rentroll.AuditRow) (*rentroll.AuditRow, error) {
			return first(reader(tx).ListAudit(ctx, rentroll.AuditFilter{TenantID: r.TenantID, Limit: 2}))
		},
	}.test(t)
}

func TestOperatorKeys(t *testing.T) {
	inRowset(func(b *rentroll.Batch) *rentroll.Rowset[rentroll.OperatorKeyID, rentroll.OperatorKey] {
		return &b.Operators
	},
		func(r *rentroll.OperatorKey) rentroll.OperatorKeyID { return r.ID }).test(t)
}

func TestSessions(t *testing.T) {
	inRowset(func(b *rentroll.Batch) *rentroll.Rowset[[32]byte, rentroll.Session] { return &b.Sessions },
		func(r *rentroll.Session) [32]byte { return r.Hash }).test(t)
}

// TestDenials commits each row: statistics have transactions of their own.
func TestDenials(t *testing.T) {
	t.Parallel()
	store := open(t)
	tenant := byte(0)
	roundTrip := func(t rapid.TB, row *rentroll.Denial) {
		tenant++
		row.TenantID = rentroll.TenantID{tenant, 1}
		if err := store.WriteStatistics(context.Background(), &rentroll.Statistics{Denials: []*rentroll.Denial{row}}); err != nil {
			t.Fatal(err)
		}
		err := store.View(context.Background(), func(r rentroll.Reader) error {
			got, err := first(r.ListDenials(context.Background(), rentroll.DenialFilter{TenantID: row.TenantID, Limit: 2}))
			same(t, got, row)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var full rentroll.Denial
	fill(&full)
	roundTrip(t, &full)
	rows := draw[rentroll.Denial]()
	rapid.Check(t, func(rt *rapid.T) { roundTrip(rt, rows.Draw(rt, "row")) })
}
