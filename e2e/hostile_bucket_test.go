package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// bucketMemory is what a command may take in MiB whatever an archive holds: docs/operations.md has 107 for a restore.
const bucketMemory = 192

// bounded runs the program to its end, and wants that to be one of the documented ones, within limits of memory, time and words.
func bounded(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	require.NoError(t, cmd.Start())
	used := watchMemory(cmd.Process.Pid)
	_ = cmd.Wait() // the code says how it ended
	got := result{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
	require.NoError(t, ctx.Err(), "%v does not end: %.500s", args, got.stderr)
	require.Contains(t, []int{0, 1, 3, 5, 6, 8}, got.code, "%v: %.2000s", args, got.stderr)
	t.Logf("%s: exit code %d, %d MiB: %.200s", args[0], got.code, used(), got.stderr)
	require.Less(t, used(), bucketMemory)
	odd := func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' || r >= 0x7f && r <= 0x9f }
	require.Equal(t, -1, strings.IndexFunc(got.stdout+got.stderr, odd), "%q", got.stdout+got.stderr)
	require.NotContains(t, got.stderr, "goroutine ")
	return got
}

// watchMemory returns what says how much a child has had in memory at most, in MiB. Its rusage does not: that begins with what this process has.
func watchMemory(pid int) (peak func() int) {
	var most, gone atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		for range ticker.C {
			text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
			_, rest, found := strings.Cut(string(text), "VmHWM:")
			if err != nil || !found || gone.Load() > 0 { // a process that has ended has none
				return
			}
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			most.Store(max(most.Load(), kib))
		}
	}()
	return func() int {
		gone.Store(1)
		<-ended
		return int(most.Load() >> 10)
	}
}

// vandal is what somebody with all rights does to an archive, and whether what was stored before can still be restored.
type vandal struct {
	does     func(t *testing.T, dir string)
	spoils   bool // a restore has to fail
	harmless bool // a restore has to succeed
}

// An archive in somebody else's hands makes no command take much memory or end in another way than is documented, and never writes outside of the target,
// nor leaves one that is half done.
func TestHostileBucket(t *testing.T) {
	family := testenv.Pick(t, "redis-8.0")
	honest := testenv.StartServer(t, family)
	for i := range valuables {
		key, value := valuable(i)
		require.NoError(t, honest.Client().Set(t.Context(), key, value, 0).Err())
	}
	a, _ := honestArchive(t, honest, family)

	for name, v := range vandals() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent := t.TempDir()
			dir := filepath.Join(parent, "archive")
			require.NoError(t, os.CopyFS(dir, os.DirFS(a.dir)))
			v.does(t, dir)
			url := "file://" + dir
			bounded(t, "list", "--archive", url)
			bounded(t, "verify", "--archive="+url, "--deep")
			bounded(t, "inspect", "--archive", url)
			target := filepath.Join(parent, "target")
			got := bounded(t, "restore", "--archive", url, "--output", target)
			requireOnly(t, parent, "archive", "target")
			if v.spoils {
				require.NotZero(t, got.code)
			}
			if v.harmless {
				require.Zero(t, got.code, got.stderr)
			}
			if got.code != 0 {
				_, err := os.Lstat(filepath.Join(target, "appendonlydir"))
				require.ErrorIs(t, err, os.ErrNotExist)
				return
			}
			booted := testenv.BootFromAOF(t, family, target)
			requireValuables(t, booted)
			require.NoError(t, booted.Close())
		})
	}
}

// honestArchive ships what a server has, and a write more, and ends the mirror.
func honestArchive(t *testing.T, from *testenv.Server, family testenv.Family) (*archive, mirror) {
	t.Helper()
	a := newArchive(t, false)
	m := a.newMirror(t, from.Addr())
	m.start(t)
	m.awaitStreaming(t)
	require.NoError(t, from.Client().Set(t.Context(), "counter", "1", 0).Err())
	m.awaitShipped(t, from)
	requireCleanEnd(t, family, m)
	return a, m
}

// the returns the one file of an archive that matches.
func the(t *testing.T, dir, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
	require.NoError(t, err)
	require.NotEmpty(t, names, pattern)
	return names[0]
}

func put(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o750))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
}

// bomb compresses a text that is repeated.
func bomb(t *testing.T, head, text string, times int) string {
	t.Helper()
	var out bytes.Buffer
	enc, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	require.NoError(t, err)
	_, err = enc.Write([]byte(head))
	require.NoError(t, err)
	for range times {
		_, err = enc.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, enc.Close())
	return out.String()
}

// frame is a zstd frame by hand: a window, and blocks of a repeated byte, 128 KiB each.
func frame(window byte, blocks int) string {
	b := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, window}
	for i := range blocks {
		header := uint32(128<<10)<<3 | 1<<1 // RLE
		if i == blocks-1 {
			header |= 1
		}
		b = append(b, byte(header), byte(header>>8), byte(header>>16), 'a')
	}
	return string(b)
}

const (
	anyBase    = "timelines/*/base/*"
	anySegment = "timelines/*/incr/*"
	anyRecord  = "timelines/*/timeline.json"
)

// replacing puts text in an object's place.
func replacing(pattern, text string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		put(t, the(t, dir, pattern), text)
	}
}

func vandals() map[string]vandal {
	all := map[string]vandal{
		"nothing":                {does: func(*testing.T, string) {}, harmless: true},
		"an empty base":          {does: replacing(anyBase, ""), spoils: true},
		"another base":           {does: replacing(anyBase, "root:x:0:0:root:/root:/bin/bash\n"), spoils: true},
		"an empty segment":       {does: replacing(anySegment, ""), spoils: true},
		"another segment":        {does: replacing(anySegment, "root:x:0:0:root:/root:/bin/bash\n"), spoils: true},
		"a window of terabytes":  {does: replacing(anySegment, frame(0xff, 1)), spoils: true},
		"a base like that":       {does: replacing(anyBase, frame(0xff, 1)), spoils: true},
		"a terabyte in 28 bytes": {does: replacing(anySegment, "\x28\xb5\x2f\xfd\xe0\x00\x00\x00\x00\x00\x01\x00\x00"+frame(0x50, 1)), spoils: true},
		"names for terminals": {harmless: true, does: func(t *testing.T, dir string) {
			t.Helper()
			for _, name := range []string{"\x1b[2J", "a\nb", "\x1b]0;owned\a", "..\\x", strings.Repeat("n", 255), "\xff\xfe"} {
				put(t, filepath.Join(dir, "timelines", name), "x")
				put(t, filepath.Join(dir, "timelines", "dir"+name[:min(3, len(name))], "incr", "x"), "x")
			}
		}},
		"a lot of names": {does: func(t *testing.T, dir string) {
			t.Helper()
			folder := filepath.Dir(the(t, dir, anySegment))
			for i := range 1_000 {
				put(t, filepath.Join(folder, fmt.Sprintf("%020d-%020d-%013d-%013d-%08d-%016x.aof.zst", 1<<40+i, 1<<40+i+1, 1, 2, 1, i)), "")
			}
		}},
	}
	for kind, text := range map[string]string{
		"nested": strings.Repeat("[", 10<<20), "objects in objects": strings.Repeat(`{"a":`, 2<<20), "long": `{"reason":"` + strings.Repeat("x", 10<<20) + `"}`,
		"for a terminal":  `{"timeline":"\u001b[2J","reason":"\u001b]0;owned\u0007\u009b","holder":"\u001b[31m","host":"\u001b\n{\"level\":\"info\"}","epoch":9223372036854775807,"at":"9999-12-31T23:59:59Z"}`,
		"by another path": `{"timeline":"../../../../etc","epoch":-5,"offset":-9223372036854775808,"at":"0001-01-01T00:00:00Z"}`,
		"of other types":  `{"timeline":7,"epoch":"x","at":[]}`, "null": "null", "a number": "1e999999999",
	} {
		for where, name := range map[string]string{"timeline": anyRecord, "epoch": "epochs/*", "lease": "lease.json"} {
			all["a "+where+" that is "+kind] = vandal{does: replacing(name, text)}
		}
		all["a pin that is "+kind] = vandal{does: func(t *testing.T, dir string) {
			t.Helper()
			put(t, filepath.Join(filepath.Dir(the(t, dir, anyRecord)), "pin.json"), text)
		}}
	}
	for where, name := range map[string]string{"base": anyBase, "segment": anySegment, "record": anyRecord} {
		for kind, change := range map[string]func(name string) error{
			"a link out":   func(name string) error { return os.Symlink("/etc/passwd", name) },
			"a link up":    func(name string) error { return os.Symlink("../../../../..", name) },
			"its own link": func(name string) error { return os.Symlink(filepath.Base(name), name) },
			"a pipe":       func(name string) error { return syscall.Mkfifo(name, 0o600) },
			"a device":     func(name string) error { return os.Symlink("/dev/zero", name) },
			"a folder":     func(name string) error { return os.Mkdir(name, 0o700) },
			"a terabyte": func(name string) error {
				if err := os.WriteFile(name, nil, 0o600); err != nil {
					return err
				}
				return os.Truncate(name, 1<<40)
			},
		} {
			all["a "+where+" that is "+kind] = vandal{spoils: where != "record", does: func(t *testing.T, dir string) {
				t.Helper()
				victim := the(t, dir, name)
				require.NoError(t, os.Remove(victim))
				require.NoError(t, change(victim))
			}}
		}
	}
	all["folders that lead up"] = vandal{harmless: true, does: func(t *testing.T, dir string) {
		t.Helper()
		require.NoError(t, os.Symlink("..", filepath.Join(dir, "timelines", "up")))
		require.NoError(t, os.Symlink("/", filepath.Join(dir, "timelines", "00000009-aaaaaaaa")))
		require.NoError(t, os.Symlink("../timelines", filepath.Join(dir, "epochs", "again")))
	}}
	all["a segment of a terabyte"] = vandal{spoils: true, does: func(t *testing.T, dir string) {
		t.Helper()
		put(t, the(t, dir, anySegment), strings.Repeat(frame(0x50, 8192), 1024)) // 1 GiB each
	}}
	all["a segment of PINGs"] = vandal{spoils: true, does: func(t *testing.T, dir string) {
		t.Helper()
		put(t, the(t, dir, anySegment), bomb(t, "", strings.Repeat("*1\r\n$4\r\nPING\r\n", 10_000), 3000))
	}}
	all["a base of many megabytes"] = vandal{spoils: true, does: func(t *testing.T, dir string) {
		t.Helper()
		put(t, the(t, dir, anyBase), bomb(t, "REDIS0012", rdbKey(strings.Repeat("v", 1<<20)), 256))
	}}
	all["a base that lies"] = vandal{spoils: true, does: func(t *testing.T, dir string) {
		t.Helper()
		put(t, the(t, dir, anyBase), bomb(t, "REDIS0012", "\x00\x01k\x81\x7f\xff\xff\xff\xff\xff\xff\xff"+strings.Repeat("a", 1<<20), 100))
	}}
	return all
}

// A sidecar that ships to such an archive mirrors as ever, in the memory that shipping takes, and ends when it is told to: what it cannot ship waits.
func TestMirrorBesideAHostileBucket(t *testing.T) {
	family := testenv.Pick(t, "redis-8.0")
	honest := testenv.StartServer(t, family)
	a, m := honestArchive(t, honest, family)
	for name, v := range vandals() {
		if strings.Contains(name, "segment") || strings.Contains(name, "base") || strings.Contains(name, "in 28 bytes") || strings.Contains(name, "window") {
			continue // it reads none
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent := t.TempDir()
			dir, store := filepath.Join(parent, "mirror"), filepath.Join(parent, "archive")
			require.NoError(t, os.CopyFS(dir, os.DirFS(m.Dir())))
			require.NoError(t, os.CopyFS(store, os.DirFS(a.dir)))
			v.does(t, store)
			beside := newMirrorAt(t, dir, honest.Addr(), append(append([]string{}, a.set...), "archive.url=file://"+store, "logging.level=info")...)
			beside.start(t)
			beside.awaitStreaming(t)
			require.NoError(t, honest.Client().Incr(t.Context(), "counter").Err())
			status := beside.await(t, "shipping, or saying why not", func(s testenv.SidecarStatus) bool {
				return s.Archive.Error != "" || s.Archive.HeldBy != nil || s.Archive.HasShipped && s.Archive.LeaseHeld
			})
			require.True(t, status.Streaming())
			peak := peakMemory(t, beside.PID())
			t.Logf("peak memory %d MiB; %s", peak, status.Archive.Error)
			require.Less(t, peak, hostileMemory)
			code, err := beside.Stop(t.Context())
			require.NoError(t, err)
			require.Zero(t, code, beside.Log())
			requireModestLog(t, beside.Log())
			requireOnly(t, parent, "mirror", "archive")
			requireOnly(t, dir, "aofsidecar.lock", "appendonlydir", "retained")
		})
	}
}
