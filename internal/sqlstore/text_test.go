package sqlstore

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplitStatements(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                                    nil,
		" \n\n":                               nil,
		";\n":                                 nil,
		"A":                                   {"A"},
		"A;\n":                                {"A"},
		"A;\nB;\n":                            {"A", "B"},
		"A;\nB":                               {"A", "B"},
		"-- why\nA (\n  x, -- a; b\n y\n);\n": {"-- why\nA (\n  x, -- a; b\n y\n)"},
		"A;\n\n-- then\n\nB;\n\n":             {"A", "-- then\n\nB"},
		"A ';' B;\n":                          {"A ';' B"},
	} {
		if diff := cmp.Diff(want, splitStatements(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestContaining(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"": "", "a": "%a%", "a b": "%a b%", "%": "%!%%", "_": "%!_%", "!": "%!!%", `\`: `%\%`, "100%_!": "%100!%!_!!%",
		"!%": "%!!!%%", "ü😀": "%ü😀%",
	} {
		if got := containing(s); got != want {
			t.Errorf("containing(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestColumns(t *testing.T) {
	t.Parallel()
	got := columns(" id:id name:text\n\tamount hash:bytes ")
	want := []Column{{"id", ID}, {"name", Text}, {"amount", Int}, {"hash", Bytes}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	defer func() {
		if recover() == nil {
			t.Error("an unknown kind of column was taken")
		}
	}()
	columns("id:uuid")
}

// TestStatementsAreAll: whoever adds a statement adds it to Statements, or its plan would not be looked at.
func TestStatementsAreAll(t *testing.T) {
	t.Parallel()
	listed := Statements()
	var want []string
	for name, made := range declared(t) {
		if made != "prepare" {
			want = append(want, name)
			continue
		}
		for _, action := range []string{"insert", "update", "remove", "find"} {
			if listed[name+"."+action] != nil || name != "periods" && action != "update" {
				want = append(want, name+"."+action)
			}
		}
	}
	want = append(want, slices.Collect(maps.Keys(purgeStatements()))...) // made of a list of tables
	want = slices.DeleteFunc(want, func(name string) bool { return strings.HasSuffix(name, ".purge") && listed[name] == nil })
	slices.Sort(want)
	if len(want) < 50 {
		t.Errorf("only %d statements were found in the source", len(want))
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(listed))); diff != "" {
		t.Errorf("Statements is not what the source declares (-source +Statements):\n%s", diff)
	}
}

// declared finds the package's variables that hold statements, with the name of what makes them: a literal, or a
// function or method whose result is a statement or a table.
func declared(t *testing.T) map[string]string {
	t.Helper()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var decls []ast.Decl
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		decls = append(decls, file.Decls...)
	}
	makers := map[string]bool{"prepare": true}
	for _, decl := range decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Type.Results != nil && len(fn.Type.Results.List) == 1 {
			star, ok := fn.Type.Results.List[0].Type.(*ast.StarExpr)
			makers[fn.Name.Name] = makers[fn.Name.Name] || ok && isNamed(star.X, "Stmt")
		}
	}
	out := make(map[string]string)
	for _, decl := range decls {
		if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.VAR {
			for _, spec := range g.Specs {
				addDeclared(spec, makers, out)
			}
		}
	}
	return out
}

func addDeclared(spec ast.Spec, makers map[string]bool, out map[string]string) {
	v, ok := spec.(*ast.ValueSpec)
	if !ok {
		return
	}
	for i, value := range v.Values {
		switch value := value.(type) {
		case *ast.UnaryExpr: // &Stmt{…}
			if lit, ok := value.X.(*ast.CompositeLit); ok && isNamed(lit.Type, "Stmt") {
				out[v.Names[i].Name] = "Stmt"
			}
		case *ast.CallExpr:
			name := ""
			switch fun := value.Fun.(type) {
			case *ast.Ident:
				name = fun.Name
			case *ast.SelectorExpr:
				name = fun.Sel.Name
			}
			if makers[name] {
				out[v.Names[i].Name] = name
			}
		}
	}
}

func isNamed(x ast.Expr, name string) bool {
	id, ok := x.(*ast.Ident)
	return ok && id.Name == name
}

// TestPlaceholders: every statement numbers its arguments from 1 without a gap, and one with a Bulk has as many as that
// says.
func TestPlaceholders(t *testing.T) {
	t.Parallel()
	for name, stmt := range Statements() {
		highest := 0
		for n := 1; strings.Contains(stmt.SQL, placeholder(n-1, Column{})); n++ {
			highest = n
		}
		if dollars := strings.Count(stmt.SQL, "$"); dollars < highest || strings.Contains(stmt.SQL, placeholder(highest+1, Column{})) {
			t.Errorf("%s has a gap in its placeholders: %s", name, stmt.SQL)
		}
		if stmt.Bulk == nil {
			continue
		}
		want := len(stmt.Bulk.Columns)
		if stmt.Bulk.Op == OpSelect || stmt.Bulk.Op == OpFirst || stmt.Bulk.Op == OpDelete {
			want = stmt.Bulk.Keys
		}
		if highest != want {
			t.Errorf("%s has %d arguments, its description %d: %s", name, highest, want, stmt.SQL)
		}
	}
}
