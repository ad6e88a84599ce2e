package replica

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// The traps again, on real servers, all five at the same time.

func TestServerTrap01SilenceBeforeFullresync(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			server := testenv.StartServer(t, family, testenv.WithConfig("repl-diskless-sync yes", "repl-diskless-sync-delay 2"))
			rec := newRecorder(t)
			run := attach(t, server.Addr(), rec) // never, if something is said meanwhile
			s := run.client.State()
			require.Equal(t, int64(-1), s.Snapshot.Bytes)
			require.Zero(t, s.LastFailure, "at the first try")
			full, _ := resyncs(t, server)
			require.Equal(t, 1, full)
			run.stop()
		})
	}
}

func TestServerTrap02BothFramings(t *testing.T) {
	for _, diskless := range []string{"yes", "no"} {
		t.Run("diskless "+diskless, func(t *testing.T) {
			for _, family := range testenv.Servers(t) {
				t.Run(family.Name, func(t *testing.T) {
					t.Parallel()
					server := testenv.StartServer(t, family, testenv.WithConfig("repl-diskless-sync "+diskless))
					require.NoError(t, server.Client().Do(t.Context(), "DEBUG", "POPULATE", "20000").Err())
					rec := newRecorder(t)
					run := attach(t, server.Addr(), rec)
					require.NoError(t, server.Client().Set(t.Context(), "k", "v", 0).Err())
					caughtUp(t, server, rec)
					_, kept := rec.seen()
					require.Equal(t, []string{"SELECT 0", "set k v"}, lower(names(t, kept)))
					snap := run.client.State().Snapshot
					framed := snap.Bytes >= 0
					if family.AtLeast(testenv.Version{}, testenv.Version{Major: 9}) {
						require.Equal(t, diskless == "no", framed, "announced as 9.0.0, we get the format that is on disk")
					} else {
						require.Equal(t, diskless == "no", framed)
					}
					checkRDB(t, family, rec.payload)
					run.stop()
				})
			}
		})
	}
}

func TestServerTrap03To05Resume(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			server := testenv.StartServer(t, family)
			rec := newRecorder(t)
			run := attach(t, server.Addr(), rec)
			conn := server.Client().Conn()
			defer func() { require.NoError(t, conn.Close()) }()
			require.NoError(t, conn.Select(t.Context(), 5).Err())
			for i := range 10 {
				require.NoError(t, conn.Set(t.Context(), "k", i, 0).Err())
				caughtUp(t, server, rec)
				require.NoError(t, server.Client().ClientKillByFilter(t.Context(), "TYPE", "replica").Err())
				testenv.Eventually(t, "the resume", func(context.Context) (int64, bool) {
					n := run.client.State().PartialResyncs
					return n, n == int64(i+1)
				})
			}
			require.NoError(t, conn.Set(t.Context(), "k", "last", 0).Err())
			caughtUp(t, server, rec)
			full, partial := resyncs(t, server)
			require.Equal(t, []int{1, 10}, []int{full, partial})
			_, kept := rec.seen()
			commands := names(t, kept)
			require.Len(t, commands, 12, "one SELECT, and each SET once")
			require.Equal(t, "SELECT 5", commands[0])
			for _, r := range rec.seenRuns() {
				require.NotEqual(t, int64(1), r.Dropped, "a stray newline: the resume asked for a byte too early")
				if len(r.Data) > 0 {
					require.Equal(t, 5, r.DB)
				}
			}
			run.stop()
		})
	}
}

func TestServerTrap08And09NewFormat(t *testing.T) {
	family := testenv.Pick(t, "valkey-9.1")
	server := testenv.StartServer(t, family)
	require.NoError(t, server.Client().Do(t.Context(), "HSET", "h", "f", "v").Err())
	require.NoError(t, server.Client().Do(t.Context(), "HPEXPIRE", "h", "3600000", "FIELDS", "1", "f").Err())
	rec := newRecorder(t)
	run := attach(t, server.Addr(), rec) // without REPLCONF version it fails for ever
	require.True(t, strings.HasPrefix(string(rec.payload), "VALKEY080"))
	full, _ := resyncs(t, server)
	require.Equal(t, 1, full)
	run.stop()
}

// Nothing that we say makes the upstream hang up.
func TestServerTrap08NothingThatIsAnswered(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			server := testenv.StartServer(t, family, testenv.WithConfig("repl-ping-replica-period 1"))
			rec := newRecorder(t)
			run := attach(t, server.Addr(), rec)
			begin := rec.Received()
			testenv.Eventually(t, "some heartbeats", func(context.Context) (stream.Offset, bool) {
				return rec.Received(), rec.Received() >= begin+2*stream.Offset(len(heartbeat))
			})
			s := run.client.State()
			require.Equal(t, PhaseStreaming, s.Phase)
			require.Zero(t, s.LastFailure)
			run.stop()
		})
	}
}

// The clock never strikes here: what is acknowledged is the answer to a GETACK, or an fsync that someone waits for.
func TestServerTrap10WaitWithoutClock(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			options := []testenv.Option{testenv.WithConfig("repl-diskless-sync no")} // needs no second ACK to begin the stream
			if family.Has(testenv.WaitAOF) {
				options = append(options, testenv.WithConfig("appendonly yes"))
			}
			server := testenv.StartServer(t, family, options...)
			rec, sent := newRecorder(t), make(chan Ack, 1000)
			stop := followWithoutClock(t, server.Addr(), rec, sent)
			conn := server.Client().Conn()
			for i := range 20 {
				require.NoError(t, conn.Set(t.Context(), "k", i, 0).Err())
				n, err := conn.Wait(t.Context(), 1, time.Minute).Result()
				require.NoError(t, err)
				require.EqualValues(t, 1, n, "no answer to GETACK")
			}
			if family.Has(testenv.WaitAOF) {
				waitAOF(t, conn, rec, sent)
			}
			require.NoError(t, conn.Close())
			stop()
		})
	}
}

// followWithoutClock takes a snapshot and follows the stream on a connection whose clock strikes after an hour, until stop. What is
// acknowledged goes to sent.
func followWithoutClock(t *testing.T, addr string, rec *recorder, sent chan<- Ack) (stop func()) {
	t.Helper()
	opts := Options{Addr: addr, Observer: Observer{AckSent: func(a Ack) { sent <- a }}}
	client, err := New(opts, rec, rec)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	l, err := client.dial(ctx)
	require.NoError(t, err)
	release := l.guard(ctx)
	got, frame, err := client.negotiate(ctx, l, stream.Position{})
	require.NoError(t, err)
	db, err := client.fullResync(ctx, l, got.position, frame)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- client.follow(ctx, l, got, db, time.Hour) }()
	testenv.Eventually(t, "the stream", func(context.Context) (int, bool) { return len(sent), len(sent) > 0 })
	return func() {
		cancel()
		require.Error(t, <-ended)
		release()
	}
}

// waitAOF checks that FACK is what WAITAOF counts, and that it comes without the clock.
func waitAOF(t *testing.T, conn *redis.Conn, rec *recorder, sent <-chan Ack) {
	t.Helper()
	wait := func(patience time.Duration) int64 {
		require.NoError(t, conn.Set(t.Context(), "k", "v", 0).Err())
		got, err := conn.Do(t.Context(), "WAITAOF", 0, 1, patience.Milliseconds()).Slice()
		require.NoError(t, err)
		n, ok := got[1].(int64)
		require.True(t, ok)
		return n
	}
	require.Zero(t, wait(100*time.Millisecond), "nothing is durable")
	fsync := func(auto bool) {
		rec.mu.Lock()
		defer rec.mu.Unlock()
		rec.autoFsync = auto
		rec.fsyncLocked(rec.pos.Offset)
	}
	fsync(true)
	for range 20 {
		require.EqualValues(t, 1, wait(25*time.Second), "the answer to GETACK has to hold the FACK")
	}
	fsync(false)
	for range 3 { // the fsync comes after the answer to GETACK
		before, synced := rec.Received(), make(chan struct{})
		go func() {
			defer close(synced)
			for answer := range sent {
				if answer.Received > before {
					break
				}
			}
			fsync(false)
		}()
		require.EqualValues(t, 1, wait(25*time.Second), "no FACK after the fsync")
		<-synced
	}
}

func TestServerTrap10Shutdown(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			server := testenv.StartServer(t, family, testenv.WithConfig("shutdown-timeout 25"))
			rec := newRecorder(t)
			run := attach(t, server.Addr(), rec)
			require.NoError(t, server.Client().Set(t.Context(), "k", "v", 0).Err())
			caughtUp(t, server, rec)
			run.client.Drain()
			require.NoError(t, server.Stop(t.Context()))
			require.Contains(t, server.Log(), "1 of 1 replicas are in sync when shutting down", "it waited for us in vain")
			require.NoError(t, <-run.result, "Drain ends with the upstream")
		})
	}
}

func TestServerTrap11Failover(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			server := testenv.StartServer(t, family)
			rec := newRecorder(t)
			run := attach(t, server.Addr(), rec, func(o *Options) { o.AckBehind = true })
			require.NoError(t, server.Client().Set(t.Context(), "k", "v", 0).Err())
			caughtUp(t, server, rec)
			require.NoError(t, server.Client().Do(t.Context(), "FAILOVER", "TIMEOUT", "1500").Err())
			testenv.Eventually(t, "the end of the failover", func(ctx context.Context) (string, bool) {
				info, err := server.Info(ctx, "replication")
				if err != nil {
					return err.Error(), false
				}
				return info["role"] + " " + info["master_failover_state"], info["role"] == "master" && info["master_failover_state"] == "no-failover"
			})
			require.NoError(t, server.Client().Set(t.Context(), "k", "w", 0).Err(), "and it takes writes")
			run.stop()
		})
	}
}

// A sink that waits for its disk, for longer than the upstream's patience, in the snapshot and in the stream.
func TestServerTrap15SlowSink(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			server := testenv.StartServer(t, family, testenv.WithConfig("repl-timeout 2", "repl-ping-replica-period 1"))
			rec := newRecorder(t)
			rec.onFull = func(ctx context.Context, _ stream.Snapshot, _ io.Reader) error { return pause(ctx, 4*time.Second) }
			run := attach(t, server.Addr(), rec)
			var slow sync.Once
			rec.change(func() {
				rec.onAppend = func(ctx context.Context, run *stream.Run) (err error) {
					if len(run.Data) > 0 {
						slow.Do(func() { err = pause(ctx, 4*time.Second) })
					}
					return err
				}
			})
			require.NoError(t, server.Client().Set(t.Context(), "k", strings.Repeat("v", 4<<20), 0).Err())
			caughtUp(t, server, rec)
			require.Zero(t, run.client.State().LastFailure)
			full, partial := resyncs(t, server)
			require.Equal(t, []int{1, 0}, []int{full, partial})
			run.stop()
		})
	}
}

// A connection that is cut at every bad place, under all kinds of commands, against one that is not.
func TestServerCutsUnderLoad(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			server := testenv.StartServer(t, family, testenv.WithConfig("repl-backlog-size 64mb"))
			proxy := testenv.NewProxy(t, server.Addr())
			random := rand.New(rand.NewPCG(1, 2))
			cuts := 25
			proxy.SetPlan(func(conn int) testenv.Plan {
				if conn == 0 || conn > cuts {
					return testenv.Plan{}
				}
				fault := testenv.Fault{At: 500 + random.Int64N(1<<(10+conn%10)), Kind: testenv.FaultKind(conn % 2)}
				return testenv.Plan{ToClient: testenv.Link{Faults: []testenv.Fault{fault}}}
			})
			calm, rough := newRecorder(t), newRecorder(t)
			calmRun := attach(t, server.Addr(), calm)
			roughRun := attach(t, proxy.Addr(), rough)
			require.NoError(t, server.Client().Set(t.Context(), "begin", "v", 0).Err()) // forces a SELECT for both
			proxy.Break(testenv.Reset)
			load := workload.New(7, family, workload.Options{BigValueBytes: 300 << 10})
			for roughRun.client.State().PartialResyncs < int64(cuts) {
				require.NoError(t, load.Step(t.Context(), server.Client(), 20))
			}
			caughtUp(t, server, calm)
			caughtUp(t, server, rough)
			full, _ := resyncs(t, server)
			require.Equal(t, 2, full)
			_, want := calm.seen()
			_, got := rough.seen()
			_, want, found := strings.Cut(want, "begin")
			require.True(t, found)
			_, same, found := strings.Cut(got, "begin")
			require.True(t, found)
			sameBytes(t, want, same)
			names(t, got)
			calmRun.stop()
			roughRun.stop()
		})
	}
}

// The upstream fails and its replica is promoted: the history goes on under a new id.
func TestServerPromotion(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			primary := testenv.StartServer(t, family)
			second := testenv.StartServer(t, family, testenv.ReplicaOf(primary))
			proxy := testenv.NewProxy(t, primary.Addr())
			testenv.Eventually(t, "the replica to attach", func(ctx context.Context) (string, bool) {
				info, err := second.Info(ctx, "replication")
				return info["master_link_status"], err == nil && info["master_link_status"] == "up"
			})
			rec := newRecorder(t)
			run := attach(t, proxy.Addr(), rec)
			before := run.client.State().ReplID
			require.NoError(t, primary.Client().Set(t.Context(), "k", "first", 0).Err())
			caughtUp(t, primary, rec)
			testenv.CaughtUp(t, primary, second)
			require.NoError(t, primary.Kill())
			require.NoError(t, second.Client().ReplicaOf(t.Context(), "NO", "ONE").Err())
			require.NoError(t, second.Client().Set(t.Context(), "k", "second", 0).Err())
			proxy.SetTarget(second.Addr())
			testenv.Eventually(t, "the new id", func(context.Context) (string, bool) {
				id := run.client.State().ReplID
				return id.String(), id != before
			})
			caughtUp(t, second, rec)
			require.EqualValues(t, 1, run.client.State().FullResyncs)
			_, kept := rec.seen()
			require.Equal(t, []string{"SELECT 0", "set k first", "SELECT 0", "set k second"}, lower(names(t, kept)))
			run.stop()
		})
	}
}

// What the least that a user may be allowed is, and what is said when something of it is missing.
func TestServerAccess(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			server := testenv.StartServer(t, family, testenv.WithPassword("secret"),
				testenv.WithUser("sidecar", "on", ">old", "+psync", "+replconf", "+ping"),
				testenv.WithUser("blind", "on", ">old", "+replconf", "+ping"),
				testenv.WithUser("mute", "on", ">old", "+psync", "+ping"))
			for name, tc := range map[string]struct {
				login   func(*Options)
				message string
			}{
				"no password":    {func(*Options) {}, "NOAUTH"},
				"wrong password": {login("", "wrong"), "WRONGPASS"},
				"no psync":       {login("blind", "old"), "+psync"},
				"no replconf":    {login("mute", "old"), "+replconf"},
			} {
				lost := make(chan Failure, 1000)
				run := start(t, nil, newRecorder(t), at(server.Addr()), tc.login, failed(lost))
				f := <-lost
				require.Equal(t, ClassRefused, f.Class, name)
				require.ErrorContains(t, f.Err, tc.message, name)
				run.stop()
			}
			rec := newRecorder(t)
			run := attach(t, server.Addr(), rec, login("sidecar", "old"))
			s := run.client.State()
			require.Equal(t, string(family.Dialect), s.Peer.Server.Name, "also without the right to INFO")
			require.Equal(t, family.Version.String(), s.Peer.Server.Version)
			run.stop()

			require.NoError(t, server.Client().Do(t.Context(), "ACL", "SETUSER", "sidecar", "resetpass", ">new").Err())
			log, err := server.Client().Do(t.Context(), "ACL", "LOG").Slice()
			require.NoError(t, err)
			for _, entry := range log {
				require.NotContains(t, fmt.Sprint(entry), "sidecar", "nothing that it may not do was tried")
			}
			attach(t, server.Addr(), rec, login("sidecar", "new")).stop()
			full, partial := resyncs(t, server)
			require.Equal(t, []int{1, 1}, []int{full, partial})
		})
	}
}

func TestServerTransports(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			files := testenv.NewTLS(t)
			secure := testenv.StartServer(t, family, testenv.WithTLS(files))
			rec := newRecorder(t)
			run := attach(t, secure.Addr(), rec, over(files.ClientConfig))
			require.NoError(t, secure.Client().Set(t.Context(), "k", strings.Repeat("v", 3<<20), 0).Err())
			caughtUp(t, secure, rec)
			run.stop()

			lost := make(chan Failure, 1000)
			run = start(t, nil, newRecorder(t), at(secure.Addr()), failed(lost), over(func() (*tls.Config, error) {
				config, err := files.ClientConfig()
				config.Certificates = nil
				return config, err
			}))
			require.Equal(t, ClassRefused, (<-lost).Class, "a server that wants to see our certificate")
			run.stop()

			local := testenv.StartServer(t, family, testenv.WithUnixSocket())
			rec = newRecorder(t)
			run = attach(t, local.Socket(), rec)
			require.NoError(t, local.Client().Set(t.Context(), "k", "v", 0).Err())
			caughtUp(t, local, rec)
			run.stop()
		})
	}
}

// An upstream that cannot save to its own disk answers PING with an error. It needs a mirror more than others.
func TestServerThatCannotSave(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir() + "/data"
			require.NoError(t, os.Mkdir(dir, 0o750))
			server := testenv.StartServer(t, family, testenv.WithDataDir(dir), testenv.WithConfig("save 3600 1", "repl-diskless-sync yes"))
			require.NoError(t, os.Remove(dir))
			require.NoError(t, server.Client().BgSave(t.Context()).Err())
			testenv.Eventually(t, "MISCONF", func(ctx context.Context) (string, bool) {
				said := fmt.Sprint(server.Client().Ping(ctx).Err())
				return said, strings.Contains(said, "MISCONF")
			})
			rec := newRecorder(t)
			attach(t, server.Addr(), rec).stop()
			checkRDB(t, family, rec.payload)
		})
	}
}

// An upstream that was started again has another history, and its old one is not missed in silence.
func TestServerRestart(t *testing.T) {
	for _, family := range testenv.Servers(t) {
		t.Run(family.Name, func(t *testing.T) {
			t.Parallel()
			server := testenv.StartServer(t, family)
			rec := newRecorder(t)
			run := attach(t, server.Addr(), rec)
			before := run.client.State().ReplID
			require.NoError(t, server.Kill())
			require.NoError(t, server.Start(t.Context()))
			testenv.Eventually(t, "the full resync", func(context.Context) (int64, bool) {
				n := run.client.State().FullResyncs
				return n, n == 2
			})
			require.NotEqual(t, before, run.client.State().ReplID)
			run.stop()
		})
	}
}
