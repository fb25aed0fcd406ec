package storetest

import (
	"context"
	"time"

	"github.com/rentroll/rentroll"
)

func transactionTests() []test {
	return []test{
		{"CommitKeepsAll", commitKeepsAll},
		{"RollbackLeavesNothing", rollbackLeavesNothing},
		{"ConflictLeavesNothing", conflictLeavesNothing},
		{"RollbackAfterCommit", rollbackAfterCommit},
		{"RollbackTwice", rollbackTwice},
		{"CommitOfNothing", commitOfNothing},
		{"LoadSeesWhatWasSaved", loadSeesSaved},
		{"LoadReadsARowOnce", loadReadsOnce},
		{"LoadOfNothing", loadOfNothing},
		{"LoadInSteps", loadInSteps},
		{"SaveInParts", saveInParts},
		{"OnAfterAConflict", onAfterConflict},
		{"CommittedOfNothing", committedOfNothing},
		{"Committed", committed},
		{"CommittedWaits", committedWaits},
	}
}

// specimen is a row of some kind: how it is put, and how to see whether it is there.
type specimen struct {
	kind  string
	put   func(b *rentroll.Batch)
	there func() bool
}

func (n noun[K, R]) specimen(s *scene, kind string, row *R) specimen {
	return specimen{
		kind:  kind,
		put:   func(b *rentroll.Batch) { n.rows(b).Put(n.key(row), row) },
		there: func() bool { return get(s, n.rows, n.key(row)) != nil },
	}
}

// specimens are rows of every kind, as one transaction may write them.
func specimens(s *scene) []specimen {
	tenant := newID[rentroll.TenantID](s)
	account := fullAccount(s)
	account.TenantID = tenant
	payload, event := payloadOf(newRunRef(s), rentroll.PayloadInput, "1"), eventOf(s, tenant, "a", 1, instant)
	return []specimen{
		accounts.specimen(s, "account", account),
		profiles.specimen(s, "profile", fullProfile(s)),
		plans.specimen(s, "plan", fullPlan(s)),
		directory.specimen(s, "directory", fullEntry(s)),
		users.specimen(s, "user", fullUser(s)),
		members.specimen(s, "member", memberOf(s, tenant, newID[rentroll.UserID](s))),
		keys.specimen(s, "key", keyOf(s, tenant)),
		keyUses.specimen(s, "key use", keyUses.full(s)),
		operatorKeys.specimen(s, "operator key", operatorKeys.full(s)),
		runs.specimen(s, "run", fullRun(s)),
		workers.specimen(s, "worker", workers.full(s)),
		meters.specimen(s, "meter", fullMeter(s)),
		marks.specimen(s, "mark", fullMark(s)),
		onceRecords.specimen(s, "idempotency record", fullOnce(s)),
		{
			"payload", func(b *rentroll.Batch) { b.Payloads = append(b.Payloads, payload) },
			func() bool {
				return len(s.payloads(rentroll.RunRef{TenantID: payload.TenantID, RunID: payload.RunID})) > 0
			},
		},
		{
			"usage event", func(b *rentroll.Batch) { b.Usage = append(b.Usage, event) },
			func() bool { return len(s.sumUsage(tenant, instant, after(1))) > 0 },
		},
		{
			"rollup", func(b *rentroll.Batch) {
				b.Rollups = map[rentroll.RollupKey]rentroll.RollupSum{totalOf(tenant, "a", bucket(0)): {Total: 1, Events: 1}}
			},
			func() bool { return len(s.sumRollups(tenant, bucket(0), bucket(1))) > 0 },
		},
		{
			"audit row", func(b *rentroll.Batch) { b.Audit = append(b.Audit, auditRow(s, tenant, 1)) },
			func() bool { return len(s.listAudit(rentroll.AuditFilter{TenantID: tenant, Limit: 1})) > 0 },
		},
	}
}

// areThere checks that all of the rows are there, or that none is.
func areThere(s *scene, rows []specimen, want bool) {
	s.Helper()
	for _, row := range rows {
		if row.there() != want {
			s.Errorf("the %s is there: %v, want %v", row.kind, !want, want)
		}
	}
}

func commitKeepsAll(s *scene) {
	rows := specimens(s)
	s.put(func(b *rentroll.Batch) {
		for _, row := range rows {
			row.put(b)
		}
	})
	areThere(s, rows, true)
}

func rollbackLeavesNothing(s *scene) {
	rows := specimens(s)
	tx, b := s.claim()
	for _, row := range rows {
		row.put(b)
	}
	s.must(tx.Save(s.Context(), b))
	tx.Rollback()
	areThere(s, rows, false)
}

// conflictLeavesNothing: whatever comes before or after the row that is refused.
func conflictLeavesNothing(s *scene) {
	taken := []*rentroll.DirectoryEntry{slugOf("a", newID[rentroll.TenantID](s)), slugOf("z", newID[rentroll.TenantID](s))}
	directory.put(s, taken...)
	for _, entry := range taken {
		rows := specimens(s)
		s.refuse(func(b *rentroll.Batch) {
			for _, row := range rows {
				row.put(b)
			}
			b.Directory.Put(entry.DirectoryRef, entry)
		})
		areThere(s, rows, false)
	}
}

func rollbackAfterCommit(s *scene) {
	a := fullAccount(s)
	tx, b := s.claim()
	b.Accounts.Put(a.TenantID, a)
	s.commit(tx, b)
	tx.Rollback()
	tx.Rollback()
	accounts.is(s, a)
}

func rollbackTwice(s *scene) {
	tx, _ := s.claim()
	tx.Rollback()
	other, b := s.claim() // what the first has given back is in other hands now
	tx.Rollback()
	a := fullAccount(s)
	b.Accounts.Put(a.TenantID, a)
	s.commit(other, b)
	accounts.is(s, a)
}

func commitOfNothing(s *scene) {
	tx, b := s.claim(s.tenant())
	s.commit(tx, b)
	tx = s.begin()
	s.must(tx.Commit(s.Context(), newID[rentroll.BatchID](s)))
}

// loadSeesSaved: a transaction reads what it has written itself, while nobody else does.
func loadSeesSaved(s *scene) {
	r, gone := fullRun(s), fullRun(s)
	runs.put(s, gone)
	tx, b := s.claim()
	b.Runs.Want(runRef(gone))
	s.must(tx.Load(s.Context(), b))
	b.Runs.Delete(runRef(gone))
	b.Runs.Put(runRef(r), r)
	s.must(tx.Save(s.Context(), b))
	more := &rentroll.Batch{}
	more.Runs.Want(runRef(r))
	more.Runs.Want(runRef(gone))
	s.must(tx.Load(s.Context(), more))
	same(s, "the run that was saved", more.Runs.Get(runRef(r)), r)
	if more.Runs.Get(runRef(gone)) != nil {
		s.Error("the run that was deleted is there")
	}
	runs.isGone(s, runRef(r))
	runs.is(s, gone)
}

// loadReadsOnce: a row that a batch has got stays as it was read.
func loadReadsOnce(s *scene) {
	r := fullRun(s)
	runs.put(s, r)
	tx, b := s.claim()
	b.Runs.Want(runRef(r))
	s.must(tx.Load(s.Context(), b))
	first := b.Runs.Get(runRef(r))
	b.Runs.Want(runRef(r))
	s.must(tx.Load(s.Context(), b))
	if b.Runs.Get(runRef(r)) != first {
		s.Error("a row that the batch had was read again")
	}
}

func loadOfNothing(s *scene) {
	tx, b := s.claim()
	s.must(tx.Load(s.Context(), b))
	s.load(func(*rentroll.Batch) {})
}

// loadInSteps: what was read names what to read next.
func loadInSteps(s *scene) {
	k := fullKey(s)
	keys.put(s, k)
	use := &rentroll.KeyUse{TenantID: k.TenantID, Family: k.Family, Tokens: rentroll.Tally{Used: 5}}
	keyUses.put(s, use)
	tx, b := s.claim(k.TenantID)
	b.Keys.Want(keyRef(k))
	s.must(tx.Load(s.Context(), b))
	ref := rentroll.KeyRef{TenantID: k.TenantID, KeyID: b.Keys.Get(keyRef(k)).Family}
	b.KeyUses.Want(ref)
	s.must(tx.Load(s.Context(), b))
	same(s, "the row of the second step", b.KeyUses.Get(ref), use)
}

func saveInParts(s *scene) {
	rows := specimens(s)
	tx, b := s.claim()
	for _, row := range rows {
		part := &rentroll.Batch{}
		row.put(part)
		s.must(tx.Save(s.Context(), part))
	}
	s.commit(tx, b)
	areThere(s, rows, true)
}

// onAfterConflict: a refused transaction leaves its connection and its locks as if it had never been.
func onAfterConflict(s *scene) {
	a := fullAccount(s)
	accounts.put(s, a)
	for range 20 {
		s.refuse(func(b *rentroll.Batch) { b.Accounts.Put(a.TenantID, a) })
	}
	tx, b := s.claim(a.TenantID)
	next := *b.Accounts.Get(a.TenantID)
	next.RunsToday++
	b.Accounts.Put(a.TenantID, &next)
	s.commit(tx, b)
	accounts.is(s, &next)
}

func (s *scene) committed(id rentroll.BatchID, accounts ...rentroll.TenantID) bool {
	s.Helper()
	yes, err := s.store.Committed(s.Context(), id, accounts)
	s.must(err)
	return yes
}

// committedOfNothing: of a transaction that never was, or that was rolled back, no store says that it was committed.
func committedOfNothing(s *scene) {
	tenant := s.tenant()
	if s.committed(newID[rentroll.BatchID](s), tenant) || s.committed(newID[rentroll.BatchID](s)) {
		s.Error("a transaction that never was is said to be committed")
	}
	if s.committed(newID[rentroll.BatchID](s), tenant, newID[rentroll.TenantID](s), tenant) {
		s.Error("a transaction on an account that is not there is said to be committed")
	}
}

// committed: a store whose commits may be lost on their way knows them afterwards. Others are never asked.
func committed(s *scene) {
	if !s.store.Traits().Shared {
		return
	}
	tenant := s.tenant()
	id := newID[rentroll.BatchID](s)
	tx, b := s.claim(tenant)
	s.must(tx.Save(s.Context(), b))
	s.must(tx.Commit(s.Context(), id))
	if !s.committed(id, tenant) {
		s.Error("the committed transaction is not known")
	}
}

// committedWaits: while a transaction still holds an account its end is open, and the answer waits for it.
func committedWaits(s *scene) {
	tenant := s.tenant()
	id := newID[rentroll.BatchID](s)
	tx, b := s.claim(tenant)
	type answer struct {
		committed bool
		err       error
	}
	answers := make(chan answer, 1)
	go func() {
		yes, err := s.store.Committed(context.WithoutCancel(s.Context()), id, []rentroll.TenantID{tenant})
		answers <- answer{yes, err}
	}()
	select {
	case a := <-answers:
		s.Fatalf("the answer %v came while the transaction was open", a)
	case <-time.After(20 * time.Millisecond):
	}
	s.must(tx.Save(s.Context(), b))
	s.must(tx.Commit(s.Context(), id))
	a := <-answers
	s.must(a.err)
	if !a.committed && s.store.Traits().Shared {
		s.Error("the transaction that was committed meanwhile is not known")
	}
}
