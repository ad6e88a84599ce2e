package main

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRestoreIsBounded(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	undo := boundRestore(16)
	require.EqualValues(t, 100<<20, debug.SetMemoryLimit(-1))
	undo()
	require.Equal(t, before, debug.SetMemoryLimit(-1))

	const ours = 50 << 20
	debug.SetMemoryLimit(ours)
	defer debug.SetMemoryLimit(before)
	undo = boundRestore(16)
	require.EqualValues(t, ours, debug.SetMemoryLimit(-1), "GOMEMLIMIT is lower")
	undo()
	require.EqualValues(t, ours, debug.SetMemoryLimit(-1))
}
