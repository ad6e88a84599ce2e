package aof

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// markedStream returns commands with a mark after each, from offset off on; each mark proves the one before it.
func markedStream(h *history, off stream.Offset, n int) []byte {
	var out []byte
	durable := off
	for range n {
		out = stream.Mark{Position: stream.Position{ReplID: h.id, Offset: off}, Durable: durable}.AppendCommand(out)
		cmd := resp.AppendCommandStrings(nil, "SET", "k", strings.Repeat("v", 40))
		out = append(out, cmd...)
		durable, off = off, off+stream.Offset(len(cmd))
	}
	return stream.Mark{Position: stream.Position{ReplID: h.id, Offset: off}, Durable: durable}.AppendCommand(out)
}

// Behind bytes that are no RESP a mark proves something only if the one above it agrees, wherever in the file they are.
func TestProvenBelow(t *testing.T) {
	h := newHistory(t, "a1", 1000, 0)
	other := newHistory(t, "e5", 1000, 0)
	one := string(stream.Mark{Position: stream.Position{ReplID: h.id, Offset: 5000}, Durable: 5000}.AppendCommand(nil))
	set := stream.Offset(len(resp.AppendCommandStrings(nil, "SET", "k", strings.Repeat("v", 40))))
	for name, tc := range map[string]struct {
		file string
		want stream.Offset
	}{
		"nothing":                      {"", 0},
		"no marks":                     {strings.Repeat("\x00", 5000), 0},
		"one mark":                     {one, 0},
		"the same mark twice":          {one + one, 0},
		"a mark that begins":           {one[:60], 0},
		"two marks that agree":         {string(markedStream(h, 1000, 1)), 1000},
		"many marks that agree":        {string(markedStream(h, 1000, 50)), 1000 + 49*set},
		"behind garbage":               {"\x00\x01*2\r\n$4\r\nPING\r\n$" + string(markedStream(h, 1000, 3)), 1000 + 2*set},
		"in front of garbage":          {string(markedStream(h, 1000, 3)) + "\x00garbage", 1000 + 2*set},
		"two stretches":                {string(markedStream(h, 1000, 3)) + "garbage" + string(markedStream(h, 9000, 2)), 9000 + set},
		"the higher one first":         {string(markedStream(h, 9000, 2)) + "garbage" + string(markedStream(h, 1000, 3)), 9000 + set},
		"of another history":           {string(markedStream(other, 1000, 5)), 0},
		"a mark that disagrees before": {one + string(markedStream(h, 1000, 3)), 1000 + 2*set},
		"across windows":               {strings.Repeat("\x00", scanBuffer-30) + string(markedStream(h, 1000, 3)), 1000 + 2*set},
		"far behind":                   {strings.Repeat("x", 3*scanBuffer+17) + string(markedStream(h, 1000, 3)), 1000 + 2*set},
	} {
		t.Run(name, func(t *testing.T) {
			for _, before := range []string{"", "something else that comes before "} {
				file := before + tc.file
				got, err := provenBelow(strings.NewReader(file), int64(len(before)), int64(len(file)), h.id)
				require.NoError(t, err)
				require.Equal(t, tc.want, got)
			}
		})
	}
}

// A value that is made of beginnings of marks costs no more than a few reads of the file.
func TestProvenBelowOfHostileValues(t *testing.T) {
	h := newHistory(t, "a1", 1000, 0)
	valid := string(stream.Mark{Position: stream.Position{ReplID: h.id, Offset: 5000}, Durable: 5000}.AppendCommand(nil))
	for name, unit := range map[string]string{
		"leads":                      markLead,
		"marks":                      valid,
		"marks before long commands": valid + "*1\r\n$400000000\r\n",
		"marks before many commands": valid + strings.Repeat("*1\r\n$1\r\na\r\n", 20),
	} {
		t.Run(name, func(t *testing.T) {
			file := &countingReaderAt{r: strings.NewReader(strings.Repeat(unit, (8<<20)/len(unit)))}
			size := file.r.Size()
			got, err := provenBelow(file, 0, size, h.id)
			require.NoError(t, err)
			require.Zero(t, got)
			require.Less(t, file.read, (maxRereads+4)*size+minRereads)
		})
	}
}

type countingReaderAt struct {
	r    *strings.Reader
	read int64
}

func (c *countingReaderAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(p, off)
	c.read += int64(n)
	return n, err
}
