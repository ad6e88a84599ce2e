package fold

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/aofsidecar/aofsidecar/internal/keyspace"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// folder is one call of Fold.
type folder struct {
	opt   *Options
	base  base
	files []Source // of commands: what follows the base's RDB, and the increments
	plan  *planner
	keys  *keyTable
	maybe *filter // before keys; set once they are known
	out   output
	res   Result
	ring  *ring

	late   []byte // of the carry: what makes the keys that the RDB cannot state
	lateDB int    // selected at its end

	done, total int64
}

// Fold writes to w what a loader would have after base and increments. Nothing is synced or closed. Errors: *InputError, *CannotError, those of w, and
// ctx's cause.
func Fold(ctx context.Context, in Input, w io.Writer, opt Options) (Result, error) {
	f := &folder{opt: &opt, ring: newRing()}
	if err := f.look(in); err != nil {
		return Result{}, err
	}
	write, err := f.prepare(ctx)
	if err != nil {
		return Result{}, err
	}
	if err := f.begin(w); err != nil {
		return Result{}, err
	}
	defer f.out.stop()
	if err := write(ctx); err != nil {
		return Result{}, err
	}
	f.res.Bytes, err = f.out.close()
	f.res.Keys = f.out.keys()
	return f.res, err
}

// prepare does what comes before anything is written, and returns what does the rest.
func (f *folder) prepare(ctx context.Context) (write func(context.Context) error, err error) {
	if f.isSmall() {
		w := f.newWhole()
		if done, err := w.prepare(ctx); done || err != nil {
			return w.write, err
		}
	}
	return f.write, f.read(ctx)
}

// look finds out what the files are.
func (f *folder) look(in Input) (err error) {
	if f.base, err = lookAtBase(in.Base); err != nil {
		return err
	}
	f.res.Format = f.base.format
	if opt := f.opt.Upstream; opt.Extends(f.base.format) {
		f.res.Format = opt
	}
	if f.base.tail < f.base.Size {
		f.files = append(f.files, f.base.Source)
	}
	f.files = append(f.files, in.Increments...)
	f.total = f.base.tail
	for i := range f.files {
		f.total += 2 * f.files[i].Size
	}
	return nil
}

// commands reads the files of commands from start on.
func (f *folder) commands(start mark) *commands {
	c := &commands{files: f.files, start: start, time: f.opt.Time, step: f.step, ring: f.ring}
	if len(f.files) > 0 && f.base.tail < f.base.Size {
		c.skip = f.base.tail
	}
	return c
}

// step tells how far it got.
func (f *folder) step(bytes int64) {
	f.done += bytes
	if f.opt.Progress != nil {
		f.opt.Progress(f.done, f.total)
	}
}

// read plans.
func (f *folder) read(ctx context.Context) error {
	f.plan = newPlanner(f.opt, nil)
	if err := f.planned(ctx); err != nil {
		return err
	}
	if watch := f.keys.mortal(); len(watch) > 0 {
		for i := range f.files {
			f.total += f.files[i].Size
		}
		f.plan = newPlanner(f.opt, watch)
		if err := f.planned(ctx); err != nil {
			return err
		}
	}
	f.maybe = newFilter(f.keys)
	f.res.Unknown = f.plan.unknown
	return nil
}

func (f *folder) planned(ctx context.Context) error {
	c := f.commands(mark{})
	c.near = f.plan.near
	if err := c.each(ctx, f.plan.command); err != nil {
		return err
	}
	f.plan.end()
	f.keys = f.plan.keys
	return nil
}

// write makes the new base.
func (f *folder) write(ctx context.Context) error {
	sp, libraries := f.space(), keyspace.New(f.opt.Table, keyspace.Options{Format: f.res.Format, Server: f.opt.Server})
	fits, err := f.first(ctx, sp, libraries)
	if err != nil {
		return err
	}
	if err := f.functions(libraries); err != nil {
		return err
	}
	passes := [][]keyID{nil} // nil: all
	if !fits {
		passes = f.split()
	}
	if err := f.passes(ctx, sp, passes, !fits); err != nil {
		return err
	}
	return f.carry(ctx)
}

func (f *folder) space() *keyspace.Space {
	return keyspace.New(f.opt.Table, keyspace.Options{Format: f.res.Format, Server: f.opt.Server, MaxBytes: f.opt.MaxMemory})
}

// functions writes the libraries as the commands leave them.
func (f *folder) functions(libraries *keyspace.Space) error {
	for _, args := range f.plan.functions {
		if err := libraries.Run(0, args); err != nil {
			return &CannotError{What: err.Error()}
		}
	}
	f.res.Refused += libraries.Refused()
	return f.writeLibraries(libraries)
}

// writeLibraries writes the libraries that there are.
func (f *folder) writeLibraries(in *keyspace.Space) error {
	for _, source := range in.Functions() {
		if err := f.out.function(source); err != nil {
			return fmt.Errorf("write function library: %w", err)
		}
	}
	return nil
}

// maxPasses is how many passes a keyInfo can count. Each reads the whole base.
const maxPasses = math.MaxUint16

// passes runs the commands on each part of the touched keys. The first part is in sp already unless reload.
func (f *folder) passes(ctx context.Context, sp *keyspace.Space, parts [][]keyID, reload bool) error {
	for n := 1; len(parts) > 0; n++ {
		if n > maxPasses {
			return &CannotError{What: fmt.Sprintf("with so little memory (%d bytes) it takes more than %d passes", f.opt.MaxMemory, maxPasses)}
		}
		part := parts[0]
		parts = parts[1:]
		f.number(part, n)
		if reload {
			sp = f.space()
		}
		err := f.pass(ctx, sp, part, n, reload)
		if why := hopeless(err); why != "" {
			reload = true
			more, err := f.halve(ctx, part, why)
			if err != nil {
				return err
			}
			parts = append(more, parts...)
			continue
		}
		if err != nil {
			return err
		}
		f.res.Passes++
		f.res.Refused += sp.Refused()
		if err := sp.Each(f.touched); err != nil {
			return f.damaged(ctx, err)
		}
	}
	return nil
}

// pass loads a part, unless it is there, and runs the commands on it.
func (f *folder) pass(ctx context.Context, sp *keyspace.Space, part []keyID, n int, load bool) error {
	if load {
		if err := f.load(ctx, sp, n); err != nil {
			return err
		}
	}
	return f.run(ctx, sp, part, n)
}

func (f *folder) touched(k *keyspace.Key) error {
	f.res.Touched++
	if !f.opt.NoPreamble && !k.Fits(f.res.Format) {
		return f.postpone(k)
	}
	return f.out.key(k)
}

// postpone keeps the commands that make a key for the carry, as the RDB cannot state it.
func (f *folder) postpone(k *keyspace.Key) (err error) {
	was := len(f.late)
	if n := k.DB; n != f.lateDB || was == 0 {
		f.lateDB = n
		f.late = resp.AppendSelect(f.late, n)
	}
	if f.late, err = k.AppendCommands(f.late); err != nil {
		return err
	}
	f.res.Carried++
	f.res.Unknown[noFieldExpiry]++
	return f.carried(len(f.late) - was)
}

// carried counts what goes into the carry.
func (f *folder) carried(bytes int) error {
	f.res.CarriedBytes += int64(bytes)
	if f.opt.MaxCarry > 0 && f.res.CarriedBytes > f.opt.MaxCarry {
		return &CannotError{What: fmt.Sprintf("the commands that cannot be run take more than %d bytes", f.opt.MaxCarry)}
	}
	return nil
}

// number gives the links of part the number of their pass.
func (f *folder) number(part []keyID, n int) {
	for _, root := range part {
		f.keys.info[root].pass = uint16(n)
	}
}

// run runs the commands on the keys of one part.
func (f *folder) run(ctx context.Context, sp *keyspace.Space, part []keyID, n int) error {
	var (
		plan keyspace.Plan
		dbs  dbMap
	)
	all := part == nil && !f.keys.anyTaint && !f.keys.anyDead
	c := f.commands(f.plan.start)
	c.now, c.near = sp.SetTime, sp.Near
	return c.each(ctx, func(c *command) error {
		f.opt.Table.Plan(c.args, &plan)
		switch plan.Effect {
		case keyspace.SwapDB:
			dbs.swap(plan.A, plan.B)
		case keyspace.FlushDB, keyspace.FlushSlots:
		case keyspace.Run:
			if len(plan.Keys) == 0 || !all && !f.mine(&dbs, c, &plan, part, n) {
				return nil
			}
		case keyspace.Nothing, keyspace.Functions, keyspace.FlushAll, keyspace.Carry, keyspace.Unknown:
			return nil
		}
		return sp.RunPlanned(c.db, c.args, &plan)
	})
}

// mine reports whether the command's keys are of this part, and neither carried nor dead. All of them are linked, so that one tells.
func (f *folder) mine(dbs *dbMap, c *command, plan *keyspace.Plan, part []keyID, n int) bool {
	root := f.rootOf(dbs, c, plan)
	info := &f.keys.info[root]
	return info.flags&(tainted|dead) == 0 && (part == nil || int(info.pass) == n)
}

// rootOf returns the link that the plan's keys are in.
func (f *folder) rootOf(dbs *dbMap, c *command, plan *keyspace.Plan) keyID {
	u := &plan.Keys[0]
	db := dbs.of(c.db)
	if u.DB != keyspace.SelectedDB {
		db = dbs.of(u.DB)
	}
	if u.Pattern {
		return f.keys.root(f.keys.addPattern(db, u.Key))
	}
	return f.keys.root(f.keys.at(f.keys.find(db, u.Key), c.where))
}

// split divides the links into parts whose values, as far as the base tells, fit.
func (f *folder) split() [][]keyID {
	sizes := map[keyID]int64{}
	for id := range f.keys.info {
		root := f.keys.root(keyID(id))
		if f.keys.info[root].flags&(tainted|dead) == 0 {
			sizes[root] += keyCost + int64(f.keys.info[id].raw)*expansion
		}
	}
	var (
		parts [][]keyID
		part  []keyID
		used  int64
	)
	roots := make([]keyID, 0, len(sizes))
	for id := range f.keys.info {
		if _, ok := sizes[keyID(id)]; ok {
			roots = append(roots, keyID(id))
		}
	}
	for _, root := range roots {
		if used > 0 && used+sizes[root] > f.opt.MaxMemory {
			parts, part, used = append(parts, part), nil, 0
		}
		part = append(part, root)
		used += sizes[root]
	}
	return append(parts, part)
}

const (
	// keyCost is about what a touched key takes beside its value.
	keyCost = 200
	// expansion is how much more a value takes decoded than in the base, about.
	expansion = 2
)

// hopeless says why commands that ran into err cannot be run on all these keys at once; empty: err is something else, or nil.
func hopeless(err error) string {
	corrupt, unknown := (*rdb.CorruptError)(nil), (*rdb.UnknownError)(nil)
	switch {
	case errors.Is(err, keyspace.ErrTooBig):
		return tooBig
	case errors.As(err, &corrupt) && corrupt.In != "", errors.As(err, &unknown):
		return undecoded
	default:
		return ""
	}
}

// What stands among the names of unknown commands for keys that are carried because memory is short, because nobody but the server that
// wrote their value can read it, or because the RDB has no expiry of hash fields.
const (
	tooBig        = "(max-memory)"
	undecoded     = "(value not decoded)"
	noFieldExpiry = "(field expiry)"
)

// halve divides a part that is hopeless; one that is a single link is carried.
func (f *folder) halve(ctx context.Context, part []keyID, why string) ([][]keyID, error) {
	if part == nil {
		part = slices.Concat(f.split()...)
	}
	if len(part) == 0 {
		return nil, fmt.Errorf("run commands: %s without keys", why)
	}
	if len(part) == 1 {
		f.keys.taint(part[0])
		f.res.Unknown[why]++
		return nil, f.copyTainted(ctx, part[0])
	}
	half := len(part) / 2
	return [][]keyID{part[:half:half], part[half:]}, nil
}

// inputError says where in the base it went wrong, unless err is no fault of the base.
func (f *folder) inputError(r *rdb.Reader, err error) error {
	corrupt, unknown := (*rdb.CorruptError)(nil), (*rdb.UnknownError)(nil)
	if errors.As(err, &corrupt) || errors.As(err, &unknown) {
		return &InputError{File: f.base.Name, Offset: r.Offset(), Err: err}
	}
	return err
}
