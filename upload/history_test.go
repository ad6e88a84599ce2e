package upload_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// event is something in an upstream's history that a log has.
type event struct {
	end     stream.Offset // after it
	bytes   string        // of a command; "" for a mark
	milli   int64         // of a mark
	id      string        // of a mark
	inMulti bool          // the place after it is inside MULTI
	db      int           // selected after it
	dropped bool          // bytes that are not in the log stand before the mark
}

// history makes increments as the log writes them, and knows what they say.
type history struct {
	rng    *rand.Rand
	id     string
	offset stream.Offset
	milli  int64
	db     int

	file   []byte // the present increment
	events []event
	first  stream.Offset // of the history
	begun  stream.Offset // of the increment
}

func newHistory(seed uint64, offset stream.Offset) *history {
	h := &history{rng: rand.New(rand.NewPCG(seed, 7)), id: replID(1), offset: offset, first: offset, milli: 1_763_800_000_000}
	h.open()
	return h
}

func replID(n int) string { return fmt.Sprintf("%040x", n) }

func (h *history) mark() stream.Mark {
	id, err := stream.ParseReplID(h.id)
	if err != nil {
		panic(err)
	}
	return stream.Mark{Position: stream.Position{ReplID: id, Offset: h.offset}, UnixMilli: h.milli, Durable: h.offset}
}

// open begins an increment.
func (h *history) open() {
	h.begun = h.offset
	h.file = resp.AppendCommandStrings(nil, "SELECT", fmt.Sprint(h.db))
	h.file = h.mark().AppendCommand(h.file)
}

func (h *history) command(inMulti bool, args ...string) {
	b := resp.AppendCommandStrings(nil, args...)
	h.file = append(h.file, b...)
	h.offset += stream.Offset(len(b))
	h.events = append(h.events, event{end: h.offset, bytes: string(b), inMulti: inMulti, db: h.db})
}

func (h *history) writeMark(dropped int, inMulti bool) {
	h.offset += stream.Offset(dropped)
	m := h.mark()
	m.Durable -= stream.Offset(h.rng.IntN(2)) * min(m.Durable, 10)
	h.file = m.AppendCommand(h.file)
	h.events = append(h.events, event{end: h.offset, milli: h.milli, id: h.id, inMulti: inMulti, db: h.db, dropped: dropped > 0})
}

// step adds something at a boundary.
func (h *history) step() {
	h.milli += int64(h.rng.IntN(400))
	switch h.rng.IntN(12) {
	case 0:
		h.writeMark(14*h.rng.IntN(4), false)
	case 1:
		h.db = h.rng.IntN(16)
		h.command(false, "SELECT", fmt.Sprint(h.db))
	case 2:
		h.command(true, "MULTI")
		for range h.rng.IntN(4) {
			h.command(true, "SET", fmt.Sprintf("key:%d", h.rng.IntN(100)), "in a transaction")
			if h.rng.IntN(3) == 0 {
				h.writeMark(0, true)
			}
		}
		h.command(false, "EXEC")
	case 3:
		h.command(false, "SET", "large", strings.Repeat("*2\r\n$4\r\nPING\r\n", h.rng.IntN(400)))
	case 4:
		h.file = append(h.file, "#TS:1763800000\r\n"...)
	case 5:
		if h.rng.IntN(5) == 0 {
			h.id = replID(h.rng.IntN(1000))
			h.writeMark(0, false)
		}
	case 6: // a value that looks like a mark
		h.command(false, "SET", "forged", string(h.mark().AppendCommand(nil)))
	default:
		h.command(false, "INCRBY", fmt.Sprintf("counter:%d", h.rng.IntN(1000)), fmt.Sprint(h.rng.IntN(1e6)))
	}
}

func (h *history) steps(n int) {
	for range n {
		h.step()
	}
}

// close ends the increment with a mark and returns it.
func (h *history) close() ([]byte, stream.LogFile) {
	h.writeMark(0, false)
	data := h.file
	file := stream.LogFile{
		Name: fmt.Sprintf("increment at %d", h.begun), From: h.begun, To: h.offset, Closed: true, Bytes: int64(len(data)),
	}
	h.open()
	return data, file
}

// until returns the commands with ends in (from, to].
func (h *history) until(from, to stream.Offset) []event {
	var got []event
	for _, e := range h.events {
		if e.bytes != "" && e.end > from && e.end <= to {
			got = append(got, e)
		}
	}
	return got
}

// boundaries returns all offsets at which there is one, the first included.
func (h *history) boundaries(first stream.Offset) []stream.Offset {
	all := []stream.Offset{first}
	for _, e := range h.events {
		if !e.inMulti && e.end > all[len(all)-1] {
			all = append(all, e.end)
		}
	}
	return all
}

// commandsOf reads an increment: its commands of the stream with the offsets that they end at, and the marks' times must not go back. It returns the
// offset and the time at its end, too.
func commandsOf(tb testing.TB, data []byte) (from stream.Mark, got []event, end stream.Mark) {
	tb.Helper()
	r := resp.NewReader(strings.NewReader(string(data)))
	r.MaxArgBytes = -1
	var tr int
	for n := 0; ; n++ {
		cmd, err := r.Next()
		if err != nil {
			require.ErrorContains(tb, err, "EOF")
			require.Equal(tb, int64(len(data)), cmd.End+int64(len(data)), "a torn command")
			break
		}
		raw := string(data[cmd.Start:cmd.End])
		switch {
		case n == 0:
			require.Equal(tb, "SELECT", string(cmd.Args[0]))
		case cmd.Kind == resp.Ping:
			m, ok := stream.ParseMark(cmd.Args[1])
			require.True(tb, ok)
			if n == 1 {
				from = m
				end = m
			}
			require.GreaterOrEqual(tb, m.Position.Offset, end.Position.Offset)
			require.GreaterOrEqual(tb, m.UnixMilli, end.UnixMilli, "time went back")
			require.LessOrEqual(tb, m.Durable, m.Position.Offset)
			end = m
		case cmd.Kind == resp.Annotation:
		default:
			require.GreaterOrEqual(tb, n, 2)
			end.Position.Offset += stream.Offset(len(raw))
			end.Durable = -1
			got = append(got, event{end: end.Position.Offset, bytes: raw})
			tr += multiStep(cmd.Kind)
		}
	}
	require.Zero(tb, tr, "it ends inside MULTI")
	return from, got, end
}

// multiStep is how far a command goes into a transaction.
func multiStep(k resp.Kind) int {
	if k == resp.Multi {
		return 1
	}
	if k == resp.Exec {
		return -1
	}
	return 0
}

func requireSameCommands(tb testing.TB, want, got []event) {
	tb.Helper()
	require.Len(tb, got, len(want))
	for i := range want {
		require.Equal(tb, want[i].end, got[i].end, "command %d", i)
		require.Equal(tb, want[i].bytes, got[i].bytes, "command %d", i)
	}
}
