package fold

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/aofsidecar/aofsidecar/internal/keyspace"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// scan reads the entries and other items of the base's RDB. visit is to skip, copy or read each.
func (f *folder) scan(ctx context.Context, visit func(*rdb.Reader, *rdb.Item) error) error {
	if !f.base.rdb {
		return nil
	}
	r, err := rdb.NewReaderAhead(io.NewSectionReader(f.base.R, 0, f.base.tail))
	if err != nil {
		return &InputError{File: f.base.Name, Err: err}
	}
	defer r.Close()
	var it rdb.Item // visit has its address: one for all
	told := int64(0)
	for n := 0; ; n++ {
		if n%checkEvery == 0 {
			f.step(r.Offset() - told)
			told = r.Offset()
			if err := context.Cause(ctx); err != nil {
				return err
			}
		}
		it, err = r.Next()
		if errors.Is(err, io.EOF) {
			f.step(r.Offset() - told)
			if r.Offset() != f.base.tail {
				return &InputError{File: f.base.Name, Offset: r.Offset(), Err: errAfterEnd}
			}
			return nil
		}
		if err != nil {
			return f.inputError(r, err)
		}
		if f.foreign(&it) {
			return &InputError{File: f.base.Name, Offset: r.Offset(), Err: errForeign}
		}
		if err := visit(r, &it); err != nil {
			return f.inputError(r, err)
		}
	}
}

var (
	errAfterEnd = errors.New("bytes after the end")
	errForeign  = errors.New("a type that this version does not have, and that means something else in the upstream's")
)

// foreign reports whether an entry is of a type that means something else in the new base's dialect: no server wrote it into the old one.
func (f *folder) foreign(it *rdb.Item) bool {
	return f.res.Format.Dialect != f.base.format.Dialect && it.Kind == rdb.KeyItem && it.Type > rdb.TypeStreamListpacks3
}

// first copies what nothing touches, and what is carried, and loads the rest into sp, if it fits. If not, sp is of no use.
func (f *folder) first(ctx context.Context, sp, libraries *keyspace.Space) (fits bool, err error) {
	l := loader{folder: f, sp: sp, fits: true}
	err = f.scan(ctx, func(r *rdb.Reader, it *rdb.Item) error {
		switch it.Kind {
		case rdb.KeyItem:
			return l.entry(r, it)
		case rdb.FunctionItem:
			source, err := readFunction(r)
			if err != nil {
				return err
			}
			return libraries.PutFunction(source)
		case rdb.ModuleAuxItem:
			if f.plan.anyFlush {
				return errModuleFlushed
			}
		case rdb.AuxItem, rdb.SelectItem, rdb.ResizeItem, rdb.SlotInfoItem, rdb.SlotImportItem:
		}
		return f.out.other(r, it)
	})
	return l.fits, err
}

// errModuleFlushed is for indexes and the like, which their module may drop with the keys that they are of.
var errModuleFlushed = &CannotError{What: "a module has data beside its keys, and nobody else knows what becomes of them with a flush"}

// loader takes the entries of the base in the first scan.
type loader struct {
	*folder
	sp   *keyspace.Space
	fits bool
}

func (l *loader) entry(r *rdb.Reader, it *rdb.Item) error {
	id := l.idOf(it)
	if id == noKey {
		if l.plan.drops(it.DB, it.Key) {
			return nil
		}
		l.res.Copied++
		return l.out.item(l.plan.dbs.number(it.DB), r, it)
	}
	if l.keys.is(id, seen) {
		return l.twice(r, it)
	}
	l.keys.info[id].flags |= seen
	if l.keys.isDead(id) {
		return nil
	}
	if l.keys.isTainted(id) {
		if l.plan.allDropped {
			return nil
		}
		return l.out.item(l.plan.dbs.number(it.DB), r, it)
	}
	if l.keys.is(id, overwritten) || l.plan.allDropped {
		return nil
	}
	limit := int64(1)
	if l.fits {
		limit = l.room(l.sp)
	}
	b, err := readBody(r, it, limit)
	if err != nil {
		return err
	}
	l.keys.info[id].raw = uint32(min(b.size, math.MaxUint32))
	if b.over() {
		l.fits, l.sp = false, nil // from now on it is measured only
		return nil
	}
	if l.fits {
		l.sp.PutRaw(it.DB, it.Key, it.Type, b.bytes, attributesOf(it))
	}
	return nil
}

// twice is the error for a key that the base has already.
func (f *folder) twice(r *rdb.Reader, it *rdb.Item) error {
	return &InputError{File: f.base.Name, Offset: r.Offset(), Err: fmt.Errorf("the key %.64q comes twice, and no server loads that", it.Key)}
}

// room is how many bytes the next value of sp may have; 0: as many as it likes.
func (f *folder) room(sp *keyspace.Space) int64 {
	if f.opt.MaxMemory == 0 {
		return 0
	}
	return max(1, f.opt.MaxMemory-sp.Used())
}

// idOf returns the key of an entry if anything touches it, else noKey.
func (f *folder) idOf(it *rdb.Item) keyID {
	if id := f.find(it); id != noKey {
		return id
	}
	if !f.keys.matches(it.DB, it.Key) {
		return noKey
	}
	id, _ := f.keys.add(it.DB, it.Key)
	f.maybe.add(it.DB, it.Key)
	f.keys.linkMatching(f.keys.patterns[it.DB], it.Key, id)
	return id
}

// find returns the key of an entry, or noKey.
func (f *folder) find(it *rdb.Item) keyID {
	if !f.maybe.has(it.DB, it.Key) {
		return noKey
	}
	return f.keys.find(it.DB, it.Key)
}

// load puts the values of a part into sp.
func (f *folder) load(ctx context.Context, sp *keyspace.Space, n int) error {
	if f.plan.allDropped {
		return nil
	}
	return f.scan(ctx, func(r *rdb.Reader, it *rdb.Item) error {
		if it.Kind != rdb.KeyItem {
			return nil
		}
		id := f.find(it)
		if id == noKey || f.keys.is(id, overwritten) {
			return nil
		}
		info := &f.keys.info[f.keys.root(id)]
		if info.flags&(tainted|dead) != 0 || int(info.pass) != n {
			return nil
		}
		b, err := readBody(r, it, f.room(sp))
		if err != nil {
			return err
		}
		if b.over() {
			return keyspace.ErrTooBig
		}
		sp.PutRaw(it.DB, it.Key, it.Type, b.bytes, attributesOf(it))
		return nil
	})
}

// copyTainted copies the entries of a link that is carried after all.
func (f *folder) copyTainted(ctx context.Context, root keyID) error {
	if f.plan.allDropped {
		return nil
	}
	return f.scan(ctx, func(r *rdb.Reader, it *rdb.Item) error {
		if it.Kind != rdb.KeyItem {
			return nil
		}
		if id := f.find(it); id == noKey || f.keys.root(id) != root {
			return nil
		}
		return f.out.item(f.plan.dbs.number(it.DB), r, it)
	})
}

// damaged returns the error of keys that could not be written. If a value of the base does not decode, it says where that stands: commands are made of
// values that nobody looked at before.
func (f *folder) damaged(ctx context.Context, err error) error {
	if hopeless(err) != undecoded {
		return fmt.Errorf("write keys: %w", err)
	}
	found := f.scan(ctx, func(r *rdb.Reader, it *rdb.Item) error {
		if it.Kind != rdb.KeyItem {
			return nil
		}
		b, err := readBody(r, it, 0)
		if err != nil {
			return err
		}
		if _, err := rdb.CheckValue(f.base.format, it.Type, b.bytes); err != nil {
			return fmt.Errorf("key %.64q in database %d: %w", it.Key, it.DB, err)
		}
		return nil
	})
	if found != nil {
		return found
	}
	return fmt.Errorf("write keys: %w", err)
}
