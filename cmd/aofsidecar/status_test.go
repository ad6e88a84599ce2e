package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/observe"
	"github.com/aofsidecar/aofsidecar/replica"
)

func TestStatusText(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	seconds := 0.25
	bytesBehind := int64(7)
	status := Status{
		Version: "v1", Started: ago(time.Hour), NotReady: "not streaming: backing off",
		Upstream: UpstreamStatus{
			Addr: "redis:6379", Phase: "backing off", Since: ago(90 * time.Second), Server: "valkey", Version: "9.1.2",
			NextTry: now.Add(5 * time.Second), FullResyncs: 1, PartialResyncs: 2, FailedSnapshots: 3,
			LastFailure: &FailureStatus{At: ago(time.Minute), Class: "network", Message: "connection reset"},
		},
		Log: aof.Status{
			Dir: "/data", Fsync: aof.FsyncEverySec, Timeline: "00000001-aaaaaaaa", ReplID: "aaaa", Received: 107, Durable: 100,
			BaseBytes: 1 << 20, Increments: 2, IncrementsBytes: 3 << 10, FreeBytes: 1 << 30, DiskFull: true, Awaiting: true, Failed: "sync: EIO",
			Retained: []aof.Retained{{Timeline: "t", Guard: &aof.Guard{Timeline: "t", KeysWas: 9, KeysNow: 0, At: ago(2 * time.Minute)}}},
		},
		Lag: observe.Lag{Durable: observe.StageLag{Bytes: &bytesBehind, Seconds: &seconds}},
	}
	var out bytes.Buffer
	require.NoError(t, writeStatus(&out, status, now))
	require.Equal(t, `ready         no: not streaming: backing off
upstream      redis:6379 (valkey 9.1.2), backing off for 1m30s
last failure  1m ago, network: connection reset
next try      in 5s
resyncs       1 full, 2 partial, 3 failed snapshots
directory     /data, appendfsync everysec
position      aaaa:107 received, 100 durable, timeline 00000001-aaaaaaaa
lag           received not known, durable 7 bytes and 0.2 s
size          base 1.0 MiB, 2 increments 3.0 KiB
disk          1.0 GiB free, FULL: reading has stopped
failed        sync: EIO
tail          of the last run is kept until the upstream answers
guard         TRIPPED 2m ago: 9 keys became 0; timeline t is kept until `+"`aofsidecar unpin t`"+`
version       v1, up 1h
`, out.String())

	out.Reset()
	status = Status{Ready: true, Log: aof.Status{FreeBytes: -1, Durable: -1}}
	require.NoError(t, writeStatus(&out, status, now))
	require.Contains(t, out.String(), "ready      yes\n")
	require.Contains(t, out.String(), "none yet")
	require.NotContains(t, out.String(), "disk")
}

func TestUpstreamStatus(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	state := replica.State{
		Phase: replica.PhaseBackingOff, Since: at, NextTry: at, LastFailureAt: at,
		LastFailure: replica.Failure{Class: replica.ClassRefused, Err: errors.New("NOAUTH"), Phase: replica.PhaseHandshake, InRow: 2},
	}
	text, err := json.Marshal(upstreamStatus("h:1", state))
	require.NoError(t, err)
	require.JSONEq(t, `{
		"addr": "h:1", "phase": "backing off", "since": "2026-11-22T12:00:00Z", "next_try": "2026-11-22T12:00:00Z",
		"last_failure": {"at": "2026-11-22T12:00:00Z", "class": "refused", "phase": "handshake", "message": "NOAUTH", "in_row": 2},
		"snapshot_bytes": 0, "snapshot_total": 0, "full_resyncs": 0, "partial_resyncs": 0, "failed_snapshots": 0, "received_bytes": 0
	}`, string(text))
	state.Phase = replica.PhaseStreaming
	state.ReceivedAt = at
	streaming := upstreamStatus("h:1", state)
	require.Zero(t, streaming.NextTry)
	require.Equal(t, at, streaming.ReceivedAt)
}

func TestKeysText(t *testing.T) {
	require.Equal(t, "0 keys", keysText(0))
	require.Equal(t, "an unknown number of keys", keysText(-1))
}
