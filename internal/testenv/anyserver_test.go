package testenv_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// An installed server is taken by what it says of itself, and only if it is new enough.
func TestAnyServer(t *testing.T) {
	fetched := testenv.Pick(t, "valkey-9.1")
	cache := filepath.Dir(filepath.Dir(filepath.Dir(fetched.Server())))
	for name, c := range map[string]struct {
		installed map[string]string // what each says
		cache     string
		want      string // name, and below what name; empty for none
		program   string
	}{
		"nothing":          {cache: t.TempDir()},
		"fetched only":     {cache: cache, want: "valkey-9.1", program: fetched.Server()},
		"redis":            {installed: map[string]string{"redis-server": "Redis server v=7.2.5 sha=00000000:0"}, cache: cache, want: "redis-7.2", program: "redis-server"},
		"valkey":           {installed: map[string]string{"valkey-server": "Valkey server v=8.1.1 sha=00000000:0"}, cache: cache, want: "valkey-8.1", program: "valkey-server"},
		"valkey as redis":  {installed: map[string]string{"redis-server": "Valkey server v=8.0.1 sha=00000000:0"}, cache: cache, want: "valkey-8.0", program: "redis-server"},
		"too old":          {installed: map[string]string{"redis-server": "Redis server v=6.2.16 sha=00000000:0"}, cache: t.TempDir()},
		"too old, fetched": {installed: map[string]string{"redis-server": "Redis server v=6.2.16 sha=00000000:0"}, cache: cache, want: "valkey-9.1", program: fetched.Server()},
		"something else":   {installed: map[string]string{"redis-server": "KeyDB server v=6.3"}, cache: t.TempDir()},
	} {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			for tool, says := range c.installed {
				testenv.WriteScript(t, filepath.Join(bin, tool), "#!/bin/sh\necho '"+says+"'\n")
			}
			t.Setenv("PATH", bin)
			t.Setenv("AOFSIDECAR_SERVERS_DIR", c.cache)
			family, ok := testenv.AnyServer(t.Context())
			require.Equal(t, c.want != "", ok)
			if !ok {
				return
			}
			require.Equal(t, c.want, family.Name)
			program := c.program
			if len(c.installed) > 0 && !filepath.IsAbs(program) {
				program = filepath.Join(bin, program)
			}
			require.Equal(t, program, family.Server())
		})
	}
}
