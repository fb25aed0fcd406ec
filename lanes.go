package rentroll

import "encoding/binary"

// bulkShare is the part of the memory for waiting commands that those may have which write in bulk, and the part of that which
// one tenant's may have: whatever waits of them, there is room for admissions.
const bulkShare = 2

// openLanes makes the lanes: those that tenants are divided among, and one for what is written in bulk, so that no admission
// waits in a queue behind a thousand events.
func (c *core) openLanes() error {
	traits := c.store.Traits()
	n := max(1, traits.Lanes)
	if c.opts.Lanes > 0 {
		n = min(n, c.opts.Lanes)
	}
	c.active.Store(int32(n))
	if !traits.Bulk {
		c.writers = make(chan struct{}, n)
	}
	room, hands := &budget{max: int64(c.opts.QueueBytes)}, newHands()
	patience := make(chan struct{}, patientLanes)
	for range n {
		q := newQueue(c.opts.TenantQueue, room)
		q.hands = hands
		l, err := c.lane(q, false, patience)
		if err != nil {
			return err
		}
		c.lanes = append(c.lanes, l)
	}
	q := newQueue(c.opts.TenantQueue, &budget{max: room.max / bulkShare, of: room})
	q.hands, q.mostBytes = hands, c.opts.QueueBytes/bulkShare/bulkShare
	var err error
	c.bulk, err = c.lane(q, true, make(chan struct{}, patientBulk))
	return err
}

func (c *core) lane(q *queue, bulk bool, patience chan struct{}) (*lane, error) {
	var seed [32]byte
	if err := c.read(seed[:]); err != nil {
		return nil, err
	}
	return newLane(c, q, bulk, patience, seed), nil
}

// allLanes goes through the lanes, the one for bulk last.
func (c *core) allLanes(yield func(*lane) bool) {
	for _, l := range c.lanes {
		if !yield(l) {
			return
		}
	}
	yield(c.bulk)
}

// laneOf returns the lane for a command.
func (c *core) laneOf(h *header) *lane {
	if h.bulk {
		return c.bulk
	}
	return c.lanes[binary.BigEndian.Uint32(h.tenant[8:])%uint32(c.active.Load())]
}

// permit waits until a lane may write, where the store can't bear all at once: they take turns, in the order in which they
// came, so that what is written in bulk keeps others waiting for one transaction at most. What it returns ends the turn.
func (c *core) permit() (end func()) {
	if c.writers == nil {
		return func() {}
	}
	c.writers <- struct{}{}
	return func() { <-c.writers }
}
