package upload

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// requireOnce proves that no range is stored twice.
func requireOnce(tb testing.TB, c *Catalog) {
	tb.Helper()
	for _, line := range c.Timelines {
		seen := map[span]string{}
		for _, s := range line.Segments {
			k := span{s.From, s.To}
			if s.From < s.To {
				require.Empty(tb, seen[k], "%v is stored as %s too", s, seen[k])
			}
			seen[k] = s.String()
		}
		offsets := map[stream.Offset]bool{}
		for _, b := range line.Bases {
			require.False(tb, offsets[b.Offset], "%s", b)
			offsets[b.Offset] = true
		}
	}
}

// TestLagBeforeTheFirstSegment: of a timeline of which nothing is stored yet the lag counts from when its bytes came, not from the year 1.
func TestLagBeforeTheFirstSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(4), newMemStore()
		l.Resync(fakeReplID(1), 0)
		store.fails(func(_ context.Context, _, key string, _ bool) error {
			if strings.Contains(key, "/incr/") {
				return errors.New("503 SlowDown")
			}
			return nil
		})
		p := start(t, Options{}, l, store)
		traffic(l, 10)
		s := p.State()
		require.True(t, s.Held)
		require.Positive(t, s.LagBytes)
		require.InDelta(t, 5, s.LagSeconds, 1)
	})
}

func TestOutageOfAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(4), newMemStore()
		l.Resync(fakeReplID(1), 0)
		var out atomic.Bool
		store.fails(func(context.Context, string, string, bool) error {
			if out.Load() {
				return errors.New("503 SlowDown")
			}
			return nil
		})
		p := start(t, Options{}, l, store)
		traffic(l, 100)
		before, ok := p.Shipped()
		require.True(t, ok)
		out.Store(true)
		for i := range 60 {
			traffic(l, 120)
			if i%10 == 0 {
				l.Rotate(i == 30)
			}
		}
		during, ok := p.Shipped()
		require.True(t, ok, "what is stored stays so")
		require.GreaterOrEqual(t, during, before)
		s := p.State()
		require.Contains(t, s.Error, "503 SlowDown")
		require.False(t, s.Held)
		require.Positive(t, s.LagBytes)
		require.InDelta(t, time.Hour.Seconds(), s.LagSeconds, 60)
		require.Positive(t, s.SpoolBytes)
		out.Store(false)
		<-time.After(3 * time.Minute)
		requireShippedAll(t, p, l)
		c := requireValid(t, store, l)
		requireOnce(t, c)
		require.Len(t, c.Windows(), 1)
		require.Zero(t, p.State().LagBytes)
		require.Empty(t, p.State().Gaps)
		p.end(t)
	})
}

// TestFaultsEverywhere: a fifth of all requests fails, before or after it took effect, and some take long.
func TestFaultsEverywhere(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, store := newFakeLog(seed), newMemStore()
				var mu sync.Mutex
				rng := rand.New(rand.NewPCG(seed, 8))
				dice := func(n int) int { mu.Lock(); defer mu.Unlock(); return rng.IntN(n) }
				store.fails(func(ctx context.Context, _, _ string, _ bool) error {
					switch dice(10) {
					case 0:
						return errors.New("reset")
					case 1:
						return pause(ctx, time.Duration(dice(20))*time.Second)
					}
					return nil
				})
				l.Resync(fakeReplID(1), 0)
				p := start(t, Options{SegmentBytes: 1 << 10}, l, store)
				for range 12 {
					traffic(l, 20)
					if dice(2) == 0 {
						l.Rotate(dice(3) == 0)
					}
					requireValid(t, store.clone(), l)
				}
				store.fails(nil)
				<-time.After(5 * time.Minute)
				requireShippedAll(t, p, l)
				c := requireValid(t, store, l)
				require.Len(t, c.Windows(), 1)
				p.end(t)
			})
		})
	}
}

func TestRestartAdoptsWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(5), newMemStore()
		l.keeps = true
		l.Resync(fakeReplID(1), 0)
		for round := range 4 {
			p := start(t, Options{}, l, store)
			traffic(l, 50)
			l.Rotate(round == 1)
			traffic(l, 11)
			<-time.After(5 * time.Second)
			requireShippedAll(t, p, l)
			p.end(t)
		}
		puts := store.puts
		p := start(t, Options{}, l, store)
		<-time.After(2 * time.Second)
		requireShippedAll(t, p, l)
		require.LessOrEqual(t, store.puts-puts, 4, "lease, its announcement and the epoch: %v", store.log[len(store.log)-5:])
		requireOnce(t, requireValid(t, store, l))
		p.end(t)
	})
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(6), newMemStore()
		l.Resync(fakeReplID(1), 0)
		p := start(t, Options{Interval: time.Minute}, l, store)
		traffic(l, 50)
		off, _ := p.Shipped()
		require.Less(t, off, l.End())
		require.NoError(t, p.Drain(t.Context()))
		requireShippedAll(t, p, l)
		require.NoError(t, <-p.done)
		rec, err := ReadLease(t.Context(), store)
		require.NoError(t, err)
		require.True(t, rec.Released)
		require.NoError(t, p.Drain(t.Context()), "once more is nothing")
		requireValid(t, store, l)
	})
}

func TestDrainEndsInAnOutage(t *testing.T) {
	for name, holding := range map[string]bool{"holding the lease": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, store := newFakeLog(6), newMemStore()
				l.Resync(fakeReplID(1), 0)
				fault := func(ctx context.Context, _, _ string, _ bool) error { <-ctx.Done(); return context.Cause(ctx) }
				if !holding {
					store.fails(fault)
				}
				p := start(t, Options{Interval: time.Minute, LeaseTTL: 5 * time.Minute}, l, store)
				traffic(l, 50)
				store.fails(fault)
				ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
				defer stop()
				begun := time.Now()
				err := p.Drain(ctx)
				var unshipped *UnshippedError
				require.ErrorAs(t, err, &unshipped)
				require.LessOrEqual(t, time.Since(begun), 30*time.Second+releaseWait)
				require.NoError(t, <-p.done)
			})
		})
	}
}

func TestDrainBeforeRun(t *testing.T) {
	u, err := New(Options{}, newFakeLog(1), newMemStore())
	require.NoError(t, err)
	require.NoError(t, u.Drain(t.Context()))
}

// TestGap: in an outage the log gives up what nobody took; the archive has a hole then, and the next base closes it.
func TestGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(7), newMemStore()
		l.Resync(fakeReplID(1), 0)
		var gaps []Gap
		p := start(t, Options{Observer: Observer{Gap: func(g Gap) { gaps = append(gaps, g) }}}, l, store)
		traffic(l, 50)
		<-time.After(2 * time.Second)
		before, ok := p.Shipped()
		require.True(t, ok)
		store.fails(func(context.Context, string, string, bool) error { return errors.New("away") })
		traffic(l, 50)
		l.Rotate(false)
		traffic(l, 50)
		l.Rotate(false)
		traffic(l, 50)
		l.mu.Lock()
		begin := l.last().From
		l.drop(l.line(), func(inc stream.LogFile) bool { return inc.Closed })
		l.change()
		l.mu.Unlock()
		store.fails(nil)
		<-time.After(2 * time.Minute)
		off, ok := p.Shipped()
		require.True(t, ok)
		require.GreaterOrEqual(t, off, before)
		require.Less(t, off, begin, "nothing behind the gap has a base")
		require.Len(t, gaps, 1)
		require.Equal(t, begin, gaps[0].To)
		require.Equal(t, gaps, p.State().Gaps)

		l.Rotate(true)
		traffic(l, 10)
		<-time.After(5 * time.Second)
		requireShippedAll(t, p, l)
		c := requireValid(t, store, l)
		require.Len(t, c.Windows(), 2)
		require.Equal(t, l.End(), c.Windows()[1].To)
		p.end(t)
	})
}

func TestStoresWithoutConditions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(8), newMemStore()
		l.Resync(fakeReplID(1), 0)
		store.unconditional = true
		u, err := New(Options{}, l, store)
		require.NoError(t, err)
		require.ErrorIs(t, u.Run(t.Context()), ErrUnconditional)

		store.unconditional, store.ignores = false, true
		u, err = New(Options{}, l, store)
		require.NoError(t, err)
		require.ErrorIs(t, u.Run(t.Context()), ErrUnconditional, "they are ignored without a word")
		require.Error(t, u.Run(t.Context()), "only once")

		store = newMemStore()
		store.unconditional = true
		for range 2 {
			p := start(t, Options{LeaseDisabled: true}, l, store)
			traffic(l, 20)
			<-time.After(2 * time.Second)
			requireShippedAll(t, p, l)
			p.end(t)
		}
		c := requireValid(t, store, l)
		require.Equal(t, int64(2), c.Timelines[0].Segments[len(c.Timelines[0].Segments)-1].Epoch)
	})
}

// Without a lease nobody can tell of which history the end of an encrypted archive is.
func TestEncryptionNeedsALease(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	sealer, err := NewSealer(SealOptions{Recipients: []age.Recipient{identity.Recipient()}})
	require.NoError(t, err)
	_, err = New(Options{Sealer: sealer, LeaseDisabled: true}, newFakeLog(1), newMemStore())
	require.ErrorContains(t, err, "encryption needs a lease")
}

// TestEncryptedArchiveAheadOfTheLog: nobody here can read it, so the lease says of which history its end is.
func TestEncryptedArchiveAheadOfTheLog(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	sealer, err := NewSealer(SealOptions{Recipients: []age.Recipient{identity.Recipient()}})
	require.NoError(t, err)
	for name, another := range map[string]stream.ReplID{"same": {}, "another": fakeReplID(9)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, store := newFakeLog(9), newMemStore()
				l.Resync(fakeReplID(1), 0)
				p := start(t, Options{Sealer: sealer}, l, store)
				traffic(l, 30)
				<-time.After(2 * time.Second)
				requireShippedAll(t, p, l)
				p.end(t)
				l.Crash(8, another)
				p = start(t, Options{Sealer: sealer}, l, store)
				<-time.After(5 * time.Second)
				if another.IsZero() {
					_, ok := p.Shipped()
					require.False(t, ok, "it is not known yet whether the log is of that history")
				}
				traffic(l, 30)
				<-time.After(5 * time.Second)
				requireShippedAll(t, p, l)
				require.Equal(t, another.IsZero(), len(l.asked) == 0, "%v", l.asked)
				for _, obj := range store.all() {
					if strings.Contains(obj.Key, "/incr/") {
						require.True(t, strings.HasSuffix(obj.Key, ".age"))
					}
				}
				p.end(t)
			})
		})
	}
}

func TestFlushAllKeepsTheMomentBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(10), newMemStore()
		l.Resync(fakeReplID(1), 0)
		var kept []Moment
		p := start(t, Options{Observer: Observer{Kept: func(m Moment) { kept = append(kept, m) }}}, l, store)
		traffic(l, 10)
		at := l.written
		l.Do("SET", "text", "*1\r\n$8\r\nFLUSHALL\r\n")
		end := l.written
		l.Do("FlushAll", "ASYNC")
		traffic(l, 10)
		<-time.After(3 * time.Second)
		require.Greater(t, end, at)
		require.Equal(t, []Moment{{Timeline: l.ID(), Offset: end}}, kept)
		for range 20 {
			l.Do("FLUSHALL")
		}
		l.Rotate(false)
		<-time.After(5 * time.Second)
		c := requireValid(t, store, l)
		require.Len(t, c.Timelines[0].Moments, maxMoments)
		p.end(t)

		p = start(t, Options{}, l, store)
		l.Do("FLUSHALL")
		traffic(l, 4)
		<-time.After(5 * time.Second)
		require.Len(t, requireValid(t, store, l).Timelines[0].Moments, maxMoments, "they are counted again after a start")
		require.NoError(t, UnpinTimeline(t.Context(), store, l.ID()))
		require.Empty(t, requireValid(t, store, l).Timelines[0].Moments)
		p.end(t)
	})
}

func TestGuardPinsTheTimelineBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(11), newMemStore()
		l.Resync(fakeReplID(1), 0)
		p := start(t, Options{}, l, store)
		traffic(l, 10)
		l.mu.Lock()
		l.line().Pinned = true
		l.resync(fakeReplID(2), 50)
		l.mu.Unlock()
		traffic(l, 10)
		<-time.After(5 * time.Second)
		requireShippedAll(t, p, l)
		c := requireValid(t, store, l)
		require.Equal(t, PinGuard, c.Timelines[0].Pin.Reason)
		require.Nil(t, c.Timelines[1].Pin)
		p.end(t)
	})
}

func TestDamagedTimelineDoesNotHoldUpTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := newFakeLog(12), newMemStore()
		l.Resync(fakeReplID(1), 0)
		traffic(l, 20)
		damaged := l.ID()
		l.mu.Lock()
		p := *l.files[l.last().Name]
		copy(p[len(p)/2:], "garbage")
		l.mu.Unlock()
		l.Resync(fakeReplID(2), 50)
		proc := start(t, Options{}, l, store)
		traffic(l, 20)
		<-time.After(10 * time.Second)
		requireShippedAll(t, proc, l)
		require.Contains(t, proc.State().Error, damaged)
		require.Len(t, l.Holdings().Timelines, 2, "the log keeps it")
		proc.end(t)
	})
}

// hiding is a log whose files are elsewhere for a moment, now and then.
type hiding struct {
	*fakeLog
	opened atomic.Int64
}

func (h *hiding) OpenFile(name string) (fsx.File, error) {
	if h.opened.Add(1)%3 == 0 {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return h.fakeLog.OpenFile(name)
}

func TestFilesThatMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, store := &hiding{fakeLog: newFakeLog(13)}, newMemStore()
		l.Resync(fakeReplID(1), 0)
		p := start(t, Options{}, l, store)
		for i := range 9 {
			traffic(l.fakeLog, 10)
			l.Rotate(i%3 == 0)
			if i == 4 {
				l.Resync(fakeReplID(2), 900)
			}
		}
		<-time.After(time.Minute)
		requireShippedAll(t, p, l.fakeLog)
		c := requireValid(t, store, l.fakeLog)
		require.Len(t, c.Windows(), 2)
		require.Empty(t, p.State().Gaps)
		p.end(t)
	})
}

// TestDamagedIncrementOfThePresent: an increment that has closed cannot be read any more. It is tried, then named, with what to do; what is before the damage, if its end
// can be read, and behind the increment is shipped, and the next base closes the gap.
func TestDamagedIncrementOfThePresent(t *testing.T) {
	for _, what := range []string{"in its middle", "at its end", "gone short"} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, store := newFakeLog(14), newMemStore()
				l.Resync(fakeReplID(1), 0)
				for range 3 {
					traffic(l, 20)
					l.Rotate(false)
				}
				traffic(l, 5)
				damaged := l.Holdings().Timelines[0].Increments[1]
				l.mu.Lock()
				p := l.files[damaged.Name]
				switch what {
				case "in its middle":
					copy((*p)[len(*p)/2:], "garbage garbage")
				case "at its end":
					copy((*p)[len(*p)-20:], "garbage garbage")
				case "gone short":
					*p = (*p)[:len(*p)/2]
				}
				l.mu.Unlock()
				var gaps []Gap
				proc := start(t, Options{SegmentBytes: 512, Observer: Observer{Gap: func(g Gap) { gaps = append(gaps, g) }}}, l, store)
				<-time.After(time.Minute)
				require.Len(t, gaps, 1)
				require.Equal(t, damaged.To, gaps[0].To)
				require.GreaterOrEqual(t, gaps[0].From, damaged.From)
				if what == "in its middle" {
					require.Greater(t, gaps[0].From, damaged.From, "what is before the damage is shipped")
				}
				require.Contains(t, gaps[0].Why, damaged.Name)
				require.Contains(t, gaps[0].Why, "move the directory away")
				require.Contains(t, proc.State().Error, damaged.Name)
				require.Equal(t, l.End(), proc.State().Stored)
				failures := proc.State().Failures
				traffic(l, 20)
				<-time.After(10 * time.Minute)
				require.Equal(t, failures, proc.State().Failures, "it is not tried again")
				require.Equal(t, l.End(), proc.State().Stored)

				l.Rotate(true)
				traffic(l, 10)
				<-time.After(5 * time.Second)
				requireShippedAll(t, proc, l)
				proc.end(t)
				c := requireValid(t, store, l)
				require.Len(t, c.Windows(), 2)
				require.Equal(t, gaps[0].From, c.Windows()[0].To)
				require.Equal(t, l.End(), c.Windows()[1].To)
			})
		})
	}
}
