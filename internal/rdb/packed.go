package rdb

import "encoding/binary"

// packed walks the entries of a listpack or a ziplist. It verifies all of what servers verify with sanitize-dump-payload, but for
// duplicates.
type packed struct {
	p       Listpack // or a ziplist
	zip     bool
	pos     int
	entries int
	// last is the position of the last entry, lastSize how long it is. Ziplists only.
	last, lastSize int
	what           string // is wrong; empty if nothing
}

func walkListpack(p []byte) packed {
	w := packed{p: p, pos: ListpackStart}
	if len(p) < minListpack || uint64(binary.LittleEndian.Uint32(p)) != uint64(len(p)) || p[len(p)-1] != blobEnd {
		w.what = "header or end of a listpack is wrong"
	}
	return w
}

func walkZiplist(p []byte) packed {
	w := packed{p: p, zip: true, pos: ziplistStart, last: ziplistStart}
	if len(p) < minZiplist || uint64(binary.LittleEndian.Uint32(p)) != uint64(len(p)) || p[len(p)-1] != blobEnd {
		w.what = "header or end of a ziplist is wrong"
	}
	return w
}

// more reports whether there is another entry.
func (w *packed) more() bool { return w.what == "" && w.pos < len(w.p)-1 }

// next returns the next entry. At the end there is none, which is an error as much as one that is unsound.
func (w *packed) next() ListpackEntry {
	if w.what != "" {
		return ListpackEntry{}
	}
	var (
		e    ListpackEntry
		next int
		ok   bool
	)
	if w.zip {
		if e, next, ok = ziplistEntry(w.p, w.pos, w.lastSize); ok {
			w.last, w.lastSize = w.pos, next-w.pos
		}
	} else {
		e, next, ok = w.p.Next(w.pos)
	}
	if !ok {
		w.what = "unsound or missing entry in a packed value"
	}
	w.pos = next
	w.entries++
	return e
}

// end returns what is wrong, now that all entries were walked.
func (w *packed) end() string {
	if w.what != "" {
		return w.what
	}
	count := w.p[4:]
	if w.zip {
		if w.entries > 0 && uint64(binary.LittleEndian.Uint32(w.p[4:])) != uint64(w.last) {
			return "ziplist with a wrong tail"
		}
		count = w.p[8:]
	}
	if n := int(binary.LittleEndian.Uint16(count)); n != listpackUncounted && n != w.entries {
		return "packed value with a wrong count"
	}
	return ""
}
