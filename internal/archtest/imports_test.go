package archtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// modulePath is this module; rules write it "~".
const modulePath = "github.com/rentroll/rentroll"

// maxChain is the longest chain of imports inside the module, in packages.
// Whoever follows a request through the code has to keep that many in mind.
const maxChain = 6

// importRule says what the packages that match from must not import.
//
// Patterns are import paths with "~" for this module; "/..." at the end also
// matches everything below. A forbidden package of this module is forbidden
// through others, too; the standard library and other modules only directly,
// since what they import themselves is not ours to say.
type importRule struct {
	from     string
	except   string   // packages that match from and are free of the rule
	forbid   []string // patterns
	external []string // the only other modules allowed; nil: any
	why      string
}

// noModules, as importRule.external, is the standard library only.
var noModules = []string{}

// importRules is the picture of the house as a table: an arrow never points up.
var importRules = []importRule{
	{
		from:     "~/quota/...",
		forbid:   []string{"~", "~/...", "context", "net/...", "os/...", "log/...", "math/rand/..."},
		external: noModules,
		why:      "quota is arithmetic: the same numbers must give the same answer on every machine, so it knows no I/O, no caller and no library",
	},
	{
		from: "~",
		forbid: []string{
			"~/httpapi/...", "~/console/...", "~/client/...", "~/cmd/...",
			"~/sqlite/...", "~/postgres/...", "~/internal/sqlstore/...", "~/storetest/...",
			"database/sql/...", "net/http/...",
		},
		external: []string{"github.com/google/uuid", "github.com/maypok86/otter/v2", "golang.org/x/sync", "golang.org/x/time"},
		why:      "the engine holds the rules and knows neither how a request arrived nor where rows are kept; a program that embeds it pays for each of its libraries",
	},
	{
		from: "~/internal/sqlstore/...",
		forbid: []string{
			"~/sqlite/...", "~/postgres/...", "~/httpapi/...", "~/console/...", "~/client/...", "~/storetest/...",
			"net/http/...", "modernc.org/sqlite/...", "github.com/ncruces/go-sqlite3/...", "github.com/jackc/pgx/...",
		},
		why: "statements are written once for all SQL databases: what belongs to one of them comes in through its dialect",
	},
	{
		from:   "~/sqlite/...",
		forbid: []string{"~/postgres/...", "~/httpapi/...", "~/console/...", "~/client/...", "~/storetest/...", "github.com/jackc/pgx/..."},
		why:    "a store knows its own database and nothing beside or above it",
	},
	{
		from: "~/postgres/...",
		forbid: []string{
			"~/sqlite/...", "~/httpapi/...", "~/console/...", "~/client/...", "~/storetest/...",
			"modernc.org/sqlite/...", "github.com/ncruces/go-sqlite3/...",
		},
		why: "a store knows its own database and nothing beside or above it",
	},
	{
		from:   "~/httpapi/...",
		forbid: []string{"~/sqlite/...", "~/postgres/...", "~/internal/sqlstore/...", "~/console/...", "~/client/...", "~/storetest/...", "database/sql/..."},
		why:    "the API speaks to the engine only: a rule or a statement in a handler would hold for HTTP callers and nobody else",
	},
	{
		from:   "~/console/...",
		forbid: []string{"~/sqlite/...", "~/postgres/...", "~/internal/sqlstore/...", "~/storetest/...", "database/sql/..."},
		why:    "the console sees what the API shows, so that an operator and a program can't be told different things",
	},
	{
		from:   "~/client/...",
		forbid: []string{"~/sqlite/...", "~/postgres/...", "~/internal/sqlstore/...", "~/httpapi/...", "~/console/...", "~/storetest/...", "database/sql/..."},
		why:    "a program that calls the API must not carry the server in it",
	},
	{
		from:   "~/storetest/...",
		forbid: []string{"~/sqlite/...", "~/postgres/...", "~/internal/sqlstore/...", "~/httpapi/...", "~/console/...", "~/client/..."},
		why:    "the suite is the definition of a store: what imports one store defines only that one",
	},
	{
		from:   "~/internal/model/...",
		forbid: []string{"~/internal/sqlstore/...", "~/sqlite/...", "~/postgres/...", "~/httpapi/...", "~/storetest/..."},
		why:    "an oracle that shares code with what it judges agrees with its mistakes",
	},
	{
		from:   "~/cmd/...",
		forbid: []string{"~/storetest/...", "~/internal/model/...", "~/internal/simtest/...", "~/internal/pgtest/...", "testing/..."},
		why:    "tests and their helpers stay out of the binary",
	},
	{
		from:   "~/...",
		except: "~/cmd/...",
		forbid: []string{"~/cmd/..."},
		why:    "programs are the top of the house",
	},
	{
		from:   "~/...",
		except: "~/bench/...",
		forbid: []string{"~/bench/...", "~/internal/archtest/..."},
		why:    "benchmarks and architecture tests look at the code; code does not look at them",
	},
}

// graph maps each package of the module to what it imports.
type graph map[string][]string

func TestImports(t *testing.T) {
	g := moduleGraph(t)
	for _, rule := range importRules {
		for _, broken := range rule.check(g) {
			t.Errorf("%s\n\twhy not: %s", broken, rule.why)
		}
	}
}

func TestImportChain(t *testing.T) {
	if chain := longestChain(moduleGraph(t)); len(chain) > maxChain {
		t.Errorf("a chain of imports is %d packages long, at most %d are allowed:\n\t%s\n\twhy not: each link is one more package to have read before a request can be followed",
			len(chain), maxChain, strings.Join(chain, "\n\t→ "))
	}
}

// TestNoCgo: one static binary, cross-compiled with nothing but Go, is a
// promise to operators. A cgo dependency would break it silently on whatever
// machine happens to have a C compiler.
func TestNoCgo(t *testing.T) {
	for _, p := range goList(t, []string{"CGO_ENABLED=0"}, "-deps", "./...") {
		if needsCgo(p) {
			t.Errorf("%s can't be built without cgo: %s", p.ImportPath, p.Error.Err)
		}
	}
}

// needsCgo reports whether p, listed with cgo off, has no file left to build.
func needsCgo(p pkg) bool {
	return p.Error != nil && strings.Contains(p.Error.Err, "build constraints exclude all Go files")
}

// moduleGraph is the module's graph as the go command sees it.
func moduleGraph(t *testing.T) graph {
	t.Helper()
	g := graph{}
	for _, p := range goList(t, nil, "./...") {
		g[p.ImportPath] = p.Imports
	}
	if len(g) == 0 {
		t.Fatal("go list names no package: the rules would pass on nothing")
	}
	return g
}

// check returns every breach of the rule in g, one line each.
func (r importRule) check(g graph) []string {
	var breaches []string
	for _, from := range slices.Sorted(maps.Keys(g)) {
		if !matches(r.from, from) || r.except != "" && matches(r.except, from) {
			continue
		}
		for _, chain := range g.reachable(from) {
			last := chain[len(chain)-1]
			if r.forbids(last) {
				breaches = append(breaches, strings.Join(chain, " → "))
			}
		}
		for _, imported := range g[from] {
			if isOwn(imported) {
				continue
			}
			if r.forbids(imported) || !r.allowsExternal(imported) {
				breaches = append(breaches, from+" → "+imported)
			}
		}
	}
	return breaches
}

// forbids reports whether the rule's packages must not import path. They may
// import each other: quota can be split without breaking its own rule.
func (r importRule) forbids(path string) bool {
	if r.from != "~/..." && matches(r.from, path) {
		return false
	}
	return slices.ContainsFunc(r.forbid, func(pattern string) bool { return matches(pattern, path) })
}

// allowsExternal reports whether path, not of this module, may be imported.
func (r importRule) allowsExternal(path string) bool {
	return r.external == nil || isStandard(path) ||
		slices.ContainsFunc(r.external, func(module string) bool { return matches(module+"/...", path) })
}

// reachable is, for each package of the module that from imports, directly or
// not, the shortest chain from it there, in order of the chains' length.
func (g graph) reachable(from string) [][]string {
	var chains [][]string
	seen := map[string]bool{from: true}
	for queue := [][]string{{from}}; len(queue) > 0; queue = queue[1:] {
		chain := queue[0]
		for _, next := range g[chain[len(chain)-1]] {
			if !isOwn(next) || seen[next] {
				continue
			}
			seen[next] = true
			longer := append(slices.Clone(chain), next)
			chains = append(chains, longer)
			queue = append(queue, longer)
		}
	}
	return chains
}

// longestChain is a longest chain of imports inside the module.
func longestChain(g graph) []string {
	known := map[string][]string{}
	var from func(string) []string
	from = func(p string) []string {
		if chain, ok := known[p]; ok {
			return chain
		}
		known[p] = []string{p} // also ends a cycle, which the compiler reports
		var rest []string
		for _, next := range g[p] {
			if !isOwn(next) {
				continue
			}
			if c := from(next); len(c) > len(rest) {
				rest = c
			}
		}
		known[p] = append([]string{p}, rest...)
		return known[p]
	}
	var longest []string
	for _, p := range slices.Sorted(maps.Keys(g)) {
		if c := from(p); len(c) > len(longest) {
			longest = c
		}
	}
	return longest
}

// matches reports whether the import path fits the pattern of a rule.
func matches(pattern, path string) bool {
	if rest, ok := strings.CutPrefix(pattern, "~"); ok {
		pattern = modulePath + rest
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == base || strings.HasPrefix(path, base+"/")
	}
	return path == pattern
}

// isOwn reports whether path is a package of this module.
func isOwn(path string) bool { return matches("~/...", path) }

// isStandard reports whether path is of the standard library: only other
// modules have a dot in the first part of their path.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// TestImportRulesCanFail gives every rule each thing that it forbids, once
// directly and, inside the module, once through a package in between.
func TestImportRulesCanFail(t *testing.T) {
	for i, rule := range importRules {
		from := concrete(rule.from)
		for _, pattern := range rule.forbid {
			target := concrete(pattern)
			graphs := []graph{{from: {target}}}
			if isOwn(target) {
				graphs = append(graphs, graph{from: {modulePath + "/between"}, modulePath + "/between": {target}})
			}
			for _, g := range graphs {
				if len(rule.check(g)) == 0 {
					t.Errorf("rule %d does not see %v", i, g)
				}
			}
		}
		if rule.external != nil {
			if got := rule.check(graph{from: {"example.com/some/module"}}); len(got) != 1 {
				t.Errorf("rule %d does not see a module that it does not allow: %v", i, got)
			}
		}
		if got := rule.check(graph{from: {"errors", "strings"}}); len(got) != 0 {
			t.Errorf("rule %d forbids the harmless: %v", i, got)
		}
		if rule.why == "" {
			t.Errorf("rule %d has no reason", i)
		}
	}
}

// concrete is a package that the pattern matches.
func concrete(pattern string) string {
	switch pattern {
	case "~/...":
		return modulePath + "/somewhere"
	default:
		return strings.TrimSuffix(strings.Replace(pattern, "~", modulePath, 1), "/...")
	}
}

func TestLongestChain(t *testing.T) {
	g := graph{}
	for i := range maxChain {
		g[fmt.Sprintf("%s/p%d", modulePath, i)] = []string{"fmt", fmt.Sprintf("%s/p%d", modulePath, i+1)}
	}
	g[fmt.Sprintf("%s/p%d", modulePath, maxChain)] = nil
	if got := len(longestChain(g)); got != maxChain+1 {
		t.Errorf("longest chain of %d packages, want %d", got, maxChain+1)
	}
}

func TestNeedsCgo(t *testing.T) {
	excluded := &struct{ Err string }{"build constraints exclude all Go files in /x"}
	other := &struct{ Err string }{"no required module provides package x"}
	for _, c := range []struct {
		p    pkg
		want bool
	}{{pkg{Error: excluded}, true}, {pkg{Error: other}, false}, {pkg{}, false}} {
		if got := needsCgo(c.p); got != c.want {
			t.Errorf("needsCgo(%+v) = %t, want %t", c.p, got, c.want)
		}
	}
}
