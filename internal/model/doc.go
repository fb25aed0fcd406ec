// Package model is the engine as maps and ifs: the oracle that simulations
// compare the real one with.
//
// It is written from the rules (docs: "Rules of the domain"), not from the
// engine: one goroutine, no store, no lanes, and no counter anywhere. What the
// engine counts, the model counts again from history each time it is asked: the
// runs created in a period, the events whose time is in a month, the keys that are
// active now. It is slow and short, so that it can be read against the rules.
//
// It shares package quota with the engine, for the boundaries of days and months,
// which have tests of their own; which period a tenant is in, it keeps itself.
//
//	World     everything: plans, users, tenants; its methods are the operations
//	Ref       names a thing; whoever calls gives new things their names
//	Refusal   why an operation did not happen
//	…View     what callers are shown of a thing
//
// Things are named by the caller so that a history of operations stays the same
// history when operations are taken out of it: a Ref that nobody made names
// nothing, which is a case as good as any other.
package model
