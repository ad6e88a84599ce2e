package upload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// recordsAtOnce is how many small objects are read beside one another.
const recordsAtOnce = 16

// Catalog is what an archive holds, as its names tell it.
type Catalog struct {
	// Archive is where it is, without secrets.
	Archive string
	// Timelines are the oldest first; the last is the newest.
	Timelines []ArchivedTimeline
	// Lease is lease.json as it was before the rest was listed. LeaseErr says why it is not known; [ErrNotFound]: nobody ever took one.
	Lease    LeaseRecord
	LeaseErr error
	// Unknown counts objects below timelines/ whose names are none of ours.
	Unknown int
	// Damaged are the records that cannot be read. A pin pins all the same; without the record of an epoch, what was written before it is [Doubtful].
	Damaged []*DamagedError
}

// ArchivedTimeline is what an archive holds of one timeline.
type ArchivedTimeline struct {
	ID string
	// Epoch is the one under which it was created.
	Epoch int64
	// Taken is the last epoch that began with it as the holder's present timeline, or Epoch: of two sidecars that take turns, each with a log of its own, the one
	// that ships has the newest state, whichever timeline is older.
	Taken int64
	// Shipped is up to where the timeline was confirmed, as those said who spoke of it: the lease, and the records of epochs. A hole behind it is where a
	// sidecar was killed with several segments on their way, or where it is at work right now. nil: nobody spoke, or somebody has stored more of it since and said nothing.
	Shipped *stream.Offset
	// Once is the greatest offset up to which anybody ever said that it was stored; 0: nobody did.
	Once stream.Offset
	// Pin is set while the timeline is pinned.
	Pin *PinRecord
	// Moments are the places before a FLUSHALL that are kept, ascending.
	Moments []Moment
	// Bases are ascending by offset, Segments by where they begin, and then by where they end. Those of Void are in neither.
	Bases    []ArchivedBase
	Segments []ArchivedSegment
	// Void is what a holder of an older epoch wrote behind the place where a newer one took over: it does not count.
	Void []Object
	// Doubtful is in none of these.
	Doubtful Doubtful
}

// ArchivedBase is a base in a store.
type ArchivedBase struct {
	BaseKey
	Bytes    int64     // of the object
	Modified time.Time // when it was stored, by the store's clock
}

// ArchivedSegment is a segment in a store.
type ArchivedSegment struct {
	SegmentKey
	Bytes    int64     // of the object
	Modified time.Time // when it was stored, by the store's clock
}

// ReadCatalog lists an archive. It reads names, and the small records of the lease, timelines and epochs, no data. Errors are the store's.
func ReadCatalog(ctx context.Context, store Store) (*Catalog, error) {
	b := builder{store: store, timelines: map[string]*ArchivedTimeline{}, pinned: map[string]bool{}}
	b.readLease(ctx) // first: what is shipped meanwhile is neither a loss nor a hole
	if err := b.list(ctx, TimelinesPrefix()); err != nil {
		return nil, err
	}
	if err := b.finish(ctx); err != nil {
		return nil, err
	}
	slices.SortFunc(b.damaged, func(x, y *DamagedError) int { return strings.Compare(x.Key, y.Key) })
	c := &Catalog{Archive: store.String(), Lease: b.lease, LeaseErr: b.leaseErr, Unknown: b.unknown, Damaged: b.damaged}
	for _, t := range b.timelines {
		c.Timelines = append(c.Timelines, *t)
	}
	slices.SortFunc(c.Timelines, func(x, y ArchivedTimeline) int {
		return cmp.Or(cmp.Compare(x.Taken, y.Taken), cmp.Compare(timelineNumber(x.ID), timelineNumber(y.ID)), strings.Compare(x.ID, y.ID))
	})
	return c, nil
}

// ReadTimeline lists one timeline alone, as ReadCatalog does; one that is not there is empty.
func ReadTimeline(ctx context.Context, store Store, id string) (*ArchivedTimeline, error) {
	if err := CheckTimeline(id); err != nil {
		return nil, err
	}
	b := builder{store: store, timelines: map[string]*ArchivedTimeline{}, pinned: map[string]bool{}}
	if err := b.list(ctx, TimelinePrefix(id)); err != nil {
		return nil, err
	}
	t := b.timeline(id)
	if err := b.finish(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

// builder makes ArchivedTimelines.
type builder struct {
	store     Store
	timelines map[string]*ArchivedTimeline
	pinned    map[string]bool
	unknown   int
	lease     LeaseRecord
	leaseErr  error

	mu            sync.Mutex
	damaged       []*DamagedError
	damagedEpochs []int64
}

// readLease reads the lease, which says nothing if it is damaged.
func (b *builder) readLease(ctx context.Context) {
	var damaged *DamagedError
	b.lease, _, damaged, b.leaseErr = examineLease(ctx, b.store)
	if damaged != nil {
		b.damaged = append(b.damaged, damaged)
	}
}

// excuse notes a record that is damaged, and is no error then.
func (b *builder) excuse(err error) error {
	damaged, ok := errors.AsType[*DamagedError](err)
	if !ok {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.damaged = append(b.damaged, damaged)
	if n, ok := ParseEpochKey(damaged.Key); ok {
		b.damagedEpochs = append(b.damagedEpochs, n)
	}
	return nil
}

func (b *builder) timeline(id string) *ArchivedTimeline {
	t, ok := b.timelines[id]
	if !ok {
		t = &ArchivedTimeline{ID: id}
		b.timelines[id] = t
	}
	return t
}

// maxNames bounds what is taken into memory, about half a gigabyte of it: five segments a second for four days, of which a merge leaves one in an hour.
const maxNames = 2 << 20

// list takes the names below a prefix.
func (b *builder) list(ctx context.Context, prefix string) error {
	names := 0
	for obj, err := range b.store.List(ctx, prefix, "") {
		if err != nil {
			return fmt.Errorf("list %s: %w", prefix, err)
		}
		if names++; names > maxNames {
			return &StoreError{Op: "list", Key: prefix, Code: "TooManyObjects", Err: fmt.Errorf("there are more than %d objects: no archive has so many", maxNames)}
		}
		b.name(obj)
	}
	return nil
}

func (b *builder) name(obj Object) {
	if k, ok := ParseSegmentKey(obj.Key); ok {
		t := b.timeline(k.Timeline)
		t.Segments = append(t.Segments, ArchivedSegment{SegmentKey: k, Bytes: obj.Size, Modified: obj.Modified})
		return
	}
	if k, ok := ParseBaseKey(obj.Key); ok {
		t := b.timeline(k.Timeline)
		t.Bases = append(t.Bases, ArchivedBase{BaseKey: k, Bytes: obj.Size, Modified: obj.Modified})
		return
	}
	if m, ok := ParseMoment(obj.Key); ok {
		t := b.timeline(m.Timeline)
		t.Moments = append(t.Moments, m)
		return
	}
	id, name, ok := cutTimeline(obj.Key, "")
	switch {
	case ok && name == timelineName:
		b.timeline(id)
	case ok && name == pinName:
		b.timeline(id)
		b.pinned[id] = true
	default:
		b.unknown++
	}
}

// finish reads the records, and applies them.
func (b *builder) finish(ctx context.Context) error {
	var takeovers []EpochRecord
	if oldest, some := b.epochs(); some {
		var err error
		if takeovers, err = b.takeovers(ctx, oldest); err != nil {
			return err
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(recordsAtOnce)
	for _, t := range b.timelines {
		g.Go(func() error { return b.records(gctx, t) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, t := range b.timelines {
		t.apply(takeovers)
	}
	b.spoken(takeovers)
	b.lost()
	return nil
}

// spoken notes of each timeline what was said of it. The last who spoke has the last word, unless a later epoch has stored a segment of the timeline: a lease speaks of one
// timeline, and its holder may have gone on to another; who ships without a lease says nothing; and a lease may be damaged, removed or rolled back. Without the record of an epoch nobody
// knows who spoke last.
func (b *builder) spoken(epochs []EpochRecord) {
	last := map[string]int64{} // the least epoch that could have stored more since
	note := func(id string, to stream.Offset, epoch int64) {
		if t, ok := b.timelines[id]; ok {
			t.Once, last[id] = max(t.Once, to), max(last[id], epoch)
		}
	}
	for i := range epochs {
		for _, said := range epochs[i].Shipped {
			note(said.Timeline, said.Offset, epochs[i].Epoch)
		}
	}
	if len(b.damagedEpochs) > 0 {
		clear(last)
	}
	if b.leaseErr == nil && b.lease.Timeline != "" {
		note(b.lease.Timeline, b.lease.Offset, b.lease.Epoch+1)
	}
	for id, epoch := range last {
		if t := b.timelines[id]; !t.wroteFrom(epoch) {
			t.Shipped = &t.Once
		}
	}
}

// epochs returns the least epoch of an object, and whether there are objects.
func (b *builder) epochs() (oldest int64, some bool) {
	oldest = maxEpoch
	for _, t := range b.timelines {
		for _, base := range t.Bases {
			oldest, some = min(oldest, base.Epoch), true
		}
		for _, seg := range t.Segments {
			oldest, some = min(oldest, seg.Epoch), true
		}
	}
	return oldest, some
}

// maxEpochs bounds the records that are read, about fifty megabytes of them: a month of a sidecar that is started again every ten seconds.
const maxEpochs = 1 << 18

// takeovers reads the records of the epochs that can have an older one's objects behind their beginning, and of the oldest: it says whose turn it was. What they say of timelines
// that are not there is left out, and who wrote them.
func (b *builder) takeovers(ctx context.Context, oldest int64) ([]EpochRecord, error) {
	var (
		some    int
		mu      sync.Mutex
		records []EpochRecord
	)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(recordsAtOnce)
	for obj, err := range b.store.List(ctx, EpochsPrefix(), EpochKey(oldest-1)) {
		if err != nil {
			return nil, errors.Join(fmt.Errorf("list %s: %w", EpochsPrefix(), err), g.Wait())
		}
		n, ok := ParseEpochKey(obj.Key)
		if !ok {
			continue
		}
		if some++; some > maxEpochs {
			return nil, errors.Join(&StoreError{Op: "list", Key: EpochsPrefix(), Code: "TooManyObjects", Err: fmt.Errorf("there are more than %d records: no archive has so many", maxEpochs)}, g.Wait())
		}
		g.Go(func() error {
			rec, err := readEpoch(gctx, b.store, n)
			if err != nil {
				return b.excuse(err)
			}
			mu.Lock()
			defer mu.Unlock()
			records = append(records, b.relevant(&rec))
			return nil
		})
	}
	return records, g.Wait()
}

// relevant is what a record says of the timelines that are there, of each once.
func (b *builder) relevant(rec *EpochRecord) EpochRecord {
	r := EpochRecord{Epoch: rec.Epoch}
	if t := b.timelines[rec.Timeline]; t != nil {
		r.Timeline, r.Offset = t.ID, rec.Offset
	}
	for _, older := range rec.Older {
		if t := b.timelines[older.Timeline]; t != nil {
			if _, twice := r.cut(t.ID); !twice {
				r.Older = append(r.Older, OlderCut{Timeline: t.ID, Offset: older.Offset})
			}
		}
	}
	for _, said := range rec.Shipped {
		if t := b.timelines[said.Timeline]; t != nil {
			r.confirms(t.ID, said.Offset)
		}
	}
	return r
}

// records reads those of a timeline. One without its own was created by the first who wrote to it. A pin that cannot be read is a pin.
func (b *builder) records(ctx context.Context, t *ArchivedTimeline) error {
	rec, err := readRecord[TimelineRecord](ctx, b.store, TimelineKey(t.ID))
	if t.Epoch = rec.Epoch; err != nil {
		t.Epoch = t.firstEpoch()
		if err := b.excuse(err); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	if !b.pinned[t.ID] {
		return nil
	}
	pin, err := ReadPin(ctx, b.store, t.ID)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		pin = PinRecord{Reason: PinDamaged}
	}
	t.Pin = &pin
	return b.excuse(err)
}

func (t *ArchivedTimeline) firstEpoch() int64 {
	first := int64(0)
	for _, base := range t.Bases {
		if first == 0 || base.Epoch < first {
			first = base.Epoch
		}
	}
	for _, seg := range t.Segments {
		if first == 0 || seg.Epoch < first {
			first = seg.Epoch
		}
	}
	return first
}

// apply puts aside what does not count, and sorts the rest. An object of epoch e counts if each later epoch that took over this timeline did so at its end
// or behind.
func (t *ArchivedTimeline) apply(takeovers []EpochRecord) {
	type takeover struct {
		epoch int64
		at    stream.Offset
	}
	var mine []takeover
	t.Taken = max(t.Taken, t.Epoch)
	for i := range takeovers {
		if takeovers[i].Timeline == t.ID {
			t.Taken = max(t.Taken, takeovers[i].Epoch)
		}
		if at, ok := takeovers[i].cut(t.ID); ok {
			mine = append(mine, takeover{takeovers[i].Epoch, at})
		}
	}
	void := func(epoch int64, end stream.Offset) bool {
		return slices.ContainsFunc(mine, func(o takeover) bool { return o.epoch > epoch && end > o.at })
	}
	t.Bases = slices.DeleteFunc(t.Bases, func(base ArchivedBase) bool {
		if !void(base.Epoch, base.Offset) {
			return false
		}
		t.Void = append(t.Void, Object{Key: base.String(), Size: base.Bytes, Modified: base.Modified})
		return true
	})
	t.Segments = slices.DeleteFunc(t.Segments, func(seg ArchivedSegment) bool {
		if !void(seg.Epoch, seg.To) {
			return false
		}
		t.Void = append(t.Void, Object{Key: seg.String(), Size: seg.Bytes, Modified: seg.Modified})
		return true
	})
	t.sort()
}

func (t *ArchivedTimeline) sort() {
	slices.SortFunc(t.Bases, func(x, y ArchivedBase) int {
		return cmp.Or(cmp.Compare(x.Offset, y.Offset), cmp.Compare(x.UnixMilli, y.UnixMilli), cmp.Compare(x.Epoch, y.Epoch))
	})
	slices.SortFunc(t.Segments, func(x, y ArchivedSegment) int {
		return cmp.Or(cmp.Compare(x.From, y.From), cmp.Compare(x.To, y.To), cmp.Compare(x.ToMilli, y.ToMilli), cmp.Compare(x.Epoch, y.Epoch))
	})
	slices.SortFunc(t.Moments, func(x, y Moment) int { return cmp.Compare(x.Offset, y.Offset) })
}

// Window is a range of a timeline in which every boundary can be restored: it begins at a base.
type Window struct {
	Timeline string        `json:"timeline"`
	From     stream.Offset `json:"from"`
	To       stream.Offset `json:"to"`
	Begin    time.Time     `json:"begin"`
	End      time.Time     `json:"end"`
}

// exactTime is as exact as marks are: a time that is shown lies in the window when it is asked for.
const exactTime = "2006-01-02T15:04:05.000Z07:00"

// String is the window for people.
func (w Window) String() string {
	return fmt.Sprintf("timeline %s, offsets %d to %d, %s to %s",
		w.Timeline, w.From, w.To, w.Begin.Format(exactTime), w.End.Format(exactTime))
}

// Windows returns what can be restored, in the order of the timelines.
func (c *Catalog) Windows() []Window {
	var all []Window
	for i := range c.Timelines {
		all = append(all, c.Timelines[i].Windows()...)
	}
	return all
}

// Windows returns what can be restored of the timeline, ascending. Between two of them is a gap.
func (t *ArchivedTimeline) Windows() []Window {
	var all []Window
	next := 0
	for _, base := range t.Bases {
		if n := len(all); n > 0 && base.Offset <= all[n-1].To {
			continue
		}
		end, milli := base.Offset, base.UnixMilli
		for ; next < len(t.Segments) && t.Segments[next].From <= end; next++ {
			switch seg := t.Segments[next]; {
			case seg.To > end:
				end, milli = seg.To, max(milli, seg.ToMilli)
			case seg.To == end:
				milli = max(milli, seg.ToMilli)
			}
		}
		all = append(all, Window{
			Timeline: t.ID, From: base.Offset, To: end, Begin: time.UnixMilli(base.UnixMilli).UTC(), End: time.UnixMilli(milli).UTC(),
		})
	}
	return all
}

// Runs returns the ranges of the stream that segments have without a hole, ascending, whether a base goes before them or not. A base counts as an empty one.
func (t *ArchivedTimeline) Runs() []stream.Range {
	var all []stream.Range
	add := func(from, to stream.Offset) {
		if n := len(all); n > 0 && from <= all[n-1].To {
			all[n-1].To = max(all[n-1].To, to)
			return
		}
		all = append(all, stream.Range{From: from, To: to})
	}
	bases := t.Bases
	for _, seg := range t.Segments {
		for len(bases) > 0 && bases[0].Offset <= seg.From {
			add(bases[0].Offset, bases[0].Offset)
			bases = bases[1:]
		}
		add(seg.From, seg.To)
	}
	for _, base := range bases {
		add(base.Offset, base.Offset)
	}
	return all
}
