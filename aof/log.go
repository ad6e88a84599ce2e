package aof

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/keyspace"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// Log is the local copy, open for writing. See the package comment for format, invariants and concurrency.
type Log struct {
	opt  Options
	fs   fsx.FS
	at   layout
	lock fsx.File
	boot string // the running boot; empty: unknown

	mu        sync.Mutex // guards what follows, and every write; released while waiting for space and during syncs by Run
	man       *manifest  // as on disk; nil before the first full resync
	manText   string     // its text
	timeline  string
	replid    stream.ReplID
	inc       *increment    // nil before the first full resync
	tip                     // of inc
	keep      cursor        // while a recovered tail waits for the upstream's answer: what of it is kept if that is another than to go on
	tail      tail          // recovered, while keep is set
	retrace   *retrace      // while the stream is held against the tail
	proof     stream.Offset // what marks state as durable: a reader of what is durable of the file arrives there or further
	group     group         // handed over by Append, not yet written
	out       tailWriter    // in use only while mu is held
	markedAt  time.Time     // when the last mark was written; time in marks does not follow a clock that is set back
	need      int64         // bytes that the next snapshot is expected to take; 0: not known
	needSince time.Time     // when need was learned
	rotateNot time.Time     // a rotation that found no space is not tried before
	scratch   []byte        // reused for marks and time stamps
	full      bool          // waiting for space
	failed    error
	closed    bool

	idle *sync.Cond    // on mu: a sync that was under way has ended; also what a rewrite that waits for a boundary waits on
	kick chan struct{} // wakes Run to sync
	dead chan struct{} // closed with failed

	rewrites  rewrites
	ask       chan struct{} // wakes RunRewrites
	reconnect chan struct{} // see Reconnect
	tables    func() *keyspace.Table

	keys     atomic.Pointer[keyCount] // as last told, see KeysSeen; nil: not told
	received atomic.Int64
	acks     ackState
	status   atomic.Pointer[published] // everything but the hot numbers
	hot      hotNumbers

	newLock     bool      // the lock file was not there before this Log
	claimed     lockState // as written to the lock file by this Log
	unclaimed   bool      // the lock file says nothing of this boot
	unrenewed   bool      // the manifest on the disk may be another one than is read: see renewManifest
	baseBytes   int64
	closedBytes int64 // of the increments before the open one
	ready       place // how far inc may be read: a durable boundary

	shelves []*shelf  // what is in retained/, by age
	show    *showcase // what Holdings tells
	spool   spool
}

// tip is where the log stands: what a write moves, and what goes back to where it was when the write fails.
type tip struct {
	head     cursor // the end of what was written
	cut      cursor // the last boundary outside MULTI
	whole    bool   // head is at the end of a command
	multi    bool   // head is inside MULTI..EXEC
	marked   markState
	wantMark bool  // a mark is due at the next boundary
	second   int64 // of the last #TS annotation
	clock    int64 // Unix milliseconds, the latest receive time on this timeline
}

// cursor is a place in the open increment.
type cursor struct {
	file   int64         // bytes from the start of the file, marks included
	data   int64         // where the last kept stream byte before it ends
	offset stream.Offset // of the stream, dropped bytes included
	linear stream.Offset // what a reader of the file computes here; less than offset when bytes were dropped since
	db     int
	time   int64 // Unix milliseconds: everything before it had been received
}

// markState remembers the last mark.
type markState struct {
	file      int64 // where it ends
	data      int64 // cursor.data when it was written
	offset    stream.Offset
	durable   stream.Offset
	unixMilli int64
}

// usable returns why the log cannot be written; called with mu held.
func (l *Log) usable() error {
	if l.failed != nil {
		return l.failed
	}
	if l.closed {
		return ErrClosed
	}
	return nil
}

// latch records that the disk failed; called with mu held. It returns the error that every later call returns.
func (l *Log) latch(op, path string, err error) error {
	if l.failed != nil {
		return l.failed
	}
	var disk *DiskError
	if !errors.As(err, &disk) {
		disk = &DiskError{Op: op, Path: path, Err: err}
	}
	l.failed = disk
	l.disclaim()
	l.stop()
	return disk
}

// stop makes everything after l.failed return it.
func (l *Log) stop() {
	close(l.dead)
	l.idle.Broadcast()
	l.publish()
	call(l.opt.Observer.SyncFailed, l.failed)
}

// checkSize stops the log if the open increment is not as long as we made it: somebody else writes here, and where in the file our next
// write lands says nothing any more. Called with mu held.
func (l *Log) checkSize() error {
	info, err := l.inc.f.Stat()
	if err != nil {
		return l.latch("stat", l.inc.path, err)
	}
	if info.Size() == l.inc.size {
		return nil
	}
	l.failed = &ForeignWriteError{Path: l.inc.path, Want: l.inc.size, Got: info.Size()}
	l.stop()
	return l.failed
}

// Resume returns the position to ask the upstream for, and the database selected there; the zero position asks for a full
// resync. A *SpaceError says that the disk has no room for one: the last did not fit, that was less than an hour ago, and there is still no
// more space than it took. It satisfies replica.Sink.
func (l *Log) Resume() (stream.Position, int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return stream.Position{}, 0, err
	}
	if err := l.spaceForNext(); err != nil {
		return stream.Position{}, 0, err
	}
	if l.inc == nil || l.rewrites.wantFull {
		return stream.Position{}, 0, nil
	}
	return stream.Position{ReplID: l.replid, Offset: l.cut.offset}, l.cut.db, nil
}

// Continue goes on under id, from the position that Resume returned. What a crash has left behind that position stays: what the upstream sends next is
// held against it, and it is cut where that differs; until then Received and Durable move over what is the same. If id is new, the log says so on stable
// storage before it takes a byte that is not there already: an upstream and the replica that was promoted in its place answer to each other's ids,
// and bytes of the one must never be taken for the other's (protocol.md 11). When the disk is full it waits as Append does. It
// satisfies replica.Sink.
func (l *Log) Continue(ctx context.Context, id stream.ReplID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.group.forget()
	l.awaitSync()
	if err := l.usable(); err != nil {
		return err
	}
	if l.inc == nil {
		return errors.New("continue: the log has no position")
	}
	if err := l.checkSize(); err != nil {
		return err
	}
	l.backToCut()
	if l.keep.file == 0 || l.keep.file == l.cut.file { // or torn
		return l.goOn(ctx, id)
	}
	return l.beginRetrace(ctx, id)
}

// goOn cuts what follows the head, and goes on there under id. A tail still waits until the file says that: the head may be where the upstream sent what is
// not kept, at an offset that under the id in the file is another place, so that nobody may mark it meanwhile.
func (l *Log) goOn(ctx context.Context, id stream.ReplID) error {
	inFile := l.replid
	if l.keep.file != 0 {
		inFile, l.keep = l.tail.id, l.head
		l.keep.offset = l.keep.linear
	}
	if err := l.cutBehind(l.head.file); err != nil {
		return err
	}
	renamed := id != inFile
	if renamed {
		if err := l.untilSpace(ctx, func() error { return l.rename(id) }); err != nil {
			return fmt.Errorf("write mark of new replid: %w", err)
		}
		l.awaitSync() // one that Run began while this waited
		if err := l.usable(); err != nil {
			return err
		}
	}
	l.keep, l.tail = cursor{}, tail{}
	if renamed || (l.inc.synced < l.inc.size && l.opt.Fsync != FsyncNo) {
		if err := l.syncLocked(); err != nil {
			return err
		}
	}
	l.received.Store(int64(l.cut.offset))
	if l.cut.file <= l.inc.synced {
		l.proof = max(l.proof, l.cut.linear)
		l.acks.move(l.cut.offset)
	}
	l.wakeRewrite()
	l.showCut()
	l.show.answered()
	l.publish()
	return l.claim()
}

// cutBehind cuts what is in the open increment behind a place, and tells of it.
func (l *Log) cutBehind(file int64) error {
	rest := l.inc.size - file
	if rest <= 0 {
		return nil
	}
	if err := l.forewarn(); err != nil {
		return err
	}
	if err := l.inc.truncate(file); err != nil {
		return l.latch("truncate", l.inc.path, err)
	}
	call2(l.opt.Observer.Cut, l.inc.name, rest)
	l.hot.size.Store(l.inc.size)
	return nil
}

// rename writes the mark that says that the history goes on as id; without it nothing has changed.
func (l *Log) rename(id stream.ReplID) error {
	old := l.replid
	l.replid = id
	err := l.writeMark()
	if err != nil {
		l.replid = old
		return err
	}
	l.setFull(nil)
	return nil
}

// Rollback cuts what follows the last boundary outside MULTI, and forgets what was handed over and is not in the file. What of a crash's tail was not
// sent again stays. It satisfies replica.Sink.
func (l *Log) Rollback() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.group.forget()
	if l.inc == nil {
		return l.failed
	}
	if err := l.usable(); err != nil {
		return err
	}
	if l.retrace != nil {
		l.leaveRetrace()
		return nil
	}
	return l.rollback()
}

func (l *Log) rollback() error {
	if l.head == l.cut && l.whole && !l.multi {
		return nil
	}
	if l.inc.size > l.cut.file {
		if err := l.inc.truncate(l.cut.file); err != nil {
			return l.latch("truncate", l.inc.path, err)
		}
	}
	l.backToCut()
	l.wakeRewrite()
	l.hot.size.Store(l.inc.size)
	return nil
}

// backToCut puts the head back to the last boundary outside MULTI.
func (l *Log) backToCut() {
	l.head, l.whole, l.multi = l.cut, true, false
	if l.marked.file > l.cut.file {
		l.marked, l.wantMark = markState{}, true
	}
}

// Close cuts an unfinished command or transaction, syncs, and ends the file with a mark: the next Open finds it clean. Run must have
// returned, and no other call may be under way but Rewrite, which it ends. After a failure it only releases the directory.
func (l *Log) Close() error {
	defer l.holdRewrites(ErrClosed)()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	var errs []error
	if l.inc != nil {
		if l.failed == nil && l.keep.file == 0 {
			errs = append(errs, l.lastSeal())
		}
		errs = append(errs, l.inc.f.Close())
	}
	l.closed = true
	errs = append(errs, l.lock.Close())
	return errors.Join(errs...)
}

// lastSeal seals, and does without the last mark where there is no space for it.
func (l *Log) lastSeal() error {
	err := l.seal()
	if isNoSpace(err) {
		call2(l.opt.Observer.Note, "no space for the last mark: the next start goes back to the one before", l.inc.path)
		return nil
	}
	return err
}

// seal makes the end of the increment a durable boundary and a mark that says so. What isNoSpace knows leaves only the mark
// out.
func (l *Log) seal() error {
	if err := l.rollback(); err != nil {
		return err
	}
	if l.inc.size > l.inc.synced || l.inc.cut {
		if err := l.syncLocked(); err != nil {
			return err
		}
	}
	if l.cut.linear != l.cut.offset { // the last mark cannot prove what no durable one states
		if err := l.markDurably(); err != nil {
			return err
		}
	}
	if l.marked.file == l.inc.size && l.marked.offset == l.cut.offset && l.marked.durable == l.cut.offset {
		return nil
	}
	return l.markDurably()
}

func (l *Log) markDurably() error {
	if err := l.writeMark(); err != nil {
		return err
	}
	return l.syncLocked()
}
