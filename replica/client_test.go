package replica

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

func TestNewReportsAllErrors(t *testing.T) {
	_, err := New(Options{Addr: "nowhere", ReplTimeout: -1, Backoff: Backoffs{Busy: Backoff{First: 2, Max: 1}}}, nil, nil)
	for _, part := range []string{"nowhere", "repl-timeout", "busy backoff"} {
		require.ErrorContains(t, err, part)
	}
}

func TestParseAddr(t *testing.T) {
	for addr, want := range map[string]endpoint{
		"127.0.0.1:6379":         {"tcp", "127.0.0.1:6379", "127.0.0.1"},
		"redis.example.com:6380": {"tcp", "redis.example.com:6380", "redis.example.com"},
		"[::1]:6379":             {"tcp", "[::1]:6379", "::1"},
		"/run/redis.sock":        {"unix", "/run/redis.sock", ""},
		"unix:///run/redis.sock": {"unix", "/run/redis.sock", ""},
	} {
		got, err := parseAddr(addr)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, addr := range []string{"", "host", ":6379", "host:", "::1:6379", "unix://run/redis.sock", "unix://"} {
		_, err := parseAddr(addr)
		require.Error(t, err, addr)
	}
}

// What stands before an '@' may be a password, and errors are logged.
func TestAddressWithPasswordIsNotQuoted(t *testing.T) {
	for _, addr := range []string{
		"user:hunter2@host:6379", "hunter2@host:6379", ":hunter2@host:6379", "hunter2@host", "redis://user:hunter2@host:6379",
		"rediss://:hunter2@[::1]:6379/0", "host:hunter2@", "@hunter2:6379", "unix://user:hunter2@/run/redis.sock",
		"hunter2@", "hunter2@:6379", "host:6379@hunter2",
	} {
		_, err := New(Options{Addr: addr}, nil, nil)
		require.ErrorContains(t, err, "user and password do not belong in the address", addr)
		require.NotContains(t, err.Error(), "hunter2", addr)
	}
	for _, path := range []string{"/run/redis@1.sock", "unix:///run/redis@1.sock"} {
		_, err := New(Options{Addr: path}, nil, nil)
		require.NoError(t, err, "a path may have one")
	}
}

func TestBackoff(t *testing.T) {
	b := Backoff{First: time.Second, Max: 10 * time.Second}
	var got []time.Duration
	for i := range 7 {
		got = append(got, b.delay(i+1))
	}
	s := time.Second
	require.Equal(t, []time.Duration{s, 2 * s, 4 * s, 8 * s, 10 * s, 10 * s, 10 * s}, got)
	require.Equal(t, 10*time.Second, b.delay(1<<30))
	b.Jitter = 0.5
	for range 100 {
		d := b.delay(2)
		require.Greater(t, d, s)
		require.LessOrEqual(t, d, 2*s)
	}
}

func TestFailuresAreForgottenAfterProgress(t *testing.T) {
	var f failures
	require.Equal(t, 1, f.add(ClassSnapshot))
	require.Equal(t, 1, f.add(ClassNetwork))
	f.progress(false)
	require.Equal(t, 2, f.add(ClassSnapshot), "a stream is not a snapshot")
	require.Equal(t, 1, f.add(ClassNetwork))
	f.progress(true)
	require.Equal(t, 1, f.add(ClassSnapshot))
	require.Equal(t, 1, f.add(ClassNetwork))
}

// A link that comes up, brings nothing new and goes down again is not progress, or a broken upstream would be asked for ever at once.
func TestBackoffBeginsAnewOnlyAfterProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		u, rec := newUpstream(t), newRecorder(t).at(position(t, idA, 1000), 0)
		exact := Backoffs{Protocol: Backoff{First: time.Second, Max: time.Minute}}
		run := start(t, u, rec, h.observe, func(o *Options) { o.Backoff = exact })
		bad := cmd("MULTI") + cmd("SET", "k", "v") + "*1\r\n$1000000000000000000\r\n"
		for i := range 8 {
			p := u.accept()
			p.resync(idA, "1001")
			p.send("+CONTINUE\r\n" + bad)
			p.ended()
			synctest.Wait()
			require.Equal(t, min(time.Second<<i, time.Minute), h.losses()[i].Retry)
			require.Equal(t, i+1, h.losses()[i].InRow)
		}
		p := u.accept()
		p.resync(idA, "1001")
		p.send("+CONTINUE\r\n" + heartbeat + bad)
		p.ended()
		synctest.Wait()
		require.Equal(t, time.Second, h.losses()[8].Retry)
		run.stop()
	})
}

func TestHostileLengthIsAProtocolErrorWithThePosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		u, rec := newUpstream(t), newRecorder(t).at(position(t, idA, 1000), 0)
		run := start(t, u, rec, h.observe)
		p := u.accept()
		p.resync(idA, "1001")
		p.send("+CONTINUE\r\n" + cmd("SET", "k", "v") + "*1\r\n$1000000000000000000\r\n")
		p.ended()
		synctest.Wait()
		wrong := asError[*ProtocolError](t, h.losses()[0].Err)
		require.Equal(t, idA, wrong.Position.ReplID.String())
		require.Greater(t, wrong.Position.Offset, stream.Offset(1027+len("*1\r\n$")))
		require.LessOrEqual(t, wrong.Position.Offset, stream.Offset(1027+len("*1\r\n$1000000000000000000")))
		require.ErrorContains(t, wrong, wrong.Position.String())
		u.accept().resync(idA, "1028") // what was right before it is kept
		run.stop()
	})
}

func TestSilenceEndsTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		run, p, _ := follower(t, h.observe)
		for range 10 {
			pass(59 * time.Second)
			p.send(heartbeat)
		}
		synctest.Wait()
		require.Empty(t, h.losses())
		pass(time.Minute)
		require.Len(t, h.losses(), 1)
		require.Equal(t, ClassNetwork, h.losses()[0].Class)
		require.ErrorContains(t, h.losses()[0].Err, "not a byte in 1m0s")
		require.Equal(t, PhaseStreaming, h.losses()[0].Phase)
		run.stop()
	})
}

// A peer that takes nothing is gone, too: the write gives up, and closes the link so that the reader does.
func TestStuckWriteEndsTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		l := newLink(ours, ours, time.Minute)
		begin := time.Now()
		first := l.write([]byte(heartbeat))
		require.ErrorIs(t, first, os.ErrDeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(begin))
		require.Equal(t, first, l.write([]byte(heartbeat)), "what is written later would not be in order")
		require.Equal(t, first, l.writeError())
		_, err := l.line()
		require.ErrorIs(t, err, io.ErrClosedPipe)
		require.NoError(t, theirs.Close())
	})
}

// Every phase ends at once with the context, and nothing is left behind (goleak).
func TestContextEndsEveryPhase(t *testing.T) {
	stuck := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	for name, reach := range map[string]func(*upstream, *recorder){
		"connecting": func(*upstream, *recorder) {},
		"handshake":  func(u *upstream, _ *recorder) { u.accept().expect("PING") },
		"waiting":    func(u *upstream, _ *recorder) { u.accept().resync("?", "-1") },
		"header": func(u *upstream, _ *recorder) {
			p := u.accept()
			p.resync("?", "-1")
			p.send("+FULLRESYNC " + idA + " 10\r\n")
		},
		"snapshot": func(u *upstream, _ *recorder) {
			p := u.accept()
			p.resync("?", "-1")
			p.send("+FULLRESYNC " + idA + " 10\r\n$30\r\nRDB")
		},
		"finishing": func(u *upstream, r *recorder) {
			r.onFull = func(ctx context.Context, _ stream.Snapshot, _ io.Reader) error { return stuck(ctx) }
			p := u.accept()
			p.resync("?", "-1")
			p.send("+FULLRESYNC " + idA + " 10\r\n$3\r\nRDB")
		},
		"streaming": func(u *upstream, _ *recorder) {
			p := u.accept()
			p.resync("?", "-1")
			p.send("+FULLRESYNC " + idA + " 10\r\n$3\r\nRDB" + cmd("MULTI") + "*1\r\n$4\r\nPI")
		},
		"appending, all buffers full": func(u *upstream, r *recorder) {
			r.onAppend = func(ctx context.Context, _ *stream.Run) error { return stuck(ctx) }
			p := u.accept()
			p.resync("?", "-1")
			p.send("+FULLRESYNC " + idA + " 10\r\n$3\r\nRDB")
			set := cmd("SET", "k", strings.Repeat("v", 1<<20))
			go func() {
				for {
					if _, err := p.conn.Write([]byte(set)); err != nil {
						return
					}
				}
			}()
		},
		"backing off": func(u *upstream, _ *recorder) { u.accept().close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u, rec := newUpstream(t), newRecorder(t)
				run := start(t, u, rec)
				reach(u, rec)
				synctest.Wait()
				begin := time.Now()
				run.stop()
				require.Zero(t, time.Since(begin))
				require.False(t, rec.open, "Rollback is missing")
				require.Equal(t, PhaseStopped, run.client.State().Phase)
			})
		})
	}
}

// Drain lets the upstream say its last word, and then does not come back.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, p, rec := follower(t)
		run.client.Drain()
		run.client.Drain()
		pass(time.Minute - time.Second)
		last := cmd("SET", "k", "last") + getack
		p.send(last)
		for ack := range p.got {
			if ack[2] == itoa(1000+len(last)) {
				break
			}
		}
		require.Empty(t, run.result)
		p.close()
		require.NoError(t, <-run.result)
		_, kept := rec.seen()
		require.Equal(t, cmd("SET", "k", "last"), kept)
	})
	for name, reach := range map[string]func(*upstream){
		"connecting": func(*upstream) {},
		"handshake":  func(u *upstream) { u.accept().expect("PING") },
		"waiting":    func(u *upstream) { u.accept().resync("?", "-1") },
		"backing off": func(u *upstream) {
			p := u.accept()
			p.resync("?", "-1")
			p.send("-NOPERM no\r\n")
			p.ended()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u, rec := newUpstream(t), newRecorder(t)
				run := start(t, u, rec)
				reach(u)
				synctest.Wait()
				begin := time.Now()
				run.client.Drain()
				require.NoError(t, <-run.result)
				require.Zero(t, time.Since(begin))
			})
		})
	}
}

// All that was received is appended, also when the connection is long gone and the sink was not ready.
func TestReceivedIsAppendedAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, rec := newUpstream(t), newRecorder(t).at(position(t, idA, 1000), 0)
		disk := make(chan struct{})
		rec.onAppend = func(context.Context, *stream.Run) error {
			<-disk
			return nil
		}
		run := start(t, u, rec)
		p := u.accept()
		p.resync(idA, "1001")
		p.send("+CONTINUE\r\n")
		set := cmd("SET", "k", strings.Repeat("v", 100<<10))
		for range 100 {
			p.send(set + getack)
		}
		p.close()
		run.client.Drain()
		pass(time.Hour)
		close(disk)
		require.NoError(t, <-run.result)
		_, kept := rec.seen()
		sameBytes(t, strings.Repeat(set, 100), kept)
	})
}

func TestRollbackErrorEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, rec := newUpstream(t), newRecorder(t).at(position(t, idA, 1000), 0)
		broken := errors.New("truncate: input/output error")
		client, err := New(Options{Addr: "upstream:6379", Dial: u.dial}, stubborn{rec, broken}, rec)
		require.NoError(t, err)
		result := make(chan error, 1)
		go func() { result <- client.Run(t.Context()) }()
		p := u.accept()
		p.resync(idA, "1001")
		p.send("+CONTINUE\r\n")
		p.next()
		p.close()
		require.ErrorIs(t, <-result, broken)
	})
}

type stubborn struct {
	*recorder
	err error
}

func (s stubborn) Rollback() error { return s.err }

func TestStateAndObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []string
		say := func(format string) { events = append(events, format) }
		u, rec := newUpstream(t), newRecorder(t)
		var acks, getacks, received int
		run := start(t, u, rec, func(o *Options) {
			o.Observer = Observer{
				Connecting:    func(addr string) { say("connecting " + addr) },
				Connected:     func(p Peer) { say("connected " + p.Server.String() + " " + p.Remote) },
				FullResync:    func(f FullResync) { say("full " + f.Snapshot.Position.String() + " after " + f.Asked.String()) },
				PartialResync: func(p PartialResync) { say("partial " + p.Asked.String() + " " + p.ID.Short()) },
				SnapshotDone: func(s stream.Snapshot, n int64, err error) {
					require.NoError(t, err)
					say("done " + itoa(int(n)) + " of " + itoa(int(s.Bytes)))
				},
				LinkLost: func(f Failure) { say("lost " + f.Class.String() + " in " + f.Phase.String()) },
				Received: func(n int) { received += n },
				AckSent:  func(Ack) { acks++ },
				GetAck:   func(stream.Offset) { getacks++ },
			}
		})
		synctest.Wait()
		require.Equal(t, PhaseConnecting, run.client.State().Phase)
		p := u.accept()
		synctest.Wait()
		require.Equal(t, PhaseHandshake, run.client.State().Phase)
		p.resync("?", "-1")
		require.Equal(t, PhaseResync, run.client.State().Phase)
		p.send("+FULLRESYNC " + idA + " 10\r\n$3\r\n")
		synctest.Wait()
		require.Equal(t, PhaseSnapshot, run.client.State().Phase)
		p.send("RDB" + getack)
		synctest.Wait()
		pass(3 * time.Second)
		s := run.client.State()
		require.Equal(t, PhaseStreaming, s.Phase)
		require.Equal(t, 3*time.Second, time.Since(s.Since))
		require.Equal(t, 3*time.Second, time.Since(s.ReceivedAt))
		require.EqualValues(t, len(getack), s.ReceivedBytes)
		require.Equal(t, idA, s.ReplID.String())
		require.EqualValues(t, 1, s.FullResyncs)
		require.Equal(t, 4, acks) // the first, for GETACK, two by the clock
		require.Equal(t, 1, getacks)
		require.Equal(t, len(getack), received)
		p.close()
		synctest.Wait()
		s = run.client.State()
		require.Equal(t, PhaseBackingOff, s.Phase)
		require.Equal(t, ClassNetwork, s.LastFailure.Class)
		require.Equal(t, s.LastFailureAt.Add(s.LastFailure.Retry), s.NextTry)
		p = u.accept()
		p.resync(idA, "48")
		p.send("+CONTINUE " + idB + "\r\n")
		p.next()
		synctest.Wait()
		require.EqualValues(t, 1, run.client.State().PartialResyncs)
		require.Equal(t, idB, run.client.State().ReplID.String())
		run.stop()
		require.Equal(t, []string{
			"connecting upstream:6379", "connected redis 8.0.6 pipe", "full " + idA + ":10 after ?:0", "done 3 of 3",
			"lost network in streaming", "connecting upstream:6379", "connected redis 8.0.6 pipe", "partial " + idA + ":47 bbbbbbbb",
		}, events)
	})
}

// FACK moves at once only while somebody may be waiting for it.
func TestFackCostsNothingWhileNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, p, rec := follower(t)
		rec.autoFsync = true
		set := cmd("SET", "k", "v")
		for range 1000 {
			p.send(set)
			synctest.Wait()
		}
		require.Empty(t, p.pending())
		p.expect("REPLCONF", "ACK", itoa(1000+1000*len(set)), "FACK", itoa(1000+1000*len(set)))

		rec.autoFsync = false // as fsync has not kept up
		p.send(set + getack)
		p.next()
		synctest.Wait()
		for range 3 { // each fsync that comes nearer is told
			rec.fsync(rec.durable + 9)
			synctest.Wait()
			require.Len(t, p.pending(), 1)
		}
		rec.fsync(rec.durable + stream.Offset(len(getack))) // all who asked have their answer
		synctest.Wait()
		require.Empty(t, p.pending())
		run.stop()
	})
}

// Redis 7.0 reads no FACK: it would be bytes for nothing, and a real replica sends none.
func TestNoFackToWhomReadsNone(t *testing.T) {
	for server, want := range map[Server]bool{
		{"redis", "7.0.0"}: false, {"redis", "7.0.15"}: false, {"redis", "7.2.0"}: true, {"redis", "7.10.0"}: true,
		{"redis", "8.0.6"}: true, {"valkey", "7.2.7"}: true, {"valkey", "9.1.2"}: true, {}: true, {"redis", "next"}: true,
	} {
		require.Equal(t, want, server.readsFACK(), "%s", server)
	}
	synctest.Test(t, func(t *testing.T) {
		u, rec := newUpstream(t), newRecorder(t).at(position(t, idA, 1000), 0)
		rec.autoFsync = true
		run := start(t, u, rec)
		p := u.accept()
		p.expect("PING")
		p.send("+PONG\r\n")
		p.introduceAs("redis", "7.0.15")
		p.expect("PSYNC", idA, "1001")
		p.send("+CONTINUE\r\n")
		p.expect("REPLCONF", "ACK", "1000")
		p.send(cmd("SET", "k", "v") + getack)
		for range 3 { // the answer, then only the clock
			p.expect("REPLCONF", "ACK", itoa(1000+len(cmd("SET", "k", "v"))+len(getack)))
		}
		run.stop()
	})
}

// One answer for all the GETACKs that were there to read: not a packet more than needed.
func TestGetAcksTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, p, _ := follower(t)
		p.send(strings.Repeat(cmd("SET", "k", "v")+getack, 20))
		synctest.Wait()
		require.Equal(t, []string{"REPLCONF ACK " + itoa(1000+20*(27+len(getack)))}, p.pending())
		run.stop()
	})
}

// A snapshot that comes already is not broken off for another: the upstream forks for each. Reconnect ends the connection behind it.
func TestReconnectInAFullResync(t *testing.T) {
	for name, sent := range map[string][2]string{ // before Reconnect and behind it
		"decided": {"+FULLRESYNC " + idB + " 10\r\n", "$3\r\nRDB"},
		"begun":   {"+FULLRESYNC " + idB + " 10\r\n$3\r\nR", "DB"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := newUpstream(t)
				rec := newRecorder(t).at(position(t, idA, 1000), 0)
				run := start(t, u, rec)
				p := u.accept()
				p.resync(idA, "1001")
				p.send(sent[0])
				synctest.Wait()
				run.client.Reconnect()
				synctest.Wait()
				require.Zero(t, run.client.State().FailedSnapshots)
				p.send(sent[1])
				p = u.accept()
				require.EqualValues(t, 1, run.client.State().FullResyncs)
				require.Equal(t, "RDB", string(rec.payload))
				p.resync(idB, "11")
				p.send("+CONTINUE\r\n")
				p.next()
				synctest.Wait()
				run.client.Reconnect()
				u.accept().resync(idB, "11")
				run.stop()
			})
		})
	}
}

// Reconnect ends the connection in any other phase, between commands or in the middle of one; the next one asks the sink anew.
func TestReconnect(t *testing.T) {
	for name, reach := range map[string]func(u *upstream){
		"handshake": func(u *upstream) { u.accept().expect("PING") },
		"waiting":   func(u *upstream) { u.accept().resync(idA, "1001") },
		"streaming": func(u *upstream) {
			p := u.accept()
			p.resync(idA, "1001")
			p.send("+CONTINUE\r\n" + cmd("SET", "k", "v") + "*2\r\n$3\r\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := newUpstream(t)
				rec := newRecorder(t).at(position(t, idA, 1000), 0)
				run := start(t, u, rec)
				reach(u)
				synctest.Wait()
				run.client.Reconnect()
				synctest.Wait()
				require.False(t, rec.open, "Rollback is missing")
				require.Empty(t, run.result, "it goes on")
				rec.at(position(t, idA, 2000), 0)
				p := u.accept()
				p.resync(idA, "2001")
				p.send("+CONTINUE\r\n")
				p.next()
				run.stop()
				run.client.Reconnect() // nothing is there to end
			})
		})
	}
}
