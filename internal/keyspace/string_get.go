package keyspace

import "github.com/aofsidecar/aofsidecar/internal/rdb"

func runGetDel(c *call) error {
	if _, _, err := c.stringAt(c.args[1]); err != nil {
		return err
	}
	c.remove(c.args[1])
	return nil
}

func runDelIfEq(c *call) error {
	_, v, err := c.stringAt(c.args[1])
	if err == nil && v.is(c.args[2]) {
		c.remove(c.args[1])
	}
	return err
}

// GETEX key [EX|PX|EXAT|PXAT time|PERSIST]

func planGetEx(args [][]byte, p *Plan) {
	var o stringOptions
	if _, ok := o.plan(p, o.parse(args[2:], optionsOfGetEx)); ok {
		p.add(args[1], Writes)
	}
}

func runGetEx(c *call) error {
	var o stringOptions
	if err := o.check(c, o.parse(c.args[2:], optionsOfGetEx)); err != nil {
		return err
	}
	e, _, err := c.stringAt(c.args[1])
	if e == nil || err != nil {
		return err
	}
	switch o.kind {
	case expiryPersist:
		e.expire = rdb.NoExpire
	case expiryEXAT, expiryPXAT:
		e.expire = o.at
	case expiryNone, expiryKeep, expiryEX, expiryPX:
	}
	return nil
}
