package storetest

import (
	"fmt"

	"github.com/rentroll/rentroll"
)

// enginePurges purges a tenant with members, keys, an imported one, and more rows than one call removes: from the first
// call on nobody finds it, its names are free, and what is left goes whoever asks.
func enginePurges(s *scene) {
	h, elsewhere := s.engine(), s.engine()
	ctx := h.Context()
	acme, err := h.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme", ExternalID: "org"})
	h.must(err)
	globex := h.newTenant("globex", nil)
	ada, err := h.CreateUser(ctx, rentroll.CreateUserParams{Email: "ada@acme.example"})
	h.must(err)
	for _, tenant := range []rentroll.TenantID{globex, acme.ID} {
		_, err = h.CreateMembership(ctx, rentroll.CreateMembershipParams{TenantID: tenant, UserID: ada.ID})
		h.must(err)
	}
	secret, key, err := h.CreateAPIKey(ctx, rentroll.CreateAPIKeyParams{TenantID: acme.ID, Name: "k"})
	h.must(err)
	old := rentroll.ImportAPIKeysParams{Keys: []rentroll.ImportedKey{{SHA256: fmt.Sprintf("%064d", 7), Name: "old"}}}
	old.TenantID = acme.ID
	_, err = h.ImportAPIKeys(ctx, old)
	h.must(err)
	const events = 300
	for range events {
		_, err := h.RecordUsage(ctx, rentroll.RecordUsageParams{TenantID: acme.ID, UsageParams: rentroll.UsageParams{Meter: "pages", Amount: 1, Unit: "pages"}})
		h.must(err)
	}
	run, err := h.newRun(acme.ID)
	h.must(err)
	_, err = h.Purge(ctx, acme.ID)
	h.refused("an active tenant", err, rentroll.CodeInvalidTransition)
	p := rentroll.TransitionParams{TenantID: acme.ID}
	_, err = h.Terminate(ctx, p)
	h.must(err)
	_, err = h.Archive(ctx, p)
	h.must(err)
	valid := func(e *house) rentroll.NullString {
		v, err := e.VerifyAPIKey(ctx, rentroll.VerifyAPIKeyParams{Secret: secret})
		h.must(err)
		return v.Code
	}
	same(s, "the key of an archived tenant", valid(h), rentroll.NullString(rentroll.CodeTenantTerminated))

	purging, err := h.Purge(ctx, acme.ID)
	h.must(err)
	if purging.Slug != "acme" || purging.Actor != "program" || purging.Head == nil || purging.Head.Sequence == 0 || purging.Removed < events {
		h.Errorf("the purge is %+v", purging)
	}
	h.isGone(acme.ID, key.ID, run.ID, ada.ID)
	same(s, "its key", valid(h), rentroll.NullString(rentroll.CodeNotFound))
	again, err := h.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme", ExternalID: "org"})
	h.must(err)

	for err == nil { // whichever server is asked
		_, err = elsewhere.Purge(ctx, acme.ID)
	}
	h.refused("at the end", err, rentroll.CodeNotFound)
	old.TenantID = again.ID
	receipt, err := h.ImportAPIKeys(ctx, old)
	h.must(err)
	same(s, "the imported key, which is free again", receipt.Items[0].Status, rentroll.ImportImported)
	u, err := h.GetUser(ctx, ada.ID)
	h.must(err)
	if !u.DefaultTenantID.IsZero() {
		h.Errorf("the user still begins in %s", u.DefaultTenantID)
	}
	rows, err := h.ListAudit(ctx, rentroll.ListAuditParams{})
	h.must(err)
	var told []string
	for _, row := range rows.Items {
		if row.ResourceID == acme.ID.String() {
			told = append(told, row.Action+" by "+row.Actor)
		}
	}
	same(s, "what the platform's audit keeps", told, []string{"tenant.purged by program", "tenant.purge by program"})
	v, err := h.VerifyAudit(ctx, rentroll.VerifyAuditParams{})
	h.must(err)
	same(s, "the platform's audit", v.Verdict, rentroll.AuditHolds)
	_, err = h.Purge(ctx, rentroll.PlatformID)
	h.refused("the platform", err, rentroll.CodeNotFound)
}

// isGone checks that nobody finds a tenant and what it had, nor changes anything in it.
func (h *house) isGone(tenant rentroll.TenantID, key rentroll.KeyID, run rentroll.RunID, user rentroll.UserID) {
	h.Helper()
	ctx := h.Context()
	_, err := h.GetTenant(ctx, tenant)
	h.refused("the tenant", err, rentroll.CodeNotFound)
	_, err = h.GetTenantBySlug(ctx, "acme")
	h.refused("its slug", err, rentroll.CodeNotFound)
	_, err = h.GetAPIKey(ctx, tenant, key)
	h.refused("its key", err, rentroll.CodeNotFound)
	_, err = h.GetRun(ctx, rentroll.RunRef{TenantID: tenant, RunID: run})
	h.refused("its run", err, rentroll.CodeNotFound)
	_, err = h.GetMembership(ctx, tenant, user)
	h.refused("its member", err, rentroll.CodeNotFound)
	_, err = h.ListAudit(ctx, rentroll.ListAuditParams{TenantID: tenant})
	h.refused("its audit", err, rentroll.CodeNotFound)
	_, err = h.newRun(tenant)
	h.refused("a run", err, rentroll.CodeNotFound)
	_, err = h.Suspend(ctx, rentroll.TransitionParams{TenantID: tenant})
	h.refused("a change", err, rentroll.CodeNotFound)
}
