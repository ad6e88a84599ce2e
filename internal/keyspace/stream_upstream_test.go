package keyspace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// upstream is a server whose log is read: what it propagates for commands that ask for the time, for consumers, or for about so many.
type upstream struct {
	*oracle
	log string
}

// newUpstreams starts five servers. Nodes are small, so that trims of about so many entries find whole ones.
func newUpstreams(t *testing.T) (list []*upstream) {
	t.Helper()
	families, err := testenv.Families()
	require.NoError(t, err)
	for _, family := range families {
		server := testenv.StartServer(t, family, testenv.WithConfig("appendonly yes", "appendfsync no",
			"auto-aof-rewrite-percentage 0", "stream-node-max-entries 4"))
		o := &oracle{family: family, format: formatOf(family), server: server, conn: server.Client().Conn()}
		logs, err := filepath.Glob(filepath.Join(server.Dir(), "appendonlydir", "*.incr.aof"))
		require.NoError(t, err)
		require.Len(t, logs, 1)
		list = append(list, &upstream{oracle: o, log: logs[0]})
	}
	return list
}

// run runs the commands, and what the log has of them on a Space, and returns the stream s of both.
func (u *upstream) run(t tester, commands []string) (theirs, ours *rdb.Stream, logged string) {
	t.Helper()
	ctx := context.Background()
	require.NoError(t, u.conn.Do(ctx, "FLUSHALL").Err())
	before, err := os.Stat(u.log)
	require.NoError(t, err)
	for _, command := range split(t, commands) {
		args := make([]any, len(command))
		for i, arg := range command {
			args[i] = arg
		}
		_ = u.conn.Do(ctx, args...).Err() // refused or not: the log says
	}
	payload, err := u.conn.Do(ctx, "DUMP", "s").Text()
	require.NoError(t, err, commands)
	theirs, err = rdb.DecodeStream(u.format, rdb.Type(payload[0]), []byte(payload[1:len(payload)-10]))
	require.NoError(t, err)
	all, err := os.ReadFile(u.log)
	require.NoError(t, err)
	space, logged := u.replay(t, all[before.Size():])
	e := space.db(0).find([]byte("s"))
	require.NotNil(t, e, logged)
	typ, body := e.value.appendRDB(nil, u.format)
	ours, err = rdb.DecodeStream(u.format, typ, body)
	require.NoError(t, err)
	return theirs, ours, logged
}

// replay runs a log on a Space; nothing in it may have to be carried.
func (u *upstream) replay(t tester, log []byte) (*Space, string) {
	t.Helper()
	space := u.newSpace()
	space.SetTime(time.Now().UnixMilli())
	r := resp.NewReader(bytes.NewReader(log))
	var said strings.Builder
	var plan Plan
	for {
		c, err := r.Next()
		if errors.Is(err, io.EOF) {
			return space, said.String()
		}
		require.NoError(t, err)
		for _, arg := range c.Args {
			fmt.Fprintf(&said, "%s ", arg)
		}
		said.WriteString("\n")
		space.table.Plan(c.Args, &plan)
		switch {
		case isWord(c.Args[0], "MULTI"), isWord(c.Args[0], "EXEC"), isWord(c.Args[0], "SELECT"):
			continue
		}
		require.Equal(t, Run, plan.Effect, "%s", said.String())
		require.NoError(t, space.Run(0, c.Args))
		require.Zero(t, space.Refused(), "%s", said.String())
	}
}

// listed is what XINFO STREAM FULL shows, less the times of consumers.
func listed(s *rdb.Stream) string {
	var b strings.Builder
	fmt.Fprintf(&b, "length %d last %v first %v deleted %v added %d\n", s.Length, s.LastID, s.FirstID, s.MaxDeletedID, s.EntriesAdded)
	for _, node := range s.Nodes {
		n := streamNode(node)
		for r := n.entries(); r.next(); {
			if r.deleted() {
				r.skip()
				continue
			}
			fmt.Fprint(&b, r.id)
			r.each(func(field, value rdb.ListpackEntry) {
				fmt.Fprintf(&b, " %q=%q", field.AppendTo(nil), value.AppendTo(nil))
			})
			b.WriteString("\n")
		}
	}
	for _, g := range s.Groups {
		fmt.Fprintf(&b, "group %q last %v read %d pending %v\n", g.Name, g.LastID, g.EntriesRead, g.Pending)
		for _, c := range g.Consumers {
			fmt.Fprintf(&b, "consumer %q pending %v\n", c.Name, c.Pending)
		}
	}
	return b.String()
}

func TestStreamsAsUpstreamsPropagate(t *testing.T) {
	t.Parallel()
	upstreams := newUpstreams(t)
	commands := genUpstreamCommand()
	rapid.Check(t, func(rt *rapid.T) {
		list := append([]string{"XGROUP CREATE s g 0 MKSTREAM", "XGROUP CREATE s h $"}, rapid.SliceOfN(commands, 20, 100).Draw(rt, "commands")...)
		for _, u := range upstreams {
			theirs, ours, logged := u.run(rt, list)
			forget(theirs, ours)
			if u.format.Version == 10 { // Redis 7.0 does not propagate what XREADGROUP makes of it
				for i := range theirs.Groups {
					theirs.Groups[i].EntriesRead = ours.Groups[i].EntriesRead
				}
			}
			require.Equal(rt, listed(theirs), listed(ours), "%s\n%s\nlogged:\n%s", u.family, strings.Join(list, "\n"), logged)
			requireTimes(rt, u, theirs, ours)
		}
	})
}

// requireTimes compares when consumers were seen, which we can only guess, and active, which TIME says unless a client claimed with IDLE.
func requireTimes(t tester, u *upstream, theirs, ours *rdb.Stream) {
	t.Helper()
	for i, g := range theirs.Groups {
		for j, c := range g.Consumers {
			mine := ours.Groups[i].Consumers[j]
			require.InDelta(t, c.SeenMs, mine.SeenMs, float64(time.Hour.Milliseconds()), "%s", u.family)
			if u.format.Version > 10 {
				require.LessOrEqual(t, mine.ActiveMs, c.ActiveMs, "%s", u.family)
				require.GreaterOrEqual(t, mine.ActiveMs, c.ActiveMs-claimedIdle, "%s", u.family)
			}
		}
	}
}

// forget takes out of theirs the consumers with nothing pending that ours lacks: a server propagates none that a XREADGROUP, XCLAIM or XAUTOCLAIM
// has made and given nothing.
func forget(theirs, ours *rdb.Stream) {
	for i := range theirs.Groups {
		theirs.Groups[i].Consumers = slices.DeleteFunc(theirs.Groups[i].Consumers, func(c rdb.StreamConsumer) bool {
			return len(c.Pending) == 0 && !slices.ContainsFunc(ours.Groups[i].Consumers, func(o rdb.StreamConsumer) bool { return string(o.Name) == string(c.Name) })
		})
	}
}

// claimedIdle is how long clients say that what they claim was idle, in milliseconds.
const claimedIdle = 1000

// genUpstreamCommand makes what clients send.
func genUpstreamCommand() *rapid.Generator[string] {
	id := rapid.Map(rapid.IntRange(0, 40), func(n int) string { return fmt.Sprintf("1-%d", n) })
	number := rapid.IntRange(0, 12)
	return rapid.Custom(func(t *rapid.T) string {
		group := rapid.SampledFrom([]string{"g", "h"}).Draw(t, "group")
		consumer := rapid.SampledFrom([]string{"c", "d", "e"}).Draw(t, "consumer")
		in := group + " " + consumer
		n := number.Draw(t, "n")
		some := rapid.SampledFrom([]string{"", " MAXLEN ~ %d", " MAXLEN = %d", " MINID ~ 1-%d", " MINID 1-%d", " MAXLEN ~ %d LIMIT 5"}).Draw(t, "trim")
		if some != "" {
			some = fmt.Sprintf(some, n)
		}
		switch rapid.IntRange(0, 13).Draw(t, "command") {
		case 0, 1, 2:
			return "XADD s" + some + " 1-* a " + rapid.SampledFrom([]string{"b", "1", "x y z"}).Draw(t, "v")
		case 3, 4, 5:
			return "XREADGROUP GROUP " + in + fmt.Sprintf(" COUNT %d", n) + rapid.SampledFrom([]string{"", "", " NOACK"}).Draw(t, "noack") + " STREAMS s >"
		case 6:
			return "XACK s " + group + " " + id.Draw(t, "a") + " " + id.Draw(t, "b")
		case 7:
			return "XDEL s " + id.Draw(t, "a") + " " + id.Draw(t, "b")
		case 8:
			return "XCLAIM s " + in + " 0 " + id.Draw(t, "a") + rapid.SampledFrom([]string{"", " FORCE", fmt.Sprintf(" IDLE %d", claimedIdle), " RETRYCOUNT 5 JUSTID", " FORCE LASTID 1-5"}).Draw(t, "options")
		case 9:
			return "XAUTOCLAIM s " + in + fmt.Sprintf(" 0 - COUNT %d", n+1) + rapid.SampledFrom([]string{"", " JUSTID"}).Draw(t, "justid")
		case 10:
			if some == "" {
				return "XTRIM s MAXLEN 10"
			}
			return "XTRIM s" + some
		case 11:
			return "XGROUP " + rapid.SampledFrom([]string{"CREATECONSUMER s ", "DELCONSUMER s "}).Draw(t, "sub") + in
		case 12:
			return "XGROUP SETID s " + group + " " + rapid.SampledFrom([]string{"$", "0", "1-3 ENTRIESREAD 3"}).Draw(t, "id")
		default:
			return "XSETID s 1-50 ENTRIESADDED 60"
		}
	})
}
