package keyspace

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// The oracle: the same commands on real servers and on a Space, which must agree on every key. The servers start when the first
// test asks for them, one for each family, and serve all tests of the package.
//
//	check(t, "RPUSH k a b c", `LSET k -1 "x\x00y"`)                  on all five
//	checkOn(t, having(testenv.FieldTTL), "HSET h f v", ...)         on those that want accepts
//	checkRandom(t, all, genCommand("INCRBY", genKey(), genInt()))   random sequences
//	checkReplay(t, all, "SET k v", "PEXPIREAT k 1")                 as a log that the server loads, times in the past
//
// What is compared: which commands are refused; the keys of all databases; TYPE, DEBUG DIGEST-VALUE, PEXPIRETIME, HPEXPIRETIME, XINFO
// STREAM FULL of each key, with what RESTORE makes of the Space's RDB body and with what its commands make; the functions. Beside it, each
// command runs on the keys alone that its plan names, and must come to the same.

// scratch is the database that the Space's values are restored into.
const scratch = 15

// tester is what testing.T, testing.F and rapid.T have in common.
type tester interface {
	require.TestingT
	Helper()
	Logf(format string, args ...any)
}

// want decides which servers a check is for.
type want func(testenv.Family) bool

func all(testenv.Family) bool { return true }

func having(f testenv.Feature) want {
	return func(family testenv.Family) bool { return family.Has(f) }
}

func lacking(f testenv.Feature) want {
	return func(family testenv.Family) bool { return !family.Has(f) }
}

// check runs commands, written as in redis-cli, on all five servers and on a Space. A command may begin with "SELECT 3".
func check(t tester, commands ...string) {
	t.Helper()
	checkOn(t, all, commands...)
}

// checkOn is check on the servers that w accepts.
func checkOn(t tester, w want, commands ...string) {
	t.Helper()
	checkArgs(t, w, split(t, commands))
}

// checkArgs is checkOn for commands that are split already.
func checkArgs(t tester, w want, commands [][]string) {
	t.Helper()
	for _, o := range oracles(t) {
		if w(o.family) {
			o.check(t, commands)
		}
	}
}

// oracle is one family's server.
type oracle struct {
	family testenv.Family
	format rdb.Format
	server *testenv.Server
	conn   *redis.Conn
	mu     sync.Mutex
	loads  int // that checkReplay asked for
}

// running holds the servers: TestMain is where they end.
var running struct {
	mu      sync.Mutex
	primary []*oracle
	loading []*oracle
}

// checksEnv says how many sequences each random test tries. They are drawn anew in each run, unless -rapid.seed is given.
const checksEnv = "AOFSIDECAR_KEYSPACE_CHECKS"

func TestMain(m *testing.M) {
	// Before the flags are parsed: -rapid.checks has the last word.
	if err := flag.Set("rapid.checks", cmp.Or(os.Getenv(checksEnv), "40")); err != nil {
		panic(err)
	}
	code := m.Run()
	for _, o := range append(running.primary, running.loading...) {
		if err := o.server.Close(); err != nil && code == 0 {
			code = 1
		}
	}
	os.Exit(code) //nolint:forbidigo // it is TestMain
}

// oracles returns the five servers.
func oracles(t tester) []*oracle {
	t.Helper()
	running.mu.Lock()
	defer running.mu.Unlock()
	if running.primary == nil {
		running.primary = startOracles(t)
	}
	return running.primary
}

// startOracles starts a server of each family, with further lines of configuration.
func startOracles(t tester, options ...testenv.Option) []*oracle {
	t.Helper()
	families, err := testenv.Families()
	require.NoError(t, err)
	started := make([]*oracle, 0, len(families))
	for _, family := range families {
		server, err := testenv.Start(context.Background(), family,
			append([]testenv.Option{testenv.WithConfig("sanitize-dump-payload yes", "loglevel notice")}, options...)...)
		require.NoError(t, err)
		o := &oracle{family: family, format: formatOf(family), server: server, conn: server.Client().Conn()}
		require.NoError(t, o.conn.Do(context.Background(), "DEBUG", "SET-ACTIVE-EXPIRE", "0").Err())
		started = append(started, o)
	}
	return started
}

// sharedTable is one for all: nothing changes a table.
var sharedTable = sync.OnceValue(NewTable)

// formatOf is what RDB a family writes (protocol.md 6.7).
func formatOf(family testenv.Family) rdb.Format {
	switch {
	case family.Dialect == testenv.Valkey && family.Version.Major >= 9:
		return rdb.Format{Dialect: rdb.Valkey, Version: 80}
	case family.Dialect == testenv.Valkey:
		return rdb.Format{Version: 11}
	case family.Version.Major >= 8:
		return rdb.Format{Version: 12}
	default:
		return rdb.Format{Version: 10}
	}
}

// newSpace returns a Space as the family's rewrite has it.
func (o *oracle) newSpace() *Space {
	return New(sharedTable(), Options{Format: o.format, Server: o.family.Version.String()})
}

// step is one command and what became of it.
type step struct {
	args    []string
	reply   *redis.Cmd
	refused bool // by the Space
	// harmless says that the plan is Nothing: what the server answers is of no account.
	harmless bool
}

func (s *step) String() string {
	words := make([]string, 0, len(s.args))
	for _, arg := range s.args {
		if word := strconv.Quote(arg); len(word) != len(arg)+2 || strings.Contains(arg, " ") || arg == "" {
			arg = word
		}
		words = append(words, arg)
	}
	text := strings.Join(words, " ")
	if len(text) > 300 {
		text = text[:300] + "..."
	}
	return text
}

// transcript lists the commands for a failure's message.
func transcript(steps []step) string {
	var b strings.Builder
	for i := range steps {
		said := any("not sent")
		if steps[i].reply != nil {
			said = steps[i].reply.Val()
			if err := steps[i].reply.Err(); err != nil {
				said = err
			}
		}
		text := fmt.Sprintf("%.200q", fmt.Sprint(said))
		fmt.Fprintf(&b, "  %s\n    server: %s, space refused: %t\n", &steps[i], text, steps[i].refused)
	}
	return b.String()
}

// check runs one case on one server.
func (o *oracle) check(t tester, commands [][]string) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	steps := make([]step, len(commands))
	space := o.runSpace(t, commands, steps)
	found := o.observe(t, space, steps)
	for i := range steps {
		if steps[i].harmless || steps[i].reply.Val() == "QUEUED" { // then its own reply is in that of EXEC
			continue
		}
		if err := steps[i].reply.Err(); serverSaid(err) != steps[i].refused {
			require.FailNow(t, "the server and the space do not agree on what fails",
				"%s\ncommand: %s\nserver: %v\nspace refused: %t\n%s", o.family, &steps[i], err, steps[i].refused, transcript(steps))
		}
	}
	for _, difference := range found {
		require.FailNow(t, "the server and the space differ", "%s\n%s\n%s", o.family, difference, transcript(steps))
	}
}

// serverSaid reports whether err is an error reply.
func serverSaid(err error) bool {
	var said redis.Error
	return errors.As(err, &said) && !errors.Is(err, redis.Nil)
}

// runSpace runs the commands on a new Space.
func (o *oracle) runSpace(t tester, commands [][]string, steps []step) *Space {
	t.Helper()
	space := o.newSpace()
	db := 0
	var plan Plan
	pictures := image{}
	for i, command := range commands {
		steps[i].args = command
		if strings.EqualFold(command[0], "select") {
			n, err := strconv.Atoi(command[1])
			require.NoError(t, err)
			db = n
			continue
		}
		args := toArgs(command)
		space.table.Plan(args, &plan)
		steps[i].harmless = plan.Effect == Nothing
		require.NotEqual(t, Unknown, plan.Effect, "not a command that a space runs: %s", &steps[i])
		before := space.refused
		if plan.Effect == Carry { // for arguments that this server refuses and a later one may know
			require.NoError(t, space.Run(db, args), "not a command that a space runs: %s", &steps[i])
			require.NotEqual(t, before, space.refused, "a command that a space runs is carried: %s", &steps[i])
			steps[i].refused = true
			continue
		}
		pictures = runPlanned(t, space, pictures, db, args, &plan, &steps[i])
		steps[i].refused = space.refused != before
	}
	return space
}

func toArgs(command []string) [][]byte {
	args := make([][]byte, len(command))
	for i, arg := range command {
		args[i] = []byte(arg)
	}
	return args
}

// dumpPayload is what DUMP answers for the body.
func dumpPayload(t rdb.Type, body []byte, version int) []byte {
	payload := append([]byte{byte(t)}, body...)
	payload = binary.LittleEndian.AppendUint16(payload, uint16(version))
	sum := rdb.NewCRC64()
	_, _ = sum.Write(payload)
	return sum.Sum(payload)
}

// split splits commands as redis-cli does: words, "..." with \xHH \n \r \t \b \a \" \\, and '...'.
func split(t tester, commands []string) [][]string {
	t.Helper()
	lists := make([][]string, len(commands))
	for i, command := range commands {
		rest := strings.TrimLeft(command, " ")
		for rest != "" {
			word, after, ok := splitWord(rest)
			require.True(t, ok, "quotes in %s", command)
			lists[i] = append(lists[i], word)
			rest = strings.TrimLeft(after, " ")
		}
		require.NotEmpty(t, lists[i], "command %d", i)
	}
	return lists
}

func splitWord(s string) (word, rest string, ok bool) {
	switch s[0] {
	case '"':
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			return "", "", false
		}
		word, err = strconv.Unquote(quoted)
		return word, s[len(quoted):], err == nil
	case '\'':
		return strings.Cut(s[1:], "'")
	default:
		word, rest, _ = strings.Cut(s, " ")
		return word, rest, true
	}
}
