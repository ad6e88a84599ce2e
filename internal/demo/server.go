package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// findServer returns a server to show with. One that is installed is used as it is; without any, some are fetched, whose progress goes to
// progress.
func findServer(ctx context.Context, progress io.Writer) (testenv.Family, error) {
	if family, ok := testenv.AnyServer(ctx); ok {
		return family, nil
	}
	fetch := exec.CommandContext(ctx, "scripts/servers.sh")
	fetch.Stdout, fetch.Stderr = progress, progress
	fetchErr := fetch.Run()
	// Where only some can be had, one is enough.
	if family, ok := testenv.AnyServer(ctx); ok {
		return family, nil
	}
	if fetchErr == nil {
		fetchErr = errors.New("none is there afterwards")
	}
	return testenv.Family{}, fmt.Errorf("no redis-server or valkey-server 7.0 or later is installed, and none can be fetched: %w", fetchErr)
}
