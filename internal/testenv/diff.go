package testenv

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	// diffLimit is how many differences [Diff] spells out.
	diffLimit = 20
	// diffValue is how much of a long value it shows.
	diffValue = 400
)

// differences collects lines.
type differences struct {
	lines []string
	total int
}

func (d *differences) add(format string, args ...any) {
	d.total++
	if len(d.lines) < diffLimit {
		d.lines = append(d.lines, fmt.Sprintf(format, args...))
	}
}

// Diff says where two states differ, one difference a line ("first / second"), at most twenty of them; it
// returns "" when they are equal.
func Diff(first, second State) string {
	var d differences
	for _, index := range union(first.DBs, second.DBs) {
		d.compareDB(index, first.DBs[index], second.DBs[index])
	}
	for _, name := range union(first.Libraries, second.Libraries) {
		if a, b := first.Libraries[name], second.Libraries[name]; a != b {
			d.add("library %q: %s / %s", name, around(a, b), around(b, a))
		}
	}
	if first.Digest != second.Digest {
		d.add("digest: %s / %s", first.Digest, second.Digest)
	}
	if d.total > len(d.lines) {
		d.lines = append(d.lines, fmt.Sprintf("and %d more", d.total-len(d.lines)))
	}
	return strings.Join(d.lines, "\n")
}

func (d *differences) compareDB(index int, a, b DB) {
	if a.Size != b.Size || a.Expires != b.Expires {
		d.add("db %d: %d keys with %d expiries / %d keys with %d expiries", index, a.Size, a.Expires, b.Size, b.Expires)
	}
	for _, name := range union(a.Keys, b.Keys) {
		ka, inA := a.Keys[name]
		kb, inB := b.Keys[name]
		switch {
		case !inB:
			d.add("db %d key %q: %s / absent", index, name, ka.Type)
		case !inA:
			d.add("db %d key %q: absent / %s", index, name, kb.Type)
		default:
			d.compareKey(fmt.Sprintf("db %d %s %q", index, ka.Type, name), ka, kb)
		}
	}
}

func (d *differences) compareKey(what string, a, b Key) {
	if a.Type != b.Type {
		d.add("%s: type %s / %s", what, a.Type, b.Type)
		return
	}
	if a.Digest != b.Digest {
		d.add("%s: value digest %s / %s", what, a.Digest, b.Digest)
	}
	if a.ExpireAt != b.ExpireAt {
		d.add("%s: expires at %d / %d", what, a.ExpireAt, b.ExpireAt)
	}
	for _, field := range union(a.Fields, b.Fields) {
		ea, inA := a.Fields[field]
		eb, inB := b.Fields[field]
		if inA != inB || ea != eb {
			d.add("%s field %q: expires at %s / %s", what, field, fieldExpiry(ea, inA), fieldExpiry(eb, inB))
		}
	}
	if a.Stream != b.Stream {
		d.add("%s: %s / %s", what, around(a.Stream, b.Stream), around(b.Stream, a.Stream))
	}
}

func fieldExpiry(at int64, there bool) string {
	if !there {
		return "(absent)"
	}
	return fmt.Sprint(at)
}

// around returns the part of text where it begins to differ from other.
func around(text, other string) string {
	at := 0
	for at < min(len(text), len(other)) && text[at] == other[at] {
		at++
	}
	from := max(0, at-diffValue/2)
	return text[from:min(len(text), from+diffValue)]
}

// union returns the keys of both maps in order.
func union[K int | string, V any](a, b map[K]V) []K {
	keys := make(map[K]struct{}, len(a))
	for key := range a {
		keys[key] = struct{}{}
	}
	for key := range b {
		keys[key] = struct{}{}
	}
	return slices.Sorted(maps.Keys(keys))
}
