package replica

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

func TestParseAnswer(t *testing.T) {
	asked := position(t, idA, 1000)
	for _, tc := range []struct {
		reply string
		asked stream.Position
		want  answer
		ok    bool
	}{
		{"FULLRESYNC " + idB + " 0", stream.Position{}, answer{full: true, position: position(t, idB, 0)}, true},
		{"FULLRESYNC " + idB + " 42", asked, answer{full: true, position: position(t, idB, 42)}, true},
		{"CONTINUE", asked, answer{position: asked}, true},
		{"CONTINUE " + idB, asked, answer{position: position(t, idB, 1000)}, true},
		{"CONTINUE", stream.Position{}, answer{}, false},
		{"CONTINUE " + idB, stream.Position{}, answer{}, false},
		{"CONTINUE " + idB[1:], asked, answer{}, false},
		{"CONTINUE " + idB + " 1", asked, answer{}, false},
		{"FULLRESYNC " + idB, asked, answer{}, false},
		{"FULLRESYNC " + idB + " -1", asked, answer{}, false},
		{"FULLRESYNC " + idB + " 9223372036854775808", asked, answer{}, false},
		{"FULLRESYNC " + idB[1:] + "x 1", asked, answer{}, false},
		{"FULLRESYNC " + idB + " 1 2", asked, answer{}, false},
		{"RDBCHANNELSYNC 7", asked, answer{}, false},
		{"DUALCHANNELSYNC", asked, answer{}, false},
		{"", asked, answer{}, false},
	} {
		got, err := parseAnswer(tc.reply, tc.asked)
		require.Equal(t, tc.ok, err == nil, "%q: %v", tc.reply, err)
		require.Equal(t, tc.want, got, tc.reply)
		if err != nil {
			require.Equal(t, ClassProtocol, ClassOf(err))
		}
	}
}

func TestPsyncErrors(t *testing.T) {
	for reply, want := range map[string]Class{
		"-NOMASTERLINK Can't SYNC while not connected with my master": ClassBusy,
		"-LOADING Redis is loading the dataset in memory":             ClassBusy,
		"-BUSY Redis is busy running a script":                        ClassBusy,
		"-MASTERDOWN Link with MASTER is down":                        ClassBusy,
		"-ERR BGSAVE failed, replication can't continue":              ClassSnapshot,
		"-NOAUTH Authentication required.":                            ClassRefused,
		"-NOPERM no permissions to run the 'psync' command":           ClassRefused,
		"-ERR SYNC and PSYNC are invalid with pending output":         ClassRefused,
		"$5": ClassProtocol,
	} {
		synctest.Test(t, func(t *testing.T) {
			var h heard
			u := newUpstream(t)
			run := start(t, u, newRecorder(t), h.observe)
			p := u.accept()
			p.resync("?", "-1")
			p.send("\n" + reply + "\r\n")
			p.ended()
			synctest.Wait()
			require.Equal(t, want, h.losses()[0].Class, h.losses()[0].Err)
			require.Equal(t, PhaseResync, h.losses()[0].Phase)
			run.stop()
		})
	}
}

func TestContinueWithNewID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, rec := newUpstream(t), newRecorder(t).at(position(t, idA, 1000), 3)
		var resyncs []PartialResync
		run := start(t, u, rec, func(o *Options) {
			o.Observer.PartialResync = func(p PartialResync) { resyncs = append(resyncs, p) }
		})
		p := u.accept()
		p.resync(idA, "1001")
		p.send("+CONTINUE " + idB + "\r\n" + heartbeat) // in one packet: the id goes first all the same
		p.expect("REPLCONF", "ACK", "1000")
		synctest.Wait()
		p.close()
		p = u.accept()
		p.resync(idB, "1015")
		calls, _ := rec.seen()
		require.Equal(t, []string{"resume " + idA + ":1000 db 3", "continue " + idB, "rollback to 1014", "resume " + idB + ":1014 db 3"}, calls)
		require.Equal(t, []PartialResync{{Asked: position(t, idA, 1000), ID: position(t, idB, 0).ReplID}}, resyncs)
		require.EqualValues(t, 1, run.client.State().PartialResyncs)
		run.stop()
	})
}

// The sink may have to wait for its disk; no byte after +CONTINUE is appended or acknowledged meanwhile.
func TestContinueIsTakenBeforeTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, rec := newUpstream(t), newRecorder(t).at(position(t, idA, 1000), 0)
		disk := make(chan struct{})
		rec.onContinue = func(ctx context.Context, _ stream.ReplID) error {
			select {
			case <-disk:
			case <-ctx.Done():
			}
			return ctx.Err()
		}
		run := start(t, u, rec)
		p := u.accept()
		p.resync(idA, "1001")
		p.send("+CONTINUE " + idB + "\r\n" + heartbeat)
		pass(5 * time.Second)
		require.Empty(t, p.pending())
		require.Empty(t, rec.seenRuns())
		close(disk)
		p.expect("REPLCONF", "ACK", "1000")
		run.stop()
	})
}

func TestSinkErrorsEndRun(t *testing.T) {
	broken := errors.New("fsync: input/output error")
	for name, breaks := range map[string]func(*recorder){
		"resume":   func(r *recorder) { r.onResume = func() error { return broken } },
		"continue": func(r *recorder) { r.onContinue = func(context.Context, stream.ReplID) error { return broken } },
		"append":   func(r *recorder) { r.onAppend = func(context.Context, *stream.Run) error { return broken } },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u, rec := newUpstream(t), newRecorder(t).at(position(t, idA, 1000), 0)
				breaks(rec)
				run := start(t, u, rec)
				if name != "resume" {
					p := u.accept()
					p.resync(idA, "1001")
					p.send("+CONTINUE\r\n" + heartbeat)
				}
				require.ErrorIs(t, <-run.result, broken)
				require.Equal(t, PhaseStopped, run.client.State().Phase)
			})
		})
	}
}
