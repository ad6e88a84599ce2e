package fsxmount

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// dirHandle is an open directory: what it had when it was opened, and how far that was read.
type dirHandle struct {
	node *node
	list []fuse.DirEntry
	next int
}

var (
	_ fs.NodeOpendirHandler = (*node)(nil)
	_ fs.FileReaddirenter   = (*dirHandle)(nil)
	_ fs.FileSeekdirer      = (*dirHandle)(nil)
	_ fs.FileFsyncdirer     = (*dirHandle)(nil)
)

// OpendirHandle opens a directory.
func (n *node) OpendirHandle(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	entries, err := n.mount.fs.ReadDir(n.path())
	h := &dirHandle{node: n}
	for i, entry := range entries {
		kind := uint32(syscall.S_IFREG)
		if entry.IsDir() {
			kind = syscall.S_IFDIR
		}
		h.list = append(h.list, fuse.DirEntry{Name: entry.Name(), Mode: kind, Off: uint64(i + 1)})
	}
	return h, 0, n.mount.answer(err)
}

// Readdirent returns the next entry; nil at the end.
func (h *dirHandle) Readdirent(context.Context) (*fuse.DirEntry, syscall.Errno) {
	if errno := h.node.mount.answer(nil); errno != 0 || h.next == len(h.list) {
		return nil, errno
	}
	h.next++
	return &h.list[h.next-1], 0
}

// Seekdir goes to where an entry said that the next one is.
func (h *dirHandle) Seekdir(_ context.Context, off uint64) syscall.Errno {
	if off > uint64(len(h.list)) {
		return syscall.EINVAL
	}
	h.next = int(off)
	return 0
}

// Fsyncdir makes the names of the directory durable.
func (h *dirHandle) Fsyncdir(context.Context, uint32) syscall.Errno {
	return h.node.mount.answer(h.node.mount.fs.SyncDir(h.node.path()))
}
