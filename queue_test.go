package rentroll

import (
	"context"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// idle is a command that is only ever queued.
type idle struct{ header }

func (*idle) wants(*Batch)         {}
func (*idle) decide(*ledger) error { return nil }

func waiting(tenant byte, rows, size int) *call {
	return &call{
		ctx: context.Background(), done: make(chan error, 1),
		cmd: &idle{header{tenant: TenantID{tenant}, rows: rows, size: size}},
	}
}

func fill(t *testing.T, q *queue, calls ...*call) {
	t.Helper()
	for _, c := range calls {
		if err := q.put(c); err != nil {
			t.Fatal(err)
		}
	}
}

func rowsOf(batch []*call) map[TenantID]int {
	rows := make(map[TenantID]int)
	for _, c := range batch {
		rows[c.cmd.head().tenant] += c.cmd.head().rows
	}
	return rows
}

func TestQueueGivesALoneTenantTheWholeBatch(t *testing.T) {
	t.Parallel()
	q := newQueue(10_000, &budget{max: 1 << 30})
	for range 3000 {
		fill(t, q, waiting(1, 1, 1))
	}
	if n := len(q.take(batchRows)); n != batchRows {
		t.Errorf("the first batch has %d commands, want %d", n, batchRows)
	}
	if n := len(q.take(batchRows)); n != 1000 {
		t.Errorf("the second batch has %d commands, want 1000", n)
	}
}

func TestQueueHoldsBackAFlood(t *testing.T) {
	t.Parallel()
	q := newQueue(10_000, &budget{max: 1 << 30})
	for range 5000 {
		fill(t, q, waiting(1, 1, 1))
	}
	for tenant := range byte(100) {
		fill(t, q, waiting(tenant+2, 1, 1))
	}
	rows := rowsOf(q.take(batchRows))
	if len(rows) != 101 {
		t.Fatalf("%d tenants are in the batch, want all 101", len(rows))
	}
	if rows[TenantID{1}] != 100 {
		t.Errorf("the flood has %d rows of the batch, want as many as the others together: 100", rows[TenantID{1}])
	}
}

func TestQueueRefusesWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	q := newQueue(2, &budget{max: 100})
	fill(t, q, waiting(1, 1, 10), waiting(1, 1, 10))
	if err := q.put(waiting(1, 1, 10)); !errors.Is(err, CodeOverloaded) {
		t.Errorf("a tenant's third command: %v", err)
	}
	fill(t, q, waiting(2, 1, 80))
	if err := q.put(waiting(3, 1, 1)); !errors.Is(err, CodeUnavailable) {
		t.Errorf("beyond the bytes: %v", err)
	}
	q.take(batchRows)
	fill(t, q, waiting(3, 1, 1))
	q.close()
	if err := q.put(waiting(1, 1, 1)); !errors.Is(err, CodeUnavailable) {
		t.Errorf("after closing: %v", err)
	}
	if n := len(q.take(batchRows)); n != 1 {
		t.Errorf("a closed queue gave %d commands, want the one that was accepted", n)
	}
	if q.take(batchRows) != nil {
		t.Error("a closed and empty queue gave a batch")
	}
}

// Whatever waits, every command is taken exactly once, a tenant's in their order, in batches within the bounds, and no
// tenant waits for more turns than there are tenants.
func TestQueueTakesAllInTurn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		q := newQueue(1<<20, &budget{max: 1 << 40})
		var want [256][]*call
		total := 0
		for range rapid.IntRange(1, 400).Draw(t, "commands") {
			tenant := rapid.ByteRange(0, 40).Draw(t, "tenant")
			c := waiting(tenant, rapid.IntRange(1, 1000).Draw(t, "rows"), rapid.IntRange(1, 3<<20).Draw(t, "bytes"))
			want[tenant] = append(want[tenant], c)
			if err := q.put(c); err != nil {
				t.Fatal(err)
			}
			total++
		}
		q.close()
		for batch := q.take(batchRows); batch != nil; batch = q.take(batchRows) {
			rows, bytes := 0, 0
			for _, c := range batch {
				h := c.cmd.head()
				rows += h.rows
				bytes += h.size
				line := want[h.tenant[0]]
				if line[0] != c {
					t.Fatalf("tenant %d: a command was taken out of turn", h.tenant[0])
				}
				want[h.tenant[0]] = line[1:]
				total--
			}
			if bytes > batchBytes && len(batch) > 1 {
				t.Fatalf("a batch of %d commands has %d bytes", len(batch), bytes)
			}
			// A tenant's first command goes through whatever its rows, so that large ones are never starved.
			if rows > batchRows+1000*len(batch) {
				t.Fatalf("a batch has %d rows", rows)
			}
		}
		if tenants, bytes := q.depth(), q.room.used.Load(); total != 0 || tenants != 0 || bytes != 0 || len(q.lines) != 0 {
			t.Fatalf("left over: %d commands, %d tenants, %d bytes, %d lines", total, tenants, bytes, len(q.lines))
		}
	})
}

// Two queues that want the same accounts have them in turns: each waits for the other's transaction and no more.
func TestHandsPassAccountsOn(t *testing.T) {
	t.Parallel()
	room, hands := &budget{max: 1 << 30}, newHands()
	a, b := newQueue(10, room), newQueue(10, room)
	a.hands, b.hands = hands, hands
	fill(t, a, waiting(1, 1, 1), waiting(2, 1, 1))
	fill(t, b, waiting(1, 1, 1), waiting(3, 1, 1))
	first := a.take(1)
	if got := tenantsOf(first); len(got) != 1 || got[0] != (TenantID{1}) {
		t.Fatalf("the first batch is of %v", got)
	}
	if got := tenantsOf(b.take(10)); len(got) != 1 || got[0] != (TenantID{3}) {
		t.Fatalf("beside it the other queue gave %v, want what is free", got)
	}
	fill(t, a, waiting(1, 1, 1))
	fill(t, b, waiting(1, 1, 1)) // behind the one that is barred
	if n, depth := b.waiting(), b.depth(); n != 0 || depth != 1 {
		t.Fatalf("%d calls and %d tenants wait, want none and the barred one", n, depth)
	}
	hands.pass([]TenantID{{1}})
	if got := tenantsOf(a.take(10)); len(got) != 1 || got[0] != (TenantID{2}) {
		t.Fatalf("the first queue gave %v though the other one had asked", got)
	}
	if n := len(b.take(10)); n != 2 {
		t.Fatalf("%d calls of the account that was passed on, want 2", n)
	}
	b.close()
	hands.pass([]TenantID{{1}, {2}, {3}})
	if n := len(a.take(10)); n != 1 || b.await() {
		t.Fatalf("%d calls came back to the first queue, want the one that waited", n)
	}
	hands.pass([]TenantID{{1}})
	if len(hands.held) != 0 {
		t.Fatalf("%d accounts are in somebody's hands, want none", len(hands.held))
	}
}

// Whoever wants which accounts for how long, every command is taken once, and nobody waits for ever.
func TestHandsLoseNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		room, hands := &budget{max: 1 << 40}, newHands()
		queues := []*queue{newQueue(1<<20, room), newQueue(1<<20, room), newQueue(1<<20, &budget{max: 1 << 39, of: room})}
		under := make([][]TenantID, len(queues)) // the accounts in each lane's transaction
		left := 0
		step := func(at int) {
			q := queues[at]
			if under[at] != nil {
				hands.pass(under[at])
				under[at] = nil
				return
			}
			batch := q.take(rapid.IntRange(1, 8).Draw(t, "rows of a batch"))
			under[at] = tenantsOf(batch)
			left -= len(batch)
			for i, ids := range under {
				for _, id := range ids {
					for j, others := range under {
						if i != j && slices.Contains(others, id) {
							t.Fatalf("an account is in two transactions")
						}
					}
				}
			}
		}
		for _, q := range queues {
			q.hands = hands
		}
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			at := rapid.IntRange(0, len(queues)-1).Draw(t, "queue")
			if rapid.Bool().Draw(t, "a command comes") {
				if err := queues[at].put(waiting(rapid.ByteRange(0, 3).Draw(t, "tenant"), 1, 1)); err != nil {
					t.Fatal(err)
				}
				left++
			} else {
				step(at)
			}
		}
		for i := 0; i < 10_000 && (left > 0 || len(hands.held) > 0); i++ {
			step(i % len(queues))
		}
		if left != 0 || len(hands.held) != 0 || room.used.Load() != 0 {
			t.Fatalf("left over: %d commands, %d accounts in somebody's hands, %d bytes", left, len(hands.held), room.used.Load())
		}
	})
}
