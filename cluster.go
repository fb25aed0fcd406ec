package rentroll

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

// Servers that share a store need nothing of each other but to know how many they are: they divide the lanes among
// themselves, since the store can use only so many transactions at once, and the sweeps.

const (
	announceInterval = time.Second
	serverSilence    = 5 * time.Second // after which a server is not counted any more
	maxClockSkew     = time.Second
)

// cluster is what this server knows of the others. Safe for concurrent use.
type cluster struct {
	self  Server
	known atomic.Pointer[peers]
	mute  atomic.Pointer[time.Time] // since when no announcement has succeeded; nil: the last one has
}

// peers is what one announcement brought.
type peers struct {
	servers, rank int
	skew          time.Duration // how far this server's clock is off, as far as that is certain; negative: it is late
}

// alone is what a server assumes before it has heard of others.
var alone = peers{servers: 1}

func (c *cluster) peers() peers {
	if p := c.known.Load(); p != nil {
		return *p
	}
	return alone
}

// mine reports whether background work for a tenant is this server's. For a moment after servers came or went, two may
// think so, or none: work must bear both.
func (c *cluster) mine(id TenantID) bool {
	p := c.peers()
	return int(binary.BigEndian.Uint32(id[12:])%uint32(p.servers)) == p.rank
}

// join makes this server known, once an interval until the engine is closed, and takes its share of the lanes.
func (c *core) join() {
	c.announce()
	tick := time.NewTicker(announceInterval)
	defer tick.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-tick.C:
			c.announce()
		}
	}
}

// announce makes this server known. Where that fails, what was known stays in force.
func (c *core) announce() {
	ctx, cancel := context.WithTimeout(context.Background(), serverSilence)
	defer cancel()
	before := c.opts.Now()
	now, err := c.store.Announce(ctx, c.cluster.self, serverSilence)
	if err != nil {
		began := systemClock()
		c.cluster.mute.CompareAndSwap(nil, &began)
		c.opts.Logger.Warn("the server could not make itself known", "error", err)
		return
	}
	c.cluster.mute.Store(nil)
	c.arrange(peers{servers: max(now.Servers, 1), rank: now.Rank, skew: skew(before, c.opts.Now(), now.Now)})
}

// skew is how far a clock is off that read these times before and after the other clock was read.
func skew(before, after, other time.Time) time.Duration {
	switch {
	case other.Before(before):
		return before.Sub(other)
	case other.After(after):
		return after.Sub(other) // less than zero: it is late
	default:
		return 0
	}
}

// arrange takes this server's share of the lanes.
func (c *core) arrange(p peers) {
	old := c.cluster.peers()
	c.cluster.known.Store(&p)
	share := int32(max(1, len(c.lanes)/p.servers))
	if c.active.Swap(share) != share || old.servers != p.servers {
		c.opts.Logger.Info("servers came or went", "servers", p.servers, "lanes", share)
	}
	if p.skew.Abs() > maxClockSkew && old.skew.Abs() <= maxClockSkew {
		c.opts.Logger.Error("this server's clock and the store's differ: the server is not ready", "ahead_by", p.skew)
	}
}

// DescribeStore says which database the store is, how large it is, and which servers share it, by name. It needs an operator
// with operator:read.
func (e *Engine) DescribeStore(ctx context.Context) (*StoreDescription, error) {
	if err := e.actor.mayOperate(PermOperatorRead); err != nil {
		return nil, err
	}
	d, err := e.core.store.Describe(ctx, serverSilence)
	if err != nil && isUnavailable(err) {
		return nil, &Error{Code: CodeUnavailable, Message: "the store is unavailable", cause: err}
	} else if err != nil {
		return nil, err
	}
	slices.SortFunc(d.Servers, func(a, b Server) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.StartedAt.Compare(b.StartedAt))
	})
	return &d, nil
}

// leave forgets this server, so that the others take its share at once.
func (c *core) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), serverSilence)
	defer cancel()
	if err := c.store.Withdraw(ctx, c.cluster.self.ID); err != nil {
		c.opts.Logger.Warn("the server could not take its leave; the others will miss it", "error", err)
	}
}

// Ready reports why this server should get no requests now: the store does not answer, has taken no writes for some
// seconds (it is read-only, or its disk is full), or this server's clock is more than a second off the store's, which
// would put its runs and events into the wrong periods. nil says that it should. Writes are only watched on stores that
// servers share: from one alone there is nowhere to send requests to instead.
func (e *Engine) Ready(ctx context.Context) error {
	if err := e.Ping(ctx); err != nil {
		return err
	}
	if since := e.core.cluster.mute.Load(); since != nil && systemClock().Sub(*since) > serverSilence {
		return &Error{Code: CodeUnavailable, Message: "the store takes no writes"}
	}
	if off := e.core.cluster.peers().skew; off.Abs() > maxClockSkew {
		return &Error{Code: CodeUnavailable, Message: fmt.Sprintf("this server's clock is %s off the store's", off.Abs().Round(time.Millisecond))}
	}
	return nil
}

// newServer names this start of a server.
func newServer(id ServerID, now time.Time) Server {
	name, err := os.Hostname()
	if err != nil {
		name = "unknown"
	}
	return Server{ID: id, Name: fmt.Sprintf("%s/%d", auditText(name), os.Getpid()), StartedAt: stamp(now)}
}

// newBatchID names a transaction: by the machine's time and not the engine's, since the store removes old ones by its
// own clock.
func newBatchID(ids *rand.ChaCha8) (id BatchID) {
	_, _ = ids.Read(id[:])
	binary.BigEndian.PutUint64(id[:], uint64(systemClock().UnixMilli())<<16|uint64(binary.BigEndian.Uint16(id[6:])))
	return id
}

// time is when the transaction was named, to the millisecond.
func (id BatchID) time() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:]) >> 16))
}
