package aof

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// After a failed fsync the kernel calls the lost pages clean. The container is restarted in the same boot, and the next fsync
// succeeds. The package promises that "the next start believes only what marks prove".
func TestHostileRestartAfterFailedSyncBelievesOnlyProofs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 50, 3), nil)
		r.start()
		done, _ := r.run()
		r.feed()
		pass(2 * time.Second) // marks, and what they prove
		r.h.plain(5)
		r.feed()
		proven := r.durable()
		// A heartbeat between commands: a mark stands where it was, above pages that no fsync has covered. (So does the mark of
		// every second under traffic, for what came while the fsync ran.)
		r.h.add("PING")
		r.h.plain(1)
		r.feed()
		failOps(r.fs, -1, syscall.EIO, on(fsxtest.SyncData, ".incr.aof"))
		pass(2 * time.Second)
		require.ErrorIs(t, <-done, ErrFailed)
		_ = r.l.Close()
		r.fs.FailOp(nil)

		r.open() // the container was restarted: same boot
		require.LessOrEqual(t, r.l.Position().Offset, proven, "only what marks prove may be believed after the latch")
		r.goOn()
		require.LessOrEqual(t, r.durable(), proven, "FACK covers bytes that a failed fsync lost")
	})
}

// The manifest is gone (a glob that left it out, a file system check): base and increments are whole. DESIGN 4: "Data files
// without a manifest ... refuse to start, exit 7".
func TestHostileDataWithoutManifestIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 50, 3), nil)
		r.start()
		r.feed()
		require.NoError(t, r.l.Close())
		y := r.opt.withLayout()
		require.NoError(t, r.fs.Remove(y.path(y.manifest())))
		before := tree(t, r.fs, y.aofDir())
		l, err := Open(t.Context(), r.opt)
		if err == nil {
			// What then happens to the only copy: an upstream that restarted empty.
			resync(t, l, newHistory(t, "b2", 7, 0), 0)
			_ = l.Close()
			after := tree(t, r.fs, y.aofDir())
			for path, data := range before {
				require.Len(t, after[path], len(data), "%s was overwritten", path)
			}
		}
		var notOurs *NotOursError
		require.ErrorAs(t, err, &notOurs)
	})
}

// retained/<timeline> was booted as the docs say, and the server left its dump.rdb there.
func TestHostileServerBootedInRetained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 50, 3), nil)
		r.start()
		r.feed()
		require.NoError(t, r.tryResync(newHistory(t, "b2", 7, 0), rdbOf(10)))
		left := filepath.Join(rigDir, "retained", r.l.shelves[0].Timeline, "dump.rdb")
		f, err := r.fs.OpenFile(left, os.O_CREATE|os.O_RDWR, 0o640)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.NoError(t, r.tryResync(newHistory(t, "c3", 9, 0), rdbOf(10)),
			"the snapshot was taken, and the replica is told that it was not")
	})
}

// A folder in retained/ that is not ours is removed.
func TestHostileOtherFoldersInRetainedStay(t *testing.T) {
	for _, archive := range []bool{false, true} {
		t.Run(fmt.Sprintf("archive %v", archive), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 50, 3), func(o *Options) { o.Archive = archive })
				r.start()
				r.feed()
				require.NoError(t, r.tryResync(newHistory(t, "b2", 7, 0), rdbOf(10)))
				var copies []string
				for _, name := range []string{"before-the-incident", "2024-12-copy", "1700000000-copy"} {
					keep := filepath.Join(rigDir, "retained", name, "appendonlydir")
					require.NoError(t, r.fs.MkdirAll(keep, 0o750))
					copies = append(copies, filepath.Join(keep, "appendonly.aof.1.base.rdb"))
					f, err := r.fs.OpenFile(copies[len(copies)-1], os.O_CREATE|os.O_RDWR, 0o640)
					require.NoError(t, err)
					require.NoError(t, f.Close())
				}
				require.NoError(t, r.tryResync(newHistory(t, "c3", 9, 0), rdbOf(10)))
				for _, tl := range r.l.Holdings().Timelines {
					r.l.Shipped(tl.ID, tl.End.Offset)
				}
				r.l.opt.MaxDisk.Bytes = 1
				require.NoError(t, r.l.tendAll())
				for _, path := range copies {
					_, err := r.fs.Stat(path)
					require.NoError(t, err, "an operator's copy was deleted")
				}
			})
		})
	}
}

// The base was empty (a new upstream), nobody counted keys (no scrape, INFO denied, or less than 64 KiB of traffic), the upstream restarts
// empty and one key is written before the snapshot; it crashes once more. Nothing is left of the data.
func TestHostileGuardKnowsThatThereWasData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHistory(t, "a1", 50, 10000)
		r := newRig(t, h, nil)
		r.open()
		resync(t, r.l, h, 0)
		r.feed()
		require.NoError(t, r.tryResync(newHistory(t, "b2", 7, 0), rdbOf(1)))
		require.NoError(t, r.tryResync(newHistory(t, "c3", 7, 0), rdbOf(1)))
		require.NotEmpty(t, r.seen().tripped, "10,000 writes became one key")
	})
}

// The file system has no hard links (exFAT, some CIFS and FUSE), or appendonlydir is a mount of its own (EXDEV).
func TestHostileNoHardLinks(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EPERM, syscall.EXDEV} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, newHistory(t, "a1", 50, 3), nil)
			r.start()
			r.feed()
			failOps(r.fs, -1, errno, func(op fsxtest.Op) bool { return op.Kind == fsxtest.Link })
			require.NoError(t, r.tryResync(newHistory(t, "b2", 7, 0), rdbOf(10)), "every full resync fails, each forks the upstream")
		})
	}
}

// A stock server that was started in the directory itself beside us appends to our open increment.
func TestHostileForeignWriterIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 50, 3), nil)
		r.start()
		done, _ := r.run()
		r.feed()
		pass(2 * time.Second)
		f, err := r.fs.OpenFile(r.l.inc.path, os.O_RDWR, 0)
		require.NoError(t, err)
		info, err := f.Stat()
		require.NoError(t, err)
		_, err = f.WriteAt(bytes.Repeat([]byte("*1\r\n$8\r\nFLUSHALL\r\n"), 100), info.Size())
		require.NoError(t, err)
		require.NoError(t, f.Close())
		r.h.plain(3)
		r.feed()
		pass(2 * time.Second)
		select {
		case err := <-done:
			require.Error(t, err)
		default:
			_, err := Verify(t.Context(), r.opt)
			require.NoError(t, err, "the log is broken, and nobody says so")
			require.Fail(t, "not noticed")
		}
	})
}

// The directory, lock file included, is a crash-consistent snapshot of a live volume, mounted on a host that did not reboot: the
// same as a power loss, with the same boot id. A page in a value is missing, a later mark is there.
func TestHostileVolumeSnapshotInTheSameBoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHistory(t, "a1", 50, 3)
		r := newRig(t, h, nil)
		r.start()
		r.goOn()
		done, stop := r.run()
		r.feed()
		pass(2 * time.Second)
		proven := r.durable()
		h.add("SET", "big", string(bytes.Repeat([]byte("v"), 5<<20)))
		h.add("PING")
		h.plain(2)
		r.feed()
		path, size := r.l.inc.path, r.l.inc.size
		data := readAll(t, r.fs, path)
		lock := readAll(t, r.fs, rigDir+"/aofsidecar.lock")
		stop()
		require.NoError(t, <-done)
		_ = r.l.Close()
		// What the disk had: all but one page of the value.
		copy(data[size-3<<20:], make([]byte, 4096))
		f, err := r.fs.OpenFile(path, os.O_RDWR|os.O_TRUNC, 0)
		require.NoError(t, err)
		_, err = f.WriteAt(data, 0)
		require.NoError(t, errors.Join(err, f.Close()))
		require.NoError(t, r.fs.Remove(rigDir+"/aofsidecar.lock"))
		f, err = r.fs.OpenFile(rigDir+"/aofsidecar.lock", os.O_RDWR|os.O_CREATE, 0o640)
		require.NoError(t, err)
		_, err = f.WriteAt(lock, 0)
		require.NoError(t, errors.Join(err, f.Close()))
		r.open()
		require.LessOrEqual(t, r.l.Position().Offset, proven, "a hole in a value is taken for data, and never fetched again")
	})
}

// kill -9 between mkdir of appendonlydir and the fsync of its parent, a new start, and then a power loss: MkdirAllDurable says that whoever did
// not make a directory syncs the parent once.
func TestHostileDirectoryOfAKilledProcessIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 50, 3), nil)
		require.NoError(t, fsx.MkdirAllDurable(r.fs, rigDir, 0o750))
		require.NoError(t, r.fs.MkdirAll(rigDir+"/appendonlydir", 0o750)) // and killed
		r.start()
		r.feed()
		require.NoError(t, r.l.Close())
		off := r.durable()
		r.reopen(fsxtest.PowerLossAll{})
		require.Equal(t, stream.Position{ReplID: r.h.id, Offset: off}, r.l.Position(), "FACK covered it")
	})
}

// The clock was ahead when the timeline began and was set right: idle marks and rotation by age stop until it is reached again.
func TestHostileClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ahead := 10 * 365 * 24 * time.Hour
		r := newRig(t, newHistory(t, "a1", 50, 3), func(o *Options) {
			o.Now = func() time.Time { return time.Now().Add(ahead) }
			o.IncrementAge = time.Minute
		})
		r.start()
		r.run()
		r.feed()
		ahead = 0
		for range 5 {
			r.h.plain(2)
			r.feed()
			pass(time.Minute)
		}
		require.NotEmpty(t, r.seen().rotated, "increment-age has no effect any more")
	})
}

// A later Redis writes a later RDB version (12 is 8.0's) with nothing in it that we do not know. Unknown opcodes are taken on the checksum's
// word; an unknown version is refused, after the upstream has forked, for ever.
func TestHostileLaterRDBVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 50, 3), nil)
		r.open()
		later := testRDB(10)
		copy(later, "REDIS0013")
		copy(later[len(later)-8:], make([]byte, 8)) // no checksum
		require.NoError(t, r.tryResync(r.h, bytes.NewReader(later)))
	})
}

// The disk hangs in a write. /status, /readyz and /metrics ask the upstream for its keys, and tell the log.
func TestHostileKeysSeenNeverWaitsForTheDisk(t *testing.T) {
	r := newRig(t, newHistory(t, "a1", 50, 3), nil)
	r.start()
	hung, heal := make(chan struct{}), make(chan struct{})
	r.fs.FailOp(func(op fsxtest.Op) error {
		if op.Kind == fsxtest.Write && filepath.Ext(op.Path) == ".aof" {
			close(hung)
			<-heal
		}
		return nil
	})
	fed := make(chan error, 1)
	go func() { fed <- r.tryFeed(t.Context()) }()
	<-hung
	r.fs.FailOp(nil)
	told := make(chan struct{})
	go func() { r.l.KeysSeen(r.h.id, 10); close(told) }()
	select {
	case <-told:
	case <-time.After(2 * time.Second):
		t.Error("KeysSeen waits for the disk, and whoever asks for the status with it")
	}
	close(heal)
	require.NoError(t, <-fed)
	<-told
}

// A server runs in the directory, and rewrites its log, while a log is opened there: what it wrote of the manifest meanwhile must stand, for
// it removes what that no longer names.
func TestHostileManifestChangesDuringOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 50, 3), nil)
		r.start()
		r.feed()
		require.NoError(t, r.l.onTick())
		r.fs = r.fs.CrashClone(fsxtest.KillProcess{})
		r.opt.FS = r.fs
		path := rigDir + "/appendonlydir/appendonly.aof.manifest"
		theirs := "file appendonly.aof.2.base.rdb seq 2 type b\nfile appendonly.aof.2.incr.aof seq 2 type i\n"
		r.opt.Observer.Recovered = func(Recovery) {
			require.NoError(t, fsx.ReplaceFile(r.fs, path, []byte(theirs), fileMode))
		}
		_, err := Open(t.Context(), r.opt)
		require.ErrorAs(t, err, new(*NotOursError))
		require.Equal(t, theirs, string(r.read(path)))
	})
}
