package testenv

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A child that ends by itself while it is signalled is no error at any moment: not before it was waited for, not behind that, and not between
// that and its being known here.
func TestSignalOfAChildThatEnds(t *testing.T) {
	t.Parallel()
	for range 50 {
		p, err := spawn(t.Context(), "true", t.TempDir(), filepath.Join(t.TempDir(), "log"), nil)
		require.NoError(t, err)
		for p.running() {
			require.NoError(t, p.signal(syscall.SIGCONT))
		}
		require.NoError(t, p.kill())
	}
}
