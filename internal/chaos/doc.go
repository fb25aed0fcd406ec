// Package chaos lets a whole platform run while it is being broken: several servers, each a process of its own, on one
// PostgreSQL, callers over HTTP, and a schedule of kills, crashes and cuts. Then it asks whether every promise was kept.
//
//	platform  the cluster and the servers, each behind a proxy of its own
//	trouble   what happens to them: kill -9 of a server, an immediate stop of PostgreSQL, connections that are cut, at
//	          commits too, refused or silent
//	work      the callers: runs from admission to end, usage, keys, moves between plans, suspensions; whatever is not
//	          answered is asked again of another server, under the same idempotency key
//	audit     what is stored against what was answered: every effect once, no limit passed at any time, counters equal to
//	          rows, and nothing held when every run has ended
//	steps     one run's life alone and a load of usage in bulk behind it, on either store: its process is killed at every
//	          moment of every step
//	errands   a purge and a pruning, whose process is killed in each of their transactions
//
// All of it are tests. The everyday one takes some seconds; longer, or once more:
//
//	make chaos CHAOSTIME=30m
//	make chaos SEED=17
//
// A seed fixes what is done in which order, not what the machine makes of it.
package chaos
