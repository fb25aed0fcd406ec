package storetest

import (
	"context"

	"github.com/rentroll/rentroll"
)

func directoryRows(b *rentroll.Batch) *rentroll.Rowset[rentroll.DirectoryRef, rentroll.DirectoryEntry] {
	return &b.Directory
}

func slugRef(value string) rentroll.DirectoryRef {
	return rentroll.DirectoryRef{Kind: rentroll.DirectorySlug, Value: value}
}

func slugOf(value string, owner rentroll.TenantID) *rentroll.DirectoryEntry {
	return &rentroll.DirectoryEntry{DirectoryRef: slugRef(value), Owner: owner}
}

func fullEntry(s *scene) *rentroll.DirectoryEntry {
	return slugOf(newID[rentroll.TenantID](s).String(), newID[rentroll.TenantID](s))
}

var directory = noun[rentroll.DirectoryRef, rentroll.DirectoryEntry]{
	rows: directoryRows,
	key:  func(e *rentroll.DirectoryEntry) rentroll.DirectoryRef { return e.DirectoryRef },
	full: fullEntry, bare: fullEntry,
	edit: func(e *rentroll.DirectoryEntry) { e.Owner[0]++ },
}

func directoryTests() []test {
	return append(directory.tests(),
		test{"KindsAreApart", directoryKinds},
		test{"OneValueOneOwner", directoryOneOwner},
		test{"HasAKind", directoryHasKind},
		test{"AValueMoves", directoryMoves},
		test{"ATenantTakesAnotherValue", directoryRenames},
	)
}

func directoryKinds(s *scene) {
	owner := newID[rentroll.TenantID](s)
	var entries []*rentroll.DirectoryEntry
	for i, kind := range []rentroll.DirectoryKind{
		rentroll.DirectorySlug, rentroll.DirectoryExternalID, rentroll.DirectoryUserExternal,
	} {
		e := slugOf("acme", owner)
		e.Kind, e.Owner[0] = kind, byte(i)
		entries = append(entries, e)
	}
	directory.put(s, entries...)
	for _, e := range entries {
		directory.is(s, e)
	}
}

// directoryOneOwner: of two who want one value at once, without having looked, one is refused with all it wrote.
func directoryOneOwner(s *scene) {
	first, second := newID[rentroll.TenantID](s), newID[rentroll.TenantID](s)
	directory.put(s, slugOf("acme", first))
	s.refuse(func(b *rentroll.Batch) {
		b.Profiles.Put(second, &rentroll.Profile{TenantID: second, Slug: "acme"})
		b.Directory.Put(slugRef("acme"), slugOf("acme", second))
	})
	profiles.isGone(s, second)
	directory.is(s, slugOf("acme", first))
}

func directoryHasKind(s *scene) {
	has := func(kind rentroll.DirectoryKind) (has bool) {
		s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
			has, err = r.HasDirectory(ctx, kind)
			return err
		})
		return has
	}
	if has(rentroll.DirectorySlug) {
		s.Error("a new store has a slug")
	}
	directory.put(s, slugOf("acme", newID[rentroll.TenantID](s)))
	if !has(rentroll.DirectorySlug) {
		s.Error("the slug is not seen")
	}
	if has(rentroll.DirectoryKeyHash) {
		s.Error("an entry of another kind is seen")
	}
}

func directoryMoves(s *scene) {
	first, second := newID[rentroll.TenantID](s), newID[rentroll.TenantID](s)
	directory.put(s, slugOf("acme", first))
	directory.replace(s, slugOf("acme", second))
	directory.is(s, slugOf("acme", second))
}

// directoryRenames gives a value back and takes another, and the first goes to somebody else, all in one transaction.
func directoryRenames(s *scene) {
	one, two := newID[rentroll.TenantID](s), newID[rentroll.TenantID](s)
	directory.put(s, slugOf("a", one), slugOf("b", two))
	s.change(
		func(b *rentroll.Batch) {
			b.Directory.Want(slugRef("a"))
			b.Directory.Want(slugRef("b"))
			b.Directory.Want(slugRef("c"))
		},
		func(b *rentroll.Batch) {
			b.Directory.Put(slugRef("c"), slugOf("c", one))
			b.Directory.Delete(slugRef("a"))
			b.Directory.Put(slugRef("a"), slugOf("a", two))
			b.Directory.Delete(slugRef("b"))
		},
	)
	directory.is(s, slugOf("a", two))
	directory.is(s, slugOf("c", one))
	directory.isGone(s, slugRef("b"))
}
