package rentroll

import (
	"context"
	"time"
)

// Activity is how many runs were admitted and denied in a minute, on all servers that share the store.
type Activity struct {
	Minute   time.Time `json:"minute"` // its start
	Admitted int64     `json:"admitted"`
	Denied   int64     `json:"denied"`
}

// ActivityKey names what one server has done in one minute.
type ActivityKey struct {
	Minute time.Time
	Server ServerID
}

// MaxActivity is for how long activity is kept, and may be asked for.
const MaxActivity = 24 * time.Hour

// ListActivity returns the activity of each minute since an instant, oldest first, the running minute included. It needs an
// operator with tenant:read. It is a statistic: at most a second behind, and that second is lost in a crash.
func (e *Engine) ListActivity(ctx context.Context, since time.Time) ([]Activity, error) {
	if err := e.actor.mayOperate(PermTenantRead); err != nil {
		return nil, err
	}
	now := e.now().Truncate(time.Minute)
	from := since.UTC().Truncate(time.Minute)
	if from.Before(now.Add(-MaxActivity)) {
		return nil, problems{{"since", "must not be more than 24 hours ago"}}.err()
	}
	var rows []Activity
	err := e.view(ctx, func(r Reader) (err error) {
		rows, err = r.ListActivity(ctx, from)
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []Activity
	for minute := from; !minute.After(now); minute = minute.Add(time.Minute) {
		a := Activity{Minute: minute}
		if len(rows) > 0 && rows[0].Minute.Equal(minute) {
			a, rows = rows[0], rows[1:]
		}
		out = append(out, a)
	}
	return out, nil
}

// TenantDenial is a denial with the tenant that it happened to.
type TenantDenial struct {
	TenantID TenantID `json:"tenant_id"`
	Slug     string   `json:"slug"`
	Name     string   `json:"name"`
	*Denial
}

// ListLatestDenials lists the denials that are kept of all tenants, newest first. It needs an operator with denial:read.
func (e *Engine) ListLatestDenials(ctx context.Context, p Page) (*List[*TenantDenial], error) {
	if err := e.actor.mayOperate(PermDenialRead); err != nil {
		return nil, err
	}
	var bad problems
	scope := cursorScope("latest_denials")
	f := DenialFilter{}
	f.Limit, f.Before = pageOf[EventID](p, scope, &bad)
	if err := bad.err(); err != nil {
		return nil, err
	}
	out := &List[*TenantDenial]{Items: []*TenantDenial{}}
	err := e.view(ctx, func(r Reader) error {
		rows, err := r.ListDenials(ctx, f)
		if err != nil {
			return err
		}
		rows = trim(out, rows, f.Limit, scope, func(d *Denial) EventID { return d.ID })
		b := &Batch{}
		for _, d := range rows {
			b.Profiles.Want(d.TenantID)
		}
		if err := r.Load(ctx, b); err != nil {
			return err
		}
		for _, d := range rows {
			if p := b.Profiles.Get(d.TenantID); p != nil { // its tenant may be gone
				out.Items = append(out.Items, &TenantDenial{d.TenantID, p.Slug, p.Name, d})
			}
		}
		return nil
	})
	return out, err
}

// StuckTenant is a tenant whose runs do not move.
type StuckTenant struct {
	TenantID TenantID   `json:"tenant_id"`
	Slug     string     `json:"slug"`
	Name     string     `json:"name"`
	Overdue  int64      `json:"overdue"` // open runs that have been over their lease for a minute, and nobody has crashed
	Queued   int64      `json:"queued"`  // runs that were admitted five minutes ago, and no worker has started
	Since    *time.Time `json:"since"`   // since when the oldest of the queued ones waits; nil where there is none
}

// The bounds of what counts as stuck, and of how much is looked at.
const (
	stuckOverdue = time.Minute
	stuckQueued  = 5 * time.Minute
	stuckMost    = 50
	stuckScan    = 5000 // open runs
)

// ListStuck lists tenants whose runs do not move, at most fifty: runs that are over their lease and that no server has
// crashed, and runs that wait for a worker. Of queued runs the first five thousand open ones of the platform are looked at;
// whose runs are over their lease is looked for among what was known ten seconds ago at most, as with ListStandings.
// It needs an operator with run:read.
func (e *Engine) ListStuck(ctx context.Context) ([]*StuckTenant, error) {
	if err := e.actor.mayOperate(PermRunRead); err != nil {
		return nil, err
	}
	all, err := e.ranked(ctx)
	if err != nil {
		return nil, err
	}
	now := e.now()
	out := []*StuckTenant{}
	err = e.view(ctx, func(r Reader) error {
		found := map[TenantID]*StuckTenant{}
		of := func(id TenantID) *StuckTenant {
			if found[id] == nil {
				found[id] = &StuckTenant{TenantID: id}
				out = append(out, found[id])
			}
			return found[id]
		}
		late := now.Add(-stuckOverdue)
		for i, n := range all[standingDue] {
			if i == stuckMost || -n.rank > late.UnixMicro() {
				break
			}
			sum, err := r.CountOverdueRuns(ctx, n.id, late)
			if err != nil {
				return err
			}
			if sum.Runs > 0 { // not a bound that is lower than need be
				of(n.id).Overdue = sum.Runs
			}
		}
		waiting, err := r.ListWaiting(ctx, now.Add(-stuckQueued), stuckScan, stuckMost)
		if err != nil {
			return err
		}
		for _, w := range waiting {
			s := of(w.TenantID)
			s.Queued, s.Since = w.Runs, &w.Since
		}
		b := &Batch{}
		for _, s := range out {
			b.Profiles.Want(s.TenantID)
		}
		if err := r.Load(ctx, b); err != nil {
			return err
		}
		for _, s := range out {
			if p := b.Profiles.Get(s.TenantID); p != nil {
				s.Slug, s.Name = p.Slug, p.Name
			}
		}
		return nil
	})
	return out, err
}

// WaitingRuns is what a tenant has in its queue.
type WaitingRuns struct {
	TenantID TenantID
	Runs     int64
	Since    time.Time // the oldest's admission
}
