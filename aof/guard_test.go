package aof

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
)

// The guard trips where a full resync leaves fewer than a tenth of the keys, as far as anybody knows how many there were.
func TestGuard(t *testing.T) {
	const unknown = -1
	for name, tc := range map[string]struct {
		base    int        // keys in the old base
		streams bool       // the old increments hold something
		seen    func(*rig) // KeysSeen
		now     int        // keys in the new base
		was     int64      // what the guard says there were; 0: it does not trip
	}{
		"nothing was, nothing is":      {base: 0, now: 0},
		"all there":                    {base: 100, now: 100},
		"more":                         {base: 100, now: 1000},
		"exactly a tenth left":         {base: 100, now: 10},
		"less than a tenth left":       {base: 100, now: 9, was: 100},
		"empty":                        {base: 100, now: 0, was: 100},
		"the only key lost":            {base: 1, now: 0, was: 1},
		"one of eleven left":           {base: 11, now: 1, was: 11},
		"base was empty, stream wrote": {base: 0, streams: true, now: 0, was: -1},
		"the same, one is there":       {base: 0, streams: true, now: 1},
		"base unknown, empty now":      {base: unknown, now: 0, was: -1},
		"base unknown, one now":        {base: unknown, now: 1},
		"upstream said more":           {base: 10, seen: saw(500), now: 10, was: 500},
		"upstream said less":           {base: 100, seen: saw(5), now: 3},
		"upstream was flushed":         {base: 100, seen: saw(0), now: 0},
		"upstream said it before it":   {base: 100, seen: func(r *rig) { saw(70)(r); saw(1)(r) }, now: 0, was: 1},
		"another upstream was flushed": {base: 100, seen: func(r *rig) { r.l.KeysSeen(replID(r.t, "e5"), 0) }, now: 0, was: 100},
		"another upstream said more":   {base: 100, seen: func(r *rig) { r.l.KeysSeen(replID(r.t, "e5"), 1<<40) }, now: 10},
		"under a new id":               {base: 100, seen: func(r *rig) { _ = goOnUnderNewID(r); r.l.KeysSeen(r.h.idNow(), 40) }, now: 3, was: 40},
		"under the id before it":       {base: 100, seen: func(r *rig) { _ = goOnUnderNewID(r); r.l.KeysSeen(r.h.id, 40) }, now: 3, was: 100},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 100, 0), nil)
				r.open()
				payload := snapshot{keys: tc.base}
				if tc.base == unknown {
					payload = snapshot{extra: "\xc8\x01k\x01v"}
				}
				require.NoError(t, r.tryResync(r.h, bytes.NewReader(payload.bytes())))
				require.Empty(t, r.seen().tripped, "with nothing before it no snapshot is a loss")
				if tc.streams {
					r.h.plain(1)
					r.feed()
				}
				if tc.seen != nil {
					tc.seen(r)
				}
				old := r.l.Status().Timeline
				require.NoError(t, r.tryResync(newHistory(t, "b2", 7, 0), rdbOf(tc.now)))
				if tc.was == 0 {
					require.Empty(t, r.seen().tripped)
					require.Empty(t, r.l.Status().Guarded())
					return
				}
				require.Len(t, r.seen().tripped, 1)
				g := r.seen().tripped[0]
				require.Equal(t, old, g.Timeline)
				require.Equal(t, r.l.Status().Timeline, g.By)
				require.Equal(t, tc.was, g.KeysWas)
				require.Equal(t, int64(tc.now), g.KeysNow)
				require.Equal(t, []Guard{g}, r.l.Status().Guarded())
				require.NoError(t, r.l.Close())
				r.reopen(nil)
				require.Equal(t, []Guard{g}, r.l.Status().Guarded(), "after a start")
			})
		})
	}
}

func saw(keys int64) func(*rig) { return func(r *rig) { r.l.KeysSeen(r.h.idNow(), keys) } }

// What upstream said of one history says nothing of the next.
func TestGuardForgetsKeysSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 0), nil)
		r.start()
		r.l.KeysSeen(r.h.id, 1000)
		require.NoError(t, r.tryResync(newHistory(t, "b2", 7, 0), rdbOf(900)))
		require.NoError(t, r.tryResync(newHistory(t, "c3", 7, 0), rdbOf(95)))
		require.Empty(t, r.seen().tripped)
	})
}

// A tail that waits for the upstream's answer counts as well.
func TestGuardSeesARecoveredTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 0), nil)
		r.open()
		resync(t, r.l, r.h, 0)
		r.h.plain(3)
		r.feed()
		r.reopen(fsxtest.KillProcess{})
		require.Equal(t, r.h.start, r.l.Position().Offset)
		require.Positive(t, r.seen().recovery.Tail)
		require.NoError(t, r.tryResync(newHistory(t, "b2", 7, 0), rdbOf(0)))
		require.Len(t, r.seen().tripped, 1)
	})
}
