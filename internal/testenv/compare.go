package testenv

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// freezeFor is longer than any test; the end of the server ends a freeze too.
const freezeFor = time.Hour

// Freeze stops writes and every kind of expiry on a server until release is called (CLIENT PAUSE ... WRITE).
// Clients that write wait. Reads go on, hide what is past its time as always, and delete nothing, so that
// neither data nor stream change by being looked at. What was written before still reaches the replicas;
// WAIT is answered only after the release.
//
// The offset may still move by the upstream's own PING every ten seconds.
func Freeze(ctx context.Context, client *redis.Client) (release func(context.Context) error, err error) {
	if err := client.Do(ctx, "client", "pause", freezeFor.Milliseconds(), "write").Err(); err != nil {
		return nil, fmt.Errorf("freeze: %w", err)
	}
	return func(ctx context.Context) error {
		if err := client.Do(ctx, "client", "unpause").Err(); err != nil {
			return fmt.Errorf("end freeze: %w", err)
		}
		return nil
	}, nil
}

// Compare reads two servers of the same version and returns how they differ, as [Diff] writes it. Neither
// may expire anything while it is read: want is frozen ([Freeze]) or a replica, got is a replica
// ([ReplicaOf], [BootFromAOF]).
//
// Time hides keys and fields of both as it passes. Where that happened between the readings, which shows
// in a second reading of want, all is read again.
func Compare(ctx context.Context, want, got *Server, options ...FingerprintOption) (string, error) {
	before, err := Fingerprint(ctx, want.Client(), want.Family, options...)
	for err == nil {
		var middle, after State
		if middle, err = Fingerprint(ctx, got.Client(), got.Family, options...); err != nil {
			break
		}
		if after, err = Fingerprint(ctx, want.Client(), want.Family, options...); err != nil {
			break
		}
		if Diff(before, after) == "" {
			return Diff(before, middle), nil
		}
		before = after
	}
	return "", fmt.Errorf("compare servers: %w", err)
}

// RequireEqual fails the test when [Compare] finds a difference.
func RequireEqual(tb testing.TB, want, got *Server, options ...FingerprintOption) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 2*patience)
	defer cancel()
	diff, err := Compare(ctx, want, got, options...)
	require.NoError(tb, err)
	require.Empty(tb, diff, "%s and %s differ (first / second)", want.Addr(), got.Addr())
}

// CaughtUp waits until a replica has taken everything that its upstream has written. It fails the test
// when that does not happen.
func CaughtUp(tb testing.TB, upstream, replica *Server) {
	tb.Helper()
	Eventually(tb, "the replica to catch up", func(ctx context.Context) (string, bool) {
		there, err := upstream.Info(ctx, "replication")
		if err != nil {
			return err.Error(), false
		}
		here, err := replica.Info(ctx, "replication")
		if err != nil {
			return err.Error(), false
		}
		want, got := there["master_repl_offset"], here["slave_repl_offset"]
		seen := fmt.Sprintf("link %s, offset %s of %s", here["master_link_status"], got, want)
		return seen, here["master_link_status"] == "up" && got == want
	})
}
