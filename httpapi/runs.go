package httpapi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rentroll/rentroll"
)

// The bounds of what HTTP counts in other units than the engine, checked before the conversion can overflow.
const (
	maxExpiryDays   = 3650
	maxAmount       = 1_000_000_000_000
	microsPerCent   = 10_000
	maxCents        = maxAmount / microsPerCent
	minLeaseSeconds = int64(rentroll.MinLease / time.Second)
	maxLeaseSeconds = int64(rentroll.MaxLease / time.Second)
)

// lease reads an optional number of seconds.
func (f *fieldErrors) lease(given *int64) time.Duration {
	return time.Duration(f.number("lease_seconds", given, minLeaseSeconds, maxLeaseSeconds)) * time.Second
}

type createRunBody struct {
	WorkerID      string          `json:"worker_id" pattern:"^[a-z0-9][a-z0-9._-]{0,99}$" example:"business-builder"`
	Task          string          `json:"task" minLength:"1" maxLength:"10000" example:"Write a business plan for a bakery"`
	Input         payload         `json:"input,omitempty" doc:"Any JSON of at most 256 KiB, kept as it came"`
	UserID        rentroll.UserID `json:"user_id,omitempty" doc:"On whose behalf"`
	Subject       *string         `json:"subject,omitempty" minLength:"1" maxLength:"255" example:"customer-4711" doc:"On behalf of which end user, for limits of subjects; default user_id"`
	APIKeyID      rentroll.KeyID  `json:"api_key_id,omitempty" doc:"With which key's limits, for operators; a key's own runs carry its id"`
	ReserveTokens int64           `json:"reserve_tokens,omitempty" minimum:"0" maximum:"1000000000000" example:"20000" doc:"Tokens to hold until the run ends"`
	LeaseSeconds  *int64          `json:"lease_seconds,omitempty" minimum:"1" maximum:"86400" example:"900" doc:"How long the run may stay silent before it counts as crashed; default 900"`
}

// params checks what the engine could not see.
func (b *createRunBody) params(bad *fieldErrors) rentroll.CreateRunParams {
	return rentroll.CreateRunParams{
		WorkerID: b.WorkerID, Task: b.Task, Input: json.RawMessage(b.Input), UserID: b.UserID, APIKeyID: b.APIKeyID,
		ReserveTokens: b.ReserveTokens, Lease: bad.lease(b.LeaseSeconds), Subject: bad.word("subject", b.Subject),
	}
}

// createRunsBody is one run, or a list of runs.
type createRunsBody struct {
	createRunBody

	Runs []createRunBody `json:"runs"`
}

// Schema describes the two forms.
func (createRunsBody) Schema(r huma.Registry) *huma.Schema {
	return oneOrSeveral[createRunBody](r, "runs", rentroll.MaxRunGroup, "One run, or several of which all are admitted or none.")
}

// admission is one run, or a group of runs, as it was asked for.
type admission struct {
	run   *rentroll.Run
	group *rentroll.RunGroup
}

// Schema describes the two forms.
func (admission) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{
		Description: "The run; of a group, its runs in the order in which they were asked for.",
		OneOf: []*huma.Schema{
			r.Schema(reflect.TypeFor[rentroll.Run](), true, ""), r.Schema(reflect.TypeFor[rentroll.RunGroup](), true, ""),
		},
	}
}

func createRun(c *call, p *ofTenantOnce, b *createRunsBody) (*admission, error) {
	if b.Runs != nil {
		return createRuns(c, p.Key, b)
	}
	var bad fieldErrors
	params := b.params(&bad)
	if err := invalid(bad...); err != nil {
		return nil, err
	}
	params.TenantID, params.IdempotencyKey = c.tenant, p.Key
	run, err := c.engine.CreateRun(c, params)
	if err != nil {
		return nil, err
	}
	c.made(run)
	return &admission{run: run}, nil
}

func createRuns(c *call, once string, b *createRunsBody) (*admission, error) {
	var bad fieldErrors
	if !reflect.ValueOf(b.createRunBody).IsZero() {
		bad.add("runs", "must stand alone, without the fields of a single run")
	}
	params := rentroll.CreateRunsParams{TenantID: c.tenant, IdempotencyKey: once}
	for i := range b.Runs {
		var wrong fieldErrors
		params.Runs = append(params.Runs, b.Runs[i].params(&wrong))
		for _, f := range wrong {
			bad.add(fmt.Sprintf("runs[%d].%s", i, f.Field), f.Message)
		}
	}
	if err := invalid(bad...); err != nil {
		return nil, err
	}
	group, err := c.engine.CreateRuns(c, params)
	if err != nil {
		return nil, err
	}
	c.replayed = group.Replayed
	return &admission{group: group}, nil
}

type listRunsParams struct {
	Tenant   string `path:"tenant"`
	Status   string `query:"status" enum:"queued,running,completed,failed,canceled,crashed"`
	WorkerID string `query:"worker_id"`
	APIKeyID string `query:"api_key_id"`
	Limit    int    `query:"limit" minimum:"1" maximum:"200" default:"20"`
	Cursor   string `query:"cursor"`
}

func (p listRunsParams) tenantRef() string { return p.Tenant }

// listedRun is a run in a list: without its payloads, which are read with the run alone.
type listedRun struct {
	*rentroll.Run

	// Always nil, so that the members of these names are left out.
	Input       *bool `json:"input,omitempty" hidden:"true"`
	Output      *bool `json:"output,omitempty" hidden:"true"`
	ReplayToken *bool `json:"replay_token,omitempty" hidden:"true"`
}

func listRuns(c *call, p *listRunsParams, _ *none) (*rentroll.List[listedRun], error) {
	var key rentroll.KeyID
	if p.APIKeyID != "" {
		var err error
		if key, err = rentroll.ParseKeyID(p.APIKeyID); err != nil {
			return nil, invalid(rentroll.FieldError{Field: "api_key_id", Message: err.Error()})
		}
	}
	runs, err := c.engine.ListRuns(c, rentroll.ListRunsParams{
		TenantID: c.tenant, Status: rentroll.RunStatus(p.Status), WorkerID: p.WorkerID, APIKeyID: key,
		Page: pageOf(p.Limit, p.Cursor),
	})
	if err != nil {
		return nil, err
	}
	out := &rentroll.List[listedRun]{Items: make([]listedRun, 0, len(runs.Items)), NextCursor: runs.NextCursor}
	for _, run := range runs.Items {
		out.Items = append(out.Items, listedRun{Run: run})
	}
	return out, nil
}

type ofRun struct {
	Tenant string `path:"tenant"`
	Run    string `path:"run"`
}

func (p ofRun) tenantRef() string { return p.Tenant }

type ofRunOnce struct {
	Tenant string `path:"tenant"`
	Run    string `path:"run"`
	Key    string `header:"Idempotency-Key"`
}

func (p ofRunOnce) tenantRef() string      { return p.Tenant }
func (p ofRunOnce) idempotencyKey() string { return p.Key }

// run reads the id of a run of the call's tenant; what is no id names no run.
func (c *call) run(id string) (rentroll.RunRef, error) {
	run, err := rentroll.ParseRunID(id)
	if err != nil {
		return rentroll.RunRef{}, notFound("run")
	}
	return rentroll.RunRef{TenantID: c.tenant, RunID: run}, nil
}

func getRun(c *call, p *ofRun, _ *none) (*rentroll.Run, error) {
	ref, err := c.run(p.Run)
	if err != nil {
		return nil, err
	}
	return c.engine.GetRun(c, ref)
}

func startRun(c *call, p *ofRun, _ *none) (*rentroll.Run, error) {
	ref, err := c.run(p.Run)
	if err != nil {
		return nil, err
	}
	return c.engine.StartRun(c, ref)
}

type heartbeatBody struct {
	TokensSoFar  int64  `json:"tokens_so_far,omitempty" minimum:"0" maximum:"1000000000000" example:"1200" doc:"Tokens used so far; less than reported before changes nothing"`
	LeaseSeconds *int64 `json:"lease_seconds,omitempty" minimum:"1" maximum:"86400" example:"900" doc:"A new length of the lease; default as before"`
}

func heartbeat(c *call, p *ofRun, b *heartbeatBody) (*rentroll.Run, error) {
	ref, err := c.run(p.Run)
	if err != nil {
		return nil, err
	}
	var bad fieldErrors
	lease := bad.lease(b.LeaseSeconds)
	if err := invalid(bad...); err != nil {
		return nil, err
	}
	return c.engine.Heartbeat(c, rentroll.HeartbeatParams{
		TenantID: ref.TenantID, RunID: ref.RunID, TokensSoFar: b.TokensSoFar, Lease: lease,
	})
}

type completeRunBody struct {
	Success          *bool   `json:"success" nullable:"false"`
	Output           payload `json:"output,omitempty" doc:"Any JSON of at most 256 KiB, kept as it came"`
	Error            string  `json:"error,omitempty" maxLength:"10000" doc:"Why it failed"`
	ReplayToken      payload `json:"replay_token,omitempty" doc:"Any JSON of at most 256 KiB, kept as it came"`
	TotalTokens      int64   `json:"total_tokens,omitempty" minimum:"0" maximum:"1000000000000" example:"18500" doc:"Tokens used in all; billed, even beyond the reservation"`
	TotalLatencyMS   int64   `json:"total_latency_ms,omitempty" minimum:"0" maximum:"1000000000000" example:"42000"`
	StagesCompleted  int64   `json:"stages_completed,omitempty" minimum:"0" maximum:"1000000000000"`
	Recoveries       int64   `json:"recoveries,omitempty" minimum:"0" maximum:"1000000000000"`
	PolicyViolations int64   `json:"policy_violations,omitempty" minimum:"0" maximum:"1000000000000"`
	CostMicros       *int64  `json:"cost_micros,omitempty" minimum:"0" maximum:"1000000000000" example:"370000" doc:"Millionths of the currency unit"`
	CostCents        *int64  `json:"cost_cents,omitempty" minimum:"0" maximum:"100000000" doc:"Hundredths, instead of cost_micros"`
}

// cost returns the cost in millionths. Cents beside it must be the same, rounded as the run shows them.
func (b *completeRunBody) cost(bad *fieldErrors) int64 {
	var micros int64
	if b.CostMicros != nil {
		micros = *b.CostMicros // the engine checks its range
	}
	if b.CostCents == nil {
		return micros
	}
	cents := *b.CostCents
	switch {
	case cents < 0 || cents > maxCents:
		bad.add("cost_cents", between(0, maxCents))
	case b.CostMicros == nil:
		micros = cents * microsPerCent
	case micros < 0 || micros > maxAmount:
		bad.add("cost_micros", between(0, maxAmount))
	case cents != (micros+microsPerCent/2)/microsPerCent:
		bad.add("cost_cents", "must be the same as cost_micros, or left out")
	}
	return micros
}

func completeRun(c *call, p *ofRunOnce, b *completeRunBody) (*rentroll.Run, error) {
	ref, err := c.run(p.Run)
	if err != nil {
		return nil, err
	}
	var bad fieldErrors
	if b.Success == nil {
		bad.add("success", "is required: true or false")
	}
	cost := b.cost(&bad)
	if err := invalid(bad...); err != nil {
		return nil, err
	}
	run, err := c.engine.CompleteRun(c, rentroll.CompleteRunParams{
		TenantID: ref.TenantID, RunID: ref.RunID, Success: *b.Success, Output: json.RawMessage(b.Output), Error: b.Error,
		ReplayToken: json.RawMessage(b.ReplayToken), TotalTokens: b.TotalTokens, TotalLatencyMS: b.TotalLatencyMS,
		StagesCompleted: b.StagesCompleted, Recoveries: b.Recoveries, PolicyViolations: b.PolicyViolations,
		CostMicros: cost, IdempotencyKey: p.Key,
	})
	if err != nil {
		return nil, err
	}
	c.replayed = run.Replayed
	return run, nil
}

type reserveTokensBody struct {
	Tokens *int64 `json:"tokens" nullable:"false" minimum:"1" maximum:"1000000000000" example:"5000" doc:"How many more to hold"`
}

func reserveTokens(c *call, p *ofRunOnce, b *reserveTokensBody) (*rentroll.Run, error) {
	ref, err := c.run(p.Run)
	if err != nil {
		return nil, err
	}
	if b.Tokens == nil {
		return nil, invalid(rentroll.FieldError{Field: "tokens", Message: "is required"})
	}
	run, err := c.engine.ReserveTokens(c, rentroll.ReserveTokensParams{
		TenantID: ref.TenantID, RunID: ref.RunID, Tokens: *b.Tokens, IdempotencyKey: p.Key,
	})
	if err != nil {
		return nil, err
	}
	c.replayed = run.Replayed
	return run, nil
}

type retryRunBody struct {
	APIKeyID      rentroll.KeyID `json:"api_key_id,omitempty" doc:"With which key's limits, for operators; default the earlier run's. A key's own runs carry its id"`
	ReserveTokens *int64         `json:"reserve_tokens,omitempty" minimum:"0" maximum:"1000000000000" example:"20000" doc:"Tokens to hold until the run ends; default what the earlier run held"`
	LeaseSeconds  *int64         `json:"lease_seconds,omitempty" minimum:"1" maximum:"86400" example:"900" doc:"How long the run may stay silent; default as the earlier run"`
}

func retryRun(c *call, p *ofRunOnce, b *retryRunBody) (*rentroll.Run, error) {
	ref, err := c.run(p.Run)
	if err != nil {
		return nil, err
	}
	var bad fieldErrors
	params := rentroll.RetryRunParams{
		TenantID: ref.TenantID, RunID: ref.RunID, APIKeyID: b.APIKeyID, ReserveTokens: b.ReserveTokens,
		Lease: bad.lease(b.LeaseSeconds), IdempotencyKey: p.Key,
	}
	if err := invalid(bad...); err != nil {
		return nil, err
	}
	run, err := c.engine.RetryRun(c, params)
	if err != nil {
		return nil, err
	}
	c.made(run)
	return run, nil
}

// made says where a run that was admitted can be read.
func (c *call) made(run *rentroll.Run) {
	c.replayed = run.Replayed
	c.location = "/v1/tenants/" + run.TenantID.String() + "/runs/" + run.ID.String()
}

func cancelRun(c *call, p *ofRun, _ *none) (*rentroll.Run, error) {
	ref, err := c.run(p.Run)
	if err != nil {
		return nil, err
	}
	run, err := c.engine.CancelRun(c, ref)
	if err != nil {
		return nil, err
	}
	c.replayed = run.Replayed
	return run, nil
}
