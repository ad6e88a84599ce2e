package upload

import (
	"bytes"
	"context"
	"io"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// rottenStore is a store whose own checksum tells, with the last bytes, that an object is not what was stored.
type rottenStore struct {
	*memStore
	rotten map[string]bool
}

func (s *rottenStore) Get(ctx context.Context, key string, from, n int64) (io.ReadCloser, Object, error) {
	body, obj, err := s.memStore.Get(ctx, key, from, n)
	if err != nil || !s.rotten[key] {
		return body, obj, err
	}
	p, err := io.ReadAll(body)
	if err != nil {
		return nil, Object{}, err
	}
	if len(p) > 0 {
		p[len(p)/2] ^= 1
	}
	end := iotest.ErrReader(&StoreError{Op: "get", Key: key, Code: "BadDigest", Err: ErrChecksum})
	return io.NopCloser(iotest.DataErrReader(io.MultiReader(bytes.NewReader(p), end))), obj, nil
}

// TestRottenObjects: what a store finds damaged is damage, as what we find is.
func TestRottenObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(33), &rottenStore{memStore: newMemStore(), rotten: map[string]bool{}}
		l.Resync(fakeReplID(1), 0)
		proc := start(t, Options{}, l, store)
		traffic(l, 20)
		<-time.After(3 * time.Second)
		requireShippedAll(t, proc, l)
		proc.end(t)
		id := l.ID()
		require.NoError(t, PinTimeline(t.Context(), store, id, PinRecord{Reason: PinOperator}))
		inv, err := ReadTimeline(t.Context(), store, id)
		require.NoError(t, err)
		last, ok := lastSegment(inv, l.End())
		require.True(t, ok)

		store.rotten = map[string]bool{last.String(): true, inv.Bases[0].String(): true, EpochKey(1): true, PinKey(id): true, TimelineKey(id): true, LeaseKey(): true}
		c, err := ReadCatalog(t.Context(), store)
		require.NoError(t, err)
		require.Len(t, c.Damaged, 4)
		require.Equal(t, PinDamaged, c.Timelines[0].Pin.Reason)
		rep, err := VerifyArchive(t.Context(), store, VerifyOptions{Level: VerifyDeep})
		require.NoError(t, err)
		require.Len(t, rep.Damaged, 6)
		lease, err := ReadLease(t.Context(), store)
		require.NoError(t, err)
		require.Equal(t, LeaseRecord{}, lease, "of nobody")

		store.rotten[inv.Bases[0].String()] = false
		next := start(t, Options{}, l, store)
		traffic(l, 20)
		<-time.After(2 * time.Minute)
		requireShippedAll(t, next, l)
		require.Empty(t, l.asked)
		next.end(t)
	})
}
