package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/upload"
	"github.com/aofsidecar/aofsidecar/upload/storetest"
)

// childEnv makes the test binary a second process that puts what it is told.
const childEnv = "FILESTORE_TEST_PUT"

func TestMain(m *testing.M) {
	if args := os.Getenv(childEnv); args != "" {
		_, _ = fmt.Fprintln(os.Stdout, child(strings.Split(args, "\n")))
		return
	}
	goleak.VerifyTestMain(m)
}

// child adds its pid to what is under a key again and again, if what is there is what it has read, as a holder of a lease does, and says how often it won; -1: an error.
func child(args []string) int {
	store, err := Open(args[0])
	won := 0
	for range 50 {
		if err != nil {
			break
		}
		err = addLine(store, args[1])
		if err == nil {
			won++
		}
		if errors.Is(err, upload.ErrChanged) {
			err = nil
		}
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return -1
	}
	return won
}

func addLine(store *Store, key string) error {
	body, object, err := store.Get(contextOf(), key, 0, -1)
	if err != nil {
		return err
	}
	lines, err := io.ReadAll(body)
	if err = errors.Join(err, body.Close()); err != nil {
		return err
	}
	next := fmt.Sprintf("%s%d\n", lines, os.Getpid())
	_, err = store.Put(contextOf(), key, storetest.Body([]byte(next)), upload.Condition{ETag: object.ETag})
	return err
}

func open(t *testing.T) *Store {
	t.Helper()
	store, err := Create(filepath.Join(t.TempDir(), "archive"))
	require.NoError(t, err)
	return store
}

func leftovers(t *testing.T, store upload.Store) int {
	t.Helper()
	n := 0
	s, ok := store.(*Store)
	require.True(t, ok)
	require.NoError(t, filepath.WalkDir(s.dir, func(_ string, d fs.DirEntry, err error) error {
		if strings.HasPrefix(d.Name(), tempPrefix) {
			n++
		}
		return err
	}))
	return n
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) upload.Store {
		t.Helper()
		return open(t)
	}, storetest.Options{
		Large: 8 << 20, Leftovers: leftovers,
		Orphan: func(t *testing.T, store upload.Store, key string) {
			t.Helper()
			s, ok := store.(*Store)
			require.True(t, ok)
			name := filepath.Join(s.dir, filepath.Dir(key), tempPrefix+"orphan")
			require.NoError(t, os.MkdirAll(filepath.Dir(name), dirPerm))
			require.NoError(t, os.WriteFile(name, []byte("half"), filePerm))
		},
	})
}

// inMemory is a store on a file system that can crash.
func inMemory(fsys *fsxtest.FS) *Store {
	return newStore("/archive", func() (volume, error) {
		return volume{FS: fsys, base: "/archive", close: func() error { return nil }}, nil
	})
}

func TestConformanceInMemory(t *testing.T) {
	storetest.Run(t, func(t *testing.T) upload.Store {
		t.Helper()
		fsys := fsxtest.New()
		require.NoError(t, fsys.MkdirAll("/archive", dirPerm))
		return inMemory(fsys)
	}, storetest.Options{Large: 2 << 20})
}

// Two processes that hold the same ETag never both win: nothing of what the winners wrote is lost.
func TestConditionsHoldBetweenProcesses(t *testing.T) {
	store := open(t)
	_, err := store.Put(t.Context(), "lease", storetest.Body(nil), upload.Condition{Absent: true})
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	const processes = 4
	var outputs [processes]bytes.Buffer
	var children [processes]*exec.Cmd
	for i := range children {
		children[i] = exec.CommandContext(t.Context(), self)
		children[i].Env = append(os.Environ(), childEnv+"="+store.dir+"\nlease")
		children[i].Stdout, children[i].Stderr = &outputs[i], os.Stderr
		require.NoError(t, children[i].Start())
	}
	total := 0
	for i := range children {
		require.NoError(t, children[i].Wait())
		won := 0
		_, err := fmt.Sscan(outputs[i].String(), &won)
		require.NoError(t, err)
		require.GreaterOrEqual(t, won, 0)
		total += won
	}
	require.Equal(t, total, strings.Count(read(t, store, "lease"), "\n"))
	require.GreaterOrEqual(t, total, 50) // somebody always wins
	require.Zero(t, leftovers(t, store))
}

func read(t *testing.T, store *Store, key string) string {
	t.Helper()
	body, _, err := store.Get(t.Context(), key, 0, -1)
	require.NoError(t, err)
	data, err := io.ReadAll(body)
	require.NoError(t, err)
	require.NoError(t, body.Close())
	return string(data)
}

// At every operation of every kind of Put and of Delete a crash leaves whole objects, the old or the new one, and after the return the new one.
func TestCrashLeavesWholeObjects(t *testing.T) {
	const old, young = "old content", "new content, which is longer"
	steps := map[string]struct {
		before, after []string
		do            func(s *Store) error
	}{
		"absent":  {[]string{""}, []string{young}, func(s *Store) error { return put(s, "d/new", young, upload.Condition{Absent: true}) }},
		"replace": {[]string{old}, []string{young}, func(s *Store) error { return put(s, "d/old", young, upload.Condition{}) }},
		"delete":  {[]string{old}, []string{""}, func(s *Store) error { return s.Delete(contextOf(), "d/old") }},
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			fsys := fsxtest.New()
			require.NoError(t, fsys.MkdirAll("/archive", dirPerm))
			require.NoError(t, fsys.SyncDir("/"))
			require.NoError(t, put(inMemory(fsys), "d/old", old, upload.Condition{}))
			key := "d/old"
			if name == "absent" {
				key = "d/new"
			}
			look := func(allowed ...string) func(string) {
				return func(at string) {
					for seed := range uint64(10) {
						for _, crash := range fsxtest.Crashes(seed) {
							clone := fsys.CrashClone(crash)
							require.Contains(t, allowed, content(t, inMemory(clone), key), "%s %v\n%s", at, crash, clone.Dump())
							startAgain(t, clone)
						}
					}
				}
			}
			during := look(append(step.before, step.after...)...)
			fsys.OnOp(func(_ int, op fsxtest.Op) { during(op.String()) })
			require.NoError(t, step.do(inMemory(fsys)))
			fsys.OnOp(nil)
			look(step.after...)("after")
		})
	}
}

// startAgain does what the next process does.
func startAgain(t *testing.T, fsys *fsxtest.FS) {
	t.Helper()
	s := inMemory(fsys)
	_, err := s.Sweep(t.Context(), "", time.Now().Add(time.Hour))
	require.NoError(t, err)
	requireNoTemp(t, fsys)
	require.NoError(t, put(s, "d/next", "next", upload.Condition{Absent: true}))
}

func requireNoTemp(t *testing.T, fsys *fsxtest.FS) {
	t.Helper()
	for _, dir := range []string{"/archive", "/archive/d"} {
		entries, err := fsys.ReadDir(dir)
		require.NoError(t, err)
		for _, entry := range entries {
			require.NotContains(t, entry.Name(), tempPrefix)
		}
	}
}

func content(t *testing.T, s *Store, key string) string {
	t.Helper()
	body, _, err := s.Get(t.Context(), key, 0, -1)
	if errors.Is(err, upload.ErrNotFound) {
		return ""
	}
	require.NoError(t, err)
	data, err := io.ReadAll(body)
	require.NoError(t, err)
	require.NoError(t, body.Close())
	return string(data)
}

// Whatever step fails, the error says so and whether to try again, and nothing is left of the attempt.
func TestPutWhenAStepFails(t *testing.T) {
	for _, kind := range []fsxtest.Kind{fsxtest.Create, fsxtest.Write, fsxtest.Sync, fsxtest.Link} {
		t.Run(kind.String(), func(t *testing.T) {
			fsys := fsxtest.New()
			require.NoError(t, fsys.MkdirAll("/archive/d", dirPerm))
			fsys.FailOp(func(op fsxtest.Op) error {
				if op.Kind == kind {
					return &fsxtest.ShortWriteError{N: 1, Err: syscall.ENOSPC}
				}
				return nil
			})
			err := put(inMemory(fsys), "d/a", "content", upload.Condition{Absent: true})
			require.ErrorIs(t, err, syscall.ENOSPC)
			var failure *upload.StoreError
			require.ErrorAs(t, err, &failure)
			require.True(t, failure.Temporary)
			require.Equal(t, "ENOSPC", failure.Code)
			fsys.FailOp(nil)
			requireNoTemp(t, fsys)
			require.NoError(t, put(inMemory(fsys), "d/a", "content", upload.Condition{Absent: true}))
		})
	}
}

// Where there are no hard links, the lock decides.
func TestAbsentWithoutHardLinks(t *testing.T) {
	fsys := fsxtest.New()
	require.NoError(t, fsys.MkdirAll("/archive", dirPerm))
	fsys.FailOp(func(op fsxtest.Op) error {
		if op.Kind == fsxtest.Link {
			return syscall.EPERM
		}
		return nil
	})
	store := inMemory(fsys)
	require.NoError(t, put(store, "a", "first", upload.Condition{Absent: true}))
	require.ErrorIs(t, put(store, "a", "second", upload.Condition{Absent: true}), upload.ErrExists)
	require.Equal(t, "first", content(t, store, "a"))
	require.NoError(t, upload.Conditional(t.Context(), store, "probe"))
}

func TestLinksDoNotLeadOut(t *testing.T) {
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), filePerm))
	store := open(t)
	require.NoError(t, os.Symlink(outside, filepath.Join(store.dir, "way")))
	require.NoError(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(store.dir, "file")))
	for _, key := range []string{"way/secret", "file"} {
		_, _, err := store.Get(t.Context(), key, 0, -1)
		require.Error(t, err)
		require.Error(t, put(store, key, "overwritten", upload.Condition{ETag: "x"}))
		require.Error(t, put(store, "way/new", "new", upload.Condition{}))
	}
	require.Error(t, store.Delete(t.Context(), "way/secret"))
	for object, err := range store.List(t.Context(), "", "") {
		require.NoError(t, err)
		require.Empty(t, object)
	}
	secret, err := os.ReadFile(filepath.Join(outside, "secret"))
	require.NoError(t, err)
	require.Equal(t, "secret", string(secret))
	entries, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

// What a Put that hangs has written is not swept as long as it writes.
func TestSweepLeavesWhatIsNew(t *testing.T) {
	store := open(t)
	name := filepath.Join(store.dir, tempPrefix+"x")
	require.NoError(t, os.WriteFile(name, nil, filePerm))
	n, err := store.Sweep(t.Context(), "", time.Now().Add(-time.Minute))
	require.NoError(t, err)
	require.Zero(t, n)
	require.NoError(t, os.Chtimes(name, time.Now(), time.Now().Add(-time.Hour)))
	n, err = store.Sweep(t.Context(), "a/", time.Now().Add(-time.Minute))
	require.NoError(t, err)
	require.Zero(t, n, "it is of no key below a/")
	n, err = store.Sweep(t.Context(), "lease.json", time.Now().Add(-time.Minute))
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

// A directory that has gone is said so, and is not made again under a mount point.
func TestRootHasGone(t *testing.T) {
	store := open(t)
	require.NoError(t, os.RemoveAll(store.dir))
	err := put(store, "a", "x", upload.Condition{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NotErrorIs(t, err, upload.ErrNotFound)
	var failure *upload.StoreError
	require.ErrorAs(t, err, &failure)
	require.True(t, failure.Temporary)
	_, err = os.Stat(store.dir)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Open(store.dir)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestObjectInTheWayOfADirectory(t *testing.T) {
	store := open(t)
	require.NoError(t, put(store, "a", "x", upload.Condition{}))
	err := put(store, "a/b", "x", upload.Condition{})
	var failure *upload.StoreError
	require.ErrorAs(t, err, &failure)
	require.False(t, failure.Temporary)
	require.Equal(t, "ENOTDIR", failure.Code)
}

// contextOf is for what runs outside of a test.
func contextOf() context.Context { return context.Background() }

func put(s *Store, key, data string, cond upload.Condition) error {
	_, err := s.Put(contextOf(), key, storetest.Body([]byte(data)), cond)
	return err
}
