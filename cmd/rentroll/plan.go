package main

import (
	"context"
	"maps"
	"strconv"
	"strings"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

type planCmd struct {
	Remote

	List     planList     `cmd:"" help:"List all plans."`
	Put      planPut      `cmd:"" help:"Make a plan, or change its limits."`
	Delete   planDelete   `cmd:"" help:"Delete a plan that no tenant uses."`
	Simulate planSimulate `cmd:"" help:"What a plan would have denied of what a tenant was admitted."`
}

// planColumns has a column for each quota, and for each of those on meters that a plan limits.
func planColumns(plans ...*rentroll.Plan) []column[*rentroll.Plan] {
	columns := []column[*rentroll.Plan]{{"name", false, func(p *rentroll.Plan) string { return p.Name }}}
	definitions, onMeters := quota.Definitions(), quota.Limits{}
	for _, p := range plans {
		maps.Copy(onMeters, p.Limits)
	}
	for _, name := range onMeters.Names() {
		definitions = append(definitions, quota.Definition{Name: name, Title: string(name)})
	}
	for _, d := range definitions {
		columns = append(columns, column[*rentroll.Plan]{d.Title, true, func(p *rentroll.Plan) string {
			l, limited := p.Limits[d.Name]
			if !limited {
				l = quota.NoLimit()
			}
			return limitText(l)
		}})
	}
	return append(columns, column[*rentroll.Plan]{"retired", false, func(p *rentroll.Plan) string { return yesNo(p.Retired) }})
}

type planList struct{}

// Run lists the plans.
func (c *planList) Run(ctx context.Context, s *session) error {
	plans, err := s.api.ListPlans(ctx)
	return list(s, noPaging, everything(plans, err), planColumns(plans...))
}

type planPut struct {
	Name       string   `arg:"" help:"Its name; upper and lower case differ."`
	Limits     []string `arg:"" optional:"" name:"quota=limit" help:"A limit: 500, 500:soft or unlimited. A quota that is not named keeps its limit; in a new plan it is unlimited."`
	Thresholds *string  `placeholder:"LIST" help:"Shares of a limit, in per cent, at which an event tells of a tenant's use, such as 50,80,100; none for none, default for 80 and 100. Default: as before."`
	Retired    *bool    `negatable:"" help:"It keeps its tenants and takes no new ones. Default: as before."`
}

// Run makes or changes the plan. The API replaces plans whole; that a limit which is not named here becomes none would
// be a trap on a command line.
func (c *planPut) Run(ctx context.Context, s *session) error {
	limits, err := parseLimits(c.Limits)
	if err != nil {
		return err
	}
	plans, err := s.api.ListPlans(ctx)
	if err != nil {
		return err
	}
	next := rentroll.Plan{Name: c.Name, Limits: limits}
	isNew := true
	for _, p := range plans {
		if p.Name != c.Name {
			continue
		}
		isNew, next.Retired, next.Thresholds = false, p.Retired, p.Thresholds
		for name, l := range p.Limits {
			if _, named := limits[name]; !named {
				limits[name] = l
			}
		}
	}
	if isNew && len(limits) == 0 {
		return usagef("there is no plan %s yet: name its limits, as in runs_per_day=500; a quota that is not named is unlimited", c.Name)
	}
	if c.Retired != nil {
		next.Retired = *c.Retired
	}
	if c.Thresholds != nil {
		if next.Thresholds, err = parseThresholds(*c.Thresholds); err != nil {
			return err
		}
	}
	p, err := s.api.PutPlan(ctx, next)
	return s.print(err, func() error { return printTable(s, []*rentroll.Plan{p}, planColumns(p)) })
}

// parseThresholds reads a list of per cents. What is wrong with them says the server.
func parseThresholds(text string) ([]int, error) {
	switch text {
	case "default":
		return nil, nil
	case "none":
		return []int{}, nil
	}
	var out []int
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil {
			return nil, usagef("--thresholds: %q is no number of per cent", part)
		}
		out = append(out, n)
	}
	return out, nil
}

type planDelete struct {
	Name string `arg:"" help:"The plan."`
}

// Run deletes the plan.
func (c *planDelete) Run(ctx context.Context, s *session) error {
	return s.done(s.api.DeletePlan(ctx, c.Name), "The plan %s is deleted.", c.Name)
}
