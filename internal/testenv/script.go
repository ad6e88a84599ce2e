package testenv

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// WriteScript writes a program's text. No child is forked meanwhile: it would have the file open for writing until it is another program, and whoever runs the
// script in that moment is told "text file busy" (golang.org/issue/22315).
func WriteScript(tb testing.TB, path, text string) {
	tb.Helper()
	syscall.ForkLock.RLock()
	err := os.WriteFile(path, []byte(text), 0o700)
	syscall.ForkLock.RUnlock()
	require.NoError(tb, err)
}
