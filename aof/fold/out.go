package fold

import (
	"bufio"
	"io"

	"github.com/aofsidecar/aofsidecar/internal/keyspace"
	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/resp"
)

// output is the new base.
type output interface {
	// item copies the entry that r is at, under the number of its database.
	item(db int, r *rdb.Reader, it *rdb.Item) error
	// other copies an item that is no entry, or leaves it out.
	other(r *rdb.Reader, it *rdb.Item) error
	// raw writes an entry with an RDB body.
	raw(db int, t rdb.Type, a rdb.Attributes, key, body []byte) error
	// key writes a key of a Space.
	key(k *keyspace.Key) error
	function(source []byte) error
	// carry returns where the commands behind all this go, which then is all.
	carry() (io.Writer, error)
	// close ends it and returns its length.
	close() (int64, error)
	// stop ends it where it is given up; after close it does nothing. Nothing is written then.
	stop()
	keys() int64
}

// rdbOutput is an RDB, and a carry behind it.
type rdbOutput struct {
	w      *rdb.Writer
	tail   *countWriter // nil before carry
	below  io.Writer
	db     int // selected; -1 before the first one
	count  int64
	body   []byte
	closed bool
}

func newRDBOutput(w io.Writer, f rdb.Format, aux [][2]string) (*rdbOutput, error) {
	o := &rdbOutput{w: rdb.NewWriterBehind(w, f), below: w, db: -1}
	for _, a := range aux {
		if err := o.w.Aux(a[0], a[1]); err != nil {
			o.stop()
			return nil, err
		}
	}
	return o, nil
}

func (o *rdbOutput) item(db int, r *rdb.Reader, _ *rdb.Item) error {
	if db != o.db { // else what is copied goes on as one run
		if err := r.FlushRun(); err != nil {
			return err
		}
		if err := o.selectDB(db); err != nil {
			return err
		}
	}
	o.count++
	return r.CopyRun(o.w)
}

func (o *rdbOutput) selectDB(db int) error {
	o.db = db
	return o.w.SelectDB(db)
}

// other copies what servers need; which one wrote the RDB stays, where in whose history it stood does not.
func (o *rdbOutput) other(r *rdb.Reader, it *rdb.Item) error {
	switch it.Kind {
	case rdb.AuxItem:
		switch string(it.Key) {
		case "redis-ver", "valkey-ver", "redis-bits":
			return r.CopyRaw(o.w)
		}
	case rdb.ModuleAuxItem, rdb.SlotImportItem:
		return r.CopyRaw(o.w)
	case rdb.KeyItem, rdb.SelectItem, rdb.ResizeItem, rdb.SlotInfoItem, rdb.FunctionItem:
	}
	return nil
}

func (o *rdbOutput) raw(db int, t rdb.Type, a rdb.Attributes, key, body []byte) error {
	if err := o.selectDB(db); err != nil {
		return err
	}
	o.count++
	return o.w.Key(t, a, key, body)
}

func (o *rdbOutput) key(k *keyspace.Key) error {
	t, body := k.AppendRDB(o.body[:0])
	o.body = keep(body)
	return o.raw(k.DB, t, k.Attributes(), []byte(k.Name), body)
}

func (o *rdbOutput) function(source []byte) error { return o.w.Function(source) }

func (o *rdbOutput) carry() (io.Writer, error) {
	o.tail = &countWriter{w: bufio.NewWriterSize(o.below, outBuffer)}
	return o.tail, o.end()
}

func (o *rdbOutput) end() error {
	if o.closed {
		return nil
	}
	o.closed = true
	return o.w.Close()
}

func (o *rdbOutput) close() (int64, error) {
	if err := o.end(); err != nil {
		return 0, err
	}
	if o.tail == nil {
		return o.w.Bytes(), nil
	}
	return o.w.Bytes() + o.tail.n, o.tail.w.Flush()
}

func (o *rdbOutput) stop() { o.w.Stop() }

func (o *rdbOutput) keys() int64 { return o.count }

// respOutput is commands only.
type respOutput struct {
	w     *countWriter
	f     rdb.Format
	db    int // selected; -1 before the first one
	count int64
	buf   []byte
}

func newRESPOutput(w io.Writer, f rdb.Format) (*respOutput, error) {
	o := &respOutput{w: &countWriter{w: bufio.NewWriterSize(w, outBuffer)}, f: f, db: -1}
	_, err := io.WriteString(o.w, RESPMagic+formatName(f)+"\r\n")
	return o, err
}

func (o *respOutput) item(db int, r *rdb.Reader, it *rdb.Item) error {
	body, err := readBody(r, it, 0)
	if err != nil {
		return err
	}
	return o.raw(db, it.Type, attributesOf(it), it.Key, body.bytes)
}

func (o *respOutput) other(_ *rdb.Reader, it *rdb.Item) error {
	if it.Kind == rdb.ModuleAuxItem {
		return &CannotError{What: "a module has data beside its keys, and no command states them"}
	}
	return nil
}

func (o *respOutput) raw(db int, t rdb.Type, a rdb.Attributes, key, body []byte) error {
	expire := rdb.NoExpire
	if a.HasExpire {
		expire = a.Expire
	}
	k := keyspace.NewKey(o.f, db, key, t, body, expire)
	return o.key(&k)
}

func (o *respOutput) key(k *keyspace.Key) error {
	o.buf = o.buf[:0]
	if k.DB != o.db {
		o.db = k.DB
		o.buf = resp.AppendSelect(o.buf, k.DB)
	}
	buf, err := k.AppendCommands(o.buf)
	if err != nil {
		return err
	}
	o.buf = keep(buf)
	o.count++
	_, err = o.w.Write(buf)
	return err
}

func (o *respOutput) function(source []byte) error {
	_, err := o.w.Write(resp.AppendCommand(nil, []byte("FUNCTION"), []byte("LOAD"), source))
	return err
}

func (o *respOutput) carry() (io.Writer, error) { return o.w, nil }

func (o *respOutput) close() (int64, error) { return o.w.n, o.w.w.Flush() }

func (o *respOutput) stop() {}

func (o *respOutput) keys() int64 { return o.count }

// outBuffer is the size of a writer's buffer, and maxKept what is kept of a buffer for one value.
const (
	outBuffer = 256 << 10
	maxKept   = 1 << 20
)

// keep returns b for the next use unless it is huge.
func keep(b []byte) []byte {
	if cap(b) > maxKept {
		return nil
	}
	return b
}

// countWriter counts what goes through it.
type countWriter struct {
	w *bufio.Writer
	n int64
}

// Write satisfies io.Writer.
func (c *countWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func attributesOf(it *rdb.Item) rdb.Attributes {
	return rdb.Attributes{HasExpire: it.HasExpire, Expire: it.Expire, HasIdle: it.HasIdle, Idle: it.Idle, HasFreq: it.HasFreq, Freq: it.Freq}
}
