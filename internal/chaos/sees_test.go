package chaos

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
	"github.com/rentroll/rentroll/quota"
)

// at is a moment of the histories below.
func at(second int) time.Time { return time.Date(2026, 3, 7, 12, 0, second, 0, time.UTC) }

// aRun is a run that was admitted at one second, and ended at another; at none for 0.
func aRun(task string, from, until int) *rentroll.Run {
	r := &rentroll.Run{Task: task, Status: rentroll.RunCanceled, CreatedAt: at(from)}
	if until > 0 {
		r.CompletedAt = new(at(until))
	}
	return r
}

func moved(second int, plan string) *rentroll.AuditRow {
	return &rentroll.AuditRow{Action: "tenant.plan", At: at(second), New: json.RawMessage(`{"plan":"` + plan + `"}`)}
}

// TestAuditSees: the audit finds what must not be, and nothing in what may be.
func TestAuditSees(t *testing.T) {
	t.Parallel()
	three := []*rentroll.Run{aRun("c", 3, 9), aRun("b", 2, 9), aRun("a", 1, 9)} // newest first
	answered := func(tasks ...string) (out []*job) {
		for _, task := range tasks {
			out = append(out, &job{tenant: "moved", key: task, run: &rentroll.Run{}, ends: "cancel", ended: true})
		}
		return out
	}
	for name, test := range map[string]struct {
		check func(*audit) error
		audit audit
		want  string // part of what is wrong; "" for nothing
	}{
		"as many as allowed": {(*audit).limits, audit{runs: three}, ""},
		"one too many":       {(*audit).limits, audit{runs: append([]*rentroll.Run{aRun("d", 4, 5)}, three...)}, "as number 4, and 3 were allowed"},
		"one makes room":     {(*audit).limits, audit{runs: append([]*rentroll.Run{aRun("d", 9, 10)}, three...)}, ""},
		"more on a larger plan": {(*audit).limits, audit{
			runs: append([]*rentroll.Run{aRun("d", 4, 5)}, three...), changes: []*rentroll.AuditRow{moved(3, "large")},
		}, ""},
		"none more on a smaller one again": {(*audit).limits, audit{
			runs: append([]*rentroll.Run{aRun("e", 8, 9), aRun("d", 4, 9)}, three...), changes: []*rentroll.AuditRow{moved(3, "large"), moved(7, "small")},
		}, "as number 5, and 3 were allowed"},
		"too many in a day": {(*audit).limits, audit{
			runs: []*rentroll.Run{aRun("b", 3, 4), aRun("a", 1, 2)}, params: client.CreateTenantParams{LimitOverrides: quota.Limits{quota.RunsPerDay: quota.Of(1)}},
		}, "is run 2 of 2026-03-07, and 1 were allowed"},
		"admitted while suspended": {(*audit).suspensions, audit{runs: three, changes: []*rentroll.AuditRow{
			{Action: "tenant.suspend", At: at(1)}, {Action: "tenant.resume", At: at(3)},
		}}, "was admitted at"},
		"all that was answered": {(*audit).answered, audit{runs: three, work: &work{jobs: answered("a", "b", "c")}}, ""},
		"answered and lost":     {(*audit).answered, audit{runs: three[1:], work: &work{jobs: answered("a", "b", "c")}}, "c was answered"},
		"stored twice":          {(*audit).answered, audit{runs: append(three[:1:1], three...), work: &work{jobs: answered("a", "b", "c")}}, "c is stored twice"},
		"stored for nobody":     {(*audit).answered, audit{runs: three, work: &work{jobs: answered("a", "b")}}, "nobody asked for it"},
		"a place that is held":  {(*audit).held, audit{account: &rentroll.Account{ConcurrentRuns: 1}}, "1 places"},
		"an event twice": {(*audit).metered, audit{
			work: &work{events: map[string]*event{"x": {"moved", 5}}}, sums: map[string]rentroll.RollupSum{"pages": {Events: 2, Total: 10}},
		}, "2 events of 10 pages are stored, and 1 of 5"},
	} {
		a := &test.audit
		a.params.Slug, a.params.Plan = "moved", "small"
		if err := test.check(a); test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: the audit says %v, want %q", name, err, test.want)
		}
	}
}
