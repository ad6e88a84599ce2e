package aof

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// limited is a rig whose log rewrites by itself when the disk asks for it, and notes what was lost.
func limited(t *testing.T, bytes int64) (r *rig, lost *[]stream.Range) {
	t.Helper()
	lost = new([]stream.Range)
	r = newRig(t, newHistory(t, "a1", 100, 4), func(o *Options) { archived(o); o.MaxDisk.Bytes = bytes })
	r.opt.Observer.Lost = func(_ string, l stream.Range) { *lost = append(*lost, l) }
	return r, lost
}

// serve runs what the sidecar runs beside the stream.
func (r *rig) serve() (stop func()) {
	done, stopRun := r.run()
	rewrites := make(chan error, 1)
	l := r.l
	go func() { rewrites <- l.RunRewrites(r.t.Context()) }()
	return func() {
		stopRun()
		require.NoError(r.t, <-done)
		require.NoError(r.t, l.Close())
	}
}

// The archive is away: a rewrite folds, and then the oldest of what waits goes, in whole files, as little as need be. The log never takes
// much more than its limit, and what it has itself stays whole.
func TestMaxDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 6000
		r, lost := limited(t, limit)
		r.start()
		stop := r.serve()
		reasons := map[string]bool{}
		for range 60 {
			require.NoError(t, appendMore(r))
			pass(1500 * time.Millisecond)
			require.Less(t, r.l.Status().Archive.UsedBytes, int64(limit+1500))
			tl := r.held()
			require.Equal(t, r.durable(), tl.End.Offset)
			for _, why := range r.seen().begun {
				reasons[why] = true
			}
		}
		require.Equal(t, map[string]bool{reasonMaxDisk: true}, reasons)
		require.Less(t, len(r.seen().begun), 30, "not one for each increment")
		require.NotEmpty(t, *lost)
		s := r.l.Status().Archive
		require.Equal(t, int64(limit), s.LimitBytes)
		tl := r.held()
		require.NotEmpty(t, tl.Lost)
		require.Equal(t, r.h.start, tl.Lost[0].From)
		require.Equal(t, (*lost)[len(*lost)-1].To, tl.Lost[len(tl.Lost)-1].To)
		require.Equal(t, tl.Lost[len(tl.Lost)-1].To, tl.Increments[0].From, "the rest is whole")
		require.Equal(t, LostRange{Timeline: tl.ID, From: tl.Lost[0].From, To: tl.Lost[0].To}, s.Lost[0])

		r.l.Shipped(tl.ID, tl.Bases[len(tl.Bases)-1].From)
		pass(2 * time.Second)
		require.Empty(t, r.held().Lost, "a later base closes the gap")
		stop()
		r.reopen(nil)
		r.held()
		r.goOn()
		require.NoError(t, r.l.Close())
		requireChain(t, r.fs, r.l.at, r.h, r.h.end(), "in the end")
	})
}

// What the archive has is folded rather than that anything is lost.
func TestMaxDiskFoldsWhatIsShipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, lost := limited(t, 6000)
		r.start()
		stop := r.serve()
		for range 40 {
			require.NoError(t, appendMore(r))
			pass(1500 * time.Millisecond)
			tl := r.held()
			r.l.Shipped(tl.ID, tl.End.Offset)
			pass(100 * time.Millisecond)
		}
		require.Empty(t, *lost)
		require.NotEmpty(t, r.seen().begun)
		stop()
	})
}

// A pinned chain never goes, nor what the manifest names, whatever the limit.
func TestMaxDiskSparesPinned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, lost := limited(t, 1)
		r.opt.MaxDisk.Bytes = 0
		r.start()
		r.rewritten()
		one := r.l.Status().Timeline
		r.before = append(r.before, r.h)
		r.nextTimeline("b2", 0, 4)
		require.Len(t, r.l.Status().Guarded(), 1)
		r.rewritten()
		require.NoError(t, grow(r))
		r.held()
		require.Empty(t, *lost)
		require.NoError(t, r.l.Close())

		r.opt.MaxDisk.Share = 1e-12
		r.reopen(nil)
		r.goOn()
		stop := r.serve()
		pass(10 * time.Second)
		require.NotEmpty(t, *lost)
		require.Equal(t, one, r.l.Status().Guarded()[0].Timeline)
		r.verifyRetained(r.fs, one)
		r.held()
		require.Len(t, r.l.Status().Retained, 1)
		require.Less(t, len(r.seen().begun), 5, "a rewrite that makes no room is not asked for again and again")
		stop()
		requireChain(t, r.fs, r.l.at, r.h, r.h.end(), "in the end")
	})
}

// Of a chain that ended the oldest goes first; it is not called bootable from then on, and the hole is there after a start.
func TestMaxDiskOfAnEndedTimeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, lost := limited(t, 0)
		r.start()
		r.rewritten()
		require.NoError(t, grow(r))
		r.before = append(r.before, r.h)
		r.nextTimeline("b2", 100, 4)
		r.held()
		old := r.l.Holdings().Timelines[0]
		sh := r.l.shelves[0]
		require.True(t, sh.Bootable)
		files := sh.files()
		r.l.opt.MaxDisk.Bytes = r.l.diskUsed() - 1
		require.NoError(t, r.l.tendAll())
		require.Len(t, r.l.shelves[0].files(), len(files)-1)
		require.False(t, r.l.Status().Retained[0].Bootable)
		require.Empty(t, *lost, "a base is no stream")
		require.Equal(t, old.Increments, r.l.Holdings().Timelines[0].Increments)
		r.l.opt.MaxDisk.Bytes = r.l.diskUsed() - 1
		require.NoError(t, r.l.tendAll())
		require.Equal(t, []stream.Range{{From: old.Increments[0].From, To: old.Increments[0].To}}, r.l.Holdings().Timelines[0].Lost)
		require.Equal(t, *lost, r.l.Holdings().Timelines[0].Lost)
		r.held()

		f := failOps(r.fs, -1, syscall.EACCES, inRetained(fsxtest.Remove, ""))
		r.l.opt.MaxDisk.Bytes = r.l.diskUsed() - r.l.droppable()
		for range 3 {
			require.NoError(t, r.l.tendAll())
		}
		require.Len(t, r.seen().notes, 1)
		f.heal()
		require.NoError(t, r.l.tendAll())
		require.Len(t, r.l.Holdings().Timelines, 1)
		require.Empty(t, r.spooled())
		r.held()
	})
}

// Others fill the disk before the log reaches its limit: what waits for the archive goes, one file after the other, rather than that the stream stands still.
func TestFullDiskGivesUpWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, lost := limited(t, 1<<40)
		r.start()
		r.rewritten()
		require.NoError(t, grow(r))
		r.rewritten()
		waits := len(r.spooled())
		require.Positive(t, waits)
		space, err := r.fs.Space(r.l.at.dir)
		require.NoError(t, err)
		r.fs.SetCapacity(space.Total - space.Free)
		done, stop := r.run()
		for range 40 {
			require.NoError(t, appendMore(r))
		}
		pass(time.Second)
		require.False(t, r.l.Status().DiskFull)
		require.NotEmpty(t, *lost)
		require.Less(t, len(r.spooled()), waits)
		r.held()
		stop()
		require.NoError(t, <-done)
		r.fs.SetCapacity(1 << 40)
		require.NoError(t, r.l.Close())
		requireChain(t, r.fs, r.l.at, r.h, r.h.end(), "in the end")
	})
}
