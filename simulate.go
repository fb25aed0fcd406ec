package rentroll

import (
	"context"
	"time"

	"github.com/rentroll/rentroll/quota"
)

// The bounds of a simulation.
const (
	MaxSimulatedRange  = 366 * 24 * time.Hour
	MaxSimulatedSample = 100                // denials that are told one by one
	MaxSimulatedRows   = 500_000            // runs and events that are looked at
	simulationLead     = 7 * 24 * time.Hour // how long before the month of the start runs may have begun that are still open at it
	simulationPage     = 500
)

// SimulatePlanParams asks what a plan would have denied of what a tenant was admitted.
type SimulatePlanParams struct {
	TenantID   TenantID
	Plan       string       // by name; with Limits it need not exist
	Limits     quota.Limits // instead of the plan's; nil for those
	Start, End time.Time    // [Start, End); a zero End, or one in the future, is now. At most MaxSimulatedRange
	// MaxRows is about how many runs and events are looked at, as they come in pages: then the answer is about a part of the
	// range. 0 is MaxSimulatedRows, which is also the most.
	MaxRows int
}

// Simulation is what would have been denied if, from Start on, a tenant had been on another plan. It replays what was
// admitted: a run that would have been denied takes no slot and no tokens. What really was denied is not known one by one
// and can't be replayed: RecordedDenials says how many there were, a lower bound of what was wanted beyond Runs.
type Simulation struct {
	TenantID TenantID  `json:"tenant_id"`
	Plan     string    `json:"plan"`
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`

	Complete        bool      `json:"complete"`      // false where there was too much to look at: then all else is about the time until End
	ReplayedFrom    time.Time `json:"replayed_from"` // runs that began before it and were still open at Start are not seen
	HistoryComplete bool      `json:"history_complete"`

	Runs            int64             `json:"runs"`             // that were admitted in the range
	Denied          int64             `json:"denied"`           // of them
	RecordedDenials int64             `json:"recorded_denials"` // by these quotas, in the minutes of the range
	Quotas          []SimulatedQuota  `json:"quotas"`           // those that admissions look at
	Days            []SimulatedDay    `json:"days"`             // the tenant's days, without gap
	Sample          []SimulatedDenial `json:"sample"`           // the first MaxSimulatedSample; none for callers without run:read
	counts          map[quota.Name]*SimulatedQuota
}

// SimulatedQuota is how one quota would have done.
type SimulatedQuota struct {
	Quota    quota.Name `json:"quota"`
	Limit    *int64     `json:"limit"` // at End, overrides included; nil is unlimited
	Soft     bool       `json:"soft"`  // it denies nothing
	Denied   int64      `json:"denied"`
	First    *time.Time `json:"first"` // when it would have denied; nil for never
	Last     *time.Time `json:"last"`
	Recorded int64      `json:"recorded_denials"` // that really were
	Needed   int64      `json:"needed"`           // the least limit that denies nothing of what was admitted
}

// SimulatedDay is one day of the tenant, cut where the range begins and ends.
type SimulatedDay struct {
	Start          time.Time            `json:"start"`
	End            time.Time            `json:"end"`
	Runs           int64                `json:"runs"` // admitted
	Denied         int64                `json:"denied"`
	DeniedBy       map[quota.Name]int64 `json:"denied_by"`
	PeakConcurrent int64                `json:"peak_concurrent_runs"` // as it was
	Tokens         int64                `json:"tokens"`               // recorded on that day, of the time since the month of Start began
}

// SimulatedDenial is one run that would have been denied.
type SimulatedDenial struct {
	RunID    RunID      `json:"run_id"`
	At       time.Time  `json:"at"`
	WorkerID string     `json:"worker_id"`
	Quota    quota.Name `json:"quota"`
	Limit    int64      `json:"limit"`
	Current  int64      `json:"current"`
}

func (p *SimulatePlanParams) check() error {
	var bad problems
	if p.Limits != nil && p.Plan != "" {
		bad.add("plan", checkPlanName(p.Plan))
	}
	for _, f := range p.Limits.Validate(false) {
		bad.add("limits."+f.Field, f.Message)
	}
	switch {
	case p.Start.IsZero():
		bad.add("start", "is required")
	case !p.End.IsZero() && !p.Start.Before(p.End):
		bad.add("end", "must be after start")
	case !p.End.IsZero() && p.End.Sub(p.Start) > MaxSimulatedRange:
		bad.add("end", "must be at most 366 days after start")
	}
	bad.between("max_rows", int64(p.MaxRows), 0, MaxSimulatedRows)
	if p.MaxRows == 0 {
		p.MaxRows = MaxSimulatedRows
	}
	return bad.err()
}

// SimulatePlan replays a tenant's admissions of a past range against the limits of a plan. The tenant's overrides stay in
// force; so do its workers, and its zone and anchor, as they are now. Limits of API keys are not looked at. Tokens that a run
// reserved after its admission count as if they had been reserved with it. It is a read and changes nothing. A range that
// begins before what retention has kept is CodeValidationFailed. It needs an operator with quota:read,
// and run:read to see which runs would have been denied.
func (e *Engine) SimulatePlan(ctx context.Context, p SimulatePlanParams) (*Simulation, error) {
	if err := e.actor.mayOperate(PermQuotaRead); err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	s := &simulation{Engine: e, tenant: p.TenantID, most: p.MaxRows}
	err := e.viewTenant(ctx, p.TenantID, func(r Reader, stored *Account) error { return s.prepare(ctx, r, stored, p) })
	if err == nil {
		err = s.read(ctx)
	}
	if err != nil {
		return nil, err
	}
	out := s.finish()
	if e.actor.mayOperate(PermRunRead) != nil {
		out.Sample = []SimulatedDenial{}
	}
	return out, nil
}

// simulation reads what a replay is fed with.
type simulation struct {
	*Engine
	*planReplay

	tenant TenantID
	month  time.Time // from when on tokens count
	until  time.Time

	runs       []*Run // that were read and not replayed
	after      RunID
	lastRun    bool
	events     UsageFilter
	lastEvent  bool
	eventsRead time.Time // the time up to which all events were read
	rows, most int
}

// prepare finds out what stood at the start.
func (s *simulation) prepare(ctx context.Context, r Reader, stored *Account, p SimulatePlanParams) error {
	now := stored.clock(s.now())
	from, to := stamp(p.Start), now
	if !p.End.IsZero() && p.End.Before(now) {
		to = stamp(p.End)
	}
	switch {
	case !from.Before(to):
		return problems{{"start", "must be in the past"}}.err()
	case to.Sub(from) > MaxSimulatedRange:
		return problems{{"start", "must be at most 366 days before end"}}.err()
	}
	plan, err := simulatedPlan(ctx, r, p)
	if err != nil {
		return err
	}
	s.planReplay = newReplay(plan, stored, from, to)
	s.until = to
	s.month = quota.MonthOf(from, stored.zone(), stored.AnchorDay).Start
	if err := s.history(ctx, r, from); err != nil {
		return err
	}
	workers, err := r.ListWorkers(ctx, p.TenantID)
	if err != nil {
		return err
	}
	for _, w := range workers {
		if w.Enabled && (w.FirstUsedAt == nil || w.FirstUsedAt.Before(from)) {
			s.enable(w.WorkerID)
		}
	}
	sums, err := r.SumDenials(ctx, p.TenantID, from, to)
	for _, d := range sums {
		if d.Code == CodeQuotaExceeded && simulated(d.Quota) {
			s.count(d.Quota).Recorded += d.Denials
			s.out.RecordedDenials += d.Denials
		}
	}
	s.events = UsageFilter{TenantID: p.TenantID, From: s.month, To: to.Add(UsageAhead), Limit: simulationPage}
	s.after = firstRunOf(s.out.ReplayedFrom)
	return err
}

func simulatedPlan(ctx context.Context, r Reader, p SimulatePlanParams) (*Plan, error) {
	if p.Limits != nil {
		return &Plan{Name: p.Plan, Limits: p.Limits}, nil
	}
	if checkPlanName(p.Plan) != "" {
		return nil, notFound("plan")
	}
	b := &Batch{}
	b.Plans.Want(p.Plan)
	if err := r.Load(ctx, b); err != nil {
		return nil, err
	}
	plan := b.Plans.Get(p.Plan)
	if plan == nil {
		return nil, notFound("plan")
	}
	return plan, nil
}

// history refuses a range of which retention has taken a part, and notes from when on rows are there.
func (s *simulation) history(ctx context.Context, r Reader, from time.Time) error {
	runs, err := prunedUntil(ctx, r, s.tenant, PruneRuns)
	if err != nil {
		return err
	}
	usage, err := prunedUntil(ctx, r, s.tenant, PruneUsage)
	if err != nil {
		return err
	}
	kept := runs
	if usage.After(kept) {
		kept = usage
	}
	if from.Before(kept) {
		return problems{{"start", "must not be before " + timeText(kept) + ": older runs and events are not kept any more"}}.err()
	}
	s.out.ReplayedFrom = s.month.Add(-simulationLead)
	s.out.HistoryComplete = !s.out.ReplayedFrom.Before(runs) && !s.month.Before(usage)
	if s.out.ReplayedFrom.Before(runs) {
		s.out.ReplayedFrom = runs
	}
	return nil
}

// read replays run after run, each behind the events that were recorded before it.
func (s *simulation) read(ctx context.Context) error {
	for {
		run, err := s.nextRun(ctx)
		if err != nil {
			return err
		}
		at := s.until
		if run != nil {
			at = run.CreatedAt
		}
		// An event is recorded at most UsageAhead before its time: what was recorded by now is among those that are read.
		for !s.lastEvent && !s.eventsRead.After(at.Add(UsageAhead)) && s.rows < s.most {
			if err := s.readEvents(ctx); err != nil {
				return err
			}
		}
		switch {
		case s.rows >= s.most:
			s.out.Complete, s.out.End = false, at
			return nil
		case run == nil:
			s.settle(at)
			return nil
		}
		s.run(run)
	}
}

// nextRun returns the next run by the time of its admission; nil where there is none in the range.
func (s *simulation) nextRun(ctx context.Context) (*Run, error) {
	// The ids of runs are in the order of milliseconds: within the last one of a page there may be more.
	for !s.lastRun && (len(s.runs) == 0 || s.runs[0].CreatedAt.UnixMilli() == s.runs[len(s.runs)-1].CreatedAt.UnixMilli()) {
		var page []*Run
		err := s.view(ctx, func(r Reader) (err error) {
			page, err = r.WalkRuns(ctx, RunWalk{TenantID: s.tenant, After: s.after, Limit: simulationPage})
			return err
		})
		if err != nil {
			return nil, err
		}
		s.rows += len(page)
		if s.lastRun = len(page) < simulationPage; !s.lastRun {
			s.after = page[len(page)-1].ID
		}
		s.runs = inOrder(append(s.runs, page...))
		if s.rows >= s.most {
			break
		}
	}
	if len(s.runs) == 0 || !s.runs[0].CreatedAt.Before(s.until) {
		return nil, nil
	}
	run := s.runs[0]
	s.runs = s.runs[1:]
	return run, nil
}

func (s *simulation) readEvents(ctx context.Context) error {
	var page []*UsageEvent
	err := s.view(ctx, func(r Reader) (err error) {
		page, err = r.ListUsage(ctx, s.events)
		return err
	})
	if err != nil {
		return err
	}
	s.rows += len(page)
	for _, ev := range page {
		s.expect(ev)
	}
	if s.lastEvent = len(page) < s.events.Limit; !s.lastEvent {
		last := page[len(page)-1]
		s.events.From, s.events.After, s.eventsRead = last.Time, last.ID, last.Time
	}
	return nil
}
