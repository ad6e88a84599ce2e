package testenv

import (
	"fmt"
	"os"
	"path/filepath"
)

// serversEnv overrides where scripts/servers.sh puts the servers and where they are looked for.
const serversEnv = "AOFSIDECAR_SERVERS_DIR"

// fetchScript marks the root of the repository and names what to run when servers are missing.
const fetchScript = "scripts/servers.sh"

// serversDir returns the folder of the servers by the rule of scripts/servers.sh: a relative folder
// counts from the repository.
func serversDir() (string, error) {
	dir := os.Getenv(serversEnv)
	if filepath.IsAbs(dir) {
		return dir, nil
	}
	root, err := repository()
	if err != nil {
		return "", err
	}
	if dir == "" {
		dir = filepath.Join(".cache", "servers")
	}
	return filepath.Join(root, dir), nil
}

// repository walks up from the working directory, which for a test is the folder of its package.
func repository() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find repository: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, fetchScript)); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find repository: no %s above %s: set %s", fetchScript, start, serversEnv)
		}
	}
}
