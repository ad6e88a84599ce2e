package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/aofsidecar/aofsidecar/aof"
)

// maxBiggest bounds the keys that inspect --biggest holds.
const maxBiggest = 100_000

// inspectBase prints the keys of the base, or what they add up to.
func inspectBase(ctx context.Context, w io.Writer, options aof.Options, f inspectFlags) error {
	out := bufio.NewWriter(w)
	err := printBase(ctx, out, options, f)
	if ferr := out.Flush(); err == nil && ferr != nil {
		err = fmt.Errorf("write result: %w", ferr)
	}
	return nothingThere(options.Dir, err)
}

func printBase(ctx context.Context, out *bufio.Writer, options aof.Options, f inspectFlags) error {
	if f.biggest == 0 {
		p := keyPrinter{w: out, only: f.key}
		if f.asJSON {
			p.json = newLineEncoder(out)
		}
		_, err := aof.WalkBase(ctx, options, p.key)
		return err
	}
	totals := baseTotals{limit: f.biggest, encodings: map[encodingID]*encodingTotal{}}
	report, err := aof.WalkBase(ctx, options, totals.add)
	if err != nil {
		return err
	}
	summary := totals.summary(report)
	if f.asJSON {
		return printJSON(out, summary)
	}
	return writeBaseSummary(out, summary)
}

func newLineEncoder(w io.Writer) *json.Encoder {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder
}

// keyPrinter prints keys as lines, for people or as JSON.
type keyPrinter struct {
	w    *bufio.Writer
	json *json.Encoder // nil: for people
	only string        // "": all
	line []byte
}

// keyLine is a key of `inspect --base --json`, and of --biggest.
type keyLine struct {
	DB        int    `json:"db"`
	Key       string `json:"key,omitempty"`
	KeyBase64 []byte `json:"key_base64,omitempty"` // where it is not UTF-8 text
	Type      string `json:"type"`
	Encoding  string `json:"encoding"`
	Bytes     int64  `json:"bytes"`    // of the value in the file
	Elements  int64  `json:"elements"` // bytes of a string; -1: not looked into
	Expire    int64  `json:"expire"`   // Unix milliseconds; -1: none
}

func toKeyLine(k *aof.BaseKey) keyLine {
	line := keyLine{DB: k.DB, Type: k.Kind, Encoding: k.Encoding, Bytes: k.Bytes, Elements: k.Elements, Expire: k.Expire}
	if utf8.Valid(k.Key) {
		line.Key = string(k.Key)
	} else {
		line.KeyBase64 = bytes.Clone(k.Key)
	}
	return line
}

// raw is the key.
func (l *keyLine) raw() []byte { return append([]byte(l.Key), l.KeyBase64...) }

func (p *keyPrinter) key(k *aof.BaseKey) error {
	if p.only != "" && p.only != string(k.Key) {
		return nil
	}
	if p.json != nil {
		return p.json.Encode(toKeyLine(k))
	}
	line := p.line[:0]
	line = append(line, "db"...)
	line = strconv.AppendInt(line, int64(k.DB), 10)
	line = append(line, "  "...)
	line = append(line, k.Encoding...)
	line = append(line, "  "...)
	line = strconv.AppendInt(line, k.Bytes, 10)
	line = append(line, " bytes  "...)
	line = append(line, countText(k.Elements)...)
	line = append(line, "  "...)
	line = append(line, expireText(k.Expire)...)
	line = append(line, "  "...)
	line = appendArg(line, k.Key, false)
	line = append(line, '\n')
	p.line = line
	_, err := p.w.Write(line)
	return err
}

func countText(n int64) string {
	if n < 0 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

func expireText(ms int64) string {
	if ms < 0 {
		return "-"
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// encodingID tells encodings apart.
type encodingID struct{ kind, encoding string }

// encodingTotal is what the keys of one encoding add up to.
type encodingTotal struct {
	Type     string `json:"type"`
	Encoding string `json:"encoding"`
	Keys     int64  `json:"keys"`
	Bytes    int64  `json:"bytes"`
	Elements int64  `json:"elements"` // of those that were looked into
}

// baseTotals adds keys up, and keeps the largest.
type baseTotals struct {
	limit     int
	encodings map[encodingID]*encodingTotal
	largest   []keyLine // and some more, in no order
	least     int64     // a key of this size or less is not one of the largest
}

// slackBiggest is by how much more than its limit baseTotals keeps before it sorts.
const slackBiggest = 1024

func (b *baseTotals) add(k *aof.BaseKey) error {
	id := encodingID{k.Kind, k.Encoding}
	total := b.encodings[id]
	if total == nil {
		total = &encodingTotal{Type: k.Kind, Encoding: k.Encoding}
		b.encodings[id] = total
	}
	total.Keys++
	total.Bytes += k.Bytes
	total.Elements += max(0, k.Elements)
	if k.Bytes <= b.least {
		return nil
	}
	b.largest = append(b.largest, toKeyLine(k))
	if len(b.largest) >= b.limit+slackBiggest {
		b.compact()
		b.least = b.largest[b.limit-1].Bytes
	}
	return nil
}

// compact leaves the largest, in order.
func (b *baseTotals) compact() {
	slices.SortStableFunc(b.largest, func(x, y keyLine) int { return cmp.Compare(y.Bytes, x.Bytes) })
	b.largest = b.largest[:min(len(b.largest), b.limit)]
}

// baseSummary is the result of `inspect --biggest --json`.
type baseSummary struct {
	Base      aof.BaseReport   `json:"base"`
	Encodings []*encodingTotal `json:"encodings"` // the most bytes first
	Biggest   []keyLine        `json:"biggest"`   // the largest first
}

func (b *baseTotals) summary(report aof.BaseReport) baseSummary {
	b.compact()
	encodings := slices.SortedFunc(maps.Values(b.encodings), func(x, y *encodingTotal) int {
		return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), cmp.Compare(x.Encoding, y.Encoding))
	})
	return baseSummary{Base: report, Encodings: encodings, Biggest: b.largest}
}

func writeBaseSummary(w io.Writer, s baseSummary) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(format string, args ...any) { _, _ = fmt.Fprintf(table, format+"\n", args...) } // Flush reports
	row("base\t%s\t%s\t%s", s.Base.Name, bytesText(s.Base.Bytes), baseText(s.Base))
	row("")
	row("encoding\tkeys\tbytes\telements")
	for _, e := range s.Encodings {
		row("%s\t%d\t%d\t%d", e.Encoding, e.Keys, e.Bytes, e.Elements)
	}
	row("")
	row("biggest\tbytes\telements\tkey")
	for i := range s.Biggest {
		k := &s.Biggest[i]
		row("%s\t%d\t%s\tdb%d %s", k.Encoding, k.Bytes, countText(k.Elements), k.DB, appendArg(nil, k.raw(), false))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// baseText says in short what a base is.
func baseText(b aof.BaseReport) string {
	text := b.Format + ", " + keysText(b.Keys)
	if b.Commands > 0 {
		text += fmt.Sprintf(", %d commands in %s", b.Commands, bytesText(b.CommandBytes))
	}
	if b.Format != formatCommands {
		text += ", " + checksumText(b.Checksummed)
	}
	return text
}

// formatCommands is the Format of a base that is no RDB.
const formatCommands = "commands"
