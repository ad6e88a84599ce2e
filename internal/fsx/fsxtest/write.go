package fsxtest

import (
	"bytes"
	"errors"
	"os"
	"syscall"
)

// Write writes at the position and moves it over what was written.
func (h *handle) Write(p []byte) (int, error) {
	h.fs.mu.Lock()
	off := h.pos
	h.fs.mu.Unlock()
	n, err := h.write(p, off)
	h.fs.mu.Lock()
	h.pos = off + int64(n)
	h.fs.mu.Unlock()
	return n, err
}

// WriteAt writes at off and leaves the position alone.
func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, h.fail("writeat", errNegativeOffset)
	}
	if len(p) == 0 { // no system call, so no error either
		return 0, nil
	}
	return h.write(p, off)
}

// write stores p in two halves, with a crash point after each.
func (h *handle) write(p []byte, off int64) (int, error) {
	f := h.fs
	if err := h.checkWrite(off, int64(len(p))); err != nil || len(p) == 0 {
		return 0, h.fail("write", err)
	}
	op := Op{Kind: Write, Path: h.path, Off: off, Len: int64(len(p))}
	limit, fault := len(p), f.injected(op)
	if fault != nil {
		limit = 0
		if short, ok := errors.AsType[*ShortWriteError](fault); ok {
			limit, fault = min(max(short.N, 0), len(p)), short.Err
		}
	}
	half := min(len(p)/2, limit)
	n, err := h.store(p[:half], off)
	if err == nil && n == len(p)/2 && n > 0 {
		f.point(Op{Kind: Write, Path: h.path, Off: off, Len: int64(n), Half: true})
	}
	if err == nil {
		var rest int
		rest, err = h.store(p[half:limit], off+int64(half))
		n += rest
	}
	if err == nil {
		err = fault
	}
	op.Err = h.fail("write", err)
	f.point(op)
	return n, op.Err
}

func (h *handle) checkWrite(off, length int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.usable(os.O_RDONLY); err != nil {
		return err
	}
	if off > maxFileBytes-length {
		return syscall.EFBIG
	}
	return nil
}

// store writes as much of p as there is space for.
func (h *handle) store(p []byte, off int64) (int, error) {
	f := h.fs
	f.mu.Lock()
	defer f.mu.Unlock()
	fits := f.fitting(h.node, off, int64(len(p)))
	if fits > 0 {
		before := h.node.now.allocated()
		h.node.do(dataOp{seq: f.nextSeq(), off: off, data: bytes.Clone(p[:fits])})
		f.used += h.node.now.allocated() - before
	}
	if fits < int64(len(p)) {
		return int(fits), syscall.ENOSPC
	}
	return int(fits), nil
}

// fitting is how much of a write has space: up to the first page that is neither there nor free.
func (f *FS) fitting(n *node, off, length int64) int64 {
	free := (f.capacity - f.used) / pageSize
	if n.now.missing(off, length) <= free {
		return length
	}
	fits, full := int64(0), false
	eachPage(off, length, func(index, _, _, k int64) {
		if n.now.pages[index] == nil {
			full = full || free <= 0
			free--
		}
		if !full {
			fits += k
		}
	})
	return fits
}

// Truncate sets the size; see [fsx.File].
func (h *handle) Truncate(size int64) error {
	if err := h.checkTruncate(size); err != nil {
		return h.fail("truncate", err)
	}
	return h.truncate(size)
}

func (h *handle) checkTruncate(size int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	switch {
	case h.closed:
		return os.ErrClosed
	case size < 0, h.access == os.O_RDONLY:
		return syscall.EINVAL
	case size > maxFileBytes:
		return syscall.EFBIG
	}
	return nil
}

func (h *handle) truncate(size int64) error {
	f := h.fs
	op := Op{Kind: Truncate, Path: h.path, Off: size}
	op.Err = h.fail("truncate", f.injected(op))
	if op.Err == nil {
		f.mu.Lock()
		before := h.node.now.allocated()
		h.node.do(dataOp{seq: f.nextSeq(), off: size})
		f.used += h.node.now.allocated() - before
		f.mu.Unlock()
	}
	f.point(op)
	return op.Err
}

// empty is what O_TRUNC does to a file that has bytes.
func (h *handle) empty() error {
	h.fs.mu.Lock()
	size := h.node.now.size
	h.fs.mu.Unlock()
	if size == 0 {
		return nil
	}
	return h.truncate(0)
}
