package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
	"golang.org/x/sync/errgroup"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// VerifyLevel is how much of an archive is verified.
type VerifyLevel string

// The levels of Verify. That a server boots from what is restored is a level above, which needs a server.
const (
	// VerifyNames looks at names only: what they say is there follows one another without a hole.
	VerifyNames VerifyLevel = "names"
	// VerifyDeep downloads and checks every object, too.
	VerifyDeep VerifyLevel = "deep"
)

// VerifyOptions say what is verified; the zero value: the names of everything.
type VerifyOptions struct {
	Level       VerifyLevel // default VerifyNames
	Timeline    string      // "": all
	Identities  []age.Identity
	Parallelism int // as of RestoreOptions
	// Progress, if set, is called now and then, also from several goroutines.
	Progress func(done, total int64)
}

// VerifyReport is what Verify found.
type VerifyReport struct {
	Archive   string           `json:"archive"`
	Level     VerifyLevel      `json:"level"`
	Timelines []VerifyTimeline `json:"timelines"`
	Unknown   int              `json:"unknown"` // objects whose names are none of ours
	Objects   int              `json:"objects"` // that were downloaded
	Bytes     int64            `json:"bytes"`   // of them
	Took      time.Duration    `json:"took"`
	// Damaged are the objects that are not what their names say.
	Damaged []*DamagedError `json:"damaged"`
}

// VerifyTimeline is what Verify found of a timeline.
type VerifyTimeline struct {
	Timeline string   `json:"timeline"`
	Bases    int      `json:"bases"`
	Segments int      `json:"segments"`
	Void     int      `json:"void"`     // objects that do not count, for a newer epoch took over before them
	Doubtful int      `json:"doubtful"` // objects that may not count: the record of an epoch behind them is damaged
	Windows  []Window `json:"windows"`
	// Holes are the ranges of the stream between the first base and the end that nobody has. A base closes a hole: what is before it cannot be
	// restored, what is behind it can.
	Holes []VerifyHole `json:"holes"`
}

// VerifyHole is a range that is missing.
type VerifyHole struct {
	From   stream.Offset `json:"from"`
	To     stream.Offset `json:"to"`
	Closed bool          `json:"closed"` // a base at its end or behind lets restores go on from there
	// Unconfirmed says that it begins where all was confirmed, or behind: a sidecar was killed with several segments on their way, or is at work. The archive ends before it.
	Unconfirmed bool `json:"unconfirmed"`
}

// Open reports whether the hole keeps the newest confirmed state from being restored.
func (h VerifyHole) Open() bool { return !h.Closed && !h.Unconfirmed }

// OK reports whether the newest state, and all that the windows promise, can be restored, as far as the level tells: nothing is damaged, and
// no hole is open.
func (r *VerifyReport) OK() bool {
	for _, t := range r.Timelines {
		for _, h := range t.Holes {
			if h.Open() {
				return false
			}
		}
	}
	return len(r.Damaged) == 0
}

// VerifyArchive looks whether an archive holds what its names say. What it finds is in the report, not an error; errors are the store's, ErrNoBackup,
// *IdentityError, and ctx's cause. An object that goes while it is verified is not damage: it was merged or pruned.
func VerifyArchive(ctx context.Context, store Store, opt VerifyOptions) (VerifyReport, error) {
	begun := time.Now()
	if opt.Level == "" {
		opt.Level = VerifyNames
	}
	if opt.Parallelism == 0 {
		opt.Parallelism = defaultParallelism
	}
	catalog, err := ReadCatalog(ctx, store)
	if err != nil {
		return VerifyReport{}, err
	}
	rep := VerifyReport{Archive: catalog.Archive, Level: opt.Level, Unknown: catalog.Unknown, Damaged: catalog.Damaged}
	var objects []verifying
	for i := range catalog.Timelines {
		t := &catalog.Timelines[i]
		if opt.Timeline == "" || opt.Timeline == t.ID {
			rep.Timelines = append(rep.Timelines, t.verify())
			objects = append(objects, t.objects()...)
		}
	}
	lost := catalog.lostBase(time.Time{})
	switch {
	case lost != nil && (opt.Timeline == "" || lost.Key == BasePrefix(opt.Timeline)):
		rep.Damaged = append(rep.Damaged, lost)
	case len(rep.Timelines) == 0:
		return rep, ErrNoBackup
	}
	if opt.Level == VerifyDeep {
		v := &verifier{store: store, opener: NewOpener(opt.Identities), opt: opt, rep: &rep}
		err = v.deep(ctx, objects)
	}
	rep.Took = time.Since(begun)
	return rep, err
}

// verify looks at names.
func (t *ArchivedTimeline) verify() VerifyTimeline {
	return VerifyTimeline{Timeline: t.ID, Bases: len(t.Bases), Segments: len(t.Segments), Void: len(t.Void), Doubtful: t.Doubtful.Len(), Windows: t.Windows(), Holes: t.Holes()}
}

// Holes returns the ranges of the stream between the first base or segment and the end that are not there, ascending.
func (t *ArchivedTimeline) Holes() []VerifyHole {
	var holes []VerifyHole
	runs := t.Runs()
	for i := 1; i < len(runs); i++ {
		hole := VerifyHole{From: runs[i-1].To, To: runs[i].From}
		for _, base := range t.Bases {
			hole.Closed = hole.Closed || base.Offset >= hole.To
		}
		hole.Unconfirmed = !hole.Closed && t.unconfirmed(hole.From)
		holes = append(holes, hole)
	}
	return holes
}

// verifying is an object that is to be verified: one of the two.
type verifying struct {
	base    *ArchivedBase
	segment *ArchivedSegment
}

func (o verifying) wanted() wanted {
	if o.base != nil {
		return wanted{key: o.base.String(), bytes: o.base.Bytes}
	}
	return wanted{key: o.segment.String(), bytes: o.segment.Bytes}
}

func (t *ArchivedTimeline) objects() []verifying {
	t = t.trusting()
	var all []verifying
	for i := range t.Bases {
		all = append(all, verifying{base: &t.Bases[i]})
	}
	for i := range t.Segments {
		all = append(all, verifying{segment: &t.Segments[i]})
	}
	return all
}

// verifier downloads and checks.
type verifier struct {
	store  Store
	opener *Opener
	opt    VerifyOptions

	mu  sync.Mutex
	rep *VerifyReport
}

// deep checks the objects, several beside one another, each as one stream.
func (v *verifier) deep(ctx context.Context, all []verifying) error {
	var total int64
	for _, o := range all {
		total += o.wanted().bytes
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(v.opt.Parallelism)
	for _, o := range all {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error { return v.took(o.wanted().bytes, total, v.object(gctx, o)) })
	}
	err := g.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	slices.SortFunc(v.rep.Damaged, func(x, y *DamagedError) int { return strings.Compare(x.Key, y.Key) })
	return err
}

// took books an object.
func (v *verifier) took(bytes, total int64, err error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if damaged, ok := errors.AsType[*DamagedError](err); ok {
		v.rep.Damaged = append(v.rep.Damaged, damaged)
	} else if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	v.rep.Objects++
	v.rep.Bytes += bytes
	if v.opt.Progress != nil {
		v.opt.Progress(v.rep.Bytes, total)
	}
	return nil
}

// object checks one: seal, checksum, and what the plain bytes are.
func (v *verifier) object(ctx context.Context, o verifying) (err error) {
	want := o.wanted()
	body, info, err := v.store.Get(ctx, want.key, 0, -1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	if info.Size != want.bytes {
		return &DamagedError{Key: want.key, What: fmt.Sprintf("it had %d bytes when it was listed, and has %d", want.bytes, info.Size)}
	}
	if o.base != nil {
		_, err := fetchBase(ctx, v.opener, o.base.BaseKey, body, nil)
		return err
	}
	k := o.segment.SegmentKey
	j := NewJoiner(io.Discard, k.From, k.FromMilli, Cut{})
	return joinObject(ctx, j, v.opener, k, body)
}
