package e2e_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// An impostor is a program in an upstream's place that means harm. It speaks the protocol as far as that takes it.
type impostor struct {
	listener *net.TCPListener
	// answer is what it says to a command other than PSYNC; empty: what a Redis 8.0 says.
	answer func(args []string) string
	// play is what it does with a link that has asked for PSYNC. The link ends with it.
	play  func(*visit)
	ended atomic.Int64 // plays, and links with another answer than a Redis's, that have ended
	busy  sync.WaitGroup
}

// visit is a link of the sidecar's.
type visit struct {
	*impostorLink
	nth    int64 // 1 is the first that asked for PSYNC
	id     string
	offset int64 // that the sidecar has
}

// impostorLink is a connection. A write that fails is no error: the sidecar may have enough.
type impostorLink struct {
	conn *net.TCPConn
	gone bool
}

// say sends text, in pieces, until the sidecar has enough.
func (l *impostorLink) say(text string) {
	if l.gone {
		return
	}
	_, err := io.WriteString(l.conn, text)
	l.gone = err != nil
}

// sayOften sends text n times.
func (l *impostorLink) sayOften(text string, n int) {
	const block = 1 << 20
	together := max(1, min(n, block/len(text)))
	many := strings.Repeat(text, together)
	for ; n >= together && !l.gone; n -= together {
		l.say(many)
	}
	l.say(strings.Repeat(text, max(n, 0)))
}

// impostorPatience bounds a link, so that a test that hangs fails.
const impostorPatience = time.Minute

func newImpostor(t *testing.T, answer func([]string) string, play func(*visit)) *impostor {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	s := &impostor{listener: listener, answer: answer, play: play}
	var asked atomic.Int64
	s.busy.Go(func() {
		for {
			conn, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			s.busy.Go(func() { s.serve(conn, &asked) })
		}
	})
	t.Cleanup(s.close)
	return s
}

func (s *impostor) close() {
	_ = s.listener.Close()
	s.busy.Wait()
}

func (s *impostor) serve(conn *net.TCPConn, asked *atomic.Int64) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(impostorPatience))
	link := &impostorLink{conn: conn}
	rude := false
	defer func() {
		if rude {
			s.ended.Add(1)
		}
	}()
	in := resp.NewReader(conn)
	for !link.gone {
		cmd, err := in.Next()
		if err != nil {
			return
		}
		args := make([]string, len(cmd.Args))
		for i, arg := range cmd.Args {
			args[i] = string(arg)
		}
		if strings.EqualFold(args[0], "PSYNC") && len(args) == 3 {
			next, _ := strconv.ParseInt(args[2], 10, 64)
			s.entertain(&visit{impostorLink: link, nth: asked.Add(1), id: args[1], offset: next - 1})
			return
		}
		said := s.answer(args)
		if said == "" {
			said = politely(args)
		} else {
			rude = true
		}
		link.say(said)
	}
}

// entertain plays, and listens meanwhile: to close with something unread would take back what was said.
func (s *impostor) entertain(v *visit) {
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		_, _ = io.Copy(io.Discard, v.conn)
	}()
	s.play(v)
	_ = v.conn.CloseWrite()
	<-heard
	s.ended.Add(1)
}

// politely answers as a Redis 8.0 does.
func politely(args []string) string {
	switch strings.ToUpper(args[0]) {
	case "PING":
		return "+PONG\r\n"
	case "HELLO":
		return helloOf("redis", "8.0.2")
	case "INFO":
		return bulkOf("# Server\r\nredis_version:8.0.2\r\n")
	case "COMMAND":
		return "*1\r\n*-1\r\n"
	default:
		return "+OK\r\n"
	}
}

func never([]string) string { return "" }

// saying answers a command.
func saying(command, text string) func([]string) string {
	return func(args []string) string {
		if strings.EqualFold(args[0], command) {
			return text
		}
		return ""
	}
}

func bulkOf(s string) string { return "$" + strconv.Itoa(len(s)) + "\r\n" + s + "\r\n" }

func helloOf(name, version string) string {
	return "*4\r\n" + bulkOf("server") + bulkOf(name) + bulkOf("version") + bulkOf(version)
}

func commandOf(args ...string) string { return string(resp.AppendCommandStrings(nil, args...)) }

// peakMemory is the most that a process has had in memory, in MiB.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "VmHWM:")
	require.True(t, found)
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(t, err)
	return kib >> 10
}

// bytesBelow adds up the files below a folder.
func bytesBelow(t *testing.T, dir string) int64 {
	t.Helper()
	var total int64
	require.NoError(t, filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		total += info.Size()
		return err
	}))
	return total
}

// requireModestLog wants a log that no line of which is long, has a control character, or was made by somebody else.
func requireModestLog(t *testing.T, log string) {
	t.Helper()
	const longest, most = 4 << 10, 256 << 10
	require.Less(t, len(log), most)
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		require.Less(t, len(line), longest, "%.200s", line)
		require.Regexp(t, `^[0-9]{4}-[0-9]{2}-[0-9]{2}T|^\{`, line, "each line is the sidecar's")
		require.Equal(t, -1, bytes.IndexFunc([]byte(line), func(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f && r <= 0x9f }), "%q", line)
	}
}
