package rentroll

import (
	"slices"
	"sync"
)

// hands says which of an engine's queues has a tenant's account in its lane's hands, so that the lanes of one server do not
// want the same account at once: they pass it on, in the order in which they asked. That is no lock, and nothing is right or
// wrong by it: the account is locked in the store, where other servers want it as well. Safe for concurrent use.
type hands struct {
	mu   sync.Mutex
	held map[TenantID]*hand
}

// hand is one account in use.
type hand struct {
	by   *queue
	next []*queue // who asked for it meanwhile
}

func newHands() *hands { return &hands{held: make(map[TenantID]*hand)} }

// take takes an account for a queue. Where another one has it the queue is told when it has come: by its method given.
func (h *hands) take(id TenantID, q *queue) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	has := h.held[id]
	switch {
	case has == nil:
		h.held[id] = &hand{by: q}
	case has.by != q:
		if !slices.Contains(has.next, q) {
			has.next = append(has.next, q)
		}
		return false
	}
	return true
}

// pass gives accounts on to those who asked for them.
func (h *hands) pass(ids []TenantID) {
	for _, id := range ids {
		if next := h.next(id); next != nil {
			next.given(id)
		}
	}
}

func (h *hands) next(id TenantID) *queue {
	h.mu.Lock()
	defer h.mu.Unlock()
	has := h.held[id]
	if has == nil {
		return nil
	}
	if len(has.next) == 0 {
		delete(h.held, id)
		return nil
	}
	has.by, has.next = has.next[0], has.next[1:]
	return has.by
}
