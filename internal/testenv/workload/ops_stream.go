package workload

import (
	"strconv"
)

// recentIDs is how many ids of a stream are remembered for XDEL, XACK and XCLAIM.
const recentIDs = 6

// nextID returns an id for a stream with ids from here. They grow for the life of the workload, whatever was
// deleted or swapped, because a stream remembers its last id.
func (r *run) nextID(key string) string {
	r.w.lastID++
	id := strconv.FormatUint(r.w.lastID, 10) + "-1"
	at := strconv.Itoa(r.db) + key
	r.w.recent[at] = append(r.w.recent[at], id)
	r.w.recent[at] = r.w.recent[at][max(0, len(r.w.recent[at])-recentIDs):]
	return id
}

// someID returns an id that was added lately, if there is one.
func (r *run) someID(key string) string {
	draw := r.n(recentIDs)
	recent := r.w.recent[strconv.Itoa(r.db)+key]
	if len(recent) == 0 {
		return "1-1"
	}
	return recent[draw%len(recent)]
}

func streamOps() []op {
	return []op{
		{row: "XADD", weight: 4, run: func(r *run) { r.do("XADD", r.key(kindAuto), "*", r.field(), r.value()) }},
		{row: "XADD", weight: 4, run: func(r *run) {
			key := r.key(kindIDs)
			r.do("XADD", key, r.nextID(key), r.field(), r.value(), r.field(), r.value())
		}},
		{row: "XADD", weight: 1, run: func(r *run) {
			r.do("XADD", r.key(kindAuto), "NOMKSTREAM", "MAXLEN", "~", 100, "LIMIT", 200, "*", "f", "v")
		}},
		{row: "XADD", weight: 1, run: func(r *run) { r.do("XADD", r.key(kindAuto), "MINID", "~", "1-1", "*", "f", "v") }},
		{row: "XTRIM", weight: 1, run: func(r *run) { r.do("XTRIM", r.key(kindAuto), "MAXLEN", "~", 10) }},
		{row: "XTRIM", weight: 2, run: func(r *run) { r.do("XTRIM", r.key(r.streamKind()), "MAXLEN", 2+r.n(8)) }},
		{row: "XTRIM", weight: 1, run: func(r *run) {
			key := r.key(kindIDs)
			r.do("XTRIM", key, "MINID", "=", r.someID(key))
		}},
		{row: "XDEL", weight: 2, run: func(r *run) {
			key := r.key(kindIDs)
			r.do("XDEL", key, r.someID(key), r.someID(key))
		}},
		{row: "XSETID", weight: 1, run: func(r *run) {
			key := r.key(kindIDs)
			id := r.nextID(key)
			r.do("XADD", key, id, "f", "v")
			r.do("XSETID", key, r.nextID(key), "ENTRIESADDED", 1000+r.n(1000), "MAXDELETEDID", "0-1")
		}},
	}
}

func (r *run) streamKind() string {
	if r.oneIn(2) {
		return kindAuto
	}
	return kindIDs
}

func (r *run) group() string { return "g" + strconv.Itoa(r.n(3)) }

func (r *run) consumer() string { return "c" + strconv.Itoa(r.n(4)) }

// groupOps make the group that they need first; where it exists already, that is an error reply.
func groupOps() []op {
	read := func(r *run, key, group string, options ...any) {
		args := with([]any{"XREADGROUP", "GROUP", group, r.consumer()}, options...)
		r.do(with(args, "STREAMS", key, ">")...)
	}
	return append([]op{
		{row: "XREADGROUP", weight: 4, run: func(r *run) {
			key, group := r.key(r.streamKind()), r.group()
			r.do("XGROUP", "CREATE", key, group, "0", "MKSTREAM")
			read(r, key, group, "COUNT", 3)
		}},
		{row: "XREADGROUP", weight: 2, run: func(r *run) { read(r, r.key(kindIDs), r.group(), "COUNT", 2, "NOACK") }},
		// New entries only: to read pending ones again counts as a delivery, of which replicas are not told
		// (t_stream.c:streamReplyWithRangeFromConsumerPEL).
		{row: "XREADGROUP", weight: 1, run: func(r *run) {
			r.do("XREADGROUP", "GROUP", r.group(), r.consumer(), "STREAMS", r.key(kindIDs), r.key(kindAuto), ">", ">")
		}},
		{row: "XACK", weight: 3, run: func(r *run) {
			key, group := r.key(kindIDs), r.group()
			id := r.nextID(key)
			r.do("XADD", key, id, "f", r.value())
			r.do("XGROUP", "CREATE", key, group, "0")
			read(r, key, group)
			r.do("XACK", key, group, id, r.someID(key))
		}},
		{row: "XCLAIM", weight: 2, run: func(r *run) {
			key := r.key(kindIDs)
			r.do("XCLAIM", key, r.group(), r.consumer(), 0, r.someID(key), r.someID(key), "RETRYCOUNT", r.n(9), "FORCE")
		}},
		{row: "XCLAIM", weight: 1, run: func(r *run) {
			key := r.key(kindIDs)
			r.do("XCLAIM", key, r.group(), r.consumer(), 0, r.someID(key), "JUSTID", "LASTID", r.someID(key))
		}},
		{row: "XAUTOCLAIM", weight: 2, run: func(r *run) {
			r.do("XAUTOCLAIM", r.key(r.streamKind()), r.group(), r.consumer(), 0, "0-0", "COUNT", 5)
		}},
	}, groupAdminOps()...)
}

func groupAdminOps() []op {
	ensured := func(r *run) (key, group string) {
		key, group = r.key(r.streamKind()), r.group()
		r.do("XGROUP", "CREATE", key, group, r.either("0", "$"), "MKSTREAM")
		return key, group
	}
	return []op{
		{row: "XGROUP CREATE", weight: 2, run: func(r *run) { r.do("XGROUP", "CREATE", r.key(kindIDs), r.group(), "$", "ENTRIESREAD", r.n(5)) }},
		{row: "XGROUP SETID", weight: 2, run: func(r *run) {
			key, group := ensured(r)
			r.do("XGROUP", "SETID", key, group, r.either("0", "$", "1-1"))
		}},
		{row: "XGROUP CREATECONSUMER", weight: 2, run: func(r *run) {
			key, group := ensured(r)
			r.do("XGROUP", "CREATECONSUMER", key, group, r.consumer())
		}},
		{row: "XGROUP DELCONSUMER", weight: 1, run: func(r *run) {
			key, group := ensured(r)
			r.do("XGROUP", "CREATECONSUMER", key, group, "c0")
			r.do("XGROUP", "DELCONSUMER", key, group, "c0")
		}},
		{row: "XGROUP DESTROY", weight: 1, run: func(r *run) { r.do("XGROUP", "DESTROY", r.key(r.streamKind()), r.group()) }},
	}
}
