// Package simtest plays histories on the engine and checks what comes of them.
//
//	gen.go      makes up a history: seeded, with a clock that jumps, over midnights, month ends
//	            and changes of daylight saving, and steps back
//	ops_*.go    the operations, each once for the model and once for an engine
//	side.go     one engine on one store, and the names that its ids have in the model
//	snapshot.go what is compared of a whole platform: quotas, sums, lists, audit
//	rows.go     the invariants of the rows: counters equal rows
//	sim.go      plays a history on the model and on any number of stores, and shrinks one that fails
//	fault.go    a store that fails on command, around a real one
//
// The tests of this package play on SQLite; [Simulate] takes any stores.
//
// What fails prints its seed and the shortest history found that fails as well.
// Run a seed again with
//
//	go test ./internal/simtest -run TestSimulation -seed 17 -steps 300 -histories 1
package simtest
