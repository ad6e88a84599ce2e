package keyspace

import "github.com/aofsidecar/aofsidecar/internal/rdb"

// entryBytes is about what a key costs beside its name and value.
const entryBytes = 120

// entry is what a database has under a key: a value, or the RDB body of one that no command has looked at. With its name it takes a line of the
// processor's cache.
type entry struct {
	value  value
	raw    *rawValue // nil once decoded
	expire int64     // Unix milliseconds, or rdb.NoExpire
	bytes  int64     // that Space.used has for it
}

// rawValue is a value as it was in an RDB.
type rawValue struct {
	typ  rdb.Type
	body []byte
}

// load decodes the value if that is still to be done.
func (e *entry) load(f rdb.Format) error {
	if e.raw == nil {
		return nil
	}
	v, err := decode(f, e.raw.typ, e.raw.body)
	if err != nil {
		return err
	}
	e.value, e.raw = v, nil
	return nil
}

// copy returns an entry with the same value and expiry, which shares nothing that a command may change: raw bytes never change.
func (e *entry) copy() *entry {
	made := &entry{raw: e.raw, expire: e.expire}
	if e.value != nil {
		made.value = e.value.clone()
	}
	return made
}

// size is about how much memory the entry takes under a key of that length.
func (e *entry) size(key int) int64 {
	n := entryBytes + int64(key)
	if e.raw != nil {
		n += int64(len(e.raw.body))
	}
	if e.value != nil {
		n += e.value.size()
	}
	return n
}
