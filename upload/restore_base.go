package upload

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

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

// fetchBase reads a base, verifies it, and writes it to the file, which may be nil. Checksum, structure and disk each have a processor if there are as many.
func fetchBase(ctx context.Context, o *Opener, k BaseKey, r io.Reader, file io.Writer) (*stagedBase, error) {
	key := k.String()
	plain, err := o.Open(key, r)
	if err != nil {
		return nil, err
	}
	base := &stagedBase{key: k, resp: k.RESP, keys: -1}
	g, gctx := errgroup.WithContext(ctx)
	const sums, walks, writes = 0, 1, 2
	fl := newFlow(gctx, 3)
	g.Go(func() error { return fl.pass(plain) })
	g.Go(func() error { return fl.takers[sums].sum(key, k.Sum) })
	g.Go(func() error { return base.read(fl.takers[walks].object(), &commandCheck{key: key}) })
	g.Go(func() (err error) {
		base.size, err = fl.takers[writes].writeTo(file)
		return err
	})
	err = g.Wait()
	return base, errors.Join(err, plain.Close())
}

// read verifies structure and checksum of an RDB, and the framing of the commands behind it or instead of it.
func (b *stagedBase) read(r io.Reader, tail *commandCheck) error {
	if !b.resp {
		var err error
		if r, err = b.readRDB(tail.key, r); err != nil {
			return err
		}
	}
	err := tail.readAll(r)
	b.maxDB = max(b.maxDB, tail.maxDB)
	return err
}

// readRDB reads the RDB, and returns what follows it.
func (b *stagedBase) readRDB(key string, r io.Reader) (io.Reader, error) {
	sum, rest, err := rdb.CheckHead(r)
	if corrupt, ok := errors.AsType[*rdb.CorruptError](err); ok {
		return nil, &DamagedError{Key: key, What: corrupt.Error()}
	}
	if unsupported, ok := errors.AsType[*rdb.UnsupportedError](err); ok {
		return nil, &DamagedError{Key: key, What: unsupported.Error()}
	}
	if err != nil {
		return nil, err
	}
	b.format, b.keys, b.maxDB = rdb.Format{Dialect: sum.Dialect, Version: sum.Version}, sum.Keys, sum.MaxDB
	if sum.Unwalked != nil {
		b.unwalked, b.keys = sum.Unwalked.Error(), -1
	}
	if id, err := stream.ParseReplID(sum.ReplID); err == nil && sum.HasRepl && stream.Offset(sum.ReplOffset) == b.key.Offset {
		b.pos, b.db = stream.Position{ReplID: id, Offset: b.key.Offset}, sum.StreamDB
	}
	return rest, nil
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
	buf := make([]byte, flowBlock)
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
