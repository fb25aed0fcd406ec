package sqlstore

import (
	"context"
	"time"

	"github.com/rentroll/rentroll"
)

var (
	addActivity    = adder("activity", columns("minute server_id:id admitted denied"), 2)
	forgetActivity = &Stmt{SQL: "DELETE FROM activity WHERE minute < $1"}
	listActivity   = &Stmt{SQL: `SELECT minute, CAST(SUM(admitted) AS BIGINT), CAST(SUM(denied) AS BIGINT) FROM activity
		WHERE minute >= $1 GROUP BY minute ORDER BY minute`}
	latestDenials = denials.query("WHERE code <> '' AND id < $1 ORDER BY id DESC LIMIT $2")
	listWaiting   = &Stmt{SQL: `SELECT tenant_id, COUNT(*), MIN(created_at) FROM
		(SELECT tenant_id, status, created_at FROM runs WHERE status <= 2 ORDER BY tenant_id, lease_expires_at LIMIT $2) AS open
		WHERE status = 1 AND created_at <= $1 GROUP BY tenant_id ORDER BY tenant_id LIMIT $3`}
)

// activity turns what servers did in minutes into requests, and forgets what is too old.
func activity(s *rentroll.Statistics, requests []*Request) []*Request {
	if len(s.Activity) == 0 {
		return requests
	}
	var newest time.Time
	keys := make([]rentroll.ActivityKey, 0, len(s.Activity))
	for k := range s.Activity {
		keys = append(keys, k)
		if k.Minute.After(newest) {
			newest = k.Minute
		}
	}
	return append(requests,
		&Request{Stmt: addActivity, Rows: len(keys), Bind: func(i int, a Args) {
			bindTime(a, keys[i].Minute)
			a.ID(keys[i].Server)
			a.Int(s.Activity[keys[i]].Admitted)
			a.Int(s.Activity[keys[i]].Denied)
		}},
		&Request{Stmt: forgetActivity, Rows: 1, Bind: func(_ int, a Args) { bindTime(a, newest.Add(-rentroll.MaxActivity-time.Hour)) }},
	)
}

// ListActivity adds up what all servers did, a minute each, oldest first.
func (r *reader) ListActivity(ctx context.Context, from time.Time) (out []rentroll.Activity, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: listActivity, Rows: 1, Bind: func(_ int, a Args) { bindTime(a, from) },
		Scan: func(row Row) error {
			out = append(out, rentroll.Activity{Minute: scanTime(row), Admitted: row.Int(), Denied: row.Int()})
			return nil
		},
	})
	return out, err
}

// ListWaiting lists tenants with runs that are queued since before an instant.
func (r *reader) ListWaiting(ctx context.Context, before time.Time, scan, limit int) (out []rentroll.WaitingRuns, err error) {
	err = r.session.Run(ctx, &Request{
		Stmt: listWaiting, Rows: 1,
		Bind: func(_ int, a Args) {
			bindTime(a, before)
			a.Int(int64(scan))
			a.Int(int64(limit))
		},
		Scan: func(row Row) error {
			out = append(out, rentroll.WaitingRuns{TenantID: row.ID(), Runs: row.Int(), Since: scanTime(row)})
			return nil
		},
	})
	return out, err
}
