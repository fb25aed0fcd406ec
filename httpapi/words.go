package httpapi

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// What the OpenAPI document says in prose.

const introduction = `Rentroll holds the tenants, plans, members and API keys of a platform, **admits** every run of work against hard limits, **completes** it, **meters** it for billing and **audits** it.

**Who calls.** ` + "`Authorization: Bearer <key>`" + `, or the same key as ` + "`X-API-Key`" + `. An *operator key* stands above tenants and may do everything, or what its permissions allow; a *tenant's API key* sees its own tenant, as far as its permissions go. Each operation names the permission it needs, also as ` + "`x-permission`" + `. With an operator key, ` + "`Rentroll-User`" + ` names a user for whom the call is made: then the user's role in the tenant decides. What a caller may not see answers exactly as what does not exist: 404.

**Tenants in paths** are named by id, by slug, or by ` + "`me`" + ` with a tenant's key.

**Safe repetition.** Every POST that creates or counts takes an ` + "`Idempotency-Key`" + `: sent again with equal parameters it has no second effect and is answered as before, with ` + "`Idempotency-Replayed: true`" + ` (a secret is then null). Keys are remembered for at least seven days, for runs as long as the run.

**Lists** come in pages: follow ` + "`next_cursor`" + ` until it is null.

**Strictness.** Unknown, doubled or differently cased names, wrong types and unknown query parameters are refused, and then nothing has changed.

**Refusals** are ` + "`application/problem+json`" + ` (RFC 9457): branch on ` + "`code`" + `, never on texts. All codes are explained at [/docs/errors](/docs/errors).

**Tracing.** Every answer carries ` + "`X-Request-Id`" + `: the request's own where it has one of up to 128 printable characters, else a new one. The server's log and the audit have it.`

const (
	aboutPatch = "The body is a JSON merge patch (RFC 7396): what is absent stays, `null` removes, objects are merged. " +
		"`{\"limit_overrides\": {\"workers\": null}}` removes an override; `{\"limit_overrides\": {\"workers\": {\"limit\": null}}}` makes one without a limit. " +
		"A change of time zone or billing anchor takes effect when the present periods end."
	aboutTenantPlan = "What is then above a limit stays and is listed in `over_limit`; only new use is denied. Once answered, nothing beyond the new limits is admitted. The ETag is the tenant's."
	aboutSuspend    = "Admissions, new keys and verifications stop at once; open runs are asked to stop through `cancel_requested`. The tenant's keys may still read, heartbeat, complete and cancel runs and write usage."
	aboutTerminate  = "As suspending, but for good: the tenant's keys may only complete runs, for 24 hours."
	aboutPurge      = "From the first call on nobody finds the tenant and its slug is free; its rows go in small steps, of which a call does some. Whoever asks again, by id, learns how far it is; it goes on in any case. When all is gone it is 404. The platform's audit keeps when it was, by whom, and where the tenant's audit ended. There is no way back: export before."
	aboutPutPlan    = "The new limits hold on this server at once and on every other within a second. 201 where the plan is new. `If-None-Match: *` makes a plan only where there is none of this name."
	aboutMembers    = "Operators name the user by `user_id`, or by `external_id` or `email`; an API key by one of the latter two."
	aboutSecrets    = "`secret` is shown in this one answer and stored nowhere. Whoever makes a key must have every permission of it and no tighter restriction. The ETag is the key's."
	aboutRevoke     = "Revoking again changes nothing: the first reason stays."
	aboutKeyList    = "With `expiring_within_days`: the active ones that expire within so many days, the earliest first. A key that was rotated expires with its overlap and names its successor in `rotated_to`. With `q`: those whose secret begins or ends so, revoked and expired ones too."
	aboutKeySearch  = "With `q`: the keys whose secret begins with what is given, up to its first 12 characters, or whose last 4 characters it is, or both with `...` between them; revoked and expired ones too. Imported keys, and keys of before, have no `key_suffix` and are not found by their end. With `expiring_within_days`: the active keys that expire within so many days, the earliest first. One of the two is required. Never send a whole secret: what stands in an address is written to logs."
	aboutImport     = "By the SHA-256 of their secrets, which may be any text of 16 to 512 printable ASCII characters: customers go on using them. Each key is answered for itself and the good ones are stored: `imported`, `duplicate` (the tenant has it; nothing changes) or `rejected` with its code (`validation_failed`, `quota_exceeded`, or `already_exists`: it is another tenant's). A repetition is harmless, and needs no idempotency key. Other servers know the first import within a second."
	aboutRotate     = "The answer has a new key with a new `secret`, under the same limits; its counters go on. The old key stays good for the overlap and does not count against `api_keys` beside its successor. Where the answer was lost, rotate the old key again: the successor that nobody got is revoked. One that is in use is not: `invalid_transition`. A key that is rotated while the one before it is still good makes that one count, which may be `quota_exceeded`."
	aboutVerify     = "Always 200: `valid` is the answer, `code` the first reason against it: malformed, not_found, tenant_suspended, tenant_terminated, revoked, expired, ip_not_allowed, insufficient_permissions, worker_not_allowed. A tenant's key learns of its own tenant's keys only."
	aboutAdmission  = "One atomic decision over every rule: tenant, key, worker, the key's own limits, `workers`, `runs_per_day`, `concurrent_runs`, `tokens_per_month`, `spend_per_month`. A denial consumes nothing. With `runs`, up to 100 of them are admitted together or not at all: the answer is `items`, a denial names in `errors` the first run that did not fit."
	aboutRunList    = "Filters look at a bounded stretch of runs a page: a page may be short, or empty, and still have a next cursor."
	aboutHeartbeat  = "`cancel_requested` in the answer tells the worker to stop."
	aboutComplete   = "Frees the slot, settles the reservation and writes the usage events `tokens_used` and `worker_runs`, in one transaction. Completing again with equal parameters returns the run as it is stored and counts nothing. A crashed or canceled run accepts one late completion, which bills the rest."
	aboutReserve    = "Beside what the run holds already, all of it or nothing: a denial is `quota_exceeded` by the month of the key or of the tenant, and the run goes on. The lease stays as it is."
	aboutRetry      = "Of a failed, crashed or canceled run, or of an open one past its lease, which then crashes: the same worker, task, input and user, by the same decision as a first run. The new run names its parent in `parent_run_id`, the parent the new run in `retried_by`. Of each run there is one retry: another is `already_exists`, with the same idempotency key the answer is repeated. A retry that fails may be retried itself."
	aboutUsage      = "One event, or up to 1,000 as `events`. Of several, each is answered for itself (`recorded`, `duplicate` or `rejected` with its code) and the good ones are stored; the refusal of a single one is the answer itself. Answered only when it is durable. An event with `corrects` takes back a part of an earlier event, or all of it, never more: it needs usage:correct as well, and counts where the earlier event counts."
	aboutConsume    = "One decision: the quotas on the meter (`meter:emails_sent_per_day`, `meter:emails_sent_per_month` in the plan's limits or the tenant's overrides) are checked and the event is recorded, together or not at all. Several as `items`: all or none; of a denial, `errors` names the item that did not fit. The answer's `quotas` are how those meters stand afterwards. An event id that was recorded before consumes nothing and is answered `duplicate`. A meter without a quota is recorded. Recording by `/usage` is never denied, and moves the same counters."
	aboutSubjects   = "A subject is an end user of the tenant, or whatever else its runs are on behalf of: the `subject` of a run, else its `user_id`. Limits for every subject are `subject:runs_per_day`, `subject:concurrent_runs` and `subject:tokens_per_month` in the plan's limits or the tenant's overrides; a subject's own beat them. What is open counts from the moment on at which a limit is set, runs of the day and tokens of the month from then on only."
	aboutSubjectTag = " The ETag stands for the limits and the reason, not for what is used."
	aboutMeters     = "Replaces what was set there, whole. A tenant inherits what it has not set itself from what is set for all tenants. Aggregation and unit are fixed, in each tenant, by the meter's first event there. A new price counts in statements from the next period on; the first price that a meter gets, in the present period already."
	aboutSeries     = "Points follow each other without gap; where nothing was used they are zero. At most 1,000. Days and months are those of the tenant's zone and billing months, or the calendar's of `timezone`. With `group_by` the largest groups are told apart, `groups` of them."
	aboutStatements = "An event's statement is fixed when it is recorded: that of its own period until 72 hours after the period's end, from then on that of the period in which it is recorded, as an adjustment. So a statement with `final` never changes. A meter has the price that it had when the period began or, where it had none, the first one that it got in the period; amounts are rounded once for each meter, half a millionth away from zero."
	aboutSummary    = "Without times: the current billing month so far, the running quarter of an hour included."
	aboutEvents     = "`quota.threshold_reached` tells that the use of a quota came to a share of its limit (`threshold`, per cent; 80 and 100 where the plan says nothing else), `quota.soft_limit_passed` that it went above a soft one: once per tenant, quota and period, however many servers there are. Of `workers` and `api_keys` once until use falls below, of `concurrent_runs` once a day. A threshold that is not reached any more, because the limit was raised, is armed again."
	aboutStandings  = "What is told of each tenant is true now. The orders `nearest` and `busiest` are at most ten seconds old: no admission keeps them up to date. `at_least` goes with `nearest` and leaves out who has taken less of a limit, in percent."
	aboutActivity   = "Of all servers together; at most a second behind, and kept for a day. `since` is an hour ago unless it is given, and may be 24 hours ago."
	aboutStuck      = "At most fifty: with runs that are over their lease for a minute and were crashed by no server (`overdue`), or that wait for a worker for five minutes (`queued`, the oldest `since`)."
	aboutDecision   = "A read: it takes nothing, and what it says may be over as soon as it is said."

	aboutVerifyAudit = `Follows the chain of hashes up to the account, and says where it does not hold first, and how. ` +
		`A long chain takes several calls: while the verdict is ` + "`unfinished`" + `, go on with ` + "`next_cursor`" + `. With ` +
		"`sequence` and `hash`" + ` of a signed head, the chain must contain that row as well.`
	aboutAuditHead = `Signed where the server has a key for it. Keep it where those who can write the database can't reach it: ` +
		`it proves later that all rows up to it are there and unaltered.`
	aboutExportAudit = `Rows with all that is needed to verify them without this server, and with the last of them the head. ` +
		"`rentroll audit export` writes them to a file, `rentroll audit verify --file` verifies that."
	aboutPruneAudit = `The chain is followed first, whole: what was tampered with is not pruned (` + "`invalid_transition`" + `). Then a checkpoint, signed ` +
		`with the server's key, takes the place of the rows, the audit says so, and they are removed in small steps. A long audit takes several calls: ` +
		"while the state is not `done`, call again, with `next_cursor` where there is one. A repetition is harmless."

	aboutReconcile = `Counters, gauges, bounds, rollups and the directory say again what other rows say; a difference is damage. ` +
		`Each tenant is compared in one snapshot, while everything is at work. A call compares so much and no more: ` +
		"go on with `next_cursor` until it is null. With `repair`, differences are mended under the tenant's lock, and the audit tells of it."
)

var tags = []*huma.Tag{
	{Name: "Tenants", Description: "Organizations: the unit of isolation, of limits and of sharding."},
	{Name: "Plans", Description: "Named sets of limits."},
	{Name: "Users", Description: "People known to the platform. They are the operator's."},
	{Name: "Members", Description: "The roles of users in a tenant."},
	{Name: "API keys", Description: "The secrets that programs present."},
	{Name: "Operator keys", Description: "The secrets of those who run the platform."},
	{Name: "Runs", Description: "Executions of workers: admitted, watched, completed."},
	{Name: "Usage", Description: "Meters' events and what they come to."},
	{Name: "Statements", Description: "What was used in a billing period, at what price."},
	{Name: "Meters", Description: "What is counted: aggregation, unit, price, dimensions."},
	{Name: "Workers", Description: "The kinds of job that a tenant has enabled."},
	{Name: "Quotas", Description: "Limits and how a tenant stands against them."},
	{Name: "Events", Description: "What has happened that somebody should hear of."},
	{Name: "Denials", Description: "Admissions that were refused."},
	{Name: "Audit", Description: "Every change, with who made it."},
	{Name: "Health", Description: "For probes."},
}

// tagOfPath returns the noun that a path is about.
func tagOfPath(path string) string {
	nouns := map[string]string{
		"tenants": "Tenants", "plans": "Plans", "users": "Users", "members": "Members", "api-keys": "API keys", "operator-keys": "Operator keys", "runs": "Runs",
		"usage": "Usage", "meters": "Meters", "statements": "Statements", "workers": "Workers", "quotas": "Quotas", "standings": "Quotas", "plan-preview": "Quotas", "activity": "Runs", "stuck-runs": "Runs", "denials": "Denials", "events": "Events", "audit": "Audit",
	}
	tag := "Health"
	for i, part := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		if noun, ok := nouns[part]; ok && (i == 1 || i == 3) {
			tag = noun
		}
	}
	return tag
}

// describeParam says what a parameter means. Parameters of one name mean the same everywhere.
func describeParam(p *huma.Param) {
	words := map[string]string{
		"tenant": "Id or slug of a tenant, or `me` for the tenant of the calling API key.",
		"name":   "Name of a plan.", "user": "Id of a user.", "key": "Id of a key.", "run": "Id of a run.",
		"worker": "Id of a worker.", "subject": "An end user of the tenant, as its runs name it.", "limit": "Rows a page.", "cursor": "`next_cursor` of the page before.",
		"actor":       "Who made the change, as `actor` of the rows says, or one of the two around `via`.",
		"resource_id": "What was changed, as `resource_id` of the rows says.",
		"status":      "Only those in this state.", "plan": "Only tenants on this plan.",
		"q":     "What to look for. Tenants: an id, or a part of the name, the slug or the external id, in any case. Keys: the beginning of the secret, up to 12 characters, or its last 4, or both with `...` between them.",
		"email": "Only users with exactly this address.", "include_revoked": "Revoked and expired keys too.",
		"expiring_within_days": "Only active keys that expire within so many days, the earliest first.",
		"worker_id":            "Id of a worker.", "api_key_id": "Id of an API key.", "tokens": "How many more tokens.",
		"sequence": "Of the row of a signed head, which the chain must contain.", "hash": "Of that row.",
		"order":    "`newest`; `nearest` to a limit first; or `busiest`, who has most runs of the present day, first.",
		"at_least": "Only who has taken so much of a limit, in percent.", "since": "From this minute on.",
		"format": "`csv`, or the form that is the default here; without it `Accept` decides.",
		"period": "The name of the period: the date on which it starts, in the tenant's zone; of one of less than two days the time, in UTC.",
		"meter":  "Name of a meter.", "bucket": "The width of the points.", "timezone": "IANA name; default the tenant's zone and billing months.",
		"group_by": "`worker`, `key` or a dimension that the meter keeps.", "groups": "How many groups to tell apart; the rest is `other`.",
		"start": "Beginning of the range, included.", "end": "End of the range, excluded.",
		idempotencyHeader: "1 to 255 printable characters that name this request: sent again with equal parameters it has no second effect.",
	}
	p.Description = words[p.Name]
	if p.Name == "tenant" {
		p.Example = "acme"
	}
}
