package keyspace

// command is one write command.
type command struct {
	// name is in upper case; a container's subcommand has a space in it: "XGROUP CREATE". The name of a container alone stands for its other
	// subcommands.
	name string
	// arity is the server's: how many arguments with the name; less than 0: at least so many.
	arity int
	// plan adds to p what the command does to which keys. It runs without values and may overstate, never understate; arguments that the
	// server refuses may leave the plan without keys.
	plan func(args [][]byte, p *Plan)
	// run runs it; nil: it is carried.
	run func(c *call) error
}

func (c *command) takes(args int) bool {
	if c.arity < 0 {
		return args >= -c.arity
	}
	return args == c.arity
}

// Table is the commands that a Space runs, or knows the keys of. It does not change and may be used by several goroutines.
type Table struct {
	byName map[string]*command
	words  dictionary
}

// NewTable returns the commands of all servers that this package knows.
func NewTable() *Table {
	t := &Table{byName: map[string]*command{}}
	for _, group := range [][]command{
		genericCommands(), serverCommands(), functionCommands(), stringCommands(), bitmapCommands(), hyperloglogCommands(),
		listCommands(), setCommands(), sortCommands(), hashCommands(), zsetCommands(), geoCommands(), streamCommands(),
	} {
		for i := range group {
			t.byName[group[i].name] = &group[i]
		}
	}
	for _, c := range t.byName {
		t.words.command(c)
	}
	return t
}

// lookup finds the command that args call, in any case; nil if it is unknown. It does not allocate.
func (t *Table) lookup(args [][]byte) *command {
	if len(args) == 0 {
		return nil
	}
	w := t.words.find(args[0])
	if w == nil {
		return nil
	}
	if len(args) > 1 && w.below.used > 0 {
		if sub := w.below.find(args[1]); sub != nil {
			return sub.command
		}
	}
	return w.command
}
