package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// headBytes is how much of an object is read to learn what it is: more than a block of zstd, the head of age and its first piece.
const headBytes = 512 << 10

// Engine is a server that is to load what is restored. The zero value is any.
type Engine struct {
	Name    string // redis or valkey
	Version string // "7.2.4", "9.0"
}

// ParseEngine reads "redis 7.2", "valkey-9.0.1", "redis:8" and the like.
func ParseEngine(s string) (Engine, error) {
	name, version, _ := strings.Cut(strings.NewReplacer(":", " ", "-", " ", "=", " ", "/", " ").Replace(strings.ToLower(s)), " ")
	e := Engine{Name: name, Version: strings.TrimPrefix(strings.TrimSpace(version), "v")}
	major, _, _ := strings.Cut(e.Version, ".")
	if _, err := strconv.Atoi(major); err != nil || (name != "redis" && name != "valkey") {
		return Engine{}, fmt.Errorf("engine %.40q: want redis or valkey and a version, as in redis-8.0", s)
	}
	return e, nil
}

// String is what ParseEngine reads.
func (e Engine) String() string { return e.Name + "-" + e.Version }

// IsZero reports whether any server is meant.
func (e Engine) IsZero() bool { return e == Engine{} }

// EngineError says that a server cannot load what is restored, or that a format cannot hold it.
type EngineError struct {
	Engine string // "" for a format
	What   string
}

// Error says why.
func (e *EngineError) Error() string {
	if e.Engine == "" {
		return e.What
	}
	return fmt.Sprintf("%s cannot load this: %s", e.Engine, e.What)
}

// loads reports, with an *EngineError, whether the engine loads an RDB that begins with magic.
func (e Engine) loads(magic string) error {
	if e.IsZero() {
		return nil
	}
	has, ok := rdb.FormatOf(e.Name, strings.TrimPrefix(e.Version, "v"))
	if !ok {
		return &EngineError{Engine: e.String(), What: "servers before 7.0 know no multi-part AOF"}
	}
	format, ok := formatOfMagic(magic)
	if ok && !has.Extends(format) {
		return &EngineError{Engine: e.String(), What: fmt.Sprintf("the base is a %v RDB of version %d, and it reads %v RDBs up to %d",
			format.Dialect, format.Version, has.Dialect, has.Version)}
	}
	return nil
}

// formatOfMagic reads what an RDB begins with.
func formatOfMagic(magic string) (rdb.Format, bool) {
	digits, dialect := "", rdb.Redis
	if rest, ok := strings.CutPrefix(magic, "REDIS"); ok {
		digits = rest
	} else if rest, ok := strings.CutPrefix(magic, "VALKEY"); ok {
		digits, dialect = rest, rdb.Valkey
	}
	n, err := strconv.Atoi(digits)
	return rdb.Format{Dialect: dialect, Version: n}, err == nil
}

// preview finds out what can be told before the data are downloaded: whether we can open them, whether the engine loads them, and how
// much space they take at least.
func (r *restore) preview(ctx context.Context, plan *Plan) (need int64, err error) {
	size, magic, err := r.head(ctx, plan.Base.String(), plan.Base.Bytes)
	if err != nil {
		return 0, err
	}
	if !plan.Base.RESP {
		if err := r.opt.Engine.loads(magic); err != nil {
			return 0, err
		}
	}
	for i := range plan.Segments {
		if i != 0 && i != len(plan.Segments)-1 {
			continue
		}
		seg := &plan.Segments[i]
		if _, _, err := r.head(ctx, seg.String(), seg.Bytes); err != nil {
			return 0, err
		}
	}
	need = size
	at, end := plan.Base.Offset, stream.Offset(maxKeyOffset)
	if plan.Cut.Offset != nil {
		end = *plan.Cut.Offset
	}
	for i := range plan.Segments {
		if to := min(plan.Segments[i].To, end); to > at && plan.Cut.UnixMilli == 0 {
			need += int64(to - at)
			at = to
		}
	}
	if r.opt.Format != FormatAOF {
		need *= 2
	}
	return need, nil
}

// head reads the begin of an object: the size of its plain bytes, at least, and the first of them.
func (r *restore) head(ctx context.Context, key string, bytes int64) (size int64, magic string, err error) {
	body, _, err := r.store.Get(ctx, key, 0, min(bytes, headBytes))
	if err != nil {
		return 0, "", fmt.Errorf("read the begin of %s: %w", key, err)
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	return r.opener.head(key, body, bytes)
}

// head reads the begin of an object; see restore.head.
func (o *Opener) head(key string, r io.Reader, bytes int64) (size int64, magic string, err error) {
	size = bytes
	name, encrypted := strings.CutSuffix(key, ageSuffix)
	src := &source{r: r}
	top := io.Reader(src)
	if encrypted {
		if top, err = o.decrypt(key, src); err != nil {
			return 0, "", err
		}
	}
	damage := (&opening{key: key, src: src}).damage
	begin := make([]byte, zstd.HeaderMaxSize)
	n, _, err := readFull(top, begin)
	if err != nil {
		return 0, "", damage(err)
	}
	begin = begin[:n]
	if strings.HasSuffix(name, zstdSuffix) {
		var h zstd.Header
		if err := h.Decode(begin); err != nil {
			return 0, "", damage(err)
		}
		if h.HasFCS && h.FrameContentSize < maxKeyOffset {
			size = int64(h.FrameContentSize) //nolint:gosec // it was compared
		}
		plain, err := o.Open(strings.TrimSuffix(name, zstdSuffix)+zstdSuffix, io.MultiReader(strings.NewReader(string(begin)), top))
		if err != nil {
			return 0, "", err
		}
		defer func() { err = errors.Join(err, plain.Close()) }()
		if n, _, err = readFull(plain, begin[:magicBytes]); err != nil {
			return 0, "", damage(err)
		}
		begin = begin[:n]
	}
	return size, string(begin[:min(len(begin), magicBytes)]), nil
}

// magicBytes is the length of what an RDB begins with.
const magicBytes = 9

// engine checks the base against the engine once more: what the file says counts.
func (r *restore) engine(base *stagedBase) error {
	if base.format == (rdb.Format{}) && base.resp {
		return nil
	}
	magic := fmt.Sprintf("REDIS%04d", base.format.Version)
	if base.format.Dialect == rdb.Valkey {
		magic = fmt.Sprintf("VALKEY%03d", base.format.Version)
	}
	return r.opt.Engine.loads(magic)
}
