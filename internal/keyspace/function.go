package keyspace

import (
	"errors"
	"fmt"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// functionCommands are the subcommands of FUNCTION that write.
func functionCommands() []command {
	return []command{
		{name: "FUNCTION LOAD", arity: -3, plan: planFunctions, run: runFunctionLoad},
		{name: "FUNCTION DELETE", arity: 3, plan: planFunctions, run: runFunctionDelete},
		{name: "FUNCTION FLUSH", arity: -2, plan: planFunctions, run: runFunctionFlush},
		{name: "FUNCTION RESTORE", arity: -3, plan: planFunctions, run: runFunctionRestore},
	}
}

func planFunctions(_ [][]byte, p *Plan) { p.Effect = Functions }

// runFunctionLoad is FUNCTION LOAD [REPLACE] source (functions.c:functionLoadCommand). Whether the source compiles, and whether two libraries
// have a function of the same name, only Lua can tell: a command in a log was taken by its server.
func runFunctionLoad(c *call) error {
	options, source := c.args[2:len(c.args)-1], c.args[len(c.args)-1]
	for _, option := range options {
		if !isWord(option, "REPLACE") {
			return errFailed
		}
	}
	if err := c.grow(int64(len(source))); err != nil {
		return err
	}
	return c.space.libraries.load(source, len(options) > 0)
}

func runFunctionDelete(c *call) error {
	if !c.space.libraries.remove(string(c.args[2])) {
		return errFailed
	}
	return nil
}

func runFunctionFlush(c *call) error {
	if !isFlushMode(c.args[2:]) {
		return errFailed
	}
	c.space.libraries = libraries{}
	return nil
}

// runFunctionRestore is FUNCTION RESTORE payload [FLUSH|APPEND|REPLACE] (functions.c:functionRestoreCommand): all libraries of the payload
// or none.
func runFunctionRestore(c *call) error {
	flush, replace := false, false
	switch {
	case len(c.args) == 3 || (len(c.args) == 4 && isWord(c.args[3], "APPEND")):
	case len(c.args) == 4 && isWord(c.args[3], "FLUSH"):
		flush = true
	case len(c.args) == 4 && isWord(c.args[3], "REPLACE"):
		replace = true
	default:
		return errFailed
	}
	if err := c.grow(int64(len(c.args[2]))); err != nil {
		return err
	}
	sources, err := rdb.ParseFunctionDump(c.space.opt.Format, c.args[2])
	if _, corrupt := errors.AsType[*rdb.CorruptError](err); corrupt {
		return errFailed
	}
	if err != nil { // a later server may well have taken it: the command is in the log
		return fmt.Errorf("restore functions: %w", err)
	}
	var added libraries
	for _, source := range sources {
		if err := added.load(source, false); err != nil {
			return err
		}
	}
	if flush {
		c.space.libraries = added
		return nil
	}
	return c.space.libraries.join(&added, replace)
}
