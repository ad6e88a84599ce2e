package e2e_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// bootsOfCrashes is how many of the directories that crashes leave are booted, about, where not all of them are.
const bootsOfCrashes = 24

// A rewrite changes no data, and so whatever stops it after, or in the middle of, any of its operations, and the start that cleans up behind
// it: check-aof and verify find nothing wrong with what is left, and a stock server that is booted there has what the upstream has. The log that
// is rewritten has closed increments, a base that the upstream sent and a retained chain, first with an RDB and then with commands for the new base.
func TestServersBootAfterACrashInARewrite(t *testing.T) {
	families := []testenv.Family{testenv.Pick(t, "valkey-8.1")} // its check-aof knows RDB bases
	if full {
		families = testenv.Servers(t)
	}
	for _, family := range families {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			seed := newSeed(t)
			upstream := testenv.StartServer(t, family)
			trees := newCrashTrees(t, recordWithRetained(t, upstream, seed), seed)
			trees.rewrite(t, "RDB", aof.RewriteOptions{})
			trees.rewrite(t, "commands", aof.RewriteOptions{NoPreamble: true})
			trees.clean(t)
			require.Greater(t, trees.points, 300)
			require.Equal(t, []string{"appendonly.aof.2.base.rdb", "appendonly.aof.3.base.rdb", "appendonly.aof.4.base.aof"}, trees.bases(t))
			chosen := trees.choose(t, seed)
			t.Logf("%d crashes left %d directories; %d are booted", trees.points, len(trees.list), len(chosen))
			for _, tree := range chosen {
				requireServerTakes(t, upstream, tree)
			}
		})
	}
}

// recordWithRetained returns the directory of a sidecar that has ended, with all that the upstream has, which is written no more.
func recordWithRetained(t *testing.T, upstream *testenv.Server, seed uint64) string {
	t.Helper()
	family := upstream.Family
	work := newWorkload(t, seed, upstream, workload.Options{
		NoFieldTTL: family.Has(testenv.FieldTTLReplayHazard), NoStoreDist: true, NoVectorSets: true, NoFlush: true,
	})
	write(t, upstream, work, 300)
	m := startMirror(t, upstream.Addr(), "aof.increment-size=64kb", "aof.auto-aof-rewrite-percentage=0", "rewrite.interval=0s")
	write(t, upstream, work, 100)
	before := m.awaitStreaming(t).Log.Timeline
	require.NoError(t, upstream.Client().Do(t.Context(), "DEBUG", "CHANGE-REPL-ID").Err())
	require.NoError(t, upstream.Client().Do(t.Context(), "CLIENT", "KILL", "TYPE", "replica").Err())
	m.await(t, "on the next timeline", func(s testenv.SidecarStatus) bool { return s.Streaming() && s.Log.Timeline != before })
	write(t, upstream, work, 800)
	requireMirrored(t, upstream, m, "everysec")
	_, err := testenv.Freeze(t.Context(), upstream.Client()) // until the server ends
	require.NoError(t, err)
	requireCleanEnd(t, family, m)
	retained, err := os.ReadDir(filepath.Join(m.Dir(), "retained"))
	require.NoError(t, err)
	require.Len(t, retained, 1)
	return m.Dir()
}

// crashTrees are the directories that crashes left, each different one once.
type crashTrees struct {
	fs     *fsxtest.FS // where nothing crashes
	seed   uint64
	points int
	at     stream.Position // where the log stands all the time

	seen map[[sha256.Size]byte]bool
	list []crashTree
}

// crashTree is one of them.
type crashTree struct {
	fs   *fsxtest.FS
	what string
}

// treeDir is where the directory is in file systems in memory.
const treeDir = "/data"

func newCrashTrees(t *testing.T, dir string, seed uint64) *crashTrees {
	t.Helper()
	c := &crashTrees{fs: fsxtest.New(), seed: seed, seen: map[[sha256.Size]byte]bool{}}
	require.NoError(t, filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := treeDir + strings.TrimPrefix(name, dir)
		if entry.IsDir() {
			return fsx.MkdirAllDurable(c.fs, to, 0o750)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return fsx.ReplaceFile(c.fs, to, data, 0o640)
	}))
	l := c.open(t, c.fs, aof.RewriteOptions{})
	c.at = l.Position()
	require.NoError(t, l.Close())
	return c
}

func (c *crashTrees) open(t *testing.T, fsys fsx.FS, rewrite aof.RewriteOptions) *aof.Log {
	t.Helper()
	l, err := aof.Open(t.Context(), aof.Options{Dir: treeDir, FS: fsys, Rewrite: rewrite})
	require.NoError(t, err)
	return l
}

// rewrite rewrites, and crashes in five ways at every point.
func (c *crashTrees) rewrite(t *testing.T, what string, options aof.RewriteOptions) {
	t.Helper()
	l := c.open(t, c.fs, options)
	c.watch(t, c.fs, "rewrite with "+what)
	report, err := l.Rewrite(t.Context(), "test")
	c.fs.OnOp(nil)
	require.NoError(t, err)
	require.False(t, report.Nothing)
	require.Zero(t, report.Carried, "%+v", report)
	require.NoError(t, l.Close())
}

// clean opens what the crashes left, and crashes again at every point of that.
func (c *crashTrees) clean(t *testing.T) {
	t.Helper()
	for _, tree := range slices.Clone(c.list) {
		left := tree.fs.CrashClone(fsxtest.KillProcess{})
		c.watch(t, left, tree.what+", opened")
		l := c.open(t, left, aof.RewriteOptions{})
		require.Equal(t, c.at, l.Position(), tree.what)
		require.NoError(t, l.Close())
		left.OnOp(nil)
	}
}

func (c *crashTrees) watch(t *testing.T, fsys *fsxtest.FS, what string) {
	t.Helper()
	fsys.OnOp(func(n int, op fsxtest.Op) {
		for _, crash := range fsxtest.Crashes(c.seed<<32 + uint64(n)) {
			c.points++
			tree := crashTree{fs: fsys.CrashClone(crash), what: fmt.Sprintf("%s: %s after %s", what, crash, op)}
			if sum := tree.sum(t); !c.seen[sum] {
				c.seen[sum] = true
				c.list = append(c.list, tree)
			}
		}
	})
}

// sum is the same for directories that a server cannot tell apart: what temporary files have in them does not count, nor what the lock file has.
func (tree crashTree) sum(t *testing.T) (sum [sha256.Size]byte) {
	t.Helper()
	all := sha256.New()
	var walk func(dir string)
	walk = func(dir string) {
		entries, err := tree.fs.ReadDir(dir)
		require.NoError(t, err)
		for _, entry := range entries {
			name := filepath.Join(dir, entry.Name())
			_, err := fmt.Fprintln(all, name)
			require.NoError(t, err)
			switch {
			case entry.IsDir():
				walk(name)
			case strings.HasPrefix(entry.Name(), fsx.TempPrefix), dir == treeDir:
			default:
				_, err := all.Write(readTree(t, tree.fs, name))
				require.NoError(t, err)
			}
		}
	}
	walk(treeDir)
	return [sha256.Size]byte(all.Sum(nil))
}

func readTree(t *testing.T, fsys fsx.FS, name string) []byte {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	require.NoError(t, err)
	data, err := io.ReadAll(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return data
}

// bases returns the names of the bases that the manifests name.
func (c *crashTrees) bases(t *testing.T) []string {
	t.Helper()
	names := map[string]bool{}
	for _, tree := range c.list {
		for line := range strings.Lines(tree.manifest(t)) {
			if words := strings.Fields(line); slices.Contains(words, "b") {
				names[words[1]] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func (tree crashTree) manifest(t *testing.T) string {
	t.Helper()
	return string(readTree(t, tree.fs, treeDir+"/appendonlydir/appendonly.aof.manifest"))
}

// choose returns all; or one with each manifest that there was, and others by luck.
func (c *crashTrees) choose(t *testing.T, seed uint64) []crashTree {
	t.Helper()
	if full {
		return c.list
	}
	var chosen, rest []crashTree
	manifests := map[string]bool{}
	for _, i := range rand.New(rand.NewPCG(seed, 0x12)).Perm(len(c.list)) {
		tree := c.list[i]
		if text := tree.manifest(t); !manifests[text] {
			manifests[text] = true
			chosen = append(chosen, tree)
			continue
		}
		rest = append(rest, tree)
	}
	return append(chosen, rest[:min(len(rest), max(0, bootsOfCrashes-len(chosen)))]...)
}

// requireServerTakes boots a stock server in the directory that a crash left.
func requireServerTakes(t *testing.T, upstream *testenv.Server, tree crashTree) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "left")
	require.NoError(t, tree.fs.CopyTo(treeDir, dir))
	verified := aofsidecar(t, "verify", dir)
	require.Zero(t, verified.code, "%s: %+v", tree.what, verified)
	if !upstream.Family.Has(testenv.BrokenCheckAOF) {
		checked := command(t, upstream.Family.CheckAOF(), filepath.Join(dir, "appendonlydir", "appendonly.aof.manifest"))
		require.Zero(t, checked.code, "%s: %+v", tree.what, checked)
	}
	booted, err := testenv.Start(t.Context(), upstream.Family, testenv.WithDataDir(dir), testenv.ReplicaOfNowhere(),
		testenv.WithConfig("appendonly yes", "auto-aof-rewrite-percentage 0"))
	require.NoError(t, err, tree.what)
	diff, err := testenv.Compare(t.Context(), upstream, booted, testenv.IgnoreUnreplicated())
	require.NoError(t, err, tree.what)
	require.Empty(t, diff, tree.what)
	require.NoError(t, booted.Close())
	require.NoError(t, os.RemoveAll(dir))
}
