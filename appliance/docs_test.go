package appliance_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// named are the documents for developers: what they name of the code is there.
var named = []string{"../CONTRIBUTING.md", "../docs/architecture.md", "../docs/running.md"}

var (
	quoted   = regexp.MustCompile("`([^`\n]+)`")
	goFile   = regexp.MustCompile(`^[\w./-]+\.go$`)
	selector = regexp.MustCompile(`^([A-Za-z]\w*)\.([A-Za-z]\w*)(?:\.([A-Za-z]\w*))?$`)
)

// elsewhere begin names of what is no declaration of ours: of other packages, of files, of a variable.
var elsewhere = strings.Fields("net time context testing html sip tls ssh secret licenses NAME q")

func TestTheCodeHasWhatDocumentsName(t *testing.T) {
	files, code := ourCode(t)
	checked := 0
	for _, name := range named {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range strings.Split(string(text), "\n") {
			for _, m := range quoted.FindAllStringSubmatch(line, -1) {
				switch what := m[1]; {
				case goFile.MatchString(what) && !strings.Contains(what, "NAME"):
					checked++
					if !slices.ContainsFunc(files, func(f string) bool { return f == what || strings.HasSuffix(f, "/"+what) }) {
						t.Errorf("%s:%d: there is no file %s", name, n+1, what)
					}
				case selector.MatchString(what):
					parts := selector.FindStringSubmatch(what)
					if slices.Contains(elsewhere, parts[1]) || strings.Contains(" log rescue sh json conf css txt ", " "+parts[2]+" ") {
						continue
					}
					checked++
					if !has(code, parts[1], parts[2]) || parts[3] != "" && !has(code, parts[2], parts[3]) {
						t.Errorf("%s:%d: the code has no %s", name, n+1, what)
					}
				}
			}
		}
	}
	if checked < 300 {
		t.Errorf("only %d names were found: the test reads the documents in another way than they are written", checked)
	}
}

// has reports whether a package or a type has a name, by itself or by what is embedded in it.
func has(code map[string]bool, in, name string) bool {
	if code[in+"."+name] {
		return true
	}
	for what := range code {
		if inner, ok := strings.CutPrefix(what, in+" has "); ok && has(code, inner, name) {
			return true
		}
	}
	return false
}

// ourCode are the paths of the files of Go, and the names that they declare: package.Name, package.method, Type.method and Type.field.
func ourCode(t *testing.T) (files []string, names map[string]bool) {
	t.Helper()
	names = map[string]bool{}
	set := token.NewFileSet()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		files = append(files, path)
		f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			declared(names, f.Name.Name, d)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, names
}

// declared adds the names of a declaration.
func declared(names map[string]bool, in string, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			names[in+"."+d.Name.Name] = true
			return
		}
		kind := d.Recv.List[0].Type
		if star, ok := kind.(*ast.StarExpr); ok {
			kind = star.X
		}
		switch list := kind.(type) { // of a generic type
		case *ast.IndexExpr:
			kind = list.X
		case *ast.IndexListExpr:
			kind = list.X
		}
		names[in+"."+d.Name.Name] = true // documents may leave the type out
		if id, ok := kind.(*ast.Ident); ok {
			names[id.Name+"."+d.Name.Name] = true
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.ValueSpec:
				for _, id := range s.Names {
					names[in+"."+id.Name] = true
				}
			case *ast.TypeSpec:
				names[in+"."+s.Name.Name] = true
				members(names, s)
			}
		}
	}
}

// members adds the fields of a struct, and the methods of an interface.
func members(names map[string]bool, s *ast.TypeSpec) {
	var list *ast.FieldList
	switch x := s.Type.(type) {
	case *ast.StructType:
		list = x.Fields
	case *ast.InterfaceType:
		list = x.Methods
	default:
		return
	}
	for _, f := range list.List {
		for _, id := range f.Names {
			names[s.Name.Name+"."+id.Name] = true
		}
		if id, ok := f.Type.(*ast.Ident); ok && f.Names == nil {
			names[s.Name.Name+" has "+id.Name] = true
		}
	}
}

// Every package has its row in the table of packages, and every row its package.
func TestTheTableOfPackagesIsComplete(t *testing.T) {
	text, err := os.ReadFile("../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `appliance/([^`]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		rows[m[1]] = true
	}
	for name := range floors {
		if !rows[name] && name != "." && !strings.HasPrefix(name, "../") && !strings.Contains(name, "cmd/") {
			t.Errorf("docs/architecture.md has no row for appliance/%s", name)
		}
		delete(rows, name)
	}
	for name := range rows {
		t.Errorf("docs/architecture.md has a row for appliance/%s, which is no package", name)
	}
}
