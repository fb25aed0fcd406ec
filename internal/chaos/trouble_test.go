package chaos

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rentroll/rentroll/internal/faultproxy"
)

// trouble is what happens to a platform, by a seed.
type trouble struct {
	*platform

	rng   *rand.Rand
	done  map[string]int
	after sync.WaitGroup // what ends some time later
}

// fault is one kind of trouble.
type fault struct {
	name   string
	weight int
	begin  func(tr *trouble, s *server)
}

var faults = []fault{
	{"server killed", 6, (*trouble).kill},
	{"server stopped", 2, (*trouble).stop},
	{"PostgreSQL crashed", 3, (*trouble).crash},
	{"connections cut", 8, func(_ *trouble, s *server) { s.proxy.Cut() }},
	{"connections cut at commits", 8, (*trouble).cutCommits},
	{"connections refused for a while", 4, (*trouble).refuse},
	{"silence for a while", 3, (*trouble).silence},
	{"sessions terminated", 3, (*trouble).terminate},
}

// pause waits between low and high, unless the context ends first.
func (tr *trouble) pause(ctx context.Context, low, high time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(low + time.Duration(tr.rng.Int64N(int64(high-low)))):
	}
}

// The database is away for longer than anybody asks what became of a commit: once, where there is time for it.
const (
	longOutage = 35 * time.Second
	timeEnough = 2 * time.Minute
)

// make makes trouble for a time, then puts everything right again.
func (tr *trouble) make(ctx context.Context, duration time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, duration)
	defer cancel()
	if duration >= timeEnough {
		tr.done["PostgreSQL away for long"]++
		tr.away(longOutage)
	}
	var lots []fault
	for _, f := range faults {
		lots = append(lots, slices.Repeat([]fault{f}, f.weight)...)
	}
	deck := 0
	for ctx.Err() == nil {
		if deck == 0 { // every kind comes about as often as its weight says, be the time short or long
			tr.rng.Shuffle(len(lots), func(i, j int) { lots[i], lots[j] = lots[j], lots[i] })
			deck = len(lots)
		}
		deck--
		f, s := lots[deck], tr.servers[tr.rng.IntN(len(tr.servers))]
		tr.done[f.name]++
		f.begin(tr, s)
		tr.pause(ctx, 50*time.Millisecond, 450*time.Millisecond)
	}
	tr.after.Wait()
	for _, s := range tr.servers {
		s.proxy.Watch(nil)
		s.proxy.Accept()
		s.proxy.Release()
	}
	tr.ready()
}

// later does something after a while, meanwhile other things happen.
func (tr *trouble) later(low, high time.Duration, do func()) {
	wait := low + time.Duration(tr.rng.Int64N(int64(high-low)))
	tr.after.Go(func() {
		<-time.After(wait)
		do()
	})
}

// kill kills a server and starts it again after a moment.
func (tr *trouble) kill(s *server) {
	s.end(syscall.SIGKILL)
	tr.pause(context.Background(), time.Millisecond, 300*time.Millisecond)
	s.start()
}

// stop stops a server as a deployment does.
func (tr *trouble) stop(s *server) {
	select {
	case <-s.life.listens:
		s.end(syscall.SIGTERM)
	default: // it has no handler for signals yet
		s.end(syscall.SIGKILL)
	}
	s.start()
}

// crash crashes PostgreSQL and starts it again after a moment.
func (tr *trouble) crash(*server) {
	tr.away(time.Millisecond + time.Duration(tr.rng.Int64N(int64(500*time.Millisecond))))
}

// away crashes PostgreSQL and starts it again after a time.
func (tr *trouble) away(d time.Duration) {
	if err := tr.cluster.Stop("immediate"); err != nil {
		tr.t.Errorf("stopping PostgreSQL: %v", err)
	}
	<-time.After(d)
	if err := tr.cluster.Launch(); err != nil {
		tr.t.Errorf("starting PostgreSQL: %v", err)
	}
}

// cutCommits cuts a server's connections at its next commits, before the database has got them or when it has answered.
func (tr *trouble) cutCommits(s *server) {
	left, seed := int64(1+tr.rng.IntN(5)), tr.rng.Uint64()
	var commits atomic.Int64
	s.proxy.Watch(func(st faultproxy.Statement) faultproxy.Fate {
		if !st.Commits() {
			return faultproxy.Fate{}
		}
		n := commits.Add(1)
		if n > left {
			return faultproxy.Fate{}
		}
		if seed>>(n%64)&1 == 0 {
			return faultproxy.Fate{End: faultproxy.CutBefore}
		}
		return faultproxy.Fate{End: faultproxy.CutAfter}
	})
}

// refuse keeps a server from its database for a while.
func (tr *trouble) refuse(s *server) {
	s.proxy.Refuse()
	s.proxy.Cut()
	tr.later(100*time.Millisecond, 800*time.Millisecond, s.proxy.Accept)
}

// silence lets a server hear nothing of its database for a while.
func (tr *trouble) silence(s *server) {
	s.proxy.Hold()
	tr.later(100*time.Millisecond, 800*time.Millisecond, s.proxy.Release)
}

// terminate ends all sessions of the database as an operator does.
func (tr *trouble) terminate(*server) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, tr.cluster.URL())
	if err != nil {
		tr.t.Errorf("PostgreSQL: %v", err)
		return
	}
	defer conn.Close(ctx)
	const all = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
	if _, err := conn.Exec(ctx, all); err != nil {
		tr.t.Errorf("PostgreSQL: %v", err)
	}
}

// String says what was done.
func (tr *trouble) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(tr.done)) {
		parts = append(parts, fmt.Sprintf("%d %s", tr.done[name], name))
	}
	return strings.Join(parts, ", ")
}
