package workload

import (
	"net"
	"strconv"
)

func itoa(n int) string { return strconv.Itoa(n) }

// anyKind draws what a generic command works on.
func (r *run) anyKind() string {
	kinds := []string{
		kindString, kindNumber, kindBitmap, kindHLL, kindList, kindSet, kindZSet, kindHash, kindTTL, kindGeo, kindAuto, kindIDs,
	}
	return kinds[r.n(len(kinds))]
}

func (r *run) anyKey() string { return r.key(r.anyKind()) }

// otherDB draws a database that is not the selected one, or the same if there is only one.
func (r *run) otherDB() int {
	dbs := r.w.options.Databases
	if dbs == 1 {
		return 0
	}
	return (r.db + 1 + r.n(dbs-1)) % dbs
}

func keyOps() []op {
	expire := func(row string, when func(r *run) int64) []op {
		return []op{
			{row: row, weight: 2, run: func(r *run) { r.do(row, r.anyKey(), when(r)) }},
			{row: row, weight: 1, run: func(r *run) { r.do(row, r.anyKey(), when(r), r.either("NX", "XX", "GT", "LT")) }},
		}
	}
	ops := []op{
		{row: "DEL", weight: 3, run: func(r *run) { r.do("DEL", r.anyKey(), r.anyKey()) }},
		{row: "UNLINK", weight: 2, run: func(r *run) { r.do("UNLINK", r.anyKey()) }},
		{row: "PERSIST", weight: 2, run: func(r *run) {
			key := r.key(kindString)
			r.do("EXPIRE", key, 5000)
			r.do("PERSIST", key)
		}},
		{row: "COPY", weight: 2, run: func(r *run) { r.do("COPY", r.key(kindList), r.key(kindList), "REPLACE") }},
		{row: "COPY", weight: 2, run: func(r *run) {
			key := r.anyKey()
			r.do("COPY", key, key, "DB", r.otherDB(), "REPLACE")
		}},
		{row: "MOVE", weight: 2, run: func(r *run) { r.do("MOVE", r.anyKey(), r.otherDB()) }},
		{row: "RENAME", weight: 2, run: func(r *run) { r.do("RENAME", r.key(kindSet), r.key(kindSet)) }},
		{row: "RENAMENX", weight: 2, run: func(r *run) {
			from, to := r.key(kindString), r.key(kindString)
			r.do("DEL", to)
			r.do("SET", from, r.value())
			r.do("RENAMENX", from, to)
		}},
		{row: "RESTORE", weight: 2, alone: true, run: func(r *run) { r.restore("RESTORE", 0) }},
		{row: "RESTORE", weight: 2, alone: true, run: func(r *run) { r.restore("RESTORE", r.ttlMillis(), "IDLETIME", 100) }},
		{row: "RESTORE", weight: 1, alone: true, run: func(r *run) { r.restore("RESTORE", r.w.options.Now().UnixMilli()+3_600_000, "ABSTTL") }},
		{row: "RESTORE-ASKING", weight: 1, alone: true, run: func(r *run) { r.restore("RESTORE-ASKING", r.ttlMillis()) }},
		{row: "MIGRATE", weight: 2, alone: true, run: func(r *run) {
			host, port, err := net.SplitHostPort(r.w.options.MigrateTo)
			if err != nil {
				r.err = err
				return
			}
			key := r.key(kindString)
			r.do("SET", key, "moved")
			r.do("MIGRATE", host, port, "", 0, 5000, "REPLACE", "KEYS", key, r.key(kindZSet))
		}},
	}
	ops = append(ops, expire("EXPIRE", (*run).ttlSeconds)...)
	ops = append(ops, expire("PEXPIRE", (*run).ttlMillis)...)
	ops = append(ops, expire("EXPIREAT", (*run).atSeconds)...)
	return append(ops, expire("PEXPIREAT", (*run).atMillis)...)
}

// restore copies a value by DUMP and RESTORE, within a kind, so that no hash whose fields expire gets a name
// that other commands read. Where the key is absent the payload is refused, so that the commands are the same
// either way.
func (r *run) restore(command string, ttl int64, options ...any) {
	kind := r.anyKind()
	from, to := keyName(kind, r.n(r.w.options.Keys)), keyName(kind, r.n(r.w.options.Keys))
	payload, ok := r.do("DUMP", from).(string)
	if !ok {
		payload = "absent"
	}
	r.do(with([]any{command, to, ttl, payload, "REPLACE"}, options...)...)
}
