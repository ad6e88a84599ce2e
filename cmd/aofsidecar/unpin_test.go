package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/admin"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// TestUnpinReleasesAGuardedTimeline wipes an upstream behind the mirror's back, as a server that restarts without its data is.
func TestUnpinReleasesAGuardedTimeline(t *testing.T) {
	server := testenv.StartServer(t, testenv.Pick(t, "redis-7.0"))
	for _, key := range []string{"a", "b", "c"} {
		require.NoError(t, server.Client().Set(t.Context(), key, "1", 0).Err())
	}
	mirror := startMirror(t, mirrorConfig(t, server))
	mirror.await(t, "mirror to be ready", isReady)
	require.NoError(t, server.Kill())
	require.NoError(t, server.Restart(t.Context()))
	status := mirror.await(t, "guard to trip", func(s Status) bool { return len(s.Log.Guarded()) == 1 })
	timeline := status.Log.Guarded()[0].Timeline

	client := admin.NewClient(mirror.config.Control.Socket)
	var released unpinRequest
	require.NoError(t, client.Post(t.Context(), unpinPath, unpinRequest{Timeline: timeline}, &released))
	require.Equal(t, timeline, released.Timeline)
	mirror.await(t, "guard to be released", func(s Status) bool { return len(s.Log.Guarded()) == 0 })

	var remote *admin.RemoteError
	require.ErrorAs(t, client.Post(t.Context(), unpinPath, unpinRequest{Timeline: timeline}, &released), &remote)
	require.Contains(t, remote.Message, "is not pinned")
	require.ErrorAs(t, client.Post(t.Context(), unpinPath, "nonsense", &released), &remote)
	require.Contains(t, remote.Message, "read request")
	require.NoError(t, mirror.stop())
}
