package rdb

import (
	"encoding/binary"
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

// Writer writes an RDB file. It buffers 128 KiB and sums what it writes.
//
// It is an io.Writer for whole items, such as Reader.CopyRaw writes them, that are no selection of a database. In what order items are to come
// (protocol.md 6.3), and that no key comes twice, is the caller's business.
//
// Errors stick: after the first one, which is the writer's below, wrapped, every call returns it. A Writer is for one goroutine.
type Writer struct {
	w       io.Writer
	version int
	buf     []byte
	crc     crc
	written int64 // by w
	db      int   // selected, -1 if none
	err     error
}

var _ io.Writer = (*Writer)(nil)

// NewWriter returns a Writer that writes to w, and begins with the magic of f. Nothing reaches w before the buffer is full or Close
// is called.
func NewWriter(w io.Writer, f Format) *Writer {
	wr := &Writer{w: w, version: f.Version, buf: make([]byte, 0, bufferSize), crc: newCRC(), db: -1}
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
	if len(w.buf)+len(p) > bufferSize {
		w.flush()
	}
	if len(p) >= bufferSize {
		w.put(p)
	} else if w.err == nil {
		w.buf = append(w.buf, p...)
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// Close writes the end and, from version 5 on, the CRC64, and flushes. It does not close the writer below.
func (w *Writer) Close() error {
	w.buf = append(w.buf, opEOF)
	w.flush()
	if w.version >= firstChecksummed {
		w.buf = w.crc.Sum(w.buf)
		w.flush()
	}
	return w.err
}

// Bytes returns how many bytes were written, those included that are still in the buffer.
func (w *Writer) Bytes() int64 { return w.written + int64(len(w.buf)) }

// check flushes if the buffer is full, and returns the error.
func (w *Writer) check() error {
	if len(w.buf) >= bufferSize {
		w.flush()
	}
	return w.err
}

// flush empties the buffer.
func (w *Writer) flush() {
	w.put(w.buf)
	if w.buf = w.buf[:0]; cap(w.buf) > 2*bufferSize {
		w.buf = make([]byte, 0, bufferSize)
	}
}

// put sums p and hands it to the writer below.
func (w *Writer) put(p []byte) {
	if w.err != nil || len(p) == 0 {
		return
	}
	_, _ = w.crc.Write(p) // never fails
	n, err := w.w.Write(p)
	w.written += int64(n)
	if err != nil {
		w.fail(fmt.Errorf("write rdb: %w", err))
	}
}

// fail makes err the error, unless there is one.
func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}
