package aof

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/aofsidecar/aofsidecar/aof/fold"
	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// rewriteInput is what a rewrite folds, open, so that it can be read whatever becomes of its names.
type rewriteInput struct {
	timeline string
	base     *liveFile
	incrs    []*liveFile
	infos    []fileInfo // of incrs
	rest     *liveFile  // the increment that stays behind
	head     mark       // of the increment that stays behind: what the new base holds
	db       int        // selected there
	server   string     // version of the server that wrote the base; "": not known

	newBase fileInfo // set by announce
}

// openInput opens what can be folded, and looks at it; nil: nothing.
func (l *Log) openInput() (*rewriteInput, error) {
	in, err := l.openChain()
	if in == nil || err != nil {
		return nil, err
	}
	if in.head, in.db, err = in.rest.begins(); err != nil {
		return nil, errors.Join(noHead(l.at.dir, in.rest.path, in.timeline, err), in.close())
	}
	if in.server == "" {
		in.server = serverOf(in.base)
	}
	return in, nil
}

// openChain is the part of openInput that waits for nothing: Log.mu is held.
func (l *Log) openChain() (*rewriteInput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return nil, err
	}
	n := len(l.man.incrs) - 1
	if n == 0 && l.man.base.name != l.at.baseName(l.man.base.seq, !l.opt.Rewrite.NoPreamble) {
		return l.openFiles(0) // to write it in the other form
	}
	if n == 0 {
		return nil, nil
	}
	return l.openFiles(n)
}

// openFiles opens the base and the first n increments.
func (l *Log) openFiles(n int) (in *rewriteInput, err error) {
	in = &rewriteInput{timeline: l.timeline, infos: cloneInfos(l.man.incrs[:n])}
	defer func() {
		if err != nil {
			in, err = nil, errors.Join(err, in.close())
		}
	}()
	if in.base, err = openLive(l.fs, l.at.path(l.man.base.name)); err != nil {
		return in, err
	}
	for i := range in.infos {
		f, err := openLive(l.fs, l.at.path(in.infos[i].name))
		if err != nil {
			return in, err
		}
		in.incrs = append(in.incrs, f)
	}
	in.server = l.man.base.extraOf(keyServer)
	in.rest, err = openLive(l.fs, l.at.path(l.man.incrs[n].name))
	return in, err
}

func (in *rewriteInput) close() error {
	files := slices.Clone(in.incrs)
	for _, f := range []*liveFile{in.base, in.rest} {
		if f != nil {
			files = append(files, f)
		}
	}
	return closeAll(files)
}

func (in *rewriteInput) bytes() int64 { return in.base.size + in.incrBytes() }

func (in *rewriteInput) incrBytes() int64 {
	var n int64
	for _, f := range in.incrs {
		n += f.size
	}
	return n
}

// files are the same for a fold.
func (in *rewriteInput) files() fold.Input {
	source := func(f *liveFile) fold.Source { return fold.Source{Name: f.path, R: f, Size: f.size} }
	out := fold.Input{Base: source(in.base)}
	for _, f := range in.incrs {
		out.Increments = append(out.Increments, source(f))
	}
	return out
}

// aux are the fields of the new base that servers write into the base of an AOF (rdb.c:rdbSaveInfoAuxFields); no loader of an AOF
// believes the position.
func (in *rewriteInput) aux(now time.Time) [][2]string {
	return [][2]string{
		{"ctime", strconv.FormatInt(now.Unix(), 10)},
		{"repl-stream-db", strconv.Itoa(in.db)},
		{"repl-id", in.head.pos.ReplID.String()},
		{"repl-offset", strconv.FormatInt(int64(in.head.pos.Offset), 10)},
		{"aof-base", "1"},
	}
}

// begins returns the mark that an increment begins with, and the database that it selects before it.
func (f *liveFile) begins() (_ mark, db int, err error) {
	s := scan{path: f.path, size: endBytes}
	s.visit = func() error {
		if s.commands < 2 {
			return nil
		}
		db = s.tr.DB
		return errPast
	}
	if err := s.run(io.NewSectionReader(f, 0, min(f.size, endBytes))); err != nil && !errors.Is(err, errPast) {
		return mark{}, 0, err
	}
	return s.head, db, nil
}

// serverOf returns the version of the server that wrote an RDB; nothing where that cannot be told: what is wrong with it the fold finds.
func serverOf(f *liveFile) string {
	rd, err := rdb.NewReader(io.NewSectionReader(f, 0, f.size))
	for err == nil {
		var it rdb.Item
		it, err = rd.Next()
		if err != nil || it.Kind != rdb.AuxItem {
			return ""
		}
		if name := string(it.Key); name == "redis-ver" || name == "valkey-ver" {
			return string(it.Value)
		}
	}
	return ""
}

// unknown returns what in the base we do not know, if a fold failed for that: a type, an opcode or the version. A base whose checksum is wrong is
// damaged, whatever it seems to hold.
func (in *rewriteInput) unknown(err error) *rdb.UnknownError {
	_, code := errors.AsType[*rdb.UnknownError](err)
	_, version := errors.AsType[*rdb.UnsupportedError](err)
	if !code && !version {
		return nil
	}
	if sum, err := rdb.Check(io.NewSectionReader(in.base, 0, in.base.size)); err == nil {
		return sum.Unwalked
	}
	return nil
}

// createTemp makes a new temporary file, also where one of that name was left.
func createTemp(fsys fsx.FS, path string) (fsx.File, error) {
	if err := fsys.Remove(path); err != nil && !isNotExist(err) {
		return nil, err
	}
	return fsys.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// still returns an error where what was opened is no longer what the log is made of.
func (l *Log) still(in *rewriteInput) error {
	if err := l.usable(); err != nil {
		return err
	}
	if l.timeline != in.timeline || l.at.path(l.man.base.name) != in.base.path {
		return ErrSuperseded
	}
	for i := range in.infos {
		if l.man.incrs[i].name != in.infos[i].name {
			return fmt.Errorf("the manifest names %s where %s was folded", l.man.incrs[i].name, in.infos[i].name)
		}
	}
	return nil
}
