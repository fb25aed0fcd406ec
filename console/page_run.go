package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rentroll/rentroll"
)

// runPage is one run.
type runPage struct {
	Tenant   place
	Run      *rentroll.Run
	Steps    []step
	Chain    []attempt // where it was retried, or is a retry: from the first that is shown to the last
	Spent    int64
	Tokens   gauge // what it has used of what it holds
	Payloads []payload
	Hidden   bool // it has payloads that the visitor may not see

	Open, Cancel, Retry bool // what the visitor can do now
}

// step is one moment of a run.
type step struct {
	Name, Text string
	At         time.Time
	After      string // since the step before
	Level      string // "done", "bad", "wait" for what has not come yet
}

// attempt is a run of a chain of retries.
type attempt struct {
	Run  *rentroll.Run
	Path string
	Here bool
}

// payload is JSON that a run was given or has made, as people read it.
type payload struct {
	Name, Text string
	Left       int // bytes that are not shown
}

const (
	chainLinks   = 4        // how far a chain of retries is followed, each way
	shownPayload = 48 << 10 // bytes of a payload that a page shows
)

// maySeePayloads says whether the visitor is shown what runs were given and have made. The API gives them to all who may
// read runs; on a screen, beside what operations needs, they are for who does something with runs.
func (v *visit) maySeePayloads() bool {
	return v.can(rentroll.PermRunCreate) || v.can(rentroll.PermRunUpdate)
}

// runRef is the run that the path names.
func (v *visit) runRef(at place) (rentroll.RunRef, error) {
	id, err := rentroll.ParseRunID(v.r.PathValue("run"))
	if err != nil {
		return rentroll.RunRef{}, &rentroll.Error{Code: rentroll.CodeNotFound, Message: "there is no such run"}
	}
	return rentroll.RunRef{TenantID: at.ID, RunID: id}, nil
}

func (v *visit) run() (any, error) {
	at, err := v.place()
	if err != nil {
		return nil, err
	}
	ref, err := v.runRef(at)
	if err != nil {
		return nil, err
	}
	run, err := v.engine.GetRun(v, ref)
	if err != nil {
		return nil, err
	}
	v.title = "Run of " + run.WorkerID
	row := v.runRow(at, run)
	p := &runPage{Tenant: at, Run: run, Steps: v.runSteps(run), Spent: row.Spent, Tokens: tokensGauge(run, row.Spent), Open: run.Status.Open()}
	if p.Chain, err = v.chainOf(at, run); err != nil {
		return nil, err
	}
	if p.Hidden = !v.maySeePayloads() && run.Payloads != 0; !p.Hidden {
		p.Payloads = payloadsOf(run)
	}
	if v.can(rentroll.PermRunUpdate) {
		p.Cancel = p.Open
		p.Retry = !p.Open && run.Status != rentroll.RunCompleted && run.RetriedBy.IsZero()
	}
	return p, nil
}

// tokensGauge draws the use of a run beside what it reserved. Use beyond that is recorded, and not refused.
func tokensGauge(run *rentroll.Run, spent int64) gauge {
	g := gauge{Level: "ok", Label: fmt.Sprintf("%s tokens used, %s reserved", grouped(spent), grouped(run.ReservedTokens))}
	if most := float64(max(spent, run.ReservedTokens)); most > 0 {
		g.UsedShare = round(float64(min(spent, run.ReservedTokens)) / most * 100)
		if spent > run.ReservedTokens {
			g.Level, g.ReservedShare = "over", round(100-g.UsedShare)
		} else if run.Status.Open() { // what is left of it is held
			g.ReservedShare = round(100 - g.UsedShare)
		}
	}
	return g
}

// runSteps tells a run's life in order.
func (v *visit) runSteps(run *rentroll.Run) []step {
	steps := []step{{Name: "Admitted", At: run.CreatedAt, Text: "The slot was taken and the reservation held.", Level: "done"}}
	add := func(s step) {
		s.After = span(s.At.Sub(steps[len(steps)-1].At))
		steps = append(steps, s)
	}
	heard := run.CreatedAt
	if run.StartedAt != nil {
		add(step{Name: "Started", At: *run.StartedAt, Level: "done"})
		heard = *run.StartedAt
	}
	if last := run.LeaseExpiresAt.Add(-run.Lease); last.After(heard) {
		add(step{Name: "Last heartbeat", At: last, Text: soFar(run), Level: "done"})
	}
	if !run.Status.Open() {
		add(endOf(run))
		return steps
	}
	if run.StartedAt == nil {
		steps = append(steps, step{Name: "Not started yet", Text: "No worker has taken it.", Level: "wait"})
	}
	lease := step{Name: "Lease ends", At: run.LeaseExpiresAt, Level: "wait", Text: "Where nothing is heard until then, the run counts as crashed."}
	if !v.now.Before(run.LeaseExpiresAt) {
		lease.Name, lease.Level, lease.Text = "Lease has ended", "bad", "Nothing was heard in time: it is about to count as crashed."
	}
	return append(steps, lease)
}

func soFar(run *rentroll.Run) string {
	if run.TokensSoFar == 0 {
		return ""
	}
	return grouped(run.TokensSoFar) + " tokens so far."
}

// endOf is the last step of a run that has ended.
func endOf(run *rentroll.Run) step {
	name := string(run.Status)
	s := step{Name: strings.ToUpper(name[:1]) + name[1:], Level: "bad", Text: string(run.Error)}
	if run.CompletedAt != nil {
		s.At = *run.CompletedAt
	}
	if run.Status == rentroll.RunCompleted {
		s.Level = "done"
	}
	if run.Late {
		s.Text = strings.TrimSpace("Reported late: it had counted as ended before, and what was left is billed. " + s.Text)
	}
	return s
}

// chainOf follows retries both ways, a few links far.
func (v *visit) chainOf(at place, run *rentroll.Run) ([]attempt, error) {
	link := func(r *rentroll.Run) attempt { return attempt{r, at.Path + "/runs/" + r.ID.String(), r.ID == run.ID} }
	if run.ParentRunID.IsZero() && run.RetriedBy.IsZero() {
		return nil, nil
	}
	chain := []attempt{link(run)}
	for range chainLinks {
		first := chain[0].Run
		if first.ParentRunID.IsZero() {
			break
		}
		parent, err := v.engine.GetRun(v, rentroll.RunRef{TenantID: at.ID, RunID: first.ParentRunID})
		if rentroll.CodeOf(err) == rentroll.CodeNotFound {
			break // it was pruned
		} else if err != nil {
			return nil, err
		}
		chain = append([]attempt{link(parent)}, chain...)
	}
	for range chainLinks {
		last := chain[len(chain)-1].Run
		if last.RetriedBy.IsZero() {
			break
		}
		next, err := v.engine.GetRun(v, rentroll.RunRef{TenantID: at.ID, RunID: last.RetriedBy})
		if err != nil {
			return nil, err
		}
		chain = append(chain, link(next))
	}
	return chain, nil
}

func payloadsOf(run *rentroll.Run) (out []payload) {
	for _, p := range []struct {
		name string
		body json.RawMessage
	}{{"Input", run.Input}, {"Output", run.Output}, {"Replay token", run.ReplayToken}} {
		if p.body != nil {
			text, left := pretty(p.body, shownPayload)
			out = append(out, payload{p.name, text, left})
		}
	}
	return out
}

// pretty writes JSON for people to read, up to a size, and says how many bytes are left out.
func pretty(body json.RawMessage, most int) (text string, left int) {
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		b.Reset()
		b.Write(body)
	}
	text = b.String()
	if len(text) <= most {
		return text, 0
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut], len(text) - cut
}

// stopRun cancels the run that the path names.
func (v *visit) stopRun() (*outcome, error) {
	at, ref, err := v.runOfForm("cancel")
	if err != nil {
		return nil, err
	}
	if _, err := v.engine.CancelRun(v, ref); err != nil {
		return nil, err
	}
	return &outcome{
		to:   at.Path + "/runs/" + ref.RunID.String(),
		said: "The run is canceled; its slot and what it had reserved are free. Its worker learns it with its next heartbeat.",
	}, nil
}

// retryRun makes a new run in the place of the one that the path names.
func (v *visit) retryRun() (*outcome, error) {
	at, ref, err := v.runOfForm("")
	if err != nil {
		return nil, err
	}
	again, err := v.engine.RetryRun(v, rentroll.RetryRunParams{TenantID: ref.TenantID, RunID: ref.RunID})
	if err != nil {
		return nil, err
	}
	return &outcome{
		to:   at.Path + "/runs/" + again.ID.String(),
		said: fmt.Sprintf("This is attempt %d: the same work as a new run, which waits for a worker.", again.Attempt),
	}, nil
}

// runOfForm is the run that a form is about, once the form has the word that it asks for; "" is none.
func (v *visit) runOfForm(word string) (place, rentroll.RunRef, error) {
	at, err := v.place()
	if err != nil {
		return at, rentroll.RunRef{}, err
	}
	if word != "" && v.form("confirm") != word {
		return at, rentroll.RunRef{}, wrong("confirm", "must be the word "+word)
	}
	ref, err := v.runRef(at)
	return at, ref, err
}
