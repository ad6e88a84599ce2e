package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// newRewriteBench is one of a few thousand keys and commands.
func newRewriteBench(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	b.sidecar, b.replica, b.scale = program, testenv.Pick(t, "redis-8.0").Server(), 0.0005
	return b
}

func requireEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// A server that boots from what was folded has the data of one that loaded the log: it fails if not.
func TestRewriteMeasuresAll(t *testing.T) {
	b := newRewriteBench(t)
	b.profiles = t.TempDir()
	var r report
	for _, c := range b.rewriteCases() {
		require.NoError(t, b.rewriteOne(t.Context(), &r, c))
	}
	require.NoError(t, b.lagAll(t.Context(), &r))
	require.Len(t, r.rewrites, 3)
	for i, s := range r.rewrites {
		require.True(t, s.verified, s.name)
		require.Equal(t, i == 0, s.has(nameCp), s.name)
		for _, name := range []string{nameSidecar, nameServer} {
			m := s.median(name)
			require.Positive(t, m.took, s.name)
			require.Positive(t, m.cpu, s.name)
			require.Positive(t, m.base, s.name)
			require.Positive(t, m.peak, s.name) // it was asked once at least
			require.Equal(t, name == nameServer, m.loaded > 0, s.name)
		}
	}
	require.Len(t, r.lags, 2)
	for i, m := range r.lags {
		require.Equal(t, i*lagRewrites, m.rewrites)
		require.Positive(t, m.bytes)
		require.Positive(t, m.cpu)
		require.Positive(t, slices.Max(m.behind))
	}
	for _, name := range []string{"touched.prof", "incr.prof", "mixed.prof"} {
		require.FileExists(t, filepath.Join(b.profiles, name))
	}
	requireEmpty(t, b.dir)
}

func TestRewriteWithoutAServer(t *testing.T) {
	b := newRewriteBench(t)
	b.replica = ""
	s, err := b.rewriteCase(t.Context(), b.rewriteCases()[0])
	require.NoError(t, err)
	require.False(t, s.verified)
	require.False(t, s.has(nameServer))
}

func TestRewriteWantsTheSameData(t *testing.T) {
	b := newRewriteBench(t)
	dir := t.TempDir()
	_, err := layOut(dir, func(w io.Writer) error { return writeDataset(w, 100) }, recordTouches(100).data)
	require.NoError(t, err)
	_, digest, err := b.rewriteByServer(t.Context(), dir, true)
	require.NoError(t, err)
	require.NoError(t, b.wantDigest(t.Context(), dir, digest))
	other := t.TempDir()
	_, err = layOut(other, func(w io.Writer) error { return writeDataset(w, 101) }, recordTouches(100).data)
	require.NoError(t, err)
	require.ErrorContains(t, b.wantDigest(t.Context(), other, digest), "other data")
}

func TestRewriteOfDamageShowsTheLastWords(t *testing.T) {
	b := newRewriteBench(t)
	dir := t.TempDir()
	_, err := layOut(dir, func(w io.Writer) error { return writeDataset(w, 100) }, []byte("*1\r\nwrong"))
	require.NoError(t, err)
	_, err = b.rewriteBySidecar(t.Context(), dir)
	require.ErrorIs(t, err, errEnded)
	require.ErrorContains(t, err, closedName)
	_, _, err = b.rewriteByServer(t.Context(), dir, false)
	require.ErrorIs(t, err, errEnded)
	requireEmpty(t, b.dir)
}

func TestRewriteAsksForRoomFirst(t *testing.T) {
	require.NoError(t, wantRoom(t.TempDir(), 0))
	require.ErrorContains(t, wantRoom(t.TempDir(), 1<<60), "MB free")
	require.Error(t, wantRoom(filepath.Join(t.TempDir(), "nowhere"), 0))
}

func TestDatasetHasAllKinds(t *testing.T) {
	const keys = 1_000
	var out bytes.Buffer
	require.NoError(t, writeDataset(&out, keys))
	require.Less(t, out.Len()/keys, 240)
	require.Greater(t, out.Len()/keys, 200)
	sum, err := rdb.Check(bytes.NewReader(out.Bytes()))
	require.NoError(t, err)
	require.EqualValues(t, keys, sum.Keys)

	kinds := map[string]int{}
	in, err := rdb.NewReader(&out)
	require.NoError(t, err)
	for it, err := in.Next(); err == nil; it, err = in.Next() {
		var raw bytes.Buffer
		require.NoError(t, in.CopyRaw(&raw))
		if it.Kind == rdb.KeyItem {
			kinds[it.Type.String()]++
			_, err := rdb.CheckValue(datasetFormat(), it.Type, raw.Bytes()[it.HeadBytes:])
			require.NoError(t, err)
		}
	}
	require.Equal(t, map[string]int{"string": 600, "hash-listpack": 100, "list-quicklist-2": 100, "set-listpack": 100, "zset-listpack": 100}, kinds)
}

func TestTouchesAreOfOneKeyInTwenty(t *testing.T) {
	c := read(t, recordTouches(2_000))
	require.Equal(t, 1+2_000/touchedOneIn*touches, c.commands)
	require.Equal(t, 1, read(t, recordTouches(1)).commands/touches)
}

func TestDataOnlyHasNoMessages(t *testing.T) {
	c := read(t, recordMixedOver(50_000, 200_000))
	require.Positive(t, c.names["MULTI"])
	require.Zero(t, c.names["PING"]+c.names["PUBLISH"])
}

func TestLagOfAProcessThatEnds(t *testing.T) {
	b := newRewriteBench(t)
	alive, s, err := b.open(t.Context(), sidecar(b.sidecar), policyEverySec, 0)
	require.NoError(t, err)
	p := pacer{session: s, recorder: newRecorder(9, 0)}
	require.NoError(t, s.child.cmd.Process.Kill())
	_, err = p.until(alive, make(chan struct{}))
	require.Error(t, err)
	require.NoError(t, s.close())
}
