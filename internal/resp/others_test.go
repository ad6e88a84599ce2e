package resp_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// requireOthersAgree scans in with Others and, where that takes nothing, Next: all but commands of the kind Other is found as want says, and
// Others stops where commands end. It returns how many bytes Others took.
func requireOthersAgree(t *testing.T, want outcome, annotations bool, pieces ...string) (taken int64) {
	t.Helper()
	ends := map[int64]resp.Kind{}
	for _, c := range want.Commands {
		ends[c.End] = c.Kind
	}
	s := resp.Scanner{AllowAnnotations: annotations}
	got := outcome{}
	off := int64(0)
	p := []byte(strings.Join(pieces, ""))
input:
	for ; len(pieces) > 0; pieces = pieces[1:] {
		for left := len(pieces[0]); left > 0; {
			if n := s.Others(p[:left]); n > 0 {
				taken += int64(n)
				off += int64(n)
				require.Equal(t, resp.Other, ends[off], "Others stopped at %d", off)
				require.Contains(t, ends, off)
				left, p = left-n, p[n:]
				continue
			}
			n, done, err := s.Next(p[:left])
			if err != nil {
				syntax := &resp.SyntaxError{}
				require.ErrorAs(t, err, &syntax)
				require.Equal(t, off+int64(n), syntax.Offset)
				require.Zero(t, s.Others(p))
				got.Failed = true
				break input
			}
			off += int64(n)
			left, p = left-n, p[n:]
			if done && s.Kind() != resp.Other {
				got.Commands = append(got.Commands, found{
					End: off, Kind: s.Kind(), Args: s.Args(),
					Arg0: string(s.Arg(0)), Len0: s.ArgLen(0), Arg1: string(s.Arg(1)), Len1: s.ArgLen(1),
				})
			}
		}
	}
	got.Pending = !got.Failed && s.Pending()
	want.Commands = slices.DeleteFunc(slices.Clone(want.Commands), func(f found) bool { return f.Kind == resp.Other })
	if len(want.Commands) == 0 {
		want.Commands = nil
	}
	require.Equal(t, want, got)
	return taken
}

func TestOthersAgreeWithNext(t *testing.T) {
	for name, in := range scannerInputs {
		in = in[:min(len(in), 20_000)]
		t.Run(name, func(t *testing.T) {
			for _, annotations := range []bool{false, true} {
				requireOthersAgree(t, naive(in, annotations), annotations, in)
				requireOthersAgree(t, naive(in, annotations), annotations, cutAtRandom(in, 3)...)
			}
		})
	}
}

// TestOthersTakesCommonShapes wants the fast way to be taken, with arguments of every length that it knows.
func TestOthersTakesCommonShapes(t *testing.T) {
	var in strings.Builder
	for size := range 1000 {
		in.WriteString(command("SET", "key:"+strconv.Itoa(size), strings.Repeat("v", size)))
	}
	for _, name := range []string{"INCR", "PEXPIREAT", "hset", "PFADD", "ZADD", "X"} {
		in.WriteString(command(name, "k", "", "4"))
	}
	whole := in.String() + command("SET", "a", "long enough for the last one")
	require.Equal(t, int64(len(whole)), requireOthersAgree(t, naive(whole, false), false, whole))
	for cut := range 40 {
		in := whole[:len(whole)-cut]
		requireOthersAgree(t, naive(in, false), false, in)
	}
}
