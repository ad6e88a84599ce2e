package e2e_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// hostileMemory is what the sidecar may take in MiB whatever an upstream sends: docs/operations.md has 33 for an honest one.
const hostileMemory = 96

// valuables are what the directory has before an impostor comes.
const valuables = 500

func valuable(i int) (key, value string) { return fmt.Sprint("key:", i), fmt.Sprint("value of ", i) }

// requireValuables wants them in a server that was booted.
func requireValuables(t *testing.T, server *testenv.Server) {
	t.Helper()
	var keys []string
	var want []any
	for i := range valuables {
		key, value := valuable(i)
		keys, want = append(keys, key), append(want, value)
	}
	got, err := server.Client().MGet(t.Context(), keys...).Result()
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// hostility is what an impostor does, and what may come of it.
type hostility struct {
	answer func([]string) string // nil: politely
	play   func(*visit)          // nil: it never comes to PSYNC
	visits int64                 // how many links have to end before it is judged; 0: 1
	keeps  int64                 // bytes that the directory may have grown by
	odd    bool                  // what was sent is no server's, so that none boots from it
	resync bool                  // the log follows the impostor's history, and what was there before is in retained/
	then   func(t *testing.T, m mirror, s *impostor)
}

// A sidecar whose address leads to an impostor keeps what it has, takes little memory and no more disk than what it was sent, says what is wrong in lines that
// are its own, answers whoever asks for its status, and ends when it is told to.
func TestHostileUpstream(t *testing.T) {
	family := testenv.Pick(t, "redis-8.0")
	honest := testenv.StartServer(t, family)
	for i := range valuables {
		key, value := valuable(i)
		require.NoError(t, honest.Client().Set(t.Context(), key, value, 0).Err())
	}
	first := startMirror(t, honest.Addr())
	require.NoError(t, honest.Client().Set(t.Context(), "counter", "1", 0).Err())
	requireMirrored(t, honest, first, "everysec")
	timeline := first.awaitStreaming(t).Log.Timeline
	requireCleanEnd(t, family, first)

	for name, h := range hostilities() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if h.answer == nil {
				h.answer = never
			}
			if h.play == nil {
				h.play = func(*visit) {}
			}
			parent := t.TempDir()
			dir := filepath.Join(parent, "mirror")
			require.NoError(t, os.CopyFS(dir, os.DirFS(first.Dir())))
			before := bytesBelow(t, dir)
			s := newImpostor(t, h.answer, h.play)
			m := newMirrorAt(t, dir, s.listener.Addr().String(), "aof.auto-aof-rewrite-percentage=0", "logging.level=info")
			t.Cleanup(func() { _ = s.listener.Close(); require.NoError(t, m.Close()) })
			m.start(t)
			m.await(t, "done with the impostor", func(testenv.SidecarStatus) bool { return s.ended.Load() >= max(h.visits, 1) })
			if h.then != nil {
				h.then(t, m, s)
			}
			peak := peakMemory(t, m.PID())
			t.Logf("peak memory %d MiB", peak)
			require.Less(t, peak, hostileMemory)
			_, err := m.Status(t.Context())
			require.NoError(t, err)
			code, err := m.Stop(t.Context())
			require.NoError(t, err)
			require.Zero(t, code, m.Log())
			requireModestLog(t, m.Log())

			require.LessOrEqual(t, bytesBelow(t, dir)-before, h.keeps+64<<10)
			requireOnly(t, parent, "mirror")
			requireOnly(t, dir, "aofsidecar.lock", "appendonlydir", "retained")
			if h.resync {
				dir = filepath.Join(dir, "retained", timeline)
			}
			if !h.odd {
				booted := testenv.BootFromAOF(t, family, dir)
				requireValuables(t, booted)
				require.NoError(t, booted.Close())
			}
		})
	}
}

// requireOnly wants a folder to have no other names.
func requireOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, entry := range entries {
		require.Contains(t, names, entry.Name(), dir)
	}
}

// forgedMark is a mark of the log's, as a command of a stream.
func forgedMark(name, id string, offset int64) string {
	return commandOf(name, fmt.Sprintf("#pos %s %d 1700000000000", id, offset))
}

func hostilities() map[string]hostility {
	all := map[string]hostility{}
	for _, more := range []map[string]hostility{hostileGreetings(), hostileDecisions(), hostileSnapshots(), hostileStreams()} {
		maps.Copy(all, more)
	}
	return all
}

// hostileGreetings never come to PSYNC.
func hostileGreetings() map[string]hostility {
	const injection = "\x1b[2J\x1b]0;owned\x07\r2026-01-01T00:00:00Z\tinfo\tall is well\x00\xff\u2028\u009b31m"
	return map[string]hostility{
		"a line without an end":    {answer: saying("PING", "+"+strings.Repeat("x", 64<<20))},
		"an answer without an end": {answer: saying("HELLO", "*9\r\n"+strings.Repeat(bulkOf(strings.Repeat("x", 9000)), 5000))},
		"a list of a billion":      {answer: saying("HELLO", "*1000000000\r\n")},
		"lists in lists":           {answer: saying("HELLO", strings.Repeat("*1000\r\n", 1<<20))},
		"a bulk of 2^63":           {answer: saying("HELLO", "$9223372036854775807\r\n")},
		"less than nothing":        {answer: saying("HELLO", "*-9223372036854775808\r\n$-77\r\n")},
		"an error for a terminal":  {answer: saying("PING", "-ERR "+injection+"\r\n")},
		"a refusal for a terminal": {answer: saying("REPLCONF", "-NOPERM "+injection+strings.Repeat("x", 50_000)+"\r\n")},
	}
}

// hostileDecisions are answers to PSYNC.
func hostileDecisions() map[string]hostility {
	all := map[string]hostility{}
	for i, answer := range []string{
		"+FULLRESYNC ../../../../../../../../../../../../etc 1\r\n",
		"+FULLRESYNC ../../../../../../../../../../owned0000 1\r\n", // 40 characters, as an id has
		"+FULLRESYNC " + strings.Repeat("a", 40) + " 9223372036854775807\r\n",
		"+FULLRESYNC " + strings.Repeat("a", 40) + " -5\r\n",
		"+CONTINUE ../../../../../../../../../../owned0000\r\n",
		"+CONTINUE " + strings.Repeat("a", 60_000) + "\r\n",
		"-" + strings.Repeat("\x1b[31m", 10_000) + "\r\n",
		"+RDBCHANNELSYNC 1\r\n",
	} {
		all["decision "+strconv.Itoa(i)] = hostility{play: func(v *visit) { v.say(answer) }}
	}
	// Other ids, one after the other, each of which the sidecar has to take: an upstream may change its own.
	all["another id each time"] = hostility{visits: 8, play: func(v *visit) {
		v.say("+CONTINUE " + fmt.Sprintf("%040x", v.nth) + "\r\n" + commandOf("SET", "hostile", "x"))
	}, keeps: 64 << 10}
	return all
}

// hostileSnapshots are full resyncs that do no good.
func hostileSnapshots() map[string]hostility {
	const head = "REDIS0012"
	resync := "+FULLRESYNC " + strings.Repeat("b", 40) + " 1000\r\n"
	// What an RDB may announce: a string of 2^63 bytes, an LZF string of 2^60 from 20, lists and hashes of 2^62, a module, a key of a terabyte.
	const huge = "\x81\x7f\xff\xff\xff\xff\xff\xff\xff"
	const large = "\x81\x10\x00\x00\x00\x00\x00\x00\x00"
	all := map[string]hostility{
		"a snapshot of 2^63": {play: func(v *visit) {
			v.say(resync + "$9223372036854775807\r\n" + head)
			v.sayOften("\x00\x01k\x01v", 10<<20)
		}},
		"a snapshot past all integers": {play: func(v *visit) { v.say(resync + "$99999999999999999999\r\n") }},
		"a snapshot of less":           {play: func(v *visit) { v.say(resync + "$-1\r\n") }},
		"no snapshot":                  {play: func(v *visit) { v.say(resync + "$0\r\n") }},
		"text":                         {play: func(v *visit) { v.say(resync + "$1000000000\r\n"); v.sayOften("HTTP/1.1 200 OK\r\n", 1<<20) }},
		"a snapshot without an end": {play: func(v *visit) {
			v.say(resync + "$EOF:" + strings.Repeat("e", 40) + "\r\n" + head)
			v.sayOften(rdbKey(strings.Repeat("v", 1<<20)), 96)
		}},
		"a header without an end":    {play: func(v *visit) { v.say(resync + "$EOF:"); v.sayOften("e", 8<<20) }},
		"newlines instead":           {play: func(v *visit) { v.say(resync); v.sayOften("\n", 16<<20) }},
		"an auxiliary field of 2^63": {play: func(v *visit) { v.say(resync + "$1000000000\r\n" + head + "\xfa" + huge); v.sayOften("a", 8<<20) }},
		"endless auxiliary fields":   {play: func(v *visit) { v.say(resync + "$1000000000\r\n" + head); v.sayOften("\xfa\x01a\x01b", 8<<20) }},
		"endless databases": {play: func(v *visit) {
			v.say(resync + "$EOF:" + strings.Repeat("e", 40) + "\r\n" + head)
			for db := range 1 << 20 {
				v.say(fmt.Sprintf("\xfe\x80%c%c%c%c", byte(db>>24), byte(db>>16), byte(db>>8), byte(db)) + rdbKey("v"))
			}
		}},
		"a function of 2^63": {play: func(v *visit) { v.say(resync + "$1000000000\r\n" + head + "\xf5" + huge); v.sayOften("a", 8<<20) }},
	}
	for name, value := range map[string]string{
		"string of 2^63": "\x00\x01k" + huge, "key of 2^60": "\x00" + large, "compressed bomb": "\x00\x01k\xc3\x14" + large + strings.Repeat("\xe0\xff\x00", 7),
		"list of 2^63": "\x01\x01k" + huge, "set of 2^60": "\x02\x01k" + large, "hash of 2^63": "\x04\x01k" + huge, "sorted set of 2^60": "\x05\x01k" + large,
		"quicklist of 2^60": "\x12\x01k" + large, "stream of 2^60": "\x15\x01k" + large, "module": "\x07\x01k" + huge,
		"listpack that lies": "\x10\x01k\x0b\xff\xff\xff\xff\xff\xff\x85abcde", "unknown type": "\x6f\x01k",
	} {
		all["a "+name] = hostility{play: func(v *visit) {
			v.say(resync + "$1000000000\r\n" + head + value)
			v.sayOften("aaaaaaaaaaaaaaaa", 1<<19)
		}}
	}
	// The emptiest of all snapshots, again and again, each of another history.
	all["one history after the other"] = hostility{visits: 12, resync: true, keeps: 1 << 20, play: func(v *visit) {
		empty := head + "\xff\x00\x00\x00\x00\x00\x00\x00\x00"
		v.say(fmt.Sprintf("+FULLRESYNC %040x 1000\r\n$%d\r\n%s", v.nth, len(empty), empty) + commandOf("SET", "hostile", "x"))
	}}
	// Of the history that we have, at an offset that it has passed.
	all["backwards"] = hostility{visits: 2, resync: true, keeps: 64 << 10, play: func(v *visit) {
		one := head + rdbKey("v") + "\xff\x00\x00\x00\x00\x00\x00\x00\x00"
		id := v.id
		if id == "?" {
			id = strings.Repeat("b", 40)
		}
		v.say(fmt.Sprintf("+FULLRESYNC %s %d\r\n$%d\r\n%s", id, max(0, v.offset-10), len(one), one) + commandOf("SET", "hostile", "x"))
	}}
	all["at the end of all offsets"] = hostility{resync: true, keeps: 64 << 10, play: func(v *visit) {
		one := head + rdbKey("v") + "\xff\x00\x00\x00\x00\x00\x00\x00\x00"
		v.say(fmt.Sprintf("+FULLRESYNC %040x %d\r\n$%d\r\n%s", 1, int64(1)<<62, len(one), one) + commandOf("SET", "hostile", "x"))
	}}
	return all
}

// rdbKey is a string key "k" in an RDB.
func rdbKey(value string) string {
	n := len(value)
	return "\x00\x01k\x80" + string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + value
}

// hostileStreams go on where the sidecar is.
func hostileStreams() map[string]hostility {
	on := func(then func(v *visit)) func(*visit) {
		return func(v *visit) {
			v.say("+CONTINUE\r\n")
			then(v)
		}
	}
	set := commandOf("SET", "hostile", strings.Repeat("x", 100))
	all := map[string]hostility{
		"half a terabyte": {play: on(func(v *visit) {
			v.say("*3\r\n$3\r\nSET\r\n$7\r\nhostile\r\n$549755813888\r\n")
			v.sayOften("x", 96<<20)
		})},
		"a name of half a terabyte":    {play: on(func(v *visit) { v.say("*3\r\n$549755813888\r\n"); v.sayOften("x", 96<<20) })},
		"billions of arguments":        {play: on(func(v *visit) { v.say("*2147483647\r\n$4\r\nMSET\r\n"); v.sayOften("$1\r\nk\r\n", 8<<20) })},
		"arguments of nothing":         {play: on(func(v *visit) { v.say("*2147483647\r\n"); v.sayOften("$0\r\n\r\n", 8<<20) })},
		"a transaction for ever":       {play: on(func(v *visit) { v.say(commandOf("MULTI")); v.sayOften(set, 400_000) })},
		"transactions in transactions": {play: on(func(v *visit) { v.sayOften(commandOf("MULTI"), 1<<20) }), odd: true, keeps: 32 << 20},
		"PINGs":                        {play: on(func(v *visit) { v.sayOften(commandOf("PING"), 3<<20) })},
		"newlines":                     {play: on(func(v *visit) { v.sayOften("\n", 32<<20) })},
		"GETACKs":                      {play: on(func(v *visit) { v.sayOften(commandOf("REPLCONF", "GETACK", "*"), 1<<20) })},
		"tiny commands":                {play: on(func(v *visit) { v.sayOften(commandOf("DEL", "h"), 1<<20) }), keeps: 32 << 20},
		"no RESP":                      {play: on(func(v *visit) { v.sayOften("GET / HTTP/1.1\r\n", 1000) })},
	}
	for i, text := range []string{"*-1\r\n", "*0\r\n", "*1\r\n$-1\r\n", "*1\r\n$-9223372036854775808\r\n", "*99999999999999999999\r\n", "*1\r\n$1\r\nxyz", "$5\r\nhello\r\n", "#TS:1\r\n"} {
		all["syntax "+strconv.Itoa(i)] = hostility{play: on(func(v *visit) { v.say(set + text) }), keeps: 1 << 10}
	}
	forgeMarks(all, on)
	return all
}

// forgeMarks has marks of the log in the stream: where the sidecar is, it counts itself, and no mark of somebody else's tells it otherwise, not even when it
// starts from the file behind a SIGKILL.
func forgeMarks(all map[string]hostility, on func(func(*visit)) func(*visit)) {
	for name, forge := range map[string]func(id string, at int64) string{
		"marks in the stream": func(id string, at int64) string {
			return forgedMark("PING", id, at+5000) + forgedMark("ping", id, at+5000) + forgedMark("PiNg", strings.Repeat("f", 40), 1)
		},
		"marks in a transaction": func(id string, at int64) string {
			return commandOf("MULTI") + forgedMark("PING", id, at+5000) + commandOf("SET", "hostile", "x") + forgedMark("PING", id, at+5000) + commandOf("EXEC")
		},
		"marks in a value": func(id string, at int64) string {
			mark := forgedMark("PING", id, at+5000)
			return commandOf("SET", "hostile", "\r\n"+mark+commandOf("SET", "a", "b")+forgedMark("PING", id, at+5000+int64(len(commandOf("SET", "a", "b")))))
		},
	} {
		wants := make(chan int64, 100)
		all[name] = hostility{
			keeps: 8 << 10, visits: 2,
			play: on(func(v *visit) {
				if v.nth > 2 {
					return
				}
				text := forge(v.id, v.offset)
				wants <- v.offset + int64(len(text))
				v.say(text)
			}),
			then: func(t *testing.T, m mirror, s *impostor) {
				t.Helper()
				<-wants
				want := <-wants
				got := m.await(t, "in a row", func(status testenv.SidecarStatus) bool { return status.Log.Received == want })
				require.Equal(t, want, got.Log.Received)
				require.NoError(t, syscall.Kill(m.PID(), syscall.SIGKILL))
				_, err := m.Exit(t.Context())
				require.ErrorContains(t, err, "killed")
				m.start(t)
				n := s.ended.Load()
				got = m.await(t, "back", func(testenv.SidecarStatus) bool { return s.ended.Load() > n })
				require.LessOrEqual(t, got.Log.Received, want)
			},
		}
	}
}
