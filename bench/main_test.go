package main

import (
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// TestMain runs the bare copy or the fold where a test has started this binary as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == copyMode || os.Args[1] == foldMode) {
		os.Exit(exitCode(os.Args[1:], io.Discard, os.Stderr)) //nolint:forbidigo // here it is a main
	}
	goleak.VerifyTestMain(m)
}

func TestParseNamesAllThatIsWrong(t *testing.T) {
	b := &bench{progress: io.Discard}
	err := b.parse([]string{"-scale", "0", "-parts", "ingest,lunch", "-appendfsync", "sometimes", "more"})
	for _, want := range []string{`unexpected argument "more"`, "-scale", `"lunch"`, `"sometimes"`} {
		require.ErrorContains(t, err, want)
	}
}

func TestParseDefaults(t *testing.T) {
	b := &bench{progress: io.Discard}
	require.NoError(t, b.parse(nil))
	require.Equal(t, allParts(), b.parts)
	require.Equal(t, allPolicies(), b.policies)
	require.Equal(t, incrCommands, b.scaled(incrCommands))
	b.scale = 1e-9
	require.Equal(t, 1, b.scaled(incrCommands))
}
