package aof

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

const (
	// crashSeedsEnv says for how many seeds of each policy the crash test runs; `make crash` runs more than the few that a change is tested with.
	crashSeedsEnv = "AOFSIDECAR_CRASH_SEEDS"
	crashSeeds    = 2
	// crashDepth is how many times in a row what a crash left is crashed again while it recovers.
	crashDepth = 3
)

// tester is what a *testing.T and a *rapid.T have in common.
type tester interface {
	require.TestingT
	Helper()
	Context() context.Context
}

// crashRig runs a log on a file system that remembers what was not synced, and knows what the log must hold.
type crashRig struct {
	t   tester
	fs  *fsxtest.FS
	opt Options
	l   *Log
	rng *rand.Rand

	promise promise
	known   histories
	fills   int // so many writes more find the disk full
}

// promise is what the log has said or done, so that a crash must not undo it.
type promise struct {
	live   []*history                 // the histories that it may be in: two while a full resync is under way
	acked  map[*history]stream.Offset // highest durable offset that was reported
	pinned []string                   // timelines that the guard pinned
	owed   map[string]owed            // by timeline, with an archive
}

func (p promise) clone() promise {
	p.acked, p.owed = maps.Clone(p.acked), maps.Clone(p.owed)
	return p
}

// sure is up to where a history was reported as durable.
func (p promise) sure(h *history) stream.Offset { return p.acked[h] }

func newCrashRig(t tester, policy Policy, seed uint64) *crashRig {
	t.Helper()
	r := &crashRig{t: t, fs: fsxtest.New(), rng: rand.New(rand.NewPCG(seed, 1))}
	r.promise.acked, r.promise.owed, r.known = map[*history]stream.Offset{}, map[string]owed{}, histories{}
	r.opt = Options{Dir: rigDir, Fsync: policy, IncrementBytes: 4000, FS: r.fs, Timestamps: seed%2 == 0}
	return r
}

// fill makes writes fail for want of space, as often as fills says.
func (r *crashRig) fill(op fsxtest.Op) error {
	if r.fills == 0 || (op.Kind != fsxtest.Write && op.Kind != fsxtest.Create) {
		return nil
	}
	r.fills--
	return &fsxtest.ShortWriteError{N: r.rng.IntN(100), Err: syscall.ENOSPC}
}

func (r *crashRig) open() {
	r.t.Helper()
	l, err := Open(r.t.Context(), r.opt)
	require.NoError(r.t, err)
	r.l = l
}

// note remembers what the log has acknowledged as durable; it is called from hooks, too, with the log's lock held.
func (r *crashRig) note() {
	if r.l == nil {
		return
	}
	off, ok := r.l.Durable()
	for _, h := range r.promise.live {
		if ok && h.names(r.l.replid) {
			r.promise.acked[h] = max(r.promise.acked[h], off)
		}
	}
	r.known.add(r.promise.live)
	r.promise.owe(r.l)
}

// resync takes a full resync into h.
func (r *crashRig) resync(h *history, keys int) {
	r.t.Helper()
	h.keys = keys
	r.promise.live = append(r.promise.live, h)
	require.NoError(r.t, r.tryResync(h, keys))
	r.resynced(h)
}

// tryResync asks again while the disk is full.
func (r *crashRig) tryResync(h *history, keys int) error {
	for {
		_, err := r.l.FullResync(r.t.Context(), snapshotOf(h, -1), rdbOf(keys))
		if !isNoSpace(err) {
			return err
		}
		pos, _, err := r.l.Resume()
		if err == nil && !pos.IsZero() {
			err = r.l.Continue(r.t.Context(), pos.ReplID)
		}
		if err != nil {
			return err
		}
	}
}

// stream feeds n pieces of new commands, with the ticks, group syncs, full disks, lost connections and promotions that come with time.
func (r *crashRig) stream(n int) {
	r.t.Helper()
	h := r.promise.live[0]
	for range n {
		h.grow(r.rng, 1+r.rng.IntN(3))
		to := h.end() - stream.Offset(r.rng.IntN(3)*r.rng.IntN(10))
		pass(time.Duration(r.rng.IntN(700)) * time.Millisecond)
		if r.rng.IntN(10) == 0 {
			r.fills = 1 + r.rng.IntN(3)
		}
		from := r.l.Position().Offset
		f := feeder{h: h, rng: r.rng, now: func() int64 { return time.Now().UnixMilli() }}
		require.NoError(r.t, f.feed(r.t.Context(), r.l, from, max(from, to)))
		switch {
		case r.opt.Fsync == FsyncAlways:
			require.NoError(r.t, r.l.syncGroup())
		case r.rng.IntN(4) == 0:
			require.NoError(r.t, r.l.onTick())
		}
		r.note()
		require.NoError(r.t, r.l.Rollback())
		r.resume(h)
		r.note()
	}
}

// resume goes on after a lost connection, now and then under a new id.
func (r *crashRig) resume(h *history) {
	r.t.Helper()
	_, _, err := r.l.Resume()
	require.NoError(r.t, err)
	if r.rng.IntN(8) == 0 {
		h.promote(replID(r.t, fmt.Sprintf("%s%02x", h.id[:2], len(h.renames))))
	}
	require.NoError(r.t, r.l.Continue(r.t.Context(), h.idNow()))
}

// rewrite folds, and streams on in the middle of it.
func (r *crashRig) rewrite() {
	r.t.Helper()
	before := r.l.Position()
	for {
		_, err := r.l.Rewrite(r.t.Context(), "test")
		if err == nil {
			break
		}
		require.NotErrorIs(r.t, err, ErrFailed)
	}
	require.Equal(r.t, before, r.l.Position())
	r.note()
}

// TestCrashAtEveryOperation stops the log after, and in the middle of, every operation that changes the disk, in five ways, and
// requires of what is left: it opens, stands at a boundary of the stream under an id that names it, holds exactly the stream up to
// there and everything that was reported as durable, keeps what the guard pinned, and goes on to the end as if nothing had happened. While
// it does, it is crashed again.
func TestCrashAtEveryOperation(t *testing.T) {
	for _, policy := range []Policy{FsyncAlways, FsyncEverySec, FsyncNo} {
		for seed := range seedsOf(t, crashSeedsEnv, crashSeeds) {
			t.Run(fmt.Sprintf("%s/%d", policy, seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { crashWorkload(t, policy, seed) })
			})
		}
	}
}

// seedsOf returns how many seeds env asks for.
func seedsOf(t *testing.T, env string, def uint64) uint64 {
	t.Helper()
	text := os.Getenv(env)
	if text == "" {
		return def
	}
	n, err := strconv.ParseUint(text, 10, 32)
	require.NoError(t, err)
	return n
}

func crashWorkload(t *testing.T, policy Policy, seed uint64) {
	t.Helper()
	r := newCrashRig(t, policy, seed)
	points := r.crashEverywhere(seed)
	first := &history{id: replID(t, "a1"), start: stream.Offset(100 * (seed % 2))}
	second := &history{id: replID(t, "b2"), start: 7}
	third := &history{id: replID(t, "c3"), start: 1 << 33}
	r.open()
	r.resync(first, 20)
	r.stream(25)
	r.rewrite()
	r.stream(2)
	require.NoError(t, r.l.Close())
	r.open()
	r.rewrite()
	r.resume(first)
	r.stream(10)
	r.fills = 1
	r.resync(second, 1)
	require.Len(t, r.promise.pinned, 1)
	r.stream(10)
	r.opt.Rewrite.NoPreamble = true
	r.l.opt.Rewrite.NoPreamble = true
	r.rewrite()
	released := r.promise.pinned[0]
	r.promise.pinned = nil
	require.NoError(t, r.l.Unpin(released))
	r.resync(third, 20)
	r.stream(3)
	r.rewrite()
	r.stream(1)
	require.NoError(t, r.l.Close())
	require.Greater(t, *points, 200)
}

// crashEverywhere looks at what a crash leaves at every operation from now on, which it counts.
func (r *crashRig) crashEverywhere(seed uint64) (points *int) {
	points = new(int)
	r.fs.FailOp(r.fill)
	r.fs.OnOp(func(n int, op fsxtest.Op) {
		*points++
		r.note()
		again := r.rng.IntN(5)
		for i, crash := range fsxtest.Crashes(seed<<32 + uint64(n)) {
			depth := 1
			if i == again {
				depth = crashDepth
			}
			c := crashed{
				t: r.t, fs: r.fs.CrashClone(crash), opt: r.opt, promise: r.promise.clone(), known: r.known, depth: depth, sound: true,
				rng: rand.New(rand.NewPCG(seed, uint64(n)<<8+uint64(i))), after: op.String(),
			}
			c.check()
		}
	})
	return points
}

// crashed is what one crash left.
type crashed struct {
	t       tester
	fs      *fsxtest.FS
	opt     Options
	promise promise
	known   histories
	depth   int  // crashes in a row that are looked at
	sound   bool // the disk never failed, and so nothing is left behind
	rng     *rand.Rand
	after   string

	l    *Log
	next *crashed // this one crashed again
}

// check opens what the crash left, and goes on to the end of the stream.
func (c *crashed) check() {
	if c.depth > 1 {
		c.crashAgain(1 + c.rng.IntN(40))
	}
	if h := c.recover(); h != nil {
		end, _ := h.boundary(h.end())
		require.NoError(c.t, feeder{h: h}.feed(c.t.Context(), c.l, c.l.Position().Offset, end), c.where())
		require.NoError(c.t, c.l.onTick(), c.where())
		require.NoError(c.t, c.l.Close(), c.where())
		requireChain(c.t, c.fs, c.l.at, h, end, "%s: gone on to the end", c.where())
	}
	require.NoError(c.t, c.l.Close(), c.where())
	if c.next != nil {
		c.next.check()
	}
}

func (c *crashed) where() string { return fmt.Sprintf("after %s, %v", c.after, c.fs.Past()) }

// recover opens what the crash left, holds it against what was promised, and resumes. It returns the history that the log is in,
// or nil.
func (c *crashed) recover() *history {
	where := c.where()
	c.opt.FS = c.fs
	l, err := Open(c.t.Context(), c.opt)
	require.NoError(c.t, err, where)
	c.l = l
	pos, db, err := l.Resume()
	require.NoError(c.t, err, where)
	c.checkPinned(where)
	if pos.IsZero() {
		require.Empty(c.t, c.promise.acked, where)
		return nil
	}
	h := c.promise.historyOf(pos)
	require.NotNil(c.t, h, "%s: at %s", where, pos)
	c.promise.live = []*history{h}
	if c.opt.Archive {
		c.known.add(c.promise.live)
		requireHoldings(c.t, l, c.known.of, c.promise.sure, where)
		c.promise.requireOwed(c.t, l, where)
	}
	want, wantDB := h.boundary(pos.Offset)
	require.Equal(c.t, want, pos.Offset, "%s: not a boundary", where)
	require.Equal(c.t, wantDB, db, where)
	begin := requireBase(c.t, c.fs, l.at, h, where)
	require.LessOrEqual(c.t, begin, pos.Offset, where)
	must := h.kept(max(pos.Offset, c.promise.acked[h]))[len(h.kept(begin)):]
	if c.sound {
		c.checkLeftovers(where)
	}
	held := streamBytes(c.t, c.fs, l.at)
	requireBytes(c.t, must, held[:min(len(held), len(must))], "%s: at %s, and %d was reported as durable", where, pos, c.promise.acked[h])
	require.GreaterOrEqual(c.t, l.chainEnd().offset, l.cut.offset, where)

	require.NoError(c.t, l.Continue(c.t.Context(), h.idNow()), where)
	return h
}

// checkLeftovers wants nothing in the directory that the manifest does not name, but what a full resync left, which the next one replaces.
func (c *crashed) checkLeftovers(where string) {
	names := map[string]bool{c.l.at.manifest(): true, c.l.man.base.name: true}
	for _, info := range c.l.man.incrs {
		names[info.name] = true
	}
	entries, err := c.fs.ReadDir(c.l.at.aofDir())
	require.NoError(c.t, err, where)
	for _, e := range entries {
		next := e.Name() == c.l.at.incrName(c.l.man.nextIncrSeq()) || e.Name() == c.l.at.baseName(c.l.man.nextBaseSeq(), true)
		require.True(c.t, names[e.Name()] || next, "%s: %s is left", where, e.Name())
	}
}

// crashAgain takes another crash at the n-th point from now.
func (c *crashed) crashAgain(n int) {
	c.fs.OnOp(func(_ int, op fsxtest.Op) {
		if n--; n != 0 {
			return
		}
		p := c.promise.clone()
		if c.l != nil && len(p.live) == 1 {
			if off, ok := c.l.Durable(); ok {
				p.acked[p.live[0]] = max(p.acked[p.live[0]], off)
			}
			p.owe(c.l)
		}
		crash := fsxtest.Crashes(c.rng.Uint64())[c.rng.IntN(5)]
		c.next = &crashed{
			t: c.t, fs: c.fs.CrashClone(crash), opt: c.opt, promise: p, known: c.known, depth: c.depth - 1, sound: c.sound, rng: c.rng,
			after: c.after + ", " + op.String(),
		}
	})
}

// checkPinned wants every chain that the guard pinned to be there, and every one that is pinned to be whole.
func (c *crashed) checkPinned(where string) {
	for _, g := range c.l.Status().Guarded() {
		_, err := Verify(c.t.Context(), Options{Dir: rigDir + "/retained/" + g.Timeline, FS: c.fs})
		require.NoError(c.t, err, where)
	}
	for _, timeline := range c.promise.pinned {
		rep, err := Verify(c.t.Context(), Options{Dir: rigDir + "/retained/" + timeline, FS: c.fs})
		require.NoError(c.t, err, where)
		require.Equal(c.t, timeline, rep.Timeline, where)
		var pinned []string
		for _, g := range c.l.Status().Guarded() {
			pinned = append(pinned, g.Timeline)
		}
		require.Contains(c.t, pinned, timeline, where)
	}
	for _, kept := range c.l.Status().Retained {
		if kept.Bootable || !c.opt.Archive {
			require.NotEqual(c.t, c.l.Status().Timeline, kept.Timeline, "%s: the timeline that lives is retained", where)
		}
	}
}

// TestUnpinIsDurableBeforeTheChainGoes kills the process between the removal of a pin and its sync; the next one removes the chain, and a
// power loss undoes some of that.
func TestUnpinIsDurableBeforeTheChainGoes(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			r := newCrashRig(t, FsyncEverySec, seed)
			r.open()
			r.resync(&history{id: replID(t, "a1")}, 20)
			r.stream(40)
			r.resync(&history{id: replID(t, "b2")}, 1)
			require.Len(t, r.promise.pinned, 1)
			var left *crashed
			r.fs.OnOp(func(_ int, op fsxtest.Op) {
				if left == nil && op.Kind == fsxtest.Remove {
					left = &crashed{
						t: t, fs: r.fs.CrashClone(fsxtest.KillProcess{}), opt: r.opt, promise: r.promise.clone(), rng: r.rng, after: op.String(),
					}
				}
			})
			require.NoError(t, r.l.Unpin(r.promise.pinned[0]))
			left.promise.pinned = nil
			require.NotNil(t, left.recover())
			next := &history{id: replID(t, "c3"), keys: 20}
			left.promise.live = append(left.promise.live, next)
			left.fs.OnOp(func(n int, op fsxtest.Op) {
				c := crashed{
					t: t, fs: left.fs.CrashClone(fsxtest.PowerLoss{Seed: seed<<32 + uint64(n)}), opt: r.opt, promise: left.promise.clone(),
					rng: r.rng, after: op.String(),
				}
				c.recover()
			})
			_, err := left.l.FullResync(t.Context(), snapshotOf(next, -1), rdbOf(20))
			require.NoError(t, err)
		})
	}
}

// historyOf returns the history that pos is in, or nil.
func (p promise) historyOf(pos stream.Position) *history {
	for _, h := range p.live {
		if h.knows(pos) {
			return h
		}
	}
	return nil
}
