package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/httpapi"
)

// ingestCallers is how many connections send usage in bulk.
const ingestCallers = 16

// usageColumns are those of the tables of events and of event ids that the loads here write; what is left out is NULL.
var (
	usageColumns = strings.Fields("tenant_id time id meter amount unit recorded_at worker_id api_key_id event_id")
	usageTypes   = strings.Fields("uuid bigint uuid text bigint text bigint text uuid text")
	markColumns  = strings.Fields("tenant_id event_id fingerprint usage_id recorded_at time corrected")
	markTypes    = strings.Fields("uuid text bytea uuid bigint bigint bigint") //nolint:dupword // each for its column
)

// bulkInsert is the statement that inserts rows as arrays.
func bulkInsert(table string, columns, types []string) string {
	places := make([]string, len(types))
	for i, t := range types {
		places[i] = fmt.Sprintf("$%d::%s[]", i+1, t)
	}
	list := strings.Join(columns, ", ")
	return "INSERT INTO " + table + " (" + list + ") SELECT " + list + " FROM unnest(" + strings.Join(places, ", ") + ") AS given(" + list + ")"
}

// usageRows are rows of events and of their ids as the engine stores them.
type usageRows struct {
	tenant, id, key            []pgtype.UUID
	at, recorded, amount, zero []int64
	meter, unit, worker, name  []string
	fingerprint                [][]byte
}

func newUsageRows(c *caller, tenants []rentroll.TenantID) *usageRows {
	now := time.Now()
	r := &usageRows{}
	for i, in := range usageEvents(bulkRows, true) {
		made := random16()
		tenant := tenants[i/batchEvents]
		id := runID(now.Add(time.Duration(i)*time.Microsecond), c.random)
		r.tenant = append(r.tenant, pgtype.UUID{Bytes: tenant, Valid: true})
		r.id = append(r.id, pgtype.UUID{Bytes: id, Valid: true})
		r.key = append(r.key, pgtype.UUID{Bytes: random16(), Valid: true})
		r.at = append(r.at, in.Time.UnixMicro())
		r.recorded = append(r.recorded, now.UnixMicro())
		r.amount = append(r.amount, in.Amount)
		r.zero = append(r.zero, 0)
		r.meter = append(r.meter, in.Meter)
		r.unit = append(r.unit, "count")
		r.worker = append(r.worker, in.WorkerID)
		r.name = append(r.name, in.EventID)
		r.fingerprint = append(r.fingerprint, slices.Concat(made[:], made[:]))
	}
	return r
}

// bareUsage is the bulk insert of the same rows without any decision, on one connection, as arrays: 500 events a
// transaction, of five calls; with ids the rows that remember them, too.
func (s *pgStage) bareUsage(ctx context.Context, ids bool) (arm, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return arm{}, err
	}
	n := len(usageColumns)
	if !ids {
		n--
	}
	events, marks := bulkInsert("usage_events", usageColumns[:n], usageTypes[:n]), bulkInsert("usage_marks", markColumns, markTypes)
	return arm{name: "bulk", callers: 1, op: func(ctx context.Context, c *caller) (int, error) {
		tenants := make([]rentroll.TenantID, bulkRows/batchEvents)
		for i := range tenants {
			tenants[i] = s.tenants[c.random.IntN(len(s.tenants))]
		}
		slices.SortFunc(tenants, rentroll.TenantID.Compare)
		r := newUsageRows(c, tenants)
		args := []any{r.tenant, r.at, r.id, r.meter, r.amount, r.unit, r.recorded, r.worker, r.key, r.name}
		if !ids {
			_, err := pool.Exec(ctx, events, args[:n]...)
			return bulkRows, err
		}
		batch := &pgx.Batch{}
		batch.Queue("BEGIN")
		batch.Queue(events, args...)
		batch.Queue(marks, r.tenant, r.name, r.fingerprint, r.id, r.recorded, r.at, r.zero)
		batch.Queue("COMMIT")
		return bulkRows, pool.SendBatch(ctx, batch).Close()
	}}, nil
}

// pgIngest compares usage in calls of 100 events over HTTP, through the server's handler and with keys, with bare inserts of
// the rows that it writes: of events that carry an id, by which each counts once, and of such that carry none.
func pgIngest(ctx context.Context, s settings, emit func(line)) error {
	for _, tenants := range tenantCounts {
		for _, ids := range []bool{true, false} {
			err := onPGStage(tenants, func(st *pgStage) error { return st.ingest(ctx, s, ids, emit) })
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *pgStage) ingest(ctx context.Context, set settings, ids bool, emit func(line)) error {
	name, err := s.database(ctx)
	if err != nil {
		return err
	}
	engine, err := s.engine(ctx, name, nil)
	if err != nil {
		return err
	}
	address, stop, err := listen(ctx, httpapi.New(engine, nil))
	if err != nil {
		return err
	}
	defer stop()
	to := newPoster(address, &fixture{tenants: s.tenants, secrets: s.secrets}, ingestCallers)
	overHTTP := arm{"over HTTP", ingestCallers, func(ctx context.Context, c *caller) (int, error) {
		return to.post(ctx, c.random.IntN(len(s.tenants)), ids)
	}}
	bare, err := s.bareUsage(ctx, ids)
	if err != nil {
		return err
	}
	c, err := compare(ctx, set, overHTTP, bare)
	if err != nil {
		return err
	}
	what := "POST …/usage, 100 events a call, each with an id"
	if !ids {
		what = "POST …/usage, 100 events a call, without ids"
	}
	at := load(ingestCallers, len(s.tenants))
	rate := c.rate(0)
	emit(line{
		what: what, load: at, figure: fmt.Sprintf("%s events/s, a call p50 %s, p99 %s", grouped3(rate), micros(c.latency(0, 0.5)), micros(c.latency(0, 0.99))),
		target: "≥ 30,000/s", met: atLeast(rate, targetIngestRate),
	})
	l := c.against(what, at, 1, targetIngest)
	l.by = "bare inserts of the same rows: " + perSecond(c.rate(1))
	emit(l)
	return set.profile(fmt.Sprintf("pg-ingest-%d-tenants-ids-%t", len(s.tenants), ids), func() error {
		if set.profiles == "" {
			return nil
		}
		_, err := measure(ctx, ingestCallers, 3*time.Second, overHTTP.op)
		return err
	})
}

// pgSingle compares calls of one event with admissions.
func pgSingle(ctx context.Context, s settings, emit func(line)) error {
	return singles(func(tenants int, of recordOne) error {
		return onPGStage(tenants, func(st *pgStage) error {
			events, err := st.grouped(ctx, singleCallers, of.record)
			if err != nil {
				return err
			}
			runs, err := st.grouped(ctx, singleCallers, createRun)
			if err != nil {
				return err
			}
			runs.name = "CreateRun"
			return of.single(ctx, s, events, runs, tenants, emit)
		})
	})
}

// usageSingle is pgSingle on SQLite.
func usageSingle(ctx context.Context, s settings, emit func(line)) error {
	f, err := platform(ctx)
	if err != nil {
		return err
	}
	return singles(func(tenants int, of recordOne) error {
		return onStage(f, tenants, func(st *stage) error {
			events, err := st.grouped(ctx, singleCallers, of.record)
			if err != nil {
				return err
			}
			engine, err := st.engine(ctx, "runs")
			if err != nil {
				return err
			}
			runs := st.on("CreateRun", singleCallers, func(ctx context.Context, tenant rentroll.TenantID) error { return createRun(ctx, engine, tenant) })
			return of.single(ctx, s, events, runs, tenants, emit)
		})
	})
}

const singleCallers = 256

// recordOne records single events with one kind of ids.
type recordOne struct {
	ids  string
	next func(n int) string
	made *atomic.Int64
}

// singles measures each kind of ids, over many tenants and of one.
func singles(on func(tenants int, of recordOne) error) error {
	for _, ids := range idKinds {
		for _, tenants := range tenantCounts {
			if err := on(tenants, recordOne{ids.name, ids.of, new(atomic.Int64)}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o recordOne) single(ctx context.Context, s settings, events, runs arm, tenants int, emit func(line)) error {
	c, err := compare(ctx, s, events, runs)
	if err != nil {
		return err
	}
	l := c.against("RecordUsage, one event, "+o.ids, load(singleCallers, tenants), 1, targetSingle)
	l.figure = c.figures()
	emit(l)
	return s.profile(fmt.Sprintf("single-usage-%d-tenants-%s", tenants, strings.ReplaceAll(o.ids, " ", "-")), func() error {
		if s.profiles == "" {
			return nil
		}
		_, err := measure(ctx, singleCallers, 3*time.Second, events.op)
		return err
	})
}

// record records one event.
func (o recordOne) record(ctx context.Context, e *rentroll.Engine, tenant rentroll.TenantID) error {
	_, err := e.RecordUsage(ctx, rentroll.RecordUsageParams{
		TenantID: tenant, UsageParams: rentroll.UsageParams{Meter: usageMeters[0], Amount: 3, WorkerID: worker, EventID: o.next(int(o.made.Add(1)))},
	})
	return err
}
