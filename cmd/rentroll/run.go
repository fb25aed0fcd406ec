package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/client"
)

type runCmd struct {
	Remote

	Create    runCreate    `cmd:"" help:"Ask for the admission of a run."`
	Group     runGroup     `cmd:"" help:"Ask for the admission of several runs, all or none."`
	List      runList      `cmd:"" help:"List a tenant's runs, newest first."`
	Get       runGet       `cmd:"" help:"Show a run."`
	Start     runStart     `cmd:"" help:"Mark a run as running, and renew its lease."`
	Heartbeat runHeartbeat `cmd:"" help:"Renew a run's lease."`
	Complete  runComplete  `cmd:"" help:"End a run with its result."`
	Cancel    runCancel    `cmd:"" help:"End an open run without a result."`
	Reserve   runReserve   `cmd:"" help:"Hold more tokens for an open run."`
	Retry     runRetry     `cmd:"" help:"Ask for a new run in the place of one that did not succeed."`
	Check     runCheck     `cmd:"" help:"Ask whether a run, or tokens, would be admitted now; take nothing."`
}

type runCreate struct {
	ofTenant

	Worker         string          `arg:"" help:"The kind of job."`
	Task           string          `arg:"" help:"What to do, for people."`
	Input          string          `placeholder:"JSON" help:"What to do, for the worker: JSON, @FILE, or - for standard input."`
	ReserveTokens  int64           `placeholder:"N" help:"Tokens to hold until the run ends."`
	Lease          time.Duration   `placeholder:"TIME" help:"How long the run may stay silent. Default: 15m."`
	Subject        string          `placeholder:"TEXT" help:"On behalf of which end user, for limits of subjects. Default: the user."`
	UserID         rentroll.UserID `name:"user-id" placeholder:"USER" help:"On whose behalf."`
	APIKeyID       rentroll.KeyID  `name:"api-key-id" placeholder:"KEY" help:"With which key's limits, for operators."`
	IdempotencyKey string          `placeholder:"KEY" help:"Makes a repetition of the command harmless."`
}

// Run asks for the admission.
func (c *runCreate) Run(ctx context.Context, s *session) error {
	input, err := readJSON(s.std, "--input", c.Input)
	if err != nil {
		return err
	}
	run, err := s.api.CreateRun(ctx, c.Tenant, client.CreateRunParams{
		WorkerID: c.Worker, Task: c.Task, Input: input, UserID: c.UserID, Subject: c.Subject, APIKeyID: c.APIKeyID,
		ReserveTokens: c.ReserveTokens, Lease: c.Lease, IdempotencyKey: c.IdempotencyKey,
	})
	return s.print(err, func() error { return s.printRun(run) })
}

func (s *session) printRun(r *rentroll.Run) error {
	fields := []field{
		{"id", r.ID.String()},
		{"worker", r.WorkerID},
		{"task", clip(r.Task, 200)},
		{"status", string(r.Status)},
		{"error", plain(r.Error)},
		{"tokens", maybe(r.TotalTokens)},
		{"tokens reserved", number(r.ReservedTokens)},
		{"tokens so far", number(r.TokensSoFar)},
		{"latency", milliseconds(r.TotalLatencyMS)},
		{"stages", maybe(r.StagesCompleted)},
		{"recoveries", maybe(r.Recoveries)},
		{"policy violations", maybe(r.PolicyViolations)},
		{"cost", money(r.CostMicros)},
		{"attempt", number(r.Attempt)},
		{"retry of", id(r.ParentRunID)},
		{"retried by", id(r.RetriedBy)},
		{"user", id(r.UserID)},
		{"subject", plain(r.Subject)},
		{"key", id(r.APIKeyID)},
		{"input", string(r.Input)},
		{"output", string(r.Output)},
		{"replay token", string(r.ReplayToken)},
		{"created", s.when(r.CreatedAt)},
		{"started", s.whenOr(r.StartedAt)},
		{"ended", s.whenOr(r.CompletedAt)},
	}
	if r.Status.Open() {
		fields = append(fields, field{"lease ends", s.when(r.LeaseExpiresAt)})
	}
	notes := []struct {
		is   bool
		note string
	}{
		{r.Late, "completed after it had crashed or been canceled"},
		{r.OverSoftLimit, "admitted over a soft limit"},
		{r.CancelRequested, "should stop: its tenant was suspended or terminated"},
	}
	for _, n := range notes {
		if n.is {
			fields = append(fields, field{"note", n.note})
		}
	}
	return s.printFields(fields)
}

type runList struct {
	ofTenant

	Status   *string        `placeholder:"STATUS" enum:"queued,running,completed,failed,canceled,crashed" help:"Only runs that are queued, running, completed, failed, canceled or crashed."`
	WorkerID string         `name:"worker-id" placeholder:"WORKER" help:"Only runs of this worker."`
	APIKeyID rentroll.KeyID `name:"api-key-id" placeholder:"KEY" help:"Only runs of this key."`
	Paging
}

// Run lists the runs.
func (c *runList) Run(ctx context.Context, s *session) error {
	return list(s, c.Paging, func(page rentroll.Page) (*rentroll.List[*rentroll.Run], error) {
		return s.api.ListRuns(ctx, c.Tenant, client.ListRunsParams{
			Status: rentroll.RunStatus(given(c.Status)), WorkerID: c.WorkerID, APIKeyID: c.APIKeyID, Page: page,
		})
	}, s.runColumns())
}

func (s *session) runColumns() []column[*rentroll.Run] {
	return []column[*rentroll.Run]{
		{"id", false, func(r *rentroll.Run) string { return r.ID.String() }},
		{"worker", false, func(r *rentroll.Run) string { return r.WorkerID }},
		{"task", false, func(r *rentroll.Run) string { return clip(r.Task, 32) }},
		{"status", false, func(r *rentroll.Run) string { return string(r.Status) }},
		{"tokens", true, func(r *rentroll.Run) string { return maybe(r.TotalTokens) }},
		{"latency", true, func(r *rentroll.Run) string { return milliseconds(r.TotalLatencyMS) }},
		{"cost", true, func(r *rentroll.Run) string { return money(r.CostMicros) }},
		{"created", false, func(r *rentroll.Run) string { return s.ago(r.CreatedAt) }},
	}
}

// ofRun is a command on one run.
type ofRun struct {
	ofTenant

	ID rentroll.RunID `arg:"" name:"run" help:"The run's id."`
}

type (
	runGet    struct{ ofRun }
	runStart  struct{ ofRun }
	runCancel struct{ ofRun }
)

// Run shows the run.
func (c *runGet) Run(ctx context.Context, s *session) error {
	run, err := s.api.GetRun(ctx, c.Tenant, c.ID)
	return s.print(err, func() error { return s.printRun(run) })
}

// Run starts the run.
func (c *runStart) Run(ctx context.Context, s *session) error {
	run, err := s.api.StartRun(ctx, c.Tenant, c.ID)
	return s.print(err, func() error { return s.printRun(run) })
}

// Run cancels the run.
func (c *runCancel) Run(ctx context.Context, s *session) error {
	run, err := s.api.CancelRun(ctx, c.Tenant, c.ID)
	return s.print(err, func() error { return s.printRun(run) })
}

type runHeartbeat struct {
	ofRun

	TokensSoFar int64         `placeholder:"N" help:"Tokens used so far."`
	Lease       time.Duration `placeholder:"TIME" help:"A new length of the lease. Default: as before."`
}

// Run renews the lease.
func (c *runHeartbeat) Run(ctx context.Context, s *session) error {
	run, err := s.api.Heartbeat(ctx, c.Tenant, c.ID, client.HeartbeatParams{TokensSoFar: c.TokensSoFar, Lease: c.Lease})
	return s.print(err, func() error { return s.printRun(run) })
}

type runComplete struct {
	ofRun

	Failed           bool          `help:"The run has failed. Default: it was a success."`
	Error            string        `placeholder:"TEXT" help:"Why it has failed."`
	Tokens           int64         `placeholder:"N" help:"Tokens used in all."`
	Latency          time.Duration `placeholder:"TIME" help:"How long it took, such as 42s."`
	Stages           int64         `placeholder:"N" help:"Stages completed."`
	Recoveries       int64         `placeholder:"N" help:"Times it recovered."`
	PolicyViolations int64         `placeholder:"N" help:"Times it met a policy."`
	CostMicros       int64         `placeholder:"N" help:"What it cost, in millionths of the currency unit."`
	Output           string        `placeholder:"JSON" help:"What it produced: JSON, @FILE, or - for standard input."`
	ReplayToken      string        `placeholder:"JSON" help:"What a repetition needs: JSON, @FILE, or - for standard input."`
	IdempotencyKey   string        `placeholder:"KEY" help:"Makes a repetition of the command harmless, as it is without."`
}

// Run completes the run.
func (c *runComplete) Run(ctx context.Context, s *session) error {
	if c.Output == "-" && c.ReplayToken == "-" {
		return usagef("--output and --replay-token can't both be read from standard input")
	}
	if c.Error != "" && !c.Failed {
		return usagef("--error goes with --failed")
	}
	output, err := readJSON(s.std, "--output", c.Output)
	if err != nil {
		return err
	}
	token, err := readJSON(s.std, "--replay-token", c.ReplayToken)
	if err != nil {
		return err
	}
	run, err := s.api.CompleteRun(ctx, c.Tenant, c.ID, client.CompleteRunParams{
		Success: !c.Failed, Output: output, Error: c.Error, ReplayToken: token, TotalTokens: c.Tokens,
		TotalLatencyMS: c.Latency.Milliseconds(), StagesCompleted: c.Stages, Recoveries: c.Recoveries,
		PolicyViolations: c.PolicyViolations, CostMicros: c.CostMicros, IdempotencyKey: c.IdempotencyKey,
	})
	return s.print(err, func() error { return s.printRun(run) })
}

type runGroup struct {
	ofTenant

	Runs           string `arg:"" help:"The runs: a JSON list, @FILE, or - for standard input. Their fields are those of the API: worker_id, task, input, user_id, api_key_id, reserve_tokens, lease_seconds."`
	IdempotencyKey string `placeholder:"KEY" help:"Makes a repetition of the command harmless."`
}

// Run asks for the admission.
func (c *runGroup) Run(ctx context.Context, s *session) error {
	text, err := readJSON(s.std, "the runs", c.Runs)
	if err != nil {
		return err
	}
	var asked []struct {
		client.CreateRunParams

		LeaseSeconds int64 `json:"lease_seconds"`
	}
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&asked); err != nil {
		return usagef("the runs are no list of runs: %v", err)
	}
	runs := make([]client.CreateRunParams, len(asked))
	for i, r := range asked {
		runs[i] = r.CreateRunParams
		runs[i].Lease = time.Duration(r.LeaseSeconds) * time.Second
	}
	group, err := s.api.CreateRuns(ctx, c.Tenant, runs, c.IdempotencyKey)
	return s.print(err, func() error { return printTable(s, group.Items, s.runColumns()) })
}

type runReserve struct {
	ofRun

	Tokens         int64  `arg:"" help:"How many more."`
	IdempotencyKey string `placeholder:"KEY" help:"Makes a repetition of the command harmless."`
}

// Run holds the tokens.
func (c *runReserve) Run(ctx context.Context, s *session) error {
	run, err := s.api.ReserveTokens(ctx, c.Tenant, c.ID, client.ReserveTokensParams{Tokens: c.Tokens, IdempotencyKey: c.IdempotencyKey})
	return s.print(err, func() error { return s.printRun(run) })
}

type runRetry struct {
	ofRun

	ReserveTokens  *int64         `placeholder:"N" help:"Tokens to hold until the run ends. Default: as before."`
	Lease          time.Duration  `placeholder:"TIME" help:"How long the run may stay silent. Default: as before."`
	APIKeyID       rentroll.KeyID `name:"api-key-id" placeholder:"KEY" help:"With which key's limits, for operators. Default: the earlier run's."`
	IdempotencyKey string         `placeholder:"KEY" help:"Makes a repetition of the command harmless."`
}

// Help says when it works.
func (c *runRetry) Help() string {
	return "The run must have failed, crashed or been canceled. Of each run there is one retry; a retry that fails may be retried itself."
}

// Run asks for the admission.
func (c *runRetry) Run(ctx context.Context, s *session) error {
	run, err := s.api.RetryRun(ctx, c.Tenant, c.ID, client.RetryRunParams{
		APIKeyID: c.APIKeyID, ReserveTokens: c.ReserveTokens, Lease: c.Lease, IdempotencyKey: c.IdempotencyKey,
	})
	return s.print(err, func() error { return s.printRun(run) })
}

type runCheck struct {
	ofTenant

	WorkerID string `name:"worker-id" placeholder:"WORKER" help:"A run of this worker. Default: of one that is enabled already." xor:"what"`
	Tokens   *int64 `placeholder:"N" help:"Room for so many more tokens this month, instead of a run." xor:"what"`
}

// Help says what scripts need to know.
func (c *runCheck) Help() string {
	return "The exit code is 0 where it would be admitted and 1 where it would be denied. The answer may be over as soon as it is said: only creating the run takes its place."
}

// Run asks for the decision.
func (c *runCheck) Run(ctx context.Context, s *session) error {
	var d *rentroll.Decision
	var err error
	if c.Tokens != nil {
		d, err = s.api.CheckTokenQuota(ctx, c.Tenant, *c.Tokens)
	} else {
		d, err = s.api.CheckRunQuota(ctx, c.Tenant, c.WorkerID)
	}
	err = s.print(err, func() error {
		verdict := "it would be admitted"
		if !d.Allowed {
			verdict = fmt.Sprintf("it would be denied: %s", d.Code)
		}
		return s.printFields([]field{
			{"now", verdict},
			{"reason", plain(d.Reason)},
			{"quota", plain(d.Quota)},
			{"limit", maybe(d.Limit)},
			{"current", maybe(d.Current)},
			{"resets", s.whenOr(d.ResetsAt)},
		})
	})
	if err == nil && !d.Allowed {
		return quietError{exitFailure}
	}
	return err
}
