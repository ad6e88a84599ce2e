package e2e_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// Whatever umask it is started with, nothing that the sidecar makes can be read by everybody, or written by a group: files are 0640 and folders 0750 at most, the
// control socket 0600. A umask that leaves less is kept to.
func TestModes(t *testing.T) {
	for umask, want := range map[string]struct{ file, folder fs.FileMode }{
		"0000": {0o640, 0o750},
		"0077": {0o600, 0o700},
	} {
		t.Run(umask, func(t *testing.T) {
			t.Parallel()
			family := testenv.Pick(t, "valkey-8.1")
			upstream := testenv.StartServer(t, family)
			executable := filepath.Join(t.TempDir(), "aofsidecar")
			script := fmt.Sprintf("#!/bin/sh\numask %s\nexec %s \"$@\"\n", umask, program)
			testenv.WriteScript(t, executable, script)
			a := newArchive(t, false)
			parent := t.TempDir()
			require.NoError(t, os.Chmod(parent, 0o755))
			dir := filepath.Join(parent, "a", "mirror")
			m := newMirrorOf(t, executable, dir, upstream.Addr(), append(a.set, "aof.increment-size=64kb")...)
			m.start(t)
			m.awaitStreaming(t)
			for i := range 2000 {
				require.NoError(t, upstream.Client().Set(t.Context(), fmt.Sprint("key:", i%100), fmt.Sprintf("%0100d", i), 0).Err())
			}
			m.awaitShipped(t, upstream)
			got := command(t, executable, "rewrite", "--wait", "--set", "control.socket="+m.Socket())
			require.Zero(t, got.code, "%+v", got)
			// Another history: what is there is kept until it is shipped.
			require.NoError(t, upstream.Client().Do(t.Context(), "DEBUG", "CHANGE-REPL-ID").Err())
			require.NoError(t, upstream.Client().Do(t.Context(), "CLIENT", "KILL", "TYPE", "replica").Err())
			m.await(t, "in another history", func(s testenv.SidecarStatus) bool { return s.Streaming() && s.Upstream.FullResyncs == 2 })
			require.NoError(t, upstream.Client().Set(t.Context(), "counter", "1", 0).Err())
			m.awaitShipped(t, upstream)
			requireModes(t, filepath.Dir(dir), want.file, want.folder)
			requireModes(t, a.dir, want.file, want.folder)
			socket, err := os.Lstat(m.Socket())
			require.NoError(t, err)
			require.Equal(t, fs.FileMode(0o600), socket.Mode().Perm())
			requireCleanEnd(t, family, m)
			requireModes(t, filepath.Dir(dir), want.file, want.folder)

			for _, format := range []string{"aof", "rdb", "resp-file"} {
				target := filepath.Join(parent, format, "target")
				if format != "aof" {
					target = filepath.Join(parent, format)
				}
				got = command(t, executable, "restore", "--archive", a.url, "--output", target, "--format", format)
				require.Zero(t, got.code, "%+v", got)
				requireModes(t, filepath.Join(parent, format), want.file, want.folder)
			}
		})
	}
}

// requireModes wants what is below a folder, and the folder, to have these modes.
func requireModes(t *testing.T, root string, file, folder fs.FileMode) {
	t.Helper()
	files := testenv.Eventually(t, "a moment in which no file goes", func(context.Context) (int, bool) {
		n := 0
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			want := file
			if d.IsDir() {
				want = folder
			} else {
				n++
			}
			require.Equal(t, want, info.Mode()&^fs.ModeDir, name)
			return nil
		})
		return n, err == nil
	})
	require.Positive(t, files)
}
