package aof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aofsidecar/aofsidecar/aof/fold"
	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// maxDecoded is up to how many bytes a value of a base is decoded to verify it; of a larger one it is verified where it ends.
const maxDecoded = 16 << 20

// BaseKey is a key of a base that is an RDB.
type BaseKey struct {
	DB       int    `json:"db"`
	Key      []byte `json:"key"`      // valid during the call only
	Kind     string `json:"type"`     // as TYPE says it
	Encoding string `json:"encoding"` // in the RDB
	Bytes    int64  `json:"bytes"`    // of the value in the file
	Elements int64  `json:"elements"` // members, fields, entries, or bytes of a string; -1: the value is too large to look into, or a module's
	Expire   int64  `json:"expire"`   // Unix milliseconds; -1: none
	Offset   int64  `json:"offset"`   // in the file
}

// WalkBase calls fn for each key of the base, in the order of the file, and verifies it as Verify does. It takes no lock.
// Of a base of commands fn sees nothing.
func WalkBase(ctx context.Context, opt Options, fn func(*BaseKey) error) (BaseReport, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return BaseReport{}, fmt.Errorf("walk base: %w", err)
	}
	y := opt.layout()
	for try := 1; ; try++ {
		man, err := readChain(opt.FS, y)
		if err != nil {
			return BaseReport{}, err
		}
		if man.base == nil {
			return BaseReport{}, &NotOursError{Dir: opt.Dir, What: "its manifest names no base"}
		}
		rep, err := verifyBase(ctx, opt.FS, y, man.base, fn)
		if err == nil || try == liveRetries || !changedUnder(opt, man.text) || !isNotExist(err) {
			return rep, err
		}
	}
}

// verifyBase reads a base to its end; fn may be nil.
func verifyBase(ctx context.Context, fsys fsx.FS, y layout, info *fileInfo, fn func(*BaseKey) error) (rep BaseReport, err error) {
	f, err := openLive(fsys, y.path(info.name))
	if err != nil {
		return BaseReport{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b := baseReader{ctx: ctx, f: f, fn: fn, rep: BaseReport{Name: info.name, Bytes: f.size, Keys: -1}}
	head := make([]byte, min(f.size, int64(len(fold.RESPMagic))))
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return BaseReport{}, fmt.Errorf("verify %s: %w", f.path, err)
	}
	if string(head) == fold.RESPMagic {
		if info.hasKeys {
			b.rep.Keys = info.keys
		}
		b.rep.Format = "commands"
		return b.rep, b.commands(0)
	}
	end, err := b.rdb()
	if err != nil {
		return BaseReport{}, err
	}
	return b.rep, b.commands(end)
}

// baseReader reads one base.
type baseReader struct {
	ctx context.Context //nolint:containedctx // of one call
	f   *liveFile
	fn  func(*BaseKey) error
	rep BaseReport

	format rdb.Format
	value  bytes.Buffer
}

// from reads on from a place.
func (b *baseReader) from(at int64) io.Reader {
	return &ctxReader{ctx: b.ctx, r: io.NewSectionReader(b.f, at, b.f.size-at)}
}

// rdb reads the RDB, and returns where it ends.
func (b *baseReader) rdb() (end int64, err error) {
	sum, err := rdb.Walk(b.from(0), b.item)
	if corrupt, ok := errors.AsType[*rdb.CorruptError](err); ok {
		return 0, &CorruptError{Path: b.f.path, Offset: corrupt.Offset, What: corrupt.What}
	}
	if unsupported, ok := errors.AsType[*rdb.UnsupportedError](err); ok {
		return 0, &CorruptError{Path: b.f.path, What: unsupported.Error()}
	}
	if _, known := errors.AsType[*CorruptError](err); known {
		return 0, err
	}
	if err != nil {
		return 0, fmt.Errorf("verify %s: %w", b.f.path, err)
	}
	b.rep.Format, b.rep.Server = fmt.Sprintf("%v RDB %d", sum.Dialect, sum.Version), sum.ServerVersion
	b.rep.Keys, b.rep.Expires, b.rep.Functions, b.rep.Checksummed = sum.Keys, sum.Expires, sum.Functions, sum.Checksummed
	if sum.Unwalked != nil {
		b.rep.Unwalked = sum.Unwalked.Error()
	}
	return sum.Bytes, nil
}

// item looks into the value of a key.
func (b *baseReader) item(rd *rdb.Reader, it *rdb.Item) error {
	if it.Kind != rdb.KeyItem {
		return nil
	}
	b.format = rdb.Format{Dialect: rd.Dialect(), Version: rd.Version()}
	raw := capped{limit: maxDecoded + it.HeadBytes, buf: &b.value}
	b.value.Reset()
	if err := rd.CopyRaw(&raw); err != nil {
		return err
	}
	key := BaseKey{
		DB: it.DB, Key: it.Key, Kind: it.Type.Kind(), Encoding: it.Type.String(), Bytes: raw.size - it.HeadBytes,
		Elements: -1, Expire: -1, Offset: it.Offset,
	}
	if it.HasExpire {
		key.Expire = it.Expire
	}
	if raw.size <= raw.limit && it.Type != rdb.TypeModule2 {
		info, err := rdb.CheckValue(b.format, it.Type, b.value.Bytes()[it.HeadBytes:])
		if corrupt, ok := errors.AsType[*rdb.CorruptError](err); ok {
			return &CorruptError{Path: b.f.path, Offset: it.Offset, What: fmt.Sprintf(
				"%s of key %.100q: at byte %d of the value: %s", key.Encoding, it.Key, corrupt.Offset, corrupt.What)}
		}
		if err == nil {
			key.Elements = info.Elements
		}
	}
	if b.fn == nil {
		return nil
	}
	return b.fn(&key)
}

// capped keeps what is written to it if that is no more than limit, and else counts it.
type capped struct {
	limit int64
	buf   *bytes.Buffer
	size  int64
}

// Write satisfies io.Writer.
func (c *capped) Write(p []byte) (int, error) {
	c.size += int64(len(p))
	if c.size > c.limit {
		c.buf.Reset()
		return len(p), nil
	}
	return c.buf.Write(p)
}

// commands reads the commands from a place to the end. No loader takes a base that is cut, whatever its settings.
func (b *baseReader) commands(at int64) error {
	b.rep.CommandBytes = b.f.size - at
	if at >= b.f.size {
		return nil
	}
	behind := ""
	if at > 0 {
		behind = "behind the RDB: "
	}
	c := commandReader{begin: at, off: at}
	c.sc.AllowAnnotations = true
	buf := make([]byte, min(b.f.size-at, scanBuffer))
	r := b.from(at)
	for {
		n, err := r.Read(buf)
		if perr := c.take(buf[:n]); perr != nil {
			return &CorruptError{Path: b.f.path, Offset: c.begin, What: behind + perr.What}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", b.f.path, err)
		}
	}
	b.rep.Commands = c.n
	if c.sc.Pending() || c.tr.Multi {
		return &CorruptError{Path: b.f.path, Offset: c.begin, What: behind + "a command or transaction does not end"}
	}
	return nil
}

// commandReader counts commands.
type commandReader struct {
	sc         resp.Scanner
	tr         resp.Tracker
	begin, off int64 // of the command that is being read, and what is taken
	n          int64
}

func (c *commandReader) take(p []byte) *resp.SyntaxError {
	for len(p) > 0 {
		n, done, err := c.sc.Next(p)
		if err == nil && done {
			err = c.tr.Done(&c.sc)
		}
		if err == nil && done && c.sc.Kind() == resp.Newline {
			err = &resp.SyntaxError{What: "a bare newline, of which loaders die"}
		}
		if syntax := (*resp.SyntaxError)(nil); errors.As(err, &syntax) {
			return syntax
		}
		c.off += int64(n)
		p = p[n:]
		if !done {
			return nil
		}
		if c.sc.Kind() != resp.Annotation {
			c.n++
		}
		c.begin = c.off
	}
	return nil
}
