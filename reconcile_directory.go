package rentroll

import (
	"context"
	"encoding/hex"
)

// directoryPage is how many entries or users are compared at once.
const directoryPage = 200

// names compares what the directory says of a tenant's slug and external id.
func (c *recount) names(ctx context.Context) error {
	b := &Batch{}
	b.Profiles.Want(c.tenant)
	if err := c.Load(ctx, b); err != nil {
		return err
	}
	p := b.Profiles.Get(c.tenant)
	if p == nil {
		return nil
	}
	refs := []DirectoryRef{{DirectorySlug, p.Slug}}
	if p.ExternalID != "" {
		refs = append(refs, DirectoryRef{DirectoryExternalID, string(p.ExternalID)})
	}
	return ownership(ctx, c.Reader, c.tenantDiff, refs, c.tenant, c.tenant.String())
}

// entry notes that an entry is not its rightful owner's. doubled says that who it belongs to has the value as well.
func (d *tenantDiff) entry(r DirectoryRef, stored *DirectoryEntry, owner [16]byte, shown string, doubled bool) {
	was := ""
	if stored != nil {
		was = ownerText(stored)
	}
	d.add(tableDirectory, string(r.Kind)+" "+r.Value, "owner", was, shown, mending{entry: r, owner: owner})
	if doubled {
		d.found[len(d.found)-1].Note = "two have the same: one of them must be given another by hand"
	}
}

// ownership compares what the directory says of values with who really has them.
func ownership(ctx context.Context, r Reader, d *tenantDiff, refs []DirectoryRef, owner [16]byte, shown string) error {
	b := &Batch{}
	for _, ref := range refs {
		b.Directory.Want(ref)
	}
	if err := r.Load(ctx, b); err != nil {
		return err
	}
	for _, ref := range refs {
		entry := b.Directory.Get(ref)
		if entry != nil && entry.Owner == owner {
			continue
		}
		doubled := false
		if entry != nil {
			wantOwner(b, ref, entry.Owner)
			if err := r.Load(ctx, b); err != nil {
				return err
			}
			doubled = hasValue(b, ref, entry.Owner)
		}
		d.entry(ref, entry, owner, shown, doubled)
	}
	return nil
}

// wantOwner names the row that says whether an owner has a value.
func wantOwner(b *Batch, ref DirectoryRef, owner [16]byte) {
	switch ref.Kind {
	case DirectoryUserExternal:
		b.Users.Want(owner)
	case DirectoryKeyHash:
		if h, ok := hashOf(ref, owner); ok {
			ask(&b.KeyHashes, h)
		}
	case DirectorySlug, DirectoryExternalID:
		b.Profiles.Want(owner)
	}
}

// hasValue reports whether an owner has a value, by the row that wantOwner has named.
func hasValue(b *Batch, ref DirectoryRef, owner [16]byte) bool {
	switch ref.Kind {
	case DirectoryUserExternal:
		u := b.Users.Get(owner)
		return u != nil && string(u.ExternalID) == ref.Value
	case DirectoryKeyHash:
		h, ok := hashOf(ref, owner)
		return ok && b.KeyHashes[h] != nil && !b.KeyHashes[h].IsZero()
	case DirectorySlug:
		p := b.Profiles.Get(owner)
		return p != nil && p.Slug == ref.Value
	case DirectoryExternalID:
		p := b.Profiles.Get(owner)
		return p != nil && string(p.ExternalID) == ref.Value
	default:
		return true // of a kind that this program does not know
	}
}

// hashOf is the key that an entry of an imported key stands for.
func hashOf(ref DirectoryRef, owner TenantID) (KeyHash, bool) {
	raw, err := hex.DecodeString(ref.Value)
	if err != nil || len(raw) != len(KeyHash{}.Hash) {
		return KeyHash{}, false
	}
	return KeyHash{owner, [32]byte(raw)}, true
}

func ownerText(e *DirectoryEntry) string {
	if e.Kind == DirectoryUserExternal {
		return UserID(e.Owner).String()
	}
	return TenantID(e.Owner).String()
}

// directory looks whether a page of entries have owners who have their values.
func (w *reconciler) directory(ctx context.Context) error {
	diff := &tenantDiff{}
	err := w.view(ctx, func(r Reader) error {
		entries, err := r.ListDirectory(ctx, w.at.entry, directoryPage)
		if err != nil {
			return err
		}
		b := &Batch{}
		for _, e := range entries {
			wantOwner(b, e.DirectoryRef, e.Owner)
		}
		if err := r.Load(ctx, b); err != nil {
			return err
		}
		for _, e := range entries {
			if !hasValue(b, e.DirectoryRef, e.Owner) {
				diff.entry(e.DirectoryRef, e, [16]byte{}, "", false)
			}
			w.at.entry = e.DirectoryRef
		}
		if len(entries) < directoryPage {
			w.at = place{stage: stageUsers}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return w.mendDirectory(ctx, diff)
}

// users looks whether the directory knows the external ids of a page of users.
func (w *reconciler) users(ctx context.Context) error {
	diff := &tenantDiff{}
	err := w.view(ctx, func(r Reader) error {
		users, err := r.ListUsers(ctx, UserFilter{Before: w.at.user, Limit: directoryPage})
		if err != nil {
			return err
		}
		for _, u := range users {
			w.at.user = u.ID
			if u.ExternalID == "" {
				continue
			}
			refs := []DirectoryRef{{DirectoryUserExternal, string(u.ExternalID)}}
			if err := ownership(ctx, r, diff, refs, u.ID, u.ID.String()); err != nil {
				return err
			}
		}
		if len(users) < directoryPage {
			w.at = place{stage: stageDone}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return w.mendDirectory(ctx, diff)
}

// mendDirectory mends entries under the platform's lock, behind which all of the directory changes.
func (w *reconciler) mendDirectory(ctx context.Context, diff *tenantDiff) error {
	for i := 0; w.params.Repair && i < len(diff.found); i++ {
		d := &diff.found[i]
		if d.Note != "" {
			continue
		}
		c := &mendEntry{header: header{tenant: PlatformID, by: w.actor, size: rowOverhead}, d: d}
		if err := w.do(ctx, c); err != nil {
			return err
		}
		d.Mended = c.mended
	}
	w.out.Differences = append(w.out.Differences, diff.found...)
	return nil
}

// mendEntry mends one entry that is no tenant's name.
type mendEntry struct {
	header
	d      *Difference
	mended bool
}

func (c *mendEntry) wants(b *Batch) { c.d.mend.wants(b) }

func (c *mendEntry) decide(l *ledger) error {
	a, now, err := l.account(PlatformID)
	if err != nil {
		return err
	}
	if err := l.wantHolder(c.d); err != nil {
		return err
	}
	l.touch(a, now)
	if c.mended = l.mendEntry(c.d); c.mended {
		l.audit(a, c.by, now, change{
			action: "directory.reconcile", kind: "directory", id: c.d.Key, old: c.d.Stored, new: c.d.Computed,
		})
	}
	return nil
}

// wants names the entry, and the rows of who is to have it.
func (m *mending) wants(b *Batch) {
	b.Directory.Want(m.entry)
	if m.owner != [16]byte{} {
		wantOwner(b, m.entry, m.owner)
	}
}

// wantHolder loads the row of who has the entry of a difference now.
func (l *ledger) wantHolder(d *Difference) error {
	entry := l.Directory.Get(d.mend.entry)
	if entry == nil {
		return nil
	}
	wantOwner(l.Batch, entry.DirectoryRef, entry.Owner)
	if l.Unloaded() {
		return errMore
	}
	return nil
}

// mendEntry gives an entry to its rightful owner, or takes it away from one who has not the value, unless that has
// changed meanwhile.
func (l *ledger) mendEntry(d *Difference) bool {
	ref, owner := d.mend.entry, d.mend.owner
	entry := l.Directory.Get(ref)
	held := entry != nil && hasValue(l.Batch, ref, entry.Owner)
	switch {
	case owner == [16]byte{} && !held:
		l.Directory.Delete(ref)
		return true
	case entry != nil && entry.Owner == owner:
		return true
	case held || !hasValue(l.Batch, ref, owner):
		return false
	}
	l.Directory.Put(ref, &DirectoryEntry{ref, owner})
	return true
}
