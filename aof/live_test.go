package aof

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// meddler lets a test act in the middle of what a reader of a live directory does.
type meddler struct {
	fsx.FS
	mu     sync.Mutex
	onOpen func(name string)
	onRead func(name string, off int64)
}

type meddledFile struct {
	fsx.File
	name string
	m    *meddler
}

func (m *meddler) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	m.mu.Lock()
	hook := m.onOpen
	m.mu.Unlock()
	if hook != nil {
		hook(name)
	}
	f, err := m.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return meddledFile{File: f, name: name, m: m}, nil
}

func (f meddledFile) ReadAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	hook := f.m.onRead
	f.m.mu.Unlock()
	if hook != nil {
		hook(f.name, off)
	}
	return f.File.ReadAt(p, off)
}

// readers are what reads a directory beside its log.
func readers() map[string]func(ctx context.Context, opt Options) error {
	return map[string]func(context.Context, Options) error{
		"Verify": func(ctx context.Context, opt Options) error {
			_, err := Verify(ctx, opt)
			return err
		},
		"Walk": func(ctx context.Context, opt Options) error {
			return Walk(ctx, opt, Filter{}, func(Entry) error { return nil })
		},
	}
}

// A full resync unlinks what a reader is about to open: no damage, and what the reader says belongs to one timeline.
func TestReadersSeeNoDamageInAResync(t *testing.T) {
	for name, read := range readers() {
		for _, at := range []string{".manifest", ".1.base.rdb", ".1.incr.aof", ".2.incr.aof", ".3.incr.aof"} {
			t.Run(name+" at "+at, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, newHistory(t, "a1", 100, 2), smallFiles)
					r.start()
					for len(r.seen().rotated) < 2 {
						require.NoError(t, appendMore(r))
					}
					m := &meddler{FS: r.fs}
					var once sync.Once
					m.onOpen = func(name string) {
						if strings.HasSuffix(name, at) {
							once.Do(func() { r.nextTimeline("b2", 10, 3) })
						}
					}
					opt := r.opt
					opt.FS = m
					require.NoError(t, read(t.Context(), opt))
				})
			})
		}
	}
}

// A connection is lost while a reader is in the middle of a large transaction: the log cuts it and writes it again elsewhere. What the reader
// then sees belongs together nowhere, and is no damage.
func TestReadersSeeNoDamageInARollback(t *testing.T) {
	for name, read := range readers() {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, written again %v", name, again), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, newHistory(t, "a1", 100, 5), nil)
					r.start()
					r.feed()
					r.h.add("MULTI")
					r.h.add("SET", "big", strings.Repeat("v", 2*scanBuffer))
					r.h.plain(30)
					r.h.add("EXEC")
					require.NoError(t, r.feeder().feed(t.Context(), r.l, r.l.Received(), r.h.end()-20))
					m := &meddler{FS: r.fs}
					var once sync.Once
					m.onRead = func(name string, off int64) {
						if !strings.HasSuffix(name, ".1.incr.aof") || off < scanBuffer {
							return
						}
						once.Do(func() {
							require.NoError(t, r.l.Rollback())
							require.NoError(t, goOnUnderNewID(r))
							if again {
								r.feed()
							}
						})
					}
					opt := r.opt
					opt.FS = m
					require.NoError(t, read(t.Context(), opt))
				})
			})
		}
	}
}

// Damage in the last increment is found all the same.
func TestReadersSeeDamage(t *testing.T) {
	for name, read := range readers() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newHistory(t, "a1", 100, 5), nil)
				r.start()
				r.feed()
				require.NoError(t, r.l.onTick())
				at := int64(strings.LastIndex(r.incr(), setCommand))
				f, err := r.fs.OpenFile(r.l.inc.path, os.O_RDWR, 0)
				require.NoError(t, err)
				_, err = f.WriteAt([]byte("garbage"), at)
				require.NoError(t, errors.Join(err, f.Close()))
				var corrupt *CorruptError
				require.ErrorAs(t, read(t.Context(), r.opt), &corrupt)
				require.Equal(t, r.l.inc.path, corrupt.Path)
				require.Equal(t, at, corrupt.Offset)
			})
		})
	}
}

// Readers work beside a log that is written, rolled back, rotated and resynced, on a real file system, and never report damage.
func TestReadersBesideALog(t *testing.T) {
	opt := Options{Dir: t.TempDir(), IncrementBytes: 30_000, Fsync: FsyncAlways}
	l := openLog(t, opt)
	h := newHistory(t, "a1", 100, 0)
	resync(t, l, h, 50)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run, stopRun := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.Run(run) })
	over := make(chan struct{})
	for name, read := range readers() {
		group.Go(func() error {
			for {
				if err := read(ctx, opt); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				_ = l.Status()
				select {
				case <-over:
					return nil
				default:
				}
			}
		})
	}
	group.Go(func() error {
		defer stopRun()
		defer close(over)
		return liveWrites(ctx, t, l, h)
	})
	require.NoError(t, group.Wait())
	require.NoError(t, l.Close())
	_, err := Verify(t.Context(), opt)
	require.NoError(t, err)
}

// liveWrites feeds the log with all that may happen.
func liveWrites(ctx context.Context, t *testing.T, l *Log, h *history) error {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range 60 {
		for range 10 {
			h.grow(rng, 15)
			from, _ := h.boundary(l.Position().Offset)
			to := h.end() - stream.Offset(rng.IntN(200))
			if err := (feeder{h: h, rng: rng}).feed(ctx, l, from, max(from, to)); err != nil {
				return err
			}
			if err := l.Rollback(); err != nil {
				return err
			}
			if err := l.Continue(ctx, h.id); err != nil {
				return err
			}
		}
		if i%5 == 4 {
			h = newHistory(t, fmt.Sprintf("%02x", i), 1000, 0)
			if _, err := l.FullResync(ctx, snapshotOf(h, -1), rdbOf(50)); err != nil {
				return err
			}
		}
	}
	return nil
}
