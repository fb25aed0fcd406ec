package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// finale is how long before now the ordinary month ends, and the things begin that must be there when people look.
const finale = 45 * time.Minute

// write puts into the plot what happens in the month, apart from work.
func (f *filler) write(now time.Time) {
	f.plan(0, func(ctx context.Context) error {
		_, _, err := f.engine.PutPlan(ctx, rentroll.PutPlanParams{Name: teamPlan, Limits: teamLimits()})
		return err
	})
	for i, t := range cast(now) {
		f.plan(float64(t.joins)+0.01*float64(i), func(ctx context.Context) error { return f.join(ctx, t) })
	}
	f.plan(4.6, f.with(firstSlug, f.outage))
	f.plan(9.4, f.with(promoted, func(ctx context.Context, r *resident) error {
		_, err := f.engine.UpdatePlan(ctx, rentroll.UpdatePlanParams{TenantID: r.id, Plan: rentroll.PlanPro})
		r.plan = rentroll.PlanPro
		return err
	}))
	f.plan(11.6, f.with("kestrel-logistics", f.outage))
	f.plan(12.4, f.leak)
	f.plan(19.5, f.with("harbor-legal", f.outage))
	f.plan(21.7, f.with(terminated, func(ctx context.Context, r *resident) error {
		return f.leave(ctx, r, f.engine.Terminate, "Contract ended")
	}))
	f.plan(26.3, f.with(suspended, func(ctx context.Context, r *resident) error {
		return f.leave(ctx, r, f.engine.Suspend, "Invoice 2041 is 60 days overdue")
	}))
	f.plan(26.6, f.with(firstSlug, f.outage))
	slices.SortStableFunc(f.plot, func(a, b deed) int { return a.at.Compare(b.at) })
}

// with does something with the tenant of a slug, once that is there.
func (f *filler) with(slug string, do func(context.Context, *resident) error) func(context.Context) error {
	return func(ctx context.Context) error {
		r, err := f.find(slug)
		if err != nil {
			return err
		}
		return do(ctx, r)
	}
}

func (p *Platform) find(slug string) (*resident, error) {
	for _, r := range p.residents {
		if r.slug == slug {
			return r, nil
		}
	}
	return nil, fmt.Errorf("there is no tenant %s yet", slug)
}

type transition = func(context.Context, rentroll.TransitionParams) (*rentroll.Tenant, error)

// leave takes a tenant off work.
func (f *filler) leave(ctx context.Context, r *resident, how transition, why string) error {
	if err := f.flush(ctx, 1); err != nil {
		return err
	}
	r.left = true
	_, err := how(ctx, rentroll.TransitionParams{TenantID: r.id, Reason: why})
	return err
}

// leak revokes the key that every tenant of that day keeps for its build servers.
func (f *filler) leak(ctx context.Context) error {
	for _, r := range f.residents {
		k, found := r.key(keyCI)
		if !found {
			continue
		}
		_, err := f.engine.RevokeAPIKey(ctx, rentroll.RevokeAPIKeyParams{
			TenantID: r.id, KeyID: k.id, Reason: "Found in a public repository",
		})
		if err != nil {
			return err
		}
		kept := r.keys[:0]
		for _, other := range r.keys {
			if other.id != k.id {
				kept = append(kept, other)
			}
		}
		r.keys = kept
	}
	return nil
}

// outage loses the machine of a partner's two runs: they go silent, and the next run, which finds no slot free, reveals
// them as crashed. One of them reports after all.
func (f *filler) outage(ctx context.Context, r *resident) error {
	lost := []*job{draw(f.rng, r, keyPartner), draw(f.rng, r, keyPartner)}
	for _, j := range lost {
		j.task += " (night batch)"
	}
	if err := f.admit(ctx, lost); err != nil {
		return err
	}
	f.move(f.at.Add(3 * time.Second))
	if err := each(ctx, lost, f.start); err != nil {
		return err
	}
	f.move(f.at.Add(30 * time.Second))
	if err := each(ctx, lost, f.beat); err != nil {
		return err
	}
	next := draw(f.rng, r, keyPartner)
	next.cancels, next.error = false, ""
	if err := f.work(ctx, f.at.Add(longestIn+time.Minute), []*job{next}); err != nil {
		return err
	}
	late := lost[0]
	late.error = ""
	_, err := f.engine.CompleteRun(ctx, late.report(f.at.Sub(late.started)))
	return err
}

// finish ends the month: everything that was noted is recorded, one tenant is denied and one comes near its limit. The
// latter is last: its month may just have begun.
func (f *filler) finish(ctx context.Context) error {
	f.move(f.until.Add(-finale))
	if err := f.flush(ctx, 1); err != nil {
		return err
	}
	if err := f.with(suspended, f.knock)(ctx); err != nil {
		return err
	}
	if err := f.with(OutOfRuns, f.useUp)(ctx); err != nil {
		return err
	}
	f.move(f.until)
	if err := f.with(NearLimit, f.fillUp)(ctx); err != nil {
		return err
	}
	if err := f.with(OutOfRuns, f.shown)(ctx); err != nil {
		return err
	}
	return f.with(firstSlug, func(ctx context.Context, r *resident) error {
		_, err := f.engine.UpdateTenant(ctx, rentroll.UpdateTenantParams{
			TenantID: r.id,
			Change: func(edit *rentroll.TenantEdit) error {
				edit.Metadata[markName] = markDone
				return nil
			},
		})
		return err
	})(ctx)
}

// knock lets the programs of a suspended tenant try, in vain.
func (f *filler) knock(ctx context.Context, r *resident) error {
	for range 3 {
		if err := f.admit(ctx, []*job{draw(f.rng, r, keyProduction)}); err != nil {
			return err
		}
		f.move(f.at.Add(time.Minute))
	}
	return nil
}

// lastDenials is how often a tenant that has used up the day's runs is denied one more.
const lastDenials = 9

// shown waits until all of these can be read: the engine writes them a moment later.
func (f *filler) shown(ctx context.Context, r *resident) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		found, err := f.engine.ListDenials(ctx, rentroll.ListDenialsParams{TenantID: r.id})
		if err != nil || len(found.Items) >= lastDenials {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *filler) quota(ctx context.Context, r *resident, name quota.Name) (rentroll.QuotaUse, error) {
	uses, err := f.engine.GetQuotas(ctx, r.id)
	if err != nil {
		return rentroll.QuotaUse{}, err
	}
	for _, u := range uses {
		if u.Quota == name && u.Limit != nil {
			return u, nil
		}
	}
	return rentroll.QuotaUse{}, errors.New("there is no limit on " + string(name))
}

// fillUp brings a tenant to 95 % of its tokens with what a nightly job reports that runs elsewhere.
func (f *filler) fillUp(ctx context.Context, r *resident) error {
	const permille, parts = 952, 24
	use, err := f.quota(ctx, r, quota.TokensPerMonth)
	if err != nil {
		return err
	}
	missing := *use.Limit*permille/1000 - use.Used - use.Reserved
	from := *use.PeriodStart
	var events []rentroll.UsageParams
	for i := range int64(parts) {
		amount := missing*(i+1)/parts - missing*i/parts
		if amount <= 0 {
			continue
		}
		at := from.Add(f.at.Sub(from) * time.Duration(i) / parts)
		events = append(events, rentroll.UsageParams{
			Meter: rentroll.MeterTokensUsed, Amount: amount, Time: at, WorkerID: r.workers[0], APIKeyID: r.keys[0].id,
			EventID: fmt.Sprintf("nightly-analysis/%d", i),
		})
	}
	return f.record(ctx, r, events)
}

// useUp lets a tenant run until the day's runs are gone, and then some more.
func (f *filler) useUp(ctx context.Context, r *resident) error {
	use, err := f.quota(ctx, r, quota.RunsPerDay)
	if err != nil {
		return err
	}
	from := f.until.Add(-finale)
	if use.PeriodStart.After(from) {
		from = *use.PeriodStart
	}
	const together = 4 // the plan has five slots
	left := int(*use.Remaining)
	gap := f.until.Sub(from) / time.Duration(left/together+lastDenials+2)
	at := from
	for left > 0 {
		var jobs []*job
		for range min(left, together) {
			j := draw(f.rng, r, keyProduction)
			j.worker = workers["support-triage"] // small enough for the plan's tokens
			j.slow, j.tokens, j.task = quick, about(f.rng, j.worker.tokens), pick(f.rng, j.worker.tasks)
			jobs = append(jobs, j)
		}
		left -= len(jobs)
		if err := f.work(ctx, at, jobs); err != nil {
			return err
		}
		at = at.Add(gap)
	}
	for range lastDenials {
		f.move(at)
		if err := f.admit(ctx, []*job{draw(f.rng, r, keyProduction)}); err != nil {
			return err
		}
		at = at.Add(gap)
	}
	return f.flush(ctx, 1)
}
