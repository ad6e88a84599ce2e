package fsxmount

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

// handle is an open file.
type handle struct {
	node *node
	file fsx.File
}

var (
	_ fs.NodeCreater  = (*node)(nil)
	_ fs.NodeOpener   = (*node)(nil)
	_ fs.FileReader   = (*handle)(nil)
	_ fs.FileWriter   = (*handle)(nil)
	_ fs.FileFsyncer  = (*handle)(nil)
	_ fs.FileFlusher  = (*handle)(nil)
	_ fs.FileReleaser = (*handle)(nil)
)

// flagsOf leaves out what the kernel deals with itself.
func flagsOf(flags uint32) int {
	const kernels = syscall.O_CLOEXEC | unix.O_LARGEFILE | 0x8000 | syscall.O_NONBLOCK | syscall.O_NOFOLLOW
	return int(flags &^ kernels)
}

func (n *node) handle(file fsx.File) *handle {
	h := &handle{node: n, file: file}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.open == nil {
		n.open = map[*handle]struct{}{}
	}
	n.open[h] = struct{}{}
	return h
}

// Create makes a file and opens it.
func (n *node) Create(
	ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut,
) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	file, err := n.mount.fs.OpenFile(n.path(name), flagsOf(flags)|os.O_CREATE, permissions(mode))
	if err != nil {
		return nil, nil, 0, n.mount.answer(err)
	}
	info, err := file.Stat()
	if errno := n.mount.answer(err); errno != 0 {
		return nil, nil, 0, n.mount.answer(errors.Join(err, file.Close()))
	}
	made := n.child(ctx, info, out)
	of, ok := made.Operations().(*node)
	if !ok {
		return nil, nil, 0, syscall.EIO
	}
	return made, of.handle(file), 0, 0
}

// Open opens a file.
func (n *node) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	name, err := n.named()
	if err != nil {
		return nil, 0, n.mount.answer(err)
	}
	file, err := n.mount.fs.OpenFile(name, flagsOf(flags), 0)
	if err != nil {
		return nil, 0, n.mount.answer(err)
	}
	return n.handle(file), 0, n.mount.answer(nil)
}

// Read reads at an offset.
func (h *handle) Read(_ context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	got, err := h.file.ReadAt(dest, off)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return fuse.ReadResultData(dest[:got]), h.node.mount.answer(err)
}

// Write writes at an offset. One that found no space for all says how much it wrote.
func (h *handle) Write(_ context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	stored, err := h.file.WriteAt(data, off)
	if stored > 0 && errors.Is(err, syscall.ENOSPC) {
		err = nil
	}
	return uint32(stored), h.node.mount.answer(err)
}

// Fsync is fsync(2) and fdatasync(2).
func (h *handle) Fsync(_ context.Context, flags uint32) syscall.Errno {
	const dataOnly = 1 // FUSE_FSYNC_FDATASYNC
	var err error
	switch {
	case flags&dataOnly == 0:
		err = h.file.Sync()
	case !h.node.mount.options.IgnoreSyncData:
		err = h.file.SyncData()
	}
	return h.node.mount.answer(err)
}

// Flush is a close(2), of which there may be several; nothing is kept back that it would have to write.
func (h *handle) Flush(context.Context) syscall.Errno { return h.node.mount.answer(nil) }

// Release is the last close(2).
func (h *handle) Release(context.Context) syscall.Errno {
	h.node.mu.Lock()
	delete(h.node.open, h)
	h.node.mu.Unlock()
	return h.node.mount.answer(h.file.Close())
}
