package aof

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// runsOf returns the history after from as the runs of one read: each begins with what was dropped, and all but the last have More.
func (h *history) runsOf(from stream.Offset) []stream.Run {
	var runs []stream.Run
	run := stream.Run{Whole: true, UnixMilli: time.Now().UnixMilli()}
	at := h.start
	for _, c := range h.cmds {
		begin := at
		at = c.end
		if c.end <= from {
			continue
		}
		if c.dropped && len(run.Data) > 0 {
			run.More = true
			runs = append(runs, run)
			run = stream.Run{Whole: true, UnixMilli: run.UnixMilli}
		}
		if c.dropped {
			run.Dropped += int64(c.end - begin)
		} else {
			run.Data = append(run.Data, h.bytes[begin-h.start:c.end-h.start]...)
		}
		run.Multi = c.multi
		if !c.multi {
			run.Boundary, run.DB = run.Len(), c.db
		}
	}
	return append(runs, run)
}

// appendRuns hands runs over until one of them fails.
func (r *rig) appendRuns(ctx context.Context, runs []stream.Run) error {
	for i := range runs {
		if err := r.l.Append(ctx, &runs[i]); err != nil {
			return err
		}
	}
	return nil
}

// read is a read with everything in it that a group has to mind: dropped commands outside and inside MULTI, a transaction, a database.
func (h *history) read() {
	h.add("SET", "a", "1")
	h.add("PUBLISH", "ch", "one")
	h.add("SET", "b", "2")
	h.add("PING")
	h.add("SELECT", "3")
	h.add("MULTI")
	h.add("INCR", "n")
	h.add("PUBLISH", "ch", "inside")
	h.add("INCR", "m")
	h.add("EXEC")
	h.add("PUBLISH", "ch", "two")
	h.add("SET", "c", strings.Repeat("v", 100))
	h.add("PING")
}

// tip returns where the log stands.
func (r *rig) tip() tip {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	return r.l.tip
}

// writes counts the writes to increments.
func writes(fsys *fsxtest.FS) *int {
	n := 0
	fsys.OnOp(func(_ int, op fsxtest.Op) {
		if op.Kind == fsxtest.Write && !op.Half && strings.HasSuffix(op.Path, ".incr.aof") {
			n++
		}
	})
	return &n
}

// The runs of one read are one write, with the marks where they belong; before it nothing counts them.
func TestGroupIsOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 2), nil)
		r.start()
		r.feed()
		from, file := r.h.end(), r.incr()
		r.h.read()
		runs := r.h.runsOf(from)
		require.Len(t, runs, 6)
		n := writes(r.fs)
		require.NoError(t, r.appendRuns(t.Context(), runs[:5]))
		require.Zero(t, *n)
		require.Equal(t, file, r.incr())
		require.Equal(t, from, r.l.Received())
		require.Equal(t, from, r.l.Position().Offset)
		require.EqualValues(t, from, r.l.Status().Received)
		require.NoError(t, r.appendRuns(t.Context(), runs[5:]))
		require.Equal(t, 1, *n)
		require.Equal(t, r.h.end(), r.l.Received())
		require.Equal(t, 4, strings.Count(r.incr()[len(file):], "#pos "), "three outside MULTI, one inside, none at the end")
		pos, db, err := r.l.Resume()
		require.NoError(t, err)
		require.Equal(t, r.h.end(), pos.Offset)
		require.Equal(t, 3, db)
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
	})
}

// A large run is written from where it is, between what is gathered before and after it.
func TestLargeRunInAGroup(t *testing.T) {
	for name, sizes := range map[string][]int{
		"alone":        {3 * gatherBytes},
		"first":        {straightBytes, 10, 10},
		"in between":   {10, straightBytes, 10},
		"last":         {10, 10, straightBytes + 1},
		"nearly large": {straightBytes - 100, straightBytes - 100, straightBytes - 100, straightBytes - 100, straightBytes - 100},
		"many":         {straightBytes, 1, straightBytes, 1, 2 * gatherBytes, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 100, 2), nil)
				r.start()
				r.feed()
				from := r.h.end()
				for _, size := range sizes {
					r.h.add("SET", "k", strings.Repeat("v", size))
					r.h.add("PING")
				}
				n := writes(r.fs)
				require.NoError(t, r.appendRuns(t.Context(), r.h.runsOf(from)))
				require.LessOrEqual(t, *n, len(sizes)+1)
				require.LessOrEqual(t, cap(r.l.out.buf), 2*gatherBytes)
				require.NoError(t, r.l.Close())
				r.requireHolds(r.fs, r.h.end())
			})
		})
	}
}

// A log does not hold more than so many runs, however many have More.
func TestGroupIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 0), nil)
		r.start()
		for range 3 * groupPieces {
			r.h.add("INCR", "n")
			r.h.add("PING")
		}
		runs := r.h.runsOf(r.h.start)
		for i := range runs {
			require.NoError(t, r.l.Append(t.Context(), &runs[i]))
			require.Less(t, len(r.l.group.pieces), groupPieces)
		}
		require.Equal(t, r.h.end(), r.l.Received())
		for _, p := range r.l.group.pieces[:cap(r.l.group.pieces)] {
			require.Nil(t, p.data, "the replica's memory is let go of")
		}
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
	})
}

// A group that finds no space at any byte of it leaves nothing in the file and moves nothing, and is written whole when there is space.
func TestGroupWaitsForSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		size := 1
		for fits := 0; fits < size; fits++ {
			r := newRig(t, newHistory(t, "a1", 100, 2), func(o *Options) { o.Timestamps = true })
			r.start()
			r.feed()
			from, file, before := r.h.end(), r.incr(), r.tip()
			r.h.read()
			f := failOps(r.fs, 2, &fsxtest.ShortWriteError{N: fits, Err: syscall.ENOSPC}, on(fsxtest.Write, ".incr.aof"))
			done := background(func() error { return r.appendRuns(t.Context(), r.h.runsOf(from)) })
			for range 2 {
				require.True(t, r.l.Status().DiskFull)
				require.Equal(t, file, r.incr(), "what was half written is cut")
				require.Equal(t, before, r.tip())
				require.Equal(t, from, r.l.Received())
				r.requireHolds(r.fs.CrashClone(fsxtest.KillProcess{}), from)
				pass(spaceRetry)
			}
			require.NoError(t, <-done)
			require.Equal(t, 2, f.count())
			require.False(t, r.l.Status().DiskFull)
			require.Equal(t, r.h.end(), r.l.Received())
			size = len(r.incr()) - len(file)
			require.NoError(t, r.l.Close())
			r.requireHolds(r.fs, r.h.end())
		}
		require.Greater(t, size, 600)
	})
}

// While a group waits for space Run writes marks and closes increments: the group is made anew for what it then finds.
func TestGroupIsMadeAnewAfterWaiting(t *testing.T) {
	for _, timestamps := range []bool{false, true} {
		t.Run(fmt.Sprint(timestamps), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 100, 2), func(o *Options) { o.Timestamps, o.IncrementAge = timestamps, 5*time.Second })
				r.start()
				_, stop := r.run()
				pass(100 * time.Millisecond)
				r.feed()
				from := r.h.end()
				r.h.read()
				f := failOps(r.fs, 10, syscall.ENOSPC, func(op fsxtest.Op) bool { return op.Kind == fsxtest.Write && op.Len > 300 })
				require.NoError(t, r.appendRuns(t.Context(), r.h.runsOf(from)))
				require.Equal(t, 10, f.count())
				require.NotEmpty(t, r.seen().rotated)
				stop()
				synctest.Wait()
				require.NoError(t, r.l.Close())
				r.requireHolds(r.fs, r.h.end())
				last := time.Time{}
				for _, e := range kindsOf(r.entries(), EntryMark) {
					require.False(t, e.Time.Before(last))
					last = e.Time
				}
			})
		})
	}
}

// A group that is given up, or whose rest never comes, was never there: whatever is done next finds the log as it was before it.
func TestGroupIsForgotten(t *testing.T) {
	for ended, end := range map[string]func(*rig, []stream.Run){
		"no more came": func(r *rig, runs []stream.Run) {
			require.NoError(r.t, r.appendRuns(r.t.Context(), runs[:3]))
		},
		"given up on a full disk": func(r *rig, runs []stream.Run) {
			f := failOps(r.fs, -1, &fsxtest.ShortWriteError{N: 99, Err: syscall.ENOSPC}, on(fsxtest.Write, ".incr.aof"))
			ctx, cancel := context.WithTimeout(r.t.Context(), 2500*time.Millisecond)
			defer cancel()
			require.ErrorIs(r.t, r.appendRuns(ctx, runs), context.DeadlineExceeded)
			f.heal()
		},
		"a run that does not fit": func(r *rig, runs []stream.Run) {
			bad := stream.Run{Data: runs[0].Data, Boundary: 1 << 40, Whole: true, UnixMilli: 1}
			require.ErrorIs(r.t, r.appendRuns(r.t.Context(), append(runs[:3:3], bad)), errRun)
		},
	} {
		for then, act := range map[string]func(*rig){
			"rollback":       func(r *rig) { require.NoError(r.t, r.l.Rollback()) },
			"resume":         func(r *rig) { require.Equal(r.t, r.h.idNow(), r.goOn().ReplID) },
			"under a new id": func(r *rig) { require.NoError(r.t, goOnUnderNewID(r)) },
			"rollback, resume": func(r *rig) {
				require.NoError(r.t, r.l.Rollback())
				r.goOn()
			},
			"close": func(r *rig) {
				require.NoError(r.t, r.l.Close())
				r.reopen(nil)
				r.goOn()
			},
			"kill -9": func(r *rig) {
				r.reopen(fsxtest.KillProcess{})
				r.goOn()
			},
			"a full resync": func(r *rig) {
				require.NoError(r.t, resyncEmpty(r))
				r.h = r.next
			},
		} {
			t.Run(ended+", "+then, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, newHistory(t, "a1", 100, 2), nil)
					r.start()
					r.feed()
					from := r.h.end()
					require.NoError(t, r.l.onTick())
					more := &history{id: r.h.id, start: r.h.start, bytes: r.h.bytes, cmds: r.h.cmds}
					more.read()
					end(r, more.runsOf(from))
					require.Equal(t, from, r.l.Position().Offset)
					require.Equal(t, from, r.l.Received())
					require.Equal(t, from, r.durable())
					act(r)
					r.feed()
					require.Equal(t, r.h.end(), r.l.Received())
					r.h.read()
					require.NoError(t, r.appendRuns(t.Context(), r.h.runsOf(r.l.Position().Offset)))
					require.NoError(t, r.l.Close())
					r.requireHolds(r.fs, r.h.end())
				})
			})
		}
	}
}

// A group that cannot be written for good latches, and leaves what was there before it.
func TestLatchInAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 2), nil)
		r.start()
		r.feed()
		require.NoError(t, r.l.onTick())
		from := r.h.end()
		r.h.read()
		failOps(r.fs, -1, &fsxtest.ShortWriteError{N: 200, Err: syscall.EIO}, on(fsxtest.Write, ".incr.aof"))
		err := r.appendRuns(t.Context(), r.h.runsOf(from))
		requireDiskError(t, err, syscall.EIO)
		require.Equal(t, from, r.l.Received())
		require.ErrorIs(t, r.appendRuns(t.Context(), r.h.runsOf(from)), ErrFailed)
		require.Empty(t, r.l.group.pieces)
		require.NoError(t, r.l.Close())
		r.fs.FailOp(nil)
		r.requireSurvives(from)
	})
}

// Between the runs of a group all goes on: syncs, marks, increments that close for their age. Wherever increments begin in a group, and
// wherever groups end in transactions, the log holds the stream.
func TestGroupsBesideEverything(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 5))
				r := newRig(t, newHistory(t, "a1", 100, 2), func(o *Options) {
					o.Fsync = []Policy{FsyncAlways, FsyncEverySec, FsyncNo}[seed%3]
					o.Timestamps = seed%2 == 0
					o.IncrementBytes, o.IncrementAge = 6000, 20*time.Second
				})
				r.start()
				done, stop := r.run()
				r.h.grow(rng, 1200)
				f := r.feeder()
				f.rng = rng
				f.now = func() int64 {
					if rng.IntN(8) == 0 {
						pass(time.Duration(rng.IntN(1000)) * time.Millisecond)
					}
					return time.Now().UnixMilli()
				}
				for r.l.Position().Offset < r.h.end() {
					from := r.l.Position().Offset
					to := min(from+stream.Offset(rng.IntN(20_000)), r.h.end())
					require.NoError(t, f.feed(t.Context(), r.l, from, to))
					at, _ := r.h.boundary(r.l.Received())
					require.Equal(t, at, r.l.Received())
					require.LessOrEqual(t, r.durable(), r.l.Received())
					require.NoError(t, r.l.Rollback())
					r.requireHolds(r.fs.CrashClone(fsxtest.KillProcess{}), r.l.Received())
					r.goOn()
				}
				require.Greater(t, len(r.seen().rotated), 3)
				stop()
				require.NoError(t, r.ended(done))
				require.NoError(t, r.l.Close())
				r.requireHolds(r.fs, r.h.end())
			})
		})
	}
}

// A group in which increments close is written in as many steps, each whole.
func TestRotateInsideAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 0), func(o *Options) { o.IncrementBytes = 1000 })
		r.start()
		for range 40 {
			r.h.read()
		}
		require.NoError(t, r.appendRuns(t.Context(), r.h.runsOf(r.h.start)))
		require.Equal(t, r.h.end(), r.l.Received())
		require.Greater(t, len(r.seen().rotated), 10)
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
		rep, err := Verify(t.Context(), r.opt)
		require.NoError(t, err)
		for _, inc := range rep.Increments {
			require.Less(t, inc.Bytes, int64(1000+1000/rotateSlack+700), "no longer than the longest transaction")
		}
	})
}

// A group that found space for some increments and not for the next one goes on where it stopped.
func TestGroupStopsBetweenIncrements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 0), func(o *Options) { o.IncrementBytes = 1000 })
		r.start()
		for range 20 {
			r.h.read()
		}
		f := failOps(r.fs, 3, &fsxtest.ShortWriteError{N: 300, Err: syscall.ENOSPC}, func(op fsxtest.Op) bool {
			return op.Kind == fsxtest.Write && strings.HasSuffix(op.Path, ".4.incr.aof") && op.Len > 400
		})
		done := background(func() error { return r.appendRuns(t.Context(), r.h.runsOf(r.h.start)) })
		require.Len(t, r.seen().rotated, 3)
		at := r.l.Received()
		require.Greater(t, at, r.h.start)
		boundary, _ := r.h.boundary(at)
		require.Equal(t, boundary, at)
		r.requireHolds(r.fs.CrashClone(fsxtest.KillProcess{}), at)
		require.NoError(t, <-done)
		require.Equal(t, 3, f.count())
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
	})
}

// In the steady state an Append allocates nothing, whether it postpones or writes.
func TestAppendDoesNotAllocate(t *testing.T) {
	for name, every := range map[string]int{"one run": 1 << 16, "a group": 1} {
		t.Run(name, func(t *testing.T) {
			l := openLog(t, Options{Dir: t.TempDir(), Fsync: FsyncNo})
			resync(t, l, newHistory(t, "a1", 0, 0), 1)
			runs := readOf(1<<16, every)
			appendAll := func() {
				for i := range runs {
					if err := l.Append(t.Context(), &runs[i]); err != nil {
						panic(err)
					}
				}
			}
			appendAll()
			require.Zero(t, testing.AllocsPerRun(50, appendAll))
			require.NoError(t, l.Close())
		})
	}
}
