package keyspace

import (
	"maps"
	"slices"
	"strconv"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// appendCommands appends what makes the stream. It says more than a server does (aof.c:rewriteStreamObject), which loses the pending entries
// that the stream has no more: those are added, claimed and trimmed before the others come. To delete them would leave a trace: where XSETID went
// back behind them, servers then refuse the last id, and all entries that follow. Only the times of consumers cannot be said.
func (s *streamValue) appendCommands(dst, key []byte) []byte {
	w := streamWriter{dst: dst, key: key}
	gone := s.gone()
	isGone := func(id rdb.StreamID) bool {
		_, found := slices.BinarySearchFunc(gone, id, rdb.StreamID.Compare)
		return found
	}
	for _, id := range gone {
		w.command("XADD", idText(id), "x", "y")
	}
	if len(gone) > 0 {
		w.groups(s, true, isGone)
		w.command("XTRIM", "MAXLEN", "0")
		w.command("XSETID", "0-0")
	} else if s.length == 0 { // so that there is a stream
		w.command("XADD", "0-1", "x", "y")
		w.command("XTRIM", "MAXLEN", "0")
	}
	w.entries(s)
	w.groups(s, len(gone) == 0, func(id rdb.StreamID) bool { return !isGone(id) })
	w.ids(s)
	return w.dst
}

// gone returns the ids of pending entries that the stream has no more, in order.
func (s *streamValue) gone() []rdb.StreamID {
	pending := s.pendingIDs()
	if len(pending) == 0 {
		return nil
	}
	there := make(map[rdb.StreamID]bool, len(pending))
	for i := range s.nodes {
		for r := s.nodes[i].entries(); r.next(); r.skip() {
			if _, is := slices.BinarySearchFunc(pending, r.id, rdb.StreamID.Compare); is && !r.deleted() {
				there[r.id] = true
			}
		}
	}
	return slices.DeleteFunc(pending, func(id rdb.StreamID) bool { return there[id] })
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

// entries adds the entries.
func (w *streamWriter) entries(s *streamValue) {
	for i := range s.nodes {
		for r := s.nodes[i].entries(); r.next(); {
			if r.deleted() {
				r.skip()
				continue
			}
			w.entry(&r)
		}
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

// groups appends the groups, by name; see group.
func (w *streamWriter) groups(s *streamValue, create bool, claims func(rdb.StreamID) bool) {
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		w.group(name, s.groups[name], create, claims)
	}
}

// group appends, if it is to be created, a group and its consumers, and then what they have pending as far as claims says.
func (w *streamWriter) group(name string, g *streamGroup, create bool, claims func(rdb.StreamID) bool) {
	key := string(w.key)
	if create {
		w.dst = appendCommand(w.dst, "XGROUP", "CREATE", key, name, idText(g.lastID), "ENTRIESREAD", strconv.FormatInt(g.entriesRead, 10))
	}
	encoded := g.encode(name)
	for _, c := range encoded.Consumers {
		if create && len(c.Pending) == 0 {
			w.dst = appendCommand(w.dst, "XGROUP", "CREATECONSUMER", key, name, string(c.Name))
		}
		for _, id := range c.Pending {
			if !claims(id) {
				continue
			}
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
