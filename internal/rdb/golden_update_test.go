package rdb_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// updateGolden writes the files of one family:
//
//	scripts/servers.sh && go test ./internal/rdb -run TestGolden -update
func updateGolden(t *testing.T, family string) {
	t.Helper()
	s := startServer(t, family, "maxmemory-policy allkeys-lfu")
	s.do("DEBUG", "SET-ACTIVE-EXPIRE", "0")
	s.psync() // from now on there is a history, whose position snapshots name
	s.populate()
	snapshot := s.psync()
	s.requireSame(snapshot)
	writeGolden(t, family, snapshot)

	s.dropLarge()
	s.do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	s.do("CONFIG", "SET", "rdbcompression", "no")
	saved := s.save()
	s.requireSame(saved)
	writeGolden(t, family+"-save", saved)

	c := startServer(t, family, "cluster-enabled yes", "cluster-port "+strconv.Itoa(freePort(t)))
	c.do("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	c.says("cluster_state:ok", "CLUSTER", "INFO")
	for i := range 20 {
		c.do("SET", fmt.Sprintf("{%d}key", i%5), "value")
	}
	writeGolden(t, family+"-cluster", c.save())
}

func writeGolden(t *testing.T, name, rdbFile string) {
	t.Helper()
	require.Less(t, len(rdbFile), 200<<10)
	require.NoError(t, os.MkdirAll("testdata", 0o755))
	require.NoError(t, os.WriteFile(filepath.Join("testdata", name+".rdb"), []byte(rdbFile), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join("testdata", name+".txt"), []byte(listing(t, rdbFile)), 0o644))
}

// server is a running server and one connection to it.
type server struct {
	*testenv.Server
	t    *testing.T
	conn *redis.Conn
}

func startServer(t *testing.T, family string, config ...string) *server {
	t.Helper()
	s := &server{t: t, Server: testenv.StartServer(t, testenv.Pick(t, family), testenv.WithConfig(config...))}
	s.conn = s.Client().Conn()
	t.Cleanup(func() { _ = s.conn.Close() })
	return s
}

// do runs a command, which must succeed.
func (s *server) do(args ...any) *redis.Cmd {
	s.t.Helper()
	cmd := s.conn.Do(s.t.Context(), args...)
	require.NoError(s.t, cmd.Err(), "%.200q", args)
	return cmd
}

// says waits until the reply to a command contains text.
func (s *server) says(text string, args ...any) {
	s.t.Helper()
	testenv.Eventually(s.t, text, func(ctx context.Context) (string, bool) {
		reply, err := s.conn.Do(ctx, args...).Text()
		return reply, err == nil && strings.Contains(reply, text)
	})
}

// keys selects a database and returns its keys.
func (s *server) keys(db int) []string {
	s.t.Helper()
	s.do("SELECT", db)
	keys, err := s.do("KEYS", "*").StringSlice()
	require.NoError(s.t, err)
	return keys
}

// save returns what SAVE writes.
func (s *server) save() string {
	s.t.Helper()
	s.says("rdb_bgsave_in_progress:0", "INFO", "persistence")
	s.do("SAVE")
	b, err := os.ReadFile(filepath.Join(s.Dir(), "dump.rdb"))
	require.NoError(s.t, err)
	return string(b)
}

// psync returns the snapshot that a replica gets.
func (s *server) psync() string {
	s.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(s.t.Context(), "tcp", s.Addr())
	require.NoError(s.t, err)
	defer func() { require.NoError(s.t, conn.Close()) }()
	in := bufio.NewReader(conn)
	line := func(args ...string) string {
		_, err := conn.Write(resp.AppendCommandStrings(nil, args...))
		require.NoError(s.t, err)
		reply := "\n"
		for reply == "\n" {
			reply, err = in.ReadString('\n')
			require.NoError(s.t, err)
		}
		return strings.TrimSpace(reply)
	}
	require.Equal(s.t, "+OK", line("REPLCONF", "capa", "eof", "capa", "psync2"))
	line("REPLCONF", "version", "9.0.0") // not all know it
	require.Contains(s.t, line("PSYNC", "?", "-1"), "+FULLRESYNC")
	mark, found := strings.CutPrefix(line(), "$EOF:")
	require.True(s.t, found)
	var b bytes.Buffer
	for !bytes.HasSuffix(b.Bytes(), []byte(mark)) {
		c, err := in.ReadByte()
		require.NoError(s.t, err)
		b.WriteByte(c)
	}
	return strings.TrimSuffix(b.String(), mark)
}

// requireSame compares the keys and expiry times of a file with the server's own.
func (s *server) requireSame(rdbFile string) {
	s.t.Helper()
	want, got := map[string]int64{}, map[string]int64{}
	for db := range 16 {
		for _, key := range s.keys(db) {
			expire, err := s.do("PEXPIRETIME", key).Int64()
			require.NoError(s.t, err)
			want[fmt.Sprint(db, " ", key)] = expire
		}
	}
	for _, it := range readItems(s.t, strings.NewReader(rdbFile), func(int) bool { return false }) {
		if it.item.Kind != rdb.KeyItem {
			continue
		}
		expire := int64(-1)
		if it.item.HasExpire {
			expire = it.item.Expire
		}
		got[fmt.Sprint(it.item.DB, " ", string(it.item.Key))] = expire
	}
	require.NotEmpty(s.t, want)
	require.Equal(s.t, want, got)
}

// populate fills three databases with every type and encoding that the server has.
func (s *server) populate() {
	s.t.Helper()
	s.do("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)")
	s.strings()
	s.do("SELECT", "3")
	s.aggregates("small", 3)
	s.do("SELECT", "15")
	s.aggregates("large", 520)
	s.do("RPUSH", "list plain", "a", noise(9000), strings.Repeat("z", 20_000), "b")
	s.streams()
	if s.Family.Has(testenv.FieldTTL) {
		s.fieldExpiry()
	}
	if s.Family.Has(testenv.VectorSets) { // a vector set is the value of a module
		s.do("VADD", "vectors", "VALUES", "3", "1", "2", "3", "element")
	}
}

// noise is text that does not compress.
func noise(n int) string {
	rng := rand.New(rand.NewPCG(17, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return string(b)
}

const future = "4102444800000" // 2100-01-01

func (s *server) strings() {
	s.t.Helper()
	for i, value := range []string{
		"", "v", "0", "-1", "127", "-129", "32767", "-32769", "2147483647", "2147483648", "9223372036854775807", "007", "1.5",
		noise(63), noise(64), noise(16384), strings.Repeat("ab", 20_000), "\x00\xff\r\n",
	} {
		s.do("SET", "string:"+strconv.Itoa(i), value)
	}
	for _, key := range []string{"12", "-32768", "1234567", "", "\x00\xff", strings.Repeat("k", 200), noise(100)} {
		s.do("SET", key, "value")
	}
	s.do("SET", "expires", "v", "PXAT", future)
	s.do("SET", "expires compressed", strings.Repeat("x", 100), "PXAT", future)
	s.do("SET", "bits", "")
	s.do("SETBIT", "bits", "10000", "1")
	s.do("PFADD", "hll sparse", "a", "b", "c")
	s.do("GEOADD", "geo", "13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania")
	for range 100 {
		s.do("GET", "expires") // a frequency above the rest
	}
}

// aggregates writes n elements, and for n over the servers' limits the plain encodings.
func (s *server) aggregates(prefix string, n int) {
	s.t.Helper()
	for i := range n {
		e := strconv.Itoa(i)
		s.do("RPUSH", prefix+" list", "element "+e)
		s.do("SADD", prefix+" set", "member "+e)
		s.do("SADD", prefix+" intset 16", e)
		s.do("SADD", prefix+" intset 32", strconv.Itoa(i*100_000))
		s.do("SADD", prefix+" intset 64", strconv.Itoa(i*10_000_000_000))
		s.do("ZADD", prefix+" zset", strconv.FormatFloat(float64(i)/3, 'g', -1, 64), "member "+e)
		s.do("HSET", prefix+" hash", "field "+e, "value "+e)
	}
	s.do("ZADD", prefix+" zset", "inf", "inf", "-inf", "-inf")
	s.do("SADD", prefix+" set long", noise(200), "short", "12")
	s.do("HSET", prefix+" hash long", "f", strings.Repeat("long", 100), noise(100), "17")
	s.do("PEXPIREAT", prefix+" zset", future)
}

// dropLarge keeps the uncompressed files small.
func (s *server) dropLarge() {
	s.t.Helper()
	for db := range 16 {
		for _, key := range s.keys(db) {
			size, err := s.do("MEMORY", "USAGE", key).Int64()
			require.NoError(s.t, err)
			if size > 10_000 {
				s.do("DEL", key)
			}
		}
	}
}

func (s *server) streams() {
	s.t.Helper()
	s.do("XGROUP", "CREATE", "stream empty", "group", "$", "MKSTREAM")
	for i := range 250 {
		s.do("XADD", "stream", strconv.Itoa(1000+i)+"-1", "field", "value "+strconv.Itoa(i), "n", strconv.Itoa(i))
	}
	s.do("XDEL", "stream", "1010-1", "1011-1")
	s.do("XGROUP", "CREATE", "stream", "g1", "0")
	s.do("XGROUP", "CREATE", "stream", "g2", "1100-1")
	s.do("XGROUP", "CREATECONSUMER", "stream", "g2", "idle")
	s.do("XREADGROUP", "GROUP", "g1", "alice", "COUNT", "10", "STREAMS", "stream", ">")
	s.do("XREADGROUP", "GROUP", "g1", "bob", "COUNT", "5", "STREAMS", "stream", ">")
	s.do("XACK", "stream", "g1", "1000-1")
	s.do("XADD", "stream deleted", "1-1", "f", "v")
	s.do("XDEL", "stream deleted", "1-1")
}

func (s *server) fieldExpiry() {
	s.t.Helper()
	s.do("HSET", "fields small", "a", "1", "b", "2", "c", "3")
	s.do("HPEXPIREAT", "fields small", future, "FIELDS", "2", "a", "b")
	for i := range 520 {
		s.do("HSET", "fields large", "field "+strconv.Itoa(i), "value")
	}
	s.do("HPEXPIREAT", "fields large", future, "FIELDS", "2", "field 7", "field 8")
	s.do("HSET", "fields over", "a", "1", "b", "2")
	s.do("HPEXPIRE", "fields over", "1", "FIELDS", "1", "a")
}

// freePort returns a port that was free just now.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr, err := netip.ParseAddrPort(l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return int(addr.Port())
}
