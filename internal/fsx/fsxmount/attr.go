package fsxmount

import (
	"context"
	"errors"
	iofs "io/fs"
	"os"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

const blockSize = 4096

func permissions(mode uint32) iofs.FileMode { return iofs.FileMode(mode).Perm() }

// fill describes a file as stat(2) does. The owner is who mounted it.
func fill(info iofs.FileInfo, out *fuse.Attr) {
	out.Mode = uint32(info.Mode().Perm())
	out.Size = uint64(info.Size())
	out.Nlink = 1
	out.Uid, out.Gid = uint32(os.Geteuid()), uint32(os.Getegid())
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		out.Ino = st.Ino
	}
	changed := info.ModTime()
	out.SetTimes(&changed, &changed, &changed)
}

// child returns the node of a file in this directory: the one that is there already, if it has another name.
func (n *node) child(ctx context.Context, info iofs.FileInfo, out *fuse.EntryOut) *fs.Inode {
	fill(info, &out.Attr)
	kind := uint32(syscall.S_IFREG)
	if info.IsDir() {
		kind = syscall.S_IFDIR
	}
	return n.NewInode(ctx, &node{mount: n.mount}, fs.StableAttr{Mode: kind, Ino: out.Ino})
}

// stat describes the node, by a name or as one who has it open does.
func (n *node) stat() (iofs.FileInfo, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for h := range n.open {
		return h.file.Stat()
	}
	name, err := n.named()
	if err != nil {
		return nil, err
	}
	return n.mount.fs.Stat(name)
}

// Getattr describes the node.
func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	info, err := n.stat()
	if err == nil {
		fill(info, &out.Attr)
	}
	return n.mount.answer(err)
}

// Setattr sets the size, and nothing else: ENOTSUP.
func (n *node) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	const harmless = fuse.FATTR_FH | fuse.FATTR_LOCKOWNER | fuse.FATTR_MTIME | fuse.FATTR_CTIME | fuse.FATTR_MTIME_NOW | fuse.FATTR_KILL_SUIDGID
	if in.Valid&^(harmless|fuse.FATTR_SIZE) != 0 {
		return syscall.ENOTSUP
	}
	if size, ok := in.GetSize(); ok {
		if errno := n.mount.answer(n.truncate(f, int64(size))); errno != 0 {
			return errno
		}
	}
	return n.Getattr(ctx, f, out)
}

func (n *node) truncate(f fs.FileHandle, size int64) error {
	if h, ok := f.(*handle); ok {
		return h.file.Truncate(size)
	}
	file, err := n.mount.fs.OpenFile(n.path(), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(file.Truncate(size), file.Close())
}
