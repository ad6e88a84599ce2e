package keyspace

// genericCommands are the commands for keys of any type. Expiry is in expire.go, RESTORE in restore.go.
func genericCommands() []command {
	return append([]command{
		{name: "DEL", arity: -2, plan: overwritesAll, run: runDel},
		{name: "UNLINK", arity: -2, plan: overwritesAll, run: runDel},
		{name: "RENAME", arity: 3, plan: planRename, run: runRename},
		{name: "RENAMENX", arity: 3, plan: planRename, run: runRenameNX},
		{name: "COPY", arity: -3, plan: planCopy, run: runCopy},
		{name: "MOVE", arity: 3, plan: planMove, run: runMove},
	}, append(expireCommands(), restoreCommands()...)...)
}

// runDel is DEL and UNLINK (db.c:delGenericCommand).
func runDel(c *call) error {
	for _, key := range c.args[1:] {
		c.remove(key)
	}
	return nil
}

// planRename says Writes of the target too: without a source the command fails, and the target stays.
func planRename(args [][]byte, p *Plan) {
	p.add(args[1], Writes)
	p.add(args[2], Writes)
}

func runRename(c *call) error   { return c.rename(true) }
func runRenameNX(c *call) error { return c.rename(false) }

// rename moves a value and its expiry to another key (db.c:renameGenericCommand).
func (c *call) rename(replace bool) error {
	source, target := c.args[1], c.args[2]
	switch {
	case !c.exists(source):
		return errFailed
	case string(source) == string(target):
		return nil
	case c.exists(target) && !replace:
		return nil
	}
	c.space.move(place{c.db, string(source)}, place{c.db, string(target)})
	return nil
}

// parseDB parses the number of a database. Which ones there are only the server knows.
func parseDB(arg []byte) (int, bool) {
	n, ok := parseInt(arg)
	return int(n), ok && n >= 0 && n <= maxDB
}

// maxDB is the largest number that a database can have: servers count them in an int.
const maxDB = 1<<31 - 2

func planMove(args [][]byte, p *Plan) {
	if db, ok := parseDB(args[2]); ok {
		p.add(args[1], Writes)
		p.Keys = append(p.Keys, KeyUse{Key: args[1], DB: db, Use: Writes})
	}
}

// runMove is MOVE (db.c:moveCommand).
func runMove(c *call) error {
	db, ok := parseDB(c.args[2])
	if !ok || db == c.db {
		return errFailed
	}
	if c.exists(c.args[1]) && !c.existsIn(db, c.args[1]) {
		key := string(c.args[1])
		c.space.move(place{c.db, key}, place{db, key})
	}
	return nil
}

// copyOptions are what follows COPY's keys.
type copyOptions struct {
	db      int // or SelectedDB
	replace bool
}

func parseCopy(args [][]byte) (o copyOptions, ok bool) {
	o.db = SelectedDB
	for i := 3; i < len(args); i++ {
		switch {
		case isWord(args[i], "REPLACE"):
			o.replace = true
		case isWord(args[i], "DB") && i+1 < len(args):
			i++
			if o.db, ok = parseDB(args[i]); !ok {
				return o, false
			}
		default:
			return o, false
		}
	}
	return o, true
}

func planCopy(args [][]byte, p *Plan) {
	if o, ok := parseCopy(args); ok {
		p.add(args[1], Reads)
		p.Keys = append(p.Keys, KeyUse{Key: args[2], DB: o.db, Use: Writes})
	}
}

// runCopy is COPY (db.c:copyCommand). A value that is not decoded is copied as it is: nothing changes raw bytes.
func runCopy(c *call) error {
	o, ok := parseCopy(c.args)
	if !ok {
		return errFailed
	}
	if o.db == SelectedDB {
		o.db = c.db
	}
	source, target := c.args[1], c.args[2]
	if o.db == c.db && string(source) == string(target) {
		return errFailed
	}
	e := c.space.db(c.db).find(source)
	if e == nil || (c.existsIn(o.db, target) && !o.replace) {
		return nil
	}
	if err := c.grow(e.bytes); err != nil {
		return err
	}
	c.space.set(place{o.db, string(target)}, e.copy())
	return nil
}
