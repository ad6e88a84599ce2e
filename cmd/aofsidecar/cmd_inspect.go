package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/aofsidecar/aofsidecar/aof"
	"github.com/aofsidecar/aofsidecar/internal/stream"
	"github.com/aofsidecar/aofsidecar/upload"
)

const inspectHelp = `Print what a directory holds, aof.dir or the one named: the manifest, and then one line for each entry of the increments, in order. It takes no
lock and changes nothing, so that it can be used beside a running sidecar; it ends where the files end now.

A line says: the offset after the entry, the time of the last mark above it (what follows was received then or later; - if there is none), the database that is
selected, and the command. Arguments are quoted as redis-cli does; those over --max-arg bytes are cut.

With --base it prints the base instead: a line for each key with database, type, encoding, size of the value in the file, elements (bytes of a string), and
expiry time. With --biggest N it prints how many keys of each type and encoding there are, what they take, and the N largest. Values are
verified as they are read. A base that is commands (aof-use-rdb-preamble no) has no such list.

With --archive it reads the archive instead of a directory: the URL of a base or a segment prints that object, else the commands of the newest timeline, or of --timeline, are
printed from all its segments. Lines then begin with two offsets, before and after the entry, so that

  aofsidecar inspect --archive --command FLUSHALL,FLUSHDB,SWAPDB
  aofsidecar restore --output DIR --offset BEFORE

bring back the moment before a mistake.

--from and --to take an offset, as 'verify' and marks print them, or a time (RFC 3339). With --json each line is one JSON value: first
the manifest, then the entries; an argument that is not UTF-8 text is under args_base64 instead of args.`

// inspectFlags are the flags of inspect.
type inspectFlags struct {
	asJSON   bool
	commands []string
	key      string
	from, to string
	maxArg   int
	base     bool
	biggest  int
	at       optionalURL
	timeline string
}

func newInspectCommand(flags *flagLayer) *cobra.Command {
	var f inspectFlags
	cmd := &cobra.Command{
		Use:   "inspect [DIR]",
		Short: "Print the manifest, positions and commands of a directory",
		Long:  inspectHelp,
		Example: `  aofsidecar inspect --command FLUSHALL,FLUSHDB,SWAPDB
  aofsidecar inspect --key user:1000 --from 2026-11-22T09:00:00Z --to 2026-11-22T09:05:00Z
  aofsidecar inspect --json --from 123456 /data/aofsidecar
  aofsidecar inspect --biggest 20
  aofsidecar inspect --archive s3://backups/prod --command FLUSHALL`,
		Args: func(cmd *cobra.Command, args []string) error { return atMostOneDir(cmd, f.at.take(args)) },
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := f.filter(cmd.Flags().Changed("key"))
			if err != nil {
				return &UsageError{Err: err, Hint: "aofsidecar inspect --help"}
			}
			if len(args) == 1 && isArchiveURL(args[0]) {
				f.at = optionalURL{given: true, url: args[0]}
			}
			if f.at.given {
				return inspectArchive(cmd.Context(), cmd.OutOrStdout(), *flags, f, filter)
			}
			options, err := directoryOptions(*flags, args)
			if err != nil {
				return err
			}
			if f.base || f.biggest > 0 {
				return inspectBase(cmd.Context(), cmd.OutOrStdout(), options, f)
			}
			return inspectDirectory(cmd.Context(), cmd.OutOrStdout(), options, filter, f.asJSON)
		},
	}
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print JSON lines")
	cmd.Flags().StringSliceVar(&f.commands, "command", nil, "only commands with these `names`")
	cmd.Flags().StringVar(&f.key, "key", "", "only commands with this `key` among their arguments")
	cmd.Flags().StringVar(&f.from, "from", "", "from this `offset or time` on")
	cmd.Flags().StringVar(&f.to, "to", "", "up to this `offset or time`")
	cmd.Flags().BoolVar(&f.base, "base", false, "print the keys of the base; of the other flags --key and --json apply")
	cmd.Flags().IntVar(&f.biggest, "biggest", 0, "print what the base has of each type, and its `N` largest keys")
	addOptionalArchiveFlag(cmd, &f.at, "read the archive, or one object of it")
	cmd.Flags().StringVar(&f.timeline, "timeline", "", "`ID` of the archive's timeline; empty: the newest")
	cmd.Flags().IntVar(&f.maxArg, "max-arg", 128, "`bytes` of an argument to print; -1: all")
	return cmd
}

// filter checks the flags.
func (f inspectFlags) filter(hasKey bool) (aof.Filter, error) {
	filter := aof.Filter{Commands: f.commands, MaxArg: f.maxArg}
	var errs []error
	if hasKey {
		filter.Key = []byte(f.key)
	}
	var err error
	if filter.From, filter.Since, err = parsePlace(f.from); err != nil {
		errs = append(errs, fmt.Errorf("--from: %w", err))
	}
	if filter.To, filter.Until, err = parsePlace(f.to); err != nil {
		errs = append(errs, fmt.Errorf("--to: %w", err))
	}
	if f.biggest < 0 || f.biggest > maxBiggest {
		errs = append(errs, fmt.Errorf("--biggest: want a number of keys from 1 to %d", maxBiggest))
	}
	if f.base && f.biggest > 0 {
		errs = append(errs, errors.New("--base and --biggest exclude each other"))
	}
	if f.timeline != "" && upload.CheckTimeline(f.timeline) != nil {
		errs = append(errs, errors.New("--timeline: that is not the name of a timeline"))
	}
	if f.maxArg == 0 || f.maxArg < -1 {
		errs = append(errs, errors.New("--max-arg: want a number of bytes above 0, or -1"))
	}
	if filter.Key != nil && f.maxArg > 0 && len(filter.Key) > f.maxArg {
		filter.MaxArg = len(filter.Key)
	}
	return filter, errors.Join(errs...)
}

// parsePlace reads an offset or a time; both are zero for an empty string.
func parsePlace(s string) (stream.Offset, time.Time, error) {
	if s == "" {
		return 0, time.Time{}, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		return stream.Offset(n), time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("%q is neither an offset nor a time like 2026-11-22T09:00:00Z", s)
	}
	return 0, t, nil
}

func inspectDirectory(ctx context.Context, w io.Writer, options aof.Options, filter aof.Filter, asJSON bool) error {
	out := bufio.NewWriter(w)
	printer := entryPrinter{w: out}
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		printer.json = encoder
	}
	manifest, err := aof.ReadManifest(options)
	if err == nil {
		err = printer.manifest(manifest)
	}
	if err == nil {
		err = aof.Walk(ctx, options, filter, printer.entry)
	}
	if ferr := out.Flush(); err == nil && ferr != nil {
		err = fmt.Errorf("write result: %w", ferr)
	}
	return nothingThere(options.Dir, err)
}

// entryPrinter prints entries as lines, for people or as JSON.
type entryPrinter struct {
	w      *bufio.Writer
	json   *json.Encoder // nil: for people
	ranges bool          // lines for people begin with the offset before, too
	line   []byte
}

// manifestLine is the first line of `inspect --json`.
type manifestLine struct {
	Kind  string   `json:"kind"` // "manifest"
	Lines []string `json:"lines"`
}

func (p *entryPrinter) manifest(text string) error {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if p.json != nil {
		return p.json.Encode(manifestLine{Kind: "manifest", Lines: lines})
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(p.w, "manifest  %s\n", line); err != nil {
			return fmt.Errorf("write result: %w", err)
		}
	}
	return nil
}

// entryLine is one entry of `inspect --json`.
type entryLine struct {
	Kind       aof.EntryKind `json:"kind"`
	File       string        `json:"file"`
	Start      int64         `json:"start"` // bytes in the file
	End        int64         `json:"end"`
	ReplID     string        `json:"replid"`
	Before     stream.Offset `json:"before"` // the offset before it
	Offset     stream.Offset `json:"offset"` // after it
	Time       time.Time     `json:"time"`
	DB         int           `json:"db"`
	Multi      bool          `json:"multi,omitempty"` // it ends inside MULTI
	Durable    *int64        `json:"durable,omitempty"`
	Args       []string      `json:"args,omitempty"`
	ArgsBase64 [][]byte      `json:"args_base64,omitempty"`
	Lengths    []int64       `json:"lengths,omitempty"` // of the arguments, where one was cut
}

func (p *entryPrinter) entry(e aof.Entry) error {
	if p.json != nil {
		return p.json.Encode(toLine(e))
	}
	line := p.line[:0]
	if p.ranges {
		line = strconv.AppendInt(line, int64(before(e)), 10)
		line = append(line, ' ')
	}
	line = strconv.AppendInt(line, int64(e.Position.Offset), 10)
	line = append(line, "  "...)
	if e.Time.UnixMilli() == 0 {
		line = append(line, '-') // no mark above it
	} else {
		line = e.Time.AppendFormat(line, "2006-01-02T15:04:05.000Z07:00")
	}
	line = append(line, "  db"...)
	line = strconv.AppendInt(line, int64(e.DB), 10)
	line = append(line, "  "...)
	if e.Kind != aof.EntryCommand {
		line = append(line, e.Kind...)
		line = append(line, "  "...)
	}
	for i, arg := range e.Args {
		if i > 0 {
			line = append(line, ' ')
		}
		line = appendArg(line, arg, i == 0 || e.Kind == aof.EntryMark)
		if cut := e.Lens[i] - int64(len(arg)); cut > 0 {
			line = fmt.Appendf(line, "...(%d more bytes)", cut)
		}
	}
	line = append(line, '\n')
	p.line = line
	if _, err := p.w.Write(p.line); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// before is the offset in front of an entry: the stream's bytes are in the file as they are.
func before(e aof.Entry) stream.Offset {
	if e.Kind != aof.EntryCommand {
		return e.Position.Offset
	}
	return e.Position.Offset - stream.Offset(e.End-e.Start)
}

func toLine(e aof.Entry) entryLine {
	line := entryLine{
		Kind: e.Kind, File: e.File, Start: e.Start, End: e.End, ReplID: e.Position.ReplID.String(), Before: before(e), Offset: e.Position.Offset,
		Time: e.Time, DB: e.DB, Multi: e.Multi,
	}
	if e.Kind == aof.EntryMark {
		durable := int64(e.Durable)
		line.Durable = &durable
	}
	text := true
	for i, arg := range e.Args {
		text = text && utf8.Valid(arg)
		if e.Lens[i] > int64(len(arg)) {
			line.Lengths = e.Lens
		}
	}
	for _, arg := range e.Args {
		if text {
			line.Args = append(line.Args, string(arg))
		} else {
			line.ArgsBase64 = append(line.ArgsBase64, arg)
		}
	}
	return line
}

// appendArg writes an argument as redis-cli prints strings (sds.c:sdscatrepr); bare words stay bare where that is allowed.
func appendArg(dst, arg []byte, bare bool) []byte {
	if bare && isWord(arg) {
		return append(dst, arg...)
	}
	dst = append(dst, '"')
	for _, c := range arg {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c < ' ' || c > '~':
			dst = fmt.Appendf(dst, `\x%02x`, c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// isWord reports whether an argument needs no quotes to be read.
func isWord(arg []byte) bool {
	for _, c := range arg {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return len(arg) > 0
}
