package workload

import "github.com/aofsidecar/aofsidecar/internal/testenv"

func zsetOps() []op {
	return append(zsetStoreOps(), []op{
		{row: "ZADD", weight: 6, run: func(r *run) {
			r.do("ZADD", r.key(kindZSet), r.score(), r.member(), r.score(), r.member(), r.score(), r.member())
		}},
		{row: "ZADD", weight: 2, run: func(r *run) {
			r.do("ZADD", r.key(kindZSet), r.either("NX", "XX", "GT", "LT"), "CH", r.score(), r.member())
		}},
		{row: "ZADD", weight: 1, run: func(r *run) { r.do("zadd", r.key(kindZSet), "INCR", r.n(10), r.member()) }},
		{row: "ZINCRBY", weight: 3, run: func(r *run) { r.do("ZINCRBY", r.key(kindZSet), "0.1", r.member()) }},
		{row: "ZREM", weight: 3, run: func(r *run) { r.do("ZREM", r.key(kindZSet), r.member(), r.member(), r.member()) }},
		{row: "ZREMRANGEBYRANK", weight: 2, run: func(r *run) { r.do("ZREMRANGEBYRANK", r.key(kindZSet), 0, r.n(2)) }},
		{row: "ZREMRANGEBYSCORE", weight: 2, run: func(r *run) { r.do("ZREMRANGEBYSCORE", r.key(kindZSet), "(-500", r.n(100)) }},
		{row: "ZREMRANGEBYLEX", weight: 2, run: func(r *run) {
			key := r.key(kindZSet)
			r.do("DEL", key)
			r.do("ZADD", key, 0, "a", 0, "b", 0, "c", 0, "d")
			r.do("ZREMRANGEBYLEX", key, "[b", "(d")
		}},
		{row: "ZPOPMIN", weight: 2, run: func(r *run) { r.do("ZPOPMIN", r.key(kindZSet)) }},
		{row: "ZPOPMAX", weight: 2, run: func(r *run) { r.do("ZPOPMAX", r.key(kindZSet), 1+r.n(3)) }},
		{row: "ZMPOP", weight: 2, run: func(r *run) {
			r.do("ZMPOP", 2, r.key(kindZSet), r.key(kindZSet), r.either("MIN", "MAX"), "COUNT", 1+r.n(3))
		}},
		{row: "BZPOPMIN", weight: 2, run: func(r *run) { r.filledZSet("BZPOPMIN") }},
		{row: "BZPOPMAX", weight: 2, run: func(r *run) { r.filledZSet("BZPOPMAX") }},
		{row: "BZMPOP", weight: 2, run: func(r *run) {
			key := r.key(kindZSet)
			r.do("ZADD", key, r.score(), r.member())
			r.do("BZMPOP", blockShort, 1, key, "MIN", "COUNT", 2)
		}},
	}...)
}

func (r *run) filledZSet(command string) {
	key := r.key(kindZSet)
	r.do("ZADD", key, r.score(), r.member())
	r.do(command, key, blockShort)
}

func zsetStoreOps() []op {
	return []op{
		{row: "ZUNIONSTORE", weight: 2, run: func(r *run) {
			r.do("ZUNIONSTORE", r.key(kindZSet), 2, r.key(kindZSet), r.key(kindSet), "WEIGHTS", "1.5", 1+r.n(5), "AGGREGATE", r.either("SUM", "MIN", "MAX"))
		}},
		{row: "ZINTERSTORE", weight: 2, run: func(r *run) { r.do("ZINTERSTORE", r.key(kindZSet), 2, r.key(kindZSet), r.key(kindZSet)) }},
		{row: "ZDIFFSTORE", weight: 2, run: func(r *run) { r.do("ZDIFFSTORE", r.key(kindZSet), 2, r.key(kindZSet), r.key(kindZSet)) }},
		{row: "ZRANGESTORE", weight: 2, run: func(r *run) { r.do("ZRANGESTORE", r.key(kindZSet), r.key(kindZSet), 0, 3+r.n(5)) }},
		{row: "ZRANGESTORE", weight: 1, run: func(r *run) {
			r.do("ZRANGESTORE", r.key(kindZSet), r.key(kindZSet), "(500", "-inf", "BYSCORE", "REV", "LIMIT", 0, 5)
		}},
	}
}

// storeDist is STOREDIST if it is wanted.
func (r *run) storeDist() string {
	if r.w.options.NoStoreDist {
		return "STORE"
	}
	return "STOREDIST"
}

func geoOps() []op {
	place := func(r *run) []any {
		return []any{itoa(r.n(300) - 150), itoa(r.n(160) - 80), "p" + itoa(r.n(30))}
	}
	return []op{
		{row: "GEOADD", weight: 4, run: func(r *run) { r.do(with(with([]any{"GEOADD", r.key(kindGeo)}, place(r)...), place(r)...)...) }},
		{row: "GEOADD", weight: 1, run: func(r *run) { r.do(with([]any{"GEOADD", r.key(kindGeo), r.either("NX", "XX"), "CH"}, place(r)...)...) }},
		{row: "GEORADIUS", weight: 2, run: func(r *run) {
			r.do("GEORADIUS", r.key(kindGeo), 10, 10, 15_000, "km", "COUNT", 5, r.either("STORE", r.storeDist()), r.key(kindZSet))
		}},
		{row: "GEORADIUSBYMEMBER", weight: 2, run: func(r *run) {
			key := r.key(kindGeo)
			r.do("GEOADD", key, 13, 38, "here")
			r.do("GEORADIUSBYMEMBER", key, "here", 9_000, "mi", r.either("STORE", r.storeDist()), r.key(kindZSet))
		}},
		{row: "GEOSEARCHSTORE", weight: 2, run: func(r *run) {
			if r.w.family.Has(testenv.GeoPolygon) && r.oneIn(2) {
				r.polygon()
				return
			}
			args := []any{"GEOSEARCHSTORE", r.key(kindZSet), r.key(kindGeo), "FROMLONLAT", 15, 37, "BYBOX", 20_000, 15_000, "km", "ASC", "COUNT", 7}
			if r.oneIn(2) && !r.w.options.NoStoreDist {
				args = with(args, "STOREDIST")
			}
			r.do(args...)
		}},
	}
}

// polygon looks inside of one whose middle is far from the border of any cell, whatever the last vertex.
func (r *run) polygon() {
	args := []any{"GEOSEARCHSTORE", r.key(kindZSet), r.key(kindGeo), "BYPOLYGON"}
	if r.oneIn(2) {
		args = with(args, 5, -140, -70, 145, "-66.5", 140, 75, 13, r.n(60), -120, 70-r.n(10))
	} else {
		args = with(args, 4, 20, -60, 110, "-55.5", 120, 13, 15, -r.n(5))
	}
	args = with(args, r.either("ASC", "DESC"))
	if r.oneIn(2) {
		args = with(args, "COUNT", 3+r.n(10))
	}
	if r.oneIn(4) && !r.w.options.NoStoreDist {
		args = with(args, "STOREDIST")
	}
	r.do(args...)
}

// sortOps read what SORT's BY and GET patterns point to: strings, and hashes that no RENAME brings fields to that expire. Of a field that is past its time GET
// finds nothing on Valkey 9, and the value on its replicas.
func sortOps() []op {
	prepare := func(r *run) string {
		key := r.key(kindList)
		r.do("DEL", key)
		r.do("RPUSH", key, r.n(8), r.n(8), r.n(8), 100)
		for i := range 4 {
			r.do("SET", kindWeight+":"+itoa(i), r.n(50))
		}
		r.do("HSET", keyName(kindRecord, r.n(3)), "f1", r.value())
		return key
	}
	return []op{
		{row: "SORT", weight: 1, run: func(r *run) {
			r.do("SORT", prepare(r), "BY", r.weights(), "GET", "#", "GET", kindRecord+":*->f1", "STORE", r.key(kindList))
		}},
		{row: "SORT", weight: 1, run: func(r *run) { r.do("SORT", r.key(kindSet), "ALPHA", "LIMIT", 0, 10, "STORE", r.key(kindList)) }},
		{row: "SORT", weight: 1, run: func(r *run) { r.do("SORT", r.key(kindSet), "BY", "nosort", "STORE", r.key(kindList)) }},
		{row: "SORT", weight: 1, run: func(r *run) { r.do("SORT", prepare(r), r.numbers(), "DESC", "STORE", r.key(kindList)) }},
	}
}

// weights is a pattern to sort by, or one that sorts nothing.
func (r *run) weights() string {
	if r.w.options.NoSortByNumber {
		return "nosort"
	}
	return kindWeight + ":*"
}

// numbers is a word of SORT: it sorts by number, or does not.
func (r *run) numbers() string {
	if r.w.options.NoSortByNumber {
		return "ALPHA"
	}
	return "ASC"
}
