package upload

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestDamagedEndOfTheArchive: the segment that the next start reads to learn of which history the archive's end is cannot be read, or goes meanwhile.
func TestDamagedEndOfTheArchive(t *testing.T) {
	for _, what := range []string{"garbage", "garbage in plain bytes", "gone"} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, store := newFakeLog(31), newMemStore()
				l.Resync(fakeReplID(1), 0)
				sealer, err := NewSealer(SealOptions{NoCompression: what == "garbage in plain bytes"})
				require.NoError(t, err)
				opt := Options{Sealer: sealer}
				proc := start(t, opt, l, store)
				traffic(l, 20)
				<-time.After(3 * time.Second)
				requireShippedAll(t, proc, l)
				proc.end(t)

				inv, err := ReadTimeline(t.Context(), store, l.ID())
				require.NoError(t, err)
				last, ok := lastSegment(inv, l.End())
				require.True(t, ok)
				key := last.String()
				switch what {
				case "garbage", "garbage in plain bytes":
					store.mu.Lock()
					obj := store.objects[key]
					obj.body = bytes.Repeat([]byte("garbage "), len(obj.body)/8+1)[:len(obj.body)]
					store.objects[key] = obj
					store.mu.Unlock()
				case "gone":
					store.fails(func(ctx context.Context, op, asked string, after bool) error {
						if op == "get" && asked == key && !after {
							return store.Delete(ctx, key)
						}
						return nil
					})
				}
				next := start(t, opt, l, store)
				traffic(l, 20)
				<-time.After(time.Minute)
				requireShippedAll(t, next, l)
				require.Empty(t, l.asked)
				next.end(t)

				inv, err = ReadTimeline(t.Context(), store, l.ID())
				require.NoError(t, err)
				segs, reached := inv.cover(inv.Bases[0].Offset, l.End())
				require.Equal(t, l.End(), reached)
				require.False(t, slices.ContainsFunc(segs, func(s ArchivedSegment) bool { return s.String() == key }), "it is shipped once more")
			})
		})
	}
}

// TestDamageBehindTheEndOfTheArchive: an increment is damaged where the archive has it already. The next start reads it to see of which history it is.
func TestDamageBehindTheEndOfTheArchive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(32), newMemStore()
		l.Resync(fakeReplID(1), 0)
		proc := start(t, Options{}, l, store)
		traffic(l, 20)
		<-time.After(3 * time.Second)
		proc.end(t)
		traffic(l, 20)
		l.Rotate(false)
		traffic(l, 20)
		damaged := l.Holdings().Timelines[0].Increments[0]
		require.True(t, damaged.Closed)
		l.mu.Lock()
		copy((*l.files[damaged.Name])[200:], "garbage garbage")
		l.mu.Unlock()

		next := start(t, Options{}, l, store)
		<-time.After(time.Minute)
		require.Equal(t, l.End(), next.State().Stored, "%+v", next.State())
		require.Equal(t, int64(1), next.State().GapCount)
		next.end(t)
	})
}
