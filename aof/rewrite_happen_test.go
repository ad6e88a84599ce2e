package aof

import (
	"context"
	"io/fs"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

// What a rewrite waits for may never come: its context, a full resync and the end of the log end it.
func TestRewriteIsInterrupted(t *testing.T) {
	for name, tc := range map[string]struct {
		stop func(t *testing.T, r *rig, cancel func())
		want error
	}{
		"context": {func(_ *testing.T, _ *rig, cancel func()) { cancel() }, context.Canceled},
		"full resync": {func(t *testing.T, r *rig, _ func()) {
			t.Helper()
			r.h = newHistory(t, "b2", 7, 0)
			resync(t, r.l, r.h, 10)
		}, ErrSuperseded},
		"close": {func(t *testing.T, r *rig, _ func()) {
			t.Helper()
			require.NoError(t, r.l.Close())
		}, ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rewriteRig(t, 50, nil)
				r.h.plain(1)
				r.h.add("MULTI")
				feedOn(t, r)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done := make(chan error, 1)
				go func() {
					_, err := r.l.Rewrite(ctx, "test")
					done <- err
				}()
				pass(time.Second)
				tc.stop(t, r, cancel)
				require.ErrorIs(t, <-done, tc.want)
				require.Zero(t, r.l.Status().Rewrite.InRow)
				r.requireChain(name)
			})
		})
	}
}

// gate lets a test act while a rewrite reads: once, at the first read of the old base.
type gate struct {
	fsx.FS
	once  sync.Once
	armed bool
	act   func()
}

type gatedFile struct {
	fsx.File
	g *gate
}

func (g *gate) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	f, err := g.FS.OpenFile(name, flag, perm)
	if err != nil || !strings.Contains(name, ".base.") {
		return f, err
	}
	return gatedFile{File: f, g: g}, nil
}

func (f gatedFile) ReadAt(p []byte, off int64) (int, error) {
	if f.g.armed {
		f.g.once.Do(f.g.act)
	}
	return f.File.ReadAt(p, off)
}

// In the middle of the fold the stream goes on, increments close, ids change; a full resync or the end of the log stop it.
func TestRewriteWhileThingsHappen(t *testing.T) {
	for name, tc := range map[string]struct {
		act     func(t *testing.T, r *rig)
		wantErr error
	}{
		"stream": {act: func(t *testing.T, r *rig) {
			t.Helper()
			for range 20 {
				r.h.grow(rand.New(rand.NewPCG(3, 3)), 30)
				require.NoError(t, r.tryFeed(t.Context()))
			}
		}},
		"lost link, new id": {act: func(t *testing.T, r *rig) {
			t.Helper()
			require.NoError(t, r.l.Rollback())
			r.h.promote(replID(t, "c7"))
			require.NoError(t, r.l.Continue(t.Context(), r.h.idNow()))
			r.h.plain(10)
			require.NoError(t, r.tryFeed(t.Context()))
		}},
		"full resync": {act: func(t *testing.T, r *rig) {
			t.Helper()
			r.h = newHistory(t, "b2", 7, 3)
			r.h.keys = 10
			r.beside(func() error {
				if err := r.tryResync(r.h, rdbOf(r.h.keys)); err != nil {
					return err
				}
				return r.tryFeed(t.Context())
			})
		}, wantErr: ErrSuperseded},
		"close": {act: func(_ *testing.T, r *rig) {
			r.beside(r.l.Close)
		}, wantErr: ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &gate{}
				r := rewriteRig(t, 200, func(o *Options) {
					g.FS, o.IncrementBytes = o.FS, 2000
					o.FS = g
				})
				g.act, g.armed = func() { tc.act(t, r) }, true
				_, err := r.l.Rewrite(t.Context(), "test")
				require.ErrorIs(t, err, tc.wantErr)
				if r.besides != nil {
					require.NoError(t, <-r.besides)
				}
				r.requireChain(name)
			})
		})
	}
}

// TestStatusOfAnEndedRewrite wants a status that says that a rewrite does not run any more to say what came of that one, not of the one before.
func TestStatusOfAnEndedRewrite(t *testing.T) {
	r := rewriteRig(t, 10, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 10_000 {
			if _, err := r.l.Rewrite(t.Context(), strconv.Itoa(i+1)); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for {
		select {
		case <-done:
			require.NoError(t, r.l.Close())
			return
		default:
		}
		if s := r.l.Status().Rewrite; !s.Running && s.Begun > 0 {
			require.Equal(t, strconv.FormatInt(s.Begun, 10), s.Last.Reason)
		}
	}
}
