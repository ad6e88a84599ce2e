package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/s3gateway"
)

// step is a block of commands of a page, and the lines that the page says it prints.
type step struct {
	line     int // of the page
	commands string
	want     []string
}

// The page is what happens: its commands are run in one shell, in an empty directory, and print what it says. Only ports, the names of the servers and
// what belongs to the S3 server are the test's.
func TestGettingStarted(t *testing.T) {
	for _, name := range []string{"redis-8.0", "valkey-8.1", "valkey-9.1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			family, gateway := testenv.Pick(t, name), s3gateway.New(t)
			_, err := gateway.Bucket("backups")
			require.NoError(t, err)
			page, err := os.ReadFile("../docs/getting-started.md")
			require.NoError(t, err)
			steps := stepsOf(t, ourOwn(t, string(page), family, gateway))
			require.Greater(t, len(steps), 10)
			terminal := openTerminal(t, family)
			for _, s := range steps {
				terminal.run(t, s)
			}
			terminal.requireEnd(t)
		})
	}
}

// A page whose commands fail, or print something else than it says, is found out.
func TestGettingStartedCanFail(t *testing.T) {
	for name, page := range map[string]string{
		"a command fails":  "```sh\ntrue\nfalse\ntrue\n```\n",
		"a line is absent": "```sh\necho one\n```\n```text\none\ntwo\n```\n",
		"another order":    "```sh\necho one\necho two\n```\n```text\ntwo\none\n```\n",
		"more on the line": "```sh\necho one more\n```\n```text\none\n```\n",
	} {
		t.Run(name, func(t *testing.T) {
			steps := stepsOf(t, page)
			require.Len(t, steps, 1)
			terminal := openTerminal(t, testenv.Pick(t, "redis-8.0"))
			said, err := terminal.try(t.Context(), steps[0])
			require.True(t, err != nil || missingLine(steps[0].want, said) != "", "%s", said)
		})
	}
}

// ourOwn puts what is different here into the page.
func ourOwn(t *testing.T, page string, family testenv.Family, gateway *s3gateway.Gateway) string {
	t.Helper()
	dialect := string(family.Dialect)
	theirs := []string{
		"redis-server", dialect + "-server", "redis-cli", dialect + "-cli",
		"WAITAOF 0 1 5000", "WAITAOF 0 1 60000", // for machines that do much else
		"http://127.0.0.1:7070", gateway.Endpoint(), "region: us-east-1", "region: " + s3gateway.Region,
		"AWS_ACCESS_KEY_ID=demo ", "AWS_ACCESS_KEY_ID=" + s3gateway.AccessKey + " ",
		"AWS_SECRET_ACCESS_KEY=demo-secret\n", "AWS_SECRET_ACCESS_KEY=" + s3gateway.SecretKey + "\n",
	}
	for _, port := range []string{"6390", "6391", "9379"} {
		theirs = append(theirs, port, strconv.Itoa(testenv.FreePort(t)))
	}
	for i := 0; i < len(theirs); i += 2 {
		require.Contains(t, page, theirs[i])
	}
	return strings.NewReplacer(theirs...).Replace(page)
}

// stepsOf returns the blocks of a page that begin with sh, each with the lines of the blocks that begin with text and follow it.
func stepsOf(t *testing.T, page string) []step {
	t.Helper()
	var steps []step
	inside := "" // the language of the block
	for i, line := range strings.Split(page, "\n") {
		language, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && inside != "":
			require.Empty(t, language, "line %d", i+1)
			inside = ""
		case fence:
			require.NotEmpty(t, language, "line %d: a block needs a language", i+1)
			if inside = language; language == "sh" {
				steps = append(steps, step{line: i + 1})
			}
		case inside == "sh":
			steps[len(steps)-1].commands += line + "\n"
		case inside == "text":
			require.NotEmpty(t, steps, "line %d: nothing prints this", i+1)
			s := &steps[len(steps)-1]
			s.want = append(s.want, line)
		}
	}
	require.Empty(t, inside, "a block has no end")
	return steps
}

// terminal is a shell that goes on from block to block, and ends with the first command that fails.
type terminal struct {
	stdin  io.Writer
	output string // a file, so that what runs in the background holds no pipe of ours
	group  int
	read   int64
	done   int
	ended  chan struct{}
	err    error // of Wait; read it only after ended
}

func openTerminal(t *testing.T, family testenv.Family) *terminal {
	t.Helper()
	home, scratch := t.TempDir(), t.TempDir()
	term := &terminal{output: filepath.Join(t.TempDir(), "output"), ended: make(chan struct{})}
	out, err := os.Create(term.output)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-e")
	cmd.Dir, cmd.Stdout, cmd.Stderr = home, out, out
	cmd.Env = []string{
		"PATH=" + filepath.Dir(program) + ":" + filepath.Dir(family.Server()) + ":" + os.Getenv("PATH"),
		"HOME=" + home, "TMPDIR=" + scratch, "AWS_EC2_METADATA_DISABLED=true",
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.NoError(t, out.Close())
	term.stdin, term.group = stdin, cmd.Process.Pid
	go func() {
		term.err = cmd.Wait()
		close(term.ended)
	}()
	t.Cleanup(func() {
		if err := syscall.Kill(-term.group, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
			require.NoError(t, err)
		}
		<-term.ended
	})
	return term
}

// run wants a block to succeed and to print what the page says.
func (term *terminal) run(t *testing.T, s step) {
	t.Helper()
	said, err := term.try(t.Context(), s)
	require.NoError(t, err, "line %d of the page:\n%s\nprinted:\n%s", s.line, s.commands, said)
	require.Empty(t, missingLine(s.want, said), "line %d of the page:\n%s\nprinted:\n%s", s.line, s.commands, said)
}

// try runs a block and returns what it printed; the error says that a command of it failed.
func (term *terminal) try(ctx context.Context, s step) (string, error) {
	const limit = 2 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	term.done++
	script, end := fmt.Sprintf("%s.%d", term.output, term.done), fmt.Sprintf("end of block %d\n", term.done)
	if err := os.WriteFile(script, []byte(s.commands), 0o600); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(term.stdin, ". '%s' < /dev/null\necho '%s'\n", script, strings.TrimSpace(end)); err != nil {
		return "", err
	}
	type state struct {
		said        string
		done, ended bool
	}
	last, err := testenv.Poll(ctx, "the end of the block", func(context.Context) (state, bool) {
		now := state{}
		select {
		case <-term.ended:
			now.ended = true
		default:
		}
		now.said, now.done = strings.CutSuffix(term.more(), end)
		return now, now.done || now.ended
	})
	if err == nil && !last.done {
		err = fmt.Errorf("the shell ended: %w", term.err)
	}
	term.read += int64(len(last.said) + len(end))
	return last.said, err
}

// more returns what was printed since the last block.
func (term *terminal) more() string {
	text, err := os.ReadFile(term.output)
	if err != nil {
		return err.Error()
	}
	return string(text[term.read:])
}

// requireEnd wants that nothing of the page is left running.
func (term *terminal) requireEnd(t *testing.T) {
	t.Helper()
	_, err := io.WriteString(term.stdin, "exit\n")
	require.NoError(t, err)
	<-term.ended
	require.NoError(t, term.err)
	testenv.Eventually(t, "the end of what the page started", func(context.Context) (string, bool) {
		err := syscall.Kill(-term.group, 0)
		return fmt.Sprint(err), errors.Is(err, syscall.ESRCH)
	})
}

// missingLine returns the first line that the page has and the output has not, in this order; "..." in it stands for anything.
func missingLine(want []string, said string) string {
	lines := strings.Split(said, "\n")
	for _, line := range want {
		pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(line), `\.\.\.`, ".*") + "$")
		found := 0
		for found < len(lines) && !pattern.MatchString(lines[found]) {
			found++
		}
		if found == len(lines) {
			return "missing: " + line
		}
		lines = lines[found+1:]
	}
	return ""
}
