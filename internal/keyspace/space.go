package keyspace

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/aofsidecar/aofsidecar/internal/names"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// Options say what a Space is to be like.
type Options struct {
	// Format is the dialect and version of the RDB that values come from and go to.
	Format rdb.Format
	// Server is the upstream's version, as in "8.0.2"; it decides where servers of one RDB version differ. Empty: the newest known.
	Server string
	// MaxBytes is how much memory the values may take, about; 0: no limit.
	MaxBytes int64
}

// ErrTooBig says that a command would take the Space past Options.MaxBytes. What the command left behind is undefined.
var ErrTooBig = errors.New("values outgrow the memory limit")

// errFailed says that the server would have refused the command: it changes nothing.
var errFailed = errors.New("the server refuses the command")

// Space is the databases in memory, or the part of them that a rewrite needs. See [New].
type Space struct {
	opt       Options
	table     *Table
	dbs       map[int]*database // by logical number
	near      *database         // the last that db returned, and its number; nil: none
	nearDB    int
	libraries libraries
	used      int64 // bytes of all entries, about
	refused   int64
	now       int64 // Unix milliseconds
	call      call  // reused
	fetch     func(*entry)
	fetched   int64 // without a meaning: it keeps the compiler from leaving out fetch's reads
}

// database is the keys of one. A pointer to an entry is good until its key is removed.
type database struct{ keys names.Table[entry] }

// find returns what is under a key; nil if there is nothing.
func (d *database) find(key []byte) *entry {
	n := d.keys.Find(key)
	if n == nil {
		return nil
	}
	return &n.Value
}

// add returns what is under a key, which is nothing yet if fresh.
func (d *database) add(key []byte) (e *entry, fresh bool) {
	n, fresh := d.keys.Add(key)
	return &n.Value, fresh
}

// all yields all keys. The one that it yields may be removed, and none may be added.
func (d *database) all() iter.Seq2[[]byte, *entry] {
	return func(yield func([]byte, *entry) bool) {
		for n := range d.keys.All() {
			if !yield(d.keys.Name(n), &n.Value) {
				return
			}
		}
	}
}

// place is where a key is.
type place struct {
	db  int
	key string
}

// New returns an empty Space that runs the commands of t.
func New(t *Table, opt Options) *Space {
	s := &Space{opt: opt, table: t, dbs: map[int]*database{}}
	s.fetch = func(e *entry) {
		switch v := e.value.(type) {
		case *stringValue:
			s.fetched += v.number
			s.fetched += first(v.data)
		case *hashValue:
			s.fetched += first(v.packed)
		}
	}
	return s
}

// first returns the first byte, or 0.
func first(b []byte) int64 {
	if len(b) == 0 {
		return 0
	}
	return int64(b[0])
}

// PutRaw gives a key the value that an RDB body states, undecoded; a Space keeps raw. It returns false, and does nothing, if there is one under the
// key. When it was used last, and how often, stays known until a command looks at the value.
func (s *Space) PutRaw(db int, key []byte, t rdb.Type, raw []byte, a rdb.Attributes) bool {
	e, fresh := s.db(db).add(key)
	if !fresh {
		return false
	}
	v := &rawValue{typ: t, body: raw}
	if a.HasIdle || a.HasFreq {
		v.use = &a
	}
	*e = entry{value: v, expire: rdb.NoExpire}
	if a.HasExpire {
		e.expire = a.Expire
	}
	s.account(e, len(key))
	return true
}

// SetTime says what time it is, in Unix milliseconds, to the few commands that ask: when a consumer of a stream was made is all that comes of
// it. It is 0 before.
func (s *Space) SetTime(ms int64) { s.now = ms }

// PutFunction adds a library of the base.
func (s *Space) PutFunction(source []byte) error {
	if err := s.libraries.load(source, false); err != nil {
		return fmt.Errorf("add function library: %w", err)
	}
	return nil
}

// Used is how much memory the values and libraries take, in bytes, about.
func (s *Space) Used() int64 { return s.used + s.libraries.bytes }

// Refused counts the commands that a server would have refused, which changed nothing.
func (s *Space) Refused() int64 { return s.refused }

// Run runs a command with db selected. It returns nil also where the server would have refused the command. Errors: ErrTooBig, and
// *CorruptError for a raw value that does not decode; *UnknownCommandError for what Plan calls Carry or Unknown.
func (s *Space) Run(db int, args [][]byte) error { return s.run(db, args, s.table.lookup(args)) }

// RunPlanned is Run for a command of which p is the plan, by the same Table. It need not look the command up again.
func (s *Space) RunPlanned(db int, args [][]byte, p *Plan) error { return s.run(db, args, p.command) }

func (s *Space) run(db int, args [][]byte, cmd *command) error {
	if cmd != nil && !cmd.takes(len(args)) {
		s.refused++
		return nil
	}
	if cmd == nil || cmd.run == nil {
		return &UnknownCommandError{Name: string(args[0])}
	}
	s.call = call{space: s, db: db, args: args}
	err := cmd.run(&s.call)
	if errors.Is(err, errFailed) {
		s.refused++
		return nil
	}
	if err == nil && s.opt.MaxBytes > 0 && s.Used() > s.opt.MaxBytes {
		return ErrTooBig
	}
	return err
}

// db returns the database of that number.
func (s *Space) db(n int) *database {
	if s.near != nil && s.nearDB == n {
		return s.near
	}
	d := s.dbs[n]
	if d == nil {
		d = &database{}
		s.dbs[n] = d
	}
	s.near, s.nearDB = d, n
	return d
}

// Near fetches into the processor's cache what commands on these keys, of which there are at most names.NearNames, will look at. It changes
// nothing.
func (s *Space) Near(db int, keys [][]byte) {
	if s.near != nil && s.nearDB == db {
		s.near.keys.Near(keys, s.fetch)
	}
}

// set makes a copy of e what is there, whatever was. What e is accounted with counts for the copy.
func (s *Space) set(at place, e *entry) {
	there, _ := s.db(at.db).add([]byte(at.key))
	s.forget(there)
	*there = *e
	s.account(there, len(at.key))
}

// move takes the entry to another place, whatever was there.
func (s *Space) move(from, to place) {
	d := s.db(from.db)
	e := *d.find([]byte(from.key))
	d.keys.Remove([]byte(from.key))
	s.set(to, &e)
}

// account brings used up to date after e changed.
func (s *Space) account(e *entry, key int) {
	now := e.size(key)
	s.used += now - e.bytes
	e.bytes = now
}

// forget takes e out of the account.
func (s *Space) forget(e *entry) { s.used -= e.bytes }

// Key is one key of a Space as it is to be written.
type Key struct {
	DB     int
	Name   string
	Expire int64 // Unix milliseconds, or rdb.NoExpire
	entry  *entry
	format rdb.Format
}

// Attributes returns what an RDB says of the key beside its value.
func (k *Key) Attributes() rdb.Attributes {
	a := rdb.Attributes{}
	if raw, ok := k.entry.value.(*rawValue); ok && raw.use != nil {
		a = *raw.use
	}
	if a.HasExpire = k.Expire != rdb.NoExpire; a.HasExpire {
		a.Expire = k.Expire
	}
	return a
}

// IsRaw reports whether no command has looked at the value that PutRaw gave it.
func (k *Key) IsRaw() bool { return k.entry.isRaw() }

// AppendRDB appends the value's RDB body and returns the type to write before it.
func (k *Key) AppendRDB(dst []byte) (rdb.Type, []byte) {
	return k.entry.value.appendRDB(dst, k.format)
}

// Fits reports whether an RDB of format f can state the key: where an upstream was replaced by a later version and the log went on, f may be one
// without an expiry of hash fields. What no command has looked at fits where it came from.
func (k *Key) Fits(f rdb.Format) bool {
	if f.HasFieldExpiry() {
		return true
	}
	h, isHash := k.entry.value.(*hashValue)
	return !isHash || h.timed == 0
}

// AppendCommands appends the commands that make the key, its expiry included, in a database that does not have it. A module's value takes a
// RESTORE.
func (k *Key) AppendCommands(dst []byte) ([]byte, error) {
	v := k.entry.value
	if raw, ok := v.(*rawValue); ok { // decoded for now only: a Space has no room for all of its keys at once
		var err error
		if v, err = decode(k.format, raw.typ, raw.body); err != nil {
			return dst, fmt.Errorf("key %.64q in database %d: %w", k.Name, k.DB, err)
		}
	}
	dst = v.appendCommands(dst, []byte(k.Name))
	if k.Expire != rdb.NoExpire {
		dst = appendExpire(dst, k.Name, k.Expire)
	}
	return dst, nil
}

// Each calls visit for each key, by database, until it returns an error, which Each returns. The order within one depends on what was put and run
// only, and is that in which keys came where none was removed. The Key is valid during the call.
func (s *Space) Each(visit func(k *Key) error) error {
	var k Key
	for _, n := range slices.Sorted(maps.Keys(s.dbs)) {
		for name, e := range s.dbs[n].all() {
			k = Key{DB: n, Name: string(name), Expire: e.expire, entry: e, format: s.opt.Format}
			if err := visit(&k); err != nil {
				return err
			}
		}
	}
	return nil
}

// Functions returns the sources of the function libraries, by name.
func (s *Space) Functions() [][]byte { return s.libraries.sources() }

// NewKey returns a key that is in no Space, with the RDB body of its value, which it keeps.
func NewKey(f rdb.Format, db int, name []byte, t rdb.Type, raw []byte, expire int64) Key {
	return Key{DB: db, Name: string(name), Expire: expire, entry: &entry{value: &rawValue{typ: t, body: raw}, expire: expire}, format: f}
}
