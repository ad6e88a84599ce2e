package aof

import (
	"context"
	"errors"
	"fmt"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// groupPieces bounds how much Append postpones, whatever Run.More says: as many pieces, of a read whose bytes the replica holds anyway.
const groupPieces = 1024

// errRun says that the replica broke the contract of stream.Run.
var errRun = errors.New("run does not fit what came before")

// Append returns once the run's bytes are in the file. A run with More is only noted, with its Data where they are: it is written
// together with those that follow, and until then nothing that the log says or does counts it. When the disk is full Append cuts what was
// half written and tries again every second until ctx ends. After an error none of what was noted is written later. A *DiskError is final.
// It satisfies replica.Sink.
func (l *Log) Append(ctx context.Context, run *stream.Run) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.usable()
	if err == nil {
		err = l.postpone(run)
	}
	if err == nil && run.More && len(l.group.pieces) < groupPieces {
		return nil
	}
	if err == nil {
		err = l.writeGroup(ctx)
	}
	l.group.forget()
	return err
}

// group is what was handed over and is not in the file yet.
type group struct {
	pieces  []piece
	written int // so many of pieces are
}

// piece is a stretch of the stream with no boundary outside MULTI in it, save after what was dropped and at its end.
type piece struct {
	dropped   int64
	data      []byte // the replica's
	db        int    // selected at the end, if that is a boundary
	whole     bool   // ends at the end of a command
	multi     bool   // ends inside MULTI
	unixMilli int64
}

// forget empties the group, and lets go of the replica's memory.
func (g *group) forget() {
	clear(g.pieces)
	g.pieces, g.written = g.pieces[:0], 0
}

// left are the pieces that are not in the file.
func (g *group) left() []piece { return g.pieces[g.written:] }

// postpone adds the run to the group, cut at its last boundary: something of ours may be due there.
func (l *Log) postpone(run *stream.Run) error {
	whole := l.whole
	if n := len(l.group.pieces); n > 0 {
		whole = l.group.pieces[n-1].whole
	}
	if l.inc == nil || (l.keep.file != 0 && l.retrace == nil) || run.Boundary > run.Len() || (run.Dropped > 0 && !whole) {
		return fmt.Errorf("append at offset %d: %w", l.head.offset, errRun)
	}
	p := piece{
		dropped: run.Dropped, data: run.Data, db: run.DB, whole: run.Whole, multi: run.Multi, unixMilli: run.UnixMilli,
	}
	if cut := run.Boundary - run.Dropped; cut > 0 && run.Boundary < run.Len() {
		first := p
		first.data, first.whole, first.multi = run.Data[:cut], true, false
		l.group.pieces = append(l.group.pieces, first)
		p.dropped, p.data = 0, run.Data[cut:]
	}
	l.group.pieces = append(l.group.pieces, p)
	return nil
}

// writeGroup writes the group: at once, or in as many steps as increments begin in it.
func (l *Log) writeGroup(ctx context.Context) error {
	for len(l.group.left()) > 0 {
		if l.retrace != nil {
			if err := l.retracePieces(ctx); err != nil {
				return err
			}
			continue
		}
		if l.rotateBefore(&l.group.left()[0]) {
			if err := l.rotateAfterSync(); err != nil {
				return err
			}
		}
		if err := l.untilSpace(ctx, l.writePieces); err != nil {
			return err
		}
	}
	return nil
}

// writePieces writes what is left of the group, or what comes before the next increment. If that fails nothing has changed, and the next
// try begins anew: Run may have written a mark meanwhile, or begun an increment.
func (l *Log) writePieces() error {
	was := l.tip
	l.out.begin(l.inc)
	n := l.compose()
	size := l.inc.size
	if err := l.finish(was); err != nil {
		return err
	}
	if l.inc.size > size {
		l.setFull(nil)
	}
	l.group.written += n
	l.settle()
	return nil
}

// compose hands the bytes of the pieces to out, with what must stand between them, moves the tip over them, and returns how many pieces
// that are: one at least.
func (l *Log) compose() int {
	left := l.group.left()
	for i := range left {
		p := &left[i]
		if i > 0 && l.rotateBefore(p) {
			return i
		}
		l.clock = max(l.clock, p.unixMilli)
		l.drop(p.dropped)
		if len(p.data) == 0 {
			continue
		}
		l.preface()
		l.out.add(p.data)
		l.move(p)
	}
	return len(left)
}

// drop counts stream bytes that are not kept. They are whole commands, so that a boundary stays one.
func (l *Log) drop(n int64) {
	if n == 0 {
		return
	}
	l.head.offset += stream.Offset(n)
	l.head.time = l.clock
	if l.atBoundary() {
		l.cut = l.head
	}
}

// move counts the bytes that are kept of p.
func (l *Log) move(p *piece) {
	l.head = l.head.plus(int64(len(p.data)))
	l.head.time = l.clock
	l.whole, l.multi = p.whole, p.multi
	if l.atBoundary() {
		l.head.db = p.db
		l.cut = l.head
	}
}

// atBoundary reports whether the head is outside MULTI, at the end of a command.
func (l *Log) atBoundary() bool { return l.whole && !l.multi }

// plus returns the cursor n kept bytes further on.
func (c cursor) plus(n int64) cursor {
	c.file += n
	c.data = c.file
	c.offset += stream.Offset(n)
	c.linear += stream.Offset(n)
	return c
}

// finish writes what out has. If that fails nothing of it is in the file, and the tip is what it was; what isNoSpace knows can
// be tried again, any other failure latches.
func (l *Log) finish(was tip) error {
	if err := l.out.end(); err != nil {
		l.tip = was
		if isNoSpace(err) {
			return err
		}
		return l.latch("write", l.inc.path, err)
	}
	if l.marked != was.marked {
		l.markedAt = l.opt.Now()
	}
	l.hot.size.Store(l.inc.size)
	return nil
}

// settle publishes what an append changed, and wakes Run where that asks for a sync.
func (l *Log) settle() {
	l.hot.time.Store(l.clock)
	l.received.Store(int64(l.cut.offset))
	l.wakeRewrite()
	l.showCut()
	if l.cut.data <= l.inc.synced {
		l.acks.move(l.cut.offset)
		return
	}
	if l.opt.Fsync == FsyncAlways || l.syncAheadDue() {
		select {
		case l.kick <- struct{}{}:
		default:
		}
	}
}
