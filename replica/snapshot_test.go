package replica

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

var testMark = []byte("f1d2d2f924e986ac86fdf7b36c94bcdf32beec15")

// read reads a payload to its end and returns it with what follows in the connection.
func readPayload(t *testing.T, in io.Reader, frame framing, consumer func(io.Reader) io.Reader) (payload, rest string, err error) {
	t.Helper()
	buffered := bufio.NewReaderSize(in, replyBytes)
	p := newPayload(buffered, frame)
	p.progress = func(int64) {}
	b, err := io.ReadAll(consumer(p))
	select {
	case <-p.ended:
		require.True(t, p.complete)
		require.NoError(t, err)
	default:
		require.Error(t, err, "the end has to be said by the time that it is returned")
	}
	require.EqualValues(t, len(b), p.bytes)
	after, _ := io.ReadAll(buffered)
	return string(b), string(after), err
}

func same(r io.Reader) io.Reader { return r }

func TestPayloadEndsExactly(t *testing.T) {
	mark := string(testMark)
	payloads := map[string]string{
		"empty": "", "one": "x", "short": "REDIS", "almost the mark": mark[:39], "the mark's beginnings": strings.Repeat(mark[:39], 5) + mark[:1],
		"repeats": strings.Repeat("0", 100), "one buffer": strings.Repeat("r", replyBytes-40), "over one buffer": strings.Repeat("r", replyBytes+1),
		"long": strings.Repeat("0123456789abcdef", 20000),
	}
	for name, payload := range payloads {
		for _, rest := range []string{"", "*1\r\n$4\r\nPING\r\n"} {
			for slices, cut := range map[string]func(io.Reader) io.Reader{"whole": same, "bytes": iotest.OneByteReader, "halves": iotest.HalfReader, "data with EOF": iotest.DataErrReader} {
				for readers, consumer := range map[string]func(io.Reader) io.Reader{"whole": same, "bytes": iotest.OneByteReader} {
					t.Run(strings.Join([]string{name, slices, readers}, "/"), func(t *testing.T) {
						got, after, err := readPayload(t, cut(strings.NewReader(payload+mark+rest)), framing{length: -1, mark: testMark}, consumer)
						require.NoError(t, err)
						sameBytes(t, payload, got)
						require.Equal(t, rest, after)
						got, after, err = readPayload(t, cut(strings.NewReader(payload+rest)), framing{length: int64(len(payload))}, consumer)
						require.NoError(t, err)
						sameBytes(t, payload, got)
						require.Equal(t, rest, after)
					})
				}
			}
		}
	}
}

// The mark is found wherever it lies in the buffer that is searched.
func TestMarkStraddlesReads(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		payload := make([]byte, random.IntN(3*replyBytes))
		for i := range payload {
			payload[i] = testMark[random.IntN(16)]
		}
		in := append(append(bytes.Clone(payload), testMark...), "rest"...)
		got, after, err := readPayload(t, &ragged{r: bytes.NewReader(in), random: random}, framing{length: -1, mark: testMark}, same)
		require.NoError(t, err)
		sameBytes(t, string(payload), got)
		require.Equal(t, "rest", after)
	}
}

// ragged reads pieces of random sizes.
type ragged struct {
	r      io.Reader
	random *rand.Rand
}

func (r *ragged) Read(p []byte) (int, error) {
	return r.r.Read(p[:min(len(p), 1+r.random.IntN(1<<r.random.IntN(17)))])
}

func TestPayloadCutShort(t *testing.T) {
	for cut := range 45 {
		whole := "hello" + string(testMark)
		_, _, err := readPayload(t, strings.NewReader(whole[:cut]), framing{length: -1, mark: testMark}, same)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, cut)
	}
	for cut := range 5 {
		_, _, err := readPayload(t, strings.NewReader("hello"[:cut]), framing{length: 5}, same)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, cut)
	}
	broken := errors.New("connection reset")
	_, _, err := readPayload(t, io.MultiReader(strings.NewReader("hel"), iotest.ErrReader(broken)), framing{length: 5}, same)
	require.ErrorIs(t, err, broken)
}

func TestSnapshotHeader(t *testing.T) {
	for line, want := range map[string]Class{
		"-ERR out of memory":                  ClassSnapshot,
		"$-1":                                 ClassSnapshot,
		"$99999999999999999999":               ClassSnapshot,
		"$EOF:short":                          ClassSnapshot,
		"$EOF:" + strings.Repeat("m", 41):     ClassSnapshot,
		"*1":                                  ClassSnapshot,
		"$" + strings.Repeat("1", replyBytes): ClassSnapshot,
	} {
		synctest.Test(t, func(t *testing.T) {
			var h heard
			u := newUpstream(t)
			run := start(t, u, newRecorder(t), h.observe)
			p := u.accept()
			p.resync("?", "-1")
			p.send("+FULLRESYNC " + idA + " 10\r\n\n")
			_, _ = p.conn.Write([]byte("\n" + line + "\r\n"))
			synctest.Wait()
			require.Equal(t, want, h.losses()[0].Class, h.losses()[0].Err)
			run.stop()
		})
	}
}

// Each ask forks the upstream: 1, 2, 4 ... 60 minutes, and from the beginning after a success.
func TestFailedSnapshotIsAskedForSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		u, rec := newUpstream(t), newRecorder(t)
		wrong := errors.New("CRC64 differs")
		rec.onFull = func(context.Context, stream.Snapshot, io.Reader) error { return wrong }
		run := start(t, u, rec, h.observe)
		var waits []time.Duration
		for i := range 9 {
			p := u.accept()
			p.resync("?", "-1")
			switch i % 4 {
			case 0:
				p.send("-ERR BGSAVE failed, replication can't continue\r\n")
			case 1:
				p.send("+FULLRESYNC " + idA + " 10\r\n-ERR the child died\r\n")
			case 2:
				p.send("+FULLRESYNC " + idA + " 10\r\n$100\r\nREDIS")
				p.close()
			default:
				p.send("+FULLRESYNC " + idA + " 10\r\n$3\r\nRDB")
			}
			p.ended()
			synctest.Wait()
			require.Equal(t, ClassSnapshot, h.losses()[i].Class, h.losses()[i].Err)
			waits = append(waits, h.losses()[i].Retry)
		}
		m := time.Minute
		require.Equal(t, []time.Duration{m, 2 * m, 4 * m, 8 * m, 16 * m, 32 * m, 60 * m, 60 * m, 60 * m}, waits)
		require.EqualValues(t, 9, run.client.State().FailedSnapshots)
		require.ErrorIs(t, h.losses()[3].Err, wrong)

		pass(59 * time.Minute)
		rec.change(func() { rec.onFull = nil })
		p := u.accept()
		p.resync("?", "-1")
		p.send("+FULLRESYNC " + idA + " 10\r\n$3\r\nRDB")
		p.expect("REPLCONF", "ACK", "10")
		p.close()
		p = u.accept()
		p.resync(idA, "11")
		p.send("+FULLRESYNC " + idB + " 10\r\n$3\r\nR")
		p.close()
		synctest.Wait()
		require.Equal(t, time.Minute, h.losses()[len(h.losses())-1].Retry)
		calls, _ := rec.seen()
		require.NotContains(t, calls[len(calls)-1], idB, "nothing has changed")
		run.stop()
	})
}

func TestFatalSnapshotErrorEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, rec := newUpstream(t), newRecorder(t)
		rec.onFull = func(context.Context, stream.Snapshot, io.Reader) error { return fatal(true) }
		run := start(t, u, rec)
		p := u.accept()
		p.resync("?", "-1")
		p.send("+FULLRESYNC " + idA + " 10\r\n$3\r\nRDB")
		require.ErrorIs(t, <-run.result, fatal(true))
	})
}

type fatal bool

func (f fatal) Error() string { return "the disk said something" }
func (f fatal) Fatal() bool   { return bool(f) }

// A sink that must not be asked for a full resync keeps the client off the upstream.
func TestHeldDoesNotContactUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		u, rec := newUpstream(t), newRecorder(t)
		rec.onResume = func() error { return fatal(false) }
		run := start(t, u, rec, h.observe)
		pass(10 * time.Minute)
		require.Empty(t, u.conns)
		require.Greater(t, len(h.losses()), 15)
		require.Equal(t, ClassHeld, h.losses()[0].Class)
		rec.change(func() { rec.onResume = nil })
		u.accept().resync("?", "-1")
		run.stop()
	})
}

// idle is a sink that says it took a snapshot that it has not read.
type idle struct{ *recorder }

func (i idle) FullResync(context.Context, stream.Snapshot, io.Reader) (int, error) { return 0, nil }

func TestSnapshotMustBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, rec := newUpstream(t), newRecorder(t)
		client, err := New(Options{Addr: "upstream:6379", Dial: u.dial}, idle{rec}, rec)
		require.NoError(t, err)
		result := make(chan error, 1)
		go func() { result <- client.Run(t.Context()) }()
		p := u.accept()
		p.resync("?", "-1")
		p.send("+FULLRESYNC " + idA + " 10\r\n")
		_, _ = p.conn.Write([]byte("$3\r\nRDB"))
		require.ErrorIs(t, <-result, errNotRead)
	})
}

// While the sink makes the snapshot durable the upstream must not think that we are gone, and not yet that we are done.
func TestNewlinesWhileSnapshotIsFinished(t *testing.T) {
	for name, body := range map[string]string{"counted": "$3\r\nRDB", "delimited": "$EOF:" + string(testMark) + "\r\nRDB" + string(testMark)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u, rec := newUpstream(t), newRecorder(t)
				disk := make(chan struct{})
				rec.onFull = func(context.Context, stream.Snapshot, io.Reader) error {
					<-disk
					return nil
				}
				run := start(t, u, rec)
				p := u.accept()
				p.resync("?", "-1")
				p.send("+FULLRESYNC " + idA + " 10\r\n" + body[:len(body)-1])
				pass(30 * time.Second)
				require.Empty(t, p.pending(), "before the payload's end nothing is sent")
				p.send(body[len(body)-1:])
				pass(2*time.Minute + time.Second/2)
				require.Equal(t, strings.Repeat("\n", 120), strings.Join(p.pending(), "\n")+"\n")
				require.Equal(t, PhaseSnapshot, run.client.State().Phase)
				close(disk)
				p.expect("REPLCONF", "ACK", "10")
				pass(10 * time.Second)
				require.NotContains(t, p.pending(), "", "no newline among the ACKs")
				run.stop()
			})
		})
	}
}

// The limit is for silence, not for the whole: a slow snapshot may take a day, a stuck one a minute.
func TestSnapshotWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		u := newUpstream(t)
		var progress []int64
		run := start(t, u, newRecorder(t), h.observe, func(o *Options) {
			o.Observer.SnapshotProgress = func(_ stream.Snapshot, n int64) { progress = append(progress, n) }
		})
		p := u.accept()
		p.resync("?", "-1")
		p.send("+FULLRESYNC " + idA + " 10\r\n$1000\r\n")
		for range 999 {
			pass(59 * time.Second)
			p.send("x")
		}
		synctest.Wait()
		require.Equal(t, PhaseSnapshot, run.client.State().Phase)
		require.EqualValues(t, 999, run.client.State().SnapshotBytes)
		require.Len(t, progress, 999)
		pass(59 * time.Second)
		require.Empty(t, h.losses())
		pass(2 * time.Second)
		require.Len(t, h.losses(), 1)
		require.Equal(t, ClassSnapshot, h.losses()[0].Class)
		require.ErrorContains(t, h.losses()[0].Err, "not a byte in 1m0s")
		require.EqualValues(t, 999, asError[*SnapshotError](t, h.losses()[0].Err).Bytes)
		run.stop()
	})
}

// BenchmarkPayload searches a snapshot for its mark.
func BenchmarkPayload(b *testing.B) {
	noise := make([]byte, 16<<20)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(noise)
	for name, payload := range map[string][]byte{
		"noise": noise, "hex": bytes.Repeat([]byte("0123456789abcdef"), 1<<20), "zeros": bytes.Repeat([]byte("0"), 16<<20),
	} {
		b.Run(name, func(b *testing.B) {
			in := append(bytes.Clone(payload), testMark...)
			buf := make([]byte, 1<<20)
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				p := newPayload(bufio.NewReaderSize(bytes.NewReader(in), replyBytes), framing{length: -1, mark: testMark})
				p.progress = func(int64) {}
				for {
					if _, err := p.Read(buf); err != nil {
						break
					}
				}
				require.True(b, p.complete)
			}
		})
	}
}
