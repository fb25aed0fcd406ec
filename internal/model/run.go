package model

import (
	"regexp"
	"slices"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// The states of a run.
const (
	Queued    = "queued"
	Running   = "running"
	Completed = "completed"
	Failed    = "failed"
	Canceled  = "canceled"
	Crashed   = "crashed"
)

// RunView is a run.
type RunView struct {
	Ref             Ref        `json:"ref"`
	Tenant          Ref        `json:"tenant"`
	Worker          string     `json:"worker"`
	Key             Ref        `json:"key"`
	User            Ref        `json:"user"`
	Subject         string     `json:"subject"`
	Task            string     `json:"task"`
	Input           string     `json:"input"`
	Status          string     `json:"status"`
	Success         *bool      `json:"success"`
	Error           string     `json:"error"`
	Output          string     `json:"output"`
	Tokens          *int64     `json:"tokens"`
	Reserved        int64      `json:"reserved"`
	SoFar           int64      `json:"so_far"`
	Latency         *int64     `json:"latency"`
	CostMicros      *int64     `json:"cost_micros"`
	CostCents       *int64     `json:"cost_cents"`
	Parent          Ref        `json:"parent"`
	Attempt         int64      `json:"attempt"`
	IsRetry         bool       `json:"is_retry"`
	RetriedBy       Ref        `json:"retried_by"`
	Late            bool       `json:"late"`
	OverSoft        bool       `json:"over_soft"`
	CancelRequested bool       `json:"cancel_requested"`
	LeaseExpires    time.Time  `json:"lease_expires"`
	Created         time.Time  `json:"created"`
	Started         *time.Time `json:"started"`
	Ended           *time.Time `json:"ended"`
	Replayed        bool       `json:"replayed"`
}

type run struct {
	RunView

	lease  time.Duration
	report string // the completion that was accepted
}

func (r *run) open() bool                  { return r.Status == Queued || r.Status == Running }
func (r *run) overdue(now time.Time) bool  { return r.open() && !now.Before(r.LeaseExpires) }
func (r *run) view() *RunView              { v := r.RunView; return &v }
func (r *run) renew(now time.Time)         { r.LeaseExpires = now.Add(r.lease) }
func leases(d time.Duration) bool          { return d == 0 || d >= time.Second && d <= 24*time.Hour }
func (r *run) end(s string, now time.Time) { r.Status, r.Ended = s, &now }

var workerPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,99}$`)

// CreateRun asks for a run.
type CreateRun struct {
	Ref     Ref `json:"-"`
	Tenant  Ref
	Worker  string
	Task    string
	Input   string
	Key     Ref
	User    Ref
	Subject string `json:"subject,omitempty"`
	Reserve int64
	Lease   time.Duration
	Once    string `json:"-"`
}

// CreateRun admits a run or refuses it.
func (w *World) CreateRun(by Ref, now time.Time, p CreateRun) (_ *RunView, refused *Refusal) {
	defer w.denies(p.Tenant, now, &refused)
	if bad := w.may(by, now, p.Tenant, "run:create"); bad != nil {
		return nil, bad
	}
	if !p.complete(by) {
		return nil, refuse(ValidationFailed)
	}
	scope := onceKey{p.Tenant, "run.create", p.Once}
	if earlier, done, bad := w.before(scope, p); bad != nil {
		return nil, bad
	} else if done {
		ref, _ := earlier.(Ref)
		return w.replay(ref)
	}
	t := w.tenants[p.Tenant]
	if t == nil {
		return nil, refuse(NotFound)
	}
	r, bad := w.begin(t, p, t.clock(now))
	if bad != nil {
		return nil, bad
	}
	w.remember(scope, p, p.Ref)
	return r.view(), nil
}

// complete fills in what was left out, and reports whether the rest is valid.
func (p *CreateRun) complete(by Ref) bool {
	if by != Program {
		if p.Key != 0 && p.Key != by {
			return false
		}
		p.Key = by
	}
	if !workerPattern.MatchString(p.Worker) || p.Task == "" || !amounts(p.Reserve) || !leases(p.Lease) {
		return false
	}
	if p.Lease == 0 {
		p.Lease = 15 * time.Minute
	}
	return true
}

// begin makes a run if every rule lets it.
func (w *World) begin(t *tenant, p CreateRun, now time.Time) (*run, *Refusal) {
	if !w.has(p.Key, t) {
		return nil, refuse(ValidationFailed)
	}
	soft, bad := w.admit(t, p, now)
	if bad != nil && bad.Code == QuotaExceeded && t.crashOverdue(now) { // it may rest on runs that are over their lease
		soft, bad = w.admit(t, p, now)
	}
	if bad != nil {
		return nil, bad
	}
	return w.enter(t, p, soft, now), nil
}

// has reports whether a key is the tenant's, or none.
func (w *World) has(which Ref, t *tenant) bool {
	k := w.keys[which]
	return which == 0 || k != nil && k.Tenant == t.ref
}

// enter makes a run that was admitted.
func (w *World) enter(t *tenant, p CreateRun, soft bool, now time.Time) *run {
	t.changed(now)
	t.firstUse(p.Worker, now)
	r := &run{lease: p.Lease, RunView: RunView{
		Ref: p.Ref, Tenant: p.Tenant, Worker: p.Worker, Key: p.Key, User: p.User, Subject: p.Subject, Task: p.Task, Input: p.Input,
		Status: Queued, Reserved: p.Reserve, OverSoft: soft, Created: now, Attempt: 1,
	}}
	r.renew(now)
	if s := w.counted(t, p.Subject, now); s != nil {
		s.entered = append(s.entered, now)
		t.subjects[p.Subject] = s
	}
	t.runs = append(t.runs, r)
	w.runs[p.Ref] = r
	return r
}

// RetryRun asks for a run in the place of another.
type RetryRun struct {
	Ref         Ref `json:"-"`
	Tenant, Run Ref
	Key         Ref
	Reserve     *int64
	Lease       time.Duration
	Once        string `json:"-"`
}

// RetryRun admits a run that does again what another did not bring to its end.
func (w *World) RetryRun(by Ref, now time.Time, p RetryRun) (_ *RunView, refused *Refusal) {
	defer w.denies(p.Tenant, now, &refused)
	if bad := w.may(by, now, p.Tenant, "run:update"); bad != nil {
		return nil, bad
	}
	if bad := w.mayBegin(by, p.Tenant); bad != nil {
		return nil, bad
	}
	if p.Reserve != nil && !amounts(*p.Reserve) || !leases(p.Lease) || by != Program && p.Key != 0 && p.Key != by {
		return nil, refuse(ValidationFailed)
	}
	if by != Program {
		p.Key = by
	}
	scope := onceKey{p.Tenant, "run.retry", p.Once}
	if earlier, done, bad := w.before(scope, p); bad != nil {
		return nil, bad
	} else if done {
		ref, _ := earlier.(Ref)
		return w.replay(ref)
	}
	t, parent := w.tenants[p.Tenant], w.runs[p.Run]
	if t == nil || parent == nil || parent.Tenant != p.Tenant {
		return nil, refuse(NotFound)
	}
	now = t.clock(now)
	if parent.overdue(now) {
		parent.Error = "the lease ran out"
		t.abandon(parent, Crashed, now)
	}
	if parent.open() || parent.Status == Completed {
		return nil, refuse(InvalidTransition)
	}
	if parent.RetriedBy != 0 {
		return nil, refuse(AlreadyExists)
	}
	again := CreateRun{
		Ref: p.Ref, Tenant: p.Tenant, Worker: parent.Worker, Task: parent.Task, Input: parent.Input, Key: p.Key,
		User: parent.User, Subject: parent.Subject, Reserve: parent.Reserved, Lease: parent.lease,
	}
	if p.Key == 0 {
		again.Key = parent.Key
	}
	if p.Reserve != nil {
		again.Reserve = *p.Reserve
	}
	if p.Lease != 0 {
		again.Lease = p.Lease
	}
	r, bad := w.begin(t, again, now)
	if bad != nil {
		return nil, bad
	}
	r.Parent, r.Attempt, r.IsRetry = parent.Ref, parent.Attempt+1, true
	parent.RetriedBy = r.Ref
	w.remember(scope, p, p.Ref)
	return r.view(), nil
}

// firstUse enables a worker that is new.
func (t *tenant) firstUse(name string, now time.Time) {
	have := t.workers[name]
	if have == nil {
		have = &worker{enabled: true}
		t.workers[name] = have
		t.log("worker.enable")
	}
	if have.firstUsed == nil {
		have.firstUsed = &now
	}
}

// admit goes through the rules of admission in their order.
func (w *World) admit(t *tenant, p CreateRun, now time.Time) (soft bool, bad *Refusal) {
	if bad := t.mustBeActive(); bad != nil {
		return false, bad
	}
	if k := w.keys[p.Key]; k != nil {
		if k.state(now) != KeyActive {
			return false, refuse(Forbidden)
		}
		if !k.runs(p.Worker) {
			return false, refuse(WorkerNotAllowed)
		}
		if bad := k.admit(t, p.Reserve, now); bad != nil {
			return false, bad
		}
	}
	overOfSubject, bad := w.admitSubject(t, p, now)
	if bad != nil {
		return false, bad
	}
	soft, bad = w.admitTenant(t, p.Worker, p.Reserve, now, t.use)
	return soft || bad == nil && overOfSubject, bad
}

// holds is what the open runs of a key's family hold.
func (k *key) holds(t *tenant) (open, reserved int64) {
	kin := t.kin(k.family)
	for _, r := range t.runs {
		if kin[r.Key] && r.open() {
			open++
			reserved += r.Reserved
		}
	}
	return open, reserved
}

// admit checks a key's own limits.
func (k *key) admit(t *tenant, reserve int64, now time.Time) *Refusal {
	if open, _ := k.holds(t); k.MaxRuns != nil && open+1 > *k.MaxRuns {
		return &Refusal{Code: QuotaExceeded, Quota: quota.ConcurrentRuns, Scope: "key", Limit: *k.MaxRuns, Current: open}
	}
	return k.tokens(t, max(reserve, 1), now)
}

// tokens checks a key's own month.
func (k *key) tokens(t *tenant, n int64, now time.Time) *Refusal {
	_, reserved := k.holds(t)
	month := t.monthAt(now)
	current := t.tokensOf(t.kin(k.family), month) + reserved
	if k.MaxTokens != nil && current+n > *k.MaxTokens {
		return &Refusal{
			Code: QuotaExceeded, Quota: quota.TokensPerMonth, Scope: "key", Limit: *k.MaxTokens, Current: current, ResetsAt: &month.End,
		}
	}
	return nil
}

// admitTenant checks the tenant's limits; a worker named "" is one that is enabled.
func (w *World) admitTenant(
	t *tenant, name string, reserve int64, now time.Time, count func(quota.Name, time.Time) use,
) (soft bool, bad *Refusal) {
	if bad := t.mustBeActive(); bad != nil {
		return false, bad
	}
	type step struct {
		quota quota.Name
		n     int64
	}
	steps := []step{{quota.RunsPerDay, 1}, {quota.ConcurrentRuns, 1}, {quota.TokensPerMonth, max(reserve, 1)}, {quota.SpendPerMonth, 1}}
	if have := t.workers[name]; name != "" && have == nil {
		steps = append([]step{{quota.Workers, 1}}, steps...)
	} else if name != "" && !have.enabled {
		return false, refuse(WorkerDisabled)
	}
	for _, s := range steps {
		over, bad := w.room(t, s.quota, count(s.quota, now), s.n, now)
		if bad != nil {
			return false, bad
		}
		soft = soft || over
	}
	return soft, nil
}

// crashOverdue ends the runs that are over their lease, and reports whether there were any.
func (t *tenant) crashOverdue(now time.Time) bool {
	crashed := false
	for _, r := range t.runs {
		if r.overdue(now) {
			r.Error = "the lease ran out"
			t.abandon(r, Crashed, now)
			crashed = true
		}
	}
	return crashed
}

// abandon ends a run that nobody completed: what heartbeats reported is billed.
func (t *tenant) abandon(r *run, status string, now time.Time) {
	t.changed(now)
	r.end(status, now)
	r.Tokens = new(r.SoFar)
	t.bill(r, r.SoFar, now)
}

func (t *tenant) bill(r *run, tokens int64, now time.Time) {
	if tokens > 0 {
		if s := t.subjects[r.Subject]; s != nil {
			s.used = append(s.used, spent{now, tokens})
		}
		t.used(event{Meter: tokensUsed, Amount: tokens, Time: now, Worker: r.Worker, Key: r.Key, Run: r.Ref}, now)
	}
}

// run finds a run; only operations that are not completions are refused to the keys of
// a terminated tenant.
func (w *World) run(by Ref, now time.Time, id, which Ref, completes bool) (*tenant, *run, time.Time, *Refusal) {
	if bad := w.may(by, now, id, "run:update"); bad != nil {
		return nil, nil, now, bad
	}
	if !completes {
		if bad := w.mayOnlyComplete(by, id); bad != nil {
			return nil, nil, now, bad
		}
	}
	t, r := w.tenants[id], w.runs[which]
	if t == nil || r == nil || r.Tenant != id {
		return nil, nil, now, refuse(NotFound)
	}
	return t, r, t.clock(now), nil
}

// StartRun marks a run as running.
func (w *World) StartRun(by Ref, now time.Time, id, which Ref) (*RunView, *Refusal) {
	if bad := w.may(by, now, id, "run:update"); bad != nil {
		return nil, bad
	}
	if bad := w.mayBegin(by, id); bad != nil {
		return nil, bad
	}
	t, r, now, bad := w.run(by, now, id, which, false)
	if bad != nil {
		return nil, bad
	}
	if !r.open() {
		return nil, refuse(RunAlreadyEnded)
	}
	if r.Status == Queued {
		r.Status, r.Started = Running, &now
	}
	r.renew(now)
	t.changed(now)
	return r.view(), nil
}

// Heartbeat renews a lease and takes a report of tokens.
func (w *World) Heartbeat(by Ref, now time.Time, id, which Ref, soFar int64, lease time.Duration) (*RunView, *Refusal) {
	if !amounts(soFar) || !leases(lease) {
		return nil, refuse(ValidationFailed)
	}
	t, r, now, bad := w.run(by, now, id, which, false)
	if bad != nil {
		return nil, bad
	}
	if !r.open() {
		return nil, refuse(RunAlreadyEnded)
	}
	if lease != 0 {
		r.lease = lease
	}
	r.SoFar = max(r.SoFar, soFar)
	r.renew(now)
	t.changed(now)
	return r.view(), nil
}

// CancelRun ends an open run.
func (w *World) CancelRun(by Ref, now time.Time, id, which Ref) (*RunView, *Refusal) {
	t, r, now, bad := w.run(by, now, id, which, false)
	if bad != nil {
		return nil, bad
	}
	switch {
	case r.Status == Canceled:
		v := r.view()
		v.Replayed = true
		return v, nil
	case !r.open():
		return nil, refuse(RunAlreadyEnded)
	}
	t.abandon(r, Canceled, now)
	return r.view(), nil
}

// CompleteRun reports the end of a run.
type CompleteRun struct {
	Tenant, Run Ref
	Success     bool
	Output      string
	Error       string
	Tokens      int64
	Latency     int64
	CostMicros  int64
	Once        string `json:"-"`
}

// CompleteRun ends a run with its result.
func (w *World) CompleteRun(by Ref, now time.Time, p CompleteRun) (*RunView, *Refusal) {
	if bad := w.may(by, now, p.Tenant, "run:update"); bad != nil {
		return nil, bad
	}
	if !amounts(p.Tokens, p.Latency, p.CostMicros) {
		return nil, refuse(ValidationFailed)
	}
	scope := onceKey{p.Tenant, "run.complete", p.Once}
	if earlier, done, bad := w.before(scope, p); bad != nil {
		return nil, bad
	} else if done {
		ref, _ := earlier.(Ref)
		return w.replay(ref)
	}
	t, r, now, bad := w.run(by, now, p.Tenant, p.Run, true)
	if bad != nil {
		return nil, bad
	}
	v := r.view()
	switch {
	case r.report == text(p):
		v.Replayed = true
	case r.report != "":
		return nil, refuse(RunAlreadyEnded)
	default:
		t.complete(r, p, now)
		v = r.view()
	}
	w.remember(scope, p, p.Run)
	return v, nil
}

// spending is what a run cost, when that was reported.
type spending struct {
	at     time.Time
	micros int64
	run    Ref
}

// complete takes the one report of a run, late or in time.
func (t *tenant) complete(r *run, p CompleteRun, now time.Time) {
	t.changed(now)
	billed := int64(0)
	if r.Late = !r.open(); r.Late {
		billed = r.SoFar // at its end
	}
	r.report = text(p)
	r.Success, r.Error, r.Output = &p.Success, p.Error, p.Output
	r.Tokens, r.Latency = new(max(p.Tokens, billed)), &p.Latency
	r.CostMicros, r.CostCents = &p.CostMicros, new((p.CostMicros+5_000)/10_000)
	if r.Status != Canceled {
		end := Failed
		if p.Success {
			end = Completed
		}
		r.end(end, now)
	}
	t.bill(r, p.Tokens-billed, now)
	t.spent = append(t.spent, spending{now, p.CostMicros, r.Ref})
	t.used(event{Meter: workerRuns, Amount: 1, Time: now, Worker: r.Worker, Key: r.Key, Run: r.Ref}, now)
	t.costs[t.monthAt(now).Start] += p.CostMicros
}

// GetRun returns a run.
func (w *World) GetRun(by Ref, now time.Time, id, which Ref) (*RunView, *Refusal) {
	if bad := w.may(by, now, id, "run:read"); bad != nil {
		return nil, bad
	}
	r := w.runs[which]
	if r == nil || r.Tenant != id {
		return nil, refuse(NotFound)
	}
	return r.view(), nil
}

// ListRuns returns the runs of a tenant, by their names and without payloads, that pass a filter.
func (w *World) ListRuns(id Ref, status, workerID string, by Ref) []*RunView {
	out := []*RunView{}
	for _, r := range w.tenants[id].runs {
		if (status == "" || r.Status == status) && (workerID == "" || r.Worker == workerID) && (by == 0 || r.Key == by) {
			v := r.view()
			v.Input, v.Output = "", ""
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b *RunView) int { return int(a.Ref - b.Ref) })
	return out
}

// replay answers again with a run that was made or completed before, unless it is not kept any more.
func (w *World) replay(ref Ref) (*RunView, *Refusal) {
	r := w.runs[ref]
	if r == nil {
		return nil, refuse(NotFound)
	}
	v := r.view()
	v.Replayed = true
	return v, nil
}
