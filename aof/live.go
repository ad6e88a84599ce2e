package aof

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

// liveFile is an increment that is read beside the log that may write it: no longer than it was when it was opened.
type liveFile struct {
	fsx.File
	path string
	size int64
}

func openLive(fsys fsx.FS, path string) (*liveFile, error) {
	f, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, missing(path, err)
	}
	st, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &liveFile{File: f, path: path, size: st.Size()}, nil
}

// scan reads the file; prepare may be nil.
func (f *liveFile) scan(ctx context.Context, prepare func(*scan, fsx.File)) (*scan, error) {
	s := &scan{path: f.path, size: f.size}
	if prepare != nil {
		prepare(s, f)
	}
	if err := s.run(&ctxReader{ctx: ctx, r: io.NewSectionReader(f, 0, f.size)}); err != nil {
		return s, err
	}
	return s, s.lookAgain(ctx, f)
}

// lookAgain takes damage back that is not there any more. What stands behind the last boundary may have been cut and written anew between
// two reads; what stands before it never is.
func (s *scan) lookAgain(ctx context.Context, f io.ReaderAt) error {
	at := s.begin
	for try := 1; s.syntax != nil && try < liveRetries; try++ {
		p := s.from(s.boundary)
		if err := p.run(&ctxReader{ctx: ctx, r: io.NewSectionReader(f, p.off, s.size-p.off)}); err != nil {
			return err
		}
		if p.syntax == nil {
			s.syntax = nil
			return nil
		}
		if p.begin == at {
			return nil
		}
		at = p.begin
	}
	return nil
}

// openIncrements opens what the manifest names before anything is read, so that a full resync cannot unlink the rest meanwhile. wanted
// chooses among them.
func openIncrements(opt Options, wanted func(man *manifest, i int) bool) (man *manifest, files []*liveFile, err error) {
	y := opt.layout()
	for try := 1; ; try++ {
		c, err := readChain(opt.FS, y)
		if err != nil {
			return nil, nil, err
		}
		files, err := openWanted(opt.FS, y, c.manifest, wanted)
		if err == nil || try == liveRetries || !changedUnder(opt, c.text) {
			return c.manifest, files, err
		}
	}
}

func openWanted(fsys fsx.FS, y layout, man *manifest, wanted func(man *manifest, i int) bool) ([]*liveFile, error) {
	var files []*liveFile
	for i, info := range man.incrs {
		if !wanted(man, i) {
			continue
		}
		f, err := openLive(fsys, y.path(info.name))
		if err != nil {
			return nil, errors.Join(err, closeAll(files))
		}
		files = append(files, f)
	}
	return files, nil
}

func closeAll(files []*liveFile) error {
	var errs []error
	for _, f := range files {
		if err := f.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
