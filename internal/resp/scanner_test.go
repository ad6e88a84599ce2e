package resp_test

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// scan runs s over the pieces and collects what it reports. It checks the rules of Next on the way.
func scan(t *testing.T, s *resp.Scanner, pieces ...string) outcome {
	t.Helper()
	var out outcome
	base := int64(0)
	for _, piece := range pieces {
		p := []byte(piece)
		for len(p) > 0 {
			n, done, err := s.Next(p)
			require.LessOrEqual(t, n, len(p))
			if err != nil {
				var syntax *resp.SyntaxError
				require.ErrorAs(t, err, &syntax)
				require.Equal(t, base+int64(n), syntax.Offset)
				_, _, again := s.Next(p)
				require.Equal(t, err, again, "an error is final")
				out.Failed = true
				return out
			}
			base += int64(n)
			if !done {
				require.Equal(t, len(p), n, "a command that is not done takes everything")
				require.True(t, s.Pending())
				break
			}
			require.False(t, s.Pending())
			out.Commands = append(out.Commands, found{
				End: base, Kind: s.Kind(), Args: s.Args(),
				Arg0: string(s.Arg(0)), Len0: s.ArgLen(0), Arg1: string(s.Arg(1)), Len1: s.ArgLen(1),
			})
			clear(p[:n]) // no reference to the input may be kept
			p = p[n:]
		}
	}
	out.Pending = s.Pending()
	return out
}

func command(args ...string) string { return string(resp.AppendCommandStrings(nil, args...)) }

var scannerInputs = map[string]string{
	"one":                command("SET", "k", "v"),
	"empty arguments":    command("SET", "", ""),
	"no name":            command(""),
	"every kind":         command("select", "3") + command("MULTI") + command("Exec") + command("pInG") + command("PING", "#pos x 1 2") + command("REPLCONF", "GETACK", "*") + command("publish", "c", "m") + command("SPUBLISH", "c", "m") + command("CLUSTER", "SETSLOT", "1") + command("cluster") + command("CLUSTER", "FlushSlot", "7"),
	"nearly a kind":      command("PONG") + command("EXEK") + command("MULTJ") + command("SELECU", "1") + command("PUBLISI") + command("CLUSTES") + command("REPLCONG") + command("SPUBLISI") + command("PIN\x07") + command("\x50ing\x00"),
	"bit 5 is no case":   command("\x10ING") + command("PING"[:3]+"\x07") + command("CLUSTER", "FLUSHSL\x0fT"),
	"newlines":           "\n\r\n" + command("PING") + "\n",
	"annotation":         "#TS:1700000000\r\n" + command("GET", "k") + "#x\n",
	"annotation longest": "#" + strings.Repeat("x", 1021) + "\n" + command("PING"),
	"annotation long":    "#" + strings.Repeat("x", 1022) + "\n" + command("PING"),
	"annotation torn":    "#" + strings.Repeat("x", 500),
	"many arguments":     command(strings.Split(strings.Repeat("MSET key value ", 400), " ")...),
	"long arguments":     command("SET", strings.Repeat("k", 999), strings.Repeat("v", 100_000)),
	"long name":          command(strings.Repeat("PING", 100), "x"),
	"long argument 1":    command("PING", strings.Repeat("x", 4000)),
	"looks like RESP":    command("SET", "k", command("PING")),
	"inline":             "PING\r\n",
	"inline CR":          "\rPING",
	"blank before":       " " + command("PING"),
	"nul":                "\x00",
	"zero arguments":     "*0\r\n",
	"null array":         "*-1\r\n",
	"no count":           "*\r\n",
	"plus count":         "*+1\r\n$1\r\nx\r\n",
	"count with a zero":  "*01\r\n$1\r\nx\r\n",
	"count largest":      "*2147483647\r\n$1\r\nx\r\n",
	"count too large":    "*2147483648\r\n",
	"count of 10^18":     "*1000000000000000000\r\n",
	"count overflow":     "*99999999999999999999999999\r\n",
	"count letter":       "*1x\r\n",
	"count blank":        "*1 \r\n",
	"count without CR":   "*1\n$1\r\nx\r\n",
	"count without LF":   "*1\r$1\r\nx\r\n",
	"zero without LF":    "*0\rx",
	"null bulk":          "*1\r\n$-1\r\n",
	"bulk with a zero":   "*1\r\n$01\r\nx\r\n",
	"bulk two zeros":     "*1\r\n$00\r\n\r\n",
	"bulk largest":       "*1\r\n$1099511627776\r\nx",
	"bulk too large":     "*1\r\n$1099511627777\r\nx",
	"bulk of 10^18":      "*1\r\n$1000000000000000000\r\n",
	"bulk overflow":      "*1\r\n$18446744073709551617\r\nx\r\n",
	"bulk no mark":       "*1\r\n1\r\nx\r\n",
	"bulk letter":        "*1\r\n$a\r\nx\r\n",
	"bulk letter 2":      "*1\r\n$1a\r\nx\r\n",
	"bulk letter 3":      "*1\r\n$12a\r\nx\r\n",
	"bulk LF only":       "*1\r\n$1\nx\r\n",
	"argument short":     "*1\r\n$5\r\nPING\r\n" + command("PING"),
	"argument long":      "*1\r\n$3\r\nPING\r\n",
	"argument LF only":   "*1\r\n$4\r\nPING\n" + command("PING"),
	"argument CR only":   "*1\r\n$4\r\nPING\r\r\n",
	"garbage":            strings.Repeat("\xff\x00*$\r\n", 20),
	"garbage after":      command("PING") + "garbage",
}

// TestScannerAgreesWithNaive holds the Scanner against a parser without state, in one piece, byte by byte, and cut in two at every place.
func TestScannerAgreesWithNaive(t *testing.T) {
	for name, in := range scannerInputs {
		t.Run(name, func(t *testing.T) {
			for _, annotations := range []bool{false, true} {
				want := naive(in, annotations)
				s := resp.Scanner{AllowAnnotations: annotations}
				require.Equal(t, want, scan(t, &s, in), "in one piece")
				s.Reset()
				require.Equal(t, want, scan(t, &s, strings.Split(in, "")...), "byte by byte")
				for cut := 0; cut <= min(len(in), 600); cut++ {
					s.Reset()
					require.Equal(t, want, scan(t, &s, in[:cut], in[cut:]), "cut at %d", cut)
				}
			}
		})
	}
}

func TestScannerErrorPlace(t *testing.T) {
	for _, tc := range []struct {
		in   string
		off  int64
		what string
	}{
		{"x", 0, "want * before a command"},
		{"#\n", 0, "want * before a command"},
		{"\rx", 1, "inline command"},
		{"*x", 1, "want a decimal digit"},
		{"*-1\r\n", 1, "want a decimal digit"},
		{"*\r\n", 1, "want a decimal digit"},
		{"*01", 2, "number with a leading zero"},
		{"*0\r\n", 3, "command without arguments"},
		{"*1\rx", 3, "want CRLF after a number"},
		{"*2147483648", 10, "number too large"},
		{"*1\r\n:1\r\n", 4, "want $ before an argument"},
		{"*1\r\n$1000000000000000000\r\n", 18, "number too large"},
		{"*1\r\n$1\r\nxyz", 9, "want CRLF after an argument"},
		{"*1\r\n$1\r\nx\rz", 10, "want CRLF after an argument"},
	} {
		t.Run(strconv.Quote(tc.in), func(t *testing.T) {
			lead := command("PING")
			var s resp.Scanner
			_, done, err := s.Next([]byte(lead))
			require.NoError(t, err)
			require.True(t, done)
			_, _, err = s.Next([]byte(tc.in))
			require.Equal(t, &resp.SyntaxError{Offset: int64(len(lead)) + tc.off, What: tc.what}, err)
			require.ErrorContains(t, err, tc.what)

			s.Reset()
			_, done, err = s.Next([]byte(lead))
			require.NoError(t, err)
			require.True(t, done, "Reset forgets the error")
		})
	}
}

func TestScannerEmptyPiece(t *testing.T) {
	var s resp.Scanner
	for _, p := range []string{"", command("PING"), "", "*1\r\n", ""} {
		n, done, err := s.Next([]byte(p))
		require.NoError(t, err)
		require.Equal(t, len(p), n)
		require.Equal(t, p == command("PING"), done)
	}
	require.True(t, s.Pending())
}

// TestScannerEarlyKind tells for each command after how many bytes its kind must be known, and not before.
func TestScannerEarlyKind(t *testing.T) {
	for _, tc := range []struct {
		in    string
		after string
		kind  resp.Kind
	}{
		{command("SET", "k", "v"), "*3\r\n$3\r\nSET\r\n", resp.Other},
		{command("publish", "c", "m"), "*3\r\n$7\r\npublish\r\n", resp.Publish},
		{command("PING", "x"), "*2\r\n$4\r\nPING\r\n", resp.Ping},
		{command("CLUSTER", "SETSLOT", "x"), "*3\r\n$7\r\nCLUSTER\r\n$7\r\nSETSLOT\r\n", resp.ClusterOther},
		{command("CLUSTER", "flushslot", "x"), "*3\r\n$7\r\nCLUSTER\r\n$9\r\nflushslot\r\n", resp.Other},
		{"\r\n", "\r", resp.Newline},
		{"#TS:1\r\n", "#", resp.Annotation},
	} {
		s := resp.Scanner{AllowAnnotations: true}
		for i := range len(tc.in) {
			kind, known := s.EarlyKind()
			require.Equal(t, i >= len(tc.after), known, "%q", tc.in[:i])
			if known {
				require.Equal(t, tc.kind, kind)
			}
			_, done, err := s.Next([]byte(tc.in[i : i+1]))
			require.NoError(t, err)
			require.Equal(t, i == len(tc.in)-1, done)
		}
		require.Equal(t, tc.kind, s.Kind())
		_, known := s.EarlyKind()
		require.False(t, known, "nothing is pending")
	}
}

func TestKindDropped(t *testing.T) {
	for kind, dropped := range map[resp.Kind]bool{
		resp.Other: false, resp.Select: false, resp.Multi: false, resp.Exec: false, resp.Annotation: false,
		resp.Ping: true, resp.Replconf: true, resp.Publish: true, resp.ClusterOther: true, resp.Newline: true,
	} {
		require.Equal(t, dropped, kind.Dropped(), kind.String())
	}
	require.Equal(t, "unknown", resp.Kind(99).String())
}

// TestScannerDoesNotAllocate covers both ways: commands whole in a piece, and cut at every byte.
func TestScannerDoesNotAllocate(t *testing.T) {
	in := []byte(scannerInputs["every kind"] + scannerInputs["long arguments"] + scannerInputs["newlines"])
	var s resp.Scanner
	for _, piece := range []int{len(in), 1, 7, 4096} {
		require.Zero(t, testing.AllocsPerRun(10, func() {
			for rest := in; len(rest) > 0; {
				n, _, err := s.Next(rest[:min(piece, len(rest))])
				if err != nil {
					panic(err)
				}
				rest = rest[n:]
			}
		}), "pieces of %d", piece)
	}
}

// FuzzScanner: any split gives the same as one piece, and the naive and the reading parser agree.
func FuzzScanner(f *testing.F) {
	for _, in := range scannerInputs {
		in = in[:min(len(in), 2000)] // the engine is slow on more
		f.Add([]byte(in), uint64(1), false)
		f.Add([]byte(in), uint64(2), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64, annotations bool) {
		in := string(data)
		want := naive(in, annotations)
		s := resp.Scanner{AllowAnnotations: annotations}
		require.Equal(t, want, scan(t, &s, in))

		s.Reset()
		require.Equal(t, want, scan(t, &s, cutAtRandom(in, seed)...))

		requireOthersAgree(t, want, annotations, in)
		requireOthersAgree(t, want, annotations, cutAtRandom(in, seed)...)

		if annotations {
			requireReaderAgrees(t, in, want)
		}
	})
}

func cutAtRandom(in string, seed uint64) []string {
	rng := rand.New(rand.NewPCG(seed, 0))
	var pieces []string
	for in != "" {
		n := 1 + rng.IntN(min(len(in), 1+rng.IntN(40)))
		pieces = append(pieces, in[:n])
		in = in[n:]
	}
	return pieces
}
