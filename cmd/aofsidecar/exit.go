package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/admin"
)

// The exit codes are a contract: scripts and restart policies branch on them.
const (
	exitDone    = 0 // done, or nothing to do with an --if-* flag
	exitFailed  = 1 // failed for a reason that has no code of its own
	exitUsage   = 2 // usage or configuration
	exitNothing = 3 // nothing there, no backup found
	exitFull    = 4 // the target is not empty
	exitCorrupt = 5 // corrupt, or a hole in the chain
	exitWindow  = 6 // outside the window, or a guarded timeline
	exitHeld    = 7 // held or written to by another process, or not our directory
	exitEngine  = 8 // the engine cannot load this
	exitDisk    = 9 // the disk failed
)

// UsageError is a mistake in arguments or configuration.
type UsageError struct {
	Err  error
	Hint string // a command to try; empty for none
}

func (e *UsageError) Error() string { return e.Err.Error() }

func (e *UsageError) Unwrap() error { return e.Err }

// NotReadyError is a check with a negative result, which the command has printed already.
type NotReadyError struct{ Why string }

func (e *NotReadyError) Error() string { return e.Why }

// tryAnotherSocket is the way out where no control socket can be made.
const tryAnotherSocket = `set control.socket to a path where this user may make one, or to "" for none`

// verdict is what an error means for the one who called us.
type verdict struct {
	code  int
	hint  string // what to try; empty for nothing
	quiet bool   // stdout has said it
}

// judge finds the verdict on an error by its type, never by its text.
func judge(err error) verdict {
	if err == nil {
		return verdict{code: exitDone}
	}
	if usage, ok := errors.AsType[*UsageError](err); ok {
		return verdict{code: exitUsage, hint: usage.Hint}
	}
	if _, ok := errors.AsType[*NotReadyError](err); ok {
		return verdict{code: exitFailed, quiet: true}
	}
	if _, ok := errors.AsType[*admin.NotRunningError](err); ok {
		return verdict{code: exitFailed, hint: "aofsidecar config --origin, and compare control.socket with that of the running sidecar"}
	}
	if _, ok := errors.AsType[*admin.PlaceError](err); ok {
		return verdict{code: exitFailed, hint: tryAnotherSocket}
	}
	if _, ok := errors.AsType[*aof.ForeignWriteError](err); ok { // it is an ErrFailed, too
		return verdict{code: exitHeld, hint: "stop that server, and give it a copy of the directory: aof.dir has one writer"}
	}
	if errors.Is(err, aof.ErrFailed) {
		return verdict{code: exitDisk, hint: "look at the kernel's log (dmesg); after a restart the mirror goes back to what was durable"}
	}
	if _, ok := errors.AsType[*aof.HeldError](err); ok {
		return verdict{code: exitHeld, hint: "stop that sidecar, or give each a directory of its own (aof.dir)"}
	}
	if _, ok := errors.AsType[*admin.InUseError](err); ok {
		return verdict{code: exitHeld, hint: "give each sidecar a socket of its own (control.socket)"}
	}
	if _, ok := errors.AsType[*aof.NotOursError](err); ok {
		return verdict{code: exitHeld, hint: "choose an empty directory (aof.dir): a server's own is never written to"}
	}
	if _, ok := errors.AsType[*NothingThereError](err); ok {
		return verdict{code: exitNothing, hint: "aofsidecar config --origin, to see where aof.dir comes from"}
	}
	if v, ok := judgeArchive(err); ok {
		return v
	}
	if failed, ok := errors.AsType[*RewriteFailedError](err); ok && failed.Corrupt {
		return verdict{code: exitCorrupt, hint: "aofsidecar verify"}
	}
	if _, ok := errors.AsType[*aof.CorruptError](err); ok {
		return verdict{code: exitCorrupt, hint: "move the directory away, and the next start takes a fresh snapshot"}
	}
	return verdict{code: exitFailed}
}

// printError writes the error, and the next step if there is one.
func printError(w io.Writer, err error) {
	v := judge(err)
	if err == nil || v.quiet {
		return
	}
	_, _ = fmt.Fprintf(w, "Error: %s\n", plainLines(err.Error())) // nowhere else to say it
	if v.hint != "" {
		_, _ = fmt.Fprintf(w, "Try: %s\n", v.hint)
	}
}

// errorLine is how a command with --json reports that it failed. Its form is a contract.
type errorLine struct {
	Error    string `json:"error"`
	Try      string `json:"try,omitempty"` // a next step
	ExitCode int    `json:"exit_code"`
}

// printJSONError writes the error as one line of JSON, also where stdout has said it: who reads JSON wants one place to look at.
func printJSONError(w io.Writer, err error) {
	if err == nil {
		return
	}
	v := judge(err)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(errorLine{Error: err.Error(), Try: v.hint, ExitCode: v.code}) // nowhere else to say it
}

// wantsJSON reports whether the command that ran has a flag --json and was given it. A mistake in another flag ends the parsing
// before, so that the words themselves are looked at, too.
func wantsJSON(cmd *cobra.Command, args []string) bool {
	flag := cmd.Flags().Lookup("json")
	if flag == nil {
		return false
	}
	return flag.Value.String() == "true" || !flag.Changed && slices.Contains(args, "--json")
}
