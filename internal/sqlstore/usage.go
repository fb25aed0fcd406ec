package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
)

var meters = prepare(table[rentroll.MeterRef, rentroll.Meter]{
	name:    "meters",
	columns: columns("tenant_id:id name:text unit:text"),
	keys:    2,
	bindKey: func(a Args, k rentroll.MeterRef) {
		a.ID(k.TenantID)
		a.Text(k.Name)
	},
	bind: func(a Args, r *rentroll.Meter) {
		a.ID(r.TenantID)
		a.Text(r.Name)
		a.Text(r.Unit)
	},
	scan: func(row Row) (rentroll.MeterRef, *rentroll.Meter, error) {
		r := &rentroll.Meter{TenantID: row.ID(), Name: row.Text(), Unit: row.Text()}
		return rentroll.MeterRef{TenantID: r.TenantID, Name: r.Name}, r, nil
	},
})

var usage = prepare(table[rentroll.UsageRef, rentroll.UsageEvent]{
	name: "usage_events",
	columns: columns(`tenant_id:id time id:id meter:text amount unit:text recorded_at worker_id:text api_key_id:id
		run_id:id event_id:text metadata:text corrects:text`),
	keys: 3,
	bindKey: func(a Args, k rentroll.UsageRef) {
		a.ID(k.TenantID)
		bindTime(a, k.Time)
		a.ID(k.ID)
	},
	bind: func(a Args, r *rentroll.UsageEvent) {
		a.ID(r.TenantID)
		bindTime(a, r.Time)
		a.ID(r.ID)
		a.Text(r.Meter)
		a.Int(r.Amount)
		a.Text(r.Unit)
		bindTime(a, r.RecordedAt)
		bindNullText(a, r.WorkerID)
		bindNullID(a, r.APIKeyID)
		bindNullID(a, r.RunID)
		bindNullText(a, r.EventID)
		bindJSON(a, r.Metadata)
		bindNullText(a, r.Corrects)
	},
	scan: func(row Row) (rentroll.UsageRef, *rentroll.UsageEvent, error) {
		r := &rentroll.UsageEvent{TenantID: row.ID(), Time: scanTime(row), ID: row.ID(), Meter: row.Text(), Amount: row.Int(), Unit: row.Text()}
		r.RecordedAt = scanTime(row)
		r.WorkerID, r.APIKeyID, r.RunID = rentroll.NullString(row.Text()), row.ID(), row.ID()
		r.EventID, r.Metadata, r.Corrects = rentroll.NullString(row.Text()), scanJSON(row), rentroll.NullString(row.Text())
		return rentroll.UsageRef{TenantID: r.TenantID, Time: r.Time, ID: r.ID}, r, nil
	},
})

var marks = prepare(table[rentroll.MarkRef, rentroll.UsageMark]{
	name:    "usage_marks",
	columns: columns("tenant_id:id event_id:text fingerprint:bytes usage_id:id recorded_at time corrected"),
	keys:    2,
	bindKey: func(a Args, k rentroll.MarkRef) {
		a.ID(k.TenantID)
		a.Text(k.EventID)
	},
	bind: func(a Args, r *rentroll.UsageMark) {
		a.ID(r.TenantID)
		a.Text(r.EventID)
		bindHash(a, r.Fingerprint)
		a.ID(r.UsageID)
		bindTime(a, r.RecordedAt)
		bindTime(a, r.Time)
		a.Int(r.Corrected)
	},
	scan: func(row Row) (rentroll.MarkRef, *rentroll.UsageMark, error) {
		r := &rentroll.UsageMark{TenantID: row.ID(), EventID: row.Text(), Fingerprint: scanHash(row), UsageID: row.ID()}
		r.RecordedAt, r.Time, r.Corrected = scanTime(row), scanTime(row), row.Int()
		return rentroll.MarkRef{TenantID: r.TenantID, EventID: r.EventID}, r, nil
	},
})

var (
	addRollup  = adder("usage_rollups", columns("tenant_id:id dimension:text bucket meter:text value:text total events"), 5)
	sumRollups = &Stmt{SQL: `SELECT meter, CAST(SUM(total) AS BIGINT), CAST(SUM(events) AS BIGINT) FROM usage_rollups
		WHERE tenant_id = $1 AND dimension = '' AND bucket >= $2 AND bucket < $3 GROUP BY meter`}
	sumEvents = &Stmt{SQL: `SELECT meter, CAST(SUM(amount) AS BIGINT), COUNT(*) FROM usage_events
		WHERE tenant_id = $1 AND time >= $2 AND time < $3 GROUP BY meter`}
	listMeters = meters.query("WHERE tenant_id = $1 ORDER BY name")
)

// saveRollups adds to the buckets, in the order of their keys.
func saveRollups(sums map[rentroll.RollupKey]rentroll.RollupSum, requests []*Request) []*Request {
	if len(sums) == 0 {
		return requests
	}
	keys := make([]rentroll.RollupKey, 0, len(sums))
	for k := range sums {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b rentroll.RollupKey) int {
		return cmp.Or(a.TenantID.Compare(b.TenantID), strings.Compare(a.Dimension, b.Dimension), a.Bucket.Compare(b.Bucket),
			strings.Compare(a.Meter, b.Meter), strings.Compare(a.Value, b.Value))
	})
	return append(requests, &Request{Stmt: addRollup, Rows: len(keys), Bind: func(i int, a Args) {
		k := keys[i]
		a.ID(k.TenantID)
		a.Text(k.Dimension)
		a.Int(k.Bucket.UnixMicro())
		a.Text(k.Meter)
		a.Text(k.Value)
		a.Int(sums[k].Total)
		a.Int(sums[k].Events)
	}})
}

// SumRollups adds up the buckets that begin in [from, to).
func (r *reader) SumRollups(ctx context.Context, tenant rentroll.TenantID, from, to time.Time) ([]rentroll.MeterSum, error) {
	return r.sum(ctx, sumRollups, tenant, from, to)
}

// SumUsage adds up the events whose time is in [from, to).
func (r *reader) SumUsage(ctx context.Context, tenant rentroll.TenantID, from, to time.Time) ([]rentroll.MeterSum, error) {
	return r.sum(ctx, sumEvents, tenant, from, to)
}

func (r *reader) sum(ctx context.Context, stmt *Stmt, tenant rentroll.TenantID, from, to time.Time) (out []rentroll.MeterSum, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: stmt, Rows: 1,
		Bind: func(_ int, a Args) {
			a.ID(tenant)
			a.Int(from.UnixMicro())
			a.Int(to.UnixMicro())
		},
		Scan: func(row Row) error {
			out = append(out, rentroll.MeterSum{
				Meter: row.Text(), RollupSum: rentroll.RollupSum{Total: row.Int(), Events: row.Int()},
			})
			return nil
		},
	})
	return out, err
}

// ListMeters lists the meters of a tenant, by name.
func (r *reader) ListMeters(ctx context.Context, tenant rentroll.TenantID) (out []*rentroll.Meter, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: listMeters, Rows: 1, Bind: func(_ int, a Args) { a.ID(tenant) },
		Scan: meters.found(func(_ rentroll.MeterRef, m *rentroll.Meter) { out = append(out, m) }),
	})
	return out, err
}
