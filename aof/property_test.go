package aof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// TestRandomOperations does everything that can be done with a log, in any order, on disks that fill up and fail, and stops it in any way at any
// operation, also while it recovers; what a crash left is what goes on. After each start the log stands where it may stand and holds
// what it promised, and in the end it holds the stream.
func TestRandomOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) { // a bubble has no deadline
			m := newMachine(t)
			t.Repeat(map[string]func(*rapid.T){
				"":               m.check,
				"feed":           m.feed,
				"feed more":      m.feed,
				"sync":           m.sync,
				"let time pass":  m.wait,
				"lose the link":  m.loseLink,
				"full resync":    m.fullResync,
				"bad snapshot":   m.badSnapshot,
				"count keys":     m.countKeys,
				"unpin":          m.unpin,
				"rewrite":        m.rewriteNow,
				"rewrite beside": m.rewriteBeside,
				"ship":           m.shipSome,
				"ship more":      m.shipSome,
				"limit the disk": m.limitDisk,
				"restart":        m.restart,
				"crash":          m.crash,
				"crash later":    m.crashLater,
				"fill the disk":  m.fillDisk,
				"break it":       m.breakDisk,
			})
			m.end()
		})
	})
}

// machine is a log that goes on with what crashes leave.
type machine struct {
	crashRig
	begin     time.Time
	later     time.Duration
	histories int

	armed  int      // so many operations from now a crash comes
	caught *crashed // what it left
	breaks int      // so many operations from now one fails
	broken bool     // it has
}

func newMachine(t *rapid.T) *machine {
	policy := rapid.SampledFrom([]Policy{FsyncAlways, FsyncEverySec, FsyncNo}).Draw(t, "appendfsync")
	m := &machine{crashRig: *newCrashRig(t, policy, rapid.Uint64().Draw(t, "seed")), begin: time.Now()}
	m.opt.IncrementBytes = int64(rapid.IntRange(200, 6000).Draw(t, "increment"))
	m.opt.IncrementAge = time.Hour
	m.opt.Archive = rapid.Bool().Draw(t, "archive")
	m.opt.Now = m.now
	m.take(m.fs)
	m.must(t, m.tryOpen())
	return m
}

// now is the same in each repetition of a run.
func (m *machine) now() time.Time {
	return time.Unix(1_700_000_000, 0).Add(time.Since(m.begin) + m.later)
}

// take makes fsys the machine's disk.
func (m *machine) take(fsys *fsxtest.FS) {
	m.fs, m.opt.FS = fsys, fsys
	m.armed, m.caught, m.breaks, m.broken, m.fills = 0, nil, 0, false, 0
	var mu sync.Mutex // a rewrite has a goroutine of its own
	fsys.FailOp(func(op fsxtest.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if m.breaks--; m.breaks == 0 {
			m.broken = true
			return syscall.EIO
		}
		return m.fill(op)
	})
	fsys.OnOp(func(_ int, op fsxtest.Op) {
		mu.Lock()
		defer mu.Unlock()
		m.note()
		if m.armed--; m.armed == 0 {
			m.caught = m.left(fsxtest.Crashes(m.rng.Uint64())[m.rng.IntN(5)], op.String())
		}
	})
}

// left is what a crash leaves now.
func (m *machine) left(crash fsxtest.Crash, after string) *crashed {
	return &crashed{
		t: m.t, fs: m.fs.CrashClone(crash), opt: m.opt, promise: m.promise.clone(), known: m.known, depth: 1, rng: m.rng, after: after,
	}
}

// adopt goes on with what a crash left, which may be crashed again while it recovers.
func (m *machine) adopt(c *crashed) {
	for again := m.rng.IntN(2) == 0; ; again = false {
		if again {
			c.depth = 2
			c.crashAgain(1 + m.rng.IntN(12))
		}
		c.recover()
		if c.next == nil {
			break
		}
		require.NoError(m.t, c.l.Close())
		c = c.next
	}
	m.l, m.promise = c.l, c.promise
	c.fs.OnOp(nil)
	m.take(c.fs)
}

// must takes an error if the disk failed, or was crashed meanwhile: the process ends, and the next one goes on.
func (m *machine) must(t *rapid.T, err error) (ok bool) {
	switch {
	case m.caught != nil:
		_ = m.l.Close()
		m.adopt(m.caught)
		return false
	case err == nil:
		return true
	case !m.broken:
		require.NoError(t, err)
	case errors.Is(err, ErrFailed):
		require.ErrorIs(t, m.l.usableNow(), ErrFailed)
	}
	_ = m.l.Close()
	m.adopt(m.left(fsxtest.Crashes(m.rng.Uint64())[m.rng.IntN(5)], fmt.Sprintf("failing: %v", err)))
	return false
}

func (m *machine) history() *history {
	if len(m.promise.live) == 0 {
		return nil
	}
	return m.promise.live[0]
}

// started asks for a full resync first if there is no base.
func (m *machine) started(t *rapid.T) (h *history, ok bool) {
	pos, _, err := m.l.Resume()
	if isSpace(err) {
		m.fullResync(t)
		return nil, false
	}
	if !m.must(t, err) {
		return nil, false
	}
	if pos.IsZero() {
		m.fullResync(t)
		return nil, false
	}
	return m.history(), true
}

func isSpace(err error) bool {
	_, ok := errors.AsType[*SpaceError](err)
	return ok
}

func (m *machine) feed(t *rapid.T) {
	h, ok := m.started(t)
	if !ok {
		return
	}
	if m.l.Status().Awaiting && !m.must(t, m.l.Continue(t.Context(), h.idNow())) {
		return
	}
	h.grow(m.rng, rapid.IntRange(1, 12).Draw(t, "commands"))
	from := m.l.Position().Offset
	to := max(from, h.end()-stream.Offset(rapid.IntRange(0, 40).Draw(t, "torn")))
	f := feeder{h: h, rng: m.rng, now: func() int64 { return m.now().UnixMilli() }}
	err := f.feed(t.Context(), m.l, from, to)
	if err == nil {
		err = m.l.Rollback()
	}
	m.must(t, err)
}

func (m *machine) sync(t *rapid.T) {
	if m.opt.Fsync == FsyncAlways {
		m.must(t, m.l.syncGroup())
		return
	}
	m.must(t, m.l.onTick())
}

func (m *machine) wait(t *rapid.T) {
	m.later += time.Duration(rapid.IntRange(1, 7200).Draw(t, "seconds")) * time.Second
	m.must(t, m.l.onTick())
}

func (m *machine) loseLink(t *rapid.T) {
	h, ok := m.started(t)
	if !ok {
		return
	}
	if rapid.Bool().Draw(t, "promoted") {
		h.promote(replID(t, fmt.Sprintf("%s%03x", h.id[:2], len(h.renames))))
	}
	m.must(t, m.l.Continue(t.Context(), h.idNow()))
}

func (m *machine) fullResync(t *rapid.T) {
	m.histories++
	h := &history{
		id:    replID(t, fmt.Sprintf("f%03x", m.histories)),
		start: stream.Offset(rapid.SampledFrom([]int64{0, 1, 1 << 40}).Draw(t, "offset")),
	}
	keys := rapid.SampledFrom([]int{0, 1, 30}).Draw(t, "keys")
	err := m.resyncOnce(h, keys)
	if isNoSpace(err) || isSpace(err) {
		m.promise.live = m.promise.live[:len(m.promise.live)-1]
		m.must(t, nil)
		return
	}
	m.must(t, err)
}

func (m *machine) badSnapshot(t *rapid.T) {
	bad := testRDB(3)
	bad[len(bad)-1] ^= 1
	before, _, _ := m.l.Resume()
	_, err := m.l.FullResync(t.Context(), snapshotOf(&history{id: replID(t, "bad"), start: 5}, -1), bytes.NewReader(bad))
	require.Error(t, err)
	if _, refused := errors.AsType[*SnapshotError](err); refused || isNoSpace(err) {
		err = nil
	}
	if !m.must(t, err) {
		return
	}
	after, _, err := m.l.Resume()
	if !isSpace(err) {
		require.NoError(t, err)
		require.Equal(t, before, after)
	}
}

func (m *machine) rewriteNow(t *rapid.T) {
	if _, ok := m.started(t); !ok {
		return
	}
	m.l.opt.Rewrite.NoPreamble = rapid.Bool().Draw(t, "no preamble")
	before := m.l.Position()
	_, err := m.l.Rewrite(t.Context(), "test")
	if m.rewritten(t, err) {
		require.Equal(t, before, m.l.Position(), "a rewrite moves no position")
	}
}

// rewritten takes an error of a rewrite that has changed nothing. false: another process goes on.
func (m *machine) rewritten(t *rapid.T, err error) (ok bool) {
	if err != nil && !errors.Is(err, ErrFailed) && m.caught == nil {
		require.NoError(t, m.l.usableNow(), "%v", err)
		err = nil
	}
	return m.must(t, err)
}

// rewriteBeside feeds while a rewrite is under way.
func (m *machine) rewriteBeside(t *rapid.T) {
	h, ok := m.started(t)
	if !ok {
		return
	}
	if err := m.l.Continue(t.Context(), h.idNow()); err != nil {
		m.must(t, err)
		return
	}
	done := make(chan error, 1)
	l := m.l
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_, err := l.Rewrite(ctx, "test")
		done <- err
	}()
	if m.l.Status().Awaiting && !m.must(t, m.l.Continue(t.Context(), h.idNow())) {
		return
	}
	h.grow(m.rng, rapid.IntRange(1, 12).Draw(t, "commands"))
	f := feeder{h: h, rng: m.rng, now: func() int64 { return m.now().UnixMilli() }}
	ferr := f.feed(t.Context(), l, l.Position().Offset, h.end())
	if ferr == nil {
		ferr = l.Rollback()
	}
	rerr := <-done
	if ferr != nil {
		m.must(t, ferr)
		return
	}
	m.rewritten(t, rerr)
}

// shipSome has the archive get some of what there is.
func (m *machine) shipSome(t *rapid.T) {
	if !m.opt.Archive {
		t.Skip("there is no archive")
	}
	if m.promise.owed != nil {
		m.must(t, m.ship())
		return
	}
	for _, tl := range m.l.Holdings().Timelines {
		m.l.Shipped(tl.ID, tl.End.Offset)
	}
	m.must(t, m.l.tendAll())
}

// limitDisk has the oldest of what waits for the archive go: nothing is owed any more.
func (m *machine) limitDisk(t *rapid.T) {
	if !m.opt.Archive || m.l.usableNow() != nil || m.l.droppable() == 0 {
		t.Skip("nothing waits")
	}
	m.promise.owed = nil
	m.l.opt.MaxDisk.Bytes = max(1, m.l.diskUsed()-rapid.Int64Range(1, 5000).Draw(t, "bytes"))
	err := m.l.tendAll()
	m.l.opt.MaxDisk.Bytes = 0
	m.must(t, err)
}

func (m *machine) countKeys(t *rapid.T) {
	if h := m.history(); h != nil {
		m.l.KeysSeen(h.idNow(), rapid.Int64Range(0, 100).Draw(t, "keys"))
	}
}

func (m *machine) unpin(t *rapid.T) {
	if len(m.promise.pinned) == 0 {
		t.Skip("nothing is pinned")
	}
	timeline := m.promise.pinned[0]
	m.promise.pinned = m.promise.pinned[1:]
	m.must(t, m.l.Unpin(timeline))
}

func (m *machine) restart(t *rapid.T) {
	if !m.must(t, m.l.Close()) {
		return
	}
	m.adopt(m.left(fsxtest.KillProcess{}, "a stop"))
}

func (m *machine) crash(t *rapid.T) {
	crash := rapid.SampledFrom(fsxtest.Crashes(rapid.Uint64().Draw(t, "seed"))).Draw(t, "kind")
	c := m.left(crash, "anything")
	_ = m.l.Close()
	m.adopt(c)
}

func (m *machine) crashLater(t *rapid.T) { m.armed = rapid.IntRange(1, 40).Draw(t, "operations") }

func (m *machine) fillDisk(t *rapid.T) { m.fills = rapid.IntRange(1, 4).Draw(t, "writes") }

func (m *machine) breakDisk(t *rapid.T) { m.breaks = rapid.IntRange(1, 40).Draw(t, "operations") }

// check holds at any time.
func (m *machine) check(t *rapid.T) {
	m.known.add(m.promise.live)
	if m.opt.Archive {
		requireHoldings(t, m.l, m.known.of, m.promise.sure, "at any time")
	}
	off, ok := m.l.Durable()
	if ok {
		require.LessOrEqual(t, off, m.l.Position().Offset)
	}
	if pos := m.l.Position(); !pos.IsZero() {
		require.NotNil(t, m.promise.historyOf(pos), "%s", pos)
	}
}

// end feeds all that there is and compares.
func (m *machine) end() {
	m.take(m.fs)
	if pos, _, err := m.l.Resume(); err != nil || pos.IsZero() {
		_ = m.l.Close()
		return
	}
	h := m.history()
	require.NoError(m.t, m.l.Continue(m.t.Context(), h.idNow()))
	end, _ := h.boundary(h.end())
	require.NoError(m.t, feeder{h: h}.feed(m.t.Context(), m.l, m.l.Position().Offset, end))
	require.NoError(m.t, m.l.Close())
	requireChain(m.t, m.fs, m.l.at, h, end, "the stream")
	rep, err := Verify(m.t.Context(), m.opt)
	require.NoError(m.t, err)
	require.Zero(m.t, rep.Torn)
	require.Equal(m.t, end, rep.Position.Offset)
}
