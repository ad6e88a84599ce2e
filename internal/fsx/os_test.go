package fsx_test

import (
	"testing"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/fsx/fsxtest"
)

func TestConformance(t *testing.T) {
	fsxtest.Conformance(t, func() (fsx.FS, string) { return fsx.OS{}, t.TempDir() })
}
