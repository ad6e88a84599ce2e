package upload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// loseConfirmed removes the segment that has an offset, which was confirmed, and wants it to be called a loss.
func loseConfirmed(t *testing.T, store *memStore, id string, behind, confirmed stream.Offset) {
	t.Helper()
	c, err := ReadCatalog(t.Context(), store)
	require.NoError(t, err)
	var lost *ArchivedSegment
	for _, line := range c.Timelines {
		for _, s := range line.Segments {
			if line.ID == id && s.From > behind && s.To < confirmed && lost == nil {
				lost = &s
			}
		}
	}
	require.NotNil(t, lost, "behind %d, before %d", behind, confirmed)
	for _, line := range c.Timelines {
		for _, s := range line.Segments {
			if line.ID == id && s.From < lost.To && s.To > lost.From {
				require.NoError(t, store.Delete(t.Context(), s.String()))
			}
		}
	}
	c, err = ReadCatalog(t.Context(), store)
	require.NoError(t, err)
	rep, err := VerifyArchive(t.Context(), store, VerifyOptions{})
	require.NoError(t, err)
	require.False(t, rep.OK())
	_, err = c.Plan(Target{Timeline: id})
	_, hole := errors.AsType[*HoleError](err)
	require.True(t, hole, "%v", err)
}

// shipAndRestart ships something, ends, and goes on as a process with opt, for five minutes with many renewals. It returns where that one began.
func shipAndRestart(t *testing.T, l *fakeLog, store *memStore, opt Options) (p *process, restarted stream.Offset) {
	t.Helper()
	l.Resync(fakeReplID(1), 100)
	p = start(t, Options{}, l, store)
	traffic(l, 10)
	p.end(t)
	restarted = l.End()
	p = start(t, opt, l, store)
	traffic(l, 600)
	<-time.After(time.Minute)
	requireShippedAll(t, p, l)
	return p, restarted
}

// A restart, minutes of work, a full resync: one tenure ships two timelines, and lease.json has room for one.
func TestLossInTheFirstOfTwoTimelines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(3), newMemStore()
		p, restarted := shipAndRestart(t, l, store, Options{})
		first, confirmed := l.ID(), l.End()
		l.Resync(fakeReplID(2), 50)
		traffic(l, 20)
		<-time.After(time.Minute)
		requireShippedAll(t, p, l)
		p.end(t)
		loseConfirmed(t, store, first, restarted, confirmed)
	})
}

// The operator sets archive.lease.enabled: false: lease.json stays as it was.
func TestLossBehindALeaseThatIsDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(3), newMemStore()
		p, restarted := shipAndRestart(t, l, store, Options{LeaseDisabled: true})
		p.end(t)
		loseConfirmed(t, store, l.ID(), restarted, l.End())
	})
}

// And sets it to true again, and a full resync comes before a segment.
func TestLossBehindALeaseThatWasDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(3), newMemStore()
		l.keeps = true
		p, restarted := shipAndRestart(t, l, store, Options{LeaseDisabled: true})
		p.end(t)
		first, confirmed := l.ID(), l.End()
		l.Resync(fakeReplID(2), 50)
		p = start(t, Options{}, l, store)
		traffic(l, 10)
		<-time.After(20 * time.Second)
		p.end(t)
		loseConfirmed(t, store, first, restarted, confirmed)
	})
}

// lease.json is damaged or gone: what an epoch remembers of before is no word on what came since.
func TestLossWithoutALease(t *testing.T) {
	for what, do := range map[string]func(*testing.T, *memStore){
		"damaged": func(t *testing.T, m *memStore) {
			t.Helper()
			m.damage(t, LeaseKey(), "{")
		},
		"removed": func(t *testing.T, m *memStore) {
			t.Helper()
			require.NoError(t, m.Delete(t.Context(), LeaseKey()))
		},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, store := newFakeLog(3), newMemStore()
				p, restarted := shipAndRestart(t, l, store, Options{})
				p.end(t)
				do(t, store)
				loseConfirmed(t, store, l.ID(), restarted, l.End())
			})
		})
	}
}

// A lease that is damaged is named, as any record is.
func TestDamagedLeaseIsNamed(t *testing.T) {
	n := &names{t: t, store: newMemStore(), now: time.Now()}
	n.base("00000001-0123abcd", 100, n.now)
	n.store.damage(t, LeaseKey(), "{")
	c, err := ReadCatalog(t.Context(), n.store)
	require.NoError(t, err)
	require.Len(t, c.Damaged, 1)
}

// Behind a gap nothing is confirmed until a base follows: the archive ends before it.
func TestGapIsNotConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(4), newMemStore()
		l.Resync(fakeReplID(1), 100)
		p := start(t, Options{}, l, store)
		traffic(l, 10)
		<-time.After(20 * time.Second)
		was := l.End()
		p.end(t)
		traffic(l, 10)
		l.Rotate(false)
		gapTo := l.End()
		l.mu.Lock()
		l.drop(l.line(), func(inc stream.LogFile) bool { return inc.Closed && inc.To <= gapTo })
		l.mu.Unlock()
		traffic(l, 10)
		p = start(t, Options{}, l, store)
		<-time.After(20 * time.Second)
		p.end(t)
		lease, err := ReadLease(t.Context(), store)
		require.NoError(t, err)
		require.Equal(t, was, lease.Offset)
		c, err := ReadCatalog(t.Context(), store)
		require.NoError(t, err)
		plan, err := c.Plan(Target{})
		require.NoError(t, err)
		require.Equal(t, was, plan.Window.To)
		require.Equal(t, stream.Range{From: was, To: gapTo}, plan.Hole.Missing)
	})
}

// confirmation is what was confirmed of a timeline, and when.
type confirmation struct {
	at time.Time
	to stream.Offset
}

// rounds is a sidecar that is killed and started again, with resyncs, and how often it was looked whether what it left can be restored.
type rounds struct {
	t            *testing.T
	rng          *rand.Rand
	store        *memStore
	told         map[string][]confirmation
	ends, losses int
}

// TestLossesAreNoEnds: whatever a kill leaves, each timeline can be restored to its end; and where an object is lost that was confirmed, none ends in front of that. The lease is there all the
// time, or it is disabled and removed now and then; then nothing need be said of ends.
func TestLossesAreNoEnds(t *testing.T) {
	for _, unfenced := range []bool{false, true} {
		ends, losses := 0, 0
		for seed := range uint64(60) {
			t.Run(fmt.Sprint(unfenced, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := &rounds{t: t, rng: rand.New(rand.NewPCG(seed, 77)), store: newMemStore(), told: map[string][]confirmation{}}
					r.run(seed, unfenced)
					ends, losses = ends+r.ends, losses+r.losses
				})
			})
		}
		require.Greater(t, losses, 300)
		require.True(t, unfenced || ends > 300)
	}
}

func (r *rounds) run(seed uint64, unfenced bool) {
	l := newFakeLog(seed)
	l.Resync(fakeReplID(7), stream.Offset(r.rng.IntN(2)*1000))
	for round := range 5 {
		m := newMortal(r.store, r.rng, 1+r.rng.IntN(120))
		opt := Options{SegmentBytes: 1 << 10, LeaseTTL: 10 * time.Second, LeaseDisabled: unfenced && r.rng.IntN(3) == 0}
		p := start(r.t, opt, l, m)
		for step := 0; step < 30 && !m.died(); step++ {
			r.step(p, l, round*40+step)
		}
		p.stop()
		require.NoError(r.t, <-p.done)
		died := time.Now()
		if unfenced && r.rng.IntN(4) == 0 {
			require.NoError(r.t, r.store.Delete(r.t.Context(), LeaseKey()))
		}
		if !unfenced {
			r.requireEnds()
		}
		r.requireLosses(died.Add(-2 * opt.LeaseTTL))
		m.mu.Lock()
		late := m.late
		m.mu.Unlock()
		for _, arrive := range late {
			time.AfterFunc(time.Duration(r.rng.IntN(40))*time.Second, arrive)
		}
	}
	<-time.After(time.Minute)
}

// step is some traffic, and perhaps something that happens to a log.
func (r *rounds) step(p *process, l *fakeLog, n int) {
	traffic(l, 4)
	if to, ok := p.Shipped(); ok {
		r.told[l.ID()] = append(r.told[l.ID()], confirmation{time.Now(), to})
	}
	switch r.rng.IntN(12) {
	case 0:
		l.Rotate(false)
	case 1:
		l.Rotate(r.rng.IntN(4) == 0)
	case 2:
		l.Failover(fakeReplID(100 + n))
	case 3:
		if r.rng.IntN(3) == 0 {
			l.Resync(fakeReplID(500+n), stream.Offset(r.rng.IntN(5000)))
		}
	}
}

// requireEnds wants that nothing is taken for a loss where nothing was lost.
func (r *rounds) requireEnds() {
	c, err := ReadCatalog(r.t.Context(), r.store)
	require.NoError(r.t, err)
	for i := range c.Timelines {
		r.ends++
		_, err := c.Plan(Target{Timeline: c.Timelines[i].ID})
		_, hole := errors.AsType[*HoleError](err)
		require.False(r.t, hole, "%v; lease %+v", err, c.Lease)
	}
}

// requireLosses removes from a copy of the archive, of each timeline, a place that was confirmed by then, and wants that to be a loss unless nothing is behind it.
func (r *rounds) requireLosses(by time.Time) {
	c, err := ReadCatalog(r.t.Context(), r.store)
	require.NoError(r.t, err)
	for i := range c.Timelines {
		line := &c.Timelines[i]
		var confirmed stream.Offset
		for _, told := range r.told[line.ID] {
			if told.at.Before(by) {
				confirmed = max(confirmed, told.to)
			}
		}
		old := slices.DeleteFunc(slices.Clone(line.Segments), func(s ArchivedSegment) bool { return s.To > confirmed })
		if len(old) == 0 {
			continue
		}
		lost := old[r.rng.IntN(len(old))]
		harmed := r.store.clone()
		for _, s := range line.Segments {
			if s.From < lost.To && s.To > lost.From {
				require.NoError(r.t, harmed.Delete(r.t.Context(), s.String()))
			}
		}
		left, err := ReadCatalog(r.t.Context(), harmed)
		require.NoError(r.t, err)
		r.losses++
		p, err := left.Plan(Target{Timeline: line.ID})
		short := err == nil && p.Window.To < confirmed && p.Window.To < left.Timelines[i].end()
		require.False(r.t, short, "%s ends at offset %v of %d; lease %+v", line.ID, p, confirmed, c.Lease)
	}
}

// epochStore has as many records of epochs as one likes, of as many bytes as are read of one.
type epochStore struct {
	*memStore
	n, reads int
	heap     uint64
	text     []byte
}

func (s *epochStore) List(ctx context.Context, prefix, after string) iter.Seq2[Object, error] {
	if prefix != EpochsPrefix() {
		return s.memStore.List(ctx, prefix, after)
	}
	return func(yield func(Object, error) bool) {
		for i := 1; i <= s.n && yield(Object{Key: EpochKey(int64(i)), Size: maxRecord}, nil); i++ {
			continue
		}
	}
}

func (s *epochStore) Get(ctx context.Context, key string, from, n int64) (io.ReadCloser, Object, error) {
	e, ok := ParseEpochKey(key)
	if !ok {
		return s.memStore.Get(ctx, key, from, n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reads++; s.reads == s.n {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		s.heap = m.HeapAlloc
	}
	text := fmt.Appendf(nil, `{"epoch":%d,%s`, e, s.text)
	return io.NopCloser(bytes.NewReader(text)), Object{Key: key, Size: int64(len(text))}, nil
}

// What records of epochs say of timelines that are not there, over and over, and who wrote them, takes no memory.
func TestEpochRecordsAreBounded(t *testing.T) {
	older := strings.Repeat(`{"timeline":"x"},`, 3800)
	s := &epochStore{memStore: newMemStore(), n: 2000, text: []byte(`"timeline":"x","older":[` + older[:len(older)-1] + `]}`)}
	require.Less(t, len(s.text), maxRecord-100)
	n := &names{t: t, store: s.memStore, now: time.Now()}
	n.base("00000001-0123abcd", 100, n.now)
	_, err := ReadCatalog(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, s.n, s.reads)
	require.NotZero(t, s.heap)
	require.Less(t, s.heap, uint64(32<<20))
}

// TestTakeoverOverALoss: an object that was confirmed is lost, the sidecar restarts, and its host goes before all behind the loss is stored again: what is there still, and was
// confirmed, is put aside.
func TestTakeoverOverALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(3), newMemStore()
		l.keeps = true
		l.Resync(fakeReplID(1), 100)
		p := start(t, Options{}, l, store)
		traffic(l, 100)
		<-time.After(time.Minute)
		requireShippedAll(t, p, l)
		confirmed := l.End()
		p.end(t)
		c, err := ReadCatalog(t.Context(), store)
		require.NoError(t, err)
		segs := c.Timelines[0].Segments
		require.NoError(t, store.Delete(t.Context(), segs[len(segs)/2].String()))
		store.fails(func(ctx context.Context, op, key string, _ bool) error {
			if _, seg := ParseSegmentKey(key); op == "put" && seg {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return nil
		})
		p = start(t, Options{}, l, store)
		<-time.After(20 * time.Second)
		p.end(t)
		c, err = ReadCatalog(t.Context(), store)
		require.NoError(t, err)
		plan, err := c.Plan(Target{})
		require.NoError(t, err)
		require.Less(t, plan.Window.To, confirmed)
		require.GreaterOrEqual(t, c.Timelines[0].Once, confirmed, "so that a restore says so")
	})
}
