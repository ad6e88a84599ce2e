package testenv

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
)

// oldest is the first version that keeps a multi-part append-only file, and the oldest that is mirrored.
var oldest = Version{Major: 7} //nolint:gochecknoglobals // a constant that Go cannot spell

// versionLine is how a server introduces itself: "Redis server v=7.0.15 sha=...", "Valkey server v=8.1.1 ...".
var versionLine = regexp.MustCompile(`^(Redis|Valkey) server v=([0-9.]+)`)

// AnyServer returns a server for those who need one and do not care which: what is installed on this machine, if it is new enough, else
// one of the five that were fetched, the newest that is there. It reports false when there is none; scripts/servers.sh then fetches
// some.
func AnyServer(ctx context.Context) (Family, bool) {
	for _, dialect := range []Dialect{Redis, Valkey} {
		if family, err := installed(ctx, dialect); err == nil {
			return family, true
		}
	}
	cache, err := serversDir()
	if err != nil {
		return Family{}, false
	}
	for _, name := range slices.Backward(names()) {
		if family, err := open(cache, name); err == nil {
			return family, true
		}
	}
	return Family{}, false
}

// installed returns the server that the PATH has under a dialect's name. What it is, it says itself: redis-server may be a link to Valkey.
func installed(ctx context.Context, dialect Dialect) (Family, error) {
	path, err := exec.LookPath(string(dialect) + "-server")
	if err != nil {
		return Family{}, fmt.Errorf("find an installed server: %w", err)
	}
	said, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return Family{}, fmt.Errorf("ask %s for its version: %w", path, err)
	}
	match := versionLine.FindSubmatch(said)
	if match == nil {
		return Family{}, fmt.Errorf("ask %s for its version: it says %.100q", path, said)
	}
	version, err := ParseVersion(string(match[2]))
	if err != nil {
		return Family{}, err
	}
	if version.Before(oldest) {
		return Family{}, fmt.Errorf("use %s: version %s is older than %s", path, version, oldest)
	}
	family := Family{Dialect: Redis, Version: version, bin: filepath.Dir(path), prefix: string(dialect)}
	if string(match[1]) == "Valkey" {
		family.Dialect = Valkey
	}
	family.Name = fmt.Sprintf("%s-%d.%d", family.Dialect, version.Major, version.Minor)
	return family, nil
}
