package aof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// tail is what recovery found behind the position that it trusts, up to keep.
type tail struct {
	lossy bool          // no fsync writes it as it is, see memory
	id    stream.ReplID // what the file calls the history at the cut; the upstream may call it something else
}

// retrace holds what the upstream sends after +CONTINUE against the tail that a crash has left. The tail may be what FACK has promised, so what
// is sent again takes its place where it is: only what differs is cut. The head says how far that has come.
type retrace struct {
	end int64        // of the tail, a boundary outside MULTI
	sc  resp.Scanner // of the stream bytes in the tail
	tr  resp.Tracker // the same
	buf []byte       // what of the file is in memory
	at  int64        // where that begins
}

// RejoinError says that the stream cannot be taken up in the middle of a command: after a crash and a failover at once, the upstream's history
// is another one than what is on the disk, from within a command on. The log stands before that command; ask for the rest from there.
type RejoinError struct{}

func (*RejoinError) Error() string {
	return "the upstream's history differs from within a command that a crash has left: it is asked for again from where that begins"
}

// Fatal says that the connection ends, and nothing else.
func (*RejoinError) Fatal() bool { return false }

// beginRetrace prepares the tail to be read against the stream. What of it no mark proves is synced first, so that what is found again can be
// acknowledged: it may have been before.
func (l *Log) beginRetrace(ctx context.Context, id stream.ReplID) error {
	if err := l.cutBehind(l.keep.file); err != nil { // what is torn
		return err
	}
	if l.tail.lossy {
		if err := l.untilSpace(ctx, l.writeTailAnew); err != nil {
			return err
		}
		l.setFull(nil)
	}
	if l.inc.synced < l.inc.size && l.opt.Fsync != FsyncNo {
		if err := l.syncLocked(); err != nil {
			return err
		}
	}
	l.replid = id
	l.retrace = &retrace{end: l.inc.size, tr: resp.Tracker{DB: l.cut.db}}
	l.publish()
	if over, err := l.passOurs(false); !over || err != nil {
		return err
	}
	return l.endRetrace(ctx)
}

// writeTailAnew has the next fsync write the tail, which the kernel may call clean though the disk does not have it. It returns what isNoSpace knows; any other failure latches.
func (l *Log) writeTailAnew() error {
	err := rewriteFrom(l.inc.f, l.cut.file, l.inc.size)
	if err == nil || isNoSpace(err) {
		return err
	}
	return l.latch("write anew", l.inc.path, err)
}

// retracePieces takes the group from the tail, as far as they are the same, and ends the retrace where they part.
func (l *Log) retracePieces(ctx context.Context) error {
	for len(l.group.left()) > 0 {
		over, err := l.retracePiece(&l.group.left()[0])
		if err != nil {
			return err
		}
		if over {
			return l.endRetrace(ctx)
		}
		l.group.written++
	}
	l.hot.time.Store(l.clock)
	l.received.Store(int64(l.cut.offset))
	if l.cut.data <= l.inc.synced {
		l.acks.move(l.cut.offset)
	}
	return nil
}

// retracePiece moves the head over p, and leaves of p what the tail does not have.
func (l *Log) retracePiece(p *piece) (over bool, err error) {
	l.clock = max(l.clock, p.unixMilli)
	l.drop(p.dropped)
	p.dropped = 0
	for len(p.data) > 0 {
		if l.whole {
			if over, err = l.passOurs(true); over || err != nil {
				return over, err
			}
		}
		n, err := l.passStream(p.data)
		if n == 0 || err != nil {
			return true, err
		}
		p.data = p.data[n:]
	}
	if !l.whole {
		return false, nil
	}
	return l.passOurs(false)
}

// passStream moves the head over the stream bytes that are at it and that p begins with, at most to the end of a command, and returns how many they are.
func (l *Log) passStream(p []byte) (int, error) {
	r := l.retrace
	if l.head.file == r.end {
		return 0, nil
	}
	b, err := r.read(l.inc.f, l.head.file, 1)
	if err != nil {
		return 0, l.latch("read", l.inc.path, err)
	}
	n := same(b, p)
	if n == 0 {
		return 0, nil
	}
	n, whole, err := r.sc.Next(p[:n])
	if err == nil && whole {
		err = r.tr.Done(&r.sc)
	}
	if err != nil {
		return 0, fmt.Errorf("retrace at offset %d: %w: %w", l.head.offset, errRun, err)
	}
	l.head = l.head.plus(int64(n))
	l.head.time = l.clock
	l.whole, l.multi = whole, r.tr.Multi
	if l.atBoundary() {
		l.head.db = r.tr.DB
		l.cut = l.head
	}
	return n, nil
}

// passOurs moves the head over the marks and time stamps that stand at it, between two commands, as long as they agree with it: what is not kept comes in one
// piece, and marks may stand for parts of it. The retrace is over at the end of the tail, and where the upstream sent what is not kept and no mark says so; if
// stream bytes follow, also at a mark that stands for more of that.
func (l *Log) passOurs(bytesFollow bool) (over bool, err error) {
	for l.head.file < l.retrace.end {
		b, err := l.retrace.read(l.inc.f, l.head.file, maxMarkBytes)
		if err != nil {
			return false, l.latch("read", l.inc.path, err)
		}
		switch {
		case b[0] == '#':
			if !l.passStamp(b) {
				return true, nil
			}
		case bytes.HasPrefix(b, []byte(markLead)):
			m, ok := leadingMark(b)
			if !ok || m.Position.Offset < l.head.linear || (l.multi && m.Position.ReplID != l.tail.id) {
				return true, nil
			}
			if m.Position.Offset > l.head.offset {
				return bytesFollow, nil
			}
			l.passMark(m)
		default:
			return l.head.linear != l.head.offset, nil
		}
	}
	return true, nil
}

// passMark moves the head over a mark that states where the head is, or was before the last of what is not kept. It may be of another id than the upstream has
// now: what is above it is of both histories.
func (l *Log) passMark(m stream.Mark) {
	l.scratch = m.AppendCommand(l.scratch[:0])
	l.head.file += int64(len(l.scratch))
	l.head.linear, l.head.time = m.Position.Offset, max(l.head.time, m.UnixMilli)
	l.tail.id = m.Position.ReplID
	l.marked = markState{
		file: l.head.file, data: l.head.data, offset: m.Position.Offset, durable: m.Durable, unixMilli: m.UnixMilli,
	}
	if l.atBoundary() {
		l.cut = l.head
	}
}

// passStamp moves the head over a time stamp that b begins with.
func (l *Log) passStamp(b []byte) bool {
	line, _, whole := bytes.Cut(b, []byte("\r\n"))
	sec, err := strconv.ParseInt(string(bytes.TrimPrefix(line, []byte("#TS:"))), 10, 64)
	if !whole || err != nil {
		return false
	}
	l.head.file += int64(len(line) + len("\r\n"))
	l.second = sec
	if l.atBoundary() {
		l.cut = l.head
	}
	return true
}

// read returns bytes of the tail from at on, which is before its end: want of them, if it has them, or more.
func (r *retrace) read(f io.ReaderAt, at int64, want int) ([]byte, error) {
	have := r.at + int64(len(r.buf)) - at
	if at < r.at || have < min(int64(want), r.end-at) {
		if r.buf == nil {
			r.buf = make([]byte, min(r.end-at, gatherBytes))
		}
		r.at = at
		r.buf = r.buf[:min(r.end-at, int64(cap(r.buf)))]
		if n, err := f.ReadAt(r.buf, at); n < len(r.buf) {
			r.buf = r.buf[:0]
			return nil, errors.Join(err, fmt.Errorf("at byte %d", at))
		}
	}
	return r.buf[at-r.at:], nil
}

// same returns how many bytes a and b have in common at their start.
func same(a, b []byte) int {
	n := min(len(a), len(b))
	if bytes.Equal(a[:n], b[:n]) {
		return n
	}
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// endRetrace cuts what the upstream did not send again, and goes on there. Where the file has another id that is at a boundary only, so that it says the new one before any
// byte that the old one may not name.
func (l *Log) endRetrace(ctx context.Context) error {
	rejoin := false
	l.retrace = nil
	if l.replid != l.tail.id {
		rejoin = l.head.data != l.cut.data
		l.backToCut()
	}
	if err := l.goOn(ctx, l.replid); err != nil {
		return err
	}
	if rejoin {
		return &RejoinError{}
	}
	return nil
}

// leaveRetrace gives up for this connection: the tail waits for the next one's answer. What was found again stays found.
func (l *Log) leaveRetrace() {
	if l.retrace == nil {
		return
	}
	l.retrace = nil
	l.backToCut()
}
