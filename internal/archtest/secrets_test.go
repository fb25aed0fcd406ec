package archtest

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
)

// comparisons are the functions that compare as == does: they stop at the first byte that differs.
var comparisons = map[string][]string{
	"bytes": {"Equal", "Compare", "EqualFold", "HasPrefix"}, "strings": {"Compare", "EqualFold"}, "slices": {"Equal", "Compare"},
	"reflect": {"DeepEqual"},
}

// checkSecretCompare finds comparisons of secrets, and in the files that find out who calls also of their hashes.
func checkSecretCompare(f *file) []finding {
	if f.isTest() {
		return nil
	}
	var found []finding
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			known := isKnown(n.X) || isKnown(n.Y)
			if (n.Op == token.EQL || n.Op == token.NEQ) && !known && (f.secret(n.X) || f.secret(n.Y)) {
				found = append(found, finding{f.line(n.OpPos), "a secret compared by " + n.Op.String()})
			}
		case *ast.SwitchStmt:
			if n.Tag != nil && f.secret(n.Tag) {
				found = append(found, finding{f.line(n.Pos()), "a secret compared by switch"})
			}
		}
		return true
	})
	called := map[ast.Expr]string{}
	for importPath, names := range comparisons {
		for _, sel := range f.uses(importPath) {
			if slices.Contains(names, sel.Sel.Name) {
				called[sel] = importPath + "." + sel.Sel.Name
			}
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && called[call.Fun] != "" && slices.ContainsFunc(call.Args, f.secret) {
			found = append(found, finding{f.line(call.Pos()), "a secret compared by " + called[call.Fun]})
		}
		return true
	})
	slices.SortFunc(found, func(a, b finding) int { return a.line - b.line })
	return found
}

// isKnown reports whether x is nil or stands in the source: whoever compares with that asks for no secret.
func isKnown(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.BasicLit:
		return true
	case *ast.CompositeLit:
		return len(x.Elts) == 0
	case *ast.ParenExpr:
		return isKnown(x.X)
	default:
		return isIdent(x, "nil")
	}
}

// secret reports whether x is named like a secret, or is part of one.
func (f *file) secret(x ast.Expr) bool {
	name := ""
	switch x := x.(type) {
	case *ast.Ident:
		name = x.Name
	case *ast.SelectorExpr:
		name = x.Sel.Name
	case *ast.ParenExpr:
		return f.secret(x.X)
	case *ast.StarExpr:
		return f.secret(x.X)
	case *ast.SliceExpr:
		return f.secret(x.X)
	case *ast.CallExpr:
		if isIdent(x.Fun, "string") && len(x.Args) == 1 {
			return f.secret(x.Args[0])
		}
		return isIdent(x.Fun, "hashSecret")
	}
	name = strings.ToLower(name)
	return strings.HasSuffix(name, "secret") || path.Base(f.path) == "auth.go" && strings.HasSuffix(name, "hash")
}
