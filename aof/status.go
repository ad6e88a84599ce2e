package aof

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// Status is what the log is doing. Sizes are in bytes.
type Status struct {
	Dir       string    `json:"dir"`
	Fsync     Policy    `json:"appendfsync"`
	Timeline  string    `json:"timeline"`   // empty before the first full resync
	ReplID    string    `json:"replid"`     // "?" before the first full resync
	Received  int64     `json:"received"`   // offset that is in the file
	Durable   int64     `json:"durable"`    // offset that is on stable storage; -1: none yet
	DataTime  time.Time `json:"data_time"`  // when the newest bytes were received; zero: none yet
	BaseBytes int64     `json:"base_bytes"` // size of the base
	BaseKeys  int64     `json:"base_keys"`  // keys in it; -1: not known

	Increments      int   `json:"increments"`
	IncrementsBytes int64 `json:"increments_bytes"` // of all of them, the open one included

	DiskFull  bool       `json:"disk_full"`
	FreeBytes int64      `json:"free_bytes"` // of the file system; -1: not known
	Failed    string     `json:"failed,omitempty"`
	Awaiting  bool       `json:"awaiting_upstream"` // a tail of the last run waits for the upstream's answer, or for what it sends
	Retained  []Retained `json:"retained,omitempty"`

	Rewrite RewriteStatus `json:"rewrite"`

	Archive *ArchiveStatus `json:"archive,omitempty"` // absent without an archive
}

// ArchiveStatus says what waits for the archive. Sizes are in bytes.
type ArchiveStatus struct {
	SpoolBytes int64       `json:"spool_bytes"`    // in retained/, of what is not pinned
	UsedBytes  int64       `json:"used_bytes"`     // of all that the limit counts
	LimitBytes int64       `json:"limit_bytes"`    // of aof.max-disk; 0: none
	Lost       []LostRange `json:"lost,omitempty"` // given up for want of disk space before the archive had it
	Timelines  []string    `json:"timelines"`      // those here that it is to have, by age; the present one is the last
}

// LostRange is the stream behind From, up to and including To.
type LostRange struct {
	Timeline string        `json:"timeline"`
	From     stream.Offset `json:"from"`
	To       stream.Offset `json:"to"`
}

// RewriteStatus says how rewrites go. Times that are not known are zero.
type RewriteStatus struct {
	Running    bool      `json:"running"`
	Reason     string    `json:"reason,omitempty"` // of the one that runs
	Began      time.Time `json:"began,omitzero"`   // and when
	DoneBytes  int64     `json:"done_bytes"`       // read so far
	TotalBytes int64     `json:"total_bytes"`      // to be read, as far as known

	Begun    int64          `json:"begun"` // the number of the last one that began, since the start
	Ended    time.Time      `json:"ended,omitzero"`
	Last     *RewriteReport `json:"last,omitempty"`  // the last that succeeded
	Error    string         `json:"error,omitempty"` // of the last one, if it failed
	Corrupt  bool           `json:"corrupt"`         // that error says that base or increments are damaged
	Failures int64          `json:"failures"`        // since the start
	InRow    int            `json:"failures_in_row"`
	NextTry  time.Time      `json:"next_try,omitzero"` // after failures: none begins by itself before
}

// Guarded returns the chains that the guard pinned.
func (s Status) Guarded() []Guard {
	var guards []Guard
	for _, c := range s.Retained {
		if c.Guard != nil {
			guards = append(guards, *c.Guard)
		}
	}
	return guards
}

// hotNumbers change with every append.
type hotNumbers struct {
	size atomic.Int64 // of the open increment
	time atomic.Int64 // Unix milliseconds of the newest bytes
}

// published is a status without the hot numbers, and the rewrite that runs, which has more of them; nil: none. They are replaced together: who
// sees that a rewrite does not run sees what came of it.
type published struct {
	Status
	run *rewriting
}

// Status never waits for the disk. What does not change with every append is up to a second old.
func (l *Log) Status() Status {
	told := l.status.Load()
	s := told.Status
	s.Received = int64(l.Received())
	s.Durable = -1
	if off, ok := l.Durable(); ok {
		s.Durable = int64(off)
	}
	s.IncrementsBytes += l.hot.size.Load()
	if run := told.run; run != nil {
		s.Rewrite.Running, s.Rewrite.Reason, s.Rewrite.Began = true, run.reason, run.begun.UTC()
		s.Rewrite.DoneBytes, s.Rewrite.TotalBytes = run.done.Load(), run.total.Load()
	}
	if ms := l.hot.time.Load(); ms > 0 {
		s.DataTime = time.UnixMilli(ms).UTC()
	}
	return s
}

// publish renews what Status returns; called with mu held, or before the log is shared.
func (l *Log) publish() {
	s := &Status{
		Dir: l.opt.Dir, Fsync: l.opt.Fsync, Timeline: l.timeline, ReplID: l.replid.String(),
		BaseBytes: l.baseBytes, BaseKeys: -1, IncrementsBytes: l.closedBytes,
		DiskFull: l.full, FreeBytes: -1, Awaiting: l.keep.file != 0, Retained: l.retained(),
	}
	s.Rewrite = l.rewrites.status()
	if l.man != nil {
		s.Increments = len(l.man.incrs)
		if l.man.base != nil && l.man.base.hasKeys {
			s.BaseKeys = l.man.base.keys
		}
	}
	if l.opt.Archive {
		s.Archive = l.archiveStatus()
	}
	if space, err := l.fs.Space(l.opt.Dir); err == nil {
		s.FreeBytes = space.Free
	}
	if l.failed != nil {
		s.Failed = l.failed.Error()
	}
	l.status.Store(&published{Status: *s, run: l.rewrites.run})
}

func (l *Log) archiveStatus() *ArchiveStatus {
	s := &ArchiveStatus{UsedBytes: l.diskUsed(), LimitBytes: l.diskLimit()}
	for _, sh := range l.shelves {
		if sh.Guard == nil {
			s.SpoolBytes += sh.Bytes
		}
	}
	for _, t := range l.Holdings().Timelines {
		s.Timelines = append(s.Timelines, t.ID)
		for _, r := range t.Lost {
			s.Lost = append(s.Lost, LostRange{Timeline: t.ID, From: r.From, To: r.To})
		}
	}
	return s
}

// status is what does not change while a rewrite runs.
func (r *rewrites) status() RewriteStatus {
	s := RewriteStatus{Begun: r.begun, Last: r.last, Failures: r.failed, InRow: r.inRow}
	if !r.endedAt.IsZero() {
		s.Ended = r.endedAt.UTC()
	}
	if r.lastErr != nil {
		s.Error = r.lastErr.Error()
		_, s.Corrupt = errors.AsType[*CorruptError](r.lastErr)
	}
	if !r.next.IsZero() {
		s.NextTry = r.next.UTC()
	}
	return s
}

// Position is where the log stands: what was received.
func (l *Log) Position() stream.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return stream.Position{ReplID: l.replid, Offset: l.cut.offset}
}

func call[T any](f func(T), v T) {
	if f != nil {
		f(v)
	}
}

func call2[T, U any](f func(T, U), t T, u U) {
	if f != nil {
		f(t, u)
	}
}
