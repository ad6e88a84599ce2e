package fsxtest

import (
	"io/fs"
	"syscall"
	"time"
)

// fileInfo is a fs.FileInfo of the moment when it was asked for.
type fileInfo struct {
	name  string
	size  int64
	mode  fs.FileMode
	mtime time.Time
	node  *node
}

func (n *node) info(name string) *fileInfo {
	return &fileInfo{name: name, size: n.now.size, mode: n.mode, mtime: n.mtime, node: n}
}

func (i *fileInfo) Name() string       { return i.name }
func (i *fileInfo) Size() int64        { return i.size }
func (i *fileInfo) Mode() fs.FileMode  { return i.mode }
func (i *fileInfo) ModTime() time.Time { return i.mtime }
func (i *fileInfo) IsDir() bool        { return i.mode.IsDir() }

// Sys tells the inode, for fsx.Identity.
func (i *fileInfo) Sys() any { return &syscall.Stat_t{Dev: 1, Ino: i.node.id} }
