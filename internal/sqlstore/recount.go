package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rentroll/rentroll"
)

// The statements that count rows again. Each walks the rows that it adds up along an index, and no others; whoever asks
// cuts long ranges of time into pieces.
var (
	sumHeld = &Stmt{SQL: `SELECT family, COUNT(*), CAST(SUM(reserved_tokens) AS BIGINT), MIN(lease_expires_at)
		FROM runs WHERE tenant_id = $1 AND status <= 2 GROUP BY family`}
	countWorkers = &Stmt{SQL: "SELECT COUNT(*) FROM workers WHERE tenant_id = $1 AND enabled <> 0"}
	countOwners  = &Stmt{SQL: "SELECT COUNT(*) FROM members WHERE tenant_id = $1 AND role = 'owner'"}
	countKeys    = &Stmt{SQL: `SELECT CAST(COALESCE(SUM(CASE WHEN in_overlap = 0 THEN 1 ELSE 0 END), 0) AS BIGINT), MIN(expires_at)
		FROM api_keys WHERE tenant_id = $1 AND status = 'active'`}

	// The ids of runs begin with the time at which they were made, in milliseconds.
	countRuns = &Stmt{SQL: `SELECT COUNT(*) FROM runs WHERE tenant_id = $1 AND id >= $2 AND id < $3
		AND created_at >= $4 AND created_at < $5`}
	countIncrements = &Stmt{SQL: `SELECT COUNT(*) FROM usage_events WHERE tenant_id = $1 AND time >= $2 AND time < $3
		AND meter = '` + rentroll.MeterWorkerRuns + `' AND run_id IS NULL`}
	// A correction counts where the event counts that it corrects.
	sumKeyTokens = &Stmt{SQL: `SELECT e.api_key_id, CAST(SUM(e.amount) AS BIGINT) FROM usage_events AS e
		WHERE e.tenant_id = $1 AND e.time >= $2 AND e.time < $3 AND e.recorded_at >= $4
		AND e.meter = '` + rentroll.MeterTokensUsed + `' AND e.api_key_id IS NOT NULL
		AND (e.corrects IS NULL OR NOT EXISTS (SELECT 1 FROM usage_events AS o
			WHERE o.tenant_id = e.tenant_id AND o.time = e.time AND o.event_id = e.corrects AND o.recorded_at < $4))
		GROUP BY e.api_key_id`}
	listSubjectRuns = &Stmt{SQL: `SELECT subject, created_at FROM runs WHERE tenant_id = $1 AND id >= $2 AND id < $3
		AND created_at >= $4 AND created_at < $5 AND subject IS NOT NULL`}
	listSubjectTokens = &Stmt{SQL: `SELECT COALESCE(r.subject, ''), e.time, e.amount
		FROM usage_events AS e LEFT JOIN runs AS r ON r.tenant_id = e.tenant_id AND r.id = e.run_id
		WHERE e.tenant_id = $1 AND e.time >= $2 AND e.time < $3 AND e.meter = '` + rentroll.MeterTokensUsed + `'
		AND e.run_id IS NOT NULL AND e.event_id IS NULL AND e.recorded_at = e.time
		AND (r.id IS NULL OR r.subject IS NOT NULL
			AND (e.time = r.completed_at OR r.late <> 0 AND e.amount IN (r.tokens_so_far, r.total_tokens - r.tokens_so_far)))`}
	listKeyUses = keyUses.query("WHERE tenant_id = $1 AND family > $2 ORDER BY family LIMIT $3")

	nextRollup = &Stmt{SQL: `SELECT bucket FROM usage_rollups WHERE tenant_id = $1 AND dimension = $2 AND bucket >= $3
		ORDER BY bucket LIMIT 1`}
	nextPeak = &Stmt{SQL: `SELECT bucket FROM usage_peaks WHERE tenant_id = $1 AND dimension = $2 AND bucket >= $3
		ORDER BY bucket LIMIT 1`}
	nextEvent          = &Stmt{SQL: "SELECT time FROM usage_events WHERE tenant_id = $1 AND time >= $2 ORDER BY time LIMIT 1"}
	sumBuckets         = bucketsBy("")
	sumBucketsByWorker = bucketsBy("worker_id")
	sumBucketsByKey    = bucketsBy("api_key_id")

	sumKept = &Stmt{SQL: fmt.Sprintf(`SELECT time - time %% %d, meter, dimensions, amount FROM usage_events
		WHERE tenant_id = $1 AND time >= $2 AND time < $3 AND dimensions IS NOT NULL`, bucketMicros)}
	nextDimension = &Stmt{SQL: "SELECT dimension FROM usage_rollups WHERE tenant_id = $1 AND dimension > $2 ORDER BY dimension LIMIT 1"}
	nextKept      = &Stmt{SQL: `SELECT meter, dimension, month FROM usage_values
		WHERE tenant_id = $1 AND (meter, dimension, month) > ($2, $3, $4) ORDER BY meter, dimension, month LIMIT 1`}
	countKept = &Stmt{SQL: `SELECT CAST(COALESCE(SUM(CASE WHEN value = '' THEN known ELSE 0 END), 0) AS BIGINT),
		CAST(COALESCE(SUM(CASE WHEN value = '' THEN 0 ELSE 1 END), 0) AS BIGINT) FROM usage_values
		WHERE tenant_id = $1 AND meter = $2 AND dimension = $3 AND month = $4`}
	listKept     = &Stmt{SQL: "SELECT value FROM usage_values WHERE tenant_id = $1 AND meter = $2 AND dimension = $3 AND month = $4 AND value <> ''"}
	rolledMeters = &Stmt{SQL: `SELECT DISTINCT meter FROM usage_rollups
		WHERE tenant_id = $1 AND dimension = $2 AND bucket >= $3 AND bucket < $4 AND events <> 0`}
	rolledValues = &Stmt{SQL: `SELECT DISTINCT value FROM usage_rollups
		WHERE tenant_id = $1 AND dimension = $2 AND bucket >= $3 AND bucket < $4 AND meter = $5 AND events <> 0`}
	sumRecorded = &Stmt{SQL: `SELECT meter, CAST(SUM(amount) AS BIGINT), COUNT(*), MAX(amount), MAX(recorded_at) FROM usage_events
		WHERE tenant_id = $1 AND time >= $2 AND time < $3 AND recorded_at >= $4 AND recorded_at < $5 GROUP BY meter`}
	sumCosts = &Stmt{SQL: `SELECT CAST(COALESCE(SUM(r.cost_micros), 0) AS BIGINT),
		CAST(COALESCE(SUM(CASE WHEN r.cost_micros > 0 THEN 1 ELSE 0 END), 0) AS BIGINT),
		CAST(COALESCE(SUM(CASE WHEN r.id IS NULL THEN 1 ELSE 0 END), 0) AS BIGINT)
		FROM usage_events AS e LEFT JOIN runs AS r ON r.tenant_id = e.tenant_id AND r.id = e.run_id
		WHERE e.tenant_id = $1 AND e.time >= $2 AND e.time < $3
		AND e.meter = '` + rentroll.MeterWorkerRuns + `' AND e.run_id IS NOT NULL`}

	listMarks = marks.query("WHERE tenant_id = $1 AND event_id > $2 ORDER BY event_id LIMIT $3")
	unmarked  = &Stmt{SQL: `SELECT e.event_id, e.id, e.time, e.recorded_at, m.usage_id FROM usage_events e
		LEFT JOIN usage_marks m ON m.tenant_id = e.tenant_id AND m.event_id = e.event_id
		WHERE e.tenant_id = $1 AND (e.time, e.id) > ($2, $3) AND e.time < $4 AND e.recorded_at >= $5 AND e.event_id IS NOT NULL
		AND (m.usage_id IS NULL OR m.usage_id <> e.id) ORDER BY e.time, e.id LIMIT $6`}
	sumTaken = &Stmt{SQL: `SELECT time, corrects, CAST(-SUM(amount) AS BIGINT) FROM usage_events
		WHERE tenant_id = $1 AND time = $2 AND corrects > $3 AND corrects <= $4 GROUP BY time, corrects`}
	sumCorrections = &Stmt{SQL: `SELECT time, corrects, CAST(-SUM(amount) AS BIGINT) FROM usage_events
		WHERE tenant_id = $1 AND time >= $2 AND time < $3 AND corrects IS NOT NULL AND (time > $2 OR corrects > $4)
		GROUP BY time, corrects ORDER BY time, corrects LIMIT $5`}

	sumHeavy = &Stmt{SQL: `SELECT meter, CAST(SUM(amount) AS BIGINT), CAST(SUM(CASE WHEN meter = '` + rentroll.MeterTokensUsed + `'
		AND run_id IS NOT NULL AND event_id IS NULL AND recorded_at = time THEN amount ELSE 0 END) AS BIGINT) FROM usage_events
		WHERE tenant_id = $1 AND time >= $2 AND time < $3 AND recorded_at >= $4 AND amount >= $5 GROUP BY meter`}

	listPeriods   = periods.query("WHERE tenant_id = $1 ORDER BY start_at")
	listDirectory = directory.query("WHERE (kind, value) > ($1, $2) ORDER BY kind, value LIMIT $3")
)

// The dimensions of rollups, as the engine names them.
const (
	dimensionTotal  = ""
	dimensionWorker = "worker"
	dimensionKey    = "api_key"
	keptPrefix      = "." // and the name of a kept dimension
)

// bucketMicros is the width of a bucket.
const bucketMicros = int64(15 * time.Minute / time.Microsecond)

// bucketsBy adds up events by bucket, meter and, where there is one, the column of a dimension.
func bucketsBy(column string) *Stmt {
	value, where, group := "''", "", ""
	if column != "" {
		value, where, group = column, " AND "+column+" IS NOT NULL", ", "+column
	}
	return &Stmt{SQL: fmt.Sprintf(`SELECT time - time %% %d, meter, %s, CAST(SUM(amount) AS BIGINT), COUNT(*), MAX(amount) FROM usage_events
		WHERE tenant_id = $1 AND time >= $2 AND time < $3%s GROUP BY time - time %% %d, meter%s`,
		bucketMicros, value, where, bucketMicros, group)}
}

// ask reads the rows of one statement about one tenant.
func (r *reader) ask(ctx context.Context, stmt *Stmt, bind func(a Args), scan func(row Row) error) error {
	return r.session.Run(ctx, &Request{Stmt: stmt, Rows: 1, Bind: func(_ int, a Args) { bind(a) }, Scan: scan})
}

// number reads one number.
func (r *reader) number(ctx context.Context, stmt *Stmt, bind func(a Args)) (n int64, err error) {
	err = r.ask(ctx, stmt, bind, func(row Row) error { n = row.Int(); return nil })
	return n, err
}

// SumHeld adds up what the open runs of a tenant hold.
func (r *reader) SumHeld(ctx context.Context, tenant rentroll.TenantID) (out []rentroll.HeldSum, err error) {
	err = r.ask(ctx, sumHeld, func(a Args) { a.ID(tenant) }, func(row Row) error {
		out = append(out, rentroll.HeldSum{Family: row.ID(), Runs: row.Int(), Reserved: row.Int(), Lease: scanTime(row)})
		return nil
	})
	return out, err
}

// CountGauges counts what of a tenant exists.
func (r *reader) CountGauges(ctx context.Context, tenant rentroll.TenantID) (out rentroll.Gauges, err error) {
	of := func(_ int, a Args) { a.ID(tenant) }
	err = r.session.Run(ctx,
		&Request{Stmt: countWorkers, Rows: 1, Bind: of, Scan: func(row Row) error { out.Workers = row.Int(); return nil }},
		&Request{Stmt: countOwners, Rows: 1, Bind: of, Scan: func(row Row) error { out.Owners = row.Int(); return nil }},
		&Request{Stmt: countKeys, Rows: 1, Bind: of, Scan: func(row Row) error {
			out.APIKeys, out.Expiry = row.Int(), scanTime(row)
			return nil
		}},
	)
	return out, err
}

// CountRuns counts the runs that were made in [from, to).
func (r *reader) CountRuns(ctx context.Context, tenant rentroll.TenantID, from, to time.Time) (int64, error) {
	return r.number(ctx, countRuns, madeIn(tenant, from, to))
}

// madeIn names the runs that were made in [from, to), by their ids and to the microsecond.
func madeIn(tenant rentroll.TenantID, from, to time.Time) func(a Args) {
	return func(a Args) {
		a.ID(tenant)
		a.ID(firstID(from))
		a.ID(firstID(to.Add(time.Millisecond)))
		a.Int(from.UnixMicro())
		a.Int(to.UnixMicro())
	}
}

// CountIncrements counts the events of runs that were never admitted here.
func (r *reader) CountIncrements(ctx context.Context, tenant rentroll.TenantID, from, to time.Time) (int64, error) {
	return r.number(ctx, countIncrements, func(a Args) {
		a.ID(tenant)
		a.Int(from.UnixMicro())
		a.Int(to.UnixMicro())
	})
}

// SumKeyTokens adds up the tokens of keys.
func (r *reader) SumKeyTokens(ctx context.Context, tenant rentroll.TenantID, from, to, since time.Time) (out []rentroll.KeySum, err error) {
	err = r.ask(ctx, sumKeyTokens, func(a Args) {
		a.ID(tenant)
		a.Int(from.UnixMicro())
		a.Int(to.UnixMicro())
		a.Int(since.UnixMicro())
	}, func(row Row) error {
		out = append(out, rentroll.KeySum{KeyID: row.ID(), Total: row.Int()})
		return nil
	})
	return out, err
}

// ListSubjectRuns lists the runs of subjects that were made in [from, to).
func (r *reader) ListSubjectRuns(ctx context.Context, tenant rentroll.TenantID, from, to time.Time) (out []rentroll.SubjectUse, err error) {
	err = r.ask(ctx, listSubjectRuns, madeIn(tenant, from, to), func(row Row) error {
		out = append(out, rentroll.SubjectUse{Subject: row.Text(), At: scanTime(row), Amount: 1})
		return nil
	})
	return out, err
}

// ListSubjectTokens lists what the runs of subjects used.
func (r *reader) ListSubjectTokens(ctx context.Context, tenant rentroll.TenantID, from, to time.Time) (out []rentroll.SubjectUse, err error) {
	err = r.ask(ctx, listSubjectTokens, func(a Args) {
		a.ID(tenant)
		a.Int(from.UnixMicro())
		a.Int(to.UnixMicro())
	}, func(row Row) error {
		out = append(out, rentroll.SubjectUse{Subject: row.Text(), At: scanTime(row), Amount: row.Int()})
		return nil
	})
	return out, err
}

// ListKeyUses lists the counters of key families, by family.
func (r *reader) ListKeyUses(ctx context.Context, tenant rentroll.TenantID, after rentroll.KeyID, limit int) (out []*rentroll.KeyUse, err error) {
	err = r.ask(ctx, listKeyUses, func(a Args) {
		a.ID(tenant)
		a.ID(after)
		a.Int(int64(limit))
	}, keyUses.found(func(_ rentroll.KeyRef, use *rentroll.KeyUse) { out = append(out, use) }))
	return out, err
}

// NextEvent returns when the next event happened.
func (r *reader) NextEvent(ctx context.Context, tenant rentroll.TenantID, from time.Time) (next time.Time, err error) {
	err = r.ask(ctx, nextEvent, func(a Args) {
		a.ID(tenant)
		a.Int(from.UnixMicro())
	}, func(row Row) error {
		next = time.UnixMicro(row.Int()).UTC()
		return nil
	})
	return next, err
}

// NextBucket returns the first bucket that anything falls into.
func (r *reader) NextBucket(ctx context.Context, tenant rentroll.TenantID, dimension string, from time.Time) (time.Time, error) {
	next, err := r.NextEvent(ctx, tenant, from)
	if err != nil {
		return next, err
	}
	if !next.IsZero() {
		next = next.Truncate(quarter)
	}
	rows, err := r.ListRollups(ctx, rentroll.RollupFilter{
		TenantID: tenant, Dimension: dimension, From: from, To: cmp.Or(next, endOfTime), Limit: 1,
	})
	if len(rows) > 0 {
		next = rows[0].Bucket
	}
	if err != nil {
		return next, err
	}
	err = r.ask(ctx, nextPeak, func(a Args) {
		a.ID(tenant)
		a.Text(dimension)
		a.Int(from.UnixMicro())
	}, func(row Row) error {
		if peak := time.UnixMicro(row.Int()).UTC(); next.IsZero() || peak.Before(next) {
			next = peak
		}
		return nil
	})
	return next, err
}

// endOfTime is behind every bucket.
var endOfTime = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)

// ListRollups lists rollups, by bucket: hour after hour, as there are any, until there are enough.
func (r *reader) ListRollups(ctx context.Context, f rentroll.RollupFilter) (out []rentroll.Rollup, err error) {
	for at := f.From.Truncate(hour); len(out) < f.Limit; at = at.Add(hour) {
		var found time.Time
		err := r.ask(ctx, nextRollup, func(a Args) {
			a.ID(f.TenantID)
			a.Text(f.Dimension)
			a.Int(at.UnixMicro())
		}, func(row Row) error {
			found = time.UnixMicro(row.Int()).UTC()
			return nil
		})
		if err != nil || found.IsZero() || !found.Before(f.To) {
			return out, err
		}
		at = found
		if out, err = r.listHour(ctx, f, at, out); err != nil {
			return nil, err
		}
	}
	return out[:min(len(out), f.Limit)], nil
}

// listHour lists the rollups of one hour that hold anything, quarter after quarter.
func (r *reader) listHour(ctx context.Context, f rentroll.RollupFilter, at time.Time, out []rentroll.Rollup) ([]rentroll.Rollup, error) {
	var quarters [4][]rentroll.Rollup
	err := r.ask(ctx, hourParts, func(a Args) {
		a.ID(f.TenantID)
		a.Text(f.Dimension)
		a.Int(at.UnixMicro())
	}, func(row Row) error {
		k := rentroll.RollupKey{TenantID: f.TenantID, Dimension: f.Dimension, Meter: row.Text(), Value: row.Text()}
		for i := range quarters {
			sum := rentroll.RollupSum{Total: row.Int(), Events: row.Int()}
			k.Bucket = at.Add(time.Duration(i) * quarter)
			if sum != (rentroll.RollupSum{}) && !k.Bucket.Before(f.From) && k.Bucket.Before(f.To) {
				quarters[i] = append(quarters[i], rentroll.Rollup{RollupKey: k, RollupSum: sum})
			}
		}
		return nil
	})
	return slices.Concat(append([][]rentroll.Rollup{out}, quarters[:]...)...), err
}

// SumBuckets makes rollups anew from events.
func (r *reader) SumBuckets(ctx context.Context, f rentroll.RollupFilter) (out []rentroll.Rollup, err error) {
	stmt := map[string]*Stmt{
		dimensionTotal: sumBuckets, dimensionWorker: sumBucketsByWorker, dimensionKey: sumBucketsByKey,
	}[f.Dimension]
	if stmt == nil {
		return nil, fmt.Errorf("sqlstore: no events are added up by %q", f.Dimension)
	}
	err = r.ask(ctx, stmt, func(a Args) {
		a.ID(f.TenantID)
		a.Int(f.From.UnixMicro())
		a.Int(f.To.UnixMicro())
	}, func(row Row) error {
		k := rentroll.RollupKey{TenantID: f.TenantID, Dimension: f.Dimension, Bucket: time.UnixMicro(row.Int()).UTC(), Meter: row.Text()}
		if f.Dimension == dimensionKey {
			k.Value = rentroll.KeyID(row.ID()).String()
		} else {
			k.Value = row.Text()
		}
		out = append(out, rentroll.Rollup{RollupKey: k, RollupSum: rentroll.RollupSum{Total: row.Int(), Events: row.Int()}, Peak: row.Int()})
		return nil
	})
	return out, err
}

// SumKept makes the rollups of kept dimensions anew from events. What an event keeps is JSON, which the databases take
// apart differently.
func (r *reader) SumKept(ctx context.Context, tenant rentroll.TenantID, from, to time.Time) ([]rentroll.Rollup, error) {
	sums := make(map[rentroll.RollupKey]rentroll.Rollup)
	err := r.ask(ctx, sumKept, func(a Args) {
		a.ID(tenant)
		a.Int(from.UnixMicro())
		a.Int(to.UnixMicro())
	}, func(row Row) error {
		k := rentroll.RollupKey{TenantID: tenant, Bucket: time.UnixMicro(row.Int()).UTC(), Meter: row.Text()}
		var kept map[string]string
		if err := scanValue(row, &kept); err != nil {
			return err
		}
		amount := row.Int()
		for name, value := range kept {
			k.Dimension, k.Value = keptPrefix+name, value
			sum := sums[k]
			sum.RollupKey, sum.Total, sum.Events, sum.Peak = k, sum.Total+amount, sum.Events+1, max(sum.Peak, amount)
			sums[k] = sum
		}
		return nil
	})
	return slices.Collect(maps.Values(sums)), err
}

// NextDimension returns the first dimension of a tenant's rollups behind one.
func (r *reader) NextDimension(ctx context.Context, tenant rentroll.TenantID, after string) (next string, err error) {
	err = r.ask(ctx, nextDimension, func(a Args) {
		a.ID(tenant)
		a.Text(after)
	}, func(row Row) error { next = row.Text(); return nil })
	return next, err
}

// NextKept returns the first dimension's month behind one of which values are told apart.
func (r *reader) NextKept(ctx context.Context, tenant rentroll.TenantID, after rentroll.ValueRef) (next rentroll.ValueRef, err error) {
	err = r.ask(ctx, nextKept, func(a Args) {
		a.ID(tenant)
		a.Text(after.Meter)
		a.Text(after.Dimension)
		bindTime(a, after.Month)
	}, func(row Row) error {
		next = rentroll.ValueRef{TenantID: tenant, Meter: row.Text(), Dimension: row.Text(), Month: scanTime(row)}
		return nil
	})
	return next, err
}

// CountKept counts the values that are told apart in a dimension's month.
func (r *reader) CountKept(ctx context.Context, of rentroll.ValueRef) (known, values int64, err error) {
	err = r.ask(ctx, countKept, func(a Args) {
		a.ID(of.TenantID)
		a.Text(of.Meter)
		a.Text(of.Dimension)
		bindTime(a, of.Month)
	}, func(row Row) error {
		known, values = row.Int(), row.Int()
		return nil
	})
	return known, values, err
}

// texts reads a text a row.
func (r *reader) texts(ctx context.Context, stmt *Stmt, bind func(a Args)) (out []string, err error) {
	err = r.ask(ctx, stmt, bind, func(row Row) error { out = append(out, row.Text()); return nil })
	return out, err
}

// ListKept lists the values that are told apart in a dimension's month.
func (r *reader) ListKept(ctx context.Context, of rentroll.ValueRef) ([]string, error) {
	return r.texts(ctx, listKept, func(a Args) {
		a.ID(of.TenantID)
		a.Text(of.Meter)
		a.Text(of.Dimension)
		bindTime(a, of.Month)
	})
}

// RolledMeters lists the meters of rollups of one dimension.
func (r *reader) RolledMeters(ctx context.Context, f rentroll.RollupFilter) ([]string, error) {
	return r.texts(ctx, rolledMeters, func(a Args) { bindRollups(a, f) })
}

// RolledValues lists the values of rollups of one dimension and meter.
func (r *reader) RolledValues(ctx context.Context, f rentroll.RollupFilter, meter string) ([]string, error) {
	return r.texts(ctx, rolledValues, func(a Args) {
		bindRollups(a, f)
		a.Text(meter)
	})
}

func bindRollups(a Args, f rentroll.RollupFilter) {
	a.ID(f.TenantID)
	a.Text(f.Dimension)
	a.Int(f.From.UnixMicro())
	a.Int(f.To.UnixMicro())
}

// SumRecorded adds up events by when they were recorded.
func (r *reader) SumRecorded(ctx context.Context, f rentroll.RecordedFilter) (out []rentroll.MeterRecord, err error) {
	err = r.ask(ctx, sumRecorded, func(a Args) {
		a.ID(f.TenantID)
		for _, t := range []time.Time{f.From, f.To, f.Since, f.Until} {
			a.Int(t.UnixMicro())
		}
	}, func(row Row) error {
		out = append(out, rentroll.MeterRecord{
			Meter: row.Text(), RollupSum: rentroll.RollupSum{Total: row.Int(), Events: row.Int()}, Peak: row.Int(),
			Latest: time.UnixMicro(row.Int()).UTC(),
		})
		return nil
	})
	return out, err
}

// SumCosts adds up what runs cost.
func (r *reader) SumCosts(ctx context.Context, tenant rentroll.TenantID, from, to time.Time) (out rentroll.CostSum, err error) {
	err = r.ask(ctx, sumCosts, func(a Args) {
		a.ID(tenant)
		a.Int(from.UnixMicro())
		a.Int(to.UnixMicro())
	}, func(row Row) error {
		out = rentroll.CostSum{Micros: row.Int(), Runs: row.Int(), Missing: row.Int()}
		return nil
	})
	return out, err
}

// ListUnmarked lists events whose ids are not remembered as theirs.
func (r *reader) ListUnmarked(ctx context.Context, f rentroll.UnmarkedFilter) (out []rentroll.Unmarked, err error) {
	err = r.ask(ctx, unmarked, func(a Args) {
		a.ID(f.TenantID)
		bindTime(a, f.From)
		a.ID(f.After)
		bindTime(a, f.To)
		bindTime(a, f.Since)
		a.Int(int64(f.Limit))
	}, func(row Row) error {
		out = append(out, rentroll.Unmarked{EventID: row.Text(), ID: row.ID(), Time: scanTime(row), RecordedAt: scanTime(row), Marked: row.ID()})
		return nil
	})
	return out, err
}

// ListMarks lists event ids.
func (r *reader) ListMarks(ctx context.Context, tenant rentroll.TenantID, after string, limit int) (out []*rentroll.UsageMark, err error) {
	err = r.ask(ctx, listMarks, func(a Args) {
		a.ID(tenant)
		a.Text(after)
		a.Int(int64(limit))
	}, marks.found(func(_ rentroll.MarkRef, m *rentroll.UsageMark) { out = append(out, m) }))
	return out, err
}

// SumTaken adds up the corrections of events of one instant.
func (r *reader) SumTaken(ctx context.Context, tenant rentroll.TenantID, at time.Time, after, last string) ([]rentroll.CorrectionSum, error) {
	return r.corrections(ctx, sumTaken, func(a Args) {
		a.ID(tenant)
		a.Int(at.UnixMicro())
		a.Text(after)
		a.Text(last)
	})
}

// SumCorrections adds up the corrections of each event.
func (r *reader) SumCorrections(ctx context.Context, f rentroll.CorrectionFilter) ([]rentroll.CorrectionSum, error) {
	return r.corrections(ctx, sumCorrections, func(a Args) {
		a.ID(f.TenantID)
		a.Int(f.From.UnixMicro())
		a.Int(f.To.UnixMicro())
		a.Text(f.After)
		a.Int(int64(f.Limit))
	})
}

func (r *reader) corrections(ctx context.Context, stmt *Stmt, bind func(a Args)) (out []rentroll.CorrectionSum, err error) {
	err = r.ask(ctx, stmt, bind, func(row Row) error {
		out = append(out, rentroll.CorrectionSum{Time: scanTime(row), EventID: row.Text(), Total: row.Int()})
		return nil
	})
	return out, err
}

// SumHeavy adds up large amounts.
func (r *reader) SumHeavy(ctx context.Context, f rentroll.HeavyFilter) (out []rentroll.HeavySum, err error) {
	err = r.ask(ctx, sumHeavy, func(a Args) {
		a.ID(f.TenantID)
		a.Int(f.From.UnixMicro())
		a.Int(f.To.UnixMicro())
		a.Int(f.Since.UnixMicro())
		a.Int(f.AtLeast)
	}, func(row Row) error {
		out = append(out, rentroll.HeavySum{Meter: row.Text(), Total: row.Int(), OfRuns: row.Int()})
		return nil
	})
	return out, err
}

// ListPeriods lists the months that have ended, oldest first.
func (r *reader) ListPeriods(ctx context.Context, tenant rentroll.TenantID) (out []rentroll.PastPeriod, err error) {
	err = r.ask(ctx, listPeriods, func(a Args) { a.ID(tenant) }, func(row Row) error {
		out = append(out, scanPeriod(row))
		return nil
	})
	return out, err
}

// ListDirectory lists the directory, by kind and value.
func (r *reader) ListDirectory(ctx context.Context, after rentroll.DirectoryRef, limit int) (out []*rentroll.DirectoryEntry, err error) {
	err = r.ask(ctx, listDirectory, func(a Args) {
		a.Text(string(after.Kind))
		a.Text(after.Value)
		a.Int(int64(limit))
	}, directory.found(func(_ rentroll.DirectoryRef, e *rentroll.DirectoryEntry) { out = append(out, e) }))
	return out, err
}

// firstID is the smallest id that can be made at an instant or later.
func firstID(at time.Time) (id [16]byte) {
	milli := uint64(max(at.UnixMilli(), 0))
	for i := range 6 {
		id[i] = byte(milli >> (40 - 8*i))
	}
	return id
}
