package fsxtest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// SeedEnv is the environment variable that repeats a run.
const SeedEnv = "AOFSIDECAR_TEST_SEED"

// Seed returns a random seed for crashes, and logs it; or the one that [SeedEnv] names.
func Seed(tb testing.TB) uint64 {
	tb.Helper()
	if text := os.Getenv(SeedEnv); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			tb.Fatalf("parse %s: %v", SeedEnv, err)
		}
		return seed
	}
	seed := rand.Uint64()
	tb.Logf("repeat with %s=%d", SeedEnv, seed)
	return seed
}
