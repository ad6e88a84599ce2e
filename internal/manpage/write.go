package manpage

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// Write makes dir, if there is none, and a page in it for each of [Commands], named as man(1) looks for it: NAME.1. Pages of an earlier run are replaced.
func Write(dir string, root *cobra.Command, version string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	for _, cmd := range Commands(root) {
		path := filepath.Join(dir, Name(cmd)+"."+section)
		if err := os.WriteFile(path, []byte(Page(cmd, version)), 0o644); err != nil {
			return fmt.Errorf("write page: %w", err)
		}
	}
	return nil
}
