package aof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// A write that finds no space is cut, kept in memory and tried again each second, whatever part of it fitted.
func TestAppendWaitsForSpace(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT} {
		for name, tc := range map[string]struct {
			value   int
			dropped bool // a mark stands before the data
		}{
			"data":                    {value: 10},
			"mark and data in one":    {value: 10, dropped: true},
			"mark, then much data":    {value: straightBytes, dropped: true},
			"more than a small write": {value: 3 * straightBytes},
		} {
			for _, fits := range []int{0, 1, 30, 100, straightBytes} {
				t.Run(fmt.Sprintf("%v/%s/%d", errno, name, fits), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						r := newRig(t, newHistory(t, "a1", 50, 3), nil)
						r.start()
						r.feed()
						if tc.dropped {
							r.h.add("PING")
						}
						r.h.add("SET", "big", strings.Repeat("v", tc.value))
						r.checkWaits(3, fits, errno)
						r.h.plain(2)
						r.feed()
						require.NoError(t, r.l.Close())
						r.requireHolds(r.fs, r.h.end())
					})
				})
			}
		}
	}
}

// checkWaits feeds what is there while the next n writes to the increment fail with err.
func (r *rig) checkWaits(n, fits int, errno syscall.Errno) {
	r.t.Helper()
	before := r.incr()
	f := failOps(r.fs, n, &fsxtest.ShortWriteError{N: fits, Err: errno}, on(fsxtest.Write, ".incr.aof"))
	f.onHit = func(op fsxtest.Op) {
		require.Equal(r.t, before, r.incr()[:min(len(before), len(r.incr()))])
		require.Len(r.t, r.incr(), int(op.Off), "what was half written is cut")
		require.Equal(r.t, f.hits > 1, r.l.Status().DiskFull)
	}
	start := time.Now()
	r.feed()
	require.Equal(r.t, n, f.count())
	require.Equal(r.t, time.Duration(n)*spaceRetry, time.Since(start))
	require.False(r.t, r.l.Status().DiskFull)
	require.Len(r.t, r.seen().full, 2, "told once when it began and once when it ended")
	require.ErrorIs(r.t, r.seen().full[0], errno)
	require.NoError(r.t, r.seen().full[1])
	require.Equal(r.t, r.h.end(), r.l.Received())
	require.Empty(r.t, r.seen().failed)
}

// While Append waits, Run goes on: its marks must not disturb what waits to be written.
func TestTickWhileAppendWaitsForSpace(t *testing.T) {
	for _, timestamps := range []bool{false, true} {
		for _, policy := range []Policy{FsyncEverySec, FsyncNo} {
			t.Run(fmt.Sprintf("%s, timestamps %v", policy, timestamps), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, newHistory(t, "a1", 950, 3), func(o *Options) { o.Timestamps, o.Fsync = timestamps, policy })
					r.start()
					_, stop := r.run()
					pass(100 * time.Millisecond)
					r.feed()
					r.h.add("PING")
					r.h.add("SET", "a", strings.Repeat("v", 300))
					f := failOps(r.fs, 10, syscall.ENOSPC, func(op fsxtest.Op) bool { return op.Kind == fsxtest.Write && op.Len > 300 })
					r.feed()
					require.Equal(t, 10, f.count())
					stop()
					synctest.Wait()
					require.NoError(t, r.l.Close())
					r.requireHolds(r.fs, r.h.end())
				})
			})
		}
	}
}

// An increment may close for its age while Append waits for space; what waits goes into the next one, with times in order.
func TestRotateWhileAppendWaitsForSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 950, 3), func(o *Options) { o.IncrementAge = 5 * time.Second })
		r.start()
		_, stop := r.run()
		pass(100 * time.Millisecond)
		r.feed()
		r.h.add("PING")
		r.h.add("SET", "a", strings.Repeat("v", 300))
		failOps(r.fs, 10, syscall.ENOSPC, func(op fsxtest.Op) bool { return op.Kind == fsxtest.Write && op.Len > 300 })
		r.feed()
		stop()
		synctest.Wait()
		require.NotEmpty(t, r.seen().rotated)
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
	})
}

// A caller that gives up leaves a log that can be rolled back, closed and opened again.
func TestAppendGivesUpWaitingForSpace(t *testing.T) {
	for _, then := range []string{"rollback", "close", "both", "go on"} {
		t.Run(then, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 50, 3), nil)
				r.start()
				r.feed()
				end := r.h.end()
				r.h.add("PING")
				r.h.add("SET", "a", "b")
				before := r.incr()
				f := failOps(r.fs, -1, &fsxtest.ShortWriteError{N: 5, Err: syscall.ENOSPC}, on(fsxtest.Write, ".incr.aof"))
				ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
				defer cancel()
				start := time.Now()
				require.ErrorIs(t, r.tryFeed(ctx), context.DeadlineExceeded)
				require.Equal(t, 3500*time.Millisecond, time.Since(start))
				require.Equal(t, before, r.incr())
				require.True(t, r.l.Status().DiskFull)
				require.Equal(t, end, r.l.Received())
				if then == "rollback" || then == "both" {
					require.NoError(t, r.l.Rollback())
				}
				if then == "close" || then == "both" {
					require.NoError(t, r.l.Close(), "the last mark is left out")
					f.heal()
					r.reopen(nil)
				}
				f.heal()
				r.goOn()
				r.feed()
				require.NoError(t, r.l.Close())
				r.requireHolds(r.fs, r.h.end())
			})
		})
	}
}

// A rotation that finds no space, wherever, leaves the increment open and tries again; nothing stops.
func TestRotationWithoutSpace(t *testing.T) {
	for name, match := range map[string]func(fsxtest.Op) bool{
		"last mark of the old": func(op fsxtest.Op) bool {
			return op.Kind == fsxtest.Write && strings.HasSuffix(op.Path, ".1.incr.aof") && op.Len < 100
		},
		"create":         on(fsxtest.Create, ".2.incr.aof"),
		"head":           on(fsxtest.Write, ".2.incr.aof"),
		"sync of head":   on(fsxtest.Sync, ".2.incr.aof"),
		"name":           on(fsxtest.Rename, ".2.incr.aof"),
		"manifest":       on(fsxtest.Write, "appendonly.aof.manifest"),
		"manifest sync":  on(fsxtest.Sync, "appendonly.aof.manifest"),
		"manifest names": on(fsxtest.Rename, "appendonly.aof.manifest"),
	} {
		for _, by := range []string{"size", "age"} {
			t.Run(name+" by "+by, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, newHistory(t, "a1", 50, 3), func(o *Options) {
						if by == "size" {
							o.IncrementBytes = 300
						} else {
							o.IncrementAge = 10 * time.Second
						}
					})
					r.start()
					r.feed()
					done, stop := r.run()
					pass(500 * time.Millisecond)
					f := failOps(r.fs, -1, &fsxtest.ShortWriteError{N: 7, Err: syscall.ENOSPC}, match)
					for range 15 {
						r.h.add("SET", "k", strings.Repeat("v", 150))
						r.feed()
						pass(time.Second)
					}
					require.Positive(t, f.count())
					require.Empty(t, r.seen().rotated)
					require.Empty(t, r.seen().failed)
					require.Equal(t, r.l.Received(), r.durable())
					r.requireHolds(r.fs.CrashClone(fsxtest.KillProcess{}), r.l.Received())
					require.LessOrEqual(t, f.count(), 31, "tried by Append and by the clock, each no more than once a second")
					f.heal()
					pass(2 * time.Second)
					r.h.plain(2)
					r.feed()
					pass(2 * time.Second)
					require.NotEmpty(t, r.seen().rotated)
					stop()
					require.NoError(t, <-done)
					require.NoError(t, r.l.Close())
					r.requireHolds(r.fs, r.h.end())
					requireNoTemp(t, r.fs)
				})
			})
		}
	}
}

// requireNoTemp wants none of our temporary names.
func requireNoTemp(t require.TestingT, fsys fsx.FS) {
	for path := range tree(t, fsys, rigDir) {
		require.NotContains(t, path, fsx.TempPrefix)
	}
}

// A mark by the clock that finds no space is written later.
func TestTickMarkWithoutSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 50, 3), nil)
		r.start()
		done, stop := r.run()
		r.feed()
		f := failOps(r.fs, 3, &fsxtest.ShortWriteError{N: 20, Err: syscall.ENOSPC}, on(fsxtest.Write, ".incr.aof"))
		for f.count() < 3 {
			pass(time.Second)
		}
		require.Equal(t, r.h.end(), r.durable())
		require.False(t, strings.HasSuffix(r.incr(), r.markText(r.h.end())))
		pass(time.Second)
		require.Contains(t, r.incr(), fmt.Sprintf("#pos %s %d ", r.h.id, r.h.end()))
		stop()
		require.NoError(t, <-done)
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
	})
}

// markText is the mark that stands at off when all up to there is durable, received now.
func (r *rig) markText(off stream.Offset) string {
	m := stream.Mark{Position: stream.Position{ReplID: r.h.idNow(), Offset: off}, UnixMilli: time.Now().UnixMilli(), Durable: off}
	return string(m.AppendCommand(nil))
}

// Close does without the last mark when there is no space for it; the next start goes back to the mark before.
func TestCloseWithoutSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 50, 3), nil)
		r.start()
		r.feed()
		f := failOps(r.fs, -1, &fsxtest.ShortWriteError{N: 20, Err: syscall.ENOSPC}, on(fsxtest.Write, ".incr.aof"))
		require.NoError(t, r.l.Close())
		require.Len(t, r.seen().notes, 1)
		require.Equal(t, r.h.end(), r.durable(), "the bytes are durable, with the mark or without")
		f.heal()
		r.requireHolds(r.fs.CrashClone(fsxtest.PowerLossAll{}), r.h.end())
		r.reopen(nil)
		require.Equal(t, r.h.start, r.goOn().Offset)
		r.feed()
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
	})
}

// The lock file is an optimisation: without space for it the next start trusts less, and all goes on.
func TestLockFileWithoutSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 50, 3), nil)
		r.open()
		f := failOps(r.fs, -1, &fsxtest.ShortWriteError{N: 9, Err: syscall.ENOSPC}, on(fsxtest.Write, "aofsidecar.lock"))
		resync(t, r.l, r.h, 10)
		require.Positive(t, f.count())
		r.feed()
		require.NoError(t, r.l.syncOnce())
		r.h.plain(3)
		r.feed()
		r.reopen(fsxtest.KillProcess{})
		require.False(t, r.seen().recovery.SameBoot)
		require.Equal(t, r.h.start, r.goOn().Offset, "no mark proves more")
		r.feed()
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
	})
}

// +CONTINUE with a new id needs a mark; a full disk delays it and is no reason to give up.
func TestContinueWaitsForSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 50, 3), nil)
		r.start()
		r.feed()
		r.h.promote(replID(t, "b2"))
		f := failOps(r.fs, 3, &fsxtest.ShortWriteError{N: 9, Err: syscall.ENOSPC}, on(fsxtest.Write, ".incr.aof"))
		start := time.Now()
		require.NoError(t, r.l.Continue(t.Context(), r.h.idNow()))
		require.Equal(t, 3*spaceRetry, time.Since(start))
		require.Equal(t, 3, f.count())
		require.Len(t, r.seen().full, 2)
		r.h.plain(2)
		r.feed()
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
		r.reopen(nil)
		require.Equal(t, stream.Position{ReplID: r.h.idNow(), Offset: r.h.end()}, r.goOn())
	})
}

// A caller that gives up in Continue leaves the old id, or the new one with a mark that says so.
func TestContinueGivesUpWaitingForSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 50, 3), nil)
		r.start()
		r.feed()
		r.h.promote(replID(t, "b2"))
		f := failOps(r.fs, -1, syscall.ENOSPC, on(fsxtest.Write, ".incr.aof"))
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, r.l.Continue(ctx, r.h.idNow()), context.DeadlineExceeded)
		f.heal()
		require.NoError(t, r.l.Close())
		r.reopen(nil)
		require.True(t, r.h.knows(r.goOn()))
	})
}

// A snapshot that finds no space leaves the chain as it was and nothing else behind, and is not asked for again before there is
// room for it.
func TestSnapshotWithoutSpace(t *testing.T) {
	payload := string(testRDB(1000))
	snapshot := fsxTemp("snapshot.rdb")
	for name, match := range map[string]func(fsxtest.Op) bool{
		"create":            on(fsxtest.Create, snapshot),
		"write":             on(fsxtest.Write, snapshot),
		"sync":              on(fsxtest.Sync, snapshot),
		"new increment":     on(fsxtest.Create, ".2.incr.aof"),
		"its head":          on(fsxtest.Write, ".2.incr.aof"),
		"its name":          on(fsxtest.Rename, ".2.incr.aof"),
		"name of the base":  on(fsxtest.Rename, snapshot),
		"retained":          on(fsxtest.Mkdir, "/retained"),
		"retained timeline": func(op fsxtest.Op) bool { return op.Kind == fsxtest.Mkdir && strings.Contains(op.Path, "retained/") },
		"retained link":     func(op fsxtest.Op) bool { return op.Kind == fsxtest.Link },
		"pin":               on(fsxtest.Write, "pinned.json"),
		"retained manifest": func(op fsxtest.Op) bool {
			return op.Kind == fsxtest.Write && strings.Contains(op.Path, "/retained/") && strings.HasSuffix(op.Path, "manifest")
		},
		"manifest":      on(fsxtest.Write, "/data/appendonlydir/"+fsxTemp("appendonly.aof.manifest")),
		"manifest name": on(fsxtest.Rename, "/data/appendonlydir/"+fsxTemp("appendonly.aof.manifest")),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 50, 30), nil)
				r.open()
				resync(t, r.l, r.h, 20_000)
				r.feed()
				before := tree(t, r.fs, rigDir)
				f := failOps(r.fs, -1, &fsxtest.ShortWriteError{N: 9, Err: syscall.ENOSPC}, match)
				next := newHistory(t, "b2", 5000, 4)
				err := r.tryResync(next, strings.NewReader(payload))
				require.ErrorIs(t, err, syscall.ENOSPC)
				require.False(t, fatal(err))
				require.Positive(t, f.count())
				requireTree(t, before, tree(t, r.fs, rigDir))
				require.Empty(t, r.seen().failed)
				r.fs.SetCapacity(1 << 20)
				_, _, err = r.l.Resume()
				var space *SpaceError
				require.ErrorAs(t, err, &space)
				require.False(t, fatal(err))
				require.GreaterOrEqual(t, space.Need, int64(len(payload)))

				f.heal()
				r.fs.SetCapacity(1 << 40)
				r.goOn()
				r.h.plain(4)
				r.feed()
				r.requireHolds(r.fs, r.h.end())
				require.NoError(t, r.tryResync(next, strings.NewReader(payload)))
				require.Len(t, r.seen().tripped, 1)
				r.h = next
				r.feed()
				require.NoError(t, r.l.Close())
				r.requireHolds(r.fs, next.end())
			})
		})
	}
}

// fsxTemp is the base name of our temporary file for name.
func fsxTemp(name string) string { return "temp-aofsidecar-" + name }

// fatal asks an error what the replica asks it.
func fatal(err error) bool {
	var f interface{ Fatal() bool }
	return errors.As(err, &f) && f.Fatal()
}

// unread fails the test when somebody reads it.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("read although there was no space")
	return 0, errors.New("unread")
}

// A size that is announced and does not fit is refused before a byte is read, and again before the upstream is asked.
func TestAnnouncedSizeDoesNotFit(t *testing.T) {
	for name, size := range map[string]int64{
		"a little too big": 64 << 20,
		"huge":             1 << 60,
		"greatest":         math.MaxInt64,
		"overflows":        math.MaxInt64 - spaceMargin + 1,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 50, 30), nil)
				r.start()
				r.feed()
				r.fs.SetCapacity(64 << 20)
				before := tree(t, r.fs, rigDir)
				_, err := r.l.FullResync(t.Context(), snapshotOf(newHistory(t, "b2", 1, 1), size), unread{t})
				var space *SpaceError
				require.ErrorAs(t, err, &space)
				require.False(t, fatal(err))
				requireTree(t, before, tree(t, r.fs, rigDir))
				_, _, err = r.l.Resume()
				require.ErrorAs(t, err, &space)
				if size > 1<<40 {
					return
				}
				r.fs.SetCapacity(256 << 20)
				require.Equal(t, r.h.end(), r.goOn().Offset)
			})
		})
	}
}

// An upstream that shrinks is asked again in the end: what a snapshot was expected to take is forgotten after an hour, in which nothing is
// asked for, and learned anew if the next one does not fit either.
func TestExpectedSizeIsForgotten(t *testing.T) {
	for _, announced := range []bool{true, false} {
		t.Run(fmt.Sprintf("announced %v", announced), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 50, 30), nil)
				r.start()
				r.feed()
				r.fs.SetCapacity(64 << 20)
				next := newHistory(t, "b2", 5000, 4)
				tooBig := func() {
					var err error
					if announced {
						_, err = r.l.FullResync(t.Context(), snapshotOf(next, 64<<20), unread{t})
					} else {
						f := failOps(r.fs, -1, syscall.ENOSPC, on(fsxtest.Write, fsxTemp("snapshot.rdb")))
						r.fs.SetCapacity(spaceMargin)
						err = r.tryResync(next, bytes.NewReader(testRDB(1000)))
						f.heal()
					}
					require.Error(t, err)
					require.False(t, fatal(err))
				}
				held := func() bool {
					_, _, err := r.l.Resume()
					var space *SpaceError
					require.True(t, err == nil || errors.As(err, &space), err)
					return err != nil
				}
				for range 3 {
					tooBig()
					for begin := time.Now(); time.Since(begin) < expectFor; pass(time.Minute) {
						require.True(t, held())
					}
					require.False(t, held(), "one snapshot more")
					require.False(t, held())
				}
				r.fs.SetCapacity(64 << 20)
				require.NoError(t, r.tryResync(next, bytes.NewReader(testRDB(1))))
				r.h = next
				r.feed()
				require.NoError(t, r.l.Close())
				r.requireHolds(r.fs, next.end())
			})
		})
	}
}

// The whole log on a disk that is really full: bytes, marks and rotations wait, and nothing is lost or twice.
func TestDiskFillsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 50, 3), func(o *Options) { o.IncrementBytes = 20_000 })
		r.start()
		done, stop := r.run()
		space, err := r.fs.Space(rigDir)
		require.NoError(t, err)
		used := space.Total - space.Free
		r.fs.SetCapacity(used + 3*4096)
		for range 400 {
			r.h.add("PING")
			r.h.add("SET", "k", strings.Repeat("v", 300))
		}
		fed := make(chan error, 1)
		go func() { fed <- r.tryFeed(t.Context()) }()
		for more := int64(4); r.l.Received() < r.h.end(); more += 3 {
			pass(2500 * time.Millisecond)
			r.requireHolds(r.fs.CrashClone(fsxtest.KillProcess{}), r.l.Position().Offset)
			r.fs.SetCapacity(used + more*4096)
		}
		require.NoError(t, <-fed)
		require.Greater(t, len(r.seen().full), 4)
		pass(2 * time.Second)
		stop()
		require.NoError(t, <-done)
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
		require.NotEmpty(t, r.seen().rotated)
	})
}
