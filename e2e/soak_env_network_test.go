package e2e_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// How long both ends of the link of TestCablesArePulled put up with silence: where they should notice it, and where they should not, however busy the machine is.
const (
	netPatience = 3 * time.Second
	netComfort  = time.Minute
)

// The sidecar, its upstream and its store are hosts of a network whose cables are pulled: there is silence, without an end, and no reset. A cable that comes back soon is not even noticed; else the end that waits notices by its own
// timeout, and when the cable is back the mirror goes on by a partial resync, and all is shipped. A host that vanishes with its process is no other silence.
func TestCablesArePulled(t *testing.T) {
	t.Parallel()
	seed := newSeed(t)
	families := testenv.Servers(t)
	for i, c := range []struct {
		name     string
		patience time.Duration
		test     func(*netCase)
	}{
		{"for a moment", netComfort, (*netCase).pullForAMoment},
		{"from the upstream", netPatience, func(c *netCase) { c.pullFromUpstream(c.up.Unplug, c.up.Plug) }},
		{"in the switch", netPatience, func(c *netCase) { c.pullFromUpstream(c.side.Isolate, c.side.Join) }},
		{"from the store", netComfort, (*netCase).pullFromStore},
		{"to the sidecar alone", netPatience, func(c *netCase) { c.muteUpstream(c.up, c.side) }},
		{"to the upstream alone", netPatience, func(c *netCase) { c.muteUpstream(c.side, c.up) }},
		{"with the sidecar", netPatience, (*netCase).sidecarVanishes},
		{"with the store", netComfort, (*netCase).storeVanishes},
		{"with the upstream", netPatience, (*netCase).upstreamVanishes},
	} {
		family := families[(seed+uint64(i))%uint64(len(families))]
		t.Run(c.name+"/"+family.Name, func(t *testing.T) {
			t.Parallel()
			n := newNetCase(t, family, seed+uint64(i), c.patience)
			c.test(n)
			n.end()
		})
	}
}

// netCase is a sidecar with all that it talks to, on a network.
type netCase struct {
	t                   *testing.T
	side, up, st, spare *testenv.Host
	upstream            *testenv.Server
	gateway             *s3gateway.Gateway
	tr                  *traffic
	m                   mirror
	program             string // runs on the sidecar's host
	set, env            []string
	resyncs             resyncs // of the sidecar's life, as they should be
}

func newNetCase(t *testing.T, family testenv.Family, seed uint64, patience time.Duration) *netCase {
	t.Helper()
	n := testenv.NewNetwork(t, "sidecar", "upstream", "store", "spare")
	c := &netCase{t: t, side: n.Host("sidecar"), up: n.Host("upstream"), st: n.Host("store"), spare: n.Host("spare")}
	c.upstream = testenv.StartServer(t, family, testenv.OnHost(c.up), netConfig(patience))
	work := newWorkload(t, seed, c.upstream, workload.Options{NoFlush: true, NoFieldTTL: true, LongExpiry: true})
	write(t, c.upstream, work, 300)
	var err error
	c.gateway, err = s3gateway.StartOn(t.Context(), t.TempDir(), c.st.Addr(), c.st.Command()...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.gateway.Close()) })
	_, err = c.gateway.Bucket("backups")
	require.NoError(t, err)
	c.set = []string{
		"archive.url=s3://backups/prod", "archive.s3.endpoint=" + c.gateway.Endpoint(), "archive.s3.region=" + s3gateway.Region, "archive.s3.force-path-style=true",
		"archive.lease.ttl=3s", "archive.ship-interval=200ms", "archive.segment-size=64kb",
	}
	c.env = []string{"AWS_ACCESS_KEY_ID=" + s3gateway.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s3gateway.SecretKey, "AWS_EC2_METADATA_DISABLED=true"}
	c.program = c.side.Program(t, program)
	c.m = newMirrorOf(t, c.program, filepath.Join(t.TempDir(), "mirror"), c.upstream.Addr(), append(slices.Clone(c.set), "upstream.repl-timeout="+patience.String())...)
	c.m.Env(c.env...)
	c.m.start(t)
	c.m.awaitStreaming(t)
	c.resyncs = resyncs{full: 1}
	c.tr = startTraffic(t, c.upstream, work)
	c.awaitShipping()
	return c
}

func netConfig(patience time.Duration) testenv.Option {
	return testenv.WithConfig("repl-backlog-size 16mb", "repl-ping-replica-period 1", "repl-timeout "+strconv.Itoa(int(patience.Seconds())))
}

// awaitShipping waits until what is written now is in the archive. The upstream's PING of each second, and nothing else, would be there a minute later.
func (c *netCase) awaitShipping() {
	require.NoError(c.t, c.upstream.Client().Set(c.t.Context(), "shipping", time.Now().String(), 0).Err())
	c.m.awaitShipped(c.t, c.upstream)
}

// awaitMore waits until the upstream has written so much more.
func (c *netCase) awaitMore(bytes int64) {
	offset, err := offsetOf(c.t.Context(), c.upstream)
	require.NoError(c.t, err)
	awaitOffset(c.t, c.upstream, offset+bytes)
}

// requireNoticed waits until one end has given the link up, and tells when that was.
func (c *netCase) requireNoticed(since time.Time, by string, noticed func(context.Context) (string, bool)) {
	testenv.Eventually(c.t, by+" to notice", noticed)
	c.t.Logf("%s noticed after %v", by, time.Since(since).Round(time.Millisecond))
}

// sidecarNotices and upstreamNotices tell that the link is given up.
func (c *netCase) sidecarNotices(ctx context.Context) (string, bool) {
	status, err := c.m.Status(ctx)
	return status.Upstream.Phase, err == nil && !status.Streaming()
}

func (c *netCase) upstreamNotices(ctx context.Context) (string, bool) {
	info, err := c.upstream.Info(ctx, "replication")
	return info["connected_slaves"], err == nil && info["connected_slaves"] == "0"
}

// pullForAMoment pulls the cable until some was written that did not arrive.
func (c *netCase) pullForAMoment() {
	t := c.t
	require.NoError(t, c.up.Unplug())
	c.awaitMore(8 << 10)
	require.NoError(t, c.up.Plug())
}

// pullFromUpstream keeps the link cut until both ends have noticed.
func (c *netCase) pullFromUpstream(cut, mend func() error) {
	t := c.t
	before := c.m.awaitStreaming(t).Log.Received
	began := time.Now()
	require.NoError(t, cut())
	c.requireNoticed(began, "the sidecar", c.sidecarNotices)
	c.requireNoticed(began, "the upstream", c.upstreamNotices)
	status, err := c.m.Status(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, status.Log.Received, before)
	require.False(t, status.Ready)
	require.NoError(t, mend())
	c.resyncs.partial++
}

// pullFromStore cuts the store off until the lease is lost; the mirror goes on.
func (c *netCase) pullFromStore() {
	t := c.t
	require.NoError(t, c.st.Unplug())
	c.m.await(t, "without the lease", func(s testenv.SidecarStatus) bool { return !s.Archive.LeaseHeld })
	c.awaitMore(32 << 10)
	requireMirrored(t, c.upstream, c.m, "everysec")
	status, err := c.m.Status(t.Context())
	require.NoError(t, err)
	require.True(t, status.Streaming())
	require.NotEmpty(t, status.Archive.Error)
	require.NoError(t, c.st.Plug())
}

// muteUpstream loses what one of sidecar and upstream sends to the other. Where it is the upstream, the sidecar hears nothing; where it is the sidecar, the upstream does, and gives up, and what it says then arrives.
func (c *netCase) muteUpstream(from, to *testenv.Host) {
	t := c.t
	began := time.Now()
	require.NoError(t, from.Mute(to))
	c.requireNoticed(began, "the sidecar", c.sidecarNotices)
	c.requireNoticed(began, "the upstream", c.upstreamNotices)
	require.NoError(t, from.Unmute(to))
	c.resyncs.partial++
}

// sidecarVanishes takes the sidecar's host away; the next one begins before the upstream and the store have noticed.
func (c *netCase) sidecarVanishes() {
	t := c.t
	require.NoError(t, c.side.Unplug())
	c.m.kill(t)
	require.NoError(t, c.side.Plug())
	c.m.start(t)
	c.resyncs = resyncs{partial: 1}
}

// storeVanishes takes the store's host away, and with it whatever it knew of connections.
func (c *netCase) storeVanishes() {
	t := c.t
	require.NoError(t, c.st.Unplug())
	require.NoError(t, c.gateway.Restart(t.Context()))
	c.m.await(t, "without the lease", func(s testenv.SidecarStatus) bool { return !s.Archive.LeaseHeld })
	c.awaitMore(32 << 10)
	require.NoError(t, c.st.Plug())
}

// upstreamVanishes takes the upstream's host away for ever, and gives its address to a replica that takes its place.
func (c *netCase) upstreamVanishes() {
	t := c.t
	replica := testenv.StartServer(t, c.upstream.Family, testenv.OnHost(c.spare), netConfig(netPatience), testenv.ReplicaOf(c.upstream))
	testenv.Eventually(t, "the replica to be in step", func(ctx context.Context) (string, bool) {
		info, err := replica.Info(ctx, "replication")
		return info["master_link_status"], err == nil && info["master_link_status"] == "up"
	})
	c.tr.stop(t)
	testenv.CaughtUp(t, c.upstream, replica)
	began := time.Now()
	require.NoError(t, c.up.Unplug())
	require.NoError(t, c.upstream.Kill())
	c.requireNoticed(began, "the sidecar", c.sidecarNotices)
	require.NoError(t, replica.Client().Do(t.Context(), "REPLICAOF", "NO", "ONE").Err())
	require.NoError(t, c.spare.Take(c.up))
	c.upstream = replica
	c.tr = startTraffic(t, replica, c.tr.work)
	c.resyncs.partial++
}

// end wants all to be as if nothing had happened.
func (c *netCase) end() {
	t := c.t
	c.awaitMore(16 << 10)
	c.tr.stop(t)
	c.awaitShipping()
	freeze(t, c.upstream)
	requireMirrored(t, c.upstream, c.m, "everysec")
	status := c.m.awaitStreaming(t)
	require.Equal(t, c.resyncs.full, status.Upstream.FullResyncs)
	require.GreaterOrEqual(t, status.Upstream.PartialResyncs, c.resyncs.partial)
	if c.resyncs.partial == 0 {
		require.Zero(t, status.Upstream.PartialResyncs)
	}
	dir := filepath.Join(t.TempDir(), "restored")
	args := []string{"restore", "--json", "--output", dir}
	for _, setting := range c.set {
		args = append(args, "--set", setting)
	}
	done := commandWith(t, c.env, c.program, args...)
	require.Zero(t, done.code, "%+v", done)
	var got restoration
	require.NoError(t, json.Unmarshal([]byte(done.stdout), &got))
	require.Equal(t, status.Log.Timeline, got.Timeline)
	booted := testenv.BootFromAOF(t, c.upstream.Family, dir)
	testenv.RequireEqual(t, c.upstream, booted, testenv.IgnoreUnreplicated())
	require.NoError(t, booted.Close())
	requireCleanEnd(t, c.upstream.Family, c.m)
}
