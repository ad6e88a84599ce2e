package keyspace

import (
	"maps"
	"slices"
	"strconv"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// appendCommands appends what aof.c:rewriteStreamObject writes. What no command can say is lost: which entries were deleted, the times of
// consumers, and pending entries that the stream has no more.
func (s *streamValue) appendCommands(dst, key []byte) []byte {
	w := streamWriter{dst: dst, key: key}
	if s.length == 0 {
		w.command("XADD", "MAXLEN", "0", "0-1", "x", "y") // makes a stream and leaves nothing in it
	}
	for i := range s.nodes {
		for r := s.nodes[i].entries(); r.next(); {
			if r.deleted() {
				r.skip()
				continue
			}
			w.entry(&r)
		}
	}
	last := s.lastID
	if last.Compare(s.maxDeletedID) < 0 {
		last = s.maxDeletedID // XSETID refuses less, and Redis 7.0 takes it once that is behind it
	}
	w.command("XSETID", idText(last), "ENTRIESADDED", strconv.FormatUint(s.entriesAdded, 10), "MAXDELETEDID", idText(s.maxDeletedID))
	if last != s.lastID {
		w.command("XSETID", idText(s.lastID))
	}
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		w.group(name, s.groups[name])
	}
	return w.dst
}

// streamWriter appends the commands of one stream.
type streamWriter struct {
	dst, key []byte
	scratch  []byte
}

// command appends a command whose name the key follows.
func (w *streamWriter) command(name string, args ...string) {
	w.dst = appendArg(appendArgCount(w.dst, 2+len(args)), name)
	w.dst = appendArg(w.dst, w.key)
	for _, arg := range args {
		w.dst = appendArg(w.dst, arg)
	}
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

func idText(id rdb.StreamID) string { return string(appendStreamID(nil, id)) }
