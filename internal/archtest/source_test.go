package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	maxFileLines = 600
	maxFuncLines = 90
)

// finding is one breach of a rule in a file.
type finding struct {
	line int
	what string
}

// checker is a rule that one file alone can keep or break.
type checker struct {
	name  string
	why   string
	check func(*file) []finding
}

var checkers = []checker{
	{
		"Clock",
		"time comes in through Options.Now: a clock read anywhere else can't be set by a test, nor kept from stepping back",
		checkClock,
	},
	{
		"GlobalRand",
		"the global generator can't be seeded: a run that failed could not be run again",
		checkGlobalRand,
	},
	{
		"Init",
		"an init function runs in every program that imports the package, in an order nobody reads, and can't fail",
		checkInit,
	},
	{
		"Skip",
		"a skipped test looks like one that passed: a suite that needs something must fail without it",
		checkSkip,
	},
	{
		"Sleep",
		"a sleep is too short on a slow machine and wasted on a fast one: wait for the event, or advance the clock of a synctest bubble",
		checkSleep,
	},
	{
		"ErrorVerb",
		"an error that is formatted and not wrapped with %w is lost to errors.Is and errors.As",
		checkErrorVerb,
	},
	{
		"Length",
		"what does not fit on a screen or two is not read but trusted",
		checkLength,
	},
	{
		"Leftover",
		"a note to do something later is for the issue tracker, where somebody sees it",
		checkLeftover,
	},
	{
		"Cgo",
		"the program is one static binary that any machine with Go can build",
		checkCgo,
	},
	{
		"ExportedDoc",
		"what is exported is a promise, and a promise has to be written down",
		checkExportedDoc,
	},
	{
		"SecretCompare",
		"== ends at the first byte that differs, and its time tells how far a guess was right: use subtle.ConstantTimeCompare of hashes",
		checkSecretCompare,
	},
	{
		"OptionDoc",
		"every field of an options struct says its default and why",
		checkOptionDoc,
	},
}

func TestSource(t *testing.T) {
	files := moduleFiles(t)
	for _, c := range checkers {
		t.Run(c.name, func(t *testing.T) {
			for _, f := range files {
				for _, found := range c.check(f) {
					t.Errorf("%s:%d: %s\n\twhy not: %s", f.path, found.line, found.what, c.why)
				}
			}
		})
	}
}

// checkClock finds readings of the clock outside of clock.go. Programs and
// tests may read it: they measure.
func checkClock(f *file) []finding {
	if f.path == "clock.go" || f.isTest() || f.isProgram() {
		return nil
	}
	var found []finding
	for _, sel := range f.uses("time") {
		switch sel.Sel.Name {
		case "Now", "Since", "Until":
			found = append(found, finding{f.line(sel.Pos()), "time." + sel.Sel.Name + " outside of clock.go"})
		}
	}
	return found
}

// checkGlobalRand finds uses of the shared generators of math/rand. Types and
// constructors are fine.
func checkGlobalRand(f *file) []finding {
	if f.isProgram() {
		return nil
	}
	own := []string{"Rand", "Source", "Source64", "Zipf", "PCG", "ChaCha8", "New", "NewSource", "NewZipf", "NewPCG", "NewChaCha8"}
	var found []finding
	for _, importPath := range []string{"math/rand", "math/rand/v2"} {
		for _, sel := range f.uses(importPath) {
			if !slices.Contains(own, sel.Sel.Name) {
				found = append(found, finding{f.line(sel.Pos()), "the global generator of " + importPath + ": make one from a seed"})
			}
		}
	}
	return found
}

func checkInit(f *file) []finding {
	var found []finding
	for _, decl := range f.ast.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			found = append(found, finding{f.line(fn.Pos()), "func init"})
		}
	}
	return found
}

// checkSkip finds skips in every file: suites in packages that are no tests
// themselves must not skip either.
func checkSkip(f *file) []finding {
	testing := f.importedAs("testing")
	if testing == "" {
		return nil
	}
	var found []finding
	var visit func(n ast.Node, testers map[string]bool)
	visit = func(n ast.Node, testers map[string]bool) {
		ast.Inspect(n, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Body != nil {
					visit(n.Body, withTesters(testers, n.Type, testing))
				}
				return false
			case *ast.FuncLit:
				visit(n.Body, withTesters(testers, n.Type, testing))
				return false
			case *ast.CallExpr:
				// What is given to f.Fuzz skips inputs, not itself.
				sel, ok := n.Fun.(*ast.SelectorExpr)
				return !ok || sel.Sel.Name != "Fuzz"
			case *ast.SelectorExpr:
				id, ok := n.X.(*ast.Ident)
				if ok && testers[id.Name] && strings.HasPrefix(n.Sel.Name, "Skip") && n.Sel.Name != "Skipped" {
					found = append(found, finding{f.line(n.Pos()), id.Name + "." + n.Sel.Name})
				}
			}
			return true
		})
	}
	visit(f.ast, nil)
	return found
}

// withTesters is outer, the names in sight that are a *testing.T or its like,
// with what the parameters of a function add and hide: a property test's t may
// skip a sample that does not fit.
func withTesters(outer map[string]bool, fn *ast.FuncType, testing string) map[string]bool {
	inner := map[string]bool{}
	maps.Copy(inner, outer)
	for _, param := range fn.Params.List {
		typ := param.Type
		if star, ok := typ.(*ast.StarExpr); ok {
			typ = star.X
		}
		sel, ok := typ.(*ast.SelectorExpr)
		for _, id := range param.Names {
			inner[id.Name] = ok && isIdent(sel.X, testing)
		}
	}
	return inner
}

// checkSleep finds time.Sleep anywhere but in programs and in functions given
// to synctest, where it takes no time.
func checkSleep(f *file) []finding {
	if f.isProgram() {
		return nil
	}
	type span struct{ from, to token.Pos }
	var bubbles []span
	for _, sel := range f.uses("testing/synctest") {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && call.Fun == sel {
				bubbles = append(bubbles, span{call.Lparen, call.Rparen})
			}
			return true
		})
	}
	var found []finding
	for _, sel := range f.uses("time") {
		inBubble := slices.ContainsFunc(bubbles, func(b span) bool { return b.from < sel.Pos() && sel.Pos() < b.to })
		if sel.Sel.Name == "Sleep" && !inBubble {
			found = append(found, finding{f.line(sel.Pos()), "time.Sleep"})
		}
	}
	return found
}

// formatVerb is a verb of a format with its flags, width and precision; an
// asterisk takes an argument of its own.
var formatVerb = regexp.MustCompile(`%[-+# 0]*(\*|\d+)?(\.(\*|\d+)?)?([a-zA-Z%])`)

// checkErrorVerb finds fmt.Errorf that formats a variable named like an error
// (err, closeErr, errCommit) with anything but %w. The linters see the rest.
func checkErrorVerb(f *file) []finding {
	errorfs := map[ast.Expr]bool{}
	for _, sel := range f.uses("fmt") {
		if sel.Sel.Name == "Errorf" {
			errorfs[sel] = true
		}
	}
	var found []finding
	ast.Inspect(f.ast, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || !errorfs[call.Fun] || len(call.Args) == 0 {
			return true
		}
		lit, ok := call.Args[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		format, err := strconv.Unquote(lit.Value)
		if err != nil {
			return true
		}
		for i, verb := range verbs(format) {
			if i+1 < len(call.Args) && verb != 'w' && isErrorName(call.Args[i+1]) {
				found = append(found, finding{f.line(call.Args[i+1].Pos()), fmt.Sprintf("an error formatted with %%%c", verb)})
			}
		}
		return true
	})
	return found
}

// verbs are the verbs of a format, one for each argument that it takes.
func verbs(format string) []byte {
	var verbs []byte
	for _, m := range formatVerb.FindAllStringSubmatch(format, -1) {
		for range strings.Count(m[0], "*") {
			verbs = append(verbs, '*')
		}
		if m[4] != "%" {
			verbs = append(verbs, m[4][0])
		}
	}
	return verbs
}

func isErrorName(x ast.Expr) bool {
	id, ok := x.(*ast.Ident)
	return ok && (id.Name == "err" || strings.HasSuffix(id.Name, "Err") ||
		len(id.Name) > 3 && strings.HasPrefix(id.Name, "err") && ast.IsExported(id.Name[3:]))
}

func checkLength(f *file) []finding {
	if ast.IsGenerated(f.ast) {
		return nil
	}
	var found []finding
	if lines := strings.Count(string(f.src), "\n"); lines > maxFileLines {
		found = append(found, finding{1, fmt.Sprintf("a file of %d lines, at most %d", lines, maxFileLines)})
	}
	for _, decl := range f.ast.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if lines := f.line(fn.End()) - f.line(fn.Pos()) + 1; lines > maxFuncLines {
			found = append(found, finding{f.line(fn.Pos()), fmt.Sprintf("func %s of %d lines, at most %d", fn.Name.Name, lines, maxFuncLines)})
		}
	}
	return found
}

// leftover is split so that a search for the words does not end here.
var leftover = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)

func checkLeftover(f *file) []finding {
	var found []finding
	for _, group := range f.ast.Comments {
		for _, comment := range group.List {
			for i, line := range strings.Split(comment.Text, "\n") {
				if word := leftover.FindString(line); word != "" {
					found = append(found, finding{f.line(comment.Pos()) + i, word})
				}
			}
		}
	}
	return found
}

func checkCgo(f *file) []finding {
	var found []finding
	for _, spec := range f.ast.Imports {
		if spec.Path.Value == `"C"` {
			found = append(found, finding{f.line(spec.Pos()), `import "C"`})
		}
	}
	return found
}
