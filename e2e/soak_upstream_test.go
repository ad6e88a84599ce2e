package e2e_test

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// beyond is how much of the stream is behind a moment that an upstream falls back to: more than a mark's distance from what the sidecar may ask for.
const beyond = 32 << 10

// upstreamFaults are of the upstream and its history.
func upstreamFaults() []fault {
	return []fault{
		{name: "upstream: SIGKILL, back from its AOF", part: ofUpstream, fits: func(p *plan) bool { return !p.rdb }, strike: killUpstream},
		{name: "upstream: SIGKILL, back from an older RDB", part: everything, fits: func(p *plan) bool { return p.rdb }, strike: rollUpstreamBack},
		{name: "upstream: restart from the RDB of its end", part: ofUpstream, fits: func(p *plan) bool { return p.rdb }, strike: restartUpstream},
		{name: "upstream: failover, partial resync", part: everything, strike: failOver},
		{name: "upstream: failover to a replica that is behind", part: everything, strike: failOverBehind},
		{name: "upstream: a chained replica in its place", part: everything, strike: chain},
		{name: "upstream: small backlog and output buffer", part: everything, strike: smallBuffers},
		{name: "upstream: another history", part: everything, strike: changeHistory},
		{name: "rewrite and resync at once", part: everything, strike: rewriteInResync},
		{name: "SIGKILL in a resync", part: everything, strike: killInResync},
	}
}

// killUpstream kills an upstream that has written what it has answered: it comes back with all of that, and another history.
func killUpstream(w *world) func() {
	require.NoError(w, w.upstream.Kill())
	return w.startUpstream
}

func (w *world) startUpstream() {
	require.NoError(w, w.upstream.Start(w.Context()))
	w.record()
}

// rollUpstreamBack has the upstream come back without what it has written last, and the mirror has.
func rollUpstreamBack(w *world) func() {
	require.NoError(w, w.upstream.Client().Save(w.Context()).Err())
	w.awaitReceived(beyond)
	require.NoError(w, w.upstream.Kill())
	return w.startUpstream
}

// awaitReceived waits until the mirror has so many bytes more than the upstream has now.
func (w *world) awaitReceived(more int64) {
	offset, err := offsetOf(w.Context(), w.upstream)
	require.NoError(w, err)
	w.m.awaitWithin(w.T, comeBackWithin, "beyond "+strconv.FormatInt(offset+more, 10), func(s testenv.SidecarStatus) bool { return s.Log.Received > offset+more })
}

// restartUpstream ends the upstream so that it knows its history when it comes back.
func restartUpstream(w *world) func() {
	_ = w.upstream.Client().Do(w.Context(), "SHUTDOWN", "SAVE").Err() // there is no answer
	w.eventually("the upstream to have ended", func(context.Context) bool { return w.upstream.PID() == 0 })
	return w.startUpstream
}

// eventually is [testenv.Eventually] with patience for a busy machine.
func (w *world) eventually(what string, condition func(context.Context) bool) {
	ctx, cancel := context.WithTimeout(w.Context(), comeBackWithin)
	defer cancel()
	_, err := testenv.Poll(ctx, what, func(ctx context.Context) (bool, bool) { now := condition(ctx); return now, now })
	require.NoError(w, err)
}

// replica starts a replica of the upstream, and waits until it has a snapshot, and an AOF if it is to have one. It is told by a command whose replica it is: its configuration does not say so when it is restarted.
func (w *world) replica() *testenv.Server {
	b := w.newUpstream()
	require.NoError(w, b.Client().Do(w.Context(), "REPLICAOF", "127.0.0.1", w.upstream.Port()).Err())
	w.eventually("the replica to be in step", func(ctx context.Context) bool {
		link, err := b.Info(ctx, "replication")
		if err != nil || link["master_link_status"] != "up" {
			return false
		}
		disk, err := b.Info(ctx, "persistence")
		return err == nil && disk["aof_rewrite_in_progress"] == "0" && disk["aof_rewrite_scheduled"] == "0"
	})
	return b
}

// settle stops the upstream where it is until the result is called, and waits until a replica and the mirror have all of it.
func (w *world) settle(b *testenv.Server) (release func()) {
	client := w.upstream.Client()
	require.NoError(w, client.ConfigSet(w.Context(), "repl-ping-replica-period", "3600").Err())
	unfreeze, err := testenv.Freeze(w.Context(), client)
	require.NoError(w, err)
	w.eventually("the replica to catch up", func(ctx context.Context) bool {
		there, err := offsetOf(ctx, w.upstream)
		if err != nil {
			return false
		}
		here, err := b.Info(ctx, "replication")
		return err == nil && here["slave_repl_offset"] == strconv.FormatInt(there, 10)
	})
	w.awaitInStep()
	return func() {
		require.NoError(w, client.ConfigSet(w.Context(), "repl-ping-replica-period", "10").Err())
		require.NoError(w, unfreeze(w.Context()))
	}
}

// promote makes a replica the upstream, whose place it takes behind the link.
func (w *world) promote(b *testenv.Server) {
	require.NoError(w, w.upstream.Kill())
	require.NoError(w, b.Client().Do(w.Context(), "REPLICAOF", "NO", "ONE").Err())
	w.quiet()
	w.upstream = b
	w.witness.SetTarget(b.Addr())
	w.witness.Break(testenv.Reset)
	w.record()
	w.flow()
}

func (w *world) timeline() string { return w.m.awaitStreaming(w.T).Log.Timeline }

// failOver kills the upstream when a replica and the mirror have all of it: the mirror goes on there, on the same timeline.
func failOver(w *world) func() {
	b := w.replica()
	w.settle(b) // for good
	before := w.timeline()
	offset, err := offsetOf(w.Context(), w.upstream)
	require.NoError(w, err)
	last := w.recordings[len(w.recordings)-1]
	last.limit = min(last.limit, offset)
	w.promote(b)
	return func() {
		w.comeBack()
		require.Equal(w, before, w.timeline(), "a history that goes on is the same timeline")
	}
}

// failOverBehind promotes a replica that lacks what the mirror has: what the upstream has lost, the mirror must not keep as if it were there.
func failOverBehind(w *world) func() {
	b := w.replica()
	before := w.timeline()
	require.NoError(w, b.Client().Do(w.Context(), "REPLICAOF", "NO", "ONE").Err())
	w.awaitReceived(beyond)
	w.promote(b)
	return func() {
		w.comeBack()
		require.NotEqual(w, before, w.timeline())
	}
}

// chain has the mirror follow a replica of the upstream for a while.
func chain(w *world) func() {
	b := w.replica()
	release := w.settle(b)
	w.witness.SetTarget(b.Addr())
	w.witness.Break(testenv.Reset)
	w.awaitInStep()
	release()
	return func() {
		w.witness.SetTarget(w.upstream.Addr())
		w.witness.Break(testenv.Reset)
		w.comeBack()
		require.NoError(w, b.Close())
	}
}

// smallBuffers leaves the upstream little room for a mirror that is slow: it hangs up on it, and does not have what the mirror lacks when that comes back.
func smallBuffers(w *world) func() {
	client := w.upstream.Client()
	was := map[string]string{}
	for name, value := range map[string]string{"repl-backlog-size": "16kb", "client-output-buffer-limit": "replica 64kb 32kb 1"} {
		got, err := client.ConfigGet(w.Context(), name).Result()
		require.NoError(w, err)
		was[name] = got[name]
		require.NoError(w, client.ConfigSet(w.Context(), name, value).Err())
	}
	w.witness.SetPlan(func(int) testenv.Plan {
		return testenv.Plan{ToClient: testenv.Link{BytesPerSecond: 64 << 10}}
	})
	w.witness.Break(testenv.Reset)
	value := strings.Repeat("x", 32<<10)
	for i := range 64 {
		require.NoError(w, client.Set(w.Context(), "burst:"+strconv.Itoa(i%4), value, 0).Err())
	}
	return func() {
		for name, value := range was {
			require.NoError(w, client.ConfigSet(w.Context(), name, value).Err())
		}
		w.witness.SetPlan(nil)
		w.witness.Break(testenv.Reset)
		w.recorder()
	}
}

// changeHistory has the upstream forget what it is called: the mirror needs a snapshot.
func changeHistory(w *world) func() {
	w.forget()
	return func() {}
}

func (w *world) forget() {
	recording := w.recorder()
	require.NoError(w, w.upstream.Client().Do(w.Context(), "DEBUG", "CHANGE-REPL-ID").Err())
	recording.names = append(recording.names, replIDOf(w.T, w.upstream)) // which goes on
	w.witness.Break(testenv.Reset)
}

// rewriteInResync has the log rewritten while a snapshot comes that makes it needless, slowly enough for both.
func rewriteInResync(w *world) func() {
	w.witness.SetPlan(func(int) testenv.Plan {
		return testenv.Plan{ToClient: testenv.Link{BytesPerSecond: 512 << 10}}
	})
	rewrite := func() { aofsidecar(w.T, "rewrite", "--set", "control.socket="+w.m.Socket()) } // or one is under way
	rewrite()
	w.forget()
	rewrite()
	w.last(300 * time.Millisecond)
	rewrite()
	return func() {
		w.witness.SetPlan(nil)
		w.comeBack()
		w.witness.Break(testenv.Reset)
	}
}

func killInResync(w *world) func() {
	w.forget()
	w.last(300 * time.Millisecond)
	return killSidecar(w)
}
