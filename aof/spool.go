package aof

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// spool is what the log keeps for the archive; Log.mu guards it.
type spool struct {
	marks map[string]keptMarks      // of the increments in retained/, by path: they never change
	keys  map[string]int64          // of the bases in retained/, by path, where that is known
	lost  map[string][]stream.Range // by timeline: given up since the start
	asked bool                      // a rewrite was asked for because of MaxDisk
	noted map[string]bool           // what went wrong, and goes on to: it is said once
	dying []fsx.File                // removed, and still open: see bury
	tend  chan struct{}             // wakes Run
}

func newSpool() spool {
	return spool{keys: map[string]int64{}, lost: map[string][]stream.Range{}, noted: map[string]bool{}, tend: make(chan struct{}, 1)}
}

// wakeTend has Run tend the spool.
func (l *Log) wakeTend() {
	select {
	case l.spool.tend <- struct{}{}:
	default:
	}
}

// retainFolded hard-links what a rewrite is about to take out of the manifest, and the archive does not have, into retained/, durably.
func (l *Log) retainFolded(in *rewriteInput) error {
	if !l.opt.Archive {
		return nil
	}
	y := l.at.retained(l.timeline)
	links := l.unshipped(in, y)
	if len(links) == 0 {
		return nil
	}
	if err := l.clearShelf(); err != nil {
		return err
	}
	if err := fsx.MkdirAllDurable(l.fs, y.aofDir(), dirMode); err != nil {
		return l.final(syncFailure("make directory", y.aofDir(), err))
	}
	for _, to := range links {
		if err := l.link(to.from, to.to); err != nil {
			return l.final(syncFailure("link", to.to, err))
		}
	}
	if err := l.fs.SyncDir(y.aofDir()); err != nil {
		return l.latch("sync directory", y.aofDir(), err)
	}
	return nil
}

type newLink struct{ from, to string }

// unshipped returns the links that retainFolded makes.
func (l *Log) unshipped(in *rewriteInput, y layout) []newLink {
	var links []newLink
	if base := l.chainBase(); l.show.needsBase(l.timeline, &base) {
		name := keptBaseName(base.From, ".base"+base.Name[strings.LastIndexByte(base.Name, '.'):])
		links = append(links, newLink{from: in.base.path, to: y.path(name)})
		l.spool.keys[y.path(name)] = base.Keys
	}
	shipped := l.show.shippedTo(l.timeline)
	for i := range in.infos {
		from, to := l.man.incrs[i].startOffset, l.man.incrs[i+1].startOffset
		if to > shipped {
			links = append(links, newLink{from: in.incrs[i].path, to: y.path(keptIncrName(from, to))})
		}
	}
	return links
}

// removeDoubles removes from retained/ what of the present timeline is in the chain as well: a full resync or a rewrite linked it there, and did
// not take place. It is durably no longer pinned, and then no longer a chain, before its files go.
func (l *Log) removeDoubles(timeline string) error {
	y := l.at.retained(timeline)
	entries, err := l.fs.ReadDir(y.aofDir())
	if errors.Is(err, fs.ErrNotExist) {
		return l.removeChain(timeline)
	}
	if err != nil {
		return fmt.Errorf("remove doubles: %w", err)
	}
	if err := l.endChain(timeline); err != nil {
		return fmt.Errorf("remove doubles: %w", err)
	}
	left := 0
	for _, e := range entries {
		if l.leftChain(e.Name()) {
			left++
			continue
		}
		if err := l.fs.Remove(y.path(e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove doubles: %w", err)
		}
	}
	if left == 0 {
		return l.removeChain(timeline)
	}
	if err := l.fs.SyncDir(y.aofDir()); err != nil { // or one of them, which is the open increment, comes back and says that it ends
		return l.latch("sync directory", y.aofDir(), err)
	}
	return nil
}

// leftChain reports whether a name in retained/ is of a file that the manifest of the present timeline no longer names.
func (l *Log) leftChain(name string) bool {
	f, ok := parseKept(name)
	return ok && f.From < l.man.incrs[0].startOffset
}

// clearShelf is removeDoubles where there are any: what could not be removed then. The link of an increment that went on growing says that
// it ends where it does not.
func (l *Log) clearShelf() error {
	y := l.at.retained(l.timeline)
	entries, err := l.fs.ReadDir(y.aofDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove doubles: %w", err)
	}
	for _, e := range entries {
		if !l.leftChain(e.Name()) {
			return l.removeDoubles(l.timeline)
		}
	}
	if _, err := l.fs.Stat(l.at.pinPath(l.timeline)); err == nil {
		return l.removeDoubles(l.timeline)
	}
	return nil
}

// tend does what Shipped, BaseShipped, NewTimeline and the disk ask for.
func (l *Log) tend() error {
	defer l.bury()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.usable() != nil || l.inc == nil {
		return nil
	}
	l.askResync()
	if !l.opt.Archive {
		return nil
	}
	if err := l.dropShipped(); err != nil {
		return err
	}
	return l.limitDisk()
}

// bury closes what was removed, without the lock: where the last name of a large file is gone, this frees its blocks.
func (l *Log) bury() {
	l.mu.Lock()
	dying := l.spool.dying
	l.spool.dying = nil
	l.mu.Unlock()
	for _, f := range dying {
		_ = f.Close() // it was only read, and not even that
	}
}

// dropShipped removes what the archive has: of each timeline one file at a time, the oldest first and durably, so that neither the stream waits long nor a
// crash leaves a hole. What cannot be removed is tried again.
func (l *Log) dropShipped() error {
	var (
		errs    []error
		dropped bool
	)
	for _, sh := range l.shelves {
		ok, err := l.dropShippedOf(sh)
		dropped = dropped || ok
		errs = append(errs, err)
	}
	if dropped {
		errs = append(errs, l.relist())
		l.publish()
		l.wakeTend()
	}
	return l.noteSpool("what is in the archive cannot be removed", errors.Join(errs...))
}

// dropShippedOf reports whether it removed something. A chain that is to go is first, and durably, no longer one.
func (l *Log) dropShippedOf(sh *shelf) (dropped bool, err error) {
	shipped := l.show.shippedTo(sh.Timeline)
	if sh.Bootable && sh.Guard == nil && len(sh.incrs) > 0 && shipped >= sh.incrs[len(sh.incrs)-1].To {
		err := l.endChain(sh.Timeline)
		return err == nil, err
	}
	files := sh.files()
	for _, k := range files {
		if k.chain || (k.isIncr() && k.To > shipped) || (!k.isIncr() && l.show.needsBase(sh.Timeline, &k.LogFile)) {
			continue
		}
		err := l.removeKept(k)
		return err == nil, err
	}
	if len(files) > 0 || sh.others || sh.Guard != nil || timelineNumber(sh.Timeline) == 0 {
		return false, nil
	}
	err = errors.Join(l.removeRetained(sh.Timeline), l.removeEmpty(l.at.retainedDir()))
	return err == nil, err
}

// removeKept removes a file from retained/, durably.
func (l *Log) removeKept(k *kept) error {
	if f, err := l.fs.OpenFile(k.path, os.O_RDONLY, 0); err == nil {
		l.spool.dying = append(l.spool.dying, f)
	}
	if err := l.removeDurably(k.path); err != nil {
		return fmt.Errorf("remove retained file: %w", err)
	}
	delete(l.spool.keys, k.path)
	return nil
}

// noteSpool says msg when it begins to be so, with err not nil. It returns the latch.
func (l *Log) noteSpool(msg string, err error) error {
	if err != nil && !l.spool.noted[msg] && l.failed == nil {
		call2(l.opt.Observer.Note, msg, err.Error())
	}
	l.spool.noted[msg] = err != nil
	return l.failed
}

// askResync has the next Resume ask for a full resync if NewTimeline wanted one.
func (l *Log) askResync() {
	why := l.show.wanted()
	r := &l.rewrites
	if why == "" || r.held > 0 {
		return
	}
	if r.wantFull {
		l.show.granted()
		return
	}
	err := l.spaceFor(l.baseBytes + spaceMargin)
	if _ = l.noteSpool("a new timeline has to wait for disk space", err); err != nil {
		return
	}
	l.show.granted()
	call2(l.opt.Observer.Note, "a full resync is asked for: the archive needs a new timeline", why)
	r.wantFull = true
	select {
	case l.reconnect <- struct{}{}:
	default:
	}
}

// wanted returns why a new timeline is asked for, or nothing.
func (s *showcase) wanted() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.want
}

// granted ends the wish for a new timeline.
func (s *showcase) granted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want = ""
}

// resyncedNow takes up that a full resync is in place: what was wanted of the timeline before is history.
func (l *Log) resyncedNow() error {
	l.show.granted()
	l.spool.asked = false
	return l.readShelves()
}
