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
	_, v, err := c.stringAt(key)
	if err != nil || len(part) == 0 {
		return err
	}
	if offset > maxStringBytes {
		return ErrTooBig
	}
	if v, err = c.stretch(key, v, offset+int64(len(part))); err != nil {
		return err
	}
	copy(v.data[offset:], part)
	return nil
}

// stretch makes the string under key at least size bytes long, and makes it if v is nil: there is none.
func (c *call) stretch(key []byte, v *stringValue, size int64) (*stringValue, error) {
	made := v == nil
	if made {
		v = &stringValue{data: []byte{}}
	}
	if err := c.extend(v, size); err != nil {
		return nil, err
	}
	if made {
		c.put(key, v)
	} else {
		c.changed(key)
	}
	return v, nil
}
