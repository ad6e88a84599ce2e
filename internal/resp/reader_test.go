package resp_test

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// requireReaderAgrees holds a Reader against want, the outcome of a Scanner with AllowAnnotations.
func requireReaderAgrees(t *testing.T, in string, want outcome) {
	t.Helper()
	r := resp.NewReader(strings.NewReader(in))
	end := int64(0)
	for _, f := range want.Commands {
		cmd, err := r.Next()
		require.NoError(t, err)
		require.Equal(t, end, cmd.Start)
		end = cmd.End
		got := found{End: cmd.End, Kind: cmd.Kind, Args: len(cmd.Args)}
		if len(cmd.Args) > 0 {
			got.Arg0, got.Len0 = string(cmd.Args[0][:min(128, len(cmd.Args[0]))]), cmd.Lens[0]
		}
		if len(cmd.Args) > 1 && cmd.Kind != resp.Other {
			got.Arg1, got.Len1 = string(cmd.Args[1][:min(128, len(cmd.Args[1]))]), cmd.Lens[1]
		}
		require.Equal(t, f, got)
	}
	_, err := r.Next()
	_, again := r.Next()
	require.Equal(t, err, again, "an error is final")
	switch {
	case want.Failed:
		var s resp.Scanner
		s.AllowAnnotations = true
		scanned := error(nil)
		for p := []byte(in); scanned == nil; {
			var n int
			n, _, scanned = s.Next(p)
			p = p[n:]
		}
		require.Equal(t, scanned, err, "same place, same words")
	case want.Pending:
		require.Equal(t, io.ErrUnexpectedEOF, err)
	default:
		require.Equal(t, io.EOF, err)
	}
}

func TestReaderAgreesWithScanner(t *testing.T) {
	for name, in := range scannerInputs {
		t.Run(name, func(t *testing.T) { requireReaderAgrees(t, in, naive(in, true)) })
	}
}

func TestReaderKeepsArguments(t *testing.T) {
	long := strings.Repeat("0123456789", 20_000)
	in := command("SET", "key", long, "tail") + "#TS:17\r\n"
	for name, tc := range map[string]struct{ max, kept int }{
		"default": {0, 64 << 10},
		"all":     {-1, len(long)},
		"some":    {1000, 1000},
		"least":   {1, 16},
	} {
		t.Run(name, func(t *testing.T) {
			r := resp.NewReader(iotest.HalfReader(strings.NewReader(in)))
			r.MaxArgBytes = tc.max
			cmd, err := r.Next()
			require.NoError(t, err)
			require.Equal(t, []int64{3, 3, int64(len(long)), 4}, cmd.Lens)
			require.Equal(t, "SET", string(cmd.Args[0]))
			require.Equal(t, "key", string(cmd.Args[1]))
			require.Equal(t, long[:tc.kept], string(cmd.Args[2]))
			require.Equal(t, "tail", string(cmd.Args[3]))

			cmd, err = r.Next()
			require.NoError(t, err)
			require.Equal(t, resp.Annotation, cmd.Kind)
			require.Equal(t, "#TS:17", string(cmd.Line))
			require.Equal(t, int64(len(in)), cmd.End)
		})
	}
}

// TestReaderDoesNotTrustLengths: a torn input that announces much costs no more memory than its bytes.
func TestReaderDoesNotTrustLengths(t *testing.T) {
	for _, in := range []string{"*2147483647\r\n$1\r\nx\r\n", "*1\r\n$1099511627776\r\nx"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := resp.NewReader(strings.NewReader(in))
		r.MaxArgBytes = -1
		_, err := r.Next()
		require.Equal(t, io.ErrUnexpectedEOF, err)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
	}
}

func TestReaderReportsReadError(t *testing.T) {
	broken := errors.New("broken")
	r := resp.NewReader(io.MultiReader(strings.NewReader("*1\r\n$9\r\n"), iotest.ErrReader(broken)))
	_, err := r.Next()
	require.ErrorIs(t, err, broken)
	require.EqualError(t, err, "read command: broken")
}

func TestAppendCommand(t *testing.T) {
	require.Equal(t, "*2\r\n$3\r\nGET\r\n$0\r\n\r\n", string(resp.AppendCommand(nil, []byte("GET"), nil)))
	require.Equal(t, "x*1\r\n$4\r\nPING\r\n", string(resp.AppendCommandStrings([]byte("x"), "PING")))
	require.Equal(t, "x", string(resp.AppendCommand([]byte("x"))))
}

func TestReaderReset(t *testing.T) {
	r := resp.NewReader(strings.NewReader("*1\r\n$4\r\nPI"))
	_, err := r.Next()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	r.Reset(strings.NewReader(command("PING")))
	cmd, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, int64(0), cmd.Start)
	require.Equal(t, resp.Ping, cmd.Kind)
	_, err = r.Next()
	require.ErrorIs(t, err, io.EOF)
}
