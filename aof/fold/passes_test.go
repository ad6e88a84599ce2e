package fold

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/keyspace"
)

// TestPassesAreCounted has more parts than a keyInfo can count: those behind would find none of their keys.
func TestPassesAreCounted(t *testing.T) {
	for n, fits := range map[int]bool{math.MaxUint16: true, math.MaxUint16 + 1: false} {
		f := &folder{opt: &Options{Table: keyspace.NewTable(), MaxMemory: 1}, keys: newKeyTable(), plan: &planner{}, ring: newRing()}
		parts := make([][]keyID, n)
		for i := range parts {
			parts[i] = []keyID{f.keys.node(0)}
		}
		err := f.passes(t.Context(), nil, parts, true)
		if fits {
			require.NoError(t, err)
			require.Equal(t, n, f.res.Passes)
			continue
		}
		require.ErrorAs(t, err, new(*CannotError))
	}
}
