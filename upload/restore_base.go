package upload

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// copyBytes is how much is written at once.
const copyBytes = 1 << 20

// stagedBase is a base that was downloaded, and what its content says.
type stagedBase struct {
	key    BaseKey
	size   int64
	resp   bool // it is commands
	format rdb.Format
	keys   int64 // -1: not known
	maxDB  int
	// pos and db are what it says of itself; the zero value if it does not.
	pos stream.Position
	db  int
	// unwalked is what it has that we do not know.
	unwalked string
}

// sink takes the plain bytes of a base.
type sink struct {
	file fsx.File // nil: they are checked only
	size int64
}

// fetchBase reads a base, verifies it, and writes it to the file, which may be nil.
func fetchBase(ctx context.Context, o *Opener, k BaseKey, r io.Reader, file fsx.File) (*stagedBase, error) {
	key := k.String()
	plain, err := o.Open(key, r)
	if err != nil {
		return nil, err
	}
	base := &stagedBase{key: k, resp: k.RESP, keys: -1}
	tail := &commandCheck{key: key}
	out := &sink{file: file}
	g, gctx := errgroup.WithContext(ctx)
	pr, pw := io.Pipe()
	g.Go(func() error {
		err := base.read(pr, tail)
		pr.CloseWithError(errors.Join(err, io.ErrClosedPipe))
		return err
	})
	g.Go(func() error {
		err := out.copy(gctx, Checked(key, k.Sum, plain), pw)
		pw.CloseWithError(err) // nil: the end
		return err
	})
	err = g.Wait()
	base.size = out.size
	return base, errors.Join(err, plain.Close())
}

// copy writes all of r to the file and to check.
func (s *sink) copy(ctx context.Context, r io.Reader, check *io.PipeWriter) error {
	buf := make([]byte, copyBytes)
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		n, end, err := readFull(r, buf)
		if err != nil {
			return err
		}
		if s.file != nil {
			if _, err := s.file.Write(buf[:n]); err != nil {
				return fmt.Errorf("write base: %w", err)
			}
		}
		s.size += int64(n)
		if _, err := check.Write(buf[:n]); err != nil {
			return err
		}
		if end {
			return nil
		}
	}
}

// read verifies structure and checksum of an RDB, and the framing of the commands behind it or instead of it.
func (b *stagedBase) read(r io.Reader, tail *commandCheck) error {
	if !b.resp {
		if err := b.readRDB(r, tail); err != nil {
			return err
		}
	}
	err := tail.readAll(r)
	b.maxDB = max(b.maxDB, tail.maxDB)
	return err
}

// readRDB reads the RDB. What was read ahead behind its end goes to tail.
func (b *stagedBase) readRDB(r io.Reader, tail *commandCheck) error {
	ahead := &recent{r: r}
	sum, err := rdb.Walk(ahead, func(*rdb.Reader, *rdb.Item) error { return nil })
	if corrupt, ok := errors.AsType[*rdb.CorruptError](err); ok {
		return &DamagedError{Key: tail.key, What: corrupt.Error()}
	}
	if unsupported, ok := errors.AsType[*rdb.UnsupportedError](err); ok {
		return &DamagedError{Key: tail.key, What: unsupported.Error()}
	}
	if err != nil {
		return err
	}
	b.format, b.keys, b.maxDB = rdb.Format{Dialect: sum.Dialect, Version: sum.Version}, sum.Keys, sum.MaxDB
	if sum.Unwalked != nil {
		b.unwalked, b.keys = sum.Unwalked.Error(), -1
	}
	if id, err := stream.ParseReplID(sum.ReplID); err == nil && sum.HasRepl && stream.Offset(sum.ReplOffset) == b.key.Offset {
		b.pos, b.db = stream.Position{ReplID: id, Offset: b.key.Offset}, sum.StreamDB
	}
	return tail.take(ahead.behind(sum.Bytes))
}

// recent remembers the last bytes that were read, so that what a buffered reader took too much of can be had again.
type recent struct {
	r    io.Reader
	read int64
	last []byte
}

// recentBytes is at least as much as the RDB reader reads ahead.
const recentBytes = 256 << 10

// Read reads on.
func (r *recent) Read(p []byte) (int, error) {
	n, err := r.r.Read(p[:min(len(p), recentBytes)])
	r.read += int64(n)
	if keep := recentBytes - n; len(r.last) > keep {
		r.last = append(r.last[:0], r.last[len(r.last)-keep:]...)
	}
	r.last = append(r.last, p[:n]...)
	return n, err
}

// behind returns what was read behind a place.
func (r *recent) behind(at int64) []byte {
	return r.last[max(0, int64(len(r.last))-(r.read-at)):]
}

// commandCheck follows commands of a base: no loader takes a base that is cut.
type commandCheck struct {
	key   string
	sc    resp.Scanner
	tr    resp.Tracker
	maxDB int
}

// readAll takes all of r, and checks that the commands end with it.
func (c *commandCheck) readAll(r io.Reader) error {
	buf := make([]byte, copyBytes)
	for {
		n, err := r.Read(buf)
		if err := c.take(buf[:n]); err != nil {
			return err
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if c.sc.Pending() || c.tr.Multi {
		return &DamagedError{Key: c.key, What: "a command or transaction of it does not end"}
	}
	return nil
}

func (c *commandCheck) take(p []byte) error {
	c.sc.AllowAnnotations = true
	for len(p) > 0 {
		n, done, err := c.sc.Next(p)
		if err == nil && done {
			err = c.tr.Done(&c.sc)
		}
		if err != nil {
			return &DamagedError{Key: c.key, What: err.Error()}
		}
		p = p[n:]
		if !done {
			return nil
		}
		if c.sc.Kind() == resp.Newline {
			return &DamagedError{Key: c.key, What: "a bare newline, of which loaders die"}
		}
		c.maxDB = max(c.maxDB, c.tr.DB)
	}
	return nil
}

// stageBase downloads the base into the staging folder, unless an earlier try did.
func (r *restore) stageBase(ctx context.Context, k BaseKey, src io.Reader) (err error) {
	file, err := r.target.create(stagedBaseName)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	base, err := fetchBase(ctx, r.opener, k, src, file)
	if err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("sync base: %w", err)
	}
	r.staged = *base
	return nil
}
