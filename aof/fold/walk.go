package fold

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/aofsidecar/aofsidecar/internal/names"
	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// checkEvery is after how many entries ctx is looked at, and progress told.
const checkEvery = 4096

// mark is a place in the commands: the file, by its number, and the byte.
type mark struct {
	file int
	at   int64
}

// command is one that is read.
type command struct {
	args  [][]byte
	db    int // selected
	where mark
	next  mark // behind it
}

// commands reads files of commands one after the other.
type commands struct {
	files []Source
	skip  int64 // of the first file: what is no command
	start mark  // what is before is passed over
	time  func(args [][]byte) (int64, bool)
	now   func(ms int64) // told of marks; nil: nobody is
	step  func(bytes int64)
	ring  *ring
	near  func(db int, keys [][]byte) // told of what are probably keys of the next commands; nil: nobody is
	keys  [names.NearNames][]byte     // for near
}

// each calls visit for all commands but SELECT, MULTI and EXEC and what is no data. A transaction is nothing here: none is torn, and nobody
// looks in between.
func (c *commands) each(ctx context.Context, visit func(*command) error) error {
	for i := range c.files {
		if i < c.start.file {
			continue
		}
		if err := c.file(ctx, i, visit); err != nil {
			return err
		}
	}
	return nil
}

func (c *commands) file(ctx context.Context, i int, visit func(*command) error) error {
	base := int64(0)
	if i == 0 {
		base = c.skip
	}
	told := base
	ahead := readAhead(c.files[i].from(base), c.ring)
	defer ahead.close()
	cmd := command{where: mark{file: i}, next: mark{file: i, at: base}}
	for {
		if err := c.pause(ctx, cmd.next.at-told); err != nil {
			return err
		}
		told = cmd.next.at
		b := ahead.next()
		for j := range b.commands {
			if j%names.NearNames == 0 {
				c.fetch(cmd.db, b, j)
			}
			p := &b.commands[j]
			cmd.where.at, cmd.next.at = base+p.start, base+p.end
			cmd.args = b.args[p.first : p.first+p.n : p.first+p.n]
			if err := c.one(&cmd, p.kind, visit); err != nil {
				return err
			}
		}
		if errors.Is(b.err, io.EOF) {
			return c.pause(ctx, cmd.next.at-told)
		}
		if b.err != nil {
			return &InputError{File: c.files[i].Name, Offset: cmd.next.at, Err: b.err}
		}
		ahead.done(b)
	}
}

// fetch tells near what comes: of most commands the first argument is the key.
func (c *commands) fetch(db int, b *batch, from int) {
	if c.near == nil {
		return
	}
	n := 0
	for _, p := range b.commands[from:min(from+len(c.keys), len(b.commands))] {
		if p.n > 1 && p.kind == resp.Other {
			c.keys[n] = b.args[p.first+1]
			n++
		}
	}
	c.near(db, c.keys[:n])
}

// pause tells how far it got, and returns why to stop.
func (c *commands) pause(ctx context.Context, bytes int64) error {
	c.step(bytes)
	return context.Cause(ctx)
}

// one takes one command.
func (c *commands) one(cmd *command, kind resp.Kind, visit func(*command) error) error {
	switch kind {
	case resp.Select:
		if len(cmd.args) != 2 {
			return c.wrong(cmd, errSelect)
		}
		db, err := strconv.ParseUint(string(cmd.args[1]), 10, 31)
		if err != nil {
			return c.wrong(cmd, errSelect)
		}
		cmd.db = int(db)
		return nil
	case resp.Ping:
		if c.now == nil || c.time == nil {
			return nil
		}
		if ms, ok := c.time(cmd.args); ok {
			c.now(ms)
		}
		return nil
	case resp.Newline:
		return c.wrong(cmd, errNewline)
	case resp.Multi, resp.Exec, resp.Annotation, resp.Replconf, resp.Publish, resp.ClusterOther:
		return nil
	case resp.Other:
	}
	if cmd.where.file == c.start.file && cmd.where.at < c.start.at {
		return nil
	}
	if err := visit(cmd); err != nil {
		return c.wrong(cmd, err)
	}
	return nil
}

// wrong adds where cmd is, unless err is no fault of the file.
func (c *commands) wrong(cmd *command, err error) error {
	if cannot := (*CannotError)(nil); errors.As(err, &cannot) || hopeless(err) != "" {
		return err
	}
	return &InputError{File: c.files[cmd.where.file].Name, Offset: cmd.where.at, Err: err}
}

var (
	errSelect  = errors.New("SELECT without a database number")
	errNewline = errors.New("a bare newline, of which loaders die")
)
