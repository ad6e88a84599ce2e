package upload

import (
	"context"
	"fmt"
	"io"

	"golang.org/x/time/rate"
)

// Limit returns store with a limit on the bytes a second of all its transfers together, bodies of Put and of Get. bytesPerSecond <= 0: store itself. At most a second's worth goes at once.
func Limit(store Store, bytesPerSecond int64) Store {
	if bytesPerSecond <= 0 {
		return store
	}
	burst := int(min(bytesPerSecond, maxBurst))
	return &limitStore{Store: store, limiter: rate.NewLimiter(rate.Limit(bytesPerSecond), burst)}
}

// maxBurst keeps the turns of parallel transfers short.
const maxBurst = 1 << 20

type limitStore struct {
	Store

	limiter *rate.Limiter
}

var _ Store = (*limitStore)(nil)

func (s *limitStore) Put(ctx context.Context, key string, body Body, cond Condition) (Object, error) {
	open := body.Open
	body.Open = func() (io.ReadCloser, error) {
		r, err := open()
		if err != nil {
			return nil, err
		}
		return &limitReader{ctx: ctx, limiter: s.limiter, body: r}, nil
	}
	return s.Store.Put(ctx, key, body, cond)
}

func (s *limitStore) Get(ctx context.Context, key string, from, n int64) (io.ReadCloser, Object, error) {
	r, object, err := s.Store.Get(ctx, key, from, n)
	if err != nil {
		return nil, object, err
	}
	return &limitReader{ctx: ctx, limiter: s.limiter, body: r}, object, nil
}

type limitReader struct {
	ctx     context.Context //nolint:containedctx // of the transfer that this is the body of
	limiter *rate.Limiter
	body    io.ReadCloser
}

// Read waits after it has read, for what it got: a transfer that is cut short has cost no more than came.
func (r *limitReader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p[:min(len(p), r.limiter.Burst())])
	if n == 0 {
		return n, err
	}
	if waited := r.limiter.WaitN(r.ctx, n); waited != nil && err == nil {
		if cause := context.Cause(r.ctx); cause != nil {
			waited = cause
		}
		return n, fmt.Errorf("wait for bandwidth: %w", waited)
	}
	return n, err
}

func (r *limitReader) Close() error { return r.body.Close() }
