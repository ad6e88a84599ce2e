package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

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
	err := b.parse([]string{"-scale", "0", "-rounds", "-1", "-parts", "ingest,lunch", "-appendfsync", "sometimes", "more"})
	for _, want := range []string{`unexpected argument "more"`, "-scale", "-rounds", `"lunch"`, "archive-segments", `"sometimes"`} {
		require.ErrorContains(t, err, want)
	}
}

func TestParseDefaults(t *testing.T) {
	b := &bench{progress: io.Discard}
	require.NoError(t, b.parse(nil))
	require.Equal(t, names(b.allParts()), names(b.parts))
	require.Equal(t, allPolicies(), b.policies)
	require.Zero(t, b.rounds)
	require.Equal(t, incrCommands, b.scaled(incrCommands))
	b.scale = 1e-9
	require.Equal(t, 1, b.scaled(incrCommands))
}

func TestParseChoosesParts(t *testing.T) {
	b := &bench{progress: io.Discard}
	require.NoError(t, b.parse([]string{"-parts", "archive-segments,rewrite,memory"}))
	require.Equal(t, []string{"archive-segments", "rewrite-touched", "rewrite-incr", "rewrite-mixed", "rewrite-lag", "memory"}, names(b.parts))
	b = &bench{progress: io.Discard}
	require.NoError(t, b.parse([]string{"-parts", partsNone}))
	require.Empty(t, b.parts)
}

func TestAQuickLookIsShorterDownToALeast(t *testing.T) {
	for scale, want := range map[float64]time.Duration{1: time.Minute, 0.5: 30 * time.Second, 0.02: 10 * time.Second, 0.001: time.Second} {
		b := &bench{scale: scale}
		require.Equal(t, want, b.lasting(time.Minute, 10*time.Second), scale)
	}
}
