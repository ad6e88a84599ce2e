package aof

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aofsidecar/aofsidecar/aof/fold"
	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

var (
	// ErrRewriting is returned while a rewrite is under way: there are never two.
	ErrRewriting = errors.New("a rewrite is under way")

	// ErrSuperseded says that a full resync came, or comes: what would be folded is the past.
	ErrSuperseded = errors.New("a full resync takes the place of the log")

	// ErrNoBase says that there is nothing to rewrite: no full resync was taken yet.
	ErrNoBase = errors.New("the log has no base yet")
)

// RewriteReport is what a rewrite has done. Sizes are in bytes.
type RewriteReport struct {
	Reason     string          `json:"reason"`
	Nothing    bool            `json:"nothing,omitempty"` // there was nothing to fold: the rest is zero
	Base       string          `json:"base,omitempty"`    // name of the new base
	Position   stream.Position `json:"-"`                 // that it holds
	Increments int             `json:"increments"`        // that were folded
	Before     int64           `json:"before_bytes"`      // of the old base and these
	After      int64           `json:"after_bytes"`       // of the new base

	Copied       int64            `json:"copied_keys"`  // nothing touched them: they went over as bytes
	Touched      int64            `json:"touched_keys"` // commands were run on them
	Carried      int64            `json:"carried_keys"` // their commands stand behind the RDB
	CarriedBytes int64            `json:"carried_bytes"`
	Unknown      map[string]int64 `json:"unknown_commands,omitempty"` // why: how often each came
	Refused      int64            `json:"refused_commands"`           // that a server would have refused, too
	Passes       int              `json:"passes"`                     // over the increments; more than one where memory was short

	Took time.Duration `json:"took_ns"`
}

// Rewrite folds the base and the closed increments into a new base, and puts that in their place (see "Rewrites" in the package comment). The
// open increment is closed first, at its next boundary outside MULTI, unless a tail of it waits for the upstream's answer: then it stays as it
// is. It returns when the new base is in place, ctx ends, or nothing has changed. The stream goes on meanwhile.
//
// Errors: ErrRewriting, ErrSuperseded, ErrNoBase, *SpaceError, *CorruptError for what is wrong with base or increments, *fold.CannotError, ErrClosed,
// ctx's cause, a *DiskError where the log is latched; others are those of the new file, which was dropped. It may be called at any time and by any goroutine.
func (l *Log) Rewrite(ctx context.Context, reason string) (RewriteReport, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	run, err := l.beginRewrite(reason, cancel)
	if err != nil {
		return RewriteReport{}, fmt.Errorf("rewrite: %w", err)
	}
	call(l.opt.Observer.RewriteBegun, reason)
	rep, err := l.rewrite(ctx, run)
	rep.Reason, rep.Took = reason, time.Since(run.begun)
	if err != nil {
		rep, err = RewriteReport{}, fmt.Errorf("rewrite: %w", err)
	}
	l.endRewrite(run, rep, err)
	return rep, err
}

func (l *Log) rewrite(ctx context.Context, run *rewriting) (rep RewriteReport, err error) {
	if err := l.closeIncrement(ctx); err != nil {
		return rep, err
	}
	in, err := l.openInput()
	if err != nil || in == nil {
		return RewriteReport{Nothing: true}, err
	}
	defer func() { err = errors.Join(err, in.close()) }() // after the names went: the blocks of large files go with the last of both
	if err := l.spaceFor(in.base.size + spaceMargin); err != nil {
		return rep, err
	}
	temp := l.at.path(fsx.TempPrefix + "rewrite")
	res, err := l.foldInto(ctx, run, in, temp)
	if err == nil {
		err = l.announce(ctx, in)
	}
	if err == nil {
		err = l.swapBase(ctx, in, temp, res)
	}
	if err != nil {
		return rep, errors.Join(err, l.dropTemp(temp))
	}
	return RewriteReport{
		Base: in.newBase.name, Position: in.head.pos, Increments: len(in.incrs), Before: in.bytes(), After: res.Bytes,
		Copied: res.Copied, Touched: res.Touched, Carried: res.Carried, CarriedBytes: res.CarriedBytes,
		Unknown: res.Unknown, Refused: res.Refused, Passes: res.Passes,
	}, l.dropFolded()
}

// dropTemp removes what came of a rewrite that was given up. The next start would, too.
func (l *Log) dropTemp(temp string) error {
	if err := l.fs.Remove(temp); err != nil && !isNotExist(err) {
		return fmt.Errorf("remove temporary file: %w", err)
	}
	return nil
}

// foldInto makes temp the new base, on stable storage.
func (l *Log) foldInto(ctx context.Context, run *rewriting, in *rewriteInput, temp string) (fold.Result, error) {
	f, err := createTemp(l.fs, temp)
	if err != nil {
		return fold.Result{}, fmt.Errorf("create new base: %w", err)
	}
	w := newSnapshotWriter(f, temp, nil)
	res, err := fold.Fold(ctx, in.files(), w, l.foldOptions(run, in))
	// What the disk did not take explains whatever else went wrong.
	if werr := w.finish(err == nil); werr != nil {
		err = werr
	}
	if cerr := f.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("close new base: %w", cerr)
	}
	if err == nil && w.written != res.Bytes {
		err = fmt.Errorf("the new base has %d bytes and should have %d", w.written, res.Bytes)
	}
	return res, foldError(in, err)
}

// foldError returns the error of a fold as this package's. A disk that did not take the new base has lost nothing that counts: that is no
// *DiskError. A base that a later server wrote is not damaged.
func foldError(in *rewriteInput, err error) error {
	if disk, ok := errors.AsType[*DiskError](err); ok {
		return fmt.Errorf("%s %s: %w", disk.Op, disk.Path, disk.Err)
	}
	if input, ok := errors.AsType[*fold.InputError](err); ok {
		if unknown := in.unknown(input); unknown != nil {
			return &fold.CannotError{What: fmt.Sprintf("%s: %v", in.base.path, unknown)}
		}
		return &CorruptError{Path: input.File, Offset: input.Offset, What: input.Err.Error()}
	}
	return err
}

func (l *Log) foldOptions(run *rewriting, in *rewriteInput) fold.Options {
	opt, server, format := l.opt.Rewrite, in.server, rdb.Format{}
	if opt.Upstream != nil {
		name, version := opt.Upstream()
		if now, known := rdb.FormatOf(name, version); known {
			server, format = version, now
		}
	}
	return fold.Options{
		Table: l.table(), Keys: opt.Keys, Time: markTime, Server: server, Upstream: format,
		NoPreamble: opt.NoPreamble, Aux: in.aux(l.opt.Now()),
		MaxMemory: opt.MaxMemory, MaxCarry: opt.maxCarry(in.base.size),
		Progress: func(done, total int64) {
			run.done.Store(done)
			run.total.Store(total)
		},
	}
}

// maxCarry is how much a rewrite may carry: more would have the next one follow at once.
func (o *RewriteOptions) maxCarry(base int64) int64 {
	percent := o.Percentage
	if percent == 0 {
		percent = defaultPercentage
	}
	return max(o.MinBytes, minCarry, int64(float64(base)/100*float64(percent)))
}

const (
	defaultPercentage = 100     // redis.conf's auto-aof-rewrite-percentage
	minCarry          = 1 << 20 // what no base is too small for
)

// markTime returns the time that a command states, if it is a mark.
func markTime(args [][]byte) (int64, bool) {
	if len(args) != 2 {
		return 0, false
	}
	m, ok := parseMark(args[1])
	return m.unixMilli, ok
}
