package upload_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/upload"
)

// object is a segment as an archive has it, with its plain bytes.
type object struct {
	key   upload.SegmentKey
	plain []byte
}

func objectOf(tb testing.TB, s upload.Segment) object {
	tb.Helper()
	plain, err := io.ReadAll(s.Plain())
	require.NoError(tb, err)
	require.Equal(tb, s.Size(), int64(len(plain)))
	sum := upload.NewSum()
	_, err = sum.Write(plain)
	require.NoError(tb, err)
	return object{key: s.Key(someTimeline, 1, sum.String(), sealer(tb, upload.SealOptions{NoCompression: true})), plain: plain}
}

// cutAll cuts an increment that becomes durable bit by bit.
func cutAll(tb testing.TB, h *history, data []byte, file stream.LogFile, c *upload.Cutter, maxBytes int64) []object {
	tb.Helper()
	var got []object
	for _, limit := range append(limitsOf(tb, h, data), file.Bytes) {
		end := endAt(tb, data[:limit])
		for {
			seg, ok, err := c.Next(tb.Context(), limit, end, maxBytes, limit == file.Bytes || h.rng.IntN(2) == 0)
			require.NoError(tb, err)
			if !ok {
				break
			}
			got = append(got, objectOf(tb, seg))
		}
	}
	return got
}

// limitsOf returns some ends of whole commands outside MULTI.
func limitsOf(tb testing.TB, h *history, data []byte) []int64 {
	tb.Helper()
	var limits []int64
	r := resp.NewReader(bytes.NewReader(data))
	multi := false
	for n := 0; ; n++ {
		cmd, err := r.Next()
		if err != nil {
			return limits
		}
		multi = cmd.Kind == resp.Multi || multi && cmd.Kind != resp.Exec
		if n > 0 && !multi && h.rng.IntN(20) == 0 {
			limits = append(limits, cmd.End)
		}
	}
}

// endAt is what the log says of the end of data.
func endAt(tb testing.TB, data []byte) stream.Mark {
	tb.Helper()
	_, _, end := commandsOf(tb, data)
	return end
}

func TestCutterCutsWhatIsDurable(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := newHistory(seed, 1000)
			h.steps(300)
			data, file := h.close()
			maxBytes := []int64{1, 300, 4000, math.MaxInt64}[seed%4]
			objects := cutAll(t, h, data, file, upload.NewCutter(bytes.NewReader(data), file), maxBytes)
			require.NotEmpty(t, objects)
			at, milli := file.From, int64(0)
			var all []event
			for _, o := range objects {
				require.Equal(t, at, o.key.From, "contiguous")
				require.GreaterOrEqual(t, o.key.FromMilli, milli)
				from, commands, end := commandsOf(t, o.plain)
				require.Equal(t, o.key.From, from.Position.Offset)
				require.Equal(t, o.key.FromMilli, from.UnixMilli)
				require.Equal(t, o.key.To, end.Position.Offset)
				require.Equal(t, o.key.ToMilli, end.UnixMilli)
				all = append(all, commands...)
				at, milli = o.key.To, o.key.ToMilli
			}
			require.Equal(t, file.To, at)
			requireSameCommands(t, h.until(file.From, file.To), all)
		})
	}
}

func TestWholeSegmentIsTheFile(t *testing.T) {
	h := newHistory(1, 0)
	h.steps(200)
	data, file := h.close()
	seg, err := upload.WholeSegment(bytes.NewReader(data), file, stream.Mark{})
	require.NoError(t, err)
	o := objectOf(t, seg)
	require.Equal(t, data, o.plain)
	require.Equal(t, file.From, o.key.From)
	require.Equal(t, file.To, o.key.To)

	file.To++
	_, err = upload.WholeSegment(bytes.NewReader(data), file, stream.Mark{})
	var wrong *upload.LogError
	require.ErrorAs(t, err, &wrong)
}

func TestCutterSeeks(t *testing.T) {
	for seed := range uint64(20) {
		h := newHistory(seed, 500)
		h.steps(100)
		data, file := h.close()
		isBoundary := map[stream.Offset]bool{}
		for _, b := range h.boundaries(file.From) {
			isBoundary[b] = true
		}
		for _, at := range h.boundaries(file.From) {
			for _, off := range []stream.Offset{at, at + 1} {
				c := upload.NewCutter(bytes.NewReader(data), file)
				err := c.Seek(t.Context(), file.Bytes, endAt(t, data), off, h.milli+5)
				if !isBoundary[off] && !inDropped(h, off) {
					var wrong *upload.LogError
					require.ErrorAs(t, err, &wrong, "seed %d offset %d", seed, off)
					continue
				}
				require.NoError(t, err, "seed %d offset %d", seed, off)
				require.Equal(t, off, c.At().Position.Offset)
				seg, ok, err := c.Next(t.Context(), file.Bytes, endAt(t, data), math.MaxInt64, true)
				require.NoError(t, err)
				if !ok {
					require.Equal(t, file.To, off)
					continue
				}
				o := objectOf(t, seg)
				require.Equal(t, h.milli+5, o.key.FromMilli)
				require.Equal(t, h.milli+5, o.key.ToMilli, "times do not go back")
				_, commands, _ := splitOf(t, o.plain)
				requireSameCommands(t, h.until(off, file.To), commands)
			}
		}
	}
}

// inDropped reports whether bytes around off were dropped.
func inDropped(h *history, off stream.Offset) bool {
	before := h.first
	for i, e := range h.events {
		if i > 0 {
			before = h.events[i-1].end
		}
		if e.dropped && before < off && off <= e.end {
			return true
		}
	}
	return false
}

// splitOf is commandsOf for a segment whose marks may go back in time behind its head.
func splitOf(tb testing.TB, plain []byte) (stream.Mark, []event, stream.Mark) {
	tb.Helper()
	j := joinTo(tb, []object{{key: keyOf(tb, plain), plain: plain}})
	return commandsOf(tb, j)
}

func keyOf(tb testing.TB, plain []byte) upload.SegmentKey {
	tb.Helper()
	r := resp.NewReader(bytes.NewReader(plain))
	_, err := r.Next()
	require.NoError(tb, err)
	cmd, err := r.Next()
	require.NoError(tb, err)
	from, ok := stream.ParseMark(cmd.Args[1])
	require.True(tb, ok)
	to := stream.LastMark(plain)
	return upload.SegmentKey{
		Timeline: someTimeline, From: from.Position.Offset, To: to.Position.Offset, FromMilli: from.UnixMilli, ToMilli: to.UnixMilli, Epoch: 1, Sum: someSum,
	}
}

func TestCutterWaits(t *testing.T) {
	h := newHistory(1, 100)
	h.command(false, "SET", "a", "b")
	first := int64(len(h.file))
	h.writeMark(28, false)
	data, file := h.file, stream.LogFile{Name: "x", From: 100}
	c := upload.NewCutter(bytes.NewReader(data), file)

	_, ok := c.Idle(5)
	require.False(t, ok, "not begun")
	end := endAt(t, data[:first])
	seg, ok, err := c.Next(t.Context(), first, end, 1<<20, false)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, int64(1), seg.Commands)

	_, ok, err = c.Next(t.Context(), int64(len(data)), endAt(t, data), 1<<20, false)
	require.NoError(t, err)
	require.False(t, ok, "only the position moved")
	seg, ok, err = c.Next(t.Context(), int64(len(data)), endAt(t, data), 1<<20, true)
	require.NoError(t, err)
	require.True(t, ok)
	require.Zero(t, seg.Commands)
	require.Equal(t, stream.Offset(28), seg.To.Position.Offset-seg.From.Position.Offset)

	_, ok, err = c.Next(t.Context(), int64(len(data)), endAt(t, data), 1<<20, true)
	require.NoError(t, err)
	require.False(t, ok, "nothing")
	late := h.milli + 60_000
	idle, ok := c.Idle(late)
	require.True(t, ok)
	o := objectOf(t, idle)
	require.True(t, o.key.OnlyMark())
	require.Equal(t, late, o.key.ToMilli)

	end = endAt(t, data)
	end.Position.Offset += 14 // dropped, durable, not yet marked
	seg, ok, err = c.Next(t.Context(), int64(len(data)), end, 1<<20, true)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, end.Position.Offset, seg.To.Position.Offset)
	require.Equal(t, late, seg.From.UnixMilli)
	require.Equal(t, late, seg.To.UnixMilli)
}

func TestCutterRefuses(t *testing.T) {
	h := newHistory(1, 100)
	h.command(false, "SET", "a", "b")
	good := h.file
	for name, tc := range map[string]struct {
		data  []byte
		limit int
		end   stream.Offset
	}{
		"no head":            {data: good[20:]},
		"shorter":            {data: good, limit: len(good) + 1},
		"inside a command":   {data: good, limit: len(good) - 1},
		"inside MULTI":       {data: append(bytes.Clone(good), "*1\r\n$5\r\nMULTI\r\n"...)},
		"newline":            {data: append(bytes.Clone(good), '\n')},
		"garbage":            {data: append(bytes.Clone(good), "garbage"...)},
		"commands past end":  {data: good, end: 100},
		"mark goes back":     {data: append(bytes.Clone(good), newHistory(2, 1).mark().AppendCommand(nil)...)},
		"nothing at all":     {},
		"huge length":        {data: append(bytes.Clone(good), "*1\r\n$99999999999999999\r\n"...)},
		"length of a mebi":   {data: append(bytes.Clone(good), "*1\r\n$1048576\r\nx"...)},
		"command in no head": {data: resp.AppendCommandStrings(nil, "SET", "a", "b")},
	} {
		t.Run(name, func(t *testing.T) {
			limit := tc.limit
			if limit == 0 {
				limit = len(tc.data)
			}
			end := h.mark()
			if tc.end != 0 {
				end.Position.Offset = tc.end
			}
			c := upload.NewCutter(bytes.NewReader(tc.data), stream.LogFile{Name: "x"})
			_, _, err := c.Next(t.Context(), int64(limit), end, 1<<20, true)
			var wrong *upload.LogError
			require.ErrorAs(t, err, &wrong)
		})
	}
}

func TestCutterDoesNotAllocatePerCommand(t *testing.T) {
	h := newHistory(1, 100)
	for i := range 20_000 {
		h.command(false, "INCRBY", fmt.Sprint("counter:", i%100), "17")
	}
	data, r := h.file, bytes.NewReader(h.file)
	end := endAt(t, data)
	allocs := testing.AllocsPerRun(5, func() {
		c := upload.NewCutter(r, stream.LogFile{})
		_, ok, err := c.Next(t.Context(), int64(len(data)), end, 1<<20, false)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
	})
	require.Less(t, allocs, 100.0)
}

// FuzzCutter: whatever is in the file, what is cut is an increment that joins again.
func FuzzCutter(f *testing.F) {
	h := newHistory(3, 77)
	h.steps(40)
	data, _ := h.close()
	f.Add(data, int64(len(data)), int64(1))
	f.Add(append(bytes.Clone(data), "*1\r\n$1000000000000\r\n"...), int64(len(data)), int64(100))
	f.Add([]byte("*1"), int64(2), int64(0))
	f.Fuzz(func(t *testing.T, data []byte, limit, maxBytes int64) {
		limit = min(max(limit, 0), int64(len(data)))
		end := newHistory(1, 1<<40).mark()
		c := upload.NewCutter(bytes.NewReader(data), stream.LogFile{Name: "x"})
		var objects []object
		for {
			seg, ok, err := c.Next(t.Context(), limit, end, maxBytes, true)
			if err != nil || !ok {
				break
			}
			objects = append(objects, objectOf(t, seg))
		}
		if len(objects) > 0 {
			joinTo(t, objects)
		}
	})
}
