package aof

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// entries returns what Walk says of all increments.
func (r *rig) entries() []Entry {
	r.t.Helper()
	var list []Entry
	require.NoError(r.t, Walk(r.t.Context(), r.opt, Filter{}, func(e Entry) error {
		args := make([][]byte, len(e.Args))
		for i := range args {
			args[i] = append([]byte(nil), e.Args[i]...)
		}
		e.Args = args
		list = append(list, e)
		return nil
	}))
	return list
}

func kindsOf(list []Entry, kind EntryKind) []Entry {
	var out []Entry
	for _, e := range list {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

// Time in marks and in #TS lines never goes back on a timeline: not when the upstream's bytes come with an earlier time, not when the
// clock jumps back while the log runs, rotates or is closed.
func TestTimeNeverGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		skew := time.Duration(0)
		r := newRig(t, newHistory(t, "a1", 100, 0), func(o *Options) {
			o.Timestamps = true
			o.IncrementBytes = 700
			o.Now = func() time.Time { return time.Now().Add(skew) }
		})
		clock := func() int64 { return time.Now().Add(skew).UnixMilli() }
		r.start()
		_, stop := r.run()
		start := time.Now()
		for i, jump := range []time.Duration{0, -time.Hour, 10 * time.Minute, -3 * time.Hour, 0, -24 * time.Hour} {
			skew = jump
			for range 6 {
				r.h.add("SET", "k", strings.Repeat("v", 80))
				r.h.add("PING")
				require.NoError(t, feeder{h: r.h, now: clock}.feed(t.Context(), r.l, r.l.Position().Offset, r.h.end()))
				pass(1500 * time.Millisecond)
			}
			if i%2 == 1 {
				stop()
				synctest.Wait()
				require.NoError(t, r.l.Close())
				r.reopen(nil)
				r.goOn()
				_, stop = r.run()
			}
		}
		stop()
		synctest.Wait()
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
		require.Greater(t, len(r.seen().rotated), 5)

		list := r.entries()
		last, second := start.UTC(), int64(0)
		for _, e := range list {
			if e.Kind == EntrySelect { // there is no mark above it
				continue
			}
			require.False(t, e.Time.Before(last), "%s at %d", e.File, e.Start)
			last = e.Time
			if e.Kind != EntryNote {
				continue
			}
			var ts int64
			_, err := fmt.Sscanf(string(e.Args[0]), "#TS:%d", &ts)
			require.NoError(t, err)
			require.GreaterOrEqual(t, ts, second, "%s at %d", e.File, e.Start)
			second = ts
		}
		require.NotEmpty(t, kindsOf(list, EntryNote))
		require.True(t, last.After(start.Add(10*time.Minute)), "the jump forward counts")
	})
}

// With aof-timestamp-enabled there is a #TS line before the first command of each second, as Redis writes it (aof.c:
// genAofTimestampAnnotationIfNeeded), but never inside MULTI, where Redis may write one.
func TestTimestampLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 0), func(o *Options) { o.Timestamps = true })
		r.start()
		base := time.Now().Unix()
		for range 3 { // two in one second, the third in the next
			r.h.plain(1)
			r.feed()
			pass(500 * time.Millisecond)
		}
		pass(5 * time.Second)
		r.h.add("MULTI")
		r.feedOpen()
		pass(5 * time.Second)
		r.h.add("INCR", "inside")
		r.feedOpen()
		pass(5 * time.Second)
		r.h.add("EXEC")
		r.feedOpen()
		r.h.plain(1)
		r.feedOpen()
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
		var seconds []int64
		for _, e := range r.entries() {
			if e.Kind == EntryNote {
				require.False(t, e.Multi)
				var ts int64
				_, err := fmt.Sscanf(string(e.Args[0]), "#TS:%d", &ts)
				require.NoError(t, err)
				seconds = append(seconds, ts-base)
			}
		}
		require.Equal(t, []int64{0, 1, 6, 16}, seconds)
		require.Contains(t, r.incr(), fmt.Sprintf("#TS:%d\r\n", base+6))
	})
}

// feedOpen feeds what the log has not received yet, also from inside a transaction.
func (r *rig) feedOpen() {
	r.t.Helper()
	r.l.mu.Lock()
	from := r.l.head.offset
	r.l.mu.Unlock()
	require.NoError(r.t, r.continueFeed(from))
}

// continueFeed hands on what comes after from, which may be inside MULTI, as one run.
func (r *rig) continueFeed(from stream.Offset) error {
	run := stream.Run{Whole: true, UnixMilli: time.Now().UnixMilli()}
	at := r.h.start
	for _, c := range r.h.cmds {
		begin := at
		at = c.end
		if c.end <= from {
			continue
		}
		run.Data = append(run.Data, r.h.bytes[begin-r.h.start:c.end-r.h.start]...)
		run.Multi = c.multi
		if !c.multi {
			run.Boundary, run.DB = run.Len(), c.db
		}
	}
	return r.l.Append(r.t.Context(), &run)
}

// Marks come once a second while data moves, and not when nothing does.
func TestMarksBySecond(t *testing.T) {
	for _, policy := range []Policy{FsyncEverySec, FsyncNo} {
		t.Run(string(policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 100, 0), func(o *Options) { o.Fsync = policy })
				r.start()
				_, stop := r.run()
				for range 100 {
					r.h.plain(1)
					r.feed()
					pass(100 * time.Millisecond)
				}
				pass(time.Minute)
				marks := kindsOf(r.entries(), EntryMark)
				require.InDelta(t, 1+10, len(marks), 1)
				for i, m := range marks[1:] {
					require.Greater(t, m.Position.Offset, marks[i].Position.Offset)
					if policy == FsyncEverySec {
						require.Equal(t, m.Position.Offset, m.Durable, "written after the fsync that covers it")
					}
				}
				size := len(r.incr())
				pass(time.Hour / 2)
				require.Len(t, r.incr(), size, "nothing moves, nothing is written")
				stop()
				synctest.Wait()
			})
		})
	}
}

// Heartbeats alone must not fill the disk, yet the position on disk follows them.
func TestMarksOfAnIdleUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 1), nil)
		r.start()
		_, stop := r.run()
		r.feed()
		pass(5 * time.Second)
		before := len(kindsOf(r.entries(), EntryMark))
		for range 60 { // ten minutes of PING every ten seconds
			r.h.add("PING")
			r.feed()
			pass(10 * time.Second)
		}
		marks := len(kindsOf(r.entries(), EntryMark)) - before
		require.InDelta(t, 10, marks, 1, "about one a minute")

		before += marks
		for range 5 { // a burst of messages
			for range 20 {
				r.h.add("PUBLISH", "channel", strings.Repeat("m", 2000))
			}
			r.feed()
			pass(time.Second)
		}
		require.InDelta(t, 2, len(kindsOf(r.entries(), EntryMark))-before, 1, "one every 64 KiB")
		stop()
		synctest.Wait()
		require.NoError(t, r.l.Close())
		r.reopen(nil)
		require.Equal(t, r.h.end(), r.goOn().Offset)
	})
}

// A mark that falls due inside a command or a transaction is written at its end, before what follows.
func TestMarkWaitsForABoundary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 3), nil)
		r.start()
		_, stop := r.run()
		r.feed()
		r.h.add("MULTI")
		r.h.add("INCR", "a")
		r.feedOpen()
		size := len(r.incr())
		pass(3 * time.Second)
		require.Len(t, r.incr(), size)
		r.h.add("EXEC")
		exec := r.h.end()
		r.feedOpen()
		r.h.add("SET", "next", "one")
		r.feedOpen()
		m := fmt.Sprintf("#pos %s %d %d ", r.h.id, exec, time.Now().UnixMilli())
		require.Contains(t, r.incr(), string(resp.AppendCommandStrings(nil, "EXEC")))
		require.Less(t, strings.Index(r.incr(), "EXEC"), strings.Index(r.incr(), m))
		require.Less(t, strings.Index(r.incr(), m), strings.Index(r.incr(), "next"))
		stop()
		synctest.Wait()
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
	})
}

// Wherever bytes are dropped a mark says so before the next kept one, inside a transaction as well; heartbeats between kept commands cost no
// more than that.
func TestMarkWhereBytesAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newHistory(t, "a1", 100, 0), nil)
		r.start()
		r.h.add("PING")
		r.h.add("REPLCONF", "GETACK", "*")
		r.h.raw([]byte("\n"))
		r.h.plain(1)
		r.h.add("MULTI")
		r.h.add("INCR", "a")
		r.h.add("PUBLISH", "ch", "m")
		r.h.add("SPUBLISH", "ch", "m")
		r.h.add("INCR", "a")
		r.h.add("EXEC")
		r.h.add("CLUSTER", "SETSLOT", "1", "NODE", "x")
		r.h.plain(1)
		r.h.add("PING")
		r.feed()
		require.NoError(t, r.l.Close())
		r.requireHolds(r.fs, r.h.end())
		list := r.entries()
		marks := kindsOf(list, EntryMark)
		require.Len(t, marks, 6, "the head, three places, the end, and that this is durable")
		require.False(t, marks[1].Multi)
		require.True(t, marks[2].Multi)
		at := r.h.start
		for _, c := range r.h.cmds {
			if !c.dropped {
				require.True(t, hasEntry(list, EntryCommand, c.end, c.end-at), "a command ends at %d", c.end)
			}
			at = c.end
		}
	})
}

func hasEntry(list []Entry, kind EntryKind, end, size stream.Offset) bool {
	for _, e := range list {
		if e.Kind == kind && e.Position.Offset == end && e.End-e.Start == int64(size) {
			return true
		}
	}
	return false
}
