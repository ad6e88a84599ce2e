package fold

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aofsidecar/aofsidecar/internal/keyspace"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// smallBase is by how many times the commands must be longer than the base for a fold in one go: then all of the base takes little beside what
// changed, and the commands need not be read beforehand to know which of it that is.
const smallBase = 8

// errNotWhole says that a fold in one go met a command that is carried.
var errNotWhole = errors.New("not in one go")

// isSmall reports whether the base is small beside the commands, and has no carry.
func (f *folder) isSmall() bool {
	return !f.base.rdb || f.base.tail == f.base.Size && f.base.tail <= f.commandBytes()/smallBase
}

func (f *folder) commandBytes() (n int64) {
	for i := range f.files {
		n += f.files[i].Size
	}
	return n
}

// whole is a fold in one go.
type whole struct {
	*folder
	sp, libraries *keyspace.Space
	moduleData    bool // a module has data beside its keys
}

func (f *folder) newWhole() *whole {
	return &whole{folder: f, sp: f.space(), libraries: keyspace.New(f.opt.Table, keyspace.Options{Format: f.res.Format, Server: f.opt.Server})}
}

// prepare takes all of the base and runs all commands on it. It returns false where that cannot be: something is to be carried, or memory is
// short.
func (w *whole) prepare(ctx context.Context) (done bool, err error) {
	w.total = 2*w.base.tail + w.commandBytes()
	err = w.scan(ctx, w.item)
	if err == nil {
		err = w.run(ctx)
	}
	if errors.Is(err, errNotWhole) || hopeless(err) != "" {
		w.total = w.done + w.base.tail + 2*w.commandBytes()
		return false, nil
	}
	return true, err
}

// item takes one item of the base.
func (w *whole) item(r *rdb.Reader, it *rdb.Item) error {
	switch it.Kind {
	case rdb.KeyItem:
		b, err := readBody(r, it, w.room(w.sp))
		if err != nil {
			return err
		}
		if b.over() {
			return keyspace.ErrTooBig
		}
		if !w.sp.PutRaw(it.DB, it.Key, it.Type, b.bytes, attributesOf(it)) {
			return w.twice(r, it)
		}
	case rdb.FunctionItem:
		source, err := readFunction(r)
		if err != nil {
			return err
		}
		return w.libraries.PutFunction(source)
	case rdb.ModuleAuxItem:
		w.moduleData = true
	case rdb.AuxItem, rdb.SelectItem, rdb.ResizeItem, rdb.SlotInfoItem, rdb.SlotImportItem:
	}
	return nil
}

// run runs all commands.
func (w *whole) run(ctx context.Context) error {
	var plan keyspace.Plan
	c := w.commands(mark{})
	c.now, c.near = w.sp.SetTime, w.sp.Near
	return c.each(ctx, func(c *command) error {
		w.opt.Table.Plan(c.args, &plan)
		switch plan.Effect {
		case keyspace.Nothing:
			return nil
		case keyspace.Carry, keyspace.Unknown:
			return errNotWhole
		case keyspace.Functions:
			if err := w.libraries.Run(0, c.args); err != nil {
				return fmt.Errorf("run %s: %w", c.args[0], err)
			}
			return nil
		case keyspace.Run:
			if len(plan.Keys) == 0 {
				return nil
			}
		case keyspace.FlushDB, keyspace.FlushAll, keyspace.FlushSlots:
			if w.moduleData {
				return errModuleFlushed
			}
		case keyspace.SwapDB:
		}
		return w.sp.RunPlanned(c.db, c.args, &plan)
	})
}

// write makes the new base.
func (w *whole) write(ctx context.Context) error {
	w.keys = newKeyTable()
	w.res.Unknown = map[string]int64{}
	w.res.Passes, w.res.Refused = 1, w.sp.Refused()+w.libraries.Refused()
	err := w.scan(ctx, func(r *rdb.Reader, it *rdb.Item) error {
		if it.Kind == rdb.KeyItem || it.Kind == rdb.FunctionItem {
			return nil
		}
		return w.out.other(r, it)
	})
	if err != nil {
		return err
	}
	if err := w.writeLibraries(w.libraries); err != nil {
		return err
	}
	err = w.sp.Each(func(k *keyspace.Key) error {
		if k.IsRaw() {
			w.res.Copied++
			return w.out.key(k)
		}
		return w.touched(k)
	})
	if err != nil {
		return w.damaged(ctx, err)
	}
	return w.carry(ctx)
}

// begin makes the output.
func (f *folder) begin(w io.Writer) (err error) {
	if f.opt.NoPreamble {
		f.out, err = newRESPOutput(w, f.res.Format)
	} else {
		f.out, err = newRDBOutput(w, f.res.Format, f.opt.Aux)
	}
	if err != nil {
		return fmt.Errorf("begin new base: %w", err)
	}
	return nil
}
