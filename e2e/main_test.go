package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
)

// program is the binary under test, demo the one that shows it. AOFSIDECAR_E2E_PROGRAM names a binary that is there, for a long run beside which others build.
var program, demo string

// full says that nothing is shortened.
var full = os.Getenv("AOFSIDECAR_E2E_FULL") != ""

func TestMain(m *testing.M) {
	if s3gateway.Served() {
		return
	}
	dir, err := os.MkdirTemp("", "e2e")
	program, demo = os.Getenv("AOFSIDECAR_E2E_PROGRAM"), filepath.Join(dir, "demo")
	if err == nil && program == "" {
		program = filepath.Join(dir, "aofsidecar")
		err = build(dir)
	}
	if err == nil {
		err = moreAtATime()
	}
	if err != nil {
		exit(1, err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { exit(code, os.RemoveAll(dir)) }))
}

func exit(code int, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code) //nolint:forbidigo // TestMain has no other way to fail
}

func build(dir string) error {
	args := []string{"build", "-o", dir}
	if os.Getenv("AOFSIDECAR_E2E_RACE") != "" {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "../cmd/aofsidecar", "../internal/demo")...)
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build what is tested: %w: %s", err, out)
	}
	return nil
}

// moreAtATime lets more tests run in parallel than there are processors, unless the caller said how many.
func moreAtATime() error {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if given {
		return nil
	}
	const atATime = 6
	return flag.Set("test.parallel", strconv.Itoa(atATime))
}

// newSeed returns what the test draws from, and prints it.
func newSeed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv("AOFSIDECAR_E2E_SEED"); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err, "AOFSIDECAR_E2E_SEED")
	}
	t.Logf("AOFSIDECAR_E2E_SEED=%d", seed)
	return seed
}
