package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// TestPackageComments: each package says in one place what it is for.
func TestPackageComments(t *testing.T) {
	for _, dir := range withoutComment(moduleFiles(t)) {
		t.Errorf("%s has no package comment\n\twhy not: whoever opens a package reads first what it is for; put it in doc.go", dir)
	}
}

// withoutComment are the folders with no package comment. The comment of a
// test file counts only where there are no others.
func withoutComment(files []*file) []string {
	commented := map[string]bool{}
	hasCode := map[string]bool{}
	for _, f := range files {
		dir := path.Dir(f.path)
		hasCode[dir] = hasCode[dir] || !f.isTest()
	}
	for _, f := range files {
		dir := path.Dir(f.path)
		documents := f.ast.Doc != nil && (!f.isTest() || !hasCode[dir])
		commented[dir] = commented[dir] || documents
	}
	maps.DeleteFunc(commented, func(_ string, ok bool) bool { return ok })
	return slices.Sorted(maps.Keys(commented))
}

// selfEvident are methods whose meaning is their interface's.
var selfEvident = []string{
	"Error", "Unwrap", "Is", "As", "String", "Read", "Write", "ServeHTTP", "Len", "Less", "Swap", "LogValue",
	"MarshalJSON", "UnmarshalJSON", "MarshalText", "UnmarshalText",
}

// checkExportedDoc finds exported declarations without a comment: functions,
// types, variables and constants (a group may share one), and methods of
// exported types. The methods of an interface may be covered by its comment.
func checkExportedDoc(f *file) []finding {
	if f.isTest() || f.ast.Name.Name == "main" || ast.IsGenerated(f.ast) {
		return nil
	}
	var found []finding
	for _, decl := range f.ast.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Doc == nil && decl.Name.IsExported() && documentsItself(decl) {
				found = append(found, finding{f.line(decl.Pos()), "no comment on func " + decl.Name.Name})
			}
		case *ast.GenDecl:
			if decl.Tok != token.IMPORT {
				found = append(found, undocumented(f, decl)...)
			}
		}
	}
	return found
}

// documentsItself reports whether an exported function needs a comment of its
// own: methods of unexported types and those of [selfEvident] do not.
func documentsItself(fn *ast.FuncDecl) bool {
	if fn.Recv == nil {
		return true
	}
	return ast.IsExported(receiverType(fn)) && !slices.Contains(selfEvident, fn.Name.Name)
}

// receiverType is the name of the type that fn is a method of.
func receiverType(fn *ast.FuncDecl) string {
	x := fn.Recv.List[0].Type
	for {
		switch t := x.(type) {
		case *ast.StarExpr:
			x = t.X
		case *ast.IndexExpr:
			x = t.X
		case *ast.IndexListExpr:
			x = t.X
		case *ast.Ident:
			return t.Name
		default:
			return ""
		}
	}
}

func undocumented(f *file, decl *ast.GenDecl) []finding {
	var found []finding
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if !spec.Name.IsExported() {
				continue
			}
			if decl.Doc == nil && spec.Doc == nil && spec.Comment == nil {
				found = append(found, finding{f.line(spec.Pos()), "no comment on type " + spec.Name.Name})
			}
		case *ast.ValueSpec:
			if decl.Doc != nil || spec.Doc != nil || spec.Comment != nil {
				continue
			}
			for _, name := range spec.Names {
				if name.IsExported() {
					found = append(found, finding{f.line(name.Pos()), fmt.Sprintf("no comment on %s %s", decl.Tok, name.Name)})
				}
			}
		}
	}
	return found
}

// checkOptionDoc finds uncommented fields of exported structs named …Options.
func checkOptionDoc(f *file) []finding {
	if f.isTest() || ast.IsGenerated(f.ast) {
		return nil
	}
	var found []finding
	ast.Inspect(f.ast, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || !spec.Name.IsExported() || !strings.HasSuffix(spec.Name.Name, "Options") {
			return true
		}
		t, ok := spec.Type.(*ast.StructType)
		if !ok {
			return true
		}
		for _, field := range t.Fields.List {
			for _, name := range field.Names {
				if name.IsExported() && field.Doc == nil && field.Comment == nil {
					found = append(found, finding{f.line(name.Pos()), fmt.Sprintf("no comment on %s.%s", spec.Name.Name, name.Name)})
				}
			}
		}
		return true
	})
	return found
}
