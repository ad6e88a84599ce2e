package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// Somebody removes all objects under a sidecar that ships: it misses its lease, and ships what it has on its disk, so that the present can be restored again without
// a restart and without a full resync.
func TestArchiveEmptied(t *testing.T) {
	eachArchive(t, func(t *testing.T, a *archive) { //nolint:thelper // it is the test
		family := testenv.Pick(t, "redis-8.0")
		upstream := testenv.StartServer(t, family)
		require.NoError(t, upstream.Client().Set(t.Context(), "before", 1, 0).Err())
		m := a.newMirror(t, upstream.Addr())
		m.start(t)
		m.awaitShipped(t, upstream)
		testenv.Eventually(t, "an empty archive", func(context.Context) (string, bool) { // something may arrive meanwhile
			err := emptyFolder(a.dir)
			return fmt.Sprint(err), err == nil
		})
		require.NoError(t, upstream.Client().Set(t.Context(), "after", 2, 0).Err())
		m.await(t, "without its lease", func(s testenv.SidecarStatus) bool { return !s.Archive.LeaseHeld })
		m.awaitShipped(t, upstream)

		dir, _ := a.restore(t)
		testenv.RequireEqual(t, upstream, testenv.BootFromAOF(t, family, dir), testenv.IgnoreUnreplicated())
		a.ok(t, "verify", "--archive", "--deep")
		require.EqualValues(t, 1, requireResyncs(t, upstream).full)
	})
}

func emptyFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		if err == nil {
			err = os.RemoveAll(filepath.Join(dir, entry.Name()))
		}
	}
	return err
}
