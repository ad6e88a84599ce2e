package workload

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/aofsidecar/aofsidecar/internal/testenv"
)

// Options change the mix. The zero value is the full one.
type Options struct {
	// Databases is how many databases are written to, from 0; 0 means 4. Only FLUSHALL reaches further.
	Databases int
	// Keys is how many keys of each type a database has; 0 means 8.
	Keys int
	// BigValueBytes is the size of the largest values; 0 means a bit over 1 MiB, negative means none.
	BigValueBytes int
	// LongExpiry leaves out every expiry that comes within a minute.
	LongExpiry bool
	// NoFieldTTL leaves out the expiry of single hash fields; see [testenv.FieldTTLReplayHazard].
	NoFieldTTL bool
	// NoFlush leaves out FLUSHALL, FLUSHDB and FUNCTION FLUSH.
	NoFlush bool
	// NoVectorSets leaves out Redis' built-in module.
	NoVectorSets bool
	// NoStoreDist leaves out distances as scores: with vector sets, what a rewrite does not compute by itself.
	NoStoreDist bool
	// NoSortByNumber leaves out what testenv.SortByNumber is about.
	NoSortByNumber bool
	// NoBlocking leaves out what waits: blocking pops that another client serves, WAIT, WAITAOF.
	NoBlocking bool
	// FlushOften makes what empties a database as frequent as any other command, instead of once in some
	// thousands.
	FlushOften bool
	// MigrateTo is host and port of a server of the same version that MIGRATE may send keys to; empty means no
	// MIGRATE.
	MigrateTo string
	// Observe is called after every command was answered, with its name as in the table; err is the server's
	// error reply or nil.
	Observe func(command string, err error)
	// Now is the clock for absolute expiry times; nil means time.Now.
	Now func() time.Time
}

// Stats counts commands by name.
type Stats struct {
	// Issued are commands that were answered.
	Issued map[string]int
	// Failed are those that were answered with an error.
	Failed map[string]int
}

// Total is the number of commands that were answered.
func (s Stats) Total() int {
	n := 0
	for _, count := range s.Issued {
		n += count
	}
	return n
}

// Workload is a sequence of operations.
type Workload struct {
	seed    uint64
	options Options
	family  testenv.Family
	rng     *rand.Rand
	ops     []op
	simple  []op // those that may run inside MULTI
	total   int  // of the weights
	stats   Stats
	lastID  uint64              // of streams with ids from here
	recent  map[string][]string // ids by database and key
}

// op is one operation.
type op struct {
	row    string // the table's command that it is there for; empty for others
	weight int    // its share of the mix
	rare   bool   // weight counts in parts of rarity
	alone  bool   // not inside MULTI
	run    func(r *run)
}

// rarity is how much less often an operation runs that is rare.
const rarity = 16

// New makes a workload for a family; the same seed gives the same commands.
func New(seed uint64, family testenv.Family, options Options) *Workload {
	w := &Workload{
		seed: seed, options: options, family: family, rng: rand.New(rand.NewPCG(seed, 0x5eed)),
		stats:  Stats{Issued: make(map[string]int), Failed: make(map[string]int)},
		recent: make(map[string][]string),
	}
	if w.options.Databases <= 0 {
		w.options.Databases = 4
	}
	if w.options.Keys <= 0 {
		w.options.Keys = 8
	}
	if w.options.BigValueBytes == 0 {
		w.options.BigValueBytes = 1<<20 + 17
	}
	if w.options.Now == nil {
		w.options.Now = time.Now
	}
	have := make(map[string]bool)
	for _, row := range Table() {
		have[row.Command] = row.In(family)
	}
	for _, o := range allOps() {
		if o.row != "" && !have[o.row] || w.unwanted(o) {
			continue
		}
		if !o.rare || options.FlushOften {
			o.weight *= rarity
		}
		w.ops = append(w.ops, o)
		w.total += o.weight
		if !o.alone {
			w.simple = append(w.simple, o)
		}
	}
	return w
}

// allOps lists the operations of all files; the order is part of what a seed means.
func allOps() []op {
	return slices.Concat(stringOps(), bitmapOps(), hyperLogLogOps(), keyOps(), listOps(), setOps(), zsetOps(), hashOps(),
		fieldTTLOps(), streamOps(), groupOps(), geoOps(), sortOps(), scriptOps(), functionOps(), serverOps(), vectorOps(),
		blockingOps(), transactionOps())
}

// unwanted applies the options.
func (w *Workload) unwanted(o op) bool {
	switch o.row {
	case "FLUSHALL", "FLUSHDB", "FUNCTION FLUSH":
		return w.options.NoFlush
	case "HEXPIRE", "HEXPIREAT", "HPEXPIRE", "HPEXPIREAT", "HPERSIST", "HGETEX", "HSETEX":
		return w.options.NoFieldTTL
	case "VADD", "VREM", "VSETATTR":
		return w.options.NoVectorSets
	case "MIGRATE":
		return w.options.MigrateTo == ""
	}
	return false
}

// Stats returns the counts up to now.
func (w *Workload) Stats() Stats {
	return Stats{Issued: maps.Clone(w.stats.Issued), Failed: maps.Clone(w.stats.Failed)}
}

// Run runs operations until ctx ends, and then returns nil. A lost connection is an error; the next call goes
// on with the next operation.
func (w *Workload) Run(ctx context.Context, client *redis.Client) error {
	for ctx.Err() == nil {
		if err := w.Step(ctx, client, 64); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// Step runs n operations over one connection of the client's. When it returns nil, all of them were answered.
func (w *Workload) Step(ctx context.Context, client *redis.Client, n int) error {
	r := &run{ctx: ctx, w: w, client: client, conn: client.Conn()}
	for range n {
		r.selectDB(w.rng.IntN(w.options.Databases))
		r.pick(w.ops, w.total).run(r)
		if r.err != nil {
			break
		}
	}
	if err := errors.Join(r.err, r.leave(context.WithoutCancel(ctx))); err != nil {
		return fmt.Errorf("run workload: %w", err)
	}
	return nil
}

// leave gives the connection back to the pool as it came: outside MULTI and in the client's database. When the
// context of the step has ended, it may be healthy and in the middle of a transaction.
func (r *run) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if r.err != nil {
		_ = r.conn.Do(ctx, "DISCARD").Err() // outside MULTI this is an error
	}
	return errors.Join(r.conn.Select(ctx, r.client.Options().DB).Err(), r.conn.Close())
}

// run is the state of a Step.
type run struct {
	ctx    context.Context //nolint:containedctx // lives as long as the call of Step
	w      *Workload
	client *redis.Client
	conn   *redis.Conn
	db     int
	err    error // of the connection; final
}

// pick draws an operation by weight.
func (r *run) pick(ops []op, total int) op {
	at := r.w.rng.IntN(total)
	for _, o := range ops {
		if at -= o.weight; at < 0 {
			return o
		}
	}
	return ops[len(ops)-1]
}

// selectDB sends SELECT always: after an error nobody knows where the connection is.
func (r *run) selectDB(db int) {
	r.db = db
	r.do("SELECT", db)
}

// do sends one command and returns the reply, nil when there is none. An error reply is counted; an error of
// the connection stops the run.
func (r *run) do(args ...any) any {
	if r.err != nil {
		return nil
	}
	reply, err := r.conn.Do(r.ctx, args...).Result()
	return r.answered(args, reply, err)
}

// answered counts a command.
func (r *run) answered(args []any, reply any, err error) any {
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	var refused redis.Error
	if err != nil && !errors.As(err, &refused) {
		r.err = fmt.Errorf("send %v: %w", args[0], err)
		return nil
	}
	name := commandName(args)
	r.w.stats.Issued[name]++
	if err != nil {
		r.w.stats.Failed[name]++
		reply = nil
	}
	if r.w.options.Observe != nil {
		r.w.options.Observe(name, err)
	}
	return reply
}

// commandName returns the name as in the table.
func commandName(args []any) string {
	name := strings.ToUpper(fmt.Sprint(args[0]))
	switch name {
	case "XGROUP", "FUNCTION", "SCRIPT", "DEBUG":
		return name + " " + strings.ToUpper(fmt.Sprint(args[1]))
	}
	return name
}
