package keyspace

// listsToPop is the plan of (B)LMPOP; args begin with the number of keys. Which list it is the values decide.
func (p *Plan) listsToPop(args [][]byte) {
	if m, ok := parseMultiPop(args); ok {
		for _, key := range m.keys {
			p.add(key, Writes)
		}
	}
}

// multiPop is what LMPOP is asked for.
type multiPop struct {
	keys [][]byte
	end  listEnd
	n    int64
}

// parseMultiPop parses args that begin with the number of keys (t_list.c:lmpopGenericCommand).
func parseMultiPop(args [][]byte) (m multiPop, ok bool) {
	m.keys, args, ok = countedKeys(args)
	if !ok || len(args) == 0 {
		return m, false
	}
	if m.end, ok = parseListEnd(args[0]); !ok {
		return m, false
	}
	switch {
	case len(args) == 1:
		m.n = 1
		return m, true
	case len(args) == 3 && isWord(args[1], "COUNT"):
		m.n, ok = parseInt(args[2])
		return m, ok && m.n >= 1
	default:
		return m, false
	}
}

// popLists is LMPOP; args begin with the number of keys.
func (c *call) popLists(args [][]byte) error {
	m, ok := parseMultiPop(args)
	if !ok {
		return errFailed
	}
	return c.popFromFirst(m.keys, m.n, m.end)
}

// popFirstList is BLPOP and BRPOP.
func (c *call) popFirstList(end listEnd) error {
	last := len(c.args) - 1
	return c.unlessTimeout(last, func(c *call) error { return c.popFromFirst(c.args[1:last], 1, end) })
}

// popFromFirst pops from the first list that there is.
func (c *call) popFromFirst(keys [][]byte, n int64, end listEnd) error {
	for _, key := range keys {
		if found, err := c.popFrom(key, n, end); found || err != nil {
			return err
		}
	}
	return nil
}

// unlessTimeout calls run unless the server would refuse the timeout at that argument.
func (c *call) unlessTimeout(at int, run func(c *call) error) error {
	if !isTimeout(c.args[at]) {
		return errFailed
	}
	return run(c)
}
