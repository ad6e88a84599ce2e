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
)

// stoppable is a store as a process sees it that is stopped (SIGSTOP) for a while: what it sends then arrives when it goes on, whatever has become of
// its lease; nothing else of it does anything.
type stoppable struct {
	*memStore
	mu   sync.Mutex
	gate chan struct{} // closed: it runs
}

func newStoppable(m *memStore) *stoppable {
	s := &stoppable{memStore: m, gate: make(chan struct{})}
	close(s.gate)
	return s
}

func (s *stoppable) stop() { s.mu.Lock(); defer s.mu.Unlock(); s.gate = make(chan struct{}) }
func (s *stoppable) goOn() { s.mu.Lock(); defer s.mu.Unlock(); close(s.gate) }
func (s *stoppable) wait() { s.mu.Lock(); g := s.gate; s.mu.Unlock(); <-g }

func (s *stoppable) Put(ctx context.Context, key string, body Body, cond Condition) (Object, error) {
	r, err := body.Open()
	if err != nil {
		return Object{}, err
	}
	p, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		return Object{}, err
	}
	s.wait()
	return s.memStore.Put(context.WithoutCancel(ctx), key, bytesBody(p), cond)
}

func (s *stoppable) Delete(ctx context.Context, key string) error {
	s.wait()
	return s.memStore.Delete(context.WithoutCancel(ctx), key)
}

// TestTwoOnOnePrefix: two sidecars whose logs have a common past and then follow upstreams that went different ways. Each is stopped again and
// again, longer than the TTL, with writes on their way. Whatever counts in the archive is of one of them for each timeline.
func TestTwoOnOnePrefix(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { shipFromTwo(t, seed) })
		})
	}
}

func shipFromTwo(t *testing.T, seed uint64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 17))
	store := newMemStore()
	a := newFakeLog(seed)
	a.Resync(fakeReplID(1), 100)
	opt := Options{SegmentBytes: 2 << 10, LeaseTTL: 10 * time.Second}
	storeA, storeB := newStoppable(store), newStoppable(store)
	pa := start(t, opt, a, storeA)
	traffic(a, rng.IntN(40))

	b := a.Fork(seed + 1000)
	b.salt = 5
	b.Failover(fakeReplID(2))
	pb := start(t, opt, b, storeB)
	told := promises{}
	check := func() *Catalog {
		c := requireValid(t, store, a, b)
		told.requireKept(t, c)
		told.hear(pa, a)
		told.hear(pb, b)
		return c
	}
	for range 8 {
		stopped := []*stoppable{storeA, storeB}[rng.IntN(2)]
		stopped.stop()
		for range rng.IntN(40) {
			traffic(a, 1)
			traffic(b, 1)
			if rng.IntN(15) == 0 {
				[]*fakeLog{a, b}[rng.IntN(2)].Rotate(rng.IntN(2) == 0)
			}
		}
		check()
		stopped.goOn()
		traffic(a, rng.IntN(6))
		traffic(b, rng.IntN(6))
		check()
	}
	<-time.After(time.Minute)
	c := check()
	require.NotEmpty(t, c.Windows())
	plan, err := c.Plan(Target{})
	require.NoError(t, err)
	require.Positive(t, plan.Bytes())
	sa, sb := pa.State(), pb.State()
	require.False(t, sa.Held && sb.Held, "both ship")
	require.True(t, sa.Held || sb.Held, "nobody ships")
	pa.end(t)
	pb.end(t)
}
