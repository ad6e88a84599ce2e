package fsxmount

import (
	"context"
	"path"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

// node is a file or a directory, under all of its names.
type node struct {
	fs.Inode

	mount *Mount

	mu   sync.Mutex
	open map[*handle]struct{} // they know the file when it has no name any more
}

var (
	_ fs.NodeLookuper  = (*node)(nil)
	_ fs.NodeMkdirer   = (*node)(nil)
	_ fs.NodeUnlinker  = (*node)(nil)
	_ fs.NodeRmdirer   = (*node)(nil)
	_ fs.NodeRenamer   = (*node)(nil)
	_ fs.NodeLinker    = (*node)(nil)
	_ fs.NodeStatfser  = (*node)(nil)
	_ fs.NodeGetattrer = (*node)(nil)
	_ fs.NodeSetattrer = (*node)(nil)
)

// path is one of its names.
func (n *node) path(names ...string) string {
	return path.Join(append([]string{"/", n.Path(nil)}, names...)...)
}

// named is path for who looked the node up before: ESTALE, which has the kernel look once more (do_filp_open), if all names are gone since. The path would be the root's then.
func (n *node) named() (string, error) {
	name := n.Path(nil)
	if name == "" && !n.IsRoot() {
		return "", syscall.ESTALE
	}
	return path.Join("/", name), nil
}

// Lookup finds a name.
func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	info, err := n.mount.fs.Stat(n.path(name))
	if errno := n.mount.answer(err); errno != 0 {
		return nil, errno
	}
	return n.child(ctx, info, out), 0
}

// Mkdir makes a directory.
func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	err := n.mount.fs.MkdirAll(n.path(name), permissions(mode))
	if errno := n.mount.answer(err); errno != 0 {
		return nil, errno
	}
	return n.Lookup(ctx, name, out)
}

// Unlink removes a file's name.
func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	return n.mount.answer(n.mount.fs.Remove(n.path(name)))
}

// Rmdir removes an empty directory.
func (n *node) Rmdir(_ context.Context, name string) syscall.Errno {
	return n.mount.answer(n.mount.fs.Remove(n.path(name)))
}

// Rename renames; of the flags there is RENAME_NOREPLACE, which the kernel has seen to.
func (n *node) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	dir, ok := to.(*node)
	if !ok || flags&^unix.RENAME_NOREPLACE != 0 {
		return syscall.EINVAL
	}
	return n.mount.answer(n.mount.fs.Rename(n.path(name), dir.path(newName)))
}

// Link makes a hard link.
func (n *node) Link(ctx context.Context, to fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	file, ok := to.(*node)
	if !ok {
		return nil, syscall.EXDEV
	}
	if errno := n.mount.answer(n.mount.fs.Link(file.path(), n.path(name))); errno != 0 {
		return nil, errno
	}
	return n.Lookup(ctx, name, out)
}

// Statfs tells the space.
func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	var space fsx.Space
	space, err := n.mount.fs.Space("/")
	out.Bsize, out.Frsize, out.NameLen = blockSize, blockSize, 255
	out.Blocks, out.Bfree, out.Bavail = uint64(space.Total/blockSize), uint64(space.Free/blockSize), uint64(space.Free/blockSize)
	return n.mount.answer(err)
}
