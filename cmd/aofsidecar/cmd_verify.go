package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/aofsidecar/aofsidecar/aof"
)

const verifyHelp = `Read everything that a directory holds, aof.dir or the one named: manifest, the base's checksum and structure, every command of
every increment, and that marks and increments follow one another without a hole. It changes nothing, and works on a
directory that a sidecar is writing, and on a chain in retained/.

A torn tail, bytes at the end that are no whole command outside MULTI, is what a crash leaves; servers cut it when they boot. It is reported and
is no damage. --fix cuts it, and nothing else; no sidecar may be running there.

With --archive it is the archive that is verified: that the names of its objects follow one another without a hole; with --deep also what is in them, each checksum and
each command; with --boot CMD that a server boots from it. For that it restores the newest state into a temporary directory (TMPDIR), starts CMD, such as redis-server, on a
loopback port as a replica of nowhere, and compares position and number of keys. The result is ok, failed or inconclusive: no such command, an older server, a module
that is not there.

Exit codes: 0 sound, 1 inconclusive, 3 nothing there, 5 damaged or a hole in the chain, 7 held by a sidecar (--fix) or not a directory of ours.`

func newVerifyCommand(flags *flagLayer) *cobra.Command {
	var asJSON, fix bool
	var at optionalURL
	var checks archiveChecks
	cmd := &cobra.Command{
		Use:   "verify [DIR]",
		Short: "Check a directory, or the archive",
		Long:  verifyHelp,
		Example: `  aofsidecar verify
  aofsidecar verify --fix /data/aofsidecar
  aofsidecar verify --archive --deep
  aofsidecar verify --archive s3://backups/prod --boot redis-server`,
		Args: func(cmd *cobra.Command, args []string) error { return atMostOneDir(cmd, at.take(args)) },
		RunE: func(cmd *cobra.Command, args []string) error {
			checks.boot = cmd.Flags().Changed("boot")
			if at.given {
				if fix || len(args) > 0 && last(args) != at.url {
					return &UsageError{Err: errors.New("--archive excludes --fix and a directory"), Hint: "aofsidecar verify --help"}
				}
				return verifyArchived(cmd, *flags, at.url, checks, asJSON)
			}
			if checks.deep || checks.boot {
				return &UsageError{Err: errors.New("--deep and --boot are about an archive"), Hint: "aofsidecar verify --archive --deep"}
			}
			options, err := directoryOptions(*flags, args)
			if err != nil {
				return err
			}
			return verifyDirectory(cmd.Context(), cmd.OutOrStdout(), options, fix, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&fix, "fix", false, "cut a torn tail")
	addOptionalArchiveFlag(cmd, &at, "verify the archive")
	cmd.Flags().BoolVar(&checks.deep, "deep", false, "download and check every object of the archive")
	cmd.Flags().StringVar(&checks.command, "boot", "", "boot this `command`, a server, from the archive")
	return cmd
}

// verifyArchived verifies an archive.
func verifyArchived(cmd *cobra.Command, flags flagLayer, url string, checks archiveChecks, asJSON bool) (err error) {
	effective, err := loadConfig(flags)
	if err != nil {
		return err
	}
	a, err := openArchive(cmd.Context(), effective.config, url)
	if err != nil {
		return err
	}
	defer a.done(&err)
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	verdict, err := verifyArchive(ctx, a, effective.config, checks)
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(cmd.OutOrStdout(), verdict)
	} else {
		err = verdict.write(cmd.OutOrStdout())
	}
	return errors.Join(err, verdict.err())
}

// verification is the result of `verify --json`.
type verification struct {
	aof.Report
	Position string `json:"position"`
	CutBytes int64  `json:"cut_bytes"` // by --fix
}

func verifyDirectory(ctx context.Context, w io.Writer, options aof.Options, fix, asJSON bool) error {
	var cut int64
	if fix {
		var err error
		if cut, err = aof.Fix(ctx, options); err != nil {
			return nothingThere(options.Dir, err)
		}
	}
	report, err := aof.Verify(ctx, options)
	if err != nil {
		return nothingThere(options.Dir, err)
	}
	if asJSON {
		return printJSON(w, verification{Report: report, Position: report.Position.String(), CutBytes: cut})
	}
	return writeReport(w, report, cut)
}

// NothingThereError says that a directory holds no log.
type NothingThereError struct{ Dir string }

func (e *NothingThereError) Error() string { return "no log in " + e.Dir }

// nothingThere names the directory where there is no manifest; other errors it returns.
func nothingThere(dir string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &NothingThereError{Dir: dir}
	}
	return err
}

// writeReport writes what was found for people.
func writeReport(w io.Writer, r aof.Report, cut int64) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := rowsOf(table)
	row("directory", "%s", r.Dir)
	row("timeline", "%s", r.Timeline)
	for _, base := range append([]aof.BaseReport{r.Base}, r.Others...) {
		if base.Name == "" { // in retained/
			continue
		}
		row("base", "%s, %s, %s", base.Name, bytesText(base.Bytes), baseText(base))
		if base.Unwalked != "" {
			row("", "not walked to the end: %s", base.Unwalked)
		}
	}
	for _, inc := range r.Increments {
		row("increment", "%s, %s, %d commands, offsets %d to %d, %s to %s", inc.Name, humanize.IBytes(uint64(max(0, inc.Bytes))), inc.Commands,
			inc.From, inc.To, inc.Begin.Format(time.RFC3339), inc.End.Format(time.RFC3339))
	}
	row("position", "%s", r.Position)
	switch {
	case cut > 0:
		row("tail", "%d torn bytes were cut", cut)
	case r.Torn > 0:
		row("tail", "%d torn bytes, as a crash or a running sidecar leaves them; servers cut them, and so does --fix", r.Torn)
	}
	row("result", "sound")
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

func checksumText(checked bool) string {
	if checked {
		return "checksum right"
	}
	return "written without a checksum"
}

// atMostOneDir refuses more than one positional argument, and one that is a setting.
func atMostOneDir(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return unexpected(cmd, "unexpected argument: "+cmd.Name()+" takes one directory at most")
	}
	if len(args) == 1 && isSetting(args[0]) {
		return &UsageError{Err: errSettingForPath, Hint: cmd.CommandPath() + " --help"}
	}
	return nil
}

// directoryOptions says which log a command is about: the directory given, or the one configured.
func directoryOptions(flags flagLayer, args []string) (aof.Options, error) {
	if len(args) == 1 {
		flags.set = append(slices.Clone(flags.set), "aof.dir="+absolute(args[0]))
	}
	effective, err := loadConfig(flags)
	if err != nil {
		return aof.Options{}, err
	}
	return logOptions(effective.config, aof.Observer{}), nil
}

// absolute keeps a path as it is where there is no working directory.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
