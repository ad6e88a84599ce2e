package e2e_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// An upstream without persistence restarts empty. The sidecar follows, and says so, and keeps what was there until somebody has
// looked: a stock server boots from it.
func TestUpstreamWiped(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			upstream := testenv.StartServer(t, family)
			work := newWorkload(t, newSeed(t), upstream, workload.Options{
				LongExpiry: true, NoFlush: true, NoFieldTTL: family.Has(testenv.FieldTTLReplayHazard),
			})
			write(t, upstream, work, 500)
			m := startMirror(t, upstream.Addr())
			write(t, upstream, work, 500)
			requireMirrored(t, upstream, m, "everysec")
			old, err := testenv.Fingerprint(t.Context(), upstream.Client(), family, testenv.IgnoreUnreplicated())
			require.NoError(t, err)
			timeline := m.awaitStreaming(t).Log.Timeline

			for range 2 { // the second time there is nothing to lose any more
				before := m.awaitStreaming(t).Log.Timeline
				require.NoError(t, upstream.Restart(t.Context()))
				m.await(t, "on the next timeline", func(s testenv.SidecarStatus) bool {
					return s.Streaming() && s.Log.Timeline != before
				})
				requireGuard(t, m, timeline)
				requireMirrored(t, upstream, m, "everysec")
			}
			shown := aofsidecar(t, "status", "--set", "control.socket="+m.Socket())
			require.Zero(t, shown.code, "%+v", shown)
			require.Contains(t, shown.stdout, timeline)

			retained := filepath.Join(m.Dir(), "retained", timeline)
			verified := aofsidecar(t, "verify", retained)
			require.Zero(t, verified.code, "%+v", verified)
			booted := testenv.BootFromAOF(t, family, retained)
			kept, err := testenv.Fingerprint(t.Context(), booted.Client(), family, testenv.IgnoreUnreplicated())
			require.NoError(t, err)
			require.Empty(t, testenv.Diff(old, kept))

			released := aofsidecar(t, "unpin", timeline, "--set", "control.socket="+m.Socket())
			require.Zero(t, released.code, "%+v", released)
			status := m.awaitStreaming(t)
			for _, chain := range status.Log.Retained {
				require.Nil(t, chain.Guard, "%+v", chain)
			}
			requireCleanEnd(t, family, m)
		})
	}
}

// requireGuard looks for the chain that the guard keeps.
func requireGuard(t *testing.T, m mirror, timeline string) {
	t.Helper()
	for _, chain := range m.awaitStreaming(t).Log.Retained {
		if chain.Timeline == timeline {
			require.NotNil(t, chain.Guard)
			require.Positive(t, chain.Guard.KeysWas)
			require.Zero(t, chain.Guard.KeysNow)
			return
		}
	}
	require.Fail(t, "the timeline is not retained", timeline)
}
