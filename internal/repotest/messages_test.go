package repotest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// messageRow is a row of a table whose first cell is a message.
var messageRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")

// literals returns the strings in the source of what is shipped.
func literals(t *testing.T) []string {
	t.Helper()
	root := repository(t)
	var all []string
	for _, file := range sources(t) {
		shipped := !strings.HasPrefix(file.dir, "internal/testenv") && !slices.Contains([]string{"bench", "e2e", "internal/demo"}, file.dir)
		if file.isTest() || !shipped {
			continue
		}
		name := filepath.Join(root, filepath.FromSlash(path.Join(file.dir, file.name)))
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(parsed, func(node ast.Node) bool {
			if lit, ok := node.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, err := strconv.Unquote(lit.Value)
				require.NoError(t, err)
				all = append(all, text)
			}
			return true
		})
	}
	return all
}

// unsaid returns the part of a message that no string has; empty if the program says it. `...` stands for what differs.
func unsaid(message string, literals []string) string {
	parts := strings.Split(message, "...")
	if strings.TrimSpace(strings.Join(parts, "")) == "" {
		return message
	}
	for _, part := range parts {
		part = strings.TrimSpace(part)
		if !slices.ContainsFunc(literals, func(text string) bool { return strings.Contains(text, part) }) {
			return part
		}
	}
	return ""
}

// TestMessagesAreThePrograms holds that what docs/troubleshooting.md explains is what the program says.
func TestMessagesAreThePrograms(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(repository(t), "docs", "troubleshooting.md"))
	require.NoError(t, err)
	rows := messageRow.FindAllStringSubmatch(string(page), -1)
	require.Len(t, regexp.MustCompile("(?m)^\\| `").FindAllString(string(page), -1), len(rows), "a first cell is one message")
	require.Greater(t, len(rows), 30)
	all := literals(t)
	for _, row := range rows {
		require.Empty(t, unsaid(row[1], all), "docs/troubleshooting.md: %s", row[1])
	}
}

func TestUnsaidMessagesAreFound(t *testing.T) {
	all := []string{"no space in %s: %d bytes", "log failed"}
	require.Empty(t, unsaid("no space in ...: ... bytes", all))
	require.Empty(t, unsaid("log failed", all))
	require.Equal(t, "log fell", unsaid("log fell", all))
	require.Equal(t, "apples", unsaid("no space in ...: ... apples", all))
	require.Equal(t, "...", unsaid("...", all))
}
