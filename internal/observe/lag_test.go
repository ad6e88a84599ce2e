package observe

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/stream"
)

func replID(t *testing.T, digit string) stream.ReplID {
	t.Helper()
	id, err := stream.ParseReplID(strings.Repeat(digit, stream.ReplIDLen))
	require.NoError(t, err)
	return id
}

// lagClock makes times of seconds.
func second(s float64) time.Time {
	return time.Unix(1_700_000_000, 0).Add(time.Duration(s * float64(time.Second)))
}

func streaming(id stream.ReplID, s float64, received, durable stream.Offset) Progress {
	return Progress{At: second(s), ReplID: id, Received: received, Durable: durable, HasDurable: true, Streaming: true}
}

func TestLagIsUnknownBeforeTheFirstResync(t *testing.T) {
	var m LagMeter
	require.Equal(t, Lag{}, m.Lag(second(0)))
	m.Note(Progress{At: second(0), NotSince: second(0)})
	m.NoteUpstream(second(0), stream.ReplID{}, 100)
	require.Equal(t, Lag{}, m.Lag(second(9)))
}

func TestDurableLagWithoutTheUpstreamsWord(t *testing.T) {
	var m LagMeter
	id := replID(t, "a")
	m.Note(streaming(id, 0, 100, 100))
	m.Note(streaming(id, 1, 200, 100))
	m.Note(streaming(id, 2, 300, 100))
	lag := m.Lag(second(2.5))
	require.Nil(t, lag.Received.Bytes, "nobody has asked the upstream")
	require.Zero(t, *lag.Received.Seconds)
	require.EqualValues(t, 200, *lag.Durable.Bytes)
	require.InDelta(t, 1.5, *lag.Durable.Seconds, 1e-9, "byte 101 was first seen at 1")

	m.Note(streaming(id, 3, 300, 200))
	require.InDelta(t, 1.0, *m.Lag(second(3)).Durable.Seconds, 1e-9, "byte 201 was first seen at 2")
	m.Note(streaming(id, 4, 300, 300))
	lag = m.Lag(second(60))
	require.Zero(t, *lag.Durable.Bytes)
	require.Zero(t, *lag.Durable.Seconds, "an idle upstream is no lag")
}

func TestLagAgainstTheUpstreamsWord(t *testing.T) {
	var m LagMeter
	id := replID(t, "a")
	m.Note(streaming(id, 0, 100, 50))
	m.NoteUpstream(second(1), id, 400)
	m.NoteUpstream(second(2), replID(t, "b"), 9999) // another history
	lag := m.Lag(second(3))
	require.EqualValues(t, 300, *lag.Received.Bytes)
	require.EqualValues(t, 350, *lag.Durable.Bytes)
	require.InDelta(t, 2.0, *lag.Received.Seconds, 1e-9)
	require.InDelta(t, 3.0, *lag.Durable.Seconds, 1e-9, "byte 51 was here at 0")

	lag = m.Lag(second(7))
	require.Nil(t, lag.Received.Bytes, "an old answer tells no difference")
	require.EqualValues(t, 50, *lag.Durable.Bytes)
	require.InDelta(t, 6.0, *lag.Received.Seconds, 1e-9, "but byte 101 is still missing")

	m.Note(streaming(id, 8, 500, 500))
	lag = m.Lag(second(8))
	require.Zero(t, *lag.Received.Seconds)
	require.Zero(t, *lag.Durable.Seconds)
	m.NoteUpstream(second(8), id, 450) // answered before what has arrived meanwhile
	require.Zero(t, *m.Lag(second(8)).Received.Bytes)
}

func TestLagGrowsWhileTheLinkIsDown(t *testing.T) {
	var m LagMeter
	id := replID(t, "a")
	m.Note(streaming(id, 0, 100, 100))
	m.Note(Progress{At: second(1), ReplID: id, Received: 100, Durable: 100, HasDurable: true, NotSince: second(0.5)})
	lag := m.Lag(second(10))
	require.InDelta(t, 9.5, *lag.Received.Seconds, 1e-9)
	require.InDelta(t, 9.5, *lag.Durable.Seconds, 1e-9)
	require.Zero(t, *lag.Durable.Bytes)
}

func TestDurableLagIsUnknownWithoutABase(t *testing.T) {
	var m LagMeter
	m.Note(Progress{At: second(0), ReplID: replID(t, "a"), Received: 5, Streaming: true})
	lag := m.Lag(second(1))
	require.NotNil(t, lag.Received.Seconds)
	require.Equal(t, StageLag{}, lag.Durable)
}

func TestANewHistoryBeginsAnew(t *testing.T) {
	var m LagMeter
	m.Note(streaming(replID(t, "a"), 0, 100, 100))
	m.Note(streaming(replID(t, "a"), 1, 500, 100))
	m.NoteUpstream(second(1), replID(t, "a"), 900)
	m.Note(streaming(replID(t, "b"), 2, 50, 50))
	lag := m.Lag(second(3))
	require.Nil(t, lag.Received.Bytes)
	require.Zero(t, *lag.Durable.Seconds)

	m.Note(streaming(replID(t, "b"), 4, 90, 50))
	m.Note(streaming(replID(t, "b"), 5, 10, 10)) // the same id with a lower offset: a snapshot
	require.Zero(t, *m.Lag(second(6)).Durable.Seconds)
}

func TestHistoryIsBounded(t *testing.T) {
	var m LagMeter
	id := replID(t, "a")
	const hours = 12
	for i := range hours * 3600 {
		m.Note(streaming(id, float64(i), stream.Offset(i+1), 0))
	}
	require.LessOrEqual(t, len(m.local.marks), maxMarks)
	require.InDelta(t, hours*3600, *m.Lag(second(hours * 3600)).Durable.Seconds, 1e-9, "the oldest note stays")
}
