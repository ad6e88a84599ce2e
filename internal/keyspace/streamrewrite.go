package keyspace

import (
	"maps"
	"slices"
	"strconv"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// appendCommands appends what makes the stream. It says more than a server does (aof.c:rewriteStreamObject), which loses the pending entries
// that the stream has no more: those are added, claimed, and taken out again. Only the times of consumers cannot be said.
func (s *streamValue) appendCommands(dst, key []byte) []byte {
	w := streamWriter{dst: dst, key: key}
	gone := w.entries(s, s.pendingIDs())
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		w.group(name, s.groups[name])
	}
	if s.length == 0 {
		w.command("XTRIM", "MAXLEN", "0")
	}
	for _, id := range gone {
		// What went before the first entry was trimmed, which leaves no trace, and what went behind it was deleted.
		if s.length > 0 && id.Compare(s.firstID) > 0 {
			w.command("XDEL", idText(id))
		}
	}
	if s.length > 0 && len(gone) > 0 && gone[0].Compare(s.firstID) < 0 {
		w.command("XTRIM", "MINID", idText(s.firstID))
	}
	w.ids(s)
	return w.dst
}

// pendingIDs returns the ids of all pending entries in order, without repetition.
func (s *streamValue) pendingIDs() []rdb.StreamID {
	var ids []rdb.StreamID
	for _, g := range s.groups {
		ids = slices.AppendSeq(ids, maps.Keys(g.pending))
	}
	slices.SortFunc(ids, rdb.StreamID.Compare)
	return slices.Compact(ids)
}

// streamWriter appends the commands of one stream.
type streamWriter struct {
	dst, key []byte
	scratch  []byte
}

// entries adds the entries, and one for each id of pending that the stream has no more; these it returns. If that comes to nothing it adds one
// so that there is a stream.
func (w *streamWriter) entries(s *streamValue, pending []rdb.StreamID) (gone []rdb.StreamID) {
	stand := func(id rdb.StreamID) {
		gone = append(gone, id)
		w.command("XADD", idText(id), "x", "y")
	}
	for i := range s.nodes {
		for r := s.nodes[i].entries(); r.next(); {
			if r.deleted() {
				r.skip()
				continue
			}
			for len(pending) > 0 && pending[0].Compare(r.id) < 0 {
				stand(pending[0])
				pending = pending[1:]
			}
			if len(pending) > 0 && pending[0] == r.id {
				pending = pending[1:]
			}
			w.entry(&r)
		}
	}
	for _, id := range pending {
		stand(id)
	}
	if s.length == 0 && len(gone) == 0 {
		w.command("XADD", "0-1", "x", "y")
	}
	return gone
}

func (w *streamWriter) entry(r *entryReader) {
	w.dst = appendArg(appendArgCount(w.dst, 3+2*int(r.fields)), "XADD")
	w.dst = appendArg(w.dst, w.key)
	w.scratch = appendStreamID(w.scratch[:0], r.id)
	w.dst = appendArg(w.dst, w.scratch)
	r.each(func(field, value rdb.ListpackEntry) {
		w.element(field)
		w.element(value)
	})
}

func (w *streamWriter) element(e rdb.ListpackEntry) {
	w.scratch = e.AppendTo(w.scratch[:0])
	w.dst = appendArg(w.dst, w.scratch)
}

// group appends a group, its consumers, and what they have pending.
func (w *streamWriter) group(name string, g *streamGroup) {
	key := string(w.key)
	w.dst = appendCommand(w.dst, "XGROUP", "CREATE", key, name, idText(g.lastID), "ENTRIESREAD", strconv.FormatInt(g.entriesRead, 10))
	encoded := g.encode(name)
	for _, c := range encoded.Consumers {
		if len(c.Pending) == 0 {
			w.dst = appendCommand(w.dst, "XGROUP", "CREATECONSUMER", key, name, string(c.Name))
		}
		for _, id := range c.Pending {
			p := g.pending[id]
			w.command("XCLAIM", name, string(c.Name), "0", idText(id), "TIME", strconv.FormatInt(p.delivered, 10),
				"RETRYCOUNT", strconv.FormatInt(int64(p.count), 10), "JUSTID", "FORCE")
		}
	}
}

// ids sets what the entries do not say.
func (w *streamWriter) ids(s *streamValue) {
	last := s.lastID
	if last.Compare(s.maxDeletedID) < 0 {
		last = s.maxDeletedID // XSETID refuses less, and Redis 7.0 takes it once that is behind it
	}
	w.command("XSETID", idText(last), "ENTRIESADDED", strconv.FormatUint(s.entriesAdded, 10), "MAXDELETEDID", idText(s.maxDeletedID))
	if last != s.lastID {
		w.command("XSETID", idText(s.lastID))
	}
}

// command appends a command whose name the key follows.
func (w *streamWriter) command(name string, args ...string) {
	w.dst = appendArg(appendArgCount(w.dst, 2+len(args)), name)
	w.dst = appendArg(w.dst, w.key)
	for _, arg := range args {
		w.dst = appendArg(w.dst, arg)
	}
}

func idText(id rdb.StreamID) string { return string(appendStreamID(nil, id)) }
