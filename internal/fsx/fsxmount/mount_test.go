package fsxmount_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxmount"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, fsys *fsxtest.FS, options fsxmount.Options) (*fsxmount.Mount, string) {
	t.Helper()
	dir := t.TempDir()
	mount, err := fsxmount.Start(fsys, dir, options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, mount.Close()) })
	return mount, dir
}

func write(t *testing.T, name, data string) *os.File {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	_, err = f.WriteString(data)
	require.NoError(t, err)
	return f
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if os.IsNotExist(err) {
		return "missing"
	}
	require.NoError(t, err)
	return string(data)
}

// What is mounted behaves as the machine's own file systems do.
func TestMountConforms(t *testing.T) {
	_, dir := start(t, fsxtest.New(), fsxmount.Options{})
	started := 0
	fsxtest.Conformance(t, func() (fsx.FS, string) {
		started++
		root := filepath.Join(dir, strconv.Itoa(started))
		require.NoError(t, os.Mkdir(root, 0o750))
		return fsx.OS{}, root
	})
}

func TestMountKeepsWhatWasSynced(t *testing.T) {
	mount, dir := start(t, fsxtest.New(), fsxmount.Options{})
	synced := write(t, filepath.Join(dir, "synced"), "one")
	require.NoError(t, fsx.OS{}.SyncDir(dir))
	require.NoError(t, synced.Sync())
	require.NoError(t, os.Link(synced.Name(), filepath.Join(dir, "link")))
	require.NoError(t, os.Rename(synced.Name(), filepath.Join(dir, "renamed")))
	_, err := synced.WriteString(" two")
	require.NoError(t, err)
	unnamed := write(t, filepath.Join(dir, "unnamed"), "lost")
	require.NoError(t, unnamed.Sync())
	require.Equal(t, "one two", read(t, dir, "link"))

	image := mount.PowerCut(fsxtest.PowerLossAll{})
	_, err = synced.WriteString("later")
	require.ErrorIs(t, err, syscall.EIO)
	require.ErrorIs(t, synced.Sync(), syscall.EIO)
	_, err = os.Stat(filepath.Join(dir, "synced"))
	require.ErrorIs(t, err, syscall.EIO)
	require.Same(t, image, mount.PowerCut(fsxtest.Reboot{}))

	_, after := start(t, image, fsxmount.Options{})
	require.Equal(t, "one", read(t, after, "synced"))
	for _, name := range []string{"link", "renamed", "unnamed"} {
		require.Equal(t, "missing", read(t, after, name))
	}
}

// A sync that is under way when the power goes does not answer success, whether or not it got through.
func TestMountCutWithinASync(t *testing.T) {
	fsys := fsxtest.New()
	mount, dir := start(t, fsys, fsxmount.Options{})
	f := write(t, filepath.Join(dir, "file"), "data")
	require.NoError(t, fsx.OS{}.SyncDir(dir))
	images := make(chan *fsxtest.FS, 1)
	fsys.DuringSync(func(fsxtest.Op) { images <- mount.PowerCut(fsxtest.PowerLossAll{}) })
	require.ErrorIs(t, f.Sync(), syscall.EIO)
	fsys.DuringSync(nil)
	_, after := start(t, <-images, fsxmount.Options{})
	require.Empty(t, read(t, after, "file"))
}

// A cut falls within a write, and the file is there as far as that had come.
func TestMountCutAtAnOperation(t *testing.T) {
	fsys := fsxtest.New()
	mount, dir := start(t, fsys, fsxmount.Options{})
	f := write(t, filepath.Join(dir, "file"), "data")
	mount.CutAt(0, 1, fsxtest.Reboot{})
	_, err := f.WriteString("half")
	require.ErrorIs(t, err, syscall.EIO)
	<-mount.Cut()
	_, after := start(t, mount.PowerCut(fsxtest.Reboot{}), fsxmount.Options{})
	require.Equal(t, "dataha", read(t, after, "file"))
}

func TestMountCutBehindAKindOfOperation(t *testing.T) {
	mount, dir := start(t, fsxtest.New(), fsxmount.Options{})
	f := write(t, filepath.Join(dir, "file"), "data")
	mount.CutAt(fsxtest.Rename, 2, fsxtest.Reboot{})
	_, err := f.WriteString(" more")
	require.NoError(t, err)
	require.NoError(t, os.Rename(f.Name(), filepath.Join(dir, "renamed")))
	require.ErrorIs(t, os.Remove(filepath.Join(dir, "renamed")), syscall.EIO)
	<-mount.Cut()
	_, after := start(t, mount.PowerCut(fsxtest.Reboot{}), fsxmount.Options{})
	require.Equal(t, "missing", read(t, after, "renamed"))
}

func TestMountOfAFileWithoutAName(t *testing.T) {
	_, dir := start(t, fsxtest.New(), fsxmount.Options{})
	f := write(t, filepath.Join(dir, "file"), "data")
	require.NoError(t, os.Remove(f.Name()))
	info, err := f.Stat()
	require.NoError(t, err)
	require.EqualValues(t, 4, info.Size())
	require.NoError(t, f.Truncate(2))
	got := make([]byte, 2)
	_, err = f.ReadAt(got, 0)
	require.NoError(t, err)
	require.Equal(t, "da", string(got))
}

func TestMountIgnoresSyncData(t *testing.T) {
	mount, dir := start(t, fsxtest.New(), fsxmount.Options{IgnoreSyncData: true})
	f := write(t, filepath.Join(dir, "file"), "synced")
	require.NoError(t, fsx.OS{}.SyncDir(dir))
	require.NoError(t, f.Sync())
	_, err := f.WriteString(" and not")
	require.NoError(t, err)
	require.NoError(t, syscall.Fdatasync(int(f.Fd())))
	_, after := start(t, mount.PowerCut(fsxtest.PowerLossAll{}), fsxmount.Options{})
	require.Equal(t, "synced", read(t, after, "file"))
}

func TestMountRefusesWhatIsNotModelled(t *testing.T) {
	_, dir := start(t, fsxtest.New(), fsxmount.Options{})
	name := filepath.Join(dir, "file")
	write(t, name, "data")
	require.ErrorIs(t, os.Chmod(name, 0o600), syscall.ENOTSUP)
	require.ErrorIs(t, os.Symlink(name, name+"2"), syscall.ENOTSUP)
	_, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	require.ErrorIs(t, err, syscall.EINVAL)
}

// Who has looked a file up and opens it when another one has taken its name is told to look again, which the kernel does where it was asked for a name. He was shown the root.
func TestMountOfAFileThatLostItsName(t *testing.T) {
	_, dir := start(t, fsxtest.New(), fsxmount.Options{})
	name := filepath.Join(dir, "file")
	require.NoError(t, write(t, name, "one").Close())
	seen, err := unix.Open(name, unix.O_PATH, 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, unix.Close(seen)) })
	require.NoError(t, write(t, name+".new", "two").Close())
	require.NoError(t, os.Rename(name+".new", name))
	_, err = os.Open(fmt.Sprintf("/proc/self/fd/%d", seen))
	require.ErrorIs(t, err, syscall.ESTALE)
	require.Equal(t, "two", read(t, dir, "file"))
}
