package upload

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// Uploader ships a log to an archive. Make it with New. Safe for concurrent use.
type Uploader struct {
	opt      Options
	src      Source
	store    Store
	requests *Requests
	leaser   *leaser

	running  atomic.Bool
	draining chan struct{} // closed by Drain
	drain    sync.Once
	stop     chan struct{} // closed when Drain has no more time
	halt     sync.Once
	done     chan struct{} // closed when Run has returned

	proven   bool  // the store honours conditions; of Run's goroutine alone
	trust    trust // of retention, which runs once at a time; it outlasts a lease, which a jump ends
	progress progress
}

// New makes an Uploader; it asks nothing of the store yet.
func New(opt Options, src Source, store Store) (*Uploader, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("make uploader: %w", err)
	}
	u := &Uploader{
		opt: opt, src: src, requests: opt.Requests,
		draining: make(chan struct{}), stop: make(chan struct{}), done: make(chan struct{}),
	}
	u.store = store
	if u.requests == nil {
		u.requests = &Requests{}
		u.store = u.requests.Watch(store, opt.Observer.Request)
	}
	u.leaser = &leaser{
		store: u.store, ttl: opt.LeaseTTL, holder: newHolder(), host: opt.Host,
		observer: &u.opt.Observer, failed: u.failed, held: u.progress.heldBy, wall: time.Now,
	}
	u.progress.moved = make(chan struct{})
	return u, nil
}

// errDrained ends Run after a Drain.
var errDrained = errors.New("everything is shipped")

// Run ships until ctx ends, or Drain has been called and is done; both is nil. An archive that is away, full or that refuses is no end: it is
// tried again for as long as it takes, and State says so. The errors that are left are of a store that cannot be used like this at
// all: ErrUnconditional. Run may be called once.
func (u *Uploader) Run(ctx context.Context) error {
	if !u.running.CompareAndSwap(false, true) {
		return errors.New("the uploader has run already")
	}
	defer close(u.done)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer whenClosed(ctx, u.stop, func() { cancel(errDrained) })()
	var wait retryDelay
	for {
		begun := time.Now()
		err := u.tenure(ctx)
		u.progress.ended()
		switch {
		case errors.Is(err, errDrained), ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrUnconditional):
			return err
		case !errors.Is(err, ErrLeaseLost):
			u.failed("ship", err)
		}
		if time.Since(begun) > maxRetry {
			wait = 0
		}
		if pause(ctx, wait.next(u.opt.Retry)) != nil {
			return nil
		}
	}
}

// whenClosed calls f once ch is closed, unless ctx ends before; the result ends the waiting.
func whenClosed(ctx context.Context, ch <-chan struct{}, f func()) func() {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-ch:
			f()
		case <-ctx.Done():
		}
	}()
	return func() { cancel(); <-ended }
}

// retryDelay doubles with each try.
type retryDelay time.Duration

func (d *retryDelay) next(first time.Duration) time.Duration {
	*d = min(max(*d*2, retryDelay(first)), retryDelay(maxRetry))
	return time.Duration(*d)
}

// Drain ships what is durable, lets the lease go and ends Run; it returns when Run has. Nothing may become durable any more. What is not
// done when ctx ends stays for the next start, and *UnshippedError says how much that is; so it does where somebody else ships.
func (u *Uploader) Drain(ctx context.Context) error {
	u.drain.Do(func() { close(u.draining) })
	if !u.running.Load() {
		return nil
	}
	select {
	case <-u.done:
	case <-ctx.Done():
		u.halt.Do(func() { close(u.stop) })
		<-u.done
	}
	return u.unshipped()
}

func (u *Uploader) unshipped() error {
	lines := u.src.Holdings().Timelines
	if len(lines) == 0 {
		return nil
	}
	off, ok := u.Shipped()
	switch end := lines[len(lines)-1].End.Offset; {
	case !ok:
		return &UnshippedError{Bytes: -1}
	case off < end:
		return &UnshippedError{Bytes: int64(end - off)}
	}
	return nil
}

// UnshippedError says that the archive does not have all of the log yet.
type UnshippedError struct {
	Bytes int64 // of the stream; -1: there is not even a base of the present timeline
}

// Error says how much.
func (e *UnshippedError) Error() string {
	if e.Bytes < 0 {
		return "the archive does not have a base of this timeline yet"
	}
	return fmt.Sprintf("%d bytes are not in the archive yet", e.Bytes)
}

// Shipped returns the offset S for which the archive has a base of the present timeline and all behind it up to S; ok is false where it has
// none, or is not known to.
func (u *Uploader) Shipped() (off stream.Offset, ok bool) { return u.progress.acknowledge(u.src) }

// Moved returns a channel that is closed when Shipped next changes.
func (u *Uploader) Moved() <-chan struct{} { return u.progress.changes() }

// failed notes what is tried again.
func (u *Uploader) failed(doing string, err error) {
	u.progress.fail(doing, err)
	if u.opt.Observer.Failed != nil {
		u.opt.Observer.Failed(Failure{Doing: doing, Err: err})
	}
}

// persist calls try until it succeeds or ctx ends, whose cause it returns; final says of which errors it returns them instead.
func (u *Uploader) persist(ctx context.Context, doing string, final func(error) bool, try func() error) error {
	var wait retryDelay
	for {
		err := try()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case final != nil && final(err):
			return err
		}
		u.failed(doing, err)
		if err := pause(ctx, wait.next(u.opt.Retry)); err != nil {
			return err
		}
	}
}

// tenure is the time of one epoch.
type tenure struct {
	*Uploader
	store Store // writes only while the lease is held
	lease *lease
	epoch int64
	// failures is how often an increment of the present timeline could not be read, by its file.
	failures map[string]int
}

// tenure waits for the lease and ships until it is lost, or ctx ends, or all is drained.
func (u *Uploader) tenure(ctx context.Context) error {
	if u.opt.LeaseDisabled {
		return u.unfenced(ctx)
	}
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := whenClosed(waiting, u.draining, func() { cancel(errDrained) })
	h, err := u.leaser.acquire(waiting)
	stop()
	if err != nil {
		return err
	}
	if !u.proven {
		if err := h.prove(ctx); err != nil {
			return err
		}
		u.proven = true
	}
	u.progress.took(h.rec)
	return h.hold(ctx, func(ctx context.Context) error {
		t := &tenure{Uploader: u, store: &fencedStore{Store: u.store, valid: h.valid}, lease: h, epoch: h.rec.Epoch, failures: map[string]int{}}
		return t.work(ctx)
	})
}

// unfenced ships under the next epoch without a lease.
func (u *Uploader) unfenced(ctx context.Context) error {
	var epoch int64
	next := func() error {
		last, err := ReadLease(ctx, u.store) // whose holder may not have written its epoch down
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		epoch, err = nextEpoch(ctx, u.store, last.Epoch)
		return err
	}
	if err := u.persist(ctx, "list epochs", nil, next); err != nil {
		return err
	}
	u.progress.took(LeaseRecord{Epoch: epoch, Host: u.opt.Host})
	t := &tenure{Uploader: u, store: &looseStore{Store: u.store}, epoch: epoch, failures: map[string]int{}}
	return t.work(ctx)
}

func (t *tenure) work(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return t.ship(ctx) })
	g.Go(func() error { return t.retain(ctx) })
	return g.Wait()
}

// fencedStore begins no write once the lease is gone, and confirms none: what has been stored by the time that somebody else may take over is found by them, what is
// stored later does not count.
type fencedStore struct {
	Store
	valid func() error
}

// Put stores an object.
func (s *fencedStore) Put(ctx context.Context, key string, body Body, cond Condition) (Object, error) {
	if err := s.valid(); err != nil {
		return Object{}, err
	}
	obj, err := s.Store.Put(ctx, key, body, cond)
	if err == nil || errors.Is(err, ErrExists) {
		if lost := s.valid(); lost != nil {
			return Object{}, lost
		}
	}
	return obj, err
}

// Delete removes an object.
func (s *fencedStore) Delete(ctx context.Context, key string) error {
	if err := s.valid(); err != nil {
		return err
	}
	return s.Store.Delete(ctx, key)
}

// looseStore goes on without conditions where the store has none.
type looseStore struct {
	Store
	none atomic.Bool
}

// Put stores an object.
func (s *looseStore) Put(ctx context.Context, key string, body Body, cond Condition) (Object, error) {
	if s.none.Load() {
		return s.Store.Put(ctx, key, body, Condition{})
	}
	obj, err := s.Store.Put(ctx, key, body, cond)
	if errors.Is(err, ErrUnconditional) {
		s.none.Store(true)
		return s.Store.Put(ctx, key, body, Condition{})
	}
	return obj, err
}
