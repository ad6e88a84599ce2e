package testenv

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// patience bounds every wait that has no deadline of its own. It only has to be longer than the
	// slowest machine needs, because a wait ends as soon as its condition holds.
	patience = 30 * time.Second
	// pollEvery is the pause between two looks at a condition.
	pollEvery = 5 * time.Millisecond
)

// Poll calls probe until it reports true, and returns its last value. When ctx ends first, the error
// tells the last value; a ctx without a deadline gets one of 30 seconds.
func Poll[T any](ctx context.Context, what string, probe func(ctx context.Context) (T, bool)) (T, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		last, ok := probe(ctx)
		if ok {
			return last, nil
		}
		select {
		case <-ctx.Done():
			return last, fmt.Errorf("wait for %s: %w; last seen: %v", what, ctx.Err(), last)
		case <-ticker.C:
		}
	}
}

// Eventually waits until probe reports true and returns its value. After 30 seconds, or when the test
// ends, it fails the test and reports the last value that probe returned.
func Eventually[T any](tb testing.TB, what string, probe func(ctx context.Context) (T, bool)) T {
	tb.Helper()
	last, err := Poll(tb.Context(), what, probe)
	require.NoError(tb, err)
	return last
}
