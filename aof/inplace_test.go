package aof

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// appendTo adds text to the end of a file, durably, as a server that was booted in place does.
func (r *rig) appendTo(path, text string) {
	r.t.Helper()
	f, err := r.fs.OpenFile(path, os.O_RDWR, 0)
	require.NoError(r.t, err)
	info, err := f.Stat()
	require.NoError(r.t, err)
	_, err = f.WriteAt([]byte(text), info.Size())
	require.NoError(r.t, err)
	require.NoError(r.t, f.Sync())
	require.NoError(r.t, f.Close())
}

func serverWrites() string {
	out := resp.AppendCommandStrings(nil, "SELECT", "0")
	out = append(out, "#TS:1700000000\r\n"...)
	out = resp.AppendCommandStrings(out, "SET", "written", "by the server")
	out = resp.AppendCommandStrings(out, "MULTI")
	out = resp.AppendCommandStrings(out, "INCR", "n")
	return string(resp.AppendCommandStrings(out, "EXEC"))
}

// A stock server that was booted in the directory appends to the last increment without marks. The position is still our last mark; what
// the server wrote is cut when the upstream sends something else, and is kept when there is a full resync: then it was the newest copy there was.
func TestServerBootedInPlace(t *testing.T) {
	for _, policy := range []Policy{FsyncEverySec, FsyncNo} {
		for _, crash := range []fsxtest.Crash{nil, fsxtest.KillProcess{}, fsxtest.Reboot{}} {
			for _, torn := range []string{"", "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$50\r\nvvv", "*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$1\r\nx\r\n"} {
				t.Run(fmt.Sprintf("%s, %v, torn %d", policy, crash, len(torn)), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { checkBootedInPlace(t, policy, crash, torn) })
				})
			}
		}
	}
}

func checkBootedInPlace(t *testing.T, policy Policy, crash fsxtest.Crash, torn string) {
	t.Helper()
	r := newRig(t, newHistory(t, "a1", 100, 5), func(o *Options) { o.Fsync = policy })
	r.start()
	r.feed()
	require.NoError(t, r.l.Close())
	written := serverWrites()
	r.appendTo(r.l.inc.path, written+torn)

	r.reopen(crash)
	require.Equal(t, r.h.end(), r.l.Position().Offset)
	require.Equal(t, int64(len(written+torn)), r.seen().recovery.Tail)
	require.Equal(t, int64(len(torn)), r.seen().recovery.Torn)
	require.True(t, r.l.Status().Awaiting)
	require.NoError(t, r.l.Rollback())
	require.NoError(t, r.l.onTick())
	require.True(t, strings.HasSuffix(r.incr(), written+torn), "nothing is cut before the upstream has answered")
	require.NoError(t, r.l.Close())

	kept := r.fs.CrashClone(fsxtest.KillProcess{})
	r.reopen(nil)
	r.goOn()
	r.h.plain(2)
	r.feed()
	require.NotEmpty(t, r.seen().cut)
	require.NoError(t, r.l.Close())
	r.requireHolds(r.fs, r.h.end())

	other := newRig(t, r.h, func(o *Options) { o.Fsync = policy })
	other.fs, other.opt.FS = kept, kept
	other.open()
	one := other.l.Status().Timeline
	other.nextTimeline("b2", 10, 3)
	rep := other.verifyRetained(kept, one)
	require.Len(t, rep.Increments, 1)
	chain := string(readAll(t, kept, other.l.at.retained(one).path(rep.Increments[0].Name)))
	require.True(t, strings.HasSuffix(chain, written), "the retained chain ends with what the server wrote, without what is torn")
	require.NoError(t, other.l.Close())
	other.requireHolds(kept, other.h.end())
}

// Redis 8 writes the manifest anew when it stops, without keys that it does not know and with its own: our timeline is then in the lock
// file only, and comes back with the next manifest.
func TestRedis8RewritesTheManifest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 5), smallFiles)
		r.start()
		require.NoError(t, grow(r))
		timeline := r.l.Status().Timeline
		increments := r.l.Status().Increments
		require.Greater(t, increments, 1)
		require.NoError(t, r.l.Close())

		path := r.l.at.path(r.l.at.manifest())
		text := string(r.read(path))
		require.Contains(t, text, " timeline "+timeline)
		text = strings.Replace(text, " timeline "+timeline, "", 1)
		text = strings.Replace(text, " keys 10", "", 1)
		text = strings.TrimSuffix(text, "\n") + " endoffset 4711\n"
		f, err := r.fs.OpenFile(path, os.O_RDWR|os.O_TRUNC, 0)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		r.appendTo(path, text)

		for _, crash := range []fsxtest.Crash{nil, fsxtest.Reboot{}} {
			r.reopen(crash)
			require.Equal(t, timeline, r.l.Status().Timeline)
			require.Equal(t, r.h.end(), r.l.Position().Offset)
			require.Equal(t, int64(-1), r.l.Status().BaseKeys)
			require.NoError(t, r.l.Close())
		}
		r.reopen(nil)
		r.goOn()
		require.NoError(t, grow(r))
		require.Greater(t, r.l.Status().Increments, increments)
		require.Contains(t, string(r.read(path)), " timeline "+timeline)
		require.NoError(t, r.l.Close())
		require.NoError(t, r.fs.Remove(r.l.at.lockPath()))
		r.reopen(nil)
		require.Equal(t, timeline, r.l.Status().Timeline)
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
	})
}

// A server that rewrote its AOF in place leaves a directory that is no log of ours any more.
func TestServerRewroteInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 5), nil)
		r.start()
		r.feed()
		require.NoError(t, r.l.Close())
		dir := rigDir + "/appendonlydir/"
		files := map[string]string{
			dir + "appendonly.aof.2.base.rdb": string(testRDB(12)),
			dir + "appendonly.aof.2.incr.aof": serverWrites(),
			dir + "appendonly.aof.manifest": "file appendonly.aof.2.base.rdb seq 2 type b\n" +
				"file appendonly.aof.2.incr.aof seq 2 type i startoffset 0\n",
			rigDir + "/aofsidecar.lock": string(r.read(r.l.at.lockPath())),
		}
		fsys := put(t, files)
		_, err := Open(t.Context(), Options{Dir: rigDir, FS: fsys})
		var notOurs *NotOursError
		require.ErrorAs(t, err, &notOurs)
		requireTree(t, files, tree(t, fsys, rigDir))
	})
}
