package replica

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// The tests of this file are named for the traps of the protocol reference, section 10, that concern the link. The same traps are tried
// on real servers in server_test.go.

func TestTrap01SilenceBeforeFullresync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, rec := newUpstream(t), newRecorder(t)
		run := start(t, u, rec)
		p := u.accept()
		p.resync("?", "-1")
		for range 50 { // an upstream that gathers replicas before it forks
			pass(time.Second)
			p.send("\n")
		}
		require.Empty(t, p.pending(), "something was sent before +FULLRESYNC")
		p.send("+FULLRESYNC " + idA + " 10\r\n")
		pass(30 * time.Second)
		require.Empty(t, p.pending(), "something was sent before the snapshot")
		p.send("$3\r\nRDB")
		p.expect("REPLCONF", "ACK", "10")
		run.stop()
	})
}

func TestTrap02FirstAckAfterDisklessSnapshotIsLost(t *testing.T) {
	mark := strings.Repeat("m", markBytes)
	synctest.Test(t, func(t *testing.T) {
		u, rec := newUpstream(t), newRecorder(t)
		run := start(t, u, rec)
		p := u.accept()
		p.resync("?", "-1")
		p.send("+FULLRESYNC " + idA + " 10\r\n\n\n$EOF:" + mark + "\r\nRDB" + mark)
		begin := time.Now()
		p.expect("REPLCONF", "ACK", "10")
		require.Zero(t, time.Since(begin), "the first ACK has to come at once")
		for _, after := range []int{50, 150, 350, 750, 1550, 2600, 3650} { // a real upstream starts to stream with one of these
			p.expect("REPLCONF", "ACK", "10")
			require.Equal(t, time.Duration(after)*time.Millisecond, time.Since(begin))
		}
		p.send(cmd("SET", "k", "v"))
		p.expect("REPLCONF", "ACK", "37")
		run.stop()
	})
	synctest.Test(t, func(t *testing.T) { // counted: the stream follows without a separator, and nobody waits for an ACK
		u, rec := newUpstream(t), newRecorder(t)
		run := start(t, u, rec)
		p := u.accept()
		p.resync("?", "-1")
		p.send("+FULLRESYNC " + idA + " 10\r\n$3\r\nRDB" + cmd("SET", "k", "v"))
		synctest.Wait()
		_, kept := rec.seen()
		require.Equal(t, cmd("SET", "k", "v"), kept)
		require.Equal(t, "RDB", string(rec.payload))
		run.stop()
	})
}

func TestTrap03ResumeAsksForTheNextByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, rec := newUpstream(t), newRecorder(t).at(position(t, idA, 1000), 0)
		run := start(t, u, rec)
		p := u.accept()
		p.resync(idA, "1001")
		p.send("+CONTINUE " + idA + "\r\n" + heartbeat)
		synctest.Wait()
		p.close()
		p = u.accept()
		p.resync(idA, "1015")
		run.stop()
	})
}

func TestTrap04EveryStreamByteCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, rec := newUpstream(t), newRecorder(t)
		run := start(t, u, rec)
		p := u.accept()
		p.resync("?", "-1")
		p.send("\n\n+FULLRESYNC " + idA + " 10\r\n\n\n\n$3\r\nRDB") // none of these
		p.expect("REPLCONF", "ACK", "10")
		whole := heartbeat + cmd("SELECT", "3") + "\n" + cmd("set", "k", "v") + cmd("PUBLISH", "c", "m")
		p.send(whole + getack)
		p.expect("REPLCONF", "ACK", itoa(10+len(whole)+len(getack)))
		open := cmd("MULTI") + cmd("SET", "k", "w") + heartbeat
		p.send(open + cmd("SET", "k", "x")[:9])
		synctest.Wait()
		require.Equal(t, stream.Offset(10+len(whole)+len(getack)+len(open)), rec.Received())
		p.close()
		p = u.accept()
		p.resync(idA, itoa(10+len(whole)+len(getack)+1)) // MULTI's start, not what was received
		run.stop()
	})
}

func TestTrap05DatabaseOutlivesTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, rec := newUpstream(t), newRecorder(t).at(position(t, idA, 1000), 7)
		run := start(t, u, rec)
		p := u.accept()
		p.resync(idA, "1001")
		p.send("+CONTINUE\r\n" + cmd("SET", "k", "v")) // no SELECT comes
		synctest.Wait()
		require.Equal(t, 7, rec.seenRuns()[0].DB)
		p.send(cmd("MULTI") + cmd("SELECT", "9"))
		synctest.Wait()
		p.close()
		p = u.accept()
		p.resync(idA, "1028")
		p.send("+CONTINUE\r\n" + cmd("SET", "k", "v")) // the SELECT inside MULTI was rolled back
		synctest.Wait()
		require.Equal(t, 7, rec.last().DB)
		p.send(cmd("MULTI") + cmd("SELECT", "9") + cmd("SET", "k", "v") + cmd("EXEC"))
		synctest.Wait()
		require.Equal(t, 9, rec.last().DB)
		run.stop()
	})
	synctest.Test(t, func(t *testing.T) { // an upstream that is a replica: the snapshot says it (repl-stream-db)
		u, rec := newUpstream(t), newRecorder(t)
		rec.fullDB = 5
		run := start(t, u, rec)
		p := u.accept()
		p.resync("?", "-1")
		p.send("+FULLRESYNC " + idA + " 10\r\n$3\r\nRDB" + cmd("SET", "k", "v"))
		synctest.Wait()
		require.Equal(t, 5, rec.seenRuns()[0].DB)
		run.stop()
	})
}

func TestTrap08NothingThatIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, rec := newUpstream(t), newRecorder(t)
		run := start(t, u, rec)
		p := u.accept()
		p.greet() // fails if a command comes before the reply to the one before
		p.expect("PSYNC", "?", "-1")
		p.send("-ERR unknown command 'PSYNC'\r\n")
		require.Nil(t, p.next(), "SYNC must not be tried")

		p = u.accept()
		p.resync("?", "-1")
		p.send("+FULLRESYNC " + idA + " 10\r\n$3\r\nRDB" + getack + heartbeat)
		pass(10 * time.Second)
		for _, sent := range p.pending() {
			require.Contains(t, sent, "REPLCONF ACK ")
		}
		run.stop()
	})
}

func TestTrap09AnnouncesVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, rec := newUpstream(t), newRecorder(t)
		run := start(t, u, rec)
		p := u.accept()
		p.greet() // "REPLCONF version 9.0.0" is refused there, as by Redis, and that is harmless
		p.expect("PSYNC", "?", "-1")
		run.stop()
	})
}

func TestTrap10Acknowledge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, p, rec := follower(t)
		set := cmd("SET", "k", "v")
		p.send(set + getack)
		end := 1000 + len(set) + len(getack)
		p.expect("REPLCONF", "ACK", itoa(end)) // GETACK's own bytes included; nothing is durable

		rec.fsync(stream.Offset(1000 + len(set))) // what WAITAOF waits for
		at := time.Now()
		p.expect("REPLCONF", "ACK", itoa(end), "FACK", itoa(1000+len(set)))
		require.Zero(t, time.Since(at), "FACK has to come at once while someone waits")

		rec.fsync(stream.Offset(end)) // nobody waits
		synctest.Wait()
		require.Empty(t, p.pending())
		p.expect("REPLCONF", "ACK", itoa(end), "FACK", itoa(end))
		require.Positive(t, time.Since(at))

		rec.fsync(stream.Offset(end - 5)) // what was acknowledged stays acknowledged
		p.expect("REPLCONF", "ACK", itoa(end), "FACK", itoa(end))
		run.stop()
	})
	synctest.Test(t, func(t *testing.T) { // what is received but not in the log is not acknowledged
		u, rec := newUpstream(t), newRecorder(t).at(position(t, idA, 1000), 0)
		full := make(chan struct{})
		rec.onAppend = func(context.Context, *stream.Run) error {
			<-full
			return nil
		}
		run := start(t, u, rec)
		p := u.accept()
		p.resync(idA, "1001")
		p.send("+CONTINUE\r\n" + cmd("SET", "k", "v") + getack)
		for range 30 {
			p.expect("REPLCONF", "ACK", "1000")
		}
		close(full)
		p.expect("REPLCONF", "ACK", itoa(1000+len(cmd("SET", "k", "v"))+len(getack)))
		run.stop()
	})
}

func TestTrap11AckBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, rec := newUpstream(t), newRecorder(t).at(position(t, idA, 1000), 0)
		rec.autoFsync = true
		run := start(t, u, rec, func(o *Options) { o.AckBehind = true })
		p := u.accept()
		p.resync(idA, "1001")
		p.send("+CONTINUE\r\n")
		p.expect("REPLCONF", "ACK", "999")
		p.send(getack)
		p.expect("REPLCONF", "ACK", "1036", "FACK", "1037") // WAITAOF still counts us
		p.expect("REPLCONF", "ACK", "1036", "FACK", "1037")
		run.stop()
	})
}

func TestTrap15AlwaysReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, rec := newUpstream(t), newRecorder(t).at(position(t, idA, 1000), 0)
		full := make(chan struct{})
		rec.onAppend = func(context.Context, *stream.Run) error {
			<-full // a disk that waits for space
			return nil
		}
		run := start(t, u, rec)
		p := u.accept()
		p.resync(idA, "1001")
		p.send("+CONTINUE\r\n")
		set := cmd("SET", "k", strings.Repeat("v", 1<<20))
		for range 12 { // is taken although nothing is written
			p.send(set)
		}
		pass(5 * time.Minute)
		require.Len(t, p.pending(), 1+int(5*time.Minute/ackInterval), "the ACKs go on, whatever the disk does")
		close(full)
		synctest.Wait()
		require.Equal(t, stream.Offset(1000+12*len(set)), rec.Received())

		p.close() // and then the backlog is gone
		p = u.accept()
		p.resync(idA, itoa(1000+12*len(set)+1))
		p.send("+FULLRESYNC " + idB + " 5\r\n$3\r\nNEW")
		p.expect("REPLCONF", "ACK", "5")
		run.stop()
	})
}
