package aof

import (
	"context"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// What is dropped comes in one run, however many marks the tail has in the midst of it: WAITAOF asks, a mark is written, and WAITAOF asks again.
func TestRetraceOverMarksAmongWhatIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 5), nil)
		r.start()
		r.feed()
		r.h.add("REPLCONF", "GETACK", "*")
		r.feed()
		require.NoError(t, r.l.onTick())
		r.h.add("REPLCONF", "GETACK", "*")
		r.h.plain(1)
		r.feed()
		require.NoError(t, r.l.syncOnce())
		promised := r.durable()
		require.Equal(t, r.h.end(), promised)
		r.reopen(fsxtest.PowerLossAll{})
		before := r.incr()
		require.Less(t, r.goOn().Offset, promised)
		r.feed()
		require.Empty(t, r.seen().cut)
		require.Equal(t, before, r.incr())
		require.Equal(t, promised, r.durable())
		r.h.plain(1)
		r.feed()
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
	})
}

// divergedAndFull leaves a log that has been told by B, which parts from A where the log stands, of more than A has sent, and that has no space to
// say so.
func divergedAndFull(t *testing.T, r *rig) (a *history, full *fault, done chan error) {
	t.Helper()
	a = r.h
	crashBehindAMark(r, fsxtest.KillProcess{})
	at := r.l.Position().Offset
	b := a.fork(at)
	b.promote(replID(t, "b2"))
	b.add("PING")
	r.h = b
	r.goOn()
	full = failOps(r.fs, -1, syscall.ENOSPC, on(fsxtest.Write, ".incr.aof"))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	done = make(chan error, 1)
	go func() { done <- r.feeder().feed(ctx, r.l, at, b.end()) }()
	synctest.Wait()
	require.Positive(t, full.count())
	return a, full, done
}

// While the mark of a new id waits for space, nothing says of an offset of the new history that it is the old one's: not the place to ask for,
// and no mark that Run writes meanwhile.
func TestNoOffsetOfTheNewHistoryUnderTheOldID(t *testing.T) {
	t.Run("asked for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, newHistory(t, "a1", 100, 5), nil)
			a, full, done := divergedAndFull(t, r)
			require.ErrorIs(t, <-done, context.DeadlineExceeded)
			require.NoError(t, r.l.Rollback())
			pos, _, err := r.l.Resume()
			require.NoError(t, err)
			requireOneHistory(t, pos, a, r.h)

			full.heal()
			r.goOn()
			r.h.plain(3)
			r.feed()
			require.NoError(t, r.l.Close())
			r.requireHolds(r.fs, r.h.end())
		})
	})
	t.Run("marked", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, newHistory(t, "a1", 100, 5), nil)
			a, full, done := divergedAndFull(t, r)
			full.heal()
			require.NoError(t, r.l.onTick())
			l, err := Open(t.Context(), Options{Dir: rigDir, FS: r.fs.CrashClone(fsxtest.KillProcess{})})
			require.NoError(t, err)
			requireOneHistory(t, l.Position(), a, r.h)
			require.NoError(t, l.Close())
			require.NoError(t, <-done)
		})
	})
}

func requireOneHistory(t *testing.T, pos stream.Position, a, b *history) {
	t.Helper()
	require.True(t, a.knows(pos) || b.knows(pos), "%s", pos)
	h := a
	if b.idNow() == pos.ReplID {
		h = b
	}
	at, _ := h.boundary(pos.Offset)
	require.Equal(t, pos.Offset, at, "%s is no boundary", pos)
}

// A mark of a new id that had to wait for space is synced when Run's sync is over, not beside it.
func TestRenameAfterAFullDiskDoesNotSyncBesideRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 5), nil)
		r.start()
		r.feed()
		r.h.promote(replID(t, "b2"))
		full := failOps(r.fs, -1, syscall.ENOSPC, on(fsxtest.Write, ".incr.aof"))
		done := make(chan error, 1)
		go func() { done <- r.l.Continue(t.Context(), r.h.idNow()) }()
		synctest.Wait()

		hold := make(chan struct{})
		under, most := 0, 0
		r.fs.DuringSync(func(op fsxtest.Op) {
			if !on(fsxtest.SyncData, ".incr.aof")(op) {
				return
			}
			under++
			most = max(most, under)
			<-hold
			under--
		})
		r.beside(r.l.syncOnce)
		full.heal()
		pass(2 * spaceRetry)
		close(hold)
		require.NoError(t, <-done)
		require.NoError(t, <-r.besides)
		require.Equal(t, 1, most)
	})
}

// A snapshot that cannot take the place of a tail for want of space leaves nothing behind.
func TestNoSpaceToWriteTheTailAnewLeavesNoSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 5), nil)
		r.start()
		r.feed()
		require.NoError(t, r.l.onTick())
		r.h.plain(3)
		r.feed()
		failOps(r.fs, 1, syscall.EIO, on(fsxtest.SyncData, ".incr.aof"))
		require.Error(t, r.l.syncOnce())
		r.reopen(fsxtest.KillProcess{})
		require.NotZero(t, r.l.keep.file)
		require.True(t, r.l.tail.lossy)
		before := tree(t, r.fs, rigDir)
		full := failOps(r.fs, -1, syscall.ENOSPC, on(fsxtest.Write, ".incr.aof"))
		b := newHistory(t, "b2", 7, 0)
		require.ErrorIs(t, r.tryResync(b, rdbOf(3)), syscall.ENOSPC)
		requireTree(t, before, tree(t, r.fs, rigDir))
		full.heal()
		require.NoError(t, r.tryResync(b, rdbOf(3)))
	})
}
