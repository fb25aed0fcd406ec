package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// root is the folder of the module: a test starts in its package's folder,
// and this package lies two below.
const root = "../.."

// file is one Go file of the module, parsed.
type file struct {
	path string // from the module's root, with slashes: "quota/quota.go"
	src  []byte
	fset *token.FileSet
	ast  *ast.File
}

// parseFile parses src as the file at path.
func parseFile(path string, src []byte) (*file, error) {
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, path, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", path, err)
	}
	return &file{path: path, src: src, fset: fset, ast: tree}, nil
}

// line is the line of pos.
func (f *file) line(pos token.Pos) int { return f.fset.Position(pos).Line }

// isTest reports whether the file is compiled for tests only.
func (f *file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// isProgram reports whether the file belongs to a program and not to the
// library: programs own the process, so they may read its clock.
func (f *file) isProgram() bool {
	return strings.HasPrefix(f.path, "cmd/") || strings.HasPrefix(f.path, "bench/")
}

// importedAs is the name under which the file sees the package at importPath,
// or "" where it does not import it.
func (f *file) importedAs(importPath string) string {
	for _, spec := range f.ast.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err != nil || p != importPath {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		base := path.Base(importPath)
		if base == "v2" { // math/rand/v2
			base = path.Base(path.Dir(importPath))
		}
		return base
	}
	return ""
}

// uses are the places where the file names something of the package at
// importPath, called or not: passing time.Now on reads the clock, too.
func (f *file) uses(importPath string) []*ast.SelectorExpr {
	name := f.importedAs(importPath)
	if name == "" {
		return nil
	}
	var found []*ast.SelectorExpr
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && isIdent(sel.X, name) {
			found = append(found, sel)
		}
		return true
	})
	return found
}

// isIdent reports whether x is the plain identifier name.
func isIdent(x ast.Expr, name string) bool {
	id, ok := x.(*ast.Ident)
	return ok && id.Name == name
}

// module parses every Go file of the module, once for all tests.
var module = sync.OnceValues(func() ([]*file, error) { return readTree(root) })

// moduleFiles is [module] for tests.
func moduleFiles(t *testing.T) []*file {
	t.Helper()
	files, err := module()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no Go files under %s: the rules would pass on nothing", root)
	}
	return files
}

// readTree parses the Go files under dir that belong to the module: not what
// the go command leaves out (hidden folders, testdata, vendor, modules of
// their own), nor node_modules.
func readTree(dir string) ([]*file, error) {
	var files []*file
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name != dir && isForeign(name) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasPrefix(entry.Name(), ".") {
			return nil
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		f, err := parseFile(filepath.ToSlash(rel), src)
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

// isForeign reports whether the folder holds nothing of this module.
func isForeign(dir string) bool {
	base := filepath.Base(dir)
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	switch base {
	case "testdata", "vendor", "node_modules":
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// pkg is what the rules need of one package as the go command sees it.
type pkg struct {
	ImportPath string
	Imports    []string // of the files that are not tests
	Standard   bool
	Error      *struct{ Err string }
}

// goList runs go list with args in the module's root. It goes on over
// packages that do not compile: that is the compiler's to report.
func goList(t *testing.T, env []string, args ...string) []pkg {
	t.Helper()
	args = append([]string{"list", "-e", "-json=ImportPath,Imports,Standard,Error"}, args...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatalf("go %s: %v", strings.Join(args, " "), err)
		}
		pkgs = append(pkgs, p)
	}
}
