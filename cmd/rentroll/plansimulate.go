package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
	"github.com/rentroll/rentroll/quota"
)

type planSimulate struct {
	Name   string   `arg:"" help:"The plan; with limits, what to call it."`
	Tenant string   `arg:"" help:"Id or slug of the tenant whose admissions are replayed."`
	Limits []string `arg:"" optional:"" name:"quota=limit" help:"Limits to try instead of the plan's: 500, 500:soft or unlimited. A quota that is not named is then unlimited."`
	Start  instant  `required:"" placeholder:"TIME" help:"From then on."`
	End    instant  `placeholder:"TIME" help:"Until then. Default: now."`
	Sample int      `default:"5" placeholder:"N" help:"How many denials to show one by one, up to 100. Default: ${default}."`
}

// Help says what it can't know.
func (c *planSimulate) Help() string {
	return `Only what was admitted can be replayed. What was really denied at the time is a lower bound of what was wanted beyond that: it is counted, and no more is known of it.`
}

// Run simulates.
func (c *planSimulate) Run(ctx context.Context, s *session) error {
	p := client.SimulatePlanParams{Tenant: c.Tenant, Start: c.Start.Time, End: c.End.Time}
	if len(c.Limits) > 0 {
		var err error
		if p.Limits, err = parseLimits(c.Limits); err != nil {
			return err
		}
	}
	sim, err := s.api.SimulatePlan(ctx, c.Name, p)
	return s.print(err, func() error { return c.show(s, sim) })
}

func (c *planSimulate) show(s *session, sim *rentroll.Simulation) error {
	_, err := fmt.Fprintf(s.std.out, "from %s\nto   %s\n\nThe plan %s would have denied %s of the %s that were admitted.\n\n", s.when(sim.Start), s.when(sim.End),
		sim.Plan, number(sim.Denied), counted(sim.Runs, "run"))
	if err != nil {
		return err
	}
	err = printTable(s, sim.Quotas, []column[rentroll.SimulatedQuota]{
		{"quota", false, func(q rentroll.SimulatedQuota) string { return string(q.Quota) }},
		{"limit", true, func(q rentroll.SimulatedQuota) string { return limitText(limitOf(q)) }},
		{"needed", true, func(q rentroll.SimulatedQuota) string { return number(q.Needed) }},
		{"denied", true, func(q rentroll.SimulatedQuota) string { return number(q.Denied) }},
		{"first", false, func(q rentroll.SimulatedQuota) string { return s.agoOr(q.First, "") }},
		{"last", false, func(q rentroll.SimulatedQuota) string { return s.agoOr(q.Last, "") }},
	})
	if err != nil {
		return err
	}
	if n := min(len(sim.Sample), max(c.Sample, 0)); n > 0 {
		_, _ = fmt.Fprintln(s.std.out) // the table behind it tells
		err = printTable(s, sim.Sample[:n], []column[rentroll.SimulatedDenial]{
			{"run", false, func(d rentroll.SimulatedDenial) string { return d.RunID.String() }},
			{"at", false, func(d rentroll.SimulatedDenial) string { return s.ago(d.At) }},
			{"worker", false, func(d rentroll.SimulatedDenial) string { return d.WorkerID }},
			{"quota", false, func(d rentroll.SimulatedDenial) string { return string(d.Quota) }},
			{"limit", true, func(d rentroll.SimulatedDenial) string { return number(d.Limit) }},
			{"current", true, func(d rentroll.SimulatedDenial) string { return number(d.Current) }},
		})
		if err != nil {
			return err
		}
	}
	_, err = fmt.Fprint(s.std.err, strings.Join(remarks(sim), ""))
	return err
}

func limitOf(q rentroll.SimulatedQuota) quota.Limit {
	l := quota.NoLimit()
	if q.Limit != nil {
		l = quota.Of(*q.Limit)
	}
	if q.Soft {
		l.Mode = quota.Soft
	}
	return l
}

// remarks say how far the answer goes.
func remarks(sim *rentroll.Simulation) (out []string) {
	if n := sim.RecordedDenials; n > 0 {
		out = append(out, fmt.Sprintf("%s really happened in this time and can't be replayed: more was wanted than is shown here.\n", counted(n, "denial")))
	}
	if !sim.Complete {
		out = append(out, "There was too much to look at: this is about a part of the time that was asked for. Go on from its end.\n")
	}
	if !sim.HistoryComplete {
		out = append(out, "Runs or events from before the start that still count in it were deleted: a little more may have been denied.\n")
	}
	return out
}
