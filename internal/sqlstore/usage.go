package sqlstore

import (
	"context"

	"github.com/rentroll/rentroll"
)

var usage = prepare(table[rentroll.UsageRef, rentroll.UsageEvent]{
	name: "usage_events",
	columns: columns(`tenant_id:id time id:id meter:text amount unit:text recorded_at worker_id:text api_key_id:id
		run_id:id event_id:text metadata:text corrects:text dimensions:text`),
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
		bindNullMap(a, r.Dimensions)
	},
	scan: func(row Row) (rentroll.UsageRef, *rentroll.UsageEvent, error) {
		r := &rentroll.UsageEvent{TenantID: row.ID(), Time: scanTime(row), ID: row.ID(), Meter: row.Text(), Amount: row.Int(), Unit: row.Text()}
		r.RecordedAt = scanTime(row)
		r.WorkerID, r.APIKeyID, r.RunID = rentroll.NullString(row.Text()), row.ID(), row.ID()
		r.EventID, r.Metadata, r.Corrects = rentroll.NullString(row.Text()), scanJSON(row), rentroll.NullString(row.Text())
		err := scanValue(row, &r.Dimensions)
		return rentroll.UsageRef{TenantID: r.TenantID, Time: r.Time, ID: r.ID}, r, err
	},
})

var listUsage = usage.query("WHERE tenant_id = $1 AND (time, id) > ($2, $3) AND time < $4 ORDER BY time, id LIMIT $5")

// ListUsage lists events, by time and id.
func (r *reader) ListUsage(ctx context.Context, f rentroll.UsageFilter) (out []*rentroll.UsageEvent, err error) {
	err = r.ask(ctx, listUsage, func(a Args) {
		a.ID(f.TenantID)
		bindTime(a, f.From)
		a.ID(f.After)
		bindTime(a, f.To)
		a.Int(int64(f.Limit))
	}, usage.found(func(_ rentroll.UsageRef, e *rentroll.UsageEvent) { out = append(out, e) }))
	return out, err
}

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
