package httpapi

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

var timeType = reflect.TypeFor[time.Time]()

// overrides and planLimits are limits in a request, where a bare number is short for an object.
type (
	overrides  quota.Limits
	planLimits quota.Limits
)

// UnmarshalJSON reads limits as strictly as the quota package does.
func (o *overrides) UnmarshalJSON(data []byte) error { return (*quota.Limits)(o).UnmarshalJSON(data) }

// UnmarshalJSON reads limits as strictly as the quota package does.
func (p *planLimits) UnmarshalJSON(data []byte) error { return (*quota.Limits)(p).UnmarshalJSON(data) }

// Schema describes overrides as callers may write them.
func (overrides) Schema(huma.Registry) *huma.Schema { return limitsSchema(true, true) }

// Schema describes limits as callers may write them.
func (planLimits) Schema(huma.Registry) *huma.Schema { return limitsSchema(true, false) }

// Schema describes a payload: any JSON.
func (payload) Schema(huma.Registry) *huma.Schema { return &huma.Schema{} }

// oneOrSeveral is the schema of a body that is a T itself or, under name, a list of 1 to most of them.
func oneOrSeveral[T any](r huma.Registry, name string, most int, description string) *huma.Schema {
	one, least := r.Schema(reflect.TypeFor[T](), true, ""), 1
	several := &huma.Schema{
		Type: huma.TypeObject, Required: []string{name}, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{
			name: {Type: huma.TypeArray, Items: one, MinItems: &least, MaxItems: &most},
		},
	}
	return &huma.Schema{Description: description, OneOf: []*huma.Schema{one, several}}
}

// Schema describes a body that has nothing to say.
func (none) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Description: "Nothing, or an empty object."}
}

// Schema describes when a period ends.
func (resetTime) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Nullable: true}
}

// Schema describes the members of a tenant that a patch may have.
func (tenantPatch) Schema(r huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Properties: map[string]*huma.Schema{}}
	create := r.Schema(reflect.TypeFor[createTenantBody](), false, "")
	for name, property := range create.Properties {
		if member(reflect.TypeFor[rentroll.TenantEdit](), name) == nil {
			continue
		}
		p := *property
		switch name {
		case "external_id", "billing_email":
			p.Nullable = true
		case "metadata":
			p.AdditionalProperties = &huma.Schema{Type: huma.TypeString, Nullable: true}
		case "limit_overrides":
			p = *limitsSchema(true, true)
		}
		p.Default = nil // what is absent stays
		s.Properties[name] = &p
	}
	return s
}

// limitsSchema describes limits by quota: in requests each may be a bare number or null, in answers it is an object.
func limitsSchema(request, override bool) *huma.Schema {
	limit := &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: false, Required: []string{"limit"},
		Properties: map[string]*huma.Schema{
			"limit": {
				Type: huma.TypeInteger, Format: "int64", Nullable: true, Minimum: new(0.0), Maximum: new(float64(quota.MaxLimit)),
				Description: "Zero is none allowed, null unlimited",
			},
			"mode": enum("", quota.Hard, quota.Soft),
		},
	}
	limit.Properties["mode"].Description = "hard, the default, denies; soft admits and flags"
	if override {
		limit.Properties["until"] = &huma.Schema{Type: huma.TypeString, Format: "date-time", Description: "When the override ends; absent never"}
		limit.Properties["reason"] = &huma.Schema{Type: huma.TypeString, MaxLength: new(500)}
	}
	each := limit
	if request {
		short := &huma.Schema{
			Type: huma.TypeInteger, Format: "int64", Nullable: true, Minimum: new(0.0), Maximum: new(float64(quota.MaxLimit)),
			Description: "Short for an object with this limit",
		}
		each = &huma.Schema{OneOf: []*huma.Schema{short, limit}}
	}
	s := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Properties: map[string]*huma.Schema{}}
	for _, d := range quota.Definitions() {
		property := *each
		s.Properties[string(d.Name)] = &property
	}
	onMeters := *each
	s.AdditionalProperties = &onMeters
	s.Description = "By quota. Those on meters are called meter:emails_sent_per_day and meter:emails_sent_per_month, for any meter that adds up; those that hold for every subject subject:runs_per_day, subject:concurrent_runs and subject:tokens_per_month"
	return s
}

// enum describes a word out of a list.
func enum[T ~string](description string, words ...T) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString, Description: description}
	for _, w := range words {
		s.Enum = append(s.Enum, string(w))
	}
	return s
}

// idSchema describes an id by its prefix.
func idSchema(prefix string) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeString, Pattern: "^" + prefix + "_[0-7][0-9a-hjkmnp-tv-z]{25}$",
		Examples: []any{prefix + "_01jd7q3gq5f4tbnk2x8m6zr0ce"},
	}
}

// engineSchema describes a type of the engine of which huma could not see the JSON form.
func engineSchema(t reflect.Type) *huma.Schema {
	switch t {
	case reflect.TypeFor[rentroll.TenantID]():
		return idSchema("ten")
	case reflect.TypeFor[rentroll.UserID]():
		return idSchema("usr")
	case reflect.TypeFor[rentroll.MemberID]():
		return idSchema("mem")
	case reflect.TypeFor[rentroll.KeyID]():
		return idSchema("key")
	case reflect.TypeFor[rentroll.RunID]():
		return idSchema("run")
	case reflect.TypeFor[rentroll.AuditID]():
		return idSchema("aud")
	case reflect.TypeFor[rentroll.OperatorKeyID]():
		return idSchema("opk")
	case reflect.TypeFor[rentroll.AuditHash]():
		return &huma.Schema{Type: huma.TypeString, Nullable: true, Pattern: "^[0-9a-f]{64}$"}
	case reflect.TypeFor[rentroll.AuditSalt]():
		return &huma.Schema{Type: huma.TypeString, Nullable: true, Pattern: "^[0-9a-f]{32}$"}
	case reflect.TypeFor[rentroll.AuditVerdict]():
		return enum("", rentroll.AuditHolds, rentroll.AuditBroken, rentroll.AuditUnfinished)
	case reflect.TypeFor[rentroll.AuditFault]():
		return enum("", rentroll.AuditRemoved, rentroll.AuditAltered, rentroll.AuditReordered, rentroll.AuditInserted,
			rentroll.AuditTruncated, rentroll.AuditHeadMismatch, rentroll.AuditHeadReplaced,
			rentroll.AuditCheckpointForged, rentroll.AuditCheckpointUnknown)
	case reflect.TypeFor[rentroll.PruningState]():
		return enum("", rentroll.PruningVerifies, rentroll.PruningRemoves, rentroll.PruningDone)
	case reflect.TypeFor[rentroll.NullString]():
		return &huma.Schema{Type: huma.TypeString, Nullable: true}
	case reflect.TypeFor[rentroll.TenantStatus]():
		return enum("", rentroll.TenantActive, rentroll.TenantSuspended, rentroll.TenantTerminated, rentroll.TenantArchived)
	case reflect.TypeFor[rentroll.Role]():
		return enum("", rentroll.RoleOwner, rentroll.RoleAdmin, rentroll.RoleMember, rentroll.RoleViewer)
	case reflect.TypeFor[rentroll.KeyStatus]():
		return enum("", rentroll.KeyActive, rentroll.KeyRevoked, rentroll.KeyExpired)
	case reflect.TypeFor[rentroll.RunStatus]():
		return enum("", rentroll.RunQueued, rentroll.RunRunning, rentroll.RunCompleted, rentroll.RunFailed, rentroll.RunCanceled, rentroll.RunCrashed)
	case reflect.TypeFor[rentroll.Aggregation]():
		return enum("", rentroll.AggregateSum, rentroll.AggregateCount, rentroll.AggregateMax)
	case reflect.TypeFor[rentroll.SeriesBucket]():
		return enum("", rentroll.BucketHour, rentroll.BucketDay, rentroll.BucketMonth)
	case reflect.TypeFor[rentroll.SeriesGroupKind]():
		return enum("", rentroll.GroupValue, rentroll.GroupOther, rentroll.GroupNone)
	case reflect.TypeFor[rentroll.UsageStatus]():
		return enum("", rentroll.UsageRecorded, rentroll.UsageDuplicate, rentroll.UsageRejected)
	case reflect.TypeFor[rentroll.ImportStatus]():
		return enum("", rentroll.ImportImported, rentroll.ImportDuplicate, rentroll.ImportRejected)
	case reflect.TypeFor[rentroll.Scope]():
		return enum("", rentroll.ScopeTenant, rentroll.ScopeKey, rentroll.ScopeSubject)
	case reflect.TypeFor[rentroll.Code]():
		s := enum[rentroll.Code]("")
		for _, o := range outcomes {
			s.Enum = append(s.Enum, string(o.code))
		}
		return s
	case reflect.TypeFor[quota.Name]():
		var names []string
		for _, d := range quota.Definitions() {
			names = append(names, string(d.Name))
		}
		return &huma.Schema{
			Type:    huma.TypeString,
			Pattern: "^(" + strings.Join(names, "|") + "|" + quota.SubjectPrefix + "(runs_per_day|concurrent_runs|tokens_per_month)|" + quota.MeterPrefix + "[a-z][a-z0-9_.]{0,99}_per_(day|month))$",
		}
	case reflect.TypeFor[quota.Limits]():
		return limitsSchema(false, true)
	default:
		panic("httpapi: no schema of " + t.String())
	}
}

// described stands for a type of the engine in the registry, which asks it for the schema. The engine must not know of
// huma, so the type can't say it itself.
type described[T any] struct{}

// Schema returns the schema of the type that it stands for.
func (described[T]) Schema(huma.Registry) *huma.Schema { return engineSchema(reflect.TypeFor[T]()) }

func describeAs[T any](r huma.Registry) {
	r.RegisterTypeAlias(reflect.TypeFor[T](), reflect.TypeFor[described[T]]())
}

// newRegistry returns a registry that knows the engine's types.
func newRegistry() huma.Registry {
	r := huma.NewMapRegistry("#/components/schemas/", schemaName)
	describeAs[rentroll.TenantID](r)
	describeAs[rentroll.UserID](r)
	describeAs[rentroll.MemberID](r)
	describeAs[rentroll.KeyID](r)
	describeAs[rentroll.RunID](r)
	describeAs[rentroll.AuditID](r)
	describeAs[rentroll.OperatorKeyID](r)
	describeAs[rentroll.AuditHash](r)
	describeAs[rentroll.AuditSalt](r)
	describeAs[rentroll.AuditVerdict](r)
	describeAs[rentroll.AuditFault](r)
	describeAs[rentroll.PruningState](r)
	describeAs[rentroll.NullString](r)
	describeAs[rentroll.TenantStatus](r)
	describeAs[rentroll.Role](r)
	describeAs[rentroll.KeyStatus](r)
	describeAs[rentroll.RunStatus](r)
	describeAs[rentroll.UsageStatus](r)
	describeAs[rentroll.Aggregation](r)
	describeAs[rentroll.SeriesBucket](r)
	describeAs[rentroll.SeriesGroupKind](r)
	describeAs[rentroll.ImportStatus](r)
	describeAs[rentroll.Scope](r)
	describeAs[rentroll.Code](r)
	describeAs[quota.Name](r)
	describeAs[quota.Limits](r)
	return r
}

// schemaName names schemas as their types are named, and pages of X as XPage.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if item, ok := strings.CutPrefix(name, "List"); ok && strings.HasPrefix(t.Name(), "List[") {
		return item + "Page"
	}
	return name
}

// complete adds to the schemas what their types can't say: which members may be null, what they mean, examples.
func complete(r huma.Registry) {
	schemas := r.Map()
	delete(schemas, "ErrorModel") // huma's own errors, which never leave the server
	delete(schemas, "ErrorDetail")
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		s := schemas[name]
		for field, property := range s.Properties {
			if property.Type == huma.TypeArray {
				property.Nullable = false
			}
			if words, ok := meanings[strings.TrimPrefix(name, "Listed")+"."+field]; ok {
				property.Description = words
			}
		}
		if example, ok := examples[name]; ok {
			s.Examples = []any{example()}
		}
	}
	for _, place := range nullable {
		name, field, _ := strings.Cut(place, ".")
		s := schemas[name]
		property := s.Properties[field]
		if property.Ref != "" {
			property = &huma.Schema{AnyOf: []*huma.Schema{property, {Type: "null"}}}
			s.Properties[field] = property
			continue
		}
		property.Nullable = true
	}
}

// nullable are the members of answers that may be null though neither their type nor a pointer shows it: ids and lists.
var nullable = []string{
	"User.default_tenant_id",
	"APIKey.user_id", "APIKey.allowed_workers", "APIKey.allowed_ips", "APIKey.rotated_to",
	"OperatorKey.permissions",
	"Run.api_key_id", "Run.user_id", "Run.parent_run_id", "Run.retried_by",
	"ListedRun.api_key_id", "ListedRun.user_id", "ListedRun.parent_run_id", "ListedRun.retried_by",
	"AuditRow.tenant_id", "AuditHead.tenant_id", "AuditExport.head", "AuditVerification.tenant_id", "AuditVerification.broken",
	"Purging.head", "AuditExport.checkpoint", "AuditVerification.checkpoint", "AuditCheckpoint.tenant_id", "AuditPruning.tenant_id", "AuditPruning.checkpoint",
	"Denial.api_key_id", "TenantDenial.api_key_id",
	"Plan.thresholds",
	"Difference.tenant_id", "Unchecked.tenant_id",
	"UsageResult.errors",
	"MeterDefinition.tenant_id",
	"ImportResult.api_key_id", "ImportResult.errors",
	"Verification.tenant_id", "Verification.api_key_id", "Verification.permissions", "Verification.allowed_workers",
	"Verification.rate_limit",
}

// meanings says what members of answers mean where their names don't. Those of requests say it in their tags.
//
//nolint:gosec // words about secrets are no secrets
var meanings = map[string]string{
	"Tenant.external_id":          "The organization's id at the identity provider; unique",
	"Tenant.limits":               "The limits in force now, by quota; null is unlimited",
	"Tenant.limit_overrides":      "Limits that beat the plan's",
	"Tenant.timezone":             "IANA name; its days begin at the first instant of the local date",
	"Tenant.billing_anchor_day":   "The day on which its months begin",
	"Tenant.status_reason":        "Why it is suspended or terminated",
	"Standing.nearest":            "The quota of whose limit most is taken; null where nothing is limited",
	"Standing.percent":            "How much of that limit is taken; above 100 where a plan was lowered",
	"Activity.minute":             "Its start",
	"StuckTenant.overdue":         "Open runs that have been over their lease for a minute",
	"StuckTenant.queued":          "Runs that were admitted five minutes ago, and no worker has started",
	"StuckTenant.since":           "Since when the oldest of the queued ones waits",
	"PlanPreview.over_limit":      "What moving the tenant there now would report",
	"Plan.limits":                 "A quota that is absent is unlimited",
	"Plan.retired":                "Keeps its tenants, takes no new ones",
	"UpdatePlanResult.over_limit": "What is above a limit of the new plan; it stays, only new use is denied",
	"User.default_tenant_id":      "Where the user begins",
	"APIKey.key_prefix":           "The first 12 characters of the secret",
	"APIKey.key_suffix":           "The last 4 characters of the secret; null for imported keys, and for keys that were made before it was kept",
	"APIKey.allowed_workers":      "null for all",
	"APIKey.allowed_ips":          "Networks to use it from; null for all",
	"APIKey.expires_at":           "Of a key that was rotated: the end of its overlap at the latest",
	"APIKey.rotated_to":           "The key that replaced it",
	"APIKey.last_used_at":         "At most a second behind",
	"APIKey.total_requests":       "At most a second behind",
	"KeyWithSecret.secret":        "Shown in this one answer and stored nowhere; null where the answer repeats an earlier one",
	"Run.subject":                 "On whose behalf, for limits: what was given, else user_id",
	"SubjectStanding.limits":      "Its own, which beat those for every subject",
	"SubjectStanding.quotas":      "With the limits in force",
	"Run.input":                   "As it came",
	"Run.output":                  "As it came",
	"Run.replay_token":            "As it came",
	"Run.success":                 "null until the end is reported",
	"Run.reserved_tokens":         "Tokens held until the run ends",
	"Run.tokens_so_far":           "What heartbeats reported",
	"Run.cost_micros":             "Millionths of the currency unit",
	"Run.cost_cents":              "cost_micros in hundredths, half a cent rounded up",
	"Run.late":                    "Completed after it had crashed or been canceled",
	"Run.over_soft_limit":         "Admitted above a soft limit",
	"Run.cancel_requested":        "The worker should stop: its tenant was suspended or terminated",
	"Run.lease_expires_at":        "When the run counts as crashed unless it is heard of before",
	"QuotaUse.limit":              "null is unlimited",
	"QuotaUse.remaining":          "null is unlimited; never below zero",
	"QuotaUse.reserved":           "Tokens held by open runs",
	"QuotaUse.period_start":       "null for quotas that have no period",
	"QuotaUse.resets_at":          "null for quotas that have no period",
	"Decision.code":               "Why not; null where it is allowed",
	"Decision.reason":             "The same for people",
	"Verification.code":           "The first reason against the key; null where it is valid",
	"Verification.stale":          "The answer is older than a second, because the database is away",
	"ImportResult.api_key_id":     "null where it was rejected",
	"ImportResult.code":           "Why the key was rejected",
	"ImportResult.errors":         "Which of its fields are wrong",
	"UsageResult.code":            "Why the event was rejected",
	"UsageResult.errors":          "Which of its fields are wrong",
	"Consumption.allowed":         "Always true: a denial is an error",
	"Consumption.over_soft_limit": "It goes beyond a soft limit",
	"Consumption.items":           "recorded or duplicate, in the order in which they were asked for",
	"Consumption.quotas":          "How the quotas on these meters stand afterwards; where the answer repeats an earlier one, now",
	"UsageSummary.total_records":  "Events in the range",
	"MeterTotal.total":            "By the meter's aggregation",
	"MeterTotal.count":            "Events",
	"MeterDefinition.tenant_id":   "null where it is for all tenants",
	"MeterDefinition.unit":        "null until it is set or the first event fixes it",
	"MeterDefinition.price_per":   "For how many units the price is",
	"MeterDefinition.dimensions":  "Members of the events' metadata by which the meter's series can be grouped",
	"MeterDefinition.has_events":  "Unit and aggregation are fixed",
	"StatementPeriod.final":       "It never changes any more",
	"StatementPeriod.final_at":    "From then on, what is recorded late is an adjustment of a later statement",
	"StatementPeriod.period":      "Its name: the date on which it starts, or of a period of less than two days the time, in UTC",
	"Statement.final":             "It never changes any more",
	"Statement.final_at":          "From then on, what is recorded late is an adjustment of a later statement",
	"Statement.period":            "Its name: the date on which it starts, or of a period of less than two days the time, in UTC",
	"Statement.adjustments":       "Of earlier periods, recorded when their statements were final",
	"Statement.cost_micros":       "What the runs reported that ended in the period",
	"Statement.total_micros":      "The sum of all amounts",
	"StatementLine.period":        "To which it belongs",
	"StatementLine.quantity":      "By the meter's aggregation; of an adjusted maximum, by how much it rose",
	"StatementLine.count":         "Events",
	"StatementLine.amount_micros": "0 without a price",
	"SeriesPoint.total":           "By the meter's aggregation",
	"SeriesPoint.count":           "Events",
	"UsageSeries.groups":          "Largest first, then the others, then events that have no value",
	"SeriesGroup.kind":            "other: all further values together; none: events that have no value",
	"SeriesGroup.value":           "null but for kind value",
	"SeriesGroup.totals":          "One for each point",
	"SeriesGroup.counts":          "One for each point",
	"Simulation.recorded_denials": "That really happened, and are not replayed: a lower bound of what was wanted beyond what was admitted",
	"Simulation.complete":         "false: there was too much to look at, and all is about the time until end",
	"Simulation.replayed_from":    "Runs that began before it and were open at start are not seen",
	"Simulation.history_complete": "false: runs or events from before start that still count in it may have been deleted",
	"Simulation.days":             "The tenant's days, without gap",
	"Simulation.sample":           "The first hundred runs that would have been denied",
	"Simulation.runs":             "That were admitted in the range",
	"Simulation.denied":           "Of them",
	"SimulatedQuota.limit":        "At end, overrides included; null is unlimited",
	"SimulatedQuota.soft":         "It denies nothing",
	"SimulatedQuota.needed":       "The least limit that denies nothing of what was admitted",
	"SimulatedDay.tokens":         "Recorded on that day",
	"AuditRow.tenant_id":          "null for the platform's own",
	"AuditRow.sequence":           "1, 2, 3 … within the tenant, without gaps",
	"AuditRow.old":                "What changed, before; null for a creation",
	"AuditRow.new":                "What changed, after; null for a deletion",
	"AuditRow.hash":               "Over all of the row and previous_hash; null in rows from before there was a chain",
	"AuditRow.previous_hash":      "Of the row before; null in the first of the chain",
	"AuditRow.salt":               "Of the personal data in it; null once that is erased",
	"AuditRow.personal_hash":      "Of the personal data that was erased; null while it is there",
	"AuditVerification.verdict":   "unfinished: it holds so far, and next_cursor goes on",
	"AuditVerification.total":     "How many rows the account has written",
	"AuditVerification.erased":    "Rows whose personal data was erased",
	"AuditVerification.hash":      "Of the last row that held",
	"AuditBreak.fault":            "What was done at this place",
	"AuditBreak.detail":           "The same for people",
	"AuditHead.tenant_id":         "null for the platform's own",
	"AuditHead.sequence":          "Of the last row; 0 where there is none",
	"AuditHead.hash":              "Of the last row",
	"AuditHead.key_id":            "Of the key that signed; null where the server has none",
	"AuditHead.signature":         "Ed25519, in base64; null where the server has no key",
	"AuditExport.head":            "Where the chain ended when the last page was read; null before that",

	"AuditVerification.rows":                 "How many rows held, from the first on that was not pruned, those of earlier pages included",
	"AuditVerification.checkpoint":           "Rows up to it were pruned, and the chain goes on from it; null where none were",
	"AuditVerification.checkpoint_signature": "`valid`, `unsigned`, or `unverified`: signed by another key than the server's; null where there is no checkpoint",
	"AuditVerification.head_pruned":          "The row that was asked for by `sequence` and `hash` was pruned: whether it was the right one can't be told any more",
	"AuditExport.checkpoint":                 "Of the first page: rows up to it were pruned; null where none were, and on other pages",
	"AuditCheckpoint.tenant_id":              "null for the platform's own",
	"AuditCheckpoint.sequence":               "Of the last row that was pruned",
	"AuditCheckpoint.hash":                   "Of that row; null where it is not chained",
	"AuditCheckpoint.chained_from":           "The first chained row of those that were pruned; 0 for none",
	"AuditCheckpoint.rows":                   "How many rows the last pruning took",
	"AuditCheckpoint.before":                 "All rows that were pruned are older",
	"AuditCheckpoint.key_id":                 "Of the key that signed; null where the server had none",
	"AuditCheckpoint.signature":              "Ed25519, in base64; null where the server had no key",
	"Purging.slug":                           "That it had",
	"Purging.actor":                          "Who asked for it",
	"Purging.removed":                        "Rows that are gone so far",
	"Purging.ended_at":                       "null while there are more rows",
	"Purging.head":                           "Where its audit ended; signed where the server has a key",
	"AuditPruning.tenant_id":                 "null for the platform's own",
	"AuditPruning.state":                     "verifying: nothing was changed yet. removing: the checkpoint stands, and not all rows before it are gone",
	"AuditPruning.verified":                  "Rows that held so far, while it verifies",
	"AuditPruning.remaining":                 "Rows that were pruned and are not gone yet",
	"AuditPruning.checkpoint":                "Rows up to it were pruned; null where none were",

	"AuditVerification.broken":       "The first place where the chain does not hold; null where it does",
	"AuditVerification.chained_from": "The first chained row; of those before it only the numbers are known. 0 for none",

	"Difference.tenant_id":     "null for what belongs to no tenant",
	"Difference.key":           "Which row of the tenant, where it has several",
	"Difference.stored":        "A number, a time or an id; empty for none",
	"Difference.computed":      "What its rows come to; empty for none",
	"Difference.note":          "Why it can't be mended; null where it can",
	"Unchecked.reason":         "Why it can't be compared any more",
	"Reconciliation.tenants":   "How many tenants this call has finished",
	"Reconciliation.unchecked": "What can't be compared any more: its rows were pruned",

	"Worker.first_used_at": "null until a run of it was admitted",

	"OperatorKey.key_prefix":       "The first 12 characters of the secret",
	"OperatorKey.permissions":      "null for everything",
	"OperatorKeyWithSecret.secret": "Shown in this one answer and stored nowhere; null where the answer repeats an earlier one",
}
