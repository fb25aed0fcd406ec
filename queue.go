package rentroll

import (
	"slices"
	"sync"
	"sync/atomic"
)

// queue holds the commands that wait for a lane: a line for each tenant, and tenants take turns. It is bounded, per
// tenant in commands and in all in bytes; what goes beyond is refused at once. Safe for concurrent use.
type queue struct {
	perTenant int // commands
	mostBytes int // of one tenant; 0: as much as there is room for
	room      *budget
	hands     *hands // nil where there is but one queue

	mu     sync.Mutex
	filled sync.Cond // signals that there is something to take, or that the queue was closed
	lines  map[TenantID]*line
	ring   []*line // the lines with commands in them, but for held and barred ones; the first is next
	calls  int     // in the ring
	held   int     // lines
	barred int     // lines
	closed bool
}

// budget is the memory that all queues of an engine share, or a part of it. Safe for concurrent use.
type budget struct {
	max  int64
	of   *budget // of which this is a part; nil for none
	used atomic.Int64
}

// take takes so much, unless that is too much.
func (b *budget) take(n int) bool {
	if b.used.Add(int64(n)) <= b.max && (b.of == nil || b.of.take(n)) {
		return true
	}
	b.used.Add(int64(-n))
	return false
}

// add takes so much, however much that is; less than zero gives it back.
func (b *budget) add(n int) {
	b.used.Add(int64(n))
	if b.of != nil {
		b.of.add(n)
	}
}

// line is the commands of one tenant, oldest first.
type line struct {
	tenant TenantID
	calls  []*call
	rows   int  // of all calls
	bytes  int  // of all calls
	held   bool // it has no turns: somebody else takes its commands
	barred bool // it has no turns until its account is given to the queue
}

// waits reports whether the line is one of those in the ring, or would be with commands in it.
func (l *line) waits() bool { return !l.held && !l.barred }

// put puts calls in front of the others, or behind them.
func (l *line) put(front bool, calls ...*call) {
	if front {
		l.calls = append(slices.Clone(calls), l.calls...)
	} else {
		l.calls = append(l.calls, calls...)
	}
	for _, c := range calls {
		l.rows += c.cmd.head().rows
		l.bytes += c.cmd.head().size
	}
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
	if l != nil && (len(l.calls) >= q.perTenant || q.mostBytes > 0 && len(l.calls) > 0 && l.bytes+h.size > q.mostBytes) {
		return errorf(CodeOverloaded, "too many commands of this tenant are waiting")
	}
	if !q.room.take(h.size) {
		return errorf(CodeUnavailable, "too much is waiting to be written")
	}
	l = q.open(h.tenant)
	l.put(false, c)
	if l.waits() {
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
	if len(l.calls) == 0 && l.waits() {
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
	l.put(true, c)
	q.room.add(h.size)
	if l.waits() {
		q.calls++
		q.filled.Signal()
	}
}

// given gives a line its turns back, the next one first: its account has come into the queue's hands.
func (q *queue) given(tenant TenantID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[tenant]
	l.barred = false
	q.barred--
	q.ring = slices.Insert(q.ring, 0, l)
	q.calls += len(l.calls)
	q.filled.Signal()
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
	l.put(true, calls...)
	for _, c := range calls {
		q.room.add(c.cmd.head().size)
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
				size -= c.cmd.head().size
			}
			l.put(true, taken[i:]...)
			taken = taken[:i]
		}
	}
	q.room.add(-size)
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

// close lets await end when nothing is left.
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
	return len(q.ring) + q.held + q.barred
}

// waiting returns how many calls wait for their turn, but for those whose account is in other hands.
func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.calls
}

// await waits until there may be calls to take. It is false when the queue is closed and nothing is left.
func (q *queue) await() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.ring) == 0 {
		if q.closed && q.held+q.barred == 0 {
			return false
		}
		q.filled.Wait()
	}
	return true
}

// take returns a batch of up to about so many rows of what waits, nil where nothing does. The accounts of its tenants are then in the
// queue's hands, until they are passed on.
//
// Tenants take turns, and each of a turn gets the same share of the batch if it has that much waiting. While others
// wait, one tenant gets at most as many rows as all others together (but always smallShare), so that a flood makes a
// batch at most twice as long for everyone else; what is left of it waits. Alone it gets all.
func (q *queue) take(rows int) []*call {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.ring), batchTenants)
	share := fairShare(q.ring[:n], rows)
	var batch []*call
	bytes, visited := 0, 0
	for _, l := range q.ring[:n] {
		if first := l.calls[0].cmd.head(); len(batch) > 0 && (first.size > batchBytes-bytes || first.rows > rows) {
			break // the batch is full: this tenant is the first of the next
		}
		visited++
		if q.hands != nil && !q.hands.take(l.tenant, q) {
			l.barred = true
			q.barred++
			q.calls -= len(l.calls)
			continue
		}
		before := l.rows
		taken, size := l.take(share, batchBytes-bytes, len(batch) == 0)
		rows -= before - l.rows
		batch = append(batch, taken...)
		q.calls -= len(taken)
		clear(taken) // a line that is never empty must not keep all that it ever held
		bytes += size
	}
	q.room.add(-bytes)
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
	l.calls, l.rows, l.bytes = l.calls[i:], l.rows-rows, l.bytes-bytes
	return taken, bytes
}

// smallShare is a number of rows that keeps nobody waiting: a tenant may have it whatever the others have.
const smallShare = 64

// fairShare returns the most rows that each tenant of a turn may take: the largest number with which they stay within
// rows together, and none takes more than all others.
func fairShare(turn []*line, rows int) int {
	largest, sum := 0, 0
	for _, l := range turn {
		sum += l.rows
		largest = max(largest, l.rows)
	}
	limit := rows
	if len(turn) > 1 {
		limit = min(limit, max(sum-largest, smallShare))
	}
	if sum <= rows {
		return limit
	}
	// The sum of min(rows, share) grows with share: search for the largest share that fits.
	low, high := 1, limit
	for low < high {
		share, taken := (low+high+1)/2, 0
		for _, l := range turn {
			taken += min(l.rows, share)
		}
		if taken <= rows {
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
		switch {
		case l.barred:
		case len(l.calls) > 0:
			q.ring = append(q.ring, l)
		default:
			delete(q.lines, l.tenant)
		}
	}
}
