package aof

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
)

// Automatic rewrites follow redis.conf.
func TestRewriteTriggers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rewriteRig(t, 0, func(o *Options) {
			o.Rewrite = RewriteOptions{Percentage: 100, MinBytes: 20_000, Interval: 24 * time.Hour}
		})
		begun := func() []string { return r.seen().begun }
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.l.RunRewrites(ctx) }()
		r.h.add("SET", "k", noise(15_000))
		r.feed()
		pass(time.Minute)
		require.Empty(t, begun(), "below the minimum")
		r.h.add("SET", "other", noise(5_000))
		r.feed()
		pass(time.Minute)
		require.Equal(t, []string{reasonGrowth}, begun())
		size := r.l.Status().BaseBytes
		require.NotZero(t, size)
		r.h.add("SET", "k", noise(int(size)-2000))
		r.feed()
		pass(time.Minute)
		require.Len(t, begun(), 1, "it has not doubled")
		pass(25 * time.Hour)
		require.Equal(t, []string{reasonGrowth, reasonInterval}, begun())
		pass(72 * time.Hour)
		require.Len(t, begun(), 2, "nothing came after the base")
		n, fresh, err := r.l.RequestRewrite()
		require.NoError(t, err)
		require.True(t, fresh)
		require.EqualValues(t, 3, n)
		pass(time.Second)
		require.Equal(t, []string{reasonGrowth, reasonInterval, reasonAsked}, begun())
		cancel()
		require.NoError(t, <-ended)
		r.requireChain("after all")
	})
}

// noise returns n bytes that do not compress.
func noise(n int) string {
	rng := rand.New(rand.NewPCG(5, uint64(n)))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rng.Uint32())
	}
	return string(p)
}

// After three failures in a row the next tries come after 1, 2, 4 .. 60 minutes, unless one is asked for.
func TestRewriteIsLimitedAfterFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rewriteRig(t, 300, func(o *Options) { o.Rewrite = RewriteOptions{Percentage: 1} })
		f := failOps(r.fs, -1, syscall.ENOSPC, on(fsxtest.Write, "temp-aofsidecar-rewrite"))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = r.l.RunRewrites(ctx) }()
		pass(5*time.Hour + 10*time.Minute)
		var tries []time.Duration
		for i, at := range r.seen().begunAt[1:] {
			tries = append(tries, at.Sub(r.seen().begunAt[i]).Truncate(time.Second))
		}
		m := time.Minute
		require.Equal(t, []time.Duration{m, 2 * m, 4 * m, 8 * m, 16 * m, 32 * m, 60 * m, 60 * m, 60 * m}, tries[2:11])
		require.False(t, r.l.Status().Rewrite.NextTry.IsZero())
		f.heal()
		_, _, err := r.l.RequestRewrite()
		require.NoError(t, err)
		pass(time.Second)
		require.Zero(t, r.l.Status().Rewrite.InRow)
		require.True(t, r.l.Status().Rewrite.NextTry.IsZero())
		cancel()
		pass(time.Second)
		r.requireChain("healed")
	})
}

// A clock that was ahead when the base was made, and is right again, holds up no rewrite for its age: that counts from when the clock was first seen right.
func TestRewriteOfABaseOfTheFuture(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %v", restart), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ahead := 365 * 24 * time.Hour
				r := rewriteRig(t, 0, func(o *Options) {
					o.Now = func() time.Time { return time.Now().Add(ahead) }
					o.Rewrite = RewriteOptions{Interval: 24 * time.Hour}
				})
				if restart {
					require.NoError(t, r.l.Close())
				}
				ahead = 0
				if restart {
					r.reopen(nil)
					r.goOn()
				}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- r.l.RunRewrites(ctx) }()
				for day := range 3 { // each base is dated in the future: times in the log never go back
					r.h.add("SET", "k", fmt.Sprint(day))
					r.feed()
					pass(23 * time.Hour)
					require.Len(t, r.seen().begun, day)
					pass(time.Hour + time.Minute)
					require.Len(t, r.seen().begun, day+1)
				}
				require.Contains(t, r.seen().begun, reasonInterval)
				cancel()
				require.NoError(t, <-ended)
				r.requireChain("after all")
			})
		})
	}
}
