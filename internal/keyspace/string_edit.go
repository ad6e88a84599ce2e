package keyspace

func runAppend(c *call) error {
	key, tail := c.args[1], c.args[2]
	e, v, err := c.stringAt(key)
	switch {
	case err != nil:
		return err
	case e == nil:
		c.setString(key, tail)
		return nil
	case len(tail) == 0:
		return nil
	}
	v.unpack()
	have := int64(len(v.data))
	if err := c.growString(have, have+int64(len(tail))); err != nil {
		return err
	}
	v.data = append(v.data, tail...)
	c.space.account(e, len(key))
	return nil
}

func runSetRange(c *call) error {
	key, part := c.args[1], c.args[3]
	offset, ok := parseInt(c.args[2])
	if !ok || offset < 0 {
		return errFailed
	}
	e, v, err := c.stringAt(key)
	if err != nil || len(part) == 0 {
		return err
	}
	if offset > maxStringBytes {
		return ErrTooBig
	}
	if v, err = c.stretch(key, e, v, offset+int64(len(part))); err != nil {
		return err
	}
	copy(v.data[offset:], part)
	return nil
}

// stretch makes v, the string of e under key, at least size bytes long, with zeros behind what it has. If e is nil, there is none, and one is
// made.
func (c *call) stretch(key []byte, e *entry, v *stringValue, size int64) (*stringValue, error) {
	if e == nil {
		v = &stringValue{data: []byte{}}
	}
	v.unpack()
	if have := int64(len(v.data)); have < size {
		if err := c.growString(have, size); err != nil {
			return nil, err
		}
		v.data = append(v.data, make([]byte, size-have)...)
	}
	if e == nil {
		c.put(key, v)
	} else {
		c.space.account(e, len(key))
	}
	return v, nil
}

// growString returns ErrTooBig if a string must not grow to that size.
func (c *call) growString(from, to int64) error {
	if to > maxStringBytes {
		return ErrTooBig
	}
	return c.grow(to - from)
}
