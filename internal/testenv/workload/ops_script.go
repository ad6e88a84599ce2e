package workload

import (
	"crypto/sha1" //nolint:gosec // the name of a script on the server, not a secret
	"encoding/hex"
	"fmt"
)

const (
	// scriptEffects writes three types at once.
	scriptEffects = `redis.call('SET', KEYS[1], ARGV[1])
redis.call('RPUSH', KEYS[2], ARGV[1], 'x')
for i = 1, 3 do redis.call('INCR', KEYS[3]) end
return redis.call('GET', KEYS[1])`
	// scriptDBs writes in two databases.
	scriptDBs = `redis.call('set', KEYS[1], 'here')
redis.call('SELECT', ARGV[1])
redis.call('sadd', KEYS[2], 'there', ARGV[1])`
	// scriptFails has effects before it fails; they stay.
	scriptFails = `redis.call('APPEND', KEYS[1], 'a')
return redis.call('INCR', KEYS[1])`
	// scriptRandom removes a random member; the effect is sent, not the choice.
	scriptRandom = `redis.call('SADD', KEYS[1], 'a', 'b', 'c')
redis.call('SPOP', KEYS[1])
return redis.call('PEXPIRE', KEYS[1], 3600000)`
)

func sha(script string) string {
	sum := sha1.Sum([]byte(script)) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

func scriptOps() []op {
	return []op{
		{row: "EVAL", weight: 3, run: func(r *run) {
			r.do("EVAL", scriptEffects, 3, r.key(kindString), r.key(kindList), r.key(kindNumber), r.value())
		}},
		{row: "EVAL", weight: 1, run: func(r *run) { r.do("EVAL", scriptDBs, 2, r.key(kindString), r.key(kindSet), r.otherDB()) }},
		{row: "EVAL", weight: 1, run: func(r *run) { r.do("EVAL", scriptFails, 1, r.key(kindString)) }},
		{row: "EVALSHA", weight: 2, run: func(r *run) {
			r.do("SCRIPT", "LOAD", scriptRandom)
			r.do("EVALSHA", sha(scriptRandom), 1, r.key(kindSet))
		}},
		{weight: 1, run: func(r *run) { r.do("SCRIPT", "FLUSH", "SYNC") }},
	}
}

// library is the source of one of a few function libraries.
func library(i, version int) string {
	return fmt.Sprintf(`#!lua name=lib%d
-- version %d
redis.register_function('fill%d', function(keys, args)
  redis.call('HSET', keys[1], 'f', args[1])
  redis.call('LPUSH', keys[2], args[1], %d)
  return 1
end)`, i, version, i, version)
}

func functionOps() []op {
	load := func(r *run, i int) { r.do("FUNCTION", "LOAD", "REPLACE", library(i, r.n(100))) }
	return []op{
		{row: "FUNCTION LOAD", weight: 2, run: func(r *run) { load(r, r.n(3)) }},
		{row: "FCALL", weight: 3, run: func(r *run) {
			i := r.n(3)
			load(r, i)
			r.do("FCALL", "fill"+itoa(i), 2, r.key(kindHash), r.key(kindList), r.value())
		}},
		{row: "FUNCTION DELETE", weight: 1, run: func(r *run) {
			load(r, 2)
			r.do("FUNCTION", "DELETE", "lib2")
		}},
		{row: "FUNCTION RESTORE", weight: 1, alone: true, run: func(r *run) {
			load(r, 0)
			payload, _ := r.do("FUNCTION", "DUMP").(string)
			r.do("FUNCTION", "RESTORE", payload, r.either("REPLACE", "FLUSH"))
		}},
		{row: "FUNCTION FLUSH", weight: 1, rare: true, run: func(r *run) { r.do("FUNCTION", "FLUSH", r.either("SYNC", "ASYNC")) }},
	}
}
