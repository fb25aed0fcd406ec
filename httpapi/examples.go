package httpapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// examples are objects as the API shows them, by the names of their schemas. They are real values, so that they can't
// differ from what the server writes.
var examples = map[string]func() json.RawMessage{
	"Tenant": func() json.RawMessage { return example(exampleTenant()) },
	"Plan":   func() json.RawMessage { return example(examplePlan()) },
	"UpdatePlanResult": func() json.RawMessage {
		return example(rentroll.UpdatePlanResult{Tenant: exampleTenant(), OverLimit: []rentroll.OverLimit{{Quota: quota.Workers, Limit: 3, Current: 5}}})
	},
	"User":            func() json.RawMessage { return example(exampleUser()) },
	"Member":          func() json.RawMessage { return example(exampleMember()) },
	"APIKey":          func() json.RawMessage { return example(exampleAPIKey()) },
	"KeyWithSecret":   func() json.RawMessage { return example(keyWithSecret{exampleSecret, exampleAPIKey()}) },
	"ImportReceipt":   func() json.RawMessage { return example(exampleImport()) },
	"Verification":    func() json.RawMessage { return example(exampleVerification()) },
	"Run":             func() json.RawMessage { return example(exampleRun()) },
	"ListedRun":       func() json.RawMessage { return example(listedRun{Run: exampleRun()}) },
	"UsageReceipt":    func() json.RawMessage { return example(exampleReceipt()) },
	"UsageSummary":    func() json.RawMessage { return example(exampleSummary()) },
	"Statement":       func() json.RawMessage { return example(exampleStatement()) },
	"StatementPeriod": func() json.RawMessage { return example(exampleStatement().StatementPeriod) },
	"MeterDefinition": func() json.RawMessage { return example(exampleMeter()) },
	"UsageSeries":     func() json.RawMessage { return example(exampleSeries()) },
	"QuotaUse":        func() json.RawMessage { return example(exampleQuotaUse()) },
	"Decision":        func() json.RawMessage { return example(exampleDecision()) },
	"Event":           func() json.RawMessage { return example(exampleEvent()) },
	"Denial":          func() json.RawMessage { return example(exampleDenial()) },
	"AuditRow":        func() json.RawMessage { return example(exampleAuditRow()) },
	"AuditHead":       func() json.RawMessage { return example(exampleAuditHead()) },
	"AuditVerification": func() json.RawMessage {
		return example(rentroll.AuditVerification{
			TenantID: exampleTenantID, Verdict: rentroll.AuditHolds, Rows: 7, Total: 7, ChainedFrom: 1, Hash: exampleHash,
		})
	},
	"AuditExport": func() json.RawMessage {
		row, head := exampleAuditRow(), exampleAuditHead()
		return example(rentroll.AuditExport{Items: []*rentroll.AuditRow{&row}, Head: &head})
	},
	"Reconciliation": func() json.RawMessage {
		return example(rentroll.Reconciliation{
			Tenants: 214, Unchecked: []rentroll.Unchecked{}, Differences: []rentroll.Difference{{
				TenantID: exampleTenantID, Table: "accounts", Field: "concurrent_runs", Stored: "6", Computed: "5", Mended: true,
			}},
		})
	},
	"Worker": func() json.RawMessage {
		return example(rentroll.Worker{WorkerID: "business-builder", Enabled: true, FirstUsedAt: new(exampleTime)})
	},
	"OperatorKey": func() json.RawMessage { return example(exampleOperatorKey()) },
	"OperatorKeyWithSecret": func() json.RawMessage {
		return example(operatorKeyWithSecret{exampleOperatorSecret, exampleOperatorKey()})
	},
	"Problem": func() json.RawMessage { return example(exampleProblem()) },
	"Health":  func() json.RawMessage { return example(health{"ok", "1.0.0"}) },
}

func example(v any) json.RawMessage {
	body, err := encode(v)
	if err != nil {
		panic(fmt.Errorf("httpapi: an example: %w", err))
	}
	return body
}

const (
	exampleSecret         = "rr_4bVq…"   //nolint:gosec // too short to be one
	exampleOperatorSecret = "rrop_1xQ9…" //nolint:gosec // likewise
)

var (
	exampleTime     = time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
	exampleTomorrow = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

	exampleTenantID = exampleID(rentroll.ParseTenantID, "ten_01kaqt3x4heyr9b1c6x8m6zr0c")
	exampleUserID   = exampleID(rentroll.ParseUserID, "usr_01kaqt41n2f4tbnk2x8m6zr0ce")
	exampleKeyID    = exampleID(rentroll.ParseKeyID, "key_01kaqt45v8fmt8e4h1x9d3w7qa")
	exampleRunID    = exampleID(rentroll.ParseRunID, "run_01kaqt4b0mepta2m8v5k7n3c1d")
)

var exampleOperatorKeyID = exampleID(rentroll.ParseOperatorKeyID, "opk_01kaqt48s3e8ha5q7j2m9w4x6z")

func exampleID[T any](parse func(string) (T, error), text string) T {
	id, err := parse(text)
	if err != nil {
		panic(fmt.Errorf("httpapi: an example: %w", err))
	}
	return id
}

func examplePlan() *rentroll.Plan {
	return &rentroll.Plan{Name: "pro", Limits: quota.Limits{
		quota.Workers: quota.Of(10), quota.RunsPerDay: quota.Of(1000), quota.ConcurrentRuns: quota.Of(20),
		quota.TokensPerMonth: quota.Of(10_000_000), quota.APIKeys: quota.Of(20),
	}}
}

func exampleTenant() *rentroll.Tenant {
	t := &rentroll.Tenant{
		ID: exampleTenantID, Slug: "acme", Name: "Acme Inc.", ExternalID: "org_2aXk", Plan: "pro",
		BillingEmail: "billing@acme.example", Limits: map[quota.Name]*int64{}, Timezone: "Europe/Berlin", BillingAnchorDay: 1,
		LimitOverrides: quota.Limits{quota.RunsPerDay: {Max: 2000, Until: exampleTomorrow, Reason: "launch week"}},
		Status:         rentroll.TenantActive, Metadata: map[string]string{"region": "eu"},
		CreatedAt: exampleTime, UpdatedAt: exampleTime,
	}
	for name, limit := range examplePlan().Limits {
		t.Limits[name] = new(limit.Max)
	}
	t.Limits[quota.RunsPerDay] = new(int64(2000))
	return t
}

func exampleUser() rentroll.User {
	return rentroll.User{
		ID: exampleUserID, ExternalID: "user_2bYm", Email: "ada@acme.example", Name: "Ada Lovelace",
		DefaultTenantID: exampleTenantID, CreatedAt: exampleTime,
	}
}

func exampleMember() rentroll.Member {
	id := exampleID[rentroll.MemberID](rentroll.ParseID, "mem_01kaqt4fb7ejp9t6y2r0s8g5h4")
	return rentroll.Member{ID: id, TenantID: exampleTenantID, UserID: exampleUserID, Role: rentroll.RoleOwner, CreatedAt: exampleTime}
}

func exampleAPIKey() *rentroll.APIKey {
	return &rentroll.APIKey{
		ID: exampleKeyID, TenantID: exampleTenantID, Name: "production", KeyPrefix: "rr_4bVqT0a9L", KeySuffix: "7Zk0", Permissions: []string{"run:*", "read:*"},
		AllowedWorkers: []string{"business-builder"}, RateLimitRPM: new(int64(600)), Status: rentroll.KeyActive,
		LastUsedAt: new(exampleTime), TotalRequests: 42, CreatedAt: exampleTime,
	}
}

func exampleOperatorKey() *rentroll.OperatorKey {
	return &rentroll.OperatorKey{
		ID: exampleOperatorKeyID, Name: "support", KeyPrefix: "rrop_1xQ9aB2", Permissions: []string{"read:*", "tenant:manage"},
		ExpiresAt: new(exampleTomorrow), Status: rentroll.KeyActive, CreatedAt: exampleTime,
	}
}

func exampleImport() rentroll.ImportReceipt {
	return rentroll.ImportReceipt{Items: []rentroll.ImportResult{
		{
			SHA256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Status: rentroll.ImportImported,
			APIKeyID: exampleKeyID,
		},
		{
			SHA256: "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752", Status: rentroll.ImportRejected,
			Code: rentroll.NullString(rentroll.CodeAlreadyExists),
		},
	}}
}

func exampleVerification() rentroll.Verification {
	return rentroll.Verification{
		Valid: true, TenantID: exampleTenantID, TenantStatus: "active", APIKeyID: exampleKeyID, Plan: "pro",
		Permissions: []string{"run:*", "read:*"},
	}
}

func exampleRun() *rentroll.Run {
	return &rentroll.Run{
		ID: exampleRunID, TenantID: exampleTenantID, WorkerID: "business-builder", APIKeyID: exampleKeyID,
		Task: "Write a business plan for a bakery", Input: json.RawMessage(`{"language": "en"}`), Status: rentroll.RunRunning,
		ReservedTokens: 20_000, TokensSoFar: 1200, Attempt: 1, LeaseExpiresAt: exampleTime.Add(15 * time.Minute),
		CreatedAt: exampleTime, StartedAt: new(exampleTime),
	}
}

func exampleReceipt() rentroll.UsageReceipt {
	return rentroll.UsageReceipt{Items: []rentroll.UsageResult{
		{EventID: "2026-11-23/4711", Status: rentroll.UsageRecorded},
		{
			EventID: "2026-11-23/4712", Status: rentroll.UsageRejected, Code: rentroll.NullString(rentroll.CodeUnitMismatch),
			Errors: []rentroll.FieldError{{Field: "unit", Message: `must be "pages" as before`}},
		},
	}}
}

func exampleSummary() rentroll.UsageSummary {
	return rentroll.UsageSummary{
		TenantID: exampleTenantID, TotalRecords: 60,
		Period: rentroll.UsagePeriod{Start: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), End: exampleTime},
		Meters: map[string]rentroll.MeterTotal{
			rentroll.MeterTokensUsed: {Total: 555_000, Unit: "tokens", Count: 30, Aggregation: rentroll.AggregateSum},
			rentroll.MeterWorkerRuns: {Total: 30, Unit: "count", Count: 30, Aggregation: rentroll.AggregateSum},
		},
	}
}

func exampleStatement() rentroll.Statement {
	start := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	line := rentroll.StatementLine{
		Meter: rentroll.MeterTokensUsed, Period: "2026-10-01", DisplayName: "Tokens", Unit: "tokens", Aggregation: rentroll.AggregateSum,
		Quantity: 555_000, Count: 30, PriceMicros: new(int64(3_000_000)), PricePer: 1_000_000, AmountMicros: 1_665_000,
	}
	return rentroll.Statement{
		StatementPeriod: rentroll.StatementPeriod{
			Period: "2026-10-01", Start: start, End: start.AddDate(0, 1, 0), Timezone: "UTC", Final: true, FinalAt: start.AddDate(0, 1, 3),
		},
		TenantID: exampleTenantID, Lines: []rentroll.StatementLine{line}, Adjustments: []rentroll.StatementLine{}, TotalMicros: line.AmountMicros,
	}
}

func exampleMeter() rentroll.MeterDefinition {
	return rentroll.MeterDefinition{
		TenantID: exampleTenantID, Meter: rentroll.MeterTokensUsed, Unit: "tokens", Aggregation: rentroll.AggregateSum, DisplayName: "Tokens",
		PriceMicros: new(int64(3_000_000)), PricePer: 1_000_000, Dimensions: []string{"model"}, HasEvents: true,
	}
}

func exampleSeries() rentroll.UsageSeries {
	first := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	return rentroll.UsageSeries{
		TenantID: exampleTenantID, Meter: rentroll.MeterTokensUsed, Unit: "tokens", Aggregation: rentroll.AggregateSum,
		Period: rentroll.UsagePeriod{Start: first, End: first.AddDate(0, 0, 2)}, Bucket: rentroll.BucketDay, Timezone: "UTC", GroupBy: "model",
		Points: []rentroll.SeriesPoint{
			{Start: first, End: first.AddDate(0, 0, 1), Total: 500, Count: 3}, {Start: first.AddDate(0, 0, 1), End: first.AddDate(0, 0, 2)},
		},
		Groups: []rentroll.SeriesGroup{
			{Kind: rentroll.GroupValue, Value: "large", Total: 400, Count: 2, Totals: []int64{400, 0}, Counts: []int64{2, 0}},
			{Kind: rentroll.GroupNone, Total: 100, Count: 1, Totals: []int64{100, 0}, Counts: []int64{1, 0}},
		},
	}
}

func exampleQuotaUse() rentroll.QuotaUse {
	return rentroll.QuotaUse{
		Quota: quota.RunsPerDay, Limit: new(int64(1000)), Used: 17, Remaining: new(int64(983)),
		PeriodStart: new(exampleTomorrow.AddDate(0, 0, -1)), ResetsAt: new(exampleTomorrow),
	}
}

func exampleDecision() rentroll.Decision {
	return rentroll.Decision{
		Code: rentroll.NullString(rentroll.CodeQuotaExceeded), Quota: rentroll.NullString(quota.RunsPerDay),
		Reason: "the tenant's quota runs_per_day is used up: limit 100, current 100, resets at 2026-11-24T00:00:00Z",
		Limit:  new(int64(100)), Current: new(int64(100)), ResetsAt: new(exampleTomorrow),
	}
}

func exampleEvent() rentroll.Event {
	return rentroll.Event{
		ID: exampleID[rentroll.EventID](rentroll.ParseID, "evt_01kaqt4k9zf3z8s1w6d2x4b7m5"), TenantID: exampleTenantID, Type: rentroll.EventThreshold, At: exampleTime,
		Data: json.RawMessage(`{"quota":"runs_per_day","threshold":80,"limit":1000,"mode":"hard","used":800,"period_start":"2026-11-23T00:00:00Z","resets_at":"2026-11-24T00:00:00Z"}`),
	}
}

func exampleDenial() rentroll.Denial {
	return rentroll.Denial{
		At: exampleTime, Code: rentroll.CodeQuotaExceeded, Quota: rentroll.NullString(quota.ConcurrentRuns),
		Scope: rentroll.NullString(rentroll.ScopeTenant), Limit: new(int64(5)), Current: new(int64(5)),
		WorkerID: "business-builder", APIKeyID: exampleKeyID,
		Reason: "the tenant's quota concurrent_runs is used up: limit 5, current 5",
	}
}

func exampleAuditRow() rentroll.AuditRow {
	return rentroll.AuditRow{
		ID: exampleID[rentroll.AuditID](rentroll.ParseID, "aud_01kaqt4k9zf3z8s1w6d2x4b7m5"), TenantID: exampleTenantID, Sequence: 7, At: exampleTime,
		Actor: "operator", Action: "tenant.plan", ResourceType: "tenant", ResourceID: exampleTenantID.String(),
		Old: json.RawMessage(`{"plan":"free"}`), New: json.RawMessage(`{"plan":"pro"}`),
		RequestID: "7f3c2a", IP: "192.0.2.7", UserAgent: "console/1.0",
		Hash: exampleHash, PreviousHash: rentroll.AuditHash(bytes.Repeat([]byte{0x5d, 0x1f}, 16)), Salt: rentroll.AuditSalt(bytes.Repeat([]byte{0x4e}, 16)),
	}
}

var exampleHash = rentroll.AuditHash(bytes.Repeat([]byte{0xa3, 0x07}, 16))

func exampleAuditHead() rentroll.AuditHead {
	return rentroll.AuditHead{
		TenantID: exampleTenantID, Sequence: 7, Hash: exampleHash, At: exampleTime, KeyID: "9f86d081884c7d659a2feaa0c55ad015",
		Signature: rentroll.NullString(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0x2b, 0x8e}, 32))),
	}
}

func exampleProblem() *problem {
	p := problemOf(&rentroll.QuotaExceededError{
		Quota: quota.RunsPerDay, Scope: rentroll.ScopeTenant, Limit: 100, Current: 100, ResetsAt: new(exampleTomorrow),
		Message: "the tenant's quota runs_per_day is used up: limit 100, current 100, resets at 2026-11-24T00:00:00Z",
	}, exampleTime)
	p.RequestID = "7f3c2a"
	return p
}
