package keyspace

import (
	"maps"
	"slices"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// What a group, a consumer and a pending entry cost, about, beside the names.
const (
	groupBytes    = 160
	consumerBytes = 96
	pendingBytes  = 64
)

// unknownReads says that nobody knows how many entries a group has read.
const unknownReads = -1

// neverActive is the active time of a consumer that got nothing yet.
const neverActive = -1

// streamGroup is a consumer group.
type streamGroup struct {
	lastID      rdb.StreamID
	entriesRead int64 // or unknownReads
	pending     map[rdb.StreamID]pendingEntry
	consumers   map[string]*streamConsumer
}

// streamConsumer is a consumer of a group.
type streamConsumer struct {
	seen, active int64 // Unix milliseconds
	pending      int   // how many of the group's pending entries are its
}

// pendingEntry is an entry that was delivered and not acknowledged.
type pendingEntry struct {
	delivered int64 // Unix milliseconds
	count     uint64
	consumer  *streamConsumer
}

func newStreamGroup(lastID rdb.StreamID, entriesRead int64) *streamGroup {
	return &streamGroup{
		lastID: lastID, entriesRead: entriesRead,
		pending: map[rdb.StreamID]pendingEntry{}, consumers: map[string]*streamConsumer{},
	}
}

// consumer returns the consumer of that name, which it creates if need be.
func (g *streamGroup) consumer(name []byte, now int64) (c *streamConsumer, created bool) {
	if c := g.consumers[string(name)]; c != nil {
		return c, false
	}
	c = &streamConsumer{seen: now, active: neverActive}
	g.consumers[string(name)] = c
	return c, true
}

// drop takes an entry out of the pending ones and reports whether it was there.
func (g *streamGroup) drop(id rdb.StreamID) bool {
	p, found := g.pending[id]
	if !found {
		return false
	}
	p.consumer.pending--
	delete(g.pending, id)
	return true
}

// removeConsumer removes a consumer with what it has pending.
func (g *streamGroup) removeConsumer(name []byte) (freed int64, found bool) {
	c := g.consumers[string(name)]
	if c == nil {
		return 0, false
	}
	freed = consumerBytes + int64(len(name)) + int64(c.pending)*pendingBytes
	if c.pending > 0 {
		maps.DeleteFunc(g.pending, func(_ rdb.StreamID, p pendingEntry) bool { return p.consumer == c })
	}
	delete(g.consumers, string(name))
	return freed, true
}

// size is about how much memory the group takes, its name not counted.
func (g *streamGroup) size() int64 {
	n := groupBytes + int64(len(g.pending))*pendingBytes
	for name := range g.consumers {
		n += consumerBytes + int64(len(name))
	}
	return n
}

func (g *streamGroup) clone() *streamGroup {
	c := newStreamGroup(g.lastID, g.entriesRead)
	twins := make(map[*streamConsumer]*streamConsumer, len(g.consumers))
	for name, consumer := range g.consumers {
		twin := *consumer
		twins[consumer], c.consumers[name] = &twin, &twin
	}
	for id, p := range g.pending {
		p.consumer = twins[p.consumer]
		c.pending[id] = p
	}
	return c
}

// decodeGroup makes a group of what an RDB states; DecodeStream has seen that each pending entry is one consumer's.
func decodeGroup(from *rdb.StreamGroup) *streamGroup {
	g := newStreamGroup(from.LastID, from.EntriesRead)
	delivered := make(map[rdb.StreamID]rdb.StreamPending, len(from.Pending))
	for _, p := range from.Pending {
		delivered[p.ID] = p
	}
	for i := range from.Consumers {
		c, _ := g.consumer(from.Consumers[i].Name, 0)
		c.seen, c.active = from.Consumers[i].SeenMs, from.Consumers[i].ActiveMs
		for _, id := range from.Consumers[i].Pending {
			p := delivered[id]
			g.pending[id] = pendingEntry{delivered: p.DeliveredMs, count: p.Count, consumer: c}
			c.pending++
		}
	}
	return g
}

// encode states the group as an RDB does: all by name and id, as servers' radix trees are.
func (g *streamGroup) encode(name string) rdb.StreamGroup {
	ids := slices.SortedFunc(maps.Keys(g.pending), rdb.StreamID.Compare)
	to := rdb.StreamGroup{
		Name: []byte(name), LastID: g.lastID, EntriesRead: g.entriesRead,
		Pending:   make([]rdb.StreamPending, 0, len(ids)),
		Consumers: make([]rdb.StreamConsumer, 0, len(g.consumers)),
	}
	at := make(map[*streamConsumer]int, len(g.consumers))
	for _, name := range slices.Sorted(maps.Keys(g.consumers)) {
		c := g.consumers[name]
		at[c] = len(to.Consumers)
		to.Consumers = append(to.Consumers, rdb.StreamConsumer{
			Name: []byte(name), SeenMs: c.seen, ActiveMs: c.active, Pending: make([]rdb.StreamID, 0, c.pending),
		})
	}
	for _, id := range ids {
		p := g.pending[id]
		to.Pending = append(to.Pending, rdb.StreamPending{ID: id, DeliveredMs: p.delivered, Count: p.count})
		c := &to.Consumers[at[p.consumer]]
		c.Pending = append(c.Pending, id)
	}
	return to
}
