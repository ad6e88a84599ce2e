package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/upload"
)

const restoreHelp = `Bring a state back out of an archive into a directory that a stock server boots from, or that a sidecar goes on with. Without --timestamp and --offset it is
the newest state that the archive has; with --timestamp the last one that had been received by then, with --offset the last one that is not behind it;
'list' shows what there is, and 'inspect --archive --command FLUSHALL' the offset before a mistake. Never is it a state inside a transaction.

Everything is verified before anything in the directory changes, which is by one rename at the end. The directory may be a mount point. What is there already is an error
unless --force, which keeps the old one as <name>.before-restore. Between --if-target-empty and --if-backup-exists an init container finds what it
needs: with them it is no error that there is data already, or no backup yet.

--format aof makes appendonlydir; rdb one dump.rdb, if no command is in it that only a server can run (else exit code 8); resp-file one file of commands, for
'redis-cli --pipe' into a server that is empty and of the upstream's kind and version.

It ends with the settings that a server needs for the result.

Exit codes: 0 done, or nothing to do with an --if-* flag; 1 failed; 3 no backup found; 4 the directory is not empty; 5 something in the archive is damaged or missing; 6 outside
of what can be restored, or a timeline that began almost empty; 7 the directory is in use; 8 the engine cannot load this.`

// restoreFlags are the flags of restore.
type restoreFlags struct {
	archive, output         string
	timeline, timestamp     string
	offset                  int64
	dryRun, force           bool
	ifTargetEmpty, ifBackup bool
	parallelism             int
	format, engine          string
	asJSON                  bool
	hasOffset               bool
}

func newRestoreCommand(flags *flagLayer) *cobra.Command {
	var f restoreFlags
	cmd := &cobra.Command{
		Use:   "restore --output DIR",
		Short: "Bring a state back out of the archive",
		Long:  restoreHelp,
		Example: `  aofsidecar restore --archive s3://backups/prod --output /data
  aofsidecar restore --output /data --timestamp 2026-11-22T09:00:00Z
  aofsidecar restore --output /data --if-target-empty --if-backup-exists`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			f.hasOffset = cmd.Flags().Changed("offset")
			effective, err := loadConfig(*flags)
			if err != nil {
				return err
			}
			options, err := f.options(effective.config)
			if err != nil {
				return &UsageError{Err: err, Hint: "aofsidecar restore --help"}
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return f.restore(ctx, effective.config, options, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&f.archive, "archive", "", "`URL` of the archive; empty: archive.url")
	cmd.Flags().StringVar(&f.output, "output", "", "`directory` that gets the result")
	cmd.Flags().StringVar(&f.timeline, "timeline", "", "`ID` of the timeline; empty: the newest, or the one of --timestamp")
	cmd.Flags().StringVar(&f.timestamp, "timestamp", "", "the state of this `time` (RFC 3339)")
	cmd.Flags().Int64Var(&f.offset, "offset", 0, "the state at this replication `offset`")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "find out and check all that can be told without the data, and change nothing")
	cmd.Flags().BoolVar(&f.ifTargetEmpty, "if-target-empty", false, "do nothing, with exit code 0, if the directory is not empty")
	cmd.Flags().BoolVar(&f.ifBackup, "if-backup-exists", false, "do nothing, with exit code 0, if there is no backup")
	cmd.Flags().BoolVar(&f.force, "force", false, "replace what is there")
	cmd.Flags().IntVar(&f.parallelism, "parallelism", defaultParallelism, "downloads at once, each with 4 MiB of memory")
	cmd.Flags().StringVar(&f.format, "format", string(upload.FormatAOF), "aof, rdb or resp-file")
	cmd.Flags().StringVar(&f.engine, "engine", "", "the `server` that is to load it, such as redis-8.0 or valkey-9.1; empty: any")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print JSON, and no progress")
	return cmd
}

// defaultParallelism keeps a network busy with small objects, too.
const defaultParallelism = 16

// options checks the flags.
func (f *restoreFlags) options(config Config) (upload.RestoreOptions, error) {
	options := upload.RestoreOptions{
		Target: upload.Target{Timeline: f.timeline}, Dir: f.output, Force: f.force, DryRun: f.dryRun, Parallelism: f.parallelism,
		Format: upload.Format(f.format), Fold: foldRestored, DirName: config.AOF.AppendDirName, FileName: config.AOF.AppendFileName,
	}
	var errs []error
	if f.output == "" {
		errs = append(errs, errors.New("--output is missing: the directory that gets the result"))
	}
	options.Dir = absolute(f.output)
	if f.timeline != "" && upload.CheckTimeline(f.timeline) != nil {
		errs = append(errs, errors.New("--timeline: that is not the name of a timeline"))
	}
	if f.timestamp != "" {
		at, err := time.Parse(time.RFC3339Nano, f.timestamp)
		if err != nil || at.IsZero() { // which would mean none
			errs = append(errs, fmt.Errorf("--timestamp: %q is not a time like 2026-11-22T09:00:00Z", f.timestamp))
		}
		options.Time = at
	}
	if f.hasOffset {
		if f.offset < 0 {
			errs = append(errs, errors.New("--offset must not be negative"))
		}
		offset := stream.Offset(f.offset)
		options.Offset = &offset
	}
	if f.hasOffset && f.timestamp != "" {
		errs = append(errs, errors.New("--timestamp and --offset exclude each other"))
	}
	if f.force && f.ifTargetEmpty {
		errs = append(errs, errors.New("--force and --if-target-empty exclude each other"))
	}
	if f.parallelism < 1 || f.parallelism > maxParallelism {
		errs = append(errs, fmt.Errorf("--parallelism: want a number from 1 to %d", maxParallelism))
	}
	switch options.Format {
	case upload.FormatAOF, upload.FormatRDB, upload.FormatRESP:
	default:
		errs = append(errs, fmt.Errorf("--format: %q is not one of: aof, rdb, resp-file", f.format))
	}
	if f.engine != "" {
		engine, err := upload.ParseEngine(f.engine)
		if err != nil {
			errs = append(errs, fmt.Errorf("--engine: %w", err))
		}
		options.Engine = engine
	}
	return options, errors.Join(errs...)
}

// maxParallelism is as much as stores and sockets bear.
const maxParallelism = 256

// restoration is the result of `restore --json`. Its form is a contract.
type restoration struct {
	Done   bool   `json:"done"` // false of a dry run, and where there was nothing to do
	DryRun bool   `json:"dry_run"`
	Why    string `json:"why,omitempty"` // there was nothing to do
	*upload.RestoreReport
}

func (f *restoreFlags) restore(ctx context.Context, config Config, options upload.RestoreOptions, out, progress io.Writer) error {
	report, err := f.run(ctx, config, options, progress)
	why := f.excuse(err)
	if why == "" && err != nil {
		return err
	}
	result := restoration{Done: why == "" && !f.dryRun, DryRun: f.dryRun, Why: why}
	if why == "" {
		result.RestoreReport = &report
	}
	if f.asJSON {
		return printJSON(out, result)
	}
	return result.write(out)
}

func (f *restoreFlags) run(ctx context.Context, config Config, options upload.RestoreOptions, progress io.Writer) (report upload.RestoreReport, err error) {
	if f.ifTargetEmpty { // where there is data nothing is asked of the archive: the server starts again whatever became of that
		if err := upload.CheckTarget(options); err != nil {
			return report, err
		}
	}
	a, err := openArchive(ctx, config, f.archive)
	if err != nil {
		return report, err
	}
	defer a.done(&err)
	if options.Identities, err = config.Archive.identities(); err != nil {
		return report, err
	}
	if !f.asJSON {
		meter := newProgress(progress)
		defer meter.end()
		options.Progress, options.Note = meter.restore, meter.note
	}
	if options.Format == upload.FormatAOF { // others are folds, which have a bound of their own
		defer boundRestore(options.Parallelism)()
	}
	return upload.Restore(ctx, a.store, options)
}

// excuse returns why an error is none, as the flags have it; "" if it is one.
func (f *restoreFlags) excuse(err error) string {
	_, none := errors.AsType[*NoArchiveError](err)
	switch {
	case f.ifTargetEmpty && errors.Is(err, upload.ErrTargetNotEmpty) && !errors.Is(err, upload.ErrInterrupted):
		return err.Error()
	case f.ifBackup && (none || errors.Is(err, upload.ErrNoBackup)):
		return err.Error()
	}
	return ""
}

// write writes the result for people.
func (r *restoration) write(w io.Writer) error {
	var b strings.Builder
	report := r.RestoreReport
	switch {
	case r.Why != "":
		fmt.Fprintf(&b, "nothing to do: %s\n", r.Why)
	case r.DryRun:
		fmt.Fprintf(&b, "would restore timeline %s up to offset %d at most, received by %s at the latest, from %s in %d objects, into %s\n", report.Timeline, report.Offset,
			report.Time.Format(time.RFC3339Nano), bytesText(report.Bytes), 1+report.Segments, report.Path)
	default:
		fmt.Fprintf(&b, "restored timeline %s up to offset %d, received by %s, into %s\n", report.Timeline, report.Offset, report.Time.Format(time.RFC3339Nano), report.Path)
		fmt.Fprintf(&b, "read %s in %d objects; the base has %s, and %d commands follow; took %s\n", bytesText(report.Bytes), 1+report.Segments,
			keysText(report.Keys), report.Commands, report.Took.Round(time.Millisecond))
		if report.Kept != "" {
			fmt.Fprintf(&b, "what was there is now %s\n", report.Kept)
		}
	}
	if report != nil && len(report.Settings) > 0 {
		b.WriteString("\na server needs these settings, and the modules of the upstream:\n")
		for _, line := range report.Settings {
			fmt.Fprintf(&b, "  %s\n", line)
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}
