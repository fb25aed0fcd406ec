package httpapi

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/internal/csvrow"
)

type codes = []rentroll.Code

// routes is the whole API. What a line says is what the router does, what the step checks and what /docs shows. The
// permission that a line names is the one that the engine asks for: tests call every route with keys that have only it, and
// all but it.
func (s *server) routes() {
	s.tenantRoutes()
	s.peopleRoutes()
	s.runRoutes()
	s.insightRoutes()
	s.overviewRoutes()
	s.auditRoutes()
	s.upkeepRoutes()

	add(s, route{at: "GET /livez", id: "live", does: "Whether the process answers"}, s.live)
	add(s, route{at: "GET /readyz", id: "ready", does: "Whether the server should get traffic"}, s.ready)
	s.forwardAuthRoute()
}

// tenantRoutes are about tenants and plans.
func (s *server) tenantRoutes() {
	add(s, route{
		at: "POST /v1/tenants", id: "createTenant", does: "Create a tenant", needs: rentroll.PermTenantManage, status: http.StatusCreated,
		body: needsBody, located: true, tagged: true, codes: codes{rentroll.CodeAlreadyExists, rentroll.CodeUnknownPlan},
	}, createTenant)
	add(s, route{at: "GET /v1/tenants", id: "listTenants", does: "List tenants, newest first", needs: rentroll.PermTenantRead, platform: true}, listTenants)
	add(s, route{
		at: "GET /v1/tenants/{tenant}", id: "getTenant", does: "Read a tenant", needs: rentroll.PermTenantRead, tagged: true,
	}, getTenant)
	add(s, route{
		at: "PATCH /v1/tenants/{tenant}", id: "updateTenant", does: "Change a tenant", more: aboutPatch, needs: rentroll.PermTenantManage,
		body: needsBody, patch: true, tagged: true, conditional: true, codes: codes{rentroll.CodeAlreadyExists},
	}, updateTenant)
	add(s, route{
		at: "PUT /v1/tenants/{tenant}/plan", id: "putTenantPlan", does: "Move a tenant to another plan", more: aboutTenantPlan,
		needs: rentroll.PermTenantManage, body: needsBody, tagged: true, conditional: true, codes: codes{rentroll.CodeUnknownPlan},
	}, putTenantPlan)
	add(s, route{
		at: "POST /v1/tenants/{tenant}/suspend", id: "suspendTenant", does: "Suspend a tenant", more: aboutSuspend,
		needs: rentroll.PermTenantManage, body: mayHaveBody, tagged: true,
		conditional: true, codes: codes{rentroll.CodeInvalidTransition},
	}, transition((*rentroll.Engine).Suspend))
	add(s, route{
		at: "POST /v1/tenants/{tenant}/resume", id: "resumeTenant", does: "Make a suspended tenant active again",
		needs: rentroll.PermTenantManage, body: mayHaveBody, tagged: true,
		conditional: true, codes: codes{rentroll.CodeInvalidTransition},
	}, transition((*rentroll.Engine).Resume))
	add(s, route{
		at: "POST /v1/tenants/{tenant}/terminate", id: "terminateTenant", does: "End a tenant for good", more: aboutTerminate,
		needs: rentroll.PermTenantManage, body: mayHaveBody, tagged: true,
		conditional: true, codes: codes{rentroll.CodeInvalidTransition},
	}, transition((*rentroll.Engine).Terminate))
	add(s, route{
		at: "POST /v1/tenants/{tenant}/archive", id: "archiveTenant", does: "Put a terminated tenant away",
		needs: rentroll.PermTenantManage, body: mayHaveBody, tagged: true,
		conditional: true, codes: codes{rentroll.CodeInvalidTransition},
	}, transition((*rentroll.Engine).Archive))

	add(s, route{
		at: "DELETE /v1/tenants/{tenant}", id: "purgeTenant", does: "Remove an archived tenant with all its rows", more: aboutPurge,
		needs: rentroll.PermTenantPurge, conditional: true, status: http.StatusAccepted, codes: codes{rentroll.CodeInvalidTransition},
	}, purgeTenant)

	s.tenantExportRoute()

	add(s, route{at: "GET /v1/plans", id: "listPlans", does: "List all plans, by name", needs: rentroll.PermPlanRead}, listPlans)
	add(s, route{
		at: "PUT /v1/plans/{name}", id: "putPlan", does: "Make a plan, or replace it whole", more: aboutPutPlan,
		needs: rentroll.PermPlanManage, body: needsBody, makes: true, tagged: true, conditional: true,
	}, putPlan)
	add(s, route{
		at: "POST /v1/plans/{name}/simulate", id: "simulatePlan", does: "What a plan would have denied of what a tenant was admitted",
		more: aboutSimulate, needs: rentroll.PermQuotaRead, platform: true, body: needsBody, codes: codes{rentroll.CodeNotFound},
	}, simulatePlan)
	add(s, route{
		at: "DELETE /v1/plans/{name}", id: "deletePlan", does: "Delete a plan that no tenant uses", needs: rentroll.PermPlanManage,
		conditional: true,
		codes:       codes{rentroll.CodeInvalidTransition},
	}, deletePlan)
}

// peopleRoutes are about users, members and API keys.
func (s *server) peopleRoutes() {
	add(s, route{
		at: "POST /v1/users", id: "createUser", does: "Create a user", needs: rentroll.PermUserManage, status: http.StatusCreated,
		body: needsBody, located: true, tagged: true, codes: codes{rentroll.CodeAlreadyExists},
	}, createUser)
	add(s, route{at: "GET /v1/users", id: "listUsers", does: "List users, newest first", needs: rentroll.PermUserRead}, listUsers)
	add(s, route{at: "GET /v1/users/{user}", id: "getUser", does: "Read a user", needs: rentroll.PermUserRead, tagged: true}, getUser)
	add(s, route{
		at: "DELETE /v1/users/{user}", id: "deleteUser", does: "Delete a user with all memberships", needs: rentroll.PermUserManage,
		conditional: true,
		codes:       codes{rentroll.CodeLastOwner},
	}, deleteUser)

	s.operatorKeyRoutes()

	add(s, route{
		at: "POST /v1/tenants/{tenant}/members", id: "createMember", does: "Put a user into a tenant", more: aboutMembers,
		needs: rentroll.PermMemberManage, status: http.StatusCreated, body: needsBody, tagged: true,
		codes: codes{rentroll.CodeAlreadyExists},
	}, createMember)
	add(s, route{
		at: "GET /v1/tenants/{tenant}/members", id: "listMembers", does: "List members, oldest first", needs: rentroll.PermMemberRead,
	}, listMembers)
	add(s, route{
		at: "PATCH /v1/tenants/{tenant}/members/{user}", id: "updateMember", does: "Change a member's role",
		needs: rentroll.PermMemberManage, body: needsBody, patch: true, tagged: true,
		conditional: true, codes: codes{rentroll.CodeLastOwner},
	}, updateMember)
	add(s, route{
		at: "DELETE /v1/tenants/{tenant}/members/{user}", id: "deleteMember", does: "Take a user out of a tenant",
		needs: rentroll.PermMemberManage, conditional: true, codes: codes{rentroll.CodeLastOwner},
	}, deleteMember)

	add(s, route{
		at: "POST /v1/tenants/{tenant}/api-keys", id: "createAPIKey", does: "Make an API key", more: aboutSecrets,
		needs: rentroll.PermKeyManage, status: http.StatusCreated, body: needsBody, located: true, tagged: true,
		codes: codes{rentroll.CodeQuotaExceeded},
	}, createAPIKey)
	add(s, route{
		at: "GET /v1/tenants/{tenant}/api-keys", id: "listAPIKeys", does: "List API keys, newest first, never secrets", more: aboutKeyList,
		needs: rentroll.PermKeyRead,
	}, listAPIKeys)
	add(s, route{
		at: "POST /v1/tenants/{tenant}/api-keys/import", id: "importAPIKeys", does: "Take over keys that customers have already",
		more: aboutImport, needs: rentroll.PermKeyManage, platform: true, body: needsBody,
		codes: codes{rentroll.CodeTenantSuspended, rentroll.CodeTenantTerminated},
	}, importAPIKeys)
	add(s, route{
		at: "GET /v1/api-keys", id: "findAPIKeys", does: "Find API keys of all tenants", more: aboutKeySearch,
		needs: rentroll.PermKeyRead, platform: true,
	}, findAPIKeys)
	add(s, route{
		at: "GET /v1/tenants/{tenant}/api-keys/{key}", id: "getAPIKey", does: "Read an API key, never its secret",
		needs: rentroll.PermKeyRead, tagged: true, moving: true,
	}, getAPIKey)
	add(s, route{
		at: "POST /v1/tenants/{tenant}/api-keys/{key}/revoke", id: "revokeAPIKey", does: "End an API key at once", more: aboutRevoke,
		needs: rentroll.PermKeyManage, body: mayHaveBody, tagged: true, conditional: true,
	}, revokeAPIKey)
	add(s, route{
		at: "POST /v1/tenants/{tenant}/api-keys/{key}/rotate", id: "rotateAPIKey", does: "Replace an API key", more: aboutRotate,
		needs: rentroll.PermKeyManage, body: mayHaveBody, tagged: true, conditional: true,
		codes: codes{rentroll.CodeInvalidTransition, rentroll.CodeQuotaExceeded},
	}, rotateAPIKey)
	add(s, route{
		at: "POST /v1/api-keys/verify", id: "verifyAPIKey", does: "Whether a secret is good, and for what", more: aboutVerify,
		needs: rentroll.PermKeyVerify, body: needsBody,
	}, verifyAPIKey)
}

// operatorKeyRoutes are about who runs the platform.
func (s *server) operatorKeyRoutes() {
	add(s, route{
		at: "POST /v1/operator-keys", id: "createOperatorKey", does: "Make an operator key", more: aboutOperatorKeys,
		needs: rentroll.PermOperatorManage, status: http.StatusCreated, body: needsBody, located: true, tagged: true,
		codes: codes{rentroll.CodeAlreadyExists},
	}, createOperatorKey)
	add(s, route{
		at: "GET /v1/operator-keys", id: "listOperatorKeys", does: "List operator keys, newest first, never secrets",
		needs: rentroll.PermOperatorRead,
	}, listOperatorKeys)
	add(s, route{
		at: "GET /v1/operator-keys/{key}", id: "getOperatorKey", does: "Read an operator key, never its secret",
		needs: rentroll.PermOperatorRead, tagged: true,
	}, getOperatorKey)
	add(s, route{
		at: "POST /v1/operator-keys/{key}/revoke", id: "revokeOperatorKey", does: "End an operator key at once",
		more: aboutRevokeOperator, needs: rentroll.PermOperatorManage, body: mayHaveBody, tagged: true, conditional: true,
		codes: codes{rentroll.CodeInvalidTransition},
	}, revokeOperatorKey)
}

// runRoutes are about runs and what they use.
func (s *server) runRoutes() {
	add(s, route{
		at: "POST /v1/tenants/{tenant}/runs", id: "createRun", does: "Admit a run or several, or deny it", more: aboutAdmission,
		needs: rentroll.PermRunCreate, status: http.StatusCreated, body: needsBody, located: true, tagged: true,
		codes: codes{rentroll.CodeQuotaExceeded, rentroll.CodeWorkerNotAllowed, rentroll.CodeWorkerDisabled},
	}, createRun)
	add(s, route{
		at: "GET /v1/tenants/{tenant}/runs", id: "listRuns", does: "List runs, newest first, without their payloads",
		more: aboutRunList, needs: rentroll.PermRunRead,
	}, listRuns)
	add(s, route{
		at: "GET /v1/tenants/{tenant}/runs/{run}", id: "getRun", does: "Read a run", needs: rentroll.PermRunRead, tagged: true,
	}, getRun)
	add(s, route{
		at: "POST /v1/tenants/{tenant}/runs/{run}/start", id: "startRun", does: "Mark a run as running, and renew its lease",
		needs: rentroll.PermRunUpdate, body: mayHaveBody, tagged: true, conditional: true, codes: codes{rentroll.CodeRunAlreadyEnded},
	}, startRun)
	add(s, route{
		at: "POST /v1/tenants/{tenant}/runs/{run}/heartbeat", id: "heartbeat", does: "Renew a run's lease", more: aboutHeartbeat,
		needs: rentroll.PermRunUpdate, body: mayHaveBody, tagged: true, conditional: true, codes: codes{rentroll.CodeRunAlreadyEnded},
	}, heartbeat)
	add(s, route{
		at: "POST /v1/tenants/{tenant}/runs/{run}/complete", id: "completeRun", does: "End a run with its result", more: aboutComplete,
		needs: rentroll.PermRunUpdate, body: needsBody, tagged: true, conditional: true, codes: codes{rentroll.CodeRunAlreadyEnded},
	}, completeRun)
	add(s, route{
		at: "POST /v1/tenants/{tenant}/runs/{run}/cancel", id: "cancelRun", does: "End an open run without a result",
		needs: rentroll.PermRunUpdate, body: mayHaveBody, replays: true, tagged: true,
		conditional: true, codes: codes{rentroll.CodeRunAlreadyEnded},
	}, cancelRun)
	add(s, route{
		at: "POST /v1/tenants/{tenant}/runs/{run}/reserve", id: "reserveTokens", does: "Hold more tokens for an open run",
		more: aboutReserve, needs: rentroll.PermRunUpdate, body: needsBody, tagged: true, conditional: true,
		codes: codes{rentroll.CodeQuotaExceeded, rentroll.CodeRunAlreadyEnded},
	}, reserveTokens)
	add(s, route{
		at: "POST /v1/tenants/{tenant}/runs/{run}/retry", id: "retryRun", does: "Admit a new run in the place of one that did not succeed",
		more: aboutRetry, needs: rentroll.PermRunUpdate, status: http.StatusCreated, body: mayHaveBody, located: true, tagged: true,
		conditional: true,
		codes: codes{
			rentroll.CodeQuotaExceeded, rentroll.CodeWorkerNotAllowed, rentroll.CodeWorkerDisabled, rentroll.CodeInvalidTransition,
			rentroll.CodeAlreadyExists,
		},
	}, retryRun)

	add(s, route{
		at: "POST /v1/tenants/{tenant}/usage", id: "recordUsage", does: "Record usage", more: aboutUsage,
		needs: rentroll.PermUsageWrite, body: needsBody,
		codes: codes{rentroll.CodeUnitMismatch, rentroll.CodeEventTooOld, rentroll.CodeEventIDConflict},
	}, recordUsage)
	add(s, route{
		at: "POST /v1/tenants/{tenant}/consume", id: "consume", does: "Use something up, within its quotas", more: aboutConsume,
		needs: rentroll.PermUsageWrite, body: needsBody,
		codes: codes{rentroll.CodeQuotaExceeded, rentroll.CodeUnitMismatch, rentroll.CodeEventIDConflict},
	}, consume)
	add(s, route{
		at: "GET /v1/tenants/{tenant}/usage", id: "getUsage", does: "Add up usage per meter", more: aboutSummary,
		needs: rentroll.PermUsageRead,
	}, getUsage)

	s.cloudEventsRoute()
	s.meteringRoutes()

	add(s, route{
		at: "GET /v1/tenants/{tenant}/workers", id: "listWorkers", does: "List the workers of a tenant", needs: rentroll.PermWorkerRead,
	}, listWorkers)
	add(s, route{
		at: "PUT /v1/tenants/{tenant}/workers/{worker}", id: "putWorker", does: "Enable or disable a worker",
		needs: rentroll.PermWorkerManage, body: needsBody, tagged: true, conditional: true, codes: codes{rentroll.CodeQuotaExceeded},
	}, putWorker)
	add(s, route{
		at: "DELETE /v1/tenants/{tenant}/workers/{worker}", id: "deleteWorker", does: "Forget a worker",
		more: "Its next run enables it again, if there is room.", needs: rentroll.PermWorkerManage, conditional: true,
	}, deleteWorker)
}

// meteringRoutes are about what meters are and come to.
func (s *server) meteringRoutes() {
	add(s, route{
		at: "GET /v1/tenants/{tenant}/usage/series", id: "getUsageSeries", does: "Add up a meter over time", more: aboutSeries,
		needs: rentroll.PermUsageRead,
	}, getUsageSeries)
	s.exportRoute()
	add(s, route{
		at: "GET /v1/tenants/{tenant}/meters", id: "listMeters", does: "List a tenant's meters, by name", needs: rentroll.PermUsageRead,
	}, listMeters)
	add(s, route{
		at: "GET /v1/tenants/{tenant}/meters/{meter}", id: "getMeter", does: "Read what a meter is", needs: rentroll.PermUsageRead, tagged: true,
	}, getMeter)
	add(s, route{
		at: "PUT /v1/tenants/{tenant}/meters/{meter}", id: "putMeter", does: "Set what a meter is in one tenant", more: aboutMeters,
		needs: rentroll.PermPlanManage, body: needsBody, tagged: true, conditional: true, codes: codes{rentroll.CodeUnitMismatch},
	}, putMeter)
	add(s, route{
		at: "GET /v1/tenants/{tenant}/statements", id: "listStatements", does: "List the periods that have a statement, newest first",
		more: aboutStatements, needs: rentroll.PermUsageRead,
	}, listStatements)
	add(s, route{
		at: "GET /v1/tenants/{tenant}/statements/{period}", id: "getStatement", does: "Read the statement of a period", more: aboutStatements,
		needs: rentroll.PermUsageRead, tagged: true,
	}, getStatement)
	operationAt(s.api.OpenAPI(), route{at: "GET /v1/tenants/{tenant}/statements/{period}"}).Responses["200"].Content[csvType] = &huma.MediaType{Schema: csvSchema(csvrow.StatementColumns)}
	add(s, route{
		at: "GET /v1/meters", id: "listPlatformMeters", does: "List the meters that are defined for all tenants, by name",
		needs: rentroll.PermPlanRead, platform: true,
	}, listPlatformMeters)
	add(s, route{
		at: "PUT /v1/meters/{meter}", id: "putPlatformMeter", does: "Set what a meter is in all tenants", more: aboutMeters,
		needs: rentroll.PermPlanManage, body: needsBody, tagged: true, conditional: true, codes: codes{rentroll.CodeUnitMismatch},
	}, putPlatformMeter)
}

// insightRoutes answer questions and change nothing.
func (s *server) insightRoutes() {
	add(s, route{
		at: "GET /v1/tenants/{tenant}/quotas", id: "getQuotas", does: "How a tenant stands against its quotas",
		needs: rentroll.PermQuotaRead,
	}, getQuotas)
	add(s, route{
		at: "GET /v1/tenants/{tenant}/subjects", id: "listSubjects", does: "List the subjects that are counted, by their text",
		more: aboutSubjects, needs: rentroll.PermQuotaRead,
	}, listSubjects)
	add(s, route{
		at: "GET /v1/tenants/{tenant}/subjects/{subject}", id: "getSubject", does: "How a subject stands against its limits",
		more: aboutSubjects + aboutSubjectTag, needs: rentroll.PermQuotaRead, tagged: true, moving: true,
	}, getSubject)
	add(s, route{
		at: "PUT /v1/tenants/{tenant}/subjects/{subject}", id: "putSubject", does: "Give a subject limits of its own",
		more: aboutSubjects + aboutSubjectTag, needs: rentroll.PermTenantManage, body: needsBody, tagged: true, conditional: true,
	}, putSubject)
	add(s, route{
		at: "DELETE /v1/tenants/{tenant}/subjects/{subject}", id: "deleteSubject", does: "Take a subject's own limits away",
		more: aboutSubjects, needs: rentroll.PermTenantManage, conditional: true,
	}, deleteSubject)
	add(s, route{
		at: "GET /v1/tenants/{tenant}/quotas/runs", id: "checkRuns", does: "Whether a run would be admitted now",
		more: aboutDecision, needs: rentroll.PermQuotaRead,
	}, checkRuns)
	add(s, route{
		at: "GET /v1/tenants/{tenant}/quotas/tokens", id: "checkTokens", does: "Whether there is room for more tokens this month",
		more: aboutDecision, needs: rentroll.PermQuotaRead,
	}, checkTokens)
	add(s, route{
		at: "GET /v1/tenants/{tenant}/events", id: "listEvents", does: "List what has happened to a tenant, newest first",
		more: aboutEvents, needs: rentroll.PermQuotaRead,
	}, listEvents)
	add(s, route{
		at: "GET /v1/events", id: "listAllEvents", does: "List what has happened to all tenants, newest first",
		more: aboutEvents, needs: rentroll.PermQuotaRead, platform: true,
	}, listAllEvents)
	add(s, route{
		at: "GET /v1/tenants/{tenant}/denials", id: "listDenials", does: "List the last denials, newest first",
		more: "The last hundred are kept; the newest are at most a second behind.", needs: rentroll.PermDenialRead,
	}, listDenials)
	add(s, route{
		at: "GET /v1/denials", id: "listLatestDenials", does: "List the denials that are kept of all tenants, newest first",
		needs: rentroll.PermDenialRead, platform: true,
	}, listLatestDenials)
	add(s, route{
		at: "GET /v1/tenants/{tenant}/plan-preview", id: "previewPlan", does: "How a tenant would stand under another plan",
		more: "What would be above its limits is what moving it there would report. " + aboutDecision, needs: rentroll.PermQuotaRead,
		codes: codes{rentroll.CodeUnknownPlan},
	}, previewPlan)
}

// overviewRoutes are about all tenants at a glance.
func (s *server) overviewRoutes() {
	add(s, route{
		at: "GET /v1/standings", id: "listStandings", does: "List tenants with how they stand against their limits",
		more: aboutStandings, needs: rentroll.PermTenantRead, platform: true,
	}, listStandings)
	add(s, route{
		at: "GET /v1/activity", id: "listActivity", does: "How many runs were admitted and denied by the minute, oldest first",
		more: aboutActivity, needs: rentroll.PermTenantRead, platform: true,
	}, listActivity)
	add(s, route{
		at: "GET /v1/stuck-runs", id: "listStuck", does: "List tenants whose runs do not move", more: aboutStuck,
		needs: rentroll.PermRunRead, platform: true,
	}, listStuck)
}

// auditRoutes show every change, and prove that none was tampered with.
func (s *server) auditRoutes() {
	add(s, route{
		at: "GET /v1/tenants/{tenant}/audit", id: "listAudit", does: "List the changes of a tenant, newest first",
		more:  "A filter by actor or resource looks at two thousand changes a page, so a page may be short, or empty, and still have a next cursor.",
		needs: rentroll.PermAuditRead,
	}, listAudit)
	add(s, route{
		at: "GET /v1/audit", id: "listPlatformAudit", does: "List the platform's own changes, newest first",
		more: "These are the changes that belong to no tenant: plans, users, operator keys.", needs: rentroll.PermAuditRead, platform: true,
	}, listPlatformAudit)
	add(s, route{
		at: "GET /v1/tenants/{tenant}/audit/verify", id: "verifyAudit", does: "Whether a tenant's audit is whole and unaltered",
		more: aboutVerifyAudit, needs: rentroll.PermAuditRead,
	}, verifyAudit)
	add(s, route{
		at: "GET /v1/audit/verify", id: "verifyPlatformAudit", does: "Whether the platform's own audit is whole and unaltered",
		more: aboutVerifyAudit, needs: rentroll.PermAuditRead, platform: true,
	}, verifyPlatformAudit)
	add(s, route{
		at: "GET /v1/tenants/{tenant}/audit/head", id: "getAuditHead", does: "Where a tenant's audit ends now, signed",
		more: aboutAuditHead, needs: rentroll.PermAuditRead,
	}, auditHead)
	add(s, route{
		at: "GET /v1/audit/head", id: "getPlatformAuditHead", does: "Where the platform's own audit ends now, signed",
		more: aboutAuditHead, needs: rentroll.PermAuditRead, platform: true,
	}, platformAuditHead)
	add(s, route{
		at: "GET /v1/tenants/{tenant}/audit/export", id: "exportAudit", does: "Read a tenant's audit, oldest first, to verify it elsewhere",
		more: aboutExportAudit, needs: rentroll.PermAuditRead, codes: codes{rentroll.CodeInvalidTransition},
	}, exportAudit)
	add(s, route{
		at: "GET /v1/audit/export", id: "exportPlatformAudit", does: "Read the platform's own audit, oldest first, to verify it elsewhere",
		more: aboutExportAudit, needs: rentroll.PermAuditRead, platform: true, codes: codes{rentroll.CodeInvalidTransition},
	}, exportPlatformAudit)
	add(s, route{
		at: "POST /v1/tenants/{tenant}/audit/prune", id: "pruneAudit", does: "Take the oldest rows of a tenant's audit away, up to a checkpoint",
		more: aboutPruneAudit, needs: rentroll.PermAuditPrune, body: needsBody, codes: codes{rentroll.CodeInvalidTransition},
	}, pruneAudit)
	add(s, route{
		at: "POST /v1/audit/prune", id: "prunePlatformAudit", does: "Take the oldest rows of the platform's own audit away, up to a checkpoint",
		more: aboutPruneAudit, needs: rentroll.PermAuditPrune, body: needsBody, codes: codes{rentroll.CodeInvalidTransition},
	}, prunePlatformAudit)
}

// upkeepRoutes look after what is stored.
func (s *server) upkeepRoutes() {
	add(s, route{
		at: "POST /v1/reconcile", id: "reconcile", does: "Compare every counter and rollup with the rows it was made from",
		more: aboutReconcile, needs: rentroll.PermTenantManage, platform: true, body: mayHaveBody,
	}, reconcile)
	add(s, route{
		at: "POST /v1/tenants/{tenant}/reconcile", id: "reconcileTenant", does: "Compare a tenant's counters and rollups with their rows",
		more: aboutReconcile, needs: rentroll.PermTenantManage, body: mayHaveBody,
	}, reconcileTenant)
}
