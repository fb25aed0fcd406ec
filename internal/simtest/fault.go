package simtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/rentroll/rentroll"
)

// Fault is what happens to a commit.
type Fault int

// The faults of a commit.
const (
	None       Fault = iota
	Retry            // a serialization failure: nothing happened
	Refused          // the data was refused: nothing happened
	Down             // the store was not reached: nothing happened
	LostBefore       // the connection was lost, and nothing happened
	LostAfter        // the connection was lost, and it had happened
)

var errInjected = errors.New("injected")

// failure is the error by which the engine learns of a fault.
func (f Fault) failure(op string) error {
	class := map[Fault]rentroll.Class{
		Retry: rentroll.ClassRetry, Refused: rentroll.ClassConflict, Down: rentroll.ClassUnavailable,
		LostBefore: rentroll.ClassUnknown, LostAfter: rentroll.ClassUnknown,
	}[f]
	return &rentroll.StoreError{Class: class, Op: op, Err: errInjected}
}

// Faults is a store that fails on command, around a real one. A nil hook fails nothing.
// Hooks may block, to hold a lane, and may panic. Set them before the engine is used.
type Faults struct {
	rentroll.Store

	OnBegin  func() Fault
	OnClaim  func(ids []rentroll.TenantID, wait bool) (busy []rentroll.TenantID)
	OnSave   func(b *rentroll.Batch) Fault
	OnCommit func() Fault
	OnLookup func() Fault // before Committed answers
	OnView   func() Fault

	OnStatistics func() Fault
	OnFind       func() Fault // before keys are read
	OnFound      func()       // when keys have been read, before the engine knows
	OnChanges    func() Fault // before others' changes are learnt

	mu   sync.Mutex
	lost map[rentroll.BatchID]bool // whether a transaction whose connection was lost had happened
}

// Begin opens a write transaction.
func (f *Faults) Begin(ctx context.Context) (rentroll.Tx, error) {
	if fault := call(f.OnBegin); fault != None {
		return nil, fault.failure("begin")
	}
	tx, err := f.Store.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &faultyTx{tx, f}, nil
}

// View reads one snapshot.
func (f *Faults) View(ctx context.Context, read func(rentroll.Reader) error) error {
	if fault := call(f.OnView); fault != None {
		return fault.failure("view")
	}
	return f.Store.View(ctx, read)
}

// Committed answers what became of a transaction whose connection was lost.
func (f *Faults) Committed(ctx context.Context, id rentroll.BatchID, ids []rentroll.TenantID) (bool, error) {
	if fault := call(f.OnLookup); fault != None {
		return false, fault.failure("committed")
	}
	f.mu.Lock()
	happened, lost := f.lost[id]
	f.mu.Unlock()
	if lost {
		return happened, nil
	}
	return f.Store.Committed(ctx, id, ids)
}

// WriteStatistics writes what is counted off the path of admissions.
func (f *Faults) WriteStatistics(ctx context.Context, s *rentroll.Statistics) error {
	fault := call(f.OnStatistics)
	if fault == None || fault == LostAfter {
		if err := f.Store.WriteStatistics(ctx, s); err != nil {
			return err
		}
	}
	if fault != None {
		return fault.failure("statistics")
	}
	return nil
}

// FindKeys reads API keys.
func (f *Faults) FindKeys(ctx context.Context, asked []rentroll.KeyHash) ([]rentroll.FoundKey, error) {
	if fault := call(f.OnFind); fault != None {
		return nil, fault.failure("find keys")
	}
	found, err := f.Store.FindKeys(ctx, asked)
	if f.OnFound != nil {
		f.OnFound()
	}
	return found, err
}

// Invalidated lists what others have changed.
func (f *Faults) Invalidated(ctx context.Context, since int64) ([]rentroll.Invalidation, int64, error) {
	if fault := call(f.OnChanges); fault != None {
		return nil, 0, fault.failure("changes")
	}
	return f.Store.Invalidated(ctx, since)
}

func call(hook func() Fault) Fault {
	if hook == nil {
		return None
	}
	return hook()
}

// faultyTx is a transaction of a Faults.
type faultyTx struct {
	rentroll.Tx

	faults *Faults
}

// Claim leaves out what the hook says that others hold.
func (t *faultyTx) Claim(ctx context.Context, b *rentroll.Batch, ids []rentroll.TenantID, wait bool) ([]rentroll.TenantID, error) {
	var held []rentroll.TenantID
	if t.faults.OnClaim != nil {
		held = t.faults.OnClaim(ids, wait)
	}
	free := slices.DeleteFunc(slices.Clone(ids), func(id rentroll.TenantID) bool { return slices.Contains(held, id) })
	busy, err := t.Tx.Claim(ctx, b, free, wait)
	for _, id := range held {
		b.Accounts.Want(id)
	}
	b.Accounts.TakeWanted() // asked for and not found, as where others really hold them
	return append(busy, held...), err
}

// Save fails as the hook says, before anything is written.
func (t *faultyTx) Save(ctx context.Context, b *rentroll.Batch) error {
	if t.faults.OnSave != nil {
		if fault := t.faults.OnSave(b); fault != None {
			return fault.failure("save")
		}
	}
	return t.Tx.Save(ctx, b)
}

// Commit fails as the hook says.
func (t *faultyTx) Commit(ctx context.Context, id rentroll.BatchID) error {
	fault := call(t.faults.OnCommit)
	if fault == None {
		return t.Tx.Commit(ctx, id)
	}
	if fault == LostAfter {
		if err := t.Tx.Commit(ctx, id); err != nil {
			return err
		}
	}
	t.Tx.Rollback() // a connection that is lost takes its transaction with it
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	if t.faults.lost == nil {
		t.faults.lost = make(map[rentroll.BatchID]bool)
	}
	t.faults.lost[id] = fault == LostAfter
	return fault.failure("commit")
}

// Unreliable wraps a store so that, by the seed, many of its transactions fail in all
// the ways that the engine has to hide: callers must see no difference.
func Unreliable(store rentroll.Store, seed uint64) *Faults {
	rng := rand.New(rand.NewPCG(seed, 1))
	var mu sync.Mutex
	some := func(faults ...Fault) func() Fault {
		return func() Fault {
			mu.Lock()
			defer mu.Unlock()
			return faults[rng.IntN(len(faults))]
		}
	}
	save := some(None, None, None, None, Retry)
	busy := some(None, None, None, None, Down)
	return &Faults{
		Store: store,
		OnClaim: func(ids []rentroll.TenantID, wait bool) []rentroll.TenantID {
			if wait || busy() == None {
				return nil
			}
			return ids[:1]
		},
		OnSave:   func(*rentroll.Batch) Fault { return save() },
		OnCommit: some(None, None, None, Retry, LostBefore, LostAfter),
	}
}
