package aof

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

func openLog(t *testing.T, opt Options) *Log {
	t.Helper()
	l, err := Open(t.Context(), opt)
	require.NoError(t, err)
	return l
}

// resync gives the log a base at the start of h.
func resync(t *testing.T, l *Log, h *history, keys int) {
	t.Helper()
	h.keys = keys
	_, err := l.FullResync(t.Context(), stream.Snapshot{Position: stream.Position{ReplID: h.id, Offset: h.start}, Bytes: -1},
		bytes.NewReader(testRDB(keys)))
	require.NoError(t, err)
}

// streamBytes returns what the increments of a directory hold of the stream: everything but what is ours, up to what a crash left
// of unsynced bytes.
func streamBytes(t require.TestingT, fsys fsx.FS, y layout) []byte {
	man, _, err := readManifest(fsys, y)
	require.NoError(t, err)
	var out []byte
	for _, info := range man.incrs {
		data, err := readFile(fsys, y.path(info.name), 1<<30)
		require.NoError(t, err)
		out = appendStream(out, data)
	}
	return out
}

// appendStream appends what an increment holds of the stream.
func appendStream(out, data []byte) []byte {
	sc := resp.Scanner{AllowAnnotations: true}
	for i := 0; len(data) > 0; i++ {
		n, done, err := sc.Next(data)
		if err != nil || !done {
			break
		}
		_, ours := stream.ParseMark(sc.Arg(1))
		if ours = ours && sc.Kind() == resp.Ping && sc.Args() == 2; i >= 2 && !ours && sc.Kind() != resp.Annotation {
			out = append(out, data[:n]...)
		}
		data = data[n:]
	}
	return out
}

func TestLogHoldsTheStream(t *testing.T) {
	for _, policy := range []Policy{FsyncAlways, FsyncEverySec, FsyncNo} {
		t.Run(string(policy), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			h := &history{id: replID(t, "a1"), start: 1000}
			h.grow(rng, 3000)
			opt := Options{Dir: t.TempDir(), Fsync: policy, IncrementBytes: 20_000, Timestamps: true}
			l := openLog(t, opt)
			resync(t, l, h, 10)
			require.NoError(t, feeder{h: h, rng: rng}.feed(t.Context(), l, h.start, h.end()))
			end, _ := h.boundary(h.end())
			require.Equal(t, end, l.Received())
			require.NoError(t, l.Close())
			require.Equal(t, h.kept(end), streamBytes(t, fsx.OS{}, l.at))

			rep, err := Verify(t.Context(), opt)
			require.NoError(t, err)
			require.Zero(t, rep.Torn)
			require.Greater(t, len(rep.Increments), 3)
			require.Equal(t, stream.Position{ReplID: h.id, Offset: end}, rep.Position)

			l = openLog(t, opt)
			pos, db, err := l.Resume()
			require.NoError(t, err)
			require.Equal(t, stream.Position{ReplID: h.id, Offset: end}, pos)
			_, wantDB := h.boundary(end)
			require.Equal(t, wantDB, db)
			require.NoError(t, l.Close())
		})
	}
}

func TestRollbackAndResume(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	h := &history{id: replID(t, "b2"), start: 0}
	h.grow(rng, 400)
	opt := Options{Dir: t.TempDir(), IncrementBytes: 5000}
	l := openLog(t, opt)
	resync(t, l, h, 10)
	at := h.start
	for at < h.end() {
		to := min(at+stream.Offset(rng.IntN(4000)), h.end())
		require.NoError(t, feeder{h: h, rng: rng}.feed(t.Context(), l, at, to))
		require.NoError(t, l.Rollback())
		pos, db, err := l.Resume()
		require.NoError(t, err)
		want, wantDB := h.boundary(to)
		require.Equal(t, want, pos.Offset)
		require.Equal(t, wantDB, db)
		require.NoError(t, l.Continue(t.Context(), h.id))
		if to == h.end() {
			break
		}
		at = pos.Offset
	}
	end := l.Received()
	require.NoError(t, l.Close())
	require.Equal(t, h.kept(end), streamBytes(t, fsx.OS{}, l.at))
}

func TestOpenRefuses(t *testing.T) {
	t.Run("held", func(t *testing.T) {
		opt := Options{Dir: t.TempDir()}
		l := openLog(t, opt)
		_, err := Open(t.Context(), opt)
		var held *HeldError
		require.ErrorAs(t, err, &held)
		require.NoError(t, l.Close())
	})
	for name, files := range map[string]map[string]string{
		"single file of a server": {"appendonly.aof": "x"},
		"dump.rdb":                {"dump.rdb": "x"},
		"data without manifest":   {"appendonlydir/appendonly.aof.1.base.rdb": "x"},
		"a server's own": {
			"appendonlydir/appendonly.aof.manifest":   "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n",
			"appendonlydir/appendonly.aof.1.base.rdb": "x",
			"appendonlydir/appendonly.aof.1.incr.aof": "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*2\r\n$4\r\nINCR\r\n$1\r\na\r\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for path, text := range files {
				require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o750))
				require.NoError(t, os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600))
			}
			_, err := Open(t.Context(), Options{Dir: dir})
			var notOurs *NotOursError
			require.ErrorAs(t, err, &notOurs)
			for path, text := range files {
				got, err := os.ReadFile(filepath.Join(dir, path))
				require.NoError(t, err)
				require.Equal(t, text, string(got))
			}
		})
	}
}

func TestRunSyncsAndMarks(t *testing.T) {
	h := &history{id: replID(t, "c3"), start: 7}
	h.add("SET", "a", "1")
	l := openLog(t, Options{Dir: t.TempDir(), Fsync: FsyncAlways})
	resync(t, l, h, 1)
	done := make(chan error, 1)
	go func() { done <- l.Run(t.Context()) }()
	moved := l.Moved()
	require.NoError(t, feeder{h: h}.feed(t.Context(), l, h.start, h.end()))
	select {
	case <-moved:
	case <-time.After(10 * time.Second):
		t.Fatal("durable did not move")
	}
	off, ok := l.Durable()
	require.True(t, ok)
	require.Equal(t, h.end(), off)
	select {
	case err := <-done:
		t.Fatalf("run ended: %v", err)
	default:
	}
}

// A kill -9 must not cost more of the stream than a small backlog reaches back to, however fast it was written.
func TestMarksAreNotFarApart(t *testing.T) {
	h := &history{id: replID(t, "d4"), start: 0}
	for range 40 {
		h.add("SET", "key", string(bytes.Repeat([]byte("v"), 100_000)))
	}
	opt := Options{Dir: "/data", FS: fsxtest.New()}
	l := openLog(t, opt)
	resync(t, l, h, 1)
	at := h.start
	for _, c := range h.cmds {
		require.NoError(t, feeder{h: h}.feed(t.Context(), l, at, c.end))
		at = c.end
	}
	crashed, ok := opt.FS.(*fsxtest.FS)
	require.True(t, ok)
	opt.FS = crashed.CrashClone(fsxtest.KillProcess{})
	after := openLog(t, opt)
	pos, _, err := after.Resume()
	require.NoError(t, err)
	require.Greater(t, pos.Offset, h.end()-2*markEvery)
	require.NoError(t, after.Close())
	require.NoError(t, l.Close())
}
