package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
)

// program is the sidecar that is measured.
var program string

// TestMain runs the bare copy, a plain transfer or the S3 server where a test has started this binary as one.
func TestMain(m *testing.M) {
	if s3gateway.Served() {
		return
	}
	if len(os.Args) > 1 && (os.Args[1] == copyMode || os.Args[1] == plainMode) {
		os.Exit(exitCode(os.Args[1:], io.Discard, os.Stderr)) //nolint:forbidigo // here it is a main
	}
	dir, err := os.MkdirTemp("", "bench")
	if err == nil {
		program = filepath.Join(dir, "aofsidecar")
		err = exec.Command("go", "build", "-o", program, "../cmd/aofsidecar").Run()
	}
	if err != nil {
		exit(1, fmt.Errorf("build what is measured: %w", err))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { exit(code, os.RemoveAll(dir)) }))
}

func exit(code int, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code) //nolint:forbidigo // TestMain has no other way to fail
}

func TestParseNamesAllThatIsWrong(t *testing.T) {
	b := &bench{progress: io.Discard}
	err := b.parse([]string{"-scale", "0", "-parts", "ingest,lunch", "-appendfsync", "sometimes", "-archive", "attic", "more"})
	for _, want := range []string{`unexpected argument "more"`, "-scale", `"lunch"`, `"sometimes"`, `"attic"`} {
		require.ErrorContains(t, err, want)
	}
}

func TestParseDefaults(t *testing.T) {
	b := &bench{progress: io.Discard}
	require.NoError(t, b.parse(nil))
	require.Equal(t, allParts(), b.parts)
	require.Equal(t, allPolicies(), b.policies)
	require.Equal(t, allArchived(), b.archived)
	require.Equal(t, incrCommands, b.scaled(incrCommands))
	b.scale = 1e-9
	require.Equal(t, 1, b.scaled(incrCommands))
}
