package simtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rentroll/rentroll"
)

// everything is more rows than any history makes.
const everything = 1 << 20

// CheckRows checks, in one snapshot, that the counters of a tenant's account equal
// its rows, that what they are counted from adds up, and that the audit has no gap and its chain holds.
func CheckRows(ctx context.Context, store rentroll.Store, tenant rentroll.TenantID) error {
	return store.View(ctx, func(r rentroll.Reader) error {
		b := &rentroll.Batch{}
		b.Accounts.Want(tenant)
		if err := r.Load(ctx, b); err != nil {
			return err
		}
		a := b.Accounts.Get(tenant)
		if a == nil {
			return fmt.Errorf("tenant %s has no account", tenant)
		}
		c := &rowCheck{Reader: r, account: a}
		return errors.Join(c.runs(ctx), c.keys(ctx), c.workersAndOwners(ctx), c.usage(ctx), c.audit(ctx))
	})
}

// Reconciled checks that the engine's own reconciliation finds nothing to mend, in any tenant.
func Reconciled(ctx context.Context, e *rentroll.Engine) error {
	for cursor := ""; ; {
		r, err := e.Reconcile(ctx, rentroll.ReconcileParams{Cursor: cursor})
		if err != nil {
			return err
		}
		if len(r.Differences) > 0 {
			return fmt.Errorf("%d differences between what is stored and its rows, for instance %+v", len(r.Differences), r.Differences[0])
		}
		if cursor = string(r.NextCursor); cursor == "" {
			return nil
		}
	}
}

// rowCheck checks one tenant in one snapshot.
type rowCheck struct {
	rentroll.Reader

	account *rentroll.Account
}

func equal(what string, counter, rows int64) error {
	if counter == rows {
		return nil
	}
	return fmt.Errorf("%s: the counter says %d, the rows %d", what, counter, rows)
}

// bound checks a lower bound: it must not be later than the earliest of what it bounds.
func bound(what string, stored, earliest time.Time) error {
	if earliest.IsZero() || !stored.IsZero() && !stored.After(earliest) {
		return nil
	}
	return fmt.Errorf("%s: the bound is %s, and %s is before it", what, stored, earliest)
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// held is what open runs hold.
type held struct{ runs, reserved int64 }

func (c *rowCheck) runs(ctx context.Context) error {
	a := c.account
	page, err := c.ListRuns(ctx, rentroll.RunFilter{TenantID: a.TenantID, Limit: everything, Scan: everything})
	if err != nil {
		return err
	}
	var all held
	var lease time.Time
	families := map[rentroll.KeyID]held{}
	for _, run := range page.Runs {
		h := families[run.Family]
		if run.Status.Open() {
			h.runs++
			h.reserved += run.ReservedTokens
			all.runs++
			all.reserved += run.ReservedTokens
			lease = earlier(lease, run.LeaseExpiresAt)
		}
		families[run.Family] = h // of ended runs, too: their family holds nothing
	}
	errs := []error{
		equal("concurrent_runs", a.ConcurrentRuns, all.runs),
		equal("tokens_reserved", a.TokensReserved, all.reserved),
		bound("next_lease_expiry", a.NextLeaseExpiry, lease),
	}
	delete(families, rentroll.KeyID{})
	uses := &rentroll.Batch{}
	for family := range families {
		uses.KeyUses.Want(rentroll.KeyRef{TenantID: a.TenantID, KeyID: family})
	}
	if err := c.Load(ctx, uses); err != nil {
		return err
	}
	for family, h := range families {
		use := uses.KeyUses.Get(rentroll.KeyRef{TenantID: a.TenantID, KeyID: family})
		if use == nil {
			errs = append(errs, fmt.Errorf("key family %s has no row", family))
			continue
		}
		errs = append(errs, equal("concurrent runs of a key", use.ConcurrentRuns, h.runs),
			equal("tokens reserved by a key", use.TokensReserved, h.reserved))
	}
	return errors.Join(errs...)
}

func (c *rowCheck) keys(ctx context.Context) error {
	a := c.account
	rows, err := c.ListKeys(ctx, rentroll.KeyFilter{TenantID: a.TenantID, Limit: everything})
	if err != nil {
		return err
	}
	var active int64
	var expiry time.Time
	for _, k := range rows {
		if k.Status == rentroll.KeyActive {
			if !k.InOverlap {
				active++
			}
			if k.ExpiresAt != nil {
				expiry = earlier(expiry, *k.ExpiresAt)
			}
		}
	}
	return errors.Join(equal("api_keys", a.APIKeys, active), bound("next_key_expiry", a.NextKeyExpiry, expiry))
}

func (c *rowCheck) workersAndOwners(ctx context.Context) error {
	a := c.account
	workers, err := c.ListWorkers(ctx, a.TenantID)
	if err != nil {
		return err
	}
	var enabled, owners int64
	for _, w := range workers {
		if w.Enabled {
			enabled++
		}
	}
	members, err := c.ListMembers(ctx, rentroll.MemberFilter{TenantID: a.TenantID, Limit: everything})
	if err != nil {
		return err
	}
	for _, m := range members {
		if m.Role == rentroll.RoleOwner {
			owners++
		}
	}
	return errors.Join(equal("workers", a.Workers, enabled), equal("owners", a.Owners, owners))
}

// usage checks the token month, and that the rollups are the sums of the events.
func (c *rowCheck) usage(ctx context.Context) error {
	a := c.account
	begin, end := time.Unix(0, 0).UTC(), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	tokens := func(from, to time.Time) (int64, error) {
		sums, err := c.SumUsage(ctx, a.TenantID, from, to)
		for _, s := range sums {
			if s.Meter == rentroll.MeterTokensUsed {
				return s.Total, err
			}
		}
		return 0, err
	}
	kept, err := c.keptUsage(ctx)
	if err != nil {
		return err
	}
	month, err := tokens(a.Month.Start, a.Month.End)
	if err != nil {
		return err
	}
	ahead, err := tokens(a.Month.End, end)
	if err != nil {
		return err
	}
	if begin.Before(kept) {
		begin = kept
	}
	events, err := c.SumUsage(ctx, a.TenantID, begin, end)
	if err != nil {
		return err
	}
	rollups, err := c.SumRollups(ctx, a.TenantID, begin, end)
	if err != nil {
		return err
	}
	sums := map[string]rentroll.RollupSum{}
	for _, s := range rollups {
		sums[s.Meter] = s.RollupSum
	}
	if a.Month.Start.Before(kept) {
		month, ahead = a.TokensUsed, a.TokensAhead // there is no telling any more
	}
	errs := []error{
		equal("tokens_used", a.TokensUsed, month), equal("tokens ahead", a.TokensAhead, ahead),
		equal("meters in rollups", int64(len(sums)), int64(len(events))),
	}
	for _, s := range events {
		errs = append(errs, equal("rollups of "+s.Meter, sums[s.Meter].Total, s.Total),
			equal("events in rollups of "+s.Meter, sums[s.Meter].Events, s.Events))
	}
	return errors.Join(errs...)
}

// keptUsage is from when on all events are there.
func (c *rowCheck) keptUsage(ctx context.Context) (kept time.Time, err error) {
	marks, err := c.ListPruned(ctx, c.account.TenantID)
	for _, m := range marks {
		if m.Kind == rentroll.PruneUsage {
			kept = m.Until
		}
	}
	return kept, err
}

func (c *rowCheck) audit(ctx context.Context) error {
	a := c.account
	rows, err := c.ListAudit(ctx, rentroll.AuditFilter{TenantID: a.TenantID, Before: 1 << 62, Limit: everything})
	if err != nil {
		return err
	}
	for i, row := range rows { // newest first
		if want := int64(len(rows) - i); row.Sequence != want {
			return fmt.Errorf("audit: the row numbered %d should be %d", row.Sequence, want)
		}
	}
	chain := rentroll.AuditCheck{}
	for _, row := range slices.Backward(rows) {
		chain.Add(row)
	}
	head := &rentroll.AuditHead{Sequence: a.AuditSequence, Hash: a.AuditHash}
	if broken := chain.End(head); broken != nil {
		return fmt.Errorf("audit: the chain does not hold at %d: %s: %s", broken.Sequence, broken.Fault, broken.Detail)
	}
	return errors.Join(equal("audit_sequence", a.AuditSequence, int64(len(rows))), equal("chained rows", min(chain.ChainedFrom(), 1), min(a.AuditSequence, 1)))
}
