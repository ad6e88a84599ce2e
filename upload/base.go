package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// shipBases stores the bases of the timeline one after the other, oldest first, until the timeline has ended and has no more. Draining it
// goes on until there is one.
func (h *history) shipBases(ctx context.Context) error {
	var wait retryDelay
	for {
		changed := h.src.Changed()
		line, last, ok := h.line(h.id)
		if !ok || h.drains() && h.restorable() {
			return nil
		}
		b, more := h.nextBase(&line)
		if !more {
			if !last || h.drains() {
				return nil
			}
			if err := h.await(ctx, changed); err != nil && !errors.Is(err, errDrained) {
				return err
			}
			continue
		}
		err := h.shipBase(ctx, b)
		switch {
		case err == nil:
			wait = 0
			continue
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.Is(err, fs.ErrNotExist):
			h.baseFailed(&line, last, b, err)
		}
		if err := pause(ctx, wait.next(h.opt.Retry)); err != nil {
			return err
		}
	}
}

// baseFailed notes that a base was not stored. One that cannot be read is tried a few times while its timeline goes on, then it is left out: the bases behind it do
// not wait for it, nor does the next timeline.
func (h *history) baseFailed(line *stream.Timeline, present bool, b stream.LogFile, err error) {
	unread, ok := errors.AsType[*unreadError](err)
	if !ok {
		h.failed("store base "+b.Name, err)
		return
	}
	h.mu.Lock()
	h.unread[b.From]++
	if !present {
		h.unread[b.From] = maxFailures
	}
	left := h.unread[b.From] < maxFailures
	h.mu.Unlock()
	if left {
		h.failed("store base "+b.Name, err)
		return
	}
	d := DamagedBase{Timeline: h.id, Name: b.Name, Why: unread.Error() + ": the moments from it to the next base can be restored from the base before it, if there is one"}
	if present && b.From == line.Bases[len(line.Bases)-1].From {
		d.Why = unread.advice()
	}
	h.progress.damaged(d)
	if h.opt.Observer.Damaged != nil {
		h.opt.Observer.Damaged(d)
	}
}

// leftOut is the error of a base of the timeline that was left out; nil: there is none.
func (h *history) leftOut(line *stream.Timeline) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range line.Bases {
		if h.unread[b.From] >= maxFailures {
			return &unreadError{name: b.Name, err: errDamaged}
		}
	}
	return nil
}

// nextBase is the oldest base that is not stored.
func (h *history) nextBase(line *stream.Timeline) (stream.LogFile, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range line.Bases {
		if !h.chain.bases[b.From] && h.unread[b.From] < maxFailures {
			return b, true
		}
	}
	return stream.LogFile{}, false
}

// shipBase reads a base twice: for its name, and for the object.
func (h *history) shipBase(ctx context.Context, b stream.LogFile) error {
	f, err := h.openShared(b.Name)
	if errors.Is(err, errMoved) {
		return fs.ErrNotExist
	}
	if err != nil {
		return err
	}
	defer f.release()
	begun := time.Now()
	read, err := examineBase(ctx, f, b)
	if err != nil {
		return err
	}
	sealer := h.opt.Sealer
	key := BaseKey{
		Timeline: h.id, Offset: b.From, UnixMilli: b.UnixMilli, Epoch: h.epoch, Sum: read.sum,
		RESP: b.RESP, Zstd: sealer.Zstd(), Age: sealer.Age(),
	}
	plain := plainBytes{name: key.String(), reading: read, size: b.Bytes, open: func() io.Reader { return io.NewSectionReader(f, 0, b.Bytes) }}
	sealed, err := h.put(ctx, plain.name, plain.streamed(sealer))
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.chain.bases[b.From] = true
	h.mu.Unlock()
	h.src.BaseShipped(b.Name)
	h.noteStored()
	if h.opt.Observer.BaseStored != nil {
		h.opt.Observer.BaseStored(ShippedBase{Key: key, Plain: b.Bytes, Sealed: sealed, Took: time.Since(begun)})
	}
	return nil
}

// examineBase reads a base before it is named: its sum, and whether it still is what was written, as far as it tells itself. An RDB has a checksum, unless its server runs
// with rdbchecksum no; of commands only the form is known. Errors but ctx's cause are *unreadError.
func examineBase(ctx context.Context, f io.ReaderAt, b stream.LogFile) (read reading, err error) {
	r := io.NewSectionReader(f, 0, b.Bytes)
	g, gctx := errgroup.WithContext(ctx)
	const sums, walks = 0, 1
	fl := newFlow(gctx, 2)
	g.Go(func() error { return fl.pass(r) })
	g.Go(func() (err error) {
		read, err = readAll(gctx, fl.takers[sums].object())
		return err
	})
	g.Go(func() error {
		return (&stagedBase{resp: b.RESP}).read(fl.takers[walks].object(), &commandCheck{key: "it"})
	})
	err = g.Wait()
	if ctx.Err() != nil {
		return reading{}, context.Cause(ctx)
	}
	if at, serr := r.Seek(0, io.SeekCurrent); err == nil && (serr != nil || at != b.Bytes) {
		err = fmt.Errorf("it has %d bytes, not %d", at, b.Bytes)
	}
	if err != nil {
		return reading{}, &unreadError{name: b.Name, err: err}
	}
	return read, nil
}
