package replica

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// recorder is a Sink and Acks in memory: what package aof is, without a disk. It checks what Sink promises about the order of
// calls and about every run.
type recorder struct {
	t testing.TB

	// Hooks; nil does nothing. After Run has begun they are changed by change.
	onResume   func() error
	onContinue func(context.Context, stream.ReplID) error
	onFull     func(context.Context, stream.Snapshot, io.Reader) error
	onAppend   func(context.Context, *stream.Run) error
	autoFsync  bool // durable follows received
	fullDB     int  // the database that FullResync returns

	mu       sync.Mutex
	open     bool         // between Continue or FullResync and Rollback
	tail     bool         // the last run was not Whole
	more     bool         // it had More
	group    []stream.Run // as they were handed over, since the last run without More
	pos      stream.Position
	db       int
	kept     []byte
	runs     []stream.Run
	calls    []string
	payload  []byte
	boundary stream.Position
	keptAtB  int
	dbAtB    int
	durable  stream.Offset
	hasFACK  bool
	moved    chan struct{}
}

var (
	_ Sink = (*recorder)(nil)
	_ Acks = (*recorder)(nil)
)

func newRecorder(tb testing.TB) *recorder {
	tb.Helper()
	return &recorder{t: tb, moved: make(chan struct{})}
}

// at sets where a recorder stands before Run.
func (r *recorder) at(pos stream.Position, db int) *recorder {
	r.pos, r.db, r.boundary, r.dbAtB = pos, db, pos, db
	return r
}

func (r *recorder) log(format string, args ...any) {
	r.calls = append(r.calls, fmt.Sprintf(format, args...))
}

func (r *recorder) Resume() (stream.Position, int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	require.False(r.t, r.open, "Resume before Rollback")
	if r.onResume != nil {
		if err := r.onResume(); err != nil {
			return stream.Position{}, 0, err
		}
	}
	r.log("resume %s db %d", r.pos, r.db)
	return r.pos, r.db, nil
}

func (r *recorder) Continue(ctx context.Context, id stream.ReplID) error {
	if hook := hookOf(r, &r.onContinue); hook != nil {
		if err := hook(ctx, id); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	require.False(r.t, r.open, "Continue twice")
	r.log("continue %s", id)
	r.open = true
	r.pos.ReplID = id
	r.boundary.ReplID = id
	return nil
}

func (r *recorder) FullResync(ctx context.Context, snap stream.Snapshot, body io.Reader) (int, error) {
	var payload bytes.Buffer
	if _, err := io.Copy(&payload, body); err != nil {
		return 0, fmt.Errorf("copy snapshot: %w", err)
	}
	if hook := hookOf(r, &r.onFull); hook != nil {
		if err := hook(ctx, snap, &payload); err != nil {
			return 0, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	require.False(r.t, r.open, "FullResync without Rollback")
	r.log("full %s %d", snap.Position, snap.Bytes)
	r.open, r.payload, r.kept, r.keptAtB = true, bytes.Clone(payload.Bytes()), nil, 0
	r.pos, r.db, r.boundary, r.dbAtB = snap.Position, r.fullDB, snap.Position, r.fullDB
	r.durable, r.hasFACK = 0, false
	return r.fullDB, nil
}

func (r *recorder) Append(ctx context.Context, run *stream.Run) error {
	if hook := hookOf(r, &r.onAppend); hook != nil {
		if err := hook(ctx, run); err != nil {
			r.change(func() { r.more, r.group = false, nil })
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.more {
		require.Equal(r.t, r.runs[len(r.runs)-1].UnixMilli, run.UnixMilli, "these bytes were not there yet")
	}
	r.more = run.More
	require.True(r.t, r.open, "Append before Continue or FullResync")
	require.Positive(r.t, run.Len(), "a run of nothing")
	require.LessOrEqual(r.t, run.Boundary, run.Len())
	require.NotZero(r.t, run.UnixMilli)
	if r.tail {
		require.Zero(r.t, run.Dropped, "dropped bytes inside a command")
	}
	if len(run.Data) == 0 {
		require.True(r.t, run.Whole)
	}
	if run.Whole && !run.Multi {
		require.Equal(r.t, run.Len(), run.Boundary)
	}
	r.tail = !run.Whole
	saved := *run
	saved.Data = bytes.Clone(run.Data)
	r.runs = append(r.runs, saved)
	r.checkGroup(run)
	if run.Boundary > 0 {
		r.boundary.Offset = r.pos.Offset + stream.Offset(run.Boundary)
		r.keptAtB = len(r.kept) + int(max(0, run.Boundary-run.Dropped))
		r.dbAtB = run.DB
	}
	r.kept = append(r.kept, run.Data...)
	r.pos.Offset += stream.Offset(run.Len())
	if r.autoFsync {
		r.fsyncLocked(r.pos.Offset)
	}
	return nil
}

// checkGroup wants what was handed over with More to be unchanged when the first run without it is handed over.
func (r *recorder) checkGroup(run *stream.Run) {
	r.group = append(r.group, *run)
	if run.More {
		return
	}
	for i, given := range r.group {
		then := r.runs[len(r.runs)-len(r.group)+i]
		require.True(r.t, bytes.Equal(then.Data, given.Data), "the bytes of a run with More changed before the group was whole")
	}
	r.group = r.group[:0]
}

func (r *recorder) Rollback() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	require.True(r.t, r.open, "Rollback twice")
	require.False(r.t, r.more, "more was promised")
	r.log("rollback to %d", r.boundary.Offset)
	r.open, r.tail = false, false
	r.pos, r.db, r.kept = r.boundary, r.dbAtB, r.kept[:r.keptAtB]
	return nil
}

func (r *recorder) Received() stream.Offset {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pos.Offset
}

func (r *recorder) Durable() (stream.Offset, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.durable, r.hasFACK
}

func (r *recorder) Moved() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.moved
}

// fsync makes all up to off durable.
func (r *recorder) fsync(off stream.Offset) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fsyncLocked(off)
}

func (r *recorder) fsyncLocked(off stream.Offset) {
	r.durable, r.hasFACK = off, true
	close(r.moved)
	r.moved = make(chan struct{})
}

// change runs f, which changes hooks, while nobody uses them.
func (r *recorder) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func hookOf[F any](r *recorder, hook *F) F {
	r.mu.Lock()
	defer r.mu.Unlock()
	return *hook
}

// seenRuns returns the runs so far.
func (r *recorder) seenRuns() []stream.Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.runs)
}

// last returns the last run so far.
func (r *recorder) last() stream.Run {
	runs := r.seenRuns()
	return runs[len(runs)-1]
}

// seen returns the calls so far, but for Append, and what was kept.
func (r *recorder) seen() (calls []string, kept string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.calls...), string(r.kept)
}
