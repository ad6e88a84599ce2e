package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// bulk makes the workload's keys large, and parts of them small again: past every limit between encodings, over many nodes.
type bulk struct {
	rng       *rand.Rand
	databases int
	keys      int
	commands  int
}

// write runs n of its operations.
func (b *bulk) write(t *testing.T, upstream *testenv.Server, n int) {
	t.Helper()
	b.send(t, upstream, n, b.draw)
}

// send sends n times what draw draws. What the server refuses, for a key has another type, belongs to it.
func (b *bulk) send(t *testing.T, upstream *testenv.Server, n int, draw func() [][]any) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn := upstream.Client().Conn()
	defer func() { require.NoError(t, conn.Close()) }()
	for range n {
		require.NoError(t, conn.Select(ctx, b.rng.IntN(b.databases)).Err())
		for _, args := range draw() {
			err := conn.Do(ctx, args...).Err()
			if said := redis.Error(nil); !errors.As(err, &said) {
				require.NoError(t, err)
			}
			b.commands++
		}
	}
	require.NoError(t, conn.Select(ctx, 0).Err())
}

func (b *bulk) key(kind string) string { return fmt.Sprintf("%s:%d", kind, b.rng.IntN(b.keys)) }

// element draws a small number, a large one, a text, or a long one.
func (b *bulk) element() any {
	switch b.rng.IntN(10) {
	case 0, 1, 2:
		return b.rng.IntN(2000)
	case 3:
		return b.rng.Int64() - b.rng.Int64()
	case 4:
		return strings.Repeat("x", b.rng.IntN(300))
	default:
		return fmt.Sprintf("m%d", b.rng.IntN(2000))
	}
}

// many is a command whose arguments come n times.
func (b *bulk) many(n int, arguments func() []any, head ...any) []any {
	for range n {
		head = append(head, arguments()...)
	}
	return head
}

func (b *bulk) draw() [][]any {
	n := 1 + b.rng.IntN(700)
	one := func() []any { return []any{b.element()} }
	two := func() []any { return []any{b.element(), b.element()} }
	scored := func() []any { return []any{b.rng.NormFloat64() * 100, b.element()} }
	switch b.rng.IntN(20) {
	case 0:
		return [][]any{b.many(n, one, "SADD", b.key("set"))}
	case 1:
		return [][]any{b.many(n, func() []any { return []any{b.rng.IntN(1000)} }, "SADD", b.key("set"))}
	case 2:
		return [][]any{b.many(n, two, "HSET", b.key("hash"))}
	case 3:
		return [][]any{b.many(n/4+1, two, "HSET", b.key("fields"))}
	case 4:
		return [][]any{b.many(n, scored, "ZADD", b.key("zset"))}
	case 5:
		return [][]any{b.many(n, one, "RPUSH", b.key("list"))}
	case 6:
		return [][]any{b.many(n, one, "LPUSH", b.key("list"))}
	case 7:
		return [][]any{b.many(n, func() []any { return []any{b.rng.IntN(1 << 20)} }, "PFADD", b.key("hll"))}
	case 8:
		return [][]any{{"SETBIT", b.key("bit"), b.rng.IntN(200_000), 1}, {"SETRANGE", b.key("bit"), b.rng.IntN(5000), "some bytes"}}
	case 9, 10:
		return b.stream(n)
	case 11:
		return [][]any{b.many(n, func() []any {
			return []any{b.rng.Float64()*300 - 150, b.rng.Float64()*160 - 80, fmt.Sprintf("p%d", b.rng.IntN(1000))}
		}, "GEOADD", b.key("geo"))}
	case 12:
		return [][]any{{"SPOP", b.key("set"), n}, b.many(n/3+1, one, "SREM", b.key("set"))}
	case 13:
		return [][]any{{"LTRIM", b.key("list"), b.rng.IntN(100), -b.rng.IntN(100)}, {"LREM", b.key("list"), b.rng.IntN(20) - 10, b.element()}}
	case 14:
		return [][]any{{"ZREMRANGEBYRANK", b.key("zset"), b.rng.IntN(50), n}, b.many(n/3+1, one, "ZREM", b.key("zset"))}
	case 15:
		return [][]any{b.many(n/2+1, one, "HDEL", b.key("hash")), b.many(n/4+1, one, "HDEL", b.key("fields"))}
	case 16:
		key := b.key("stream")
		return [][]any{{"XTRIM", key, "MAXLEN", "~", n/2 + 1}, {"XTRIM", key, "MAXLEN", n / 3}}
	case 17:
		return [][]any{{"LINSERT", b.key("list"), "BEFORE", b.element(), b.element()}, {"LSET", b.key("list"), b.rng.IntN(300), b.element()}}
	case 18:
		return [][]any{
			{"SUNIONSTORE", b.key("set"), b.key("set"), b.key("set")},
			{"SINTERSTORE", b.key("set"), b.key("set"), b.key("set")},
			{"SDIFFSTORE", b.key("set"), b.key("set"), b.key("set")},
		}
	default:
		return [][]any{
			{"ZUNIONSTORE", b.key("zset"), 2, b.key("zset"), b.key("zset"), "WEIGHTS", 0.1, 3},
			{"ZINTERSTORE", b.key("zset"), 2, b.key("zset"), b.key("set"), "AGGREGATE", "MAX"},
			{"ZRANGESTORE", b.key("zset"), b.key("zset"), 10, n},
		}
	}
}

// stream fills a stream, of which groups read parts; some of it is deleted.
func (b *bulk) stream(n int) [][]any {
	key := b.key("stream")
	commands := [][]any{{"XGROUP", "CREATE", key, "g0", "0", "MKSTREAM"}}
	for range n / 4 {
		commands = append(commands, []any{"XADD", key, "*", "field", b.element(), "other", b.element()})
	}
	for range 3 {
		consumer := fmt.Sprintf("c%d", b.rng.IntN(4))
		commands = append(commands, []any{"XREADGROUP", "GROUP", "g0", consumer, "COUNT", n / 4, "STREAMS", key, ">"})
	}
	return append(commands, []any{"XAUTOCLAIM", key, "g0", "c9", 0, "0-0", "COUNT", n / 8})
}
