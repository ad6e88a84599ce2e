package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/aofsidecar/aofsidecar/internal/admin"
)

const unpinHelp = `Release a timeline that the guard keeps because the upstream lost most of its keys after it. Look at what it holds first:
aof.dir/retained/TIMELINE is a directory that a server boots from. A released timeline goes when the next one is retained. The running sidecar does it, asked through
control.socket.

With --archive it is a timeline of the archive that is released, also one that was pinned by hand, and the moments before a FLUSHALL that are kept of it: retention
removes it once it is old enough. No sidecar need be running.`

// unpinPath is where the running sidecar takes the request.
const unpinPath = "/unpin"

// unpinRequest is its body, and the answer to it.
type unpinRequest struct {
	Timeline string `json:"timeline"`
}

func newUnpinCommand(flags *flagLayer) *cobra.Command {
	var at optionalURL
	cmd := &cobra.Command{
		Use:   "unpin TIMELINE",
		Short: "Release a timeline that the guard keeps, or that is pinned in the archive",
		Long:  unpinHelp,
		Example: `  aofsidecar unpin 1763800000-5d1f0a92
  aofsidecar unpin --archive 1763800000-5d1f0a92`,
		Args: func(_ *cobra.Command, args []string) error { return oneTimeline(at.take(args), "aofsidecar status") },
		RunE: func(cmd *cobra.Command, args []string) error {
			if at.given {
				return unpinArchived(cmd, *flags, at.url, last(args))
			}
			client, err := controlClient(*flags)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), controlTimeout)
			defer cancel()
			var released unpinRequest
			if err := client.Post(ctx, unpinPath, unpinRequest{Timeline: args[0]}, &released); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "timeline %s is released\n", released.Timeline)
			return err
		},
	}
	addOptionalArchiveFlag(cmd, &at, "of the archive")
	return cmd
}

// addUnpin registers the request on the control socket.
func addUnpin(mux *http.ServeMux, unpin func(timeline string) error) {
	mux.HandleFunc("POST "+unpinPath, admin.JSON(func(r *http.Request) (any, error) {
		var request unpinRequest
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			return nil, fmt.Errorf("read request: %w", err)
		}
		err := unpin(request.Timeline)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("timeline %q is not pinned", request.Timeline)
		}
		return request, err
	}))
}
