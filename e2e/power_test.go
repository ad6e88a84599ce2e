package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxmount"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

const (
	// powerCuts is how often the power goes, over all policies, unless AOFSIDECAR_E2E_CUTS says otherwise.
	powerCuts = 36
	// controlCuts bounds the run that has to lose something.
	controlCuts = 30
	// compareEvery is how many cuts lie between two comparisons of a booted server with the upstream.
	compareEvery = 30
	// askEvery and askPatience are for WAITAOF.
	askEvery    = 3 * time.Millisecond
	askPatience = 50 * time.Millisecond
	bootIDFile  = "/proc/sys/kernel/random/boot_id"
)

// The power goes while the real binary mirrors, at moments that nobody chose, in the middle of writes, rewrites and full resyncs; what was written and not
// synced is lost, or survives in part. All that FACK had told the upstream until then is on what the disk has left, byte for byte, the sidecar
// starts on it, and a stock server that is booted from it every now and then has what the upstream has.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	seed, cuts := newSeed(t), powerCuts
	if given := os.Getenv("AOFSIDECAR_E2E_CUTS"); given != "" {
		var err error
		cuts, err = strconv.Atoi(given)
		require.NoError(t, err, "AOFSIDECAR_E2E_CUTS")
	}
	var all powerCount
	var mu sync.Mutex
	policies := []string{"always", "everysec", "no"}
	t.Run("policies", func(t *testing.T) {
		for i, fsync := range policies {
			share := (cuts + i) / len(policies)
			t.Run(fsync, func(t *testing.T) {
				t.Parallel()
				p := newPower(t, fsync, seed+uint64(i), fsxmount.Options{})
				for range share {
					p.cycle(t)
				}
				p.compare(t)
				p.end(t)
				t.Logf("%s: %v", fsync, &p.count)
				mu.Lock()
				defer mu.Unlock()
				all.add(&p.count)
			})
		}
	})
	t.Logf("seed %d: %v", seed, &all)
	require.Zero(t, all.lost)
	require.Equal(t, cuts, all.cuts)
}

// The same where fdatasync answers success and does nothing loses what was acknowledged: the test above can fail.
func TestPowerCutWithoutSync(t *testing.T) {
	t.Parallel()
	seed := newSeed(t)
	p := newPower(t, "always", seed, fsxmount.Options{IgnoreSyncData: true})
	for p.count.cuts < controlCuts && p.count.lost < 3 {
		p.cycle(t)
	}
	p.end(t)
	t.Logf("seed %d, fdatasync does nothing: %v", seed, &p.count)
	require.NotZero(t, p.count.lost, "without fdatasync nothing was lost: this test would not see a loss")
}

// powerCount is what a run has done.
type powerCount struct {
	cuts, early, within int   // all; before the sidecar was in step; at an operation that was counted
	acknowledged        int64 // writes that WAITAOF counted
	behind              int   // starts from before what had been acknowledged
	facks               int   // FACKs that promised more than those before
	bytes               int64 // of the stream, that they promised
	lost                int   // cuts after which not all was there that had been promised
	full, partial       int64 // resyncs
	rewrites            int   // bases that were another one than before the cut
	compared            int   // booted servers
}

func (c *powerCount) add(d *powerCount) {
	c.cuts, c.early, c.within = c.cuts+d.cuts, c.early+d.early, c.within+d.within
	c.facks, c.bytes, c.lost = c.facks+d.facks, c.bytes+d.bytes, c.lost+d.lost
	c.acknowledged, c.behind = c.acknowledged+d.acknowledged, c.behind+d.behind
	c.full, c.partial, c.rewrites, c.compared = c.full+d.full, c.partial+d.partial, c.rewrites+d.rewrites, c.compared+d.compared
}

func (c *powerCount) String() string {
	return fmt.Sprintf("%d power cuts (%d before streaming, %d at a counted operation), %d FACKs for %d bytes, %d writes acknowledged by WAITAOF, %d cuts lost some; "+
		"%d full and %d partial resyncs, %d new bases, %d booted servers equal, %d starts from before an acknowledgement",
		c.cuts, c.early, c.within, c.facks, c.bytes, c.acknowledged, c.lost, c.full, c.partial, c.rewrites, c.compared, c.behind)
}

// power is a sidecar on a disk that loses power.
type power struct {
	fsync    string
	options  fsxmount.Options
	rng      *rand.Rand
	upstream *testenv.Server
	sent     *testenv.Recording
	traffic  *traffic
	proxy    *testenv.Proxy
	promises promises

	stopAsking   context.CancelFunc
	asked        chan error
	acknowledged atomic.Int64

	m        mirror
	bootID   string // the name of the file that has it
	mounted  string
	disk     *fsxtest.FS
	mount    *fsxmount.Mount
	promised int64 // the furthest FACK before the last cut
	before   reach // what the disk had at the last cut
	count    powerCount
}

func newPower(t *testing.T, fsync string, seed uint64, options fsxmount.Options) *power {
	t.Helper()
	families := slices.DeleteFunc(testenv.Servers(t), func(f testenv.Family) bool { return !f.Has(testenv.WaitAOF) })
	family := families[seed%uint64(len(families))]
	p := &power{
		fsync: fsync, options: options, rng: rand.New(rand.NewPCG(seed, 0xc)), disk: fsxtest.New(), mounted: t.TempDir(),
		bootID: filepath.Join(t.TempDir(), "boot_id"),
	}
	p.upstream = testenv.StartServer(t, family, testenv.WithConfig("repl-backlog-size 2mb"))
	work := newWorkload(t, seed, p.upstream, workload.Options{NoFieldTTL: true, BigValueBytes: 32 << 10})
	write(t, p.upstream, work, 300)
	p.sent = testenv.Record(t, p.upstream)
	p.proxy = testenv.NewProxy(t, p.upstream.Addr())
	p.proxy.SetPlan(p.promises.plan)

	// The kernel's boot id tells the sidecar that its page cache survived, so each cut needs another.
	script := filepath.Join(t.TempDir(), "aofsidecar")
	text := fmt.Sprintf("#!/bin/sh\nexec unshare %s -- sh -c 'mount --bind %s %s && exec setpriv --pdeathsig KILL -- \"$@\"' sh %s \"$@\"\n",
		namespace(t), p.bootID, bootIDFile, program)
	testenv.WriteScript(t, script, text)
	p.m = newMirrorOf(t, script, filepath.Join(p.mounted, "mirror"), p.proxy.Addr(), "aof.appendfsync="+fsync,
		"aof.increment-size=64kb", "aof.auto-aof-rewrite-min-size=192kb", "aof.auto-aof-rewrite-percentage=30")
	t.Cleanup(func() {
		err := p.m.Kill()
		if p.mount != nil { // whatever came of the kill: what stays mounted fails more than this test
			err = errors.Join(err, p.mount.Close())
		}
		require.NoError(t, err)
	})
	p.write(t, work)
	p.plug(t)
	p.awaitStreaming(t)
	return p
}

// write begins to write, and to ask for acknowledgements: without being asked a sidecar acknowledges now and then.
func (p *power) write(t *testing.T, work *workload.Workload) {
	t.Helper()
	p.traffic = startTraffic(t, p.upstream, work)
	var ctx context.Context
	ctx, p.stopAsking = context.WithCancel(t.Context())
	p.asked = make(chan error, 1)
	go func() { p.asked <- p.ask(ctx) }()
}

func (p *power) stopWriting(t *testing.T) {
	t.Helper()
	p.stopAsking()
	require.NoError(t, <-p.asked)
	p.traffic.stop(t)
}

// ask writes, and waits until that is on the sidecar's disk, or for a moment.
func (p *power) ask(ctx context.Context) error {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	// WAITAOF is about what its own connection has written.
	conn := p.upstream.Client().Conn()
	defer conn.Close() //nolint:errcheck // it is answered for by the commands on it
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		whole := context.WithoutCancel(ctx)
		if err := conn.Set(whole, "asked", i, 0).Err(); err != nil {
			return err
		}
		counted, err := conn.Do(whole, "WAITAOF", 0, 1, askPatience.Milliseconds()).Int64Slice()
		if err != nil {
			return err
		}
		if counted[1] > 0 {
			p.acknowledged.Add(1)
		}
	}
}

// plug starts the sidecar on what the disk has.
func (p *power) plug(t *testing.T) {
	t.Helper()
	id, err := p.disk.BootID()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(p.bootID, []byte(id+"\n"), 0o600))
	p.mount, err = fsxmount.Start(p.disk, p.mounted, p.options)
	require.NoError(t, err)
	p.m.start(t)
}

// cycle lets the sidecar run for a while, cuts the power, looks at what is left, and starts the sidecar on that.
func (p *power) cycle(t *testing.T) {
	t.Helper()
	crash := p.crash()
	p.wait(t, crash)
	image := p.mount.PowerCut(crash)
	p.m.kill(t)
	require.NoError(t, p.proxy.Wait(t.Context(), "the last words", func(s testenv.ProxyStats) bool { return s.Open() == 0 }))
	require.NoError(t, p.mount.Close())
	p.mount = nil
	p.count.cuts++
	p.check(t, image)
	if p.rng.IntN(10) == 0 { // the upstream has forgotten its history: a full resync
		require.NoError(t, p.upstream.Client().Do(t.Context(), "DEBUG", "CHANGE-REPL-ID").Err())
	}
	p.plug(t)
	if p.count.cuts%compareEvery == 0 && !p.options.IgnoreSyncData {
		p.compare(t)
	}
}

func (p *power) crash() fsxtest.Crash {
	seed := p.rng.Uint64()
	switch p.rng.IntN(5) {
	case 0:
		return fsxtest.PowerLossAll{}
	case 1, 2:
		return fsxtest.PowerLossOrdered{Seed: seed}
	default:
		return fsxtest.PowerLoss{Seed: seed}
	}
}

// wait waits for the moment: an operation of the start, or one behind a while of streaming, or none.
func (p *power) wait(t *testing.T, crash fsxtest.Crash) {
	t.Helper()
	while := time.Duration(p.rng.IntN(400)) * time.Millisecond
	if p.fsync == "everysec" {
		while *= 4
	}
	switch p.rng.IntN(6) {
	case 0:
		p.mount.CutAt(0, 1+p.rng.IntN(60), crash)
		p.count.early++
	case 1: // the start makes durable what it has found, and goes on behind that
		p.mount.CutAt(fsxtest.SyncData, 1+p.rng.IntN(6), crash)
		p.count.early++
	default:
		p.awaitStreaming(t)
		p.elapses(while)
		if p.rng.IntN(3) > 0 {
			kinds := []fsxtest.Kind{0, 0, fsxtest.Create, fsxtest.Rename, fsxtest.SyncData}
			p.mount.CutAt(kinds[p.rng.IntN(len(kinds))], 1+p.rng.IntN(20), crash)
			while = 300 * time.Millisecond
		}
	}
	p.elapses(while)
	pid := p.m.PID()
	if p.elapses(0) { // behind it the sidecar may end by itself
		p.count.within++
		return
	}
	require.NotZero(t, pid, "the sidecar has ended")
}

// awaitStreaming waits until the sidecar is in step. A FLUSHALL upstream ends a snapshot that is being made, and the next one would be asked for after
// a minute, but at once by a process that is new.
func (p *power) awaitStreaming(t *testing.T) {
	t.Helper()
	for {
		status := p.m.await(t, "streaming, or without a snapshot", func(s testenv.SidecarStatus) bool {
			return s.Streaming() || s.Upstream.FailedSnapshots > 0
		})
		if status.Streaming() {
			return
		}
		p.m.kill(t)
		p.m.start(t)
	}
}

// elapses waits, and reports whether the power went until then.
func (p *power) elapses(while time.Duration) (cut bool) {
	timer := time.NewTimer(while)
	defer timer.Stop()
	select {
	case <-p.mount.Cut():
	case <-timer.C:
	}
	select {
	case <-p.mount.Cut():
		return true
	default:
		return false
	}
}

// check compares what is left with what had been promised, and with what the sidecar had believed at its start.
func (p *power) check(t *testing.T, image *fsxtest.FS) {
	t.Helper()
	said := p.promises.heard()
	p.count.facks, p.count.bytes = said.count, max(p.count.bytes, said.ever-p.sent.From())
	p.count.acknowledged = p.acknowledged.Load()
	if len(said.claims) > 0 && said.claims[0] != claimedNone { // the first is of the start; behind a snapshot there may be others, of what is there since
		if said.claims[0] < p.promised {
			p.count.behind++
		}
		require.True(t, p.before.has(said.claims[0]), "the sidecar went on from %d; %+v; %s", said.claims[0], p.before, p.disk.Dump())
	}
	now := reachOf(t, image, "/mirror/appendonlydir", p.sent, said.ever)
	if now.base != p.before.base {
		p.count.rewrites++
	}
	p.disk, p.before, p.promised = image, now, said.ever
	if !now.has(said.ever) {
		p.count.lost++
		require.True(t, p.options.IgnoreSyncData, "acknowledged writes are lost: up to %d; %+v; %s", said.ever, now, image.Dump())
	}
	if p.options.IgnoreSyncData { // it begins anew each time: what is left need not be a log
		p.disk, p.before = fsxtest.New(), reach{}
		p.promises.forget()
	}
}

// compare boots a server.
func (p *power) compare(t *testing.T) {
	t.Helper()
	p.awaitStreaming(t)
	p.stopWriting(t)
	requireMirrored(t, p.upstream, p.m, p.fsync)
	p.write(t, p.traffic.work)
	p.count.compared++
}

func (p *power) end(t *testing.T) {
	t.Helper()
	p.stopWriting(t)
	resyncs, err := resyncsOf(context.WithoutCancel(t.Context()), p.upstream)
	require.NoError(t, err)
	p.count.full, p.count.partial = resyncs.full-1, resyncs.partial // the recording's is one
}
