package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Get resumes; see [Retry].
func (s *retryStore) Get(ctx context.Context, key string, from, n int64) (io.ReadCloser, Object, error) {
	r := &resumed{retrying: s.o.start(ctx, "get", key), store: s.Store, at: from, n: n}
	for {
		r.begin()
		err := r.open()
		if err == nil {
			return r, r.object, nil
		}
		if err = r.end(0, err); !r.again {
			return nil, Object{}, err
		}
	}
}

// resumed is the body of a Get that is opened again where it was cut.
type resumed struct {
	*retrying

	store  Store
	at     int64 // of the object's bytes, the next to read
	n      int64 // how many are left; < 0 until the size is known: all
	object Object
	known  bool          // object is
	body   io.ReadCloser // nil between two attempts, and after the end
	moved  int64         // in this attempt
	cut    error         // came with bytes, and is still to be dealt with
	final  error         // what Read says from now on
}

// open begins an attempt. The first says which object it is.
func (r *resumed) open() error {
	body, object, err := r.store.Get(r.ctx, r.key, r.at, r.n)
	if err != nil {
		return err
	}
	switch {
	case !r.known:
		r.object, r.known = object, true
		left := max(0, object.Size-r.at)
		if r.n < 0 || r.n > left {
			r.n = left
		}
	case object.ETag != r.object.ETag || object.Size != r.object.Size:
		changed := &StoreError{Op: "get", Key: r.key, Err: fmt.Errorf("%w, while it was read", ErrChanged)}
		return errors.Join(changed, body.Close())
	}
	r.body, r.moved, r.cut = body, 0, nil
	return nil
}

func (r *resumed) Read(p []byte) (int, error) {
	for r.final == nil {
		if r.body == nil {
			if r.reopen() {
				continue
			}
			break
		}
		n, err := 0, r.cut
		if err == nil {
			n, err = r.body.Read(p)
		}
		r.at, r.n, r.moved = r.at+int64(n), r.n-int64(n), r.moved+int64(n)
		if n > 0 {
			r.progress()
			r.cut = err
			return n, nil
		}
		if err != nil {
			r.settle(err)
		}
	}
	return 0, r.final
}

// reopen begins the next attempt, and reports whether Read goes on; if not, final is set.
func (r *resumed) reopen() bool {
	r.begin()
	if err := r.open(); err != nil {
		if err = r.end(0, err); !r.again {
			r.final = err
		}
	}
	return r.final == nil
}

// settle ends the attempt of this body with err, io.EOF included.
func (r *resumed) settle(err error) {
	closed := r.body.Close()
	r.body = nil
	if errors.Is(err, io.EOF) && r.n == 0 {
		r.final = io.EOF
		_ = r.end(r.moved, nil) // observed, and no error
		return
	}
	if errors.Is(err, io.EOF) {
		err = &StoreError{Op: "get", Key: r.key, Code: "Truncated", Temporary: true, Err: errors.Join(io.ErrUnexpectedEOF, closed)}
	}
	if err = r.end(r.moved, err); !r.again {
		r.final = err
	}
}

// Close ends the Get; bytes that were not read are no error.
func (r *resumed) Close() error {
	if r.body == nil {
		return nil
	}
	err := r.body.Close()
	r.body, r.final = nil, errClosed
	_ = r.end(r.moved, nil) // observed, and no error
	return err
}

var errClosed = errors.New("read after close")
