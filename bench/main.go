package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
)

func main() {
	if s3gateway.Served() { // this process is the S3 server of another one
		return
	}
	os.Exit(exitCode(os.Args[1:], os.Stdout, os.Stderr)) //nolint:forbidigo // it is a main package, too
}

// exitCode runs one command line until it is done or interrupted, and returns 0 or 1.
func exitCode(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err := execute(ctx, args, stdout, stderr)
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintln(stderr, "bench:", err) // nobody may be there
	return 1
}

// execute runs one command line: the benchmark, or the bare copy or the plain transfer that it starts.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 4 && args[0] == copyMode {
		return copyStream(ctx, args[1], args[2], args[3])
	}
	if len(args) == 5 && args[0] == plainMode {
		return transfer(ctx, args[1], args[2], args[3], args[4])
	}
	b := &bench{progress: stderr}
	if err := b.parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	return b.run(ctx, stdout)
}

// bench is one run.
type bench struct {
	self     string // this program, which is the bare copy, too
	sidecar  string
	replica  string
	dir      string
	profiles string // folder; empty: none are made
	scale    float64
	rounds   int
	parts    []string
	policies []string
	archived []string // what of the archive is measured
	progress io.Writer
}

// The parts of a run.
const (
	partIngest  = "ingest"
	partMemory  = "memory"
	partRestart = "restart"
	partRewrite = "rewrite"
	partArchive = "archive"
)

// parse reads the flags.
func (b *bench) parse(args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(b.progress)
	flags.StringVar(&b.sidecar, "sidecar", "bin/aofsidecar", "`path` of the sidecar")
	flags.StringVar(&b.replica, "replica", "", "`path` of a redis-server or valkey-server to compare with; none leaves that out")
	flags.StringVar(&b.dir, "dir", os.TempDir(), "`folder` for the temporary directory: its disk is what is measured")
	flags.StringVar(&b.profiles, "profiles", "", "`folder` for processor profiles of the folds, which are made by one more of each")
	flags.Float64Var(&b.scale, "scale", 1, "`factor` on the lengths of the streams and the number of their keys, e.g. 0.1 for a quick look")
	flags.IntVar(&b.rounds, "rounds", 5, "how `often` each consumer is measured under everysec, each rewrite and each transfer; the other policies are measured once")
	parts := flags.String("parts", strings.Join(allParts(), ","), "what to run, a comma-separated `list`")
	archived := flags.String("archive", strings.Join(allArchived(), ","), "what of the archive to measure, a comma-separated `list`")
	policies := flags.String("appendfsync", strings.Join(allPolicies(), ","), "the policies to compare, a comma-separated `list`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	b.parts, b.policies = strings.Split(*parts, ","), strings.Split(*policies, ",")
	b.archived = strings.Split(*archived, ",")
	var errs []error
	if flags.NArg() > 0 {
		errs = append(errs, fmt.Errorf("unexpected argument %q", flags.Arg(0)))
	}
	if b.scale <= 0 || b.rounds < 1 {
		errs = append(errs, errors.New("-scale and -rounds must be positive"))
	}
	errs = append(errs, known("parts", b.parts, allParts()), known("archive", b.archived, allArchived()), known("appendfsync", b.policies, allPolicies()))
	return errors.Join(errs...)
}

// known says which words a flag has that mean nothing.
func known(flag string, given, all []string) error {
	var errs []error
	for _, word := range given {
		if !slices.Contains(all, word) {
			errs = append(errs, fmt.Errorf("-%s has %q: there are %s", flag, word, strings.Join(all, ", ")))
		}
	}
	return errors.Join(errs...)
}

func allParts() []string {
	return []string{partIngest, partMemory, partRestart, partRewrite, partArchive}
}

func allArchived() []string {
	return []string{archivedTransfer, archivedSegments, archivedArrival, archivedMemory, archivedRequests}
}
func allPolicies() []string { return []string{policyEverySec, policyAlways, policyNo} }
