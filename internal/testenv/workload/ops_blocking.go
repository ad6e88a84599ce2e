package workload

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// blockLong is the timeout, in seconds, of a command that another client serves. It only runs out when the
// key has the wrong type.
const blockLong = "1"

// blockingOps start a command that blocks on a second connection and serve it from the first.
func blockingOps() []op {
	served := func(row string, block, push func(r *run, key string) []any, kind string) op {
		return op{row: row, weight: 1, alone: true, run: func(r *run) {
			if r.w.options.NoBlocking {
				return
			}
			key := keyName(kind, r.n(r.w.options.Keys))
			r.do("DEL", key)
			r.serve(block(r, key), func() { r.do(push(r, key)...) })
		}}
	}
	list := func(r *run, key string) []any { return []any{"RPUSH", key, r.value(), r.value()} }
	zset := func(r *run, key string) []any { return []any{"ZADD", key, r.score(), r.member()} }
	return []op{
		served("BLPOP", func(_ *run, key string) []any { return []any{"BLPOP", key, blockLong} }, list, kindList),
		served("BLMOVE", func(r *run, key string) []any {
			return []any{"BLMOVE", key, r.key(kindList), "LEFT", "RIGHT", blockLong}
		}, list, kindList),
		served("BLMPOP", func(_ *run, key string) []any {
			return []any{"BLMPOP", blockLong, 1, key, "RIGHT", "COUNT", 2}
		}, list, kindList),
		served("BZPOPMAX", func(_ *run, key string) []any { return []any{"BZPOPMAX", key, blockLong} }, zset, kindZSet),
		{row: "XREADGROUP", weight: 1, alone: true, run: func(r *run) {
			if r.w.options.NoBlocking {
				return
			}
			key := keyName(kindAuto, r.n(r.w.options.Keys))
			r.do("DEL", key)
			r.do("XGROUP", "CREATE", key, "g0", "$", "MKSTREAM")
			block := []any{"XREADGROUP", "GROUP", "g0", r.consumer(), "BLOCK", 1000, "STREAMS", key, ">"}
			r.serve(block, func() { r.do("XADD", key, "*", "f", r.value()) })
		}},
	}
}

// serve sends a command that blocks over a connection of its own, runs push once it does, and waits for its
// reply.
func (r *run) serve(block []any, push func()) {
	if r.err != nil {
		return
	}
	conn := r.client.Conn()
	defer func() { _ = conn.Close() }() // it was only read from
	if r.err = conn.Select(r.ctx, r.db).Err(); r.err != nil {
		return
	}
	before, err := r.blocked()
	if err != nil {
		r.err = err
		return
	}
	type answer struct {
		reply any
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		reply, err := conn.Do(r.ctx, block...).Result()
		answered <- answer{reply, err}
	}()
	// Whether it blocks or failed at once, push is what comes next.
	wait, cancel := context.WithTimeout(r.ctx, time.Second)
	defer cancel()
	_, _ = testenv.Poll(wait, "a blocked client", func(context.Context) (int, bool) {
		now, err := r.blocked()
		return now, err != nil || now > before || len(answered) > 0
	})
	push()
	last := <-answered
	r.answered(block, last.reply, last.err)
	if r.err == nil {
		r.err = conn.Select(r.ctx, r.client.Options().DB).Err()
	}
}

// blocked returns how many clients are blocked.
func (r *run) blocked() (int, error) {
	info := r.client.InfoMap(r.ctx, "clients")
	if err := info.Err(); err != nil {
		return 0, err
	}
	return redis.NewStringResult(info.Item("Clients", "blocked_clients"), nil).Int()
}
