package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
	"github.com/aofsidecar/aofsidecar/upload"
)

// newVault is an S3 server for a test of its own, whose credentials are set as long as that.
func newVault(t *testing.T) (*bench, *vault) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", s3gateway.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3gateway.SecretKey)
	t.Setenv("AWS_REGION", s3gateway.Region)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	b := newBench(t)
	b.sidecar, b.scale = program, 0.002
	v, err := openVault(t.Context(), b.dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, v.gateway.Close()) })
	return b, v
}

func requireNothingLeft(t *testing.T, b *bench, v *vault) {
	t.Helper()
	requireEmpty(t, v.bucket)
	left, err := os.ReadDir(b.dir)
	require.NoError(t, err)
	require.Len(t, left, 1) // the server's own
}

func TestTransfersAreMeasured(t *testing.T) {
	b, v := newVault(t)
	var r archiveReport
	require.NoError(t, b.transferAll(t.Context(), v, &r))
	require.Len(t, r.moves, 1)
	for _, direction := range []string{nameShip, nameRestore} {
		for _, who := range []string{namePlain, nameZstd, nameNone} {
			m := r.moves[0][direction][who]
			require.GreaterOrEqual(t, m.bytes, int64(b.scaled(transferBytes)), who)
			require.Positive(t, m.took, who)
			require.Positive(t, m.cpu, who)
			switch who {
			case nameZstd:
				require.Less(t, m.stored, m.bytes, who)
			default:
				require.GreaterOrEqual(t, m.stored, int64(b.scaled(transferBytes)), who)
			}
		}
	}
	requireNothingLeft(t, b, v)
}

// The archive that is laid out by hand is one that restore takes.
func TestPiecesAreRestored(t *testing.T) {
	b, v := newVault(t)
	var r archiveReport
	require.NoError(t, b.piecesAll(t.Context(), v, &r))
	require.Len(t, r.pieces, 1)
	p := r.pieces[0]
	require.Equal(t, b.scaled(segmentCount), p.segments)
	require.Equal(t, 1, p.merged)
	require.Greater(t, p.together.bytes, int64(p.segments)*segmentBytes)
	require.InEpsilon(t, p.together.bytes, p.apart.bytes, 0.001)
	requireNothingLeft(t, b, v)
}

func TestMemoryIsMeasured(t *testing.T) {
	b, v := newVault(t)
	var r archiveReport
	require.NoError(t, b.weighLarge(t.Context(), &r))
	require.Len(t, r.weights, 1)
	w := r.weights[0]
	require.GreaterOrEqual(t, w.bytes, int64(b.scaled(weighBytes)))
	require.Positive(t, w.stored)
	require.Positive(t, w.took)
	require.GreaterOrEqual(t, w.shipped, w.taken)
	requireNothingLeft(t, b, v)
}

// A short stream reaches the store, and FACK follows it.
func TestArrivalsAreMeasured(t *testing.T) {
	b, v := newVault(t)
	ctx, s, err := b.open(t.Context(), sidecar(b.sidecar, v.settings("arrive", "archive.ship-interval=100ms")...), policyEverySec, 0)
	require.NoError(t, err)
	p := pacer{session: s, recorder: newRecorder(10, arriveRate), rate: arriveRate}
	m, err := p.arrivals(ctx, filepath.Join(v.bucket, "arrive"), 200*time.Millisecond)
	require.NoError(t, err)
	require.Len(t, m.facks, len(m.stored))
	require.Positive(t, m.bytes)
	require.Positive(t, quantile(m.stored, 0))
	counts, err := b.requests(ctx, s.dir)
	require.NoError(t, err)
	require.Greater(t, counts["put"], int64(2))
	require.NoError(t, s.close())
}

func TestStoredUpTo(t *testing.T) {
	dir := t.TempDir()
	end, err := storedUpTo(dir)
	require.NoError(t, err)
	require.Zero(t, end)
	for _, to := range []int64{200, 300, 250} {
		key := upload.SegmentKey{Timeline: piecesTimeline, From: 100, To: stream.Offset(to), Epoch: 1, Sum: strings.Repeat("a", 16)}
		path := filepath.Join(dir, filepath.FromSlash(key.String()))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), dirMode))
		require.NoError(t, os.WriteFile(path, nil, fileMode))
		require.NoError(t, os.WriteFile(path+".tmp", nil, fileMode))
	}
	end, err = storedUpTo(dir)
	require.NoError(t, err)
	require.EqualValues(t, 300, end)
}

func TestSettledBy(t *testing.T) {
	at := time.Now().Add(-time.Minute)
	left, took := settledBy([]due{{end: 10, at: at}, {end: 20, at: at}, {end: 30, at: at}}, 20, nil)
	require.Equal(t, []due{{end: 30, at: at}}, left)
	require.Len(t, took, 2)
	require.GreaterOrEqual(t, took[0], time.Minute)
}

func TestQuantile(t *testing.T) {
	var list []time.Duration
	for n := range time.Duration(100) {
		list = append(list, 99-n)
	}
	require.Equal(t, []time.Duration{0, 50, 99, 99}, []time.Duration{quantile(list, 0), quantile(list, 0.5), quantile(list, 0.99), quantile(list, 1)})
}

func TestPlainTransferSaysWhatIsWrong(t *testing.T) {
	require.ErrorContains(t, transfer(t.Context(), "push", "http://127.0.0.1:1", "key", "path"), `not "push"`)
	require.ErrorIs(t, transfer(t.Context(), directionPut, "http://127.0.0.1:1", "key", filepath.Join(t.TempDir(), "none")), os.ErrNotExist)
}

func TestReportOfTheArchive(t *testing.T) {
	m := func(seconds float64, stored int64) moved {
		return moved{bytes: 2e9, stored: stored * 1e6, took: time.Duration(seconds * 1e9), cpu: time.Second, peak: 50 << 20}
	}
	sample := func(slow float64) moves {
		round := map[string]moved{namePlain: m(4*slow, 2000), nameZstd: m(5*slow, 1500), nameNone: m(8*slow, 2000)}
		return moves{nameShip: round, nameRestore: round}
	}
	r := report{archive: archiveReport{
		moves:  []moves{sample(1), sample(3), sample(2)},
		pieces: []pieces{{segments: 3600, merged: 7, apart: m(3, 0), together: m(2.5, 0)}},
		arrival: arrival{
			took: time.Minute, bytes: 300e6, stored: []time.Duration{5e8, 1e9, 2e9}, facks: []time.Duration{6e8, 1e9, 2e9}, cpu: time.Second, peak: 40 << 20,
		},
		weights: []weight{{bytes: 1 << 30, stored: 1 << 29, took: time.Second, cpu: time.Second, taken: 20 << 20, shipped: 60 << 20}},
		counted: []counted{{interval: time.Minute, took: 30 * time.Second, requests: map[string]int64{"put": 3, "list": 1}}},
	}}
	out := shown(t, r.sheet())
	for _, row := range []string{
		"| ship    | sidecar, zstd | 2000 | 1500            | 10.00   | 200  | 1.00  | 50       |",
		"| restore | sidecar, zstd | throughput / plain's | 0.80 | >= 0.7 |",
		"| one-second segments | 3600    | 2000 | 3.00    | 1.00  | 50       | 1.20            | <= 1.5 |",
		"| to FACK, fack: shipped     | 60      | 5.0  | 1.00  | 40       | 1.00  | 2.00  | 2.00      | <= 2.2     |",
		"| 1024     | 512              | 1.00            | 1.00  | 20              | 60       | <= 128 |",
		"| 1m0s                                      | 30      | 6.0 | 0.0 | 2.0  | 0.0    | 0.0   |",
	} {
		require.Contains(t, out, row)
	}
}
