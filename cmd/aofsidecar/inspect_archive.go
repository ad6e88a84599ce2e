package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/upload"
)

// inspectArchive prints what an archive has: of one object, whose URL is given, or the commands of a timeline.
func inspectArchive(ctx context.Context, w io.Writer, flags flagLayer, f inspectFlags, filter aof.Filter) (err error) {
	effective, err := loadConfig(flags)
	if err != nil {
		return err
	}
	root, key := splitObjectURL(f.at.url)
	a, err := openArchive(ctx, effective.config, root)
	if err != nil {
		return err
	}
	defer a.done(&err)
	identities, err := effective.config.Archive.identities()
	if err != nil {
		return err
	}
	i := archiveInspector{ctx: ctx, a: a, opener: upload.NewOpener(identities), flags: f, filter: filter, out: w}
	if key != "" {
		return i.object(key)
	}
	if f.base || f.biggest > 0 {
		return i.newestBase()
	}
	return i.timeline()
}

// splitObjectURL cuts the URL of an object of ours into that of the archive and the key.
func splitObjectURL(url string) (root, key string) {
	before, after, ok := strings.Cut(url, "/timelines/")
	if !ok {
		return url, ""
	}
	return before, "timelines/" + after
}

// isArchiveURL reports whether an argument names an archive, or an object in one.
func isArchiveURL(word string) bool { return strings.Contains(word, "://") }

// archiveInspector reads objects by way of a temporary directory, one at a time.
type archiveInspector struct {
	ctx    context.Context //nolint:containedctx // of the one inspection that this is
	a      *archive
	opener *upload.Opener
	flags  inspectFlags
	filter aof.Filter
	out    io.Writer
}

// object prints one object.
func (i *archiveInspector) object(key string) error {
	if k, ok := upload.ParseBaseKey(key); ok {
		f := i.flags
		f.base = f.base || f.biggest == 0
		return i.staged(key, k.Sum, baseStageName(k.RESP), math.MaxInt64, func(options aof.Options) error { return inspectBase(i.ctx, i.out, options, f) })
	}
	k, ok := upload.ParseSegmentKey(key)
	if !ok {
		return &UsageError{Err: errors.New("that is not the URL of a base or a segment"), Hint: "aofsidecar list --json, which prints keys"}
	}
	return i.segments([]upload.ArchivedSegment{{SegmentKey: k}})
}

// newestBase prints the newest base of the timeline.
func (i *archiveInspector) newestBase() error {
	t, err := i.chosen()
	if err != nil {
		return err
	}
	if len(t.Bases) == 0 {
		return fmt.Errorf("%w: timeline %s has no base", upload.ErrNoBackup, t.ID)
	}
	k := t.Bases[len(t.Bases)-1].BaseKey
	return i.staged(k.String(), k.Sum, baseStageName(k.RESP), math.MaxInt64, func(options aof.Options) error { return inspectBase(i.ctx, i.out, options, i.flags) })
}

// timeline prints the commands of all segments.
func (i *archiveInspector) timeline() error {
	t, err := i.chosen()
	if err != nil {
		return err
	}
	return i.segments(coverAll(t.Segments))
}

// chosen returns the timeline that was asked for, or else the newest.
func (i *archiveInspector) chosen() (*upload.ArchivedTimeline, error) {
	catalog, err := upload.ReadCatalog(i.ctx, i.a.store)
	if err != nil {
		return nil, err
	}
	for n := len(catalog.Timelines) - 1; n >= 0; n-- {
		if t := &catalog.Timelines[n]; i.flags.timeline == "" || t.ID == i.flags.timeline {
			return t, nil
		}
	}
	if i.flags.timeline == "" {
		return nil, fmt.Errorf("%w in %s", upload.ErrNoBackup, i.a.url)
	}
	return nil, fmt.Errorf("%w: %s has no such timeline", upload.ErrNoBackup, i.a.url)
}

// coverAll returns the fewest segments, ascending by where they begin, that have all that any has.
func coverAll(segments []upload.ArchivedSegment) []upload.ArchivedSegment {
	var out []upload.ArchivedSegment
	reached := stream.Offset(-1)
	for at := 0; at < len(segments); {
		best := segments[at]
		if best.From > reached {
			reached = best.From
		}
		for ; at < len(segments) && segments[at].From <= reached; at++ {
			if segments[at].To > best.To {
				best = segments[at]
			}
		}
		if best.To > reached || len(out) == 0 {
			out = append(out, best)
			reached = max(reached, best.To)
		}
	}
	return out
}

// segments prints the commands of segments, none twice.
func (i *archiveInspector) segments(segments []upload.ArchivedSegment) error {
	out := bufio.NewWriter(i.out)
	printer := entryPrinter{w: out, ranges: true}
	if i.flags.asJSON {
		printer.json = newLineEncoder(out)
	}
	var reached stream.Offset
	for _, segment := range segments {
		if i.misses(segment.SegmentKey) {
			continue
		}
		filter := i.filter
		filter.From = max(filter.From, reached+1)
		if reached == 0 {
			filter.From = i.filter.From
		}
		key := segment.String()
		err := i.staged(key, segment.Sum, incrementStageName, mostOf(segment.SegmentKey), func(options aof.Options) error {
			return aof.Walk(i.ctx, options, filter, func(e aof.Entry) error {
				e.File = key
				return printer.entry(e)
			})
		})
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		reached = max(reached, segment.To)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// misses reports whether a segment has nothing that the filter lets through, by its name.
func (i *archiveInspector) misses(k upload.SegmentKey) bool {
	f := i.filter
	return k.To < f.From || f.To > 0 && k.From > f.To ||
		!f.Since.IsZero() && k.ToMilli < f.Since.UnixMilli() || !f.Until.IsZero() && k.FromMilli > f.Until.UnixMilli() ||
		len(f.Commands) > 0 && k.OnlyMark()
}

const (
	stageFile          = "appendonly.aof"
	incrementStageName = stageFile + ".1.incr.aof"
)

func baseStageName(isRESP bool) string {
	if isRESP {
		return stageFile + ".1.base.aof"
	}
	return stageFile + ".1.base.rdb"
}

// mostOf is more than the plain bytes of a segment are: those of the stream, and a mark behind each fsync, which may be behind each command. One that
// has more is not what its name says, and could fill the disk.
func mostOf(k upload.SegmentKey) int64 {
	const fixed, marks, limit = 64 << 20, 16, math.MaxInt64 / 32
	return fixed + marks*min(int64(k.To-k.From), limit)
}

// staged downloads and verifies an object of at most that many bytes, and has use look at it as at a log's directory.
func (i *archiveInspector) staged(key, sum, name string, most int64, use func(aof.Options) error) (err error) {
	dir, err := os.MkdirTemp("", "aofsidecar-inspect-")
	if err != nil {
		return fmt.Errorf("make temporary directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	folder := filepath.Join(dir, DefaultConfig().AOF.AppendDirName)
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	if err := i.download(key, sum, filepath.Join(folder, name), most); err != nil {
		return err
	}
	base := name
	if name == incrementStageName {
		base = baseStageName(false)
	}
	manifest := fmt.Sprintf("file %s seq 1 type b\n", base)
	if name == incrementStageName {
		manifest += fmt.Sprintf("file %s seq 1 type i\n", name)
	}
	if err := os.WriteFile(filepath.Join(folder, stageFile+".manifest"), []byte(manifest), 0o600); err != nil {
		return err
	}
	err = use(aof.Options{Dir: dir})
	if corrupt, ok := errors.AsType[*aof.CorruptError](err); ok {
		return &upload.DamagedError{Key: key, What: fmt.Sprintf("byte %d: %s", corrupt.Offset, corrupt.What)}
	}
	return err
}

// download writes the plain bytes of an object to a file.
func (i *archiveInspector) download(key, sum, path string, most int64) (err error) {
	body, _, err := i.a.store.Get(i.ctx, key, 0, -1)
	if isNotFound(err) {
		return fmt.Errorf("%w: %s has no %s", upload.ErrNoBackup, i.a.url, key)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	plain, err := i.opener.Open(key, body)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plain.Close()) }()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	checked := upload.Checked(key, sum, plain)
	if _, err = io.CopyN(file, checked, most); errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		err = &upload.DamagedError{Key: key, What: "it is longer than its name says"}
	}
	return err
}
