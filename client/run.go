package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"time"

	"github.com/rentroll/rentroll"
)

// CreateRunParams asks for the admission of a run. WorkerID and Task are required.
type CreateRunParams struct {
	WorkerID       string          `json:"worker_id"`
	Task           string          `json:"task"`
	Input          json.RawMessage `json:"input,omitempty"` // JSON of at most 256 KiB; nil for none
	UserID         rentroll.UserID `json:"user_id,omitzero"`
	Subject        string          `json:"subject,omitempty"`   // on behalf of which end user; "" is UserID
	APIKeyID       rentroll.KeyID  `json:"api_key_id,omitzero"` // on whose behalf, for operators
	ReserveTokens  int64           `json:"reserve_tokens,omitempty"`
	Lease          time.Duration   `json:"-"` // whole seconds; 0 is the server's default of 15 minutes
	IdempotencyKey string          `json:"-"` // "" is one of the client's own
}

// RetryRunParams asks for a new run in the place of an earlier one. What is left out is the earlier run's.
type RetryRunParams struct {
	APIKeyID       rentroll.KeyID `json:"api_key_id,omitzero"` // on whose behalf, for operators
	ReserveTokens  *int64         `json:"reserve_tokens,omitempty"`
	Lease          time.Duration  `json:"-"` // whole seconds
	IdempotencyKey string         `json:"-"` // "" is one of the client's own
}

// ReserveTokensParams asks for more tokens for an open run.
type ReserveTokensParams struct {
	Tokens         int64  `json:"tokens"` // beside what the run holds already
	IdempotencyKey string `json:"-"`      // "" is one of the client's own
}

// HeartbeatParams renews a run's lease.
type HeartbeatParams struct {
	TokensSoFar int64         `json:"tokens_so_far,omitempty"`
	Lease       time.Duration `json:"-"` // a new length of the lease, whole seconds; 0 keeps the run's
}

// CompleteRunParams reports the end of a run. Reporting the same again returns the run as it is stored.
type CompleteRunParams struct {
	Success          bool            `json:"success"`
	Output           json.RawMessage `json:"output,omitempty"`
	Error            string          `json:"error,omitempty"`
	ReplayToken      json.RawMessage `json:"replay_token,omitempty"`
	TotalTokens      int64           `json:"total_tokens,omitempty"`
	TotalLatencyMS   int64           `json:"total_latency_ms,omitempty"`
	StagesCompleted  int64           `json:"stages_completed,omitempty"`
	Recoveries       int64           `json:"recoveries,omitempty"`
	PolicyViolations int64           `json:"policy_violations,omitempty"`
	CostMicros       int64           `json:"cost_micros,omitempty"` // millionths of the currency unit
	IdempotencyKey   string          `json:"-"`                     // "" is none: a completion is once only as it is
}

// ListRunsParams filters and pages a tenant's runs, newest first. A page with filters may be short, or empty, and still
// have a next cursor.
type ListRunsParams struct {
	Status   rentroll.RunStatus // "" for all
	WorkerID string             // "" for all
	APIKeyID rentroll.KeyID     // zero for all
	rentroll.Page
}

// seconds turns a lease into the API's unit; nil is the default. Parts of a second count as a whole one.
func seconds(d time.Duration) *int64 {
	if d == 0 {
		return nil
	}
	s := int64((d + time.Second - 1) / time.Second)
	return &s
}

// tidy makes a payload that is absent nil, as the engine has it.
func tidy(run *rentroll.Run) {
	for _, p := range []*json.RawMessage{&run.Input, &run.Output, &run.ReplayToken} {
		if string(*p) == "null" {
			*p = nil
		}
	}
}

func replayedRun(r *rentroll.Run) *bool { return &r.Replayed }

// CreateRun asks for the admission of a run. A denial is an *Error with the numbers of the quota that denied, and
// consumes nothing.
func (c *Client) CreateRun(ctx context.Context, tenant string, p CreateRunParams) (*rentroll.Run, error) {
	body := struct {
		CreateRunParams

		LeaseSeconds *int64 `json:"lease_seconds,omitempty"`
	}{p, seconds(p.Lease)}
	run, err := create(ctx, c, p.IdempotencyKey, body, replayedRun, "v1", "tenants", tenant, "runs")
	if err == nil {
		tidy(run)
	}
	return run, err
}

// CreateRuns asks for the admission of up to 100 runs, all or none. A denial names in its Fields the first run that did
// not fit ("runs[3]"), and consumes nothing. The runs' own idempotency keys are not looked at: the group has one, "" for
// one of the client's own.
func (c *Client) CreateRuns(ctx context.Context, tenant string, runs []CreateRunParams, idempotencyKey string) (*rentroll.RunGroup, error) {
	type one struct {
		CreateRunParams

		LeaseSeconds *int64 `json:"lease_seconds,omitempty"`
	}
	body := struct {
		Runs []one `json:"runs"`
	}{Runs: make([]one, len(runs))}
	for i, p := range runs {
		body.Runs[i] = one{p, seconds(p.Lease)}
	}
	group, err := create(ctx, c, idempotencyKey, body, func(g *rentroll.RunGroup) *bool { return &g.Replayed }, "v1", "tenants", tenant, "runs")
	if err != nil {
		return nil, err
	}
	for _, run := range group.Items {
		tidy(run)
	}
	return group, nil
}

// ReserveTokens holds more tokens for an open run, all of them or none. A denial is an *Error with the numbers of the
// quota that denied; the run goes on.
func (c *Client) ReserveTokens(ctx context.Context, tenant string, run rentroll.RunID, p ReserveTokensParams) (*rentroll.Run, error) {
	more, err := create(ctx, c, p.IdempotencyKey, p, replayedRun, "v1", "tenants", tenant, "runs", run.String(), "reserve")
	if err == nil {
		tidy(more)
	}
	return more, err
}

// GetRun reads a run with its payloads.
func (c *Client) GetRun(ctx context.Context, tenant string, run rentroll.RunID) (*rentroll.Run, error) {
	return c.onRun(ctx, &request{method: http.MethodGet, path: []string{"v1", "tenants", tenant, "runs", run.String()}})
}

// ListRuns reads one page of a tenant's runs, without payloads.
func (c *Client) ListRuns(ctx context.Context, tenant string, p ListRunsParams) (*rentroll.List[*rentroll.Run], error) {
	q := query{}.set("status", string(p.Status)).set("worker_id", p.WorkerID).set("api_key_id", p.APIKeyID.String()).page(p.Page)
	return list[*rentroll.Run](ctx, c, q, "v1", "tenants", tenant, "runs")
}

// AllRuns reads a tenant's runs page by page.
func (c *Client) AllRuns(ctx context.Context, tenant string, p ListRunsParams) iter.Seq2[*rentroll.Run, error] {
	return all(p.Page, func(page rentroll.Page) (*rentroll.List[*rentroll.Run], error) {
		p.Page = page
		return c.ListRuns(ctx, tenant, p)
	})
}

// StartRun marks a queued run as running and renews its lease.
func (c *Client) StartRun(ctx context.Context, tenant string, run rentroll.RunID) (*rentroll.Run, error) {
	return c.change(ctx, tenant, run, "start", nil, "")
}

// Heartbeat renews a run's lease. The answer's CancelRequested tells the worker to stop.
func (c *Client) Heartbeat(ctx context.Context, tenant string, run rentroll.RunID, p HeartbeatParams) (*rentroll.Run, error) {
	body := struct {
		HeartbeatParams

		LeaseSeconds *int64 `json:"lease_seconds,omitempty"`
	}{p, seconds(p.Lease)}
	return c.change(ctx, tenant, run, "heartbeat", body, "")
}

// CompleteRun ends a run with its result.
func (c *Client) CompleteRun(ctx context.Context, tenant string, run rentroll.RunID, p CompleteRunParams) (*rentroll.Run, error) {
	return c.change(ctx, tenant, run, "complete", p, p.IdempotencyKey)
}

// RetryRun asks for the admission of a new run in the place of one that failed, crashed or was canceled. Of each run there
// is one retry.
func (c *Client) RetryRun(ctx context.Context, tenant string, run rentroll.RunID, p RetryRunParams) (*rentroll.Run, error) {
	body := struct {
		RetryRunParams

		LeaseSeconds *int64 `json:"lease_seconds,omitempty"`
	}{p, seconds(p.Lease)}
	made, err := create(ctx, c, p.IdempotencyKey, body, replayedRun, "v1", "tenants", tenant, "runs", run.String(), "retry")
	if err == nil {
		tidy(made)
	}
	return made, err
}

// CancelRun ends an open run without a result.
func (c *Client) CancelRun(ctx context.Context, tenant string, run rentroll.RunID) (*rentroll.Run, error) {
	return c.change(ctx, tenant, run, "cancel", nil, "")
}

// change sends an operation on a run; all of them may be repeated.
func (c *Client) change(ctx context.Context, tenant string, run rentroll.RunID, step string, body any, once string) (*rentroll.Run, error) {
	return c.onRun(ctx, &request{
		method: http.MethodPost, path: []string{"v1", "tenants", tenant, "runs", run.String(), step}, body: body, once: once,
		repeat: true,
	})
}

func (c *Client) onRun(ctx context.Context, r *request) (*rentroll.Run, error) {
	run := new(rentroll.Run)
	a, err := c.do(ctx, r, run)
	if err != nil {
		return nil, err
	}
	run.Replayed = a.replayed
	tidy(run)
	return run, nil
}
