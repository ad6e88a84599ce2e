package keyspace

import "slices"

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

// maxNameBytes is more than any name in the table.
const maxNameBytes = 32

// Table is the commands that a Space runs, or knows the keys of. It does not change and may be used by several goroutines.
type Table struct {
	byName map[string]*command
	// containers are the names that have subcommands.
	containers map[string]bool
}

// NewTable returns the commands of all servers that this package knows.
func NewTable() *Table {
	t := &Table{byName: map[string]*command{}, containers: map[string]bool{}}
	for _, group := range [][]command{
		genericCommands(), serverCommands(), functionCommands(), stringCommands(), bitmapCommands(), hyperloglogCommands(),
		listCommands(), setCommands(), sortCommands(), hashCommands(), zsetCommands(), geoCommands(), streamCommands(),
	} {
		for i := range group {
			t.add(&group[i])
		}
	}
	return t
}

func (t *Table) add(c *command) {
	t.byName[c.name] = c
	if at := slices.Index([]byte(c.name), ' '); at >= 0 {
		t.containers[c.name[:at]] = true
	}
}

// lookup finds the command that args call, in any case; nil if it is unknown. It does not allocate.
func (t *Table) lookup(args [][]byte) *command {
	var buf [2*maxNameBytes + 1]byte
	if len(args) == 0 || len(args[0]) > maxNameBytes {
		return nil
	}
	name := appendUpper(buf[:0], args[0])
	if len(args) > 1 && len(args[1]) <= maxNameBytes && t.containers[string(name)] {
		if c := t.byName[string(appendUpper(append(name, ' '), args[1]))]; c != nil {
			return c
		}
	}
	return t.byName[string(name)]
}

func appendUpper(dst, name []byte) []byte {
	for _, c := range name {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}
