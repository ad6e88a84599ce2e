package aof

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// The kinds of files, as the manifest's key "type" gives them.
const (
	kindBase    = 'b'
	kindIncr    = 'i'
	kindHistory = 'h'
)

// The keys of a manifest's line. The first three are required. Redis 8 writes the next two; the last two are ours, and every
// server skips them, as it skips any key that it does not know (aof.c:aofLoadManifestFromFile).
const (
	keyFile        = "file"
	keySeq         = "seq"
	keyType        = "type"
	keyStartOffset = "startoffset"
	keyEndOffset   = "endoffset"
	keyTimeline    = "timeline"
	keyKeys        = "keys"
)

// manifest lists the files of a chain. One line is one file:
//
//	file appendonly.aof.2.base.rdb seq 2 type b timeline 00000001-8f1c22ab keys 1000
//	file appendonly.aof.1.incr.aof seq 1 type h
//	file appendonly.aof.3.incr.aof seq 3 type i startoffset 14022
//
// A server loads the base, then the increments in their order, and never the history: that is what left the chain and may
// be unlinked. A manifest of comments only is legal, and the server starts empty: here it has no base and no increments.
type manifest struct {
	base    *fileInfo  // nil: none
	incrs   []fileInfo // seq strictly increasing
	history []fileInfo
}

// fileInfo is one line.
type fileInfo struct {
	name string // base name, in the directory of the manifest
	seq  int64
	kind byte

	startOffset stream.Offset // the position before the file's first stream byte
	hasStart    bool
	timeline    string // of a base; "" where the line has none
	keys        int64  // of a base: how many it holds
	hasKeys     bool

	extra []pair // keys that we do not know, in the order of the line

	// Not in the line.
	bytes     int64 // of a closed increment
	unixMilli int64 // of an increment: the time of its first mark
}

// pair is a key that we keep for others, with its value.
type pair struct{ key, value string }

// format returns the manifest as text: base, history, increments. What it returns parses to an equal manifest, if each
// line fits in maxManifestLine, as lines with ordinary names do.
func (m *manifest) format() []byte {
	var text []byte
	if m.base != nil {
		text = m.base.appendTo(text)
	}
	for _, list := range [][]fileInfo{m.history, m.incrs} {
		for i := range list {
			text = list[i].appendTo(text)
		}
	}
	return text
}

func (f *fileInfo) appendTo(b []byte) []byte {
	add := func(key, value string) {
		b = appendArg(append(b, ' '), key)
		b = appendArg(append(b, ' '), value)
	}
	b = appendArg(append(b, keyFile+" "...), f.name)
	add(keySeq, strconv.FormatInt(f.seq, 10))
	add(keyType, string(rune(f.kind)))
	if f.hasStart {
		add(keyStartOffset, strconv.FormatInt(int64(f.startOffset), 10))
	}
	if f.kind == kindBase {
		if f.timeline != "" {
			add(keyTimeline, f.timeline)
		}
		if f.hasKeys {
			add(keyKeys, strconv.FormatInt(f.keys, 10))
		}
	}
	for _, p := range f.extra {
		add(p.key, p.value)
	}
	return append(b, '\n')
}

// clone returns a copy that shares nothing with m.
func (m *manifest) clone() *manifest {
	dup := &manifest{incrs: cloneInfos(m.incrs), history: cloneInfos(m.history)}
	if m.base != nil {
		base := m.base.clone()
		dup.base = &base
	}
	return dup
}

func (f *fileInfo) clone() fileInfo {
	dup := *f
	dup.extra = slices.Clone(f.extra)
	return dup
}

func cloneInfos(list []fileInfo) []fileInfo {
	dup := slices.Clone(list)
	for i := range dup {
		dup[i] = dup[i].clone()
	}
	return dup
}

// What the names of files end with.
const (
	incrSuffix    = ".incr.aof"
	baseRDBSuffix = ".base.rdb"
	baseAOFSuffix = ".base.aof"
)

// extraOf returns the value of a key that is not one of fileInfo's fields, or nothing.
func (f *fileInfo) extraOf(key string) string {
	for _, p := range f.extra {
		if p.key == key {
			return p.value
		}
	}
	return ""
}

// setExtra gives such a key a value; "" removes it.
func (f *fileInfo) setExtra(key, value string) {
	f.extra = slices.DeleteFunc(f.extra, func(p pair) bool { return p.key == key })
	if value != "" {
		f.extra = append(f.extra, pair{key: key, value: value})
	}
}

// nextBaseSeq returns the number for the base after this one: at least 1, and unlike any that the history still names.
func (m *manifest) nextBaseSeq() int64 {
	var last int64
	if m.base != nil {
		last = max(last, m.base.seq)
	}
	return m.above(last, false)
}

// nextIncrSeq returns the number for the increment after the last: at least 1, and unlike any that the history still names.
func (m *manifest) nextIncrSeq() int64 {
	var last int64
	for i := range m.incrs {
		last = max(last, m.incrs[i].seq)
	}
	return m.above(last, true)
}

// above returns the number after last and after those of the history's increments, or of its bases.
func (m *manifest) above(last int64, incrs bool) int64 {
	for i := range m.history {
		if old := &m.history[i]; strings.HasSuffix(old.name, incrSuffix) == incrs {
			last = max(last, old.seq)
		}
	}
	return last + 1
}

// maxSeq is the largest number that has a next one.
const maxSeq = math.MaxInt64 - 1
