package repotest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/aofsidecar/aofsidecar"

// allowedImports says which packages of ours the non-test files of a folder may import. A folder
// that is not named here fails the test: decide its place in the flow first.
var allowedImports = map[string][]string{
	"internal/stream":   {},
	"internal/resp":     {},
	"internal/fsx":      {},
	"internal/rdb":      {"internal/resp"},
	"internal/names":    {},
	"internal/keyspace": {"internal/rdb", "internal/names"},
	"replica":           {"internal/stream", "internal/resp"},
	"aof":               {"internal/stream", "internal/resp", "internal/rdb", "internal/keyspace", "internal/fsx", "aof/fold"},
	"aof/fold":          {"internal/resp", "internal/rdb", "internal/keyspace", "internal/names"},
	"upload":            {"internal/stream", "internal/resp", "internal/rdb", "internal/fsx"},
	"upload/s3store":    {"upload"},
	"upload/filestore":  {"upload", "internal/fsx"},
	"internal/observe":  {"replica", "aof", "upload", "internal/stream"},
	"internal/admin":    {},
	"internal/manpage":  {},
	"internal/repotest": {},
	"internal/sbom":     {},
	"cmd/aofsidecar":    anything,
	// It profiles a fold within its own process, lays out an archive by hand, and measures against the S3 server of the tests.
	"bench": {
		"internal/resp", "internal/rdb", "internal/keyspace", "aof/fold",
		"internal/stream", "upload", "upload/s3store", "internal/testenv/s3gateway",
	},
	"e2e": {},
	// The demo uses what the tests use, and shows the binary that was built.
	"internal/demo": {"internal/testenv", "internal/testenv/s3gateway", "internal/testenv/workload"},
	// Test helpers serve tests of every stage, so they may know any of them; nothing but tests imports them.
	"internal/testenv":          anything,
	"internal/testenv/workload": anything,
	// Apart from testenv, because versitygw is large, and most tests need no S3.
	"internal/testenv/s3gateway": {},
	"internal/fsx/fsxtest":       {"internal/fsx"},
	"internal/fsx/fsxmount":      {"internal/fsx", "internal/fsx/fsxtest"},
	"upload/storetest":           {"upload"},
}

var anything = []string{"*"}

type sourceFile struct {
	dir  string // slash-separated, relative to the repository
	name string
	ast  *ast.File
}

func (f sourceFile) isTest() bool { return strings.HasSuffix(f.name, "_test.go") }

// sources parses the imports and package comments of all Go files of the module.
func sources(t *testing.T) []sourceFile {
	t.Helper()
	root := repository(t)
	var parsed []sourceFile
	for _, name := range files(t, ".go") {
		name = filepath.ToSlash(name)
		if strings.HasPrefix(name, "tools/") {
			continue // modules of their own
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.ImportsOnly|parser.ParseComments)
		require.NoError(t, err)
		parsed = append(parsed, sourceFile{dir: path.Dir(name), name: path.Base(name), ast: file})
	}
	return parsed
}

func TestImportsFollowTheFlow(t *testing.T) {
	for _, file := range sources(t) {
		if file.isTest() {
			continue
		}
		allowed, known := allowedImports[file.dir]
		require.True(t, known, "%s: folder has no entry in allowedImports", file.dir)
		for _, spec := range file.ast.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			ours, isOurs := strings.CutPrefix(imported, module+"/")
			if !isOurs || slices.Contains(allowed, "*") {
				continue
			}
			require.Contains(t, allowed, ours, "%s imports %s", path.Join(file.dir, file.name), ours)
		}
	}
}

func TestOnlyTestsImportTestHelpers(t *testing.T) {
	helpers := []string{"internal/testenv", "internal/testenv/workload", "internal/testenv/s3gateway", "internal/fsx/fsxtest", "internal/fsx/fsxmount", "upload/storetest", "internal/repotest"}
	// What is never shipped may be built of them.
	showing := []string{"internal/demo", "bench"}
	for _, file := range sources(t) {
		if file.isTest() || slices.Contains(helpers, file.dir) || slices.Contains(showing, file.dir) {
			continue
		}
		for _, spec := range file.ast.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			require.NotContains(t, helpers, strings.TrimPrefix(imported, module+"/"), "%s", path.Join(file.dir, file.name))
		}
	}
}

func TestEachPackageHasOneComment(t *testing.T) {
	documented := map[string][]string{}
	for _, file := range sources(t) {
		if file.isTest() {
			continue
		}
		if _, seen := documented[file.dir]; !seen {
			documented[file.dir] = nil
		}
		if file.ast.Doc != nil {
			documented[file.dir] = append(documented[file.dir], file.name)
		}
	}
	for dir, names := range documented {
		require.Len(t, names, 1, "%s: files with a package comment", dir)
		want := "doc.go"
		if dir == "cmd/aofsidecar" {
			want = "main.go"
		}
		require.Equal(t, want, names[0], "%s: the package comment belongs in %s", dir, want)
	}
}

func TestNoDependencyIsReplaced(t *testing.T) {
	root := repository(t)
	tools, err := filepath.Glob(filepath.Join(root, "tools", "*", "go.mod"))
	require.NoError(t, err)
	require.NotEmpty(t, tools)
	for _, name := range append(tools, filepath.Join(root, "go.mod")) {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			require.NotRegexp(t, `^\s*(replace|exclude)\b`, line, "%s", name)
		}
	}
}

// TestSourceIsSmallText holds that nobody commits what a build left: files are text of a reasonable size.
func TestSourceIsSmallText(t *testing.T) {
	const limit = 1 << 20
	root := repository(t)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", ".cache", "bin", "dist"}, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if name == filepath.Join(root, ".git") || strings.HasSuffix(name, ".test") || strings.HasSuffix(name, ".prof") {
			return nil // not of the repository, see .gitignore
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		require.LessOrEqual(t, len(text), limit, "%s", name)
		require.False(t, bytes.HasPrefix(text, []byte("\x7fELF")), "%s is a program", name)
		return nil
	})
	require.NoError(t, err)
}
