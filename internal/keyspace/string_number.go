package keyspace

import "math"

func runIncr(c *call) error { return c.increment(1) }

func runDecr(c *call) error { return c.increment(-1) }

func runIncrBy(c *call) error {
	by, ok := parseInt(c.args[2])
	if !ok {
		return errFailed
	}
	return c.increment(by)
}

func runDecrBy(c *call) error {
	by, ok := parseInt(c.args[2])
	if !ok || by == math.MinInt64 {
		return errFailed
	}
	return c.increment(-by)
}

// increment adds to the integer under the first key; there is a 0 where there is no key (t_string.c:incrDecrCommand).
func (c *call) increment(by int64) error {
	key := c.args[1]
	e, v, err := c.stringAt(key)
	if err != nil {
		return err
	}
	if e == nil {
		c.put(key, &stringValue{number: by})
		return nil
	}
	n, ok := v.integer()
	if !ok || (by < 0 && n < math.MinInt64-by) || (by > 0 && n > math.MaxInt64-by) {
		return errFailed
	}
	v.setInteger(n + by)
	c.space.account(e, len(key))
	return nil
}
