package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

func newBench(t *testing.T) *bench {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return &bench{self: self, dir: t.TempDir(), scale: 1, rounds: 1, progress: t.Output()}
}

func requireMeasured(t *testing.T, m measurement, rec *recording) {
	t.Helper()
	require.Equal(t, rec.bytes(), m.bytes)
	require.Positive(t, m.took)
	require.Positive(t, m.cpu)
	require.Greater(t, m.peak, int64(1<<20))
}

func TestIngestMeasuresTheBareCopy(t *testing.T) {
	b, rec := newBench(t), recordMixed(20_000)
	for _, policy := range allPolicies() {
		m, err := b.ingest(t.Context(), bareCopy(b.self), rec, policy)
		require.NoError(t, err)
		requireMeasured(t, m, rec)
	}
	left, err := os.ReadDir(b.dir)
	require.NoError(t, err)
	require.Empty(t, left, "what a consumer wrote goes with it")
}

// A real server takes the recorded upstream for a primary, snapshot and stream.
func TestIngestMeasuresARealReplica(t *testing.T) {
	b, rec := newBench(t), recordMixed(20_000)
	server := testenv.Pick(t, "redis-8.0").Server()
	for _, policy := range allPolicies() {
		m, err := b.ingest(t.Context(), realReplica(server), rec, policy)
		require.NoError(t, err)
		requireMeasured(t, m, rec)
	}
}

func TestRealReplicaLoadsTheSnapshot(t *testing.T) {
	b := newBench(t)
	_, s, err := b.open(t.Context(), realReplica(testenv.Pick(t, "redis-8.0").Server()), policyNo, 4<<20)
	require.NoError(t, err)
	require.Positive(t, s.link.snapshot.keys)
	require.NoError(t, s.close())
}

func TestConsumerThatFailsIsShownWithItsLastWords(t *testing.T) {
	b := newBench(t)
	c := consumer{name: "broken", argv: func(string, string, string) []string {
		return []string{"sh", "-c", "echo no such thing >&2; exit 3"}
	}}
	_, err := b.ingest(t.Context(), c, recordIncr(10), policyNo)
	require.ErrorIs(t, err, errEnded)
	require.ErrorContains(t, err, "no such thing")
}

func TestConsumerThatIsNotThere(t *testing.T) {
	b := newBench(t)
	c := consumer{argv: func(string, string, string) []string { return []string{"/nowhere/to/be/found"} }}
	_, err := b.ingest(t.Context(), c, recordIncr(10), policyNo)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestDescribe(t *testing.T) {
	b := newBench(t)
	b.sidecar, b.replica = "echo", testenv.Pick(t, "redis-8.0").Server()
	m, err := b.describe(t.Context())
	require.NoError(t, err)
	require.Positive(t, m.Cores)
	require.Greater(t, m.Memory, uint64(1<<20))
	require.Equal(t, "version", m.Commit)
	require.Contains(t, m.Server, "Redis server")
	require.Contains(t, m.FileSystem, " on ")
	require.Contains(t, m.Gateway, "versitygw")
}
