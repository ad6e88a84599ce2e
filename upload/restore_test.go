package upload_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/upload"
	"github.com/aofsidecar/aofsidecar/upload/filestore"
)

// backup is an archive with one timeline in it.
type backup struct {
	t      testing.TB
	dir    string
	store  upload.Store
	sealer *upload.Sealer
	h      *history
	bases  []upload.BaseKey
	segs   []upload.SegmentKey
}

func newBackup(tb testing.TB, opt upload.SealOptions) *backup {
	tb.Helper()
	b := &backup{t: tb, dir: tb.TempDir(), sealer: sealer(tb, opt), h: newHistory(11, 1000)}
	store, err := filestore.Open(b.dir)
	require.NoError(tb, err)
	b.store = store
	b.put(upload.TimelineKey(someTimeline), []byte(`{"timeline":"`+someTimeline+`","epoch":1}`))
	return b
}

func (b *backup) put(key string, body []byte) {
	b.t.Helper()
	_, err := b.store.Put(b.t.Context(), key, upload.Body{
		Size: int64(len(body)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}, upload.Condition{})
	require.NoError(b.t, err)
}

func sumOf(plain []byte) string {
	s := upload.NewSum()
	_, _ = s.Write(plain)
	return s.String()
}

// someRDB is a base with keys, at the history's position.
func someRDB(tb testing.TB, h *history, keys int, format rdb.Format, tail string) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := rdb.NewWriter(&out, format)
	require.NoError(tb, w.Aux("repl-stream-db", fmt.Sprint(h.db)))
	require.NoError(tb, w.Aux("repl-id", h.id))
	require.NoError(tb, w.Aux("repl-offset", fmt.Sprint(h.offset)))
	require.NoError(tb, w.SelectDB(0))
	for i := range keys {
		require.NoError(tb, w.Key(rdb.TypeString, rdb.Attributes{}, fmt.Appendf(nil, "base:%d", i), []byte("\x05value")))
	}
	require.NoError(tb, w.Close())
	return append(out.Bytes(), tail...)
}

// base stores a base of the present position.
func (b *backup) base(plain []byte) {
	b.t.Helper()
	k := upload.BaseKey{
		Timeline: someTimeline, Offset: b.h.offset, UnixMilli: b.h.milli, Epoch: 1, Sum: sumOf(plain),
		RESP: !bytes.HasPrefix(plain, []byte("REDIS")) && !bytes.HasPrefix(plain, []byte("VALKEY")), Zstd: b.sealer.Zstd(), Age: b.sealer.Age(),
	}
	b.put(k.String(), sealBytes(b.t, b.sealer, plain))
	b.bases = append(b.bases, k)
}

// increment makes an increment of n steps and stores it in small segments, whole, or both.
func (b *backup) increment(n int, small, whole bool) {
	b.t.Helper()
	b.h.open()
	b.h.steps(n)
	data, file := b.h.close()
	if small {
		c := upload.NewCutter(bytes.NewReader(data), file)
		for _, o := range cutAll(b.t, b.h, data, file, c, 800) {
			b.segment(o)
		}
	}
	if whole {
		b.segment(wholeObject(b.t, data, file))
	}
}

func (b *backup) segment(o object) {
	b.t.Helper()
	o.key.Zstd, o.key.Age = b.sealer.Zstd(), b.sealer.Age()
	b.put(o.key.String(), sealBytes(b.t, b.sealer, o.plain))
	b.segs = append(b.segs, o.key)
}

// someBackup has two bases, small and merged segments.
func someBackup(tb testing.TB, opt upload.SealOptions) *backup {
	tb.Helper()
	b := newBackup(tb, opt)
	b.base(someRDB(tb, b.h, 1000, rdb.Format{Version: 11}, ""))
	b.increment(60, true, true)
	b.increment(60, true, false)
	b.base(someRDB(tb, b.h, 2000, rdb.Format{Version: 11}, ""))
	b.increment(60, true, true)
	b.increment(60, true, false)
	return b
}

func (b *backup) restore(opt upload.RestoreOptions) (upload.RestoreReport, error) {
	b.t.Helper()
	return upload.Restore(b.t.Context(), b.store, opt)
}

// requireRestored checks that a log opens the directory where the report says it stands, and that it has the commands behind the base.
func (b *backup) requireRestored(dir string, rep upload.RestoreReport) {
	t := b.t
	t.Helper()
	require.NoDirExists(t, filepath.Join(dir, ".aofsidecar-restore"))
	v, err := aof.Verify(t.Context(), aof.Options{Dir: dir})
	require.NoError(t, err)
	require.Zero(t, v.Torn)
	require.Equal(t, someTimeline, v.Timeline)
	base, ok := upload.ParseBaseKey(rep.Base)
	require.True(t, ok)
	require.Len(t, v.Increments, 1)
	require.Equal(t, base.Offset, v.Increments[0].From)
	require.Equal(t, rep.Offset, v.Position.Offset)
	require.Equal(t, rep.Time, v.Increments[0].End)
	if !base.RESP {
		require.Equal(t, rep.Keys, v.Base.Keys)
	}
	data, err := os.ReadFile(filepath.Join(dir, "appendonlydir", "appendonly.aof.1.incr.aof"))
	require.NoError(t, err)
	_, commands, end := commandsOf(t, data)
	require.Equal(t, end.Position.Offset, end.Durable, "a log believes all of it after a reboot")
	requireSameCommands(t, b.h.until(base.Offset, rep.Offset), commands)

	l, err := aof.Open(t.Context(), aof.Options{Dir: dir})
	require.NoError(t, err)
	require.Equal(t, stream.Position{ReplID: v.Position.ReplID, Offset: rep.Offset}, l.Position())
	require.Equal(t, rep.ReplID, l.Position().ReplID.String())
	require.NoError(t, l.Close())
}

func TestRestoreTheNewest(t *testing.T) {
	id := identity(t)
	for name, opt := range map[string]upload.SealOptions{
		"zstd": {}, "plain": {NoCompression: true}, "encrypted": {Recipients: []age.Recipient{id.Recipient()}},
	} {
		t.Run(name, func(t *testing.T) {
			b := someBackup(t, opt)
			dir := filepath.Join(t.TempDir(), "new", "dir")
			var mu sync.Mutex
			var last upload.RestoreProgress
			rep, err := b.restore(upload.RestoreOptions{
				Dir: dir, Identities: []age.Identity{id},
				Progress: func(p upload.RestoreProgress) { mu.Lock(); last = p; mu.Unlock() },
			})
			require.NoError(t, err)
			require.Equal(t, b.h.offset, rep.Offset)
			require.Equal(t, b.h.id, rep.ReplID)
			require.Equal(t, int64(2000), rep.Keys)
			require.Equal(t, upload.RestoreProgress{Phase: upload.PhaseInstall, Bytes: rep.Bytes, Total: rep.Bytes}, last)
			require.Contains(t, rep.Settings, "appendonly yes")
			b.requireRestored(dir, rep)
			info, err := os.Stat(filepath.Join(dir, "appendonlydir"))
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o750), info.Mode().Perm())
			info, err = os.Stat(filepath.Join(dir, "appendonlydir", "appendonly.aof.1.base.rdb"))
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
		})
	}
}

func TestRestoreToAnyPlace(t *testing.T) {
	b := someBackup(t, upload.SealOptions{})
	rng := rand.New(rand.NewPCG(1, 1))
	first, begun := b.bases[0].Offset, b.bases[0].UnixMilli
	for i := range 30 {
		opt := upload.RestoreOptions{Dir: t.TempDir(), Parallelism: 1 + i%4}
		if i%2 == 0 {
			at := first + stream.Offset(rng.Int64N(int64(b.h.offset-first)+1))
			opt.Offset = &at
		} else {
			opt.Time = time.UnixMilli(begun + rng.Int64N(b.h.milli-begun+1))
		}
		rep, err := b.restore(opt)
		require.NoError(t, err)
		if opt.Offset != nil {
			require.LessOrEqual(t, rep.Offset, *opt.Offset)
			want := first
			for _, o := range b.h.boundaries(first) {
				if o <= *opt.Offset {
					want = o
				}
			}
			requireSameCommands(t, b.h.until(rep.Offset, want), nil)
		} else {
			require.False(t, rep.Time.After(opt.Time))
		}
		b.requireRestored(opt.Dir, rep)
	}
}

func TestRestoreABaseAlone(t *testing.T) {
	b := newBackup(t, upload.SealOptions{})
	b.h.steps(30)
	b.base(someRDB(t, b.h, 10, rdb.Format{Version: 11}, ""))
	dir := t.TempDir()
	rep, err := b.restore(upload.RestoreOptions{Dir: dir})
	require.NoError(t, err)
	require.Equal(t, b.h.id, rep.ReplID)
	require.Empty(t, rep.Notes)
	b.requireRestored(dir, rep)

	b.h.offset++
	b.base([]byte("#aofsidecar-base 1\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n"))
	dir = t.TempDir()
	rep, err = b.restore(upload.RestoreOptions{Dir: dir})
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("0", 40), rep.ReplID)
	require.Len(t, rep.Notes, 1)
	require.FileExists(t, filepath.Join(dir, "appendonlydir", "appendonly.aof.1.base.aof"))
	require.Equal(t, b.h.offset, rep.Offset)
	require.Contains(t, rep.Notes[0], "full resync")
}

func TestRestoreACarry(t *testing.T) {
	b := newBackup(t, upload.SealOptions{})
	b.base(someRDB(t, b.h, 10, rdb.Format{Version: 11}, "*2\r\n$6\r\nSELECT\r\n$2\r\n40\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n"))
	b.increment(20, true, false)
	dir := t.TempDir()
	rep, err := b.restore(upload.RestoreOptions{Dir: dir})
	require.NoError(t, err)
	require.Contains(t, rep.Settings, "databases 41")
	b.requireRestored(dir, rep)
}

func TestRestoreRefusesADirectoryWithContent(t *testing.T) {
	b := someBackup(t, upload.SealOptions{})
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dump.rdb"), nil, 0o600))
	_, err := b.restore(upload.RestoreOptions{Dir: dir})
	require.ErrorIs(t, err, upload.ErrTargetNotEmpty)
	require.Equal(t, []string{"dump.rdb"}, namesIn(t, dir))

	// What a mount point has, and what a killed restore left, is no content.
	dir = t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "lost+found"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, ".aofsidecar-restore", "appendonlydir", "deep"), 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".aofsidecar-restore", "base"), []byte("half"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".aofsidecar-restore", "appendonlydir", "deep", "x"), []byte("half"), 0o600))
	rep, err := b.restore(upload.RestoreOptions{Dir: dir})
	require.NoError(t, err)
	b.requireRestored(dir, rep)

	dir = t.TempDir()
	require.NoError(t, os.Symlink(t.TempDir(), filepath.Join(dir, ".aofsidecar-restore")))
	_, err = b.restore(upload.RestoreOptions{Dir: dir})
	require.ErrorIs(t, err, upload.ErrTargetNotEmpty)
}

func namesIn(tb testing.TB, dir string) []string {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(tb, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestRestoreByForce(t *testing.T) {
	b := someBackup(t, upload.SealOptions{})
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "appendonlydir"), 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "appendonlydir", "of old"), nil, 0o600))
	for _, kept := range []string{"of old", "appendonly.aof.manifest"} {
		rep, err := b.restore(upload.RestoreOptions{Dir: dir, Force: true})
		require.NoError(t, err)
		require.Equal(t, filepath.Join(dir, "appendonlydir.before-restore"), rep.Kept)
		require.FileExists(t, filepath.Join(rep.Kept, kept))
		require.NoFileExists(t, filepath.Join(dir, "appendonlydir", "of old"))
		b.requireRestored(dir, rep)
	}
	l, err := aof.Open(t.Context(), aof.Options{Dir: dir})
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	_, err = b.restore(upload.RestoreOptions{Dir: dir, Force: true})
	require.ErrorIs(t, err, upload.ErrHeld)
}

func TestRestoreDryRun(t *testing.T) {
	b := someBackup(t, upload.SealOptions{})
	dir := filepath.Join(t.TempDir(), "none")
	rep, err := b.restore(upload.RestoreOptions{Dir: dir, DryRun: true})
	require.NoError(t, err)
	require.Equal(t, b.h.offset, rep.Offset)
	require.Positive(t, rep.Bytes)
	require.NoDirExists(t, dir)
}

// countingStore counts the bytes that are asked for.
type countingStore struct {
	upload.Store
	mu    sync.Mutex
	bytes int64
	fault func(key string) error
}

func (s *countingStore) Get(ctx context.Context, key string, from, n int64) (io.ReadCloser, upload.Object, error) {
	s.mu.Lock()
	fault := s.fault
	if n > 0 {
		s.bytes += n
	}
	s.mu.Unlock()
	if fault != nil {
		if err := fault(key); err != nil {
			return nil, upload.Object{}, err
		}
	}
	return s.Store.Get(ctx, key, from, n)
}

func TestRestoreWithoutTheIdentity(t *testing.T) {
	b := newBackup(t, upload.SealOptions{Recipients: []age.Recipient{identity(t).Recipient()}, NoCompression: true})
	b.base(someRDB(t, b.h, 200_000, rdb.Format{Version: 11}, ""))
	for given, ids := range [][]age.Identity{nil, {identity(t)}} {
		store := &countingStore{Store: b.store}
		dir := filepath.Join(t.TempDir(), "none")
		_, err := upload.Restore(t.Context(), store, upload.RestoreOptions{Dir: dir, Identities: ids})
		var missing *upload.IdentityError
		require.ErrorAs(t, err, &missing)
		require.Equal(t, given, missing.Given)
		require.NoDirExists(t, dir)
		require.Less(t, store.bytes, int64(1<<20), "only the begin was read")
	}
}

func TestRestoreForAnEngine(t *testing.T) {
	for _, tc := range []struct {
		format rdb.Format
		engine string
		loads  bool
	}{
		{rdb.Format{Version: 11}, "redis-7.2.4", true},
		{rdb.Format{Version: 12}, "redis 7.2", false},
		{rdb.Format{Version: 11}, "valkey:9.0", true},
		{rdb.Format{Version: 12}, "valkey:9.0", false},
		{rdb.Format{Dialect: rdb.Valkey, Version: 80}, "redis-8.0", false},
		{rdb.Format{Dialect: rdb.Valkey, Version: 80}, "valkey-9.1", true},
		{rdb.Format{Dialect: rdb.Valkey, Version: 80}, "valkey-8.1", false},
		{rdb.Format{Version: 10}, "redis-6.2", false},
	} {
		b := newBackup(t, upload.SealOptions{})
		b.base(someRDB(t, b.h, 10, tc.format, ""))
		engine, err := upload.ParseEngine(tc.engine)
		require.NoError(t, err)
		dir := filepath.Join(t.TempDir(), "none")
		rep, err := b.restore(upload.RestoreOptions{Dir: dir, Engine: engine})
		if tc.loads {
			require.NoError(t, err)
			b.requireRestored(dir, rep)
			continue
		}
		var cannot *upload.EngineError
		require.ErrorAs(t, err, &cannot, "%v on %s", tc.format, tc.engine)
		require.NoDirExists(t, dir)
	}
	for _, bad := range []string{"", "redis", "memcached 1.6", "redis-x"} {
		_, err := upload.ParseEngine(bad)
		require.Error(t, err)
	}
}

func TestRestoreNeedsSpace(t *testing.T) {
	b := someBackup(t, upload.SealOptions{})
	dir := filepath.Join(t.TempDir(), "none")
	_, err := b.restore(upload.RestoreOptions{Dir: dir, FS: smallDisk{}})
	var full *upload.SpaceError
	require.ErrorAs(t, err, &full)
	require.Greater(t, full.Need, full.Free)
	require.NoDirExists(t, dir)
}

type smallDisk struct{ fsx.OS }

func (smallDisk) Space(string) (fsx.Space, error) {
	return fsx.Space{Free: 10 << 20, Total: 1 << 30}, nil
}

func TestRestoreFolds(t *testing.T) {
	b := someBackup(t, upload.SealOptions{})
	for _, format := range []upload.Format{upload.FormatRDB, upload.FormatRESP} {
		dir := t.TempDir()
		rep, err := b.restore(upload.RestoreOptions{
			Dir: dir, Format: format,
			Fold: func(_ context.Context, base, incr upload.FoldFile, got upload.Format, out io.Writer) error {
				require.Equal(t, format, got)
				for _, f := range []upload.FoldFile{base, incr} {
					if _, err := io.Copy(out, io.NewSectionReader(f.R, 0, f.Size)); err != nil {
						return err
					}
				}
				return nil
			},
		})
		require.NoError(t, err)
		require.Equal(t, []string{filepath.Base(rep.Path)}, namesIn(t, dir))
		info, err := os.Stat(rep.Path)
		require.NoError(t, err)
		require.Positive(t, info.Size())

		_, err = b.restore(upload.RestoreOptions{
			Dir: t.TempDir(), Format: format,
			Fold: func(context.Context, upload.FoldFile, upload.FoldFile, upload.Format, io.Writer) error {
				return &upload.EngineError{What: "it carries commands"}
			},
		})
		var cannot *upload.EngineError
		require.ErrorAs(t, err, &cannot)
	}
}
