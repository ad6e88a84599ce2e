package keyspace

// Effect is what a command does, as far as a rewrite must know before it runs.
type Effect uint8

const (
	// Run is for commands that a Space runs on the keys of the plan.
	Run Effect = iota
	// Nothing is for what leaves no trace in the data: PING, SCRIPT, a read.
	Nothing
	// FlushDB removes all keys of the selected database.
	FlushDB
	// FlushAll removes all keys.
	FlushAll
	// FlushSlots removes the keys of Plan.Slots in all databases.
	FlushSlots
	// SwapDB swaps the databases A and B.
	SwapDB
	// Functions changes function libraries; a Space runs it.
	Functions
	// Carry is for commands that no Space runs exactly, on the keys of the plan.
	Carry
	// Unknown is for commands that the table does not have: what keys they have somebody else must say.
	Unknown
)

// Use is how a command uses a key.
type Use uint8

const (
	// Reads says that the value decides what becomes of other keys.
	Reads Use = iota
	// Writes says that the value changes, from what it was.
	Writes
	// Overwrites says that value and expiry are gone afterwards whatever they were, and nothing else comes of them.
	Overwrites
)

// SelectedDB stands for the database that is selected.
const SelectedDB = -1

// KeyUse is one key of a plan.
type KeyUse struct {
	// Key is the key; it belongs to the command's arguments.
	Key []byte
	// DB is the logical number of its database, or SelectedDB.
	DB int
	// Use says what is done with it.
	Use Use
	// Pattern says that Key is a pattern with a * in it, as SORT has them, and means every key that it can become when the first * is
	// replaced by any bytes.
	Pattern bool
}

// Plan is what a command does. It is reused: see [Table.Plan].
type Plan struct {
	Effect Effect
	// Keys may name one key several times.
	Keys []KeyUse
	// A and B are the databases of SwapDB.
	A, B int
	// Slots are the ranges of cluster slots of FlushSlots, first and last.
	Slots [][2]int

	command *command // nil: unknown
}

// Plan says what args do. It reuses p's memory and allocates nothing for common commands. The slices in p belong to args.
func (t *Table) Plan(args [][]byte, p *Plan) {
	c := t.lookup(args)
	*p = Plan{Keys: p.Keys[:0], Slots: p.Slots[:0], command: c}
	switch {
	case c == nil:
		p.Effect = Unknown
	case !c.takes(len(args)):
		p.Effect = Nothing
	default:
		if c.run == nil {
			p.Effect = Carry
		}
		c.plan(args, p)
	}
}

// add adds a key of the selected database.
func (p *Plan) add(key []byte, use Use) {
	p.Keys = append(p.Keys, KeyUse{Key: key, DB: SelectedDB, Use: use})
}

// writes1 is the plan of a command that changes the key behind its name.
func writes1(args [][]byte, p *Plan) { p.add(args[1], Writes) }

// overwritesAll is the plan of a command that overwrites all keys behind its name.
func overwritesAll(args [][]byte, p *Plan) {
	for _, key := range args[1:] {
		p.add(key, Overwrites)
	}
}

// writesAll is the plan of a command that changes all keys behind its name.
func writesAll(args [][]byte, p *Plan) {
	for _, key := range args[1:] {
		p.add(key, Writes)
	}
}
