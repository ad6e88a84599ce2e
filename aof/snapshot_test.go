package aof

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

var errLink = errors.New("the link broke")

// A snapshot that cannot be taken leaves every file as it was, no temporary name and no latch, and can be asked for again.
func TestSnapshotRefused(t *testing.T) {
	announced := stream.Position{ReplID: replID(t, "b2"), Offset: 7000}
	elsewhere := stream.Position{ReplID: replID(t, "c3"), Offset: 7000}
	later := stream.Position{ReplID: replID(t, "b2"), Offset: 7001}
	good := testRDB(30)
	flipped := bytes.Clone(good)
	flipped[20] ^= 4
	badSum := bytes.Clone(good)
	badSum[len(badSum)-3] ^= 1
	for name, tc := range map[string]struct {
		payload io.Reader
		size    int64 // announced; 0: not
		want    string
		own     error // the error is the reader's, not a *SnapshotError
	}{
		"empty":                   {payload: strings.NewReader(""), want: "ends too early"},
		"no RDB":                  {payload: strings.NewReader("-ERR something else\r\n"), want: "no rdb of a known version"},
		"magic only":              {payload: strings.NewReader("REDIS0011"), want: "ends too early"},
		"flipped bit":             {payload: bytes.NewReader(flipped), want: "corrupt rdb"},
		"wrong CRC64":             {payload: bytes.NewReader(badSum), want: "corrupt rdb"},
		"truncated":               {payload: bytes.NewReader(good[:len(good)-20]), want: "ends too early"},
		"without its CRC64":       {payload: bytes.NewReader(good[:len(good)-8]), want: "ends too early"},
		"bytes behind the end":    {payload: bytes.NewReader(snapshot{keys: 3, tail: "*1\r\n$4\r\nPING\r\n"}.bytes()), want: "bytes after the end"},
		"shorter than announced":  {payload: bytes.NewReader(good), size: int64(len(good)) + 1, want: "bytes were announced and"},
		"longer than announced":   {payload: bytes.NewReader(good), size: int64(len(good)) - 1, want: "bytes were announced and"},
		"Redis 6.2":               {payload: bytes.NewReader(snapshot{magic: "REDIS0009", keys: 3}.bytes()), want: "older than Redis 7.0"},
		"of another offset":       {payload: bytes.NewReader(snapshot{keys: 3, pos: &later}.bytes()), want: "but the snapshot says"},
		"of another history":      {payload: bytes.NewReader(snapshot{keys: 3, pos: &elsewhere}.bytes()), want: "but the snapshot says"},
		"link breaks at once":     {payload: iotest.ErrReader(errLink), own: errLink},
		"link breaks in between":  {payload: io.MultiReader(bytes.NewReader(good[:90]), iotest.ErrReader(errLink)), own: errLink},
		"link breaks at the end":  {payload: io.MultiReader(bytes.NewReader(good), iotest.ErrReader(errLink)), own: errLink},
		"unexpected end of input": {payload: io.MultiReader(bytes.NewReader(good[:90]), iotest.ErrReader(io.ErrUnexpectedEOF)), own: io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 100, 5), nil)
				r.start()
				r.feed()
				require.NoError(t, r.l.onTick())
				before, told := tree(t, r.fs, rigDir), r.l.Status()
				size := tc.size
				if size == 0 {
					size = -1
				}
				_, err := r.l.FullResync(t.Context(), stream.Snapshot{Position: announced, Bytes: size}, tc.payload)
				require.Error(t, err)
				require.False(t, fatal(err))
				if tc.own != nil {
					require.ErrorIs(t, err, tc.own)
				} else {
					var refused *SnapshotError
					require.ErrorAs(t, err, &refused)
					require.ErrorContains(t, err, tc.want)
				}
				requireTree(t, before, tree(t, r.fs, rigDir))
				require.Equal(t, told, r.l.Status())
				require.Empty(t, r.seen().failed)
				require.Equal(t, r.h.end(), r.goOn().Offset)
				r.h.plain(2)
				r.feed()
				r.h = newHistory(t, "b2", 7000, 3)
				require.NoError(t, r.tryResync(r.h, rdbOf(30)), "the next one is taken")
				r.feed()
				require.NoError(t, r.l.Close())
				r.requireHolds(r.fs, r.h.end())
			})
		})
	}
}

// The payload may come in pieces of any size, and its end with the last of them or after it.
func TestSnapshotInPieces(t *testing.T) {
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"bytes":         iotest.OneByteReader,
		"halves":        iotest.HalfReader,
		"data with EOF": iotest.DataErrReader,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 100, 5), nil)
				r.open()
				payload := testRDB(50)
				_, err := r.l.FullResync(t.Context(), snapshotOf(r.h, int64(len(payload))), wrap(bytes.NewReader(payload)))
				require.NoError(t, err)
				r.feed()
				require.NoError(t, r.l.Close())
				r.requireHolds(r.fs, r.h.end())
				requireBytes(t, payload, r.read(rigDir+"/appendonlydir/appendonly.aof.1.base.rdb"), "the base")
			})
		})
	}
}

// A caller that gives up is told its own reason, and nothing has changed.
func TestSnapshotCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 5), nil)
		r.start()
		r.feed()
		before := tree(t, r.fs, rigDir)
		ctx, cancel := context.WithCancelCause(t.Context())
		payload := testRDB(50)
		stop := readerFunc(func([]byte) (int, error) {
			cancel(errLink)
			return 0, nil
		})
		_, err := r.l.FullResync(ctx, snapshotOf(r.h, -1), io.MultiReader(bytes.NewReader(payload[:100]), stop))
		require.ErrorIs(t, err, errLink)
		requireTree(t, before, tree(t, r.fs, rigDir))
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// What a newer server may write is taken with its checksum alone: the operator is told, and the guard compares bytes.
func TestSnapshotOfUnknownType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 5), nil)
		r.open()
		resync(t, r.l, r.h, 1000)
		r.feed()
		r.h = newHistory(t, "b2", 900, 5)
		payload := snapshot{keys: 2, extra: "\xc8\x01k\x01v"}.bytes()
		sum, err := rdb.Check(bytes.NewReader(payload))
		require.NoError(t, err)
		require.NotNil(t, sum.Unwalked)
		require.NoError(t, r.tryResync(r.h, bytes.NewReader(payload)))
		require.Len(t, r.seen().notes, 1)
		require.Contains(t, r.seen().notes[0], "does not know")
		require.Len(t, r.seen().tripped, 1, "a tenth of the bytes")
		require.Equal(t, int64(-1), r.seen().tripped[0].KeysNow)
		require.Equal(t, int64(-1), r.l.Status().BaseKeys)
		r.feed()
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())

		r.reopen(nil)
		require.Equal(t, int64(-1), r.l.Status().BaseKeys, "unknown stays unknown")
		require.NoError(t, r.tryResync(newHistory(t, "c3", 1, 1), rdbOf(0)))
		require.Len(t, r.seen().tripped, 2, "a base of unknown keys is not an empty one")
	})
}

// The stream goes on in the database that the snapshot names, and so does the increment.
func TestSnapshotNamesTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 0), nil)
		r.open()
		pos := stream.Position{ReplID: r.h.id, Offset: r.h.start}
		payload := snapshot{keys: 2, pos: &pos, db: 9}.bytes()
		db, err := r.l.FullResync(t.Context(), snapshotOf(r.h, int64(len(payload))), bytes.NewReader(payload))
		require.NoError(t, err)
		require.Equal(t, 9, db)
		require.Contains(t, r.incr(), "*2\r\n$6\r\nSELECT\r\n$1\r\n9\r\n*2\r\n$4\r\nPING")
		require.NoError(t, r.l.Close())
		r.reopen(nil)
		got, db, err := r.l.Resume()
		require.NoError(t, err)
		require.Equal(t, pos, got)
		require.Equal(t, 9, db)
	})
}

// Large snapshots are synced while they come, and the last sync covers all of them.
func TestLargeSnapshotIsSyncedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 3), nil)
		r.open()
		var syncs int
		r.fs.OnOp(func(_ int, op fsxtest.Op) {
			if op.Kind == fsxtest.SyncData && strings.HasSuffix(op.Path, "snapshot.rdb") {
				syncs++
			}
		})
		value := strings.Repeat("v", 1<<20)
		entry := "\x00\x03big\x80\x00\x10\x00\x00" + value
		require.NoError(t, r.tryResync(r.h, bytes.NewReader(snapshot{extra: strings.Repeat(entry, 80)}.bytes())))
		require.Equal(t, 2, syncs)
		r.fs.OnOp(nil)
		r.feed()
		require.NoError(t, r.l.onTick())
		_, err := Verify(t.Context(), Options{Dir: rigDir, FS: r.fs.CrashClone(fsxtest.PowerLossAll{})})
		require.NoError(t, err)
	})
}
