package fsxtest

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

const (
	rootPath        = "/"
	defaultCapacity = 1 << 40
	// maxFileBytes is ext4's limit with blocks of 4 KiB.
	maxFileBytes = 1<<44 - pageSize
)

// FS is the file system. Make one with [New]. Safe for concurrent use.
//
// A relative path begins at the root, which is the only directory of a new FS.
type FS struct {
	mu       sync.Mutex
	root     *node
	log      nameLog
	lastSeq  uint64
	lastID   uint64
	capacity int64
	used     int64
	boot     int
	rng      *rand.Rand // what failing syncs lose
	points   int
	hooks    hooks
	past     []string // the crashes that led here
}

var _ fsx.FS = (*FS)(nil)

// New returns an empty file system of 1 TiB.
func New() *FS {
	f := &FS{capacity: defaultCapacity, boot: 1, rng: newRand(0, 0)}
	f.root = f.newNode(fs.ModeDir | 0o755)
	return f
}

func newRand(seed, stream uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, stream)) }

// SetCapacity sets the size of the file system. What is stored stays if it is more; writes that need
// new pages then fail with ENOSPC after storing what fits.
func (f *FS) SetCapacity(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.capacity = bytes
}

// SetSeed decides what syncs that fail from now on lose. It is 0 in a new FS, and in each clone.
func (f *FS) SetSeed(seed uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rng = newRand(seed, 0)
}

// newNode makes an inode without a name. Called without the mutex.
func (f *FS) newNode(mode fs.FileMode) *node {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastID++
	n := &node{id: f.lastID, mode: mode, mtime: time.Now()}
	if mode.IsDir() {
		n.names, n.diskNames = map[string]*node{}, map[string]*node{}
		return n
	}
	n.now, n.disk = newContent(), newContent()
	return n
}

func (f *FS) nextSeq() uint64 {
	f.lastSeq++
	return f.lastSeq
}

// clean makes an absolute path of name.
func clean(name string) string { return path.Clean(rootPath + name) }

// lookup finds what name means.
func (f *FS) lookup(name string) (*node, error) {
	if name == "" {
		return nil, syscall.ENOENT
	}
	at := f.root
	for part := range strings.SplitSeq(clean(name), "/") {
		if part == "" {
			continue
		}
		if !at.isDir() {
			return nil, syscall.ENOTDIR
		}
		if at = at.names[part]; at == nil {
			return nil, syscall.ENOENT
		}
	}
	return at, nil
}

// locate finds the directory that holds, or would hold, name. The root is in none: EINVAL.
func (f *FS) locate(name string) (nameKey, error) {
	if name == "" {
		return nameKey{}, syscall.ENOENT
	}
	dirPath, base := path.Split(clean(name))
	if base == "" {
		return nameKey{}, syscall.EINVAL
	}
	dir, err := f.lookup(dirPath)
	if err != nil {
		return nameKey{}, err
	}
	if !dir.isDir() {
		return nameKey{}, syscall.ENOTDIR
	}
	return nameKey{dir, base}, nil
}

// node is what the name means now; nil for nothing.
func (k nameKey) node() *node { return k.dir.names[k.name] }

// Stat describes name; see [fsx.FS].
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.lookup(name)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return n.info(path.Base(clean(name))), nil
}

// ReadDir lists name; see [fsx.FS].
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.lookup(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	if !n.isDir() {
		return nil, &fs.PathError{Op: "readdirent", Path: name, Err: syscall.ENOTDIR}
	}
	list := make([]fs.DirEntry, 0, len(n.names))
	for base, child := range n.names {
		list = append(list, fs.FileInfoToDirEntry(child.info(base)))
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, nil
}

// Space reports the capacity and what of it is free; see [fsx.FS] and [FS.SetCapacity].
func (f *FS) Space(name string) (fsx.Space, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.lookup(name); err != nil {
		return fsx.Space{}, &fs.PathError{Op: "statfs", Path: name, Err: err}
	}
	return fsx.Space{Free: max(f.capacity-f.used, 0), Total: f.capacity}, nil
}

// SameFile compares inodes; see [fsx.FS].
func (f *FS) SameFile(a, b fs.FileInfo) bool {
	x, okX := a.(*fileInfo)
	y, okY := b.(*fileInfo)
	return okX && okY && x.node == y.node
}

// BootID changes with each power loss and reboot, not when a process is killed; see [fsx.FS].
func (f *FS) BootID() (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", f.boot), nil
}
