package fsxmount

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
)

const device = "/dev/fuse"

// Options change how a [Mount] behaves. The zero value is a file system that keeps its promises.
type Options struct {
	// IgnoreSyncData makes fdatasync(2) answer success and do nothing, as a disk does that lies about its cache.
	IgnoreSyncData bool
}

// Mount is a file system of package fsxtest at a directory of the machine.
type Mount struct {
	fs      *fsxtest.FS
	dir     string
	options Options
	server  *fuse.Server

	mu    sync.Mutex
	image *fsxtest.FS // what the power cut left; nil before
	cut   chan struct{}
}

// Start mounts fsys at dir, an empty directory. It needs to open /dev/fuse, and to mount: as root with
// CAP_SYS_ADMIN, or by fusermount3; the error says what to do. The caller closes it, and removes the hooks of fsys before.
func Start(fsys *fsxtest.FS, dir string, options Options) (*Mount, error) {
	probe, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("mount a file system that loses power: %w\n"+
			"Try: modprobe fuse; in a container: docker run --device %s --cap-add SYS_ADMIN, or leave these tests out, as make test does", err, device)
	}
	if err := probe.Close(); err != nil {
		return nil, fmt.Errorf("close %s: %w", device, err)
	}
	m := &Mount{fs: fsys, dir: dir, options: options, cut: make(chan struct{})}
	m.server, err = fs.Mount(dir, &node{mount: m}, &fs.Options{
		MountOptions: fuse.MountOptions{
			DirectMount: true, FsName: "fsxtest", Name: "fsxtest", DisableXAttrs: true, DisableReadDirPlus: true,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("mount a file system that loses power: %w\n"+
			"Try: as root with CAP_SYS_ADMIN, or apt-get install fuse3", err)
	}
	return m, nil
}

// PowerCut takes what crash leaves, once: a later call returns the first one's image. From now on every call fails with EIO.
func (m *Mount) PowerCut(crash fsxtest.Crash) *fsxtest.FS {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.image == nil {
		// Calls look for the cut when they are done: one that takes effect behind this, or beside it, fails.
		close(m.cut)
		m.image = m.fs.CrashClone(crash)
	}
	return m.image
}

// CutAt makes a power cut at the n-th point, as [fsxtest.FS.OnOp] counts them: behind an operation, or in the middle of a
// write. They are counted from now on or, where after is not 0, from the next operation of that kind, which is the first. [Mount.Cut] tells when it came.
func (m *Mount) CutAt(after fsxtest.Kind, n int, crash fsxtest.Crash) {
	var mu sync.Mutex
	m.fs.OnOp(func(_ int, op fsxtest.Op) {
		mu.Lock()
		defer mu.Unlock()
		if after != 0 && op.Kind != after {
			return
		}
		after = 0
		if n--; n <= 0 {
			m.PowerCut(crash)
		}
	})
}

// Cut is closed by the power cut.
func (m *Mount) Cut() <-chan struct{} { return m.cut }

// Close unmounts, also where a process still has files open, which then get errors. It returns when all calls are answered.
func (m *Mount) Close() error {
	m.fs.OnOp(nil)
	err := unix.Unmount(m.dir, unix.MNT_DETACH)
	if errors.Is(err, unix.EPERM) {
		err = m.server.Unmount()
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", m.dir, err)
	}
	m.server.Wait()
	return nil
}
