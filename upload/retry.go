package upload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// RetryOptions say how often to try again.
type RetryOptions struct {
	// First is about the wait after the first failure; it doubles up to Max, and each wait is drawn between half and one and a half of that, so that many do not come at
	// once. 0: 200 ms and 30 s.
	First, Max time.Duration
	// Attempts is how many there are at most without progress; 0: for ever.
	Attempts int
	// Observe is told of each attempt when it has ended, from the goroutine that made it; nil: nobody.
	Observe func(Attempt)
}

// Attempt is one try of an operation on a Store.
type Attempt struct {
	Op  string // put, get, list, delete, sweep
	Key string
	// Err is nil if it succeeded; Code is its StoreError's, "Canceled" for one that its caller ended, "Other" for one without a code, "OK".
	Err  error
	Code string
	// Duration of a get is to the end of its body.
	Duration time.Duration
	// Bytes of the object that were read from the body of a put, or given to the reader of a get.
	Bytes int64
	// Again says that there will be another attempt, after Wait.
	Again bool
	Wait  time.Duration
}

const (
	defaultFirst = 200 * time.Millisecond
	defaultMax   = 30 * time.Second
	// maxAfter bounds what a server may ask for.
	maxAfter = 5 * time.Minute
)

// Again calls try until it succeeds, fails with what is not Temporary, or has failed o.Attempts times; it waits in between. try returns how many bytes it moved. The
// error is try's last, or ctx's cause.
func (o RetryOptions) Again(ctx context.Context, op, key string, try func() (int64, error)) error {
	r := o.start(ctx, op, key)
	for {
		r.begin()
		n, err := try()
		if err = r.end(n, err); err == nil || !r.again {
			return err
		}
	}
}

// retrying is one operation that is tried again.
type retrying struct {
	ctx     context.Context //nolint:containedctx // of the one operation that this is
	o       RetryOptions
	op, key string
	waits   *backoff.ExponentialBackOff
	failed  int
	began   time.Time
	again   bool
}

func (o RetryOptions) start(ctx context.Context, op, key string) *retrying {
	if o.First <= 0 {
		o.First = defaultFirst
	}
	if o.Max <= 0 {
		o.Max = defaultMax
	}
	waits := &backoff.ExponentialBackOff{InitialInterval: o.First, MaxInterval: max(o.First, o.Max), Multiplier: 2, RandomizationFactor: 0.5}
	return &retrying{ctx: ctx, o: o, op: op, key: key, waits: waits}
}

func (r *retrying) begin() { r.began = time.Now() }

// progress forgets earlier failures: what comes after it is a new one.
func (r *retrying) progress() {
	r.failed = 0
	r.waits.Reset()
}

// end says what comes of an attempt: again is set after the wait, or the error is final.
func (r *retrying) end(n int64, err error) error {
	if cause := context.Cause(r.ctx); err != nil && cause != nil {
		err = cause
	}
	a := Attempt{Op: r.op, Key: r.key, Err: err, Code: codeOf(r.ctx, err), Duration: time.Since(r.began), Bytes: n}
	var failure *StoreError
	r.again = r.ctx.Err() == nil && errors.As(err, &failure) && failure.Temporary
	if r.again {
		r.failed++
		r.again = r.o.Attempts <= 0 || r.failed < r.o.Attempts
		a.Wait = max(r.waits.NextBackOff(), min(failure.After, maxAfter))
	}
	a.Again = r.again
	if r.o.Observe != nil {
		r.o.Observe(a)
	}
	if !r.again {
		return err
	}
	timer := time.NewTimer(a.Wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return err
	case <-r.ctx.Done():
		r.again = false
		return context.Cause(r.ctx)
	}
}

func codeOf(ctx context.Context, err error) string {
	var failure *StoreError
	switch {
	case err == nil:
		return "OK"
	case ctx.Err() != nil:
		return "Canceled"
	case errors.As(err, &failure) && failure.Code != "":
		return failure.Code
	}
	return "Other"
}

// Retry returns store with every operation tried again, for ever unless o says otherwise, while its error is Temporary. The Body of a Put is opened anew; a Get goes on where it was
// cut, and fails with ErrChanged if the object has become another one meanwhile; a List goes on behind its last object.
//
// An attempt may have succeeded though its answer was lost. A conditional Put that finds its condition broken after such an attempt therefore looks
// whether what is stored is its Body, byte for byte, and takes that for its own success: a body that must tell two writers apart has to name its writer.
func Retry(store Store, o RetryOptions) Store { return &retryStore{Store: store, o: o} }

type retryStore struct {
	Store

	o RetryOptions
}

var _ Store = (*retryStore)(nil)

func (s *retryStore) Put(ctx context.Context, key string, body Body, cond Condition) (Object, error) {
	var object Object
	unsure := false
	err := s.o.Again(ctx, "put", key, func() (int64, error) {
		counted := &countedBody{open: body.Open}
		var err error
		object, err = s.Store.Put(ctx, key, Body{Open: counted.Open, Size: body.Size, Hint: body.Hint}, cond)
		if unsure && (errors.Is(err, ErrExists) || errors.Is(err, ErrChanged)) {
			object, err = s.adopt(ctx, key, body, err)
		}
		unsure = unsure || err != nil
		return counted.n, err
	})
	return object, err
}

// adopt returns the object at key if its bytes are body's, else broken.
func (s *retryStore) adopt(ctx context.Context, key string, body Body, broken error) (_ Object, err error) {
	stored, object, err := s.Store.Get(ctx, key, 0, -1)
	if errors.Is(err, ErrNotFound) {
		return Object{}, broken
	}
	if err != nil {
		return Object{}, err
	}
	defer func() { err = errors.Join(err, stored.Close()) }()
	if body.Size >= 0 && body.Size != object.Size {
		return Object{}, broken
	}
	ours, err := body.Open()
	if err != nil {
		return Object{}, fmt.Errorf("open body of %s: %w", key, err)
	}
	defer func() { err = errors.Join(err, ours.Close()) }()
	same, err := sameBytes(stored, ours)
	if err != nil {
		return Object{}, err
	}
	if !same {
		return Object{}, broken
	}
	return object, nil
}

// sameBytes reads both as far as they agree.
func sameBytes(a, b io.Reader) (bool, error) {
	const chunk = 32 << 10
	one, two := make([]byte, chunk), make([]byte, chunk)
	for {
		n, endA, err := fill(a, one)
		if err != nil {
			return false, err
		}
		m, endB, err := fill(b, two)
		if err != nil {
			return false, fmt.Errorf("read body: %w", err)
		}
		if !bytes.Equal(one[:n], two[:m]) || endA != endB {
			return false, nil
		}
		if endA {
			return true, nil
		}
	}
}

// fill reads until p is full or r ends. It is not io.ReadFull, which calls a reader that broke off with io.ErrUnexpectedEOF one that ended.
func fill(r io.Reader, p []byte) (n int, ended bool, err error) {
	for n < len(p) {
		m, err := r.Read(p[n:])
		n += m
		if err == io.EOF { // a wrapped EOF is no end
			return n, true, nil
		}
		if err != nil {
			return n, false, err
		}
	}
	return n, false, nil
}

func (s *retryStore) List(ctx context.Context, prefix, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		r := s.o.start(ctx, "list", prefix)
		for {
			r.begin()
			var failed error
			for object, err := range s.Store.List(ctx, prefix, after) {
				if err != nil {
					failed = err
					break
				}
				r.progress()
				after = object.Key
				if !yield(object, nil) {
					_ = r.end(0, nil) // observed, and no error
					return
				}
			}
			if err := r.end(0, failed); failed == nil {
				return
			} else if !r.again {
				yield(Object{}, err)
				return
			}
		}
	}
}

func (s *retryStore) Delete(ctx context.Context, key string) error {
	return s.o.Again(ctx, "delete", key, func() (int64, error) { return 0, s.Store.Delete(ctx, key) })
}

func (s *retryStore) Sweep(ctx context.Context, prefix string, before time.Time) (int, error) {
	total := 0
	err := s.o.Again(ctx, "sweep", prefix, func() (int64, error) {
		n, err := s.Store.Sweep(ctx, prefix, before)
		total += n
		return 0, err
	})
	return total, err
}

// countedBody counts what is read of a body.
type countedBody struct {
	open func() (io.ReadCloser, error)
	body io.ReadCloser
	n    int64
}

func (c *countedBody) Open() (io.ReadCloser, error) {
	body, err := c.open()
	c.body = body
	return c, err
}

func (c *countedBody) Read(p []byte) (int, error) {
	n, err := c.body.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *countedBody) Close() error { return c.body.Close() }
