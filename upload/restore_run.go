package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// What is in the staging folder until the result is made of it.
const (
	stagedBaseName      = "base"
	stagedIncrementName = "increment"
)

// staged is what was downloaded.
type staged struct {
	base   *stagedBase
	joined Joined
}

// noReplID is the replication id of no history, as servers write it.
var noReplID = strings.Repeat("0", stream.ReplIDLen) //nolint:gochecknoglobals // a constant

// download downloads and verifies base and segments, beside one another.
func (r *restore) download(ctx context.Context, plan *Plan) (*staged, error) {
	total := plan.Bytes()
	f := newFetcher(r.store, r.opt.Parallelism, func(n int64) {
		r.opt.Progress(RestoreProgress{Phase: PhaseDownload, Bytes: n, Total: total})
	})
	g, gctx := errgroup.WithContext(ctx)
	s := &staged{}
	if r.staged.key == plan.Base.BaseKey {
		f.fetched.Add(plan.Base.Bytes)
	} else {
		want := wanted{key: plan.Base.String(), bytes: plan.Base.Bytes}
		parts := &objects{f: f, parts: f.queue(gctx, g, []wanted{want})}
		g.Go(func() error { return r.stageBase(gctx, plan.Base.BaseKey, parts.next(want)) })
	}
	if len(plan.Segments) > 0 {
		g.Go(func() (err error) {
			s.joined, err = r.stageIncrement(gctx, plan, f, g)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	base := r.staged
	s.base = &base
	if s.base.unwalked != "" {
		r.note("the base has what this version does not know: " + s.base.unwalked)
	}
	if len(plan.Segments) == 0 {
		var err error
		if s.joined, err = r.emptyIncrement(plan, s.base); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// stageIncrement joins the segments into one increment.
func (r *restore) stageIncrement(ctx context.Context, plan *Plan, f *fetcher, g *errgroup.Group) (Joined, error) {
	wants := make([]wanted, len(plan.Segments))
	for i := range plan.Segments {
		wants[i] = wanted{key: plan.Segments[i].String(), bytes: plan.Segments[i].Bytes}
	}
	parts := &objects{f: f, parts: f.queue(ctx, g, wants)}
	const sums, joins = 0, 1
	fl := newFlow(ctx, 2)
	g.Go(func() error {
		for i := range plan.Segments {
			if err := r.passSegment(fl, wants[i].key, parts.next(wants[i])); err != nil {
				return err
			}
		}
		return nil
	})
	g.Go(func() error {
		for i := range plan.Segments {
			if err := fl.takers[sums].sum(wants[i].key, plan.Segments[i].Sum); err != nil {
				return err
			}
		}
		return nil
	})
	return r.writeIncrement(plan, func(j *Joiner) error {
		for i := range plan.Segments {
			if err := j.Add(ctx, plan.Segments[i].SegmentKey, fl.takers[joins].object()); err != nil {
				return err
			}
		}
		return nil
	})
}

// passSegment opens a segment for those who verify and join it.
func (r *restore) passSegment(fl *flow, key string, sealed io.Reader) error {
	plain, err := r.opener.Open(key, sealed)
	if err != nil {
		return err
	}
	return errors.Join(fl.pass(plain), plain.Close())
}

// joinObject opens a segment and joins it.
func joinObject(ctx context.Context, j *Joiner, o *Opener, k SegmentKey, r io.Reader) error {
	key := k.String()
	plain, err := o.Open(key, r)
	if err != nil {
		return err
	}
	return errors.Join(j.Add(ctx, k, Checked(key, k.Sum, plain)), plain.Close())
}

// emptyIncrement is for a base behind which there is nothing. If it does not say whose position it holds, nobody can resume from there.
func (r *restore) emptyIncrement(plan *Plan, base *stagedBase) (Joined, error) {
	pos := base.pos
	if pos.IsZero() {
		id, err := stream.ParseReplID(noReplID)
		if err != nil {
			return Joined{}, err
		}
		pos = stream.Position{ReplID: id, Offset: plan.Base.Offset}
		r.note("nothing says to which replication id the base belongs: a sidecar that goes on from here begins with a full resync")
	}
	return r.writeIncrement(plan, func(j *Joiner) error { return j.Begin(base.db, pos) })
}

// writeIncrement writes the staged increment, synced.
func (r *restore) writeIncrement(plan *Plan, fill func(*Joiner) error) (joined Joined, err error) {
	file, err := r.target.create(stagedIncrementName)
	if err != nil {
		return Joined{}, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	j := NewJoiner(file, plan.Base.Offset, plan.Base.UnixMilli, plan.Cut)
	if err := fill(j); err != nil {
		return Joined{}, err
	}
	if joined, err = j.Finish(plan.endMilli()); err != nil {
		return Joined{}, err
	}
	if err := file.Truncate(joined.Bytes); err != nil {
		return Joined{}, fmt.Errorf("cut increment: %w", err)
	}
	if _, err := file.WriteAt(joined.Tail, joined.Bytes); err != nil {
		return Joined{}, fmt.Errorf("end increment: %w", err)
	}
	if err := file.Sync(); err != nil {
		return Joined{}, fmt.Errorf("sync increment: %w", err)
	}
	return joined, nil
}

// endMilli is until when nothing came behind what a plan for the newest state reads; 0 for others.
func (p *Plan) endMilli() int64 {
	if p.Cut != (Cut{}) {
		return 0
	}
	return p.Window.End.UnixMilli()
}

// assemble makes the result, under its name in the staging folder, of what was downloaded.
func (r *restore) assemble(ctx context.Context, plan *Plan, s *staged) error {
	if r.opt.Format != FormatAOF {
		r.opt.Progress(RestoreProgress{Phase: PhaseFold, Bytes: plan.Bytes(), Total: plan.Bytes()})
		return r.fold(ctx)
	}
	t := &r.target
	if err := t.fs.MkdirAll(t.staging(t.name), restoredDir); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	base, incr := r.opt.FileName+".1.base.rdb", r.opt.FileName+".1.incr.aof"
	if s.base.resp {
		base = r.opt.FileName + ".1.base.aof"
	}
	for from, to := range map[string]string{stagedBaseName: base, stagedIncrementName: incr} {
		if err := t.fs.Rename(t.staging(from), t.staging(t.name+"/"+to)); err != nil {
			return fmt.Errorf("name restored file: %w", err)
		}
	}
	r.staged = stagedBase{}
	manifest := fmt.Sprintf("file %s seq 1 type b timeline %s\nfile %s seq 1 type i startoffset %d\n",
		base, plan.Timeline, incr, s.joined.From.Position.Offset)
	if err := t.write(t.name+"/"+r.opt.FileName+".manifest", manifest); err != nil {
		return err
	}
	if err := t.fs.SyncDir(t.staging(t.name)); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

// write makes a small file in the staging folder, synced.
func (t *target) write(name, text string) (err error) {
	f, err := t.create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := io.WriteString(f, text); err != nil {
		return fmt.Errorf("write staged file: %w", err)
	}
	return f.Sync()
}

// fold makes one file of base and increment.
func (r *restore) fold(ctx context.Context) (err error) {
	base, err := r.target.open(stagedBaseName)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, base.Close()) }()
	incr, err := r.target.open(stagedIncrementName)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, incr.Close()) }()
	out, err := r.target.create(r.target.name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := r.opt.Fold(ctx, base.FoldFile, incr.FoldFile, r.opt.Format, out); err != nil {
		return fmt.Errorf("make %s: %w", r.target.name, err)
	}
	if err := out.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", r.target.name, err)
	}
	return nil
}

// openStaged is a staged file that is read again.
type openStaged struct {
	FoldFile
	io.Closer
}

func (t *target) open(name string) (openStaged, error) {
	f, err := t.fs.OpenFile(t.staging(name), os.O_RDONLY, 0)
	if err != nil {
		return openStaged{}, fmt.Errorf("open staged file: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return openStaged{}, errors.Join(fmt.Errorf("open staged file: %w", err), f.Close())
	}
	return openStaged{FoldFile: FoldFile{Name: name, R: f, Size: info.Size()}, Closer: f}, nil
}
