package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDocument describes the program that is released: a test's own program has no word of its modules.
func TestDocument(t *testing.T) {
	program := filepath.Join(t.TempDir(), "aofsidecar")
	built, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/aofsidecar/aofsidecar/cmd/aofsidecar").CombinedOutput()
	require.NoError(t, err, "%s", built)
	output := filepath.Join(t.TempDir(), "bom.json")
	require.Zero(t, execute([]string{"-output", output, "-version", "v1.2.3", program}, os.Stderr))
	text, err := os.ReadFile(output)
	require.NoError(t, err)
	var bom document
	require.NoError(t, json.Unmarshal(text, &bom))
	require.Equal(t, "CycloneDX", bom.Format)
	require.Equal(t, "pkg:golang/github.com/aofsidecar/aofsidecar@v1.2.3", bom.Metadata.Component.PURL)
	require.Len(t, bom.Metadata.Component.Hashes, 1)
	require.Len(t, bom.Metadata.Component.Hashes[0].Content, 64)
	names := map[string]string{}
	for _, c := range bom.Components {
		require.Equal(t, "library", c.Type)
		require.NotEmpty(t, c.Version, "%s", c.Name)
		require.NotContains(t, names, c.Name, "named twice")
		names[c.Name] = c.Version
	}
	require.Contains(t, names, "github.com/spf13/cobra")
	require.NotContains(t, names, "github.com/stretchr/testify", "of the tests only")
	require.Equal(t, strings.TrimPrefix(runtime.Version(), "go"), names["stdlib"])
	again, err := describe(program, "v1.2.3")
	require.NoError(t, err)
	require.Equal(t, bom, again)
}

func TestComponentEscapesAPlus(t *testing.T) {
	require.Equal(t, "pkg:golang/example.org/m@v4.1.2%2Bincompatible", newComponent("library", "example.org/m", "v4.1.2+incompatible").PURL)
}

func TestExitCodes(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(text, []byte("no program"), 0o600))
	require.Equal(t, 1, execute([]string{"-output", text + ".json", text}, io.Discard))
	require.NoFileExists(t, text+".json")
	require.Equal(t, 2, execute([]string{text}, io.Discard))
	require.Equal(t, 2, execute([]string{"-nonsense"}, io.Discard))
}
