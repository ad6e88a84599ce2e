package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/aofsidecar/aofsidecar/internal/observe"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

const (
	// sampleWait is how long an upstream that does not answer may hold up who asks how the mirror stands. A probe has a few seconds.
	sampleWait = time.Second
	// sampleEvery is how long an answer serves all who ask.
	sampleEvery = time.Second
	// sampleDenied is how long a refused INFO is not asked again: each try is a line in the upstream's ACL LOG.
	sampleDenied = time.Hour
)

// sampler asks the upstream what the stream does not tell: its offset, for the lag, and its number of keys, for the guard. It
// asks only when somebody wants to know: a scrape, a probe, and monitor when the stream begins and after a good deal of traffic. An idle
// mirror that nobody looks at asks nothing more. Safe for concurrent use.
type sampler struct {
	info  func(ctx context.Context, sections ...string) *redis.StringCmd
	meter *observe.LagMeter
	keys  func(stream.ReplID, int64)
	log   *zap.Logger

	turn chan struct{} // of one: one at a time asks; guards what follows
	next time.Time     // nothing is asked before
	said bool          // that INFO is denied
}

func newSampler(
	info func(ctx context.Context, sections ...string) *redis.StringCmd, meter *observe.LagMeter, keys func(stream.ReplID, int64), log *zap.Logger,
) *sampler {
	return &sampler{info: info, meter: meter, keys: keys, log: log, turn: make(chan struct{}, 1)}
}

// sample asks, unless it was asked a moment ago. What goes wrong leaves the lag in bytes unknown; only a denied INFO is
// worth a line, and only one: the link itself reports an upstream that is away. It ends with ctx.
func (s *sampler) sample(ctx context.Context) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return
	}
	now := time.Now()
	if now.Before(s.next) {
		return
	}
	text, err := s.info(ctx, "replication", "keyspace").Result()
	s.next = time.Now().Add(sampleEvery) // also of those who have waited for this one
	if err != nil {
		if strings.HasPrefix(err.Error(), "NOPERM") {
			s.denied(now, err)
		}
		return
	}
	s.said = false
	info := parseInfo(text)
	id, err := stream.ParseReplID(info["master_replid"])
	if err != nil {
		return
	}
	if offset, err := strconv.ParseInt(info["master_repl_offset"], 10, 64); err == nil {
		s.meter.NoteUpstream(now, id, stream.Offset(offset))
	}
	s.keys(id, info.keys())
}

func (s *sampler) denied(now time.Time, err error) {
	s.next = now.Add(sampleDenied)
	if s.said {
		return
	}
	s.said = true
	s.log.Warn("the upstream denies INFO: the received lag is not known, and the guard counts the keys of the base only", zap.Error(err))
}

// maxKeyCount is more keys than any server holds.
const maxKeyCount = 1 << 60

// keys adds up the keys of all databases.
func (info serverInfo) keys() int64 {
	var total int64
	for name, value := range info {
		if number, ok := strings.CutPrefix(name, "db"); !ok || strings.Trim(number, "0123456789") != "" {
			continue
		}
		for part := range strings.SplitSeq(value, ",") {
			if count, ok := strings.CutPrefix(part, "keys="); ok {
				n, _ := strconv.ParseUint(count, 10, 61) // a server that sends no number has no keys to guard
				total = min(total+int64(n), maxKeyCount) //nolint:gosec // of 61 bits
			}
		}
	}
	return total
}
