package aof

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// guardLoss: the guard trips when fewer than one key in guardLoss is left.
const guardLoss = 10

// Retained is what retained/ has of a timeline.
type Retained struct {
	Timeline string `json:"timeline"`
	Bytes    int64  `json:"bytes"`
	Guard    *Guard `json:"guard,omitempty"` // set while the chain is pinned

	// Bootable says that there is a whole chain: `redis-server --dir retained/<timeline> --appendonly yes`. What a rewrite left for the archive has
	// no manifest.
	Bootable bool `json:"bootable"`
}

// keyCount is what KeysSeen was told.
type keyCount struct {
	id   stream.ReplID
	keys int64
}

// KeysSeen tells the log how many keys the upstream has, in the history of id: the number counts only while the log is in
// that history, for an upstream that restarted empty must not lower what the guard compares with. It never waits.
func (l *Log) KeysSeen(id stream.ReplID, keys int64) {
	l.keys.Store(&keyCount{id: id, keys: keys})
}

// judgeLoss returns a guard when the new base is empty or has lost most of what there was: most keys if somebody counted them, else
// most keys of the old base or most bytes of the old chain.
func (l *Log) judgeLoss(sum rdb.Summary, by string) *Guard {
	if l.inc == nil {
		return nil
	}
	g := &Guard{Timeline: l.timeline, KeysWas: -1, KeysNow: sum.Keys, At: l.opt.Now().UTC(), By: by}
	if l.man.base.hasKeys {
		g.KeysWas = l.man.base.keys
	}
	seen := l.keys.Load()
	counted := seen != nil && seen.id == l.replid
	if counted {
		g.KeysWas = seen.keys
	}
	lost := g.KeysWas > 0 && sum.Keys*guardLoss < g.KeysWas
	grown := l.closedBytes > 0 || l.chainEnd().data > l.inc.headLen
	switch {
	case sum.Unwalked != nil:
		g.KeysNow = -1
		lost = sum.Bytes*guardLoss < l.baseBytes
	case !counted && (grown || !l.man.base.hasKeys):
		if g.KeysWas == 0 {
			g.KeysWas = -1
		}
		lost = lost || sum.Keys == 0 || sum.Bytes*guardLoss < l.baseBytes+l.closedBytes+l.inc.size
	}
	if !lost {
		return nil
	}
	return g
}

// retain hard-links the chain that man names into retained/<timeline>, with a manifest of its own, durably.
func (l *Log) retain(man *manifest, guard *Guard) error {
	if l.opt.Archive {
		if err := l.clearShelf(); err != nil {
			return err
		}
	}
	y := l.at.retained(l.timeline)
	if err := fsx.MkdirAllDurable(l.fs, y.aofDir(), dirMode); err != nil {
		return err
	}
	kept := man.clone()
	kept.history = nil
	rename := func(info *fileInfo, name string) error {
		from := l.at.path(info.name)
		info.name = name
		return l.link(from, y.path(name))
	}
	begin := kept.incrs[0].startOffset
	if err := rename(kept.base, keptBaseName(begin, ".base"+filepath.Ext(kept.base.name))); err != nil {
		return err
	}
	for i := range kept.incrs {
		end := l.chainEnd().offset
		if i+1 < len(kept.incrs) {
			end = kept.incrs[i+1].startOffset
		}
		if err := rename(&kept.incrs[i], keptIncrName(kept.incrs[i].startOffset, end)); err != nil {
			return err
		}
	}
	if guard != nil {
		text, err := json.MarshalIndent(guard, "", "  ")
		if err != nil {
			return fmt.Errorf("encode guard: %w", err)
		}
		if err := fsx.ReplaceFile(l.fs, l.at.pinPath(l.timeline), append(text, '\n'), fileMode); err != nil {
			return err
		}
	}
	// ReplaceFile syncs the directory, and with it the links.
	return fsx.ReplaceFile(l.fs, y.path(y.manifest()), kept.format(), fileMode)
}

// link makes to a name of from; a leftover of that name is replaced. Where the file system has no links, or to is on another one, it is
// a copy.
func (l *Log) link(from, to string) error {
	err := l.fs.Link(from, to)
	if errors.Is(err, fs.ErrExist) {
		if err := l.fs.Remove(to); err != nil {
			return err
		}
		err = l.fs.Link(from, to)
	}
	for _, hopeless := range []error{syscall.EXDEV, syscall.EPERM, syscall.EOPNOTSUPP, syscall.ENOSYS, syscall.EMLINK} {
		if errors.Is(err, hopeless) {
			return copyFile(l.fs, from, to)
		}
	}
	return err
}

// copyFile makes to a copy of from, synced.
func copyFile(fsys fsx.FS, from, to string) (err error) {
	in, err := fsys.OpenFile(from, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := fsys.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	if _, err = io.Copy(out, in); err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// nextTimeline returns the id of the timeline that id opens: a number above all that we know, which is the time in Unix seconds unless the clock
// is behind, so that a directory that was lost gives no id twice; and 8 digits of the replid.
func (l *Log) nextTimeline(id stream.ReplID) string {
	next := max(l.opt.Now().Unix(), timelineNumber(l.timeline)+1)
	for _, sh := range l.shelves {
		next = max(next, timelineNumber(sh.Timeline)+1)
	}
	return fmt.Sprintf("%08d-%s", next, id.Short())
}

// timelineNumber returns the number that a timeline's id begins with, or 0 for what is no such id.
func timelineNumber(id string) int64 {
	num, replid, _ := strings.Cut(id, "-")
	n, err := strconv.ParseInt(num, 10, 64)
	if err != nil || n < 0 || len(replid) != 8 || strings.Trim(replid, "0123456789abcdef") != "" {
		return 0
	}
	return n
}

// dropHistory unlinks what the manifest lists as history, and, once that is durable, forgets it.
func (l *Log) dropHistory() error {
	if len(l.man.history) == 0 || l.unrenewed {
		return nil
	}
	for _, h := range l.man.history {
		if err := l.fs.Remove(l.at.path(h.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what left the manifest: %w", err)
		}
	}
	if err := l.fs.SyncDir(l.at.aofDir()); err != nil {
		return l.latch("sync directory", l.at.aofDir(), err)
	}
	man := l.man.clone()
	man.history = nil
	if err := l.replaceManifest(man); err != nil && !isNoSpace(err) {
		return err
	}
	return nil
}

// dropRetained removes every retained chain but keep and the pinned ones: without an archive one chain before the present is kept. With one they stay
// until they are shipped.
func (l *Log) dropRetained(keep string) error {
	if err := l.relist(); err != nil {
		return err
	}
	if l.opt.Archive {
		l.publish()
		return nil
	}
	var errs []error
	for _, sh := range l.shelves {
		if sh.Guard == nil && sh.Timeline != keep && timelineNumber(sh.Timeline) > 0 {
			errs = append(errs, l.removeRetained(sh.Timeline))
		}
	}
	errs = append(errs, l.relist())
	l.publish()
	return errors.Join(errs...)
}

// removeRetained gives up one chain.
func (l *Log) removeRetained(timeline string) error {
	if err := l.removeChain(timeline); err != nil {
		return err
	}
	call(l.opt.Observer.Removed, l.at.retained(timeline).dir)
	return nil
}

// removeChain removes a chain from retained/, or what there is of one. First, and durably, it is no longer pinned, and then no longer a
// chain: a power loss may undo some of the rest and not all. Files beside it that are not ours stay: somebody may have booted a server
// there.
func (l *Log) removeChain(timeline string) error {
	y := l.at.retained(timeline)
	entries, err := l.fs.ReadDir(y.aofDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove retained chain: %w", err)
	}
	if err := l.endChain(timeline); err != nil {
		return fmt.Errorf("remove retained chain: %w", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, y.path(e.Name()))
	}
	names = append(names, y.aofDir(), fsx.TempName(l.at.pinPath(timeline)), y.dir)
	for _, name := range names {
		err := l.fs.Remove(name)
		if err == nil || errors.Is(err, fs.ErrNotExist) || (name == y.dir && errors.Is(err, syscall.ENOTEMPTY)) {
			continue
		}
		return fmt.Errorf("remove retained chain: %w", err)
	}
	return nil
}

// endChain makes a retained chain durably no longer pinned, also where the pin is gone already and that may be in memory only, and then no longer a chain.
func (l *Log) endChain(timeline string) error {
	if err := l.removeDurably(l.at.pinPath(timeline)); err != nil {
		return err
	}
	y := l.at.retained(timeline)
	return l.removeDurably(y.path(y.manifest()))
}

// removeDurably removes a name if it is there, and syncs its directory also if it is not: it may be gone in memory only. A sync that
// fails latches.
func (l *Log) removeDurably(name string) error {
	dir := filepath.Dir(name)
	if err := l.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := l.fs.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return l.latch("sync directory", dir, err)
	}
	return nil
}

// Unpin releases a chain that the guard pinned; it goes when the next one is retained, or, with an archive, once it is shipped. fs.ErrNotExist if it is not pinned.
func (l *Log) Unpin(timeline string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	if sh := l.shelf(timeline); sh == nil || sh.Guard == nil {
		return fmt.Errorf("unpin timeline %q: %w", timeline, fs.ErrNotExist)
	}
	if err := l.removeDurably(l.at.pinPath(timeline)); err != nil {
		return fmt.Errorf("unpin timeline: %w", err)
	}
	err := l.relist()
	l.publish()
	return err
}

// readPin returns the guard that pins a chain, or nil.
func readPin(fsys fsx.FS, path string) (*Guard, error) {
	text, err := readFile(fsys, path, maxManifest)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read pin: %w", err)
	}
	var g Guard
	if err := json.Unmarshal(text, &g); err != nil {
		return nil, &CorruptError{Path: path, What: err.Error()}
	}
	return &g, nil
}

// asHistory returns the files of a chain as what a manifest lists of a chain before it.
func (m *manifest) asHistory() []fileInfo {
	old := slices.Clone(m.history)
	if m.base != nil {
		old = append(old, *m.base)
	}
	old = append(old, m.incrs...)
	for i := range old {
		old[i] = fileInfo{name: old[i].name, seq: old[i].seq, kind: 'h'}
	}
	return old
}
