package main

import (
	"bufio"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

func TestSkipReplies(t *testing.T) {
	in := bufio.NewReader(strings.NewReader("+OK\r\n:12\r\n$-1\r\n$4\r\na\r\nb\r\n$0\r\n\r\n:7\r\n"))
	require.NoError(t, skipReplies(in, 5))
	line, err := readReply(in)
	require.NoError(t, err)
	require.Equal(t, ":7", string(line))
	require.ErrorContains(t, skipReplies(in, 1), "unexpected EOF")
	require.ErrorContains(t, skipReplies(bufio.NewReader(strings.NewReader("-ERR no\r\n")), 1), "ERR no")
	require.Error(t, skipReplies(bufio.NewReader(strings.NewReader("$x\r\n")), 1))
	require.Error(t, skipReplies(bufio.NewReader(strings.NewReader("$9\r\nabc")), 1))
}

func TestBatchesAreWrites(t *testing.T) {
	list := recordBatches(1, 3, 4)
	require.Len(t, list, 3)
	for _, next := range list {
		require.Equal(t, 4, next.commands)
		c := read(t, &recording{data: next.bytes, times: 1})
		require.Equal(t, 4, c.commands)
		require.Zero(t, c.names["SELECT"]+c.names["MULTI"]+c.names["PUBLISH"])
	}
	require.NotEqual(t, list[0].bytes, recordBatches(2, 1, 4)[0].bytes)
}

// All that clients sent was answered, and has arrived beside the upstream.
func TestLoadArrives(t *testing.T) {
	b := newBench(t)
	b.sidecar, b.replica = program, testenv.Pick(t, "redis-8.0").Server()
	for _, c := range b.companions() {
		alive, h, err := b.host(t.Context(), c, policyEverySec)
		require.NoError(t, err, c.name)
		m, err := fullLoad(alive, h.addr, 20)
		require.NoError(t, err, c.name)
		require.Equal(t, loadConns*20*loadBatch, m.commands)
		require.Len(t, m.latency, loadConns*20)
		paced, err := pacedLoad(alive, h.addr, 2_000, 300*time.Millisecond)
		require.NoError(t, err, c.name)
		require.InDelta(t, 600, paced.commands, loadConns)
		if c.consumer != nil {
			require.NoError(t, h.caughtUp(alive), c.name)
			used, err := h.used(alive)
			require.NoError(t, err, c.name)
			require.Greater(t, used.stream, int64(m.commands*30), c.name)
			require.Positive(t, used.consumerCPU, c.name)
		}
		require.NoError(t, h.close(), c.name)
	}
	requireEmpty(t, b.dir)
}

func TestBound(t *testing.T) {
	require.True(t, atMost(2).met(2))
	require.True(t, atMost(2).met(1))
	require.False(t, atMost(2).met(3))
	require.True(t, least(2).met(2))
	require.True(t, least(2).met(3))
	require.False(t, least(2).met(1))
}

func TestOthersAreWhoIsNotUs(t *testing.T) {
	at := time.Now()
	before := busy{at: at, all: 10 * time.Second, ours: time.Second}
	after := busy{at: at.Add(10 * time.Second), all: 20 * time.Second, ours: 6 * time.Second}
	require.InDelta(t, 0.25, after.others(before, 2), 1e-9)
	now, err := countBusy()
	require.NoError(t, err)
	require.Positive(t, now.ours)
	require.Greater(t, now.all, now.ours)
}
