package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// appendDir is the default of appenddirname.
const appendDir = "appendonlydir"

// BootFromAOF copies the AOF of dir while it may be written to ([CopyLive]) and boots a stock server of the
// family from the copy, as a replica of nowhere, so that the server expires nothing. dir is the folder that
// holds appendonlydir. It fails the test when the server does not load it.
func BootFromAOF(tb testing.TB, family Family, dir string, options ...Option) *Server {
	tb.Helper()
	copied := filepath.Join(tb.TempDir(), appendDir)
	require.NoError(tb, CopyLive(tb.Context(), filepath.Join(dir, appendDir), copied))
	options, err := bootOptions(copied, options)
	require.NoError(tb, err)
	return StartServer(tb, family, options...)
}

// Boot is [BootFromAOF] without a test: it copies into a folder of the server's own, which goes when the
// caller closes the server.
func Boot(ctx context.Context, family Family, dir string, options ...Option) (*Server, error) {
	temp, err := os.MkdirTemp("", "boot")
	if err != nil {
		return nil, fmt.Errorf("boot %s: %w", family, err)
	}
	copied := filepath.Join(temp, appendDir)
	if err = CopyLive(ctx, filepath.Join(dir, appendDir), copied); err == nil {
		options, err = bootOptions(copied, options)
	}
	if err != nil {
		return nil, fmt.Errorf("boot %s: %w", family, errors.Join(err, os.RemoveAll(temp)))
	}
	return Start(ctx, family, append(options, ownedDir(temp))...)
}

// bootOptions returns the options that load the copy, before those of the caller.
func bootOptions(copied string, options []Option) ([]Option, error) {
	manifest, err := manifestName(copied)
	if err != nil {
		return nil, err
	}
	return append([]Option{
		WithDataDir(filepath.Dir(copied)),
		ReplicaOfNowhere(),
		WithConfig(
			"appendonly yes",
			"appenddirname "+quote(appendDir),
			"appendfilename "+quote(strings.TrimSuffix(manifest, ".manifest")),
			"auto-aof-rewrite-percentage 0",
		),
	}, options...), nil
}

// ownedDir is [WithDataDir] for a folder that Close removes.
func ownedDir(dir string) Option {
	return func(s *settings) { s.dataDir, s.ownsDir = dir, true }
}
