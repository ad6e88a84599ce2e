package upload

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// rot changes the last base of a timeline on the disk.
func (l *fakeLog) rot(timeline int, how func(base []byte) []byte) stream.LogFile {
	bases := l.Holdings().Timelines[timeline].Bases
	b := bases[len(bases)-1]
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.files[b.Name]
	*p = how(append([]byte(nil), *p...))
	return b
}

func flipped(base []byte) []byte {
	base[len(base)/2] ^= 1
	return base
}

// TestDamagedBaseIsNotShipped: the base has rotted on our disk before it was shipped. It is tried a few times, then named, with what to do, and everything else goes on.
func TestDamagedBaseIsNotShipped(t *testing.T) {
	ways := map[string]func(base []byte) []byte{
		"a bit of its data":        flipped,
		"gone short":               func(base []byte) []byte { return base[:len(base)/2] },
		"gone short by the sum":    func(base []byte) []byte { return base[:len(base)-8] },
		"its magic":                func(base []byte) []byte { base[0] ^= 1; return base },
		"something else behind it": func(base []byte) []byte { return append(base, "garbage garbage"...) },
	}
	for what, how := range ways {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, store := newFakeLog(41), newMemStore()
				l.Resync(fakeReplID(1), 0)
				damaged := l.rot(0, how)
				if what == "something else behind it" {
					l.mu.Lock()
					l.line().Bases[0].Bytes = int64(len(*l.files[damaged.Name]))
					l.mu.Unlock()
				}
				var told []DamagedBase
				proc := start(t, Options{Observer: Observer{Damaged: func(d DamagedBase) { told = append(told, d) }}}, l, store)
				traffic(l, 20)
				<-time.After(time.Minute)
				require.Len(t, told, 1)
				require.Equal(t, damaged.Name, told[0].Name)
				require.Equal(t, l.ID(), told[0].Timeline)
				require.Contains(t, told[0].Why, "move the directory away")
				require.Equal(t, told, proc.State().Damaged)
				require.Equal(t, l.End(), proc.State().Stored, "the stream is shipped")
				require.False(t, proc.State().HasShipped)
				failures := proc.State().Failures
				<-time.After(10 * time.Minute)
				require.Equal(t, failures, proc.State().Failures, "it is not tried again")
				inv, err := ReadTimeline(t.Context(), store, l.ID())
				require.NoError(t, err)
				require.Empty(t, inv.Bases)

				l.Rotate(true)
				traffic(l, 10)
				<-time.After(5 * time.Second)
				requireShippedAll(t, proc, l)
				proc.end(t)
				requireValid(t, store, l)
			})
		})
	}
}

// TestDamagedBaseOfThePast: the timeline has ended. The next one does not wait for its base; what is on the disk stays there.
func TestDamagedBaseOfThePast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(42), newMemStore()
		l.Resync(fakeReplID(1), 0)
		traffic(l, 20)
		old := l.ID()
		l.Resync(fakeReplID(2), 500)
		damaged := l.rot(0, flipped)
		var told []DamagedBase
		proc := start(t, Options{Observer: Observer{Damaged: func(d DamagedBase) { told = append(told, d) }}}, l, store)
		traffic(l, 20)
		<-time.After(10 * time.Minute)
		require.NotEmpty(t, told)
		require.Equal(t, damaged.Name, told[0].Name)
		require.NotContains(t, told[0].Why, "move the directory away", "the present one is sound")
		require.Len(t, proc.State().Damaged, 1)
		requireShippedAll(t, proc, l)
		require.Equal(t, old, l.Holdings().Timelines[0].ID, "it is kept")
		inv, err := ReadTimeline(t.Context(), store, old)
		require.NoError(t, err)
		require.NotEmpty(t, inv.Segments)
		proc.end(t)
	})
}

// TestBasesOfEachKindAreShipped: without a checksum, with commands behind the RDB, of commands only.
func TestBasesOfEachKindAreShipped(t *testing.T) {
	carry := resp.AppendCommandStrings(resp.AppendSelect(nil, 0), "SET", "a", "1")
	kinds := map[string]func(base []byte) []byte{
		"without a checksum": func(base []byte) []byte { return append(base[:len(base)-8], make([]byte, 8)...) },
		"with a carry":       func(base []byte) []byte { return append(base, carry...) },
		"commands":           func([]byte) []byte { return carry },
	}
	for kind, how := range kinds {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, store := newFakeLog(43), newMemStore()
				l.Resync(fakeReplID(1), 0)
				base := l.rot(0, how)
				l.mu.Lock()
				l.line().Bases[0].Bytes, l.line().Bases[0].RESP = int64(len(*l.files[base.Name])), kind == "commands"
				l.mu.Unlock()
				proc := start(t, Options{}, l, store)
				traffic(l, 20)
				<-time.After(5 * time.Second)
				requireShippedAll(t, proc, l)
				require.Empty(t, proc.State().Damaged)
				proc.end(t)
			})
		})
	}
}
