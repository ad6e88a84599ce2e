package aof

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// rewriteRig is a rig with a log that was fed n commands of all sorts.
func rewriteRig(t *testing.T, n int, change func(*Options)) *rig {
	t.Helper()
	h := &history{id: replID(t, "a1"), start: 1000, keys: 10}
	h.grow(rand.New(rand.NewPCG(7, uint64(n))), n)
	r := newRig(t, h, change)
	r.start()
	r.feed()
	return r
}

// end is the last boundary of the history.
func (r *rig) end() stream.Offset {
	end, _ := r.h.boundary(r.h.end())
	return end
}

// requireChain closes the log and wants it to hold the history.
func (r *rig) requireChain(where string) {
	r.t.Helper()
	require.NoError(r.t, r.l.Close())
	requireChain(r.t, r.fs, r.l.at, r.h, r.end(), "%s", where)
	_, err := Verify(r.t.Context(), r.opt)
	require.NoError(r.t, err)
	requireNoTemp(r.t, r.fs)
}

func TestRewrite(t *testing.T) {
	for _, noPreamble := range []bool{false, true} {
		t.Run(fmt.Sprintf("without preamble %v", noPreamble), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rewriteRig(t, 300, func(o *Options) { o.IncrementBytes = 4000; o.Rewrite.NoPreamble = noPreamble })
				before := r.l.Status()
				at := r.l.Position()
				rep, err := r.l.Rewrite(t.Context(), "test")
				require.NoError(t, err)
				require.Equal(t, "test", rep.Reason)
				require.Equal(t, r.l.Position(), at)
				require.Equal(t, rep.Position, at)
				require.Equal(t, before.Increments, rep.Increments)
				require.Less(t, rep.After, rep.Before)
				require.Positive(t, rep.Touched)
				require.EqualValues(t, 10, rep.Copied)
				after := r.l.Status()
				require.Equal(t, rep.After, after.BaseBytes)
				require.Equal(t, 1, after.Increments)
				require.Equal(t, r.l.inc.size, after.IncrementsBytes)
				require.Equal(t, rep.Copied+rep.Touched, after.BaseKeys)
				require.Equal(t, before.Timeline, after.Timeline)
				require.Equal(t, rep, *after.Rewrite.Last)
				require.EqualValues(t, 1, after.Rewrite.Begun)
				names, err := r.fs.ReadDir(r.l.at.aofDir())
				require.NoError(t, err)
				require.Len(t, names, 3, "base, increment, manifest")

				again, err := r.l.Rewrite(t.Context(), "nothing new")
				require.NoError(t, err)
				require.True(t, again.Nothing)

				r.h.grow(rand.New(rand.NewPCG(1, 1)), 100)
				r.feed()
				require.NoError(t, r.l.Close())
				r.reopen(nil)
				r.goOn()
				requireChain(t, r.fs, r.l.at, r.h, r.end(), "gone on")
				rep, err = r.l.Rewrite(t.Context(), "again")
				require.NoError(t, err)
				require.False(t, rep.Nothing)
				r.requireChain("rewritten again")
			})
		})
	}
}

// The form of the base follows the setting, also where nothing came after it.
func TestRewriteChangesTheForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rewriteRig(t, 50, nil)
		for i, noPreamble := range []bool{true, false} {
			r.l.opt.Rewrite.NoPreamble = noPreamble
			rep, err := r.l.Rewrite(t.Context(), "form")
			require.NoError(t, err)
			require.Equal(t, r.l.at.baseName(int64(i+2), !noPreamble), rep.Base)
			require.False(t, rep.Nothing)
		}
		r.requireChain("as it began")
	})
}

// A rewrite waits for the end of a transaction, and the stream does not wait for the rewrite.
func TestRewriteWaitsForTheBoundary(t *testing.T) {
	for name, end := range map[string]func(r *rig){
		"exec": func(r *rig) {
			r.h.add("EXEC")
			r.h.plain(3)
			r.feed()
		},
		"lost link": func(r *rig) { require.NoError(r.t, r.l.Rollback()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rewriteRig(t, 50, nil)
				r.h.plain(1)
				r.h.add("MULTI")
				r.h.add("SET", "k", "inside")
				feedOn(t, r)
				done := make(chan error, 1)
				go func() {
					_, err := r.l.Rewrite(t.Context(), "test")
					done <- err
				}()
				pass(time.Hour)
				require.Empty(t, done)
				require.True(t, r.l.Status().Rewrite.Running)
				_, err := r.l.Rewrite(t.Context(), "second")
				require.ErrorIs(t, err, ErrRewriting)
				end(r)
				pass(time.Second)
				require.NoError(t, <-done)
				require.False(t, r.l.Status().Rewrite.Running)
				r.requireChain(name)
			})
		})
	}
}

// feedOn feeds on from the middle of a transaction, too.
func feedOn(t *testing.T, r *rig) {
	t.Helper()
	f := r.feeder()
	require.NoError(t, f.feed(t.Context(), r.l, r.l.Position().Offset, r.h.end()))
}

// A disk that fills up, or fails, under the new base costs the new base and nothing else; the next try takes it.
func TestRewriteWithoutSpace(t *testing.T) {
	for name, tc := range map[string]struct {
		match func(fsxtest.Op) bool
		err   error
	}{
		"create":            {on(fsxtest.Create, "temp-aofsidecar-rewrite"), syscall.ENOSPC},
		"write":             {on(fsxtest.Write, "temp-aofsidecar-rewrite"), &fsxtest.ShortWriteError{N: 7, Err: syscall.ENOSPC}},
		"write, quota":      {on(fsxtest.Write, "temp-aofsidecar-rewrite"), syscall.EDQUOT},
		"sync":              {on(fsxtest.Sync, "temp-aofsidecar-rewrite"), syscall.ENOSPC},
		"sync fails":        {on(fsxtest.Sync, "temp-aofsidecar-rewrite"), syscall.EIO},
		"write fails":       {on(fsxtest.Write, "temp-aofsidecar-rewrite"), syscall.EIO},
		"name":              {on(fsxtest.Rename, "temp-aofsidecar-rewrite"), syscall.ENOSPC},
		"manifest":          {on(fsxtest.Write, "appendonly.aof.manifest"), syscall.ENOSPC},
		"new increment":     {on(fsxtest.Create, ".2.incr.aof"), syscall.ENOSPC},
		"swap the manifest": {second(on(fsxtest.Write, "temp-aofsidecar-appendonly.aof.manifest")), syscall.ENOSPC},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rewriteRig(t, 100, nil)
				var in *increment
				if name != "new increment" { // the rotation is done
					require.NoError(t, r.l.closeIncrement(t.Context()))
					in = r.l.inc
				}
				f := failOps(r.fs, -1, tc.err, tc.match)
				_, err := r.l.Rewrite(t.Context(), "test")
				require.Error(t, err)
				require.NotErrorIs(t, err, ErrFailed)
				require.Positive(t, f.count())
				s := r.l.Status()
				require.Empty(t, s.Failed)
				require.Equal(t, 1, s.Rewrite.InRow)
				require.NotEmpty(t, s.Rewrite.Error)
				require.False(t, s.DiskFull)
				if in != nil {
					require.Same(t, in, r.l.inc)
				}
				requireNoTemp(t, r.fs)
				r.h.plain(5)
				r.feed()
				f.heal()
				rep, err := r.l.Rewrite(t.Context(), "again")
				require.NoError(t, err)
				require.False(t, rep.Nothing)
				require.Zero(t, r.l.Status().Rewrite.InRow)
				require.Empty(t, r.l.Status().Rewrite.Error)
				r.requireChain(name)
				names, err := r.fs.ReadDir(r.l.at.aofDir())
				require.NoError(t, err)
				require.Len(t, names, 3)
			})
		})
	}
}

// second matches from the second operation on that match does.
func second(match func(fsxtest.Op) bool) func(fsxtest.Op) bool {
	n := 0
	return func(op fsxtest.Op) bool {
		if match(op) {
			n++
		}
		return n > 1 && match(op)
	}
}

// No rewrite begins that would not fit.
func TestRewriteAsksForSpaceFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rewriteRig(t, 100, nil)
		r.fs.SetCapacity(spaceMargin)
		_, err := r.l.Rewrite(t.Context(), "test")
		require.True(t, isSpace(err), "%v", err)
		r.requireChain("no space")
	})
}

// Damage stops the rewrite with file and place, and nothing is replaced.
func TestRewriteOfDamage(t *testing.T) {
	for name, tc := range map[string]struct {
		file   string
		damage func(string) string
		at     int64
	}{
		"increment": {damageFirst, func(s string) string { return strings.Replace(s, "$3\r\nSET", "$x\r\nSET", 1) }, 104},
		"base":      {damageBase, func(s string) string { return s[:20] + "\xee" + s[21:] }, -1},
		"base cut":  {damageBase, func(s string) string { return s[:30] }, -1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 1000, 20), nil)
				r.start()
				r.feed()
				require.NoError(t, r.l.closeIncrement(t.Context()))
				path := r.l.at.path(tc.file)
				damaged := tc.damage(string(r.read(path)))
				f, err := r.fs.OpenFile(path, os.O_RDWR, 0)
				require.NoError(t, err)
				_, err = f.WriteAt([]byte(damaged), 0)
				require.NoError(t, errors.Join(err, f.Truncate(int64(len(damaged))), f.Close()))
				before := tree(t, r.fs, rigDir)
				_, err = r.l.Rewrite(t.Context(), "test")
				var corrupt *CorruptError
				require.ErrorAs(t, err, &corrupt)
				require.Equal(t, path, corrupt.Path)
				if tc.at >= 0 {
					require.Positive(t, corrupt.Offset)
				}
				requireTree(t, before, tree(t, r.fs, rigDir))
			})
		})
	}
}

// While a tail waits for the upstream's answer only closed increments are folded: nobody knows whether the tail is ours.
func TestRewriteLeavesTheTail(t *testing.T) {
	for _, answer := range []bool{false, true} {
		t.Run(fmt.Sprint(answer), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rewriteRig(t, 200, func(o *Options) { o.IncrementBytes = 2000 })
				r.h.plain(5)
				r.feed()
				r.reopen(fsxtest.KillProcess{})
				require.True(t, r.l.Status().Awaiting)
				at, tail := r.l.Position(), r.incr()
				rep, err := r.l.Rewrite(t.Context(), "test")
				require.NoError(t, err)
				require.Positive(t, rep.Increments)
				require.Equal(t, at, r.l.Position())
				require.Equal(t, tail, r.incr())
				require.Equal(t, 1, r.l.Status().Increments)
				if answer {
					r.goOn()
					r.feed()
					r.requireChain("gone on")
					return
				}
				require.NoError(t, r.l.Close())
				r.reopen(nil)
				require.Equal(t, at, r.l.Position())
				require.Equal(t, tail, r.incr())
			})
		})
	}
}

// A rewrite gives up the timelines before, but for what is pinned.
func TestRewriteDropsRetained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rewriteRig(t, 100, nil)
		second := newHistory(t, "b2", 7, 20)
		resync(t, r.l, second, 0) // the guard trips
		third := newHistory(t, "c3", 7, 20)
		r.h = third
		resync(t, r.l, third, 10)
		require.Len(t, r.l.Status().Retained, 2)
		r.feed()
		_, err := r.l.Rewrite(t.Context(), "test")
		require.NoError(t, err)
		require.Len(t, r.l.Status().Retained, 1)
		require.Len(t, r.l.Status().Guarded(), 1)
		r.requireChain("third")
	})
}
