package aof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// recover finds the position of the chain that the manifest names. See the crash argument of the package.
func (l *Log) recover(ctx context.Context, timeline string, mem memory) error {
	start := time.Now()
	if err := l.checkChain(timeline); err != nil {
		return err
	}
	last := l.man.incrs[len(l.man.incrs)-1]
	path := l.at.path(last.name)
	f, err := l.fs.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open increment: %w", err)
	}
	rec, err := l.recoverLast(ctx, f, last, mem)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	rec.Took = time.Since(start)
	call(l.opt.Observer.Recovered, rec)
	return nil
}

// recoverLast reads the last increment and takes up its position.
func (l *Log) recoverLast(ctx context.Context, f fsx.File, last fileInfo, mem memory) (Recovery, error) {
	path := l.at.path(last.name)
	info, err := f.Stat()
	if err != nil {
		return Recovery{}, fmt.Errorf("recover: %w", err)
	}
	s := scan{path: path, size: info.Size()}
	if err := s.run(fileReader(ctx, f)); err != nil {
		return Recovery{}, noHead(l.at.dir, path, l.timeline, err)
	}
	if err := s.believable(f, info.Size()); err != nil {
		return Recovery{}, err
	}
	if mem == whole {
		if mem, err = l.writeAnew(f, &s); err != nil {
			return Recovery{}, err
		}
	}
	at := s.lastAt
	if mem != whole {
		if at, err = s.provenPlace(f, mem == lossy); err != nil {
			return Recovery{}, err
		}
	}
	l.inc = &increment{
		f: f, name: last.name, path: path, seq: last.seq, headLen: s.headLen, size: info.Size(),
		opened: time.UnixMilli(s.head.UnixMilli),
	}
	l.replid, l.head, l.cut = at.id, at.cursor, at.cursor
	l.clock = max(s.at.unixMilli, at.unixMilli)
	l.marked = markState{}
	if s.lastAt.file == at.file {
		l.marked = markState{
			file: at.file, data: at.data, offset: at.offset, durable: s.last.Durable, unixMilli: s.last.UnixMilli,
		}
	}
	if info.Size() > at.file {
		l.keep, l.tail = s.boundary.cursor, tail{lossy: mem == lossy, id: at.id}
	}
	if err := l.showRecovered(f, &s, at, mem); err != nil {
		return Recovery{}, err
	}
	if mem != whole {
		l.inc.synced = at.data
	}
	l.unclaimed = mem == empty
	if mem != empty { // an fsync that failed, noted or not, may have been the one for a cut, whose size no later one would write then
		if err := l.inc.truncate(info.Size()); err != nil {
			return Recovery{}, l.latch("truncate", path, err)
		}
	}
	l.proof = min(s.proven, at.offset)
	l.acks.reset(l.proof)
	l.received.Store(int64(at.offset))
	l.hot.size.Store(info.Size())
	return Recovery{
		Timeline: l.timeline, Position: stream.Position{ReplID: l.replid, Offset: at.offset},
		Clean: at.file == info.Size(), SameBoot: mem == whole,
		Tail: info.Size() - at.file, Torn: info.Size() - s.boundary.file, Scanned: info.Size(),
	}, nil
}

// writeAnew writes what no mark proves durable a second time, as it was read: the process may have been killed between an fsync that
// failed and the note of it in the lock file, and then the kernel calls pages clean that the disk does not have. Where it also forgot
// them, or they cannot be written, it returns lossy.
func (l *Log) writeAnew(f fsx.File, s *scan) (memory, error) {
	if s.syntax != nil {
		call2(l.opt.Observer.Note, "what was written cannot be read back: only what marks prove is trusted", s.syntax.Error())
		return lossy, nil //nolint:nilerr // the log goes on, from an earlier position
	}
	from, err := s.provenPlace(f, true)
	if err != nil {
		return lossy, err
	}
	err = rewriteFrom(f, from.file, s.size)
	if isNoSpace(err) {
		call2(l.opt.Observer.Note, "no space to write the tail anew: only what marks prove is trusted", err.Error())
		return lossy, nil
	}
	if err != nil {
		return lossy, l.latch("write anew", s.path, err)
	}
	return whole, nil
}

// rewriteFrom reads the bytes of f from at to end and writes them to the same place.
func rewriteFrom(f fsx.File, at, end int64) error {
	buf := make([]byte, min(end-at, scanBuffer))
	for at < end {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), end-at)], at)
		if n == 0 && err != nil {
			return err
		}
		if _, err := f.WriteAt(buf[:n], at); err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

// believable tells a tail that a crash explains from damage: no mark can prove anything durable past a place where the whole commands end.
func (s *scan) believable(f io.ReaderAt, size int64) error {
	if !s.torn {
		return nil
	}
	at, what := s.begin, "a command or transaction does not end"
	if s.syntax != nil {
		at, what = s.syntax.Offset, s.syntax.What
	}
	below, err := provenBelow(f, at, size, s.at.id)
	if err != nil {
		return fmt.Errorf("read %s: %w", s.path, err)
	}
	end := make([]byte, min(size, endBytes))
	if _, err := f.ReadAt(end, size-int64(len(end))); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read %s: %w", s.path, err)
	}
	if m := stream.LastMark(end); m.Position.ReplID == s.at.id && m.Durable == m.Position.Offset && m.UnixMilli >= s.at.unixMilli {
		below = max(below, m.Durable) // a clean stop
	}
	if proven := max(s.proven, below); proven > s.boundary.offset {
		return &CorruptError{Path: s.path, Offset: at, What: fmt.Sprintf(
			"%s; marks say that offset %d was durable, and whole commands end at %d", what, proven, s.boundary.offset)}
	}
	return nil
}

// checkChain takes up timeline and base, and checks that each increment ends where the next begins.
func (l *Log) checkChain(timeline string) error {
	if l.man.base == nil || len(l.man.incrs) == 0 {
		return &NotOursError{Dir: l.opt.Dir, What: "its manifest names no base or no increment"}
	}
	base, err := l.fs.Stat(l.at.path(l.man.base.name))
	if err != nil {
		return missing(l.at.path(l.man.base.name), err)
	}
	l.baseBytes, l.rewrites.grownFrom = base.Size(), base.Size()
	var begin, end stream.Position
	for i := range l.man.incrs {
		info := &l.man.incrs[i]
		head, tail, size, err := l.ends(l.at.path(info.name))
		if err != nil {
			return noHead(l.at.dir, l.at.path(info.name), l.man.base.timeline, err)
		}
		if i == 0 {
			begin = head.Position
			l.rewrites.setBase(head.UnixMilli)
		}
		if i > 0 && head.Position != end {
			return &CorruptError{Path: l.at.path(info.name), What: fmt.Sprintf(
				"it begins at %s, and the increment before it ends at %s", head.Position, end)}
		}
		end = tail.Position
		info.startOffset, info.hasStart, info.bytes, info.unixMilli = head.Position.Offset, true, size, head.UnixMilli
		if i < len(l.man.incrs)-1 {
			l.closedBytes += size
			if tail.Position.IsZero() {
				return &CorruptError{Path: l.at.path(info.name), Offset: size, What: "a closed increment does not end with a mark"}
			}
		}
	}
	l.timeline = l.man.base.timeline
	if l.timeline == "" { // Redis 8 was booted here; see lockState
		l.timeline = timeline
		if l.timeline == "" || l.hasEnded(timeline) {
			l.timeline = l.nextTimeline(begin.ReplID)
		}
	}
	l.man.base.timeline = l.timeline
	return nil
}

// hasEnded reports whether retained/ has the whole chain of a timeline.
func (l *Log) hasEnded(timeline string) bool {
	sh := l.shelf(timeline)
	return sh != nil && sh.Bootable
}

func missing(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &CorruptError{Path: path, What: "the manifest names it, and it is not there"}
	}
	return err
}

// timeline returns what the manifest says of the base, or nothing.
func (m *manifest) timeline() string {
	if m.base == nil {
		return ""
	}
	return m.base.timeline
}

// noHead turns errNoHead into what an operator can act on: where the manifest names a timeline the increment was ours.
func noHead(dir, path, timeline string, err error) error {
	switch {
	case !errors.Is(err, errNoHead):
		return err
	case timeline != "":
		return &CorruptError{Path: path, What: err.Error()}
	default:
		return &NotOursError{Dir: dir, What: filepath.Base(path) + ": " + err.Error()}
	}
}

// endBytes is enough for the head of an increment and for the mark at its end.
const endBytes = 512

// ends returns the first mark of an increment, and the mark that is its last command or the zero value.
func (l *Log) ends(path string) (head, tail stream.Mark, size int64, err error) {
	f, err := l.fs.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return head, tail, 0, missing(path, err)
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	st, err := f.Stat()
	if err != nil {
		return head, tail, 0, err
	}
	size = st.Size()
	s := scan{path: path, size: endBytes}
	err = s.run(io.NewSectionReader(f, 0, min(size, endBytes)))
	if err != nil {
		return head, tail, size, err
	}
	buf := make([]byte, min(size, endBytes))
	if _, err := f.ReadAt(buf, size-int64(len(buf))); err != nil && !errors.Is(err, io.EOF) {
		return head, tail, size, fmt.Errorf("read %s: %w", path, err)
	}
	return s.head, stream.LastMark(buf), size, nil
}

// fileReader reads f from its start and stops when ctx ends.
func fileReader(ctx context.Context, f fsx.File) io.Reader {
	return &ctxReader{ctx: ctx, r: io.NewSectionReader(f, 0, 1<<62)}
}
