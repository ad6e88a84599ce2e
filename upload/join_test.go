package upload_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/upload"
)

// joinTo joins objects, and returns the increment.
func joinTo(tb testing.TB, objects []object) []byte {
	tb.Helper()
	data, _ := joinFrom(tb, objects[0].key.From, objects, upload.Cut{})
	return data
}

func joinFrom(tb testing.TB, from stream.Offset, objects []object, cut upload.Cut) ([]byte, upload.Joined) {
	tb.Helper()
	var out bytes.Buffer
	j := upload.NewJoiner(&out, from, 0, cut)
	for _, o := range objects {
		require.NoError(tb, j.Add(tb.Context(), o.key, iotest.HalfReader(bytes.NewReader(o.plain))))
	}
	res, err := j.Finish(0)
	require.NoError(tb, err)
	data := slices.Concat(out.Bytes()[:res.Bytes], res.Tail)
	require.Equal(tb, res.To, stream.LastMark(data))
	require.Equal(tb, res.To.Position.Offset, res.To.Durable)
	return data, res
}

// archived is one history as objects of several sizes, which overlap.
func archived(tb testing.TB, seed uint64, first stream.Offset) (*history, []object) {
	tb.Helper()
	h := newHistory(seed, first)
	var objects []object
	for range 4 {
		h.steps(60)
		data, file := h.close()
		for _, maxBytes := range []int64{1, 1000, math.MaxInt64} {
			objects = append(objects, cutAll(tb, h, data, file, upload.NewCutter(bytes.NewReader(data), file), maxBytes)...)
		}
		seg, err := upload.WholeSegment(bytes.NewReader(data), file, stream.Mark{})
		require.NoError(tb, err)
		objects = append(objects, objectOf(tb, seg))
	}
	return h, objects
}

// chain picks objects at random that cover from..to.
func chain(h *history, objects []object, from, to stream.Offset) []object {
	var got []object
	for at := from; at < to; {
		var fit []object
		for _, o := range objects {
			if o.key.From <= at && o.key.To > at {
				fit = append(fit, o)
			}
		}
		o := fit[h.rng.IntN(len(fit))]
		got = append(got, o)
		at = o.key.To
	}
	return got
}

func TestJoinGivesBackTheLog(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h, objects := archived(t, seed, 1000)
			end := h.offset
			for range 20 {
				starts := h.boundaries(1000)
				from := starts[h.rng.IntN(len(starts)-1)]
				parts := chain(h, objects, from, end)
				data, res := joinFrom(t, from, parts, upload.Cut{})
				got, commands, last := commandsOf(t, data)
				require.Equal(t, from, got.Position.Offset)
				require.Equal(t, end, last.Position.Offset)
				require.Equal(t, h.id, last.Position.ReplID.String())
				require.Equal(t, end, res.To.Position.Offset)
				requireSameCommands(t, h.until(from, end), commands)
				require.Equal(t, int64(len(commands)), res.Commands)

				// What was joined is a segment like any other.
				again := joinTo(t, []object{{key: keyOf(t, data), plain: data}})
				require.Equal(t, data, again)
			}
		})
	}
}

func TestJoinCutsByOffset(t *testing.T) {
	for seed := range uint64(15) {
		h, objects := archived(t, seed, 1000)
		starts := h.boundaries(1000)
		for range 30 {
			from := starts[h.rng.IntN(len(starts)-1)]
			cut := from + stream.Offset(h.rng.Int64N(int64(h.offset-from)+100))
			data, res := joinFrom(t, from, chain(h, objects, from, h.offset), upload.Cut{Offset: &cut})
			want := from
			for _, b := range starts {
				if b >= from && b <= cut {
					want = b
				}
			}
			require.LessOrEqual(t, res.To.Position.Offset, cut)
			_, commands, _ := commandsOf(t, data)
			requireSameCommands(t, h.until(from, want), commands)
			require.GreaterOrEqual(t, res.To.Position.Offset, lastEnd(commands, from))
		}
	}
}

func lastEnd(commands []event, from stream.Offset) stream.Offset {
	if len(commands) == 0 {
		return from
	}
	return commands[len(commands)-1].end
}

func TestJoinCutsByTime(t *testing.T) {
	for seed := range uint64(15) {
		h, objects := archived(t, seed, 1000)
		begin := objects[0].key.FromMilli
		for range 30 {
			at := begin + h.rng.Int64N(h.milli-begin+10)
			parts := chain(h, objects, 1000, h.offset)
			data, res := joinFrom(t, 1000, parts, upload.Cut{UnixMilli: at})
			require.LessOrEqual(t, res.To.UnixMilli, at)
			_, commands, last := commandsOf(t, data)
			require.LessOrEqual(t, last.UnixMilli, at)
			// Segments may state more times than the log does, so that the cut is at its last mark in time or behind it, never behind its next.
			least, most := stream.Offset(1000), h.offset
			boundary := stream.Offset(1000)
			for _, e := range h.events {
				if !e.inMulti {
					boundary = e.end
				}
				if e.bytes != "" {
					continue
				}
				if e.milli <= at {
					least = boundary
				} else {
					most = min(most, boundary)
				}
			}
			require.GreaterOrEqual(t, res.To.Position.Offset, least)
			require.LessOrEqual(t, res.To.Position.Offset, most)
			requireSameCommands(t, h.until(1000, res.To.Position.Offset), commands)
		}
	}
}

func TestJoinKeepsTimeInOrder(t *testing.T) {
	h := newHistory(1, 10)
	h.command(false, "SET", "a", "1")
	data, file := h.close()
	first := wholeObject(t, data, file)
	h.milli -= 3_600_000 // the clock stepped back
	h.open()
	h.command(false, "SET", "a", "2")
	h.writeMark(0, false)
	h.command(false, "SET", "a", "3")
	data, file = h.close()
	second := wholeObject(t, data, file)
	joined, res := joinFrom(t, 10, []object{first, second}, upload.Cut{})
	require.Equal(t, first.key.ToMilli, res.To.UnixMilli)
	_, commands, _ := commandsOf(t, joined)
	requireSameCommands(t, h.until(10, h.offset), commands)
}

func wholeObject(tb testing.TB, data []byte, file stream.LogFile) object {
	tb.Helper()
	seg, err := upload.WholeSegment(bytes.NewReader(data), file, stream.Mark{})
	require.NoError(tb, err)
	return objectOf(tb, seg)
}

func TestJoinWithoutSegments(t *testing.T) {
	var out bytes.Buffer
	j := upload.NewJoiner(&out, 70, 5, upload.Cut{})
	_, err := j.Finish(0)
	require.Error(t, err)
	m := newHistory(1, 70).mark()
	require.NoError(t, j.Begin(3, m.Position))
	res, err := j.Finish(9)
	require.NoError(t, err)
	from, commands, end := commandsOf(t, append(out.Bytes(), res.Tail...))
	require.Empty(t, commands)
	require.Equal(t, m.Position, from.Position)
	require.Equal(t, int64(5), from.UnixMilli)
	require.Equal(t, int64(9), end.UnixMilli)
	require.Equal(t, 3, res.DB)
}

func TestJoinFindsDamage(t *testing.T) {
	h := newHistory(5, 100)
	h.steps(50)
	data, file := h.close()
	o := wholeObject(t, data, file)
	mark := func(change func(*stream.Mark)) []byte {
		m := h.mark()
		change(&m)
		return m.AppendCommand(nil)
	}
	for name, change := range map[string]func(*object){
		"empty":          func(o *object) { o.plain = nil },
		"cut":            func(o *object) { o.plain = o.plain[:len(o.plain)-1] },
		"another begin":  func(o *object) { o.key.From-- },
		"another end":    func(o *object) { o.key.To++ },
		"another time":   func(o *object) { o.key.ToMilli++ },
		"time of begin":  func(o *object) { o.key.FromMilli++ },
		"no mark at end": func(o *object) { o.plain = resp.AppendCommandStrings(o.plain, "SET", "a", "b") },
		"ends in MULTI":  func(o *object) { o.plain = resp.AppendCommandStrings(o.plain, "MULTI") },
		"newline":        func(o *object) { o.plain = append(o.plain, '\n') },
		"garbage":        func(o *object) { o.plain = append(o.plain, "xyz"...) },
		"no head":        func(o *object) { o.plain = o.plain[10:] },
		"mark goes back": func(o *object) { o.plain = append(o.plain, mark(func(m *stream.Mark) { m.Position.Offset-- })...) },
		"mark far away": func(o *object) {
			o.plain = append(o.plain, mark(func(m *stream.Mark) { m.Position.Offset = math.MaxInt64 })...)
		},
		"mark too proud":  func(o *object) { o.plain = append(o.plain, mark(func(m *stream.Mark) { m.Durable++ })...) },
		"huge length":     func(o *object) { o.plain = append(o.plain, "*1\r\n$1099511627776\r\n"...) },
		"behind the hole": func(o *object) { o.key.From += 5 },
	} {
		t.Run(name, func(t *testing.T) {
			bad := object{key: o.key, plain: bytes.Clone(o.plain)}
			change(&bad)
			var out bytes.Buffer
			j := upload.NewJoiner(&out, 100, 0, upload.Cut{})
			err := j.Add(t.Context(), bad.key, bytes.NewReader(bad.plain))
			var damaged *upload.DamagedError
			require.ErrorAs(t, err, &damaged)
			require.Equal(t, bad.key.String(), damaged.Key)
		})
	}
	t.Run("no boundary", func(t *testing.T) {
		ends := h.boundaries(100)
		for _, from := range ends {
			if slices.Contains(ends, from+1) || inDropped(h, from+1) || from == h.offset {
				continue
			}
			err := upload.NewJoiner(&bytes.Buffer{}, from+1, 0, upload.Cut{}).Add(t.Context(), o.key, bytes.NewReader(o.plain))
			require.ErrorContains(t, err, "no boundary")
		}
	})
	t.Run("another database", func(t *testing.T) {
		h.db = 15 - h.db
		h.open()
		h.command(false, "SET", "x", "y")
		data, file := h.close()
		j := upload.NewJoiner(&bytes.Buffer{}, 100, 0, upload.Cut{})
		require.NoError(t, j.Add(t.Context(), o.key, bytes.NewReader(o.plain)))
		next := wholeObject(t, data, file)
		require.ErrorContains(t, j.Add(t.Context(), next.key, bytes.NewReader(next.plain)), "database")
	})
	t.Run("read and write errors", func(t *testing.T) {
		broken := errors.New("broken")
		j := upload.NewJoiner(&bytes.Buffer{}, 100, 0, upload.Cut{})
		require.ErrorIs(t, j.Add(t.Context(), o.key, iotest.ErrReader(broken)), broken)
		j = upload.NewJoiner(brokenWriter{broken}, 100, 0, upload.Cut{})
		require.ErrorIs(t, j.Add(t.Context(), o.key, bytes.NewReader(o.plain)), broken)
	})
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestJoinLargeCommands(t *testing.T) {
	h := newHistory(1, 0)
	big := string(bytes.Repeat([]byte("0123456789abcde\n"), 200_000))
	h.command(false, "SET", "big", big)
	middle := h.offset
	h.command(false, "SET", "big", big)
	data, file := h.close()
	o := wholeObject(t, data, file)
	for _, tc := range []struct{ from, cut, want stream.Offset }{
		{0, h.offset, h.offset}, {0, h.offset - 1, middle}, {middle, h.offset, h.offset}, {middle, h.offset - 1, middle}, {0, middle - 1, 0},
	} {
		joined, res := joinFrom(t, tc.from, []object{o}, upload.Cut{Offset: &tc.cut})
		require.Equal(t, tc.want, res.To.Position.Offset)
		_, commands, _ := commandsOf(t, joined)
		requireSameCommands(t, h.until(tc.from, tc.want), commands)
	}
}

// FuzzJoin: no bytes make it panic, and what it accepts is an increment that it accepts again.
func FuzzJoin(f *testing.F) {
	h := newHistory(3, 77)
	h.steps(40)
	data, file := h.close()
	key := wholeObject(f, data, file).key
	f.Add(data, int64(77), int64(0))
	f.Add(data, int64(100), int64(200))
	f.Add(append(bytes.Clone(data), "*1\r\n$1000000000000\r\n"...), int64(77), int64(0))
	f.Fuzz(func(t *testing.T, plain []byte, from, cut int64) {
		var out bytes.Buffer
		c := upload.Cut{}
		if cut > 0 {
			c.Offset = (*stream.Offset)(&cut)
		}
		j := upload.NewJoiner(&out, stream.Offset(from), 0, c)
		if j.Add(t.Context(), key, bytes.NewReader(plain)) != nil {
			return
		}
		res, err := j.Finish(0)
		if err != nil {
			return
		}
		joined := slices.Concat(out.Bytes()[:res.Bytes], res.Tail)
		require.Equal(t, joined, joinTo(t, []object{{key: keyOf(t, joined), plain: joined}}))
	})
}
