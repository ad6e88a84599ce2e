package e2e_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// rewriteKills is how often each sidecar is killed while it rewrites all the time.
const rewriteKills = 12

// While every command there is is written upstream, the sidecar folds its log again and again, with little memory, and is killed in the
// middle. The upstream notices nothing, a stock server and check-aof take what is there, and it equals the upstream; also where the base is
// commands.
func TestRewritesUnderTraffic(t *testing.T) {
	seed := newSeed(t)
	for i, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			rewriteUnderTraffic(t, family, seed+uint64(i))
		})
	}
}

func rewriteUnderTraffic(t *testing.T, family testenv.Family, seed uint64) {
	t.Helper()
	upstream := testenv.StartServer(t, family)
	// Redis 8.0 itself loses hashes whose fields expire when it loads a raw log, and increments are one.
	work := newWorkload(t, seed, upstream, workload.Options{NoFieldTTL: family.Has(testenv.FieldTTLReplayHazard), NoStoreDist: true, NoVectorSets: true})
	write(t, upstream, work, 2000)
	m := startMirror(t, upstream.Addr(),
		"aof.increment-size=256kb", "aof.auto-aof-rewrite-percentage=1", "aof.auto-aof-rewrite-min-size=1kb", "rewrite.max-memory=64mb")
	tr := startTraffic(t, upstream, work)
	k := killer{upstream: upstream, m: m, rng: rand.New(rand.NewPCG(seed, 0x11)), pace: tr.backlog / 8}
	for range rewriteKills {
		k.kill(t)
	}
	m.await(t, "three rewrites in a row", func(s testenv.SidecarStatus) bool { return s.Log.Rewrite.Begun > 3 })
	tr.stop(t)
	requireMirrored(t, upstream, m, "everysec")

	status := m.await(t, "a rewrite of all there is", func(s testenv.SidecarStatus) bool {
		return !s.Log.Rewrite.Running && s.Log.Rewrite.Last.Base != ""
	})
	require.Empty(t, status.Log.Rewrite.Error)
	require.Zero(t, status.Log.Rewrite.Last.CarriedKeys, "%+v", status.Log.Rewrite)
	release, err := testenv.Freeze(t.Context(), upstream.Client())
	require.NoError(t, err)
	testenv.Eventually(t, "the mirror to have all of the stream", func(ctx context.Context) (testenv.SidecarStatus, bool) {
		return m.inStep(ctx, upstream, "everysec")
	})
	requireCleanEnd(t, family, m)
	requireBoots := func() {
		t.Helper()
		requireSound(t, family, m)
		booted := testenv.BootFromAOF(t, family, m.Dir())
		testenv.RequireEqual(t, upstream, booted, testenv.IgnoreUnreplicated())
		require.NoError(t, booted.Close())
	}
	requireBoots()
	for _, preamble := range []string{"no", "yes"} {
		done := aofsidecar(t, "rewrite", "--set", "aof.dir="+m.Dir(), "--set", "aof.aof-use-rdb-preamble="+preamble, "--set", "control.socket=")
		require.Zero(t, done.code, "%+v", done)
		require.Contains(t, done.stdout, " became ")
		requireBoots()
	}
	require.NoError(t, release(context.WithoutCancel(t.Context())))
	m.start(t)
	m.awaitStreaming(t)
	require.EqualValues(t, 1, requireResyncs(t, upstream).full, "the position is where it was")
	requireCleanEnd(t, family, m)
}

// No space for a new base, which is seen before it is begun or while it is written: that costs the new base and nothing else. The old chain boots, the
// stream goes on, the status says why, and with space again the next rewrite succeeds.
func TestRewriteOnAFullDisk(t *testing.T) {
	const (
		disk, values = 48 << 20, 20 << 20
		early, late  = 16 << 20, 10 << 20 // what somebody else has filled
	)
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			upstream := testenv.StartServer(t, family)
			m := startOnDisk(t, disk, upstream.Addr(), "aof.auto-aof-rewrite-percentage=0", "rewrite.interval=0s")
			dir := onSmallDisk(m)
			ballast(t, upstream, newSeed(t), values)
			requireMirroredAt(t, upstream, m, dir, "everysec")
			fill := filepath.Join(filepath.Dir(dir), "filler")
			work := workload.New(newSeed(t), family, workload.Options{BigValueBytes: -1, NoFieldTTL: true, NoFlush: true}) // a flush makes room
			rewrite := func() result { return aofsidecar(t, "rewrite", "--wait", "--set", "control.socket="+m.Socket()) }

			for _, tc := range []struct {
				filled int
				want   string
			}{{early, "no space for a new base"}, {late, "no space left on device"}} {
				require.NoError(t, os.WriteFile(fill, make([]byte, tc.filled), 0o600))
				write(t, upstream, work, 100)
				failed := rewrite()
				require.Equal(t, 1, failed.code, "%+v", failed)
				require.Contains(t, failed.stderr, tc.want)
				status := m.awaitStreaming(t)
				require.Contains(t, status.Log.Rewrite.Error, tc.want)
				require.False(t, status.Log.DiskFull)
				names, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "temp-*"))
				require.NoError(t, err)
				require.Empty(t, names)
				write(t, upstream, work, 100)
				requireMirroredAt(t, upstream, m, dir, "everysec")
			}

			require.NoError(t, os.Remove(fill))
			done := rewrite()
			require.Zero(t, done.code, "%+v", done)
			require.Contains(t, done.stdout, " became appendonly.aof.2.base.rdb, ")
			require.Empty(t, m.awaitStreaming(t).Log.Rewrite.Error)
			requireMirroredAt(t, upstream, m, dir, "everysec")
			require.Equal(t, resyncs{full: 1}, requireResyncs(t, upstream))
			code, err := m.Stop(t.Context())
			require.NoError(t, err)
			require.Zero(t, code)
		})
	}
}
