package main

import (
	"context"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/aofsidecar/aofsidecar/upload"
)

// lateStore opens a store when it is first used, and tries again at the next use if that fails: an archive that is away when a sidecar
// starts is away like any other time. Safe for concurrent use.
type lateStore struct {
	url  string
	open func(context.Context) (upload.Store, error)

	mu    sync.Mutex
	store upload.Store // nil: not open yet
}

var _ upload.Store = (*lateStore)(nil)

func (s *lateStore) get(ctx context.Context, op, key string) (upload.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store != nil {
		return s.store, nil
	}
	store, err := s.open(ctx)
	if err != nil {
		return nil, &upload.StoreError{Op: op, Key: key, Code: "NotOpen", Temporary: true, Err: err}
	}
	s.store = store
	return store, nil
}

// Put stores an object.
func (s *lateStore) Put(ctx context.Context, key string, body upload.Body, cond upload.Condition) (upload.Object, error) {
	store, err := s.get(ctx, "put", key)
	if err != nil {
		return upload.Object{}, err
	}
	return store.Put(ctx, key, body, cond)
}

// Get reads an object.
func (s *lateStore) Get(ctx context.Context, key string, from, n int64) (io.ReadCloser, upload.Object, error) {
	store, err := s.get(ctx, "get", key)
	if err != nil {
		return nil, upload.Object{}, err
	}
	return store.Get(ctx, key, from, n)
}

// List yields objects.
func (s *lateStore) List(ctx context.Context, prefix, after string) iter.Seq2[upload.Object, error] {
	return func(yield func(upload.Object, error) bool) {
		store, err := s.get(ctx, "list", prefix)
		if err != nil {
			yield(upload.Object{}, err)
			return
		}
		for object, err := range store.List(ctx, prefix, after) {
			if !yield(object, err) {
				return
			}
		}
	}
}

// Delete removes an object.
func (s *lateStore) Delete(ctx context.Context, key string) error {
	store, err := s.get(ctx, "delete", key)
	if err != nil {
		return err
	}
	return store.Delete(ctx, key)
}

// Sweep gives up uploads that never ended.
func (s *lateStore) Sweep(ctx context.Context, prefix string, before time.Time) (int, error) {
	store, err := s.get(ctx, "sweep", prefix)
	if err != nil {
		return 0, err
	}
	return store.Sweep(ctx, prefix, before)
}

// String is where it is.
func (s *lateStore) String() string { return s.url }
