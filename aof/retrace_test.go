package aof

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// crashBehindAMark leaves a log that has acknowledged all of its history as durable, and stands before that: the mark that says so is lost.
func crashBehindAMark(r *rig, crash fsxtest.Crash) (promised stream.Offset) {
	r.t.Helper()
	r.start()
	r.feed()
	require.NoError(r.t, r.l.onTick())
	r.h.plain(10)
	r.feed()
	require.NoError(r.t, r.l.syncOnce())
	promised = r.durable()
	require.Equal(r.t, r.h.end(), promised)
	r.reopen(crash)
	require.Less(r.t, r.l.Position().Offset, promised)
	return promised
}

// What FACK has promised, and no mark says, is never cut to be received again: it is taken as received, and acknowledged again, as the upstream
// sends it, and the file stays as it is.
func TestWhatWasPromisedIsNotCut(t *testing.T) {
	for _, crash := range []fsxtest.Crash{fsxtest.KillProcess{}, fsxtest.PowerLossAll{}} {
		t.Run(fmt.Sprint(crash), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 100, 5), nil)
				promised := crashBehindAMark(r, crash)
				before := r.incr()
				r.goOn()
				at := r.l.Position().Offset
				half, _ := r.h.boundary((at + promised) / 2)
				require.NoError(t, r.feeder().feed(t.Context(), r.l, at, half))
				require.Equal(t, half, r.durable())
				require.Equal(t, half, r.l.Received())
				require.Equal(t, before, r.incr())
				require.NoError(t, r.l.Rollback()) // the connection ends

				require.Equal(t, half, r.goOn().Offset)
				r.feed()
				require.Equal(t, promised, r.durable())
				require.False(t, r.l.Status().Awaiting)
				require.Equal(t, before, r.incr())
				require.Empty(t, r.seen().cut)

				r.h.plain(1)
				r.feed()
				require.NoError(t, r.l.Close())
				r.requireHolds(r.fs, r.h.end())
				require.True(t, strings.HasPrefix(r.incr(), before))
			})
		})
	}
}

// An upstream that sends what is not kept where the tail has a write has another history: it is cut then, whether a write follows or not.
func TestRetraceEndsWithAPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 5), nil)
		crashBehindAMark(r, fsxtest.KillProcess{})
		at := r.goOn()
		r.h = r.h.fork(at.Offset)
		r.h.add("PING")
		r.feed()
		require.False(t, r.l.Status().Awaiting)
		require.Len(t, r.seen().cut, 1)
		r.h.plain(1)
		r.feed()
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
	})
}

// Whatever the stream is and however it is cut into runs, before a crash and after it: what the log has is found again, and not written again.
func TestRetraceFindsWhatIsThere(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			h := &history{id: replID(t, "a1"), start: 100}
			r := newRig(t, h, func(o *Options) {
				o.Fsync = []Policy{FsyncAlways, FsyncEverySec, FsyncNo}[seed%3]
				o.Timestamps = seed%2 == 0
			})
			r.start()
			h.grow(rng, 200)
			half, _ := h.boundary(h.start + stream.Offset(rng.Int64N(int64(h.end()-h.start))))
			f := r.feeder()
			f.rng = rng
			require.NoError(t, f.feed(t.Context(), r.l, h.start, half))
			require.NoError(t, r.l.onTick())
			require.NoError(t, f.feed(t.Context(), r.l, half, h.end()-stream.Offset(rng.IntN(60))))
			r.reopen([]fsxtest.Crash{fsxtest.KillProcess{}, fsxtest.Reboot{}}[rng.IntN(2)])
			before := r.incr()[:r.l.keep.file]
			from := r.goOn().Offset
			require.NoError(t, f.feed(t.Context(), r.l, from, h.end()))
			require.True(t, strings.HasPrefix(r.incr(), before), "seed %d", seed)
			require.False(t, r.l.Status().Awaiting)
			h.plain(1)
			r.feed()
			require.NoError(t, r.l.Close())
			r.requireHolds(r.fs, h.end())
		})
	}
}

// Where another history begins, in a command or between two, under the same id or a new one, the log ends up with the upstream's.
func TestRetraceOfAnotherHistory(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 8))
			a := &history{id: replID(t, "a1"), start: 100}
			r := newRig(t, a, nil)
			r.start()
			a.grow(rng, 20)
			r.feed()
			require.NoError(t, r.l.onTick())
			a.grow(rng, 40)
			a.add("SET", "k", "of A")
			r.feed()
			r.reopen(fsxtest.KillProcess{})
			at := r.l.Position().Offset
			fork, _ := a.boundary(at + stream.Offset(rng.Int64N(int64(a.end()-at))))
			b := a.fork(fork)
			b.add("SET", "k", "of B")
			b.grow(rng, 30)
			if seed%2 == 0 {
				b.promote(replID(t, "b2"))
			}
			r.h = b
			f := r.feeder()
			f.rng = rng
			require.NoError(t, f.feed(t.Context(), r.l, r.goOn().Offset, b.end()))
			require.Equal(t, b.idNow(), r.l.Position().ReplID)
			require.NoError(t, r.l.Close())
			r.requireHolds(r.fs, b.end())
			id := []byte("#pos " + b.idNow().String())
			require.True(t, bytes.Contains(readAll(t, r.fs, r.l.inc.path), id))
		})
	}
}
