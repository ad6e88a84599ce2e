package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

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
			h.failed("store base "+b.Name, err)
		}
		if err := pause(ctx, wait.next(h.opt.Retry)); err != nil {
			return err
		}
	}
}

// nextBase is the oldest base that is not stored.
func (h *history) nextBase(line *stream.Timeline) (stream.LogFile, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range line.Bases {
		if !h.chain.bases[b.From] {
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
	open := func() io.Reader { return io.NewSectionReader(f, 0, b.Bytes) }
	read, err := readAll(ctx, open())
	if err != nil {
		return fmt.Errorf("read %s: %w", b.Name, err)
	}
	sealer := h.opt.Sealer
	key := BaseKey{
		Timeline: h.id, Offset: b.From, UnixMilli: b.UnixMilli, Epoch: h.epoch, Sum: read.sum,
		RESP: b.RESP, Zstd: sealer.Zstd(), Age: sealer.Age(),
	}
	plain := plainBytes{name: key.String(), reading: read, size: b.Bytes, open: open}
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
