package keyspace

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// Commands of all types on the same few keys, in two databases.
func TestMixedRandom(t *testing.T) {
	t.Parallel()
	for _, o := range oracles(t) {
		t.Run(o.family.Name, func(t *testing.T) {
			known := o.formsToRun(t)
			// Values to work on come as often as anything else does.
			makers := split(t, []string{
				"SET a 5", "SET b text", "HSET a f 1 g x", "HSET b f v", "RPUSH a 3 1 2", "RPUSH b x y", "SADD a 1 2 3", "SADD b x y z", "ZADD a 1 x 2 y", "ZADD b 5 x 7 z",
				"XADD a 1-1 f v", "GEOADD a 1 2 x", "PFADD a x y", "PFADD b z", "SELECT 0", "SELECT 1", "XGROUP CREATE a g 0", "PEXPIREAT a " + later, "DEL a", "DEL b", "DEL a b c",
			})
			command := rapid.Custom(func(rt *rapid.T) []string {
				if rapid.Bool().Draw(rt, "maker") {
					return rapid.SampledFrom(makers).Draw(rt, "command")
				}
				f := rapid.SampledFrom(known).Draw(rt, "form")
				args, keys := f.expand(rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0)))
				for i, arg := range args {
					if slices.Contains(keys, arg) {
						args[i] = rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "key")
					}
				}
				return args
			})
			rapid.Check(t, func(rt *rapid.T) {
				o.check(rt, rapid.SliceOfN(command, 10, 60).Draw(rt, "commands"))
			})
		})
	}
}

// formsToRun returns the forms that a Space runs and this server has, and that neither block nor choose at random.
func (o *oracle) formsToRun(t *testing.T) (known []form) {
	t.Helper()
	list := forms()
	replies := make([]*redis.Cmd, len(list))
	o.exec(t, func(ctx context.Context, pipe redis.Pipeliner) {
		for i, f := range list {
			replies[i] = pipe.Do(ctx, "COMMAND", "INFO", strings.Fields(f.words)[0])
		}
	})
	for i, f := range list {
		info, err := replies[i].Slice()
		require.NoError(t, err)
		random := f.words[0] == 'B' && f.words[1] != 'I' || strings.HasPrefix(f.words, "SPOP")
		switch {
		case info[0] == nil || random:
		case strings.Contains(f.words, "BYPOLYGON") && !o.family.Has(testenv.GeoPolygon):
		case f.effect == Run || f.effect == SwapDB || f.effect == FlushDB:
			known = append(known, f)
		}
	}
	return known
}
