package httpapi

import (
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

const aboutSimulate = "Replays what the tenant was admitted from `start` to `end` as if it had been on the plan all that time, or under `limits`: a run that would have been denied takes no slot and no tokens. The tenant's overrides stay in force. " +
	"For each quota: how many runs it would have denied, and `needed`, the least limit that denies nothing. `days` is a series for a chart.\n\n" +
	"Denials that really happened can't be replayed: what was wanted is at least what was admitted and `recorded_denials` together. Limits of API keys are not looked at; tokens that were reserved after the admission count from the admission on. " +
	"A range of which retention has deleted runs or events is refused. With `complete` false there was too much to look at, and all is about the time until `end`; with `history_complete` false, runs or events from before `start` that still count in it may be missing."

type planName struct {
	Name string `path:"name"`
}

type simulateBody struct {
	Tenant string     `json:"tenant" minLength:"1" example:"acme" doc:"Id or slug of the tenant"`
	Start  time.Time  `json:"start" format:"date-time" example:"2026-11-01T00:00:00Z"`
	End    *time.Time `json:"end,omitempty" format:"date-time" doc:"At most 366 days after start; default now"`
	Limits planLimits `json:"limits,omitempty" doc:"Instead of the plan's, which then need not exist"`
}

func simulatePlan(c *call, p *planName, b *simulateBody) (*rentroll.Simulation, error) {
	if c.engine.Actor().Kind != rentroll.ActorOperator { // before it is told whether there is such a tenant
		return nil, &rentroll.Error{Code: rentroll.CodeForbidden, Message: "only operators simulate plans"}
	}
	var bad fieldErrors
	if b.Tenant == "" {
		bad.add("tenant", "is required")
	}
	if b.Start.Year() < 1970 {
		bad.add("start", "must be a time from 1970 on")
	}
	if err := invalid(bad...); err != nil {
		return nil, err
	}
	params := rentroll.SimulatePlanParams{Plan: p.Name, Limits: quota.Limits(b.Limits), Start: b.Start}
	if b.End != nil {
		params.End = *b.End
		if params.End.Year() < 1970 {
			return nil, invalid(rentroll.FieldError{Field: "end", Message: "must be a time from 1970 on"})
		}
	}
	var err error
	if params.TenantID, err = c.engine.ResolveTenant(c, b.Tenant); err != nil {
		return nil, err
	}
	return c.engine.SimulatePlan(c, params)
}
