package aof

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/aofsidecar/aofsidecar/internal/fsx"
	"github.com/aofsidecar/aofsidecar/internal/stream"
)

// liveRetries is how often a directory that changes under a reader is read again from the manifest on.
const liveRetries = 5

// Report is what Verify found. Sizes and places are in bytes.
type Report struct {
	Dir        string            `json:"dir"`
	Timeline   string            `json:"timeline"`
	Base       BaseReport        `json:"base"`
	Increments []IncrementReport `json:"increments"`
	Position   stream.Position   `json:"-"`
	Others     []BaseReport      `json:"other_bases,omitempty"` // in retained/: what waits for the archive beside a chain, or without one
	Torn       int64             `json:"torn_bytes"`            // at the end: no whole command outside MULTI; servers cut them, and so does verify --fix
	Garbage    string            `json:"garbage,omitempty"`     // what is wrong with them, where they are no RESP: a power loss can leave such
}

// BaseReport is what Verify found in the base.
type BaseReport struct {
	Name        string `json:"name"`
	Bytes       int64  `json:"bytes"`
	Format      string `json:"format"` // "Redis RDB 12", "Valkey RDB 80"
	Server      string `json:"server,omitempty"`
	Keys        int64  `json:"keys"`
	Expires     int64  `json:"expires"` // keys with an expiry time
	Functions   int    `json:"functions"`
	Checksummed bool   `json:"checksummed"`        // false: it was written without a checksum
	Unwalked    string `json:"unwalked,omitempty"` // what it holds that this version does not know: the counts end there

	// Commands are those behind an RDB, which a rewrite carried, or all of a base that is no RDB. Its keys are -1 if the manifest does not say how many they
	// are.
	Commands     int64 `json:"commands"`
	CommandBytes int64 `json:"command_bytes"`
}

// IncrementReport is what Verify found in one increment.
type IncrementReport struct {
	Name     string        `json:"name"`
	Bytes    int64         `json:"bytes"`
	Commands int64         `json:"commands"` // whole ones, marks included
	From     stream.Offset `json:"from"`     // the offset that the first mark states
	To       stream.Offset `json:"to"`       // the offset at the last boundary
	Begin    time.Time     `json:"begin"`    // time of the first mark
	End      time.Time     `json:"end"`      // and of the last one
}

// Verify reads everything that the manifest names: the base's checksum and structure, each command of each increment, and that marks
// and increments follow one another without a hole. It takes no lock and works on a directory that is being written. In retained/ it reads what
// waits for the archive as well: there holes are what was given up, and there may be no base.
//
// A torn tail is reported and is no error, nor is what a power loss leaves of bytes that nothing proves durable; a *CorruptError or *NotOursError is the first damage found. fs.ErrNotExist: no manifest.
func Verify(ctx context.Context, opt Options) (Report, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return Report{}, fmt.Errorf("verify: %w", err)
	}
	for try := 1; ; try++ {
		rep, err := verifyOnce(ctx, opt)
		if err == nil || try == liveRetries || !changedUnder(opt, rep.manifest) {
			return rep.Report, err
		}
	}
}

type verified struct {
	Report
	manifest string
	last     *scan
}

// changedUnder reports whether the manifest is no longer what it was: what was read belonged to no one state.
func changedUnder(opt Options, was string) bool {
	y := opt.layout()
	now, err := readFile(opt.FS, y.path(y.manifest()), maxManifest)
	if was == "" && errors.Is(err, fs.ErrNotExist) {
		return false
	}
	return err != nil || string(now) != was
}

func verifyOnce(ctx context.Context, opt Options) (verified, error) {
	y := opt.layout()
	v := verified{Report: Report{Dir: opt.Dir}}
	man, err := readChain(opt.FS, y)
	if err != nil {
		return v, err
	}
	v.manifest = man.text
	if man.text != "" && (man.base == nil || len(man.incrs) == man.kept) {
		return v, &NotOursError{Dir: opt.Dir, What: "its manifest names no base or no increment"}
	}
	if err := v.verifyBases(ctx, opt.FS, y, man); err != nil {
		return v, err
	}
	var end stream.Position
	for i, info := range man.incrs {
		s, err := scanFile(ctx, opt.FS, y.path(info.name))
		if err != nil {
			return v, noHead(opt.Dir, y.path(info.name), v.Timeline, err)
		}
		if !man.mayBegin(i, s.head.Position, end) {
			return v, &CorruptError{Path: s.path, What: fmt.Sprintf("it begins at %s, and the increment before it ends at %s", s.head.Position, end)}
		}
		if i < len(man.incrs)-1 && (s.torn || s.lastAt.file != s.size) {
			return v, s.unclosed()
		}
		end = stream.Position{ReplID: s.boundary.id, Offset: s.boundary.offset}
		v.Increments = append(v.Increments, IncrementReport{
			Name: info.name, Bytes: s.size, Commands: s.commands, From: s.head.Position.Offset, To: s.boundary.offset,
			Begin: time.UnixMilli(s.head.UnixMilli).UTC(), End: time.UnixMilli(s.at.unixMilli).UTC(),
		})
		v.last = s
		v.Torn = s.size - s.boundary.file
	}
	v.Position = end
	if v.last == nil {
		return v, nil
	}
	if v.last.syntax != nil {
		v.Garbage = v.last.syntax.What
	}
	return v, verifyTail(opt.FS, v.last)
}

// verifyBases verifies the base, and those that were kept from before it.
func (v *verified) verifyBases(ctx context.Context, fsys fsx.FS, y layout, c *chain) (err error) {
	if c.base == nil {
		return nil
	}
	v.Timeline = c.base.timeline
	if v.Base, err = verifyBase(ctx, fsys, y, c.base, nil); err != nil {
		return err
	}
	for i := range c.bases {
		rep, err := verifyBase(ctx, fsys, y, &c.bases[i], nil)
		if err != nil {
			return err
		}
		v.Others = append(v.Others, rep)
	}
	return nil
}

// verifyTail checks that a torn end holds nothing that was durable.
func verifyTail(fsys fsx.FS, s *scan) (err error) {
	if !s.torn {
		return nil
	}
	f, err := fsys.OpenFile(s.path, os.O_RDONLY, 0)
	if err != nil {
		return missing(s.path, err)
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	return s.believable(f, s.size)
}

// unclosed is the error of a closed increment that does not end as it was closed.
func (s *scan) unclosed() error {
	if s.syntax != nil {
		return &CorruptError{Path: s.path, Offset: s.syntax.Offset, What: s.syntax.What}
	}
	return &CorruptError{Path: s.path, Offset: s.lastAt.file, What: "a closed increment does not end with a mark"}
}

// scanFile reads one increment to the size that it has now: a live one may grow meanwhile.
func scanFile(ctx context.Context, fsys fsx.FS, path string) (s *scan, err error) {
	f, err := openLive(fsys, path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	return f.scan(ctx, nil)
}

// Fix cuts the torn tail of the last increment, after the last whole command outside MULTI, and nothing else. It holds the directory's
// lock meanwhile (*HeldError). What a power loss left of unsynced bytes goes too; bytes that a mark further down proves durable do not:
// *CorruptError. It returns how many bytes were cut.
func Fix(ctx context.Context, opt Options) (cut int64, err error) {
	opt, err = opt.withDefaults()
	if err != nil {
		return 0, fmt.Errorf("fix: %w", err)
	}
	y := opt.layout()
	if _, err := opt.FS.Stat(y.path(y.manifest())); err != nil { // without one there is nothing that a server would cut
		return 0, fmt.Errorf("fix: %w", err)
	}
	lock, err := opt.FS.Lock(y.lockPath())
	if errors.Is(err, fsx.ErrLocked) {
		return 0, &HeldError{Dir: opt.Dir}
	}
	if err != nil {
		return 0, fmt.Errorf("fix: %w", err)
	}
	defer func() {
		if cerr := lock.Close(); err == nil {
			err = cerr
		}
	}()
	v, verr := verifyOnce(ctx, opt)
	if verr != nil {
		return 0, verr
	}
	if v.Torn == 0 {
		return 0, nil
	}
	if err := cutTorn(opt.FS, v.last); err != nil {
		return 0, err
	}
	return v.Torn, nil
}

// cutTorn cuts the file of a scan after its last boundary.
func cutTorn(fsys fsx.FS, s *scan) (err error) {
	f, err := fsys.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("fix: %w", err)
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	if err := f.Truncate(s.boundary.file); err != nil {
		return fmt.Errorf("fix: %w", err)
	}
	return f.Sync()
}
