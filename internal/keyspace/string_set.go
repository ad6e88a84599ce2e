package keyspace

import (
	"bytes"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// SET key value [NX|XX|IFEQ text] [GET] [EX|PX|EXAT|PXAT time|KEEPTTL]

func planSet(args [][]byte, p *Plan) {
	var o stringOptions
	if use, ok := o.plan(p, o.parse(args[3:], optionsOfSet)); ok {
		p.add(args[1], use)
	}
}

func runSet(c *call) error {
	var o stringOptions
	if err := o.check(c, o.parse(c.args[3:], optionsOfSet)); err != nil {
		return err
	}
	key := c.args[1]
	if met, err := c.meets(&o, key); !met || err != nil {
		return err
	}
	c.setTimed(&o, key, c.args[2])
	return nil
}

// meets reports whether the key is what the options of SET want (t_string.c:setGenericCommand).
func (c *call) meets(o *stringOptions, key []byte) (bool, error) {
	if o.get || o.ifEq {
		_, v, err := c.stringAt(key)
		if err != nil {
			return false, err
		}
		if o.ifEq && !v.is(o.equals) {
			return false, nil
		}
	}
	return (!o.nx || !c.exists(key)) && (!o.xx || c.exists(key)), nil
}

// is reports whether there is a string and it is that text.
func (v *stringValue) is(text []byte) bool {
	var scratch [maxIntText]byte
	return v != nil && bytes.Equal(v.text(scratch[:]), text)
}

// setTimed sets a key to text, with the expiry that the options give.
func (c *call) setTimed(o *stringOptions, key, text []byte) {
	e := c.setString(key, text)
	if o.kind != expiryKeep {
		e.expire = o.at
	}
}

func runSetNX(c *call) error {
	if !c.exists(c.args[1]) {
		c.setString(c.args[1], c.args[2])
	}
	return nil
}

func runGetSet(c *call) error {
	if _, _, err := c.stringAt(c.args[1]); err != nil {
		return err
	}
	c.setString(c.args[1], c.args[2]).expire = rdb.NoExpire
	return nil
}
