// Package archtest holds the tests of the shape of this module: which package
// may import which, where the clock is read, how long a function may be.
//
// A rule that only a document states is broken within a month, and nobody
// notices the day it happens. Here each rule is a test, with its reason in
// the failure, so that a change of the shape is a decision somebody takes and
// not an accident somebody finds.
//
//	tree_test.go      reads the module: its files, parsed, and its packages
//	imports_test.go   the arrows of imports, and the reasons they point down
//	source_test.go    rules that one file can break
//	docs_test.go      the rules about comments
//	selftest_test.go  proof that every rule can fail
//
// The rules need no dependency: they read syntax with go/parser and the graph
// of packages with go list. Where a rule needs types (an error formatted
// without %w, an unchecked result), the linters do it: see .golangci.yml.
//
// To change a rule, change its table and say why in the table. There are no
// exemption comments.
package archtest
