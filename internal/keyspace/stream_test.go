package keyspace

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// streamSpace returns a Space after commands.
func streamSpace(tb testing.TB, commands ...string) *Space {
	tb.Helper()
	s := New(NewTable(), Options{Format: rdb.Format{Version: 12}})
	for _, args := range split(tb, commands) {
		require.NoError(tb, s.Run(0, toArgs(args)))
	}
	return s
}

func streamOf(tb testing.TB, s *Space) *streamValue {
	tb.Helper()
	v, ok := s.db(0).find([]byte("s")).value.(*streamValue)
	require.True(tb, ok)
	return v
}

func TestParseStreamID(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]rdb.StreamID{
		"0":        {},
		"5":        {Ms: 5},
		"5-3":      {Ms: 5, Seq: 3},
		"\t5-+3":   {Ms: 5, Seq: 3},
		"007-0000": {Ms: 7},
		"5--03":    {Ms: 5, Seq: math.MaxUint64 - 2},
		"18446744073709551615-18446744073709551615": {Ms: math.MaxUint64, Seq: math.MaxUint64},
		"5-3\x00-x": {Ms: 5, Seq: 3},
	} {
		id, ok := parseStreamID([]byte(text))
		require.True(t, ok, "%q", text)
		require.Equal(t, want, id, "%q", text)
	}
	for _, text := range []string{"", "-", "+", "-5", "5-", "5--3", "5-*", "*", "x", "5-x", "5-3-2", "18446744073709551616", "5 ", "1_0", "0x5", strings.Repeat("0", 128)} {
		_, ok := parseStreamID([]byte(text))
		require.False(t, ok, "%q", text)
	}
}

func TestPlansOfStreams(t *testing.T) {
	t.Parallel()
	table := NewTable()
	for command, want := range map[string]Effect{
		"XADD s 1-1 a b": Run,
		"xadd s 5 a b":   Run,
		"XADD s NOMKSTREAM MAXLEN = 5 LIMIT 3 1-1 a b": Run,
		"XADD s * a b":              Carry,
		"XADD s 1-* a b":            Carry,
		"XADD s MAXLEN ~ 5 1-1 a b": Carry,
		"XADD s KEEPREF 1-1 a b":    Carry, // Redis 8.2
		"XADD s IDMP p i 1-1 a b":   Carry, // Redis 8.6
		"XADD s 1-1 a":              Nothing,
		"XTRIM s MINID 1-1":         Run,
		"XTRIM s MAXLEN ~ 5":        Carry,
		"XTRIM s MAXLEN 5 ACKED":    Carry,
		"XDEL s 1-1":                Run,
		"XSETID s 1-1":              Run,
		"XSETID s 1-1 LATER x":      Carry,
		"XACK s g 1-1":              Run,
		"XCLAIM s g c 0 1-1 TIME 5 RETRYCOUNT 1 FORCE JUSTID LASTID 1-1": Run,
		"XCLAIM s g c 0 1-1":               Carry,
		"XCLAIM s g c 0 1-1 TIME 5 IDLE 5": Carry,
		"XCLAIM s g c 1 1-1 TIME 5":        Carry,
		"XCLAIM s g c 0 1-1 TIME -1":       Carry,
		"XCLAIM s g c 0 1-1 TIME 5 LATER":  Carry,
		"XAUTOCLAIM s g c 0 -":             Carry,
		"XREADGROUP GROUP g c STREAMS s >": Carry,
		"XGROUP CREATE s g $":              Run,
		"xgroup create s g $ LATER":        Carry,
		"XGROUP SETID s g $":               Run,
		"XGROUP DESTROY s g":               Run,
		"XGROUP CREATECONSUMER s g c":      Run,
		"XGROUP DELCONSUMER s g c":         Run,
		"XGROUP LATER s g":                 Unknown,
	} {
		var p Plan
		table.Plan(toArgs(strings.Fields(command)), &p)
		require.Equal(t, want, p.Effect, command)
		if want == Run || want == Carry {
			require.Equal(t, []KeyUse{{Key: []byte("s"), DB: SelectedDB, Use: Writes}}, p.Keys, command)
		}
	}
	var p Plan
	table.Plan(toArgs(strings.Fields("XREADGROUP GROUP g c COUNT 5 NOACK STREAMS s t u > > >")), &p)
	require.Len(t, p.Keys, 3)
}

func TestStreamsAskForTime(t *testing.T) {
	t.Parallel()
	s := streamSpace(t, "XGROUP CREATE s g 0 MKSTREAM", "XADD s 1-1 a b", "XADD s 1-2 a b")
	s.SetTime(1000)
	for _, command := range []string{"XGROUP CREATECONSUMER s g made", "XCLAIM s g got 0 1-1 TIME 700 FORCE JUSTID", "XCLAIM s g got 0 1-2 TIME 600 FORCE", "XCLAIM s g none 0 9-9 TIME 800 FORCE"} {
		require.NoError(t, s.Run(0, toArgs(strings.Fields(command))))
	}
	consumers := streamOf(t, s).groups["g"].consumers
	require.Equal(t, &streamConsumer{seen: 1000, active: neverActive}, consumers["made"])
	require.Equal(t, &streamConsumer{seen: 700, active: 700, pending: 2}, consumers["got"])
	require.Equal(t, &streamConsumer{seen: 800, active: neverActive}, consumers["none"], "since Redis 7.2")
}

func TestStreamNodesStayWhatTheyWere(t *testing.T) {
	t.Parallel()
	before := streamOf(t, streamSpace(t, entries(1, 350, "a b")...))
	typ, body := before.appendRDB(nil, rdb.Format{Version: 12})
	s := New(NewTable(), Options{Format: rdb.Format{Version: 12}})
	s.PutRaw(0, []byte("s"), typ, body, rdb.Attributes{})
	for _, command := range []string{"XTRIM s MAXLEN = 320", "XDEL s 1-150", "XADD s 2-1 a b"} {
		require.NoError(t, s.Run(0, toArgs(strings.Fields(command))))
	}
	after := streamOf(t, s)
	require.Len(t, after.nodes, 4)
	require.Equal(t, before.nodes[2], after.nodes[2])
	require.NotEqual(t, before.nodes[0], after.nodes[0])
	require.Equal(t, after.recount(), after.size())
}

// reload makes the stream what its RDB body says.
func reload(t tester, s *Space) {
	t.Helper()
	e := s.db(0).find([]byte("s"))
	if e == nil {
		return
	}
	typ, body := e.value.appendRDB(nil, s.opt.Format)
	v, err := decodeStream(s.opt.Format, typ, body)
	require.NoError(t, err)
	_, again := v.appendRDB(nil, s.opt.Format)
	require.Equal(t, body, again)
	e.value = v
	s.account(e, 1)
}

func TestStreamsLoadedBetweenCommands(t *testing.T) {
	t.Parallel()
	commands := genStreamCommands()
	for _, version := range []int{10, 12} {
		rapid.Check(t, func(rt *rapid.T) {
			f := rdb.Format{Version: version}
			kept, loaded := New(NewTable(), Options{Format: f}), New(NewTable(), Options{Format: f})
			for _, args := range commands.Draw(rt, "commands") {
				require.NoError(rt, kept.Run(0, toArgs(args)))
				require.NoError(rt, loaded.Run(0, toArgs(args)))
				reload(rt, loaded)
			}
			require.Equal(rt, kept.image(), loaded.image())
			require.Equal(rt, kept.Refused(), loaded.Refused())
		})
	}
}

func TestStreamThatDoesNotDecode(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"XADD s 1-1 a b", "XTRIM s MAXLEN 1", "XDEL s 1-1", "XSETID s 1-1", "XACK s g 1-1", claimed("c", "1-1"), "XGROUP CREATE s g 0", "XGROUP SETID s g 0", "XGROUP DESTROY s g", "XGROUP CREATECONSUMER s g c", "XGROUP DELCONSUMER s g c"} {
		s := New(NewTable(), Options{Format: rdb.Format{Version: 12}})
		s.PutRaw(0, []byte("s"), rdb.TypeStreamListpacks3, []byte{1, 2}, rdb.Attributes{})
		var corrupt *rdb.CorruptError
		require.ErrorAs(t, s.Run(0, toArgs(strings.Fields(command))), &corrupt, command)
	}
}

func TestStreamsDoNotGuess(t *testing.T) {
	t.Parallel()
	s := streamSpace(t, "XADD s 1-1 a b", "XGROUP CREATE s g 0")
	_, before := streamOf(t, s).appendRDB(nil, s.opt.Format)
	for _, command := range []string{"XADD s * a b", "XADD s 1-* a b", "XADD s MAXLEN ~ 1 1-2 a b", "XTRIM s MAXLEN ~ 0", "XCLAIM s g c 0 1-1", "XCLAIM s g c 0 1-1 IDLE 5", "XCLAIM s g c 5 1-1 TIME 5", "XREADGROUP GROUP g c STREAMS s >", "XAUTOCLAIM s g c 0 -"} {
		var unknown *UnknownCommandError
		require.ErrorAs(t, s.Run(0, toArgs(strings.Fields(command))), &unknown, command)
	}
	_, after := streamOf(t, s).appendRDB(nil, s.opt.Format)
	require.Equal(t, before, after)
}

// TestStreamFlagsOfAnotherWidth marks entries whose flags take more bytes than servers give them.
func TestStreamFlagsOfAnotherWidth(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"XDEL s 1-2", "XTRIM s MAXLEN 1"} {
		s := streamSpace(t, entries(1, 3, "a b")...)
		v := streamOf(t, s)
		n := &v.nodes[0]
		narrow := []byte{rdb.StreamEntrySameFields, 1}
		wide := []byte{0xf1, rdb.StreamEntrySameFields, 0, 3}
		for r := n.entries(); r.next(); r.skip() {
			require.Equal(t, narrow, []byte(n.Listpack[r.start:r.start+2]))
			n.Listpack = slices.Replace(n.Listpack, r.start, r.start+2, wide...)
			r.list, r.at = n.Listpack, r.at+2
		}
		binary.LittleEndian.PutUint32(n.Listpack, uint32(len(n.Listpack)))
		require.NoError(t, n.Listpack.Check())
		reload(t, s)
		require.True(t, streamOf(t, s).has(rdb.StreamID{Ms: 1, Seq: 2}))
		require.NoError(t, s.Run(0, toArgs(strings.Fields(command))))
		reload(t, s)
		v = streamOf(t, s)
		require.False(t, v.has(rdb.StreamID{Ms: 1, Seq: 2}))
		require.True(t, v.has(rdb.StreamID{Ms: 1, Seq: 3}))
	}
}

func TestStreamClone(t *testing.T) {
	t.Parallel()
	s := streamSpace(t, with(entries(1, 5, "a b"), "XGROUP CREATE s g 0", claimed("c", "1-1"))...)
	v := streamOf(t, s)
	_, before := v.appendRDB(nil, rdb.Format{Version: 12})
	clone, ok := v.clone().(*streamValue)
	require.True(t, ok)
	require.Equal(t, clone.recount(), clone.size())
	for _, command := range []string{"XDEL s 1-2", "XADD s 1-9 a b", claimed("d", "1-1"), "XGROUP CREATE s h 0", "XTRIM s MAXLEN 2", "XGROUP CREATECONSUMER s g e"} {
		require.NoError(t, s.Run(0, toArgs(strings.Fields(command))))
	}
	_, after := clone.appendRDB(nil, rdb.Format{Version: 12})
	require.Equal(t, before, after)
}

func TestXAddAllocatesNothingBesideItsNodes(t *testing.T) { //nolint:paralleltest // counts allocations
	s := streamSpace(t, "XADD s 1-1 a b")
	args := toArgs(strings.Fields("XADD s MAXLEN = 1000 ID sensor 17 temperature 21.5"))
	var plan Plan
	id := make([]byte, 0, 48)
	n := uint64(1)
	allocs := testing.AllocsPerRun(5000, func() {
		n++
		id = appendStreamID(id[:0], rdb.StreamID{Ms: 1, Seq: n})
		args[5] = id
		s.table.Plan(args, &plan)
		require.NoError(t, s.Run(0, args))
	})
	// A node of a hundred entries takes its memory at once, and the list of nodes grows now and then.
	require.Less(t, allocs, 0.05)
	require.EqualValues(t, 1000, streamOf(t, s).length)
}

func TestClaimsAllocateNothing(t *testing.T) { //nolint:paralleltest // counts allocations
	s := streamSpace(t, with(entries(1, 100, "a b"), "XGROUP CREATE s g 0", claimed("c", "1-7"))...)
	claim := toArgs(strings.Fields(claimed("c", "1-5", "LASTID 1-5")))
	ack := toArgs(strings.Fields("XACK s g 1-5"))
	var plan Plan
	allocs := testing.AllocsPerRun(1000, func() {
		s.table.Plan(claim, &plan)
		require.NoError(t, s.Run(0, claim))
		s.table.Plan(ack, &plan)
		require.NoError(t, s.Run(0, ack))
	})
	require.Zero(t, allocs)
}

// FuzzStreams runs commands, each a line, and decodes what comes of them.
func FuzzStreams(f *testing.F) {
	f.Add("XADD s 1-1 a b\nXADD s MAXLEN = 1 2 c d e f\nXDEL s 2-0\nXSETID s 9 ENTRIESADDED 5 MAXDELETEDID 3")
	f.Add("XGROUP CREATE s g $ MKSTREAM ENTRIESREAD -1\nXADD s 1-1 a b\nXCLAIM s g c 0 1-1 TIME 5 RETRYCOUNT 1 FORCE JUSTID LASTID 1-1\nXDEL s 1-1\nXACK s g 1-1")
	f.Add("XGROUP CREATE s g 0 MKSTREAM\nXGROUP CREATECONSUMER s g c\nXGROUP SETID s g + ENTRIESREAD 9223372036854775807\nXGROUP DELCONSUMER s g c\nXGROUP DESTROY s g")
	f.Add("XADD s 18446744073709551615-1 a b\nXADD s 18446744073709551615-18446744073709551615 a b\nXTRIM s MINID 18446744073709551615-2")
	f.Fuzz(func(t *testing.T, text string) {
		s := New(NewTable(), Options{Format: rdb.Format{Version: 12}})
		var plan Plan
		for line := range strings.SplitSeq(text, "\n") {
			args := toArgs(strings.Split(line, " "))
			s.table.Plan(args, &plan)
			if plan.Effect != Run || len(plan.Keys) != 1 || string(plan.Keys[0].Key) != "s" {
				continue
			}
			require.NoError(t, s.Run(0, args))
		}
		e := s.db(0).find([]byte("s"))
		if e == nil || e.value.typeName() != "stream" {
			return
		}
		v := streamOf(t, s)
		require.Equal(t, v.recount(), v.size())
		typ, body := v.appendRDB(nil, rdb.Format{Version: 12})
		again, err := decodeStream(rdb.Format{Version: 12}, typ, body)
		require.NoError(t, err)
		_, same := again.appendRDB(nil, rdb.Format{Version: 12})
		require.Equal(t, body, same)
	})
}

func BenchmarkXAdd(b *testing.B) {
	s := streamSpace(b, "XADD s 0-1 a b")
	args := toArgs(strings.Fields("XADD s MAXLEN = 10000 ID sensor 17 temperature 21.5"))
	id := make([]byte, 0, 48)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		id = appendStreamID(id[:0], rdb.StreamID{Ms: 1, Seq: uint64(n)})
		args[5] = id
		_ = s.Run(0, args)
	}
}

func BenchmarkXClaimXAck(b *testing.B) {
	s := streamSpace(b, with(entries(1, 100000, "a b"), "XGROUP CREATE s g 0")...)
	claim := toArgs(strings.Fields(claimed("c", "ID", "LASTID 1-5")))
	ack := toArgs(strings.Fields("XACK s g ID"))
	id := make([]byte, 0, 48)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		id = appendStreamID(id[:0], rdb.StreamID{Ms: 1, Seq: uint64(n%100000 + 1)})
		claim[5], ack[3] = id, id
		_ = s.Run(0, claim)
		_ = s.Run(0, ack)
	}
}

func BenchmarkStreamLoad(b *testing.B) {
	v := streamOf(b, streamSpace(b, entries(1, 100000, fmt.Sprintf("sensor 17 temperature %s", "21.5"))...))
	f := rdb.Format{Version: 12}
	typ, body := v.appendRDB(nil, f)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		again, err := decodeStream(f, typ, body)
		require.NoError(b, err)
		body = body[:0]
		_, body = again.appendRDB(body, f)
	}
}
