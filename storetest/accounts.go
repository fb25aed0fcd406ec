package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

func accountRows(b *rentroll.Batch) *rentroll.Rowset[rentroll.TenantID, rentroll.Account] {
	return &b.Accounts
}

func fullAccount(s *scene) *rentroll.Account {
	return &rentroll.Account{
		TenantID: newID[rentroll.TenantID](s), Status: rentroll.TenantSuspended, Since: after(1), Plan: "Enterprise-2",
		Overrides: fullLimits(), Timezone: "America/Argentina/ComodRivadavia", AnchorDay: 28,
		Day: quota.Period{Start: after(2), End: after(3)}, RunsToday: 4,
		Month: quota.Period{Start: after(5), End: after(6)}, TokensUsed: 7, TokensAhead: 8, SpendUsed: 17, Subjects: 18, UncountedRuns: 19, StatementGrace: 20 * time.Microsecond, Marks: rentroll.Marks{80, 0x164, 7: 1},
		ConcurrentRuns: 9, TokensReserved: 10, Workers: 11, APIKeys: 12, Owners: 13,
		NextLeaseExpiry: after(14), NextKeyExpiry: after(15), CancelBefore: after(16),
		AuditSequence: 17, Generation: 18, LastNow: after(19), AuditHash: rentroll.AuditHash{20, 31: 21},
	}
}

func bareAccount(s *scene) *rentroll.Account {
	return &rentroll.Account{TenantID: newID[rentroll.TenantID](s), Status: rentroll.TenantActive}
}

// fullLimits has a limit of every form.
func fullLimits() quota.Limits {
	return quota.Limits{
		quota.Workers:        quota.Of(0),
		quota.RunsPerDay:     quota.NoLimit(),
		quota.ConcurrentRuns: {Max: 7, Mode: quota.Soft, Until: after(20), Reason: "trial, „until“ spring"},
		quota.TokensPerMonth: quota.Of(quota.MaxLimit),
		quota.APIKeys:        {Unlimited: true, Mode: quota.Soft},
	}
}

var accounts = noun[rentroll.TenantID, rentroll.Account]{
	rows: accountRows,
	key:  func(a *rentroll.Account) rentroll.TenantID { return a.TenantID },
	full: fullAccount, bare: bareAccount,
	edit: func(a *rentroll.Account) {
		a.Status, a.Plan, a.Overrides = rentroll.TenantArchived, "other", quota.Limits{quota.Workers: quota.Of(1)}
		a.RunsToday, a.Day.End, a.LastNow = 1000, after(1000), after(2000)
	},
}

func accountTests() []test {
	return append(accounts.tests(),
		test{"Statuses", accountStatuses},
		test{"ClaimLoads", claimLoads},
		test{"ClaimOfNothing", claimOfNothing},
		test{"ClaimOfWhatIsNotThere", claimOfMissing},
		test{"ClaimNamesAnAccountTwice", claimTwice},
		test{"ClaimInAnyOrder", claimInAnyOrder},
		test{"ClaimOfManyAccounts", claimOfMany},
		test{"ClaimOfABusyAccount", claimOfBusy},
		test{"ListOverdue", listOverdue},
	)
}

// listOverdue: an account is listed by its bounds, of leases or of keys; zero is none.
func listOverdue(s *scene) {
	var due []rentroll.TenantID
	for _, c := range []struct {
		lease, key time.Time
		due        bool
	}{
		{},
		{lease: after(1)},
		{key: after(1)},
		{lease: after(1), key: after(1)},
		{lease: instant, due: true},
		{key: instant, due: true},
		{lease: after(-1), due: true},
		{key: after(-1), due: true},
		{lease: after(-1), key: after(1), due: true},
		{lease: after(1), key: after(-1), due: true},
		{lease: after(-1), key: after(-1), due: true},
		{lease: after(1)},
	} {
		a := fullAccount(s)
		a.NextLeaseExpiry, a.NextKeyExpiry = c.lease, c.key
		accounts.put(s, a)
		if c.due {
			due = append(due, a.TenantID)
		}
	}
	var got []rentroll.TenantID
	for page := due; len(page) > 0; got = append(got, page...) { // in pages of three
		s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
			var last rentroll.TenantID
			if len(got) > 0 {
				last = got[len(got)-1]
			}
			page, err = r.ListOverdue(ctx, instant, last, 3)
			if len(page) > 3 {
				s.Errorf("a page of %d accounts, at most 3 were asked for", len(page))
			}
			return err
		})
	}
	same(s, "the list", got, due)
}

func accountStatuses(s *scene) {
	for _, status := range []rentroll.TenantStatus{
		rentroll.TenantActive, rentroll.TenantSuspended, rentroll.TenantTerminated, rentroll.TenantArchived,
	} {
		a := fullAccount(s)
		a.Status = status
		accounts.put(s, a)
		accounts.is(s, a)
	}
}

func claimLoads(s *scene) {
	one, two, other := fullAccount(s), bareAccount(s), fullAccount(s)
	accounts.put(s, one, two, other)
	_, b := s.claim(one.TenantID, two.TenantID)
	same(s, "the claimed account", b.Accounts.Get(one.TenantID), one)
	same(s, "the claimed account", b.Accounts.Get(two.TenantID), two)
	if b.Accounts.Knows(other.TenantID) {
		s.Error("an account that was not claimed is loaded")
	}
	if b.Unloaded() || b.Changed() {
		s.Error("the batch has something to load or to write after a claim")
	}
}

func claimOfNothing(s *scene) {
	tx, b := s.claim()
	s.commit(tx, b)
}

func claimOfMissing(s *scene) {
	a, missing := fullAccount(s), newID[rentroll.TenantID](s)
	accounts.put(s, a)
	tx, b := s.begin(), &rentroll.Batch{}
	busy, err := tx.Claim(s.Context(), b, []rentroll.TenantID{missing, a.TenantID}, false)
	s.must(err)
	if len(busy) > 0 {
		s.Errorf("accounts are busy that nobody holds: %v", busy)
	}
	if b.Accounts.Get(missing) != nil {
		s.Error("an account was claimed that is not there")
	}
	b.Accounts.Put(missing, &rentroll.Account{TenantID: missing}) // it can be made, then
	s.commit(tx, b)
	accounts.is(s, &rentroll.Account{TenantID: missing})
}

func claimTwice(s *scene) {
	a := fullAccount(s)
	accounts.put(s, a)
	tx, b := s.claim(a.TenantID, a.TenantID)
	next := *b.Accounts.Get(a.TenantID)
	next.RunsToday++
	b.Accounts.Put(a.TenantID, &next)
	s.commit(tx, b)
	accounts.is(s, &next)
}

func claimInAnyOrder(s *scene) {
	one, two, three := bareAccount(s), bareAccount(s), bareAccount(s)
	accounts.put(s, one, two, three)
	ids := []rentroll.TenantID{three.TenantID, one.TenantID, two.TenantID}
	given := slices.Clone(ids)
	_, b := s.claim(ids...)
	for _, id := range ids {
		if b.Accounts.Get(id) == nil {
			s.Errorf("account %s is not claimed", id)
		}
	}
	if !slices.Equal(ids, given) {
		s.Error("the claim has changed its caller's slice")
	}
}

func claimOfMany(s *scene) {
	var rows []*rentroll.Account
	var ids []rentroll.TenantID
	for range 256 { // as many as a batch has tenants
		a := fullAccount(s)
		rows, ids = append(rows, a), append(ids, a.TenantID)
	}
	accounts.put(s, rows...)
	tx, b := s.claim(ids...)
	for _, a := range rows {
		next := *b.Accounts.Get(a.TenantID)
		next.RunsToday++
		b.Accounts.Put(a.TenantID, &next)
	}
	s.commit(tx, b)
	for _, a := range rows {
		a.RunsToday++
		accounts.is(s, a)
	}
}

// claimOfBusy: a claim that does not wait either leaves out what another transaction holds and says so, or it comes only
// when that transaction has ended, and then sees what it did. It never sees the account as it was before.
func claimOfBusy(s *scene) {
	held, free := bareAccount(s), bareAccount(s)
	accounts.put(s, held, free)
	first, b := s.claim(held.TenantID)
	second := make(chan error, 1)
	go func() { second <- s.claimBeside(held.TenantID, free.TenantID) }()
	next := *b.Accounts.Get(held.TenantID)
	next.RunsToday = 41
	b.Accounts.Put(held.TenantID, &next)
	select {
	case err := <-second: // it was left out, while first still holds it
		s.must(err)
	case <-time.After(50 * time.Millisecond): // it waits, in Begin, until first ends
		s.commit(first, b)
		s.must(<-second)
		return
	}
	s.commit(first, b)
	s.must(s.claimBeside(held.TenantID, free.TenantID))
}

func (s *scene) claimBeside(held, free rentroll.TenantID) error {
	tx, err := s.store.Begin(s.Context())
	if err != nil {
		return err
	}
	defer tx.Rollback()
	b := &rentroll.Batch{}
	busy, err := tx.Claim(s.Context(), b, []rentroll.TenantID{held, free}, false)
	switch {
	case err != nil:
		return err
	case b.Accounts.Get(free) == nil:
		return errors.New("the account that nobody holds was not claimed")
	case slices.Equal(busy, []rentroll.TenantID{held}) && b.Accounts.Get(held) == nil:
		return nil
	case len(busy) == 0 && b.Accounts.Get(held) != nil && b.Accounts.Get(held).RunsToday == 41:
		return nil
	default:
		return errors.New("the account that another transaction holds was neither left out nor waited for")
	}
}
