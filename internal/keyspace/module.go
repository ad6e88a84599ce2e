package keyspace

import "github.com/aofsidecar/aofsidecar/internal/rdb"

// moduleValue is a value of a module's type. Only the module knows what it is: it can be moved, copied and written, and its commands
// are carried.
type moduleValue struct {
	raw    []byte
	format rdb.Format
}

var _ value = (*moduleValue)(nil)

func newModuleValue(f rdb.Format, raw []byte) *moduleValue { return &moduleValue{raw: raw, format: f} }

// typeName is no server's: TYPE answers the module's own name for the type, which the body has in 54 bits.
func (v *moduleValue) typeName() string { return "module" }

func (v *moduleValue) empty() bool { return false }
func (v *moduleValue) clone() value {
	return v // never changes
}
func (v *moduleValue) size() int64 { return int64(len(v.raw)) }

func (v *moduleValue) appendRDB(dst []byte, _ rdb.Format) (rdb.Type, []byte) {
	return rdb.TypeModule2, append(dst, v.raw...)
}

func (v *moduleValue) appendCommands(dst, key []byte) []byte {
	payload := rdb.AppendDump(nil, v.format, rdb.TypeModule2, v.raw)
	return appendCommand(dst, []byte("RESTORE"), key, []byte("0"), payload)
}

// moduleCommands are the write commands of the vector sets that are built into Redis 8 as a module. Those of other modules the table does
// not know.
func moduleCommands() []command {
	return []command{
		{name: "VADD", arity: -1, plan: planModule},
		{name: "VREM", arity: -1, plan: planModule},
		{name: "VSETATTR", arity: -1, plan: planModule},
	}
}

// planModule is for commands of which the server does not count the arguments: the module does.
func planModule(args [][]byte, p *Plan) {
	if len(args) > 1 {
		p.add(args[1], Writes)
	}
}
