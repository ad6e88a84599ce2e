package replica

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// rested returns how long take rests after so many reads that each brought n bytes and took so long.
func rested(tb testing.TB, r *rest, reads, n int, took time.Duration) time.Duration {
	tb.Helper()
	begin := time.Now()
	for range reads {
		now := time.Now()
		require.NoError(tb, r.take(n, now.Add(-took), now))
	}
	return time.Since(begin)
}

func TestRestIsForSmallPiecesInARow(t *testing.T) {
	const soon = restFor / 2
	synctest.Test(t, func(t *testing.T) {
		r := newRest(nil)
		require.Zero(t, rested(t, r, 100, 200, restFor), "a quiet stream")
		require.Zero(t, rested(t, r, 100, leastRead, soon), "large pieces")
		require.Zero(t, rested(t, r, 100, 200, restWaited-1), "reads that found something there, as over TLS")
		require.Zero(t, rested(t, r, restAfter-1, 200, soon))
		require.Zero(t, rested(t, r, 1, 200, restFor))
		require.Zero(t, rested(t, r, restAfter-1, 200, soon), "counted from the start again")
		require.Equal(t, 3*restFor, rested(t, r, 3, 200, soon))
		require.Zero(t, rested(t, r, 1, 200, 0), "what came meanwhile is followed by the next read at once")
		require.Equal(t, restFor, rested(t, r, 1, 200, soon))
	})
}

func TestNoRestWhileSomebodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRest(nil)
		r.prompt()
		require.Zero(t, rested(t, r, 100, 200, restFor/2))
		<-time.After(promptFor)
		require.Equal(t, restFor, rested(t, r, 1, 200, restFor/2))
	})
}

// All that a busy upstream sends in small pieces arrives, and a GETACK among them ends the rests.
func TestBusyStreamRestsUntilGetAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, p, rec := follower(t)
		send := func(what string, pieces int) time.Duration {
			begin := time.Now()
			for range pieces {
				<-time.After(restFor / 5)
				p.send(what)
			}
			return time.Since(begin)
		}
		set := cmd("SET", "key", "value")
		begin := rec.Received()
		require.Greater(t, send(set, 100), 40*restFor)
		p.send(getack)
		synctest.Wait()
		require.Equal(t, 100*restFor/5, send(set, 100))
		synctest.Wait()
		require.EqualValues(t, 200*len(set)+len(getack), rec.Received()-begin)
		run.stop()
	})
}
