package sqlstore

import (
	"context"
	"encoding/json"

	"github.com/rentroll/rentroll"
)

var events = prepare(table[rentroll.EventID, rentroll.Event]{
	name:    "events",
	columns: columns("tenant_id:id id:id type:text at data:text"),
	keys:    2,
	bind: func(a Args, r *rentroll.Event) {
		a.ID(r.TenantID)
		a.ID(r.ID)
		a.Text(string(r.Type))
		bindTime(a, r.At)
		a.Text(string(r.Data))
	},
	scan: func(row Row) (rentroll.EventID, *rentroll.Event, error) {
		r := &rentroll.Event{TenantID: row.ID(), ID: row.ID()}
		r.Type = rentroll.EventType(row.Text())
		r.At = scanTime(row)
		r.Data = json.RawMessage(row.Text())
		return r.ID, r, nil
	},
})

// Only the list of all tenants' events repeats the condition of its index, which so never serves one tenant.
var (
	listEvents    = events.query("WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3")
	listAllEvents = events.query("WHERE id < $1 AND at >= 0 ORDER BY id DESC LIMIT $2")
)

// ListEvents lists events, newest first.
func (r *reader) ListEvents(ctx context.Context, f rentroll.EventFilter) (out []*rentroll.Event, err error) {
	request := &Request{
		Stmt: listEvents, Rows: 1,
		Bind: func(_ int, a Args) {
			a.ID(f.TenantID)
			a.ID(before(f.Before))
			a.Int(int64(f.Limit))
		},
		Scan: events.found(func(_ rentroll.EventID, e *rentroll.Event) { out = append(out, e) }),
	}
	if f.TenantID.IsZero() {
		request.Stmt = listAllEvents
		request.Bind = func(_ int, a Args) {
			a.ID(before(f.Before))
			a.Int(int64(f.Limit))
		}
	}
	err = r.session.Run(ctx, request)
	return out, err
}
