package aof

import (
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// heldSync keeps the next sync of an increment under way until it is released.
type heldSync struct {
	begun   chan struct{}
	release chan struct{}
}

func holdSync(fsys *fsxtest.FS) *heldSync {
	h := &heldSync{begun: make(chan struct{}), release: make(chan struct{})}
	var held atomic.Bool
	fsys.DuringSync(func(op fsxtest.Op) {
		if op.Kind == fsxtest.SyncData && held.CompareAndSwap(false, true) {
			close(h.begun)
			<-h.release
		}
	})
	return h
}

// end lets the sync finish and everything settle.
func (h *heldSync) end() {
	close(h.release)
	synctest.Wait()
}

// background runs f beside the test.
func background(f func() error) <-chan error {
	ch := make(chan error, 1)
	go func() { ch <- f() }()
	synctest.Wait()
	return ch
}

// A sync makes durable what was written before it began, and nothing that came while it ran.
func TestSyncCoversWhatCameBefore(t *testing.T) {
	for _, policy := range []Policy{FsyncEverySec, FsyncAlways} {
		t.Run(string(policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 100, 3), func(o *Options) { o.Fsync = policy })
				r.start()
				h := holdSync(r.fs)
				done, stop := r.run()
				r.feed()
				first := r.h.end()
				pass(time.Second)
				<-h.begun
				r.h.plain(4)
				r.h.add("PING")
				r.h.plain(1) // behind a mark
				r.feed()
				require.Equal(t, r.h.start, r.durable())
				h.end()
				require.Equal(t, first, r.durableAfterOneSync(policy))
				require.Equal(t, r.h.end(), r.l.Received())
				require.Contains(t, r.incr(), fmt.Sprintf("#pos %s %d %d %d\r\n", r.h.id, r.h.end()-27, time.Now().UnixMilli(), r.h.start),
					"the mark in the stream was written before the sync ended")
				pass(2 * time.Second)
				require.Equal(t, r.h.end(), r.durable())
				stop()
				require.NoError(t, r.ended(done))
				requireBytes(t, r.h.kept(r.h.end()), streamBytes(t, r.fs.CrashClone(fsxtest.PowerLossAll{}), r.l.at), "after a power loss")
			})
		})
	}
}

// durableAfterOneSync is what the first sync made durable; under always the next group may have followed at once.
func (r *rig) durableAfterOneSync(policy Policy) stream.Offset {
	if policy != FsyncAlways {
		return r.durable()
	}
	for line := range strings.SplitSeq(r.incr(), "\r\n") {
		m, ok := stream.ParseMark([]byte(line))
		if ok && m.Durable > r.h.start {
			return m.Durable
		}
	}
	return r.durable()
}

// What is cut and written anew while a sync runs is not durable when it ends, though the file is as long as before.
func TestSyncGivesNoCreditAfterRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 3), nil)
		r.start()
		r.feed()
		require.NoError(t, r.l.onTick())
		base := r.durable()
		r.h.add("SET", "torn", strings.Repeat("v", 5000))
		require.NoError(t, r.feeder().feed(t.Context(), r.l, base, r.h.end()-40))
		h := holdSync(r.fs)
		done := background(r.l.syncOnce)
		<-h.begun
		require.NoError(t, r.l.Rollback())
		r.h.plain(2)
		r.feed()
		h.end()
		require.NoError(t, <-done)
		require.Equal(t, base, r.durable())
		r.after(fsxtest.PowerLossAll{}, r.durable(), "before the next sync")
		require.NoError(t, r.l.onTick())
		require.Equal(t, r.h.end(), r.durable())
		r.after(fsxtest.PowerLossAll{}, r.durable(), "after it")
	})
}

// The kernel reports a failed write-back to one of two fsyncs that overlap, and success to the other (errseq_t; it is kept for each open
// file). So nothing is durable, and no increment is left for the next, while another sync of it is under way.
func TestSyncWaitsForTheOneUnderWay(t *testing.T) {
	for name, act := range map[string]func(*rig) error{
		"rotation by size": grow,
		"new id":           goOnUnderNewID,
		"full resync":      resyncEmpty,
	} {
		for _, fails := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, failing %v", name, fails), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, newHistory(t, "a1", 100, 3), smallFiles)
					r.start()
					r.feed()
					before := r.durable()
					manifest := r.read(r.l.at.path(r.l.at.manifest()))
					h := holdSync(r.fs)
					synced := background(r.l.syncOnce)
					<-h.begun
					acted := background(func() error { return act(r) })
					require.Equal(t, before, r.durable())
					require.Equal(t, string(manifest), string(r.read(r.l.at.path(r.l.at.manifest()))))
					if fails {
						failOps(r.fs, 1, syscall.EIO, on(fsxtest.SyncData, ".1.incr.aof"))
						h.end()
						requireDiskError(t, <-synced, syscall.EIO)
						requireDiskError(t, <-acted, syscall.EIO)
						require.Equal(t, before, r.durable())
						require.NoError(t, r.l.Close())
						return
					}
					h.end()
					require.NoError(t, <-synced)
					require.NoError(t, <-acted)
					require.NoError(t, r.l.onTick())
					require.Equal(t, r.l.Received(), r.durable())
					require.NoError(t, r.l.Close())
				})
			})
		}
	}
}

// closeCounter counts how often each open file is closed.
type closeCounter struct {
	fsx.FS
	mu    sync.Mutex
	files []*countedFile
}

type countedFile struct {
	fsx.File
	name   string
	fs     *closeCounter
	closed int
}

func (c *closeCounter) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	f, err := c.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	counted := &countedFile{File: f, name: name, fs: c}
	c.files = append(c.files, counted)
	return counted, nil
}

func (f *countedFile) Close() error {
	f.fs.mu.Lock()
	f.closed++
	f.fs.mu.Unlock()
	return f.File.Close()
}

func (c *closeCounter) requireClosedOnce(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.files {
		require.Equal(t, 1, f.closed, "%s closed", f.name)
	}
}

// Every file is closed once, also where a rotation or a full resync takes the place of an increment that is being synced, and where
// that sync fails.
func TestEveryFileIsClosedOnce(t *testing.T) {
	for name, act := range map[string]func(*rig) error{
		"nothing":     func(*rig) error { return nil },
		"rotation":    grow,
		"full resync": resyncEmpty,
		"refused":     func(r *rig) error { return r.tryResync(r.h, strings.NewReader("REDIS0011")) },
	} {
		for _, fails := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, failing %v", name, fails), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, newHistory(t, "a1", 100, 3), smallFiles)
					counter := &closeCounter{FS: r.fs}
					r.opt.FS = counter
					r.start()
					r.feed()
					h := holdSync(r.fs)
					synced := background(r.l.syncOnce)
					<-h.begun
					acted := background(func() error { return act(r) })
					if fails {
						failOps(r.fs, 1, syscall.EIO, on(fsxtest.SyncData, ".1.incr.aof"))
					}
					h.end()
					require.Equal(t, fails, <-synced != nil)
					require.Equal(t, fails && name != "nothing" && name != "refused", <-acted != nil && name != "refused")
					require.NoError(t, r.l.Close())
					counter.requireClosedOnce(t)
				})
			})
		}
	}
}

// Under `no` the kernel decides when to write; durable moves only where an increment or the log closes, or a new id must be on disk.
func TestPolicyNo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 3), func(o *Options) { o.Fsync, o.IncrementBytes = FsyncNo, 2000 })
		r.start()
		done, stop := r.run()
		r.feed()
		pass(5 * time.Second)
		require.Equal(t, r.h.start, r.durable())
		require.Contains(t, r.incr(), fmt.Sprintf("#pos %s %d ", r.h.id, r.h.end()), "marks are written all the same")
		require.NoError(t, r.l.Continue(t.Context(), r.h.id))
		require.Equal(t, r.h.start, r.durable())
		for len(r.incr()) < 2000 {
			require.Equal(t, r.h.start, r.durable())
			require.NoError(t, appendMore(r))
			pass(time.Second)
		}
		closed := r.h.end()
		require.Equal(t, closed, r.durable(), "what is about to close is synced beside the stream")
		require.Empty(t, r.seen().rotated)
		require.NoError(t, appendMore(r))
		require.Len(t, r.seen().rotated, 1)
		require.Equal(t, closed, r.durable(), "the rotation came before the last command")
		require.NoError(t, appendMore(r))
		pass(5 * time.Second)
		require.Equal(t, closed, r.durable())
		stop()
		require.NoError(t, r.ended(done))
		require.NoError(t, r.l.Close())
		require.Equal(t, r.h.end(), r.durable())
	})
}

// Bytes that are dropped need no sync: durable follows at once where all that is kept is durable, and not before.
func TestDurableOverDroppedBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 0), nil)
		r.start()
		r.h.add("PING")
		r.feed()
		require.Equal(t, r.h.end(), r.durable())
		r.h.plain(1)
		kept := r.h.end()
		r.feed()
		r.h.add("PING")
		r.feed()
		require.Less(t, r.durable(), kept)
		require.NoError(t, r.l.syncOnce())
		require.Equal(t, r.h.end(), r.durable())
	})
}

// Moved tells each move of Durable to everybody who asked before it.
func TestMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 2), nil)
		r.open()
		first := r.l.Moved()
		require.Equal(t, first, r.l.Moved())
		_, ok := r.l.Durable()
		require.False(t, ok)
		resync(t, r.l, r.h, 1)
		<-first
		next := r.l.Moved()
		r.feed()
		select {
		case <-next:
			require.Fail(t, "moved without a sync")
		default:
		}
		require.NoError(t, r.l.syncOnce())
		<-next
	})
}
