package main

import (
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/aof"
)

// contracts are the commands that have --json, and what they then print.
var contracts = []struct {
	command string
	value   any
}{
	{"config --json --origin", map[string]configValue{}},
	{"doctor --json", report{}},
	{"inspect --json, the first line", manifestLine{}},
	{"inspect --json, each further line", entryLine{}},
	{"inspect --base --json, each line", keyLine{}},
	{"inspect --biggest N --json", baseSummary{}},
	{"list --json", listing{}},
	{"prune --json", pruned{}},
	{"restore --json", restoration{}},
	{"rewrite --json", rewriteAnswer{}},
	{"rewrite --wait --json", aof.RewriteReport{}},
	{"status --json, and /status", Status{}},
	{"verify --json", verification{}},
	{"verify --archive --json", archiveVerdict{}},
	{"version --json", versionInfo{}},
	{"any command that fails, on stderr", errorLine{}},
}

// jsonTables lists the members of each contract, as the types have them and as their comments explain them.
func jsonTables(t *testing.T) string {
	t.Helper()
	source := structComments{packages: map[string]map[string]string{}}
	var out strings.Builder
	for _, c := range contracts {
		fmt.Fprintf(&out, "### %s\n\n| member | type | meaning |\n|---|---|---|\n", c.command)
		source.table(t, &out, reflect.TypeOf(c.value), "", nil)
		out.WriteString("\n")
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// structComments are the comments of fields, as "Type.Field", by package.
type structComments struct {
	packages map[string]map[string]string
}

// table writes a row for each member of a type, and of the types in it.
func (s structComments) table(t *testing.T, out *strings.Builder, typ reflect.Type, path string, above []reflect.Type) {
	t.Helper()
	switch {
	case slices.Contains(above, typ):
		return
	case typ.Kind() == reflect.Pointer:
		s.table(t, out, typ.Elem(), path, above)
		return
	case typ.Kind() == reflect.Slice && !isScalar(typ):
		s.table(t, out, typ.Elem(), path+"[]", above)
		return
	case typ.Kind() == reflect.Map:
		s.table(t, out, typ.Elem(), strings.TrimPrefix(path+".<name>", "."), above)
		return
	case typ.Kind() != reflect.Struct || isScalar(typ):
		return
	}
	for field := range typ.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous && name == "" {
			s.table(t, out, field.Type, path, append(above, typ))
			continue
		}
		if name == "-" || !field.IsExported() {
			continue
		}
		require.NotEmpty(t, name, "%s.%s has no name in JSON", typ, field.Name)
		member := strings.TrimPrefix(path+"."+name, ".")
		kind := jsonKind(field.Type)
		if strings.Contains(options, "omit") {
			kind += ", may be absent"
		} else if field.Type.Kind() == reflect.Pointer {
			kind += " or null"
		}
		fmt.Fprintf(out, "| `%s` | %s | %s |\n", member, kind, s.comment(t, typ, field.Name))
		s.table(t, out, field.Type, member, append(above, typ))
	}
}

// isScalar tells what is one value in JSON, though it is a struct or a slice in Go.
func isScalar(typ reflect.Type) bool {
	return typ == reflect.TypeFor[time.Time]() || typ == reflect.TypeFor[[]byte]() || typ.Implements(reflect.TypeFor[encoding.TextMarshaler]()) ||
		typ.Implements(reflect.TypeFor[json.Marshaler]())
}

func jsonKind(typ reflect.Type) string {
	switch {
	case typ.Kind() == reflect.Pointer:
		return jsonKind(typ.Elem())
	case typ == reflect.TypeFor[time.Time]():
		return "time"
	case typ == reflect.TypeFor[time.Duration]():
		return "nanoseconds"
	case typ == reflect.TypeFor[[]byte]():
		return "base64"
	case isScalar(typ), typ.Kind() == reflect.String:
		return "text"
	case typ.Kind() == reflect.Struct:
		return "object"
	case typ.Kind() == reflect.Map:
		return "object by name: " + jsonKind(typ.Elem())
	case typ.Kind() == reflect.Slice:
		return "array of " + jsonKind(typ.Elem())
	case typ.Kind() == reflect.Bool:
		return "boolean"
	case typ.Kind() == reflect.Interface:
		return "any"
	}
	return "number"
}

// comment returns what stands beside a field, or above it.
func (s structComments) comment(t *testing.T, typ reflect.Type, field string) string {
	t.Helper()
	dir, ours := strings.CutPrefix(typ.PkgPath(), "github.com/aofsidecar/aofsidecar/")
	require.True(t, ours || typ.PkgPath() == "main", "%s is not ours", typ)
	if typ.PkgPath() == "main" {
		dir = "cmd/aofsidecar"
	}
	if s.packages[dir] == nil {
		s.packages[dir] = fieldComments(t, filepath.Join("..", "..", filepath.FromSlash(dir)))
	}
	text := s.packages[dir][typ.Name()+"."+field]
	return strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(text, field+" is "), field+" are "), "|", `\|`)
}

// fieldComments reads the comments of all fields of a folder's structs, each as one line.
func fieldComments(t *testing.T, dir string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	comments := map[string]string{}
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			structure, ok := spec.Type.(*ast.StructType)
			if !ok {
				return false
			}
			for _, f := range structure.Fields.List {
				text := strings.Join(strings.Fields(cmp.Or(f.Comment.Text(), f.Doc.Text())), " ")
				for _, id := range f.Names {
					comments[spec.Name.Name+"."+id.Name] = text
				}
			}
			return false
		})
	}
	return comments
}

// TestEveryCommandWithJSONHasAContract holds that no command prints JSON that the reference does not have.
func TestEveryCommandWithJSONHasAContract(t *testing.T) {
	for _, cmd := range newRootCommand().Commands() {
		if cmd.Flags().Lookup("json") == nil {
			continue
		}
		require.True(t, slices.ContainsFunc(contracts, func(c struct {
			command string
			value   any
		},
		) bool {
			return strings.HasPrefix(c.command, cmd.Name()+" ")
		}), "%s", cmd.Name())
	}
}

// TestReferenceHasEveryExitCode holds the table of exit codes to the constants.
func TestReferenceHasEveryExitCode(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference.md")
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(text), "\n## Exit codes\n")
	require.True(t, ok)
	section, _, _ = strings.Cut(section, "\n## ")
	var documented []string
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllStringSubmatch(section, -1) {
		documented = append(documented, row[1])
	}
	file, err := parser.ParseFile(token.NewFileSet(), "exit.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	var codes []string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "exit") {
			value, ok := spec.Values[0].(*ast.BasicLit)
			require.True(t, ok, "%s", spec.Names[0].Name)
			code, err := strconv.Atoi(value.Value)
			require.NoError(t, err)
			codes = append(codes, strconv.Itoa(code))
		}
		return true
	})
	require.Greater(t, len(codes), 5)
	require.Equal(t, codes, documented)
}
