package aof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

const (
	// spaceMargin stays free when a snapshot is admitted: the stream needs room too.
	spaceMargin = 16 << 20

	// expectFor is how long a snapshot that did not fit says what the next one takes: the upstream may have shrunk. It is the slowest pace
	// at which failed snapshots are asked for again (replica.Backoffs).
	expectFor = time.Hour

	// oldestRDB is the version that Redis 7.0 writes. Older servers send relative expiry times, which a log cannot replay.
	oldestRDB = 10
)

// FullResync streams a snapshot to a temporary file, verifies it, and puts it in the place of the chain in one change of the
// manifest; the old chain moves to retained/. r must end with io.EOF at the end of a complete payload. It returns the
// database that the stream goes on in. A *SnapshotError or *SpaceError, or an error of r, leaves everything as it was. It satisfies
// replica.Sink.
func (l *Log) FullResync(ctx context.Context, snap stream.Snapshot, r io.Reader) (int, error) {
	start := time.Now()
	defer l.holdRewrites(ErrSuperseded)()
	if err := l.admit(snap.Bytes); err != nil {
		return 0, err
	}
	temp := l.at.path(fsx.TempPrefix + "snapshot.rdb")
	sum, err := l.receive(ctx, temp, snap, r)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.expect(max(snap.Bytes, 2*sum.Bytes), err)
		return 0, l.final(l.refuse(temp, err))
	}
	l.awaitSync()
	if err := l.usable(); err != nil {
		return 0, errors.Join(err, l.fs.Remove(temp))
	}
	if err := l.swap(temp, snap.Position, sum); err != nil {
		l.expect(sum.Bytes, err)
		return 0, l.final(err)
	}
	l.need = 0
	call(l.opt.Observer.Resynced, Resync{
		Timeline: l.timeline, Position: snap.Position, Bytes: sum.Bytes, Keys: sum.Keys, Took: time.Since(start),
	})
	return sum.StreamDB, nil
}

// final latches if err is the disk's.
func (l *Log) final(err error) error {
	if _, failed := errors.AsType[*DiskError](err); failed {
		return l.latch("", "", err)
	}
	return err
}

// admit makes the directory and checks that the announced snapshot fits; size is -1 where it is not announced.
func (l *Log) admit(size int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.group.forget()
	l.leaveRetrace()
	l.rewrites.wantFull = false
	if err := l.usable(); err != nil {
		return err
	}
	if err := fsx.MkdirAllDurable(l.fs, l.at.aofDir(), dirMode); err != nil {
		return l.final(syncFailure("full resync", l.at.aofDir(), err))
	}
	if size < 0 {
		return nil
	}
	need := min(size, math.MaxInt64-spaceMargin) + spaceMargin
	err := l.spaceFor(need)
	if err != nil {
		l.need, l.needSince = need, l.opt.Now()
	}
	return err
}

// expect remembers how much space the next snapshot takes, if err is for want of it.
func (l *Log) expect(bytes int64, err error) {
	if isNoSpace(err) {
		l.need, l.needSince = max(l.need, bytes+spaceMargin), l.opt.Now()
	}
}

// spaceForNext returns a *SpaceError when the next snapshot is expected not to fit. What was learned of its size is forgotten in time.
func (l *Log) spaceForNext() error {
	if l.need > 0 && l.opt.Now().Sub(l.needSince) >= expectFor {
		l.need = 0
	}
	if l.need == 0 {
		return nil
	}
	return l.spaceFor(l.need)
}

// spaceFor returns a *SpaceError when less than need bytes are free.
func (l *Log) spaceFor(need int64) error {
	space, err := l.fs.Space(l.at.dir)
	if err != nil {
		return fmt.Errorf("ask for free space: %w", err)
	}
	if space.Free < need {
		return &SpaceError{Path: l.at.dir, Need: need, Free: space.Free}
	}
	return nil
}

// receive writes and verifies the snapshot; when it returns nil, temp is on stable storage.
func (l *Log) receive(ctx context.Context, temp string, snap stream.Snapshot, r io.Reader) (rdb.Summary, error) {
	f, err := l.fs.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return rdb.Summary{}, fmt.Errorf("create snapshot file: %w", err)
	}
	w := newSnapshotWriter(f, temp, l.opt.Observer.Snapshot)
	sum, err := rdb.Check(io.TeeReader(&ctxReader{ctx: ctx, r: r}, w))
	if err == nil {
		err = l.judge(sum, snap)
	}
	// What the disk did not take explains whatever the reader then found.
	if werr := w.finish(err == nil); werr != nil {
		err = werr
	}
	if cerr := f.Close(); err == nil && cerr != nil {
		err = &DiskError{Op: "close", Path: temp, Err: cerr}
	}
	sum.Bytes = w.written
	return sum, err
}

// judge decides whether a well-formed snapshot is the one that was announced, and one that we can keep.
func (l *Log) judge(sum rdb.Summary, snap stream.Snapshot) error {
	if sum.Dialect == rdb.Redis && sum.Version < oldestRDB {
		return &SnapshotError{What: fmt.Sprintf("the upstream writes RDB version %d, so it is older than Redis 7.0: "+
			"it replicates relative expiry times, which no log can replay later", sum.Version)}
	}
	if snap.Bytes >= 0 && sum.Bytes != snap.Bytes {
		return &SnapshotError{What: fmt.Sprintf("%d bytes were announced and %d came", snap.Bytes, sum.Bytes)}
	}
	if sum.HasRepl && (sum.ReplOffset != int64(snap.Position.Offset) || sum.ReplID != snap.Position.ReplID.String()) {
		return &SnapshotError{What: fmt.Sprintf("%s was announced, but the snapshot says %s:%d", snap.Position, sum.ReplID, sum.ReplOffset)}
	}
	if sum.Unwalked != nil {
		call2(l.opt.Observer.Note, "the snapshot has something that this version does not know; only its checksum was verified", sum.Unwalked.Error())
	}
	return nil
}

// refuse removes what came of a snapshot and turns err into one that says so.
func (l *Log) refuse(temp string, err error) error {
	rerr := l.fs.Remove(temp)
	if rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
		err = fmt.Errorf("%w (and %w)", err, rerr)
	}
	var (
		corrupt     *rdb.CorruptError
		unsupported *rdb.UnsupportedError
	)
	if errors.As(err, &corrupt) || errors.As(err, &unsupported) {
		return &SnapshotError{What: "it does not verify", Err: err}
	}
	return err
}

// swap makes the verified file temp the base of a new timeline; called with mu held. See the crash argument of the package.
func (l *Log) swap(temp string, pos stream.Position, sum rdb.Summary) error {
	if err := l.cutTail(); err != nil {
		return errors.Join(err, l.fs.Remove(temp))
	}
	old := l.man
	if old == nil {
		old = &manifest{}
	}
	timeline := l.nextTimeline(pos.ReplID)
	l.clock = l.opt.Now().UnixMilli()
	head := headOf(stream.Mark{Position: pos, UnixMilli: l.clock, Durable: pos.Offset}, sum.StreamDB)
	next, err := createIncrement(l.fs, l.at, old.nextIncrSeq(), head, l.opt.Now())
	if err != nil {
		return errors.Join(fmt.Errorf("full resync: %w", err), l.fs.Remove(temp))
	}
	base := fileInfo{
		name: l.at.baseName(old.nextBaseSeq(), true), seq: old.nextBaseSeq(), kind: 'b',
		timeline: timeline, keys: sum.Keys, hasKeys: sum.Unwalked == nil,
	}
	man := &manifest{
		base:  &base,
		incrs: []fileInfo{{name: next.name, seq: next.seq, kind: 'i', startOffset: pos.Offset, hasStart: true, unixMilli: l.clock}},
	}
	guard := l.judgeLoss(sum, timeline)
	if err := l.commit(temp, man, old, guard); err != nil {
		return errors.Join(err, l.undo(next, temp, l.at.path(base.name)))
	}
	oldInc, oldTimeline := l.inc, l.timeline
	l.timeline, l.replid = timeline, pos.ReplID
	_ = l.noteSpool("retained/ cannot be listed", l.resyncedNow())
	l.baseBytes, l.closedBytes = sum.Bytes, 0
	l.acks.reset(pos.Offset)
	l.rewrites.setBase(l.clock)
	l.enter(next, pos.Offset, sum.StreamDB)
	l.rewrites.grownFrom = l.size()
	if oldInc != nil {
		if err := oldInc.f.Close(); err != nil {
			return l.latch("close", oldInc.path, err)
		}
	}
	if guard != nil {
		call(l.opt.Observer.GuardTripped, *guard)
	}
	if err := l.claim(); err != nil {
		return err
	}
	return l.dropOld(oldTimeline)
}

// dropOld removes what a full resync replaced, but for the chain keep. What cannot be removed now is no reason to undo it: the next
// start or the next resync tries again.
func (l *Log) dropOld(keep string) error {
	err := errors.Join(l.dropHistory(), l.dropRetained(keep))
	if l.failed != nil {
		return l.failed
	}
	if err != nil {
		call2(l.opt.Observer.Note, "what the full resync replaced cannot be removed", err.Error())
	}
	return l.limitDisk()
}

// chainEnd is the last boundary outside MULTI in the chain; while a tail waits for the upstream's answer, the tail's.
func (l *Log) chainEnd() cursor {
	if l.keep.file != 0 {
		return l.keep
	}
	return l.cut
}

// cutTail ends the old chain at a command's end outside MULTI, so that it stays loadable as it leaves.
func (l *Log) cutTail() error {
	if l.inc == nil {
		return nil
	}
	if l.opt.Archive && l.keep.file == 0 { // the archive wants to know what holds at the end
		return l.lastSeal()
	}
	if err := l.cutBehind(l.chainEnd().file); err != nil {
		return err
	}
	if l.tail.lossy {
		if err := l.writeTailAnew(); err != nil {
			return err
		}
	}
	if err := l.inc.f.Sync(); err != nil {
		return l.latch("sync", l.inc.path, err)
	}
	return nil
}

// undo removes what a swap that did not happen has made. Where the log is latched nobody knows whether it happened: nothing is removed.
func (l *Log) undo(next *increment, names ...string) error {
	err := next.f.Close()
	if l.failed != nil {
		return err
	}
	for _, name := range append(names, next.path) {
		if rerr := l.fs.Remove(name); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}
	if l.inc != nil {
		err = errors.Join(err, l.removeDoubles(l.timeline))
	}
	return err
}

// commit names the new files, keeps the old ones, and replaces the manifest: first one that lists the old files as history, so that a
// crash forgets none of them.
func (l *Log) commit(temp string, man, old *manifest, guard *Guard) error {
	// The increment's name comes before the base's: see isUnborn.
	if err := l.fs.SyncDir(l.at.aofDir()); err != nil {
		return l.latch("sync directory", l.at.aofDir(), err)
	}
	if err := l.fs.Rename(temp, l.at.path(man.base.name)); err != nil {
		return fmt.Errorf("name the base: %w", err)
	}
	if err := l.fs.SyncDir(l.at.aofDir()); err != nil {
		return l.latch("sync directory", l.at.aofDir(), err)
	}
	if l.inc != nil {
		if err := l.retain(old, guard); err != nil {
			return syncFailure("retain the old chain", l.at.retainedDir(), err)
		}
	}
	man.history = old.asHistory()
	if err := l.replaceManifest(man); err != nil {
		return fmt.Errorf("full resync: %w", err)
	}
	return nil
}
