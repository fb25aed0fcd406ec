package rentroll

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"
)

const (
	maxPayload   = 256 << 10
	maxTask      = 10_000
	rowOverhead  = 512 // about what a row costs in a transaction beside its payload
	runOperation = "run.create"
	leaseRanOut  = "the lease ran out"
)

// CreateRun admits a run, or denies it: one decision over every rule, in which the run is inserted, its slot and its
// reservation are taken, and the counters move, together or not at all. A denial is a *QuotaExceededError or an *Error
// with a status code, and consumes nothing. It needs run:create.
func (e *Engine) CreateRun(ctx context.Context, p CreateRunParams) (*Run, error) {
	if err := e.mayTake(p, PermRunCreate); err != nil {
		return nil, err
	}
	if err := e.completeRunParams(&p).err(); err != nil {
		return nil, err
	}
	key := p.IdempotencyKey
	p.IdempotencyKey = ""
	same := p
	same.Input = canonicalJSON(p.Input)
	once, err := newOnce(p.TenantID, runOperation, key, same)
	if err != nil {
		return nil, err
	}
	c := &createRun{
		header: header{
			tenant: p.TenantID, by: e.actor, once: once, size: rowOverhead + len(p.Task) + len(p.Input),
		},
		p: p,
	}
	if err := e.do(ctx, c); err != nil {
		e.noteDenial(p, err)
		return nil, err
	}
	if once != nil && once.replayed {
		return e.replayRun(ctx, p.TenantID, once)
	}
	return c.answer, nil
}

// completeRunParams checks the parameters and fills in what was left out.
func (e *Engine) completeRunParams(p *CreateRunParams) problems {
	var bad problems
	bad.add("worker_id", checkWorkerID(p.WorkerID))
	bad.add("task", checkText(p.Task, 1, maxTask))
	bad.payload("input", &p.Input)
	bad.add("subject", checkText(p.Subject, 0, 255))
	bad.amount("reserve_tokens", p.ReserveTokens)
	bad.lease(p.Lease)
	if e.actor.Kind == ActorAPIKey {
		if !p.APIKeyID.IsZero() && p.APIKeyID != e.actor.APIKeyID {
			bad.add("api_key_id", "must be the calling key")
		}
		p.APIKeyID = e.actor.APIKeyID
	}
	e.actor.own(&bad, p.APIKeyID, &p.UserID)
	if p.Lease == 0 {
		p.Lease = DefaultLease
	}
	return bad
}

// payload checks a JSON payload; JSON null is the same as none.
func (p *problems) payload(field string, body *json.RawMessage) {
	if string(*body) == "null" || len(*body) == 0 {
		*body = nil
		return
	}
	*body = slices.Clone(*body) // the caller may give up waiting and use its buffer again
	p.add(field, checkJSON(*body, maxPayload))
}

func (p *problems) lease(d time.Duration) {
	if d != 0 && (d < MinLease || d > MaxLease) {
		p.add("lease_seconds", "must be between 1 and 86400")
	}
}

type createRun struct {
	header
	p       CreateRunParams
	retryOf *Run // nil for a first run
	answer  *Run
}

func (c *createRun) wants(b *Batch) {
	b.Workers.Want(WorkerRef{c.tenant, c.p.WorkerID})
	if !c.p.APIKeyID.IsZero() {
		b.Keys.Want(KeyRef{c.tenant, c.p.APIKeyID})
	}
}

func (c *createRun) decide(l *ledger) error {
	a, now, err := l.account(c.tenant)
	if err != nil {
		return err
	}
	r, err := c.applicant(l, a, now)
	if err != nil {
		return err
	}
	soft, err := a.admit(r, now)
	if errors.Is(err, CodeQuotaExceeded) {
		// The denial may rest on runs that are over their lease: then they go first.
		freed, more := l.crashOverdue(a, now)
		if more != nil {
			return more
		}
		if !freed {
			return err
		}
		if r, err = c.applicant(l, a, now); err != nil {
			return err
		}
		soft, err = a.admit(r, now)
	}
	if err != nil {
		return err
	}
	c.answer = c.admitted(l, a, r, soft, now)
	if c.once != nil {
		c.once.result = c.answer.ID.String()
	}
	return nil
}

// applicant gathers what the admission looks at, and asks for rows that are not loaded yet.
func (c *createRun) applicant(l *ledger, a *Account, now time.Time) (applicant, error) {
	plan, err := l.plan(a.Plan)
	if err != nil {
		return applicant{}, err
	}
	r := applicant{
		plan: plan, worker: l.Workers.Get(WorkerRef{c.tenant, c.p.WorkerID}), name: c.p.WorkerID, reserve: c.p.ReserveTokens,
	}
	var more error
	r.subject, more = l.subject(a, plan, c.p.subject(), now)
	if c.p.APIKeyID.IsZero() {
		return r, more
	}
	if r.key = l.Keys.Get(KeyRef{c.tenant, c.p.APIKeyID}); r.key == nil {
		return applicant{}, problems{{"api_key_id", "there is no such API key"}}.err()
	}
	if r.key.counted() {
		if r.use, err = l.keyUse(KeyRef{c.tenant, r.key.Family}); err != nil {
			more = err
		}
	}
	return r, more
}

// keyUse returns the counters of a key family, and asks for them where they are not loaded.
func (l *ledger) keyUse(ref KeyRef) (*KeyUse, error) {
	if !l.KeyUses.Knows(ref) {
		l.KeyUses.Want(ref)
		return nil, errMore
	}
	if use := l.KeyUses.Get(ref); use != nil {
		return use, nil
	}
	return &KeyUse{TenantID: ref.TenantID, Family: ref.KeyID}, nil
}

// admitted writes an admitted run.
func (c *createRun) admitted(l *ledger, a *Account, r applicant, soft bool, now time.Time) *Run {
	run := &Run{
		ID: newID[runKind](now, l.entropy()), TenantID: c.tenant, WorkerID: c.p.WorkerID, APIKeyID: c.p.APIKeyID,
		UserID: c.p.UserID, Subject: NullString(c.p.subject()), Task: c.p.Task, Input: c.p.Input, Status: RunQueued, ReservedTokens: c.p.ReserveTokens,
		Attempt: 1, OverSoftLimit: soft, Lease: c.p.Lease, LeaseExpiresAt: now.Add(c.p.Lease), CreatedAt: now,
	}
	if c.retryOf != nil {
		run.ParentRunID, run.Attempt, run.IsRetry = c.retryOf.ID, c.retryOf.Attempt+1, true
	}
	l.touch(a, now)
	if r.worker == nil {
		a.Workers++
		w := &Worker{TenantID: c.tenant, WorkerID: c.p.WorkerID, Enabled: true, FirstUsedAt: &now}
		l.Workers.Put(WorkerRef{c.tenant, c.p.WorkerID}, w)
		l.audit(a, c.by, now, change{action: "worker.enable", kind: "worker", id: w.WorkerID, new: w})
	} else if r.worker.FirstUsedAt == nil {
		w := *r.worker
		w.FirstUsedAt = &now
		l.Workers.Put(WorkerRef{c.tenant, c.p.WorkerID}, &w)
	}
	if r.use != nil {
		run.Family = r.use.Family
		l.KeyUses.Put(KeyRef{r.use.TenantID, r.use.Family}, r.use.with(run))
	}
	if run.Subject != "" {
		a.UncountedRuns++
		if r.subject != nil {
			l.countIn(a, r.subject, run)
		}
	}
	a.hold(run)
	l.payload(run, PayloadInput, c.p.Input)
	l.Runs.Put(RunRef{c.tenant, run.ID}, run)
	return run
}

// payload writes one payload of a run that is about to be put.
func (l *ledger) payload(run *Run, kind PayloadKind, body json.RawMessage) {
	if body == nil {
		return
	}
	run.Payloads |= kind
	l.Payloads = append(l.Payloads, &Payload{TenantID: run.TenantID, RunID: run.ID, Kind: kind, Body: body})
}

// crashOverdue ends the runs of a tenant that are over their lease. It reports whether any was, and asks for rows where
// it may be so.
func (l *ledger) crashOverdue(a *Account, now time.Time) (freed bool, err error) {
	if !a.leasesDue(now) {
		return false, nil
	}
	overdue := l.OverdueRuns[a.TenantID]
	if overdue == nil {
		ask(&l.OverdueRuns, a.TenantID)
		return false, errMore
	}
	var crashed []*Run
	var missing error
	for _, run := range overdue.Runs {
		// The row as this transaction has it: an earlier command of it may have ended or renewed the run.
		run = l.Runs.Get(RunRef{a.TenantID, run.ID})
		if !run.Status.Open() || now.Before(run.LeaseExpiresAt) {
			continue
		}
		missing = errors.Join(missing, l.countersOf(a, run))
		crashed = append(crashed, run)
	}
	if missing != nil {
		return false, missing
	}
	if len(crashed) > 0 {
		l.touch(a, now)
	} else {
		l.note(a, now)
	}
	for _, run := range crashed {
		l.abandon(a, run, RunCrashed, leaseRanOut, now)
	}
	a.NextLeaseExpiry = overdue.Next
	for ref, run := range l.Runs.All() {
		if ref.TenantID == a.TenantID && run.Status.Open() {
			a.expectLease(run.LeaseExpiresAt)
		}
	}
	return len(crashed) > 0, nil
}

// useOf returns the row of the key family in which a run is counted; nil where it is counted in none.
func (l *ledger) useOf(run *Run) (*KeyUse, error) {
	if run.Family.IsZero() {
		return nil, nil
	}
	return l.keyUse(KeyRef{run.TenantID, run.Family})
}

// abandon writes the end of an open run that nobody completed: slot and reservation are free at once, and what
// heartbeats reported is billed. Its key family's row must be loaded.
func (l *ledger) abandon(a *Account, run *Run, status RunStatus, reason NullString, now time.Time) *Run {
	end, tokens := *run, run.TokensSoFar
	end.Status, end.Error, end.CompletedAt, end.TotalTokens = status, reason, &now, &tokens
	end.CancelRequested = a.stops(run)
	l.free(a, &end)
	l.Runs.Put(RunRef{end.TenantID, end.ID}, &end)
	l.meterTokens(a, &end, tokens, now)
	return &end
}

// free gives back the slot and reservation of a run, in the account and in its key family.
func (l *ledger) free(a *Account, run *Run) {
	a.release(run)
	if use, _ := l.useOf(run); use != nil {
		next := *use
		next.ConcurrentRuns--
		next.TokensReserved -= run.ReservedTokens
		l.KeyUses.Put(KeyRef{use.TenantID, use.Family}, &next)
	}
	switch s, _ := l.subjectOf(a, run); {
	case s != nil:
		next := *s
		next.ConcurrentRuns--
		next.TokensReserved -= run.ReservedTokens
		l.putSubject(a, &next)
	case run.Subject != "":
		a.UncountedRuns--
	}
}

// meterTokens writes the usage event of a run's tokens, if there are any.
func (l *ledger) meterTokens(a *Account, run *Run, tokens int64, now time.Time) {
	if tokens <= 0 {
		return
	}
	use, _ := l.useOf(run)
	if s, _ := l.subjectOf(a, run); s != nil {
		next := *s
		next.Tokens.add(a.Month, tokens, now)
		l.putSubject(a, &next)
	}
	l.record(a, use, l.runEvent(run, MeterTokensUsed, tokens, "tokens", nil, now))
}

func (l *ledger) runEvent(run *Run, meter string, amount int64, unit string, metadata json.RawMessage, now time.Time) *UsageEvent {
	return &UsageEvent{
		ID: newID[usageKind](now, l.entropy()), TenantID: run.TenantID, Meter: meter, Amount: amount, Unit: unit,
		Time: now, RecordedAt: now, WorkerID: NullString(run.WorkerID), APIKeyID: run.APIKeyID, RunID: run.ID,
		Metadata: metadata,
	}
}

// onRun is what the commands on one run share.
type onRun struct {
	header
	ref    RunRef
	answer *Run
}

func (c *onRun) wants(b *Batch) { b.Runs.Want(c.ref) }

// find returns the account and the run, and asks for the row of its key family where it has one.
func (c *onRun) find(l *ledger) (*Account, *Run, time.Time, error) {
	a, now, err := l.account(c.tenant)
	if err != nil {
		return nil, nil, now, err
	}
	run := l.Runs.Get(c.ref)
	if run == nil {
		return nil, nil, now, notFound("run")
	}
	return a, run, now, l.countersOf(a, run)
}

func (c *onRun) object(l *ledger) (any, error) {
	a, run, _, err := c.find(l)
	if err != nil {
		return nil, err
	}
	return a.shown(run), nil
}

// shown is the run as reads answer with it, without its payloads.
func (a *Account) shown(run *Run) *Run {
	out := *run
	out.Input, out.Output, out.ReplayToken = nil, nil, nil
	out.CancelRequested = a.stops(run)
	return &out
}

func (e *Engine) onRun(ref RunRef, size int) onRun {
	return onRun{header: header{tenant: ref.TenantID, by: e.actor, size: rowOverhead + size}, ref: ref}
}

// StartRun marks a queued run as running and renews its lease. Starting a running run renews its lease. It needs
// run:update, as the other operations on a run do.
func (e *Engine) StartRun(ctx context.Context, ref RunRef) (*Run, error) {
	return e.renew(ctx, &renewRun{onRun: e.onRun(ref, 0), start: true})
}

// Heartbeat renews a run's lease and takes a report of the tokens used so far. Its answer's CancelRequested tells the
// worker to stop.
func (e *Engine) Heartbeat(ctx context.Context, p HeartbeatParams) (*Run, error) {
	var bad problems
	bad.amount("tokens_so_far", p.TokensSoFar)
	bad.lease(p.Lease)
	if err := bad.err(); err != nil {
		return nil, err
	}
	return e.renew(ctx, &renewRun{onRun: e.onRun(RunRef{p.TenantID, p.RunID}, 0), tokens: p.TokensSoFar, lease: p.Lease})
}

func (e *Engine) renew(ctx context.Context, c *renewRun) (*Run, error) {
	if err := e.may(c.tenant, PermRunUpdate); err != nil {
		return nil, err
	}
	allowed := e.onlyComplete
	if c.start {
		allowed = e.mayBegin
	}
	if err := allowed(); err != nil {
		return nil, err
	}
	if err := e.do(ctx, c); err != nil {
		return nil, err
	}
	return e.withPayloads(ctx, c.answer)
}

type renewRun struct {
	onRun
	start  bool
	tokens int64
	lease  time.Duration
}

func (c *renewRun) decide(l *ledger) error {
	a, run, now, err := c.find(l)
	if err != nil {
		return err
	}
	if !run.Status.Open() {
		return errRunEnded(run)
	}
	l.touch(a, now)
	next := *run
	if c.start && next.Status == RunQueued {
		next.Status, next.StartedAt = RunRunning, &now
	}
	if c.lease != 0 {
		next.Lease = c.lease
	}
	next.TokensSoFar = max(next.TokensSoFar, c.tokens)
	next.LeaseExpiresAt = now.Add(next.Lease)
	next.CancelRequested = a.stops(&next)
	a.expectLease(next.LeaseExpiresAt)
	l.Runs.Put(c.ref, &next)
	c.answer = &next
	return nil
}

func errRunEnded(run *Run) error {
	return errorf(CodeRunAlreadyEnded, "the run has ended: it is %s", run.Status)
}

// CancelRun ends an open run: its slot and reservation are free at once, and what heartbeats reported is billed.
// Canceling a canceled run changes nothing.
func (e *Engine) CancelRun(ctx context.Context, ref RunRef) (*Run, error) {
	if err := e.may(ref.TenantID, PermRunUpdate); err != nil {
		return nil, err
	}
	if err := e.onlyComplete(); err != nil {
		return nil, err
	}
	c := &cancelRun{onRun: e.onRun(ref, 0)}
	if err := e.do(ctx, c); err != nil {
		return nil, err
	}
	return e.withPayloads(ctx, c.answer)
}

type cancelRun struct{ onRun }

func (c *cancelRun) decide(l *ledger) error {
	a, run, now, err := c.find(l)
	switch {
	case err != nil:
		return err
	case run.Status == RunCanceled:
		again := *run
		again.Replayed = true
		c.answer = &again
		return nil
	case !run.Status.Open():
		return errRunEnded(run)
	}
	l.touch(a, now)
	c.answer = l.abandon(a, run, RunCanceled, "", now)
	return nil
}

// GetRun returns a run with its payloads. It needs run:read.
func (e *Engine) GetRun(ctx context.Context, ref RunRef) (*Run, error) {
	if err := e.may(ref.TenantID, PermRunRead); err != nil {
		return nil, err
	}
	return e.readRun(ctx, ref)
}

// replayRun answers again with the run that an idempotency key stands for. The key outlives the run: then it says which
// run it was, and makes no other.
func (e *Engine) replayRun(ctx context.Context, tenant TenantID, o *once) (*Run, error) {
	run, err := replay(o.result, func(id RunID) (*Run, error) { return e.readRun(ctx, RunRef{tenant, id}) },
		func(r *Run) *bool { return &r.Replayed })
	return run, ofGone(err, o.result)
}

func (e *Engine) readRun(ctx context.Context, ref RunRef) (*Run, error) {
	var out *Run
	err := e.view(ctx, func(r Reader) error {
		b := &Batch{}
		b.Accounts.Want(ref.TenantID)
		b.Runs.Want(ref)
		if err := r.Load(ctx, b); err != nil {
			return err
		}
		a, run := b.Accounts.Get(ref.TenantID), b.Runs.Get(ref)
		if a.gone() || run == nil {
			return notFound("run")
		}
		run.CancelRequested = a.stops(run)
		out = run
		return loadPayloads(ctx, r, run)
	})
	return out, err
}

// withPayloads completes a command's answer with the payloads that the command did not have at hand.
func (e *Engine) withPayloads(ctx context.Context, run *Run) (*Run, error) {
	if run.Payloads == run.loadedPayloads() {
		return run, nil
	}
	again := *run
	err := e.view(ctx, func(r Reader) error { return loadPayloads(ctx, r, &again) })
	return &again, err
}

func loadPayloads(ctx context.Context, r Reader, run *Run) error {
	if run.Payloads == run.loadedPayloads() {
		return nil
	}
	rows, err := r.LoadPayloads(ctx, RunRef{run.TenantID, run.ID})
	for _, p := range rows {
		switch p.Kind {
		case PayloadInput:
			run.Input = p.Body
		case PayloadOutput:
			run.Output = p.Body
		case PayloadReplayToken:
			run.ReplayToken = p.Body
		}
	}
	return err
}

func (r *Run) loadedPayloads() (kinds PayloadKind) {
	if r.Input != nil {
		kinds |= PayloadInput
	}
	if r.Output != nil {
		kinds |= PayloadOutput
	}
	if r.ReplayToken != nil {
		kinds |= PayloadReplayToken
	}
	return kinds
}

// runScan is how many runs a page of ListRuns looks at for its filters.
const runScan = 5000

// fewOpen is up to how many open runs of a tenant are all looked at, for a list of queued or running ones. Where there are
// more, those that are asked for are likely to be among the newest runs.
const fewOpen = 1000

// ListRuns lists a tenant's runs without payloads, newest first. It needs run:read.
func (e *Engine) ListRuns(ctx context.Context, p ListRunsParams) (*List[*Run], error) {
	if err := e.may(p.TenantID, PermRunRead); err != nil {
		return nil, err
	}
	var bad problems
	if p.Status != "" && !p.Status.valid() {
		bad.add("status", "must be queued, running, completed, failed, canceled or crashed")
	}
	if p.WorkerID != "" {
		bad.add("worker_id", checkWorkerID(p.WorkerID))
	}
	scope := cursorScope("runs", p.TenantID.String(), string(p.Status), p.WorkerID, p.APIKeyID.String())
	f := RunFilter{TenantID: p.TenantID, Status: p.Status, WorkerID: p.WorkerID, APIKeyID: p.APIKeyID, Scan: runScan}
	f.Limit, f.Before = pageOf[RunID](p.Page, scope, &bad)
	f.Limit-- // the store says itself whether there is more
	if err := bad.err(); err != nil {
		return nil, err
	}
	out := &List[*Run]{Items: []*Run{}}
	err := e.viewTenant(ctx, p.TenantID, func(r Reader, a *Account) error {
		f.FewOpen = a.ConcurrentRuns <= fewOpen
		page, err := r.ListRuns(ctx, f)
		if err != nil {
			return err
		}
		for _, run := range page.Runs {
			run.CancelRequested = a.stops(run)
			out.Items = append(out.Items, run)
		}
		if !page.Next.IsZero() {
			out.NextCursor = NullString(encodeCursor(scope, page.Next[:]))
		}
		return nil
	})
	return out, err
}
