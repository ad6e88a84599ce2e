package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// BuildCommit builds the sidecar of an earlier commit of this repository, and returns its binary. It wants git, and a clone with that commit: one that is shallow fails the test.
func BuildCommit(tb testing.TB, commit string) string {
	tb.Helper()
	root, err := repository()
	require.NoError(tb, err)
	run := func(dir string, env []string, name string, args ...string) error {
		cmd := exec.CommandContext(tb.Context(), name, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
		said, err := cmd.CombinedOutput()
		if err != nil {
			tb.Logf("%s %v: %v: %s", name, args, err, said)
		}
		return err
	}
	require.NoError(tb, run(root, nil, "git", "cat-file", "-e", commit+"^{commit}"),
		"this test builds commit %s, which this clone lacks: run git fetch --unshallow", commit)
	dir := tb.TempDir()
	source, binary := filepath.Join(dir, "source"), filepath.Join(dir, "aofsidecar")
	// Neither the index nor the work tree of the repository is touched.
	index := []string{"GIT_INDEX_FILE=" + filepath.Join(dir, "index")}
	require.NoError(tb, run(root, index, "git", "read-tree", commit))
	require.NoError(tb, run(root, index, "git", "checkout-index", "--all", "--prefix="+source+"/"))
	require.NoError(tb, run(source, nil, "go", "build", "-buildvcs=false", "-o", binary, "./cmd/aofsidecar"))
	return binary
}
