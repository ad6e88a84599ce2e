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
	rounds   int // of the part that is measured
	parts    []part
	policies []string
	results  string // folder
	page     string // its path; empty: there is none
	progress io.Writer
}

// partsNone has nothing measured.
const partsNone = "none"

// parse reads the flags.
func (b *bench) parse(args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(b.progress)
	flags.StringVar(&b.sidecar, "sidecar", "bin/aofsidecar", "`path` of the sidecar")
	flags.StringVar(&b.replica, "replica", "", "`path` of a redis-server or valkey-server to compare with; none leaves that out")
	flags.StringVar(&b.dir, "dir", os.TempDir(), "`folder` for the temporary directory: its disk is what is measured")
	flags.StringVar(&b.profiles, "profiles", "", "`folder` for processor profiles of the folds, which are made by one more of each")
	flags.Float64Var(&b.scale, "scale", 1, "`factor` on the lengths of the streams and the number of their keys, e.g. 0.1 for a quick look")
	flags.IntVar(&b.rounds, "rounds", 0, "how `often` those who are compared are measured; 0: as often as each part is by default. Policies other than everysec are measured once")
	flags.StringVar(&b.results, "results", ".cache/bench", "`folder` for the result of each part; those of another -scale than 1 go to one below it")
	flags.StringVar(&b.page, "page", "", "`file` whose measured part is replaced by the newest results; with another -scale than 1 it is left alone, and a copy is written beside the results")
	parts := flags.String("parts", "", "what to measure, a comma-separated `list` of "+strings.Join(names(b.allParts()), ", ")+", or what is before the dash; empty: all, \"none\": only the page is written")
	policies := flags.String("appendfsync", strings.Join(allPolicies(), ","), "the policies to compare, a comma-separated `list`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	b.policies = strings.Split(*policies, ",")
	var (
		err  error
		errs []error
	)
	if *parts != partsNone {
		b.parts, err = b.chosen(*parts)
	}
	if flags.NArg() > 0 {
		errs = append(errs, fmt.Errorf("unexpected argument %q", flags.Arg(0)))
	}
	if b.scale <= 0 || b.rounds < 0 {
		errs = append(errs, errors.New("-scale must be positive, and -rounds not negative"))
	}
	errs = append(errs, err, known("appendfsync", b.policies, allPolicies()))
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

func allPolicies() []string { return []string{policyEverySec, policyAlways, policyNo} }
