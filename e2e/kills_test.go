package e2e_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

const (
	killsInCI = 30
	// killsPerLife is how many kills a case has at least where there are enough for all pairs of a server and a policy.
	killsPerLife = 20
	// bootEvery is how often what a kill has left is booted by a stock server, and compared with the upstream.
	bootEvery = 10
	// killBallast makes snapshots and rewrites last.
	killBallast = 4 << 20
	killBacklog = "repl-backlog-size 2mb"
)

// Killed with SIGKILL at random moments, under each policy, the sidecar keeps all that it has acknowledged as durable. A witness between it and its upstream knows what that was: after each kill
// the log on the disk is compared with the stream, byte by byte, and the next life must begin where the last FACK was or behind it. Upstreams and archives are killed, too. AOFSIDECAR_E2E_KILLS says how often.
func TestKilledAnywhere(t *testing.T) {
	seed := newSeed(t)
	kills := killsInCI
	if given := os.Getenv("AOFSIDECAR_E2E_KILLS"); given != "" {
		var err error
		kills, err = strconv.Atoi(given)
		require.NoError(t, err, "AOFSIDECAR_E2E_KILLS")
	}
	policies := []string{"always", "everysec", "no"}
	families := testenv.Servers(t)
	cases := len(policies)
	if all := len(policies) * len(families); kills >= all*killsPerLife {
		cases = all
	}
	total := killTotals{of: map[string]killCounts{}}
	t.Cleanup(func() {
		for _, policy := range policies {
			t.Logf("%s: %+v", policy, total.of[policy])
		}
	})
	for i := range cases {
		// Their numbers have no common divisor, so that all pairs come up.
		family, policy := families[(seed+uint64(i))%uint64(len(families))], policies[i%len(policies)]
		t.Run(family.Name+"/"+policy, func(t *testing.T) {
			t.Parallel()
			c := newKillCase(t, family, policy, seed+uint64(i))
			c.run((kills + i) / cases)
			t.Logf("%+v", c.count)
			total.add(policy, c.count)
		})
	}
}

// killCounts are what a run has come to.
type killCounts struct {
	Kills, Upstreams, Gateways int // that were killed; Kills are those of the sidecar
	Streaming, Unfinished      int // of Kills: with the stream flowing; with a snapshot or a rewrite half written
	Boots                      int // of what a kill left, and of what was shipped
	Heard                      testenv.Heard
	Stream                     int64 // bytes that were compared, those in several kills several times
	Lost                       int
}

type killTotals struct {
	mu sync.Mutex
	of map[string]killCounts
}

func (k *killTotals) add(policy string, c killCounts) {
	k.mu.Lock()
	defer k.mu.Unlock()
	sum := k.of[policy]
	sum.Kills += c.Kills
	sum.Upstreams += c.Upstreams
	sum.Gateways += c.Gateways
	sum.Streaming += c.Streaming
	sum.Unfinished += c.Unfinished
	sum.Boots += c.Boots
	sum.Stream += c.Stream
	sum.Lost += c.Lost
	sum.Heard.Full += c.Heard.Full
	sum.Heard.Partial += c.Heard.Partial
	sum.Heard.Needless += c.Heard.Needless
	sum.Heard.Lower += c.Heard.Lower
	sum.Heard.Again += c.Heard.Again
	sum.Heard.AgainBytes += c.Heard.AgainBytes
	sum.Heard.Facks += c.Heard.Facks
	sum.Heard.Facked += c.Heard.Facked
	k.of[policy] = sum
}

// killCase is one upstream and one directory.
type killCase struct {
	t        *testing.T
	rng      *rand.Rand
	policy   string
	upstream *testenv.Server
	witness  *testenv.Witness
	archive  *archive // nil: none
	work     *workload.Workload
	tr       *traffic
	m        mirror
	count    killCounts
}

func newKillCase(t *testing.T, family testenv.Family, policy string, seed uint64) *killCase {
	t.Helper()
	c := &killCase{t: t, rng: rand.New(rand.NewPCG(seed, 0x12)), policy: policy}
	// What it has answered it has written, and so has it after its own SIGKILL.
	c.upstream = testenv.StartServer(t, family, testenv.WithConfig("appendonly yes", "appendfsync no", "auto-aof-rewrite-percentage 0", killBacklog))
	c.work = newWorkload(t, seed, c.upstream, workload.Options{NoFieldTTL: family.Has(testenv.FieldTTLReplayHazard)})
	write(t, c.upstream, c.work, 500)
	ballast(t, c.upstream, seed, killBallast)
	c.witness = testenv.NewWitness(t, c.upstream.Addr())
	set := []string{
		"aof.appendfsync=" + policy, "aof.increment-size=64kb", "aof.auto-aof-rewrite-percentage=10", "aof.auto-aof-rewrite-min-size=1kb",
		"aof.aof-timestamp-enabled=" + []string{"no", "yes"}[c.rng.IntN(2)],
	}
	if seed%2 == 0 {
		c.archive = newArchive(t, true)
		c.m = c.archive.newMirror(t, c.witness.Addr(), set...)
	} else {
		c.m = newMirror(t, c.witness.Addr(), set...)
	}
	c.tr = startTraffic(t, c.upstream, c.work)
	return c
}

func (c *killCase) run(kills int) {
	t := c.t
	moments := c.moments()
	c.m.start(t)
	for i := range kills {
		if i%bootEvery == bootEvery-1 {
			c.killAndBoot()
		} else {
			moments[c.rng.IntN(len(moments))]()
		}
		c.m.start(t)
	}
	c.settle()
	c.tr.stop(t)
	requireMirrored(t, c.upstream, c.m, c.policy)
	c.count.Boots++
	if c.archive != nil {
		c.restore()
	}
	requireCleanEnd(t, c.upstream.Family, c.m)
	c.count.Heard = c.witness.Heard()
	require.Zero(t, c.count.Heard.Needless)
}

// moments are when it is killed; those that are there twice come twice as often.
func (c *killCase) moments() []func() {
	moments := []func(){
		c.killInTheStart, c.killInTheStart, c.killInTheStream, c.killInTheStream, c.killAfterAFack, c.killAfterAFack, c.killInARewrite, c.killInARewrite,
		c.killInAResync, c.killInAResync, c.killWithTheUpstream,
	}
	if c.archive != nil {
		moments = append(moments, c.killWithTheGateway)
	}
	return moments
}

// pause waits for a random time.
func (c *killCase) pause(limit time.Duration) {
	moment := time.NewTimer(time.Duration(c.rng.Int64N(int64(limit))))
	defer moment.Stop()
	<-moment.C
}

// within waits for something no longer than a time.
func (c *killCase) within(limit time.Duration, wait func(context.Context) error) (in bool) {
	ctx, cancel := context.WithTimeout(c.t.Context(), limit)
	defer cancel()
	return wait(ctx) == nil
}

// awaitStreaming waits until the stream flows, but not for long: an upstream that has just lost a replica in the middle of a snapshot hangs up on the next one, too, and a
// snapshot that failed is asked for again after a minute.
func (c *killCase) awaitStreaming() bool {
	return c.within(5*time.Second, func(ctx context.Context) error {
		_, err := c.m.Await(ctx, "streaming", testenv.SidecarStatus.Streaming)
		return err
	})
}

// settle is awaitStreaming of one that must come to it: a new process asks at once.
func (c *killCase) settle() {
	for range 5 {
		if c.awaitStreaming() {
			return
		}
		c.kill()
		c.m.start(c.t)
	}
	c.m.awaitStreaming(c.t)
}

// kill kills the sidecar, and wants that nothing is lost.
func (c *killCase) kill() {
	t := c.t
	if status, err := c.m.Status(t.Context()); err == nil && status.Streaming() {
		c.count.Streaming++
	}
	c.m.kill(t)
	c.count.Kills++
	require.NoError(t, c.witness.Wait(t.Context(), "all that was said to be heard", func(stats testenv.ProxyStats) bool { return stats.Open() == 0 }))
	end, err := c.witness.Check(c.m.Dir())
	if err != nil {
		c.count.Lost++
		t.Logf("%+v", c.count)
	}
	require.NoError(t, err)
	c.count.Stream += end.Offset - end.From
	unfinished, err := filepath.Glob(filepath.Join(c.m.Dir(), "appendonlydir", "temp-*"))
	require.NoError(t, err)
	if len(unfinished) > 0 {
		c.count.Unfinished++
	}
}

func (c *killCase) killInTheStart() {
	c.pause(80 * time.Millisecond)
	c.kill()
}

func (c *killCase) killInTheStream() {
	c.awaitStreaming()
	c.pause(1200 * time.Millisecond)
	c.kill()
}

// killAfterAFack leaves as little time as can be between a FACK and the end.
func (c *killCase) killAfterAFack() {
	c.awaitStreaming()
	want := c.witness.Heard().Facks + 1 + c.rng.IntN(3)
	// Redis 7.0 gets none, and under appendfsync no there may be none for long.
	c.within(3*time.Second, func(ctx context.Context) error {
		return c.witness.Wait(ctx, "a FACK", func(testenv.ProxyStats) bool { return c.witness.Heard().Facks >= want })
	})
	c.kill()
}

func (c *killCase) killInARewrite() {
	c.awaitStreaming()
	aofsidecar(c.t, "rewrite", "--set", "control.socket="+c.m.Socket()) // or one is under way
	c.pause(60 * time.Millisecond)
	c.kill()
}

// killInAResync has the upstream forget its history.
func (c *killCase) killInAResync() {
	t := c.t
	c.awaitStreaming()
	before := c.witness.Heard().Full
	require.NoError(t, c.upstream.Client().Do(t.Context(), "DEBUG", "CHANGE-REPL-ID").Err())
	c.witness.Break(testenv.Reset)
	c.within(3*time.Second, func(ctx context.Context) error {
		return c.witness.Wait(ctx, "a full resync", func(testenv.ProxyStats) bool { return c.witness.Heard().Full > before })
	})
	c.pause(100 * time.Millisecond)
	c.kill()
}

// killWithTheUpstream also kills the upstream, which comes back with what it had, and another history.
func (c *killCase) killWithTheUpstream() {
	t := c.t
	c.awaitStreaming()
	c.pause(100 * time.Millisecond)
	require.NoError(t, c.upstream.Kill())
	c.count.Upstreams++
	c.pause(50 * time.Millisecond)
	c.kill()
	c.tr.cancel()
	if err := <-c.tr.ended; err != nil {
		t.Logf("a command that was not answered: %v", err)
	}
	require.NoError(t, c.upstream.Start(t.Context()))
	c.tr = startTraffic(t, c.upstream, c.work)
}

func (c *killCase) killWithTheGateway() {
	t := c.t
	c.within(5*time.Second, func(ctx context.Context) error {
		_, err := c.m.Await(ctx, "shipping", func(s testenv.SidecarStatus) bool { return s.Archive.LeaseHeld })
		return err
	})
	require.NoError(t, c.archive.gateway.Kill())
	c.count.Gateways++
	c.pause(300 * time.Millisecond)
	c.kill()
	require.NoError(t, c.archive.gateway.Restart(t.Context()))
}

// killAndBoot kills a sidecar that has all of the stream; a stock server that boots from what is left must equal the upstream.
func (c *killCase) killAndBoot() {
	t := c.t
	c.settle()
	release, err := testenv.Freeze(t.Context(), c.upstream.Client())
	require.NoError(t, err)
	testenv.Eventually(t, "the mirror to have all of the stream", func(ctx context.Context) (testenv.SidecarStatus, bool) {
		return c.m.inStep(ctx, c.upstream, c.policy)
	})
	c.kill()
	c.requireEqual(c.m.Dir())
	require.NoError(t, release(t.Context()))
}

func (c *killCase) requireEqual(dir string) {
	t := c.t
	booted := testenv.BootFromAOF(t, c.upstream.Family, dir)
	testenv.RequireEqual(t, c.upstream, booted, testenv.IgnoreUnreplicated())
	require.NoError(t, booted.Close())
	c.count.Boots++
}

// restore wants that the archive has it all, too.
func (c *killCase) restore() {
	t := c.t
	freeze(t, c.upstream)
	if c.policy == "no" { // only what is durable is shipped: what a clean stop syncs
		code, err := c.m.Stop(t.Context())
		require.NoError(t, err)
		require.Zero(t, code, c.m.Log())
		c.m.start(t)
	}
	c.m.awaitShipped(t, c.upstream)
	// The guard refuses a plain restore where a FLUSHALL came before a full resync.
	dir, _ := c.archive.restore(t, "--timeline", c.m.awaitStreaming(t).Log.Timeline)
	c.requireEqual(dir)
}
