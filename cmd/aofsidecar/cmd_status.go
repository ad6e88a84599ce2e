package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/admin"
	"github.com/aofsidecar/aofsidecar/internal/observe"
)

// controlTimeout bounds a question: a sidecar that does not answer in this time is not well.
const controlTimeout = 10 * time.Second

const statusHelp = `Ask the running sidecar, through control.socket, how it is doing.

With --check the exit code says whether it is ready: connected, and what is durable not further behind than http.ready-lag. That is
what /readyz says, for a container's HEALTHCHECK.`

func newStatusCommand(flags *flagLayer) *cobra.Command {
	var asJSON, check bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how the running sidecar is doing",
		Long:  statusHelp,
		Example: `  aofsidecar status
  aofsidecar status --check`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			status, err := askStatus(cmd.Context(), *flags)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), status)
			} else {
				err = writeStatus(cmd.OutOrStdout(), status, time.Now())
			}
			if err == nil && check && !status.Ready {
				return &NotReadyError{Why: status.NotReady}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, as /status answers it")
	cmd.Flags().BoolVar(&check, "check", false, "exit with 1 unless the mirror is ready")
	return cmd
}

func askStatus(ctx context.Context, flags flagLayer) (Status, error) {
	client, err := controlClient(flags)
	if err != nil {
		return Status{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	var status Status
	if err := client.Get(ctx, "/status", &status); err != nil {
		return Status{}, err
	}
	return status, nil
}

// controlClient returns a client of the running sidecar's socket.
func controlClient(flags flagLayer) (*admin.Client, error) {
	effective, err := loadConfig(flags)
	if err != nil {
		return nil, err
	}
	socket := effective.config.Control.Socket
	if socket == "" {
		return nil, &UsageError{Err: errors.New("control.socket is empty: there is nobody to ask"), Hint: "curl http://HOST:9379/status"}
	}
	return admin.NewClient(socket), nil
}

// writeStatus writes the status for people.
func writeStatus(w io.Writer, s Status, now time.Time) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := rowsOf(table)
	if s.Ready {
		row("ready", "yes")
	} else {
		row("ready", "no: %s", s.NotReady)
	}
	row("upstream", "%s%s, %s for %s", s.Upstream.Addr, inParentheses(s.Upstream.Server, s.Upstream.Version), s.Upstream.Phase, since(s.Upstream.Since, now))
	if f := s.Upstream.LastFailure; f != nil {
		row("last failure", "%s ago, %s: %s", since(f.At, now), f.Class, f.Message)
	}
	if !s.Upstream.NextTry.IsZero() {
		row("next try", "in %s", s.Upstream.NextTry.Sub(now).Round(time.Second))
	}
	row("resyncs", "%d full, %d partial, %d failed snapshots", s.Upstream.FullResyncs, s.Upstream.PartialResyncs, s.Upstream.FailedSnapshots)
	writeLog(row, s)
	writeArchive(row, s.Archive, now)
	for _, g := range s.Log.Guarded() {
		row("guard", "TRIPPED %s ago: %s became %d; timeline %s is kept until `aofsidecar unpin %s`",
			since(g.At, now), keysText(g.KeysWas), g.KeysNow, g.Timeline, g.Timeline)
	}
	row("version", "%s, up %s", s.Version, since(s.Started, now))
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

func writeLog(row func(name, format string, args ...any), s Status) {
	log := s.Log
	row("directory", "%s, appendfsync %s", log.Dir, log.Fsync)
	if log.Timeline == "" {
		row("position", "none yet: the first snapshot is not here")
	} else {
		durable := "nothing"
		if log.Durable >= 0 {
			durable = fmt.Sprint(log.Durable)
		}
		row("position", "%s:%d received, %s durable, timeline %s", log.ReplID, log.Received, durable, log.Timeline)
		row("lag", "received %s, durable %s", lagText(s.Lag.Received), lagText(s.Lag.Durable))
		row("size", "base %s, %d increments %s", humanize.IBytes(uint64(max(0, log.BaseBytes))), log.Increments, humanize.IBytes(uint64(max(0, log.IncrementsBytes))))
	}
	writeRewrite(row, log.Rewrite)
	if log.FreeBytes >= 0 {
		full := ""
		if log.DiskFull {
			full = ", FULL: reading has stopped"
		}
		row("disk", "%s free%s", humanize.IBytes(uint64(log.FreeBytes)), full)
	}
	if log.Failed != "" {
		row("failed", "%s", log.Failed)
	}
	if log.Awaiting {
		row("tail", "of the last run is kept until the upstream answers")
	}
}

func writeRewrite(row func(name, format string, args ...any), r aof.RewriteStatus) {
	if r.Running {
		row("rewrite", "under way (%s), %s of %s read", r.Reason, bytesText(r.DoneBytes), bytesText(r.TotalBytes))
	}
	if last := r.Last; last != nil && !last.Nothing {
		row("last rewrite", "%s became %s in %s; %d keys copied, %d touched, %d carried", bytesText(last.Before), bytesText(last.After),
			last.Took.Round(time.Millisecond), last.Copied, last.Touched, last.Carried)
	}
	if r.Error != "" {
		row("rewrite failed", "%s", r.Error)
	}
	if !r.NextTry.IsZero() {
		row("next rewrite", "not before %s: %d failures in a row", r.NextTry.Format(time.RFC3339), r.InRow)
	}
}

// keysText prints a number of keys that may not be known.
func keysText(n int64) string {
	if n < 0 {
		return "an unknown number of keys"
	}
	return fmt.Sprintf("%d keys", n)
}

func lagText(lag observe.StageLag) string {
	var parts []string
	if lag.Bytes != nil {
		parts = append(parts, fmt.Sprintf("%d bytes", *lag.Bytes))
	}
	if lag.Seconds != nil {
		parts = append(parts, fmt.Sprintf("%.1f s", *lag.Seconds))
	}
	if len(parts) == 0 {
		return "not known"
	}
	return strings.Join(parts, " and ")
}

func inParentheses(words ...string) string {
	text := strings.TrimSpace(strings.Join(words, " "))
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// since prints a span in whole seconds.
func since(at, now time.Time) string {
	return Duration(max(0, now.Sub(at)).Round(time.Second)).String()
}
