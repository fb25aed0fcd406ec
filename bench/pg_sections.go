package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/postgres"
)

// The targets on PostgreSQL: ratios, unless the name says otherwise.
const (
	pgTargetCalls     = 4.0  // CreateRun of 256 callers to a transaction a call, spread
	pgTargetStatement = 2.0  // and to the best single statement a call
	pgTargetHot       = 15.0 // to both, all on one tenant
	pgTargetHotSpread = 0.8  // one hot tenant to the same load spread
	pgTargetBulk256   = 0.6  // to bare bulk inserts
	pgTargetBulk2048  = 0.9
	pgTargetTail      = 5.0 // p99 to p50
	pgTargetPairs256  = 0.17
	pgTargetPairs2048 = 0.35
	pgTargetServers   = 0.85 // two servers in sum to one with as many lanes
	pgTargetStranger  = 0.9  // others' throughput while a stranger holds a tenant's row
	pgTargetMemory    = 300  // MiB
)

// pgSections are measured on PostgreSQL at full durability, on the same machine, through a unix socket.
var pgSections = []section{
	{"pg-create", pgCreate},
	{"pg-alone", pgAlone},
	{"pg-pair", pgPair},
	{"pg-servers", pgServers},
	{"pg-usage-ingest", pgIngest},
	{"pg-usage-single", pgSingle},
	{"pg-usage-beside", pgBeside},
	{"pg-usage-reads", pgReads},
	{"pg-usage-load", pgLoad},
	{"pg-keys", pgKeys},
	{"pg-console", consolePostgres},
	{"pg-stranger", pgStranger},
	{"pg-memory", pgMemory},
}

var pgCallerCounts = []int{1, 16, 256, 2048}

// on a stage of so many tenants, which is removed afterwards.
func onPGStage(tenants int, do func(*pgStage) error) (err error) {
	st, err := newPGStage(tenants)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	return do(st)
}

// figures writes the rate and the latency of the first arm.
func (c *comparison) figures() string {
	return fmt.Sprintf("%s, p50 %s, p99 %s", perSecond(c.rate(0)), micros(c.latency(0, 0.5)), micros(c.latency(0, 0.99)))
}

// against is a line about the first arm compared with another one.
func (c *comparison) against(what, load string, by int, target float64) line {
	l := line{what: what, load: load, by: fmt.Sprintf("%s: %s", c.arms[by].name, perSecond(c.rate(by))), ratio: times(c.ratio(by))}
	if target > 0 {
		l.target, l.met = fmt.Sprintf("≥ %g", target), atLeast(c.ratio(by), target)
	}
	return l
}

func pgCreate(ctx context.Context, s settings, emit func(line)) error {
	spread := map[int]float64{}
	for _, tenants := range tenantCounts {
		for _, callers := range pgCallerCounts {
			err := onPGStage(tenants, func(st *pgStage) error {
				c, err := pgCreateAt(ctx, s, st, callers)
				if err != nil {
					return err
				}
				pgCreateLines(c, callers, tenants, spread, emit)
				return s.profile(fmt.Sprintf("pg-createrun-%d-callers-%d-tenants", callers, tenants), func() error {
					if s.profiles == "" {
						return nil
					}
					_, err := measure(ctx, callers, 3*time.Second, c.arms[0].op)
					return err
				})
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func pgCreateAt(ctx context.Context, s settings, st *pgStage, callers int) (*comparison, error) {
	grouped, err := st.grouped(ctx, callers, createRun)
	if err != nil {
		return nil, err
	}
	perCall, err := st.perCall(ctx, callers)
	if err != nil {
		return nil, err
	}
	statement, err := st.statement(ctx, min(callers, pgConnections))
	if err != nil {
		return nil, err
	}
	bare, err := st.bare(ctx)
	if err != nil {
		return nil, err
	}
	return compare(ctx, s, grouped, perCall, statement, bare)
}

// pgCreateLines writes what a comparison of pgCreateAt came to: figures and three ratios.
func pgCreateLines(c *comparison, callers, tenants int, spread map[int]float64, emit func(line)) {
	const what = "CreateRun"
	var calls, statement, bulk float64
	switch {
	case callers == 256 && tenants > 1:
		calls, statement, bulk = pgTargetCalls, pgTargetStatement, pgTargetBulk256
	case callers == 256:
		calls, statement = pgTargetHot, pgTargetHot
	case callers == 2048 && tenants > 1:
		bulk = pgTargetBulk2048
	}
	at := load(callers, tenants)
	first := c.against(what, at, 1, calls)
	first.figure = c.figures()
	emit(first)
	emit(c.against(what, at, 2, statement))
	if callers < 256 {
		return
	}
	emit(c.against(what, at, 3, bulk))
	if tenants > 1 {
		spread[callers] = c.rate(0)
	} else {
		ratio := c.rate(0) / spread[callers]
		emit(line{
			what: what, load: at, by: "the same spread over 1,000 tenants: " + perSecond(spread[callers]), ratio: times(ratio),
			target: "≥ 0.8", met: atLeast(ratio, pgTargetHotSpread),
		})
	}
	if callers == 256 {
		tail := c.over(func(row []result) float64 { return float64(row[0].quantile(0.99)) / float64(row[0].quantile(0.5)) })
		emit(line{what: what + ", p99", load: at, by: "p50", ratio: times(tail), target: "≤ 5", met: atMost(tail, pgTargetTail)})
	}
}

// pgAlone compares the latency of one caller with that of a transaction of its own.
func pgAlone(ctx context.Context, s settings, emit func(line)) error {
	return onPGStage(platformTenants, func(st *pgStage) error {
		grouped, err := st.grouped(ctx, 1, createRun)
		if err != nil {
			return err
		}
		perCall, err := st.perCall(ctx, 1)
		if err != nil {
			return err
		}
		c, err := compare(ctx, s, grouped, perCall)
		if err != nil {
			return err
		}
		ratio := c.over(func(row []result) float64 { return float64(row[0].quantile(0.5)) / float64(row[1].quantile(0.5)) })
		emit(line{
			what: "CreateRun, latency", load: load(1, platformTenants), figure: "p50 " + micros(c.latency(0, 0.5)),
			by: "a transaction a call: p50 " + micros(c.latency(1, 0.5)), ratio: times(ratio), target: "≤ 1.3", met: atMost(ratio, targetAlone),
		})
		return nil
	})
}

func pgPair(ctx context.Context, s settings, emit func(line)) error {
	const what = "create + complete"
	spread := map[int]float64{}
	for _, tenants := range tenantCounts {
		for _, callers := range pgCallerCounts {
			err := onPGStage(tenants, func(st *pgStage) error {
				grouped, err := st.grouped(ctx, callers, createAndComplete)
				if err != nil {
					return err
				}
				bare, err := st.bare(ctx)
				if err != nil {
					return err
				}
				c, err := compare(ctx, s, grouped, bare)
				if err != nil {
					return err
				}
				target := 0.0
				if tenants > 1 {
					target = map[int]float64{256: pgTargetPairs256, 2048: pgTargetPairs2048}[callers]
					spread[callers] = c.rate(0)
				}
				l := c.against(what, load(callers, tenants), 1, target)
				l.figure = c.figures()
				emit(l)
				if tenants == 1 && callers >= 256 {
					ratio := c.rate(0) / spread[callers]
					emit(line{
						what: what, load: load(callers, tenants), by: "the same spread over 1,000 tenants: " + perSecond(spread[callers]),
						ratio: times(ratio), target: "≥ 1", met: atLeast(ratio, 1),
					})
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// pgServers compares one server with two that share its lanes: callers spread as they come, or by tenant.
func pgServers(ctx context.Context, s settings, emit func(line)) error {
	for _, tenants := range tenantCounts {
		err := onPGStage(tenants, func(st *pgStage) error {
			const callers = 256
			two, err := st.servers(ctx, 2)
			if err != nil {
				return err
			}
			apart, err := st.servers(ctx, 2)
			if err != nil {
				return err
			}
			one, err := st.grouped(ctx, callers, createRun)
			if err != nil {
				return err
			}
			one.name = "one server with as many lanes"
			any2 := st.on("two servers", callers, func(ctx context.Context, c *caller, t rentroll.TenantID) error {
				return createRun(ctx, two[c.random.IntN(2)], t)
			})
			byTenant := st.on("two servers, by tenant", callers, func(ctx context.Context, _ *caller, t rentroll.TenantID) error {
				return createRun(ctx, apart[t[15]%2], t)
			})
			for _, arms := range [][]arm{{any2, one}, {byTenant, one}} {
				c, err := compare(ctx, s, arms...)
				if err != nil {
					return err
				}
				l := c.against("CreateRun, "+arms[0].name, load(callers, tenants), 1, pgTargetServers)
				l.figure = c.figures()
				if tenants == 1 && arms[0].name == byTenant.name {
					l.target = "" // all on one of them
				}
				emit(l)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// servers opens engines on one database and waits until they know of each other.
func (s *pgStage) servers(ctx context.Context, n int) ([]*rentroll.Engine, error) {
	name, err := s.database(ctx)
	if err != nil {
		return nil, err
	}
	var engines []*rentroll.Engine
	for range n {
		e, err := s.engine(ctx, name, &postgres.Options{Connections: 12})
		if err != nil {
			return nil, err
		}
		engines = append(engines, e)
	}
	for _, e := range engines {
		for e.Metrics().Servers != n {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			runtime.Gosched()
		}
	}
	return engines, nil
}

// pgStranger compares the throughput of tenants with and without a stranger's session that holds the row of another
// tenant for 200 of every 500 milliseconds, while callers want that tenant, too.
func pgStranger(ctx context.Context, s settings, emit func(line)) error {
	return onPGStage(platformTenants, func(st *pgStage) error {
		const others, onHeld = 240, 16
		held, free := st.tenants[0], st.tenants[1:]
		arms := make([]arm, 2)
		release := func() {}
		defer func() { release() }() //nolint:gocritic // it is set later
		for i, name := range []string{"held", "without the stranger"} {
			database, err := st.database(ctx)
			if err != nil {
				return err
			}
			engine, err := st.engine(ctx, database, nil)
			if err != nil {
				return err
			}
			if i == 0 {
				release = st.hold(ctx, database, held)
			}
			arms[i] = arm{name: name, callers: others + onHeld, op: func(ctx context.Context, c *caller) (int, error) {
				if c.number < onHeld {
					return 0, createRun(ctx, engine, held)
				}
				return 1, createRun(ctx, engine, free[c.random.IntN(len(free))])
			}}
		}
		c, err := compare(ctx, s, arms...)
		if err != nil {
			return err
		}
		l := c.against("CreateRun of 999 tenants, while a stranger holds the row of another for 200 of each 500 ms", load(others, platformTenants-1), 1, pgTargetStranger)
		l.figure = perSecond(c.rate(0))
		emit(l)
		return nil
	})
}

// hold locks a tenant's row for 200 ms in every 500, until stop is called.
func (s *pgStage) hold(ctx context.Context, database string, tenant rentroll.TenantID) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := pgx.Connect(ctx, s.url(database))
		if err != nil {
			return
		}
		defer conn.Close(context.WithoutCancel(ctx))
		for ctx.Err() == nil {
			_, err := conn.Exec(ctx, fmt.Sprintf(`BEGIN; SELECT FROM rentroll.accounts WHERE tenant_id = '%x' FOR UPDATE;
				SELECT pg_sleep(0.2); COMMIT; SELECT pg_sleep(0.3)`, tenant[:]))
			if err != nil {
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// pgMemory measures a process of its own that puts one engine under 2,048 callers.
func pgMemory(ctx context.Context, _ settings, emit func(line)) error {
	return onPGStage(platformTenants, func(st *pgStage) error {
		name, err := st.database(ctx)
		if err != nil {
			return err
		}
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("memory: %w", err)
		}
		child := exec.CommandContext(ctx, self, "-child-memory-postgres", st.url(name)) //nolint:gosec // itself
		child.Stderr = os.Stderr
		out, err := child.Output()
		if err != nil {
			return fmt.Errorf("memory: %w", err)
		}
		var peak, heap int64
		if _, err := fmt.Fscan(strings.NewReader(string(out)), &peak, &heap); err != nil {
			return fmt.Errorf("memory: %w", err)
		}
		emit(line{
			what: "memory of a server", load: "2,048 callers, runs, pairs, usage, checks; spread and hot",
			figure: fmt.Sprintf("peak %d MiB resident, Go heap %d MiB", peak, heap),
			target: "≤ 300 MiB", met: atMost(float64(peak), pgTargetMemory),
		})
		return nil
	})
}

// pgMemoryChild puts one engine under every load in turn and prints, in MiB, its peak of resident memory and what its
// heap took from the system.
func pgMemoryChild(ctx context.Context, database string, out io.Writer) (err error) {
	store, err := postgres.Open(ctx, database, nil)
	if err != nil {
		return err
	}
	engine, err := rentroll.New(store, nil)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	tenants, err := tenantsIn(ctx, database)
	if err != nil {
		return err
	}
	for _, do := range []work{createRun, createAndComplete, recordUsage, checkRunQuota} {
		for _, whose := range [][]rentroll.TenantID{tenants, tenants[:1]} {
			_, err := measure(ctx, 2048, 2*time.Second, func(ctx context.Context, c *caller) (int, error) {
				return 1, do(ctx, engine, whose[c.random.IntN(len(whose))])
			})
			if err != nil {
				return err
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	_, err = fmt.Fprintf(out, "%d %d\n", peakMemory()>>20, m.HeapSys>>20)
	return err
}

// tenantsIn lists the tenants of a database.
func tenantsIn(ctx context.Context, database string) (out []rentroll.TenantID, err error) {
	u, err := url.Parse(database)
	if err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	conn, err := pgx.Connect(ctx, u.String())
	if err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	rows, err := conn.Query(ctx, "SELECT tenant_id FROM rentroll.tenants ORDER BY tenant_id")
	if err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[[16]byte])
	for _, id := range ids {
		out = append(out, id)
	}
	return slices.Clip(out), err
}
