package rentroll

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// MaxRunGroup is how many runs one call of CreateRuns may ask for.
const MaxRunGroup = 100

// CreateRunsParams asks for the admission of several runs, all or none.
type CreateRunsParams struct {
	TenantID       TenantID
	Runs           []CreateRunParams // 1–MaxRunGroup; their TenantID and IdempotencyKey are left out: the group's count
	IdempotencyKey string
}

// RunGroup are the runs that were admitted together, in the order in which they were asked for.
type RunGroup struct {
	Items []*Run `json:"items"`

	Replayed bool `json:"-"` // the answer repeats an earlier one with the same idempotency key
}

// CreateRuns admits a group of runs in one decision: all of them, or none. Each is decided as by CreateRun, beside those
// in front of it. The refusal is that of the first run that does not fit, which its Fields name ("runs[3]"), and nothing
// is consumed. It needs run:create.
func (e *Engine) CreateRuns(ctx context.Context, p CreateRunsParams) (*RunGroup, error) {
	first := CreateRunParams{} // where none may begin it is the first that does not
	if len(p.Runs) > 0 {
		first = p.Runs[0]
	}
	first.TenantID = p.TenantID
	if err := e.mayTake(first, PermRunCreate); err != nil {
		return nil, err
	}
	c := &createRuns{header: header{tenant: p.TenantID, by: e.actor, rows: len(p.Runs)}}
	same, err := e.completeGroup(p, c)
	if err != nil {
		return nil, err
	}
	if c.once, err = newOnce(p.TenantID, runOperation, p.IdempotencyKey, same); err != nil {
		return nil, err
	}
	if err := e.do(ctx, c); err != nil {
		if decided(err) {
			e.noteDenial(c.runs[c.stuck].p, err)
		}
		return nil, err
	}
	if c.once != nil && c.once.replayed {
		return e.replayGroup(ctx, p.TenantID, c.once.result)
	}
	return &RunGroup{Items: c.answer}, nil
}

// completeGroup checks the runs and gives them to the command. It returns what must be the same in a repetition.
func (e *Engine) completeGroup(p CreateRunsParams, c *createRuns) (same []CreateRunParams, err error) {
	if n := len(p.Runs); n == 0 || n > MaxRunGroup {
		return nil, problems{{"runs", fmt.Sprintf("must be 1 to %d runs", MaxRunGroup)}}.err()
	}
	var bad problems
	for i, run := range p.Runs {
		at := fmt.Sprintf("runs[%d]", i)
		if !run.TenantID.IsZero() && run.TenantID != p.TenantID {
			bad.add(at+".tenant_id", "must be the group's")
		}
		if run.IdempotencyKey != "" {
			bad.add(at+".idempotency_key", "must be left out: the group has one")
		}
		run.TenantID = p.TenantID
		for _, f := range e.completeRunParams(&run) {
			bad.add(at+"."+f.Field, f.Message)
		}
		one := &createRun{header: header{tenant: p.TenantID, by: e.actor}, p: run}
		c.runs = append(c.runs, one)
		c.size += rowOverhead + len(run.Task) + len(run.Input)
		run.Input = canonicalJSON(run.Input)
		same = append(same, run)
	}
	return same, bad.err()
}

func (e *Engine) replayGroup(ctx context.Context, tenant TenantID, result string) (*RunGroup, error) {
	out := &RunGroup{Replayed: true}
	for text := range strings.SplitSeq(result, ",") {
		id, err := ParseRunID(text)
		if err != nil {
			return nil, fmt.Errorf("rentroll: an idempotency record holds a bad id: %w", err)
		}
		run, err := e.readRun(ctx, RunRef{tenant, id})
		if err != nil {
			return nil, ofGone(err, text)
		}
		out.Items = append(out.Items, run)
	}
	return out, nil
}

// ofGone says of a run that is not kept any more that an idempotency key stands for it.
func ofGone(err error, run string) error {
	if errors.Is(err, CodeNotFound) {
		return errorf(CodeNotFound, "this idempotency key stands for the run %s, which is not kept any more", run)
	}
	return err
}

// createRuns decides on a group: first on a copy of what the runs share, then, where all of them fit, for good.
type createRuns struct {
	header
	runs   []*createRun
	stuck  int // the first run that did not fit
	answer []*Run
}

func (c *createRuns) wants(b *Batch) {
	for _, run := range c.runs {
		run.wants(b)
	}
}

func (c *createRuns) decide(l *ledger) error {
	c.stuck, c.answer = 0, nil
	a, now, err := l.account(c.tenant)
	if err != nil {
		return err
	}
	soft, err := c.try(l, a, now)
	if errors.Is(err, CodeQuotaExceeded) {
		freed, more := l.crashOverdue(a, now)
		if more != nil {
			return more
		}
		if freed {
			soft, err = c.try(l, a, now)
		}
	}
	if err != nil {
		return err
	}
	ids := make([]string, len(c.runs))
	for i, one := range c.runs {
		r, err := one.applicant(l, a, now)
		if err != nil { // what was put already must not be put once more
			panic("rentroll: a row of a group was loaded and is gone: " + err.Error())
		}
		run := one.admitted(l, a, r, soft[i], now)
		c.answer = append(c.answer, run)
		ids[i] = run.ID.String()
	}
	if c.once != nil {
		c.once.result = strings.Join(ids, ",")
	}
	return nil
}

// try decides on all runs without changing anything, each beside those in front of it.
func (c *createRuns) try(l *ledger, a *Account, now time.Time) ([]bool, error) {
	asked, err := c.applicants(l, a, now)
	if err != nil {
		return nil, err
	}
	t := trial{account: *a, workers: make(map[string]*Worker), uses: make(map[KeyID]*KeyUse), subjects: make(map[string]*Subject)}
	soft := make([]bool, len(asked))
	for i, r := range asked {
		if soft[i], err = t.admit(r, now); err != nil {
			c.stuck = i
			return nil, inGroup(err, i)
		}
	}
	return soft, nil
}

// applicants gathers what the admissions look at, and asks for all rows at once that are not loaded yet.
func (c *createRuns) applicants(l *ledger, a *Account, now time.Time) ([]applicant, error) {
	out := make([]applicant, len(c.runs))
	var more error
	for i, one := range c.runs {
		r, err := one.applicant(l, a, now)
		switch {
		case errors.Is(err, errMore):
			more = err
		case err != nil:
			c.stuck = i
			return nil, inGroup(err, i)
		}
		out[i] = r
	}
	return out, more
}

// trial is what the runs of a group share, as it would be with those that have been tried.
type trial struct {
	account  Account
	workers  map[string]*Worker
	uses     map[KeyID]*KeyUse
	subjects map[string]*Subject
}

// admit decides on one run, and holds what it would take.
func (t *trial) admit(r applicant, now time.Time) (soft bool, err error) {
	if worker := t.workers[r.name]; worker != nil {
		r.worker = worker
	}
	if r.use != nil && t.uses[r.use.Family] != nil {
		r.use = t.uses[r.use.Family]
	}
	if r.subject != nil && t.subjects[r.subject.Subject] != nil {
		r.subject = t.subjects[r.subject.Subject]
	}
	if soft, err = t.account.admit(r, now); err != nil {
		return false, err
	}
	run := &Run{ReservedTokens: r.reserve}
	t.account.hold(run)
	if r.worker == nil {
		t.account.Workers++
		t.workers[r.name] = &Worker{Enabled: true}
	}
	if r.subject != nil {
		t.subjects[r.subject.Subject] = r.subject.with(&t.account, run)
	}
	if r.use != nil {
		t.uses[r.use.Family] = r.use.with(run)
	}
	return soft, nil
}

// inGroup says which run of a group it was that was refused.
func inGroup(err error, i int) error {
	at := fmt.Sprintf("runs[%d]", i)
	var denied *QuotaExceededError
	var refused *Error
	switch {
	case errors.As(err, &denied):
		named := *denied
		named.Fields = []FieldError{{at, "did not fit"}}
		return &named
	case errors.As(err, &refused):
		named := *refused
		named.Fields = nil
		for _, f := range refused.Fields {
			named.Fields = append(named.Fields, FieldError{at + "." + f.Field, f.Message})
		}
		if named.Fields == nil {
			named.Fields = []FieldError{{at, "was refused: " + refused.Message}}
		}
		return &named
	default:
		return err
	}
}
