package aof

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

const crashDir = "/data"

// crashRig runs a log on a file system that remembers what was not synced, and knows what the log must hold.
type crashRig struct {
	t    *testing.T
	fs   *fsxtest.FS
	opt  Options
	l    *Log
	rng  *rand.Rand
	now  int64
	live []*history // the histories that the log may be in: two while a full resync is under way

	acked map[stream.ReplID]stream.Offset // highest durable offset that was reported, by the id that the history began with
}

func newCrashRig(t *testing.T, policy Policy, seed uint64) *crashRig {
	t.Helper()
	r := &crashRig{
		t: t, fs: fsxtest.New(), rng: rand.New(rand.NewPCG(seed, 1)), now: 1_700_000_000_000,
		acked: map[stream.ReplID]stream.Offset{},
	}
	r.opt = Options{
		Dir: crashDir, Fsync: policy, IncrementBytes: 4000, FS: r.fs, Timestamps: seed%2 == 0,
		Now: func() time.Time { return time.UnixMilli(r.now) },
	}
	return r
}

func (r *crashRig) open() {
	r.t.Helper()
	l, err := Open(r.t.Context(), r.opt)
	require.NoError(r.t, err)
	r.l = l
}

// note remembers what the log has acknowledged as durable.
func (r *crashRig) note() {
	h := r.live[len(r.live)-1]
	if off, ok := r.l.Durable(); ok && r.l.replid == h.id {
		r.acked[h.id] = max(r.acked[h.id], off)
	}
}

// resync takes a full resync into h.
func (r *crashRig) resync(h *history) {
	r.t.Helper()
	r.live = append(r.live, h)
	_, err := r.l.FullResync(r.t.Context(), stream.Snapshot{Position: stream.Position{ReplID: h.id, Offset: h.start}, Bytes: -1},
		bytes.NewReader(testRDB(20)))
	require.NoError(r.t, err)
	r.live = []*history{h}
	r.note()
}

// stream feeds n more commands, with the ticks, group syncs and lost connections that come with time.
func (r *crashRig) stream(n int) {
	r.t.Helper()
	h := r.live[0]
	for range n {
		from := h.end()
		h.grow(r.rng, 1+r.rng.IntN(3))
		to := h.end() - stream.Offset(r.rng.IntN(3)*r.rng.IntN(10))
		r.now += int64(r.rng.IntN(700))
		from, _ = h.boundary(min(from, r.l.Received()))
		f := feeder{h: h, rng: r.rng, now: func() int64 { return r.now }}
		require.NoError(r.t, f.feed(r.t.Context(), r.l, from, max(from, to)))
		switch {
		case r.opt.Fsync == FsyncAlways:
			require.NoError(r.t, r.l.syncGroup())
		case r.rng.IntN(4) == 0:
			require.NoError(r.t, r.l.onTick())
		}
		r.note()
		require.NoError(r.t, r.l.Rollback())
		pos, _, err := r.l.Resume()
		require.NoError(r.t, err)
		require.NoError(r.t, r.l.Continue(r.t.Context(), pos.ReplID))
		r.note()
	}
}

// TestCrashAtEveryOperation stops the log after, and in the middle of, every operation that changes the disk, in five ways, and
// requires of what is left: it opens, stands at a boundary of the stream, holds exactly the stream up to there and everything that was
// reported as durable, and goes on to the end as if nothing had happened.
func TestCrashAtEveryOperation(t *testing.T) {
	for _, policy := range []Policy{FsyncAlways, FsyncEverySec, FsyncNo} {
		for seed := range uint64(6) {
			t.Run(fmt.Sprintf("%s/%d", policy, seed), func(t *testing.T) {
				t.Parallel()
				r := newCrashRig(t, policy, seed)
				points := 0
				r.fs.OnOp(func(n int, op fsxtest.Op) {
					points++
					for _, crash := range []fsxtest.Crash{
						fsxtest.KillProcess{},
						fsxtest.Reboot{},
						fsxtest.PowerLossAll{},
						fsxtest.PowerLossOrdered{Seed: seed<<32 + uint64(n)},
						fsxtest.PowerLoss{Seed: seed<<32 + uint64(n)},
					} {
						r.checkCrash(n, op, crash)
					}
				})
				first := &history{id: replID(t, "a1"), start: 100}
				second := &history{id: replID(t, "b2"), start: 7}
				r.open()
				r.resync(first)
				r.stream(40)
				require.NoError(t, r.l.Close())
				r.open()
				require.NoError(t, r.l.Continue(t.Context(), first.id))
				r.stream(10)
				r.resync(second)
				r.stream(20)
				require.NoError(t, r.l.Close())
				require.Greater(t, points, 200)
			})
		}
	}
}

// checkCrash opens what a crash leaves.
func (r *crashRig) checkCrash(n int, op fsxtest.Op, crash fsxtest.Crash) {
	clone := r.fs.CrashClone(crash)
	where := fmt.Sprintf("point %d after %v, %v", n, op, crash)
	opt := r.opt
	opt.FS = clone
	l, err := Open(r.t.Context(), opt)
	require.NoError(r.t, err, where)
	defer func() { require.NoError(r.t, l.Close(), where) }()
	pos, db, err := l.Resume()
	require.NoError(r.t, err, where)
	if pos.IsZero() {
		require.Empty(r.t, r.acked, where)
		return
	}
	h := r.historyOf(pos.ReplID)
	require.NotNil(r.t, h, "%s: in history %s", where, pos.ReplID)
	want, wantDB := h.boundary(pos.Offset)
	require.Equal(r.t, want, pos.Offset, "%s: not a boundary", where)
	require.Equal(r.t, wantDB, db, where)

	acked := r.acked[h.id]
	held := streamBytes(r.t, clone, l.at)
	require.True(r.t, bytes.HasPrefix(held, h.kept(pos.Offset)), "%s: the log does not hold the stream up to its position", where)
	require.True(r.t, bytes.HasPrefix(held, h.kept(acked)), "%s: %d was reported as durable and is not there", where, acked)
	require.GreaterOrEqual(r.t, l.chainEnd().offset, l.cut.offset, where)

	require.NoError(r.t, l.Continue(r.t.Context(), pos.ReplID), where)
	end, _ := h.boundary(h.end())
	require.NoError(r.t, feeder{h: h}.feed(r.t.Context(), l, pos.Offset, end), where)
	require.Equal(r.t, h.kept(end), streamBytes(r.t, clone, l.at), where)
}

func (r *crashRig) historyOf(id stream.ReplID) *history {
	for _, h := range r.live {
		if h.id == id {
			return h
		}
	}
	return nil
}
