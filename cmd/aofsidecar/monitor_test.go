package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/admin"
	"github.com/aofsidecar/aofsidecar/internal/observe"
	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/replica"
)

// fakeStages stand in for log, client and upstream.
type fakeStages struct {
	status aof.Status
	id     stream.ReplID

	changed sync.Mutex // guards state where a test has several goroutines
	state   replica.State

	asked int
	info  string
	err   error
	keys  map[stream.ReplID]int64
}

func newFakeStages(t *testing.T) *fakeStages {
	t.Helper()
	id, err := stream.ParseReplID(strings.Repeat("a", stream.ReplIDLen))
	require.NoError(t, err)
	return &fakeStages{
		id:     id,
		status: aof.Status{Fsync: aof.FsyncEverySec, Received: 100, Durable: 100, FreeBytes: 1},
		state:  replica.State{Phase: replica.PhaseStreaming, Since: time.Now(), ReceivedAt: time.Now()},
		info:   "master_replid:" + id.String() + "\r\nmaster_repl_offset:150\r\ndb0:keys=3,expires=1\r\ndb12:keys=4,expires=0\r\ndbx:keys=9\r\n",
		keys:   map[stream.ReplID]int64{},
	}
}

func (f *fakeStages) Status() aof.Status        { return f.status }
func (f *fakeStages) Position() stream.Position { return stream.Position{ReplID: f.id, Offset: 100} }

func (f *fakeStages) State() replica.State {
	f.changed.Lock()
	defer f.changed.Unlock()
	return f.state
}

func (f *fakeStages) ask(ctx context.Context, _ ...string) *redis.StringCmd {
	f.asked++
	cmd := redis.NewStringCmd(ctx)
	cmd.SetVal(f.info)
	cmd.SetErr(f.err)
	return cmd
}

func (f *fakeStages) monitor(log *zap.Logger) *monitor {
	meter := &observe.LagMeter{}
	return &monitor{
		log: f, client: f, meter: meter, dog: admin.NewWatchdog(stuckAfter),
		sampler:     newSampler(f.ask, meter, func(id stream.ReplID, n int64) { f.keys[id] = n }, log),
		replTimeout: time.Minute, readyLag: 30 * time.Second,
	}
}

func TestReady(t *testing.T) {
	seconds := func(received, durable float64) observe.Lag {
		return observe.Lag{Received: observe.StageLag{Seconds: &received}, Durable: observe.StageLag{Seconds: &durable}}
	}
	for _, c := range []struct {
		name   string
		change func(*fakeStages, *monitor)
		lag    observe.Lag
		says   string
	}{
		{"in step", func(*fakeStages, *monitor) {}, seconds(0, 30), ""},
		{"behind", func(*fakeStages, *monitor) {}, seconds(0, 30.5), "the durable lag is 30.5s, more than 30s"},
		{"lag not known", func(*fakeStages, *monitor) {}, observe.Lag{}, "not known yet"},
		{"connecting", func(f *fakeStages, _ *monitor) { f.state.Phase = replica.PhaseConnecting }, seconds(0, 0), "not streaming: connecting"},
		{"backing off", func(f *fakeStages, _ *monitor) {
			f.state.Phase, f.state.LastFailure.Err = replica.PhaseBackingOff, errors.New("NOAUTH")
		}, seconds(0, 0), "not streaming: backing off: NOAUTH"},
		{"disk full", func(f *fakeStages, _ *monitor) { f.status.DiskFull = true }, seconds(0, 0), "disk is full"},
		{"failed", func(f *fakeStages, _ *monitor) { f.status.Failed = "sync: EIO" }, seconds(0, 0), "EIO"},
		{"stopping", func(_ *fakeStages, m *monitor) { m.stopping.Store(true) }, seconds(0, 0), "shutting down"},
		{"appendfsync no", func(f *fakeStages, _ *monitor) { f.status.Fsync = aof.FsyncNo }, seconds(0, 3600), ""},
		{"appendfsync no, behind", func(f *fakeStages, _ *monitor) { f.status.Fsync = aof.FsyncNo }, seconds(31, 3600), "the received lag is 31s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakeStages(t)
			m := f.monitor(zap.NewNop())
			c.change(f, m)
			err := m.judge(f.state, f.status, c.lag)
			if c.says == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.says)
			}
		})
	}
}

func TestAlive(t *testing.T) {
	now := time.Now()
	streaming := replica.State{Phase: replica.PhaseStreaming, Since: now.Add(-time.Hour)}
	silent, heard := streaming, streaming
	silent.ReceivedAt, heard.ReceivedAt = now.Add(-3*time.Minute), now.Add(-time.Minute)
	fresh := replica.State{Phase: replica.PhaseStreaming, Since: now.Add(-time.Second), ReceivedAt: now.Add(-time.Hour)}
	waiting := replica.State{Phase: replica.PhaseBackingOff, Since: now.Add(-time.Hour)}
	require.True(t, alive(heard, aof.Status{}, now, time.Minute))
	require.False(t, alive(silent, aof.Status{}, now, time.Minute))
	require.True(t, alive(silent, aof.Status{DiskFull: true}, now, time.Minute), "it waits for space")
	require.True(t, alive(fresh, aof.Status{}, now, time.Minute), "a new connection")
	require.True(t, alive(waiting, aof.Status{}, now, time.Minute), "an upstream that is away is no fault of ours")
}

func TestAnIdleMirrorAsksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeStages(t)
		m := f.monitor(zap.NewNop())
		watch := func(d time.Duration) {
			for range d / time.Second {
				m.look(t.Context())
				<-time.After(time.Second)
			}
		}
		watch(time.Hour)
		require.Equal(t, 1, f.asked, "once when the stream begins, not for what does not grow")
		require.Equal(t, map[stream.ReplID]int64{f.id: 7}, f.keys)
		f.status.IncrementsBytes += keysAfterBytes
		watch(10 * time.Second)
		require.Equal(t, 2, f.asked)
		f.status.IncrementsBytes += keysAfterBytes
		watch(10 * time.Second)
		require.Equal(t, 2, f.asked, "at most once a minute")
	})
}

// TestKeysAreCountedWhenTheStreamBegins holds that the guard knows the number of keys early: at the first connection, and after each
// one that follows, also where the log has not grown or was looked at a moment ago.
func TestKeysAreCountedWhenTheStreamBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeStages(t)
		m := f.monitor(zap.NewNop())
		look := func(phase replica.Phase, asked int) {
			t.Helper()
			if phase != f.state.Phase {
				f.state.Phase, f.state.Since = phase, time.Now()
			}
			m.look(t.Context())
			require.Equal(t, asked, f.asked)
			<-time.After(time.Second)
		}
		look(replica.PhaseConnecting, 0)
		look(replica.PhaseStreaming, 1)
		look(replica.PhaseStreaming, 1)
		look(replica.PhaseBackingOff, 1)
		look(replica.PhaseStreaming, 2)
		f.state.Since = time.Now() // lost and back between two looks
		look(replica.PhaseStreaming, 3)
		look(replica.PhaseStreaming, 3)
	})
}

func TestMonitorRunsUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		f := newFakeStages(t)
		m := f.monitor(zap.NewNop())
		require.NoError(t, m.run(ctx))
		require.NoError(t, m.dog.Check())
		require.NotNil(t, m.meter.Lag(time.Now()).Received.Seconds)
	})
}

func TestHealthFollowsTheStages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeStages(t)
		m := f.monitor(zap.NewNop())
		m.look(t.Context())
		require.NoError(t, m.dog.Check())
		for range 10 { // the upstream's PINGs stop coming, and the client does not notice
			<-time.After(time.Minute)
			m.look(t.Context())
		}
		require.ErrorContains(t, m.dog.Check(), "replica has made no progress")
		f.state.Phase = replica.PhaseBackingOff
		m.look(t.Context())
		require.NoError(t, m.dog.Check())
	})
}

func TestLagAsksTheUpstreamAtMostOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeStages(t)
		m := f.monitor(zap.NewNop())
		m.look(t.Context())
		for range 5 {
			lag := m.lag(t.Context())
			require.EqualValues(t, 50, *lag.Received.Bytes)
		}
		require.Equal(t, 1, f.asked)
		<-time.After(sampleEvery)
		require.NoError(t, m.ready(t.Context()))
		require.Equal(t, 2, f.asked)

		f.state.Phase = replica.PhaseBackingOff
		<-time.After(sampleEvery)
		m.lag(t.Context())
		require.Equal(t, 2, f.asked, "an upstream that is away is not asked")
	})
}

// An upstream whose cable was pulled: who asks how it stands is answered soon, all at once, and by what is so then.
func TestASilentUpstreamHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeStages(t)
		m := f.monitor(zap.NewNop())
		asked := 0
		m.sampler.info = func(ctx context.Context, _ ...string) *redis.StringCmd {
			asked++
			cmd := redis.NewStringCmd(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(sideTimeout):
			}
			cmd.SetErr(errors.New("i/o timeout"))
			return cmd
		}
		begun := time.Now()
		var callers sync.WaitGroup
		for range 5 {
			callers.Go(func() { m.lag(t.Context()) })
		}
		callers.Wait()
		require.Equal(t, sampleWait, time.Since(begun))
		require.Equal(t, 1, asked)

		<-time.After(sampleEvery)
		go func() {
			<-time.After(sampleWait / 2)
			f.changed.Lock()
			defer f.changed.Unlock()
			f.state.Phase = replica.PhaseBackingOff
		}()
		require.ErrorContains(t, m.ready(t.Context()), "not streaming")
	})
}

func TestADeniedInfoIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeStages(t)
		core, logs := observer.New(zap.DebugLevel)
		m := f.monitor(zap.New(core))
		f.err = errors.New("NOPERM this user has no permissions to run the 'info' command")
		for range 3 {
			m.look(t.Context())
			require.Nil(t, m.lag(t.Context()).Received.Bytes)
			<-time.After(time.Minute)
		}
		require.Equal(t, 1, f.asked)
		<-time.After(sampleDenied)
		m.lag(t.Context())
		require.Equal(t, 2, f.asked, "somebody may have changed it")
		require.Equal(t, 1, logs.Len())

		f.err = errors.New("connection refused")
		<-time.After(sampleDenied)
		m.lag(t.Context())
		require.Equal(t, 1, logs.Len(), "the link reports that")
	})
}

func TestAnAnswerThatMakesNoSense(t *testing.T) {
	f := newFakeStages(t)
	m := f.monitor(zap.NewNop())
	f.state.Phase = replica.PhaseConnecting // the first look asks nothing
	m.look(t.Context())
	f.state.Phase = replica.PhaseStreaming
	for _, info := range []string{"", "master_replid:zz", "master_replid:" + f.id.String() + "\r\nmaster_repl_offset:x"} {
		f.info = info
		m.sampler.next = time.Time{}
		require.Nil(t, m.lag(t.Context()).Received.Bytes)
	}
}
