package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

const (
	// batchEvery is the pace: some thousand commands a second, so that what comes while the sidecar is away fits the default backlog.
	batchEvery = 4 * time.Millisecond
	batchSize  = 8

	dayOfKeys = 24 * time.Hour
)

// traffic writes to the upstream until it is stopped.
type traffic struct {
	cancel   context.CancelFunc
	ended    chan error
	commands atomic.Int64 // that were answered
}

func startTraffic(ctx context.Context, client *redis.Client) *traffic {
	ctx, cancel := context.WithCancel(ctx)
	t := &traffic{cancel: cancel, ended: make(chan error, 1)}
	go func() { t.ended <- t.run(ctx, client) }()
	return t
}

// stop ends the writing and waits for the last answer. It may be called once.
func (t *traffic) stop() error {
	t.cancel()
	return <-t.ended
}

func (t *traffic) run(ctx context.Context, client *redis.Client) error {
	ticker := time.NewTicker(batchEvery)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		// A batch is not interrupted half-way.
		if err := writeBatch(context.WithoutCancel(ctx), client, n); err != nil {
			return fmt.Errorf("write to the upstream: %w", err)
		}
		t.commands.Add(batchSize)
	}
}

// writeBatch writes a bit of everything, every other time as a transaction.
func writeBatch(ctx context.Context, client *redis.Client, n int) error {
	write := client.Pipelined
	if n%2 == 1 {
		write = client.TxPipelined
	}
	_, err := write(ctx, func(pipe redis.Pipeliner) error {
		pipe.Incr(ctx, "visits")
		pipe.Set(ctx, fmt.Sprintf("session:%d", n), fmt.Sprintf("user %d", n%97), dayOfKeys)
		pipe.HIncrBy(ctx, "pages", fmt.Sprintf("/page/%d", n%53), 1)
		pipe.ZIncrBy(ctx, "scores", 1.5, fmt.Sprintf("player %d", n%31))
		pipe.LPush(ctx, "recent", n)
		pipe.LTrim(ctx, "recent", 0, 99)
		pipe.SAdd(ctx, "seen", n%211)
		pipe.XAdd(ctx, &redis.XAddArgs{Stream: "events", MaxLen: 1000, Values: []any{"n", n}})
		return nil
	})
	return err
}

// more waits until so many more commands were written.
func (t *traffic) more(ctx context.Context, commands int64) error {
	want := t.commands.Load() + commands
	_, err := testenv.Poll(ctx, "traffic", func(context.Context) (int64, bool) {
		now := t.commands.Load()
		return now, now >= want || len(t.ended) > 0
	})
	return err
}
