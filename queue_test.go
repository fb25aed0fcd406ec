package rentroll

import (
	"context"
	"errors"
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
	if n := len(q.take()); n != batchRows {
		t.Errorf("the first batch has %d commands, want %d", n, batchRows)
	}
	if n := len(q.take()); n != 1000 {
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
	rows := rowsOf(q.take())
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
	q.take()
	fill(t, q, waiting(3, 1, 1))
	q.close()
	if err := q.put(waiting(1, 1, 1)); !errors.Is(err, CodeUnavailable) {
		t.Errorf("after closing: %v", err)
	}
	if n := len(q.take()); n != 1 {
		t.Errorf("a closed queue gave %d commands, want the one that was accepted", n)
	}
	if q.take() != nil {
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
		for batch := q.take(); batch != nil; batch = q.take() {
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
