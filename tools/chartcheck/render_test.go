package chartcheck

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// root is the repository's.
const root = "../.."

const chart = root + "/helm"

// tool returns the absolute path of a binary that make has built, or that the variable names.
func tool(tb testing.TB, variable, path string) string {
	tb.Helper()
	if given := os.Getenv(variable); given != "" {
		path = given
	}
	path, err := filepath.Abs(path)
	require.NoError(tb, err)
	require.FileExists(tb, path, "Try: make chart")
	return path
}

func sidecarBinary(tb testing.TB) string {
	tb.Helper()
	return tool(tb, "AOFSIDECAR", root+"/bin/aofsidecar")
}

// examples are the files of values that come with the chart.
func examples(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob(chart + "/ci/*-values.yaml")
	require.NoError(tb, err)
	require.NotEmpty(tb, files)
	return files
}

// shown is an example's name.
func shown(file string) string { return strings.TrimSuffix(filepath.Base(file), "-values.yaml") }

// helm runs helm, and returns what it printed and how it ended.
func helm(tb testing.TB, args ...string) (stdout, stderr string, err error) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	home := tb.TempDir() // nothing of who runs this
	cmd := exec.CommandContext(ctx, tool(tb, "HELM", root+"/.cache/bin/helm"), args...)
	cmd.Env = append(os.Environ(), "HELM_CONFIG_HOME="+home, "HELM_CACHE_HOME="+home, "HELM_DATA_HOME="+home)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// render returns the manifests of a release "r" in the namespace "ns", with the further arguments of helm template.
func render(tb testing.TB, args ...string) string {
	tb.Helper()
	out, errs, err := helm(tb, append([]string{"template", "r", chart, "--namespace", "ns"}, args...)...)
	require.NoError(tb, err, errs)
	return out
}

// refusal returns what helm template says when it renders nothing, on one line.
func refusal(tb testing.TB, args ...string) string {
	tb.Helper()
	_, errs, err := helm(tb, append([]string{"template", "r", chart, "--namespace", "ns"}, args...)...)
	require.Error(tb, err, "this should have been refused")
	return strings.Join(strings.Fields(errs), " ")
}

// valuesFile writes values to a file, and returns its name.
func valuesFile(tb testing.TB, values string) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "values") //nolint:usetesting // its name may have a comma, and two files it would be
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, os.RemoveAll(dir)) })
	name := filepath.Join(dir, "values.yaml")
	require.NoError(tb, os.WriteFile(name, []byte(values), 0o600))
	return name
}
