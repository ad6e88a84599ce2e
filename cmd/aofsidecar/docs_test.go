package main

import (
	"errors"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/repotest"
)

// mention is a piece of code in a page.
type mention struct {
	page   string
	code   string
	inline bool
}

// mentions returns all code of all pages: each line of a block, and what stands in backticks.
func mentions(t *testing.T) []mention {
	t.Helper()
	var found []mention
	inline := regexp.MustCompile("`([^`]+)`")
	for _, page := range repotest.Pages(t) {
		fenced, generated := false, false
		for line := range strings.Lines(page.Text) {
			switch {
			case strings.HasPrefix(line, "<!-- "): // the tables of the reference have their own test
				generated = !strings.HasPrefix(line, "<!-- /")
			case generated:
			case strings.HasPrefix(strings.TrimSpace(line), "```"):
				fenced = !fenced
			case fenced:
				found = append(found, mention{page: page.Path, code: strings.TrimSpace(line)})
			default:
				for _, code := range inline.FindAllStringSubmatch(line, -1) {
					found = append(found, mention{page: page.Path, code: code[1], inline: true})
				}
			}
		}
	}
	require.NotEmpty(t, found)
	return found
}

// Whoever copies a command from a page finds that it has these flags.
func TestPagesHaveCommandsThatExist(t *testing.T) {
	command := regexp.MustCompile(`(?:^|[$;(] ?|[|&] |bin/)aofsidecar +([a-z][a-z-]*)\b([^|;&#>)<\\]*)`)
	placeholder := regexp.MustCompile(`^(\$[a-z]+|[A-Z]+)$`)
	seen := 0
	for _, m := range mentions(t) {
		for _, call := range command.FindAllStringSubmatch(m.code, -1) {
			cmd, _, err := newRootCommand().Find([]string{call[1]})
			require.NoError(t, err, "%s: %s", m.page, m.code)
			cmd.SetOut(io.Discard)
			args := strings.Fields(strings.NewReplacer(`"`, "", "'", "", "...", "").Replace(call[2]))
			for i := range args {
				args[i] = placeholder.ReplaceAllString(args[i], "1")
			}
			if err := cmd.ParseFlags(args); !errors.Is(err, pflag.ErrHelp) {
				require.NoError(t, err, "%s: %s", m.page, m.code)
			}
			seen++
		}
	}
	require.Greater(t, seen, 50)
}

// A key, a variable or a metric that a page mentions is one.
func TestPagesHaveNamesThatExist(t *testing.T) {
	keys, variables := map[string]bool{}, map[string]bool{}
	for _, s := range settings() {
		variables[s.env] = true
		for key := s.key; key != ""; {
			keys[key] = true
			key = key[:max(0, strings.LastIndexByte(key, '.'))]
		}
	}
	// What is no setting: where the file is, and what tests and scripts read.
	for _, name := range []string{"AOFSIDECAR_CONFIG", "AOFSIDECAR_SERVERS_DIR"} {
		variables[name] = true
	}
	metrics := metricsTable(t)
	key := regexp.MustCompile(`^((?:upstream|aof|rewrite|archive|http|control|logging)\.[a-z][a-z0-9.-]*[a-z0-9])(?:$|[:=/ ,])`)
	variable := regexp.MustCompile(`\bAOFSIDECAR_[A-Z0-9_]*[A-Z0-9]\b`)
	metric := regexp.MustCompile(`\baofsidecar_[a-z0-9_]+(\*?)`)
	for _, m := range mentions(t) {
		if found := key.FindStringSubmatch(m.code); found != nil && m.inline && !isFileName(found[1]) {
			require.True(t, keys[found[1]], "%s: there is no setting %s", m.page, m.code)
		}
		for _, name := range variable.FindAllString(m.code, -1) {
			ofTests := slices.ContainsFunc([]string{"AOFSIDECAR_E2E_", "AOFSIDECAR_KEYSPACE_", "AOFSIDECAR_SOAK_", "AOFSIDECAR_TEST_"}, func(prefix string) bool {
				return strings.HasPrefix(name, prefix)
			})
			require.True(t, ofTests || variables[name] || name == "AOFSIDECAR_PORT", "%s: nothing reads %s", m.page, name)
		}
		for _, name := range metric.FindAllString(m.code, -1) {
			family, several := strings.CutSuffix(name, "*")
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				family = strings.TrimSuffix(family, suffix)
			}
			require.True(t, several && strings.Contains(metrics, "`"+family) || strings.Contains(metrics, "`"+family+"`") || strings.Contains(metrics, "`"+family+"{"),
				"%s: there is no metric %s", m.page, name)
		}
	}
}

// isFileName tells what looks like a key from one.
func isFileName(name string) bool {
	return slices.Contains([]string{".go", ".c", ".txtar"}, filepath.Ext(name))
}
