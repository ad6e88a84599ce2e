package stream_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

const someID = "0123456789abcdef0123456789abcdef01234567"

func TestReplID(t *testing.T) {
	id, err := stream.ParseReplID(someID)
	require.NoError(t, err)
	require.Equal(t, someID, id.String())
	require.Equal(t, someID[:8], id.Short())
	require.False(t, id.IsZero())

	upper, err := stream.ParseReplID(strings.ToUpper(someID))
	require.NoError(t, err)
	require.Equal(t, id, upper, "ids compare without case")

	zeros, err := stream.ParseReplID(strings.Repeat("0", stream.ReplIDLen))
	require.NoError(t, err)
	require.False(t, zeros.IsZero(), "forty zeros are an id, though servers use them for none")
}

func TestReplIDZero(t *testing.T) {
	var id stream.ReplID
	require.True(t, id.IsZero())
	require.Equal(t, "?", id.String())
	require.Equal(t, "?", id.Short())
}

func TestParseReplIDRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"empty":        {"", "want 40 hex digits, got 0 bytes"},
		"question":     {"?", "want 40 hex digits, got 1 bytes"},
		"short":        {someID[1:], "got 39 bytes"},
		"long":         {someID + "0", "got 41 bytes"},
		"no digit":     {"g" + someID[1:], "byte 0 is not a hex digit"},
		"blank at end": {someID[1:] + " ", "byte 39 is not a hex digit"},
		"huge":         {strings.Repeat("a", 1<<20), "got 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := stream.ParseReplID(tc.in)
			require.ErrorContains(t, err, tc.want)
			require.Less(t, len(err.Error()), 200, "an error quotes no more than a line of its input")
			require.True(t, id.IsZero())
		})
	}
}

func TestPosition(t *testing.T) {
	id, err := stream.ParseReplID(someID)
	require.NoError(t, err)
	for _, offset := range []stream.Offset{0, 1, math.MaxInt64} {
		want := stream.Position{ReplID: id, Offset: offset}
		got, err := stream.ParsePosition(want.String())
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.False(t, got.IsZero())
	}
	require.Equal(t, someID+":17", stream.Position{ReplID: id, Offset: 17}.String())
}

func TestPositionZero(t *testing.T) {
	var p stream.Position
	require.True(t, p.IsZero())
	require.Equal(t, "?:0", p.String())
	_, err := stream.ParsePosition(p.String())
	require.Error(t, err, "a position without an id is the zero value, it is not written down")
}

func TestParsePositionRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"empty":      {"", "want <replid>:<offset>"},
		"no colon":   {someID, "want <replid>:<offset>"},
		"bad id":     {"x:1", "want 40 hex digits"},
		"no offset":  {someID + ":", "offset is not a whole number >= 0"},
		"negative":   {someID + ":-1", "offset is not a whole number >= 0"},
		"fraction":   {someID + ":1.5", "offset is not a whole number >= 0"},
		"overflow":   {someID + ":9223372036854775808", "offset is not a whole number >= 0"},
		"more colon": {someID + ":1:2", "offset is not a whole number >= 0"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := stream.ParsePosition(tc.in)
			require.ErrorContains(t, err, tc.want)
			require.Zero(t, p)
		})
	}
}

// FuzzParseReplID: what is accepted is written back as the same digits, and reads the same again.
func FuzzParseReplID(f *testing.F) {
	f.Add("")
	f.Add("?")
	f.Add(someID)
	f.Add(strings.ToUpper(someID))
	f.Add(strings.Repeat("\xff", stream.ReplIDLen))
	f.Fuzz(func(t *testing.T, in string) {
		id, err := stream.ParseReplID(in)
		if err != nil {
			require.True(t, id.IsZero())
			return
		}
		require.False(t, id.IsZero())
		require.Equal(t, strings.ToLower(in), id.String())
		again, err := stream.ParseReplID(id.String())
		require.NoError(t, err)
		require.Equal(t, id, again)
	})
}

// FuzzParsePosition: what is accepted survives String and back.
func FuzzParsePosition(f *testing.F) {
	f.Add("")
	f.Add(":")
	f.Add("?:0")
	f.Add(someID + ":0")
	f.Add(someID + ":9223372036854775807")
	f.Add(someID + ":99999999999999999999")
	f.Add(someID + ":-1")
	f.Fuzz(func(t *testing.T, in string) {
		p, err := stream.ParsePosition(in)
		if err != nil {
			require.Zero(t, p)
			return
		}
		require.False(t, p.IsZero())
		require.GreaterOrEqual(t, p.Offset, stream.Offset(0))
		again, err := stream.ParsePosition(p.String())
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}
