package e2e_test

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// comeBackWithin bounds every wait for a mirror or an archive after a fault: the machine may do much else.
const comeBackWithin = 4 * time.Minute

// plan is what is drawn of a world before anything is started.
type plan struct {
	seed    uint64
	family  testenv.Family
	policy  string        // aof.appendfsync
	rdb     bool          // a restarted upstream loads an RDB file, else its AOF
	config  []string      // of the upstream
	set     []string      // of the sidecar
	shipped bool          // FACK means in the archive
	sealed  bool          // the archive is encrypted
	ballast int           // bytes that make snapshots and rewrites last
	again   string        // what to set for the same world
	turns   int           // faults, of which some come with a second one
	longest time.Duration // of a fault
	script  []fault       // in this order; empty: turns of them are drawn
	extra   []fault       // those to be prepared that may be drawn
	only    string        // parts, between |, of the names of those that may be drawn; "": all
	home    string        // what the sidecar's directories are made in; "": the test's own
	program string        // what is run as the sidecar
	anyTime bool          // clocks are wrong: what is restored to a time is not held to that
}

// wants reports whether a fault may be drawn.
func (p *plan) wants(f *fault) bool {
	return slices.ContainsFunc(strings.Split(p.only, "|"), func(part string) bool { return strings.Contains(f.name, part) })
}

// newPlan draws a plan; the seed alone says what it is, but for the server.
func newPlan(seed uint64, family testenv.Family) plan {
	rng := rand.New(rand.NewPCG(seed, 1))
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	p := plan{seed: seed, family: family, policy: pick("always", "everysec", "no"), rdb: rng.IntN(2) == 0, program: program}
	p.shipped = rng.IntN(3) == 0
	p.config = []string{"repl-backlog-size " + pick("512kb", "1mb", "2mb"), "repl-timeout 20", "repl-diskless-sync " + pick("yes", "no")}
	if p.rdb {
		p.config = append(p.config, "appendonly no", "dbfilename dump.rdb")
	} else {
		p.config = append(p.config, "appendonly yes", "appendfsync no", "auto-aof-rewrite-percentage 0")
	}
	p.set = []string{
		"aof.appendfsync=" + p.policy,
		"aof.increment-size=" + pick("64kb", "256kb", "1mb"),
		"aof.auto-aof-rewrite-percentage=" + pick("10", "50", "100"),
		"aof.auto-aof-rewrite-min-size=" + pick("1kb", "64kb", "1mb"),
		"aof.aof-timestamp-enabled=" + pick("no", "yes"),
		"aof.aof-use-rdb-preamble=" + pick("yes", "yes", "yes", "no"),
		"archive.ship-interval=" + pick("200ms", "500ms", "1s"),
		"archive.segment-size=" + pick("64kb", "256kb", "1mb"),
		"upstream.repl-timeout=" + pick("5s", "10s", "20s"),
		"upstream.fack=" + map[bool]string{true: "shipped", false: "durable"}[p.shipped],
	}
	p.sealed = rng.IntN(4) == 0
	p.ballast = []int{0, 0, 1 << 20, 4 << 20}[rng.IntN(4)]
	p.again = fmt.Sprintf("AOFSIDECAR_SOAK_WORLD=%d AOFSIDECAR_SOAK_SERVERS=%s", seed, family)
	return p
}

func (p *plan) String() string {
	return fmt.Sprintf("%s %s, upstream %q, sidecar %q, sealed: %t, ballast: %d", p.family, p.family.Version, p.config, p.set, p.sealed, p.ballast)
}

// world is an upstream with traffic, a sidecar, an archive on a gateway, and a link that can be broken between each two of them.
type world struct {
	*testing.T
	plan

	rng      *rand.Rand
	upstream *testenv.Server
	witness  *testenv.Witness // the link from the sidecar to the upstream; it holds the sidecar to what it acknowledges
	toStore  *testenv.Proxy   // the link from the sidecar to the gateway
	archive  *archive
	disk     *testenv.Disk  // what the sidecar's directory is on; nil: the test's
	clock    *testenv.Clock // that the sidecar goes by; nil: the machine's
	cable    *cable         // between the sidecar and the links; nil: there is none
	m        mirror
	until    time.Time // when no other turn is begun; zero: after all of them

	work       *workload.Workload
	traffic    *steadyTraffic // nil while nothing is written
	recordings []*recordedStream
	lineage    map[string][]string // the upstream's ids on each timeline
	points     []shippedPoint
	happened   []string      // the faults so far
	struck     map[part]bool // what is broken now
	count      worldCounts
}

// newWorld starts all that a plan says. What it was, and what is left of it, is told when the test fails.
func newWorld(t *testing.T, p plan) *world {
	t.Helper()
	w := &world{T: t, plan: p, rng: rand.New(rand.NewPCG(p.seed, 2)), lineage: map[string][]string{}, struck: map[part]bool{}, count: newWorldCounts()}
	if w.home == "" {
		w.home = t.TempDir()
	}
	w.prepare()
	t.Logf("world %d: %s", p.seed, w.String())
	w.upstream = w.newUpstream()
	w.work = newWorkload(t, p.seed, w.upstream, workload.Options{NoFieldTTL: p.family.Has(testenv.FieldTTLReplayHazard)})
	write(t, w.upstream, w.work, 300)
	if w.ballast > 0 {
		ballast(t, w.upstream, p.seed, w.ballast)
	}
	w.witness = testenv.NewWitness(t, w.upstream.Addr())
	w.archive = newArchive(t, true)
	w.toStore = testenv.NewProxy(t, strings.TrimPrefix(w.archive.proxy.Endpoint(), "http://"))
	w.archive.set = append(w.archive.set, "archive.s3.endpoint=http://"+w.toStore.Addr())
	if w.sealed {
		w.archive.seal(t)
	}
	w.m = w.newSidecar()
	t.Cleanup(w.end)
	w.record()
	w.m.start(t)
	w.flow()
	w.comeBack()
	return w
}

// prepare prepares what the faults that may strike need, each once, in the order of the list.
func (w *world) prepare() {
	all := slices.Concat(w.script, w.extra)
	for _, f := range faults() {
		if f.prepare != nil && slices.ContainsFunc(all, func(g fault) bool { return g.name == f.name }) {
			f.prepare(w)
		}
	}
}

// newSidecar is a sidecar on the two links, over a cable if there is one.
func (w *world) newSidecar() mirror {
	runs, upstream, set := w.program, w.witness.Addr(), append(slices.Clone(w.archive.set), w.set...)
	if w.cable != nil {
		runs, upstream = w.cable.side.Program(w.T, w.program), w.cable.leadTo(w.T, upstream)
		set = append(set, "archive.s3.endpoint=http://"+w.cable.leadTo(w.T, w.toStore.Addr()))
	}
	m := newMirrorOf(w.T, runs, filepath.Join(w.home, "mirror"), upstream, set...)
	m.Env(w.archive.env...)
	return m
}

// newUpstream starts a server that can be the upstream.
func (w *world) newUpstream() *testenv.Server {
	server, err := testenv.Start(w.Context(), w.family, testenv.WithConfig(w.config...))
	require.NoError(w, err)
	w.Cleanup(func() {
		w.quiet()
		w.keep(fmt.Sprintf("upstream-%d.log", server.Port()), server.Log())
		require.NoError(w, server.Close())
	})
	return server
}

// keep leaves a text for whoever looks for what went wrong.
func (w *world) keep(name, text string) {
	if !w.Failed() {
		return
	}
	if err := os.WriteFile(filepath.Join(w.ArtifactDir(), name), []byte(text), 0o600); err != nil {
		w.Log(err)
	}
}

// end tells what a world was that failed, and keeps what is left of it.
func (w *world) end() {
	w.quiet()
	w.count.Commands, w.count.Heard = w.work.Stats().Total(), w.witness.Heard()
	if !w.Failed() {
		return
	}
	_ = w.m.Kill()
	kept := w.ArtifactDir()
	w.Logf("FAILED: again with %s; %s\nfaults: %s\nkept in %s (go test -artifacts)", w.again, w.String(), strings.Join(w.happened, ", "), kept)
	w.keep("sidecar.log", w.m.Log())
	for name, dir := range map[string]string{"mirror": w.m.Dir(), "archive": w.archive.dir} {
		if err := os.CopyFS(filepath.Join(kept, name), os.DirFS(dir)); err != nil && !os.IsNotExist(err) {
			w.Log(err)
		}
	}
}

// run has one fault after another, and compares now and then, and at the end.
func (w *world) run() {
	for turn := 0; turn < w.turns && (w.until.IsZero() || time.Now().Before(w.until)); turn++ {
		w.turn(turn)
		if w.rng.IntN(4) == 0 && turn < w.turns-1 {
			w.compare(1)
		}
	}
	w.compare(3)
	requireCleanEnd(w.T, w.family, w.m)
	w.archive.requireNoSecrets(w.T, w.m)
}

// turn is a fault, and sometimes a second one while it lasts.
func (w *world) turn(n int) {
	f := w.draw(n)
	w.last(time.Second)
	heals := []func(){w.strike(f)}
	if w.rng.IntN(2) == 0 {
		if second, ok := w.drawBeside(f); ok {
			w.last(w.longest / 2)
			heals = append(heals, w.strike(second))
		}
	}
	w.last(w.longest)
	for _, heal := range slices.Backward(heals) {
		heal()
	}
	w.comeBack()
}

func (w *world) draw(n int) *fault {
	if len(w.script) > 0 {
		return &w.script[n%len(w.script)]
	}
	all := w.possible()
	require.NotEmpty(w, all, "faults with %q in their names", w.only)
	return w.pick(all)
}

// pick draws one, those that are about the sidecar itself more often.
func (w *world) pick(all []fault) *fault {
	var tickets []*fault
	for i := range all {
		tickets = append(tickets, &all[i])
		if all[i].part == ofSidecar || all[i].prepare != nil {
			tickets = append(tickets, &all[i], &all[i])
		}
	}
	return tickets[w.rng.IntN(len(tickets))]
}

// possible are the faults of which nothing has to be prepared, or was.
func (w *world) possible() []fault {
	return append(slices.DeleteFunc(faults(), func(f fault) bool {
		return f.prepare != nil || !f.fitsIn(&w.plan) || !w.wants(&f)
	}), w.extra...)
}

func (w *world) drawBeside(first *fault) (*fault, bool) {
	all := slices.DeleteFunc(w.possible(), func(f fault) bool { return !f.goesWith(first) })
	if len(all) == 0 {
		return nil, false
	}
	return w.pick(all), true
}

func (w *world) strike(f *fault) (heal func()) {
	began := time.Now()
	w.happened = append(w.happened, f.name)
	w.count.Faults[f.name]++
	w.struck[f.part] = true
	end := f.strike(w)
	return func() {
		end()
		delete(w.struck, f.part)
		w.Logf("%s (%s)", f.name, time.Since(began).Round(time.Millisecond))
	}
}

// comeBack waits until the mirror has what the upstream has now. One that waits before it asks for the next snapshot is started again: a new process asks at once.
func (w *world) comeBack() {
	info, err := w.upstream.Info(w.Context(), "replication")
	require.NoError(w, err)
	want, err := offsetOf(w.Context(), w.upstream)
	require.NoError(w, err)
	ctx, cancel := context.WithTimeout(w.Context(), comeBackWithin)
	defer cancel()
	const patient = 10 * time.Second
	waits := func(s testenv.SidecarStatus) bool {
		return s.Upstream.Phase == "backing off" && time.Until(s.Upstream.NextTry) > patient
	}
	for {
		status, err := w.m.Await(ctx, fmt.Sprintf("back at %d of %s", want, info["master_replid"]), func(s testenv.SidecarStatus) bool {
			return waits(s) || s.Streaming() && s.Log.ReplID == info["master_replid"] && s.Log.Received >= want
		})
		require.NoError(w, err)
		if !waits(status) {
			w.note(status)
			return
		}
		w.count.Impatient++
		w.kill()
		w.m.start(w.T)
	}
}

// note remembers which of the upstream's histories a timeline has.
func (w *world) note(s testenv.SidecarStatus) {
	if names := w.lineage[s.Log.Timeline]; !slices.Contains(names, s.Log.ReplID) {
		w.lineage[s.Log.Timeline] = append(names, s.Log.ReplID)
	}
}

// kill kills the sidecar, and wants that its log keeps all that it has acknowledged.
func (w *world) kill() {
	w.m.kill(w.T)
	w.count.Kills++
	w.requireLeft(w.checkPromises())
}

// checkPromises is for a sidecar that has ended. It returns what its log has.
func (w *world) checkPromises() testenv.LogEnd {
	closed := func(stats testenv.ProxyStats) bool { return stats.Open() == 0 }
	ctx, cancel := context.WithTimeout(w.Context(), 3*time.Second)
	defer cancel()
	if w.witness.Wait(ctx, "all that was said to be heard", closed) != nil { // a link that is broken does not end
		w.witness.Break(testenv.Reset)
		require.NoError(w, w.witness.Wait(w.Context(), "the links to end", closed))
	}
	end, err := w.witness.Check(w.m.Dir())
	if err != nil {
		w.count.Lost++
	}
	require.NoError(w, err)
	w.count.Checks++
	w.count.Checked += end.Offset - end.From
	return end
}

// killShipping is kill of a sidecar that streams and ships, and wants that the archive has what was acknowledged as shipped.
func (w *world) killShipping() {
	timeline := w.timeline()
	w.m.kill(w.T)
	w.count.Kills++
	end, recording := w.checkPromises(), w.recordings[len(w.recordings)-1]
	w.requireLeft(end)
	if !w.shipped || end.Fack < recording.From() {
		return
	}
	_, got := w.archive.restore(w.T, "--timeline", timeline)
	w.count.Restores++
	w.count.Shipped++
	require.GreaterOrEqual(w, got.Offset, recording.Boundary(w.T, end.Fack))
}

// stop ends the sidecar by SIGTERM.
func (w *world) stop() {
	code, err := w.m.Stop(w.Context())
	require.NoError(w, err)
	require.Zero(w, code)
	w.checkPromises()
}

// steadyTraffic is traffic that outlives its upstream: when that is gone, it waits until it is there again.
type steadyTraffic struct {
	cancel context.CancelFunc
	ended  chan struct{}
}

// flow begins to write to the upstream.
func (w *world) flow() {
	ctx, cancel := context.WithCancel(w.Context())
	tr := &steadyTraffic{cancel: cancel, ended: make(chan struct{})}
	upstream, work := w.upstream, w.work
	go func() {
		defer close(tr.ended)
		for ctx.Err() == nil {
			one, err := newTraffic(ctx, upstream, work)
			if err == nil && one.run(ctx) == nil {
				return
			}
			// It may be that only the mirror was away for long: then this is at once, and a quarter of the backlog is written anew.
			_, _ = testenv.Poll(ctx, "the upstream to be there", func(ctx context.Context) (bool, bool) {
				there := reachable(ctx, upstream)
				return there, there
			})
		}
	}()
	w.traffic = tr
}

// quiet ends the writing; a command whose upstream is gone may have been carried out or not.
func (w *world) quiet() {
	if w.traffic == nil {
		return
	}
	w.traffic.cancel()
	<-w.traffic.ended
	w.traffic = nil
}

// recordedStream is a recording, with the names of the history that it is of, and where it ceases to be what the mirror was given.
type recordedStream struct {
	*testenv.Recording

	names []string
	limit int64
}

// end is how far what was restored can be compared with it.
func (r *recordedStream) end() int64 { return min(r.End(), r.limit) }

// isOf reports whether it is of a history with one of these names.
func (r *recordedStream) isOf(names []string) bool {
	return slices.ContainsFunc(r.names, func(name string) bool { return slices.Contains(names, name) })
}

// record begins a recording of the upstream. An upstream that has just lost a replica in the middle of a snapshot hangs up on the next one, too.
func (w *world) record() {
	r := testenv.Eventually(w.T, "a recording", func(ctx context.Context) (*testenv.Recording, bool) {
		r, err := testenv.StartRecording(ctx, w.upstream)
		return r, err == nil
	})
	w.Cleanup(func() { _ = r.Close() }) // its upstream may have ended it
	w.recordings = append(w.recordings, &recordedStream{Recording: r, names: []string{r.ReplID()}, limit: 1 << 62})
}

// recorder is the recording that goes on, and another one if the last has ended.
func (w *world) recorder() *recordedStream {
	if w.recordings[len(w.recordings)-1].Err() != nil {
		w.record()
	}
	return w.recordings[len(w.recordings)-1]
}

// temporaries are what is left of unfinished work in the mirror.
func (w *world) temporaries() []string {
	found, err := fs.Glob(os.DirFS(w.m.Dir()), "appendonlydir/temp-*")
	require.NoError(w, err)
	return found
}
