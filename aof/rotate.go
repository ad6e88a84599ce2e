package aof

import (
	"errors"
	"fmt"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// rotate closes the open increment at the head, which must be a boundary, and opens its successor. No sync may be under way. For
// want of space it changes nothing, and is tried again later.
func (l *Log) rotate() error {
	if err := l.seal(); err != nil {
		return l.rotateFailed(fmt.Errorf("rotate: %w", err))
	}
	next, err := createIncrement(l.fs, l.at, l.man.nextIncrSeq(), l.newHead(l.cut.offset, l.cut.db), l.opt.Now())
	if err != nil {
		return l.rotateFailed(fmt.Errorf("rotate: %w", err))
	}
	if err := l.fs.SyncDir(l.at.aofDir()); err != nil {
		return l.latch("sync directory", l.at.aofDir(), err)
	}
	man := l.man.clone()
	man.incrs[len(man.incrs)-1].bytes = l.inc.size
	man.incrs = append(man.incrs, fileInfo{
		name: next.name, seq: next.seq, kind: 'i', startOffset: l.cut.offset, hasStart: true, unixMilli: l.clock,
	})
	if err := l.replaceManifest(man); err != nil {
		if l.failed != nil { // the manifest on disk may name it
			return errors.Join(err, next.f.Close())
		}
		if cerr := next.abandon(l.fs); cerr != nil {
			return l.latch("abandon increment", next.path, cerr)
		}
		return l.rotateFailed(fmt.Errorf("rotate: %w", err))
	}
	old := l.inc
	l.closedBytes += old.size
	l.wakeRewrite()
	l.rewrites.closing = false
	l.rotateNot = time.Time{}
	l.enter(next, l.cut.offset, l.cut.db)
	if err := old.f.Close(); err != nil {
		return l.latch("close", old.path, err)
	}
	call2(l.opt.Observer.Rotated, next.name, stream.Position{ReplID: l.replid, Offset: l.cut.offset})
	return l.limitDisk()
}

// rotateSlack is how far an increment may outgrow its size while what it has is synced beside the stream, as a part of that size.
const rotateSlack = 4

// rotateBefore reports whether the increment should close before p.
func (l *Log) rotateBefore(p *piece) bool {
	return len(p.data) > 0 && l.atBoundary() && ((l.tooBig() && l.mayRotate()) || l.mustClose())
}

// tooBig reports whether the increment has its size, and something in it.
func (l *Log) tooBig() bool {
	return l.head.file >= l.opt.IncrementBytes && l.cut.data > l.inc.headLen && !l.opt.Now().Before(l.rotateNot)
}

// mayRotate reports whether a sync in the rotation, for which the stream waits, is short, or has been put off long enough. Under FsyncAlways
// it is always short.
func (l *Log) mayRotate() bool {
	full := l.opt.IncrementBytes
	return l.opt.Fsync == FsyncAlways || (l.inc.synced >= full && !l.inc.syncing) || l.head.file-full >= full/rotateSlack
}

// syncAheadDue reports whether the increment has its size, and no sync has covered that or is under way.
func (l *Log) syncAheadDue() bool {
	return l.inc.size >= l.opt.IncrementBytes && l.inc.synced < l.opt.IncrementBytes && !l.inc.syncing
}

// rotateAfterSync rotates, once no sync is under way, unless Run did meanwhile.
func (l *Log) rotateAfterSync() error {
	l.awaitSync()
	if err := l.usable(); err != nil {
		return err
	}
	if !l.tooBig() && !l.mustClose() {
		return nil
	}
	return l.rotate()
}

// rotateFailed waits for space, or latches.
func (l *Log) rotateFailed(err error) error {
	if !isNoSpace(err) {
		return l.latch("rotate", l.inc.path, err)
	}
	if l.rotateNot.IsZero() {
		call2(l.opt.Observer.Note, "no space to open a new increment, the old one goes on", err.Error())
	}
	l.rotateNot = l.opt.Now().Add(spaceRetry)
	return nil
}

// newHead returns what an increment begins with.
func (l *Log) newHead(at stream.Offset, db int) []byte {
	l.clock = max(l.clock, l.opt.Now().UnixMilli())
	return headOf(stream.Mark{Position: stream.Position{ReplID: l.replid, Offset: at}, UnixMilli: l.clock, Durable: at}, db)
}

func headOf(m stream.Mark, db int) []byte { return m.AppendCommand(resp.AppendSelect(nil, db)) }

// enter makes inc, which holds nothing but its head, the open increment.
func (l *Log) enter(inc *increment, at stream.Offset, db int) {
	l.inc = inc
	l.head = cursor{file: inc.size, data: inc.size, offset: at, linear: at, db: db, time: l.clock}
	l.cut, l.proof = l.head, at
	l.whole, l.multi, l.wantMark, l.keep, l.second = true, false, false, cursor{}, 0
	l.markedAt = l.opt.Now()
	l.marked = markState{file: inc.size, data: inc.size, offset: at, durable: at, unixMilli: l.clock}
	l.hot.size.Store(inc.size)
	l.received.Store(int64(at))
	l.ready = place{cursor: l.head, id: l.replid}
	l.reshow()
	l.publish()
}

// replaceManifest makes man the manifest on disk and in memory. After an error the old one stands, or the log is latched because
// nobody can know.
func (l *Log) replaceManifest(man *manifest) error {
	path := l.at.path(l.at.manifest())
	text := man.format()
	if err := fsx.ReplaceFile(l.fs, path, text, fileMode); err != nil {
		if isNoSpace(err) && l.manifestStands(path) {
			return err
		}
		return l.latch("replace manifest", path, err)
	}
	l.man, l.manText = man, string(text)
	if l.unrenewed {
		l.unrenewed = false
		l.acks.hold(false)
	}
	return nil
}

// manifestStands reports whether the file is still what memory says.
func (l *Log) manifestStands(path string) bool {
	data, err := readFile(l.fs, path, maxManifest)
	return err == nil && string(data) == l.manText
}
