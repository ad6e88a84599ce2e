package aof

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// history is an upstream's stream from offset start on, with what a log of it must hold.
type history struct {
	id      stream.ReplID // that it began with
	start   stream.Offset
	bytes   []byte
	cmds    []historyCommand
	renames []rename
	keys    int // of the snapshot that it began with

	states map[stream.Offset]map[string]string // see state
}

// state returns what a loader has at a boundary of the history.
func (h *history) state(t require.TestingT, off stream.Offset) map[string]string {
	if h.states == nil {
		h.states = map[stream.Offset]map[string]string{}
	}
	if h.states[off] == nil {
		h.states[off] = stateOf(t, testRDB(h.keys), h.kept(off))
	}
	return h.states[off]
}

// rename is a new id of the same history: a replica of the upstream was promoted.
type rename struct {
	at stream.Offset // how far the history went then: ids before it name nothing past this
	id stream.ReplID
}

// historyCommand is one command of it; end is the offset after it.
type historyCommand struct {
	end     stream.Offset
	dropped bool
	multi   bool // ends inside MULTI
	db      int
}

func replID(t require.TestingT, fill string) stream.ReplID {
	id, err := stream.ParseReplID(strings.Repeat(fill, stream.ReplIDLen)[:stream.ReplIDLen])
	require.NoError(t, err)
	return id
}

func (h *history) add(args ...string) { h.raw(resp.AppendCommandStrings(nil, args...)) }

func (h *history) raw(cmd []byte) {
	var (
		s  resp.Scanner
		tr resp.Tracker
	)
	if n := len(h.cmds); n > 0 {
		tr.DB, tr.Multi = h.cmds[n-1].db, h.cmds[n-1].multi
	}
	for len(cmd) > 0 {
		n, done, err := s.Next(cmd)
		if err != nil || !done {
			panic(fmt.Sprintf("bad command in test: %q", cmd))
		}
		if err := tr.Done(&s); err != nil {
			panic(err)
		}
		h.bytes = append(h.bytes, cmd[:n]...)
		h.cmds = append(h.cmds, historyCommand{end: h.end(), dropped: s.Kind().Dropped(), multi: tr.Multi, db: tr.DB})
		cmd = cmd[n:]
	}
}

// promote gives the history a new id from here on.
func (h *history) promote(id stream.ReplID) {
	h.renames = append(h.renames, rename{at: h.end(), id: id})
}

// idNow is the id that the upstream has now.
func (h *history) idNow() stream.ReplID {
	if n := len(h.renames); n > 0 {
		return h.renames[n-1].id
	}
	return h.id
}

// names reports whether id is or was an id of this history.
func (h *history) names(id stream.ReplID) bool {
	return id == h.id || slices.ContainsFunc(h.renames, func(r rename) bool { return r.id == id })
}

// knows reports whether pos is a position in this history: an id that is no longer the upstream's names nothing past the
// place where the next one took over.
func (h *history) knows(pos stream.Position) bool {
	id := h.id
	for _, r := range h.renames {
		if id == pos.ReplID && pos.Offset <= r.at {
			return true
		}
		id = r.id
	}
	return id == pos.ReplID && pos.Offset >= h.start && pos.Offset <= h.end()
}

func (h *history) end() stream.Offset { return h.start + stream.Offset(len(h.bytes)) }

// boundary returns the last boundary outside MULTI at or before off, and the database there.
func (h *history) boundary(off stream.Offset) (stream.Offset, int) {
	at, db := h.start, 0
	for _, c := range h.cmds {
		if c.end > off {
			break
		}
		if !c.multi {
			at, db = c.end, c.db
		}
	}
	return at, db
}

// kept returns the bytes that a log holds of the stream up to off.
func (h *history) kept(off stream.Offset) []byte {
	var out []byte
	at := h.start
	for _, c := range h.cmds {
		if c.end > off {
			break
		}
		if !c.dropped {
			out = append(out, h.bytes[at-h.start:c.end-h.start]...)
		}
		at = c.end
	}
	return out
}

// grow adds n commands of all sorts.
func (h *history) grow(rng *rand.Rand, n int) {
	for range n {
		switch rng.IntN(14) {
		case 0:
			h.add("PING")
		case 1:
			h.add("REPLCONF", "GETACK", "*")
		case 2:
			h.add("select", fmt.Sprint(rng.IntN(16)))
		case 3:
			h.add("MULTI")
			for range rng.IntN(4) {
				h.add("INCR", fmt.Sprint("tx", rng.IntN(9)))
				if rng.IntN(3) == 0 {
					h.add("PUBLISH", "ch", "in a transaction")
				}
				if rng.IntN(4) == 0 {
					h.add("SELECT", fmt.Sprint(rng.IntN(16)))
				}
			}
			h.add("EXEC")
		case 4:
			h.add("PUBLISH", "ch", strings.Repeat("m", rng.IntN(50)))
		case 5: // a value that looks like marks, at every alignment
			m := stream.Mark{Position: stream.Position{ReplID: h.id, Offset: h.end()}, UnixMilli: 1, Durable: h.end()}
			h.add("SET", "evil", strings.Repeat("x", rng.IntN(30))+string(m.AppendCommand(nil)))
		case 6:
			h.add("SET", "big", strings.Repeat("v", rng.IntN(3000)))
		case 7:
			h.raw([]byte("\n"))
		default:
			h.add("SET", fmt.Sprint("k", rng.IntN(100)), fmt.Sprint(rng.Int64()))
		}
	}
}

// feeder does what the replica does: it cuts the stream into runs.
type feeder struct {
	h   *history
	rng *rand.Rand // nil: runs as long as can be
	now func() int64
}

// feed hands the stream after from, which is a boundary, up to to, which may be anywhere, to the log. It asks again where the log wants that.
func (f feeder) feed(ctx context.Context, l *Log, from, to stream.Offset) error {
	err := f.once(ctx, l, from, to)
	if _, again := errors.AsType[*RejoinError](err); !again {
		return err
	}
	if err := l.Rollback(); err != nil {
		return err
	}
	pos, _, err := l.Resume()
	if err != nil {
		return err
	}
	if err := l.Continue(ctx, f.h.idNow()); err != nil {
		return err
	}
	return f.once(ctx, l, pos.Offset, to)
}

// once is feed on one connection.
func (f feeder) once(ctx context.Context, l *Log, from, to stream.Offset) error {
	run := stream.Run{Whole: true}
	var ready stream.Run // waits until it is known whether another follows
	flush := func() error {
		if run.Len() == 0 {
			return nil
		}
		run.UnixMilli = f.unixMilli()
		before := ready
		ready = run
		run = stream.Run{Whole: true, Multi: run.Multi}
		if before.Len() == 0 {
			return nil
		}
		before.More = f.rng != nil && !f.chance(3)
		return l.Append(ctx, &before)
	}
	at := f.h.start
	for _, c := range f.h.cmds {
		begin := at
		at = c.end
		if c.end <= from {
			continue
		}
		if begin >= to || (c.dropped && c.end > to) {
			break
		}
		if c.dropped {
			if err := f.dropOne(&run, c, int64(c.end-begin), flush); err != nil {
				return err
			}
			continue
		}
		if err := f.keepOne(&run, c, f.h.bytes[begin-f.h.start:min(c.end, to)-f.h.start], c.end <= to, flush); err != nil {
			return err
		}
	}
	if err := flush(); err != nil || ready.Len() == 0 {
		return err
	}
	return l.Append(ctx, &ready)
}

func (f feeder) dropOne(run *stream.Run, c historyCommand, size int64, flush func() error) error {
	if len(run.Data) > 0 || f.chance(4) {
		if err := flush(); err != nil {
			return err
		}
	}
	run.Dropped += size
	if !c.multi {
		run.Boundary, run.DB = run.Dropped, c.db
	}
	return nil
}

func (f feeder) keepOne(run *stream.Run, c historyCommand, p []byte, whole bool, flush func() error) error {
	for len(p) > 1 && f.chance(3) {
		n := 1 + f.rng.IntN(len(p)-1)
		run.Data, run.Whole = append(run.Data, p[:n]...), false
		if err := flush(); err != nil {
			return err
		}
		p = p[n:]
	}
	run.Data, run.Whole, run.Multi = append(run.Data, p...), whole, c.multi
	if whole && !c.multi {
		run.Boundary, run.DB = run.Len(), c.db
	}
	if !whole || f.chance(3) {
		return flush()
	}
	return nil
}

func (f feeder) chance(n int) bool { return f.rng != nil && f.rng.IntN(n) == 0 }

func (f feeder) unixMilli() int64 {
	if f.now == nil {
		return 1_700_000_000_000
	}
	return f.now()
}
