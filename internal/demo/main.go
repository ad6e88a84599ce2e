package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
)

func main() {
	if s3gateway.Served() { // this process is the S3 server of another one
		return
	}
	os.Exit(exitCode(os.Args[1:], os.Stdout, os.Stderr)) //nolint:forbidigo // it is a main package, too
}

// exitCode runs the demo.
func exitCode(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	sidecar := flags.String("sidecar", "bin/aofsidecar", "the binary to show")
	s3 := flags.Bool("s3", false, "ship to an S3 server instead of a directory")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		_, _ = fmt.Fprintf(stderr, "Error: unexpected argument %q\n", flags.Arg(0)) // nowhere else to say it
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	binary, err := filepath.Abs(*sidecar)
	if err == nil {
		err = show(ctx, stdout, stderr, binary, *s3)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "Error: %v\n", err) // nowhere else to say it
		return 1
	}
	return 0
}
