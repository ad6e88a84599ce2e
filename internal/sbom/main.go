package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	os.Exit(execute(os.Args[1:], os.Stderr)) //nolint:forbidigo // it is a main package, too
}

// execute runs one command line and returns its exit code.
func execute(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("sbom", flag.ContinueOnError)
	flags.SetOutput(stderr)
	output := flags.String("output", "", "`file` to write")
	version := flags.String("version", "", "version of the program; empty: what the linker says")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() != 1 || *output == "" {
		_, _ = fmt.Fprintln(stderr, "usage: sbom -output FILE [-version VERSION] PROGRAM")
		return 2
	}
	if err := write(flags.Arg(0), *version, *output); err != nil {
		_, _ = fmt.Fprintln(stderr, "sbom:", err)
		return 1
	}
	return 0
}

func write(program, version, output string) error {
	bom, err := describe(program, version)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(bom, "", "  ")
	if err != nil {
		return fmt.Errorf("encode document: %w", err)
	}
	if err := os.WriteFile(output, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write document: %w", err)
	}
	return nil
}
