package upload

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// memStore is a Store in memory. What happens to an operation is up to fault.
type memStore struct {
	mu      sync.Mutex
	objects map[string]memObject
	puts    int
	log     []string // operations that took effect: "put key", "delete key"

	// fault is asked before an operation takes effect, and after it did; an error is the answer. It may wait.
	fault         func(ctx context.Context, op, key string, after bool) error
	unconditional bool // refuses conditions
	ignores       bool // ignores them
	retains       func(key string) bool
}

type memObject struct {
	Object
	body []byte
}

var _ Store = (*memStore)(nil)

func newMemStore() *memStore { return &memStore{objects: map[string]memObject{}} }

// fails sets fault.
func (m *memStore) fails(fault func(ctx context.Context, op, key string, after bool) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = fault
}

func (m *memStore) at(ctx context.Context, op, key string, after bool) error {
	if err := ctx.Err(); err != nil && !after {
		return context.Cause(ctx)
	}
	m.mu.Lock()
	fault := m.fault
	m.mu.Unlock()
	if fault == nil {
		return nil
	}
	if err := fault(ctx, op, key, after); err != nil {
		return &StoreError{Op: op, Key: key, Err: err, Temporary: true}
	}
	return nil
}

func (m *memStore) Put(ctx context.Context, key string, body Body, cond Condition) (Object, error) {
	r, err := body.Open()
	if err != nil {
		return Object{}, err
	}
	p, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return Object{}, &StoreError{Op: "put", Key: key, Err: err}
	}
	if body.Size >= 0 && int64(len(p)) != body.Size {
		return Object{}, &StoreError{Op: "put", Key: key, Err: fmt.Errorf("%d bytes, not %d", len(p), body.Size)}
	}
	if err := m.at(ctx, "put", key, false); err != nil {
		return Object{}, err
	}
	obj, err := m.put(key, p, cond)
	if err != nil {
		return Object{}, &StoreError{Op: "put", Key: key, Err: err}
	}
	if err := m.at(ctx, "put", key, true); err != nil {
		return Object{}, err
	}
	return obj, nil
}

func (m *memStore) put(key string, p []byte, cond Condition) (Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	was, there := m.objects[key]
	if m.ignores {
		cond = Condition{}
	}
	switch {
	case m.unconditional && cond != Condition{}:
		return Object{}, ErrUnconditional
	case cond.Absent && there:
		return Object{}, ErrExists
	case cond.ETag != "" && (!there || was.ETag != cond.ETag):
		return Object{}, ErrChanged
	}
	m.puts++
	obj := Object{Key: key, Size: int64(len(p)), ETag: fmt.Sprintf("e%d", m.puts), Modified: time.Now()}
	m.objects[key] = memObject{Object: obj, body: p}
	m.log = append(m.log, "put "+key)
	return obj, nil
}

func (m *memStore) Get(ctx context.Context, key string, from, n int64) (io.ReadCloser, Object, error) {
	if err := m.at(ctx, "get", key, false); err != nil {
		return nil, Object{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	obj, ok := m.objects[key]
	if !ok {
		return nil, Object{}, &StoreError{Op: "get", Key: key, Err: ErrNotFound}
	}
	p := obj.body[min(from, obj.Size):]
	if n >= 0 {
		p = p[:min(n, int64(len(p)))]
	}
	return io.NopCloser(bytes.NewReader(p)), obj.Object, nil
}

func (m *memStore) List(ctx context.Context, prefix, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if err := m.at(ctx, "list", prefix, false); err != nil {
			yield(Object{}, err)
			return
		}
		for _, obj := range m.all() {
			if strings.HasPrefix(obj.Key, prefix) && obj.Key > after && !yield(obj, nil) {
				return
			}
		}
	}
}

func (m *memStore) all() []Object {
	m.mu.Lock()
	defer m.mu.Unlock()
	objs := make([]Object, 0, len(m.objects))
	for _, obj := range m.objects {
		objs = append(objs, obj.Object)
	}
	slices.SortFunc(objs, func(a, b Object) int { return cmp.Compare(a.Key, b.Key) })
	return objs
}

func (m *memStore) Delete(ctx context.Context, key string) error {
	if err := m.at(ctx, "delete", key, false); err != nil {
		return err
	}
	m.mu.Lock()
	if m.retains != nil && m.retains(key) {
		m.mu.Unlock()
		return &StoreError{Op: "delete", Key: key, Err: ErrRetained}
	}
	delete(m.objects, key)
	m.log = append(m.log, "delete "+key)
	m.mu.Unlock()
	return m.at(ctx, "delete", key, true)
}

func (m *memStore) Sweep(ctx context.Context, prefix string, _ time.Time) (int, error) {
	return 0, m.at(ctx, "sweep", prefix, false)
}

func (m *memStore) String() string { return "mem://archive" }

// clone is the store as somebody else finds it later.
func (m *memStore) clone() *memStore {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := newMemStore()
	maps.Copy(c.objects, m.objects)
	c.puts = m.puts
	return c
}
