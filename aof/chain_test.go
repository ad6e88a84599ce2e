package aof

import (
	"io/fs"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// What waits for the archive is verified and walked as a chain is: without a manifest, before one, with holes and without a base.
func TestReadersOfRetained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 4), archived)
		r.start()
		r.rewritten()
		r.rewritten()
		tl := r.held()
		opt := Options{Dir: rigDir + "/retained/" + tl.ID, FS: r.fs}
		require.Len(t, tl.Bases, 3)
		rep, err := Verify(t.Context(), opt)
		require.NoError(t, err)
		require.Equal(t, tl.ID, rep.Timeline)
		require.Equal(t, keptBaseName(100, baseRDBSuffix), rep.Base.Name)
		require.Len(t, rep.Others, 1)
		require.Equal(t, tl.Bases[2].From, rep.Position.Offset)
		base, err := WalkBase(t.Context(), opt, nil)
		require.NoError(t, err)
		require.Equal(t, int64(10), base.Keys)

		r.l.Shipped(tl.ID, tl.Increments[0].To)
		require.NoError(t, r.l.tendAll())
		second := tl.Increments[1]
		require.NoError(t, r.fs.Remove(opt.withLayout().path(keptIncrName(second.From, second.To))))
		rep, err = Verify(t.Context(), opt)
		require.NoError(t, err, "a hole is what was given up")
		require.Equal(t, tl.Increments[2].From, rep.Increments[0].From)

		r.before = append(r.before, r.h)
		require.NoError(t, grow(r))
		r.nextTimeline("b2", 100, 4)
		rep, err = Verify(t.Context(), opt)
		require.NoError(t, err)
		require.Equal(t, tl.Bases[2].From, stream.Offset(mustOffset(t, rep.Base.Name)), "the chain's")
		require.Equal(t, r.before[0].end(), rep.Position.Offset)
		var got []byte
		require.NoError(t, Walk(t.Context(), opt, Filter{MaxArg: -1}, func(e Entry) error {
			if e.Kind == EntryCommand {
				got = append(got, e.Args[0]...)
			}
			return nil
		}))
		require.NotEmpty(t, got)

		y := opt.withLayout()
		first := rep.Increments[0].Name
		data := r.read(y.path(first))
		data[0] ^= 0x20
		require.NoError(t, fsx.ReplaceFile(r.fs, y.path(first), data, fileMode))
		_, err = Verify(t.Context(), opt)
		require.Error(t, err)

		_, err = Verify(t.Context(), Options{Dir: rigDir + "/retained/none", FS: r.fs})
		require.ErrorIs(t, err, fs.ErrNotExist)
	})
}

func mustOffset(t *testing.T, name string) int64 {
	t.Helper()
	f, ok := parseKept(name)
	require.True(t, ok, name)
	return int64(f.From)
}
