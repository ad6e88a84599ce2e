package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"
)

// ErrStalled says that nothing moved for too long.
var ErrStalled = errors.New("no progress")

// Watch returns a context that is cancelled with ErrStalled as its cause when nobody has called [Moved] with it for limit; limit <= 0: never. stop
// ends the watch, and is to be called.
//
// Inner watches report to outer ones: what moves in a part moves the whole.
func Watch(ctx context.Context, limit time.Duration) (watched context.Context, stop func()) {
	if limit <= 0 {
		return ctx, func() {}
	}
	watched, cancel := context.WithCancelCause(ctx)
	w := &watch{outer: ctx, limit: limit}
	w.timer = time.AfterFunc(limit, func() { cancel(fmt.Errorf("%w for %v", ErrStalled, limit)) })
	stop = func() {
		w.pause()
		cancel(context.Canceled)
	}
	return context.WithValue(watched, watchKey{}, w), stop
}

// Moved tells the watches over ctx that a transfer goes on. Stores call it whenever bytes went over the wire, and when an attempt of theirs has ended, whatever came of it.
func Moved(ctx context.Context) {
	if w, ok := ctx.Value(watchKey{}).(*watch); ok {
		w.moved()
	}
}

type watchKey struct{}

type watch struct {
	outer context.Context //nolint:containedctx // the watch around this one, told of what moves here
	limit time.Duration
	timer *time.Timer

	mu     sync.Mutex
	paused bool
}

func (w *watch) moved() {
	w.mu.Lock()
	if !w.paused {
		w.timer.Reset(w.limit)
	}
	w.mu.Unlock()
	Moved(w.outer)
}

// pause stops the clock: between two Reads it is the reader who takes his time, not the store.
func (w *watch) pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paused = true
	w.timer.Stop()
}

func (w *watch) resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paused = false
	w.timer.Reset(w.limit)
}

// Stall returns store with a watch over each of its transfers: one of which nothing moves for limit is cancelled, and fails with ErrStalled in a
// Temporary *StoreError. There is no limit to how long a transfer as a whole takes. limit <= 0: store itself.
func Stall(store Store, limit time.Duration) Store {
	if limit <= 0 {
		return store
	}
	return &stallStore{Store: store, limit: limit}
}

type stallStore struct {
	Store

	limit time.Duration
}

var _ Store = (*stallStore)(nil)

func (s *stallStore) Put(ctx context.Context, key string, body Body, cond Condition) (Object, error) {
	watched, stop := Watch(ctx, s.limit)
	defer stop()
	object, err := s.Store.Put(watched, key, body, cond)
	return object, stalled(watched, "put", key, err)
}

func (s *stallStore) Get(ctx context.Context, key string, from, n int64) (io.ReadCloser, Object, error) {
	watched, stop := Watch(ctx, s.limit)
	body, object, err := s.Store.Get(watched, key, from, n)
	if err != nil {
		defer stop()
		return nil, object, stalled(watched, "get", key, err)
	}
	r := &stallReader{ctx: watched, stop: stop, body: body, key: key}
	r.watch, _ = watched.Value(watchKey{}).(*watch)
	r.watch.pause()
	return r, object, nil
}

func (s *stallStore) List(ctx context.Context, prefix, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		watched, stop := Watch(ctx, s.limit)
		defer stop()
		w, _ := watched.Value(watchKey{}).(*watch)
		for object, err := range s.Store.List(watched, prefix, after) {
			w.pause()
			if !yield(object, stalled(watched, "list", prefix, err)) || err != nil {
				return
			}
			w.resume()
		}
	}
}

func (s *stallStore) Delete(ctx context.Context, key string) error {
	watched, stop := Watch(ctx, s.limit)
	defer stop()
	return stalled(watched, "delete", key, s.Store.Delete(watched, key))
}

func (s *stallStore) Sweep(ctx context.Context, prefix string, before time.Time) (int, error) {
	watched, stop := Watch(ctx, s.limit)
	defer stop()
	n, err := s.Store.Sweep(watched, prefix, before)
	return n, stalled(watched, "sweep", prefix, err)
}

// stalled is err, or if the watch over ctx ended the operation, that it did.
func stalled(ctx context.Context, op, key string, err error) error {
	if err == nil || !errors.Is(context.Cause(ctx), ErrStalled) {
		return err
	}
	return &StoreError{Op: op, Key: key, Code: "Stalled", Temporary: true, Err: context.Cause(ctx)}
}

// stallReader runs the watch while it is in Read.
type stallReader struct {
	ctx   context.Context //nolint:containedctx // of the Get that this is the body of
	stop  func()
	watch *watch
	body  io.ReadCloser
	key   string
}

func (r *stallReader) Read(p []byte) (int, error) {
	r.watch.resume()
	n, err := r.body.Read(p)
	r.watch.pause()
	if n > 0 {
		Moved(r.watch.outer)
	}
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	return n, stalled(r.ctx, "get", r.key, err)
}

func (r *stallReader) Close() error {
	defer r.stop()
	return r.body.Close()
}
