package workload

func stringOps() []op {
	return []op{
		{row: "SET", weight: 14, run: func(r *run) { r.do("SET", r.key(kindString), r.value()) }},
		{row: "SET", weight: 3, run: func(r *run) { r.do("set", r.key(kindString), r.value(), "PX", r.ttlMillis()) }},
		{row: "SET", weight: 2, run: func(r *run) { r.do("SET", r.key(kindString), r.value(), "EX", r.ttlSeconds(), "GET") }},
		{row: "SET", weight: 2, run: func(r *run) {
			r.do("SET", r.key(kindString), r.value(), r.either("NX", "XX"), "PXAT", r.atMillis())
		}},
		{row: "SET", weight: 1, run: func(r *run) { r.do("SET", r.key(kindString), r.value(), "XX", "GET", "EXAT", r.atSeconds()) }},
		{row: "SET", weight: 2, run: func(r *run) { r.do("SET", r.key(kindString), r.value(), "KEEPTTL") }},
		{row: "DELIFEQ", weight: 2, run: func(r *run) {
			key, value := r.key(kindString), r.value()
			r.do("SET", key, value)
			r.do("SET", key, value, "IFEQ", value)
			r.do("DELIFEQ", key, value)
		}},
		{row: "SETEX", weight: 2, run: func(r *run) { r.do("SETEX", r.key(kindString), r.ttlSeconds(), r.value()) }},
		{row: "PSETEX", weight: 2, run: func(r *run) { r.do("PSETEX", r.key(kindString), r.ttlMillis(), r.value()) }},
		{row: "SETNX", weight: 2, run: func(r *run) { r.do("SETNX", r.key(kindString), r.value()) }},
		{row: "GETSET", weight: 2, run: func(r *run) { r.do("GETSET", r.key(kindString), r.value()) }},
		{row: "GETDEL", weight: 2, run: func(r *run) { r.do("GETDEL", r.key(kindString)) }},
		{row: "GETEX", weight: 2, run: func(r *run) { r.do("GETEX", r.key(kindString), "PX", r.ttlMillis()) }},
		{row: "GETEX", weight: 1, run: func(r *run) { r.do("GETEX", r.key(kindString), "PERSIST") }},
		{row: "GETEX", weight: 1, run: func(r *run) { r.do("GETEX", r.key(kindString), "EXAT", r.atSeconds()) }},
		{row: "APPEND", weight: 3, run: func(r *run) { r.do("APPEND", r.key(kindString), r.value()) }},
		{row: "SETRANGE", weight: 2, run: func(r *run) { r.do("SETRANGE", r.key(kindString), r.n(4096), r.value()) }},
		{row: "MSET", weight: 2, run: func(r *run) {
			r.do("MSET", r.key(kindString), r.value(), r.key(kindNumber), r.n(100), r.key(kindString), r.value())
		}},
		{row: "MSETNX", weight: 2, run: func(r *run) {
			key := r.key(kindString)
			r.do("DEL", key)
			r.do("MSETNX", key, r.value())
		}},
		{row: "MSETEX", weight: 3, run: func(r *run) {
			r.do("MSETEX", 2, r.key(kindString), r.value(), r.key(kindString), r.value(), "PX", r.ttlMillis())
		}},
		{row: "MSETEX", weight: 1, run: func(r *run) {
			r.do("MSETEX", 1, r.key(kindString), r.value(), r.either("NX", "XX"), r.either("KEEPTTL", "NX"))
		}},
		{row: "INCR", weight: 4, run: func(r *run) { r.do("INCR", r.key(kindNumber)) }},
		{row: "INCRBY", weight: 2, run: func(r *run) { r.do("INCRBY", r.key(kindNumber), r.n(1000)-500) }},
		{row: "DECR", weight: 2, run: func(r *run) { r.do("DECR", r.key(kindNumber)) }},
		{row: "DECRBY", weight: 2, run: func(r *run) { r.do("DECRBY", r.key(kindNumber), r.n(1000)) }},
		{row: "INCRBYFLOAT", weight: 1, run: func(r *run) {
			key := r.key(kindNumber)
			r.do("INCRBYFLOAT", key, "0.1")
			r.do("INCRBYFLOAT", key, "2.5e3")
			r.do("SET", key, r.n(100), "KEEPTTL")
		}},
		{weight: 1, run: func(r *run) { r.do("SET", r.key(kindString), r.large()) }},
	}
}

func bitmapOps() []op {
	return []op{
		{row: "SETBIT", weight: 3, run: func(r *run) { r.do("SETBIT", r.key(kindBitmap), r.n(10_000), r.n(2)) }},
		{row: "BITFIELD", weight: 2, run: func(r *run) {
			r.do("BITFIELD", r.key(kindBitmap), "SET", "u8", r.n(800), r.n(256),
				"OVERFLOW", r.either("WRAP", "SAT", "FAIL"), "INCRBY", "i5", "#"+itoa(r.n(100)), r.n(40)-20)
		}},
		{row: "BITOP", weight: 2, run: func(r *run) {
			r.do("BITOP", r.either("AND", "OR", "XOR"), r.key(kindBitmap), r.key(kindBitmap), r.key(kindBitmap))
		}},
		{row: "BITOP", weight: 1, run: func(r *run) { r.do("BITOP", "NOT", r.key(kindBitmap), r.key(kindBitmap)) }},
	}
}

func hyperLogLogOps() []op {
	return []op{
		{row: "PFADD", weight: 4, run: func(r *run) { r.do("PFADD", r.key(kindHLL), r.random(8), r.n(1000), r.n(1000)) }},
		{row: "PFCOUNT", weight: 3, run: func(r *run) {
			key := r.key(kindHLL)
			r.do("PFADD", key, r.random(8))
			r.do("PFCOUNT", key)
		}},
		{row: "PFCOUNT", weight: 1, run: func(r *run) { r.do("PFCOUNT", r.key(kindHLL), r.key(kindHLL)) }},
		{row: "PFMERGE", weight: 2, run: func(r *run) { r.do("PFMERGE", r.key(kindHLL), r.key(kindHLL), r.key(kindHLL)) }},
		{row: "PFDEBUG", weight: 1, run: func(r *run) {
			key := r.key(kindHLL)
			r.do("DEL", key)
			r.do("PFADD", key, "a", "b")
			r.do("PFDEBUG", r.either("TODENSE", "GETREG"), key)
		}},
	}
}
