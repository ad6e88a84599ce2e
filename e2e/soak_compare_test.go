package e2e_test

import (
	"cmp"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// compare stops the writing, and wants that all there is equals the upstream: the mirror's directory, and what is restored from the archive to its end. Some earlier offsets and times that the archive says it has
// are restored, too, and compared with what was recorded. Then the writing goes on.
func (w *world) compare(probes int) {
	w.quiet()
	release, err := testenv.Freeze(w.Context(), w.upstream.Client())
	require.NoError(w, err)
	begun := time.Now()
	w.comeBack()
	w.awaitInStep()
	w.requireBoots(w.m.Dir(), w.upstream)
	w.requireArchived(begun)
	for range probes {
		w.probe()
	}
	w.recorder()
	require.NoError(w, release(w.Context()))
	w.flow()
}

func (w *world) awaitInStep() {
	ctx, cancel := context.WithTimeout(w.Context(), comeBackWithin)
	defer cancel()
	_, err := testenv.Poll(ctx, "the mirror to have all of the stream", func(ctx context.Context) (testenv.SidecarStatus, bool) {
		return w.m.inStep(ctx, w.upstream, w.policy)
	})
	require.NoError(w, err)
}

// requireArchived wants that the archive is whole, and has what the upstream has, which has stood still since begun.
func (w *world) requireArchived(begun time.Time) {
	offset, err := offsetOf(w.Context(), w.upstream)
	require.NoError(w, err)
	if w.policy == "no" { // only what is durable is shipped: what a clean stop syncs
		w.stop()
		w.m.start(w.T)
		w.comeBack()
	}
	status := w.m.awaitWithin(w.T, comeBackWithin, "shipped up to "+strconv.FormatInt(offset, 10), func(s testenv.SidecarStatus) bool {
		return s.Archive.HasShipped && s.Archive.Timeline == s.Log.Timeline && s.Archive.Shipped >= offset
	})
	w.archive.ok(w.T, "verify", "--archive", "--deep")
	// The guard refuses a plain restore where a FLUSHALL came before a full resync.
	dir, got := w.archive.restore(w.T, "--timeline", status.Log.Timeline)
	w.count.Restores++
	require.Equal(w, status.Log.Timeline, got.Timeline)
	w.requireBoots(dir, w.upstream)
	w.points = append(w.points, shippedPoint{timeline: status.Log.Timeline, begun: begun, at: time.Now(), offset: offset})
}

// shippedPoint is a while in which the upstream stood still, at the end of which the archive had all of it.
type shippedPoint struct {
	timeline  string
	begun, at time.Time
	offset    int64
}

// requireTime wants that what was restored to a time has what was shipped before, and nothing that came later.
func (w *world) requireTime(at time.Time, timeline string, offset int64) {
	for _, p := range w.points {
		switch {
		case w.anyTime || p.timeline != timeline:
		case at.After(p.at):
			require.GreaterOrEqual(w, offset, w.boundary(p.offset, timeline), "shipped %s before", at.Sub(p.at))
		case at.Before(p.begun):
			require.LessOrEqual(w, offset, p.offset, "not written until %s later", p.begun.Sub(at))
		}
	}
}

// boundary is the last one at or before an offset that a recording knows, else 0.
func (w *world) boundary(offset int64, timeline string) int64 {
	for _, r := range w.recordings {
		if r.From() <= offset && offset <= r.end() && r.isOf(w.lineage[timeline]) {
			return r.Boundary(w.T, offset)
		}
	}
	return 0
}

// requireBoots boots a stock server from a directory, and wants that it has what another has.
func (w *world) requireBoots(dir string, want *testenv.Server) {
	booted := testenv.BootFromAOF(w.T, w.family, dir)
	w.count.Boots++
	testenv.RequireEqual(w.T, want, booted, testenv.IgnoreUnreplicated())
	w.count.Comparisons++
	require.NoError(w, booted.Close())
}

// lastMark finds the history of a log's end. Values may look like marks; no upstream is called what they say.
var lastMark = regexp.MustCompile(`(?s).*#pos ([0-9a-f]{40}) `)

// requireLeft boots, now and then, a stock server from what a SIGKILL has left, and wants that it has what the upstream had sent up to there.
func (w *world) requireLeft(end testenv.LogEnd) {
	if w.struck[ofUpstream] || w.rng.IntN(3) > 0 {
		return
	}
	increments, err := filepath.Glob(filepath.Join(w.m.Dir(), "appendonlydir", "*.incr.aof"))
	require.NoError(w, err)
	if len(increments) == 0 {
		return
	}
	data, err := os.ReadFile(slices.MaxFunc(increments, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }))
	require.NoError(w, err)
	mark := lastMark.FindSubmatch(data)
	i := slices.IndexFunc(w.recordings, func(r *recordedStream) bool {
		return mark != nil && r.isOf([]string{string(mark[1])}) && r.From() <= end.Offset && end.Offset <= r.limit && (r.Err() == nil || end.Offset <= r.End())
	})
	if i < 0 {
		return
	}
	here := w.recordings[i].ReplicaAt(w.T, w.family, end.Offset)
	w.requireBoots(w.m.Dir(), here)
	w.count.Left++
	require.NoError(w, here.Close())
}

// window is what the tests read of `list --json`.
type window struct {
	Timeline string    `json:"timeline"`
	From     int64     `json:"from"`
	To       int64     `json:"to"`
	Begin    time.Time `json:"begin"`
	End      time.Time `json:"end"`
}

// known is a part of a window that was recorded.
type known struct {
	window

	of *recordedStream
}

// probe restores some moment that the archive says it has, and of which there is a recording.
func (w *world) probe() {
	all := w.known()
	if len(all) == 0 {
		return
	}
	k := all[w.rng.IntN(len(all))]
	byTime := w.rng.IntN(3) == 0
	offset := k.From + w.rng.Int64N(k.To-k.From+1)
	target, at := archivePoint{offset: offset}.byOffset(), k.Begin.Add(time.Duration(w.rng.Int64N(int64(k.End.Sub(k.Begin))+1)))
	if byTime {
		target = archivePoint{at: at}.byTime()
	}
	dir, got := w.archive.restore(w.T, append(target, "--timeline", k.Timeline)...)
	w.count.Restores++
	require.Equal(w, k.Timeline, got.Timeline)
	verified := aofsidecar(w.T, "verify", dir)
	require.Zero(w, verified.code, "%+v", verified)
	if byTime {
		w.requireTime(at, got.Timeline, got.Offset)
		i := slices.IndexFunc(all, func(k known) bool { return k.Timeline == got.Timeline && k.From <= got.Offset && got.Offset <= k.To })
		if i < 0 {
			return // between two recordings
		}
		k, offset = all[i], got.Offset
	} else { // but for PING and REPLCONF GETACK, which the log does not keep
		require.LessOrEqual(w, got.Offset, offset)
		require.GreaterOrEqual(w, got.Offset, k.of.Boundary(w.T, offset))
	}
	w.Logf("%v on timeline %s: offset %d", target, k.Timeline, got.Offset)
	here := k.of.ReplicaAt(w.T, w.family, offset)
	w.requireBoots(dir, here)
	require.NoError(w, here.Close())
}

// known returns what can be restored and compared.
func (w *world) known() []known {
	var listed struct {
		Timelines []struct {
			Windows []window `json:"windows"`
		} `json:"timelines"`
	}
	require.NoError(w, json.Unmarshal([]byte(w.archive.ok(w.T, "list", "--json").stdout), &listed))
	var all []known
	for _, timeline := range listed.Timelines {
		for _, win := range timeline.Windows {
			for _, r := range w.recordings {
				if !r.isOf(w.lineage[win.Timeline]) {
					continue
				}
				k := known{window: win, of: r}
				k.From, k.To = max(win.From, r.From()), min(win.To, r.end())
				if k.From <= k.To {
					all = append(all, k)
				}
			}
		}
	}
	return all
}

// reachable reports whether a server answers. A bare connection finds out in silence that it does not: the client logs each one that is refused.
func reachable(ctx context.Context, server *testenv.Server) bool {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", server.Addr())
	if err != nil {
		return false
	}
	return conn.Close() == nil && server.Client().Ping(ctx).Err() == nil
}
