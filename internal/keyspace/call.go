package keyspace

import (
	"fmt"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// call is one command that runs. Its functions return errFailed where the server answers with an error.
type call struct {
	space *Space
	db    int
	args  [][]byte // the name first
}

// entry returns what is under key, decoded; nil if there is nothing.
func (c *call) entry(key []byte) (*entry, error) { return c.entryIn(c.db, key) }

func (c *call) entryIn(db int, key []byte) (*entry, error) {
	e := c.space.db(db).find(key)
	if e == nil {
		return nil, nil
	}
	raw, isRaw := e.value.(*rawValue)
	if !isRaw {
		return e, nil
	}
	if err := c.growBy(raw); err != nil {
		return nil, err
	}
	if err := e.load(c.space.opt.Format); err != nil {
		return nil, fmt.Errorf("key %.64q in database %d: %w", key, db, err)
	}
	c.space.account(e, len(key))
	return e, nil
}

// exists reports whether there is a key, and decodes nothing.
func (c *call) exists(key []byte) bool { return c.existsIn(c.db, key) }

func (c *call) existsIn(db int, key []byte) bool { return c.space.db(db).find(key) != nil }

// find returns the value under key, nil if there is none, and errFailed if it is of another type. When it was changed, changed must be
// called.
func find[V value](c *call, key []byte) (v V, found bool, err error) {
	e, err := c.entry(key)
	if e == nil || err != nil {
		return v, false, err
	}
	v, ok := e.value.(V)
	if !ok {
		return v, false, errFailed
	}
	return v, true, nil
}

// changed brings the books up to date after the value under key changed, and removes the key if the value is empty.
func (c *call) changed(key []byte) {
	e := c.space.db(c.db).find(key)
	if e.value.empty() {
		c.remove(key)
		return
	}
	c.space.account(e, len(key))
}

// put makes v the value under key, which had none, without expiry. An empty v is not put.
func (c *call) put(key []byte, v value) {
	if v.empty() {
		return
	}
	e, _ := c.space.db(c.db).add(key)
	e.value, e.expire = v, rdb.NoExpire
	c.space.account(e, len(key))
}

// replace makes v the value under key whatever was there, without expiry; an empty v removes the key.
func (c *call) replace(key []byte, v value) {
	if v.empty() {
		c.remove(key)
		return
	}
	e, _ := c.space.db(c.db).add(key)
	e.value, e.expire = v, rdb.NoExpire
	c.space.account(e, len(key))
}

// remove removes the key, if there is one.
func (c *call) remove(key []byte) {
	d := c.space.db(c.db)
	if e := d.find(key); e != nil {
		c.space.forget(e)
		d.keys.Remove(key)
	}
}

// grow returns ErrTooBig if n bytes more are more than the Space may take: a few bytes of arguments can ask for half a gigabyte.
func (c *call) grow(n int64) error {
	if limit := c.space.opt.MaxBytes; limit > 0 && c.space.Used()+n > limit {
		return ErrTooBig
	}
	return nil
}

// growBy returns ErrTooBig if a value takes more than the Space may when its compressed strings are not: a bitmap of half a gigabyte may be six
// megabytes in an RDB. What its elements take beside their bytes is known only when they are decoded.
func (c *call) growBy(v *rawValue) error {
	limit, packed := c.space.opt.MaxBytes, int64(len(v.body))
	if limit == 0 || c.space.Used()+packed*maxUnpacking <= limit {
		return nil
	}
	return c.grow(rdb.UnpackedBytes(c.space.opt.Format, v.typ, v.body) - packed)
}

// maxUnpacking is more than compression makes of a byte (see rdb.UnpackedBytes).
const maxUnpacking = 88
