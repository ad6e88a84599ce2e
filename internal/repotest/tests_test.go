package repotest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNamedTestsExist holds that a test which a page has for a claim is there.
func TestNamedTestsExist(t *testing.T) {
	root := repository(t)
	there := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	require.NoError(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != root && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case !strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(name)
		for _, match := range function.FindAllSubmatch(text, -1) {
			there[string(match[1])] = true
		}
		return err
	}))
	for _, page := range []string{"SECURITY.md", "docs/CORRECTNESS.md"} {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(page)))
		require.NoError(t, err)
		names := regexp.MustCompile(`\b(Test|Fuzz)[A-Z][A-Za-z0-9]+\b`).FindAllString(string(text), -1)
		require.NotEmpty(t, names, page)
		for _, name := range names {
			require.True(t, there[name], "%s names %s", page, name)
		}
	}
}
