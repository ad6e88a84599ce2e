// Command aofsidecar mirrors a live Redis or Valkey into an append-only directory that a stock server boots from.
//
// It wires the stages, replica -> aof, to configuration, logs, metrics and signals, and holds the
// commands that look at a running sidecar, at a directory, or at an upstream. One file per command.
package main

import (
	"io"
	"os"

	"github.com/redis/go-redis/v9"
)

func main() {
	withoutCores()
	redis.SetLogger(noLibraryLog{})
	os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr))
}

// execute runs one command line and returns its exit code.
func execute(args []string, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteC()
	if wantsJSON(cmd, args) {
		printJSONError(stderr, err)
	} else {
		printError(stderr, err)
	}
	return judge(err).code
}
