package upload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

const testTTL = 30 * time.Second

func testLeaser(store Store, name string) *leaser {
	return &leaser{store: store, ttl: testTTL, holder: name, host: name, observer: &Observer{}, failed: func(string, error) {}, held: func(LeaseRecord) {}, wall: time.Now}
}

func TestLeaseIsTakenRenewedAndReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		h, err := testLeaser(store, "a").acquire(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(1), h.rec.Epoch)
		require.NoError(t, h.hold(t.Context(), func(ctx context.Context) error {
			return errors.Join(pause(ctx, 10*testTTL), h.valid())
		}))
		rec, err := ReadLease(t.Context(), store)
		require.NoError(t, err)
		require.True(t, rec.Released)
		require.GreaterOrEqual(t, rec.Beat, int64(30), "three renewals a TTL")

		begun := time.Now()
		h, err = testLeaser(store, "b").acquire(t.Context())
		require.NoError(t, err)
		require.Zero(t, time.Since(begun), "a released lease is free at once")
		require.Equal(t, int64(2), h.rec.Epoch)
	})
}

func TestLeaseOfSomebodyWhoDiedIsTakenAfterATTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		_, err := testLeaser(store, "a").acquire(t.Context())
		require.NoError(t, err)
		l := testLeaser(store, "b")
		var told []string
		l.observer.LeaseHeld = func(r LeaseRecord) { told = append(told, r.Holder) }
		begun := time.Now()
		h, err := l.acquire(t.Context())
		require.NoError(t, err)
		require.Equal(t, testTTL+testTTL/clockSkew, time.Since(begun).Round(10*time.Millisecond))
		require.Equal(t, int64(2), h.rec.Epoch)
		require.Equal(t, []string{"a"}, told, "who holds it is said once")
	})
}

func TestLeaseOfSomebodyAliveIsNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		a, err := testLeaser(store, "a").acquire(t.Context())
		require.NoError(t, err)
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		require.ErrorIs(t, a.hold(ctx, func(ctx context.Context) error {
			_, err := testLeaser(store, "b").acquire(ctx)
			return err
		}), context.DeadlineExceeded)
	})
}

// TestLeaseEndsBeforeItIsTaken: a holder whose renewals hang stops before anybody else can begin.
func TestLeaseEndsBeforeItIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		a, err := testLeaser(store, "a").acquire(t.Context())
		require.NoError(t, err)
		hang := &faultyStore{Store: store, put: func(ctx context.Context, _ string) error { <-ctx.Done(); return context.Cause(ctx) }}
		a.store = hang
		taken := make(chan time.Time, 1)
		go func() {
			b, err := testLeaser(store, "b").acquire(t.Context())
			if err == nil && b.rec.Epoch == 2 {
				taken <- time.Now()
			}
			close(taken)
		}()
		var ended time.Time
		err = a.hold(t.Context(), func(ctx context.Context) error {
			<-ctx.Done()
			ended = time.Now()
			require.ErrorIs(t, a.valid(), ErrLeaseLost)
			return context.Cause(ctx)
		})
		require.ErrorIs(t, err, ErrLeaseLost)
		require.True(t, ended.Before(<-taken))
	})
}

// TestLeaseOfASuspendedMachine: the machine is suspended, or its processor taken away, for longer than the TTL: of its clocks only that of the wall shows it. Nothing is
// written from then on, and nothing that was on its way is confirmed, though no timer has run out and no renewal was refused yet.
func TestLeaseOfASuspendedMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		l := testLeaser(store, "a")
		var slept atomic.Int64
		l.wall = func() time.Time { return time.Now().Add(time.Duration(slept.Load())) }
		a, err := l.acquire(t.Context())
		require.NoError(t, err)
		var why error
		err = a.hold(t.Context(), func(ctx context.Context) error {
			fenced := &fencedStore{Store: store, valid: a.valid}
			if err := pause(ctx, 10*testTTL+time.Second); err != nil {
				return err
			}
			require.NoError(t, a.valid())
			slept.Store(-int64(time.Hour)) // a step back of the clock is no matter
			require.NoError(t, a.valid())
			slept.Store(int64(testTTL - 5*time.Second))
			require.NoError(t, a.valid(), "a short sleep is none")
			slept.Store(int64(2 * testTTL))
			require.ErrorIs(t, a.valid(), ErrLeaseLost)
			_, err := fenced.Put(ctx, "x", bytesBody([]byte("x")), Condition{})
			require.ErrorIs(t, err, ErrLeaseLost)
			begun := time.Now()
			<-ctx.Done()
			require.LessOrEqual(t, time.Since(begun), testTTL/leaseTries, "the next renewal ends it")
			why = context.Cause(ctx)
			return why
		})
		require.ErrorIs(t, err, ErrLeaseLost)
		require.ErrorIs(t, why, ErrLeaseLost)
		require.Empty(t, store.objects["x"])

		b, err := l.acquire(t.Context())
		require.NoError(t, err, "nobody else had it: it is taken again at once, with another epoch")
		require.Equal(t, a.rec.Epoch+1, b.rec.Epoch)
		require.NoError(t, b.valid())
	})
}

type faultyStore struct {
	Store
	put func(ctx context.Context, key string) error
}

func (f *faultyStore) Put(ctx context.Context, key string, body Body, cond Condition) (Object, error) {
	if err := f.put(ctx, key); err != nil {
		return Object{}, err
	}
	return f.Store.Put(ctx, key, body, cond)
}

func TestLeaseRenewalWhoseAnswerIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		h, err := testLeaser(store, "a").acquire(t.Context())
		require.NoError(t, err)
		var lost int
		store.fails(func(_ context.Context, op, _ string, after bool) error {
			if op == "put" && after {
				if lost++; lost%2 == 0 {
					return errors.New("connection reset")
				}
			}
			return nil
		})
		require.NoError(t, h.hold(t.Context(), func(ctx context.Context) error { return pause(ctx, 20*testTTL) }))
		require.Greater(t, lost, 20)
	})
}

// TestLeaseIsReleasedAfterARenewalThatWasCut: the end of the work cuts a renewal off whose record is in the store already, so the ETag is another one.
func TestLeaseIsReleasedAfterARenewalThatWasCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		h, err := testLeaser(store, "a").acquire(t.Context())
		require.NoError(t, err)
		cut := make(chan struct{})
		store.fails(func(ctx context.Context, op, _ string, after bool) error {
			if op != "put" || !after {
				return nil
			}
			store.fails(nil)
			close(cut)
			<-ctx.Done()
			return context.Cause(ctx)
		})
		require.NoError(t, h.hold(t.Context(), func(context.Context) error { <-cut; return nil }))
		rec, err := ReadLease(t.Context(), store)
		require.NoError(t, err)
		require.True(t, rec.Released, "else whoever comes next waits for a TTL")
	})
}

func TestLeaseIsLost(t *testing.T) {
	for name, spoil := range map[string]func(*memStore){
		"removed": func(m *memStore) { _ = m.Delete(context.Background(), LeaseKey()) },
		"taken": func(m *memStore) {
			_, _ = putRecord(context.Background(), m, LeaseKey(), LeaseRecord{Epoch: 9, Holder: "b"}, Condition{})
		},
		"garbage": func(m *memStore) {
			_, _ = m.Put(context.Background(), LeaseKey(), bytesBody([]byte("{")), Condition{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newMemStore()
				l := testLeaser(store, "a")
				var lost error
				l.observer.LeaseLost = func(why error) { lost = why }
				h, err := l.acquire(t.Context())
				require.NoError(t, err)
				begun := time.Now()
				err = h.hold(t.Context(), func(ctx context.Context) error {
					spoil(store)
					<-ctx.Done()
					return nil
				})
				require.ErrorIs(t, err, ErrLeaseLost)
				require.ErrorIs(t, lost, ErrLeaseLost)
				require.Equal(t, testTTL/leaseTries, time.Since(begun), "it is seen at the next renewal")
			})
		})
	}
}

func TestLeaseNeedsConditions(t *testing.T) {
	store := newMemStore()
	store.unconditional = true
	_, err := testLeaser(store, "a").acquire(t.Context())
	require.ErrorIs(t, err, ErrUnconditional)
}

func TestLeaseEpochIsAboveAllThatIsWrittenDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		require.NoError(t, writeEpoch(t.Context(), store, EpochRecord{Epoch: 41, Holder: "x", Timeline: "00000001-0123abcd"}))
		h, err := testLeaser(store, "a").acquire(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(42), h.rec.Epoch, "somebody removed the lease")
	})
}

func TestEpochIsWrittenOnce(t *testing.T) {
	store := newMemStore()
	rec := EpochRecord{Epoch: 1, Holder: "a", Timeline: "00000001-0123abcd", Offset: 7}
	require.NoError(t, writeEpoch(t.Context(), store, rec))
	require.NoError(t, writeEpoch(t.Context(), store, rec), "the answer to the first try was lost")
	other := rec
	other.Holder = "b"
	require.ErrorIs(t, writeEpoch(t.Context(), store, other), errEpochTaken)
	other = rec
	other.Offset = 8
	require.ErrorIs(t, writeEpoch(t.Context(), store, other), errEpochTaken, "what is written is never another")
}

func TestLeaseAnnouncesAHistoryBeforeItIsShipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		h, err := testLeaser(store, "a").acquire(t.Context())
		require.NoError(t, err)
		id, err := stream.ParseReplID(fmt.Sprintf("%040x", 77))
		require.NoError(t, err)
		require.NoError(t, h.hold(t.Context(), func(ctx context.Context) error {
			require.NoError(t, h.announce(ctx, "00000001-0123abcd", 5, id))
			rec, err := ReadLease(ctx, store)
			require.NoError(t, err)
			require.Equal(t, id.String(), rec.ReplID)
			h.shipped("00000001-0123abcd", 9)
			h.shipped("00000000-0123abcd", 11)
			return pause(ctx, testTTL)
		}))
		rec, err := ReadLease(t.Context(), store)
		require.NoError(t, err)
		require.Equal(t, stream.Offset(9), rec.Offset)
	})
}

// TestAnnouncementThatFailedIsMadeAgain: while it is not written which history is shipped, nothing of it may be.
func TestAnnouncementThatFailedIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		h, err := testLeaser(store, "a").acquire(t.Context())
		require.NoError(t, err)
		id := fakeReplID(77)
		down := errors.New("reset")
		fail := down
		store.fails(func(_ context.Context, op, _ string, after bool) error {
			if op == "put" && !after {
				return fail
			}
			return nil
		})
		require.NoError(t, h.hold(t.Context(), func(ctx context.Context) error {
			require.ErrorIs(t, h.announce(ctx, "00000001-0123abcd", 5, id), down)
			require.ErrorIs(t, h.announce(ctx, "00000001-0123abcd", 5, id), down)
			fail = nil
			require.NoError(t, h.announce(ctx, "00000001-0123abcd", 5, id))
			rec, err := ReadLease(ctx, store)
			require.NoError(t, err)
			require.Equal(t, id.String(), rec.ReplID)
			require.Equal(t, stream.Offset(5), rec.Offset)
			return nil
		}))
	})
}

// TestLeasesNeverOverlap: whatever the store does to requests, at most one of three holders may write at any time.
func TestLeasesNeverOverlap(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(seed, 1))
				var mu sync.Mutex
				dice := func(n int) int { mu.Lock(); defer mu.Unlock(); return rnd.IntN(n) }
				store := newMemStore()
				store.fails(func(_ context.Context, _, _ string, _ bool) error {
					switch dice(8) {
					case 0:
						return errors.New("reset")
					case 1:
						<-time.After(time.Duration(dice(60)) * time.Second) // whatever its ctx says
					}
					return nil
				})
				ctx, stop := context.WithTimeout(t.Context(), time.Hour)
				defer stop()
				var writing, tenures int
				var wg sync.WaitGroup
				for i := range 3 {
					wg.Go(func() {
						for ctx.Err() == nil {
							h, err := testLeaser(store, fmt.Sprint(i)).acquire(ctx)
							if err != nil {
								continue
							}
							_ = h.hold(ctx, func(ctx context.Context) error {
								mu.Lock()
								if ctx.Err() == nil {
									writing++
									tenures++
									defer func() { mu.Lock(); writing--; mu.Unlock() }()
								}
								n := writing
								mu.Unlock()
								require.LessOrEqual(t, n, 1, "two holders")
								_ = pause(ctx, time.Duration(dice(300))*time.Second)
								return nil
							})
						}
					})
				}
				wg.Wait()
				require.Positive(t, tenures)
			})
		})
	}
}

// TestEpochsEnd: names have room for so many, and what has a name of its own shape would be nobody's.
func TestEpochsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemStore()
		_, err := putRecord(t.Context(), store, LeaseKey(), LeaseRecord{Epoch: maxEpoch + 1, Released: true}, Condition{})
		require.NoError(t, err)
		h, err := testLeaser(store, "a").acquire(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(1), h.rec.Epoch, "no sidecar wrote that lease")

		_, err = putRecord(t.Context(), store, EpochKey(maxEpoch), EpochRecord{}, Condition{})
		require.NoError(t, err)
		for _, disabled := range []bool{false, true} {
			l := newFakeLog(34)
			l.Resync(fakeReplID(1), 0)
			p := start(t, Options{LeaseDisabled: disabled}, l, store)
			<-time.After(5 * time.Minute)
			require.Contains(t, p.State().Error, "no epoch is left")
			require.Zero(t, p.State().Stored)
			p.end(t)
		}
		require.Len(t, store.objects, 2)
	})
}

// TestClockStepsUnderALease: a clock that steps ahead costs the lease at most once, and that for a moment; one that steps back costs nothing.
func TestClockStepsUnderALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(35), newMemStore()
		l.Resync(fakeReplID(1), 0)
		u, err := New(Options{}, l, store)
		require.NoError(t, err)
		var step atomic.Int64
		u.leaser.wall = func() time.Time { return time.Now().Add(time.Duration(step.Load())) }
		done := make(chan error, 1)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { done <- u.Run(ctx) }()
		traffic(l, 20)
		for i, s := range []time.Duration{time.Hour, time.Hour - 5*time.Second, 0, -time.Hour, -time.Hour + time.Minute} {
			step.Store(int64(s))
			traffic(l, 60)
			<-time.After(testTTL)
			off, ok := u.Shipped()
			require.True(t, ok)
			require.Equal(t, l.End(), off, "step %d: %+v", i, u.State())
			require.Equal(t, []int64{2, 2, 2, 2, 3}[i], u.State().Lease.Epoch)
		}
		requireValid(t, store, l)
		require.Empty(t, l.asked)
		stop()
		require.NoError(t, <-done)
	})
}
