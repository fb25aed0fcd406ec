package sqlstore

import (
	"maps"

	"github.com/rentroll/rentroll"
)

// Sole is implemented by the write sessions of a database in a file, of which there is one at a time and which others
// seldom write to. With them the store keeps the rows that nearly every transaction reads.
type Sole interface {
	// Untouched reports whether nobody but this process has written to the database since its last write session.
	Untouched() bool

	// AfterCommit has do called when the transaction is durable, before anybody else can write.
	AfterCommit(do func())
}

// cached is how many rows of a kind are kept.
const cached = 20_000

// cache keeps rows of one kind as they are in the database. It is used by write sessions only, one at a time.
type cache[K comparable, R any] struct{ rows map[K]*R }

// serve gives the rows that are kept to the set, and returns the keys of those that are not.
func (c *cache[K, R]) serve(set *rentroll.Rowset[K, R], keys []K) []K {
	missing := make([]K, 0, len(keys))
	for _, k := range keys {
		if row := c.rows[k]; row != nil {
			set.Found(k, row)
		} else {
			missing = append(missing, k)
		}
	}
	return missing
}

// keep takes over what a committed transaction has read and written.
func (c *cache[K, R]) keep(set *rentroll.Rowset[K, R]) {
	if len(c.rows) > cached {
		clear(c.rows) // simple, and rare: what is hot comes back at once
	}
	if c.rows == nil {
		c.rows = make(map[K]*R)
	}
	maps.Insert(c.rows, set.All())
	none := func(*R) {}
	set.Changes(none, none, func(k K) { delete(c.rows, k) })
}

// hot is what is kept of a database.
type hot struct {
	accounts cache[rentroll.TenantID, rentroll.Account]
	workers  cache[rentroll.WorkerRef, rentroll.Worker]
}

func (h *hot) keep(b *rentroll.Batch) {
	h.accounts.keep(&b.Accounts)
	h.workers.keep(&b.Workers)
}

func (h *hot) forget() { *h = hot{} }
