package e2e_test

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// drawUpstream starts an upstream of a family that the seed draws.
func drawUpstream(t *testing.T, options ...testenv.Option) (upstream *testenv.Server, seed uint64) {
	t.Helper()
	seed = newSeed(t)
	families := testenv.Servers(t)
	return testenv.StartServer(t, families[seed%uint64(len(families))], options...), seed
}

// traffic is a workload that runs beside a test.
//
// It writes at a pace that the upstream's default backlog allows for: a sidecar that was killed goes back to its last mark, which is up to
// a second old, and asks for all since. So it writes an eighth of the backlog in a second, and stops, however slow the machine
// is, when the replica has not acknowledged a quarter of it.
type traffic struct {
	upstream *testenv.Server
	work     *workload.Workload
	backlog  int64
	begun    time.Time
	first    int64 // offset at which it began
	acked    int64 // the furthest that a replica has acknowledged
	seen     []sighting

	cancel context.CancelFunc
	ended  chan error
}

// sighting is an offset of the stream that was answered to a question.
type sighting struct {
	asked  time.Time
	offset int64
}

// latestAt returns an offset that the stream had not passed in the millisecond of a time; false: nobody asked behind it. The traffic has ended.
func (tr *traffic) latestAt(at time.Time) (int64, bool) {
	at = at.Truncate(time.Millisecond).Add(time.Millisecond)
	for _, s := range tr.seen {
		if s.asked.After(at) {
			return s.offset, true
		}
	}
	return 0, false
}

// newWorkload returns a workload for an upstream whose values are small beside its backlog.
func newWorkload(t *testing.T, seed uint64, upstream *testenv.Server, options workload.Options) *workload.Workload {
	t.Helper()
	if options.BigValueBytes == 0 {
		options.BigValueBytes = int(min(backlogOf(t, upstream)/8, 1<<20+17))
	}
	return workload.New(seed, upstream.Family, options)
}

func backlogOf(t *testing.T, upstream *testenv.Server) int64 {
	t.Helper()
	size, err := readBacklog(t.Context(), upstream)
	require.NoError(t, err)
	return size
}

func readBacklog(ctx context.Context, upstream *testenv.Server) (int64, error) {
	config, err := upstream.Client().ConfigGet(ctx, "repl-backlog-size").Result()
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(config["repl-backlog-size"], 10, 64)
}

// startTraffic writes until stop is called; a lost upstream fails the test there.
func startTraffic(t *testing.T, upstream *testenv.Server, work *workload.Workload) *traffic {
	t.Helper()
	tr, err := newTraffic(t.Context(), upstream, work)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	tr.cancel, tr.ended = cancel, make(chan error, 1)
	go func() { tr.ended <- tr.run(ctx) }()
	t.Cleanup(cancel)
	return tr
}

// newTraffic returns traffic that does not run yet.
func newTraffic(ctx context.Context, upstream *testenv.Server, work *workload.Workload) (*traffic, error) {
	backlog, err := readBacklog(ctx, upstream)
	if err != nil {
		return nil, err
	}
	offset, err := offsetOf(ctx, upstream)
	if err != nil {
		return nil, err
	}
	return &traffic{upstream: upstream, work: work, backlog: backlog, begun: time.Now(), first: offset, acked: offset}, nil
}

// stop ends the writing; when it returns, every command was answered.
func (tr *traffic) stop(t *testing.T) {
	t.Helper()
	tr.cancel()
	require.NoError(t, <-tr.ended)
}

func (tr *traffic) run(ctx context.Context) error {
	for ctx.Err() == nil {
		// A step is not interrupted: a command whose answer is unknown would be no harm, a MULTI left open would.
		if err := tr.work.Step(context.WithoutCancel(ctx), tr.upstream.Client(), 8); err != nil {
			return err
		}
		_, err := testenv.Poll(context.WithoutCancel(ctx), "the pace", func(context.Context) (int64, bool) {
			lead, err := tr.lead(context.WithoutCancel(ctx))
			return lead, err != nil || lead <= 0 || ctx.Err() != nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// lead returns how many bytes too far the writing is.
func (tr *traffic) lead(ctx context.Context) (int64, error) {
	asked := time.Now()
	info, err := tr.upstream.Info(ctx, "replication")
	if err != nil {
		return 0, err
	}
	offset, err := strconv.ParseInt(info["master_repl_offset"], 10, 64)
	if err != nil {
		return 0, err
	}
	tr.seen = append(tr.seen, sighting{asked: asked, offset: offset})
	tr.acked = max(tr.acked, ackedOffset(info))
	paced := tr.first + int64(time.Since(tr.begun).Seconds()*float64(tr.backlog/8))
	return max(offset-paced, offset-tr.acked-tr.backlog/4), nil
}

// ackedOffset returns what the first replica that is no recording has acknowledged; 0 while there is none.
func ackedOffset(info map[string]string) int64 {
	for i := range len(info) {
		replica, ok := info["slave"+strconv.Itoa(i)]
		if !ok {
			return 0
		}
		fields := map[string]string{}
		for field := range strings.SplitSeq(replica, ",") {
			name, value, _ := strings.Cut(field, "=")
			fields[name] = value
		}
		if fields["port"] == testenv.RecordingPort {
			continue
		}
		offset, err := strconv.ParseInt(fields["offset"], 10, 64)
		if err != nil {
			return 0
		}
		return offset
	}
	return 0
}

// write runs n operations, and fails the test when the connection is lost.
func write(t *testing.T, upstream *testenv.Server, work *workload.Workload, n int) {
	t.Helper()
	require.NoError(t, work.Step(t.Context(), upstream.Client(), n))
}

// awaitOffset waits until an upstream's stream has come to an offset, or its test ends.
func awaitOffset(t *testing.T, upstream *testenv.Server, offset int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // the writing has its own pace, and the machine other work
	defer cancel()
	_, err := testenv.Poll(ctx, "the stream to come to "+strconv.FormatInt(offset, 10), func(ctx context.Context) (int64, bool) {
		now, err := offsetOf(ctx, upstream)
		return now, err == nil && now >= offset
	})
	require.NoError(t, err)
}

// ballast makes the upstream's snapshot at least this large.
func ballast(t *testing.T, upstream *testenv.Server, seed uint64, bytes int) {
	t.Helper()
	var from [32]byte
	binary.LittleEndian.PutUint64(from[:], seed)
	value := make([]byte, bytes)
	_, err := rand.NewChaCha8(from).Read(value) // incompressible
	require.NoError(t, err)
	require.NoError(t, upstream.Client().Set(t.Context(), "ballast", value, 0).Err())
}
