package aof

import (
	"context"
	"io"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
)

// syncEvery is how many bytes of a snapshot are written between syncs, so that the last one is short and the page cache stays
// free for others.
const syncEvery = 32 << 20

// snapshotWriter writes a snapshot at the end of f and syncs behind itself: the disk works while the network does.
type snapshotWriter struct {
	f        fsx.File
	path     string
	written  int64
	pending  int64
	progress func(int64)
	syncing  chan error // nil when no sync is under way
	err      error      // the first failure: a reader may not show it, and must not go on behind a gap
}

func newSnapshotWriter(f fsx.File, path string, progress func(int64)) *snapshotWriter {
	return &snapshotWriter{f: f, path: path, progress: progress}
}

// Write implements io.Writer.
func (w *snapshotWriter) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.write(p)
	w.err = err
	return n, err
}

func (w *snapshotWriter) write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	w.written += int64(n)
	w.pending += int64(n)
	call(w.progress, int64(n))
	if err != nil {
		return n, w.failure("write", err)
	}
	if w.pending < syncEvery {
		return n, nil
	}
	w.pending = 0
	if err := w.join(); err != nil {
		return n, err
	}
	done := make(chan error, 1)
	w.syncing = done
	go func() { done <- w.f.SyncData() }()
	return n, nil
}

// join waits for the sync that is under way.
func (w *snapshotWriter) join() error {
	if w.syncing == nil {
		return nil
	}
	err := <-w.syncing
	w.syncing = nil
	return w.failure("sync", err)
}

// failure makes every error but want of space a *DiskError.
func (w *snapshotWriter) failure(op string, err error) error {
	if err == nil || isNoSpace(err) {
		return err
	}
	return &DiskError{Op: op, Path: w.path, Err: err}
}

// finish waits for the syncs; keep also makes the whole file durable. It returns the first failure.
func (w *snapshotWriter) finish(keep bool) error {
	err := w.join()
	if w.err != nil {
		return w.err
	}
	if err != nil || !keep {
		return err
	}
	return w.failure("sync", w.f.Sync())
}

// ctxReader fails between reads once ctx has ended; the socket below has deadlines of its own.
type ctxReader struct {
	ctx context.Context //nolint:containedctx // io.Reader has no place for one
	r   io.Reader
}

// Read implements io.Reader.
func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
