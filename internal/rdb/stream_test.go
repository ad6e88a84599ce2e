package rdb_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// aNode is a node of two entries, the second with fields of its own, and a deleted one between them.
func aNode(master rdb.StreamID) rdb.StreamNode {
	l := rdb.NewListpack()
	for _, v := range []int64{2, 1, 1} {
		l = l.AppendInt(v)
	}
	l = l.AppendString([]byte("field")).AppendInt(0)
	l = l.AppendInt(rdb.StreamEntrySameFields).AppendInt(0).AppendInt(0).AppendString([]byte("value")).AppendInt(4)
	l = l.AppendInt(rdb.StreamEntrySameFields | rdb.StreamEntryDeleted).AppendInt(1).AppendInt(-1).AppendString([]byte("gone")).AppendInt(4)
	l = l.AppendInt(0).AppendInt(2).AppendInt(5).AppendInt(1).AppendString([]byte("other")).AppendString([]byte(long)).AppendInt(6)
	return rdb.StreamNode{Master: master, Listpack: l}
}

func drawID(t *rapid.T) rdb.StreamID {
	return rdb.StreamID{Ms: rapid.Uint64().Draw(t, "ms"), Seq: rapid.Uint64Range(0, 70_000).Draw(t, "seq")}
}

// drawIDs draws ids that ascend.
func drawIDs(t *rapid.T) []rdb.StreamID {
	ids := rapid.SliceOfNDistinct(rapid.Custom(drawID), 0, 8, func(id rdb.StreamID) rdb.StreamID { return id }).Draw(t, "ids")
	slices.SortFunc(ids, rdb.StreamID.Compare)
	return ids
}

func drawGroup(t *rapid.T) rdb.StreamGroup {
	g := rdb.StreamGroup{Name: drawString(t), LastID: drawID(t), EntriesRead: rapid.Int64Range(-1, 1<<40).Draw(t, "read")}
	consumers := rapid.IntRange(0, 3).Draw(t, "consumers")
	for i := range consumers {
		g.Consumers = append(g.Consumers, rdb.StreamConsumer{
			Name: []byte(strings.Repeat("c", i+1)), SeenMs: rapid.Int64().Draw(t, "seen"), ActiveMs: rapid.Int64Range(-1, 1<<50).Draw(t, "active"),
		})
	}
	if consumers == 0 {
		return g
	}
	for _, id := range drawIDs(t) {
		g.Pending = append(g.Pending, rdb.StreamPending{ID: id, DeliveredMs: rapid.Int64().Draw(t, "delivered"), Count: rapid.Uint64().Draw(t, "count")})
		owner := &g.Consumers[rapid.IntRange(0, consumers-1).Draw(t, "owner")]
		owner.Pending = append(owner.Pending, id)
	}
	return g
}

// TestStreamComesBack: what rapid makes up is the same after it was encoded and decoded, as far as the encoding has it.
func TestStreamComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &rdb.Stream{LastID: drawID(t), FirstID: drawID(t), MaxDeletedID: drawID(t), EntriesAdded: rapid.Uint64().Draw(t, "added")}
		for _, id := range drawIDs(t) {
			s.Nodes = append(s.Nodes, aNode(id))
			s.Length += 2
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "groups") {
			g := drawGroup(t)
			g.Name = append(g.Name, byte(i))
			s.Groups = append(s.Groups, g)
		}
		for version, want := range map[int]rdb.Type{9: rdb.TypeStreamListpacks, 10: rdb.TypeStreamListpacks2, 11: rdb.TypeStreamListpacks3, 80: rdb.TypeStreamListpacks3} {
			f := rdb.Format{Version: version}
			code, body := rdb.AppendStream(nil, f, s)
			require.Equal(t, want, code)
			got, err := rdb.DecodeStream(f, code, body)
			require.NoError(t, err)
			if version >= 11 {
				require.Equal(t, s, got)
			}
			require.Equal(t, s.Nodes, got.Nodes)
			require.Equal(t, []any{s.Length, s.LastID, len(s.Groups)}, []any{got.Length, got.LastID, len(got.Groups)})
		}
	})
}

// TestStreamFirstEntry: an old encoding does not say which entry is the first.
func TestStreamFirstEntry(t *testing.T) {
	node := aNode(rdb.StreamID{Ms: 10, Seq: 5})
	first := func(l rdb.Listpack) rdb.StreamID {
		s := &rdb.Stream{Nodes: []rdb.StreamNode{{Master: node.Master, Listpack: l}}, Length: 2}
		code, body := rdb.AppendStream(nil, rdb.Format{Version: 9}, s)
		got, err := rdb.DecodeStream(redis12, code, body)
		require.NoError(t, err)
		return got.FirstID
	}
	flags := rdb.ListpackStart
	for range 5 {
		_, flags, _ = node.Listpack.Next(flags)
	}
	require.Equal(t, rdb.StreamID{Ms: 10, Seq: 5}, first(node.Listpack))
	l := slices.Clone(node.Listpack).ReplaceInt(flags, 3)
	require.Equal(t, rdb.StreamID{Ms: 12, Seq: 10}, first(l), "the first two are deleted")
	for range 10 {
		_, flags, _ = l.Next(flags)
	}
	require.Equal(t, rdb.StreamID{Ms: math.MaxUint64, Seq: math.MaxUint64}, first(l.ReplaceInt(flags, 1)), "all are")
}

func TestDecodeStreamRefuses(t *testing.T) {
	id := func(n uint64) rdb.StreamID { return rdb.StreamID{Ms: n} }
	pending := []rdb.StreamPending{{ID: id(1)}, {ID: id(2)}}
	group := func(consumers ...rdb.StreamConsumer) *rdb.Stream {
		return &rdb.Stream{Groups: []rdb.StreamGroup{{Name: []byte("g"), Pending: pending, Consumers: consumers}}}
	}
	consumer := func(name string, pending ...rdb.StreamID) rdb.StreamConsumer {
		return rdb.StreamConsumer{Name: []byte(name), Pending: pending}
	}
	node := func(change func(l rdb.Listpack) rdb.Listpack) *rdb.Stream {
		return &rdb.Stream{Nodes: []rdb.StreamNode{{Listpack: change(aNode(id(1)).Listpack)}}}
	}
	replaced := func(nth int, v int64) *rdb.Stream {
		return node(func(l rdb.Listpack) rdb.Listpack {
			pos := rdb.ListpackStart
			for range nth {
				_, pos, _ = l.Next(pos)
			}
			return l.ReplaceInt(pos, v)
		})
	}
	good := group(consumer("a", id(1)), consumer("b", id(2)))
	code, body := rdb.AppendStream(nil, redis12, good)
	_, err := rdb.DecodeStream(redis12, code, body)
	require.NoError(t, err)
	for name, s := range map[string]*rdb.Stream{
		"owned by nobody":       group(consumer("a", id(1))),
		"owned twice":           group(consumer("a", id(1), id(2)), consumer("b", id(2))),
		"owned and not pending": group(consumer("a", id(1), id(2), id(3))),
		"twice in a consumer":   group(consumer("a", id(1), id(1), id(2))),
		"consumer twice":        group(consumer("a", id(1)), consumer("a", id(2))),
		"group twice":           {Groups: append(slices.Clone(good.Groups), good.Groups...)},
		"node twice":            {Nodes: []rdb.StreamNode{aNode(id(1)), aNode(id(1))}},
		"no node":               {Length: 1},
		"empty node":            node(func(rdb.Listpack) rdb.Listpack { return rdb.NewListpack() }),
		"too few entries":       replaced(0, 1),
		"too many entries":      replaced(0, 3),
		"negative entries":      replaced(0, -1),
		"negative deleted":      replaced(1, -1),
		"too many fields":       replaced(2, 2),
		"huge fields":           replaced(2, math.MaxInt64),
		"no terminator":         replaced(4, 1),
		"flags":                 replaced(5, 0),
		"entry's length":        replaced(9, 5),
		"text as count":         node(func(rdb.Listpack) rdb.Listpack { return rdb.NewListpack().AppendString([]byte("x")) }),
	} {
		code, body := rdb.AppendStream(nil, redis12, s)
		_, err := rdb.DecodeStream(redis12, code, body)
		var corrupt *rdb.CorruptError
		require.ErrorAs(t, err, &corrupt, name)
	}
}

// TestDecodeStreamSorts: servers hold ids in order whatever the order in the file.
func TestDecodeStreamSorts(t *testing.T) {
	a, b := rdb.StreamID{Ms: 1}, rdb.StreamID{Ms: 1, Seq: 9}
	code, body := rdb.AppendStream(nil, redis12, &rdb.Stream{
		Nodes: []rdb.StreamNode{aNode(b), aNode(a)},
		Groups: []rdb.StreamGroup{{
			Pending:   []rdb.StreamPending{{ID: b}, {ID: a}},
			Consumers: []rdb.StreamConsumer{{Pending: []rdb.StreamID{b, a}}},
		}},
	})
	s, err := rdb.DecodeStream(redis12, code, body)
	require.NoError(t, err)
	require.Equal(t, []rdb.StreamID{a, b}, []rdb.StreamID{s.Nodes[0].Master, s.Nodes[1].Master})
	require.Equal(t, []rdb.StreamID{a, b}, s.Groups[0].Consumers[0].Pending)
	require.Equal(t, a, s.Groups[0].Pending[0].ID)
}
