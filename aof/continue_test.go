package aof

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// A new id is on stable storage, at the offset where the log stood, when Continue returns; the old one costs nothing.
func TestContinueUnderANewID(t *testing.T) {
	for _, policy := range []Policy{FsyncAlways, FsyncEverySec, FsyncNo} {
		t.Run(string(policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 100, 5), func(o *Options) { o.Fsync = policy })
				r.start()
				r.feed()
				require.NoError(t, r.l.Continue(t.Context(), r.h.id))
				require.NotContains(t, r.incr(), fmt.Sprintf("#pos %s %d", r.h.id, r.h.end()), "nothing to say")

				require.NoError(t, goOnUnderNewID(r))
				want := stream.Position{ReplID: r.h.idNow(), Offset: r.h.end()}
				require.Equal(t, want, r.l.Position())
				require.Equal(t, r.h.end(), r.durable())
				clone := r.fs.CrashClone(fsxtest.PowerLossAll{})
				require.Contains(t, string(readAll(t, clone, r.l.inc.path)), fmt.Sprintf("#pos %s %d ", want.ReplID, want.Offset))
				got, _, err := r.l.Resume()
				require.NoError(t, err)
				require.Equal(t, want, got)

				size := len(r.incr())
				require.NoError(t, r.l.Continue(t.Context(), r.h.idNow()))
				require.Len(t, r.incr(), size)
				r.h.plain(3)
				r.feed()
				require.NoError(t, r.l.Close())
				r.requireHolds(r.fs, r.h.end())
				r.reopen(nil)
				require.Equal(t, stream.Position{ReplID: r.h.idNow(), Offset: r.h.end()}, r.goOn())
			})
		})
	}
}

// A log that never had a base has nothing to go on from.
func TestContinueWithoutABase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 5), nil)
		r.open()
		pos, _, err := r.l.Resume()
		require.NoError(t, err)
		require.True(t, pos.IsZero())
		require.ErrorContains(t, r.l.Continue(t.Context(), r.h.id), "no position")
		require.ErrorIs(t, r.tryFeed(t.Context()), errRun)
		require.NoError(t, r.l.Rollback())
	})
}

// fork returns a history that is h up to at, and then another one.
func (h *history) fork(at stream.Offset) *history {
	other := *h
	other.bytes = bytes.Clone(h.bytes[:at-h.start])
	other.cmds = slices.Clone(h.cmds)
	other.renames = nil
	for i, c := range other.cmds {
		if c.end > at {
			other.cmds = other.cmds[:i]
			break
		}
	}
	return &other
}

// An upstream A and its replica B, which was promoted, have each gone on in their own way from where B stood, and each answers to A's id
// as well. Wherever a crash stops the log that followed A and then B: what it holds up to its position is the history whose id it
// says, and whichever of the two answers, the log goes on to hold that one's bytes.
func TestContinueBetweenDivergedHistories(t *testing.T) {
	for _, policy := range []Policy{FsyncAlways, FsyncEverySec, FsyncNo} {
		for _, synced := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, synced before %v", policy, synced), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a := newHistory(t, "a1", 100, 5)
					r := newRig(t, a, func(o *Options) { o.Fsync = policy })
					r.start()
					r.feed()
					if synced {
						require.NoError(t, r.l.onTick())
					}
					a.add("SET", "more", "of A that both have")
					r.feed()
					b := a.fork(a.end())
					for i := range 5 { // of the same lengths, so that a mix of both would be sound
						a.add("SET", fmt.Sprint("k", i), strings.Repeat("A", 300))
						b.add("SET", fmt.Sprint("k", i), strings.Repeat("B", 300))
					}
					d := diverged{a: a, b: b, at: r.l.Position().Offset, idB: replID(t, "b2")}
					r.h = b
					points := 0
					r.fs.OnOp(func(n int, op fsxtest.Op) {
						points++
						for _, crash := range fsxtest.Crashes(uint64(n)) {
							d.check(r, crash, fmt.Sprintf("%v after %v", crash, op))
						}
					})
					require.NoError(t, r.l.Continue(t.Context(), d.idB))
					r.feed()
					require.NoError(t, r.l.onTick())
					r.fs.OnOp(nil)
					require.Greater(t, points, 5)
				})
			})
		}
	}
}

// diverged are two histories that are one up to at.
type diverged struct {
	a, b *history
	at   stream.Offset
	idB  stream.ReplID
}

func (d diverged) check(r *rig, crash fsxtest.Crash, where string) {
	r.t.Helper()
	for _, answers := range []*history{d.a, d.b} {
		fsys := r.fs.CrashClone(crash)
		opt := r.opt
		opt.FS = fsys
		l, err := Open(r.t.Context(), opt)
		require.NoError(r.t, err, where)
		pos, _, err := l.Resume()
		require.NoError(r.t, err, where)
		of, id := d.b, d.idB
		if pos.ReplID == d.a.id {
			of = d.a
			require.LessOrEqual(r.t, pos.Offset, d.at, "%s: bytes of B are taken for A's", where)
		}
		want := of.kept(pos.Offset)
		held := streamBytes(r.t, fsys, l.at)
		requireBytes(r.t, want, held[:min(len(held), len(want))], "%s: at %s", where, pos)
		if answers == d.a {
			id = d.a.id
			if pos.ReplID != d.a.id { // A does not know B's id
				require.NoError(r.t, l.Close(), where)
				continue
			}
		}
		require.NoError(r.t, l.Continue(r.t.Context(), id), where)
		require.NoError(r.t, feeder{h: answers}.feed(r.t.Context(), l, pos.Offset, answers.end()), where)
		require.NoError(r.t, l.Close(), where)
		requireBytes(r.t, answers.kept(answers.end()), streamBytes(r.t, fsys, l.at), "%s: then %s answers", where, id)
		_, err = Verify(r.t.Context(), opt)
		require.NoError(r.t, err, where)
	}
}
