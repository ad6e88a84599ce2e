package upload

import (
	"context"
	"errors"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// merge stores each closed increment whose segments are all stored once more, as one object, so that a restore has few to read; the segments go
// later, with retention. It makes no difference to what can be restored, so what goes wrong with the log's file is noted and no more.
func (h *history) merge(ctx context.Context) error {
	for {
		changed, moved := h.src.Changed(), h.progress.changes()
		line, _, ok := h.line(h.id)
		if !ok {
			return nil
		}
		inc, more := h.nextMerge(&line)
		end := endOf(&line)
		if !more {
			if h.cutAllDone() {
				return nil
			}
			select {
			case <-changed:
			case <-moved:
			case <-h.cutAll:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			continue
		}
		err := h.mergeIncrement(ctx, inc, end)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, errMoved) {
			if err := pause(ctx, h.opt.Retry); err != nil {
				return err
			}
			continue
		}
		s := span{inc.From, inc.To}
		h.mu.Lock()
		h.chain.whole[s], h.unmerge[s] = err == nil, err != nil
		h.mu.Unlock()
		if err != nil {
			h.failed("merge "+inc.Name, err)
		}
		h.noteStored()
	}
}

func (h *history) cutAllDone() bool {
	select {
	case <-h.cutAll:
		return true
	default:
		return false
	}
}

// nextMerge is the oldest increment to merge.
func (h *history) nextMerge(line *stream.Timeline) (stream.LogFile, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, inc := range line.Increments {
		if inc.To <= h.chain.end && h.mergeable(inc) {
			return inc, true
		}
	}
	return stream.LogFile{}, false
}

func (h *history) mergeIncrement(ctx context.Context, inc stream.LogFile, end stream.Mark) error {
	f, err := h.openShared(inc.Name)
	if err != nil {
		return err
	}
	defer f.release()
	seg, err := WholeSegment(f.File, inc, end)
	if err != nil {
		return err
	}
	x, err := examine(ctx, &seg)
	if err != nil {
		return err
	}
	key := seg.Key(h.id, h.epoch, x.sum, h.opt.Sealer)
	begun := time.Now()
	plain := plainBytes{name: key.String(), reading: x.reading, size: seg.Size(), open: seg.Plain}
	sealed, err := h.put(ctx, plain.name, plain.streamed(h.opt.Sealer))
	if err != nil {
		return err
	}
	if h.opt.Observer.Merged != nil {
		h.opt.Observer.Merged(ShippedSegment{Key: key, Plain: seg.Size(), Sealed: sealed, Took: time.Since(begun)})
	}
	return nil
}
