package upload_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/upload"
)

// TestRestoreFindsDamage: whatever is wrong with whichever object, it is named and the directory stays as it is.
func TestRestoreFindsDamage(t *testing.T) {
	for name, harm := range map[string]func(p, other []byte) []byte{
		"cut":       func(p, _ []byte) []byte { return p[:len(p)/2] },
		"empty":     func([]byte, []byte) []byte { return nil },
		"bit":       func(p, _ []byte) []byte { p[len(p)/2] ^= 1; return p },
		"longer":    func(p, _ []byte) []byte { return append(p, "tail"...) },
		"exchanged": func(_, other []byte) []byte { return other },
	} {
		for _, opt := range []upload.SealOptions{{}, {NoCompression: true}} {
			t.Run(fmt.Sprint(name, opt.NoCompression), func(t *testing.T) {
				b := someBackup(t, opt)
				dry, err := b.restore(upload.RestoreOptions{Dir: filepath.Join(t.TempDir(), "none"), DryRun: true})
				require.NoError(t, err)
				keys := []string{dry.Base}
				for _, k := range b.segs {
					if k.From >= b.bases[1].Offset {
						keys = append(keys, k.String())
					}
				}
				found := 0
				for i, key := range keys {
					if i%7 > 1 {
						continue
					}
					path := filepath.Join(b.dir, filepath.FromSlash(key))
					good, err := os.ReadFile(path)
					require.NoError(t, err)
					other, err := os.ReadFile(filepath.Join(b.dir, filepath.FromSlash(b.segs[0].String())))
					require.NoError(t, err)
					require.NoError(t, os.Chmod(path, 0o600))
					require.NoError(t, os.WriteFile(path, harm(bytes.Clone(good), other), 0o600))
					dir := t.TempDir()
					_, err = b.restore(upload.RestoreOptions{Dir: dir})
					if err != nil {
						var damaged *upload.DamagedError
						require.ErrorAs(t, err, &damaged, key)
						require.Equal(t, key, damaged.Key)
						require.Empty(t, namesIn(t, dir))
						found++
					}
					require.NoError(t, os.WriteFile(path, good, 0o600))
				}
				require.Greater(t, found, 2, "objects that the plan reads")
			})
		}
	}
}

func TestRestoreListsAgain(t *testing.T) {
	b := someBackup(t, upload.SealOptions{})
	// The merged segment covers what the small ones do; a plan that reads it finds that it has gone.
	var merged upload.SegmentKey
	for _, k := range b.segs {
		if k.From == b.bases[1].Offset && k.To > merged.To {
			merged = k
		}
	}
	store := &countingStore{Store: b.store}
	seen := 0
	store.fault = func(key string) error {
		if key != merged.String() {
			return nil
		}
		if seen++; seen == 2 { // behind the preview
			return errors.Join(&upload.StoreError{Op: "get", Key: key, Err: upload.ErrNotFound}, b.store.Delete(t.Context(), key))
		}
		return nil
	}
	dir := t.TempDir()
	rep, err := upload.Restore(t.Context(), store, upload.RestoreOptions{Dir: dir})
	require.NoError(t, err)
	require.NotEmpty(t, rep.Notes)
	require.Equal(t, b.h.offset, rep.Offset)
	b.requireRestored(dir, rep)

	gone := b.bases[1].String()
	store.fault = func(key string) error {
		if key == gone {
			return &upload.StoreError{Op: "get", Key: key, Err: upload.ErrNotFound}
		}
		return nil
	}
	dir = t.TempDir()
	_, err = upload.Restore(t.Context(), store, upload.RestoreOptions{Dir: dir})
	require.ErrorIs(t, err, upload.ErrNotFound, "it stays in the list")
	require.Empty(t, namesIn(t, dir))
}

// TestRestoreSaysThatTheEndIsGone: names cannot tell that the last objects are missing. The lease can.
func TestRestoreSaysThatTheEndIsGone(t *testing.T) {
	b := someBackup(t, upload.SealOptions{})
	lease := func(offset stream.Offset) {
		text, err := json.Marshal(upload.LeaseRecord{Epoch: 1, Timeline: someTimeline, Offset: offset})
		require.NoError(t, err)
		b.put(upload.LeaseKey(), text)
	}
	lease(b.h.offset)
	rep, err := b.restore(upload.RestoreOptions{Dir: t.TempDir()})
	require.NoError(t, err)
	require.Empty(t, rep.Notes)
	lease(b.h.offset + 1)
	rep, err = b.restore(upload.RestoreOptions{Dir: t.TempDir()})
	require.NoError(t, err)
	require.Len(t, rep.Notes, 1)
	require.Contains(t, rep.Notes[0], "was stored once")
	at := b.h.offset
	rep, err = b.restore(upload.RestoreOptions{Dir: t.TempDir(), Target: upload.Target{Offset: &at}})
	require.NoError(t, err)
	require.Empty(t, rep.Notes, "the end was not asked for")
}

// hostileStore lists names that lead elsewhere.
type hostileStore struct{ upload.Store }

func (s hostileStore) List(ctx context.Context, prefix, after string) iter.Seq2[upload.Object, error] {
	return func(yield func(upload.Object, error) bool) {
		for obj, err := range s.Store.List(ctx, prefix, after) {
			if !yield(obj, err) {
				return
			}
			for _, from := range []string{"timelines/" + someTimeline, "/base/", "/incr/"} {
				bad := strings.Replace(obj.Key, from, from+"/../../../../escaped/", 1)
				if bad != obj.Key && !yield(upload.Object{Key: bad, Size: obj.Size}, nil) {
					return
				}
			}
		}
	}
}

func TestRestoreIgnoresNamesThatLeave(t *testing.T) {
	b := someBackup(t, upload.SealOptions{})
	outer := t.TempDir()
	dir := filepath.Join(outer, "a", "b")
	rep, err := upload.Restore(t.Context(), hostileStore{b.store}, upload.RestoreOptions{Dir: dir})
	require.NoError(t, err)
	b.requireRestored(dir, rep)
	require.Equal(t, []string{"a"}, namesIn(t, outer))
	for _, bad := range []upload.RestoreOptions{
		{Dir: dir, Target: upload.Target{Timeline: "../x"}},
		{Dir: dir, DirName: "../x"},
		{Dir: dir, FileName: "a/b"},
		{Dir: dir, DirName: ".."},
		{},
		{Dir: dir, Format: "zip"},
		{Dir: dir, Format: upload.FormatRDB},
		{Dir: dir, Parallelism: -1},
	} {
		_, err := b.restore(bad)
		require.Error(t, err)
	}
}

func TestRestoreEndsWithItsContext(t *testing.T) {
	b := someBackup(t, upload.SealOptions{})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("a signal")
	store := &countingStore{Store: b.store}
	store.fault = func(key string) error {
		if key == b.segs[len(b.segs)-2].String() {
			cancel(why)
		}
		return nil
	}
	dir := t.TempDir()
	_, err := upload.Restore(ctx, store, upload.RestoreOptions{Dir: dir, Parallelism: 2})
	require.ErrorIs(t, err, why)
	require.Empty(t, namesIn(t, dir))
}

func TestRestoreOfALargeObject(t *testing.T) {
	b := newBackup(t, upload.SealOptions{NoCompression: true})
	b.base(someRDB(t, b.h, 600_000, rdb.Format{Version: 11}, ""))
	b.increment(20, true, false)
	for _, parallelism := range []int{1, 3} {
		dir := t.TempDir()
		rep, err := b.restore(upload.RestoreOptions{Dir: dir, Parallelism: parallelism})
		require.NoError(t, err)
		require.Greater(t, rep.Bytes, int64(8<<20), "several parts")
		b.requireRestored(dir, rep)
	}
}

// A connection that broke may say EOF, wrapped: that is no end, also where commands could end there.
func TestRestoreTakesABrokenReadForNoEnd(t *testing.T) {
	for _, broken := range []error{fmt.Errorf("read: %w", io.EOF), fmt.Errorf("read: %w", io.ErrUnexpectedEOF), io.ErrUnexpectedEOF} {
		b := newBackup(t, upload.SealOptions{NoCompression: true})
		command := "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n"
		b.base([]byte("#aofsidecar-base 1\r\n" + command + command))
		b.increment(5, false, true)
		for _, key := range []string{b.bases[0].String(), b.segs[0].String()} {
			dir := t.TempDir()
			_, err := upload.Restore(t.Context(), cutStore{b.store, key, broken}, upload.RestoreOptions{Dir: dir})
			require.ErrorIs(t, err, broken)
			require.Empty(t, namesIn(t, dir))
			rep, err := upload.VerifyArchive(t.Context(), cutStore{b.store, key, broken}, upload.VerifyOptions{Level: upload.VerifyDeep})
			require.ErrorIs(t, err, broken)
			require.Empty(t, rep.Damaged)
		}
	}
}

// cutStore ends reads of one object too early, before the last command.
type cutStore struct {
	upload.Store
	key string
	err error
}

func (s cutStore) Get(ctx context.Context, key string, from, n int64) (io.ReadCloser, upload.Object, error) {
	r, obj, err := s.Store.Get(ctx, key, from, n)
	if err != nil || key != s.key {
		return r, obj, err
	}
	const last = len("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n")
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(r, obj.Size-int64(last)), iotest.ErrReader(s.err)), r}, obj, nil
}
