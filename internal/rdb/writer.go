package rdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Attributes are what lies in front of a key. The zero Attributes say nothing.
type Attributes struct {
	// HasExpire, HasIdle and HasFreq say that Expire, Idle and Freq apply.
	HasExpire, HasIdle, HasFreq bool
	// Freq is the LFU counter.
	Freq uint8
	// Expire is the absolute expiry time in milliseconds of Unix time.
	Expire int64
	// Idle is how long the key was not used, in seconds.
	Idle uint64
}

// Writer writes an RDB file. It sums what it writes, in blocks of 256 KiB, which the page cache takes at half the price of odd ones.
//
// It is an io.Writer for whole items, such as Reader.CopyRaw writes them, that are no selection of a database. In what order items are to come
// (protocol.md 6.3), and that no key comes twice, is the caller's business.
//
// Errors stick: after the first one, which is the writer's below, wrapped, every call returns it. A Writer is for one goroutine.
type Writer struct {
	version int
	buf     []byte
	below   blockWriter
	written int64 // to below
	db      int   // selected, -1 if none
	err     error
}

// blockWriter sums blocks and writes them. Errors are those of the writer below, and stick.
type blockWriter interface {
	// put writes block and returns an empty one to fill.
	put(block []byte) ([]byte, error)
	// sum returns the CRC64 of all blocks, once they are written.
	sum() (uint64, error)
	// close ends it, whatever was put. It may be called again.
	close()
}

// writeBlock is the size of a Writer's buffer.
const writeBlock = 256 << 10

var _ io.Writer = (*Writer)(nil)

// NewWriter returns a Writer that writes to w, and begins with the magic of f. Nothing reaches w before the buffer is full or Close
// is called.
func NewWriter(w io.Writer, f Format) *Writer { return newWriter(&inPlace{w: w, crc: newCRC()}, f) }

// NewWriterBehind is NewWriter for large files: a goroutine sums and writes, up to 512 KiB behind what was handed over, so that errors come
// later, at last from Close. Close or Stop end it; between the first call and that, w is not the caller's.
func NewWriterBehind(w io.Writer, f Format) *Writer { return newWriter(newBehind(w), f) }

func newWriter(below blockWriter, f Format) *Writer {
	wr := &Writer{version: f.Version, below: below, buf: make([]byte, 0, writeBlock), db: -1}
	if f.Dialect == Valkey {
		wr.buf = fmt.Appendf(wr.buf, "VALKEY%03d", f.Version)
	} else {
		wr.buf = fmt.Appendf(wr.buf, "REDIS%04d", f.Version)
	}
	return wr
}

// Aux writes an auxiliary field.
func (w *Writer) Aux(name, value string) error {
	w.buf = AppendString(append(w.buf, opAux), []byte(name))
	w.buf = AppendString(w.buf, []byte(value))
	return w.check()
}

// Function writes the source of a function library.
func (w *Writer) Function(source []byte) error {
	w.buf = AppendString(append(w.buf, opFunction2), source)
	return w.check()
}

// SelectDB makes db the database of the keys that follow. It writes nothing if it is that already.
func (w *Writer) SelectDB(db int) error {
	if db < 0 || db > math.MaxInt32 {
		w.fail(fmt.Errorf("select database %d: no such number", db))
	}
	if db == w.db || w.err != nil {
		return w.err
	}
	w.db = db
	w.buf = AppendLength(append(w.buf, opSelectDB), uint64(db))
	return w.check()
}

// Resize announces how many keys the selected database has, and how many of them expire. Loaders take it as a hint.
func (w *Writer) Resize(keys, expires uint64) error {
	w.buf = AppendLength(AppendLength(append(w.buf, opResizeDB), keys), expires)
	return w.check()
}

// Key writes a key of the selected database. body is its value, as Reader.CopyRaw writes it or the Append functions make it.
func (w *Writer) Key(t Type, a Attributes, key, body []byte) error {
	if a.HasExpire {
		w.buf = binary.LittleEndian.AppendUint64(append(w.buf, opExpireTimeMS), uint64(a.Expire))
	}
	if a.HasIdle {
		w.buf = AppendLength(append(w.buf, opIdle), a.Idle)
	}
	if a.HasFreq {
		w.buf = append(w.buf, opFreq, a.Freq)
	}
	w.buf = AppendString(append(w.buf, byte(t)), key)
	_, err := w.Write(body)
	return err
}

// Write writes p, which is whole items or a part of one. It returns len(p) unless there was an error.
func (w *Writer) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0 && w.err == nil; {
		n := max(0, min(len(rest), writeBlock-len(w.buf)))
		w.buf = append(w.buf, rest[:n]...)
		if rest = rest[n:]; len(w.buf) >= writeBlock {
			w.flush()
		}
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// Close writes the end and, from version 5 on, the CRC64, and flushes. It does not close the writer below.
func (w *Writer) Close() error {
	defer w.Stop()
	w.buf = append(w.buf, opEOF)
	w.flush()
	sum := w.settle()
	if w.version >= firstChecksummed && w.err == nil {
		w.buf = binary.LittleEndian.AppendUint64(w.buf, sum)
		w.flush()
		w.settle()
	}
	return w.err
}

// settle waits until all is written, and returns the CRC64 of it.
func (w *Writer) settle() uint64 {
	if w.err != nil {
		return 0
	}
	sum, err := w.below.sum()
	w.fail(err)
	return sum
}

// Stop ends what NewWriterBehind began, where the file is given up before Close; after Close it does nothing. What comes after it is an error.
func (w *Writer) Stop() {
	w.fail(errClosed)
	w.below.close()
}

var errClosed = errors.New("the rdb is closed")

// Bytes returns how many bytes were written, those included that are still in the buffer.
func (w *Writer) Bytes() int64 { return w.written + int64(len(w.buf)) }

// check flushes if the buffer is full, and returns the error.
func (w *Writer) check() error {
	if len(w.buf) >= writeBlock {
		w.flush()
	}
	return w.err
}

// flush empties the buffer.
func (w *Writer) flush() {
	if len(w.buf) == 0 || w.err != nil {
		w.buf = w.buf[:0]
		return
	}
	w.written += int64(len(w.buf))
	var err error
	w.buf, err = w.below.put(w.buf)
	w.fail(err)
}

// fail makes err the error, unless there is one.
func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// inPlace is a blockWriter that does it at once.
type inPlace struct {
	w   io.Writer
	crc crc
	err error
}

func (b *inPlace) put(block []byte) ([]byte, error) {
	if b.err == nil {
		b.err = writeSummed(b.w, &b.crc, block)
	}
	return emptied(block), b.err
}

func (b *inPlace) sum() (uint64, error) { return b.crc.sum, b.err }
func (b *inPlace) close()               {}

func writeSummed(w io.Writer, sum *crc, block []byte) error {
	_, _ = sum.Write(block) // never fails
	if _, err := w.Write(block); err != nil {
		return fmt.Errorf("write rdb: %w", err)
	}
	return nil
}

// emptied returns block for the next use, unless a huge item made it grow.
func emptied(block []byte) []byte {
	if cap(block) > 2*writeBlock {
		return make([]byte, 0, writeBlock)
	}
	return block[:0]
}
