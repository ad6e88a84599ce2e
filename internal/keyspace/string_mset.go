package keyspace

import "github.com/aofsidecar/aofsidecar/internal/rdb"

// MSET and MSETNX: key value [key value ...]

func planMSet(use Use) func(args [][]byte, p *Plan) {
	return func(args [][]byte, p *Plan) {
		if len(args)%2 == 0 {
			return
		}
		for i := 1; i < len(args); i += 2 {
			p.add(args[i], use)
		}
	}
}

func runMSet(c *call) error {
	if len(c.args)%2 == 0 {
		return errFailed
	}
	c.setAll(&stringOptions{at: rdb.NoExpire}, c.args[1:])
	return nil
}

func runMSetNX(c *call) error {
	if len(c.args)%2 == 0 {
		return errFailed
	}
	if pairs := c.args[1:]; c.counted(pairs) == 0 {
		c.setAll(&stringOptions{at: rdb.NoExpire}, pairs)
	}
	return nil
}

// setAll sets the keys of pairs, a later one of the same name last.
func (c *call) setAll(o *stringOptions, pairs [][]byte) {
	for i := 0; i < len(pairs); i += 2 {
		c.setTimed(o, pairs[i], pairs[i+1])
	}
}

// counted returns how many of the keys of pairs exist.
func (c *call) counted(pairs [][]byte) (n int) {
	for i := 0; i < len(pairs); i += 2 {
		if c.exists(pairs[i]) {
			n++
		}
	}
	return n
}

// MSETEX numkeys key value [key value ...] [NX|XX] [EX|PX|EXAT|PXAT time|KEEPTTL]

func planMSetEx(args [][]byte, p *Plan) {
	pairs, rest, ok := splitMSetEx(args)
	if !ok {
		return
	}
	var o stringOptions
	use, ok := o.plan(p, o.parse(rest, optionsOfMSetEx))
	for i := 0; ok && i < len(pairs); i += 2 {
		p.add(pairs[i], use)
	}
}

func runMSetEx(c *call) error {
	pairs, rest, ok := splitMSetEx(c.args)
	if !ok {
		return errFailed
	}
	var o stringOptions
	if err := o.check(c, o.parse(rest, optionsOfMSetEx)); err != nil {
		return err
	}
	if o.nx || o.xx {
		if n := c.counted(pairs); (o.nx && n > 0) || (o.xx && n < len(pairs)/2) {
			return nil
		}
	}
	c.setAll(&o, pairs)
	return nil
}

// splitMSetEx parts the keys and values from the options.
func splitMSetEx(args [][]byte) (pairs, options [][]byte, ok bool) {
	n, ok := parseInt(args[1])
	if !ok || n <= 0 || n > int64(len(args)-2)/2 {
		return nil, nil, false
	}
	return args[2 : 2+2*n], args[2+2*n:], true
}
