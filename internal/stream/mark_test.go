package stream_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

func someMark(t require.TestingT) stream.Mark {
	id, err := stream.ParseReplID(someID)
	require.NoError(t, err)
	return stream.Mark{Position: stream.Position{ReplID: id, Offset: 107}, UnixMilli: 1700000000123, Durable: 100}
}

func TestMark(t *testing.T) {
	m := someMark(t)
	const text = "#pos " + someID + " 107 1700000000123 100"
	require.Equal(t, text, string(m.AppendText(nil)))
	require.Equal(t, "x*2\r\n$4\r\nPING\r\n$67\r\n"+text+"\r\n", string(m.AppendCommand([]byte("x"))))
	got, ok := stream.ParseMark([]byte(text))
	require.True(t, ok)
	require.Equal(t, m, got)

	m.Position.Offset, m.UnixMilli, m.Durable = math.MaxInt64, math.MaxInt64, math.MaxInt64
	got, ok = stream.ParseMark(m.AppendText(nil))
	require.True(t, ok)
	require.Equal(t, m, got)
}

func TestParseMarkRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"empty":           "",
		"a PING's":        "hello",
		"prefix only":     "#pos ",
		"no durable":      "#pos " + someID + " 107 1",
		"one more":        "#pos " + someID + " 107 1 100 5",
		"blank at end":    "#pos " + someID + " 107 1 100 ",
		"two blanks":      "#pos " + someID + "  107 1 100",
		"upper case":      "#pos " + strings.ToUpper(someID) + " 107 1 100",
		"short id":        "#pos " + someID[1:] + " 107 1 100",
		"negative offset": "#pos " + someID + " -1 1 100",
		"negative time":   "#pos " + someID + " 107 -1 100",
		"sign":            "#pos " + someID + " +107 1 100",
		"leading zero":    "#pos " + someID + " 0107 1 100",
		"overflow":        "#pos " + someID + " 9223372036854775808 1 100",
	} {
		t.Run(name, func(t *testing.T) {
			m, ok := stream.ParseMark([]byte(text))
			require.False(t, ok)
			require.Zero(t, m)
		})
	}
}

func TestLastMark(t *testing.T) {
	m := someMark(t)
	whole := string(m.AppendCommand(nil))
	later := m
	later.Position.Offset++
	for name, tc := range map[string]struct {
		buf  string
		want stream.Mark
	}{
		"empty":               {"", stream.Mark{}},
		"only it":             {whole, m},
		"behind others":       {whole + string(later.AppendCommand(nil)), later},
		"cut in front":        {whole[1:], stream.Mark{}},
		"cut at the end":      {whole[:len(whole)-1], stream.Mark{}},
		"followed":            {whole + "*1\r\n$4\r\nPING\r\n", stream.Mark{}},
		"the end of a value":  {"*2\r\n$4\r\nECHO\r\n$67\r\n" + string(m.AppendText(nil)) + "\r\n", stream.Mark{}},
		"of an older version": {"#pos " + someID + " 107 1\r\n", stream.Mark{}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, stream.LastMark([]byte(tc.buf))) })
	}
}

// A mark is written before every kept command behind dropped ones: it must not allocate.
func TestMarkDoesNotAllocate(t *testing.T) {
	m := someMark(t)
	buf := make([]byte, 0, 256)
	require.Zero(t, testing.AllocsPerRun(100, func() { buf = m.AppendCommand(buf[:0]) }))
}

// FuzzParseMark: what is accepted is written back as the same text.
func FuzzParseMark(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte("#pos "))
	f.Add([]byte("#pos " + someID + " 107 1700000000123 100"))
	f.Add([]byte("#pos " + someID + " 99999999999999999999 1 1"))
	f.Add([]byte("#pos " + someID + " 1 1 1" + strings.Repeat(" 1", 1<<10)))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, ok := stream.ParseMark(text)
		if !ok {
			require.Zero(t, m)
			return
		}
		require.Equal(t, string(text), string(m.AppendText(nil)))
		require.Equal(t, m, stream.LastMark(m.AppendCommand(nil)))
	})
}
