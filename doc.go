// Package rentroll is the tenant engine of a multi-tenant platform: it holds tenants, plans, members and API keys,
// admits every run of work against hard limits, completes it, meters it and audits it.
//
// A program embeds it in five lines:
//
//	store, err := sqlite.Open(ctx, "rentroll.db", nil)
//	engine, err := rentroll.New(store, nil)
//	defer engine.Close()
//	tenant, err := engine.CreateTenant(ctx, rentroll.CreateTenantParams{Name: "Acme", Slug: "acme"})
//	run, err := engine.CreateRun(ctx, rentroll.CreateRunParams{TenantID: tenant.ID, WorkerID: "writer", Task: "…"})
//
// # The nouns
//
// A [Tenant] is an organization: the unit of isolation and of limits. Its [Plan] and its overrides say how much of each
// quota it may use. An [APIKey] lets its programs in, a [Member] its people. A [Run] is one execution of a worker; it is
// admitted by [Engine.CreateRun] and ended by [Engine.CompleteRun]. What is used becomes a [UsageEvent]; every change
// becomes an [AuditRow].
//
// # The picture
//
// Everything hot belongs to one tenant, and a decision about a tenant is a pure function of its [Account], the command,
// and now. Commands of all callers queue in a lane, which decides whatever has queued while its last commit ran, in
// memory, and writes it in one transaction:
//
//	request ─▶ Engine.CreateRun ─▶ lane ─▶ one transaction for the whole batch ─▶ answer
//	                                       1 claim: lock the accounts
//	                                       2 load what the commands name
//	                                       3 decide each command (account.go, ledger.go)
//	                                       4 save everything in bulk, commit, answer
//
// A [Store] keeps the rows and knows no rule; package sqlite is one, and package storetest defines what a store is.
//
// # The promises
//
// No admission, key or worker is granted beyond a hard limit by any interleaving of callers, retries, clocks, period
// boundaries or crashes. What was answered is stored, and what is stored is whole. A denial names the rule and the
// numbers, and consumes nothing. Every operation that creates or counts can be retried with the effect of once.
//
// # Who is calling
//
// The engine that [New] returns acts for the program itself and may do everything. [Engine.Authenticate] finds out who
// presents a secret, and [Engine.As] returns a handle that may do what that caller may: every method checks it.
package rentroll
