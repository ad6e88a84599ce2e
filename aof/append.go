package aof

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// spaceRetry is how long a write waits before it tries a full disk again (Redis' serverCron does the same).
const spaceRetry = time.Second

// errRun says that the replica broke the contract of stream.Run.
var errRun = errors.New("run does not fit what came before")

// Append writes the run and returns once its bytes are in the file. When the disk is full it cuts what was half written and
// tries again every second until ctx ends. A *DiskError is final. It satisfies replica.Sink.
func (l *Log) Append(ctx context.Context, run *stream.Run) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if l.inc == nil || l.keep.file != 0 || run.Boundary > run.Len() || (run.Dropped > 0 && !l.whole) {
		return fmt.Errorf("append at offset %d: %w", l.head.offset, errRun)
	}
	l.clock = max(l.clock, run.UnixMilli)
	l.drop(run.Dropped)
	c := chunk{data: run.Data, cut: run.Boundary - run.Dropped, db: run.DB, whole: run.Whole, multi: run.Multi}
	if c.cut > 0 && !l.atBoundary() && l.interludeDue() {
		first := chunk{data: c.data[:c.cut], cut: c.cut, db: c.db, whole: true}
		if err := l.appendChunk(ctx, first); err != nil {
			return err
		}
		c.data, c.cut = c.data[c.cut:], 0
	}
	if len(c.data) > 0 {
		if err := l.appendChunk(ctx, c); err != nil {
			return err
		}
	}
	l.settle()
	return nil
}

// chunk is a stretch of kept bytes with what is true at its end; cut is the last boundary outside MULTI in it, 0 for none.
type chunk struct {
	data  []byte
	cut   int64
	db    int
	whole bool
	multi bool
}

// drop counts stream bytes that are not kept. They are whole commands, so that a boundary stays one.
func (l *Log) drop(n int64) {
	if n == 0 {
		return
	}
	boundary := l.atBoundary()
	l.head.offset += stream.Offset(n)
	if boundary {
		l.cut = l.head
	}
}

// atBoundary reports whether what was written ends outside MULTI, at the end of a command.
func (l *Log) atBoundary() bool { return l.whole && !l.multi }

// interludeDue reports whether something of ours waits for a boundary.
func (l *Log) interludeDue() bool {
	return l.wantMark || l.markFar() || l.tooBig() || (l.opt.Timestamps && l.clock/1000 > l.second)
}

// markEvery is how far the position may move without a mark. After a kill -9 the log goes on from the last one, and an upstream's backlog may
// hold a mebibyte and no more.
const markEvery = 256 << 10

// markFar reports whether the last mark is far above.
func (l *Log) markFar() bool { return l.head.offset-l.marked.offset >= markEvery }

// tooBig reports whether the increment should close.
func (l *Log) tooBig() bool {
	return l.inc.size >= l.opt.IncrementBytes && l.cut.data > l.inc.headLen && !l.opt.Now().Before(l.rotateNot)
}

func (l *Log) appendChunk(ctx context.Context, c chunk) error {
	if l.atBoundary() && l.tooBig() {
		if err := l.rotateAfterSync(); err != nil {
			return err
		}
	}
	pre, err := l.put(ctx, c.data)
	if err != nil {
		return err
	}
	l.account(pre, int64(len(c.data)))
	start := l.head
	l.head = start.plus(int64(len(c.data)))
	l.whole, l.multi = c.whole, c.multi
	if c.cut > 0 {
		l.head.db = c.db
		l.cut = start.plus(c.cut)
		l.cut.db = c.db
	}
	l.hot.size.Store(l.inc.size)
	return nil
}

// plus returns the cursor n kept bytes further on.
func (c cursor) plus(n int64) cursor {
	c.file += n
	c.data = c.file
	c.offset += stream.Offset(n)
	c.linear += stream.Offset(n)
	return c
}

// preface is what must stand before the next kept byte: a mark where bytes were dropped or one is due, a time stamp.
type preface struct {
	bytes   []byte
	mark    mark
	markEnd int   // where the mark ends in bytes; 0: there is none
	second  int64 // of the time stamp; 0: there is none
}

// makePreface is empty in the middle of a command. Nothing is accounted for before it is written.
func (l *Log) makePreface() preface {
	pre := preface{bytes: l.scratch[:0]}
	if !l.whole {
		return pre
	}
	if l.head.linear != l.head.offset || ((l.wantMark || l.markFar()) && !l.multi) {
		pre.mark = l.markHere()
		pre.bytes = pre.mark.appendCommand(pre.bytes)
		pre.markEnd = len(pre.bytes)
	}
	if sec := l.clock / 1000; l.opt.Timestamps && !l.multi && sec > l.second {
		pre.second = sec
		pre.bytes = append(pre.bytes, "#TS:"...)
		pre.bytes = strconv.AppendInt(pre.bytes, sec, 10)
		pre.bytes = append(pre.bytes, "\r\n"...)
	}
	l.scratch = pre.bytes[:0]
	return pre
}

// markHere returns the mark for what was written.
func (l *Log) markHere() mark {
	return mark{
		pos:       stream.Position{ReplID: l.replid, Offset: l.head.offset},
		unixMilli: l.clock,
		durable:   l.proof,
	}
}

// account moves the head past a preface that was written before the last n bytes of the file.
func (l *Log) account(pre preface, n int64) {
	if len(pre.bytes) == 0 {
		return
	}
	boundary := l.atBoundary()
	begin := l.inc.size - n - int64(len(pre.bytes))
	l.head.file = l.inc.size - n
	if pre.markEnd > 0 {
		l.head.linear = l.head.offset
		l.marked = markState{
			file: begin + int64(pre.markEnd), data: l.head.data,
			offset: pre.mark.pos.Offset, durable: pre.mark.durable, unixMilli: pre.mark.unixMilli,
		}
		l.markedAt = l.opt.Now()
		l.wantMark = l.wantMark && l.multi
	}
	if pre.second > 0 {
		l.second = pre.second
	}
	if boundary {
		l.cut = l.head
	}
}

// writeMark ends the file with a mark; the head must be at a boundary. It does not wait for space: it returns what isNoSpace knows, and
// any other failure latches.
func (l *Log) writeMark() error {
	m := l.markHere()
	l.scratch = m.appendCommand(l.scratch[:0])
	if err := l.inc.write(l.scratch, nil); err != nil {
		if isNoSpace(err) {
			return err
		}
		return l.latch("write", l.inc.path, err)
	}
	l.account(preface{bytes: l.scratch, mark: m, markEnd: len(l.scratch)}, 0)
	l.hot.size.Store(l.inc.size)
	return nil
}

// put writes data behind a preface, which it returns, and waits while the disk is full. The preface is made anew for each try.
func (l *Log) put(ctx context.Context, data []byte) (pre preface, err error) {
	err = l.untilSpace(ctx, func() error {
		pre = l.makePreface()
		err := l.inc.write(pre.bytes, data)
		if err != nil && !isNoSpace(err) {
			return l.latch("write", l.inc.path, err)
		}
		return err
	})
	return pre, err
}

// untilSpace calls write until it fails for another reason than want of space, or not at all. mu is released between the tries: Run
// may write a mark then, or begin an increment.
func (l *Log) untilSpace(ctx context.Context, write func() error) error {
	for {
		err := write()
		if err == nil {
			l.setFull(nil)
			return nil
		}
		if !isNoSpace(err) {
			return err
		}
		l.setFull(err)
		if err := l.waitUnlocked(ctx, spaceRetry); err != nil {
			return fmt.Errorf("write to %s while the disk is full: %w", l.inc.name, err)
		}
		if err := l.usable(); err != nil {
			return err
		}
	}
}

// waitUnlocked waits for d or for ctx, with mu released.
func (l *Log) waitUnlocked(ctx context.Context, d time.Duration) error {
	l.mu.Unlock()
	defer l.mu.Lock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-l.dead:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// setFull notes that the disk is full (err) or no longer (nil), once per change.
func (l *Log) setFull(err error) {
	if (err != nil) == l.full {
		return
	}
	l.full = err != nil
	l.publish()
	call(l.opt.Observer.DiskFull, err)
}

// settle publishes what an append changed and wakes the syncer under FsyncAlways.
func (l *Log) settle() {
	l.hot.time.Store(l.clock)
	l.received.Store(int64(l.cut.offset))
	if l.cut.data <= l.inc.synced {
		l.acks.move(l.cut.offset)
		return
	}
	if l.opt.Fsync == FsyncAlways {
		select {
		case l.kick <- struct{}{}:
		default:
		}
	}
}
