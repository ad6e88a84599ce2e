package fold

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/aofsidecar/aofsidecar/internal/keyspace"
	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// carrier writes the commands of tainted keys, as they came.
type carrier struct {
	*folder
	w    io.Writer
	dbs  dbMap
	db   int // selected in the carry; -1: none yet
	plan keyspace.Plan
	buf  []byte
	keys map[keyID]bool // that have commands in the carry

	names map[int][]string // what is carried, by database; nil: nobody asked
}

// carry writes what is carried, if anything is.
func (f *folder) carry(ctx context.Context) error {
	if !f.keys.anyTaint && len(f.late) == 0 {
		return nil
	}
	w, err := f.out.carry()
	if err != nil {
		return fmt.Errorf("end the RDB: %w", err)
	}
	if _, err := w.Write(f.late); err != nil || !f.keys.anyTaint {
		return err
	}
	c := carrier{folder: f, w: w, db: -1, keys: map[keyID]bool{}}
	if err := f.commands(f.plan.start).each(ctx, c.command); err != nil {
		return err
	}
	f.res.Carried += int64(len(c.keys))
	return nil
}

func (c *carrier) command(cmd *command) error {
	c.opt.Table.Plan(cmd.args, &c.plan)
	switch c.plan.Effect {
	case keyspace.SwapDB:
		c.dbs.swap(c.plan.A, c.plan.B)
	case keyspace.FlushDB:
		return c.flush(cmd, c.dbs.of(cmd.db), nil)
	case keyspace.FlushSlots:
		for _, db := range slices.Sorted(maps.Keys(c.folder.keys.dbs)) {
			if err := c.flush(cmd, db, c.plan.Slots); err != nil {
				return err
			}
		}
	case keyspace.Unknown:
		keys, ok := c.opt.Keys(cmd.args)
		if !ok { // the plan found them
			return &CannotError{What: fmt.Sprintf("nobody knows the keys of the command %.64q any more", cmd.args[0])}
		}
		for _, key := range keys {
			c.plan.Keys = append(c.plan.Keys, keyspace.KeyUse{Key: key, DB: keyspace.SelectedDB})
		}
		return c.take(cmd)
	case keyspace.Run, keyspace.Carry:
		return c.take(cmd)
	case keyspace.Nothing, keyspace.Functions, keyspace.FlushAll:
	}
	return nil
}

// take carries the command if its keys are tainted.
func (c *carrier) take(cmd *command) error {
	if len(c.plan.Keys) == 0 {
		return nil
	}
	if root := c.rootOf(&c.dbs, cmd, &c.plan); c.folder.keys.info[root].flags&tainted == 0 {
		return nil
	}
	for i := range c.plan.Keys {
		u := &c.plan.Keys[i]
		db := c.dbs.of(cmd.db)
		if u.DB != keyspace.SelectedDB {
			db = c.dbs.of(u.DB)
		}
		if !u.Pattern {
			c.keys[c.folder.keys.find(db, u.Key)] = true
		}
	}
	return c.emit(c.dbs.of(cmd.db), c.renumber(cmd.args))
}

// renumber gives the databases that a command names the numbers that they have at the end.
func (c *carrier) renumber(args [][]byte) [][]byte {
	at := 0
	switch {
	case bytes.EqualFold(args[0], []byte("MOVE")) && len(args) == 3:
		at = 2
	case bytes.EqualFold(args[0], []byte("COPY")):
		for i := 3; i+1 < len(args); i++ { // behind the keys; the last one counts
			if bytes.EqualFold(args[i], []byte("DB")) {
				i++
				at = i
			}
		}
	}
	n, err := strconv.Atoi(string(args[at]))
	if at == 0 || err != nil {
		return args
	}
	args = slices.Clone(args)
	args[at] = strconv.AppendInt(nil, int64(c.folder.plan.dbs.number(c.dbs.of(n))), 10)
	return args
}

// flush carries a DEL of each tainted key of a database, or of those in the slots, unless what they were before is dead.
func (c *carrier) flush(cmd *command, db int, slots [][2]int) error {
	for _, name := range c.tainted(db) {
		id := c.folder.keys.find(db, []byte(name))
		if !c.folder.keys.isTainted(c.folder.keys.before(id, cmd.where)) || slots != nil && !inSlots(slots, name) {
			continue
		}
		if err := c.emit(db, [][]byte{[]byte("DEL"), []byte(name)}); err != nil {
			return err
		}
	}
	return nil
}

// tainted returns the tainted keys of a database in their order.
func (c *carrier) tainted(db int) []string {
	if c.names == nil {
		c.names = map[int][]string{}
		for db, keys := range c.folder.keys.dbs {
			for n := range keys.All() {
				if c.folder.keys.isTainted(c.folder.keys.last(n.Value)) {
					c.names[db] = append(c.names[db], string(keys.Name(n)))
				}
			}
			slices.Sort(c.names[db])
		}
	}
	return c.names[db]
}

func inSlots(slots [][2]int, key string) bool {
	slot := keyspace.Slot(key)
	return slices.ContainsFunc(slots, func(r [2]int) bool { return r[0] <= slot && slot <= r[1] })
}

// emit writes a command, in the database db (see dbMap).
func (c *carrier) emit(db int, args [][]byte) error {
	c.buf = c.buf[:0]
	if n := c.folder.plan.dbs.number(db); n != c.db {
		c.db = n
		c.buf = resp.AppendSelect(c.buf, n)
	}
	c.buf = resp.AppendCommand(c.buf, args...)
	if err := c.carried(len(c.buf)); err != nil {
		return err
	}
	_, err := c.w.Write(c.buf)
	return err
}
