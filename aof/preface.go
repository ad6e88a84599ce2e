package aof

import (
	"strconv"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// markEvery is how far the position may move without a mark. After a kill -9 the log goes on from the last one, and an upstream's backlog may
// hold a mebibyte and no more.
const markEvery = 256 << 10

// preface hands to out what must stand before the next kept byte: a mark where bytes were dropped or one is due, a time stamp. In the
// middle of a command it is nothing.
func (l *Log) preface() {
	if !l.whole {
		return
	}
	if l.head.linear != l.head.offset || ((l.wantMark || l.markFar()) && !l.multi) {
		l.mark()
	}
	if sec := l.clock / 1000; l.opt.Timestamps && sec > l.second && !l.multi {
		l.stamp(sec)
	}
}

// markFar reports whether the last mark is far above.
func (l *Log) markFar() bool { return l.head.offset-l.marked.offset >= markEvery }

// mark hands a mark to out. The head must be at the end of a command.
func (l *Log) mark() {
	m := l.markHere()
	l.scratch = m.AppendCommand(l.scratch[:0])
	l.out.add(l.scratch)
	l.head.file += int64(len(l.scratch))
	l.head.linear, l.head.time = l.head.offset, l.clock
	l.marked = markState{
		file: l.head.file, data: l.head.data, offset: m.Position.Offset, durable: m.Durable, unixMilli: m.UnixMilli,
	}
	l.wantMark = l.wantMark && l.multi
	if l.atBoundary() {
		l.cut = l.head
	}
}

// markHere returns the mark for the head.
func (l *Log) markHere() stream.Mark {
	return stream.Mark{
		Position:  stream.Position{ReplID: l.replid, Offset: l.head.offset},
		UnixMilli: l.clock,
		Durable:   l.proof,
	}
}

// stamp hands a time stamp to out. The head must be at a boundary.
func (l *Log) stamp(sec int64) {
	l.scratch = append(l.scratch[:0], "#TS:"...)
	l.scratch = strconv.AppendInt(l.scratch, sec, 10)
	l.scratch = append(l.scratch, "\r\n"...)
	l.out.add(l.scratch)
	l.head.file += int64(len(l.scratch))
	l.second, l.cut = sec, l.head
}

// writeMark ends the file with a mark; the head must be at a boundary. It does not wait for space: it returns what isNoSpace knows.
func (l *Log) writeMark() error {
	if err := l.forewarn(); err != nil {
		return err
	}
	was := l.tip
	l.out.begin(l.inc)
	l.mark()
	return l.finish(was)
}
