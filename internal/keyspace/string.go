package keyspace

import "github.com/aofsidecar/aofsidecar/internal/rdb"

// stringCommands is the commands on strings (t_string.c). INCRBYFLOAT is carried: its long double is 80 bits on one machine and 128 on another.
// So are the forms with a time to live, which count from a moment that the log does not tell. No server from 7.0 on writes either of them.
func stringCommands() []command {
	return []command{
		{name: "SET", arity: -3, plan: planSet, run: runSet},
		{name: "SETNX", arity: 3, plan: writes1, run: runSetNX},
		{name: "SETEX", arity: 4, plan: writes1},
		{name: "PSETEX", arity: 4, plan: writes1},
		{name: "GETSET", arity: 3, plan: writes1, run: runGetSet},
		{name: "GETDEL", arity: 2, plan: writes1, run: runGetDel},
		{name: "GETEX", arity: -2, plan: planGetEx, run: runGetEx},
		{name: "DELIFEQ", arity: 3, plan: writes1, run: runDelIfEq},
		{name: "MSET", arity: -3, plan: planMSet(Overwrites), run: runMSet},
		{name: "MSETNX", arity: -3, plan: planMSet(Writes), run: runMSetNX},
		{name: "MSETEX", arity: -4, plan: planMSetEx, run: runMSetEx},
		{name: "APPEND", arity: 3, plan: writes1, run: runAppend},
		{name: "SETRANGE", arity: 4, plan: writes1, run: runSetRange},
		{name: "INCR", arity: 2, plan: writes1, run: runIncr},
		{name: "DECR", arity: 2, plan: writes1, run: runDecr},
		{name: "INCRBY", arity: 3, plan: writes1, run: runIncrBy},
		{name: "DECRBY", arity: 3, plan: writes1, run: runDecrBy},
		{name: "INCRBYFLOAT", arity: 3, plan: writes1},
	}
}

// stringAt returns the entry under key and the string in it, nil if there is none. Whoever changes the string calls account.
func (c *call) stringAt(key []byte) (*entry, *stringValue, error) {
	e, err := c.entry(key)
	if e == nil || err != nil {
		return nil, nil, err
	}
	v, ok := e.value.(*stringValue)
	if !ok {
		return nil, nil, errFailed
	}
	return e, v, nil
}

// setString makes a copy of text the value under key, whatever was there, and leaves the expiry as it is. Memory of the old value is used
// again.
func (c *call) setString(key, text []byte) *entry {
	e, fresh := c.space.db(c.db).add(key)
	if fresh {
		e.expire = rdb.NoExpire
	}
	if v, ok := e.value.(*stringValue); ok {
		v.set(text)
	} else {
		e.value = newStringValue(text)
	}
	c.space.account(e, len(key))
	return e
}
