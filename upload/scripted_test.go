package upload_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aofsidecar/aofsidecar/upload"
)

// scripted is a store that does at once what it is told, or fails as script says. It is for tests of decorators in synctest's bubble, where real stores cannot be.
type scripted struct {
	mu      sync.Mutex
	objects map[string][]byte
	script  map[string][]func(ctx context.Context) error // by op; one is taken by each call, nil: goes well
	cut     []cut                                        // one is taken by each Get
	calls   []string
}

// cut is what comes of the body of a Get: after bytes, err.
type cut struct {
	after int64
	err   error
	hang  bool
}

var _ upload.Store = (*scripted)(nil)

func newScripted() *scripted {
	return &scripted{objects: map[string][]byte{}, script: map[string][]func(context.Context) error{}}
}

func (m *scripted) String() string { return "file:///memory" }

// next is what the script has for this call.
func (m *scripted) next(ctx context.Context, op, key string) error {
	m.mu.Lock()
	m.calls = append(m.calls, op+" "+key)
	var step func(context.Context) error
	if steps := m.script[op]; len(steps) > 0 {
		step, m.script[op] = steps[0], steps[1:]
	}
	m.mu.Unlock()
	if step == nil {
		return nil
	}
	return step(ctx)
}

func fails(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

// hangs until the context ends.
func hangs(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func temporary(code string) error {
	return &upload.StoreError{Op: "put", Key: "a", Code: code, Temporary: true, Err: fmt.Errorf("planned %s", code)}
}

func final(code string) error {
	return &upload.StoreError{Op: "put", Key: "a", Code: code, Err: fmt.Errorf("planned %s", code)}
}

func etag(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data))[:8] }

func (m *scripted) object(key string) upload.Object {
	return upload.Object{Key: key, Size: int64(len(m.objects[key])), ETag: etag(m.objects[key])}
}

// lost is an error whose operation was carried out.
type lost struct{ error }

func (m *scripted) Put(ctx context.Context, key string, body upload.Body, cond upload.Condition) (upload.Object, error) {
	planned := m.next(ctx, "put", key)
	wasLost, isLost := planned.(lost) //nolint:errorlint // never wrapped
	if planned != nil && !isLost {
		return upload.Object{}, planned
	}
	r, err := body.Open()
	if err != nil {
		return upload.Object{}, err
	}
	data, err := io.ReadAll(&movedReader{ctx, r})
	if err != nil {
		return upload.Object{}, err
	}
	if err := r.Close(); err != nil {
		return upload.Object{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	there, ok := m.objects[key]
	switch {
	case cond.Absent && ok:
		return upload.Object{}, &upload.StoreError{Op: "put", Key: key, Err: upload.ErrExists}
	case cond.ETag != "" && (!ok || etag(there) != cond.ETag):
		return upload.Object{}, &upload.StoreError{Op: "put", Key: key, Err: upload.ErrChanged}
	}
	m.objects[key] = data
	if isLost {
		return upload.Object{}, wasLost.error
	}
	return m.object(key), nil
}

type movedReader struct {
	ctx context.Context //nolint:containedctx // of the one Put
	io.Reader
}

func (r *movedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p[:min(len(p), 100)])
	upload.Moved(r.ctx)
	return n, err
}

func (m *scripted) Get(ctx context.Context, key string, from, n int64) (io.ReadCloser, upload.Object, error) {
	if err := m.next(ctx, "get", fmt.Sprintf("%s %d %d", key, from, n)); err != nil {
		return nil, upload.Object{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.objects[key]
	if !ok {
		return nil, upload.Object{}, &upload.StoreError{Op: "get", Key: key, Err: upload.ErrNotFound}
	}
	part := data[from:]
	if n >= 0 && n < int64(len(part)) {
		part = part[:n]
	}
	body := &scriptedBody{ctx: ctx, Reader: bytes.NewReader(part)}
	if len(m.cut) > 0 {
		body.cut, m.cut = &m.cut[0], m.cut[1:]
		body.left = body.cut.after
	}
	return body, m.object(key), nil
}

type scriptedBody struct {
	*bytes.Reader

	ctx  context.Context //nolint:containedctx // of the one Get
	cut  *cut
	left int64
}

func (b *scriptedBody) Read(p []byte) (int, error) {
	if b.ctx.Err() != nil {
		return 0, context.Cause(b.ctx)
	}
	if b.cut == nil {
		return b.Reader.Read(p)
	}
	if b.left == 0 {
		if b.cut.hang {
			return 0, hangs(b.ctx)
		}
		return 0, b.cut.err
	}
	n, err := b.Reader.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if b.left == 0 && !b.cut.hang && n > 0 {
		return n, b.cut.err // together with bytes, as a Reader may
	}
	return n, err
}

func (b *scriptedBody) Close() error { return nil }

func (m *scripted) List(ctx context.Context, prefix, after string) iter.Seq2[upload.Object, error] {
	return func(yield func(upload.Object, error) bool) {
		m.mu.Lock()
		keys := slices.Sorted(maps.Keys(m.objects))
		m.mu.Unlock()
		for _, key := range keys {
			if key <= after || !strings.HasPrefix(key, prefix) {
				continue
			}
			if err := m.next(ctx, "list", key); err != nil {
				yield(upload.Object{}, err)
				return
			}
			if !yield(m.object(key), nil) {
				return
			}
		}
	}
}

func (m *scripted) Delete(ctx context.Context, key string) error {
	if err := m.next(ctx, "delete", key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return nil
}

func (m *scripted) Sweep(ctx context.Context, prefix string, _ time.Time) (int, error) {
	return 1, m.next(ctx, "sweep", prefix)
}
