package aof

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// shelf is what retained/ has of a timeline.
type shelf struct {
	Retained
	bases, incrs []kept // ascending; of what overlaps the first
	others       bool   // there are files that are not ours
	end          stream.Mark
}

// kept is a file in retained/, under a name that says what is in it.
type kept struct {
	stream.LogFile
	path  string
	chain bool // the manifest beside it names it

	modified int64 // Unix milliseconds
}

// keptMarks is what was read of a kept increment.
type keptMarks struct {
	begin int64       // Unix milliseconds of the first mark
	end   stream.Mark // zero: not known
}

// The names in retained/ are "<offset>.base.rdb", "<offset>.base.aof" and "<from>-<to>.incr.aof".
const offsetDigits = 20

func keptBaseName(at stream.Offset, suffix string) string { return fmt.Sprintf("%020d%s", at, suffix) }

func keptIncrName(from, to stream.Offset) string {
	return fmt.Sprintf("%020d-%020d%s", from, to, incrSuffix)
}

// parseKept reads such a name; ok is false for any other.
func parseKept(name string) (f stream.LogFile, ok bool) {
	f.Closed, f.Keys = true, -1
	if rest, isIncr := strings.CutSuffix(name, incrSuffix); isIncr {
		from, to, _ := strings.Cut(rest, "-")
		var okFrom, okTo bool
		f.From, okFrom = parseOffset(from)
		f.To, okTo = parseOffset(to)
		return f, okFrom && okTo && f.From <= f.To
	}
	rest, isRDB := strings.CutSuffix(name, baseRDBSuffix)
	if !isRDB {
		rest, f.RESP = strings.CutSuffix(name, baseAOFSuffix)
	}
	f.From, ok = parseOffset(rest)
	f.To = f.From
	return f, ok && (isRDB || f.RESP)
}

func parseOffset(digits string) (stream.Offset, bool) {
	n, err := strconv.ParseInt(digits, 10, 64)
	return stream.Offset(n), err == nil && n >= 0 && fmt.Sprintf("%0*d", offsetDigits, n) == digits
}

// isIncr tells an increment from a base.
func (k *kept) isIncr() bool { return strings.HasSuffix(k.path, incrSuffix) }

// relist reads what is in retained/ and shows it; called with mu held whenever that has changed.
func (l *Log) relist() error {
	err := l.readShelves()
	if err == nil {
		l.reshow()
	}
	return err
}

func (l *Log) readShelves() error {
	entries, err := l.fs.ReadDir(l.at.retainedDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list retained chains: %w", err)
	}
	var list []*shelf
	seen := map[string]keptMarks{}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		sh, err := l.readShelf(e.Name(), seen)
		if err != nil {
			return err
		}
		if sh != nil {
			list = append(list, sh)
		}
	}
	slices.SortStableFunc(list, func(a, b *shelf) int {
		return cmp.Compare(timelineNumber(a.Timeline), timelineNumber(b.Timeline))
	})
	l.shelves, l.spool.marks = list, seen
	return nil
}

// readShelf returns what retained/ has of a timeline; nil: nothing of ours is left. What it reads of increments it adds to seen.
func (l *Log) readShelf(timeline string, seen map[string]keptMarks) (_ *shelf, err error) {
	sh := &shelf{Retained: Retained{Timeline: timeline}}
	if sh.Guard, err = readPin(l.fs, l.at.pinPath(timeline)); err != nil {
		return nil, err
	}
	y := l.at.retained(timeline)
	entries, err := l.fs.ReadDir(y.aofDir())
	if errors.Is(err, fs.ErrNotExist) {
		if sh.Guard == nil {
			return nil, nil
		}
		return sh, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list retained chain: %w", err)
	}
	named := sh.readNames(l, y)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // it went meanwhile
		}
		sh.Bytes += info.Size()
		f, ok := parseKept(e.Name())
		if !ok || timelineNumber(timeline) == 0 {
			sh.others = sh.others || (e.Name() != y.manifest() && !strings.HasPrefix(e.Name(), fsx.TempPrefix))
			continue
		}
		k := kept{LogFile: f, path: y.path(e.Name())}
		k.Bytes, k.modified = info.Size(), info.ModTime().UnixMilli()
		k.UnixMilli = k.modified
		if keys, ok := l.spool.keys[k.path]; ok {
			k.Keys = keys
		}
		if keys, ok := named[e.Name()]; ok {
			k.chain, k.Keys = true, keys
		}
		if k.isIncr() {
			k.Name = holdingName(timeline, k.From, incrSuffix)
			sh.addIncr(l, k, seen)
		} else {
			k.Name = timeline + "/" + e.Name()
			sh.bases = append(sh.bases, k)
		}
	}
	sh.dateBases(seen)
	sh.findEnd(l, seen)
	return sh, nil
}

// readNames returns what the manifest of a retained chain names, with the keys of its base.
func (sh *shelf) readNames(l *Log, y layout) map[string]int64 {
	man, _, err := readManifest(l.fs, y)
	if err != nil || man.base == nil { // there is none, or nobody boots from it
		return nil
	}
	sh.Bootable = true
	names := map[string]int64{man.base.name: -1}
	if man.base.hasKeys {
		names[man.base.name] = man.base.keys
	}
	for i := range man.incrs {
		names[man.incrs[i].name] = -1
	}
	return names
}

// addIncr adds an increment, the next by its name, unless it overlaps the one before: a crash may leave one that did not take place.
func (sh *shelf) addIncr(l *Log, k kept, seen map[string]keptMarks) {
	if n := len(sh.incrs); n > 0 && k.From < sh.incrs[n-1].To {
		return
	}
	m, ok := l.spool.marks[k.path]
	if !ok {
		m.begin = k.UnixMilli
		if head, tail, _, err := l.ends(k.path); err == nil { // else whoever reads it finds what is wrong
			m = keptMarks{begin: head.UnixMilli, end: tail}
		}
	}
	seen[k.path] = m
	k.UnixMilli = m.begin
	sh.incrs = append(sh.incrs, k)
}

// dateBases gives bases the time at which an increment says that their state had been received; else they keep the file's.
func (sh *shelf) dateBases(seen map[string]keptMarks) {
	for i := range sh.bases {
		b := &sh.bases[i]
		for j := range sh.incrs {
			switch k := &sh.incrs[j]; {
			case k.From == b.From:
				b.UnixMilli = k.UnixMilli
			case k.To == b.From && !seen[k.path].end.Position.IsZero():
				b.UnixMilli = seen[k.path].end.UnixMilli
			}
		}
	}
}

// findEnd finds what holds at the end of the last increment. One that left the manifest with a tail that nobody marked is read from its start.
func (sh *shelf) findEnd(l *Log, seen map[string]keptMarks) {
	if len(sh.incrs) == 0 {
		return
	}
	last := &sh.incrs[len(sh.incrs)-1]
	m := seen[last.path]
	if m.end.Position.IsZero() && sh.Timeline != l.timeline {
		m.end.UnixMilli = max(m.begin, last.modified)
		if f, err := openLive(l.fs, last.path); err == nil {
			s := scan{path: f.path, size: f.size}
			if errors.Join(s.run(io.NewSectionReader(f, 0, f.size)), f.Close()) == nil {
				m.end.Position.ReplID, m.end.UnixMilli = s.boundary.id, max(m.end.UnixMilli, s.boundary.unixMilli)
			}
		}
		m.end.Position.Offset = last.To
		seen[last.path] = m
	}
	sh.end = m.end
}

// timeline is what Holdings tells of it: what begins before an offset, for the rest is in the chain. It adds the paths of names.
func (sh *shelf) timeline(paths map[string]string, before stream.Offset) stream.Timeline {
	t := stream.Timeline{
		ID: sh.Timeline, Pinned: sh.Guard != nil, End: sh.end.Position, EndUnixMilli: sh.end.UnixMilli,
	}
	for i := range sh.bases {
		if b := &sh.bases[i]; b.From < before {
			paths[b.Name] = b.path
			t.Bases = append(t.Bases, b.LogFile)
		}
	}
	for i := range sh.incrs {
		if k := &sh.incrs[i]; k.From < before {
			paths[k.Name] = k.path
			t.Increments = append(t.Increments, k.LogFile)
		}
	}
	return t
}

// files are all of them by age; at one offset the base comes first.
func (sh *shelf) files() []*kept {
	list := make([]*kept, 0, len(sh.bases)+len(sh.incrs))
	for i := range sh.bases {
		list = append(list, &sh.bases[i])
	}
	for i := range sh.incrs {
		list = append(list, &sh.incrs[i])
	}
	slices.SortStableFunc(list, func(a, b *kept) int { return cmp.Compare(a.From, b.From) })
	return list
}

// shelf returns what retained/ has of a timeline, or nil.
func (l *Log) shelf(timeline string) *shelf {
	for _, sh := range l.shelves {
		if sh.Timeline == timeline {
			return sh
		}
	}
	return nil
}

// retained is the list for Status.
func (l *Log) retained() []Retained {
	var list []Retained
	for _, sh := range l.shelves {
		list = append(list, sh.Retained)
	}
	return list
}
