package aof

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// TestUpstreamsThatPart has replicas promoted and their upstreams go on beside them, and a log follow the one and the other, with crashes at any
// operation, power losses, disks that are full and fsyncs that fail. Whoever accepts the position that the log asks for has the bytes that the
// log has up to there; and what was acknowledged as durable is in the file at every moment until an upstream is followed that does not have it.
func TestUpstreamsThatPart(t *testing.T) {
	for seed := range 30 * seedsOf(t, crashSeedsEnv, crashSeeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newParting(t, seed).run(60) })
		})
	}
}

// parting is a log, and the upstreams that it may be sent to.
type parting struct {
	t   *testing.T
	rng *rand.Rand
	fs  *fsxtest.FS
	opt Options
	l   *Log
	ids int

	ups []*history // each has the bytes of the one that it parted from up to its last rename
	now *history   // the one that the log follows

	mu       sync.Mutex // the rest is used in hooks, too
	linked   *history   // the same while there is a connection
	promised stream.Offset
	fills    int
	breaks   int
	broken   bool
	armed    int
	caught   *parted
	where    string
}

// parted is what a crash left, and what had been promised.
type parted struct {
	fs       *fsxtest.FS
	promised stream.Offset
}

func newParting(t *testing.T, seed uint64) *parting {
	t.Helper()
	p := &parting{t: t, rng: rand.New(rand.NewPCG(seed, 3))}
	p.opt = Options{
		Dir: rigDir, Fsync: []Policy{FsyncAlways, FsyncEverySec, FsyncNo}[seed%3], IncrementBytes: int64(500 + p.rng.IntN(8000)),
		Timestamps: seed%2 == 0,
	}
	p.take(fsxtest.New())
	p.open()
	p.full()
	return p
}

func (p *parting) take(fsys *fsxtest.FS) {
	p.fs, p.opt.FS = fsys, fsys
	p.fills, p.breaks, p.broken, p.armed, p.caught, p.linked = 0, 0, false, 0, nil, nil
	fsys.FailOp(p.fail)
	fsys.OnOp(p.after)
}

// fail fills the disk, or breaks it.
func (p *parting) fail(op fsxtest.Op) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.breaks--; p.breaks == 0 {
		p.broken = true
		return syscall.EIO
	}
	if p.fills > 0 && (op.Kind == fsxtest.Write || op.Kind == fsxtest.Create) {
		p.fills--
		return &fsxtest.ShortWriteError{N: p.fills * 7, Err: syscall.ENOSPC}
	}
	return nil
}

// after looks at what is in the file after every operation, and crashes.
func (p *parting) after(n int, op fsxtest.Op) {
	p.note()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now != nil && op.Kind == fsxtest.Truncate && strings.HasSuffix(op.Path, incrSuffix) {
		p.requirePromised(p.fs, p.promised, "after "+op.String())
	}
	if p.armed--; p.armed == 0 {
		crashes := fsxtest.Crashes(uint64(n))
		p.caught = &parted{fs: p.fs.CrashClone(crashes[n%len(crashes)]), promised: p.promised}
	}
}

// note remembers what was acknowledged as durable.
func (p *parting) note() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.linked == nil || p.l == nil {
		return
	}
	if off, ok := p.l.Durable(); ok {
		p.promised = max(p.promised, off)
	}
}

// requirePromised wants the files to hold what was acknowledged.
func (p *parting) requirePromised(fsys *fsxtest.FS, promised stream.Offset, where string) {
	p.t.Helper()
	require.LessOrEqual(p.t, promised, p.now.end(), "%s, %s", where, p.where)
	must := p.now.kept(promised)
	held := streamBytes(p.t, fsys, p.opt.withLayout())
	requireBytes(p.t, must, held[:min(len(must), len(held))], "%s, %s: %d was acknowledged", where, p.where, promised)
}

func (p *parting) open() {
	p.t.Helper()
	l, err := Open(p.t.Context(), p.opt)
	require.NoError(p.t, err, p.where)
	p.l = l
}

// full gives the log a new history, which is the only one then.
func (p *parting) full() {
	p.ids++
	h := &history{id: replID(p.t, fmt.Sprintf("f%03x", p.ids)), start: stream.Offset(p.rng.IntN(1000)), keys: 3}
	_, err := p.l.FullResync(p.t.Context(), snapshotOf(h, -1), rdbOf(3))
	require.NoError(p.t, err, p.where)
	p.ups, p.now, p.linked, p.promised = []*history{h}, h, nil, h.start
}

func (p *parting) run(steps int) {
	for i := range steps {
		p.where = fmt.Sprintf("step %d, %v", i, p.fs.Past())
		switch p.rng.IntN(12) {
		case 0, 1, 2, 3, 4:
			p.connect(p.ups[p.rng.IntN(len(p.ups))])
		case 5, 6:
			p.connect(p.now)
		case 7:
			p.promote()
		case 8:
			p.crash(fsxtest.Crashes(p.rng.Uint64())[p.rng.IntN(5)])
		case 9:
			p.armed = 1 + p.rng.IntN(25)
		case 10:
			p.fills = 1 + p.rng.IntN(4)
		case 11:
			if p.rng.IntN(3) == 0 {
				p.breaks = 1 + p.rng.IntN(25)
			}
		}
	}
	p.where = "end"
	p.crash(fsxtest.KillProcess{})
	p.armed = 0
	if pos, _, err := p.l.Resume(); err == nil && accepts(p.now, pos) {
		require.NoError(p.t, p.l.Continue(p.t.Context(), p.now.idNow()))
		p.now.add("PING") // behind what it is ahead of: what the tail has besides goes
		p.now.add("PING")
		require.NoError(p.t, feeder{h: p.now}.feed(p.t.Context(), p.l, pos.Offset, p.now.end()))
	} else {
		p.full()
	}
	require.NoError(p.t, p.l.Close())
	requireChain(p.t, p.fs, p.l.at, p.now, p.now.end(), "the stream")
	_, err := Verify(p.t.Context(), p.opt)
	require.NoError(p.t, err)
}

// promote has a replica of one upstream, which is behind it or is not, become another.
func (p *parting) promote() {
	if len(p.ups) > 4 {
		return
	}
	of := p.ups[p.rng.IntN(len(p.ups))]
	at := of.end()
	if p.rng.IntN(2) == 0 {
		at, _ = of.boundary(of.start + stream.Offset(p.rng.Int64N(int64(of.end()-of.start)+1)))
	}
	if n := len(of.renames); n > 0 && at < of.renames[n-1].at {
		at = of.renames[n-1].at
	}
	at, _ = of.boundary(at)
	p.ids++
	h := of.fork(at)
	h.renames = append(append([]rename(nil), of.renames...), rename{at: at, id: replID(p.t, fmt.Sprintf("e%03x", p.ids))})
	p.ups = append(p.ups, h)
}

// accepts is what an upstream answers: it knows its id, and up to where it took over the one before.
func accepts(h *history, pos stream.Position) bool {
	if pos.Offset < h.start {
		return false
	}
	if pos.ReplID == h.idNow() {
		return pos.Offset <= h.end()
	}
	n := len(h.renames)
	if n == 0 || pos.Offset > h.renames[n-1].at {
		return false
	}
	before := h.id
	if n > 1 {
		before = h.renames[n-2].id
	}
	return pos.ReplID == before
}

// common is the last boundary up to which two histories are the same.
func common(a, b *history) stream.Offset {
	n := same(a.bytes, b.bytes)
	at, _ := b.boundary(b.start + stream.Offset(n))
	return at
}

// connect follows an upstream for a while.
func (p *parting) connect(to *history) {
	if p.dies() {
		return
	}
	pos, db, err := p.l.Resume()
	if err != nil {
		p.ended(err)
		return
	}
	for _, h := range p.ups {
		if accepts(h, pos) {
			at, wantDB := h.boundary(pos.Offset)
			require.Equal(p.t, at, pos.Offset, "%s: %s is no boundary of %s", p.where, pos, h.idNow())
			require.Equal(p.t, wantDB, db, p.where)
			must := h.kept(pos.Offset)
			held := streamBytes(p.t, p.fs, p.l.at)
			requireBytes(p.t, must, held[:min(len(must), len(held))], "%s: %s of %s", p.where, pos, h.idNow())
		}
	}
	if !accepts(to, pos) {
		if p.rng.IntN(3) == 0 && p.caught == nil && p.fills == 0 && p.breaks <= 0 && p.armed <= 0 {
			p.full()
		}
		return
	}
	p.mu.Lock()
	p.promised = min(p.promised, common(p.now, to))
	p.now, p.linked = to, to
	p.mu.Unlock()
	to.grow(p.rng, p.rng.IntN(12))
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Duration(1+p.rng.IntN(4))*time.Second)
	defer cancel()
	defer p.tickBeside()()
	err = p.l.Continue(ctx, to.idNow())
	p.note()
	if err == nil {
		err = p.follow(ctx, to, pos)
		if rerr := p.l.Rollback(); err == nil {
			err = rerr
		}
	}
	p.note()
	p.mu.Lock()
	p.linked = nil
	p.mu.Unlock()
	p.ended(err)
}

// follow feeds the log up to anywhere, with the syncs and marks that come with time.
func (p *parting) follow(ctx context.Context, h *history, pos stream.Position) error {
	f := feeder{h: h, now: func() int64 { return time.Now().UnixMilli() }}
	if p.rng.IntN(3) > 0 {
		f.rng = p.rng
	}
	for range 1 + p.rng.IntN(3) {
		to := h.end() - stream.Offset(p.rng.IntN(2)*p.rng.IntN(40))
		if err := f.once(ctx, p.l, pos.Offset, max(to, pos.Offset)); err != nil {
			return err
		}
		p.note()
		var err error
		switch n := p.rng.IntN(6); {
		case n < 2:
			err = p.l.onTick()
		case n < 4:
			err = p.l.syncGroup()
		case n == 4:
			err = p.l.syncOnce()
		}
		p.note()
		if err != nil {
			return err
		}
		if h.end() != to { // in the midst of a command
			return nil
		}
		if at, _ := h.boundary(to); at != to {
			return nil
		}
		pos.Offset = to
		h.grow(p.rng, p.rng.IntN(6))
	}
	return nil
}

// tickBeside ticks while something waits for space.
func (p *parting) tickBeside() (stop func()) {
	l, done, ended := p.l, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(300 * time.Millisecond):
				_ = l.onTick() // a failure latches
			}
		}
	}()
	return func() { close(done); <-ended }
}

// ended takes what a connection ended with.
func (p *parting) ended(err error) {
	if p.dies() || err == nil {
		return
	}
	if _, again := errors.AsType[*RejoinError](err); again || errors.Is(err, context.DeadlineExceeded) {
		return
	}
	require.True(p.t, p.broken, "%s: %v", p.where, err)
	p.crash(fsxtest.Crashes(p.rng.Uint64())[p.rng.IntN(5)])
}

// dies goes on with what the crash left that was armed.
func (p *parting) dies() bool {
	if p.caught == nil {
		return false
	}
	left := p.caught
	_ = p.l.Close()
	p.reborn(left)
	return true
}

func (p *parting) crash(kind fsxtest.Crash) {
	left := &parted{fs: p.fs.CrashClone(kind), promised: p.promised}
	_ = p.l.Close()
	p.reborn(left)
}

func (p *parting) reborn(left *parted) {
	p.l = nil
	p.take(left.fs)
	p.promised = left.promised
	p.where = fmt.Sprintf("%s, then %v", p.where, p.fs.Past())
	if p.rng.IntN(3) == 0 {
		p.armed = 1 + p.rng.IntN(15)
	}
	p.open()
	p.requirePromised(p.fs, p.promised, "after the start")
}
