package workload

func listOps() []op {
	push := func(row string, weight int) op {
		return op{row: row, weight: weight, run: func(r *run) { r.do(row, r.key(kindList), r.value(), r.n(50), r.member()) }}
	}
	return []op{
		push("RPUSH", 6), push("LPUSH", 6), push("RPUSHX", 2), push("LPUSHX", 2),
		{row: "LPOP", weight: 2, run: func(r *run) { r.do("LPOP", r.key(kindList)) }},
		{row: "LPOP", weight: 1, run: func(r *run) { r.do("LPOP", r.key(kindList), r.n(5)) }},
		{row: "RPOP", weight: 2, run: func(r *run) { r.do("RPOP", r.key(kindList)) }},
		{row: "RPOP", weight: 1, run: func(r *run) { r.do("RPOP", r.key(kindList), r.n(5)) }},
		{row: "LINSERT", weight: 2, run: func(r *run) {
			key := r.key(kindList)
			r.do("RPUSH", key, "pivot")
			r.do("LINSERT", key, r.either("BEFORE", "AFTER"), "pivot", r.value())
		}},
		{row: "LREM", weight: 2, run: func(r *run) {
			key := r.key(kindList)
			r.do("RPUSH", key, "pivot")
			r.do("LREM", key, r.n(3)-1, "pivot")
		}},
		{row: "LSET", weight: 2, run: func(r *run) {
			key := r.key(kindList)
			r.do("RPUSH", key, "old")
			r.do("LSET", key, r.either(0, -1), r.value())
		}},
		{row: "LTRIM", weight: 4, run: func(r *run) { r.do("LTRIM", r.key(kindList), r.n(3), 20+r.n(10)) }},
		{row: "LMOVE", weight: 2, run: func(r *run) {
			r.do("LMOVE", r.key(kindList), r.key(kindList), r.either("LEFT", "RIGHT"), r.either("LEFT", "RIGHT"))
		}},
		{row: "RPOPLPUSH", weight: 2, run: func(r *run) { r.do("RPOPLPUSH", r.key(kindList), r.key(kindList)) }},
		{row: "LMPOP", weight: 2, run: func(r *run) {
			r.do("LMPOP", 2, r.key(kindList), r.key(kindList), r.either("LEFT", "RIGHT"), "COUNT", 1+r.n(4))
		}},
		{row: "BLPOP", weight: 2, run: func(r *run) { r.filled("RPUSH", "BLPOP", blockShort) }},
		{row: "BRPOP", weight: 2, run: func(r *run) { r.filled("RPUSH", "BRPOP", blockShort) }},
		{row: "BRPOPLPUSH", weight: 2, run: func(r *run) { r.filled("LPUSH", "BRPOPLPUSH", r.key(kindList), blockShort) }},
		{row: "BLMOVE", weight: 2, run: func(r *run) {
			r.filled("LPUSH", "BLMOVE", r.key(kindList), "LEFT", "RIGHT", blockShort)
		}},
		{row: "BLMPOP", weight: 2, run: func(r *run) {
			key := r.key(kindList)
			r.do("RPUSH", key, r.value(), r.value())
			r.do("BLMPOP", blockShort, 1, key, r.either("LEFT", "RIGHT"), "COUNT", 2)
		}},
	}
}

// blockShort is the timeout, in seconds, of a blocking command that finds something, or is of the wrong type.
const blockShort = "0.01"

// filled pushes first, so that a blocking command has something to take at once.
func (r *run) filled(push, command string, rest ...any) {
	key := r.key(kindList)
	r.do(push, key, r.value())
	r.do(with([]any{command, key}, rest...)...)
}

func setOps() []op {
	store := func(row string) op {
		return op{row: row, weight: 2, run: func(r *run) { r.do(row, r.key(kindSet), r.key(kindSet), r.key(kindSet)) }}
	}
	return []op{
		{row: "SADD", weight: 5, run: func(r *run) { r.do("SADD", r.key(kindSet), r.member(), r.member(), r.member()) }},
		{row: "SADD", weight: 3, run: func(r *run) { r.do("SADD", r.key(kindSet), r.n(100), r.n(100), r.n(1<<40)) }},
		{row: "SREM", weight: 3, run: func(r *run) { r.do("SREM", r.key(kindSet), r.member(), r.n(100), r.member()) }},
		{row: "SPOP", weight: 2, run: func(r *run) { r.do("SPOP", r.key(kindSet)) }},
		{row: "SPOP", weight: 2, run: func(r *run) { r.do("SPOP", r.key(kindSet), 1+r.n(6)) }},
		{row: "SMOVE", weight: 2, run: func(r *run) {
			key := r.key(kindSet)
			r.do("SADD", key, "moving")
			r.do("SMOVE", key, r.key(kindSet), "moving")
		}},
		store("SDIFFSTORE"), store("SINTERSTORE"), store("SUNIONSTORE"),
	}
}
