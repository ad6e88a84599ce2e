package main

import (
	"errors"
	"fmt"
	"io"
)

// The exit codes are a contract: scripts and restart policies branch on them.
const (
	exitDone    = 0 // done, or nothing to do with an --if-* flag
	exitFailed  = 1 // failed for a reason that has no code of its own
	exitUsage   = 2 // usage or configuration
	exitCorrupt = 5 // corrupt, or a hole in the chain
	exitHeld    = 7 // held by another process, or not our directory
	exitEngine  = 8 // the engine cannot load or send this
	exitDisk    = 9 // the disk failed
)

// UsageError is a mistake in arguments or configuration.
type UsageError struct {
	Err  error
	Hint string // a command to try; empty for none
}

func (e *UsageError) Error() string { return e.Err.Error() }

func (e *UsageError) Unwrap() error { return e.Err }

// ExitError gives any error an exit code and a next step.
type ExitError struct {
	Code int
	Err  error
	Hint string // what to try; empty for nothing
}

func (e *ExitError) Error() string { return e.Err.Error() }

func (e *ExitError) Unwrap() error { return e.Err }

// errQuiet fails a command that has said everything already on stdout, as a check that found something.
var errQuiet = errors.New("")

// exitCode reports how a process that ended with err exits.
func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if exit, ok := errors.AsType[*ExitError](err); ok {
		return exit.Code
	}
	if _, ok := errors.AsType[*UsageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// printError writes the error, and the next step if there is one.
func printError(w io.Writer, err error) {
	if err == nil || errors.Is(err, errQuiet) {
		return
	}
	_, _ = fmt.Fprintf(w, "Error: %v\n", err)
	if hint := hintOf(err); hint != "" {
		_, _ = fmt.Fprintf(w, "Try: %s\n", hint)
	}
}

func hintOf(err error) string {
	if exit, ok := errors.AsType[*ExitError](err); ok && exit.Hint != "" {
		return exit.Hint
	}
	if usage, ok := errors.AsType[*UsageError](err); ok {
		return usage.Hint
	}
	return ""
}
