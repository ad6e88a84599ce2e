package resp_test

import (
	"bytes"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
)

const (
	limitBytes  = 1000
	limitValues = 100
)

func newAnswerLimit() *resp.AnswerLimit {
	return &resp.AnswerLimit{Bytes: limitBytes, Values: limitValues}
}

func TestAnswerLimit(t *testing.T) {
	for in, passed := range map[string]string{
		"+OK\r\n:1\r\n-ERR x\r\n_\r\n":         "+OK\r\n:1\r\n-ERR x\r\n_\r\n",
		"$3\r\nabc\r\n$-1\r\n*-1\r\n*0\r\n":    "$3\r\nabc\r\n$-1\r\n*-1\r\n*0\r\n",
		"*2\r\n$1\r\na\r\n:2\r\n":              "*2\r\n$1\r\na\r\n:2\r\n",
		"$9\r\n$99999\r\n\r\n\r\n+OK\r\n":      "$9\r\n$99999\r\n\r\n\r\n+OK\r\n", // announced within a value
		"$996\r\n":                             "$996\r",
		"$99999999999999999999999999\r\nabc":   "$99999999999999999999999999\r",
		"!1001\r\n":                            "!1001\r",
		"=1001\r\n":                            "=1001\r",
		"$+1001\r\n":                           "$+1001\r",
		"$1001\n":                              "$1001", // parsers may take it for a line, too
		"*51\r\n":                              "*51\r",
		"*30\r\n*30\r\n":                       "*30\r\n*30\r",
		"%51\r\n":                              "%51\r",
		"|51\r\n":                              "|51\r",
		">51\r\n":                              ">51\r",
		"~51\r\n":                              "~51\r",
		"$zero\r\n*x\r\n":                      "$zero\r\n*x\r\n", // the parser's business
		"+" + string(make([]byte, limitBytes)): "+" + string(make([]byte, limitBytes-1)),
	} {
		for _, piece := range []int{1, 7, len(in)} {
			limit, got := newAnswerLimit(), 0
			var err error
			for rest := []byte(in); len(rest) > 0 && err == nil; {
				var n int
				n, err = limit.Take(rest[:min(piece, len(rest))])
				got += n
				rest = rest[n:]
			}
			require.Equal(t, passed, in[:got])
			if len(passed) == len(in) {
				require.NoError(t, err)
				continue
			}
			require.ErrorIs(t, err, resp.ErrAnswerTooLarge)
			limit.Reset()
			n, err := limit.Take([]byte("+OK\r\n"))
			require.Zero(t, n, "for good")
			require.ErrorIs(t, err, resp.ErrAnswerTooLarge)
		}
	}
}

func TestAnswerLimitCountsFromReset(t *testing.T) {
	limit := newAnswerLimit()
	for range 10 {
		n, err := limit.Take([]byte("*40\r\n$900\r\n"))
		require.NoError(t, err)
		require.Equal(t, 11, n)
		_, err = limit.Take(append(bytes.Repeat([]byte("$"), 900), "\r\n"...))
		require.NoError(t, err)
		limit.Reset()
	}
}

// FuzzAnswerLimit: what is passed on announces no more than the bounds to a parser that believes all, and is the same in any pieces.
func FuzzAnswerLimit(f *testing.F) {
	for _, in := range []string{
		"+OK\r\n$3\r\nabc\r\n*2\r\n:1\r\n$-1\r\n", "$9223372036854775807\r\n", "*9223372036854775807\r\n", "%9\r\n|9\r\n*9\r\n~9\r\n>50\r\n", "!1001\r\n",
		"=1001\r\n", "$+1001\r\n", "$0\r\n\r\n$500\r\n", "*1\r\n*1\r\n*1\r\n", "\r\n\n$\r\n$1\n", "$-9223372036854775808\r\n", "$18446744073709551617\r\n",
	} {
		f.Add([]byte(in), uint64(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		whole := newAnswerLimit()
		n, _ := whole.Take(data)
		passed := 0
		pieces := newAnswerLimit()
		for _, piece := range cutAtRandom(string(data), seed) {
			got, err := pieces.Take([]byte(piece))
			passed += got
			if err != nil {
				break
			}
		}
		require.Equal(t, n, passed)
		requireModest(t, data[:n])
	})
}

// requireModest reads values as a parser does that believes what is announced.
func requireModest(t *testing.T, in []byte) {
	t.Helper()
	values := int64(0)
	for len(in) > 0 {
		line, rest, whole := bytes.Cut(in, []byte("\n"))
		if !whole {
			return
		}
		in = rest
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			continue
		}
		n, err := strconv.ParseInt(string(line[1:]), 10, 64)
		switch {
		case n < 0 || err != nil:
		case bytes.IndexByte([]byte("$!="), line[0]) >= 0:
			require.LessOrEqual(t, n, int64(limitBytes))
			in = in[min(int64(len(in)), n+2):]
		case bytes.IndexByte([]byte("*~>%|"), line[0]) >= 0:
			values += n
			require.LessOrEqual(t, values, int64(limitValues))
		}
	}
}
