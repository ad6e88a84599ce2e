package e2e_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aofsidecar/aofsidecar/aof/fold"
	"github.com/aofsidecar/aofsidecar/internal/testenv"
	"github.com/aofsidecar/aofsidecar/internal/testenv/workload"
)

// foldCounts say what a test came to.
type foldCounts struct {
	Cases, Rounds, Folds, Boots, Commands int
	Rewrites                              int   // by the program
	Bytes                                 int   // of increments
	Keys                                  int64 // in the last base of each case
	Copied, Touched, Carried, Refused     int64
}

func (c *foldCounts) add(o foldCounts) {
	c.Cases += o.Cases
	c.Rounds += o.Rounds
	c.Folds += o.Folds
	c.Boots += o.Boots
	c.Rewrites += o.Rewrites
	c.Commands += o.Commands
	c.Bytes += o.Bytes
	c.Keys += o.Keys
	c.Copied += o.Copied
	c.Touched += o.Touched
	c.Carried += o.Carried
	c.Refused += o.Refused
}

// foldCase is an upstream, a real replica, a sidecar that records it, and the bases that were folded so far.
type foldCase struct {
	*testing.T

	family   testenv.Family
	rng      *rand.Rand
	config   []string // of upstream and booted servers
	upstream *testenv.Server
	replica  *testenv.Server
	m        mirror
	work     *workload.Workload
	bulk     bulk
	edges    edges
	carries  bool // some commands are such as the fold cannot run
	hashes   bool // a raw log can be compared by hashes, too

	log   recorded
	all   [][]byte // increments of all rounds
	base  []byte   // what the last round folded
	count foldCounts
}

// foldRounds is one case: all that is drawn for it comes from the seed.
func foldRounds(t *testing.T, family testenv.Family, seed uint64) foldCounts {
	t.Helper()
	c := newFoldCase(t, family, seed)
	rounds := 3
	if foldFor(t) > 0 {
		rounds = 3 + c.rng.IntN(6)
	}
	for round := range rounds {
		c.round(round)
	}
	require.Equal(t, int64(2), requireResyncs(t, c.upstream).full, "another snapshot was taken")
	c.count.Cases, c.count.Commands = 1, c.work.Stats().Total()+c.bulk.commands
	return c.count
}

func newFoldCase(t *testing.T, family testenv.Family, seed uint64) *foldCase {
	t.Helper()
	h := fnv.New64()
	_, _ = h.Write([]byte(family.Name)) // it cannot fail
	c := &foldCase{T: t, family: family, rng: rand.New(rand.NewPCG(seed, h.Sum64()))}
	c.carries = c.oneIn(4)
	options := c.options()
	t.Logf("AOFSIDECAR_E2E_SEED=%d: %+v, carries: %t, config: %q, files: %s", seed, options, c.carries, c.config, t.ArtifactDir())
	c.bulk = bulk{rng: c.rng, databases: options.Databases, keys: options.Keys}
	c.edges = newEdges(c.rng, options)

	c.upstream = testenv.StartServer(t, family, testenv.WithConfig(c.config...))
	require.NoError(t, c.upstream.Client().Do(t.Context(), "DEBUG", "SET-ACTIVE-EXPIRE", "0").Err())
	c.upstream.Client().AddHook(&anyCase{rng: rand.New(rand.NewPCG(seed, 0)), oneField: !options.LongExpiry})
	if c.oneIn(3) {
		options.MigrateTo = testenv.StartServer(t, family).Addr()
	}
	c.work = workload.New(c.rng.Uint64(), family, options)
	c.cold(2000)
	write(t, c.upstream, c.work, 200)
	c.bulk.write(t, c.upstream, 20)
	c.m = startMirror(t, c.upstream.Addr(), "aof.increment-size=64kb", fmt.Sprintf("aof.aof-timestamp-enabled=%t", c.oneIn(2)),
		fmt.Sprintf("aof.aof-use-rdb-preamble=%t", !c.oneIn(4)), unlimitedCarry)
	// From the same data, which has what the stream does not say.
	c.replica = testenv.StartServer(t, family, testenv.WithConfig(c.config...), testenv.ReplicaOf(c.upstream))
	testenv.CaughtUp(t, c.upstream, c.replica)
	return c
}

func (c *foldCase) oneIn(n int) bool { return c.rng.IntN(n) == 0 }

// options draws what is written, and how the servers are set up.
func (c *foldCase) options() workload.Options {
	o := workload.Options{
		Databases: 1 + c.rng.IntN(4), Keys: 4 + c.rng.IntN(20), BigValueBytes: 100_000, LongExpiry: c.oneIn(3), FlushOften: c.oneIn(6),
		NoBlocking: !c.oneIn(4), NoStoreDist: !c.carries, NoVectorSets: !c.carries,
	}
	// What is carried is loaded by the server, with its own mistakes.
	hazard := c.family.Has(testenv.FieldTTLReplayHazard)
	if c.oneIn(4) {
		o.BigValueBytes = 3 << 20
	}
	c.config = []string{"repl-backlog-size 64mb"} // for what is written while the sidecar is stopped
	o.NoFieldTTL = hazard && c.carries || c.oneIn(8)
	o.NoSortByNumber = !c.family.Has(testenv.SortByNumber)
	c.hashes = !hazard || o.NoFieldTTL
	for _, choice := range [][]string{
		{"list-max-listpack-size 5", "list-max-listpack-size -1", "list-compress-depth 1"},
		{"hash-max-listpack-entries 4", "set-max-intset-entries 20", "zset-max-listpack-entries 6"},
		{"stream-node-max-entries 5", "stream-node-max-bytes 200"},
		{"rdbcompression no"},
	} {
		if c.oneIn(3) {
			c.config = append(c.config, choice[c.rng.IntN(len(choice))])
		}
	}
	if c.carries && c.oneIn(2) {
		for _, name := range []string{"APPEND", "SMOVE", "HSETNX", "LPUSHX"} {
			c.config = append(c.config, "rename-command "+name+" "+stranger+name)
		}
	}
	return o
}

// cold writes keys that are seldom touched.
func (c *foldCase) cold(n int) {
	pipe := c.upstream.Client().Pipeline()
	for i := range n {
		switch key := fmt.Sprintf("cold:%d", i); i % 5 {
		case 0:
			pipe.HSet(c.Context(), key, "f", i, "g", "text")
		case 1:
			pipe.RPush(c.Context(), key, 1, "two", i)
		default:
			pipe.Set(c.Context(), key, fmt.Sprintf("value %d", i), 0)
		}
	}
	_, err := pipe.Exec(c.Context())
	require.NoError(c, err)
}

// round writes, folds, and compares.
func (c *foldCase) round(n int) {
	if c.m.PID() == 0 {
		c.m.start(c.T)
		c.m.awaitStreaming(c.T)
	}
	for range 1 + c.rng.IntN(4) {
		write(c.T, c.upstream, c.work, 50+c.rng.IntN(250))
		c.bulk.write(c.T, c.upstream, c.rng.IntN(15))
		c.bulk.send(c.T, c.upstream, 100+c.rng.IntN(200), func() [][]any { return [][]any{c.edges.draw()} })
		c.strangers()
	}
	release, err := testenv.Freeze(c.Context(), c.upstream.Client())
	require.NoError(c, err)
	testenv.Eventually(c, "the mirror to have all of the stream", func(ctx context.Context) (testenv.SidecarStatus, bool) {
		return c.m.inStep(ctx, c.upstream, "everysec")
	})
	testenv.CaughtUp(c, c.upstream, c.replica)
	if c.oneIn(3) {
		code, err := c.m.Stop(c.Context())
		require.NoError(c, err)
		require.Zero(c, code)
	}
	c.fold(n)
	if c.oneIn(2) {
		c.rewrite(n)
	}
	require.NoError(c, release(c.Context()))
	c.count.Rounds++
}

// unlimitedCarry lets a rewrite carry as much as there is.
const unlimitedCarry = "aof.auto-aof-rewrite-percentage=100000"

// rewrite lets the sidecar, or without one the program, do in its directory what the test does with a copy, and goes on with what came of it.
func (c *foldCase) rewrite(n int) {
	args := []string{"rewrite", "--wait", "--set", "control.socket=" + c.m.Socket(), "--set", "aof.dir=" + c.m.Dir(), "--set", unlimitedCarry}
	if c.m.PID() == 0 && c.renamed() { // only the upstream would know the keys
		return
	}
	done := aofsidecar(c.T, args...)
	require.Zero(c, done.code, "%+v", done)
	c.count.Rewrites++
	var options []testenv.FingerprintOption
	if rdbOnly := c.log.rewritten(c.T, c.m.Dir()); !rdbOnly && !c.hashes { // what is carried is a raw log to the server
		options = append(options, testenv.IgnoreHashes())
	}
	c.requireEqual(fmt.Sprintf("round %d, the sidecar's own", n), c.m.Dir(), options...)
	verified := aofsidecar(c.T, "verify", "--set", "aof.dir="+c.m.Dir())
	require.Zero(c, verified.code, "%+v", verified)
}

// renamed reports whether some commands have names that nobody knows.
func (c *foldCase) renamed() bool {
	return slices.Contains(c.config, "rename-command APPEND "+stranger+"APPEND")
}

// strangers writes commands whose names only the servers know.
func (c *foldCase) strangers() {
	if !c.renamed() {
		return
	}
	key := func(kind string) string { return fmt.Sprintf("%s:%d", kind, c.rng.IntN(c.bulk.keys)) }
	for range 10 {
		for _, args := range [][]any{
			{stranger + "APPEND", key("str"), "tail"},
			{stranger + "SMOVE", key("set"), key("set"), "m1"},
			{stranger + "HSETNX", key("hash"), "f", "v"},
			{stranger + "LPUSHX", key("list"), "x"},
		} {
			_ = c.upstream.Client().Do(c.Context(), args...).Err() // WRONGTYPE belongs to it
		}
	}
}

// fold folds what came since the last round into the last base, and now and then all at once into the first.
func (c *foldCase) fold(n int) {
	more := c.log.more(c.T, c.m.Dir())
	files := c.log.split(c.T, more, 1+c.rng.IntN(4), c.rng)
	c.count.Bytes += len(more)
	c.all = append(c.all, files...)
	if c.base == nil {
		c.base = c.log.base
	}
	opt := fold.Options{NoPreamble: c.oneIn(5)}
	if c.oneIn(3) {
		opt.MaxMemory = 1 << (11 + c.rng.IntN(12))
	}
	was := c.base
	var res fold.Result
	var err error
	c.base, res, err = foldFiles(c.Context(), c.family, opt, was, files...)
	c.keep(n, was, c.base, files)
	require.NoError(c, err)
	if foldFor(c.T) == 0 {
		c.Logf("round %d: %+v with %+v", n, res, opt)
	}
	c.count.Folds++
	c.count.Keys = res.Keys
	c.count.Copied += res.Copied
	c.count.Touched += res.Touched
	c.count.Carried += res.Carried
	c.count.Refused += res.Refused
	if !c.carries {
		require.True(c, opt.MaxMemory > 0 || res.Carried == 0, "%+v", res)
	}
	var options []testenv.FingerprintOption
	if res.CarriedBytes > 0 && !c.hashes { // for want of memory
		options = append(options, testenv.IgnoreHashes())
	}
	c.compare(fmt.Sprintf("round %d", n), c.base, options...)
	c.atOnce(n)
	if c.oneIn(4) {
		c.raw()
	}
}

// keep leaves what is folded for whoever looks for what went wrong: go test -artifacts.
func (c *foldCase) keep(n int, base, folded []byte, files [][]byte) {
	dir := filepath.Join(c.ArtifactDir(), fmt.Sprintf("round%d", n))
	require.NoError(c, os.Mkdir(dir, 0o755))
	put := func(name string, data []byte) {
		require.NoError(c, os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
	put("base", base)
	put("folded", folded)
	for i, file := range files {
		put(fmt.Sprintf("increment%d", i), file)
	}
}

// compare boots a base, and wants what upstream and replica have.
func (c *foldCase) compare(what string, base []byte, options ...testenv.FingerprintOption) {
	dir := layOut(c.T, base, [][]byte{{}}[:c.rng.IntN(2)]...)
	if !c.family.Has(testenv.BrokenCheckAOF) {
		checked := command(c.T, c.family.CheckAOF(), filepath.Join(dir, "appendonlydir", "appendonly.aof.manifest"))
		require.Zero(c, checked.code, "%+v", checked)
	}
	c.requireEqual(what, dir, options...)
}

func (c *foldCase) requireEqual(what, dir string, options ...testenv.FingerprintOption) {
	booted := testenv.BootFromAOF(c, c.family, dir, testenv.WithConfig(c.config...))
	c.count.Boots++
	ctx := c.Context()
	diff, err := testenv.Compare(ctx, c.replica, booted, options...)
	require.NoError(c, err)
	require.Empty(c, diff, "%s: replica and fold differ (replica / fold)", what)
	diff, err = testenv.Compare(ctx, c.upstream, booted, append(slices.Clone(options), testenv.IgnoreUnreplicated())...)
	require.NoError(c, err)
	require.Empty(c, diff, "%s: upstream and fold differ (upstream / fold)", what)
	require.NoError(c, booted.Close())
}

// atOnce folds all increments into the first base in one go and in random steps.
func (c *foldCase) atOnce(n int) {
	once, _, err := foldFiles(c.Context(), c.family, fold.Options{}, c.log.base, c.all...)
	require.NoError(c, err)
	c.count.Folds++
	if c.carries {
		if c.oneIn(3) {
			c.compare(fmt.Sprintf("round %d, in one go", n), once)
		}
		return
	}
	want := valuesOf(c.T, once)
	steps := c.log.base
	for rest := c.all; len(rest) > 0; {
		take := 1 + c.rng.IntN(len(rest))
		steps, _, err = foldFiles(c.Context(), c.family, fold.Options{NoPreamble: take < len(rest) && c.oneIn(8)}, steps, rest[:take]...)
		require.NoError(c, err)
		rest = rest[take:]
		c.count.Folds++
	}
	requireSameValues(c.T, want, valuesOf(c.T, steps))
	limited, _, err := foldFiles(c.Context(), c.family, fold.Options{MaxMemory: 1 << (18 + c.rng.IntN(6))}, c.log.base, c.all...)
	require.NoError(c, err)
	c.count.Folds++
	if last, res, err := foldFiles(c.Context(), c.family, fold.Options{}, limited); res.CarriedBytes == 0 {
		require.NoError(c, err)
		requireSameValues(c.T, want, valuesOf(c.T, last))
	}
}

// requireSameValues is require.Equal with a message that can be read.
func requireSameValues(t *testing.T, want, got map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if _, ok := got[name]; !ok {
			require.Fail(t, "absent", name)
		}
		if want[name] != got[name] {
			require.Equal(t, limitText(want[name], got[name]), limitText(got[name], want[name]), name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			require.Fail(t, "there", name)
		}
	}
}

// limitText is the part of text where it begins to differ from other.
func limitText(text, other string) string {
	at := 0
	for at < min(len(text), len(other)) && text[at] == other[at] {
		at++
	}
	return text[max(0, at-100):min(len(text), at+100)]
}

// raw wants the log that is not folded to be the same to a server.
func (c *foldCase) raw() {
	var options []testenv.FingerprintOption
	if !c.hashes {
		options = append(options, testenv.IgnoreHashes())
	}
	c.requireEqual("the log as it is", layOut(c.T, c.log.base, c.all...), options...)
}
