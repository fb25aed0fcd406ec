package storetest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/rentroll/rentroll"
)

func concurrencyTests() []test {
	return []test{
		{"NoUpdateIsLost", noUpdateIsLost},
		{"NoUpdateIsLostOfMany", noUpdateIsLostOfMany},
		{"OneOfManyInserts", oneOfManyInserts},
		{"CanceledBefore", canceledBefore},
		{"CanceledWithin", canceledWithin},
		{"GivesUpWaiting", givesUpWaiting},
		{"CloseWaitsForTransactions", closeWaitsForTransaction},
		{"CloseWaitsForSnapshots", closeWaitsForView},
		{"Closed", closedStore},
	}
}

// increment counts one run in each of some accounts.
func (s *scene) increment(tenants ...rentroll.TenantID) error {
	return s.transact(tenants, func(b *rentroll.Batch) {
		for _, id := range tenants {
			a := *b.Accounts.Get(id)
			a.RunsToday++
			b.Accounts.Put(id, &a)
		}
	})
}

func noUpdateIsLost(s *scene) {
	tenant := s.tenant()
	s.together(8, func(int) error {
		for range 15 {
			if err := s.increment(tenant); err != nil {
				return err
			}
		}
		return nil
	})
	accounts.is(s, &rentroll.Account{TenantID: tenant, Status: rentroll.TenantActive, RunsToday: 8 * 15})
}

// noUpdateIsLostOfMany: transactions that claim several accounts, in whatever order, do not wait for each other in a
// circle.
func noUpdateIsLostOfMany(s *scene) {
	tenants := []rentroll.TenantID{s.tenant(), s.tenant(), s.tenant()}
	s.together(6, func(i int) error {
		for n := range 10 {
			one, two := tenants[(i+n)%3], tenants[(i+2*n+1)%3]
			pair := []rentroll.TenantID{one, two}
			if one == two {
				pair = pair[:1]
			}
			if err := s.increment(pair...); err != nil {
				return err
			}
		}
		return nil
	})
	var sum, want int64
	for _, id := range tenants {
		sum += get(s, accountRows, id).RunsToday
	}
	for i := range 6 {
		for n := range 10 {
			want += 2
			if (i+n)%3 == (i+2*n+1)%3 {
				want--
			}
		}
	}
	if sum != want {
		s.Errorf("got %d updates, want %d", sum, want)
	}
}

// oneOfManyInserts: of many who insert the same key at once, not knowing of each other, one comes through.
func oneOfManyInserts(s *scene) {
	var winners atomic.Int64
	s.together(8, func(i int) error {
		owner := rentroll.TenantID{0: byte(i)}
		err := s.transact(nil, func(b *rentroll.Batch) { b.Directory.Put(slugRef("acme"), slugOf("acme", owner)) })
		var e *rentroll.StoreError
		switch {
		case err == nil:
			winners.Add(1)
			return nil
		case errors.As(err, &e) && e.Class == rentroll.ClassConflict:
			return nil
		default:
			return err
		}
	})
	if n := winners.Load(); n != 1 {
		s.Errorf("%d of 8 inserted the same row", n)
	}
}

func canceledBefore(s *scene) {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	tenant := s.tenant()
	_, begin := s.store.Begin(ctx)
	_, known := s.store.Committed(ctx, newID[rentroll.BatchID](s), []rentroll.TenantID{tenant})
	for what, err := range map[string]error{
		"Begin": begin, "Committed": known,
		"View": s.store.View(ctx, func(r rentroll.Reader) error { return checkSnapshot(ctx, r, tenant, 0) }),
		"WriteStatistics": s.store.WriteStatistics(ctx, &rentroll.Statistics{
			Denials: s.newDenials(tenant, 1),
		}),
	} {
		if !errors.Is(err, context.Canceled) {
			s.Errorf("%s with a canceled context: got %v, want %v", what, err, context.Canceled)
		}
	}
	s.isDenials(tenant, nil)
}

// canceledWithin: a transaction whose context ends fails, writes nothing, and leaves the store as good as before.
func canceledWithin(s *scene) {
	a := fullAccount(s)
	for range 10 {
		ctx, cancel := context.WithCancel(s.Context())
		tx, err := s.store.Begin(ctx)
		s.must(err)
		b := &rentroll.Batch{}
		_, err = tx.Claim(ctx, b, []rentroll.TenantID{a.TenantID}, true)
		s.must(err)
		b.Accounts.Put(a.TenantID, a)
		s.must(tx.Save(ctx, b))
		cancel()
		more := &rentroll.Batch{}
		more.Accounts.Want(a.TenantID)
		if err := tx.Load(ctx, more); !errors.Is(err, context.Canceled) {
			s.Errorf("Load with a canceled context: got %v, want %v", err, context.Canceled)
		}
		tx.Rollback()
		accounts.isGone(s, a.TenantID)
	}
	accounts.put(s, a)
}

// givesUpWaiting: who waits for a lock that another transaction holds stops waiting when its context ends.
func givesUpWaiting(s *scene) {
	tenant := s.tenant()
	tx, b := s.claim(tenant)
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Millisecond)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- waitFor(ctx, s.store, tenant) }()
	select {
	case err := <-ended:
		if !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
	case <-time.After(3 * time.Second):
		s.Fatal("whoever waits does not notice the end of its context")
	}
	s.commit(tx, b)
	s.must(s.increment(tenant))
}

func waitFor(ctx context.Context, store rentroll.Store, tenant rentroll.TenantID) error {
	tx, err := store.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	_, err = tx.Claim(ctx, &rentroll.Batch{}, []rentroll.TenantID{tenant}, true)
	return err
}

// closing closes the store from another goroutine and returns when it has begun to close.
func (s *scene) closing() <-chan error {
	closed := make(chan error, 1)
	go func() { closed <- s.store.Close() }()
	for {
		ctx, cancel := context.WithTimeout(s.Context(), time.Millisecond)
		err := s.store.View(ctx, func(rentroll.Reader) error { return nil })
		cancel()
		if _, refused := errors.AsType[*rentroll.StoreError](err); refused {
			return closed
		}
	}
}

// stillOpen checks that the store has not closed yet.
func stillOpen(closed <-chan error) error {
	select {
	case err := <-closed:
		return errors.Join(errors.New("the store closed while it was in use"), err)
	case <-time.After(20 * time.Millisecond):
		return nil
	}
}

func closeWaitsForTransaction(s *scene) {
	a := fullAccount(s)
	tx, b := s.claim()
	closed := s.closing()
	b.Accounts.Put(a.TenantID, a)
	s.must(tx.Save(s.Context(), b))
	s.must(stillOpen(closed))
	s.must(tx.Commit(s.Context(), newID[rentroll.BatchID](s)))
	s.must(<-closed)
}

func closeWaitsForView(s *scene) {
	tenant := s.tenant()
	var closed <-chan error
	s.view(func(ctx context.Context, r rentroll.Reader) error {
		closed = s.closing()
		if err := stillOpen(closed); err != nil {
			return err
		}
		return checkSnapshot(ctx, r, tenant, 0)
	})
	s.must(<-closed)
}

func closedStore(s *scene) {
	s.must(s.store.Close())
	_, begin := s.store.Begin(s.Context())
	s.fails(begin, rentroll.ClassUnavailable)
	s.fails(s.store.View(s.Context(), func(rentroll.Reader) error { return nil }), rentroll.ClassUnavailable)
	s.fails(s.store.WriteStatistics(s.Context(), &rentroll.Statistics{}), rentroll.ClassUnavailable)
	s.must(s.store.Close()) // closing twice does nothing
}
