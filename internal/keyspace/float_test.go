package keyspace

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseDouble(t *testing.T) {
	for text, want := range map[string]float64{
		"0": 0, "1": 1, "+1": 1, "-1.5": -1.5, ".5": 0.5, "5.": 5, "1e5": 1e5, "1E-5": 1e-5, "1e+05": 1e5, "00012": 12,
		"0x10": 16, "0X1p3": 8, "-0x.8": -0.5, "0xAp-1": 5, "0x1.8P+1": 3, "0x1p-1074": 5e-324, "0e99999999999": 0, "0x0p99999": 0,
		"inf": math.Inf(1), "-INF": math.Inf(-1), "+infinity": math.Inf(1), "Infinity": math.Inf(1),
		"1e-310": 1e-310, "4.9e-324": 5e-324, "1.7976931348623158e308": math.MaxFloat64, "9007199254740993": 9007199254740992,
	} {
		got, ok := parseDouble([]byte(text))
		require.True(t, ok, text)
		require.InDelta(t, want, got, 0, text)
	}
	negative, ok := parseDouble([]byte("-0"))
	require.True(t, ok)
	require.True(t, math.Signbit(negative))
	for _, text := range []string{
		"", " ", "-", "+", ".", "-.", "e1", ".e1", "1e", "1e+", "1x", " 1", "1 ", "1\x00", "1_0", "1,5", "--1", "+-1", "0x", "0x.", "0x1p", "0xp1", "0b1", "1p1", "0x_1",
		"in", "infi", "infinito", "infinityx", "nan", "-nan", "NaN(1)", "1e400", "-1e400", "0x1p1024", "1e-400", "2e-324", "0x1p-1076", "1d", "1f",
	} {
		_, ok := parseDouble([]byte(text))
		require.False(t, ok, text)
	}
}

func TestParseLimit(t *testing.T) {
	for text, want := range map[string]float64{
		"": 0, "\x00x": 0, "1": 1, "\t\n\v\f\r 1": 1, "1\x00junk": 1, "1e400": math.Inf(1), "-1e400": math.Inf(-1), "1e-400": 0, "0x10": 16,
	} {
		got, ok := parseLimit([]byte(text))
		require.True(t, ok, text)
		require.InDelta(t, want, got, 0, text)
	}
	for _, text := range []string{" ", "1 ", "nan", "x", "1x", "(1", "0x"} {
		_, ok := parseLimit([]byte(text))
		require.False(t, ok, text)
	}
}

func FuzzParseDouble(f *testing.F) {
	for _, text := range []string{"", "1", "-0x1.8p+1", "inf", "1e400", "nan", "0x", "1_0", ".", "1\x00", strings.Repeat("9", 400), "0x" + strings.Repeat("f", 300), "1e" + strings.Repeat("9", 40)} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if score, ok := parseDouble(text); ok {
			require.False(t, math.IsNaN(score))
			again, ok := parseDouble(appendDouble(nil, score))
			require.True(t, ok)
			require.Equal(t, math.Float64bits(score), math.Float64bits(again))
			limit, ok := parseLimit(text)
			require.True(t, ok)
			require.Equal(t, math.Float64bits(score), math.Float64bits(limit))
		}
		if limit, ok := parseLimit(text); ok {
			require.False(t, math.IsNaN(limit))
		}
	})
}
