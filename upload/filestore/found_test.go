package filestore

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/upload"
)

// newArchive is an empty archive whose root is durable.
func newArchive(t *testing.T) *fsxtest.FS {
	t.Helper()
	fsys := fsxtest.New()
	require.NoError(t, fsys.MkdirAll("/archive", dirPerm))
	require.NoError(t, fsys.SyncDir("/"))
	return fsys
}

// requireKept wants an object to outlast any power loss from now on.
func requireKept(t *testing.T, fsys *fsxtest.FS, key, want, at string) {
	t.Helper()
	for seed := range uint64(10) {
		for _, crash := range fsxtest.Crashes(seed) {
			clone := fsys.CrashClone(crash)
			require.Equal(t, want, content(t, inMemory(clone), key), "%s, then %v\n%s", at, crash, clone.Dump())
		}
	}
}

// A process was killed while it stored the first object of a folder. Whatever the next one says is stored, because it stored it, was told that it is there, or has it listed, outlasts a power loss.
func TestWhatIsFoundOutlastsAPowerLoss(t *testing.T) {
	const key, other, text = "timelines/1/incr/a", "timelines/1/incr/b", "content"
	for name, next := range map[string]func(t *testing.T, s *Store) (says []string){
		"stores the same": func(t *testing.T, s *Store) []string {
			t.Helper()
			if err := put(s, key, text, upload.Condition{Absent: true}); !errors.Is(err, upload.ErrExists) {
				require.NoError(t, err)
			}
			return []string{key}
		},
		"stores another": func(t *testing.T, s *Store) []string {
			t.Helper()
			require.NoError(t, put(s, other, text, upload.Condition{Absent: true}))
			return []string{other}
		},
		"lists": func(t *testing.T, s *Store) (says []string) {
			t.Helper()
			s.ships = true
			for obj, err := range s.List(t.Context(), "timelines/", "") {
				require.NoError(t, err)
				says = append(says, obj.Key)
			}
			return says
		},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := newArchive(t)
			fsys.OnOp(func(n int, op fsxtest.Op) {
				killed := fsys.CrashClone(fsxtest.KillProcess{})
				for _, key := range next(t, inMemory(killed)) {
					requireKept(t, killed, key, text, fmt.Sprintf("killed at %d: %v; %s", n, op, key))
				}
			})
			require.NoError(t, put(inMemory(fsys), key, text, upload.Condition{Absent: true}))
		})
	}
}

// The fsync of a folder fails, once. What is stored in the end outlasts a power loss.
func TestPutAfterASyncOfAFolderThatFailed(t *testing.T) {
	const key, text = "timelines/1/incr/a", "content"
	for fail := 1; ; fail++ {
		fsys, n := newArchive(t), 0
		fsys.FailOp(func(op fsxtest.Op) error {
			if op.Kind != fsxtest.SyncDir {
				return nil
			}
			if n++; n == fail {
				return syscall.EIO
			}
			return nil
		})
		s := inMemory(fsys)
		err := put(s, key, text, upload.Condition{Absent: true})
		if n < fail {
			require.NoError(t, err)
			return
		}
		require.ErrorIs(t, err, syscall.EIO)
		if err := put(s, key, text, upload.Condition{Absent: true}); !errors.Is(err, upload.ErrExists) {
			require.NoError(t, err)
		}
		requireKept(t, fsys, key, text, fmt.Sprintf("sync %d failed", fail))
	}
}

// A process was killed while it made the root of an archive. The next one makes what it stores there durable.
func TestRootOutlastsAPowerLoss(t *testing.T) {
	fsys := fsxtest.New()
	fsys.OnOp(func(n int, op fsxtest.Op) {
		killed := fsys.CrashClone(fsxtest.KillProcess{})
		require.NoError(t, makeRoot(killed, "/volume/deep/archive"))
		for _, crash := range fsxtest.Crashes(uint64(n)) {
			_, err := killed.CrashClone(crash).Stat("/volume/deep/archive")
			require.NoError(t, err, "killed at %d: %v, then %v", n, op, crash)
		}
	})
	require.NoError(t, makeRoot(fsys, "/volume/deep/archive"))
}
