package upload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// reading is what plain bytes were when they were read for the name of their object.
type reading struct {
	sum string // as the name states it
	crc uint32 // CRC32C, which tells whether they are the same when they are read again: a second SHA-256 would cost as much as all else
}

// measure reads bytes: it is written to.
type measure struct {
	sum *Sum
	crc uint32
}

func newMeasure() *measure { return &measure{sum: NewSum()} }

// Write takes bytes; it never fails.
func (m *measure) Write(p []byte) (int, error) {
	m.crc = crc32.Update(m.crc, castagnoli(), p)
	return m.sum.Write(p)
}

func (m *measure) reading() reading { return reading{sum: m.sum.String(), crc: m.crc} }

// castagnoli is for CRC32C, for which processors have an instruction. Package crc32 makes that table once.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// examined is what a pass over plain bytes tells.
type examined struct {
	reading

	moments []stream.Offset // the last boundary before each FLUSHALL
}

// examineBuffer is how much is read at once, in bytes.
const examineBuffer = 256 << 10

// examine reads a segment before it is named: its sum, that it is what a server loads, and where it has a FLUSHALL.
func examine(ctx context.Context, seg *Segment) (examined, error) {
	var x examined
	var f follower
	read := newMeasure()
	r := seg.Plain()
	buf := make([]byte, min(examineBuffer, seg.Size()))
	bound := seg.From.Position.Offset
	for {
		if ctx.Err() != nil {
			return examined{}, context.Cause(ctx)
		}
		n, rerr := r.Read(buf)
		_, _ = read.Write(buf[:n]) // never fails
		for p := buf[:n]; len(p) > 0; {
			taken, done, err := f.next(p)
			if err != nil {
				return examined{}, fmt.Errorf("examine segment: %w", err)
			}
			p = p[taken:]
			if !done {
				break
			}
			if f.last == stepCommand && isFlushAll(f.sc.Arg(0)) {
				x.moments = append(x.moments, bound)
			}
			if f.boundary() {
				bound = f.at.pos.Offset
			}
		}
		if errors.Is(rerr, io.EOF) {
			break
		}
		if rerr != nil {
			return examined{}, fmt.Errorf("examine segment: %w", rerr)
		}
	}
	if !f.whole() || f.at.pos.Offset != seg.To.Position.Offset {
		return examined{}, fmt.Errorf("examine segment: its commands reach %d, not %d", f.at.pos.Offset, seg.To.Position.Offset)
	}
	x.reading = read.reading()
	return x, nil
}

func isFlushAll(name []byte) bool {
	return len(name) == 8 && strings.EqualFold(string(name), "FLUSHALL")
}

// readAll reads r to its end.
func readAll(ctx context.Context, r io.Reader) (reading, error) {
	m := newMeasure()
	if _, err := io.CopyBuffer(struct{ io.Writer }{m}, struct{ io.Reader }{&ctxReader{ctx.Err, r}}, make([]byte, examineBuffer)); err != nil {
		if ctx.Err() != nil {
			return reading{}, context.Cause(ctx)
		}
		return reading{}, err
	}
	return m.reading(), nil
}

// ctxReader ends when a context does.
type ctxReader struct {
	ended func() error
	r     io.Reader
}

// Read reads on.
func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ended(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// plainBytes are bytes that are sealed into an object. They are read a second time for that, and must still be what was named.
type plainBytes struct {
	name string
	reading

	size int64
	open func() io.Reader
}

// again reads the bytes to their end; if they are others than the first time, the end is a *DamagedError.
func (p plainBytes) again() io.Reader { return &rereading{plainBytes: p, r: p.open()} }

type rereading struct {
	plainBytes

	r   io.Reader
	now uint32
}

// Read reads on.
func (r *rereading) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.now = crc32.Update(r.now, castagnoli(), p[:n])
	if err == io.EOF && r.now != r.crc {
		return n, &DamagedError{Key: r.name, What: "its bytes are others than when it was named"}
	}
	return n, err
}

// seal writes the object to w.
func (p plainBytes) seal(s *Sealer, w io.Writer) error {
	sealed, err := s.Seal(w, p.size)
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(sealed, p.again(), make([]byte, examineBuffer)); err != nil {
		return fmt.Errorf("seal %s: %w", p.name, err)
	}
	return sealed.Close()
}

// inMemory is the object as a whole.
func (p plainBytes) inMemory(s *Sealer) (Body, error) {
	var b bytes.Buffer
	if err := p.seal(s, &b); err != nil {
		return Body{}, err
	}
	return bytesBody(b.Bytes()), nil
}

// streamed is the object as it comes out of the sealer: little of it is in memory at any time.
func (p plainBytes) streamed(s *Sealer) Body {
	return Body{Size: -1, Open: func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = w.CloseWithError(p.seal(s, w)) // always nil
		}()
		return &sealedReader{PipeReader: r, ended: ended}, nil
	}}
}

type sealedReader struct {
	*io.PipeReader
	ended chan struct{}
}

// Close ends the sealing.
func (r *sealedReader) Close() error {
	err := r.PipeReader.Close()
	<-r.ended
	return err
}
