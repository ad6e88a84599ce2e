package workload

import "strconv"

func hashOps() []op {
	return []op{
		{row: "HSET", weight: 6, run: func(r *run) { r.do("HSET", r.key(kindHash), r.field(), r.value(), r.field(), r.value()) }},
		{row: "HSET", weight: 1, run: func(r *run) { r.do("HSET", r.key(kindHash), r.value(), r.large()) }},
		{row: "HMSET", weight: 2, run: func(r *run) { r.do("HMSET", r.key(kindHash), r.field(), r.value(), r.field(), r.value()) }},
		{row: "HSETNX", weight: 2, run: func(r *run) { r.do("HSETNX", r.either(r.key(kindHash), r.ttlHash()), "n"+itoa(r.n(100)), r.value()) }},
		{row: "HDEL", weight: 3, run: func(r *run) { r.do("HDEL", r.either(r.key(kindHash), r.ttlHash()), r.field(), r.field()) }},
		{row: "HINCRBY", weight: 2, run: func(r *run) { r.do("HINCRBY", r.either(r.key(kindHash), r.ttlHash()), "int", r.n(100)-50) }},
		{row: "HINCRBYFLOAT", weight: 2, run: func(r *run) { r.do("HINCRBYFLOAT", r.either(r.key(kindHash), r.ttlHash()), "float", "0.25") }},
		{row: "HGETDEL", weight: 2, run: func(r *run) {
			key := r.key(kindHash)
			r.do("HSET", key, "gone", r.value())
			r.do("HGETDEL", key, "FIELDS", 2, "gone", r.field())
		}},
	}
}

// ttlHash draws a hash whose fields may expire.
func (r *run) ttlHash() string { return r.key(kindTTL) }

func fieldTTLOps() []op {
	fields := func(r *run, head ...any) {
		r.do("HSET", head[1], "f1", r.value(), "int", r.n(10), "float", "1.5")
		r.do(with(head, "FIELDS", 4, r.field(), "f1", "int", "missing")...)
	}
	return []op{
		{row: "HEXPIRE", weight: 2, run: func(r *run) { fields(r, "HEXPIRE", r.ttlHash(), r.ttlSeconds()) }},
		{row: "HPEXPIRE", weight: 3, run: func(r *run) { fields(r, "HPEXPIRE", r.ttlHash(), r.ttlMillis()) }},
		{row: "HPEXPIRE", weight: 1, run: func(r *run) { fields(r, "HPEXPIRE", r.ttlHash(), r.ttlMillis(), r.either("NX", "XX", "GT", "LT")) }},
		{row: "HEXPIREAT", weight: 2, run: func(r *run) { fields(r, "HEXPIREAT", r.ttlHash(), r.atSeconds()) }},
		{row: "HPEXPIREAT", weight: 2, run: func(r *run) { fields(r, "HPEXPIREAT", r.ttlHash(), r.atMillis()) }},
		{row: "HPERSIST", weight: 2, run: func(r *run) {
			key := r.ttlHash()
			r.do("HSET", key, "f1", r.value())
			r.do("HEXPIRE", key, 5000, "FIELDS", 1, "f1")
			r.do("HPERSIST", key, "FIELDS", 2, "f1", r.field())
		}},
		{row: "HSETEX", weight: 2, run: func(r *run) {
			r.do("HSETEX", r.ttlHash(), "PX", r.ttlMillis(), "FIELDS", 2, r.field(), r.value(), "f1", r.value())
		}},
		{row: "HSETEX", weight: 1, run: func(r *run) {
			r.do("HSETEX", r.ttlHash(), r.either("FNX", "FXX"), "KEEPTTL", "FIELDS", 1, r.field(), r.value())
		}},
		{row: "HSETEX", weight: 1, run: func(r *run) { r.do("HSETEX", r.ttlHash(), "EXAT", r.atSeconds(), "FIELDS", 1, r.field(), r.value()) }},
		{row: "HGETEX", weight: 2, run: func(r *run) {
			key := r.ttlHash()
			r.do("HSET", key, "f1", r.value())
			r.do("HGETEX", key, "PX", r.ttlMillis(), "FIELDS", 2, "f1", r.field())
		}},
		{row: "HGETEX", weight: 1, run: func(r *run) { r.do("HGETEX", r.ttlHash(), "PERSIST", "FIELDS", 2, "f1", "int") }},
	}
}

// newElement names an element that no vector set has: a VADD that changes an existing element is not told to
// replicas by Redis 8.0.2, so that upstream and stream differ.
func (r *run) newElement(key string) string {
	return "e" + strconv.FormatUint(r.w.seed, 36) + "-" + r.nextID(key)
}

func vectorOps() []op {
	add := func(r *run, key, element string) {
		r.do("VADD", key, "VALUES", 3, 1+r.n(10), r.n(10), r.n(10), element)
	}
	return []op{
		{row: "VADD", weight: 2, run: func(r *run) {
			key := r.key(kindVector)
			add(r, key, r.newElement(key))
		}},
		{row: "VSETATTR", weight: 2, run: func(r *run) {
			key := r.key(kindVector)
			element := r.newElement(key)
			add(r, key, element)
			r.do("VSETATTR", key, element, `{"n":`+itoa(r.n(100))+`}`)
		}},
		{row: "VREM", weight: 2, run: func(r *run) {
			key := r.key(kindVector)
			element := r.newElement(key)
			add(r, key, element)
			r.do("VREM", key, element)
		}},
	}
}
