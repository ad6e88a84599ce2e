package e2e_test

import (
	"math/rand/v2"

	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
)

// storeFaults are answers of S3 that are none, or wrong.
func storeFaults() []fault {
	var all []fault
	for _, way := range []struct {
		name string
		plan func(rng *rand.Rand) []s3gateway.Fault
	}{
		{"5xx", func(rng *rand.Rand) []s3gateway.Fault {
			return []s3gateway.Fault{{Kind: s3gateway.Answer, Status: []int{500, 502, 503, 504}[rng.IntN(4)], Code: "InternalError", Skip: rng.IntN(4)}}
		}},
		{"SlowDown", func(rng *rand.Rand) []s3gateway.Fault {
			return []s3gateway.Fault{{Kind: s3gateway.Answer, Status: 503, Code: "SlowDown", RetryAfter: rng.IntN(3), Skip: rng.IntN(4)}}
		}},
		{"expired credentials", func(*rand.Rand) []s3gateway.Fault {
			return []s3gateway.Fault{{Kind: s3gateway.Answer, Status: 403, Code: "ExpiredToken"}}
		}},
		{"hang in a request", func(rng *rand.Rand) []s3gateway.Fault {
			return []s3gateway.Fault{{Kind: s3gateway.HangRequest, At: rng.Int64N(512), Skip: rng.IntN(4)}}
		}},
		{"hang in an answer", func(rng *rand.Rand) []s3gateway.Fault {
			return []s3gateway.Fault{{Kind: s3gateway.HangAnswer, At: rng.Int64N(64), Skip: rng.IntN(4)}}
		}},
		{"lost answers", func(rng *rand.Rand) []s3gateway.Fault {
			return []s3gateway.Fault{
				{Kind: s3gateway.LoseAnswer, Match: s3gateway.On("PutObject"), Skip: rng.IntN(4), Times: 1 + rng.IntN(6)},
				{Kind: s3gateway.LoseAnswer, Match: s3gateway.On("DeleteObject")},
				{Kind: s3gateway.Reset, Skip: rng.IntN(8), Times: 1 + rng.IntN(6)},
			}
		}},
		{"wrong bytes", func(rng *rand.Rand) []s3gateway.Fault {
			return []s3gateway.Fault{
				{Kind: s3gateway.FlipRequest, Match: s3gateway.On("PutObject"), At: rng.Int64N(256), Skip: rng.IntN(3), Times: 1 + rng.IntN(8)},
				{Kind: s3gateway.FlipAnswer, Match: s3gateway.On("GetObject"), At: rng.Int64N(256), Times: 1 + rng.IntN(4)},
				{Kind: s3gateway.Truncate, Match: s3gateway.On("GetObject"), At: rng.Int64N(256), Times: 1 + rng.IntN(4)},
			}
		}},
	} {
		all = append(all, fault{name: "store: " + way.name, part: ofStore, strike: func(w *world) func() {
			w.archive.proxy.Plan(way.plan(w.rng)...)
			return func() {
				w.archive.proxy.Plan()
				w.archive.proxy.Release()
			}
		}})
	}
	return append(all, fault{name: "store: prune", part: ofStore, strike: prune})
}

// prune removes what retention does not keep for longer than a minute, while the sidecar ships. On a link that is broken, where it may try for minutes, it is killed.
func prune(w *world) func() {
	args := []string{"prune", "--confirm", "--set", "archive.retention.duration=1m", "--set", "archive.retention.min-bases=1"}
	if w.struck[ofStoreLink] {
		w.archive.commandFor(w.T, w.longest, args...)
	} else {
		w.archive.ok(w.T, args...)
	}
	return func() {}
}
