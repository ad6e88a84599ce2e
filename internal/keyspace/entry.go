package keyspace

import "github.com/aofsidecar/aofsidecar/internal/rdb"

// entryBytes is about what a key costs beside its name and value.
const entryBytes = 120

// entry is what a database has under a key. With its name it takes a line of the processor's cache.
type entry struct {
	value  value // a *rawValue, if no command has looked at it; nil: there is none yet
	expire int64 // Unix milliseconds, or rdb.NoExpire
	bytes  int64 // that Space.used has for it
}

func (e *entry) isRaw() bool {
	_, raw := e.value.(*rawValue)
	return raw
}

// load decodes the value if that is still to be done.
func (e *entry) load(f rdb.Format) error {
	raw, ok := e.value.(*rawValue)
	if !ok {
		return nil
	}
	v, err := decode(f, raw.typ, raw.body)
	if err == nil {
		e.value = v
	}
	return err
}

// copy returns an entry with the same value and expiry, which shares nothing that a command may change.
func (e *entry) copy() *entry {
	return &entry{value: e.value.clone(), expire: e.expire}
}

// size is about how much memory the entry takes under a key of that length.
func (e *entry) size(key int) int64 {
	return entryBytes + int64(key) + e.value.size()
}
