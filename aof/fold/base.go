package fold

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/aofsidecar/aofsidecar/internal/rdb"
)

// RESPMagic begins the first line of a base of commands; dialect and version of its values follow. Loaders take the line for a comment.
const RESPMagic = "#aofsidecar-base "

// maxFormat is more than a format's name takes.
const maxFormat = 16

// base is what a look at the old base tells.
type base struct {
	Source
	format rdb.Format
	rdb    bool
	tail   int64 // where the commands begin; Size: there are none
}

// lookAtBase finds out what the base is. It reads an RDB only where commands may follow it.
func lookAtBase(src Source) (base, error) {
	b := base{Source: src, tail: src.Size}
	head := make([]byte, min(src.Size, int64(len(RESPMagic)+maxFormat)))
	if _, err := src.R.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return b, fmt.Errorf("read %s: %w", src.Name, err)
	}
	if line, ok := bytes.CutPrefix(head, []byte(RESPMagic)); ok {
		text, _, _ := bytes.Cut(line, []byte("\n"))
		b.tail = int64(len(RESPMagic) + len(text) + 1)
		var err error
		if b.format, err = parseFormat(string(bytes.TrimSpace(text))); err != nil {
			return b, &InputError{File: src.Name, Err: err}
		}
		return b, nil
	}
	rd, err := rdb.NewReader(src.from(0))
	if err != nil {
		return b, &InputError{File: src.Name, Err: err}
	}
	b.rdb, b.format = true, rdb.Format{Dialect: rd.Dialect(), Version: rd.Version()}
	maybe, err := commandsAtEnd(&src)
	if err != nil || !maybe {
		return b, err
	}
	for {
		if _, err := rd.Next(); errors.Is(err, io.EOF) {
			b.tail = rd.Offset()
			return b, nil
		} else if err != nil {
			return b, &InputError{File: src.Name, Offset: rd.Offset(), Err: err}
		}
	}
}

// commandsAtEnd reports whether the file may end with commands: with CRLF, as an RDB without any does by a rare chance only.
func commandsAtEnd(src *Source) (bool, error) {
	last := make([]byte, min(2, src.Size))
	if _, err := src.R.ReadAt(last, src.Size-int64(len(last))); err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read %s: %w", src.Name, err)
	}
	return string(last) == "\r\n", nil
}

// formatName is how a base of commands states the format of its values: as the magic of an RDB does.
func formatName(f rdb.Format) string {
	if f.Dialect == rdb.Valkey {
		return fmt.Sprintf("VALKEY%03d", f.Version)
	}
	return fmt.Sprintf("REDIS%04d", f.Version)
}

func parseFormat(text string) (rdb.Format, error) {
	f := rdb.Format{Dialect: rdb.Redis}
	digits, ok := strings.CutPrefix(text, "REDIS")
	if !ok {
		f.Dialect = rdb.Valkey
		if digits, ok = strings.CutPrefix(text, "VALKEY"); !ok {
			return f, fmt.Errorf("unknown format %q", text)
		}
	}
	var err error
	if f.Version, err = strconv.Atoi(digits); err != nil {
		return f, fmt.Errorf("unknown format %q", text)
	}
	return f, nil
}
