package aof

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// showcase is what others may read of the log, and what they have said of it. Its lock is held for moments, never while anything waits
// for the disk.
type showcase struct {
	mu     sync.Mutex
	past   []stream.Timeline // those that ended, by age; replaced, never changed
	now    stream.Timeline   // the present one, but for what end says; replaced, never changed
	live   bool              // there is a present one
	end    place             // how far its open increment may be read
	waits  bool              // a tail waits for the upstream's answer
	paths  map[string]string // of every name that Holdings tells
	made   *stream.Holdings  // what Holdings last returned; nil: something changed since
	change chan struct{}     // nil until somebody asks

	shipped map[string]stream.Offset // by timeline, see Shipped
	bases   map[string]bool          // by name, see BaseShipped
	want    string                   // why a new timeline is asked for, see NewTimeline
}

func newShowcase() *showcase {
	return &showcase{shipped: map[string]stream.Offset{}, bases: map[string]bool{}}
}

// Holdings returns what there is to ship: every timeline on disk, and how far the present one is on stable storage. It costs a copy of the list of the
// present timeline's increments if anything changed since it was last called, and nothing else. The result is shared: it must not be
// changed. It satisfies upload.Source.
func (l *Log) Holdings() stream.Holdings {
	s := l.show
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made == nil {
		s.made = s.make()
	}
	return *s.made
}

func (s *showcase) make() *stream.Holdings {
	if !s.live {
		return &stream.Holdings{Timelines: s.past}
	}
	now := s.now
	now.Increments = slices.Clone(now.Increments)
	open := &now.Increments[len(now.Increments)-1]
	open.To, open.Bytes = s.end.offset, s.end.file
	now.End = stream.Position{ReplID: s.end.id, Offset: s.end.offset}
	now.EndUnixMilli, now.Waits = s.end.time, s.waits
	return &stream.Holdings{Timelines: append(slices.Clone(s.past), now)}
}

// changed makes what Holdings last returned old; called with s.mu held.
func (s *showcase) changed() {
	s.made = nil
	if s.change != nil {
		close(s.change)
		s.change = nil
	}
}

// Changed returns a channel that is closed when Holdings next changes. It satisfies upload.Source.
func (l *Log) Changed() <-chan struct{} {
	s := l.show
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.change == nil {
		s.change = make(chan struct{})
	}
	return s.change
}

// OpenFile opens a file of Holdings for reading; it stays readable when its name goes. fs.ErrNotExist: Holdings no longer has it. It satisfies
// upload.Source.
func (l *Log) OpenFile(name string) (fsx.File, error) {
	for path := ""; ; {
		next := l.show.path(name)
		if next == "" || next == path {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		path = next
		f, err := l.fs.OpenFile(path, os.O_RDONLY, 0)
		if !errors.Is(err, fs.ErrNotExist) { // else it may be in retained/ now
			return f, err
		}
	}
}

func (s *showcase) path(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paths[name]
}

// Shipped takes what upload.Source says of it: what ends there goes once Run gets to it.
func (l *Log) Shipped(timeline string, through stream.Offset) {
	s := l.show
	s.mu.Lock()
	defer s.mu.Unlock()
	if was, ok := s.shipped[timeline]; ok && through <= was {
		return
	}
	s.shipped[timeline] = through
	l.wakeTend()
}

// BaseShipped takes what upload.Source says of it.
func (l *Log) BaseShipped(name string) {
	s := l.show
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.bases[name] {
		s.bases[name] = true
		l.wakeTend()
	}
}

// NewTimeline asks for a full resync; why is for the operator. Run sees to it: not while one is under way, nor while the disk has no room for
// a base of the size of the present one. It satisfies upload.Source.
func (l *Log) NewTimeline(why string) {
	s := l.show
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want = why
	l.wakeTend()
}

// shippedTo returns how far a timeline is in the archive; -1: not at all.
func (s *showcase) shippedTo(timeline string) stream.Offset {
	s.mu.Lock()
	defer s.mu.Unlock()
	if off, ok := s.shipped[timeline]; ok {
		return off
	}
	return -1
}

// needsBase reports whether the archive needs a base: it has neither that nor an older one with all that follows.
func (s *showcase) needsBase(timeline string, f *stream.LogFile) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	through, ok := s.shipped[timeline]
	return !s.bases[f.Name] && (!ok || through < f.From)
}

// showDurable shows what a sync made durable, the stream up to at. What is shown ends where no mark behind it states less: a mark that no
// sync has covered is below what was dropped since.
func (l *Log) showDurable(at cursor) {
	if l.cut.file <= l.inc.synced {
		at = l.cut
	}
	if at.offset < l.ready.offset || at.file < l.ready.file {
		return
	}
	l.ready = place{cursor: at, id: l.replid}
	l.show.move(l.ready)
}

// showCut shows what was dropped behind a durable end of the file.
func (l *Log) showCut() {
	if l.cut.file <= l.inc.synced {
		l.showDurable(l.cut)
	}
}

// answered shows that no tail waits any more.
func (s *showcase) answered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waits {
		s.waits = false
		s.changed()
	}
}

func (s *showcase) move(to place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if to != s.end {
		s.end = to
		s.changed()
	}
}

// showRecovered finds how far the last increment may be read, whose position is at: as far as marks prove.
func (l *Log) showRecovered(f fsx.File, s *scan, at place, mem memory) (err error) {
	l.ready = at
	if mem != whole {
		return nil
	}
	if l.ready, err = s.provenPlace(f, true); err != nil {
		return err
	}
	if l.ready.file > at.file {
		l.ready = at
	}
	return nil
}

// reshow renews what Holdings tells, all of it; called with mu held whenever a file has come or gone.
func (l *Log) reshow() {
	var (
		past  []stream.Timeline
		now   stream.Timeline
		paths = map[string]string{}
	)
	for _, sh := range l.shelves {
		if l.man != nil && sh.Timeline == l.timeline {
			now = sh.timeline(paths, l.man.incrs[0].startOffset)
		} else if t := sh.timeline(paths, maxOffset); len(t.Bases)+len(t.Increments) > 0 {
			past = append(past, t)
		}
	}
	if l.inc != nil {
		now.ID = l.timeline
		l.addChain(&now, paths)
		now.Lost = l.lostOf(&now)
	}
	for i := range past {
		past[i].Lost = l.lostOf(&past[i])
	}
	s := l.show
	s.mu.Lock()
	defer s.mu.Unlock()
	s.past, s.now, s.live, s.end, s.waits, s.paths = past, now, l.inc != nil, l.ready, l.keep.file != 0, paths
	s.changed()
	s.forget()
}

// forget drops what was said of what is no longer there.
func (s *showcase) forget() {
	known := map[string]bool{s.now.ID: s.live}
	for i := range s.past {
		known[s.past[i].ID] = true
	}
	for id := range s.shipped {
		if !known[id] {
			delete(s.shipped, id)
		}
	}
	for name := range s.bases {
		if s.paths[name] == "" {
			delete(s.bases, name)
		}
	}
}

// addChain adds what the manifest names.
func (l *Log) addChain(t *stream.Timeline, paths map[string]string) {
	base := l.chainBase()
	paths[base.Name] = l.at.path(l.man.base.name)
	t.Bases = append(t.Bases, base)
	last := len(l.man.incrs) - 1
	for i := range l.man.incrs {
		info := &l.man.incrs[i]
		f := stream.LogFile{
			Name: holdingName(t.ID, info.startOffset, incrSuffix), From: info.startOffset, Keys: -1, UnixMilli: info.unixMilli,
		}
		if i < last {
			f.To, f.Closed, f.Bytes = l.man.incrs[i+1].startOffset, true, info.bytes
		}
		paths[f.Name] = l.at.path(info.name)
		t.Increments = append(t.Increments, f)
	}
}

// chainBase is the base that the manifest names.
func (l *Log) chainBase() stream.LogFile {
	from, suffix := l.man.incrs[0].startOffset, baseRDBSuffix
	if strings.HasSuffix(l.man.base.name, baseAOFSuffix) {
		suffix = baseAOFSuffix
	}
	f := stream.LogFile{
		Name: holdingName(l.timeline, from, suffix), From: from, To: from, Closed: true, Bytes: l.baseBytes,
		UnixMilli: l.rewrites.baseTime, RESP: suffix == baseAOFSuffix, Keys: -1,
	}
	if l.man.base.hasKeys {
		f.Keys = l.man.base.keys
	}
	return f
}

// holdingName names a file by what is in it, so that it has the same name in the chain and in retained/.
func holdingName(timeline string, from stream.Offset, suffix string) string {
	return fmt.Sprintf("%s/%020d%s", timeline, from, suffix)
}

// lostOf returns what was given up of a timeline and the archive does not have: what this process gave up, and the holes between what is left.
func (l *Log) lostOf(t *stream.Timeline) []stream.Range {
	lost := slices.Clone(l.spool.lost[t.ID])
	for i := 1; i < len(t.Increments); i++ {
		if from, to := t.Increments[i-1].To, t.Increments[i].From; from < to {
			lost = append(lost, stream.Range{From: from, To: to})
		}
	}
	slices.SortFunc(lost, func(a, b stream.Range) int { return cmp.Compare(a.From, b.From) })
	shipped := l.show.shippedTo(t.ID)
	var out []stream.Range
	for _, r := range lost {
		switch n := len(out); {
		case r.To <= shipped:
		case n > 0 && r.From <= out[n-1].To:
			out[n-1].To = max(out[n-1].To, r.To)
		default:
			out = append(out, r)
		}
	}
	return out
}
