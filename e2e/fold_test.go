package e2e_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// foldFor is how long each server's log is folded: AOFSIDECAR_E2E_SOAK, a duration; without it, once.
func foldFor(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("AOFSIDECAR_E2E_SOAK")
	if text == "" {
		return 0
	}
	limit, err := time.ParseDuration(text)
	require.NoError(t, err, "AOFSIDECAR_E2E_SOAK")
	return limit
}

// A server that is booted from a folded base has what the upstream has, for everything that can be written, round after round, each
// of which folds what the one before has made.
func TestFold(t *testing.T) {
	limit := foldFor(t)
	seed := newSeed(t)
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			begun, sum := time.Now(), foldCounts{}
			for n := uint64(0); n == 0 || time.Since(begun) < limit; n++ {
				// Each can be run again as the first of its own seed.
				at := seed + n*0x9e3779b97f4a7c15
				if !t.Run("", func(t *testing.T) { sum.add(foldRounds(t, family, at)) }) {
					return
				}
			}
			t.Logf("%s: %+v in %s", family.Name, sum, time.Since(begun).Round(time.Second))
			if limit == 0 {
				require.NotZero(t, sum.Touched+sum.Carried)
			}
		})
	}
}
