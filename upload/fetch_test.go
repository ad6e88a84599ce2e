package upload

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// TestFetchTellsOfEachPart: who reads parts waits for each that it was promised, so none may be left without an answer when the download ends.
func TestFetchTellsOfEachPart(t *testing.T) {
	promised := 0
	for range 200 {
		g, ctx := errgroup.WithContext(t.Context())
		f := newFetcher(newMemStore(), 2, func(int64) {})
		q := &queue{f: f, parts: make(chan *part, 2), asked: make(chan *part), workers: 2} // who are busy
		ctx, cancel := context.WithCancelCause(ctx)
		cancel(errGivenUp)
		require.ErrorIs(t, q.ask(ctx, g, &part{obj: wanted{key: "x", bytes: 1}, ready: make(chan struct{})}), errGivenUp)
		select {
		case p := <-q.parts:
			promised++
			select {
			case <-p.ready:
				require.ErrorIs(t, p.err, errGivenUp)
			default:
				require.Fail(t, "a part that nobody downloads")
			}
		default:
		}
	}
	require.Positive(t, promised)
}
