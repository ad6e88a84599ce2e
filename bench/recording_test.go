package main

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// contents is what a reader finds in a recording.
type contents struct {
	names      map[string]int
	commands   int
	first      string
	inMulti    bool
	lookalikes int
	marks      int
}

func read(t *testing.T, rec *recording) contents {
	t.Helper()
	c := contents{names: map[string]int{}}
	in := resp.NewReader(bytes.NewReader(rec.data))
	for {
		cmd, err := in.Next()
		if errors.Is(err, io.EOF) {
			return c
		}
		require.NoError(t, err)
		name := string(cmd.Args[0])
		if c.commands == 0 {
			c.first = name
		}
		c.commands++
		c.names[name]++
		switch name {
		case "MULTI":
			require.False(t, c.inMulti)
			c.inMulti = true
		case "EXEC":
			require.True(t, c.inMulti)
			c.inMulti = false
		case "PING":
			c.marks += len(cmd.Args) - 1
		case "SET":
			require.Len(t, cmd.Args[1], 16)
		}
		if bytes.HasPrefix(cmd.Args[len(cmd.Args)-1], []byte("*2\r\n$4\r\nPING\r\n$")) {
			c.lookalikes++
		}
	}
}

func TestRecordingsMayFollowThemselves(t *testing.T) {
	for _, rec := range []*recording{recordMixed(50_000), recordIncr(1_000), recordPublish(1_000), recordLookalikes(5_000), recordLarge(3, 1<<21), recordTouches(2_000), recordMixedOver(5_000, 500)} {
		t.Run(rec.name, func(t *testing.T) {
			c := read(t, rec)
			require.Equal(t, rec.commands, c.commands)
			require.Equal(t, "SELECT", c.first)
			require.False(t, c.inMulti)
			require.Zero(t, c.marks, "a value looks like a mark, a command never does")
		})
	}
}

func TestMixedHasAllThatALinkCarries(t *testing.T) {
	c := read(t, recordMixed(50_000))
	for _, name := range []string{
		"SET", "INCR", "HSET", "LPUSH", "RPOP", "SADD", "ZADD", "PEXPIREAT", "DEL",
		"MULTI", "EXEC", "SELECT", "PING", "PUBLISH",
	} {
		require.Positive(t, c.names[name], name)
	}
	require.Zero(t, c.lookalikes)
}

func TestLookalikes(t *testing.T) {
	require.Greater(t, read(t, recordLookalikes(5_000)).lookalikes, 100)
}

func TestLargeValues(t *testing.T) {
	require.Greater(t, len(recordLarge(2, 3<<20).data), 2*3<<20)
}

func TestRecordingsAreTheSameEveryTime(t *testing.T) {
	require.True(t, bytes.Equal(recordMixed(1_000).data, recordMixed(1_000).data))
	require.True(t, bytes.Equal(recordIncr(1_000).data, recordIncr(1_000).data))
}
