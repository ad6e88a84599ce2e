package fsxtest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
)

func TestConformanceInMemory(t *testing.T) {
	fsxtest.Conformance(t, func() (fsx.FS, string) {
		fsys := fsxtest.New()
		require.NoError(t, fsys.MkdirAll("/data/dir", 0o750))
		return fsys, "/data/dir"
	})
}

func TestConformanceOfClone(t *testing.T) {
	fsxtest.Conformance(t, func() (fsx.FS, string) {
		fsys := fsxtest.New()
		require.NoError(t, fsx.MkdirAllDurable(fsys, "/data/dir", 0o750))
		return fsys.CrashClone(fsxtest.PowerLossAll{}).CrashClone(fsxtest.KillProcess{}), "/data/dir"
	})
}
