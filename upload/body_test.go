package upload

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// segmentOf makes a segment of commands.
func segmentOf(commands ...[]byte) *Segment {
	m := stream.Mark{Position: stream.Position{ReplID: fakeReplID(1), Offset: 100}, UnixMilli: 1}
	to := m
	data := bytes.Join(commands, nil)
	to.Position.Offset += stream.Offset(len(data))
	return &Segment{
		From: m, To: to, head: m.AppendCommand(resp.AppendSelect(nil, 0)), tail: to.AppendCommand(nil), r: bytes.NewReader(data), n: int64(len(data)),
	}
}

func TestExamineRefuses(t *testing.T) {
	set := resp.AppendCommandStrings(nil, "SET", "a", "b")
	good := segmentOf(set)
	x, err := examine(t.Context(), good)
	require.NoError(t, err)
	plain, err := io.ReadAll(good.Plain())
	require.NoError(t, err)
	sum := NewSum()
	_, _ = sum.Write(plain)
	require.Equal(t, sum.String(), x.sum)

	short := segmentOf(set)
	short.To.Position.Offset++
	for name, seg := range map[string]*Segment{
		"torn":            segmentOf(set[:len(set)-1]),
		"garbage":         segmentOf([]byte("garbage\r\n")),
		"inside MULTI":    segmentOf(resp.AppendCommandStrings(nil, "MULTI"), set),
		"another end":     short,
		"EXEC of nothing": segmentOf(resp.AppendCommandStrings(nil, "EXEC")),
	} {
		_, err := examine(t.Context(), seg)
		require.Error(t, err, name)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(ErrLeaseLost)
	_, err = examine(ctx, good)
	require.ErrorIs(t, err, ErrLeaseLost)
}

func TestMomentsAreBoundaries(t *testing.T) {
	set, flush := resp.AppendCommandStrings(nil, "SET", "a", "FLUSHALL"), resp.AppendCommandStrings(nil, "flushALL", "SYNC")
	multi, exec := resp.AppendCommandStrings(nil, "MULTI"), resp.AppendCommandStrings(nil, "EXEC")
	x, err := examine(t.Context(), segmentOf(set, flush, multi, set, flush, exec))
	require.NoError(t, err)
	first := stream.Offset(100 + len(set))
	require.Equal(t, []stream.Offset{first, first + stream.Offset(len(flush))}, x.moments)
}

// TestBytesThatChange: what was named is not what is read then, so nothing is stored.
func TestBytesThatChange(t *testing.T) {
	sealer, err := NewSealer(SealOptions{})
	require.NoError(t, err)
	before, err := readAll(t.Context(), strings.NewReader("abd"))
	require.NoError(t, err)
	p := plainBytes{name: "x", reading: before, size: 3, open: func() io.Reader { return strings.NewReader("abc") }}
	_, err = p.inMemory(sealer)
	var damaged *DamagedError
	require.ErrorAs(t, err, &damaged)

	r, err := p.streamed(sealer).Open()
	require.NoError(t, err)
	_, err = io.ReadAll(r)
	require.ErrorAs(t, err, &damaged)
	require.NoError(t, r.Close())

	store := newMemStore()
	u, err := New(Options{}, newFakeLog(1), store)
	require.NoError(t, err)
	tn := &tenure{Uploader: u, store: store}
	_, err = tn.put(t.Context(), "x", p.streamed(sealer))
	require.ErrorAs(t, err, &damaged, "it is not tried again for ever")
	require.Empty(t, store.objects)
}

func TestStreamedBodyMayBeLeft(t *testing.T) {
	sealer, err := NewSealer(SealOptions{NoCompression: true})
	require.NoError(t, err)
	data := strings.Repeat("x", 1<<20)
	read, err := readAll(t.Context(), strings.NewReader(data))
	require.NoError(t, err)
	p := plainBytes{name: "x", reading: read, size: int64(len(data)), open: func() io.Reader { return strings.NewReader(data) }}
	body := p.streamed(sealer)
	for range 2 {
		r, err := body.Open()
		require.NoError(t, err)
		_, err = io.ReadFull(r, make([]byte, 100))
		require.NoError(t, err)
		require.NoError(t, r.Close())
	}
	r, err := body.Open()
	require.NoError(t, err)
	all, err := io.ReadAll(r)
	require.NoError(t, errors.Join(err, r.Close()))
	require.Equal(t, data, string(all))
}

func BenchmarkExamine(b *testing.B) {
	seg := segmentOf(bytes.Repeat(resp.AppendCommandStrings(nil, "SET", "some:key", strings.Repeat("v", 1000)), 8<<10))
	b.SetBytes(seg.Size())
	b.ReportAllocs()
	for b.Loop() {
		_, err := examine(b.Context(), seg)
		require.NoError(b, err)
	}
}
