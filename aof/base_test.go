package aof

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// Verify looks into values, and WalkBase shows them.
func TestVerifyLooksIntoValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 1000, 0), nil)
		r.start()
		r.h.add("SADD", "set", "1", "2", "3")
		r.h.add("RPUSH", "list", "a", "b")
		r.h.add("SET", "expiring", "v", "PXAT", "99999999999999")
		r.feed()
		_, err := r.l.Rewrite(t.Context(), "test")
		require.NoError(t, err)
		got := map[string]BaseKey{}
		rep, err := WalkBase(t.Context(), r.opt, func(k *BaseKey) error {
			name := string(k.Key)
			require.Positive(t, k.Offset)
			require.Positive(t, k.Bytes)
			got[name] = BaseKey{Kind: k.Kind, Elements: k.Elements, Expire: k.Expire}
			return nil
		})
		require.NoError(t, err)
		require.EqualValues(t, 13, rep.Keys)
		require.Equal(t, BaseKey{Kind: "set", Elements: 3, Expire: -1}, got["set"])
		require.Equal(t, BaseKey{Kind: "list", Elements: 2, Expire: -1}, got["list"])
		require.Equal(t, BaseKey{Kind: "string", Elements: 1, Expire: 99999999999999}, got["expiring"])
		stop := errors.New("enough")
		_, err = WalkBase(t.Context(), r.opt, func(*BaseKey) error { return stop })
		require.ErrorIs(t, err, stop)
		require.NoError(t, r.l.Close())
	})
}

// A value whose end is where it should be, and whose inside is not, is found by decoding it.
func TestVerifyFindsABrokenValue(t *testing.T) {
	broken := snapshot{keys: 1, extra: string(appendShort(appendShort([]byte{byte(rdb.TypeSetListpack)}, "mine"), "\x09\x00\x00\x00\x01\x00\x85a\xff"))}
	_, err := rdb.Check(bytes.NewReader(broken.bytes()))
	require.NoError(t, err)
	fsys := fsxtest.New()
	l, err := Open(t.Context(), Options{Dir: rigDir, FS: fsys})
	require.NoError(t, err)
	h := newHistory(t, "a1", 7, 0)
	_, err = l.FullResync(t.Context(), snapshotOf(h, -1), bytes.NewReader(broken.bytes()))
	require.NoError(t, err)
	require.NoError(t, l.Close())
	_, err = Verify(t.Context(), Options{Dir: rigDir, FS: fsys})
	var corrupt *CorruptError
	require.ErrorAs(t, err, &corrupt)
	require.Contains(t, corrupt.What, `set-listpack of key "mine"`)
	require.Positive(t, corrupt.Offset)
}
