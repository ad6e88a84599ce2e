package aof

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// An increment closes at its size, between commands and outside MULTI, however the stream is cut into runs; the next one begins with the
// database and the position where the stream is.
func TestRotateBySize(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const size = 8000
				r := newRig(t, newHistory(t, "a1", 100, 0), func(o *Options) { o.IncrementBytes = size })
				r.start()
				rng := rand.New(rand.NewPCG(seed, 9))
				r.h.grow(rng, 800)
				end, _ := r.h.boundary(r.h.end())
				require.NoError(t, feeder{h: r.h, rng: rng}.feed(t.Context(), r.l, r.h.start, r.h.end()))
				require.NoError(t, r.l.Close())
				r.requireHolds(r.fs, end)
				rep, err := Verify(t.Context(), r.opt)
				require.NoError(t, err)
				require.Greater(t, len(rep.Increments), 5)
				for i, inc := range rep.Increments {
					at, db := r.h.boundary(inc.From)
					require.Equal(t, inc.From, at, "it begins at a boundary")
					data := string(r.read(r.l.at.path(inc.Name)))
					require.True(t, strings.HasPrefix(data, string(resp.AppendSelect(nil, db))), "database %d: %q", db, data[:60])
					if i+1 < len(rep.Increments) {
						require.GreaterOrEqual(t, inc.Bytes, int64(size))
						require.Less(t, inc.Bytes, int64(size+20_000))
					}
				}
				require.Len(t, r.seen().rotated, len(rep.Increments)-1)
			})
		})
	}
}

// What must not be cut in two makes an increment longer: a command, a transaction.
func TestRotateNotInsideATransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 1), func(o *Options) { o.IncrementBytes, o.IncrementAge = 1000, time.Minute })
		r.start()
		_, stop := r.run()
		r.feed()
		r.h.add("MULTI")
		for range 5 {
			r.h.add("SET", "k", strings.Repeat("v", 900))
			r.h.add("PUBLISH", "dropped", "inside")
		}
		require.NoError(t, r.feeder().feed(t.Context(), r.l, r.l.Received(), r.h.end()))
		pass(2 * time.Minute)
		require.Empty(t, r.seen().rotated, "neither by size nor by age")
		r.h.add("SELECT", "7")
		r.h.add("INCR", "n")
		r.h.add("EXEC")
		r.feedOpen()
		r.h.add("SET", "after", "it")
		r.feed()
		require.Len(t, r.seen().rotated, 1)
		require.True(t, strings.HasPrefix(r.incr(), string(resp.AppendSelect(nil, 7))))
		stop()
		synctest.Wait()
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
	})
}

// An increment closes at its age, also when nothing comes any more, but not if it holds nothing; the age goes on over a restart.
func TestRotateByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 0), func(o *Options) { o.IncrementAge = time.Hour })
		r.start()
		done, stop := r.run()
		pass(3 * time.Hour)
		for range 100 {
			r.h.add("PING")
			r.feed()
			pass(time.Minute)
		}
		require.Empty(t, r.seen().rotated, "only dropped bytes")
		r.h.plain(1)
		r.feed()
		pass(2 * time.Second)
		require.Equal(t, []string{"appendonly.aof.2.incr.aof"}, r.seen().rotated, "it was old long ago")
		pass(3 * time.Hour)
		require.Len(t, r.seen().rotated, 1, "the next one is empty")
		stop()
		require.NoError(t, r.ended(done))
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())

		r.reopen(nil)
		r.goOn()
		_, stop = r.run()
		defer stop()
		r.h.plain(1)
		r.feed()
		pass(2 * time.Second)
		require.Len(t, r.seen().rotated, 2, "opened more than an hour ago, by the process before")
		r.h.plain(1)
		r.feed()
		pass(30 * time.Minute)
		require.Len(t, r.seen().rotated, 2)
		pass(31 * time.Minute)
		require.Len(t, r.seen().rotated, 3)
	})
}

// The manifest names a new increment only when the old one is on disk with its last mark, and durable passes the end of the old one only
// when the manifest on disk names the new one; also where Run has synced the old one before.
func TestRotateOrder(t *testing.T) {
	for name, beside := range map[string]bool{"by Append alone": false, "synced beside it": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 100, 2), smallFiles)
				r.start()
				if beside {
					_, stop := r.run()
					defer stop()
				}
				r.feed()
				require.NoError(t, r.l.onTick())
				points := 0
				r.fs.OnOp(func(_ int, op fsxtest.Op) {
					points++
					durable := r.durable()
					clone := r.fs.CrashClone(fsxtest.PowerLossAll{})
					opt := r.opt
					opt.FS = clone
					_, err := Verify(t.Context(), opt)
					require.NoError(t, err, "after %v", op)
					l, err := Open(t.Context(), opt)
					require.NoError(t, err, "after %v", op)
					require.GreaterOrEqual(t, l.chainEnd().offset, durable, "after %v", op)
					require.NoError(t, l.Close())
				})
				for range 8 {
					require.NoError(t, appendMore(r))
					synctest.Wait()
				}
				r.fs.OnOp(nil)
				require.Len(t, r.seen().rotated, 2)
				require.Greater(t, points, 15)
			})
		})
	}
}

// fill appends until the open increment has size bytes.
func (r *rig) fill(size int) {
	r.t.Helper()
	for len(r.incr()) < size {
		require.NoError(r.t, appendMore(r))
	}
}

// An increment that has its size is synced beside the stream, which goes on meanwhile, and closes at the next command after that; what the
// stream then waits for is the sync of what came meanwhile.
func TestStreamDoesNotWaitForASyncAhead(t *testing.T) {
	for _, policy := range []Policy{FsyncEverySec, FsyncNo} {
		t.Run(string(policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const size = 10_000
				r := newRig(t, newHistory(t, "a1", 100, 2), func(o *Options) { o.Fsync, o.IncrementBytes = policy, size })
				r.start()
				done, stop := r.run()
				h := holdSync(r.fs)
				r.fill(size)
				<-h.begun
				reached := r.l.Received()
				r.fill(size + size/rotateSlack - 500)
				require.Empty(t, r.seen().rotated)
				require.Equal(t, r.h.start, r.durable())
				h.end()
				require.Equal(t, reached, r.durable(), "what was there when it began")
				synced := r.seen().synced
				require.NoError(t, appendMore(r))
				require.Len(t, r.seen().rotated, 1)
				require.Equal(t, synced+2, r.seen().synced, "what came meanwhile, and the last mark")
				pass(0)
				require.Equal(t, synced+2, r.seen().synced, "Run has no reason to sync the next one")
				stop()
				require.NoError(t, r.ended(done))
				require.NoError(t, r.l.Close())
				r.requireHolds(r.fs, r.h.end())
			})
		})
	}
}

// A sync that takes too long does not let an increment grow for ever: at the bound the stream waits for it.
func TestIncrementIsBoundedWhileSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 10_000
		r := newRig(t, newHistory(t, "a1", 100, 2), func(o *Options) { o.IncrementBytes = size })
		r.start()
		done, stop := r.run()
		h := holdSync(r.fs)
		r.fill(size + size/rotateSlack)
		<-h.begun
		appended := background(func() error { return appendMore(r) })
		require.Empty(t, appended)
		require.Empty(t, r.seen().rotated)
		h.end()
		require.NoError(t, <-appended)
		require.Len(t, r.seen().rotated, 1)
		stop()
		require.NoError(t, r.ended(done))
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
	})
}

// What is cut while it is synced ahead was not synced: it is asked for again.
func TestSyncAheadAfterRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 10_000
		r := newRig(t, newHistory(t, "a1", 100, 2), func(o *Options) { o.Fsync, o.IncrementBytes = FsyncNo, size })
		r.start()
		done, stop := r.run()
		h := holdSync(r.fs)
		r.fill(size - 250)
		end := r.h.end()
		r.h.add("SET", "torn", strings.Repeat("v", 500))
		require.NoError(t, r.feeder().feed(t.Context(), r.l, end, r.h.end()-9))
		<-h.begun
		require.NoError(t, r.l.Rollback())
		require.Less(t, len(r.incr()), size)
		h.end()
		require.Equal(t, r.h.start, r.durable())
		r.feed()
		synctest.Wait()
		require.Equal(t, r.h.end(), r.durable(), "synced again")
		require.NoError(t, appendMore(r))
		require.Len(t, r.seen().rotated, 1)
		stop()
		require.NoError(t, r.ended(done))
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
	})
}

// A sync ahead that fails latches as any other: nothing closes, nothing is acknowledged.
func TestSyncAheadFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 10_000
		r := newRig(t, newHistory(t, "a1", 100, 2), func(o *Options) { o.IncrementBytes = size })
		r.start()
		done, _ := r.run()
		failOps(r.fs, 1, syscall.EIO, on(fsxtest.SyncData, ".1.incr.aof"))
		r.fill(size)
		requireDiskError(t, r.ended(done), syscall.EIO)
		require.ErrorIs(t, appendMore(r), ErrFailed)
		require.Empty(t, r.seen().rotated)
		require.Equal(t, r.h.start, r.durable())
		require.NoError(t, r.l.Close())
		r.fs.FailOp(nil)
		r.requireSurvives(r.h.start)
	})
}

// An increment that closes for its age is synced beside the stream first, also where nothing else syncs it.
func TestRotateByAgeSyncsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 2), func(o *Options) { o.Fsync, o.IncrementAge = FsyncNo, 10*time.Second })
		r.start()
		done, stop := r.run()
		r.feed()
		h := holdSync(r.fs)
		<-h.begun
		require.NoError(t, appendMore(r), "the stream goes on")
		require.Empty(t, r.seen().rotated)
		h.end()
		require.Len(t, r.seen().rotated, 1)
		require.Equal(t, r.h.end(), r.durable())
		stop()
		require.NoError(t, r.ended(done))
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
	})
}

// A wish to sync an increment that has closed meanwhile is none for the next one.
func TestSyncAheadIsForOneIncrement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 10_000
		r := newRig(t, newHistory(t, "a1", 100, 2), func(o *Options) { o.Fsync, o.IncrementBytes = FsyncNo, size })
		r.start()
		r.fill(size + size/rotateSlack)
		require.NoError(t, appendMore(r))
		require.Len(t, r.seen().rotated, 1, "nobody syncs ahead")
		durable := r.durable()
		require.Less(t, durable, r.h.end())
		done, stop := r.run()
		synctest.Wait()
		require.Equal(t, durable, r.durable())
		stop()
		require.NoError(t, r.ended(done))
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
	})
}

// An increment that was synced ahead in a transaction closes after it, and not while another sync, by the clock, is under way: the stream
// would wait for that.
func TestRotateNotBesideASync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 10_000
		r := newRig(t, newHistory(t, "a1", 100, 2), func(o *Options) { o.IncrementBytes = size })
		r.start()
		done, stop := r.run()
		r.h.add("MULTI")
		r.h.add("SET", "k", strings.Repeat("v", size))
		r.feedOpen()
		synctest.Wait()
		require.Equal(t, 1, r.seen().synced, "ahead")
		r.h.add("EXEC")
		r.feedOpen()
		h := holdSync(r.fs)
		<-h.begun
		require.NoError(t, appendMore(r))
		require.Empty(t, r.seen().rotated)
		h.end()
		require.NoError(t, appendMore(r))
		require.Len(t, r.seen().rotated, 1)
		stop()
		require.NoError(t, r.ended(done))
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
	})
}

// TestRotateBehindAFailedWrite closes an increment right behind a write that was half done and cut: a power loss may have kept the half and not
// the cut.
func TestRotateBehindAFailedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newCrashRig(t, FsyncEverySec, 3)
		r.fs.FailOp(r.fill)
		h := &history{id: replID(t, "a1")}
		r.open()
		r.resync(h, 3)
		h.plain(20)
		half := h.end()
		require.NoError(t, feeder{h: h}.feed(t.Context(), r.l, 0, half))
		require.NoError(t, r.l.Close()) // ends with a mark that is durable
		r.opt.IncrementAge = time.Nanosecond
		r.open()
		require.NoError(t, r.l.Continue(t.Context(), h.idNow()))
		h.plain(20)
		r.fills = 1
		fed := make(chan error, 1)
		go func() { fed <- feeder{h: h}.feed(t.Context(), r.l, half, h.end()) }()
		pass(time.Millisecond) // it waits for space
		first := r.l.inc.name
		require.NoError(t, r.l.onTick())
		require.NotEqual(t, first, r.l.inc.name)
		for seed := range uint64(50) {
			c := crashed{
				t: t, fs: r.fs.CrashClone(fsxtest.PowerLoss{Seed: seed}), opt: r.opt, promise: r.promise.clone(), depth: 1, rng: r.rng, after: "rotation",
			}
			c.promise.live = []*history{h}
			c.check()
		}
		require.NoError(t, <-fed)
		require.NoError(t, r.l.Close())
	})
}
