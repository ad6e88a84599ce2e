package fsxtest

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

// errNegativeOffset is what package os says.
var errNegativeOffset = errors.New("negative offset")

// handle is an open file. The file system's mutex guards it.
type handle struct {
	fs     *FS
	node   *node
	name   string // as it was opened, for errors
	path   string
	access int
	pos    int64
	closed bool
}

var _ fsx.File = (*handle)(nil)

func (h *handle) fail(op string, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return &fs.PathError{Op: op, Path: h.name, Err: err}
}

// usable says why the file cannot be read or written; denied is the access mode that forbids it.
func (h *handle) usable(denied int) error {
	switch {
	case h.closed:
		return fs.ErrClosed
	case h.access == denied:
		return syscall.EBADF
	}
	return nil
}

// Read reads at the position.
func (h *handle) Read(p []byte) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	n, err := h.read(p, h.pos)
	h.pos += int64(n)
	return n, h.fail("read", err)
}

// ReadAt reads at off; see [io.ReaderAt].
func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, h.fail("readat", errNegativeOffset)
	}
	if len(p) == 0 { // no system call, so no error either
		return 0, nil
	}
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	n, err := h.read(p, off)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, h.fail("read", err)
}

func (h *handle) read(p []byte, off int64) (int, error) {
	if err := h.usable(os.O_WRONLY); err != nil {
		if len(p) == 0 && !h.closed { // no system call either
			err = nil
		}
		return 0, err
	}
	n := h.node.now.readAt(p, off)
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Seek moves the position; see [io.Seeker].
func (h *handle) Seek(offset int64, whence int) (int64, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return 0, h.fail("seek", fs.ErrClosed)
	}
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += h.pos
	case io.SeekEnd:
		offset += h.node.now.size
	default:
		return 0, h.fail("seek", syscall.EINVAL)
	}
	if offset < 0 {
		return 0, h.fail("seek", syscall.EINVAL)
	}
	h.pos = offset
	return offset, nil
}

// Stat describes the open file, also after it lost its name.
func (h *handle) Stat() (fs.FileInfo, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return nil, h.fail("stat", fs.ErrClosed)
	}
	return h.node.info(path.Base(h.name)), nil
}

// Close releases the lock, and the file if it has no name.
func (h *handle) Close() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return h.fail("close", fs.ErrClosed)
	}
	h.closed = true
	if h.node.holder == h {
		h.node.holder = nil
	}
	h.node.opens--
	h.fs.reclaim(h.node)
	return nil
}

func closeWith(h *handle, err error) error { return errors.Join(err, h.Close()) }

// Sync makes the bytes written before it durable; see [fsx.File] and [FS.DuringSync].
func (h *handle) Sync() error { return h.sync(Sync, "sync") }

// SyncData is the same here: the model has no metadata but the size.
func (h *handle) SyncData() error { return h.sync(SyncData, "fdatasync") }

func (h *handle) sync(kind Kind, name string) error {
	f := h.fs
	f.mu.Lock()
	err := h.usable(-1)
	seq := f.lastSeq
	f.mu.Unlock()
	if err != nil {
		return h.fail(name, err)
	}
	op := Op{Kind: kind, Path: h.path}
	f.hold(op)
	op.Err = h.fail(name, f.injected(op))
	f.mu.Lock()
	if op.Err == nil {
		h.node.sync(seq)
	} else {
		f.failSync(h.node, seq)
	}
	f.mu.Unlock()
	f.point(op)
	return op.Err
}

// failSync loses what a sync of n that began at seq should have stored.
func (f *FS) failSync(n *node, seq uint64) {
	before := n.now.allocated()
	n.failSync(seq, &scattered{seed: f.rng.Uint64()}, f.rng.IntN(2) == 0)
	if n.links > 0 || n.opens > 0 {
		f.used += n.now.allocated() - before
	}
}
