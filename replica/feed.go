package replica

import (
	"bytes"
	"cmp"
	"context"
	"errors"

	"github.com/aofsidecar/aofsidecar/internal/resp"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// runBytes is from how many kept bytes on a run ends at the next boundary outside MULTI: the log can say where it stands between two runs only,
// and after a kill -9 it goes on from where it last did. A fresh backlog upstream holds a mebibyte.
const runBytes = 128 << 10

// feeder finds the commands in the stream's bytes and appends them to the sink as runs. It knows nothing of the
// connection.
type feeder struct {
	sink  Sink
	id    stream.ReplID
	scan  resp.Scanner
	track resp.Tracker
	run   stream.Run // the one at hand; here, so that the call through the interface does not allocate

	begin    stream.Offset // before the first byte of this connection
	appended stream.Offset // what the sink has got
	boundary stream.Offset // the last boundary outside MULTI of that

	letGo  int64 // bytes of a pending command that will be dropped: they do not wait for its end
	pieces bool  // the beginning of the pending command was appended

	getAck stream.Offset // the offset before the last GETACK
	asked  bool          // there was one; who answers clears it
}

// newFeeder starts after pos with db selected.
func newFeeder(sink Sink, pos stream.Position, db int) *feeder {
	return &feeder{
		sink: sink, id: pos.ReplID, begin: pos.Offset, appended: pos.Offset, boundary: pos.Offset,
		track: resp.Tracker{DB: db},
	}
}

// feed takes p: what was not taken of the stream so far, of which the first seen bytes were in the last call's p. It appends
// all whole commands and returns how many bytes it has taken: all but those of a pending command that will be kept.
func (f *feeder) feed(ctx context.Context, p []byte, seen int, at int64) (taken int, err error) {
	f.run = stream.Run{Whole: true, UnixMilli: at}
	data, cmd := 0, 0 // p[data:cmd] are the run's commands, p[cmd:i] is the one being scanned
	for i := seen; i < len(p); {
		if n := f.scan.Others(p[i:min(i+runBytes, len(p))]); n > 0 {
			i += n
			cmd = i
			if data, err = f.bound(ctx, p, data, cmd); err != nil {
				return data, err
			}
			continue
		}
		n, done, err := f.scan.Next(p[i:])
		i += n
		if done {
			err = f.track.Done(&f.scan)
		}
		if err != nil {
			return cmd, cmp.Or(f.append(ctx, p[data:cmd]), f.syntaxError(err))
		}
		if !done {
			break
		}
		if f.scan.Kind().Dropped() && !f.pieces {
			if err := f.drop(ctx, p[data:cmd], int64(i-cmd)); err != nil {
				return data, err
			}
			data = i
		}
		cmd = i
		if data, err = f.bound(ctx, p, data, cmd); err != nil {
			return data, err
		}
	}
	if err := f.append(ctx, p[data:cmd]); err != nil {
		return data, err
	}
	if kind, known := f.scan.EarlyKind(); known && kind.Dropped() && !f.pieces {
		f.letGo += int64(len(p) - cmd)
		return len(p), nil
	}
	return cmd, nil
}

// bound notes that a command ends at p[cmd], and hands the run over if it is long. It returns where the data of the run at hand begin.
func (f *feeder) bound(ctx context.Context, p []byte, data, cmd int) (int, error) {
	f.pieces = false
	if f.track.Multi {
		return data, nil
	}
	f.run.Boundary = f.run.Dropped + int64(cmd-data)
	f.run.DB = f.track.DB
	if cmd-data < runBytes {
		return data, nil
	}
	if err := f.append(ctx, p[data:cmd]); err != nil {
		return data, err
	}
	return cmd, nil
}

// piece appends p, the beginning of the pending command or more of it, because there is no room to wait for the rest.
func (f *feeder) piece(ctx context.Context, p []byte, at int64) error {
	f.run = stream.Run{UnixMilli: at}
	f.pieces = true
	return f.append(ctx, p)
}

// drop counts the command that has just ended, of which n bytes were not let go before; what was kept before it is handed over.
func (f *feeder) drop(ctx context.Context, kept []byte, n int64) error {
	if len(kept) > 0 {
		f.run.More = true // at least the command that is dropped
		if err := f.append(ctx, kept); err != nil {
			return err
		}
	}
	n += f.letGo
	f.letGo = 0
	if f.scan.Kind() == resp.Replconf && bytes.EqualFold(f.scan.Arg(1), []byte("GETACK")) {
		f.getAck = f.appended + stream.Offset(f.run.Dropped)
		f.asked = true
	}
	f.run.Dropped += n
	return nil
}

// append hands the run over, with its data, if there is anything in it, and begins the next one.
func (f *feeder) append(ctx context.Context, data []byte) error {
	f.run.Data, f.run.Multi = data, f.track.Multi
	n := f.run.Len()
	if n == 0 {
		return nil
	}
	if err := f.sink.Append(ctx, &f.run); err != nil {
		return sinkError(ctx, err)
	}
	if f.run.Boundary > 0 {
		f.boundary = f.appended + stream.Offset(f.run.Boundary)
	}
	f.appended += stream.Offset(n)
	f.run = stream.Run{Whole: true, UnixMilli: f.run.UnixMilli}
	return nil
}

// syntaxError adds where in the stream it is.
func (f *feeder) syntaxError(err error) error {
	pos := stream.Position{ReplID: f.id, Offset: f.begin}
	if at := new(resp.SyntaxError); errors.As(err, &at) {
		pos.Offset += stream.Offset(at.Offset)
	}
	return &ProtocolError{Position: pos, What: "the stream is not a sequence of commands", Err: err}
}

// sinkError makes an error of the sink final, save one that only says that ctx has ended, or that it is not fatal.
func sinkError(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))) {
		return err
	}
	if !isFatal(err, true) {
		return err
	}
	return &finalError{err}
}
