package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// mortal is a store as one process sees it. When the process dies, what it has sent may still arrive, at once, later, or never.
type mortal struct {
	*memStore
	mu    sync.Mutex
	rng   *rand.Rand
	left  int  // writes until it dies
	after bool // the last one takes effect
	dead  chan struct{}
	late  []func() // what arrives later
}

// died reports whether it has.
func (m *mortal) died() bool {
	select {
	case <-m.dead:
		return true
	default:
		return false
	}
}

var errKilled = errors.New("killed")

func newMortal(m *memStore, rng *rand.Rand, left int) *mortal {
	own := rand.New(rand.NewPCG(rng.Uint64(), 6))
	return &mortal{memStore: m, rng: own, left: left, after: rng.IntN(2) == 0, dead: make(chan struct{})}
}

// write reports whether a write takes effect, and whether its answer arrives.
func (m *mortal) write(later func()) (effect, answer bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left--
	switch {
	case m.left > 0:
		return true, true
	case m.left == 0:
		close(m.dead)
		return m.after, false
	default:
		if m.rng.IntN(2) == 0 {
			m.late = append(m.late, later)
		}
		return false, false
	}
}

func (m *mortal) Put(ctx context.Context, key string, body Body, cond Condition) (Object, error) {
	r, err := body.Open()
	if err != nil {
		return Object{}, err
	}
	p, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		return Object{}, err
	}
	if err := pause(ctx, time.Duration(m.dice(300))*time.Millisecond); err != nil {
		return Object{}, err
	}
	effect, answer := m.write(func() { _, _ = m.put(key, p, cond) })
	var obj Object
	if effect {
		obj, err = m.memStore.Put(context.WithoutCancel(ctx), key, bytesBody(p), cond)
	}
	if !answer {
		<-ctx.Done()
		return Object{}, errKilled
	}
	return obj, err
}

func (m *mortal) dice(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rng.IntN(n)
}

func (m *mortal) Delete(ctx context.Context, key string) error {
	effect, answer := m.write(func() { _ = m.memStore.Delete(context.WithoutCancel(ctx), key) })
	if effect {
		if err := m.memStore.Delete(ctx, key); err != nil {
			return err
		}
	}
	if !answer {
		<-ctx.Done()
		return errKilled
	}
	return nil
}

// promises are the offsets, by timeline, that an uploader called shipped: WAITAOF may have confirmed them to somebody.
type promises map[string]stream.Offset

func (told promises) hear(p *process, l *fakeLog) {
	if off, ok := p.Shipped(); ok {
		told[l.ID()] = max(told[l.ID()], off)
	}
}

// requireKept: whatever has happened since, they can be restored.
func (told promises) requireKept(tb testing.TB, c *Catalog) {
	tb.Helper()
	for id, off := range told {
		_, err := c.Plan(Target{Timeline: id, Offset: &off})
		require.NoError(tb, err)
	}
}

// TestKillAtEveryWrite: a process is killed at some write to the store, again and again, and what it had sent arrives when it likes. What counts in
// the archive is always one history without a hole, and in the end it is all there.
func TestKillAtEveryWrite(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { killAndStart(t, seed) })
		})
	}
}

// requireEnd wants that what a process left that was killed can be restored to its end, of the timeline that it shipped last.
func requireEnd(tb testing.TB, store Store) {
	tb.Helper()
	c, err := ReadCatalog(tb.Context(), store)
	require.NoError(tb, err)
	if errors.Is(c.LeaseErr, ErrNotFound) {
		return
	}
	require.NoError(tb, c.LeaseErr)
	if _, err := c.Plan(Target{Timeline: c.Lease.Timeline}); !errors.Is(err, ErrNoBackup) {
		require.NoError(tb, err)
	}
}

func killAndStart(t *testing.T, seed uint64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 5))
	l, store := newFakeLog(seed), newMemStore()
	l.Resync(fakeReplID(7), stream.Offset(rng.IntN(2)*1000))
	opt := Options{SegmentBytes: 1 << 10, LeaseTTL: 10 * time.Second}
	told := promises{}
	for round := range 6 {
		m := newMortal(store, rng, 1+rng.IntN(40))
		p := start(t, opt, l, m)
		alive := true
		for step := 0; alive && step < 30; step++ {
			traffic(l, 4)
			told.hear(p, l)
			switch rng.IntN(12) {
			case 0:
				l.Rotate(false)
			case 1:
				l.Rotate(true)
			case 2:
				l.Failover(fakeReplID(100 + round*40 + step))
			case 3:
				if rng.IntN(3) == 0 {
					l.Resync(fakeReplID(500+round*40+step), stream.Offset(rng.IntN(5000)))
				}
			}
			select {
			case <-m.dead:
				alive = false
			default:
			}
			told.requireKept(t, requireValid(t, store, l))
		}
		p.stop()
		require.NoError(t, <-p.done)
		requireEnd(t, store)
		m.mu.Lock()
		late := m.late
		m.mu.Unlock()
		for _, arrive := range late {
			time.AfterFunc(time.Duration(rng.IntN(40))*time.Second, arrive)
		}
		if !alive && rng.IntN(2) == 0 {
			another := stream.ReplID{}
			if rng.IntN(3) == 0 {
				another = fakeReplID(900 + round)
			}
			l.Crash(rng.IntN(12), another)
		}
	}
	p := start(t, opt, l, store)
	traffic(l, 100)
	<-time.After(5 * time.Minute)
	requireShippedAll(t, p, l)
	c := requireValid(t, store, l)
	told.requireKept(t, c)
	for _, line := range c.Timelines {
		for _, r := range line.Runs() {
			require.Equal(t, r, line.Runs()[0], "a hole in %s", line.ID)
		}
	}
	p.end(t)
}
