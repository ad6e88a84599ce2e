package upload

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// ErrLeaseLost ends everything that writes: another process may hold the lease from now on.
var ErrLeaseLost = errors.New("the lease of the archive is lost")

// LeaseRecord is lease.json: who ships, and how far that went when it was written.
type LeaseRecord struct {
	Epoch    int64  `json:"epoch"`  // of the names of all that the holder writes
	Holder   string `json:"holder"` // random, new with every process
	Host     string `json:"host"`
	TTLMilli int64  `json:"ttl_ms"` // the holder stops when it could not renew for so long
	Beat     int64  `json:"beat"`   // counts the holder's renewals, so that no two records are alike

	// The end of what is shipped, 0 if nothing is, and the history that the bytes up to there, and at most those that follow, are of.
	Timeline string        `json:"timeline,omitempty"`
	Offset   stream.Offset `json:"offset"`
	ReplID   string        `json:"replid,omitempty"`

	RenewedAt time.Time `json:"renewed_at"` // for people: nothing is decided by it
	Released  bool      `json:"released,omitempty"`
}

// shippedEnd is what a lease says of the shipping.
type shippedEnd struct {
	timeline string
	offset   stream.Offset
	replID   stream.ReplID
}

// leaser takes the lease of an archive.
type leaser struct {
	store        Store
	ttl          time.Duration
	holder, host string
	observer     *Observer
	failed       func(doing string, err error)
	held         func(LeaseRecord) // by somebody else
	wall         func() time.Time  // a clock that goes on while the machine is suspended
}

// newHolder returns a name that no other process has.
func newHolder() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// leaseTries is how many times in a TTL a lease is renewed, and a foreign one looked at.
const leaseTries = 3

// Records that are read are bounded in bytes: that of an epoch names each timeline of the log that waits for the archive, 20,000 of them at most.
const (
	maxRecord      = 64 << 10
	maxEpochRecord = 1 << 20
)

// sighting is a record as it was first seen.
type sighting struct {
	etag  string
	since time.Time // when it was there for certain, on our own clock
}

// acquire waits until the lease is ours. Errors are ctx's cause, or ErrUnconditional.
//
// The lease is free if there is none, if it was released, or if its ETag stood still for a TTL on our clock: the holder counts its TTL
// from before the renewal that made that ETag, so it has stopped by then. The write is conditional on that very ETag.
func (l *leaser) acquire(ctx context.Context) (*lease, error) {
	var seen sighting
	var told string
	for {
		rec, etag, err := l.read(ctx)
		switch {
		case errors.Is(err, ErrNotFound):
			seen = sighting{}
		case err != nil:
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			l.failed("read the lease", err)
			if err := pause(ctx, l.ttl/leaseTries); err != nil {
				return nil, err
			}
			continue
		case etag != seen.etag:
			seen = sighting{etag: etag, since: time.Now()}
		}
		ttl := max(l.ttl, min(time.Duration(rec.TTLMilli)*time.Millisecond, maxTTL))
		ttl += ttl / clockSkew
		free := seen.etag == "" || rec.Released || rec.Holder == l.holder || time.Since(seen.since) >= ttl
		if free {
			held, err := l.take(ctx, rec, seen.etag)
			switch {
			case err == nil:
				return held, nil
			case errors.Is(err, ErrUnconditional):
				return nil, fmt.Errorf("take the lease: %w", err)
			case !errors.Is(err, ErrChanged) && !errors.Is(err, ErrExists) && ctx.Err() == nil:
				l.failed("take the lease", err)
			}
		} else if told != rec.Holder {
			told = rec.Holder
			l.held(rec)
			l.observer.leaseHeld(rec)
		}
		wait := l.ttl / leaseTries
		if !free {
			wait = min(wait, time.Until(seen.since.Add(ttl)))
		}
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// clockSkew is by which part of a TTL one clock may be slower than the other during it.
const clockSkew = 10

// maxTTL bounds what a foreign record makes us wait.
const maxTTL = time.Hour

// take tries to become the holder after prev. ErrChanged and ErrExists: somebody was faster.
func (l *leaser) take(ctx context.Context, prev LeaseRecord, etag string) (*lease, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.ttl, fmt.Errorf("take the lease: no answer for %v", l.ttl))
	defer cancel()
	epoch, err := nextEpoch(ctx, l.store, prev.Epoch)
	if err != nil {
		return nil, err
	}
	if epoch > prev.Epoch+1 { // somebody has shipped since who did not write it, so it is not the last word
		prev.Timeline, prev.Offset, prev.ReplID = "", 0, ""
	}
	rec := LeaseRecord{
		Epoch: epoch, Holder: l.holder, Host: l.host, TTLMilli: l.ttl.Milliseconds(),
		Timeline: prev.Timeline, Offset: prev.Offset, ReplID: prev.ReplID,
	}
	held := &lease{leaser: l, rec: rec, previous: prev, writing: make(chan struct{}, 1), since: l.now()}
	if held.etag, err = held.put(ctx, rec, etag); err != nil {
		return nil, err
	}
	l.observer.leaseTaken(rec)
	return held, nil
}

// read returns the lease and its ETag. What is no record is one of nobody.
func (l *leaser) read(ctx context.Context) (LeaseRecord, string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.ttl, fmt.Errorf("read the lease: no answer for %v", l.ttl))
	defer cancel()
	return readLease(ctx, l.store)
}

// readLease returns the lease and its ETag. What is no record is one of nobody.
func readLease(ctx context.Context, store Store) (LeaseRecord, string, error) {
	rec, etag, _, err := examineLease(ctx, store)
	return rec, etag, err
}

// examineLease is readLease that says of what is no record why.
func examineLease(ctx context.Context, store Store) (rec LeaseRecord, etag string, damaged *DamagedError, err error) {
	text, obj, err := getRecord(ctx, store, LeaseKey())
	damaged, ok := errors.AsType[*DamagedError](err)
	switch {
	case err != nil && !ok:
		return LeaseRecord{}, "", nil, err
	case ok:
	case json.Unmarshal(text, &rec) != nil:
		damaged = &DamagedError{Key: LeaseKey(), What: "it is no JSON of a lease"}
	case rec.Epoch < 0 || rec.Epoch > maxEpoch || rec.TTLMilli < 0:
		damaged = &DamagedError{Key: LeaseKey(), What: "it has numbers that no lease has"}
	}
	if damaged != nil {
		rec = LeaseRecord{}
	}
	return rec, obj.ETag, damaged, nil
}

// ReadLease returns who ships to an archive; ErrNotFound: nobody ever did with a lease.
func ReadLease(ctx context.Context, store Store) (LeaseRecord, error) {
	rec, _, err := readLease(ctx, store)
	return rec, err
}

// getRecord reads a small object whole. *DamagedError: the store says twice that it is not what was stored, or it says so itself; obj is set.
func getRecord(ctx context.Context, store Store, key string) (text []byte, obj Object, err error) {
	for range 2 {
		text, obj, err = getSmall(ctx, store, key)
		if !errors.Is(err, ErrChecksum) {
			break
		}
	}
	switch {
	case errors.Is(err, ErrChecksum):
		return nil, obj, &DamagedError{Key: key, What: err.Error()}
	case err != nil:
		return nil, Object{}, fmt.Errorf("read %s: %w", key, err)
	}
	if !soundRecord(text) {
		return nil, obj, &DamagedError{Key: key, What: "it is not what its crc32c says"}
	}
	return text, obj, nil
}

func getSmall(ctx context.Context, store Store, key string) (text []byte, obj Object, err error) {
	body, obj, err := store.Get(ctx, key, 0, -1)
	if err != nil {
		return nil, Object{}, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	limit := int64(maxRecord)
	if _, ok := ParseEpochKey(key); ok {
		limit = maxEpochRecord
	}
	text, err = io.ReadAll(io.LimitReader(body, limit))
	return text, obj, err
}

// putRecord writes a small object.
func putRecord(ctx context.Context, store Store, key string, rec any, cond Condition) (Object, error) {
	text, err := json.Marshal(rec)
	if err != nil {
		return Object{}, fmt.Errorf("encode %s: %w", key, err)
	}
	obj, err := store.Put(ctx, key, bytesBody(append(sumRecord(text), '\n')), cond)
	if err != nil {
		return Object{}, fmt.Errorf("write %s: %w", key, err)
	}
	return obj, nil
}

// bytesBody is a body in memory.
func bytesBody(p []byte) Body {
	return Body{Size: int64(len(p)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p)), nil }}
}

// pause waits for d, or returns ctx's cause.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(max(d, time.Millisecond))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lease is a lease that was taken. Safe for concurrent use.
type lease struct {
	*leaser
	previous LeaseRecord // what was there before; zero: nothing

	writing chan struct{} // of one: one record is written at a time; guards rec and etag
	rec     LeaseRecord
	etag    string

	mu    sync.Mutex
	since moment // a TTL after that the lease may be somebody else's
	timer *time.Timer
	lost  bool
	end   shippedEnd
	said  shippedEnd // of the last record that was written for certain
}

// moment is a time by two clocks. Neither is enough: the one that Go measures with stands still while a machine is suspended, and that of the wall may be set back.
type moment struct{ steady, wall time.Time }

func (l *leaser) now() moment { return moment{steady: time.Now(), wall: l.wall().Round(0)} }

// over reports whether, by either clock, a TTL has passed since the lease was last ours for certain. mu is held.
func (h *lease) over() bool {
	now := h.now()
	return now.steady.Sub(h.since.steady) >= h.ttl || now.wall.Sub(h.since.wall) >= h.ttl
}

// left is how long it is until then, by the steady clock. mu is held.
func (h *lease) left() time.Duration { return time.Until(h.since.steady.Add(h.ttl)) }

// prove finds out whether the store honours conditions, with two writes that must be refused: ErrUnconditional.
func (h *lease) prove(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, h.ttl/leaseTries, fmt.Errorf("no answer for %v", h.ttl/leaseTries))
	defer cancel()
	for _, refusal := range []struct {
		cond Condition
		want error
	}{
		{Condition{Absent: true}, ErrExists},
		{Condition{ETag: otherETag(h.etag)}, ErrChanged},
	} {
		_, err := putRecord(ctx, h.store, LeaseKey(), h.rec, refusal.cond)
		switch {
		case errors.Is(err, refusal.want):
		case err == nil:
			return fmt.Errorf("%s stores what a condition forbids: %w", h.store, ErrUnconditional)
		default:
			return fmt.Errorf("prove conditions: %w", err)
		}
	}
	return nil
}

// hold runs work under a context that ends the instant the lease is lost, with ErrLeaseLost as its cause, and
// renews the lease meanwhile. When work has returned the lease is released, if it is still ours.
func (h *lease) hold(ctx context.Context, work func(context.Context) error) error {
	held, lose := context.WithCancelCause(ctx)
	h.mu.Lock()
	h.timer = time.AfterFunc(h.left(), func() {
		h.lose(lose, fmt.Errorf("%w: it could not be renewed for %v", ErrLeaseLost, h.ttl))
	})
	h.mu.Unlock()
	keeping := make(chan struct{})
	keep, stop := context.WithCancel(held)
	go func() {
		defer close(keeping)
		h.keep(keep, lose)
	}()
	err := h.valid()
	if err == nil {
		err = work(held)
	}
	stop()
	<-keeping
	if !h.timer.Stop() {
		h.lose(lose, ErrLeaseLost)
	}
	if h.gone() {
		if !errors.Is(err, ErrLeaseLost) {
			err = errors.Join(err, context.Cause(held))
		}
		h.observer.leaseLost(context.Cause(held))
	} else {
		h.release(ctx)
	}
	lose(context.Canceled)
	return err
}

// lose makes it final.
func (h *lease) lose(cancel context.CancelCauseFunc, why error) {
	h.mu.Lock()
	h.lost = true
	h.mu.Unlock()
	cancel(why)
}

func (h *lease) gone() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lost
}

// valid reports whether a write may begin now.
func (h *lease) valid() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lost || h.over() {
		return ErrLeaseLost
	}
	return nil
}

// keep renews until ctx ends or somebody else has the lease.
func (h *lease) keep(ctx context.Context, lose context.CancelCauseFunc) {
	for wait := h.ttl / leaseTries; pause(ctx, wait) == nil; {
		wait = h.ttl / leaseTries
		err := h.renew(ctx)
		switch {
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, ErrLeaseLost):
			h.lose(lose, err)
			return
		default:
			h.failed("renew the lease", err)
			wait /= leaseTries
		}
	}
}

// renew writes the record once more. ErrLeaseLost: it is somebody else's.
func (h *lease) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, h.ttl/leaseTries, fmt.Errorf("no answer for %v", h.ttl/leaseTries))
	defer cancel()
	if err := h.lock(ctx); err != nil {
		return err
	}
	defer h.unlock()
	for range leaseTries {
		begun := h.now()
		rec, end := h.next()
		etag, err := h.put(ctx, rec, h.etag)
		if err == nil {
			h.etag = etag
			h.mu.Lock()
			h.said = end
			h.mu.Unlock()
			return h.extend(begun)
		}
		if !errors.Is(err, ErrChanged) {
			return err
		}
		if err := h.reread(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("renew the lease: %w, though nobody else writes it", ErrChanged)
}

// next is the record to write, and the end that it tells of. Each try has a beat of its own: one that seemed to fail may land. writing is held.
func (h *lease) next() (LeaseRecord, shippedEnd) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rec.Beat++
	if h.end.timeline != "" {
		h.rec.Timeline, h.rec.Offset, h.rec.ReplID = h.end.timeline, h.end.offset, h.end.replID.String()
	}
	return h.rec, h.end
}

func (h *lease) lock(ctx context.Context) error {
	select {
	case h.writing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (h *lease) unlock() { <-h.writing }

// reread finds out who has changed the record: a try of ours whose answer got lost, or somebody else.
func (h *lease) reread(ctx context.Context) error {
	now, etag, err := readLease(ctx, h.store)
	switch {
	case errors.Is(err, ErrNotFound):
		return fmt.Errorf("%w: its record was removed", ErrLeaseLost)
	case err != nil:
		return err
	case now.Holder != h.holder || now.Epoch != h.rec.Epoch || now.Released:
		return fmt.Errorf("%w: %s (%s) took it with epoch %d", ErrLeaseLost, now.Host, now.Holder, now.Epoch)
	}
	h.etag = etag
	return nil
}

// extend has the TTL begin at begun.
func (h *lease) extend(begun moment) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lost || h.over() || h.timer != nil && !h.timer.Stop() {
		return fmt.Errorf("%w: the renewal came too late", ErrLeaseLost)
	}
	h.since = begun
	if h.timer != nil {
		h.timer.Reset(h.left())
	}
	return nil
}

// put writes a record in place of the one that etag names, "" for none.
func (h *lease) put(ctx context.Context, rec LeaseRecord, etag string) (string, error) {
	rec.RenewedAt = time.Now().UTC()
	obj, err := putRecord(ctx, h.store, LeaseKey(), rec, Condition{Absent: etag == "", ETag: etag})
	return obj.ETag, err
}

// shipped notes for the next renewal how far the shipping went. It does not go back to another history, see announce.
func (h *lease) shipped(timeline string, offset stream.Offset) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if timeline == h.end.timeline {
		h.end.offset = offset
	}
}

// announce writes at once which history is shipped from now on, if that is not written yet, and up to where the timeline was confirmed. Whoever finds the archive's end encrypted
// knows from it whether its own log is of that history, so nothing of another one may be shipped before.
func (h *lease) announce(ctx context.Context, timeline string, confirmed stream.Offset, id stream.ReplID) error {
	h.mu.Lock()
	if h.end.timeline != timeline {
		h.end = shippedEnd{timeline: timeline, offset: confirmed}
	}
	h.end.replID = id
	written := h.said.timeline == timeline && h.said.replID == id
	h.mu.Unlock()
	if written {
		return nil
	}
	return h.renew(ctx)
}

// release lets go: whoever waits need not wait for a TTL. That it fails costs them just that.
func (h *lease) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(h.ttl/leaseTries, releaseWait))
	defer cancel()
	if h.lock(ctx) != nil {
		return
	}
	defer h.unlock()
	if err := h.letGo(ctx); err != nil && !errors.Is(err, ErrLeaseLost) {
		h.failed("release the lease", err)
	}
}

// letGo writes that the lease is released. ErrLeaseLost: it is somebody else's, or released already. writing is held.
func (h *lease) letGo(ctx context.Context) error {
	for range leaseTries {
		rec, _ := h.next()
		rec.Released = true
		_, err := h.put(ctx, rec, h.etag)
		if !errors.Is(err, ErrChanged) {
			return err
		}
		// The renewal that the end has cut off may have been stored.
		if err := h.reread(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w, though nobody else writes it", ErrChanged)
}

// releaseWait bounds how long a release holds up the end of the process.
const releaseWait = 5 * time.Second
