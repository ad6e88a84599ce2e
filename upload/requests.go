package upload

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"sync"
	"time"
)

// Requests counts what is asked of a store. The zero value is ready. Safe for concurrent use.
type Requests struct {
	mu     sync.Mutex
	counts map[string]int64
}

// Counts returns how many requests of each kind there were.
func (r *Requests) Counts() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.counts)
}

// Watch returns a store that counts what goes through it to store, and tells seen, which may be nil. Below a decorator that
// tries again it sees each try.
func (r *Requests) Watch(store Store, seen func(Request)) Store {
	return &watched{Store: store, requests: r, seen: seen}
}

type watched struct {
	Store
	requests *Requests
	seen     func(Request)
}

var _ Store = (*watched)(nil)

func (w *watched) done(op string, begun time.Time, bytes int64, err error) {
	w.requests.mu.Lock()
	if w.requests.counts == nil {
		w.requests.counts = map[string]int64{}
	}
	w.requests.counts[op]++
	w.requests.mu.Unlock()
	if w.seen != nil {
		w.seen(Request{Op: op, Code: errorCode(err), Took: time.Since(begun), Bytes: bytes})
	}
}

// errorCode is what metrics call an error.
func errorCode(err error) string {
	if err == nil {
		return "ok"
	}
	for _, known := range []struct {
		err  error
		code string
	}{
		{ErrNotFound, "not_found"},
		{ErrExists, "exists"},
		{ErrChanged, "changed"},
		{ErrRetained, "retained"},
		{context.Canceled, "canceled"},
		{context.DeadlineExceeded, "timeout"},
	} {
		if errors.Is(err, known.err) {
			return known.code
		}
	}
	if e, ok := errors.AsType[*StoreError](err); ok && e.Code != "" {
		return e.Code
	}
	return "error"
}

// Put stores an object.
func (w *watched) Put(ctx context.Context, key string, body Body, cond Condition) (Object, error) {
	begun := time.Now()
	obj, err := w.Store.Put(ctx, key, body, cond)
	w.done("put", begun, obj.Size, err)
	return obj, err
}

// Get is counted when it answers, and its bytes are when it is closed.
func (w *watched) Get(ctx context.Context, key string, from, n int64) (io.ReadCloser, Object, error) {
	begun := time.Now()
	body, obj, err := w.Store.Get(ctx, key, from, n)
	if err != nil {
		w.done("get", begun, 0, err)
		return nil, obj, err
	}
	return &watchedBody{ReadCloser: body, w: w, begun: begun}, obj, nil
}

type watchedBody struct {
	io.ReadCloser
	w     *watched
	begun time.Time
	bytes int64
	err   error
}

// Read reads on.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.bytes += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// Close ends it.
func (b *watchedBody) Close() error {
	b.w.done("get", b.begun, b.bytes, b.err)
	return b.ReadCloser.Close()
}

// listPage is how many names stores return for one request.
const listPage = 1000

// List counts a request for each thousand names.
func (w *watched) List(ctx context.Context, prefix, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		begun := time.Now()
		var names int
		var last error
		for obj, err := range w.Store.List(ctx, prefix, after) {
			if names > 0 && names%listPage == 0 {
				w.done("list", begun, 0, nil)
				begun = time.Now()
			}
			names++
			last = err
			if !yield(obj, err) {
				break
			}
		}
		w.done("list", begun, 0, last)
	}
}

// Delete removes an object.
func (w *watched) Delete(ctx context.Context, key string) error {
	begun := time.Now()
	err := w.Store.Delete(ctx, key)
	w.done("delete", begun, 0, err)
	return err
}

// Sweep gives up old uploads.
func (w *watched) Sweep(ctx context.Context, prefix string, before time.Time) (int, error) {
	begun := time.Now()
	n, err := w.Store.Sweep(ctx, prefix, before)
	w.done("sweep", begun, 0, err)
	return n, err
}
