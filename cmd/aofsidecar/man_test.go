package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/manpage"
)

// unescaped gives back what roff prints of a page's text.
var unescaped = strings.NewReplacer(`\-`, "-", `\(ga`, "`", `\(aq`, "'", `\(ha`, "^", `\(ti`, "~", `\e`, `\`, `\(dq`, `"`, `\&`, "", `\fB`, "", `\fI`, "", `\fR`, "")

// TestManHasAPageForEachCommand holds that each command that help shows has a page, with every word of its help and every flag.
func TestManHasAPageForEachCommand(t *testing.T) {
	dir := t.TempDir()
	require.Zero(t, execute([]string{"man", "--output", dir}, os.Stdout, os.Stderr))
	root := newRootCommand()
	commands := manpage.Commands(root)
	require.Greater(t, len(commands), len(root.Commands())/2, "commands that are shown")
	var want []string
	for _, cmd := range commands {
		name := manpage.Name(cmd) + ".1"
		want = append(want, name)
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		page := unescaped.Replace(string(text))
		for _, part := range []string{cmd.Long, cmd.Example} {
			for line := range strings.Lines(part) {
				require.Contains(t, page, strings.TrimSpace(line), "%s", name)
			}
		}
		cmd.Flags().VisitAll(func(flag *pflag.Flag) { require.Contains(t, page, "--"+flag.Name, "%s", name) })
		require.Contains(t, page, buildVersion().Version, "%s", name)
		requireKnownRequests(t, name, string(text))
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	require.ElementsMatch(t, want, got)
}

// requireKnownRequests holds that no line of a help text became an instruction to roff.
func requireKnownRequests(t *testing.T, name, page string) {
	t.Helper()
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, ".") && !strings.HasPrefix(line, "'") {
			continue
		}
		request, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		require.Contains(t, []string{".TH", ".SH", ".PP", ".RS", ".RE", ".nf", ".fi", ".TP"}, request, "%s: %s", name, line)
	}
}

func TestManWantsAFolder(t *testing.T) {
	var stderr strings.Builder
	require.Equal(t, exitUsage, execute([]string{"man"}, os.Stdout, &stderr))
	require.Contains(t, stderr.String(), "Try: aofsidecar man --output DIR")
}

// TestCompletions holds that each shell that docs/install.md names gets a script, and that the script's questions are answered.
func TestCompletions(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		var stdout strings.Builder
		require.Zero(t, execute([]string{"completion", shell}, &stdout, os.Stderr), "%s", shell)
		require.Contains(t, stdout.String(), "aofsidecar", "%s", shell)
	}
	var stdout, stderr strings.Builder
	require.Zero(t, execute([]string{"__complete", "res"}, &stdout, &stderr))
	require.Contains(t, stdout.String(), "restore\t")
	require.NotContains(t, stdout.String(), "man\t")
}
