package keyspace

import (
	"maps"
	"slices"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// streamBytes is about what a stream costs without its nodes and groups.
const streamBytes = 200

// streamValue is a stream: nodes as servers have them, so that what no command touched goes out as the bytes that came in.
type streamValue struct {
	nodes        []streamNode // by master
	length       uint64       // entries that are not deleted
	lastID       rdb.StreamID
	firstID      rdb.StreamID // of the first entry that is not deleted; 0-0 if there is none
	maxDeletedID rdb.StreamID // of what XDEL deleted
	entriesAdded uint64
	groups       map[string]*streamGroup
	bytes        int64 // of nodes and groups, about

	// Logs ask for one entry after another, so that a search begins where the last one ended.
	head  streamPlace // of the first entry that is not deleted, at most
	found streamPlace // of the entry that was found last
}

func streamCommands() []command {
	return []command{
		{name: "XADD", arity: -5, plan: planXAdd, run: runXAdd},
		{name: "XTRIM", arity: -4, plan: planXTrim, run: runXTrim},
		{name: "XDEL", arity: -3, plan: writes1, run: runXDel},
		{name: "XSETID", arity: -3, plan: planXSetID, run: runXSetID},
		{name: "XACK", arity: -4, plan: writes1, run: runXAck},
		{name: "XCLAIM", arity: -6, plan: planXClaim, run: runXClaim},
		{name: "XREADGROUP", arity: -7, plan: planXReadGroup}, // what was read at that time, a log does not say
		{name: "XAUTOCLAIM", arity: -6, plan: writes1},        // claims by idle time
		{name: "XGROUP CREATE", arity: -5, plan: planXGroup, run: runXGroupCreate},
		{name: "XGROUP SETID", arity: -5, plan: planXGroup, run: runXGroupSetID},
		{name: "XGROUP DESTROY", arity: 4, plan: writes2, run: runXGroupDestroy},
		{name: "XGROUP CREATECONSUMER", arity: 5, plan: writes2, run: runXGroupCreateConsumer},
		{name: "XGROUP DELCONSUMER", arity: 5, plan: writes2, run: runXGroupDelConsumer},
	}
}

// writes2 is the plan of a command that changes the key behind its subcommand.
func writes2(args [][]byte, p *Plan) { p.add(args[2], Writes) }

func (s *streamValue) typeName() string { return "stream" }

// empty is false: a stream without entries has ids and groups.
func (s *streamValue) empty() bool { return false }

func (s *streamValue) size() int64 { return streamBytes + s.bytes }

func (s *streamValue) clone() value {
	c := *s
	c.nodes = slices.Clone(s.nodes)
	for i := range c.nodes {
		c.nodes[i].Listpack = slices.Clone(c.nodes[i].Listpack)
		c.bytes += c.nodes[i].size() - s.nodes[i].size()
	}
	c.groups = make(map[string]*streamGroup, len(s.groups))
	for name, g := range s.groups {
		c.groups[name] = g.clone()
	}
	return &c
}

func decodeStream(f rdb.Format, t rdb.Type, raw []byte) (value, error) {
	from, err := rdb.DecodeStream(f, t, raw)
	if err != nil {
		return nil, err
	}
	s := &streamValue{
		nodes: make([]streamNode, len(from.Nodes)), length: from.Length,
		lastID: from.LastID, firstID: from.FirstID, maxDeletedID: from.MaxDeletedID, entriesAdded: from.EntriesAdded,
	}
	for i, node := range from.Nodes {
		s.nodes[i] = streamNode(node)
		s.bytes += s.nodes[i].size()
	}
	for i := range from.Groups {
		g := decodeGroup(&from.Groups[i])
		s.addGroup(string(from.Groups[i].Name), g)
	}
	return s, nil
}

func (s *streamValue) appendRDB(dst []byte, f rdb.Format) (rdb.Type, []byte) {
	to := rdb.Stream{
		Nodes: make([]rdb.StreamNode, len(s.nodes)), Length: s.length,
		LastID: s.lastID, FirstID: s.firstID, MaxDeletedID: s.maxDeletedID, EntriesAdded: s.entriesAdded,
	}
	for i, node := range s.nodes {
		to.Nodes[i] = rdb.StreamNode(node)
	}
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		to.Groups = append(to.Groups, s.groups[name].encode(name))
	}
	return rdb.AppendStream(dst, f, &to)
}

// addGroup adds a group under a name that is free.
func (s *streamValue) addGroup(name string, g *streamGroup) {
	if s.groups == nil {
		s.groups = map[string]*streamGroup{}
	}
	s.groups[name] = g
	s.bytes += int64(len(name)) + g.size()
}

// removeGroup removes a group.
func (s *streamValue) removeGroup(name []byte) {
	g := s.groups[string(name)]
	s.bytes -= int64(len(name)) + g.size()
	delete(s.groups, string(name))
}

// findStream returns the stream under key, nil if there is none.
func (c *call) findStream(key []byte) (*streamValue, error) {
	s, _, err := find[*streamValue](c, key)
	return s, err
}
