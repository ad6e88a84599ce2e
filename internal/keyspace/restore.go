package keyspace

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// restoreCommands are RESTORE and what belongs to it. MIGRATE is carried: it would send keys to another server.
func restoreCommands() []command {
	return []command{
		{name: "RESTORE", arity: -4, plan: planRestore, run: runRestore},
		{name: "RESTORE-ASKING", arity: -4, plan: planRestore, run: runRestore},
		{name: "MIGRATE", arity: -6, plan: planMigrate},
	}
}

// restoreOptions are what stands behind RESTORE's payload, and the time before it.
type restoreOptions struct {
	expire  int64 // rdb.NoExpire for none
	replace bool
	// relative says that expire counts from the time at which the command runs; then it is carried.
	relative bool
}

// parseRestore parses all but the payload (cluster.c:restoreCommand).
func parseRestore(args [][]byte) (o restoreOptions, ok bool) {
	absolute, idle, freq := false, false, false
	for i := 4; i < len(args); i++ {
		more := i+1 < len(args)
		switch {
		case isWord(args[i], "REPLACE"):
			o.replace = true
		case isWord(args[i], "ABSTTL"):
			absolute = true
		case isWord(args[i], "IDLETIME") && more && !freq:
			i++
			seconds, ok := parseInt(args[i])
			if !ok || seconds < 0 {
				return o, false
			}
			idle = true
		case isWord(args[i], "FREQ") && more && !idle:
			i++
			count, ok := parseInt(args[i])
			if !ok || count < 0 || count > 255 {
				return o, false
			}
			freq = true
		default:
			return o, false
		}
	}
	o.expire, ok = parseInt(args[2])
	if !ok || o.expire < 0 {
		return o, false
	}
	o.relative = !absolute && o.expire != 0
	if o.expire == 0 {
		o.expire = rdb.NoExpire
	}
	return o, true
}

func planRestore(args [][]byte, p *Plan) {
	o, ok := parseRestore(args)
	switch {
	case !ok:
		p.Effect = Nothing
		return
	case o.relative:
		p.Effect = Carry
	}
	p.add(args[1], Writes)
}

// runRestore is RESTORE. The value stays as the payload has it until another command asks for it.
func runRestore(c *call) error {
	o, ok := parseRestore(c.args)
	switch {
	case !ok:
		return errFailed
	case o.relative:
		return &UnknownCommandError{Name: string(c.args[0]) + " with a relative time"}
	case !o.replace && c.exists(c.args[1]):
		return errFailed
	}
	if err := c.grow(int64(len(c.args[3]))); err != nil {
		return err
	}
	typ, body, err := c.restored(c.args[3])
	if err != nil {
		return err
	}
	made := &entry{value: &rawValue{typ: typ, body: bytes.Clone(body)}, expire: o.expire}
	c.space.set(place{c.db, string(c.args[1])}, made)
	return nil
}

// restored takes a payload apart. What a server would refuse is errFailed; what it may well have taken and we cannot read is another error: the
// command is in the log.
func (c *call) restored(payload []byte) (rdb.Type, []byte, error) {
	typ, body, err := rdb.ParseDump(c.space.opt.Format, payload)
	if _, corrupt := errors.AsType[*rdb.CorruptError](err); corrupt {
		return 0, nil, errFailed
	}
	if err == nil {
		err = c.growBy(&rawValue{typ: typ, body: body})
	}
	if errors.Is(err, ErrTooBig) {
		return 0, nil, err
	}
	var info rdb.ValueInfo
	if err == nil {
		info, err = rdb.CheckValue(c.space.opt.Format, typ, body)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("restore value: %w", err)
	}
	if info.Elements == 0 {
		switch typ.Kind() {
		case "list", "set", "zset", "hash":
			return 0, nil, errFailed
		}
	}
	return typ, body, nil
}

// planMigrate adds the one key, or those behind KEYS if that one is empty (cluster.c:migrateCommand).
func planMigrate(args [][]byte, p *Plan) {
	if len(args[3]) > 0 {
		p.add(args[3], Writes)
		return
	}
	for i := 6; i < len(args); i++ {
		if isWord(args[i], "KEYS") {
			for _, key := range args[i+1:] {
				p.add(key, Writes)
			}
			return
		}
	}
}
