package keyspace

import "math"

// listCommands is t_list.c, less what only reads. Streams do not have LMPOP and what blocks, but those of clients who write a log
// themselves may: a server that loads one takes the first list that there is, and does not wait.
func listCommands() []command {
	return []command{
		{"LPUSH", -3, writes1, func(c *call) error { return c.pushList(listHead, false) }},
		{"RPUSH", -3, writes1, func(c *call) error { return c.pushList(listTail, false) }},
		{"LPUSHX", -3, writes1, func(c *call) error { return c.pushList(listHead, true) }},
		{"RPUSHX", -3, writes1, func(c *call) error { return c.pushList(listTail, true) }},
		{"LPOP", -2, writes1, func(c *call) error { return c.popList(listHead) }},
		{"RPOP", -2, writes1, func(c *call) error { return c.popList(listTail) }},
		{"LINSERT", 5, writes1, (*call).insertIntoList},
		{"LSET", 4, writes1, (*call).setInList},
		{"LREM", 4, writes1, (*call).removeFromList},
		{"LTRIM", 4, writes1, (*call).trimList},
		{"LMOVE", 5, writesBoth, (*call).moveByWords},
		{"RPOPLPUSH", 3, writesBoth, func(c *call) error { return c.moveInLists(listTail, listHead) }},
		{"BLMOVE", 6, writesBoth, func(c *call) error { return c.unlessTimeout(5, (*call).moveByWords) }},
		{"BRPOPLPUSH", 4, writesBoth, func(c *call) error {
			return c.unlessTimeout(3, func(c *call) error { return c.moveInLists(listTail, listHead) })
		}},
		{"LMPOP", -4, func(args [][]byte, p *Plan) { p.listsToPop(args[1:]) }, func(c *call) error { return c.popLists(c.args[1:]) }},
		{"BLMPOP", -5, func(args [][]byte, p *Plan) { p.listsToPop(args[2:]) }, func(c *call) error {
			return c.unlessTimeout(1, func(c *call) error { return c.popLists(c.args[2:]) })
		}},
		{"BLPOP", -3, writesAllButLast, func(c *call) error { return c.popFirstList(listHead) }},
		{"BRPOP", -3, writesAllButLast, func(c *call) error { return c.popFirstList(listTail) }},
	}
}

// writesBoth is the plan of a command that changes the two keys behind its name.
func writesBoth(args [][]byte, p *Plan) { writesAll(args[:3], p) }

// writesAllButLast is the plan of a command that has keys and then a timeout.
func writesAllButLast(args [][]byte, p *Plan) { writesAll(args[:len(args)-1], p) }

// pushList pushes the arguments behind the key, one after the other.
func (c *call) pushList(end listEnd, mustExist bool) error {
	key := c.args[1]
	l, found, err := find[*listValue](c, key)
	if err != nil || !found && mustExist {
		return err
	}
	if !found {
		l = &listValue{}
	}
	for _, elem := range c.args[2:] {
		l.push(elem, end)
	}
	if found {
		c.changed(key)
	} else {
		c.put(key, l)
	}
	return nil
}

// popList pops one element or as many as the argument says.
func (c *call) popList(end listEnd) error {
	n := int64(1)
	if len(c.args) > 2 {
		var ok bool
		if n, ok = parseInt(c.args[2]); !ok || n < 0 || len(c.args) > 3 {
			return errFailed
		}
	}
	_, err := c.popFrom(c.args[1], n, end)
	return err
}

// popFrom pops up to n elements, and reports whether there was a list.
func (c *call) popFrom(key []byte, n int64, end listEnd) (bool, error) {
	l, found, err := find[*listValue](c, key)
	if !found || err != nil || n == 0 {
		return found, err
	}
	l.pop(int(min(n, int64(l.n))), end)
	c.changed(key)
	return true, nil
}

func (c *call) insertIntoList() error {
	behind := isWord(c.args[2], "AFTER")
	if !behind && !isWord(c.args[2], "BEFORE") {
		return errFailed
	}
	l, found, err := find[*listValue](c, c.args[1])
	if found && l.insert(c.args[3], c.args[4], behind) {
		c.changed(c.args[1])
	}
	return err
}

func (c *call) setInList() error {
	l, found, err := find[*listValue](c, c.args[1])
	if err != nil {
		return err
	}
	at, ok := parseInt(c.args[2])
	if !found || !ok {
		return errFailed
	}
	if packedSince := 11; l.first == l.last && c.space.opt.Format.Version >= packedSince {
		// Servers from 7.2 on keep small lists in one listpack, whose index is a C int: 1<<32 is 0 (listpack.c:lpSeek).
		at = int64(int32(at))
	}
	if at < 0 {
		at += int64(l.n)
	}
	if at < 0 || at >= int64(l.n) {
		return errFailed
	}
	l.set(int(at), c.args[3])
	c.changed(c.args[1])
	return nil
}

func (c *call) removeFromList() error {
	limit, ok := parseInt(c.args[2])
	if !ok || limit == math.MinInt64 {
		return errFailed
	}
	l, found, err := find[*listValue](c, c.args[1])
	if !found {
		return err
	}
	end := listHead
	switch {
	case limit < 0:
		limit, end = -limit, listTail
	case limit == 0:
		limit = math.MaxInt64
	}
	if l.remove(c.args[3], int(min(limit, int64(l.n))), end) {
		c.changed(c.args[1])
	}
	return nil
}

func (c *call) trimList() error {
	from, ok := parseInt(c.args[2])
	to, ok2 := parseInt(c.args[3])
	if !ok || !ok2 {
		return errFailed
	}
	l, found, err := find[*listValue](c, c.args[1])
	if !found {
		return err
	}
	n := int64(l.n)
	if from < 0 {
		from = max(0, n+from)
	}
	if to < 0 {
		to += n
	}
	if to = min(to, n-1); from > to {
		from, to = n, n-1
	}
	l.pop(int(n-1-to), listTail)
	l.pop(int(from), listHead)
	c.changed(c.args[1])
	return nil
}

// parseListEnd parses LEFT or RIGHT.
func parseListEnd(arg []byte) (listEnd, bool) {
	if isWord(arg, "RIGHT") {
		return listTail, true
	}
	return listHead, isWord(arg, "LEFT")
}

func (c *call) moveByWords() error {
	from, ok := parseListEnd(c.args[3])
	to, ok2 := parseListEnd(c.args[4])
	if !ok || !ok2 {
		return errFailed
	}
	return c.moveInLists(from, to)
}

// moveInLists moves an element from one list to another, which may be the same.
func (c *call) moveInLists(from, to listEnd) error {
	l, found, err := find[*listValue](c, c.args[1])
	if !found || l.empty() {
		return err
	}
	target, targetFound, err := find[*listValue](c, c.args[2])
	if err != nil {
		return err
	}
	var scratch numberBuffer
	var buf [64]byte // the list's memory may move
	elem := append(buf[:0], l.endText(from, &scratch)...)
	l.pop(1, from)
	if targetFound {
		target.push(elem, to)
		c.changed(c.args[2])
	} else {
		target = &listValue{}
		target.push(elem, to)
		c.put(c.args[2], target)
	}
	c.changed(c.args[1])
	return nil
}
