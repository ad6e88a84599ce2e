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
aof.dir/retained/TIMELINE is a directory that a server boots from. A released timeline goes when the next one is retained.`

// unpinPath is where the running sidecar takes the request.
const unpinPath = "/unpin"

// unpinRequest is its body, and the answer to it.
type unpinRequest struct {
	Timeline string `json:"timeline"`
}

func newUnpinCommand(flags *flagLayer) *cobra.Command {
	return &cobra.Command{
		Use:     "unpin TIMELINE",
		Short:   "Release a timeline that the guard keeps",
		Long:    unpinHelp,
		Example: `  aofsidecar unpin 00000003-5d1f0a92`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &UsageError{Err: errors.New("want one timeline"), Hint: "aofsidecar status"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
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
