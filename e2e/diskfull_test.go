package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// The disk of TestDiskFull, and what of it somebody else has filled. What the test writes fits without that, and not with it.
const (
	smallDisk = 24 << 20
	filler    = 16 << 20
	written   = 12 << 20
)

// The disk is full: the sidecar stops reading and says so, keeps its link and its position, and goes on by itself when there is space
// again, without a snapshot.
func TestDiskFull(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		for _, fsync := range []string{"always", "everysec"} {
			t.Run(family.Name+"/"+fsync, func(t *testing.T) {
				t.Parallel()
				upstream := testenv.StartServer(t, family)
				m := startOnSmallDisk(t, upstream.Addr(), "aof.appendfsync="+fsync, "aof.increment-size=1mb")
				disk := onSmallDisk(m)
				fill := filepath.Join(filepath.Dir(disk), "filler")
				require.NoError(t, os.WriteFile(fill, make([]byte, filler), 0o600))

				// Keys of their own: whatever is lost, shows.
				client := upstream.Client()
				for i := range written >> 20 {
					value := strings.Repeat(string(rune('a'+i%26)), 1<<20)
					require.NoError(t, client.Set(t.Context(), fmt.Sprint("large ", i), value, 0).Err())
				}
				stopped := m.await(t, "out of space", func(s testenv.SidecarStatus) bool { return s.Log.DiskFull })
				require.False(t, stopped.Ready)
				require.True(t, stopped.Streaming())
				end, err := offsetOf(t.Context(), upstream)
				require.NoError(t, err)
				require.Less(t, stopped.Log.Received, end)
				if family.Has(testenv.WaitAOF) {
					counted, err := waitAOF(t.Context(), client, 100)
					require.NoError(t, err)
					require.Equal(t, []int64{0, 0}, counted, "nothing is acknowledged that is not there")
				}

				require.NoError(t, client.FlushAll(t.Context()).Err())
				require.NoError(t, os.Remove(fill))
				testenv.Eventually(t, "reading to go on", func(ctx context.Context) (testenv.SidecarStatus, bool) {
					return m.inStep(ctx, upstream, fsync)
				})
				write(t, upstream, workload.New(newSeed(t), family, workload.Options{BigValueBytes: -1, NoFieldTTL: true}), 200)
				requireMirroredAt(t, upstream, m, disk, fsync)
				require.False(t, m.awaitStreaming(t).Log.DiskFull)
				require.Equal(t, resyncs{full: 1}, requireResyncs(t, upstream))
				code, err := m.Stop(t.Context())
				require.NoError(t, err)
				require.Zero(t, code)
			})
		}
	}
}

// A snapshot that does not fit is refused before it is taken, or as soon as it turns out; what was there stays, and while there is no
// space none is asked for again.
func TestSnapshotLargerThanTheDisk(t *testing.T) {
	for i, family := range testenv.Servers(t) {
		diskless := []string{"yes", "no"}[i%2]
		t.Run(family.Name+"/diskless="+diskless, func(t *testing.T) {
			t.Parallel()
			upstream := testenv.StartServer(t, family, testenv.WithConfig("repl-diskless-sync "+diskless))
			require.NoError(t, upstream.Client().Set(t.Context(), "key", "value", 0).Err())
			proxy := testenv.NewProxy(t, upstream.Addr())
			m := startOnSmallDisk(t, proxy.Addr())
			requireMirroredAt(t, upstream, m, onSmallDisk(m), "everysec")
			timeline := m.awaitStreaming(t).Log.Timeline

			forgetHistory(t, upstream, proxy)
			ballast(t, upstream, newSeed(t), smallDisk+1)
			proxy.SetPlan(nil)
			status := m.await(t, "refusing the snapshot", func(s testenv.SidecarStatus) bool {
				return s.Upstream.FailedSnapshots == 1 && s.Upstream.Phase == "backing off"
			})
			require.Contains(t, strings.ToLower(status.Upstream.LastFailure.Message), "no space")
			require.Equal(t, timeline, status.Log.Timeline)
			booted := testenv.BootFromAOF(t, family, onSmallDisk(m))
			size, err := booted.Client().DBSize(t.Context()).Result()
			require.NoError(t, err)
			require.EqualValues(t, 1, size)
			if full {
				m.awaitWithin(t, 3*time.Minute, "waiting for space", func(s testenv.SidecarStatus) bool {
					return s.Upstream.LastFailure.Class == "held"
				})
			}
			require.EqualValues(t, 2, requireResyncs(t, upstream).full)
		})
	}
}

// onSmallDisk returns the name of the sidecar's directory in this process's namespace. The disk exists in the sidecar's only, and ends
// with it.
func onSmallDisk(m mirror) string { return fmt.Sprintf("/proc/%d/root%s", m.PID(), m.Dir()) }

// startOnSmallDisk starts a sidecar in a mount namespace of its own where its directory is on a small tmpfs: nothing is mounted
// that anybody else sees, and nothing has to be unmounted.
func startOnSmallDisk(t *testing.T, upstream string, set ...string) mirror {
	t.Helper()
	return startOnDisk(t, smallDisk, upstream, set...)
}

// startOnDisk is startOnSmallDisk for a disk of so many bytes.
func startOnDisk(t *testing.T, size int, upstream string, set ...string) mirror {
	t.Helper()
	m := newMirrorOnDisk(t, bytesOf(size), upstream, set...)
	m.start(t)
	m.awaitStreaming(t)
	return m
}

// newMirrorOnDisk prepares a sidecar on a disk with these options of tmpfs(5).
func newMirrorOnDisk(t *testing.T, options, upstream string, set ...string) mirror {
	t.Helper()
	mountPoint := t.TempDir()
	script := filepath.Join(t.TempDir(), "aofsidecar")
	text := fmt.Sprintf("#!/bin/sh\nexec unshare %s -- sh -c '%s && exec setpriv --pdeathsig KILL -- \"$@\"' sh %s \"$@\"\n",
		namespace(t), mountCommand(mountPoint, options), program)
	testenv.WriteScript(t, script, text)
	return newMirrorOf(t, script, filepath.Join(mountPoint, "mirror"), upstream, set...)
}

func bytesOf(size int) string { return fmt.Sprintf("size=%d", size) }

func mountCommand(mountPoint, options string) string {
	return fmt.Sprintf("mount -t tmpfs -o %s tmpfs %s", options, mountPoint)
}

// namespace returns the options of unshare(1) with which this user may mount: as root it takes a mount namespace, as anybody else a user
// namespace too. There is no third way to a disk that is full.
func namespace(t *testing.T) string {
	t.Helper()
	var refused []string
	for _, options := range []string{"--mount", "--mount --map-root-user"} {
		tried := command(t, "sh", "-c", "unshare "+options+" -- sh -c '"+mountCommand(t.TempDir(), bytesOf(smallDisk))+"'")
		if tried.code == 0 {
			return options
		}
		refused = append(refused, fmt.Sprintf("unshare %s: %s", options, tried.stderr))
	}
	require.Fail(t, "this test needs to mount a tmpfs: run it as root with CAP_SYS_ADMIN, or where unprivileged user namespaces are allowed",
		strings.Join(refused, "\n"))
	return ""
}
