package rdb

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// StreamID is the id of a stream's entry.
type StreamID struct{ Ms, Seq uint64 }

// Compare returns -1, 0 or 1 as id is before, the same as or after other.
func (id StreamID) Compare(other StreamID) int {
	return cmp.Or(cmp.Compare(id.Ms, other.Ms), cmp.Compare(id.Seq, other.Seq))
}

// IsZero reports whether it is 0-0.
func (id StreamID) IsZero() bool { return id == StreamID{} }

// Stream is a stream as an RDB file has it.
type Stream struct {
	// Nodes hold the entries, ascending by Master.
	Nodes []StreamNode
	// Length is how many entries there are, without deleted ones.
	Length uint64
	// LastID is the largest id that there ever was, FirstID that of the first entry, MaxDeletedID the largest that was deleted.
	LastID, FirstID, MaxDeletedID StreamID
	// EntriesAdded is how many entries there ever were.
	EntriesAdded uint64
	// Groups are the consumer groups, in the order of the file; servers write them by name.
	Groups []StreamGroup
}

// StreamNode holds some consecutive entries.
type StreamNode struct {
	// Master is the id that those of the entries count from.
	Master StreamID
	// Listpack has the entries (protocol.md 6.6), decompressed. Its memory is the node's own.
	Listpack Listpack
}

// StreamGroup is a consumer group.
type StreamGroup struct {
	Name []byte
	// LastID is the id of the last entry that was delivered.
	LastID StreamID
	// EntriesRead is how many entries were read up to there, -1 if unknown.
	EntriesRead int64
	// Pending are the entries that were delivered and not acknowledged, ascending by id. Each is in the Pending of one consumer.
	Pending []StreamPending
	// Consumers are in the order of the file; servers write them by name.
	Consumers []StreamConsumer
}

// StreamPending is an entry that was delivered and not acknowledged.
type StreamPending struct {
	ID StreamID
	// DeliveredMs is when it was delivered last, in milliseconds of Unix time, Count how often.
	DeliveredMs int64
	Count       uint64
}

// StreamConsumer is a consumer of a group.
type StreamConsumer struct {
	Name []byte
	// SeenMs is when it last tried to do something, ActiveMs when it last got something, -1 for never; both in milliseconds of Unix
	// time.
	SeenMs, ActiveMs int64
	// Pending are the ids of its pending entries, ascending.
	Pending []StreamID
}

// The flags of a stream's entry (stream.h:STREAM_ITEM_FLAG_*).
const (
	// StreamEntryDeleted marks an entry that was deleted.
	StreamEntryDeleted = 1
	// StreamEntrySameFields marks an entry that has the fields of its node's first one, and stores only values.
	StreamEntrySameFields = 2
)

// DecodeStream decodes a stream into fresh memory. t is TypeStreamListpacks, whose missing parts are made as servers make them,
// TypeStreamListpacks2 or TypeStreamListpacks3; the error is a *CorruptError. It verifies the nodes as servers do with
// sanitize-dump-payload, and that each pending entry is of one consumer. It does not verify that Length is right: servers do not.
func DecodeStream(f Format, t Type, raw []byte) (*Stream, error) {
	d := newDecoder(f, raw)
	s := &Stream{}
	switch t { //nolint:exhaustive // the others are wrong here
	case TypeStreamListpacks, TypeStreamListpacks2, TypeStreamListpacks3:
		d.stream(t, s)
	default:
		d.wrongType(t)
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	return s, nil
}

func (d *decoder) stream(t Type, s *Stream) {
	for n := d.count(2); n > 0 && d.err == nil; n-- {
		s.Nodes = append(s.Nodes, d.streamNode())
	}
	if !ascending(s.Nodes, func(n *StreamNode) StreamID { return n.Master }) {
		d.corrupt("two stream nodes of one id")
	}
	s.Length, s.LastID = d.number(), d.numberID()
	if d.err != nil {
		return // unsound nodes must not be walked
	}
	if t == TypeStreamListpacks {
		s.EntriesAdded = s.Length
		s.FirstID = s.firstEntry()
	} else {
		s.FirstID, s.MaxDeletedID, s.EntriesAdded = d.numberID(), d.numberID(), d.number()
	}
	if s.Length > 0 && len(s.Nodes) == 0 {
		d.corrupt("stream with a length and without nodes")
	}
	for n := d.count(5); n > 0 && d.err == nil; n-- {
		s.Groups = append(s.Groups, d.streamGroup(t, s))
	}
	if !unique(s.Groups, func(g *StreamGroup) []byte { return g.Name }) {
		d.corrupt("two consumer groups of one name")
	}
}

func (d *decoder) streamNode() StreamNode {
	id := d.string(&d.a)
	if d.err == nil && len(id) != streamID {
		d.corrupt("stream node without an id")
	}
	p := d.string(&d.blob)
	if d.err != nil {
		return StreamNode{}
	}
	n := StreamNode{Master: parseStreamID(id), Listpack: append(make(Listpack, 0, len(p)), p...)}
	if what := checkStreamNode(n.Listpack); what != "" {
		d.corrupt(what)
	}
	return n
}

func (d *decoder) streamGroup(t Type, s *Stream) StreamGroup {
	g := StreamGroup{Name: d.freshString(), LastID: d.numberID()}
	if t == TypeStreamListpacks {
		g.EntriesRead = s.estimateRead(g.LastID)
	} else {
		g.EntriesRead = int64(d.number())
	}
	for n := d.count(streamID + 8 + 1); n > 0 && d.err == nil; n-- {
		g.Pending = append(g.Pending, StreamPending{ID: d.rawID(), DeliveredMs: int64(d.uint64()), Count: d.number()})
	}
	if !ascending(g.Pending, func(p *StreamPending) StreamID { return p.ID }) {
		d.corrupt("pending entry twice in a consumer group")
	}
	for n := d.count(1 + 8 + 1); n > 0 && d.err == nil; n-- {
		g.Consumers = append(g.Consumers, d.streamConsumer(t))
	}
	if !unique(g.Consumers, func(c *StreamConsumer) []byte { return c.Name }) {
		d.corrupt("two consumers of one name")
	}
	if d.err == nil && !g.owned() {
		d.corrupt("pending entries of a group and of its consumers differ")
	}
	return g
}

func (d *decoder) streamConsumer(t Type) StreamConsumer {
	c := StreamConsumer{Name: d.freshString(), SeenMs: int64(d.uint64())}
	c.ActiveMs = c.SeenMs // the best that is known of older ones
	if t == TypeStreamListpacks3 {
		c.ActiveMs = int64(d.uint64())
	}
	for n := d.count(streamID); n > 0 && d.err == nil; n-- {
		c.Pending = append(c.Pending, d.rawID())
	}
	if !ascending(c.Pending, func(id *StreamID) StreamID { return *id }) {
		d.corrupt("pending entry twice in a consumer")
	}
	return c
}

// owned reports whether each pending entry is of one consumer, and the consumers have no others.
func (g *StreamGroup) owned() bool {
	owned := make([]bool, len(g.Pending))
	n := 0
	for _, c := range g.Consumers {
		for _, id := range c.Pending {
			i, found := slices.BinarySearchFunc(g.Pending, id, func(p StreamPending, id StreamID) int { return p.ID.Compare(id) })
			if !found || owned[i] {
				return false
			}
			owned[i] = true
			n++
		}
	}
	return n == len(owned)
}

// freshString decodes a string into fresh memory.
func (d *decoder) freshString() []byte { return slices.Clone(d.string(&d.a)) }

func (d *decoder) numberID() StreamID { return StreamID{Ms: d.number(), Seq: d.number()} }

func (d *decoder) rawID() StreamID { return parseStreamID(d.next(streamID)) }

// parseStreamID returns the id that is stored in p, the zero one if that is too short.
func parseStreamID(p []byte) StreamID {
	if len(p) < streamID {
		return StreamID{}
	}
	return StreamID{Ms: binary.BigEndian.Uint64(p), Seq: binary.BigEndian.Uint64(p[8:])}
}

// ascending brings list in the order of ids, as the radix trees of servers are, and reports whether none is there twice.
func ascending[T any](list []T, id func(*T) StreamID) bool {
	compare := func(a, b T) int { return id(&a).Compare(id(&b)) }
	if !slices.IsSortedFunc(list, compare) {
		slices.SortFunc(list, compare)
	}
	for i := 1; i < len(list); i++ {
		if id(&list[i-1]) == id(&list[i]) {
			return false
		}
	}
	return true
}

// unique reports whether no name is there twice.
func unique[T any](list []T, name func(*T) []byte) bool {
	seen := make(map[string]bool, len(list))
	for i := range list {
		seen[string(name(&list[i]))] = true
	}
	return len(seen) == len(list)
}
