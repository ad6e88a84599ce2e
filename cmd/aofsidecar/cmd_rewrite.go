package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/admin"
)

const rewriteHelp = `Fold base and increments into a new base, without a server, as BGREWRITEAOF does with one. The running sidecar does it, asked through
control.socket, and this command returns when it has begun, or with --wait when it has ended. Where none answers, and for a directory that is
named, this command does it itself; no sidecar may be running there. The upstream is not needed, but where a command of a module was written: only it knows that
command's keys.

A rewrite that cannot take place changes nothing. Of a log whose last increment ends with a tail that a crash left, that increment stays as it is:
only the upstream can say what of the tail is its own.

Exit codes: 0 done, or nothing to fold; 1 failed; 3 nothing there; 5 damaged; 7 held by a sidecar or not a directory of ours; 9 the disk failed.`

// rewritePath is where the running sidecar takes the request.
const rewritePath = "/rewrite"

// rewriteAnswer is the answer to it.
type rewriteAnswer struct {
	Number int64 `json:"number"` // that this rewrite has in the status
	Begun  bool  `json:"begun"`  // false: this one was under way already
}

// pollEvery is how often --wait looks.
const pollEvery = 500 * time.Millisecond

func newRewriteCommand(flags *flagLayer) *cobra.Command {
	var asJSON, wait bool
	cmd := &cobra.Command{
		Use:   "rewrite [DIR]",
		Short: "Fold the log into a new base",
		Long:  rewriteHelp,
		Example: `  aofsidecar rewrite --wait
  aofsidecar rewrite /data/copy`,
		Args: atMostOneDir,
		RunE: func(cmd *cobra.Command, args []string) error {
			out := rewriteOutput{out: cmd.OutOrStdout(), progress: cmd.ErrOrStderr(), json: asJSON}
			if len(args) == 0 {
				err := rewriteRunning(cmd.Context(), *flags, wait, out)
				if !errors.Is(err, errNobody) {
					return err
				}
			}
			return rewriteDirectory(cmd.Context(), *flags, args, out)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for the end, with progress on stderr")
	return cmd
}

// errNobody says that no sidecar runs that could do it.
var errNobody = errors.New("no sidecar answers")

// RewriteFailedError is a rewrite that the running sidecar has begun and not ended well.
type RewriteFailedError struct {
	Message string
	Corrupt bool
}

func (e *RewriteFailedError) Error() string { return e.Message }

// rewriteRunning asks the running sidecar.
func rewriteRunning(ctx context.Context, flags flagLayer, wait bool, out rewriteOutput) error {
	effective, err := loadConfig(flags)
	if err != nil {
		return err
	}
	if effective.config.Control.Socket == "" {
		return errNobody
	}
	client := admin.NewClient(effective.config.Control.Socket)
	var answer rewriteAnswer
	err = post(ctx, client, &answer)
	if _, gone := errors.AsType[*admin.NotRunningError](err); gone {
		return errNobody
	}
	if err != nil {
		return err
	}
	if !wait {
		return out.begun(answer)
	}
	return awaitRewrite(ctx, client, answer.Number, out)
}

func post(ctx context.Context, client *admin.Client, answer *rewriteAnswer) error {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	return client.Post(ctx, rewritePath, struct{}{}, answer)
}

// awaitRewrite looks until the rewrite with that number has ended.
func awaitRewrite(ctx context.Context, client *admin.Client, number int64, out rewriteOutput) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
		status, err := getStatus(ctx, client)
		if err != nil {
			return err
		}
		r := status.Log.Rewrite
		switch {
		case r.Running || r.Begun < number:
			out.step(r.DoneBytes, r.TotalBytes)
		case r.Error != "":
			return &RewriteFailedError{Message: r.Error, Corrupt: r.Corrupt}
		case r.Last != nil:
			return out.done(*r.Last)
		}
	}
}

func getStatus(ctx context.Context, client *admin.Client) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	var status Status
	err := client.Get(ctx, "/status", &status)
	return status, err
}

// rewriteDirectory does it itself.
func rewriteDirectory(ctx context.Context, flags flagLayer, args []string, out rewriteOutput) (err error) {
	options, err := directoryOptions(flags, args)
	if err != nil {
		return err
	}
	if _, err := aof.ReadManifest(options); err != nil {
		return nothingThere(options.Dir, err)
	}
	log, err := aof.Open(ctx, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	watched, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(pollEvery)
		defer ticker.Stop()
		for {
			select {
			case <-watched.Done():
				return
			case <-ticker.C:
			}
			if r := log.Status().Rewrite; r.Running {
				out.step(r.DoneBytes, r.TotalBytes)
			}
		}
	}()
	report, err := log.Rewrite(ctx, "asked for")
	stop()
	<-ended
	if err != nil {
		return err
	}
	return out.done(report)
}

// rewriteOutput prints what comes of it.
type rewriteOutput struct {
	out, progress io.Writer
	json          bool
}

func (o rewriteOutput) begun(answer rewriteAnswer) error {
	if o.json {
		return printJSON(o.out, answer)
	}
	text := "rewrite %d has begun; `aofsidecar status` says how it goes\n"
	if !answer.Begun {
		text = "rewrite %d was under way already; `aofsidecar status` says how it goes\n"
	}
	_, err := fmt.Fprintf(o.out, text, answer.Number)
	return err
}

// step says how far it is.
func (o rewriteOutput) step(done, total int64) {
	if total > 0 {
		_, _ = fmt.Fprintf(o.progress, "%3d %% of %s\n", min(100, done*100/total), bytesText(total)) // stdout has the result
	}
}

func (o rewriteOutput) done(r aof.RewriteReport) error {
	if o.json {
		return printJSON(o.out, r)
	}
	if r.Nothing {
		_, err := fmt.Fprintln(o.out, "nothing to fold")
		return err
	}
	_, err := fmt.Fprintf(o.out, "%s became %s, %s; keys: %d copied, %d touched, %d carried; took %s\n",
		bytesText(r.Before), r.Base, bytesText(r.After), r.Copied, r.Touched, r.Carried, r.Took.Round(time.Millisecond))
	return err
}

func bytesText(n int64) string { return humanize.IBytes(uint64(max(0, n))) }

// addRewrite registers the request on the control socket.
func addRewrite(mux *http.ServeMux, request func() (number int64, begun bool, err error)) {
	mux.HandleFunc("POST "+rewritePath, admin.JSON(func(r *http.Request) (any, error) {
		var nothing struct{}
		if err := json.NewDecoder(r.Body).Decode(&nothing); err != nil {
			return nil, fmt.Errorf("read request: %w", err)
		}
		number, begun, err := request()
		return rewriteAnswer{Number: number, Begun: begun}, err
	}))
}
