package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Dialect is the project that a server comes from.
type Dialect string

// The two dialects.
const (
	Redis  Dialect = "redis"
	Valkey Dialect = "valkey"
)

// Version is a server's version. The zero value stands for "no version of this dialect".
type Version struct{ Major, Minor, Patch int }

// ParseVersion reads "8", "8.1" or "8.1.1"; missing parts are 0, further parts are ignored.
func ParseVersion(s string) (Version, error) {
	var v Version
	for i, part := range strings.Split(s, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return Version{}, fmt.Errorf("parse version %q: %q is not a number", s, part)
		}
		switch i {
		case 0:
			v.Major = n
		case 1:
			v.Minor = n
		case 2:
			v.Patch = n
		}
	}
	return v, nil
}

// String returns "major.minor.patch".
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// IsZero reports whether v stands for no version.
func (v Version) IsZero() bool { return v == Version{} }

// Before reports whether v is older than other.
func (v Version) Before(other Version) bool {
	if v.Major != other.Major {
		return v.Major < other.Major
	}
	if v.Minor != other.Minor {
		return v.Minor < other.Minor
	}
	return v.Patch < other.Patch
}

// Family is one of the servers that the project is tested against.
type Family struct {
	// Name is "redis-7.0", "valkey-8.0", "redis-8.0", "valkey-8.1" or "valkey-9.1".
	Name string
	// Dialect is the project that it comes from.
	Dialect Dialect
	// Version is what the server says of itself; for valkey-9.1, which comes from Debian sid, it may be newer.
	Version Version

	bin    string
	prefix string // of the tools' names
}

// names lists the families, oldest format first. scripts/servers.sh has the same list.
func names() []string {
	return []string{"redis-7.0", "valkey-8.0", "redis-8.0", "valkey-8.1", "valkey-9.1"}
}

// Families returns the five servers, oldest format first. It looks in $AOFSIDECAR_SERVERS_DIR, or in
// .cache/servers of the repository that the working directory is in. A missing server is an error that
// says how to get it.
func Families() ([]Family, error) {
	cache, err := serversDir()
	if err != nil {
		return nil, err
	}
	families := make([]Family, 0, len(names()))
	for _, name := range names() {
		family, err := open(cache, name)
		if err != nil {
			return nil, fmt.Errorf("find server %s: %w: run scripts/servers.sh", name, err)
		}
		families = append(families, family)
	}
	return families, nil
}

// Servers returns the five servers and fails the test when one is missing.
func Servers(tb testing.TB) []Family {
	tb.Helper()
	families, err := Families()
	require.NoError(tb, err)
	return families
}

// Pick returns one server by name and fails the test when it is missing.
func Pick(tb testing.TB, name string) Family {
	tb.Helper()
	for _, family := range Servers(tb) {
		if family.Name == name {
			return family
		}
	}
	require.FailNow(tb, "no such server", "%s is none of %v", name, names())
	return Family{}
}

// EachFamily runs a test once for each of the five servers, as a subtest named after it.
func EachFamily(t *testing.T, test func(t *testing.T, family Family)) {
	t.Helper()
	for _, family := range Servers(t) {
		t.Run(family.Name, func(t *testing.T) { test(t, family) })
	}
}

func open(cache, name string) (Family, error) {
	raw, err := os.ReadFile(filepath.Join(cache, name, "VERSION"))
	if err != nil {
		return Family{}, err
	}
	version, err := ParseVersion(strings.TrimSpace(string(raw)))
	if err != nil {
		return Family{}, err
	}
	dialect, _, _ := strings.Cut(name, "-")
	family := Family{Name: name, Dialect: Dialect(dialect), Version: version, bin: filepath.Join(cache, name, "bin"), prefix: dialect}
	for _, path := range []string{family.Server(), family.CLI(), family.CheckAOF(), family.CheckRDB()} {
		if _, err := os.Stat(path); err != nil {
			return Family{}, err
		}
	}
	return family, nil
}

// String returns the name.
func (f Family) String() string { return f.Name }

// Server returns the path of redis-server or valkey-server.
func (f Family) Server() string { return f.tool("server") }

// CLI returns the path of redis-cli or valkey-cli.
func (f Family) CLI() string { return f.tool("cli") }

// CheckAOF returns the path of redis-check-aof or valkey-check-aof.
func (f Family) CheckAOF() string { return f.tool("check-aof") }

// CheckRDB returns the path of redis-check-rdb or valkey-check-rdb.
func (f Family) CheckRDB() string { return f.tool("check-rdb") }

// Benchmark returns the path of redis-benchmark or valkey-benchmark.
func (f Family) Benchmark() string { return f.tool("benchmark") }

func (f Family) tool(name string) string {
	return filepath.Join(f.bin, f.prefix+"-"+name)
}

// AtLeast reports whether the server is redis or newer when it is a Redis, valkey or newer when it is a
// Valkey. A zero version means that no version of that dialect will do.
func (f Family) AtLeast(redis, valkey Version) bool {
	since := redis
	if f.Dialect == Valkey {
		since = valkey
	}
	return !since.IsZero() && !f.Version.Before(since)
}
