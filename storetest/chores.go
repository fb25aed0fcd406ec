package storetest

import (
	"context"
	"encoding/json"

	"github.com/rentroll/rentroll"
)

// chores are what was begun and is not finished.
var chores = noun[rentroll.ChoreRef, rentroll.Chore]{
	rows: func(b *rentroll.Batch) *rentroll.Rowset[rentroll.ChoreRef, rentroll.Chore] { return &b.Chores },
	key:  func(c *rentroll.Chore) rentroll.ChoreRef { return c.ChoreRef },
	full: func(s *scene) *rentroll.Chore {
		c := choreOf(newID[rentroll.TenantID](s), "a kind")
		c.Detail = json.RawMessage(`{ "a": 1.0 }`)
		return c
	},
	bare: func(s *scene) *rentroll.Chore { return choreOf(newID[rentroll.TenantID](s), "a kind") },
	edit: func(c *rentroll.Chore) { c.Detail = json.RawMessage("2") },
}

func choreOf(tenant rentroll.TenantID, kind rentroll.ChoreKind) *rentroll.Chore {
	return &rentroll.Chore{ChoreRef: rentroll.ChoreRef{TenantID: tenant, Kind: kind}, BeganAt: after(1)}
}

func choreTests() []test { return append(chores.tests(), test{"List", listChores}) }

// listChores: by tenant, and a tenant's by kind, over the ends of pages.
func listChores(s *scene) {
	first, second := rentroll.TenantID{1}, rentroll.TenantID{2}
	want := []*rentroll.Chore{choreOf(rentroll.PlatformID, "b"), choreOf(first, "a"), choreOf(first, "b"), choreOf(second, "a")}
	chores.put(s, want[3], want[1], want[0], want[2])
	list := func(after rentroll.ChoreRef, limit int) (out []*rentroll.Chore) {
		s.view(func(ctx context.Context, r rentroll.Reader) (err error) {
			out, err = r.ListChores(ctx, after, limit)
			return err
		})
		return out
	}
	same(s, "all", list(rentroll.ChoreRef{}, 10), want)
	same(s, "a page", list(want[1].ChoreRef, 2), want[2:])
	same(s, "behind the last", list(want[3].ChoreRef, 2), nil)
}
