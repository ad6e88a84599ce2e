package repotest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Page is a Markdown file of the repository.
type Page struct {
	Path string // relative to the repository
	Text string
}

// Pages returns all pages of the repository, in the order of their paths. It may be called by tests of packages that are two folders deep.
func Pages(tb testing.TB) []Page {
	tb.Helper()
	root := repository(tb)
	var pages []Page
	for _, path := range files(tb, ".md") {
		text, err := os.ReadFile(filepath.Join(root, path))
		require.NoError(tb, err)
		pages = append(pages, Page{Path: path, Text: string(text)})
	}
	return pages
}

// files returns what was written by hand and ends in ext, by its path relative to the repository: nothing hidden but what GitHub reads, and no data of tests.
func files(tb testing.TB, ext string) []string {
	tb.Helper()
	root := repository(tb)
	var paths []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := name != root && strings.HasPrefix(d.Name(), ".") && d.Name() != ".github"
		if d.IsDir() && (hidden || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(name) != ext {
			return nil
		}
		path, err := filepath.Rel(root, name)
		paths = append(paths, path)
		return err
	})
	require.NoError(tb, err)
	require.NotEmpty(tb, paths)
	return paths
}

func repository(tb testing.TB) string {
	tb.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(tb, err)
	require.FileExists(tb, filepath.Join(root, "go.mod"))
	return root
}
