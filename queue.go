package rentroll

import (
	"slices"
	"sync"
	"sync/atomic"
)

// queue holds the commands that wait for a lane: a line for each tenant, and tenants take turns. It is bounded, per
// tenant in commands and in all in bytes; what goes beyond is refused at once. Safe for concurrent use.
type queue struct {
	perTenant int
	room      *budget

	mu     sync.Mutex
	filled sync.Cond // signals that there is something to take, or that the queue was closed
	lines  map[TenantID]*line
	ring   []*line // the lines with commands in them, but for the held ones; the first is next
	calls  int     // in the ring
	held   int     // lines
	closed bool
}

// budget is the memory that all queues of an engine share. Safe for concurrent use.
type budget struct {
	max  int64
	used atomic.Int64
}

// take takes so much, unless that is too much.
func (b *budget) take(n int) bool {
	if b.used.Add(int64(n)) <= b.max {
		return true
	}
	b.used.Add(int64(-n))
	return false
}

// line is the commands of one tenant, oldest first.
type line struct {
	tenant TenantID
	calls  []*call
	rows   int  // of all calls
	held   bool // it has no turns: somebody else takes its commands
}

func newQueue(perTenant int, room *budget) *queue {
	q := &queue{perTenant: perTenant, room: room, lines: make(map[TenantID]*line)}
	q.filled.L = &q.mu
	return q
}

// put appends a call, or says why not.
func (q *queue) put(c *call) error {
	h := c.cmd.head()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return errorf(CodeUnavailable, "the engine is closed")
	}
	l := q.lines[h.tenant]
	if l != nil && len(l.calls) >= q.perTenant {
		return errorf(CodeOverloaded, "too many commands of this tenant are waiting")
	}
	if !q.room.take(h.size) {
		return errorf(CodeUnavailable, "too much is waiting to be written")
	}
	l = q.open(h.tenant)
	l.calls = append(l.calls, c)
	l.rows += h.rows
	if !l.held {
		q.calls++
		q.filled.Signal()
	}
	return nil
}

// open returns a tenant's line, to put a command into it.
func (q *queue) open(tenant TenantID) *line {
	l := q.lines[tenant]
	if l == nil {
		l = &line{tenant: tenant}
		q.lines[tenant] = l
	}
	if len(l.calls) == 0 && !l.held {
		q.ring = append(q.ring, l)
	}
	return l
}

// again puts back a call that was taken, past all bounds: it was accepted once.
func (q *queue) again(c *call) {
	h := c.cmd.head()
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.open(h.tenant)
	l.calls = append([]*call{c}, l.calls...)
	l.rows += h.rows
	q.room.used.Add(int64(h.size))
	if !l.held {
		q.calls++
		q.filled.Signal()
	}
}

// hold puts back calls of one tenant and takes its turns away: what waits of it and what comes is for whoever held it, by
// takeHeld, until release. It reports whether the caller does; else another one does already.
func (q *queue) hold(calls []*call) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.open(calls[0].cmd.head().tenant)
	mine := !l.held
	if mine {
		l.held = true
		q.held++
		q.calls -= len(l.calls)
		q.ring = slices.DeleteFunc(q.ring, func(other *line) bool { return other == l })
	}
	l.calls = append(slices.Clone(calls), l.calls...)
	for _, c := range calls {
		l.rows += c.cmd.head().rows
		q.room.used.Add(int64(c.cmd.head().size))
	}
	return mine
}

// takeHeld takes the oldest calls of a line that the caller holds, up to so many rows and bytes. With alone it takes only
// such as need no other tenant's account.
func (q *queue) takeHeld(tenant TenantID, rows, bytes int, alone bool) []*call {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[tenant]
	taken, size := l.take(rows, bytes, !alone)
	if alone {
		if i := slices.IndexFunc(taken, func(c *call) bool { return len(c.cmd.head().also) > 0 }); i >= 0 {
			for _, c := range taken[i:] {
				l.rows += c.cmd.head().rows
				size -= c.cmd.head().size
			}
			l.calls = append(slices.Clone(taken[i:]), l.calls...)
			taken = taken[:i]
		}
	}
	q.room.used.Add(int64(-size))
	return slices.Clone(taken)
}

// release gives a line that the caller holds its turns back.
func (q *queue) release(tenant TenantID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[tenant]
	l.held = false
	q.held--
	if len(l.calls) > 0 {
		q.ring = append(q.ring, l)
		q.calls += len(l.calls)
	} else {
		delete(q.lines, tenant)
	}
	q.filled.Broadcast()
}

// waitingHeld returns how many calls wait in a line that the caller holds.
func (q *queue) waitingHeld(tenant TenantID) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.lines[tenant].calls)
}

// close lets take return what is left, then nil.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.filled.Broadcast()
}

// depth returns how many tenants wait.
func (q *queue) depth() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ring) + q.held
}

// waiting returns how many calls wait for their turn.
func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.calls
}

// take waits until there are calls and returns a batch of them, nil when the queue is closed and empty.
//
// Tenants take turns, and each of a turn gets the same share of the batch if it has that much waiting. While others
// wait, one tenant gets at most as many rows as all others together (but always smallShare), so that a flood makes a
// batch at most twice as long for everyone else; what is left of it waits. Alone it gets all.
func (q *queue) take() []*call {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.ring) == 0 {
		if q.closed && q.held == 0 {
			return nil
		}
		q.filled.Wait()
	}
	n := min(len(q.ring), batchTenants)
	share := fairShare(q.ring[:n])
	var batch []*call
	bytes, visited := 0, 0
	for _, l := range q.ring[:n] {
		taken, size := l.take(share, batchBytes-bytes, len(batch) == 0)
		if len(taken) == 0 {
			break // the batch is full: this tenant is the first of the next
		}
		batch = append(batch, taken...)
		clear(taken) // a line that is never empty must not keep all that it ever held
		bytes += size
		visited++
	}
	q.room.used.Add(int64(-bytes))
	q.calls -= len(batch)
	q.rotate(visited)
	return batch
}

// take removes the line's oldest calls, up to share rows and room bytes, but at least one where the room allows it or
// the call must go first.
func (l *line) take(share, room int, first bool) (taken []*call, bytes int) {
	rows, i := 0, 0
	for ; i < len(l.calls); i++ {
		h := l.calls[i].cmd.head()
		if i > 0 && rows+h.rows > share || bytes+h.size > room && (i > 0 || !first) {
			break
		}
		rows += h.rows
		bytes += h.size
	}
	taken = l.calls[:i:i]
	l.calls, l.rows = l.calls[i:], l.rows-rows
	return taken, bytes
}

// smallShare is a number of rows that keeps nobody waiting: a tenant may have it whatever the others have.
const smallShare = 64

// fairShare returns the most rows that each tenant of a turn may take: the largest number with which they stay within
// batchRows together, and none takes more than all others.
func fairShare(turn []*line) int {
	largest, sum := 0, 0
	for _, l := range turn {
		sum += l.rows
		largest = max(largest, l.rows)
	}
	limit := batchRows
	if len(turn) > 1 {
		limit = min(limit, max(sum-largest, smallShare))
	}
	if sum <= batchRows {
		return limit
	}
	// The sum of min(rows, share) grows with share: search for the largest share that fits.
	low, high := 1, limit
	for low < high {
		share, taken := (low+high+1)/2, 0
		for _, l := range turn {
			taken += min(l.rows, share)
		}
		if taken <= batchRows {
			low = share
		} else {
			high = share - 1
		}
	}
	return low
}

// rotate moves the first n lines behind the others, those that are empty away.
func (q *queue) rotate(n int) {
	turn := q.ring[:n:n]
	q.ring = q.ring[n:]
	for i, l := range turn {
		turn[i] = nil // the ring's array lives longer than its lines
		if len(l.calls) > 0 {
			q.ring = append(q.ring, l)
		} else {
			delete(q.lines, l.tenant)
		}
	}
}
