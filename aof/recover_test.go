package aof

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// Nothing is believed that no mark proves, also where nothing is proven yet and the history begins at offset 0, as that of a new
// upstream does.
func TestRecoverBelievesOnlyWhatIsProven(t *testing.T) {
	for _, start := range []stream.Offset{0, 1, 1 << 40} {
		for _, crash := range fsxtest.Crashes(1) {
			t.Run(fmt.Sprintf("%d, %v", start, crash), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, newHistory(t, "a1", start, 5), nil)
					r.start()
					r.feed()
					r.reopen(crash)
					require.Equal(t, start, r.goOn().Offset)
					r.feed()
					require.NoError(t, r.l.Close())
					r.requireHolds(r.fs, r.h.end())
				})
			})
		}
	}
}

// After Close the file ends with a mark that says that all is durable: the next start finds nothing to cut and goes on behind it.
func TestRecoverAfterCleanStop(t *testing.T) {
	for _, crash := range append(fsxtest.Crashes(1), nil) {
		for _, policy := range []Policy{FsyncAlways, FsyncEverySec, FsyncNo} {
			t.Run(fmt.Sprintf("%v, %s", crash, policy), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, newHistory(t, "a1", 5, 5), func(o *Options) { o.Fsync = policy })
					r.start()
					r.feed()
					require.NoError(t, r.l.Close())
					r.reopen(crash)
					require.True(t, r.seen().recovery.Clean)
					require.Zero(t, r.seen().recovery.Tail)
					require.Zero(t, r.seen().recovery.Torn)
					require.False(t, r.l.Status().Awaiting)
					require.Equal(t, r.h.end(), r.durable())
					before := r.incr()
					require.Equal(t, r.h.end(), r.goOn().Offset)
					require.Equal(t, before, r.incr())
					require.Empty(t, r.seen().cut)
				})
			})
		}
	}
}

// Marks that prove nothing, a whole increment of them, take no memory.
func TestScanOfManyMarksIsSmall(t *testing.T) {
	const marks = 60_000
	h := newHistory(t, "a1", 100, 0)
	head := headOf(stream.Mark{Position: stream.Position{ReplID: h.id, Offset: h.start}, Durable: h.start}, 0)
	file := bytes.Clone(head)
	off := h.start
	for range marks {
		off++
		file = stream.Mark{Position: stream.Position{ReplID: h.id, Offset: off}, Durable: h.start}.AppendCommand(file)
	}
	s := scan{path: "incr", size: int64(len(file))}
	require.NoError(t, s.run(bytes.NewReader(file)))
	require.Equal(t, off, s.lastAt.offset)
	require.Less(t, cap(s.ahead), 2*len(file)/scanBuffer+2)
	at, err := s.provenPlace(bytes.NewReader(file), false)
	require.NoError(t, err)
	require.Equal(t, int64(len(head)), at.file)

	proof := stream.Mark{Position: stream.Position{ReplID: h.id, Offset: off}, Durable: off - 5}.AppendCommand(bytes.Clone(file))
	s = scan{path: "incr", size: int64(len(proof))}
	require.NoError(t, s.run(bytes.NewReader(proof)))
	at, err = s.provenPlace(bytes.NewReader(proof), false)
	require.NoError(t, err)
	require.Equal(t, off-5, at.offset, "the anchor lies before what is proven")
}

// Dropped bytes are durable as soon as all that is kept is, but the mark that states them may not be. What marks say of them further
// down is no proof of damage where a power loss took that one.
func TestRecoverWhereDroppedBytesWereLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 3), nil)
		r.start()
		r.feed()
		require.NoError(t, r.l.onTick())
		require.NoError(t, r.l.syncOnce())
		synced, at := r.l.inc.size, r.h.end()
		r.h.add("REPLCONF", "GETACK", "*")
		r.feed()
		require.Equal(t, r.h.end(), r.durable())
		for range 3 {
			r.h.add("SET", "k", strings.Repeat("v", 900))
			r.feed()
			require.NoError(t, markNow(r.l))
		}
		lost := []byte(r.incr())
		clear(lost[synced : synced+300])
		files := tree(t, r.fs, rigDir)
		files[r.l.inc.path] = string(lost)
		r.fs = put(t, files)
		r.opt.FS = r.fs
		r.reopen(fsxtest.Reboot{})
		require.Equal(t, at, r.goOn().Offset)
		r.feed()
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
	})
}

// markNow writes a mark as the clock does, without the sync before it.
func markNow(l *Log) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.markNow()
}
