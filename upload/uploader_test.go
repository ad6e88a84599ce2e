package upload

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// process is an uploader that runs.
type process struct {
	*Uploader
	stop context.CancelFunc
	done chan error
}

func start(tb testing.TB, opt Options, src Source, store Store) *process {
	tb.Helper()
	u, err := New(opt, src, store)
	require.NoError(tb, err)
	ctx, stop := context.WithCancel(context.Background())
	p := &process{Uploader: u, stop: stop, done: make(chan error, 1)}
	go func() { p.done <- u.Run(ctx); close(p.done) }()
	tb.Cleanup(func() { p.end(tb) })
	return p
}

// end cancels Run.
func (p *process) end(tb testing.TB) {
	tb.Helper()
	p.stop()
	require.NoError(tb, <-p.done)
}

// traffic writes for so many steps of half a second.
func traffic(l *fakeLog, steps int) {
	for i := range steps {
		l.Write(5)
		if i%2 == 1 {
			l.Sync()
		}
		<-time.After(500 * time.Millisecond)
	}
	l.Sync()
}

func requireShippedAll(tb testing.TB, p *process, l *fakeLog) {
	tb.Helper()
	off, ok := p.Shipped()
	require.True(tb, ok)
	require.Equal(tb, l.End(), off, "%+v", p.State())
}

func TestShipAllThatIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(1), newMemStore()
		p := start(t, Options{}, l, store)
		<-time.After(5 * time.Second)
		_, ok := p.Shipped()
		require.False(t, ok, "there is no timeline yet")
		l.Resync(fakeReplID(7), 1000)
		traffic(l, 200)
		<-time.After(3 * time.Second)
		requireShippedAll(t, p, l)
		c := requireValid(t, store, l)
		require.Len(t, c.Windows(), 1)
		require.Equal(t, l.End(), c.Windows()[0].To)
		require.Equal(t, stream.Offset(1000), c.Windows()[0].From)
		require.Empty(t, l.asked)
		require.Len(t, l.stored, 1)
		counts := p.State().Requests
		require.LessOrEqual(t, counts["list"], int64(4), "%v", counts)
		require.LessOrEqual(t, counts["get"], int64(5), "%v", counts)
		require.Zero(t, p.State().LagBytes)
		require.Empty(t, p.State().Error)
		p.end(t)
		lease, err := ReadLease(t.Context(), store)
		require.NoError(t, err)
		require.True(t, lease.Released)
		require.Equal(t, l.End(), lease.Offset)
	})
}

func TestShipRotationsRewritesAndResyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(2), newMemStore()
		l.Resync(fakeReplID(7), 0)
		p := start(t, Options{SegmentBytes: 1 << 10}, l, store)
		for i := range 12 {
			traffic(l, 10)
			switch i % 4 {
			case 0:
				l.Rotate(false)
			case 2:
				l.Rotate(true)
			case 3:
				l.Failover(fakeReplID(100 + i))
			}
			if i == 7 {
				l.Resync(fakeReplID(8), 500)
			}
		}
		<-time.After(5 * time.Second)
		requireShippedAll(t, p, l)
		c := requireValid(t, store, l)
		require.Len(t, c.Timelines, 2)
		require.Len(t, c.Windows(), 2)
		require.Len(t, l.lines, 1, "the ended timeline is shipped and gone")
		for _, line := range c.Timelines {
			require.Greater(t, len(line.Bases), 1)
		}
		p.end(t)
	})
}
